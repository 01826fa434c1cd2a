package gate

import (
	"errors"
	"fmt"
)

// Policy says what a shadow model must show to be promoted. The zero Policy never promotes.
type Policy struct {
	// Name is recorded in decisions.
	Name string
	// Criteria judge the shadow against a model in production.
	Criteria []Criterion
	// First judge the shadow instead if the evidence is of a first deployment.
	First []Criterion
	// MaxAlpha, if not 0, is the highest error rate of every [AlphaCapper] among the criteria:
	// of [Superior] and [NonInferior], not the rate of false vetoes of [SegmentVeto]. Package
	// budget sets it.
	//
	// MaxAlpha bounds the probability of a false promotion: the promotion of a shadow that is
	// not truly better than production (by [Superior.Min]) in a metric in which a criterion
	// must prove the shadow better. If no AlphaCapper among the criteria proves better, a
	// policy with a MaxAlpha never promotes: neither a proof of "not worse" nor a point
	// estimate rules out an equal model.
	MaxAlpha float64
}

// Validate names every violation: no criteria, a nil criterion, a malformed criterion of this
// package, a host's criterion whose Validate returns an error, a MaxAlpha that the criteria
// cannot keep, a Name that is not UTF-8.
func (p Policy) Validate() error {
	_, err := p.capped(p.Criteria)
	errs := []error{err}
	for _, list := range []struct {
		name     string
		criteria []Criterion
	}{{"Criteria", p.Criteria}, {"First", p.First}} {
		if len(list.criteria) == 0 {
			errs = append(errs, fmt.Errorf("%s is empty, so nothing can be promoted", list.name))
		}
		for i, c := range list.criteria {
			if err := wellFormed(c); err != nil {
				errs = append(errs, fmt.Errorf("%s[%d]: %w", list.name, i, err))
			}
		}
	}
	if isNotText(p.Name) {
		errs = append(errs, fmt.Errorf("the Name %q is not UTF-8", p.Name))
	}
	if err = errors.Join(errs...); err != nil {
		return fmt.Errorf("gate: invalid policy %q: %w", p.Name, err)
	}
	return nil
}

// CapAlpha returns the policy with its MaxAlpha lowered to alpha, unless MaxAlpha is already
// lower. An alpha that is not from 1e-5 to below 0.5 is an error. It is also an error if the
// Criteria cannot keep the error rate.
func (p Policy) CapAlpha(alpha float64) (Policy, error) {
	if !(alpha >= minAlpha && alpha < 0.5) { // also true for NaN
		return Policy{}, fmt.Errorf("gate: cap: alpha is %v, want %v to 0.5", alpha, minAlpha)
	}
	if _, err := withMaxAlpha(p.Criteria, alpha); err != nil {
		return Policy{}, err
	}
	if p.MaxAlpha == 0 || p.MaxAlpha > alpha {
		p.MaxAlpha = alpha
	}
	return p, nil
}

// checkGrants returns an error if MaxAlpha is above the grant of an [ErrorBudget].
func checkGrants(criteria []Criterion, maxAlpha float64) error {
	for i, c := range criteria {
		b, ok := as[interface{ grant() float64 }](c)
		if !ok || b.grant() == 0 {
			continue
		}
		if !(maxAlpha > 0 && maxAlpha <= b.grant()) { // also true for NaN
			return fmt.Errorf("criterion %d: the error budget grants %v, but MaxAlpha is %v, want above 0 and at most that",
				i+1, b.grant(), maxAlpha)
		}
	}
	return nil
}

// capped returns the criteria with MaxAlpha applied.
func (p Policy) capped(criteria []Criterion) ([]Criterion, error) {
	if err := checkGrants(criteria, p.MaxAlpha); err != nil {
		return nil, err
	}
	if p.MaxAlpha == 0 {
		return criteria, nil
	}
	if !(p.MaxAlpha >= minAlpha && p.MaxAlpha < 0.5) {
		return nil, fmt.Errorf("MaxAlpha is %v, want 0 or %v to 0.5", p.MaxAlpha, minAlpha)
	}
	return withMaxAlpha(criteria, p.MaxAlpha)
}

// AlphaCapper is a [Criterion] that may pass a shadow by luck, with an error rate that can be
// lowered. [Superior] and [NonInferior] are AlphaCappers; a host's criterion may be.
//
// A host's type that embeds Superior or NonInferior inherits a CapAlpha that returns the
// embedded criterion without the host's additions. A policy therefore rejects a CapAlpha that
// returns another type than its receiver: the host's type needs its own CapAlpha.
type AlphaCapper interface {
	Criterion
	// CapAlpha returns the criterion with its error rate lowered to alpha, unless it is
	// already lower. The result has the type of the receiver.
	CapAlpha(alpha float64) Criterion
	// Proof returns what the criterion demands. If it is [ProveBetter], a shadow that is truly
	// no better passes with a probability of at most about alpha.
	Proof() Proof
}

// withMaxAlpha returns the criteria with their alphas capped. It is an error if that does not
// bound the probability of a false promotion.
func withMaxAlpha(criteria []Criterion, most float64) ([]Criterion, error) {
	capped := make([]Criterion, len(criteria))
	proves := false
	for i, c := range criteria {
		capped[i] = c
		a, ok := as[AlphaCapper](c)
		if !ok {
			continue
		}
		capped[i] = a.CapAlpha(most)
		if isNil(capped[i]) || valueType(capped[i]) != valueType(c) {
			return nil, fmt.Errorf("criterion %d: CapAlpha of a %T returns a %T: give the type a CapAlpha of its own", i+1, c, capped[i])
		}
		proves = proves || a.Proof() == ProveBetter
	}
	if !proves {
		return nil, errors.New("MaxAlpha is set, but no criterion that proves the shadow better has an error rate that it could lower")
	}
	return capped, nil
}
