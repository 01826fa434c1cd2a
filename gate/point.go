package gate

import (
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/gate/internal/compare"
	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Improvement wants the shadow's measured metric to be better than production's by a minimum.
// It is a [PointEstimate]: chance alone can pass it. Set either Relative or Absolute; with
// neither, any gain passes. Too small a gain is a Fail, never Undecided: the policy states by
// [MinSamples] how many rows are enough.
type Improvement struct {
	Metric metrics.Metric `json:"metric"`
	// Relative is the least gain as a share of production's value: 0.02 is 2 %. If
	// production's value of a metric that should be high is within 0.01 of zero, a share means
	// nothing, and Relative is taken as the least absolute gain.
	Relative float64 `json:"relative,omitempty"`
	// Absolute is the least gain in the unit of the metric.
	Absolute float64 `json:"absolute,omitempty"`
}

func (c Improvement) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Relative, 0), "Relative", c.Relative, "0 or more")
	f.want(finiteFrom(c.Absolute, 0), "Absolute", c.Absolute, "0 or more")
	f.want(c.Relative == 0 || c.Absolute == 0, "Absolute", c.Absolute, "0 because Relative is set")
	return f.err()
}

// Check passes if the gain is large enough.
func (c Improvement) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c Improvement) metric() metrics.Metric { return c.Metric }

func (c Improvement) check(v view) Check {
	m := metricOf(c.Metric, v)
	check := Check{Criterion: m.String() + " improvement", Proof: PointEstimate, Metric: m.String(), Threshold: max(c.Relative, c.Absolute), N: v.n}
	production, shadow, check, ok := measureBoth(v, m, check)
	if !ok {
		return check
	}
	gain := compare.Gain(m.Metric, production, shadow)
	relative, isRelative := compare.RelativeGain(m.Metric, production, shadow)
	var passes bool
	var more int
	var wanted, change string
	if c.Relative > 0 && isRelative {
		check.Unit, check.Statistic = UnitRelativeGain, relative
		more = tell(shareText, c.Relative, relative)
		wanted = plus(shareText(c.Relative, more))
		passes = relative >= c.Relative
	} else {
		least := max(c.Relative, c.Absolute)
		check.Unit, check.Statistic = UnitGain, gain
		more = m.tell(least, gain)
		wanted = m.write(least, more)
		passes = gain > 0 && gain >= least
	}
	if isRelative {
		change = fmt.Sprintf(" (%s)", plus(shareText((shadow-production)/math.Abs(production), more)))
	}
	if !m.HigherIsBetter() {
		wanted += " as a reduction"
	}
	return check.with(passIf(passes), "%s%s, at least %s wanted, on %s rows",
		m.movement(production, shadow, more), change, wanted, count(v.n))
}

// NotWorse wants the shadow's measured metric to be worse than production's by no more than a
// margin. It is a [PointEstimate].
type NotWorse struct {
	Metric metrics.Metric `json:"metric"`
	Margin float64        `json:"margin"` // the largest loss, in the unit of the metric
}

func (c NotWorse) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Margin, 0), "Margin", c.Margin, "0 or more")
	return f.err()
}

// Check passes if the loss is small enough.
func (c NotWorse) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c NotWorse) metric() metrics.Metric { return c.Metric }

func (c NotWorse) check(v view) Check {
	m := metricOf(c.Metric, v)
	check := Check{Criterion: m.String() + " not worse", Proof: PointEstimate, Metric: m.String(), Unit: UnitGain, Threshold: -c.Margin, N: v.n}
	production, shadow, check, ok := measureBoth(v, m, check)
	if !ok {
		return check
	}
	check.Statistic = compare.Gain(m.Metric, production, shadow)
	direction := "lower"
	if !m.HigherIsBetter() {
		direction = "higher"
	}
	more := m.tell(-c.Margin, check.Statistic)
	return check.with(passIf(check.Statistic >= -c.Margin), "%s, at most %s %s wanted, on %s rows",
		m.movement(production, shadow, more), m.write(c.Margin, more), direction, count(v.n))
}

// Floor wants the shadow's measured metric to be at least as good as a bound, whatever
// production's is. It is a [PointEstimate].
type Floor struct {
	Metric metrics.Metric `json:"metric"`
	// Bound is the lowest value that passes, or the highest if lower is better.
	Bound float64 `json:"bound"`
}

func (c Floor) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Bound, -math.MaxFloat64), "Bound", c.Bound, "a finite number")
	return f.err()
}

// Check passes if the shadow is good enough.
func (c Floor) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c Floor) metric() metrics.Metric { return c.Metric }

func (c Floor) check(v view) Check {
	m := metricOf(c.Metric, v)
	check := Check{Criterion: m.String() + " floor", Proof: PointEstimate, Metric: m.String(), Unit: UnitMetric, Threshold: digits.Settle(c.Bound), AtMost: !m.HigherIsBetter(), N: v.n}
	value, err := v.value(shadowName, m.Metric)
	if err != nil {
		return check.unmeasured(err)
	}
	check.Statistic = value
	bound := "least"
	if !m.HigherIsBetter() {
		bound = "most"
	}
	more := m.tell(c.Bound, value)
	return check.with(passIf(m.Gain(check.Threshold, value) >= 0), "%s is %s, at %s %s wanted, on %s rows",
		m.Title(), m.write(value, more), bound, m.write(c.Bound, more), count(v.n))
}

func passIf(ok bool) Verdict {
	if ok {
		return Pass
	}
	return Fail
}

// measureBoth measures both models. If ok is false, the check says why.
func measureBoth(v view, m metric, check Check) (production, shadow float64, _ Check, ok bool) {
	if v.first {
		return 0, 0, check.noProduction(), false
	}
	production, err := v.value(productionName, m.Metric)
	if err != nil {
		return 0, 0, check.unmeasured(fmt.Errorf("production: %w", err)), false
	}
	shadow, err = v.value(shadowName, m.Metric)
	if err != nil {
		return 0, 0, check.unmeasured(fmt.Errorf("shadow: %w", err)), false
	}
	return production, shadow, check, true
}
