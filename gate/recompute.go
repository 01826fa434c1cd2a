package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Errors of [Recompute] and [RecomputeFrom], beside [ErrNeedsRows].
var (
	// ErrDiffers means that something else comes of it when a decision is made again:
	// the stored one was changed, or another version of this package made it.
	// It is also [ErrRounding] if another processor may have.
	ErrDiffers = errors.New("gate: the recomputed decision differs")
	// ErrRounding is an [ErrDiffers] where all is the same but for numbers that differ by
	// less than a millionth: processors differ in the last digits of what they compute,
	// and a rounded number may seldom show it.
	ErrRounding = fmt.Errorf("%w in the last digits only, as between processors", ErrDiffers)
)

// Recompute makes a decision again from what it stores: its rules and its basis. It
// returns the result, which has the same bytes as JSON unless the error is
// [ErrDiffers]. What was measured of single rows is rounded and stored, and all else
// computed from that, so that another processor or build seldom leads to another digit;
// where it does, the error is [ErrRounding], which is an [ErrDiffers] too.
//
// The criteria of this package need nothing else, but the host's own metrics that they
// name: see [KindOfMetric]. The error is [ErrNeedsRows] if a criterion is a host's own, if no
// rules are stored because a host's criterion is not [Kinded], if no tallies are stored
// because there were too many, or if there are more than ten million rows.
//
// What was measured of single rows, such as Brier's score, is taken from the decision as
// it is: whether that is what the rows say, [RecomputeFrom] tells.
func Recompute(d Decision, host ...Kind) (Decision, error) {
	if d.Rules == nil || d.Basis == nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w: the decision stores no rules or no basis", ErrNeedsRows)
	}
	policy, err := d.parseRules(host)
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

// RecomputeFrom makes a decision again from its rules and the evidence it was made from,
// and returns the result, which has the same bytes as JSON unless the error is
// [ErrDiffers]. Criteria and metrics of the host's own are read as by [ParsePolicy]. Other evidence,
// or a decision that stores no rules, is an error.
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

// parseRules reads the policy. A metric that the decision measured must be known.
func (d Decision) parseRules(host []Kind) (Policy, error) {
	policy, err := ParsePolicy(d.Rules, host...)
	for _, c := range slices.Concat(policy.Criteria, policy.First) {
		asks, ok := c.(interface{ metric() metrics.Metric })
		if !ok || asks.metric().Validate() == nil {
			continue
		}
		name := asks.metric().String()
		if _, measured := d.Shadow[name]; measured || slices.ContainsFunc(d.Checks, func(c Check) bool { return c.Metric == name }) {
			return Policy{}, fmt.Errorf("%q is a metric of the host: give its KindOfMetric", name)
		}
	}
	return policy, err
}

// same returns an error that says where d is not the other decision.
func (d Decision) same(other Decision) error {
	err := d.differs(other)
	if errors.Is(err, ErrDiffers) && d.near(other).differs(other) == nil {
		_, where, _ := strings.Cut(err.Error(), ErrDiffers.Error()+": ")
		return fmt.Errorf("%w: %s", ErrRounding, where)
	}
	return err
}

// near returns d with those numbers of the other decision that differ by no more than
// rounding explains.
func (d Decision) near(other Decision) Decision {
	d.Production, d.Shadow = nearMetrics(d.Production, other.Production), nearMetrics(d.Shadow, other.Shadow)
	if d.Basis != nil && other.Basis != nil {
		basis := *d.Basis
		basis.Facts = maps.Clone(basis.Facts)
		for name, f := range basis.Facts {
			if was := other.Basis.Facts[name]; len(was.Values) == len(f.Values) {
				f.Values = slices.Clone(f.Values)
				for i, v := range was.Values {
					f.Values[i] = near(f.Values[i], v, 0)
				}
				basis.Facts[name] = f
			}
		}
		d.Basis = &basis
	}
	if len(d.Checks) != len(other.Checks) {
		return d
	}
	d.Checks = slices.Clone(d.Checks)
	for i := range d.Checks {
		d.Checks[i] = d.Checks[i].near(other.Checks[i])
	}
	return d
}

func (c Check) near(other Check) Check {
	// The ends of an interval are of one scale, also the one that is about 0.
	scale := math.Abs(c.Statistic)
	if c.CI != nil && other.CI != nil {
		for _, end := range []float64{c.CI.Lo, c.CI.Hi} {
			if digits.IsFinite(end) {
				scale = max(scale, math.Abs(end))
			}
		}
		c.CI = &Interval{Lo: near(c.CI.Lo, other.CI.Lo, scale), Hi: near(c.CI.Hi, other.CI.Hi, scale), Level: c.CI.Level}
	}
	c.Statistic = near(c.Statistic, other.Statistic, scale)
	if len(c.Segments) != len(other.Segments) {
		return c
	}
	c.Segments = slices.Clone(c.Segments)
	for i := range c.Segments {
		s, was := &c.Segments[i], other.Segments[i]
		s.Production, s.Shadow, s.Drop = near(s.Production, was.Production, 0), near(s.Shadow, was.Shadow, 0), near(s.Drop, was.Drop, 0)
		s.PValue, s.Detectable = near(s.PValue, was.PValue, 0), near(s.Detectable, was.Detectable, 0)
	}
	return c
}

func nearMetrics(is, was map[string]float64) map[string]float64 {
	is = maps.Clone(is)
	for m, v := range is {
		if other, ok := was[m]; ok {
			is[m] = near(v, other, 0)
		}
	}
	return is
}

// near returns other, unless it differs from v by more than a millionth of them or of a
// larger scale.
func near(v, other, scale float64) float64 {
	if digits.IsFinite(v) && digits.IsFinite(other) && math.Abs(v-other) <= 1e-6*max(scale, math.Abs(v), math.Abs(other)) {
		return other
	}
	return v
}

// differs returns an error that says where d is not the other decision to the byte.
func (d Decision) differs(other Decision) error {
	a, err := json.Marshal(d)
	if err != nil {
		return err
	}
	b, err := json.Marshal(other)
	if err != nil {
		return err
	}
	was, err := members(b)
	if err != nil {
		return err
	}
	is, err := members(a)
	if err != nil {
		return err
	}
	stored := make(map[string]string, len(was))
	for _, m := range was {
		stored[m.name] = string(m.value)
	}
	for _, m := range is {
		if s := stored[m.name]; s != string(m.value) {
			return fmt.Errorf("%w: %s is %s, was %s", ErrDiffers, m.name, m.value, s)
		}
		delete(stored, m.name)
	}
	if rest := sortedKeys(stored); len(rest) > 0 {
		return fmt.Errorf("%w: %s is not there, was %s", ErrDiffers, rest[0], stored[rest[0]])
	}
	return nil
}
