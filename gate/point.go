package gate

import (
	"fmt"
	"math"
)

// Improvement wants the shadow's metric to be better than production's by a minimum, as
// measured. It is a [PointEstimate]: chance alone can pass it. Set Relative or Absolute;
// with neither, any gain passes. Being measured on as many rows as the policy demands,
// too small a gain is a Fail.
type Improvement struct {
	Metric Metric `json:"metric"`
	// Relative is the least gain as a share of production's value: 0.02 is 2 %. Where
	// production's value of a metric that should be high is within 0.01 of zero, a share
	// of it means nothing, and Relative is taken as the least absolute gain.
	Relative float64 `json:"relative,omitempty"`
	// Absolute is the least gain in the unit of the metric.
	Absolute float64 `json:"absolute,omitempty"`
}

// validate returns every violation: an unknown metric, a negative or infinite minimum,
// both minima.
func (c Improvement) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Relative, 0), "Relative", c.Relative, "0 or more")
	f.want(finiteFrom(c.Absolute, 0), "Absolute", c.Absolute, "0 or more")
	f.want(c.Relative == 0 || c.Absolute == 0, "Absolute", c.Absolute, "0 because Relative is set")
	return f.err()
}

// Check passes if the gain is large enough.
func (c Improvement) Check(e *Evidence) Check {
	m := c.Metric.For(e.Target)
	check := Check{Criterion: string(m) + " improvement", Proof: PointEstimate, Metric: m, Threshold: max(c.Relative, c.Absolute), N: e.N()}
	production, shadow, check, ok := measureBoth(e, m, check)
	if !ok {
		return check
	}
	gain := m.settledGain(production, shadow)
	relative, isRelative := relativeGain(m, production, shadow)
	verdict := Fail
	var more int
	var wanted, change string
	if c.Relative > 0 && isRelative {
		check.Unit, check.Statistic = UnitRelativeGain, relative
		more = tell(share, c.Relative, relative)
		wanted = plus(share(c.Relative, more))
		if relative >= c.Relative {
			verdict = Pass
		}
	} else {
		least := max(c.Relative, c.Absolute)
		check.Unit, check.Statistic = UnitGain, gain
		more = m.tell(least, gain)
		wanted = m.write(least, more)
		if gain > 0 && gain >= least {
			verdict = Pass
		}
	}
	if isRelative {
		change = fmt.Sprintf(" (%s)", plus(share((shadow-production)/math.Abs(production), more)))
	}
	if !m.HigherIsBetter() {
		wanted += " as a reduction"
	}
	return check.with(verdict, "%s%s, at least %s wanted, on %s rows", movement(m, production, shadow, more), change, wanted, count(e.N()))
}

// NotWorse wants the shadow's metric to be worse than production's by no more than a
// margin, as measured. It is a [PointEstimate].
type NotWorse struct {
	Metric Metric  `json:"metric"`
	Margin float64 `json:"margin"` // the largest loss, in the unit of the metric
}

// validate returns every violation: an unknown metric, a negative or infinite margin.
func (c NotWorse) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Margin, 0), "Margin", c.Margin, "0 or more")
	return f.err()
}

// Check passes if the loss is small enough.
func (c NotWorse) Check(e *Evidence) Check {
	m := c.Metric.For(e.Target)
	check := Check{Criterion: string(m) + " not worse", Proof: PointEstimate, Metric: m, Unit: UnitGain, Threshold: -c.Margin, N: e.N()}
	production, shadow, check, ok := measureBoth(e, m, check)
	if !ok {
		return check
	}
	check.Statistic = m.settledGain(production, shadow)
	verdict := Fail
	if check.Statistic >= -c.Margin {
		verdict = Pass
	}
	direction := "lower"
	if !m.HigherIsBetter() {
		direction = "higher"
	}
	more := m.tell(-c.Margin, check.Statistic)
	return check.with(verdict, "%s, at most %s %s wanted, on %s rows", movement(m, production, shadow, more), m.write(c.Margin, more), direction, count(e.N()))
}

// Floor wants the shadow's metric to be at least as good as a bound, whatever
// production's is, as measured. It is a [PointEstimate].
type Floor struct {
	Metric Metric `json:"metric"`
	// Bound is the lowest value that passes, or the highest if lower is better.
	Bound float64 `json:"bound"`
}

// validate returns every violation: an unknown metric, a bound that is not finite.
func (c Floor) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Bound, -math.MaxFloat64), "Bound", c.Bound, "a finite number")
	return f.err()
}

// Check passes if the shadow is good enough.
func (c Floor) Check(e *Evidence) Check {
	m := c.Metric.For(e.Target)
	check := Check{Criterion: string(m) + " floor", Proof: PointEstimate, Metric: m, Unit: UnitMetric, Threshold: settle(c.Bound), AtMost: !m.HigherIsBetter(), N: e.N()}
	value, err := e.measure(m, e.Shadow)
	if err != nil {
		return check.unmeasured(err)
	}
	check.Statistic = value
	verdict, bound := Fail, "least"
	if m.gain(check.Threshold, value) >= 0 {
		verdict = Pass
	}
	if !m.HigherIsBetter() {
		bound = "most"
	}
	more := m.tell(c.Bound, value)
	return check.with(verdict, "%s is %s, at %s %s wanted, on %s rows", m.Title(), m.write(value, more), bound, m.write(c.Bound, more), count(e.N()))
}

// measure measures one model's answers to all rows, which may be gone.
func (e *Evidence) measure(m Metric, answers Answers) (float64, error) {
	m = m.For(e.Target)
	of := answers.measured
	if of == nil || e.N() == 0 || m.info().source != fromClasses || m.measurable(e.Target) != nil {
		v, err := m.Measure(e.Target, e.Truth, answers)
		return settle(v), err
	}
	answer := Tally.shadow
	if of.name == productionName {
		answer = Tally.production
	}
	return m.ofTallies(overall(e), classCount(e.Target), answer)
}

// measureSettled returns every metric that has a value on the answers of the model so
// named.
func measureSettled(e *Evidence, name string, answers Answers) map[Metric]float64 {
	if answers.measured == nil {
		values := measureAll(e, name, answers)
		for m, v := range values {
			values[m] = settle(v)
		}
		return values
	}
	values := make(map[Metric]float64)
	for _, info := range metricInfos {
		if v, err := e.measure(info.metric, answers); err == nil {
			values[info.metric] = v
		}
	}
	return values
}

// measureBoth measures both models. If it cannot, the check says why and ok is false.
func measureBoth(e *Evidence, m Metric, check Check) (production, shadow float64, _ Check, ok bool) {
	if e.First() {
		return 0, 0, check.noProduction(), false
	}
	production, err := e.measure(m, *e.Production)
	if err != nil {
		return 0, 0, check.unmeasured(fmt.Errorf("production: %w", err)), false
	}
	shadow, err = e.measure(m, e.Shadow)
	if err != nil {
		return 0, 0, check.unmeasured(fmt.Errorf("shadow: %w", err)), false
	}
	return production, shadow, check, true
}

// settledGain returns the gain of settled values.
func (m Metric) settledGain(production, shadow float64) float64 {
	return m.gain(0, difference(production, shadow))
}

// nearZero is below what a score of a usable model is: a share of less is noise.
const nearZero = 0.01

// relativeGain returns the gain as a share of production's value, unless that is too
// near to zero for a share of it to mean anything. A loss near zero is no such case:
// half of a small error is half.
func relativeGain(m Metric, production, shadow float64) (gain float64, ok bool) {
	if production == 0 || m.HigherIsBetter() && math.Abs(production) < nearZero {
		return 0, false
	}
	gain = shareOf(m.gain(production, shadow), production)
	return gain, !math.IsInf(gain, 0)
}
