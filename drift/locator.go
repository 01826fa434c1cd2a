package drift

import (
	"math"
	"sort"
)

// locator finds the cells of numbers: whatever the grid, the result is that of a search in
// the edges.
type locator struct {
	grid grid
	// bounds are the edges between two infinities: cell i holds bounds[i] < x <= bounds[i+1].
	bounds []float64
	// guess says where the numbers of a cell of the grid are: i if all are in cell i, ^i if
	// cell i is only the likeliest.
	guess []int32
}

// newLocator returns the locator of the edges; counts are those of the reference, or nil.
func newLocator(edges []float64, g grid, counts []int64) locator {
	l := locator{grid: g, bounds: make([]float64, 0, len(edges)+2), guess: make([]int32, g.Size+2)}
	l.bounds = append(append(append(l.bounds, math.Inf(-1)), edges...), math.Inf(1))
	edge := 0 // the first whose cell of the grid is i or later
	for i := range l.guess {
		first := edge
		for edge < len(edges) && g.index(edges[edge]) <= i {
			edge++
		}
		if first == edge || first+1 == edge && l.ends(i, edges[first]) {
			l.guess[i] = int32(first)
		} else {
			l.guess[i] = ^int32(l.likeliest(i, first, edge, counts))
		}
	}
	return l
}

// ends reports whether a number is the largest of its cell of the grid.
func (l *locator) ends(gridCell int, x float64) bool {
	return l.grid.index(math.Nextafter(x, math.Inf(1))) > gridCell
}

// likeliest returns which of the cells from first to last most values of a cell of the grid
// are in: the most frequent single value among them, or else that of the middle.
func (l *locator) likeliest(gridCell, first, last int, counts []int64) int {
	best := first
	outside := gridCell == 0 || gridCell > l.grid.Size
	if !outside && first < last {
		best = min(max(l.search(l.grid.middle(gridCell)), first), last)
	}
	if counts == nil {
		return best
	}
	var most int64
	if outside || l.single(best) {
		most = counts[best]
	}
	for c := first; c <= last; c++ {
		if (outside || l.single(c)) && counts[c] > most {
			best, most = c, counts[c]
		}
	}
	return best
}

// single reports whether only one number is in a cell.
func (l *locator) single(cell int) bool {
	return l.bounds[cell] == math.Nextafter(l.bounds[cell+1], math.Inf(-1))
}

// search returns the cell of a number.
func (l *locator) search(x float64) int {
	return sort.SearchFloat64s(l.bounds[1:len(l.bounds)-1], x)
}

// count counts finite values, at most gridBlock, in their cells.
func (l *locator) count(counts []int64, values []float64, cells *[gridBlock]uint32) {
	l.grid.locate(cells, values)
	bounds, guess := l.bounds, l.guess
	for i, x := range values[:min(len(values), gridBlock)] {
		c := guess[cells[i]]
		if c < 0 {
			if c = ^c; !(bounds[c] < x && x <= bounds[c+1]) {
				c = int32(l.search(x))
			}
		}
		counts[c]++
	}
}
