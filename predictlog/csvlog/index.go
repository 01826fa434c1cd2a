package csvlog

import "iter"

// index finds the rows of a file by a hash of their IDs. Rows whose IDs have the same hash
// are all found; reading the rows distinguishes them. The index is a table with linear
// probing of 16 bytes a slot. With a map, whose lookup and assignment each miss the cache, it
// took a third of an Append's time. The zero index is empty.
type index struct {
	slots []slot // as many as a power of two
	used  int
}

// slot is empty if its offset is 0: the header of a file begins there, and no row does.
type slot struct {
	hash   uint64
	offset int64
}

// offsets yields the offsets that were added under the hash.
func (x *index) offsets(hash uint64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		if x.used == 0 {
			return
		}
		for i := x.home(hash); x.slots[i].offset != 0; i = x.after(i) {
			if x.slots[i].hash == hash && !yield(x.slots[i].offset) {
				return
			}
		}
	}
}

// add adds an offset, which must not be 0.
func (x *index) add(hash uint64, offset int64) {
	if x.used >= len(x.slots)/4*3 {
		x.grow()
	}
	i := x.home(hash)
	for x.slots[i].offset != 0 {
		i = x.after(i)
	}
	x.slots[i] = slot{hash, offset}
	x.used++
}

// remove undoes add.
func (x *index) remove(hash uint64, offset int64) {
	gap := x.home(hash)
	for x.slots[gap].offset != offset {
		gap = x.after(gap)
	}
	// The following slots move up, so that no search ends at the gap too early, except a slot
	// that would move past its home.
	mask := len(x.slots) - 1
	for i := x.after(gap); x.slots[i].offset != 0; i = x.after(i) {
		if home := x.home(x.slots[i].hash); (i-home)&mask >= (i-gap)&mask {
			x.slots[gap] = x.slots[i]
			gap = i
		}
	}
	x.slots[gap] = slot{}
	x.used--
}

func (x *index) grow() {
	old := x.slots
	x.slots, x.used = make([]slot, max(64, 2*len(old))), 0
	for _, s := range old {
		if s.offset != 0 {
			x.add(s.hash, s.offset)
		}
	}
}

func (x *index) home(hash uint64) int { return int(hash) & (len(x.slots) - 1) }

func (x *index) after(i int) int { return (i + 1) & (len(x.slots) - 1) }
