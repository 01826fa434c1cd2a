package counting

import (
	"math"
	"math/bits"
	"sort"
)

// Locator finds the cells of numbers. Cell 0 holds the numbers up to the first edge, cell i
// the numbers above edge i-1 and up to edge i, and the last cell the numbers above all edges.
// A Locator is immutable.
type Locator struct {
	grid   Grid
	bounds []float64 // negative infinity, and the edges
	spans  []span    // for each cell of the grid
	steps  int       // of a search in the longest span
}

// span says which edges are inside a cell of the grid: the first of them, and how many. A
// number of that cell is compared with these edges only. Where edges are ends of cells of the
// grid, there is nothing to compare.
type span struct{ first, edges uint32 }

// NewLocator returns the locator of edges in ascending order. The grid decides how long a
// search takes, not what it finds.
func NewLocator(edges []float64, g Grid) Locator {
	l := Locator{grid: g, bounds: []float64{math.Inf(-1)}, spans: make([]span, g.Size+2)}
	for _, e := range edges {
		l.bounds = append(l.bounds, UnsignedZero(e)) // above needs it
	}
	edge := 0
	for cell := range l.spans {
		first := edge
		for edge < len(edges) && g.index(edges[edge]) <= cell {
			edge++
		}
		inside := edge - first
		if inside > 0 && g.index(math.Nextafter(edges[edge-1], math.Inf(1))) > cell {
			inside-- // the last edge is the end of the cell of the grid
		}
		l.spans[cell] = span{first: uint32(first), edges: uint32(inside)}
		l.steps = max(l.steps, bits.Len(uint(inside)))
	}
	return l
}

// Search returns the cell of a number by a search in all edges.
func (l *Locator) Search(x float64) int { return sort.SearchFloat64s(l.bounds[1:], x) }

// count counts finite values, at most blockSize, in their cells.
func (l *Locator) count(counts []int64, values []float64) {
	var located [blockSize]uint32
	l.grid.locate(&located, values)
	spans, bounds := l.spans, l.bounds
	for i, x := range values {
		s := spans[located[i]]
		cell := s.first
		// As many steps for each number, because an end of the loop that depends on the number
		// would often be mispredicted.
		for range l.steps {
			half := (s.edges + 1) / 2
			cell += half * above(x, bounds[cell+half])
			s.edges -= half
		}
		counts[cell]++
	}
}

// above returns 1 if x is above the edge, else 0. It takes the sign of the difference, because
// a comparison would be a branch that is often mispredicted. The edge must not be -0.
func above(x, edge float64) uint32 { return uint32(math.Float64bits(edge-x) >> 63) }
