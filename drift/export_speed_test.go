package drift

import (
	"crypto/sha256"
	"math"
	"slices"
	"sort"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
)

// Cells returns in how many cells each of the finite values is found, by the locator and by
// a search in the edges.
func (r *Reference) Cells(column int, values []float64) (located, searched []int64) {
	c := &r.cells[column]
	located, searched = make([]int64, c.size()), make([]int64, c.size())
	c.locator.Count(located, new(counting.Moments), c.unit, values)
	for _, x := range values {
		searched[sort.SearchFloat64s(c.axis.Edges, x)]++
	}
	return located, searched
}

// Cells returns the profile's counts on the cells of a column.
func (p *Profile) Cells(column int) []int64 { return p.tallies[column].Cells }

// CountsOf returns the reference's counts on the cells of a column, and which of them hold a
// single value.
func (r *Reference) CountsOf(column int) (counts []int64, single []bool) {
	counts = r.tallies[column].Cells
	single = make([]bool, len(counts))
	edges := r.cells[column].axis.Edges
	for i := range counts {
		single[i] = i > 0 && i < len(edges) && edges[i-1] == math.Nextafter(edges[i], math.Inf(-1))
	}
	return counts, single
}

// WithChecksum appends the checksum of a binary form.
func WithChecksum(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(slices.Clone(body), sum[:]...)
}
