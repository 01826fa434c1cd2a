package drift

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"
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

// table is a column's counts as a table of two rows, and what the chi-square test makes of
// it.
type table struct {
	pair, merged countPair
	// rare is the share that merging may hide, see countPair.mergeRare.
	rare float64
}

// tableGroups is the largest number of groups that the cells of numbers are added up to.
const tableGroups = 10

// tableSize returns the number of cells of a table, without the unseen values.
func tableSize(c *cells) int {
	if c.kind == KindNumeric {
		return tableGroups
	}
	return c.size()
}

// newTable returns the counts on the levels, unseen values being one more, or on groups of
// numbers. Both sides must have values.
//
// The groups hold equally much of the reference, so one that is below the least expected
// count would be so for what is current in it, and merging it would be merging by the
// outcome. There are so few of them that this does not happen.
func newTable(c *cells, ref, cur *tally) table {
	var t table
	if c.kind == KindCategorical {
		t.pair = levelCounts(ref, cur)
	} else {
		n, m := float64(ref.values()), float64(cur.values())
		groups := min(max(n/(n+m)*m/minExpected, 2), tableGroups)
		t.pair = pairCounts(groupCells(ref, cur, int64(groups)))
	}
	// Unseen values are rare levels of the reference that happen to have a count of 0
	// there; on their own they would be a cell chosen for being empty.
	t.merged, t.rare = t.pair.mergeRare(c.kind == KindCategorical && cur.Unseen > 0)
	return t
}

// test returns the statistic and the p-value of the method: those of the G-test, or else of
// the chi-square test.
func (t table) test(name TestName) (statistic, pValue float64) {
	if name != TestG || len(t.merged.r) < 2 {
		return t.merged.chiSquare()
	}
	result, _ := GTest(t.merged.r, t.merged.c) // counts are valid
	return result.Statistic, chiSquareSurvival(result.Statistic/t.williams(), t.degrees())
}

// williams returns the factor by which G is too large on average (Williams, "Improved
// likelihood ratio tests for complete contingency tables", 1976).
func (t table) williams() float64 {
	n, m := t.merged.n, t.merged.m
	total := n + m
	sum := 0.0
	for i := range t.merged.r {
		sum += total / (t.merged.r[i] + t.merged.c[i])
	}
	return 1 + (total/n+total/m-1)*(sum-1)/(6*total*float64(t.degrees()))
}

func (t table) degrees() int { return max(len(t.merged.r)-1, 1) }

// effect returns the method's measure and its interval at the level 1-alpha.
func (t table) effect(name TestName, alpha float64) (effect float64, ci CI) {
	switch name {
	case TestPSI:
		effect = t.pair.psi()
		return effect, around(effect, t.deviation(psiSlopes), alpha, math.MaxFloat64)
	case TestJensenShannon:
		effect = t.pair.jensenShannon()
		return effect, around(effect, t.rootDeviation(divergenceSlopes, effect), alpha, 1)
	case TestHellinger:
		result, _ := Hellinger(t.pair.r, t.pair.c) // counts are valid
		effect = result.Statistic
		return effect, around(effect, t.rootDeviation(affinitySlopes, effect), alpha, 1)
	}
	return t.variation(alpha)
}

// variation returns the total variation and its interval by Scheffé's simultaneous
// intervals of all sums of cells, of which it is the largest. From below, the interval of
// that sum will do; from above, none has a variance above that of a half. Merging makes it
// smaller, by no more than what it hides.
func (t table) variation(alpha float64) (effect float64, ci CI) {
	effect = t.pair.totalVariation()
	pooled := t.merged.totalVariation()
	// Half an observation more keeps a share of 0 from being certain.
	r, c := 0.5, 0.5
	for i := range t.merged.r {
		if shareDifference(t.merged.c[i], t.merged.m, t.merged.r[i], t.merged.n) > 0 {
			r, c = r+t.merged.r[i], c+t.merged.c[i]
		}
	}
	n, m := t.merged.n+1, t.merged.m+1
	variance := r/n*(1-r/n)/n + c/m*(1-c/m)/m
	critical := distuv.ChiSquared{K: float64(t.degrees())}.Quantile(1 - alpha)
	below := math.Sqrt(critical * variance)
	above := chiSquareDetectable(alpha, t.effective(), t.degrees())
	return effect, CI{Lo: max(pooled-below, 0), Hi: min(max(pooled+above+t.rare, effect), 1), Level: 1 - alpha}
}

func (t table) effective() float64 { return t.pair.n / (t.pair.n + t.pair.m) * t.pair.m }

// slopes returns the derivatives of a measure by a cell's two shares, both positive.
type slopes func(r, c float64) (byReference, byCurrent float64)

func psiSlopes(r, c float64) (float64, float64) {
	l := math.Log(r / c)
	return l + 1 - c/r, -l + 1 - r/c
}

// divergenceSlopes are those of the Jensen-Shannon divergence.
func divergenceSlopes(r, c float64) (float64, float64) {
	middle := (r + c) / 2
	return math.Log2(r/middle) / 2, math.Log2(c/middle) / 2
}

// affinitySlopes are those of 1 less the sum of sqrt(rc).
func affinitySlopes(r, c float64) (float64, float64) {
	return -math.Sqrt(c/r) / 2, -math.Sqrt(r/c) / 2
}

// deviation returns the standard deviation of a measure by the delta method. A cell that is
// empty on one side counts as half an observation there.
func (t table) deviation(of slopes) float64 {
	var meanR, meanC, squareR, squareC float64
	for i := range t.pair.r {
		r, c := max(t.pair.r[i], 0.5)/t.pair.n, max(t.pair.c[i], 0.5)/t.pair.m
		byR, byC := of(r, c)
		meanR, squareR = meanR+r*byR, squareR+r*byR*byR
		meanC, squareC = meanC+c*byC, squareC+c*byC*byC
	}
	return math.Sqrt(max(squareR-meanR*meanR, 0)/t.pair.n + max(squareC-meanC*meanC, 0)/t.pair.m)
}

// rootDeviation is the deviation of the square root of a measure, whose value is root.
func (t table) rootDeviation(of slopes, root float64) float64 {
	if root == 0 {
		return 0
	}
	return t.deviation(of) / (2 * root)
}

// scaledWasserstein returns the Wasserstein distance of the finite values in standard
// deviations of the reference (if that is constant, of both sides together), and its
// standard deviation: the distance is a mean of the potential whose slope is the sign of
// F-G, so it varies as that mean does.
func scaledWasserstein(c *cells, ref, cur *tally) (effect, deviation float64) {
	if ref.Moments.N == 0 || cur.Moments.N == 0 {
		return 0, 0
	}
	w := cellWasserstein(c, ref, cur)
	if w == 0 {
		return 0, 0
	}
	scale := ref.Moments.std()
	if scale == 0 {
		both := ref.Moments
		both.merge(&cur.Moments)
		scale = both.std()
	}
	lo := min(ref.Moments.Min, cur.Moments.Min)
	hi := max(ref.Moments.Max, cur.Moments.Max)
	n, m := float64(ref.Moments.N), float64(cur.Moments.N)
	var meanR, meanC, squareR, squareC, potential, before float64
	var r, k int64
	for i := range ref.Cells {
		r += ref.Cells[i]
		k += cur.Cells[i]
		after := float64(r)/n - float64(k)/m
		from, to := c.bounds(i, lo, hi)
		step := to/scale - from/scale
		if before+after < 0 {
			step = -step
		}
		at := potential + step/2
		p, q := float64(ref.Cells[i])/n, float64(cur.Cells[i])/m
		meanR, squareR = meanR+p*at, squareR+p*at*at
		meanC, squareC = meanC+q*at, squareC+q*at*at
		potential += step
		before = after
	}
	deviation = math.Sqrt(max(squareR-meanR*meanR, 0)/n + max(squareC-meanC*meanC, 0)/m)
	return min(w/scale, math.MaxFloat64), deviation
}
