package drift

// Edges and Levels return the cells of a column, for drawing counts on them.
func (r *Reference) Edges(column int) []float64 { return r.cells[column].edges }
func (r *Reference) Levels(column int) []string { return r.cells[column].levels }

// SetCounts makes the profile one of so many rows with these counts on each column's cells,
// the last being that of unseen values; the rest is missing. It leaves the moments alone,
// which only describe.
func (p *Profile) SetCounts(rows int, counts [][]int64) {
	p.rows = int64(rows)
	for i, c := range counts {
		last := len(c) - 1
		p.tallies[i].Cells, p.tallies[i].Unseen = c[:last], c[last]
		p.tallies[i].Missing = int64(rows) - p.tallies[i].values()
	}
}

// ExtremeProbability is that of the x most extreme of n and m values being all among the m.
func ExtremeProbability(x, n, m int64) float64 { return extremeProbability(x, n, m) }

// Neighbours reports whether hi is the next number above lo.
func Neighbours(lo, hi float64) bool { return neighbours(lo, hi) }

// CountedKS is the distance of two samples as KolmogorovSmirnov takes it from large ones, or
// false if a value is NaN.
func CountedKS(reference, current []float64) (d float64, ok bool) {
	h, ok := ksCounted(reference, current)
	return ksResult(h, len(reference), len(current)).Statistic, ok
}

// KSExactEqual is P(nD >= h) for two samples of n values.
func KSExactEqual(h, n float64) float64 { return ksExactEqual(h, n) }
