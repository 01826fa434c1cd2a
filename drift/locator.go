package drift

import (
	"math"
	"slices"
	"sort"
)

// locator finds the cells of numbers: whatever the grid, the result is that of a search in
// the edges.
//
// Every branch that it takes for a number goes nearly always the same way, for to mispredict
// one costs more than all the rest.
type locator struct {
	grid grid
	// bounds are the edges between two infinities: cell i holds bounds[i] < x <= bounds[i+1].
	bounds []float64
	// guess is for each cell of the grid the cell where most of its numbers are.
	//
	// If aligned, it is the only one, or ^i for one of several; these are rare. Else it may
	// be another. If there is something finer, it is the lowest of at most two, or ^i if
	// finer i tells.
	guess   []int32
	aligned bool
	finer   []finer
	// fine is for the cells of all that is finer the lowest cell of at most two, or ^i if i
	// is the likeliest of more.
	fine []int32
}

// rare is one over the share of the reference that is rare.
const rare = 64

// finer divides a cell of the grid that holds several edges into cells of one width, from
// the first of these edges to the last. Its numbers are in fine[first:first+last+1].
type finer struct {
	lo, rate float64
	last     int64
	first    int
}

// index returns the cell of a number, or of one that is far off any.
func (f *finer) index(x float64) int64 {
	return min(max(int64(float64(x-f.lo)*f.rate), 0), f.last)
}

// newLocator returns the locator of the edges; counts are those of the reference, or nil.
func newLocator(edges []float64, g grid, counts []int64) locator {
	l := locator{grid: g, bounds: make([]float64, 0, len(edges)+2), guess: make([]int32, g.Size+2)}
	l.bounds = append(l.bounds, math.Inf(-1))
	for _, e := range edges {
		l.bounds = append(l.bounds, unsignedZero(e)) // 0 less 0 is negative if the first is -0
	}
	l.bounds = append(l.bounds, math.Inf(1))
	if counts == nil {
		counts = slices.Repeat([]int64{1}, len(edges)+1) // about even, as quantiles are
	}
	spans := l.spans()
	if l.aligned = l.align(spans, counts); l.aligned {
		return l
	}
	var unsure int64
	for i, s := range spans {
		best := l.likeliest(l.grid.middle(i), s, counts)
		l.guess[i] = int32(best)
		unsure += sum(counts[s.first:s.last+1]) - counts[best]
	}
	if unsure*rare <= sum(counts) {
		return l
	}
	for i, s := range spans {
		l.guess[i] = int32(s.first)
		if s.last > s.first+1 {
			l.guess[i] = ^int32(len(l.finer))
			l.divide(s, counts)
		}
	}
	return l
}

func sum(counts []int64) int64 {
	var all int64
	for _, n := range counts {
		all += n
	}
	return all
}

// edges are the finite bounds.
func (l *locator) edges() []float64 { return l.bounds[1 : len(l.bounds)-1] }

// span is a range of cells.
type span struct{ first, last int }

// spans returns for each cell of the grid the cells that its numbers may be in.
func (l *locator) spans() []span {
	edges, edge := l.edges(), 0
	spans := make([]span, len(l.guess))
	for i := range spans {
		spans[i].first = edge
		for edge < len(edges) && l.grid.index(edges[edge]) <= i {
			edge++
		}
		spans[i].last = edge
		if edge > spans[i].first && l.grid.index(math.Nextafter(edges[edge-1], math.Inf(1))) > i {
			spans[i].last-- // the last edge is the end of the cell of the grid
		}
	}
	return spans
}

// align fills guess for a grid whose cells have no edges inside but where few numbers are,
// or reports that this is none.
func (l *locator) align(spans []span, counts []int64) bool {
	var unsure int64
	for i, s := range spans {
		l.guess[i] = int32(s.first)
		if s.first < s.last {
			l.guess[i] = ^int32(s.first)
			unsure += sum(counts[s.first : s.last+1])
		}
	}
	return unsure*rare <= sum(counts)
}

// divide adds a finer grid for a cell of the grid that spans cells.
func (l *locator) divide(s span, counts []int64) {
	edges := l.edges()[s.first:s.last]
	f := finer{lo: edges[0], first: len(l.fine)}
	size := cellsPerEdge * len(edges)
	if rate := float64(size) / (edges[len(edges)-1] - f.lo); rate > 0 && !math.IsInf(rate, 0) {
		f.rate, f.last = rate, int64(size)
	}
	l.finer = append(l.finer, f)
	edge := 0 // the first whose cell is i or later
	for i := range f.last + 1 {
		first := s.first + edge
		for edge < len(edges) && f.index(edges[edge]) <= i {
			edge++
		}
		middle := f.lo
		if f.rate > 0 {
			middle += (float64(i) + 0.5) / f.rate
		}
		c := int32(first)
		if i == 0 || edge > first-s.first+1 {
			c = ^int32(l.likeliest(middle, span{first, s.first + edge}, counts))
		}
		l.fine = append(l.fine, c)
	}
}

// likeliest returns in which cell of the span most numbers are: the most frequent single
// number among them, or else the cell of the middle.
func (l *locator) likeliest(middle float64, s span, counts []int64) int {
	if s.first == s.last {
		return s.first
	}
	best := min(max(l.search(middle), s.first), s.last)
	most := int64(0)
	for c := s.first; c <= s.last; c++ {
		single := l.bounds[c] == math.Nextafter(l.bounds[c+1], math.Inf(-1))
		if (single || c == best) && counts[c] > most {
			best, most = c, counts[c]
		}
	}
	return best
}

// search returns the cell of a number.
func (l *locator) search(x float64) int { return sort.SearchFloat64s(l.edges(), x) }

// look returns the cell of a number that is likely near a cell.
func (l *locator) look(c int32, x float64) int32 {
	switch b := l.bounds; {
	case b[c] < x && x <= b[c+1]:
		return c
	case b[c+1] < x && x <= b[c+2]: // not in the last, or x would be in it
		return c + 1
	case c > 0 && b[c-1] < x && x <= b[c]:
		return c - 1
	}
	return int32(l.search(x))
}

// find returns the cell of a number that is in the given cell of the grid, which has nothing
// finer.
func (l *locator) find(cell int, x float64) int32 {
	last := len(l.bounds) - 2
	switch {
	case x > l.bounds[last]: // where numbers are if they have all moved
		return int32(last)
	case x <= l.bounds[1]:
		return 0
	}
	c := l.guess[cell]
	return l.look(max(c, ^c), x)
}

// count counts finite values, at most gridBlock, in their cells.
func (l *locator) count(counts []int64, values []float64, cells *[gridBlock]uint32) {
	values = values[:min(len(values), gridBlock)]
	l.grid.locate(cells, values)
	switch {
	case l.aligned:
		l.countAligned(counts, values, cells)
	case len(l.finer) > 0:
		l.countFiner(counts, values, cells)
	default:
		l.countGuessed(counts, values, cells)
	}
}

func (l *locator) countAligned(counts []int64, values []float64, cells *[gridBlock]uint32) {
	guess := l.guess
	for i, cell := range cells[:len(values)] {
		c := guess[cell]
		if c < 0 {
			c = l.look(^c, values[i])
		}
		counts[c]++
	}
}

func (l *locator) countGuessed(counts []int64, values []float64, cells *[gridBlock]uint32) {
	guess, bounds := l.guess, l.bounds
	for i, x := range values {
		c := guess[cells[i]]
		if !(bounds[c] < x && x <= bounds[c+1]) {
			c = l.look(c, x)
		}
		counts[c]++
	}
}

func (l *locator) countFiner(counts []int64, values []float64, cells *[gridBlock]uint32) {
	// In two loops, for which the registers suffice.
	guess, fine := l.guess, l.fine
	for i, x := range values {
		c := guess[cells[i]]
		if c < 0 {
			f := &l.finer[^c]
			c = fine[f.first+int(f.index(x))]
		}
		cells[i] = uint32(c)
	}
	bounds := l.bounds
	for i, x := range values {
		c := int32(cells[i])
		if c < 0 {
			c = l.look(^c, x)
		}
		counts[uint32(c)+above(x, bounds[c+1])]++
	}
}

// above returns 1 if x is above the edge, else 0: the sign of their difference, because to
// compare would be a branch.
func above(x, edge float64) uint32 { return uint32(math.Float64bits(edge-x) >> 63) }
