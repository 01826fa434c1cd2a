package gate

import (
	"errors"
	"fmt"
)

// Policy is what a shadow model must show to be promoted. The zero Policy never
// promotes.
type Policy struct {
	// Name is recorded in decisions.
	Name string
	// Criteria are checked against a model in production.
	Criteria []Criterion
	// First are checked instead where the evidence says that it is of a first deployment.
	First []Criterion
	// MaxAlpha, if not 0, is the highest error rate of every [AlphaCapper] among the
	// criteria: of [Superior] and [NonInferior], not the rate of false vetoes of
	// [SegmentVeto]. Package budget sets it.
	//
	// MaxAlpha bounds the probability of a false promotion: the promotion of a shadow that
	// is in truth not better than production (by [Superior.Min]) in a metric in which a
	// criterion was to prove the shadow better. If no AlphaCapper among the criteria proves
	// better, a policy with a MaxAlpha never promotes: neither a proof of "not worse" nor a
	// point estimate is a proof against an equal model.
	MaxAlpha float64
}

// Validate returns everything that is wrong with the policy: no criteria, a nil criterion, a
// malformed criterion of this package, a host's criterion whose Validate method objects, a
// MaxAlpha that the criteria cannot keep, a Name that is not UTF-8.
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

// CapAlpha returns the policy with its MaxAlpha lowered to alpha, unless MaxAlpha is lower
// already. An alpha that is not from 1e-5 to below 0.5 is an error. Otherwise the error says
// why the Criteria cannot keep that error rate.
func (p Policy) CapAlpha(alpha float64) (Policy, error) {
	if !(alpha >= minAlpha && alpha < 0.5) { // also true of NaN
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

// checkGrants returns an error if the policy's MaxAlpha is above the grant of an
// [ErrorBudget] among its criteria.
func checkGrants(criteria []Criterion, maxAlpha float64) error {
	for i, c := range criteria {
		b, ok := as[interface{ grant() float64 }](c)
		if !ok || b.grant() == 0 {
			continue
		}
		if !(maxAlpha > 0 && maxAlpha <= b.grant()) { // also true of NaN
			return fmt.Errorf("criterion %d: the error budget grants %v, but MaxAlpha is %v, want above 0 and at most that",
				i+1, b.grant(), maxAlpha)
		}
	}
	return nil
}

// capped returns the criteria with MaxAlpha in effect.
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

// AlphaCapper is a [Criterion] that may let a shadow pass by luck, and can be told how
// often at most. [Superior] and [NonInferior] are AlphaCappers; a host's criterion may be.
//
// A host's type that embeds Superior or NonInferior inherits its CapAlpha, which returns
// the embedded criterion without what the host added. So a policy refuses a CapAlpha that
// returns another type than its receiver: the host's type needs a CapAlpha of its own.
type AlphaCapper interface {
	Criterion
	// CapAlpha returns the criterion with its error rate lowered to alpha, unless it is
	// lower already. It is of the same type.
	CapAlpha(alpha float64) Criterion
	// Proof returns what the criterion demands. If it is [ProveBetter], a shadow that is
	// in truth no better passes with a probability of at most about alpha.
	Proof() Proof
}

// withMaxAlpha returns the criteria with their alphas capped. The error says why that does
// not bound the probability of a false promotion.
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
