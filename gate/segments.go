package gate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// Segments vetoes a shadow that gets worse for some segment of the rows, however good it
// is overall: every category of every segmenting column of the evidence is compared by
// itself. A segment is worse if its metric is worse by more than MaxDrop of production's
// value there. (Where production's value is too near to zero for that, MaxDrop is taken
// as an absolute drop, as by [Improvement].)
//
// With Alpha 0 this is a [PointEstimate], and a small segment's bad luck is a veto. With
// Alpha above 0 it is [VetoIfWorse]: the drop must also be proven to be one at the level
// Alpha, adjusted for the number of segments (Holm 1979), so that a shadow that is worse
// nowhere is vetoed with a probability of at most about Alpha. The inference is that of
// [Superior].
//
// A segment that is too small to tell does not veto: one of fewer than MinRows rows, or
// with the metric undefined for production, and with Alpha one of fewer than 30 rows, or
// where a drop of more than MaxDrop is neither proven nor ruled out. The reason names it,
// with the drop that would have been proven with a power of 80 % and the rows at which
// MaxDrop itself would; so does [Check.Segments]. So it is with a segment of two classes
// without a positive row if either model answers no positive there: F1 and Precision have
// no value for that model, although it leaves out nothing.
//
// Where the shadow never answers a class that occurs in the segment, Precision and MCC may
// have no value for it although they have one for production. The check is Undecided then,
// also beside a segment that passes: the drop has no value. F1 and Recall have one there.
//
// Evidence that has no segment to compare is Skipped: name in Columns what must not be
// missing.
//
// The statistic is the worst drop, as a share of production's value unless it is
// absolute, positive if worse.
// N is the number of rows of that segment. Of segments that were not compared
// [Check.Segments] holds the first thousand only.
type Segments struct {
	Metric Metric `json:"metric"`
	// MaxDrop is the drop that is accepted: 0.05 is 5 %.
	MaxDrop float64 `json:"max_drop"`
	// MinRows is the least number of rows for a segment to be compared.
	MinRows int `json:"min_rows"`
	// Alpha, if not 0, is the chance of a veto although no segment gets worse.
	Alpha float64 `json:"alpha,omitempty"`
	// Draws is the number of bootstrap draws for each segment, Seed what they are drawn
	// from. Default 2000 draws.
	Draws int    `json:"draws,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
	// Columns must be among the segmenting columns; one that is missing makes the check [Errored].
	Columns []string `json:"columns,omitempty"`
}

// validate returns every violation: an unknown metric, a negative or infinite MaxDrop, a
// negative MinRows, an Alpha that is not from 1e-5 to below 0.5, Draws that are not from
// 100 to 1,000,000.
func (c Segments) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.MaxDrop, 0), "MaxDrop", c.MaxDrop, "0 or more")
	f.want(c.MinRows >= 0, "MinRows", c.MinRows, "0 or more")
	f.inference(c.Alpha, c.Draws)
	return f.err()
}

// maxUncompared is how many segments that were not compared a check holds.
const maxUncompared = 1000

// Check passes if no segment gets worse.
func (c Segments) Check(e *Evidence) Check {
	m := c.Metric.For(e.Target)
	check := Check{Criterion: string(m) + " by segment", Proof: PointEstimate, Metric: m, Unit: UnitRelativeDrop, Threshold: c.MaxDrop, AtMost: true}
	if c.Alpha > 0 {
		check.Proof = VetoIfWorse
	}
	if e.First() {
		return check.noProduction()
	}
	for _, column := range c.Columns {
		if _, ok := e.Segments[column]; !ok {
			check.Statistic = math.NaN()
			return check.with(Errored, "the evidence has no segments by %q", column)
		}
	}
	all, err := c.compare(e, m)
	if err != nil {
		return check.unmeasured(err)
	}
	if len(all) == 0 {
		check.Statistic = math.NaN()
		return check.with(Skipped, "the evidence has no segments")
	}
	var results, compared, vetoes, undefined []SegmentResult
	for _, s := range all {
		results = append(results, s.SegmentResult)
		switch {
		case s.compared:
			compared = append(compared, s.SegmentResult)
		case s.Undefined:
			undefined = append(undefined, s.SegmentResult)
		case len(results)-len(compared)-len(undefined) > maxUncompared:
			check.Omitted++
			continue
		}
		check.Segments = append(check.Segments, s.SegmentResult)
		if s.Verdict == Fail {
			vetoes = append(vetoes, s.SegmentResult)
		}
	}
	small := tooSmall(m, results)
	if len(vetoes) == 0 && len(undefined) > 0 {
		first := undefined[0]
		check.Statistic, check.N = math.NaN(), first.Rows
		others := ""
		if n := len(undefined) - 1; n > 0 {
			others = fmt.Sprintf(", and so in %d more", n)
		}
		return check.with(Undecided, "%s has no value for the shadow in %s (%s rows), where production's is %s: it never answers a class that occurs there%s",
			m.Title(), first.Segment, count(first.Rows), m.format(first.Production), others)
	}
	if len(compared) == 0 {
		check.Statistic = math.NaN()
		return check.with(Skipped, "no segment can be compared%s", small)
	}
	verdict, among := Pass, compared
	if len(vetoes) > 0 {
		verdict, among = Fail, vetoes
	}
	worst := slices.MaxFunc(among, func(a, b SegmentResult) int {
		return cmp.Or(cmp.Compare(a.Drop, b.Drop), strings.Compare(b.Segment, a.Segment)) // the first of equals
	})
	check.Statistic, check.N = worst.Drop, worst.Rows
	if worst.Absolute {
		check.Unit = UnitDrop
	}
	worse := "worse"
	if c.Alpha > 0 {
		worse = "proven worse"
	}
	return check.with(verdict, "%s; %d of %d segments %s%s", c.sentence(m, worst), len(vetoes), len(compared), worse, small)
}

// sentence describes the worst segment.
func (c Segments) sentence(m Metric, worst SegmentResult) string {
	more := tell(worst.writer(m), c.MaxDrop, worst.Drop)
	write := func(drop float64) string { return worst.writer(m)(drop, more) }
	change := write(math.Abs(worst.Drop)) + " " + direction(worst.Drop)
	s := fmt.Sprintf("worst in %s: %s (%s, at most %s worse allowed) on %s rows",
		worst.Segment, movement(m, worst.Production, worst.Shadow, more), change, write(c.MaxDrop), count(worst.Rows))
	if c.Alpha > 0 && worst.Drop > c.MaxDrop {
		s += fmt.Sprintf(", p = %.2g", worst.PValue)
	}
	return s
}

// amount writes a drop that is compared with nothing.
func (s SegmentResult) amount(m Metric, drop float64) string {
	write := s.writer(m)
	return write(drop, tell(write, drop))
}

// writer returns what writes a drop in its unit.
func (s SegmentResult) writer(m Metric) func(drop float64, more int) string {
	if s.Absolute {
		return m.write
	}
	return share
}

// tooSmall names the segments that were too small to tell.
func tooSmall(m Metric, all []SegmentResult) string {
	const most = 5
	var named []string
	n := 0
	for _, s := range all {
		if s.Verdict != Undecided || s.Undefined {
			continue
		}
		if n++; n > most {
			continue
		}
		note := count(s.Rows) + " rows"
		if s.Detectable > 0 {
			note += ", which show a drop of " + s.amount(m, s.Detectable)
		}
		if s.Needed > 0 {
			note += "; " + count(s.Needed) + " needed"
		}
		named = append(named, fmt.Sprintf("%s (%s)", s.Segment, note))
	}
	switch {
	case n == 0:
		return ""
	case n > most:
		named[most-1] += fmt.Sprintf(" and %d more", n-most)
	}
	return "; too small to tell: " + strings.Join(named, ", ")
}

// comparedSegment is a segment and what was inferred of it.
type comparedSegment struct {
	SegmentResult
	rows      subset
	compared  bool // false if it is too small for that
	inference inference
}

// compare judges every segment, on all processors.
func (c Segments) compare(e *Evidence, m Metric) ([]comparedSegment, error) {
	var all []comparedSegment
	for _, column := range sortedKeys(e.Segments) {
		subsets, err := subsets(e, column, m)
		if err != nil {
			return nil, err
		}
		for _, rows := range subsets {
			all = append(all, comparedSegment{
				SegmentResult: SegmentResult{Segment: rows.segment, Rows: rows.n, Verdict: Undecided},
				rows:          rows,
			})
		}
	}
	errs := make([]error, len(all))
	each(len(all), func(i int) {
		if all[i].Rows < c.MinRows {
			return
		}
		// Each segment draws from a seed of its own.
		p := newPairing(m, false, c.Draws, c.Seed+uint64(i))
		errs[i] = all[i].measure(p, e, c.Alpha > 0)
	})
	for i, err := range errs {
		if err != nil && !isUndefined(err) {
			return nil, fmt.Errorf("segment %s: %w", all[i].Segment, err)
		}
	}
	return all, c.judge(all)
}

// measure compares both models in one segment, and infers if that is asked for.
func (s *comparedSegment) measure(p pairing, e *Evidence, infer bool) (err error) {
	s.compared = true
	if infer {
		err := enough(s.Rows)
		if err == nil {
			s.inference, err = p.compare(e, s.rows)
		}
		if err != nil && !isUndefined(err) {
			return err
		}
		s.compared = err == nil
	}
	production, shadow := s.inference.production, s.inference.shadow
	if !infer || !s.compared {
		// What was measured is shown even where nothing can be inferred from it.
		if production, shadow, err = p.measure(e, s.rows); err != nil {
			s.compared = false
			var of *omissionError
			// Rows that could not prove a drop do not hold back the decision.
			if errors.As(err, &of) && (!infer || enough(s.Rows) == nil) {
				s.Production, s.Undefined = production, true
			}
			return err
		}
	}
	gain, relative := relativeGain(p.metric, production, shadow)
	if !relative {
		gain = p.metric.settledGain(production, shadow)
	}
	s.Production, s.Shadow, s.Drop, s.Absolute = production, shadow, 0-gain, !relative
	return nil
}

// judge fills the verdicts, and what they rest on.
func (c Segments) judge(all []comparedSegment) error {
	var compared []*comparedSegment
	var p []float64
	for i := range all {
		if s := &all[i]; s.compared {
			compared = append(compared, s)
			if c.Alpha > 0 {
				p = append(p, s.inference.worse())
			}
		}
	}
	adjusted, err := paired.Holm(p)
	if err != nil {
		return err
	}
	level := c.Alpha / float64(len(compared)) // of Holm's first step
	for i, s := range compared {
		if c.Alpha > 0 {
			s.PValue = adjusted[i]
			s.Detectable = s.detectable(c.MaxDrop, level)
		}
		switch {
		case s.Drop > c.MaxDrop && (c.Alpha == 0 || s.PValue <= c.Alpha):
			s.Verdict = Fail
		case c.Alpha == 0 || s.inference.Greater(-c.MaxDrop*s.unit()) <= level:
			s.Verdict = Pass
		case c.MaxDrop > 0:
			s.Needed = atLeast(s.Rows+1, rowsFor(s.Rows, z(level)*s.stdErr()/c.MaxDrop))
		}
	}
	return nil
}

// detectable returns the least drop that would be proven with an error of alpha, and
// measured to be more than most, with the power that samples are sized for; 0 if that is
// beyond all numbers.
func (s *comparedSegment) detectable(most, alpha float64) float64 {
	drop := max(z(alpha)*s.stdErr(), most+float64(distuv.UnitNormal.Quantile(power)*s.stdErr()))
	if !isFinite(drop) {
		return 0
	}
	return round(drop, inferenceDigits)
}

// stdErr returns that of the drop, in its unit.
func (s *comparedSegment) stdErr() float64 { return s.inference.stdErr / s.unit() }

// unit returns what a drop of 1 is in the unit of the metric.
func (s *comparedSegment) unit() float64 {
	if s.Absolute {
		return 1
	}
	return math.Abs(s.Production)
}

// subsets returns the rows of each category of a column, in the order of the categories.
func subsets(e *Evidence, column string, m Metric) ([]subset, error) {
	if err := checkAnswers(e, m); err != nil {
		return nil, err
	}
	known := e.memo()
	if have := len(e.Segments[column]); known == nil && have != e.N() {
		return nil, fmt.Errorf("%w: segments by %q: %d values, want %d", metrics.ErrInput, column, have, e.N())
	}
	var found []subset
	add := func(category string, s subset) {
		s.segment, s.key = column+"="+category, strconv.Quote(column)+"="+strconv.Quote(category)
		found = append(found, s)
	}
	if m.info().source == fromClasses || known != nil && known.stored {
		counted := byCategory(e, column)
		for _, category := range sortedKeys(counted) {
			s := subset{tallies: counted[category]}
			for _, t := range s.tallies {
				s.n += t.Rows
			}
			add(category, s)
		}
		return found, nil
	}
	rowsOf := map[string][]int{}
	for row, category := range e.Segments[column] {
		rowsOf[category] = append(rowsOf[category], row)
	}
	for _, category := range sortedKeys(rowsOf) {
		rows := rowsOf[category]
		add(category, subset{rows: rows, n: len(rows)})
	}
	return found, nil
}
