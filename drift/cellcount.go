package drift

import (
	"math"
	"slices"
)

const (
	// largestFine is the largest grid of which 15 bits can number the cells, with those
	// outside.
	largestFine = 1<<15 - 2
	// Groups of cells are compared first, then the parts of a group inside which a larger
	// distance may be, and then all cells of it if that may still be.
	cellGroup = 16
	cellPart  = 4
)

// cellCount counts a sample on the cells of a grid, and gathers the values of the cells that
// must be looked into, which are open. It is used again and again.
type cellCount struct {
	values  []float64
	cells   []uint16 // of the values
	numbers bool     // no value is NaN
	counts  gridCounts
	opened  []openCell
	inside  []float64 // of the open cells, one cell after the other
	// slot is the place of an open cell in opened, plus 1. The size spares a comparison.
	slot [1 << 15]uint16
}

// gridCounts is how many values of a sample are in each cell.
type gridCounts struct {
	cells  []int32 // in whole groups
	groups []int   // values before each group, and all
}

// maxCounted is how many values can be counted.
const maxCounted = math.MaxInt32

// openCell is a cell that must be looked into.
type openCell struct {
	cell int
	i, j int   // values of the reference and of the sample below the cell
	most int64 // the largest nmD that may be inside
	next int   // place of its next value; when all are gathered, the end
}

// add counts the values.
func (k *cellCount) add(g *grid, values []float64) {
	cells := (g.Size + 2 + cellGroup - 1) / cellGroup * cellGroup
	k.values = values
	k.cells = slices.Grow(k.cells[:0], len(values))[:len(values)]
	k.counts.cells = slices.Grow(k.counts.cells[:0], cells)[:cells]
	clear(k.counts.cells)
	k.numbers = k.count(g)
	k.counts.sum()
}

// count counts the values in their cells, which it writes down, or returns false if one is
// NaN.
func (k *cellCount) count(g *grid) bool {
	values, cells, counts := k.values, k.cells, k.counts.cells
	var located [gridBlock]uint32
	atOnce := gridBlock
	shifted := g.Tails == 1 && g.Rate == 1 && g.Shift < 52 // no NaN is in a cell of numbers
	if shifted {
		atOnce = 4
	}
	for {
		if shifted {
			n := countShifted(values, cells, counts[:g.Size+1], g.Centre, g.Shift, uint64(g.Base))
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
			counts[located[i]]++
		}
		values, cells = values[len(block):], cells[len(block):]
	}
}

// countShifted counts four values after the other while all four are in cells of counts, on
// a grid with one tail and a rate of 1, and returns how many values. It has locate written
// out.
func countShifted(values []float64, cells []uint16, counts []int32, centre float64, shift uint, base uint64) (n int) {
	shift &= 63
	cells = cells[:len(values)]
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

// sum counts the values before each group.
func (c *gridCounts) sum() {
	before := 0
	c.groups = append(c.groups[:0], before)
	for cells := c.cells; len(cells) >= cellGroup; cells = cells[cellGroup:] {
		n := (*[cellGroup]int32)(cells)
		before += int(n[0]+n[1]+n[2]+n[3]+n[4]+n[5]+n[6]+n[7]) +
			int(n[8]+n[9]+n[10]+n[11]+n[12]+n[13]+n[14]+n[15])
		c.groups = append(c.groups, before)
	}
}

// compare returns the largest nmD from a reference of n values at ends of cells, and opens
// those cells that may have a larger one inside. Inside a cell, or some that follow each
// other, it is at most what it would be if all values of one sample came before the other's.
func (k *cellCount) compare(reference *gridCounts, n int64) (h int64) {
	m, groups := int64(len(k.values)), k.counts.groups[:len(reference.groups)]
	// First at ends of groups, because the larger h is the less there is to look at.
	for g, i := range reference.groups {
		h = max(h, abs(int64(i)*m-int64(groups[g])*n))
	}
	for g := range len(groups) - 1 {
		up := int64(reference.groups[g+1])*m - int64(groups[g])*n
		down := int64(groups[g+1])*n - int64(reference.groups[g])*m
		if max(up, down) > h && k.mostInside(reference, g, n, m) > h {
			h = k.compareGroup(reference, g, n, m, h)
		}
	}
	k.opened = slices.DeleteFunc(k.opened, func(o openCell) bool { return o.most <= h })
	return h
}

// mostInside returns what nmD is at most inside a group, judged by the parts of it.
func (k *cellCount) mostInside(reference *gridCounts, group int, n, m int64) (most int64) {
	im, jn := int64(reference.groups[group])*m, int64(k.counts.groups[group])*n
	rs, cs := reference.cells[group*cellGroup:][:cellGroup], k.counts.cells[group*cellGroup:][:cellGroup]
	for len(rs) >= cellPart && len(cs) >= cellPart {
		r, c := (*[cellPart]int32)(rs), (*[cellPart]int32)(cs)
		nextIM, nextJN := im+int64(r[0]+r[1]+r[2]+r[3])*m, jn+int64(c[0]+c[1]+c[2]+c[3])*n
		most = max(most, nextIM-jn, nextJN-im)
		im, jn = nextIM, nextJN
		rs, cs = rs[cellPart:], cs[cellPart:]
	}
	return most
}

// compareGroup is compare for the cells of a group. It returns the larger of h and nmD at
// their ends.
func (k *cellCount) compareGroup(reference *gridCounts, group int, n, m, h int64) int64 {
	i, j := reference.groups[group], k.counts.groups[group]
	for c := group * cellGroup; c < (group+1)*cellGroup; c++ {
		nextI, nextJ := i+int(reference.cells[c]), j+int(k.counts.cells[c])
		most := max(int64(nextI)*m-int64(j)*n, int64(nextJ)*n-int64(i)*m)
		h = max(h, abs(int64(nextI)*m-int64(nextJ)*n))
		if most > h && i < nextI && j < nextJ {
			k.opened = append(k.opened, openCell{cell: c, i: i, j: j, most: most})
		}
		i, j = nextI, nextJ
	}
	return h
}

// gather collects the values of the open cells.
func (k *cellCount) gather() {
	if len(k.opened) == 0 {
		return
	}
	size := 0
	for i := range k.opened {
		o := &k.opened[i]
		o.next = size
		size += int(k.counts.cells[o.cell])
		k.slot[o.cell] = uint16(i + 1)
	}
	k.inside = slices.Grow(k.inside[:0], size)[:size]
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
	return k.inside[o.next-int(k.counts.cells[o.cell]) : o.next]
}

// distance returns nmD of samples of n and m values, of which it is h at ends of cells and
// the values of the open ones are gathered. inside returns the reference's values in the i-th
// open cell, sorted.
func (k *cellCount) distance(h, n, m int64, inside func(i int) []float64) int64 {
	for i, o := range k.opened {
		if o.most > h { // or another cell has a larger one
			h = max(h, ksDistanceInside(inside(i), k.gathered(i), int64(o.i), int64(o.j), n, m))
		}
	}
	return h
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
	outliers := int(float64(len(finite)) / (16 * math.Sqrt(float64(n))))
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

// cellsFor returns on about how many cells n values are counted, if none of these holds many.
// The largest distance between two distribution functions is of the order of 1/√n, and only
// cells of a much smaller share than that can be passed over.
func cellsFor(n int) int { return min(48*int(math.Sqrt(float64(n))), largestFine) }

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
