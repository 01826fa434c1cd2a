package counting

import (
	"math"
	"math/bits"
	"sort"
)

// Locator finds the cells of numbers, as divided by an [Axis]. A Locator is immutable.
type Locator struct {
	grid Grid
	// bounds holds -Inf, the edges, and then +Inf for searches beyond the last edge.
	bounds []float64
	edges  int
	first  []uint32 // for each cell of the grid, the number of edges in the cells before it
	// step is the first step of a search among the edges inside one cell of the grid. It is a
	// power of 2, or 0 if every edge is the end of a cell of the grid.
	step uint32
}

// NewLocator returns the locator of ascending edges. The grid only makes the search faster.
func NewLocator(edges []float64, g Grid) Locator {
	l := Locator{grid: g, bounds: []float64{math.Inf(-1)}, edges: len(edges), first: make([]uint32, g.Size+2)}
	for _, e := range edges {
		l.bounds = append(l.bounds, UnsignedZero(e)) // above needs it
	}
	edge, most := 0, 0
	for cell := range l.first {
		first := edge
		for edge < len(edges) && g.index(edges[edge]) <= cell {
			edge++
		}
		inside := edge - first
		if inside > 0 && g.index(math.Nextafter(edges[edge-1], math.Inf(1))) > cell {
			inside-- // the last edge is the end of the cell of the grid
		}
		l.first[cell] = uint32(first)
		most = max(most, inside)
	}
	if most > 0 {
		l.step = 1 << (bits.Len(uint(most)) - 1)
	}
	for range 2 * l.step {
		l.bounds = append(l.bounds, math.Inf(1))
	}
	return l
}

// Search returns the cell of a number by a search through all edges.
func (l *Locator) Search(x float64) int {
	return sort.SearchFloat64s(l.bounds[1:1+l.edges], x)
}

// count adds finite values, at most blockSize, to the counts of their cells.
func (l *Locator) count(counts []int64, values []float64) {
	var located [blockSize]uint32
	l.grid.locate(&located, values)
	first, bounds, widest := l.first, l.bounds, l.step
	for i, x := range values {
		// Edges in later cells of the grid are never below x. So the search takes the same
		// steps for each number, which the processor predicts.
		cell := first[located[i]]
		for step := widest; step > 0; step /= 2 {
			cell += step * above(x, bounds[cell+step])
		}
		counts[cell]++
	}
}

// above returns 1 if x is above the edge, else 0. It uses the sign of the difference, because
// a comparison is a branch that is often mispredicted. The edge must not be -0.
func above(x, edge float64) uint32 { return uint32(math.Float64bits(edge-x) >> 63) }
