package drift

import (
	"math"
	"slices"
)

const (
	// largestFine is the largest grid of which 15 bits can number the cells, with those
	// outside.
	largestFine = 1<<15 - 2
	// cellGroup is how many cells are looked at together first.
	cellGroup = 8
)

// cellCount counts a sample on the cells of a grid, and gathers the values of the cells that
// must be looked into, which are open. It is used again and again.
type cellCount struct {
	values  []float64
	cells   []uint16   // of the values
	numbers bool       // no value is NaN
	counts  []int32    // of the cells, in whole groups
	ends    []groupEnd // of groups of cells, from 0 on
	near    []int      // the groups that may hold the largest distance
	opened  []openCell
	inside  []float64 // of the open cells, one cell after the other
	// slot is the place of an open cell in opened, plus 1. The size spares a comparison.
	slot [1 << 15]uint16
}

// groupEnd is an end of a group of cells.
type groupEnd struct {
	before   int   // values before it
	distance int64 // nm times the difference of the distribution functions there
}

type openCell struct {
	cell   int
	before int   // values below the cell
	most   int64 // the largest nmD that may be inside
	next   int   // place of its next value; when all are gathered, the end
}

// add counts the values.
func (k *cellCount) add(g *grid, values []float64) {
	cells := (g.Size + 2 + cellGroup - 1) / cellGroup * cellGroup
	k.values = values
	k.cells = slices.Grow(k.cells[:0], len(values))[:len(values)]
	k.counts = slices.Grow(k.counts[:0], cells)[:cells]
	clear(k.counts)
	k.numbers = k.count(g)
}

// count counts the values in their cells, which it writes down, or returns false if one is
// NaN.
func (k *cellCount) count(g *grid) bool {
	values, cells := k.values, k.cells
	var located [gridBlock]uint32
	atOnce := gridBlock
	shifted := g.Tails == 1 && g.Rate == 1 && g.Shift < 52 // no NaN is in a cell of numbers
	if shifted {
		atOnce = 4
	}
	for {
		if shifted {
			n := g.countShifted(k.counts, cells, values)
			values, cells = values[n:], cells[n:]
		}
		if len(values) == 0 {
			return true
		}
		block := values[:min(len(values), atOnce)]
		g.locate(&located, block)
		for i, x := range block {
			if x != x { // NaN, which is in any cell
				return false
			}
			cells[i] = uint16(located[i])
			k.counts[located[i]]++
		}
		values, cells = values[len(block):], cells[len(block):]
	}
}

// countShifted counts four values after the other while all four are in cells 0 to Size, on
// a grid with one tail and a rate of 1, and returns how many values. It has locate written
// out.
func (g *grid) countShifted(counts []int32, cells []uint16, values []float64) (n int) {
	centre, shift, base := g.Centre, g.Shift&63, uint64(g.Base)
	counts, cells = counts[:g.Size+1], cells[:len(values)]
	for ; n < len(values)-3; n += 4 { // in this form no index needs a check
		c0 := math.Float64bits(values[n]-centre)>>shift - base
		c1 := math.Float64bits(values[n+1]-centre)>>shift - base
		c2 := math.Float64bits(values[n+2]-centre)>>shift - base
		c3 := math.Float64bits(values[n+3]-centre)>>shift - base
		size := uint64(len(counts))
		if c0 >= size || c1 >= size || c2 >= size || c3 >= size {
			break
		}
		counts[c0]++
		counts[c1]++
		counts[c2]++
		counts[c3]++
		cells[n], cells[n+1], cells[n+2], cells[n+3] = uint16(c0), uint16(c1), uint16(c2), uint16(c3)
	}
	return n
}

// starts returns how many values come before each cell, and all.
func (k *cellCount) starts() []int {
	starts := make([]int, 1, len(k.counts)+1)
	for c, n := range k.counts {
		starts = append(starts, starts[c]+int(n))
	}
	return starts
}

// compare returns the largest nmD at ends of cells, of which the reference's values begin
// at the starts, and opens those cells that may have a larger one inside.
func (k *cellCount) compare(starts []int) (h int64) {
	n, m := int64(starts[len(starts)-1]), int64(len(k.values))
	k.ends = append(k.ends[:0], groupEnd{})
	before := 0
	for at := cellGroup; at <= len(k.counts); at += cellGroup {
		c := k.counts[at-cellGroup:][:cellGroup]
		before += int(c[0] + c[1] + c[2] + c[3] + c[4] + c[5] + c[6] + c[7])
		end := groupEnd{before, int64(starts[at])*m - int64(before)*n}
		k.ends = append(k.ends, end)
		h = max(h, abs(end.distance))
	}
	// Inside a part it is at most that of having all values of one sample before all of the
	// other, which c values of the current sample move by cn.
	k.near = k.near[:0]
	for g, end := range k.ends[1:] {
		start := k.ends[g]
		if max(end.distance, -start.distance)+int64(end.before-start.before)*n <= h {
			continue
		}
		k.near = append(k.near, g)
		d := start.distance
		for c := g * cellGroup; c < (g+1)*cellGroup; c++ {
			d += int64(starts[c+1]-starts[c])*m - int64(k.counts[c])*n
			h = max(h, abs(d))
		}
	}
	for _, g := range k.near {
		before, d := k.ends[g].before, k.ends[g].distance
		for c := g * cellGroup; c < (g+1)*cellGroup; c++ {
			count, reference := int64(k.counts[c]), int64(starts[c+1]-starts[c])
			end := d + reference*m - count*n
			if most := max(end, -d) + count*n; count > 0 && reference > 0 && most > h {
				k.open(openCell{cell: c, before: before, most: most})
			}
			before += int(count)
			d = end
		}
	}
	return h
}

// open opens a cell; they are opened in ascending order.
func (k *cellCount) open(o openCell) {
	o.next = len(k.inside)
	count := int(k.counts[o.cell])
	k.opened = append(k.opened, o)
	k.inside = slices.Grow(k.inside, count)[:o.next+count]
	k.slot[o.cell] = uint16(len(k.opened))
}

// gather collects the values of the open cells.
func (k *cellCount) gather() {
	if len(k.opened) == 0 {
		return
	}
	low, high := k.ranges()
	i, cells := 0, k.cells
	for ; i < len(cells)-7; i += 8 {
		v, w := joined(cells[i:i+4]), joined(cells[i+4:i+8])
		if (low.test(v)|high.test(v)|low.test(w)|high.test(w))&topBits != 0 {
			k.place(i, i+8)
		}
	}
	k.place(i, len(cells))
}

// joined returns four cells as one number, which takes one operation.
func joined(c []uint16) uint64 {
	return uint64(c[0]) | uint64(c[1])<<16 | uint64(c[2])<<32 | uint64(c[3])<<48
}

// place collects those of some values that are in open cells.
func (k *cellCount) place(from, to int) {
	for i, c := range k.cells[from:to] {
		if slot := k.slot[c&(1<<15-1)]; slot != 0 {
			o := &k.opened[slot-1]
			k.inside[o.next] = k.values[from+i]
			o.next++
		}
	}
}

// cellRange is a range of cells, in each of four parts: what to add to a cell, and what to
// take it from, so that the highest bit of the part says whether it is in the range. No cell
// has that bit.
type cellRange struct{ fromFirst, toLast uint64 }

const (
	four    uint64 = 1<<48 | 1<<32 | 1<<16 | 1
	topBits        = four << 15
)

func newCellRange(first, last openCell) cellRange {
	return cellRange{
		fromFirst: topBits - four*uint64(first.cell),
		toLast:    topBits + four*uint64(last.cell),
	}
}

// test returns four parts of which the highest bits say which cells are in the range.
func (r cellRange) test(cells uint64) uint64 { return (cells + r.fromFirst) & (r.toLast - cells) }

// ranges returns two ranges that hold all open cells, and the widest gap between them not.
func (k *cellCount) ranges() (low, high cellRange) {
	gap, at := 0, 1
	for i := 1; i < len(k.opened); i++ {
		if wide := k.opened[i].cell - k.opened[i-1].cell; wide > gap {
			gap, at = wide, i
		}
	}
	last := len(k.opened) - 1
	return newCellRange(k.opened[0], k.opened[at-1]), newCellRange(k.opened[min(at, last)], k.opened[last])
}

// gathered returns the values of the i-th open cell, in any order.
func (k *cellCount) gathered(i int) []float64 {
	o := k.opened[i]
	return k.inside[o.next-int(k.counts[o.cell]) : o.next]
}

// close closes all cells.
func (k *cellCount) close() {
	for _, o := range k.opened {
		k.slot[o.cell] = 0
	}
	k.opened, k.inside, k.values = k.opened[:0], k.inside[:0], nil
}

// fineGrid returns the grid on which a sample of n values is to be counted, judged by some
// of them, which are sorted.
func fineGrid(sorted []float64, n int) grid {
	finite := finiteRange(sorted)
	// A few on either side are counted in one cell, for which longer is looked, rather than
	// that many cells go to them; they are fewer than would open it.
	outliers := int(float64(len(finite)) / (4 * math.Sqrt(float64(n))))
	finite = finite[outliers : len(finite)-outliers]
	for size := cellsFor(n); ; size = min(4*size, largestFine) {
		k := size / 2
		due := coarse * float64(len(finite)) / float64(k)
		most := (due + 4*math.Sqrt(due)) / float64(len(finite)) // by chance a cell has more
		g, fullest := bestShift(finite, k, size)
		if fullest > most {
			if other, share := bestGrid(finite, k, size); share < fullest {
				g, fullest = other, share
			}
		}
		if fullest <= most || size == largestFine {
			return g
		}
	}
}

// bestShift is bestGrid among those with one tail and a rate of 1, on which a cell is the
// shifted bits of a difference. If all differences overflow, the share is infinite.
func bestShift(sorted []float64, k, size int) (best grid, fullest float64) {
	lo, hi := withoutTails(sorted, k)
	fullest = math.Inf(1)
	for _, width := range [...]float64{
		hi - lo, // all cells are about as wide as each other
		quantile(sorted, 0.5) - lo,
		quantile(sorted, 0.1) - lo,
	} {
		if centre := lo - aside*width; !math.IsInf(centre, 0) {
			g := newLogGrid(1, centre, 1, lo, hi, size)
			if share := g.fullest(sorted, k); share < fullest {
				best, fullest = g, share
			}
		}
	}
	return best, fullest
}

// cellsFor returns how many cells a sample of n values is counted on, or more if some would
// hold many. The largest distance between two distribution functions is of the order of 1/√n,
// and only cells of a much smaller share than that can be passed over.
func cellsFor(n int) int {
	return min(max(32*int(math.Sqrt(float64(n))), cellGroup), largestFine)
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
