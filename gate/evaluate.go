package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Evaluate judges the evidence by the policy. It is pure: equal arguments give equal
// decisions, to the byte of their JSON. On another kind of processor the last digit of a
// rounded number may rarely differ: see [ErrRounding].
//
// All criteria are evaluated: [Policy.First] on a first deployment, else [Policy.Criteria].
// The outcome is
//
//   - Promote, if a criterion passes and every other criterion passes or is skipped;
//   - Inconclusive, if a precondition (enough rows, enough labels) is not met: the evidence
//     is then insufficient for the other criteria;
//   - Reject, if the preconditions are met and a criterion fails;
//   - Inconclusive in all other cases: a criterion is undecided, for example soon after a
//     promotion, or could not be evaluated.
//
// Malformed evidence is Inconclusive with a single check, named "evidence", that says what is
// wrong. Evidence without rows is Inconclusive whatever the criteria say. A malformed
// criterion, and a check that JSON cannot hold, are [Errored].
func Evaluate(policy Policy, evidence Evidence) Decision {
	e := &evidence
	d := Decision{Policy: validText(policy.Name), First: e.FirstDeployment, At: instant(e.At), N: e.N()}
	var hashing sync.WaitGroup
	hashing.Go(func() {
		d.RowSet = e.RowSet()
		d.Evidence = e.hash(d.RowSet)
	})
	if err := e.Validate(); err != nil {
		hashing.Wait()
		if checkTime(e.At) != nil {
			d.At = time.Time{} // JSON cannot hold the time
		}
		d.Rules = rules(policy)
		d.Checks = []Check{failedCheck("evidence", err)}
		return d
	}
	d.decide(policy, newView(e, true), hashing.Wait)
	return d
}

// decide fills in everything that follows from the policy and valid evidence. It calls hashed
// before any host's criterion, which might modify the evidence although it must not.
func (d *Decision) decide(policy Policy, v view, hashed func()) {
	criteria, which := policy.Criteria, "Criteria"
	if v.first {
		criteria, which = policy.First, "First"
	}
	own, malformed := hostMetrics(criteria)
	wanted := slices.Concat(metrics.All(), own)
	var measuring sync.WaitGroup
	if !v.first {
		measuring.Go(func() { d.Production = v.values(productionName, wanted) })
	}
	measuring.Go(func() { d.Shadow = v.values(shadowName, wanted) })
	d.Basis = v.tallied()
	if capped, err := policy.capped(criteria); err == nil {
		criteria = capped
	} else if !v.first {
		malformed = errors.Join(malformed, err)
	}
	hashed()
	for i, c := range criteria {
		d.Checks = append(d.Checks, judge(c, i, v))
	}
	if len(criteria) == 0 {
		d.Checks = append(d.Checks, failedCheck("policy", fmt.Errorf("%s is empty, so nothing can be promoted", which)))
	}
	if malformed != nil {
		d.Checks = append(d.Checks, failedCheck("policy", malformed))
	}
	if v.n == 0 {
		// Nothing was compared, whatever the criteria say.
		check := failedCheck("evidence", errors.New("there are no rows"))
		check.Verdict, check.Precondition = Undecided, true
		d.Checks = append(d.Checks, check)
	}
	measuring.Wait()
	d.Outcome = outcomeOf(d.Checks)
	d.Rules = rules(policy)
	if known := v.known(); len(known) > 0 {
		d.Basis.Facts = known
	}
}

// hostMetrics returns the host's metrics in criteria. Two metrics with one name are an error.
func hostMetrics(criteria []Criterion) (own []metrics.Metric, err error) {
	for _, c := range criteria {
		asks, ok := as[interface{ metric() metrics.Metric }](c)
		if !ok {
			continue
		}
		m := asks.metric()
		if m.Validate() != nil || m == metrics.Named(m.String()) || slices.Contains(own, m) {
			continue
		}
		if slices.ContainsFunc(own, func(o metrics.Metric) bool { return o.String() == m.String() }) {
			err = errors.Join(err, fmt.Errorf("two metrics have the name %q", m))
		}
		own = append(own, m)
	}
	return own, err
}

// rules returns the policy's JSON, nil if it cannot be written.
func rules(policy Policy) json.RawMessage {
	data, err := json.Marshal(policy)
	if err != nil {
		return nil // the decision is valid, but cannot be recomputed from its JSON
	}
	return data
}

// judge evaluates one criterion. A half-filled check never passes.
func judge(c Criterion, index int, v view) Check {
	name := fmt.Sprintf("criterion %d", index+1)
	if err := wellFormed(c); err != nil {
		return failedCheck(name, err)
	}
	var check Check
	// A host's type that embeds a criterion of this package is a viewer with its own Check.
	if own, ok := c.(viewer); ok && isOwn(c) {
		check = own.check(v)
	} else {
		check = v.ask(c)
	}
	check = check.readable()
	if check.Criterion == "" {
		check.Criterion = name
	}
	return check.judged()
}
