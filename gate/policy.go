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
	// [Segments]. Package budget sets it.
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
// already. The error says why the Criteria cannot keep that error rate.
func (p Policy) CapAlpha(alpha float64) (Policy, error) {
	if _, err := withMaxAlpha(p.Criteria, alpha); err != nil {
		return Policy{}, err
	}
	if p.MaxAlpha == 0 || p.MaxAlpha > alpha {
		p.MaxAlpha = alpha
	}
	return p, nil
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
