package gate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/internal/compare"
	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// SegmentVeto vetoes a shadow that gets worse for some segment of the rows, however good the
// shadow is overall. Every category of every segmenting column is a segment. A segment is
// worse if its metric drops by more than MaxDrop of production's value there. If production's
// value is too near to zero for a share, MaxDrop is an absolute drop, as in [Improvement].
//
// With Alpha 0 the criterion is a [PointEstimate], and a small segment's bad luck is a veto.
// With Alpha above 0 it is [VetoIfWorse]: the drop must also be proven at the level Alpha,
// adjusted for the number of segments (Holm 1979). A shadow that is worse nowhere is then
// vetoed with a probability of at most about Alpha. The inference is that of [Superior].
//
// A segment that is too small to tell does not veto. Such a segment has fewer than MinRows
// rows, or production has no value of the metric there. With Alpha above 0 a segment is also
// too small if it has fewer than 30 rows, or if a drop of more than MaxDrop is neither proven
// nor ruled out. In F1 and Precision, a segment of two classes without a positive row is too
// small if a model answers no positive there. The reason and [Check.Segments] name the
// segment, the drop that would be proven with a power of 80 %, and the number of rows at which
// MaxDrop would be proven.
//
// If the shadow never answers a class that occurs in a segment, Precision and MCC may have a
// value for production only. The check is then Undecided, unless another segment vetoes.
//
// Evidence without a segment to compare is Skipped: name in Columns what must not be missing.
//
// The statistic is the worst drop, positive if worse: a share of production's value unless the
// drop is absolute. N is the number of rows of the worst segment. [Check.Segments] holds at
// most a thousand segments that were not compared.
type SegmentVeto struct {
	Metric metrics.Metric `json:"metric"`
	// MaxDrop is the accepted drop: 0.05 is 5 %.
	MaxDrop float64 `json:"max_drop"`
	// MinRows is the least number of rows of a segment that is compared.
	MinRows int `json:"min_rows"`
	// Alpha, if not 0, is the chance of a veto although no segment gets worse. It is from 1e-5
	// to below 0.5.
	Alpha float64 `json:"alpha,omitempty"`
	// Draws is the number of bootstrap draws for each segment, 100 to 1,000,000. Default 2000.
	// Seed seeds the draws.
	Draws int    `json:"draws,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
	// Columns must be segmenting columns. A missing one makes the check [Errored].
	Columns []string `json:"columns,omitempty"`
}

func (c SegmentVeto) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.MaxDrop, 0), "MaxDrop", c.MaxDrop, "0 or more")
	f.want(c.MinRows >= 0, "MinRows", c.MinRows, "0 or more")
	f.inference(c.Alpha, c.Draws)
	return f.err()
}

const maxUncompared = 1000

// Check passes if no segment gets worse.
func (c SegmentVeto) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c SegmentVeto) metric() metrics.Metric { return c.Metric }

func (c SegmentVeto) check(v view) Check {
	m := metricOf(c.Metric, v)
	check := Check{
		Criterion: m.String() + " by segment", Proof: PointEstimate, Metric: m.String(),
		Unit: UnitRelativeDrop, Threshold: c.MaxDrop, AtMost: true, Statistic: math.NaN(),
	}
	if c.Alpha > 0 {
		check.Proof = VetoIfWorse
	}
	if v.first {
		return check.noProduction()
	}
	for _, column := range c.Columns {
		if !slices.Contains(v.columns(), column) {
			return check.with(Errored, "the evidence has no segments by %q", column)
		}
	}
	all, err := c.compare(v, m)
	if err != nil {
		return check.unmeasured(err)
	}
	if len(all) == 0 {
		return check.with(Skipped, "the evidence has no segments")
	}
	var compared, vetoes, undefined []SegmentResult
	for i, s := range all {
		switch {
		case s.compared:
			compared = append(compared, s.SegmentResult)
		case s.Undefined:
			undefined = append(undefined, s.SegmentResult)
		case i+1-len(compared)-len(undefined) > maxUncompared:
			check.Omitted++
			continue
		}
		check.Segments = append(check.Segments, s.SegmentResult)
		if s.Verdict == Fail {
			vetoes = append(vetoes, s.SegmentResult)
		}
	}
	small := tooSmall(m, all)
	if len(vetoes) == 0 && len(undefined) > 0 {
		first := undefined[0]
		check.N = first.Rows
		others := ""
		if n := len(undefined) - 1; n > 0 {
			others = fmt.Sprintf(", and so in %d more", n)
		}
		return check.with(Undecided, "%s has no value for the shadow in %s (%s rows), where production's is %s: "+
			"it never answers a class that occurs there%s",
			m.Title(), first.Segment, count(first.Rows), m.format(first.Production), others)
	}
	if len(compared) == 0 {
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

func (c SegmentVeto) sentence(m metric, worst SegmentResult) string {
	write := worst.writer(m)
	more := tell(write, c.MaxDrop, worst.Drop)
	s := fmt.Sprintf("worst in %s: %s (%s %s, at most %s worse allowed) on %s rows",
		worst.Segment, m.movement(worst.Production, worst.Shadow, more), write(math.Abs(worst.Drop), more),
		betterOrWorse(worst.Drop), write(c.MaxDrop, more), count(worst.Rows))
	if c.Alpha > 0 && worst.Drop > c.MaxDrop {
		s += fmt.Sprintf(", p = %.2g", worst.PValue)
	}
	return s
}

// amount writes a drop without a number to compare the drop with.
func (s SegmentResult) amount(m metric, drop float64) string {
	write := s.writer(m)
	return write(drop, tell(write, drop))
}

// writer returns a function that writes a drop in its unit.
func (s SegmentResult) writer(m metric) func(drop float64, more int) string {
	if s.Absolute {
		return m.write
	}
	return shareText
}

func tooSmall(m metric, all []comparedSegment) string {
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

type comparedSegment struct {
	SegmentResult
	rows      subset
	compared  bool // false if the segment is too small
	inference compare.Inference
}

// compare judges every segment, on all processors.
func (c SegmentVeto) compare(v view, m metric) ([]comparedSegment, error) {
	columns := v.columns()
	if len(columns) == 0 {
		return nil, nil
	}
	if err := checkAnswers(v, m.Metric); err != nil {
		return nil, err
	}
	var all []comparedSegment
	for _, column := range columns {
		parts, err := v.parts(column, m.Metric)
		if err != nil {
			return nil, err
		}
		for _, rows := range parts {
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
		// Each segment has its own seed.
		p := newPairing(m, false, c.Draws, c.Seed+uint64(i))
		errs[i] = all[i].measure(p, v, c.Alpha > 0)
	})
	for i, err := range errs {
		if err != nil && !isUndefined(err) {
			return nil, fmt.Errorf("segment %s: %w", all[i].Segment, err)
		}
	}
	return all, c.judge(all)
}

// measure compares both models in one segment. If infer is set, it also infers the gain.
func (s *comparedSegment) measure(p pairing, v view, infer bool) (err error) {
	s.compared = true
	if infer {
		err := compare.Enough(s.Rows)
		if err == nil {
			s.inference, err = p.compare(v, s.rows)
		}
		if err != nil && !isUndefined(err) {
			return err
		}
		s.compared = err == nil
	}
	production, shadow := s.inference.Production, s.inference.Shadow
	if !infer || !s.compared {
		// Measured values are shown even if nothing can be inferred from them.
		if production, shadow, err = p.measure(v, s.rows); err != nil {
			s.compared = false
			var of *compare.OmissionError
			// Rows that could not prove a drop do not hold back the decision.
			if errors.As(err, &of) && (!infer || compare.Enough(s.Rows) == nil) {
				s.Production, s.Undefined = production, true
			}
			return err
		}
	}
	gain, relative := compare.RelativeGain(p.Metric, production, shadow)
	if !relative {
		gain = compare.Gain(p.Metric, production, shadow)
	}
	s.Production, s.Shadow, s.Drop, s.Absolute = production, shadow, 0-gain, !relative
	return nil
}

func (c SegmentVeto) judge(all []comparedSegment) error {
	var compared []*comparedSegment
	var p []float64
	for i := range all {
		if s := &all[i]; s.compared {
			compared = append(compared, s)
			if c.Alpha > 0 {
				p = append(p, s.inference.Worse())
			}
		}
	}
	adjusted, err := paired.Holm(p)
	if err != nil {
		return err
	}
	level := c.Alpha / float64(len(compared)) // the level of Holm's first step
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
			s.Needed = compare.RowsFor(s.Rows, compare.Z(level)*s.stdErr()/c.MaxDrop)
		}
	}
	return nil
}

// detectable returns the smallest drop that would be proven with an error of alpha, and
// measured to be more than most, with the power that samples are sized for. It returns 0 if
// there is no such number.
func (s *comparedSegment) detectable(most, alpha float64) float64 {
	drop := max(compare.Z(alpha)*s.stdErr(), most+float64(distuv.UnitNormal.Quantile(compare.Power)*s.stdErr()))
	if !digits.IsFinite(drop) {
		return 0
	}
	return digits.Round(drop, digits.Inference)
}

// stdErr returns the standard error of the drop, in the drop's unit.
func (s *comparedSegment) stdErr() float64 { return s.inference.StdErr / s.unit() }

// unit returns the size of a drop of 1 in the unit of the metric.
func (s *comparedSegment) unit() float64 {
	if s.Absolute {
		return 1
	}
	return math.Abs(s.Production)
}

// each calls do for every i below n on all processors, and waits for all calls.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	working.Wait()
}
