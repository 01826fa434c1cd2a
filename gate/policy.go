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
	// MaxAlpha, if not 0, lowers the error rate of every criterion that has a higher one
	// and is an [AlphaCapper]: of [Superior] and [NonInferior], not the rate of false
	// vetoes of [Segments]. Package budget sets it.
	//
	// What it bounds is the probability of a false promotion: that of a shadow which is in
	// truth no better than production in a metric in which one of these criteria was to
	// prove it better (by its [Superior.Min]). Criteria of which none is an AlphaCapper
	// that proves better then never promote: to be proven not worse by a margin is no
	// proof against an equal model, nor is a point estimate.
	MaxAlpha float64
}

// Validate returns everything that is wrong with the policy: no criteria, a nil one, one
// whose own Validate method objects, a MaxAlpha that the criteria cannot keep, or a Name
// that is not UTF-8.
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
			if err := validate(c); err != nil {
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
