package gate

import (
	"fmt"
	"math"
	"time"
)

// Evaluate judges the evidence by the policy. It is pure: equal arguments give equal
// decisions, to the byte of their JSON.
//
// All criteria are evaluated, whatever the others say: those of [Policy.First] if there
// is no production model, else [Policy.Criteria]. The outcome is
//
//   - Promote, if there is a criterion and every one passes;
//   - Inconclusive, if a precondition (enough rows, enough labels) is not met, because
//     nothing that the other criteria say then rests on sufficient evidence;
//   - Reject, if otherwise one fails: with sufficient evidence the shadow is not shown to
//     be good enough;
//   - Inconclusive in all other cases: something is undecided, as after too recent a
//     promotion, or could not be evaluated.
//
// Malformed evidence is Inconclusive with a single check, named "evidence", that says
// what is wrong with it: no criterion is asked about it. A malformed criterion is an
// Error of its own.
func Evaluate(policy Policy, evidence Evidence) Decision {
	e := &evidence
	d := Decision{
		Policy: policy.Name,
		First:  e.First(),
		At:     e.At.UTC().Round(0), // without the monotonic reading, which is no part of the evidence
		N:      e.N(),
		RowSet: e.RowSet(),
	}
	if err := e.Validate(); err != nil {
		if checkTime(e.At) != nil {
			d.At = time.Time{} // JSON could not hold it
		}
		d.Checks = []Check{failed("evidence", err)}
		return d
	}
	criteria, which := policy.Criteria, "Criteria"
	if e.First() {
		criteria, which = policy.First, "First"
	} else {
		d.Production = measureAll(e, *e.Production)
	}
	d.Shadow = measureAll(e, e.Shadow)
	for i, c := range criteria {
		d.Checks = append(d.Checks, judge(c, i, e))
	}
	if len(criteria) == 0 {
		d.Checks = []Check{failed("policy", fmt.Errorf("%s is empty, so nothing can be promoted", which))}
	}
	d.Outcome = outcome(d.Checks)
	return d
}

// judge asks one criterion and makes sure that nothing half-filled passes.
func judge(c Criterion, index int, e *Evidence) Check {
	name := fmt.Sprintf("criterion %d", index+1)
	if err := validate(c); err != nil {
		return failed(name, err)
	}
	check := c.Check(e)
	if check.Criterion == "" {
		check.Criterion = name
	}
	switch {
	case check.Verdict > Undecided:
		return check.with(Error, "unknown verdict %d", check.Verdict)
	case check.Verdict == Pass && math.IsNaN(check.Statistic):
		return check.with(Error, "passed on a statistic that is not a number: %s", check.Reason)
	}
	return check
}

// failed returns the check of something that could not be evaluated.
func failed(name string, err error) Check {
	return Check{Criterion: name, Statistic: math.NaN(), Threshold: math.NaN()}.with(Error, "%v", err)
}

// outcome is where the verdicts become a decision.
func outcome(checks []Check) Outcome {
	passed, fails, insufficient := 0, 0, false
	for _, c := range checks {
		switch {
		case c.Verdict == Pass:
			passed++
		case c.Precondition:
			insufficient = true
		case c.Verdict == Fail:
			fails++
		}
	}
	switch {
	case insufficient:
		return Inconclusive
	case fails > 0:
		return Reject
	case passed > 0 && passed == len(checks):
		return Promote
	}
	return Inconclusive
}

// measureAll returns every metric that has a value on these answers.
func measureAll(e *Evidence, answers Answers) map[Metric]float64 {
	values := make(map[Metric]float64)
	for _, info := range metricInfos {
		if v, err := info.metric.Measure(e.Target, e.Truth, answers); err == nil {
			values[info.metric] = v
		}
	}
	return values
}
