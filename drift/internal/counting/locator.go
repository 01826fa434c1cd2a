package counting

import "sort"

// Locator finds the cells of numbers. Cell 0 holds the numbers up to the first edge, cell i
// the numbers above edge i-1 and up to edge i, and the last cell the numbers above all edges.
// A Locator is immutable.
type Locator struct {
	grid  Grid
	edges []float64
	first []int // for each cell of the grid, and one more, the number of edges in the cells before it
}

// NewLocator returns the locator of edges in ascending order, which it keeps. The grid decides
// how long a search takes, not what it finds.
func NewLocator(edges []float64, g Grid) Locator {
	l := Locator{grid: g, edges: edges, first: make([]int, g.Size+3)}
	for _, e := range edges {
		l.first[g.index(e)+1]++
	}
	for cell := range g.Size + 2 {
		l.first[cell+1] += l.first[cell]
	}
	return l
}

// Search returns the cell of a finite number. Edges in later cells of the grid are not below the
// number, and edges in earlier cells are below it.
func (l *Locator) Search(x float64) int {
	at := l.grid.index(x)
	first, next := l.first[at], l.first[at+1]
	return first + sort.SearchFloat64s(l.edges[first:next], x)
}
