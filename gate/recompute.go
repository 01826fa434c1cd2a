package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Errors of [Recompute] and [RecomputeFrom], beside [ErrNeedsRows].
var (
	// ErrDiffers means that a recomputed decision is not the stored one: the stored decision
	// was changed, or another version of this package made it. The error is also [ErrRounding]
	// if the difference may come from another processor.
	ErrDiffers = errors.New("gate: the recomputed decision differs")
	// ErrRounding is an [ErrDiffers] in which only measured numbers differ, by less than a
	// millionth. Processors differ in the last digits of a result, and rarely the rounded
	// number shows the difference.
	ErrRounding = fmt.Errorf("%w in the last digits only, as between processors", ErrDiffers)
)

// Recompute makes a decision again from its stored rules and basis. The result has the same
// bytes as JSON unless the error is [ErrDiffers].
//
// Pass the [KindOfMetric] of each host's metric. The error is [ErrNeedsRows] if a criterion is
// a host's, if no rules are stored because a host's criterion is not [Kinded], if no tallies
// are stored because there were too many, or if there are more than ten million rows.
//
// Numbers measured on single rows, such as Brier's score, are taken from the decision. Only
// [RecomputeFrom] checks them against the rows.
func Recompute(d Decision, host ...Kind) (Decision, error) {
	if d.Rules == nil || d.Basis == nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w: the decision stores no rules or no basis", ErrNeedsRows)
	}
	policy, err := d.parseRules(host)
	if errors.Is(err, errUnknownKind) {
		err = fmt.Errorf("%w: %w", ErrNeedsRows, err)
	}
	if err != nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w", err)
	}
	v, source, err := storedView(d)
	if err != nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w", err)
	}
	again := Decision{
		Policy: policy.Name, First: d.First, At: d.At, N: d.N, RowSet: d.RowSet, Evidence: d.Evidence, Prev: d.Prev,
	}
	again.decide(policy, v, func() {})
	if missing := source.found.missing; len(missing) > 0 {
		return Decision{}, fmt.Errorf("gate: recompute: %w: %s", ErrNeedsRows, strings.Join(missing, ", "))
	}
	return again, again.same(d)
}

// RecomputeFrom makes a decision again from its rules and its evidence. The result has the
// same bytes as JSON unless the error is [ErrDiffers]. A host's criteria and metrics are read
// as by [ParsePolicy]. Evidence with another hash and a decision without rules are errors.
func RecomputeFrom(d Decision, e Evidence, host ...Kind) (Decision, error) {
	if hash := e.Hash(); hash != d.Evidence {
		return Decision{}, fmt.Errorf("gate: recompute: the evidence has the hash %q, want %q", hash, d.Evidence)
	}
	if d.Rules == nil {
		return Decision{}, errors.New("gate: recompute: the decision stores no rules")
	}
	policy, err := d.parseRules(host)
	if err != nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w", err)
	}
	again := Evaluate(policy, e)
	again.Prev = d.Prev
	return again, again.same(d)
}

// parseRules reads the policy. Every metric that the decision measured must be known.
func (d Decision) parseRules(host []Kind) (Policy, error) {
	policy, err := ParsePolicy(d.Rules, host...)
	for _, c := range slices.Concat(policy.Criteria, policy.First) {
		asks, ok := as[interface{ metric() metrics.Metric }](c)
		if !ok || asks.metric().Validate() == nil {
			continue
		}
		name := asks.metric().String()
		if _, measured := d.Shadow[name]; measured || name != "" && slices.ContainsFunc(d.Checks, func(c Check) bool { return c.Metric == name }) {
			return Policy{}, fmt.Errorf("%q is a metric of the host: give its KindOfMetric", name)
		}
	}
	return policy, err
}

func (d Decision) same(other Decision) error {
	is, err := d.members()
	if err != nil {
		return err
	}
	was, err := other.members()
	if err != nil {
		return err
	}
	names := maps.Clone(is)
	maps.Copy(names, was)
	changed := slices.DeleteFunc(sortedKeys(names), func(name string) bool { return bytes.Equal(is[name], was[name]) })
	if len(changed) == 0 {
		return nil
	}
	differs := ErrRounding
	for _, name := range changed {
		// The rules are stored as they were written, so equal values may have different bytes.
		if name == "rules" || !near(decoded(is[name]), decoded(was[name]), slices.Contains(measured, name), 0) {
			differs = ErrDiffers
		}
	}
	name := changed[0]
	return fmt.Errorf("%w: %s is %s, was %s", differs, name, is[name], was[name])
}

func (d Decision) members() (members map[string]json.RawMessage, err error) {
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return members, json.Unmarshal(data, &members)
}

// decoded returns the value of valid JSON, with numbers as [json.Number]; nil for no JSON.
func decoded(data json.RawMessage) (v any) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	_ = decoder.Decode(&v) // fails only without JSON
	return v
}

// measured are the members of a decision's JSON that hold measured numbers.
var measured = []string{"production", "shadow", "values", "statistic", "ci", "drop", "p_value", "detectable"}

// near reports whether decoded JSON is equal, apart from measured numbers that differ by at
// most a millionth of the number or of a larger scale.
func near(is, was any, rounded bool, scale float64) bool {
	switch is := is.(type) {
	case map[string]any:
		was, ok := was.(map[string]any)
		if !ok || len(is) != len(was) {
			return false
		}
		if ci, ok := is["ci"].(map[string]any); ok {
			// Both ends of an interval share a scale, even if one end is near 0.
			scale = max(size(is["statistic"]), size(ci["lo"]), size(ci["hi"]))
		}
		for name, v := range is {
			other, ok := was[name]
			of := 0.0
			if slices.Contains([]string{"statistic", "ci", "lo", "hi"}, name) {
				of = scale
			}
			if !ok || !near(v, other, name != "level" && (rounded || slices.Contains(measured, name)), of) {
				return false
			}
		}
		return true
	case []any:
		was, ok := was.([]any)
		return ok && slices.EqualFunc(is, was, func(a, b any) bool { return near(a, b, rounded, scale) })
	case json.Number:
		other, ok := was.(json.Number)
		if !ok || !rounded {
			return is == was
		}
		a, errA := is.Float64()
		b, errB := other.Float64()
		return errA == nil && errB == nil && math.Abs(a-b) <= 1e-6*max(scale, size(is), size(other))
	}
	return is == was
}

func size(v any) float64 {
	n, _ := v.(json.Number)
	f, _ := n.Float64()
	return math.Abs(f)
}
