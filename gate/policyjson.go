package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
)

type policyJSON struct {
	Name     string            `json:"name"`
	MaxAlpha float64           `json:"max_alpha,omitempty"`
	Criteria []json.RawMessage `json:"criteria"`
	First    []json.RawMessage `json:"first"`
}

// MarshalJSON writes the policy, each criterion as an object with its kind as "type":
//
//	{"schema_version": 1, "name": "mine", "criteria": [{"type": "min_samples", "rows": 500}], "first": []}
//
// A host's criterion that is not [Kinded], such as a [CriterionFunc], and a text that is not
// UTF-8 are errors.
func (p Policy) MarshalJSON() ([]byte, error) {
	all, err := newKinds()
	if err != nil {
		return nil, err
	}
	document := policyJSON{Name: p.Name, MaxAlpha: p.MaxAlpha}
	var errs [2]error
	document.Criteria, errs[0] = convertList("Criteria", p.Criteria, all.marshal)
	document.First, errs[1] = convertList("First", p.First, all.marshal)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("gate: policy %q: %w", p.Name, err)
	}
	data, err := wire.MarshalStruct(document, schemaVersion)
	if err != nil {
		return nil, err
	}
	if replaced.Match(data) {
		return nil, fmt.Errorf("gate: policy %q: a text of it is not UTF-8", p.Name)
	}
	return data, nil
}

// replaced finds the escape \ufffd, which package json writes for bytes that are not UTF-8.
// The character U+FFFD in a text is written without an escape. After an escaped backslash,
// ufffd is plain text.
var replaced = regexp.MustCompile(`(^|[^\\])(\\\\)*\\ufffd`)

// convertList converts the members of a list. The error names every member that fails.
func convertList[From, To any](name string, list []From, one func(From) (To, error)) ([]To, error) {
	converted := make([]To, len(list))
	var errs []error
	for i, v := range list {
		var err error
		if converted[i], err = one(v); err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", name, i, err))
		}
	}
	return converted, errors.Join(errs...)
}

// UnmarshalJSON reads a policy as [ParsePolicy] does, with criteria of this package only. An
// error leaves p unchanged.
func (p *Policy) UnmarshalJSON(data []byte) error {
	read, err := ParsePolicy(data)
	if err == nil {
		*p = read
	}
	return err
}

// ParsePolicy reads the form that [Policy.MarshalJSON] writes. For a host's criteria and
// metrics pass their kinds, see [KindOf] and [KindOfMetric].
//
// The error names every criterion that has an unknown type, or an unknown, missing, null or
// malformed field, and says what is wanted instead. A threshold must be given, even if it is
// 0. A repeated member is an error at any depth. ParsePolicy does not check the values: call
// [Policy.Validate].
func ParsePolicy(data []byte, host ...Kind) (Policy, error) {
	all, err := newKinds(host...)
	named, taken := hostMetricsByName(host)
	if err := errors.Join(err, taken); err != nil {
		return Policy{}, fmt.Errorf("gate: policy: %w", err)
	}
	var document policyJSON
	if err := wire.UnmarshalStruct(data, &document, schemaVersion); err != nil {
		return Policy{}, fmt.Errorf("gate: policy: %w", err)
	}
	if document.Criteria == nil || document.First == nil {
		return Policy{}, fmt.Errorf("gate: policy %q: criteria or first is null, want lists", document.Name)
	}
	p := Policy{Name: document.Name, MaxAlpha: document.MaxAlpha}
	var errs [2]error
	p.Criteria, errs[0] = convertList("criteria", document.Criteria, all.unmarshal)
	p.First, errs[1] = convertList("first", document.First, all.unmarshal)
	if err := errors.Join(errs[:]...); err != nil {
		return Policy{}, fmt.Errorf("gate: policy %q: %w", document.Name, err)
	}
	withMetrics(p.Criteria, named)
	withMetrics(p.First, named)
	return p, nil
}
