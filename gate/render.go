package gate

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

type page struct {
	Outcome  Outcome
	Headline string
	Lead     string // what stands in the way, or that nothing does
	Facts    []pageFact
	Checks   []pageCheck
	Compared bool // there is a production model
	Metrics  []pageMetric
	Prints   []pageFact // hashes
	Legend   []pageFact // explains the words that occur
}

type pageFact struct{ Name, Value, Note string }

type pageCheck struct {
	Verdict                  Verdict
	Criterion, Proof, Reason string
	Measure                  string // what is measured, such as "gain"
	Statistic, Wanted        string
	Interval, Level          string // empty if there is none
	Rows, Needed             string
	Picture                  *picture
	Segments                 []pageSegment
	Counted                  string // the segments
	Vetoed                   bool   // vetoed by a segment
}

type pageSegment struct {
	Verdict                                                 Verdict
	Name, Rows, Production, Shadow, Change, Detects, Needed string
}

type pageMetric struct{ Name, Production, Shadow, Change string }

//go:embed decision.html
var decisionHTML string

var decisionTemplate = template.Must(template.New("decision").Parse(decisionHTML))

// WriteHTML writes the decision as one self-contained page, without scripts and without fonts
// or pictures from elsewhere. The page suits light and dark, paper and phones. Equal decisions
// give equal bytes. The error is that of w.
func (d Decision) WriteHTML(w io.Writer) error {
	if err := decisionTemplate.Execute(w, newPage(d)); err != nil {
		return fmt.Errorf("gate: write HTML: %w", err)
	}
	return nil
}

func newPage(d Decision) *page {
	p := &page{
		Outcome: d.Outcome, Headline: d.headline(), Lead: d.lead(), Compared: d.Production != nil,
		Facts: d.facts(), Legend: legend(d.Checks),
	}
	for _, c := range d.Checks {
		p.Checks = append(p.Checks, newPageCheck(c))
	}
	for _, m := range d.measured() {
		after := d.Shadow[m.String()]
		name := m.Title()
		if !m.HigherIsBetter() {
			name += " (less is better)"
		}
		row := pageMetric{Name: name, Production: none, Shadow: m.format(after), Change: none}
		if before, ok := d.Production[m.String()]; ok {
			more := m.tellBoth(before, after)
			row.Production, row.Shadow = m.write(before, more), m.write(after, more)
			row.Change = m.difference(digits.Difference(before, after), more)
		}
		p.Metrics = append(p.Metrics, row)
	}
	hash, _ := d.Hash() // empty if JSON cannot hold the decision
	p.Prints = slices.DeleteFunc([]pageFact{
		{Name: "Decision", Value: hash},
		{Name: "Rows", Value: d.RowSet},
		{Name: "Evidence", Value: d.Evidence},
		{Name: "Follows", Value: d.Prev},
	}, func(f pageFact) bool { return f.Value == "" })
	return p
}

// measured returns the shadow's metrics: those of package metrics in order, then the host's.
func (d Decision) measured() []metric {
	var all []metric
	names := maps.Clone(d.Shadow)
	for _, m := range metrics.All() {
		if _, ok := names[m.String()]; ok {
			all = append(all, metric{m})
			delete(names, m.String())
		}
	}
	for _, name := range sortedKeys(names) {
		all = append(all, metricNamed(name))
	}
	return all
}

func (d Decision) headline() string {
	what := "The evidence does not decide"
	switch d.Outcome {
	case Promote:
		what = "Promote the shadow"
	case Reject:
		what = "Reject the shadow"
	}
	if change := d.change(); change != "" {
		return what + ": " + strings.NewReplacer("->", "→", "..", " to ").Replace(change)
	}
	return what
}

func (d Decision) lead() string {
	lead := d.tally() + "."
	for _, reason := range d.Reasons() {
		lead += " " + asSentence(reason)
	}
	return lead
}

// asSentence returns s with a capital at the beginning and a full stop at the end.
func asSentence(s string) string {
	if r, size := utf8.DecodeRuneInString(s); unicode.IsLower(r) {
		s = string(unicode.ToUpper(r)) + s[size:]
	}
	return s + "."
}

func (d Decision) facts() []pageFact {
	var facts []pageFact
	add := func(name, value, note string) { facts = append(facts, pageFact{name, value, note}) }
	first, labelled := "", ""
	if d.First {
		first = "first deployment"
	}
	b := cmp.Or(d.Basis, &Basis{})
	if d.Basis != nil {
		labels := b.Coverage.Share()
		labelled = fmt.Sprintf("%s of %s predictions are labelled",
			shareText(labels, tell(shareText, labels)), count(b.Coverage.Predictions))
	}
	add("Policy", d.Policy, first)
	add("Rows", count(d.N), labelled)
	if b.TrainingRows > 0 {
		add("Rows trained on", count(b.TrainingRows), "a model was judged on what it had seen")
	}
	if !d.At.IsZero() {
		add("Decided", d.At.UTC().Format(time.DateOnly), d.At.UTC().Format("15:04:05 UTC"))
	}
	if b.ShadowLatency != (Latency{}) {
		shadow, production, note := b.ShadowLatency.P95, b.ProductionLatency.P95, "at most, in 95 % of batches"
		if shadow == 0 {
			shadow, production, note = b.ShadowLatency.Mean, b.ProductionLatency.Mean, "on average"
		}
		if production > 0 {
			note += "; production " + readable(production)
		}
		add("Latency of a row", readable(shadow), note)
	}
	return facts
}

func newPageCheck(c Check) pageCheck {
	p := pageCheck{
		Verdict:   c.Verdict,
		Criterion: c.Criterion,
		Proof:     string(c.Proof),
		Reason:    c.Reason,
		Measure:   "measured",
		Statistic: c.Measured(),
		Wanted:    c.Wanted(),
		Rows:      count(c.N),
		Picture:   newPicture(c),
	}
	switch c.Unit {
	case UnitGain, UnitRelativeGain:
		p.Measure = "gain"
	case UnitDrop, UnitRelativeDrop:
		p.Measure = "worst segment"
	case UnitProbability:
		p.Measure = "granted"
	}
	if c.CI != nil {
		p.Interval = c.show(c.CI.Lo) + " to " + c.show(c.CI.Hi)
		p.Level = figure(100*c.CI.Level) + " %"
	}
	if c.Needed > 0 {
		p.Needed = count(c.Needed)
	}
	p.Counted = count(len(c.Segments)+c.Omitted) + " segments"
	if c.Omitted > 0 {
		p.Counted += fmt.Sprintf(", %s of them not compared and not shown", count(c.Omitted))
	}
	for _, s := range c.Segments {
		p.Segments = append(p.Segments, newPageSegment(metricNamed(c.Metric), s))
		p.Vetoed = p.Vetoed || s.Verdict == Fail
	}
	return p
}

func newPageSegment(m metric, s SegmentResult) pageSegment {
	p := pageSegment{Verdict: s.Verdict, Name: s.Segment, Rows: count(s.Rows), Production: none, Shadow: none, Change: none, Detects: none, Needed: none}
	switch {
	case s.Undefined:
		p.Production = m.format(s.Production)
	case s.Production != 0 || s.Shadow != 0:
		more := m.tellBoth(s.Production, s.Shadow)
		p.Production, p.Shadow = m.write(s.Production, more), m.write(s.Shadow, more)
		if s.Absolute {
			p.Change = m.difference(digits.Difference(s.Production, s.Shadow), more)
		} else {
			p.Change = percent(digits.ShareOf(digits.Difference(s.Production, s.Shadow), s.Production))
		}
	}
	if s.Detectable > 0 {
		p.Detects = s.amount(m, s.Detectable)
	}
	if s.Needed > 0 {
		p.Needed = count(s.Needed)
	}
	return p
}

// picture shows an interval, the statistic and the threshold on a line of length 100.
type picture struct {
	Lo, Width, Statistic, Threshold string
	Label                           string
}

// newPicture returns the picture of a check's interval, nil if there is none to draw.
func newPicture(c Check) *picture {
	if c.CI == nil || !digits.IsFinite(c.Statistic) || !digits.IsFinite(c.Threshold) || !(c.CI.Lo <= c.CI.Hi) {
		return nil
	}
	lo, hi := min(c.Statistic, c.Threshold), max(c.Statistic, c.Threshold)
	for _, end := range []float64{c.CI.Lo, c.CI.Hi} {
		if digits.IsFinite(end) {
			lo, hi = min(lo, end), max(hi, end)
		}
	}
	span := hi - lo
	if !(span > 0) || !digits.IsFinite(span) {
		return nil
	}
	place := func(v float64) float64 { return 5 + 90*((max(lo, min(hi, v))-lo)/span) }
	from, to := place(c.CI.Lo), place(c.CI.Hi)
	if math.IsInf(c.CI.Lo, -1) {
		from = 0
	}
	if math.IsInf(c.CI.Hi, 1) {
		to = 100
	}
	decimals := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
	return &picture{
		Lo: decimals(from), Width: decimals(to - from), Statistic: decimals(place(c.Statistic)), Threshold: decimals(place(c.Threshold)),
		Label: fmt.Sprintf("measured %s, interval %s to %s, threshold %s", c.Measured(), c.show(c.CI.Lo), c.show(c.CI.Hi), c.show(c.Threshold)),
	}
}

// legend explains the words that occur in the checks.
func legend(checks []Check) []pageFact {
	var legend []pageFact
	for _, f := range []struct {
		name, means string
		occurs      func(c Check) bool
	}{
		{string(Condition), "is about the circumstances, not about how good the models are.",
			func(c Check) bool { return c.Proof == Condition }},
		{string(PointEstimate), "compares what was measured, which chance alone can pass.",
			func(c Check) bool { return c.Proof == PointEstimate }},
		{string(ProveBetter), "passes only if the whole interval is above the wanted gain: few rows cannot pass.",
			func(c Check) bool { return c.Proof == ProveBetter }},
		{string(ProveNotWorse), "passes only if the whole interval is above the loss that is put up with: few rows cannot pass.",
			func(c Check) bool { return c.Proof == ProveNotWorse }},
		{string(VetoIfWorse), "fails only if the shadow is proven worse: few rows cannot fail.",
			func(c Check) bool { return c.Proof == VetoIfWorse }},
		{"gain", "is positive if the shadow is better, also in a metric of which less is better.",
			func(c Check) bool { return c.Unit == UnitGain || c.Unit == UnitRelativeGain }},
		{"interval", "holds the true value in as many of 100 comparisons as its level says (CI: confidence interval). " +
			"In its picture the dot is what was measured, and the line across the bound that is wanted.",
			func(c Check) bool { return c.CI != nil }},
		{"needed", "rows would decide, if they are like these.",
			func(c Check) bool { return c.Needed > 0 }},
		{"detectable drop", "is the least that rows like these of the segment prove in 80 % of cases.",
			func(c Check) bool { return len(c.Segments) > 0 }},
		{"rows needed", "of a segment would prove a drop of the size that is allowed in 80 % of cases.",
			func(c Check) bool { return len(c.Segments) > 0 }},
	} {
		if slices.ContainsFunc(checks, f.occurs) {
			legend = append(legend, pageFact{Name: f.name, Value: f.means})
		}
	}
	return legend
}
