// Package reportpage shows a [drift.Report] as a page.
package reportpage

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

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Parse(reportHTML))

// Write writes the report as one self-contained page: no script, font or picture is
// loaded from elsewhere, and the page reads fine without script, in light and dark, on
// paper and on a phone. Equal reports give equal bytes. The error is that of w.
func Write(w io.Writer, r *drift.Report) error {
	if err := reportTemplate.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("reportpage: %w", err)
	}
	return nil
}

// page is what the template shows. Everything is text by now.
type page struct {
	Title, Label, Headline, Reason, Window, Reference string
	Level, Alpha                                      string // of the intervals, and what is left to 1
	Verdict                                           drift.Verdict
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
	Verdict                drift.Verdict
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

// bar shows an effect and its interval in units of the floor of the effect. The floor is at a
// quarter of the bar. All numbers are in percent of the length of the bar, at which they are
// cut.
type bar struct {
	Width, From, To  string
	Drifted          bool
	Cut, IntervalCut bool
}

const barFloors = 4

func newBar(t drift.Test) *bar {
	at := func(effect float64) string {
		if t.Floor <= 0 {
			return "0"
		}
		return text.Decimals(min(100*effect/t.Floor/barFloors, 100), 1)
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

func newPage(r *drift.Report) *page {
	p := &page{
		Title:     "Drift report",
		Label:     r.Label,
		Reason:    r.Reason,
		Verdict:   r.Verdict,
		Window:    window(r.From, r.To),
		Reference: r.Reference,
		Alpha:     text.Percent(r.Config.Alpha),
	}
	if r.Label != "" {
		p.Title += ": " + r.Label
	}
	switch r.Verdict {
	case drift.Drifted:
		p.Headline = "The data have drifted."
	case drift.Stable:
		p.Headline = "The data are stable."
	default:
		p.Headline = "There are too few data to tell."
	}
	count := make(map[drift.Verdict]int)
	for _, i := range bySeverity(r) {
		c := &r.Columns[i]
		count[c.Verdict]++
		s := newSection(c, i)
		p.Rows = append(p.Rows, newRow(c, s))
		if c.Verdict == drift.Drifted {
			p.Drifted = append(p.Drifted, s)
		} else {
			p.Others = append(p.Others, s)
		}
	}
	p.Facts = []fact{
		{"Drifted columns", fmt.Sprintf("%d of %d", count[drift.Drifted], len(r.Columns)-count[drift.Invalid]), text.Percent(r.Share) + ", limit " + text.Percent(r.Config.DriftShare)},
		{"Current rows", text.Thousands(r.NCurrent), "against " + text.Thousands(r.NReference) + " in the reference"},
		{"Not decided", fmt.Sprint(count[drift.Insufficient]), "with too few rows" + needed(r.Columns)},
		{"Risk of a false alarm", text.Percent(r.Config.Alpha), correctionName(r.Config.Correction)},
	}
	if n := count[drift.Invalid]; n > 0 {
		p.Facts[2].Note += fmt.Sprintf("; %d more cannot be judged", n)
	}
	if r.Verdict == drift.Stable && count[drift.Drifted] > 0 {
		p.Headline = "The data are stable on the whole."
	}
	p.Named = enumerate(p.Drifted)
	for i := range r.Columns {
		if len(r.Columns[i].Tests) > 0 {
			p.Level = text.Percent(r.Columns[i].Tests[0].CI.Level)
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
		links = append(links, link{Before: ", ", ID: s.ID, Name: text.Shorten(s.Name, text.LongestName)})
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
func needed(columns []drift.ColumnReport) string {
	rows, decidable, hopeless := 0, 0, 0
	for _, c := range columns {
		switch {
		case c.Verdict != drift.Insufficient:
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
		return fmt.Sprintf("; about %s would do", text.Thousands(rows))
	default:
		return fmt.Sprintf("; about %s would do, but for %d the reference has too few", text.Thousands(rows), hopeless)
	}
}

// measures explains the tests that were made. Methods with the same effect are explained
// together.
func measures(columns []drift.ColumnReport) []measure {
	made := make(map[drift.Method]bool)
	for _, c := range columns {
		for _, t := range c.Tests {
			made[t.Name] = true
		}
	}
	var explained []measure
	for _, m := range drift.Methods() {
		if !made[m.Name] {
			continue
		}
		at := slices.IndexFunc(explained, func(e measure) bool { return e.Text == m.Effect })
		if at < 0 {
			explained = append(explained, measure{m.Title, m.Effect})
			continue
		}
		explained[at].Name += ", " + m.Title
	}
	return explained
}

func correctionName(c drift.Correction) string {
	if c == drift.BenjaminiHochberg {
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
func bySeverity(r *drift.Report) []int {
	order := make([]int, len(r.Columns))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &r.Columns[i], &r.Columns[j]
		return cmp.Or(cmp.Compare(attention(a), attention(b)), cmp.Compare(severity(b), severity(a)))
	})
	return order
}

// attention is the place of the column's verdict among those that need attention.
func attention(c *drift.ColumnReport) int {
	return slices.Index([]drift.Verdict{drift.Drifted, drift.Insufficient, drift.Invalid, drift.Stable}, c.Verdict)
}

// severity is that of the leading test, or -1 if none was made.
func severity(c *drift.ColumnReport) float64 {
	if len(c.Tests) == 0 {
		return -1
	}
	t := c.Leading()
	return t.EffectSize / t.Floor
}

func newRow(c *drift.ColumnReport, s *section) row {
	r := row{
		Section: s,
		Missing: "–",
		Order: rowOrder{
			Verdict:  attention(c),
			Missing:  text.Decimals(math.Abs(c.Current.MissingRate-c.Reference.MissingRate), 6),
			Severity: text.Decimals(severity(c), 6),
			P:        "2",
		},
	}
	if c.Reference.Rows > 0 && c.Current.Rows > 0 {
		r.Missing = change(c.Reference.MissingRate, c.Current.MissingRate)
	}
	switch {
	case c.Verdict != drift.Insufficient:
	case c.NeededRows > 0:
		r.Needed = fmt.Sprintf("about %s rows would do", text.Thousands(c.NeededRows))
	default:
		r.Needed = "the reference has too few rows"
	}
	if len(c.Tests) > 0 {
		t := c.Leading()
		r.Change, r.Effect, r.P = unbroken.Replace(whatChanged(c, infoOf(t.Name))), formatEffect(t.EffectSize), strings.TrimPrefix(text.P(t.AdjustedPValue), "= ")
		r.Interval, r.Bar = interval(t.CI), newBar(t)
		r.Order.P = strconv.FormatFloat(t.AdjustedPValue, 'g', -1, 64)
	}
	return r
}

// whatChanged shows in a few words what the leading test looked at, on both sides.
func whatChanged(c *drift.ColumnReport, leading drift.MethodInfo) string {
	if leading.Rate != nil {
		name := strings.ToLower(strings.TrimSuffix(leading.Title, " rate"))
		return name + " " + change(leading.Rate(&c.Reference), leading.Rate(&c.Current))
	}
	if c.Kind == drift.KindNumeric {
		if n := len(c.Histogram); n == 2 && isValue(c.Histogram[0]) && isValue(c.Histogram[1]) {
			values := text.GroupAll(text.Apart(*c.Histogram[0].Hi, *c.Histogram[1].Hi))
			return values[1] + ": " + change(c.Histogram[1].Reference, c.Histogram[1].Current)
		}
		if r, k := c.Reference.Numbers, c.Current.Numbers; r != nil && k != nil {
			return movedNumber(r, k, leading)
		}
		return ""
	}
	var moved drift.Bin
	for _, b := range c.Histogram {
		if b.Levels == 0 && math.Abs(b.Current-b.Reference) > math.Abs(moved.Current-moved.Reference) {
			moved = b
		}
	}
	if moved.Label == "" {
		return "no level moved"
	}
	return text.Shorten(moved.Label, text.LongestName) + ": " + change(moved.Reference, moved.Current)
}

// movedNumber shows the mean for a test of distances, else the median, unless another quantile
// moved so much further that the spread is what changed.
func movedNumber(r, k *drift.Numbers, leading drift.MethodInfo) string {
	type pair struct {
		name               string
		reference, current float64
	}
	shown := pair{"median", r.P50, k.P50}
	if leading.Means {
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
	texts := text.GroupAll(text.Apart(shown.reference, shown.current))
	return shown.name + " " + arrow(texts[0], texts[1])
}

// isValue reports whether the bin is one of a single number.
func isValue(b drift.Bin) bool { return b.Lo != nil && b.Hi != nil && *b.Lo == *b.Hi }

// change shows a rate on both sides, or once if it is the same.
func change(reference, current float64) string {
	return arrow(text.CellPercentsApart(reference, current))
}

// arrow shows a text of both sides, or once if it is the same. Texts of values that differ
// must differ.
func arrow(reference, current string) string {
	if reference == current {
		return current
	}
	return reference + " → " + current
}

// infoOf returns what is known of a method. Of one that this version does not know, from the
// report of another, that is its name.
func infoOf(name drift.Method) drift.MethodInfo {
	for _, info := range drift.Methods() {
		if info.Name == name {
			return info
		}
	}
	return drift.MethodInfo{Name: name, Title: string(name)}
}

// unbroken keeps numbers on one line: no break before a percent sign, within 1e-15, or after
// the sign that a p-value follows.
var unbroken = strings.NewReplacer(" %", "\u00a0%", "e-", "e-\u2060", "< ", "<\u00a0", "= ", "=\u00a0")

func newSection(c *drift.ColumnReport, position int) *section {
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
			Name:      infoOf(t.Name).Title,
			Statistic: text.Number(t.Statistic),
			Effect:    formatEffect(t.EffectSize),
			Interval:  interval(t.CI),
			Floor:     text.Number(t.Floor),
			P:         strings.TrimPrefix(text.P(t.PValue), "= "),
			Adjusted:  strings.TrimPrefix(text.P(t.AdjustedPValue), "= "),
			Drifted:   t.Drifted,
		})
	}
	if c.Reference.Rows > 0 || c.Current.Rows > 0 {
		s.Numbers = numberRows(c)
	}
	if d := c.Distances; d != nil {
		s.Distances = []fact{{Name: "PSI", Value: text.Number(d.PSI)}, {Name: "Jensen-Shannon", Value: text.Number(d.JensenShannon)}}
		if d.Wasserstein1 != nil {
			s.Distances = append(s.Distances, fact{Name: "Wasserstein", Value: text.Quantity(*d.Wasserstein1)})
		}
	}
	switch {
	case c.Kind == drift.KindNumeric && len(c.Histogram) > 0:
		s.Plot = newPlot(c.Histogram)
	case c.Kind == drift.KindCategorical:
		s.Levels = levelRows(c.Histogram)
	}
	return s
}

func numberRows(c *drift.ColumnReport) []numberRow {
	r, k := &c.Reference, &c.Current
	rows := []numberRow{{"Rows", text.Thousands(r.Rows), text.Thousands(k.Rows)}}
	share := func(name string, reference, current float64) {
		a, b := text.CellPercentsApart(reference, current)
		rows = append(rows, numberRow{name, a, b})
	}
	share("Missing", r.MissingRate, k.MissingRate)
	if c.Kind == drift.KindCategorical {
		share("Unseen", r.UnseenRate, k.UnseenRate)
	} else {
		share("Infinite", r.InfiniteRate, k.InfiniteRate)
		share("Out of range", r.OutOfRangeRate, k.OutOfRangeRate)
	}
	value := func(name string, of func(*drift.Numbers) float64) {
		switch {
		case r.Numbers != nil && k.Numbers != nil:
			// The rows are read against each other, too: the spread says how many digits matter.
			texts := text.Quantities(of(r.Numbers), of(k.Numbers), r.Numbers.P05, r.Numbers.P95)
			rows = append(rows, numberRow{name, texts[0], texts[1]})
		case r.Numbers != nil:
			rows = append(rows, numberRow{name, text.Quantity(of(r.Numbers)), "–"})
		case k.Numbers != nil:
			rows = append(rows, numberRow{name, "–", text.Quantity(of(k.Numbers))})
		}
	}
	value("Mean", func(n *drift.Numbers) float64 { return n.Mean })
	value("Std. deviation", func(n *drift.Numbers) float64 { return n.Std })
	value("Minimum", func(n *drift.Numbers) float64 { return n.Min })
	value("5 %", func(n *drift.Numbers) float64 { return n.P05 })
	value("25 %", func(n *drift.Numbers) float64 { return n.P25 })
	value("Median", func(n *drift.Numbers) float64 { return n.P50 })
	value("75 %", func(n *drift.Numbers) float64 { return n.P75 })
	value("95 %", func(n *drift.Numbers) float64 { return n.P95 })
	value("Maximum", func(n *drift.Numbers) float64 { return n.Max })
	return rows
}

func levelRows(bins []drift.Bin) []levelRow {
	highest := highestShare(bins)
	width := func(share float64) string { return text.Decimals(min(100*share/highest, 100), 2) }
	var rows []levelRow
	for _, b := range bins {
		reference, current := text.CellPercentsApart(b.Reference, b.Current)
		rows = append(rows, levelRow{
			Label:          text.Shorten(b.Label, text.LongestName),
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
func highestShare(bins []drift.Bin) float64 {
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
func interval(ci drift.CI) string {
	if ci.Hi >= math.MaxFloat64 {
		return "from " + formatEffect(ci.Lo)
	}
	return formatEffect(ci.Lo) + " to " + formatEffect(ci.Hi)
}

// formatEffect returns three decimals, unless that would be long.
func formatEffect(x float64) string {
	if x >= 1000 {
		return text.Number(x)
	}
	return text.Decimals(x, 3)
}
