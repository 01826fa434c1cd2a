package drift

import "iter"

// sides are the two sides of a column, as a [method] gets them.
type sides struct {
	cells    *cells
	ref, cur *tally
	n, m     int // values on either side
	// reference and current describe the sides. They are not filled in for [Profile.Compare].
	reference, current Side
	counts             *table // see table
}

// table returns the counts of both sides as a table, which is made once.
func (s *sides) table() *table {
	if s.counts == nil {
		t := newTable(s.cells, s.ref, s.cur)
		s.counts = &t
	}
	return s.counts
}

// effective is the effective number of values, nm/(n+m).
func (s *sides) effective() float64 { return s.effectiveAt(float64(s.m)) }

// effectiveAt is the effective number with another number of current values.
func (s *sides) effectiveAt(values float64) float64 {
	return float64(s.n) / (float64(s.n) + values) * values
}

// upTo yields the numbers of values on both sides up to the end of each cell. The first pair
// is that of minus infinity alone.
func (s *sides) upTo() iter.Seq2[int64, int64] {
	return func(yield func(r, c int64) bool) {
		r, c := s.ref.NegInf, s.cur.NegInf
		for i := range s.ref.Cells {
			if !yield(r, c) {
				return
			}
			r, c = r+s.ref.Cells[i], c+s.cur.Cells[i]
		}
		yield(r, c)
	}
}

// finite returns the numbers of finite values.
func (s *sides) finite() (n, m int64) {
	return int64(s.n) - s.ref.infinite(), int64(s.m) - s.cur.infinite()
}
