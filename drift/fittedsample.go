package drift

import (
	"errors"
	"math"
	"slices"
	"sort"
	"sync"
)

// FittedSample is a reference sample made ready for many comparisons: sorted, and divided
// into cells on which a current sample is counted first. It holds a copy of the sample. A
// FittedSample is immutable and safe for concurrent use; the zero FittedSample is empty.
type FittedSample struct {
	sorted []float64
	grid   grid
	bins   []uint16  // of each cell of the grid
	starts []int     // of each bin in sorted, and the end
	counts sync.Pool // of *binCount
}

// NewFittedSample prepares the sample, which needs not be sorted and stays as it is. An
// empty sample or a NaN is an [*InputError].
func NewFittedSample(reference []float64) (*FittedSample, error) {
	sorted, err := sortedSample("reference", reference)
	if err != nil {
		return nil, err
	}
	return fitSample(sorted, binsFor(len(sorted))), nil
}

// binsFor returns how many bins a sample of n values is divided into. The largest distance
// between two distribution functions is of the order of 1/√n, and only bins of a smaller
// share than that can be passed over.
func binsFor(n int) int {
	switch {
	case n <= 20_000:
		return 1 << 10
	case n <= 200_000:
		return 1 << 12
	default:
		return 1 << 14
	}
}

// fitSample takes over the sorted values and divides them into at most k bins.
func fitSample(sorted []float64, k int) *FittedSample {
	s := &FittedSample{sorted: sorted}
	s.grid, _ = fitGrid(finiteRange(sorted), k, min(16*k, 1<<17))
	s.bins = make([]uint16, s.grid.Size+2)
	s.starts = append(s.starts, 0)
	n := len(sorted)
	bin, from := uint16(0), 0 // bin of the cells from from
	for i := 1; i < k; i++ {
		at := n/k*i + n%k*i/k
		cell := s.grid.index(sorted[at])
		if cell < from {
			continue // the bin before has it, as many equal values do
		}
		at += sort.Search(n-at, func(j int) bool { return s.grid.index(sorted[at+j]) > cell })
		if at == n {
			break
		}
		for ; from <= cell; from++ {
			s.bins[from] = bin
		}
		s.starts = append(s.starts, at)
		bin++
	}
	for ; from < len(s.bins); from++ {
		s.bins[from] = bin
	}
	s.starts = append(s.starts, n)
	return s
}

// finiteRange returns the sorted values without infinities; if there are no others, a zero.
func finiteRange(sorted []float64) []float64 {
	from, to := 0, len(sorted)
	for from < to && math.IsInf(sorted[from], -1) {
		from++
	}
	for to > from && math.IsInf(sorted[to-1], 1) {
		to--
	}
	if from == to {
		return []float64{0}
	}
	return sorted[from:to]
}

// Len returns the number of values of the reference.
func (s *FittedSample) Len() int { return len(s.sorted) }

// KolmogorovSmirnov is the function [KolmogorovSmirnov] with this sample as the reference:
// the same Result, digit for digit, in a fraction of the time. The current sample is not
// sorted but counted, and only where that leaves open whether the largest distance is
// inside a bin, the bin's values are sorted. An empty current sample or a NaN is an
// [*InputError].
func (s *FittedSample) KolmogorovSmirnov(current []float64) (Result, error) {
	if len(s.sorted) == 0 || len(current) == 0 {
		return Result{}, errors.Join(checkSample("reference", s.sorted), checkSample("current", current))
	}
	h, ok := s.distance(current)
	if !ok {
		return Result{}, checkSample("current", current)
	}
	return ksResult(h, len(s.sorted), len(current)), nil
}

// distance returns nmD, or false if a value is NaN.
func (s *FittedSample) distance(current []float64) (h int64, ok bool) {
	count, _ := s.counts.Get().(*binCount)
	if count == nil {
		count = new(binCount)
	}
	defer s.counts.Put(count)
	if !count.add(s, current) {
		return 0, false
	}
	h = count.compare(s.starts)
	if 4*len(count.values) > len(current) { // gathering so many would cost more than to sort all
		count.close()
		sorted := slices.Clone(current)
		sortFloats(sorted)
		return ksDistance(s.sorted, sorted), true
	}
	count.gather(current)
	n, m := int64(len(s.sorted)), int64(len(current))
	for k, o := range count.opened {
		i, next := s.starts[o.bin], s.starts[o.bin+1]
		h = max(h, ksDistanceFrom(s.sorted[i:next], count.sorted(k), int64(i), int64(o.before), n, m))
	}
	count.close()
	return h, true
}

// ksPerBin is how many values of the reference say, on average, where a bin is, if it is not
// sorted for one comparison: so few that to sort them costs next to nothing.
const ksPerBin = 2

// ksCounted returns nmD of samples that are not sorted: both are counted on bins that some
// values of the reference make about even, and only where that leaves open whether the
// largest distance is inside a bin, its values are sorted. It returns false if those were so
// many that to sort both samples takes less, or if a value is NaN.
func ksCounted(reference, current []float64) (h int64, ok bool) {
	k := binsFor(len(reference))
	step := max(len(reference)/(ksPerBin*k), 1)
	some := make([]float64, 0, len(reference)/step+1)
	for i := 0; i < len(reference); i += step {
		some = append(some, reference[i])
	}
	if slices.ContainsFunc(some, math.IsNaN) {
		return 0, false
	}
	sortFloats(some)
	s := fitSample(some, k)
	r, c := new(binCount), new(binCount)
	if !r.add(s, reference) || !c.add(s, current) {
		return 0, false
	}
	starts := make([]int, 1, len(r.counts)+1)
	for b, n := range r.counts {
		starts = append(starts, starts[b]+int(n))
	}
	h = c.compare(starts)
	for _, o := range c.opened {
		r.open(o.bin, starts[o.bin])
	}
	if 4*(len(r.values)+len(c.values)) > len(reference)+len(current) {
		return 0, false
	}
	r.gather(reference)
	c.gather(current)
	n, m := int64(len(reference)), int64(len(current))
	for i := range c.opened {
		h = max(h, ksDistanceFrom(r.sorted(i), c.sorted(i), int64(r.opened[i].before), int64(c.opened[i].before), n, m))
	}
	return h, true
}

// binCount counts a sample on bins, and gathers the values of the bins that must be looked
// into, which are open. It is used again and again.
type binCount struct {
	bins   []uint16 // of the values
	counts []int32
	second []int32 // of them, those of the second half of the values
	opened []openBin
	values []float64 // of open bins, one bin after the other
	// slot is the place of an open bin in opened, plus 1. The size spares a comparison.
	slot [1 << 16]uint16
}

type openBin struct {
	bin    int
	before int    // values below the bin
	next   [2]int // place of the next value of either half
	end    int    // of its values
}

// add counts the values, or returns false if one is NaN. Many values are counted in two
// halves, on two processors if there are as many.
func (k *binCount) add(s *FittedSample, values []float64) bool {
	n := len(s.starts) - 1
	k.bins = slices.Grow(k.bins[:0], len(values))[:len(values)]
	k.counts = slices.Grow(k.counts[:0], 2*n)[:2*n]
	clear(k.counts)
	k.counts, k.second = k.counts[:n], k.counts[n:]
	if len(values) < worthwhile {
		return s.count(k.counts, k.bins, values)
	}
	var numbers [2]bool
	half := len(values) / 2
	work(2, len(values), func(i int) {
		if i == 0 {
			numbers[i] = s.count(k.counts, k.bins[:half], values[:half])
		} else {
			numbers[i] = s.count(k.second, k.bins[half:], values[half:])
		}
	})
	for i, c := range k.second {
		k.counts[i] += c
	}
	return numbers[0] && numbers[1]
}

// count adds the values to the counts of their bins, which it writes down, or returns false
// if one is NaN.
func (s *FittedSample) count(counts []int32, bins []uint16, values []float64) bool {
	if s.grid.linear() {
		return s.countLinear(counts, bins, values)
	}
	var cells [gridBlock]uint32
	table := s.bins
	for len(values) > 0 {
		block := values[:min(len(values), gridBlock)]
		s.grid.locate(&cells, block)
		for i, x := range block {
			if x != x { // NaN, which is in any cell
				return false
			}
			b := table[cells[i]]
			bins[i] = b
			counts[b]++
		}
		values, bins = values[len(block):], bins[len(block):]
	}
	return true
}

// countLinear is count on a linear grid. It has grid.index written out, but for what is
// outside the grid.
func (s *FittedSample) countLinear(counts []int32, bins []uint16, values []float64) bool {
	table, lo, rate := s.bins, s.grid.Centre, s.grid.Rate
	bins = bins[:len(values)]
	for i, x := range values {
		cell := uint64(int64(float64((x-lo)*rate) + 1))
		if cell-1 >= uint64(len(table))-1 { // outside the grid, or NaN, of which the integer is any
			if x != x {
				return false
			}
			cell = uint64(s.grid.index(x))
		}
		b := table[cell]
		bins[i] = b
		counts[b]++
	}
	return true
}

// compare returns the largest nmD at the ends of the bins, of which the reference's values
// begin at the starts, and opens those that may have a larger one inside.
func (k *binCount) compare(starts []int) (h int64) {
	n, m := int64(starts[len(starts)-1]), int64(len(k.bins))
	var before int64
	for b, c := range k.counts {
		before += int64(c)
		h = max(h, abs(int64(starts[b+1])*m-before*n))
	}
	before = 0
	for b, c := range k.counts {
		i, next := int64(starts[b]), int64(starts[b+1])
		after := before + int64(c)
		// Inside it is at most that of having all values of one sample before all of the other.
		if c > 0 && next > i && max(next*m-before*n, after*n-i*m) > h {
			k.open(b, int(before))
		}
		before = after
	}
	return h
}

// open opens a bin before which there are so many values; bins are opened in ascending order.
func (k *binCount) open(bin, before int) {
	from, count := len(k.values), int(k.counts[bin])
	k.values = slices.Grow(k.values, count)[:from+count]
	second := from + count - int(k.second[bin])
	k.opened = append(k.opened, openBin{bin: bin, before: before, next: [2]int{from, second}, end: from + count})
	k.slot[bin] = uint16(len(k.opened))
}

// gather copies the values of the open bins, in the halves that they were counted in.
func (k *binCount) gather(values []float64) {
	if len(values) < worthwhile {
		k.gatherHalf(0, k.bins, values)
		return
	}
	half := len(values) / 2
	work(2, len(values), func(i int) {
		if i == 0 {
			k.gatherHalf(0, k.bins[:half], values[:half])
		} else {
			k.gatherHalf(1, k.bins[half:], values[half:])
		}
	})
}

func (k *binCount) gatherHalf(half int, bins []uint16, values []float64) {
	place := func(i int) {
		if slot := k.slot[bins[i]]; slot != 0 {
			o := &k.opened[slot-1]
			k.values[o.next[half]] = values[i]
			o.next[half]++
		}
	}
	i := 0
	for ; i+4 <= len(bins); i += 4 {
		if b := bins[i : i+4 : i+4]; k.slot[b[0]]|k.slot[b[1]]|k.slot[b[2]]|k.slot[b[3]] != 0 {
			for j := range b {
				place(i + j)
			}
		}
	}
	for ; i < len(bins); i++ {
		place(i)
	}
}

// sorted sorts and returns the gathered values of the i-th open bin.
func (k *binCount) sorted(i int) []float64 {
	from := 0
	if i > 0 {
		from = k.opened[i-1].end
	}
	values := k.values[from:k.opened[i].end]
	sortFloats(values)
	return values
}

// close closes all bins.
func (k *binCount) close() {
	for _, o := range k.opened {
		k.slot[o.bin] = 0
	}
	k.opened, k.values = k.opened[:0], k.values[:0]
}
