package drift

import (
	"fmt"
	"iter"
	"math"
)

// MethodInfo describes a [Method].
type MethodInfo struct {
	Name  Method
	Title string // on a page, such as "Chi-square"
	// Effect explains the effect and its interval in a few sentences. Methods with the same
	// kind of effect have the same text.
	Effect string
	// Kinds are the kinds of column that the method can compare. Kinds is nil for a rate,
	// which a [Config] does not choose.
	Kinds []Kind
	// Floor is the default floor of the effect, or 0 for a rate, see Config.RateEffect.
	Floor float64
	// Means says that a page illustrates the effect by the means of both sides, not the medians.
	Means bool
	// Rate returns the rate that the method compares. Rate is nil if the method compares values.
	Rate func(*Side) float64
}

// method is one way to compare a column. A new method is one value of this type in a file of its
// own, and one line in the list of methods. The functions get two sides that both have values.
type method struct {
	MethodInfo
	unbounded bool // the effect can be above 1
	// certain means that every effect of a sufficient, known size is significant. Otherwise
	// the effect and the p-value are not of the same quantity.
	certain bool
	// measure fills in Statistic, PValue, Observed, EffectSize, CI and the numbers of
	// observations. It returns false without anything to test, such as a rate of 0.
	measure func(s *sides, alpha float64) (t Test, ok bool)
	// detectable returns the smallest observed D, or total variation, that is certain to be
	// significant at the level. detectableAt is an approximation for another number of current
	// values. Both are nil for a rate.
	detectable   func(s *sides, level float64) float64
	detectableAt func(s *sides, values, level float64) float64
	// changed says in a sentence, without a full stop, what the test found. bounded says how
	// large a change that the test did not find can be.
	changed func(s *sides, t Test) string
	bounded func(s *sides, t Test) string
	// compare is the method on the cells of a profile, or nil for a rate.
	compare func(s *sides) (ProfileResult, error)
}

// checkFloor returns an error for an effect that cannot be the floor of the method.
func (m *method) checkFloor(floor float64) error {
	switch {
	case m.unbounded && !(floor > 0 && !math.IsInf(floor, 1)):
		return fmt.Errorf("is %v, want above 0 and finite for %s", floor, m.Name)
	case !m.unbounded && !(floor > 0 && floor <= 1):
		return fmt.Errorf("is %v, want above 0 and at most 1", floor)
	}
	return nil
}

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

// effective returns the effective number of values, nm/(n+m).
func (s *sides) effective() float64 { return s.effectiveAt(float64(s.m)) }

// effectiveAt returns the effective number for another number of current values.
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
