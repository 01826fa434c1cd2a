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
	"strings"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"change":    change,
	"cut":       func(effect float64, t drift.Test) bool { return effect > barFloors*t.Floor },
	"decimals":  text.Decimals,
	"effect":    formatEffect,
	"interval":  interval,
	"number":    text.Number,
	"onBar":     onBar,
	"p":         func(p float64) string { return strings.TrimPrefix(text.P(p), "= ") },
	"percent":   text.Percent,
	"percents":  percents,
	"quantity":  text.Quantity,
	"shorten":   text.Shorten,
	"thousands": text.Thousands,
	"title":     func(name drift.Method) string { return infoOf(name).Title },
	"unbroken":  unbroken.Replace,
	"width":     func(share, highest float64) string { return text.Decimals(min(100*share/highest, 100), 2) },
}).Parse(reportHTML))

// Write writes the report as one self-contained page. The page loads no script, font or
// picture, and works without script, in light and dark, on paper and on a phone. Equal reports
// give equal bytes. The error is that of w.
func Write(w io.Writer, r *drift.Report) error {
	if err := reportTemplate.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("reportpage: %w", err)
	}
	return nil
}

// page holds the data of the template.
type page struct {
	*drift.Report
	Level              string     // of the intervals; empty without tests
	Named              []link     // the drifted columns; the last link may stand for several
	Measures           []measure  // the tests that were made
	Sections           []*section // the columns that need attention first
	Drifted, Others    []*section // the same columns, divided
	Invalid, Undecided []*section
}

// link is a name in an enumeration. Before is the text before the name.
type link struct{ Before, ID, Name string }

// measure explains the effect and the interval of some methods.
type measure struct{ Names, Text string }

type section struct {
	*drift.ColumnReport
	ID string
}

type numberRow struct{ Name, Reference, Current string }

// barFloors is the effect at the full length of a bar, in multiples of the floor.
const barFloors = 4

// onBar returns the position of an effect on the bar of the test, in percent of the length.
func onBar(effect float64, t drift.Test) string {
	if t.Floor <= 0 {
		return "0"
	}
	return text.Decimals(min(100*effect/t.Floor/barFloors, 100), 1)
}

func newPage(r *drift.Report) *page {
	p := &page{Report: r, Measures: measures(r.Columns)}
	for i := range r.Columns {
		c := &r.Columns[i]
		p.Sections = append(p.Sections, &section{ColumnReport: c, ID: fmt.Sprintf("column-%d", i+1)})
		if len(c.Tests) > 0 && p.Level == "" {
			p.Level = text.Percent(c.Tests[0].CI.Level)
		}
	}
	slices.SortStableFunc(p.Sections, func(a, b *section) int {
		return cmp.Or(cmp.Compare(a.Attention(), b.Attention()), cmp.Compare(b.Severity(), a.Severity()))
	})
	for _, s := range p.Sections {
		switch s.Verdict {
		case drift.Drifted:
			p.Drifted = append(p.Drifted, s)
			continue
		case drift.Insufficient:
			p.Undecided = append(p.Undecided, s)
		case drift.Invalid:
			p.Invalid = append(p.Invalid, s)
		}
		p.Others = append(p.Others, s)
	}
	p.Named = enumerate(p.Drifted)
	return p
}

// Judged returns the number of columns that are not invalid.
func (p *page) Judged() int { return len(p.Sections) - len(p.Invalid) }

func enumerate(sections []*section) []link {
	const most = 5
	shown := min(len(sections), most)
	if len(sections) == most+1 {
		shown++ // what would say that there is one more may as well be its name
	}
	var links []link
	for _, s := range sections[:shown] {
		links = append(links, link{Before: ", ", ID: s.ID, Name: text.Shorten(s.Name)})
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

// Needed says how many rows would decide the insufficient columns. The text continues a
// phrase. It is empty without insufficient columns.
func (p *page) Needed() string {
	rows, hopeless := 0, 0
	for _, s := range p.Undecided {
		rows = max(rows, s.NeededRows)
		if s.NeededRows == 0 {
			hopeless++
		}
	}
	switch {
	case len(p.Undecided) == 0:
		return ""
	case rows == 0:
		return " in the reference, whatever the current ones"
	}
	needed := fmt.Sprintf("; about %s would do", text.Thousands(rows))
	if hopeless > 0 {
		needed += fmt.Sprintf(", but for %d the reference has too few", hopeless)
	}
	return needed
}

// measures explains the tests that were made. Equal explanations are shown once.
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
		explained[at].Names += ", " + m.Title
	}
	return explained
}

// Window returns the time span of the current rows, in UTC.
func (p *page) Window() string {
	const layout = "2006-01-02 15:04"
	from, to := p.From.UTC().Format(layout), p.To.UTC().Format(layout)
	switch {
	case p.From.IsZero() && p.To.IsZero():
		return ""
	case p.From.IsZero():
		return "until " + to + " UTC"
	case p.To.IsZero():
		return "from " + from + " UTC"
	}
	return from + " to " + to + " UTC"
}

// Attention returns the rank of the verdict of the column by need for attention, 0 for drifted.
func (s *section) Attention() int {
	return slices.Index([]drift.Verdict{drift.Drifted, drift.Insufficient, drift.Invalid, drift.Stable}, s.Verdict)
}

// Severity returns the effect of the leading test in floors, or -1 without tests.
func (s *section) Severity() float64 {
	if len(s.Tests) == 0 {
		return -1
	}
	t := s.Leading()
	return t.EffectSize / t.Floor
}

// MissingChange returns the absolute change of the rate of missing values.
func (s *section) MissingChange() float64 {
	return math.Abs(s.Current.MissingRate - s.Reference.MissingRate)
}

// Change shows in a few words what the leading test found. It is empty without tests.
func (s *section) Change() string {
	if len(s.Tests) == 0 {
		return ""
	}
	return unbroken.Replace(whatChanged(s.ColumnReport, infoOf(s.Leading().Name)))
}

// whatChanged shows the subject of the leading test in a few words, on both sides.
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
	return text.Shorten(moved.Label) + ": " + change(moved.Reference, moved.Current)
}

// movedNumber shows the mean for a test of distances, and otherwise the median. If another
// quantile moved so much further that the spread changed, movedNumber shows that quantile.
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

func isValue(b drift.Bin) bool { return b.Lo != nil && b.Hi != nil && *b.Lo == *b.Hi }

// change shows a rate on both sides, or only once if both are the same.
func change(reference, current float64) string {
	return arrow(text.CellPercentsApart(reference, current))
}

// percents writes two shares. Shares that differ look different.
func percents(reference, current float64) [2]string {
	r, c := text.CellPercentsApart(reference, current)
	return [2]string{r, c}
}

// arrow shows both texts, or one if they are the same. Different values need different texts.
func arrow(reference, current string) string {
	if reference == current {
		return current
	}
	return reference + " → " + current
}

// infoOf returns the description of a method, or only its name if the method is not known here.
func infoOf(name drift.Method) drift.MethodInfo {
	for _, info := range drift.Methods() {
		if info.Name == name {
			return info
		}
	}
	return drift.MethodInfo{Name: name, Title: string(name)}
}

// unbroken allows no break before a percent sign, inside 1e-15, or before a p-value.
var unbroken = strings.NewReplacer(" %", "\u00a0%", "e-", "e-\u2060", "< ", "<\u00a0", "= ", "=\u00a0")

// Numbers returns the numbers that describe both sides.
func (s *section) Numbers() []numberRow {
	r, k := &s.Reference, &s.Current
	rows := []numberRow{{"Rows", text.Thousands(r.Rows), text.Thousands(k.Rows)}}
	share := func(name string, reference, current float64) {
		a, b := text.CellPercentsApart(reference, current)
		rows = append(rows, numberRow{name, a, b})
	}
	share("Missing", r.MissingRate, k.MissingRate)
	if s.Kind == drift.KindCategorical {
		share("Unseen", r.UnseenRate, k.UnseenRate)
	} else {
		share("Infinite", r.InfiniteRate, k.InfiniteRate)
		share("Out of range", r.OutOfRangeRate, k.OutOfRangeRate)
	}
	a, b := values(r.Numbers), values(k.Numbers)
	for i, name := range []string{"Mean", "Std. deviation", "Minimum", "5 %", "25 %", "Median", "75 %", "95 %", "Maximum"} {
		switch {
		case a != nil && b != nil:
			// Readers compare the rows, so the spread decides how many digits matter.
			texts := text.Quantities(a[i], b[i], r.Numbers.P05, r.Numbers.P95)
			rows = append(rows, numberRow{name, texts[0], texts[1]})
		case a != nil:
			rows = append(rows, numberRow{name, text.Quantity(a[i]), "–"})
		case b != nil:
			rows = append(rows, numberRow{name, "–", text.Quantity(b[i])})
		}
	}
	return rows
}

// values returns the numbers in the order of the rows of the page.
func values(n *drift.Numbers) []float64 {
	if n == nil {
		return nil
	}
	return []float64{n.Mean, n.Std, n.Min, n.P05, n.P25, n.P50, n.P75, n.P95, n.Max}
}

// Plot returns the picture of a numeric column.
func (s *section) Plot() *plot { return newPlot(s.Histogram) }

// Highest returns the height of the highest bar, see highestShare.
func (s *section) Highest() float64 { return highestShare(s.Histogram) }

// highestShare ignores bins that sum up levels. It is 1 if all others are empty.
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

func interval(ci drift.CI) string {
	if ci.Hi >= math.MaxFloat64 {
		return "from " + formatEffect(ci.Lo)
	}
	return formatEffect(ci.Lo) + " to " + formatEffect(ci.Hi)
}

// formatEffect returns three decimals, or fewer digits if that would be long.
func formatEffect(x float64) string {
	if x >= 1000 {
		return text.Number(x)
	}
	return text.Decimals(x, 3)
}
