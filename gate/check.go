package gate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/internal/wire"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Verdict is the result of one criterion. The zero Verdict is Errored.
type Verdict uint8

// The verdicts.
const (
	Errored   Verdict = iota // could not be evaluated: see the reason
	Pass                     // shown
	Fail                     // shown not to hold, or not shown on sufficient evidence
	Undecided                // too little evidence to tell: see Check.Needed
	Skipped                  // does not apply to this evidence, and does not stand in the way
)

var verdictNames = wire.Names{Errored: "error", Pass: "pass", Fail: "fail", Undecided: "undecided", Skipped: "skipped"}

// String returns "error", "pass", "fail", "undecided" or "skipped".
func (v Verdict) String() string { return verdictNames.Name("Verdict", uint8(v)) }

// MarshalText returns what String does; an unknown verdict is an error.
func (v Verdict) MarshalText() ([]byte, error) { return verdictNames.Marshal("verdict", uint8(v)) }

// UnmarshalText reads what [Verdict.MarshalText] wrote.
func (v *Verdict) UnmarshalText(text []byte) error {
	i, err := verdictNames.Unmarshal("verdict", text)
	*v = Verdict(i)
	return err
}

// Proof says what a criterion demands, and so what happens if rows are few.
type Proof string

// The proofs.
const (
	// Condition is about the circumstances, not about the models.
	Condition Proof = "condition"
	// PointEstimate compares measured values. It has no error rate.
	PointEstimate Proof = "point estimate"
	// ProveBetter wants the shadow proven better. With few rows it does not pass.
	ProveBetter Proof = "prove better"
	// ProveNotWorse wants the shadow proven not worse by a margin. With few rows it does not
	// pass.
	ProveNotWorse Proof = "prove not worse"
	// VetoIfWorse fails if the shadow is proven worse. With few rows it does not veto.
	VetoIfWorse Proof = "veto if proven worse"
)

// Interval is a confidence interval. An end is infinite if the rows do not bound it. Lo is
// rounded down and Hi up.
type Interval struct {
	Lo    float64 `json:"lo" wire:"null"`
	Hi    float64 `json:"hi" wire:"null"`
	Level float64 `json:"level" wire:"null"` // such as 0.95
}

// Unit is the unit of a [Check]'s Statistic, Threshold and CI.
type Unit string

// The units.
const (
	UnitRows        Unit = "rows"
	UnitShare       Unit = "share"       // of a whole: 0.3 is 30 %
	UnitProbability Unit = "probability" // of an error
	UnitHours       Unit = "hours"
	UnitSeconds     Unit = "seconds"
	// UnitMetric is a value of Check.Metric.
	UnitMetric Unit = "metric"
	// UnitGain is how much better the shadow's metric is than production's, whatever the
	// metric's direction. UnitRelativeGain is the gain as a share of production's value.
	UnitGain         Unit = "gain"
	UnitRelativeGain Unit = "relative gain"
	// UnitDrop and UnitRelativeDrop are how much worse the shadow's metric is.
	UnitDrop         Unit = "drop"
	UnitRelativeDrop Unit = "relative drop"
)

// Check is the result of one criterion on one piece of evidence.
type Check struct {
	// Criterion names the rule, such as "f1 improvement".
	Criterion string  `json:"criterion"`
	Verdict   Verdict `json:"verdict"`
	// Proof says what the criterion demands; empty if a host's criterion does not say.
	Proof Proof `json:"proof,omitempty"`
	// Precondition marks a criterion that says whether the evidence is sufficient. Unless it
	// passes or is skipped, another criterion's Fail does not reject the shadow.
	Precondition bool `json:"precondition,omitempty"`
	// Metric is the name of the measured metric; empty if none was measured.
	Metric string `json:"metric,omitempty"`
	// Unit is that of Statistic, Threshold and CI; empty if a host's criterion has none.
	Unit Unit `json:"unit,omitempty"`
	// Statistic is the measured number; NaN if there is none.
	Statistic float64 `json:"statistic" wire:"null"`
	// Threshold is compared with the statistic; NaN if there is no threshold. If AtMost is
	// true, the statistic must not be above the threshold, otherwise not below.
	Threshold float64 `json:"threshold" wire:"null"`
	AtMost    bool    `json:"at_most,omitempty"`
	// CI is the confidence interval of the statistic; nil if the criterion has none.
	CI *Interval `json:"ci,omitempty" wire:"null"`
	// N is the number of rows behind the statistic. Needed, if not 0, is the number of rows
	// that would have decided.
	N      int `json:"n"`
	Needed int `json:"needed,omitempty"`
	// Segments holds a result for each segment; nil if the criterion is not about segments.
	// Omitted is the number of uncompared segments that were left out.
	Segments []SegmentResult `json:"segments,omitempty"`
	Omitted  int             `json:"omitted,omitempty"`
	// Reason is a sentence a person can read.
	Reason string `json:"reason"`
}

// SegmentResult is [SegmentVeto]'s result for one segment. Numbers that do not exist are 0.
type SegmentResult struct {
	Segment string `json:"segment"` // such as "region=north"
	Rows    int    `json:"rows"`
	// Verdict is Fail for a veto, Undecided for a segment that is too small to tell.
	Verdict Verdict `json:"verdict"`
	// Production and Shadow are the metric's values for both models.
	Production float64 `json:"production"`
	Shadow     float64 `json:"shadow"`
	// Drop is how much worse the shadow is: a share of production's value, or, if Absolute is
	// true, in the unit of the metric.
	Drop     float64 `json:"drop"`
	Absolute bool    `json:"absolute,omitempty"`
	// PValue tests that the shadow is not worse, adjusted for the number of segments.
	PValue float64 `json:"p_value,omitempty"`
	// Detectable is the smallest drop that would be proven with a power of 80 %. Needed is the
	// number of rows at which a drop of MaxDrop would be proven.
	Detectable float64 `json:"detectable,omitempty"`
	Needed     int     `json:"needed,omitempty"`
	// Undefined says that the metric has a value for production only, because the shadow never
	// answers a class that occurs in the segment.
	Undefined bool `json:"undefined,omitempty"`
}

// Measured returns the statistic in its unit, such as "+0.032", "99.96 %" or "2,004", with
// enough digits to tell it from the threshold. It returns "–" if there is no statistic.
func (c Check) Measured() string { return c.show(c.Statistic) }

// Wanted returns the demand on the statistic or its interval, such as "≥ 0.900" or "interval
// above 0", with as many digits as [Check.Measured]; "" if there is no threshold.
func (c Check) Wanted() string {
	switch bound := c.show(c.Threshold); {
	case math.IsNaN(c.Threshold):
		return ""
	case c.CI != nil:
		return "interval above " + bound
	case c.AtMost:
		return "≤ " + bound
	default:
		return "≥ " + bound
	}
}

// show writes v in the check's unit, with digits that tell Statistic from Threshold.
func (c Check) show(v float64) string {
	m := metricNamed(c.Metric)
	if !digits.IsFinite(v) {
		return figure(v)
	}
	more := func(write func(v float64, more int) string) int {
		switch {
		case !digits.IsFinite(c.Threshold):
			return tell(write, v)
		case c.CI != nil:
			return tell(write, c.Threshold, c.Statistic, c.CI.Lo, c.CI.Hi)
		}
		return tell(write, c.Threshold, c.Statistic)
	}
	switch c.Unit {
	case UnitRows:
		return figure(math.Round(v))
	case UnitShare:
		return shareText(v, more(shareText))
	case UnitProbability:
		return fmt.Sprintf("%.3g", v)
	case UnitHours:
		return days(time.Duration(v * float64(time.Hour)))
	case UnitSeconds:
		return readable(time.Duration(math.Round(v * float64(time.Second))))
	case UnitMetric:
		return m.write(v, more(m.write))
	case UnitGain:
		if v == 0 {
			return "0"
		}
		return m.difference(v, more(m.write))
	case UnitRelativeGain:
		return plus(shareText(v, more(shareText)))
	case UnitDrop:
		return m.write(math.Abs(v), more(m.write)) + " " + betterOrWorse(v)
	case UnitRelativeDrop:
		return shareText(math.Abs(v), more(shareText)) + " " + betterOrWorse(v)
	}
	return figure(v)
}

func betterOrWorse(drop float64) string {
	if drop < 0 {
		return "better"
	}
	return "worse"
}

func (c Check) stands() bool { return c.Verdict != Pass && c.Verdict != Skipped }

// MarshalJSON writes the check. A number that is not finite becomes null.
func (c Check) MarshalJSON() ([]byte, error) { return wire.MarshalStruct(c, 0) }

// UnmarshalJSON reads what [Check.MarshalJSON] wrote. A null statistic, threshold or level
// becomes NaN, and a null end of the interval becomes infinite. Null elsewhere is an error,
// and so is a field that is unknown, repeated, or missing although MarshalJSON always writes
// it. An error leaves c unchanged.
func (c *Check) UnmarshalJSON(data []byte) error {
	var read Check
	if err := wire.UnmarshalStruct(data, &read, 0); err != nil {
		return fmt.Errorf("gate: check: %w", err)
	}
	if ci := read.CI; ci != nil {
		if math.IsNaN(ci.Lo) {
			ci.Lo = math.Inf(-1)
		}
		if math.IsNaN(ci.Hi) {
			ci.Hi = math.Inf(1)
		}
	}
	*c = read
	return nil
}

// readable returns the check with texts that JSON can hold. The check may be a host's.
func (c Check) readable() Check {
	c.Criterion, c.Metric, c.Reason = validText(c.Criterion), validText(c.Metric), validText(c.Reason)
	c.Proof, c.Unit = Proof(validText(string(c.Proof))), Unit(validText(string(c.Unit)))
	c.Segments = slices.Clone(c.Segments) // the slice may be the host's
	for i := range c.Segments {
		c.Segments[i].Segment = validText(c.Segments[i].Segment)
	}
	return c
}

// judged returns the check, or an Errored check if a decision cannot hold the check.
func (c Check) judged() Check {
	if problem := c.problem(); problem != "" {
		// The numbers are dropped, so that the decision can still be written.
		c.Statistic, c.Threshold, c.CI, c.Segments = math.NaN(), math.NaN(), nil, nil
		return c.with(Errored, "%s: %s", problem, c.Reason)
	}
	if c.Verdict == Pass && math.IsNaN(c.Statistic) {
		return c.with(Errored, "passed on a statistic that is not a number: %s", c.Reason)
	}
	return c
}

// problem says what in the check a decision cannot hold; "" if nothing.
func (c Check) problem() string {
	if int(c.Verdict) >= len(verdictNames) {
		return fmt.Sprintf("unknown verdict %d", c.Verdict)
	}
	if math.IsInf(c.Statistic, 0) || math.IsInf(c.Threshold, 0) {
		return fmt.Sprintf("a statistic of %v and a threshold of %v", c.Statistic, c.Threshold)
	}
	if ci := c.CI; ci != nil && !(ci.Lo < math.Inf(1) && ci.Hi > math.Inf(-1) && digits.IsFinite(ci.Level)) {
		return fmt.Sprintf("an interval of %v to %v at the level %v", ci.Lo, ci.Hi, ci.Level)
	}
	for _, s := range c.Segments {
		if int(s.Verdict) >= len(verdictNames) {
			return fmt.Sprintf("unknown verdict %d of segment %s", s.Verdict, s.Segment)
		}
		for _, v := range []float64{s.Production, s.Shadow, s.Drop, s.PValue, s.Detectable} {
			if !digits.IsFinite(v) {
				return fmt.Sprintf("%v among the numbers of segment %s", v, s.Segment)
			}
		}
	}
	return ""
}

func (c Check) with(v Verdict, format string, args ...any) Check {
	c.Verdict, c.Reason = v, fmt.Sprintf(format, args...)
	return c
}

// unmeasured returns a check without a statistic: Undecided if other rows might give one.
func (c Check) unmeasured(err error) Check {
	c.Statistic = math.NaN()
	if isUndefined(err) {
		return c.with(Undecided, "%v, on %s rows", err, count(c.N))
	}
	return c.with(Errored, "%v", err)
}

func (c Check) noProduction() Check {
	c.Statistic = math.NaN()
	return c.with(Errored, "there is no production model to compare with")
}

// absent returns the check of missing evidence: Skipped if it is optional, else Errored.
func (c Check) absent(optional bool, what string) Check {
	c.Statistic = math.NaN()
	if optional {
		return c.with(Skipped, "%s, which is optional", what)
	}
	return c.with(Errored, "%s", what)
}

// isUndefined reports whether other rows might give the metric a value.
func isUndefined(err error) bool { return errors.Is(err, metrics.ErrUndefined) }

func failedCheck(name string, err error) Check {
	return Check{Criterion: name, Statistic: math.NaN(), Threshold: math.NaN()}.with(Errored, "%v", err)
}
