package labels

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"hash/fnv"
	"io"
	"slices"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Sampler keeps a random sample of the examples that [Join] streams, in memory bounded by the
// size of the sample. The choice depends on the seed and on the IDs alone, not on the order
// of the examples: another pass over the same examples gives the same sample. A Sampler is
// not safe for concurrent use.
type Sampler struct {
	max  int
	seed uint64
	of   int
	kept []Example
	lots lots // of the kept examples; a heap once there are max
}

// NewSampler returns an empty sampler that keeps at most max examples, none if max is
// not positive.
func NewSampler(max int, seed uint64) *Sampler { return &Sampler{max: max, seed: seed} }

// Add offers an example. No ID may be offered twice.
func (s *Sampler) Add(e Example) {
	s.of++
	if s.max <= 0 {
		return
	}
	drawn := lot{number: s.number(e.Record.ID), id: e.Record.ID, at: len(s.kept)}
	if len(s.kept) < s.max {
		s.kept, s.lots = append(s.kept, e), append(s.lots, drawn)
		if len(s.kept) == s.max {
			heap.Init(&s.lots)
		}
		return
	}
	if highest := s.lots[0]; drawn.before(highest) {
		drawn.at = highest.at
		s.kept[drawn.at], s.lots[0] = e, drawn
		heap.Fix(&s.lots, 0)
	}
}

// Of returns the number of examples that were offered.
func (s *Sampler) Of() int { return s.of }

// Dataset returns the kept examples: all that were offered, if there are at most max.
func (s *Sampler) Dataset(schema *predictlog.Schema) Dataset {
	d := Dataset{Schema: schema, Examples: slices.Clone(s.kept)}
	d.sort()
	return d
}

// number returns a number that is random to all who do not choose IDs by it.
func (s *Sampler) number(id string) uint64 {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(nil, s.seed))
	io.WriteString(h, id) // never fails
	// FNV alone distinguishes IDs that differ in their last byte only in its low bits. The
	// finalizer of SplitMix64 spreads the difference over all bits.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// lot decides whether an example is kept: those with the lowest lots are.
type lot struct {
	number uint64
	id     string
	at     int // where the example is
}

func (l lot) before(m lot) bool {
	return cmp.Or(cmp.Compare(l.number, m.number), cmp.Compare(l.id, m.id)) < 0
}

// lots is a [heap.Interface] with the highest on top. It is never grown as a heap.
type lots []lot

func (l lots) Len() int           { return len(l) }
func (l lots) Less(i, j int) bool { return l[j].before(l[i]) }
func (l lots) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *lots) Push(x any)        { *l = append(*l, x.(lot)) }
func (l *lots) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	*l = (*l)[:last]
	return x
}

// sort puts the examples into the order of a [Dataset].
func (d Dataset) sort() {
	slices.SortFunc(d.Examples, func(a, b Example) int {
		return cmp.Or(a.Record.Time.Compare(b.Record.Time), cmp.Compare(a.Record.ID, b.Record.ID))
	})
}
