package drift

// Edges and Levels return the cells of a column, for drawing counts on them.
func (r *Reference) Edges(column int) []float64 { return r.cells[column].axis.Edges }
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
