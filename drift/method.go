package drift

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// method is one way to compare the values of a column, from its counts.
type method struct {
	name  TestName
	kinds []Kind
	floor float64 // the default
	// unbounded says that the effect can be above 1.
	unbounded bool
}

// methods are those that a column can be compared by; the first that fits its kind is its
// default.
var methods = []method{
	{name: TestKS, kinds: []Kind{KindNumeric}, floor: 0.1},
	{name: TestChiSquare, kinds: []Kind{KindCategorical, KindNumeric}, floor: 0.1},
	{name: TestWasserstein, kinds: []Kind{KindNumeric}, floor: 0.25, unbounded: true},
	{name: TestPSI, kinds: []Kind{KindCategorical, KindNumeric}, floor: 0.1, unbounded: true},
	{name: TestJensenShannon, kinds: []Kind{KindCategorical, KindNumeric}, floor: 0.1},
	{name: TestHellinger, kinds: []Kind{KindCategorical, KindNumeric}, floor: 0.1},
	{name: TestG, kinds: []Kind{KindCategorical, KindNumeric}, floor: 0.1},
}

// methodNamed returns the method, or an error that lists those that fit the kind.
func methodNamed(name TestName, kind Kind) (method, error) {
	var fitting []string
	for _, m := range methods {
		if !slices.Contains(m.kinds, kind) {
			continue
		}
		if m.name == name {
			return m, nil
		}
		fitting = append(fitting, string(m.name))
	}
	return method{}, fmt.Errorf("is %q, want for a %v column one of %s", name, kind, strings.Join(fitting, ", "))
}

// onTable says that the method compares counts of groups or levels. The others compare
// distribution functions.
func (m method) onTable() bool { return m.name != TestKS && m.name != TestWasserstein }

// ownScale says that the effect is also the quantity that the p-value is of, so that the
// smallest effect that is certain to be significant is known.
func (m method) ownScale() bool {
	return m.name == TestKS || m.name == TestChiSquare || m.name == TestG
}

// checkFloor returns an error for an effect that cannot be the floor of the method.
func (m method) checkFloor(floor float64) error {
	switch {
	case m.unbounded && !(floor > 0 && !math.IsInf(floor, 1)):
		return fmt.Errorf("is %v, want above 0 and finite for %s", floor, m.name)
	case !m.unbounded && !(floor > 0 && floor <= 1):
		return fmt.Errorf("is %v, want above 0 and at most 1", floor)
	}
	return nil
}
