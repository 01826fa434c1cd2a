package drift

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// comparison is one column while its report is made.
type comparison struct {
	sides
	cfg    Config
	method *method   // of the values
	made   []*method // of the tests in the report, in their order
	report ColumnReport
}

// newComparison describes the current side and makes the tests that the rows allow.
func newComparison(c *cells, ref, cur *tally, side Side, cfg Config) *comparison {
	if side.Numbers != nil {
		numbers := *side.Numbers // the report is the caller's
		side.Numbers = &numbers
	}
	current := describe(c, ref, cur, cur.Unseen)
	k := &comparison{
		sides:  sides{cells: c, ref: ref, cur: cur, n: side.Values, m: current.Values, reference: side, current: current},
		cfg:    cfg,
		method: cfg.method(c),
		report: ColumnReport{Name: c.name, Kind: c.kind, Detectable: 1, Reference: side, Current: current},
	}
	if k.n > 0 && k.m > 0 {
		k.report.Distances = distances(c, ref, cur)
		k.report.Histogram = histogram(c, ref, cur)
	}
	if k.empty() || min(side.Rows, current.Rows) < cfg.MinRows {
		return k
	}
	if min(k.n, k.m) >= cfg.MinRows {
		k.test(k.method, cfg.effectFloor(c))
	}
	for _, m := range methods {
		if m.Rate != nil {
			k.test(m, cfg.rateFloor(c))
		}
	}
	return k
}

// empty reports whether neither side has values. Then there is nothing to judge.
func (k *comparison) empty() bool { return k.n == 0 && k.m == 0 }

// test makes a test unless the test has nothing to compare.
func (k *comparison) test(m *method, floor float64) {
	t, ok := m.measure(&k.sides, k.cfg.Alpha)
	if !ok {
		return
	}
	t.Name, t.Floor = m.Name, floor
	if m.Rate == nil {
		t.NReference, t.NCurrent = k.n, k.m
	}
	if t.PValue > k.cfg.Alpha { // the interval agrees: nothing may have changed
		t.CI.Lo = 0
	}
	k.report.Tests = append(k.report.Tests, t)
	k.made = append(k.made, m)
}

// pValue is the p-value of the column: the smallest p-value of its tests, times their number.
func (k *comparison) pValue() float64 {
	smallest := 1.0
	for _, t := range k.report.Tests {
		smallest = min(smallest, t.PValue)
	}
	return k.withinColumn(smallest)
}

// withinColumn is Bonferroni's correction for the number of tests of the column.
func (k *comparison) withinColumn(p float64) float64 {
	return min(p*float64(len(k.report.Tests)), 1)
}

// judge fills in the adjusted p-values and the verdict from the sorted p-values of all columns.
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
	// A test of this column is significant at this level whatever the other columns show.
	level := k.cfg.Correction.strictest(k.cfg.Alpha, max(len(family), 1)) / float64(k.mostTests())
	wanted := k.cfg.Detectable
	if k.method.certain {
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

// mostTests is the largest number of tests of the column: those made, those that more rows
// will allow, and one for unseen or infinite values that could appear.
func (k *comparison) mostTests() int {
	n := len(k.report.Tests)
	if n == 0 {
		n = 1
		if k.cells.kind == KindNumeric {
			n = 2 // that of the range too
		}
	}
	if !slices.ContainsFunc(k.report.Tests, func(t Test) bool { return t.Name == MethodUnseen || t.Name == MethodInfinite }) {
		n++
	}
	return n
}

// detectable returns the effect of the distribution test that is certain to be significant at
// this level, or 1 if the distribution test was not made.
func (k *comparison) detectable(level float64) float64 {
	if len(k.report.Tests) == 0 || min(k.n, k.m) < k.cfg.MinRows {
		return 1
	}
	return k.method.detectable(&k.sides, level)
}

// neededRows returns about how many current rows make the wanted effect detectable if the
// share of missing values stays. If the reference is too small, neededRows returns 0.
func (k *comparison) neededRows(level, wanted float64) int {
	least := float64(k.cfg.MinRows)
	if k.n == 0 {
		if k.report.Reference.Rows < k.cfg.MinRows {
			return 0
		}
		return k.cfg.MinRows
	}
	// More current values than this hardly make the effective size larger.
	most := max(1e4*float64(k.n), 2*least)
	if k.n < k.cfg.MinRows || k.method.detectableAt(&k.sides, most, level) > wanted {
		return 0
	}
	for most > 1.001*least {
		if middle := math.Sqrt(least * most); k.method.detectableAt(&k.sides, middle, level) > wanted {
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

// roundUp returns the next integer of two significant digits.
func roundUp(x float64) int {
	unit := 1
	for x > float64(100*unit) {
		unit *= 10
	}
	return int(math.Ceil(x/float64(unit))) * unit
}

func (k *comparison) driftReason() string {
	leading := k.report.Leading().Name
	var sentences []string
	for i, t := range k.report.Tests {
		switch {
		case t.Name == leading:
			sentences = slices.Insert(sentences, 0, k.sentence(i))
		case t.Drifted:
			sentences = append(sentences, k.sentence(i))
		}
	}
	return strings.Join(sentences, " ")
}

func (k *comparison) sentence(test int) string {
	t := k.report.Tests[test]
	var without string
	if effect := text.Number(t.EffectSize); effect != text.Number(t.Observed) {
		without = effect + " without noise, "
	}
	return fmt.Sprintf("%s (%sfloor %s, adjusted p %s).",
		k.made[test].changed(&k.sides, t), without, text.Number(t.Floor), text.P(t.AdjustedPValue))
}

func (k *comparison) stableReason() string {
	for i, t := range k.report.Tests {
		if t.AdjustedPValue <= k.cfg.Alpha {
			return "A real change, but too small to matter: " + text.LowerFirst(k.sentence(i))
		}
	}
	var bounds []string
	for i, t := range k.report.Tests {
		if t.Name != MethodOutOfRange || t.Observed > 0 {
			bounds = append(bounds, k.made[i].bounded(&k.sides, t))
		}
	}
	return fmt.Sprintf("No significant change: with %s confidence, %s.", text.Percent(1-k.cfg.Alpha), strings.Join(bounds, ", and "))
}

func (k *comparison) insufficientReason() string {
	r := &k.report
	if r.NeededRows == 0 {
		have := text.Counted(k.n, "value")
		if k.cells.kind == KindCategorical {
			have += " of " + text.Counted(len(k.cells.levels), "level")
		}
		return fmt.Sprintf("The reference has only %s, too few to tell whatever the number of current rows.", have)
	}
	n, have := r.Current.Rows, text.Counted(r.Current.Rows, "row")
	if r.Current.Values < n {
		n, have = r.Current.Values, text.Counted(r.Current.Values, "value")+" in "+have
	}
	verb := "are"
	if n == 1 {
		verb = "is"
	}
	return fmt.Sprintf("%s %s too few to tell; about %d would do.", have, verb, r.NeededRows)
}
