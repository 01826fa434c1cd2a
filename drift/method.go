package drift

import (
	"fmt"
	"math"
)

// MethodInfo describes a [Method] to those who choose one or show its result.
type MethodInfo struct {
	Name  Method
	Title string // on a page, such as "Chi-square"
	// Effect explains the effect and its interval in a few sentences. Methods whose effects
	// are alike have the same text.
	Effect string
	// Kinds are the kinds of column whose values the method can compare. Of a rate, which a
	// [Config] does not choose, it is nil.
	Kinds []Kind
	// Floor is the default floor of the effect; 0 of a rate, see Config.RateEffect.
	Floor float64
	// Means says that a page illustrates the effect by the means of both sides, not by their
	// medians.
	Means bool
	// Rate returns the rate that the method compares; it is nil if the method compares values.
	Rate func(*Side) float64
}

// method is one way to compare a column, complete: a new method is one value of this type,
// in a file of its own, and one line in the list of methods. Functions get two sides that
// both have values.
type method struct {
	MethodInfo
	unbounded bool // the effect can be above 1
	// certain says that every effect of a sufficient size is significant, so that the size is
	// known. Otherwise the effect and the p-value are not of the same quantity.
	certain bool
	// measure fills in Statistic, PValue, Observed, EffectSize, CI and the numbers of
	// observations. It returns false if there is nothing to test, as for a rate of 0.
	measure func(s *sides, alpha float64) (t Test, ok bool)
	// detectable returns the smallest observed D, or total variation, that is certain to be
	// significant at the level. detectableAt is about the same with another number of current
	// values. Both are nil for a rate.
	detectable   func(s *sides, level float64) float64
	detectableAt func(s *sides, values, level float64) float64
	// changed says in a sentence, without a full stop, what the test found. bounded says how
	// large a change can be that the test did not find.
	changed func(s *sides, t Test) string
	bounded func(s *sides, t Test) string
	// compare is the function of this name on the cells of a profile; nil for a rate.
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
