package labels

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"hash/fnv"
	"slices"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Sampler keeps a random sample of the examples that it is given, in memory bounded by
// the size of the sample, while [Join] streams them. Which examples it keeps depends on
// the seed and their IDs alone, not on the order in which they come: another pass over
// the same examples gives the same sample. It is not safe for concurrent use.
type Sampler struct {
	max  int
	seed uint64
	of   int
	kept drawn
}

// NewSampler returns an empty sampler that keeps at most max examples, none if max is
// not positive.
func NewSampler(max int, seed uint64) *Sampler { return &Sampler{max: max, seed: seed} }

// Add offers an example. Its ID is not to be offered twice.
func (s *Sampler) Add(e Example) {
	s.of++
	d := draw{lot: s.lot(e.Record.ID), example: e}
	switch {
	case len(s.kept) < s.max:
		heap.Push(&s.kept, d)
	case s.max > 0 && d.before(s.kept[0]):
		s.kept[0] = d
		heap.Fix(&s.kept, 0)
	}
}

// Of returns how many examples were offered.
func (s *Sampler) Of() int { return s.of }

// Dataset returns the examples that were kept, all that were offered if these are not
// more than the most to be kept.
func (s *Sampler) Dataset(schema *predictlog.Schema) Dataset {
	d := Dataset{Schema: schema, Examples: make([]Example, len(s.kept))}
	for i, k := range s.kept {
		d.Examples[i] = k.example
	}
	d.sort()
	return d
}

// lot returns a number that is as good as random to whoever does not choose IDs by it.
func (s *Sampler) lot(id string) uint64 {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(nil, s.seed))
	h.Write([]byte(id))
	// FNV alone tells IDs apart that differ in their last byte by their low bits only; the
	// finalizer of SplitMix64 spreads that over all.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// draw is an example and the lot that decides whether it is kept.
type draw struct {
	lot     uint64
	example Example
}

func (d draw) before(e draw) bool {
	return cmp.Or(cmp.Compare(d.lot, e.lot), cmp.Compare(d.example.Record.ID, e.example.Record.ID)) < 0
}

// drawn is a [heap.Interface] with the highest lot on top.
type drawn []draw

func (d drawn) Len() int           { return len(d) }
func (d drawn) Less(i, j int) bool { return d[j].before(d[i]) }
func (d drawn) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *drawn) Push(x any)        { *d = append(*d, x.(draw)) }
func (d *drawn) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}

// sort puts the examples into the order of a [Dataset].
func (d Dataset) sort() {
	slices.SortFunc(d.Examples, func(a, b Example) int {
		return cmp.Or(a.Record.Time.Compare(b.Record.Time), cmp.Compare(a.Record.ID, b.Record.ID))
	})
}
