package drift

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// comparison is one column on its way into a report.
type comparison struct {
	cells    *cells
	ref, cur *tally
	cfg      Config
	report   ColumnReport
	n, m     int // values on either side
	method   method
	table    table // of a method on tables, if the test was made
}

// newComparison describes the current side and makes the tests that the rows allow; side
// describes the reference. Adjusted p-values and verdicts must wait until all columns are
// tested.
func newComparison(c *cells, ref, cur *tally, side Side, cfg Config) *comparison {
	k := &comparison{cells: c, ref: ref, cur: cur, cfg: cfg, method: cfg.method(c)}
	if side.Numbers != nil {
		numbers := *side.Numbers // the report is the caller's
		side.Numbers = &numbers
	}
	k.report = ColumnReport{
		Name:       c.name,
		Kind:       c.kind,
		Detectable: 1,
		Reference:  side,
		Current:    describe(c, ref, cur, cur.Unseen),
	}
	k.n, k.m = k.report.Reference.Values, k.report.Current.Values
	if k.n > 0 && k.m > 0 {
		k.report.Distances = distances(c, ref, cur)
		k.report.Histogram = histogram(c, ref, cur)
	}
	rows := [2]int{k.report.Reference.Rows, k.report.Current.Rows}
	if k.empty() || min(rows[0], rows[1]) < cfg.MinRows {
		return k
	}
	if min(k.n, k.m) >= cfg.MinRows {
		k.testValues()
	}
	k.testRate(TestMissing, [2]int64{ref.Missing, cur.Missing}, rows)
	k.testRate(TestInfinite, [2]int64{ref.infinite(), cur.infinite()}, [2]int{k.n, k.m})
	k.testRate(TestUnseen, [2]int64{expectedUnseen(c, ref), cur.Unseen}, [2]int{k.n, k.m})
	if c.kind == KindNumeric {
		k.testRange()
	}
	return k
}

// empty says that neither side has values, so that there is nothing to judge.
func (k *comparison) empty() bool { return k.n == 0 && k.m == 0 }

// expectedUnseen is the number of values of a reference that stand for those to be unseen
// without any change.
func expectedUnseen(c *cells, ref *tally) int64 {
	if c.kind == KindCategorical {
		return ref.once()
	}
	return 0
}

func (k *comparison) testValues() {
	t := Test{Name: k.method.name, Floor: k.cfg.effectFloor(k.cells), NReference: k.n, NCurrent: k.m}
	if k.method.onTable() {
		k.table = newTable(k.cells, k.ref, k.cur)
		t.Statistic, t.PValue = k.table.test(t.Name)
		t.Observed, t.EffectSize, t.CI = k.table.effect(t.Name, k.cfg.Alpha)
	} else {
		d := cellDistance(k.ref, k.cur)
		t.Statistic, t.PValue = d, nulldist.KSQuick(d, k.n, k.m)
		t.Observed, t.EffectSize, t.CI = d, k.distance(d), k.band(d)
		if t.Name == TestWasserstein {
			var deviation float64
			t.Observed, t.EffectSize, deviation = scaledWasserstein(k.cells, k.ref, k.cur)
			t.CI = around(t.Observed, deviation, k.cfg.Alpha, math.MaxFloat64)
			t.CI.Lo = min(t.CI.Lo, t.EffectSize)
		}
	}
	t.openBelow(k.cfg.Alpha)
	k.report.Tests = append(k.report.Tests, t)
}

// openBelow makes the interval agree with the p-value: nothing may have changed.
func (t *Test) openBelow(alpha float64) {
	if t.PValue > alpha {
		t.CI.Lo = 0
	}
}

// distance returns an estimate of the true D. Without any change the mean square of D is π²/12
// over the effective size (that of the Kolmogorov distribution), which is taken from its
// square.
func (k *comparison) distance(d float64) float64 {
	return math.Sqrt(withoutNoise(d*d, math.Pi*math.Pi/12/k.effective()))
}

// band returns the interval of D. The difference of the two empirical processes is no
// larger than one Brownian bridge scaled to the effective size, whatever the distributions:
// it and an independent normal process make up that bridge. So the bound on D under no
// change is a bound on the error of D under any.
func (k *comparison) band(d float64) CI {
	h := nulldist.KSDetectable(k.cfg.Alpha, k.effective())
	return CI{Lo: max(d-h, 0), Hi: min(d+h, 1), Level: 1 - k.cfg.Alpha}
}

// effective is the effective number of values, nm/(n+m).
func (k *comparison) effective() float64 { return float64(k.n) / float64(k.n+k.m) * float64(k.m) }

// testRate tests the rates of marked rows. Where there are none on both sides, or no rows
// on one, there is nothing to test. Whether that is so depends on the sum of the sides
// alone, so the number of tests may depend on it.
func (k *comparison) testRate(name TestName, marked [2]int64, rows [2]int) {
	if marked[0]+marked[1] == 0 || rows[0] == 0 || rows[1] == 0 {
		return
	}
	r, c := int(marked[0]), int(marked[1])
	t := Test{
		Name:       name,
		Statistic:  shareDifference(float64(c), float64(rows[1]), float64(r), float64(rows[0])),
		PValue:     nulldist.Fisher(c, rows[1], r+c, rows[0]+rows[1]),
		Floor:      k.cfg.rateFloor(k.cells),
		CI:         rateChangeCI(float64(r), float64(rows[0]), float64(c), float64(rows[1]), k.cfg.Alpha),
		NReference: rows[0],
		NCurrent:   rows[1],
	}
	t.EffectSize = math.Abs(t.Statistic)
	t.Observed = t.EffectSize
	if name == TestUnseen {
		t.PValue = max(t.PValue, k.surprise(t.Statistic, float64(c)))
	}
	t.openBelow(k.cfg.Alpha)
	k.report.Tests = append(k.report.Tests, t)
}

// testRange tests the rate of numbers outside of the reference's range. It does so where
// there are none too: whether there are is not for both sides' sum to say.
func (k *comparison) testRange() {
	n, m := int64(k.n)-k.ref.infinite(), int64(k.m)-k.cur.infinite()
	if n == 0 || m == 0 {
		return
	}
	below, above := k.cells.outOfRange(k.ref, k.cur)
	outside := float64(below+above) / float64(m)
	t := Test{
		Name:       TestOutOfRange,
		Statistic:  outside,
		PValue:     min(2*min(nulldist.Extreme(below, n, m), nulldist.Extreme(above, n, m)), 1),
		EffectSize: max(outside-2/float64(n+1), 0),
		Observed:   outside,
		Floor:      k.cfg.rateFloor(k.cells),
		CI:         rateChangeCI(0, float64(n), float64(below+above), float64(m), k.cfg.Alpha),
		NReference: int(n),
		NCurrent:   int(m),
	}
	t.CI.Lo = min(t.CI.Lo, t.EffectSize)
	t.openBelow(k.cfg.Alpha)
	k.report.Tests = append(k.report.Tests, t)
}

// surprise returns the p-value of so many unseen values, with the rate above that expected,
// by the normal limit. The expected rate is an estimate, with a larger variance than that of
// a count if many levels occur twice (Esty, "A normal limit law for a nonparametric
// estimator of the coverage of a random sample", 1983). Fewer surprises than expected are
// none.
func (k *comparison) surprise(above, unseen float64) float64 {
	if above <= 0 {
		return 1
	}
	n, m := float64(k.n), float64(k.m)
	var once, twice float64
	for _, count := range k.ref.Cells {
		switch count {
		case 1:
			once++
		case 2:
			twice++
		}
	}
	pooled := (once + unseen) / (n + m)
	variance := (once*(1-once/n)+2*twice)/(n*n) + pooled*(1-pooled)/m
	return 2 * distuv.UnitNormal.Survival(above/math.Sqrt(variance))
}

// pValue is the p-value of the column: the smallest of its tests, times their number.
func (k *comparison) pValue() float64 {
	smallest := 1.0
	for _, t := range k.report.Tests {
		smallest = min(smallest, k.withinColumn(t.PValue))
	}
	return smallest
}

// withinColumn is Bonferroni's correction for the number of tests of the column.
func (k *comparison) withinColumn(p float64) float64 {
	return min(p*float64(len(k.report.Tests)), 1)
}

// judge fills in the adjusted p-values and the verdict. The family holds the p-values of
// all columns that are not invalid, sorted.
func (k *comparison) judge(family []float64) {
	r := &k.report
	for i := range r.Tests {
		t := &r.Tests[i]
		t.AdjustedPValue = k.cfg.Correction.adjust(k.withinColumn(t.PValue), family)
		t.Drifted = t.EffectSize >= t.Floor && t.AdjustedPValue <= k.cfg.Alpha
		if t.Drifted {
			r.Verdict = Drifted
		}
	}
	// The level of a test of this column that suffices whatever the other columns show.
	level := k.cfg.Correction.strictest(k.cfg.Alpha, max(len(family), 1)) / float64(k.mostTests())
	wanted := k.cfg.Detectable
	if k.method.ownScale() {
		wanted = max(wanted, k.cfg.effectFloor(k.cells))
	}
	r.Detectable = k.detectable(level)
	switch {
	case k.empty():
		r.Verdict, r.Reason = Invalid, "Neither side holds a value of this column."
	case r.Verdict == Drifted:
		r.Reason = k.driftReason()
	case r.Detectable <= wanted || k.n == 0 && len(r.Tests) > 0: // without values only their rate counts
		r.Verdict, r.Reason = Stable, k.stableReason()
	default:
		r.Verdict = Insufficient
		r.NeededRows = k.neededRows(level, wanted)
		r.Reason = k.insufficientReason()
	}
}

// mostTests is the number of tests of the column, or of those to come with more rows, and of
// one more that a change of the values would bring about: of unseen or of infinite ones.
func (k *comparison) mostTests() int {
	n := len(k.report.Tests)
	if n == 0 {
		n = 1
		if k.cells.kind == KindNumeric {
			n = 2 // that of the range too
		}
	}
	for _, t := range k.report.Tests {
		if t.Name == TestUnseen || t.Name == TestInfinite {
			return n
		}
	}
	return n + 1
}

// detectable returns the effect of the distribution test that is certain to be significant
// at this level; 1 if that test was not made.
func (k *comparison) detectable(level float64) float64 {
	if len(k.report.Tests) == 0 || min(k.n, k.m) < k.cfg.MinRows {
		return 1
	}
	if k.method.onTable() {
		return k.table.detectable(level)
	}
	return nulldist.KSDetectable(level, k.effective())
}

// neededRows returns about how many current rows make the wanted effect detectable, if the
// share of missing values stays; 0 if the reference is too small for any number.
func (k *comparison) neededRows(level, wanted float64) int {
	least := float64(k.cfg.MinRows)
	if k.n == 0 {
		if k.report.Reference.Rows < k.cfg.MinRows {
			return 0
		}
		return k.cfg.MinRows
	}
	// Beyond, more current values hardly make the effective size larger.
	most := max(1e4*float64(k.n), 2*least)
	if k.n < k.cfg.MinRows || k.detectableAt(most, level) > wanted {
		return 0
	}
	for most > 1.001*least {
		if middle := math.Sqrt(least * most); k.detectableAt(middle, level) > wanted {
			least = middle
		} else {
			most = middle
		}
	}
	present := 1.0
	if k.m > 0 {
		present = float64(k.m) / float64(k.report.Current.Rows)
	}
	needed, rows := roundUp(least/present), k.report.Current.Rows
	if needed <= rows {
		return roundUp(1.5 * float64(rows)) // the rare levels have fewer rows than was to be expected
	}
	return needed
}

// detectableAt is about the detectable effect at a number of current values.
func (k *comparison) detectableAt(values, level float64) float64 {
	effective := float64(k.n) / (float64(k.n) + values) * values
	switch {
	case !k.method.onTable():
		return nulldist.KSDetectable(level, effective)
	case k.cells.kind == KindNumeric:
		return chiSquareDetectable(level, effective, tableGroups-1)
	}
	share, rare, kept := expectedSplit(k.ref.Cells, float64(k.n), values)
	most := chiSquareDetectable(level, effective, max(int(math.Ceil(kept)), 1))
	if rare > 0.5 {
		// The rare levels are a pool, whose count is about a Poisson variable.
		z, mean := normalQuantile(level), share*values
		most += (z*z/2 + z*math.Sqrt(mean+z*z/4)) / values
	}
	if rare > 1.5 {
		most += share // which may differ within
	}
	return min(most, 1)
}

// roundUp returns the next integer of two significant digits.
func roundUp(x float64) int {
	unit := 1
	for x > float64(100*unit) {
		unit *= 10
	}
	return int(math.Ceil(x/float64(unit))) * unit
}

func (k *comparison) driftReason() string {
	leading := k.report.Leading()
	reasons := []string{k.sentence(leading)}
	for _, t := range k.report.Tests {
		if t.Drifted && t.Name != leading.Name {
			reasons = append(reasons, k.sentence(t))
		}
	}
	return strings.Join(reasons, " ")
}

// sentence says what a test found.
func (k *comparison) sentence(t Test) string {
	found := fmt.Sprintf("floor %s, adjusted p %s).", formatNumber(t.Floor), formatP(t.AdjustedPValue))
	observed, effect := formatNumber(t.Observed), formatNumber(t.EffectSize)
	if effect == observed {
		found = "(" + found
	} else {
		found = "(" + effect + " without noise, " + found
	}
	ref, cur := k.report.Reference, k.report.Current
	switch t.Name {
	case TestKS:
		return fmt.Sprintf("%s: a distance D of %s %s", k.movedValues(), observed, found)
	case TestWasserstein:
		s := fmt.Sprintf("The values moved by %s standard deviations", observed)
		// Means that differ by less than a millionth of the deviation stayed, but for rounding.
		if a, b := ref.Numbers, cur.Numbers; a != nil && b != nil && math.Abs(b.Mean-a.Mean) > 1e-6*max(a.Std, b.Std) {
			means := formatApart(a.Mean, b.Mean)
			s += fmt.Sprintf(", their mean from %s to %s", means[0], means[1])
		}
		return s + " " + found
	case TestChiSquare, TestG, TestPSI, TestJensenShannon, TestHellinger:
		s := fmt.Sprintf("The shares of the %s moved by %s %s", k.groups(), k.measure(t), found)
		if levels := k.movedLevels(); levels != "" {
			return levels + ". " + s
		}
		return s
	case TestMissing:
		from, to := percentsApart(ref.MissingRate, cur.MissingRate)
		return fmt.Sprintf("Missing values went from %s to %s of the rows %s", from, to, found)
	case TestInfinite:
		from, to := percentsApart(ref.InfiniteRate, cur.InfiniteRate)
		return fmt.Sprintf("Infinite values went from %s to %s %s", from, to, found)
	case TestOutOfRange:
		return fmt.Sprintf("%s of the finite values are outside of the reference's range %s", percent(t.Observed), found)
	default:
		from, to := percentsApart(ref.UnseenRate, cur.UnseenRate)
		return fmt.Sprintf("Values unseen in the reference went from %s to %s %s", from, to, found)
	}
}

// groups says what the cells of a table are.
func (k *comparison) groups() string {
	if k.cells.kind == KindNumeric {
		return "groups"
	}
	return "levels"
}

// measure is the effect of a table with the name of its scale.
func (k *comparison) measure(t Test) string {
	effect := formatNumber(t.Observed)
	switch t.Name {
	case TestPSI:
		return "a PSI of " + effect
	case TestJensenShannon:
		return "a Jensen-Shannon distance of " + effect
	case TestHellinger:
		return "a Hellinger distance of " + effect
	default:
		return effect + " in total variation"
	}
}

func (k *comparison) stableReason() string {
	for _, t := range k.report.Tests {
		if t.AdjustedPValue <= k.cfg.Alpha {
			return "A real change, but too small to matter: " + lowerFirst(k.sentence(t))
		}
	}
	var bounds []string
	for _, t := range k.report.Tests {
		if t.Name != TestOutOfRange || t.Observed > 0 {
			bounds = append(bounds, k.bound(t))
		}
	}
	return fmt.Sprintf("No significant change: with %s confidence, %s.", percent(1-k.cfg.Alpha), strings.Join(bounds, ", and "))
}

// bound says how large a change can be that a test did not find.
func (k *comparison) bound(t Test) string {
	most := formatNumber(t.CI.Hi)
	switch t.Name {
	case TestKS:
		return "D is at most " + most
	case TestWasserstein:
		return "values moved by at most " + most + " standard deviations"
	case TestMissing:
		return "the rate of missing values changed by at most " + percentagePoints(t.CI.Hi)
	case TestInfinite:
		return "the rate of infinite values changed by at most " + percentagePoints(t.CI.Hi)
	case TestUnseen:
		return "the rate of unseen values changed by at most " + percentagePoints(t.CI.Hi)
	case TestOutOfRange:
		return "at most " + percent(t.CI.Hi) + " of the finite values are outside of the reference's range"
	case TestPSI:
		if t.CI.Hi == math.MaxFloat64 {
			return "the " + k.groups() + " are too rare to bound the PSI"
		}
		return "the PSI is at most " + most
	case TestJensenShannon:
		return "the Jensen-Shannon distance is at most " + most
	case TestHellinger:
		return "the Hellinger distance is at most " + most
	default:
		return "the total variation is at most " + most
	}
}

// percentagePoints is a difference of shares in percentage points.
func percentagePoints(difference float64) string {
	return strings.TrimPrefix(strings.TrimSuffix(percent(difference), " %"), "< ") + " percentage points"
}

func (k *comparison) insufficientReason() string {
	r := &k.report
	var have string
	switch {
	case r.Current.Values < r.Current.Rows:
		have = fmt.Sprintf("%s in %s are too few to tell", counted(r.Current.Values, "value"), counted(r.Current.Rows, "row"))
		if r.Current.Values == 1 {
			have = fmt.Sprintf("1 value in %s is too few to tell", counted(r.Current.Rows, "row"))
		}
	case r.Current.Rows == 1:
		have = "1 row is too few to tell"
	default:
		have = fmt.Sprintf("%d rows are too few to tell", r.Current.Rows)
	}
	if r.NeededRows == 0 {
		have = counted(k.n, "value")
		if k.cells.kind == KindCategorical {
			have += " of " + counted(len(k.cells.levels), "level")
		}
		return fmt.Sprintf("The reference has only %s, too few to tell whatever the number of current rows.", have)
	}
	return fmt.Sprintf("%s; about %d would do.", have, r.NeededRows)
}

// cellDistance returns D on the cells. The distribution functions are compared at every
// edge, and on either side of the infinities.
func cellDistance(ref, cur *tally) float64 {
	n, m := float64(ref.values()), float64(cur.values())
	r, c := ref.NegInf, cur.NegInf
	d := math.Abs(shareDifference(float64(c), m, float64(r), n))
	for i := range ref.Cells {
		r += ref.Cells[i]
		c += cur.Cells[i]
		d = max(d, math.Abs(shareDifference(float64(c), m, float64(r), n)))
	}
	return d
}

// levelCounts returns the counts of the levels and, as a last cell, of unseen values. Both
// sides must have values.
func levelCounts(ref, cur *tally) countPair {
	return pairCounts(append(slices.Clone(ref.Cells), 0), append(slices.Clone(cur.Cells), cur.Unseen))
}
