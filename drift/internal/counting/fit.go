package counting

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/selfheal-ml/selfheal/drift/internal/radix"
)

// Fit says how the numbers of a column are counted. The reference alone decides the fit.
type Fit struct {
	Edges []float64 `json:"edges,omitempty"`
	Grid  Grid      `json:"grid"`
	Unit  Unit      `json:"unit"`
}

// Check returns an error if the fit is not valid.
func (f *Fit) Check() error {
	for _, e := range f.Edges {
		if !isFinite(e) {
			return fmt.Errorf("has the edge %v, want a finite number", e)
		}
	}
	if !slices.IsSorted(f.Edges) || len(slices.Compact(slices.Clone(f.Edges))) < len(f.Edges) {
		return errors.New("has edges that are not in ascending order")
	}
	if !f.Unit.valid() {
		return fmt.Errorf("has no unit %v", f.Unit)
	}
	if most := f.largestGrid(); f.Grid.Size > most {
		return fmt.Errorf("has a grid of %d cells, want at most %d for %d edges", f.Grid.Size, most, len(f.Edges))
	}
	return f.Grid.check()
}

// largestGrid keeps the memory of a stored fit close to its size in bytes.
func (f *Fit) largestGrid() int { return max(smallGrid, 2*cellsPerEdge*(len(f.Edges)+1)) }

const (
	// cellsPerEdge is the number of cells of the grid for each quantile cell.
	cellsPerEdge = 16
	// smallGrid is a size that every grid may have.
	smallGrid = 256
	// coarse bounds the share of a cell of the grid, in multiples of a quantile cell's share.
	// On a coarser grid the edges are the quantiles themselves, and counting takes a search.
	coarse = 4
)

// NewFit returns the fit to the finite numbers of a reference. If there are at most k distinct
// values, each value and each gap between two values has a cell. Otherwise there are about k
// quantile cells, and a value that fills a quantile cell alone has a cell of its own. There
// are at most 2k+1 edges. A quantile cell ends where a cell of the grid ends, so the grid
// alone decides the cell of a number.
func NewFit(values []float64, k int) Fit {
	var sorted []float64
	for _, x := range values {
		if isFinite(x) {
			sorted = append(sorted, UnsignedZero(x)) // 0 and -0 have no order
		}
	}
	radix.Sort(sorted)
	if len(sorted) == 0 {
		return Fit{Unit: newUnit([]float64{0}), Grid: newLinearGrid(0, 1, 1)}
	}
	f := Fit{Unit: newUnit(sorted)}
	if distinct := slices.Compact(slices.Clone(sorted)); len(distinct) <= k {
		f.Grid, _ = fitGrid(distinct, len(distinct), max(cellsPerEdge*len(distinct), smallGrid))
		for _, v := range distinct {
			f.Edges = append(f.Edges, math.Nextafter(v, math.Inf(-1)), v)
		}
	} else {
		f.fitQuantiles(sorted, k)
	}
	for i, e := range f.Edges {
		f.Edges[i] = UnsignedZero(max(e, -math.MaxFloat64)) // what is below that is no number
	}
	f.Edges = slices.Compact(f.Edges)
	return f
}

func isFinite(x float64) bool { return math.Abs(x) <= math.MaxFloat64 }

func (f *Fit) fitQuantiles(sorted []float64, k int) {
	n := len(sorted)
	share := (n + k - 1) / k
	// atom reports whether a value fills a cell alone.
	atom := func(v float64) bool {
		first := sort.SearchFloat64s(sorted, v)
		return first+share <= n && sorted[first+share-1] == v
	}
	rest := slices.DeleteFunc(slices.Clone(sorted), atom)
	if len(rest) == 0 {
		rest = sorted
	}
	quantiles := make([]float64, k)
	for i := range quantiles {
		quantiles[i] = sorted[quantileIndex(n, i+1, k)]
	}
	distinct := len(slices.Compact(quantiles))
	g, fullest := fitGrid(rest, k, min(max(cellsPerEdge*distinct, smallGrid), maxGrid))
	f.Grid = g
	snap := fullest*float64(len(rest)) <= coarse*float64(share)

	last := math.Nextafter(sorted[0], math.Inf(-1))
	f.Edges = append(f.Edges, last)
	for i := 1; i <= k; i++ {
		at := quantileIndex(n, i, k)
		v := sorted[at]
		cell := g.index(v)
		switch {
		case v <= last:
			continue
		case atom(v):
			f.Edges = append(f.Edges, math.Nextafter(v, math.Inf(-1)), v)
		case snap && cell > 0 && cell <= g.Size:
			f.Edges = append(f.Edges, f.snap(sorted, at, cell, atom))
		default:
			f.Edges = append(f.Edges, v)
		}
		last = f.Edges[len(f.Edges)-1]
	}
	f.Edges[len(f.Edges)-1] = sorted[n-1] // nothing of the reference is above range
	f.Edges = slices.Compact(f.Edges)
	if most := f.largestGrid(); f.Grid.Size > most { // so many edges fell together
		f.Grid, _ = fitGrid(rest, k, most)
	}
}

// quantileIndex returns the index of the i-th of k quantiles in n sorted values.
func quantileIndex(n, i, k int) int { return (n*i+k-1)/k - 1 }

// snap returns the end of the grid cell that holds the value at i. If a value with a cell of
// its own comes before that end, snap returns the number just below this value.
func (f *Fit) snap(sorted []float64, i, cell int, atom func(v float64) bool) float64 {
	end := i + 1
	for end < len(sorted) && f.Grid.index(sorted[end]) == cell {
		if sorted[end] != sorted[end-1] && atom(sorted[end]) {
			return math.Nextafter(sorted[end], math.Inf(-1))
		}
		end++
	}
	if end == len(sorted) {
		return sorted[end-1]
	}
	// Between two values of the reference, exactly where the next cell begins.
	lo, hi := sorted[end-1], sorted[end]
	for !Neighbours(lo, hi) {
		if middle := Between(lo, hi, 0.5); f.Grid.index(middle) > cell {
			hi = middle
		} else {
			lo = middle
		}
	}
	return lo
}
