package csvlog

import "iter"

// ParseFloat is tested against strconv.
var ParseFloat = parseFloat

// Index is tested against a map.
type Index = index

func (x *index) Add(hash uint64, offset int64)       { x.add(hash, offset) }
func (x *index) Remove(hash uint64, offset int64)    { x.remove(hash, offset) }
func (x *index) Offsets(hash uint64) iter.Seq[int64] { return x.offsets(hash) }

// Remembered returns the number of files of which a store knows anything.
func (s *Store) Remembered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.blocks) + len(s.reported)
}
