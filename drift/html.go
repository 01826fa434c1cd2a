package drift

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
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
	Level                                             string // of the intervals
	Verdict                                           Verdict
	Facts                                             []fact
	Rows                                              []row
	Drifted, Others                                   []*section
}

// fact is a name and what it is.
type fact struct{ Name, Value, Note string }

// row is a column's line in the overview.
type row struct {
	Section      *section
	Test, P      string
	Missing      string
	Order        rowOrder
	Effect       string
	Interval     string
	Bar          bar
	VerdictOrder int
}

// rowOrder holds what the overview is sorted by.
type rowOrder struct{ Severity, P, Missing string }

// section is a column's own part of the page.
type section struct {
	ID, Name, Kind, Reason string
	Verdict                Verdict
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

// levelRow is a bar pair of a categorical column, in percent of the widest.
type levelRow struct{ Label, Reference, Current, ReferenceWidth, CurrentWidth string }

// bar shows an effect and its interval in units of its floor, which is at a quarter of its
// length. All numbers are in percent of that.
type bar struct {
	Width, From, To string
	Drifted         bool
}

const barFloors = 4

func newBar(t Test) bar {
	at := func(effect float64) string {
		if t.Floor <= 0 {
			return "0"
		}
		return decimals(min(100*effect/t.Floor/barFloors, 100), 1)
	}
	return bar{Width: at(t.EffectSize), From: at(t.CI.Lo), To: at(t.CI.Hi), Drifted: t.Drifted}
}

func newPage(r *Report) *page {
	p := &page{
		Title:     "Drift report",
		Label:     r.Label,
		Reason:    r.Reason,
		Verdict:   r.Verdict,
		Window:    window(r.From, r.To),
		Reference: r.Reference,
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
	for i := range r.Columns {
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
		{"Not decided", fmt.Sprint(count[Insufficient]), "with too few rows"},
		{"Significance", formatNumber(r.Config.Alpha), correctionName(r.Config.Correction)},
	}
	if n := count[Invalid]; n > 0 {
		p.Facts[2].Note = fmt.Sprintf("with too few rows; %d more cannot be judged", n)
	}
	if r.Verdict == Stable && count[Drifted] > 0 {
		p.Headline = "The data are stable on the whole."
	}
	for i := range r.Columns {
		if len(r.Columns[i].Tests) > 0 {
			p.Level = percent(r.Columns[i].Tests[0].CI.Level)
			break
		}
	}
	return p
}

func correctionName(c Correction) string {
	if c == BenjaminiHochberg {
		return "after Benjamini-Hochberg"
	}
	return "without correction"
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

func newRow(c *ColumnReport, s *section) row {
	r := row{
		Section:      s,
		Missing:      change(c.Reference.MissingRate, c.Current.MissingRate),
		VerdictOrder: int(c.Verdict),
		Order: rowOrder{
			Missing:  decimals(math.Abs(c.Current.MissingRate-c.Reference.MissingRate), 6),
			Severity: "-1",
			P:        "2",
		},
	}
	if len(c.Tests) > 0 {
		t := c.Leading()
		r.Test, r.Effect, r.P = testTitle(t.Name), formatEffect(t.EffectSize), strings.TrimPrefix(formatP(t.AdjustedPValue), "= ")
		r.Interval, r.Bar = interval(t.CI), newBar(t)
		r.Order.Severity, r.Order.P = decimals(t.severity(), 6), strconv.FormatFloat(t.AdjustedPValue, 'g', -1, 64)
	}
	return r
}

// change shows a rate on both sides, or once if it looks the same.
func change(reference, current float64) string {
	r, c := percentCell(reference), percentCell(current)
	if r == c {
		return c
	}
	return r + " → " + c
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
	default:
		return "Unseen rate"
	}
}

// unbroken keeps numbers on one line: no break before a percent sign or within 1e-15.
var unbroken = strings.NewReplacer(" %", "\u00a0%", "e-", "e-\u2060")

func newSection(c *ColumnReport, position int) *section {
	s := &section{
		ID:      fmt.Sprintf("column-%d", position+1),
		Name:    c.Name,
		Kind:    c.Kind.String(),
		Verdict: c.Verdict,
		Reason:  unbroken.Replace(c.Reason),
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
	s.Numbers = numberRows(c)
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
	rows := []numberRow{
		{"Rows", thousands(r.Rows), thousands(k.Rows)},
		{"Missing", percentCell(r.MissingRate), percentCell(k.MissingRate)},
	}
	if c.Kind == KindCategorical {
		rows = append(rows, numberRow{"Unseen", percentCell(r.UnseenRate), percentCell(k.UnseenRate)})
	} else {
		rows = append(rows,
			numberRow{"Infinite", percentCell(r.InfiniteRate), percentCell(k.InfiniteRate)},
			numberRow{"Out of range", percentCell(r.OutOfRangeRate), percentCell(k.OutOfRangeRate)})
	}
	value := func(name string, of func(*Numbers) float64) {
		show := func(n *Numbers) string {
			if n == nil {
				return "–"
			}
			return strconv.FormatFloat(of(n), 'g', 5, 64)
		}
		if r.Numbers != nil || k.Numbers != nil {
			rows = append(rows, numberRow{name, show(r.Numbers), show(k.Numbers)})
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
	if d := c.Distances; d != nil {
		rows = append(rows, numberRow{"PSI", "", formatNumber(d.PSI)}, numberRow{"Jensen-Shannon", "", formatNumber(d.JensenShannon)})
		if d.Wasserstein1 != nil {
			rows = append(rows, numberRow{"Wasserstein", "", formatNumber(*d.Wasserstein1)})
		}
	}
	return rows
}

func levelRows(bins []Bin) []levelRow {
	highest := highestShare(bins)
	var rows []levelRow
	for _, b := range bins {
		rows = append(rows, levelRow{
			Label:          b.Label,
			Reference:      percentCell(b.Reference),
			Current:        percentCell(b.Current),
			ReferenceWidth: decimals(100*b.Reference/highest, 2),
			CurrentWidth:   decimals(100*b.Current/highest, 2),
		})
	}
	return rows
}

// highestShare is positive, because the shares sum to 1.
func highestShare(bins []Bin) float64 {
	highest := 0.0
	for _, b := range bins {
		highest = max(highest, b.Reference, b.Current)
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

// thousands returns n with thin spaces between groups of three digits.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(d)
	}
	return b.String()
}
