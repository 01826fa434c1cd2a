package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
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
// nowhere is vetoed with a probability of at most about Alpha.
//
// A segment too small to tell, of fewer than MinRows rows or with the metric undefined,
// does not veto; the reason names it. So evidence that has no segments passes, and says
// so: name in Columns what must not be missing.
//
// The statistic is the worst drop, as a share of production's value, positive if worse; 0
// if no segment could be compared. N is the number of rows of that segment.
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
	// Columns must be among the segmenting columns; one that is missing is an Error.
	Columns []string `json:"columns,omitempty"`
}

// Validate returns every violation: an unknown metric, a negative or infinite MaxDrop, a
// negative MinRows, an Alpha of 0.5 or more, too few Draws.
func (c Segments) Validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.MaxDrop, 0), "MaxDrop", c.MaxDrop, "0 or more")
	f.want(c.MinRows >= 0, "MinRows", c.MinRows, "0 or more")
	f.bootstrap(c.Alpha, c.Draws)
	return f.err()
}

// segmentResult is what was found of one segment.
type segmentResult struct {
	name               string // such as "region=north"
	rows               int
	production, shadow float64
	drop               float64 // as a share where that means something
	relative           bool    // whether it does
	p                  float64 // of being no worse; 0 where nothing is to be proven
}

// Check passes if no segment gets worse.
func (c Segments) Check(e *Evidence) Check {
	m := c.Metric.For(e.Target)
	check := Check{Criterion: string(m) + " by segment", Proof: PointEstimate, Metric: m, Threshold: c.MaxDrop}
	if c.Alpha > 0 {
		check.Proof = VetoIfWorse
	}
	if e.First() {
		return check.noProduction()
	}
	for _, column := range c.Columns {
		if _, ok := e.Segments[column]; !ok {
			check.Statistic = math.NaN()
			return check.with(Error, "the evidence has no segments by %q", column)
		}
	}
	compared, small, err := c.compare(e, m)
	if err != nil {
		return check.unmeasured(err)
	}
	if len(compared) == 0 {
		return check.with(Pass, "no segment to compare%s", tooSmall(small))
	}
	vetoes := c.vetoes(compared)
	verdict, among := Pass, compared
	if len(vetoes) > 0 {
		verdict, among = Fail, vetoes
	}
	worst := slices.MaxFunc(among, func(a, b segmentResult) int {
		return cmp.Or(cmp.Compare(a.drop, b.drop), strings.Compare(b.name, a.name)) // the first of equals
	})
	check.Statistic, check.N = worst.drop, worst.rows
	return check.with(verdict, "%s; %s%s", c.sentence(m, worst), c.tally(compared, vetoes), tooSmall(small))
}

// sentence describes the worst segment.
func (c Segments) sentence(m Metric, worst segmentResult) string {
	amount := func(v float64) string {
		if worst.relative {
			return fmt.Sprintf("%.1f %%", 100*v)
		}
		return m.format(v)
	}
	change := amount(math.Abs(worst.drop)) + " worse"
	if worst.drop < 0 {
		change = amount(-worst.drop) + " better"
	}
	s := fmt.Sprintf("worst in %s: %s (%s, at most %s worse allowed) on %s rows",
		worst.name, movement(m, worst.production, worst.shadow), change, amount(c.MaxDrop), count(worst.rows))
	if c.Alpha > 0 && worst.drop > c.MaxDrop {
		s += fmt.Sprintf(", p = %.2g", worst.p)
	}
	return s
}

func (c Segments) tally(compared, vetoes []segmentResult) string {
	worse := "worse"
	if c.Alpha > 0 {
		worse = "proven worse"
	}
	return fmt.Sprintf("%d of %d segments %s", len(vetoes), len(compared), worse)
}

// tooSmall names the segments that could not be compared.
func tooSmall(small []string) string {
	const most = 5
	switch {
	case len(small) == 0:
		return ""
	case len(small) > most:
		return fmt.Sprintf("; too small to tell: %s and %d more", strings.Join(small[:most], ", "), len(small)-most)
	}
	return "; too small to tell: " + strings.Join(small, ", ")
}

// compare measures every segment, and names those that are too small.
func (c Segments) compare(e *Evidence, m Metric) (compared []segmentResult, small []string, err error) {
	for _, column := range sortedKeys(e.Segments) {
		rowsOf := map[string][]int{}
		for row, category := range e.Segments[column] {
			rowsOf[category] = append(rowsOf[category], row)
		}
		for _, category := range sortedKeys(rowsOf) {
			rows := rowsOf[category]
			s := segmentResult{name: column + "=" + category, rows: len(rows)}
			if len(rows) < c.MinRows {
				small = append(small, fmt.Sprintf("%s (%s rows)", s.name, count(s.rows)))
				continue
			}
			err := c.measure(&s, m, e, rows, uint64(len(compared)))
			switch {
			case isUndefined(err):
				small = append(small, fmt.Sprintf("%s (%s rows)", s.name, count(s.rows)))
			case err != nil:
				return nil, nil, fmt.Errorf("segment %s: %w", s.name, err)
			default:
				compared = append(compared, s)
			}
		}
	}
	return compared, small, nil
}

// measure fills what is found of the segment of the given rows.
func (c Segments) measure(s *segmentResult, m Metric, e *Evidence, rows []int, index uint64) error {
	truth, production, shadow := e.Truth.pick(rows), e.Production.pick(rows), e.Shadow.pick(rows)
	var err error
	if c.Alpha > 0 {
		var r paired
		// Each segment draws from a seed of its own.
		p := pairing{m, c.Alpha, c.Draws, c.Seed + index}.withDefaults()
		r, err = p.compare(e.Target, truth, production, shadow)
		s.production, s.shadow, s.p = r.production, r.shadow, r.worse
	} else {
		if s.production, err = m.Measure(e.Target, truth, production); err == nil {
			s.shadow, err = m.Measure(e.Target, truth, shadow)
		}
	}
	if err != nil {
		return err
	}
	gain, relative := relativeGain(m, s.production, s.shadow)
	if !relative {
		gain = m.gain(s.production, s.shadow)
	}
	s.drop, s.relative = -gain, relative
	return nil
}

// vetoes returns the segments that drop by more than is accepted and, if that is asked
// for, are proven to drop.
func (c Segments) vetoes(compared []segmentResult) []segmentResult {
	byP := slices.Clone(compared)
	slices.SortStableFunc(byP, func(a, b segmentResult) int { return cmp.Compare(a.p, b.p) })
	var vetoes []segmentResult
	for i, s := range byP {
		if c.Alpha > 0 && s.p > c.Alpha/float64(len(byP)-i) {
			break // Holm steps down until the first that is not proven
		}
		if s.drop > c.MaxDrop {
			vetoes = append(vetoes, s)
		}
	}
	return vetoes
}
