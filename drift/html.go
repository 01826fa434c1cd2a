package drift

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Parse(reportHTML))

// WriteHTML writes the report as one self-contained page: no script, font or picture is
// loaded from elsewhere, and the page reads fine without script, in light and dark, on
// paper and on a phone. Equal reports give equal bytes. The error is that of w.
func (r *Report) WriteHTML(w io.Writer) error {
	if err := reportTemplate.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("drift: write HTML: %w", err)
	}
	return nil
}

// page is what the template shows. Everything is text by now.
type page struct {
	Title, Label, Headline, Reason, Window, Reference string
	Level, Alpha                                      string // of the intervals, and what is left to 1
	Verdict                                           Verdict
	Named                                             []link // the drifted columns, the last may stand for several
	Facts                                             []fact
	Measures                                          []measure
	Rows                                              []row
	Drifted, Others                                   []*section
}

// link is a name in an enumeration, and what precedes it there.
type link struct{ Before, ID, Name string }

// measure explains the effect and the interval of tests that occur on the page.
type measure struct{ Name, Text string }

// fact is a name and what it is.
type fact struct{ Name, Value, Note string }

// row is a column's line in the overview.
type row struct {
	Section  *section
	Change   string // what the leading test looked at
	Needed   string // how many rows would decide
	P        string
	Missing  string
	Effect   string
	Interval string
	Bar      *bar // nil if no test was made
	Order    rowOrder
}

// rowOrder holds what the overview is sorted by.
type rowOrder struct {
	Verdict              int
	Severity, P, Missing string
}

// section is a column's own part of the page.
type section struct {
	ID, Name, Kind, Reason string
	Notes                  []string
	Verdict                Verdict
	Distances              []fact
	Tests                  []testRow
	Numbers                []numberRow
	Plot                   *plot
	Levels                 []levelRow
}

type testRow struct {
	Name, Statistic, Effect, Interval, Floor, P, Adjusted string
	Drifted                                               bool
}

type numberRow struct{ Name, Reference, Current string }

// levelRow is a bar pair of a categorical column, in percent of the widest of a single level.
// A bar that sums up levels may be cut.
type levelRow struct {
	Label, Reference, Current, ReferenceWidth, CurrentWidth string
	Rest, ReferenceCut, CurrentCut                          bool
}

// bar shows an effect and its interval in units of its floor, which is at a quarter of its
// length. All numbers are in percent of that; what goes beyond is cut.
type bar struct {
	Width, From, To  string
	Drifted          bool
	Cut, IntervalCut bool
}

const barFloors = 4

func newBar(t Test) *bar {
	at := func(effect float64) string {
		if t.Floor <= 0 {
			return "0"
		}
		return decimals(min(100*effect/t.Floor/barFloors, 100), 1)
	}
	return &bar{
		Width:       at(t.EffectSize),
		From:        at(t.CI.Lo),
		To:          at(t.CI.Hi),
		Drifted:     t.Drifted,
		Cut:         t.EffectSize > barFloors*t.Floor,
		IntervalCut: t.CI.Hi > barFloors*t.Floor,
	}
}

func newPage(r *Report) *page {
	p := &page{
		Title:     "Drift report",
		Label:     r.Label,
		Reason:    r.Reason,
		Verdict:   r.Verdict,
		Window:    window(r.From, r.To),
		Reference: r.Reference,
		Alpha:     percent(r.Config.Alpha),
	}
	if r.Label != "" {
		p.Title += ": " + r.Label
	}
	switch r.Verdict {
	case Drifted:
		p.Headline = "The data have drifted."
	case Stable:
		p.Headline = "The data are stable."
	default:
		p.Headline = "There are too few data to tell."
	}
	var count [len(verdictNames)]int
	for _, i := range r.bySeverity() {
		c := &r.Columns[i]
		if int(c.Verdict) < len(count) {
			count[c.Verdict]++
		}
		s := newSection(c, i)
		p.Rows = append(p.Rows, newRow(c, s))
		if c.Verdict == Drifted {
			p.Drifted = append(p.Drifted, s)
		} else {
			p.Others = append(p.Others, s)
		}
	}
	p.Facts = []fact{
		{"Drifted columns", fmt.Sprintf("%d of %d", count[Drifted], len(r.Columns)-count[Invalid]), percent(r.Share) + ", limit " + percent(r.Config.DriftShare)},
		{"Current rows", thousands(r.NCurrent), "against " + thousands(r.NReference) + " in the reference"},
		{"Not decided", fmt.Sprint(count[Insufficient]), "with too few rows" + needed(r.Columns)},
		{"Risk of a false alarm", percent(r.Config.Alpha), correctionName(r.Config.Correction)},
	}
	if n := count[Invalid]; n > 0 {
		p.Facts[2].Note += fmt.Sprintf("; %d more cannot be judged", n)
	}
	if r.Verdict == Stable && count[Drifted] > 0 {
		p.Headline = "The data are stable on the whole."
	}
	p.Named = enumerate(p.Drifted)
	for i := range r.Columns {
		if len(r.Columns[i].Tests) > 0 {
			p.Level = percent(r.Columns[i].Tests[0].CI.Level)
			break
		}
	}
	p.Measures = measures(r.Columns)
	return p
}

// enumerate links the first sections by name.
func enumerate(sections []*section) []link {
	const most = 5
	shown := min(len(sections), most)
	if len(sections) == most+1 {
		shown++ // what would say that there is one more may as well be its name
	}
	var links []link
	for _, s := range sections[:shown] {
		links = append(links, link{Before: ", ", ID: s.ID, Name: shorten(s.Name, longestName)})
	}
	if more := len(sections) - shown; more > 0 {
		links = append(links, link{ID: "columns", Name: fmt.Sprintf("%d more", more)})
	}
	if n := len(links); n > 0 {
		links[n-1].Before = " and "
		links[0].Before = ""
	}
	return links
}

// needed says how many rows would decide the insufficient columns. It goes on after a phrase,
// and is empty if there are none.
func needed(columns []ColumnReport) string {
	rows, decidable, hopeless := 0, 0, 0
	for _, c := range columns {
		switch {
		case c.Verdict != Insufficient:
		case c.NeededRows > 0:
			rows = max(rows, c.NeededRows)
			decidable++
		default:
			hopeless++
		}
	}
	switch {
	case decidable+hopeless == 0:
		return ""
	case decidable == 0:
		return " in the reference, whatever the current ones"
	case hopeless == 0:
		return fmt.Sprintf("; about %s would do", thousands(rows))
	default:
		return fmt.Sprintf("; about %s would do, but for %d the reference has too few", thousands(rows), hopeless)
	}
}

// measures explains the tests that were made, in the order of their constants.
func measures(columns []ColumnReport) []measure {
	made := make(map[TestName]bool)
	for _, c := range columns {
		for _, t := range c.Tests {
			made[t.Name] = true
		}
	}
	var explained []measure
	for _, m := range []struct {
		tests []TestName
		text  string
	}{
		{[]TestName{TestKS}, "D is the largest difference between the shares of values up to any one point, from 0 to 1. " +
			"Its interval is the observed D and, on either side, the limit of the largest error of two empirical distribution functions."},
		{[]TestName{TestChiSquare, TestG}, "The effect is the total variation: the share of rows that would have to change their level, or their group of numbers, from 0 to 1. " +
			"The interval is one of the change without noise: down from the effect by its normal error, and up from the observed variation by McDiarmid’s bound on its error, so that it holds more than its level. " +
			"It may start at 0 beside a tiny p, because p is about any difference at all, and the interval about how large it is."},
		{[]TestName{TestWasserstein}, "The effect is how far values moved on average, in standard deviations of the reference. " +
			"Its interval is the observed distance and, on either side, its normal error by the delta method, and reaches down to the effect."},
		{[]TestName{TestPSI, TestJensenShannon, TestHellinger}, "The effect is this measure of the change, less what noise adds to it. The interval holds the true changes with which the observed one, less what noise adds to it, is not surprising, as the noncentral distribution of X² has it. " +
			"That of a PSI has no upper end if levels are rare."},
		{[]TestName{TestMissing, TestInfinite, TestUnseen}, "The effect is the difference of the rates, and the interval Newcombe’s (method 10)."},
		{[]TestName{TestOutOfRange}, "The effect is the rate of numbers beyond those of the reference, less what is to be expected without a change. The interval is that of the rate itself, as of a change from 0, and Newcombe’s (method 10)."},
	} {
		var titles []string
		for _, name := range m.tests {
			if made[name] {
				titles = append(titles, testTitle(name))
			}
		}
		if len(titles) > 0 {
			explained = append(explained, measure{strings.Join(titles, ", "), m.text})
		}
	}
	return explained
}

func correctionName(c Correction) string {
	if c == BenjaminiHochberg {
		return "for all columns together (Benjamini-Hochberg)"
	}
	return "for each column"
}

// window returns the time that the current rows are of, in UTC.
func window(from, to time.Time) string {
	const layout = "2006-01-02 15:04"
	switch {
	case from.IsZero() && to.IsZero():
		return ""
	case from.IsZero():
		return "until " + to.UTC().Format(layout) + " UTC"
	case to.IsZero():
		return "from " + from.UTC().Format(layout) + " UTC"
	}
	return from.UTC().Format(layout) + " to " + to.UTC().Format(layout) + " UTC"
}

// bySeverity returns the columns' positions, those first that need attention: the drifted
// ones from the most severe, those that could not be decided, and the stable ones.
func (r *Report) bySeverity() []int {
	order := make([]int, len(r.Columns))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &r.Columns[i], &r.Columns[j]
		return cmp.Or(cmp.Compare(a.attention(), b.attention()), cmp.Compare(b.severity(), a.severity()))
	})
	return order
}

// attention is the place of the column's verdict among those that need attention.
func (c *ColumnReport) attention() int {
	return slices.Index([]Verdict{Drifted, Insufficient, Invalid, Stable}, c.Verdict)
}

// severity is that of the leading test, or -1 if none was made.
func (c *ColumnReport) severity() float64 {
	if len(c.Tests) == 0 {
		return -1
	}
	return c.Leading().severity()
}

func newRow(c *ColumnReport, s *section) row {
	r := row{
		Section: s,
		Missing: "–",
		Order: rowOrder{
			Verdict:  c.attention(),
			Missing:  decimals(math.Abs(c.Current.MissingRate-c.Reference.MissingRate), 6),
			Severity: decimals(c.severity(), 6),
			P:        "2",
		},
	}
	if c.Reference.Rows > 0 && c.Current.Rows > 0 {
		r.Missing = change(c.Reference.MissingRate, c.Current.MissingRate)
	}
	switch {
	case c.Verdict != Insufficient:
	case c.NeededRows > 0:
		r.Needed = fmt.Sprintf("about %s rows would do", thousands(c.NeededRows))
	default:
		r.Needed = "the reference has too few rows"
	}
	if len(c.Tests) > 0 {
		t := c.Leading()
		r.Change, r.Effect, r.P = unbroken.Replace(whatChanged(c, t.Name)), formatEffect(t.EffectSize), strings.TrimPrefix(formatP(t.AdjustedPValue), "= ")
		r.Interval, r.Bar = interval(t.CI), newBar(t)
		r.Order.P = strconv.FormatFloat(t.AdjustedPValue, 'g', -1, 64)
	}
	return r
}

// whatChanged shows in a few words what the leading test looked at, on both sides.
func whatChanged(c *ColumnReport, leading TestName) string {
	switch leading {
	case TestMissing:
		return "missing " + change(c.Reference.MissingRate, c.Current.MissingRate)
	case TestInfinite:
		return "infinite " + change(c.Reference.InfiniteRate, c.Current.InfiniteRate)
	case TestOutOfRange:
		return "out of range " + change(c.Reference.OutOfRangeRate, c.Current.OutOfRangeRate)
	case TestUnseen:
		return "unseen " + change(c.Reference.UnseenRate, c.Current.UnseenRate)
	}
	if c.Kind == KindNumeric {
		if n := len(c.Histogram); n == 2 && isValue(c.Histogram[0]) && isValue(c.Histogram[1]) {
			values := groupAll(formatApart(*c.Histogram[0].Hi, *c.Histogram[1].Hi))
			return values[1] + ": " + change(c.Histogram[1].Reference, c.Histogram[1].Current)
		}
		if r, k := c.Reference.Numbers, c.Current.Numbers; r != nil && k != nil {
			return movedNumber(r, k, leading)
		}
		return ""
	}
	var moved Bin
	for _, b := range c.Histogram {
		if b.Levels == 0 && b.change() > moved.change() {
			moved = b
		}
	}
	if moved.Label == "" {
		return "no level moved"
	}
	return shorten(moved.Label, longestName) + ": " + change(moved.Reference, moved.Current)
}

// movedNumber shows the mean for a test of distances, else the median, unless another quantile
// moved so much further that the spread is what changed.
func movedNumber(r, k *Numbers, leading TestName) string {
	type pair struct {
		name               string
		reference, current float64
	}
	shown := pair{"median", r.P50, k.P50}
	if leading == TestWasserstein {
		shown = pair{"mean", r.Mean, k.Mean}
	}
	const further = 4
	furthest := further * math.Abs(shown.current-shown.reference)
	for _, other := range []pair{
		{"25 % quantile", r.P25, k.P25}, {"75 % quantile", r.P75, k.P75},
		{"5 % quantile", r.P05, k.P05}, {"95 % quantile", r.P95, k.P95},
	} {
		if moved := math.Abs(other.current - other.reference); moved > furthest {
			shown, furthest = other, moved
		}
	}
	texts := groupAll(formatApart(shown.reference, shown.current))
	return shown.name + " " + arrow(texts[0], texts[1])
}

// isValue reports whether the bin is one of a single number.
func isValue(b Bin) bool { return b.Lo != nil && b.Hi != nil && *b.Lo == *b.Hi }

// change shows a rate on both sides, or once if it is the same.
func change(reference, current float64) string {
	return arrow(percentCellsApart(reference, current))
}

// arrow shows a text of both sides, or once if it is the same. Texts of values that differ
// must differ.
func arrow(reference, current string) string {
	if reference == current {
		return current
	}
	return reference + " → " + current
}

func testTitle(name TestName) string {
	switch name {
	case TestKS:
		return "Kolmogorov-Smirnov"
	case TestChiSquare:
		return "Chi-square"
	case TestG:
		return "G-test"
	case TestWasserstein:
		return "Wasserstein"
	case TestPSI:
		return "PSI"
	case TestJensenShannon:
		return "Jensen-Shannon"
	case TestHellinger:
		return "Hellinger"
	case TestMissing:
		return "Missing rate"
	case TestInfinite:
		return "Infinite rate"
	case TestOutOfRange:
		return "Out of range"
	default:
		return "Unseen rate"
	}
}

// unbroken keeps numbers on one line: no break before a percent sign, within 1e-15, or after
// the sign that a p-value follows.
var unbroken = strings.NewReplacer(" %", "\u00a0%", "e-", "e-\u2060", "< ", "<\u00a0", "= ", "=\u00a0")

func newSection(c *ColumnReport, position int) *section {
	s := &section{
		ID:      fmt.Sprintf("column-%d", position+1),
		Name:    c.Name,
		Kind:    c.Kind.String(),
		Verdict: c.Verdict,
		Reason:  unbroken.Replace(c.Reason),
		Notes:   c.Notes,
	}
	for _, t := range c.Tests {
		s.Tests = append(s.Tests, testRow{
			Name:      testTitle(t.Name),
			Statistic: formatNumber(t.Statistic),
			Effect:    formatEffect(t.EffectSize),
			Interval:  interval(t.CI),
			Floor:     formatNumber(t.Floor),
			P:         strings.TrimPrefix(formatP(t.PValue), "= "),
			Adjusted:  strings.TrimPrefix(formatP(t.AdjustedPValue), "= "),
			Drifted:   t.Drifted,
		})
	}
	if c.Reference.Rows > 0 || c.Current.Rows > 0 {
		s.Numbers = numberRows(c)
	}
	if d := c.Distances; d != nil {
		s.Distances = []fact{{Name: "PSI", Value: formatNumber(d.PSI)}, {Name: "Jensen-Shannon", Value: formatNumber(d.JensenShannon)}}
		if d.Wasserstein1 != nil {
			s.Distances = append(s.Distances, fact{Name: "Wasserstein", Value: formatQuantity(*d.Wasserstein1)})
		}
	}
	switch {
	case c.Kind == KindNumeric && len(c.Histogram) > 0:
		s.Plot = newPlot(c.Histogram)
	case c.Kind == KindCategorical:
		s.Levels = levelRows(c.Histogram)
	}
	return s
}

func numberRows(c *ColumnReport) []numberRow {
	r, k := &c.Reference, &c.Current
	rows := []numberRow{{"Rows", thousands(r.Rows), thousands(k.Rows)}}
	share := func(name string, reference, current float64) {
		a, b := percentCellsApart(reference, current)
		rows = append(rows, numberRow{name, a, b})
	}
	share("Missing", r.MissingRate, k.MissingRate)
	if c.Kind == KindCategorical {
		share("Unseen", r.UnseenRate, k.UnseenRate)
	} else {
		share("Infinite", r.InfiniteRate, k.InfiniteRate)
		share("Out of range", r.OutOfRangeRate, k.OutOfRangeRate)
	}
	value := func(name string, of func(*Numbers) float64) {
		switch {
		case r.Numbers != nil && k.Numbers != nil:
			// The rows are read against each other, too: the spread says how many digits matter.
			texts := formatQuantities(of(r.Numbers), of(k.Numbers), r.Numbers.P05, r.Numbers.P95)
			rows = append(rows, numberRow{name, texts[0], texts[1]})
		case r.Numbers != nil:
			rows = append(rows, numberRow{name, formatQuantity(of(r.Numbers)), "–"})
		case k.Numbers != nil:
			rows = append(rows, numberRow{name, "–", formatQuantity(of(k.Numbers))})
		}
	}
	value("Mean", func(n *Numbers) float64 { return n.Mean })
	value("Std. deviation", func(n *Numbers) float64 { return n.Std })
	value("Minimum", func(n *Numbers) float64 { return n.Min })
	value("5 %", func(n *Numbers) float64 { return n.P05 })
	value("25 %", func(n *Numbers) float64 { return n.P25 })
	value("Median", func(n *Numbers) float64 { return n.P50 })
	value("75 %", func(n *Numbers) float64 { return n.P75 })
	value("95 %", func(n *Numbers) float64 { return n.P95 })
	value("Maximum", func(n *Numbers) float64 { return n.Max })
	return rows
}

func levelRows(bins []Bin) []levelRow {
	highest := highestShare(bins)
	width := func(share float64) string { return decimals(min(100*share/highest, 100), 2) }
	var rows []levelRow
	for _, b := range bins {
		reference, current := percentCellsApart(b.Reference, b.Current)
		rows = append(rows, levelRow{
			Label:          shorten(b.Label, longestName),
			Reference:      reference,
			Current:        current,
			ReferenceWidth: width(b.Reference),
			CurrentWidth:   width(b.Current),
			Rest:           b.Levels > 0,
			ReferenceCut:   b.Reference > highest,
			CurrentCut:     b.Current > highest,
		})
	}
	return rows
}

// highestShare is that of a bin that does not sum up levels, or 1 if they are empty.
func highestShare(bins []Bin) float64 {
	highest := 0.0
	for _, b := range bins {
		if b.Levels == 0 {
			highest = max(highest, b.Reference, b.Current)
		}
	}
	if highest == 0 {
		return 1
	}
	return highest
}

// interval returns the ends of an interval of an effect.
func interval(ci CI) string {
	if ci.Hi >= math.MaxFloat64 {
		return "from " + formatEffect(ci.Lo)
	}
	return formatEffect(ci.Lo) + " to " + formatEffect(ci.Hi)
}

// formatEffect returns three decimals, unless that would be long.
func formatEffect(x float64) string {
	if x >= 1000 {
		return formatNumber(x)
	}
	return decimals(x, 3)
}

func decimals(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
