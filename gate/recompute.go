package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Errors of [Recompute] and [RecomputeFrom].
var (
	// ErrNeedsRows means that a decision cannot be made again from what it stores, only
	// from its evidence: see [RecomputeFrom].
	ErrNeedsRows = errors.New("gate: needs the rows of the evidence")
	// ErrDiffers means that something else comes of it when a decision is made again:
	// the stored one was changed, or another version of this package made it.
	ErrDiffers = errors.New("gate: the recomputed decision differs")
)

// Recompute makes a decision again from what it stores: its rules and its basis. It
// returns the result, which has the same bytes as JSON unless the error is
// [ErrDiffers].
//
// The criteria of this package need nothing else; a host's own is an error. The error is
// [ErrNeedsRows] if no rules are stored because a criterion is not [Kinded], no tallies
// because there are too many, or if there are more than ten million rows.
//
// What was measured of single rows, such as Brier's score, is taken from the decision as
// it is: whether that is what the rows say, [RecomputeFrom] tells.
func Recompute(d Decision) (Decision, error) {
	if d.Rules == nil || d.Basis == nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w: the decision stores no rules or no basis", ErrNeedsRows)
	}
	policy, err := ParsePolicy(d.Rules)
	if err != nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w", err)
	}
	e, err := d.Basis.evidence(d)
	if err != nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w", err)
	}
	again := Decision{
		Policy: policy.Name, First: e.First(), At: d.At, N: e.N(), RowSet: d.RowSet, Evidence: d.Evidence, Prev: d.Prev,
	}
	again.decide(policy, e)
	if len(e.facts.missing) > 0 {
		return Decision{}, fmt.Errorf("gate: recompute: %w: %s", ErrNeedsRows, strings.Join(e.facts.missing, ", "))
	}
	return again, again.same(d)
}

// RecomputeFrom makes a decision again from its rules and the evidence it was made from,
// and returns the result, which has the same bytes as JSON unless the error is
// [ErrDiffers]. Criteria of the host's own are read as by [ParsePolicy]. Other evidence,
// or a decision that stores no rules, is an error.
func RecomputeFrom(d Decision, e Evidence, host ...Kinded) (Decision, error) {
	if hash := e.Hash(); hash != d.Evidence {
		return Decision{}, fmt.Errorf("gate: recompute: the evidence has the hash %q, want %q", hash, d.Evidence)
	}
	if d.Rules == nil {
		return Decision{}, errors.New("gate: recompute: the decision stores no rules")
	}
	policy, err := ParsePolicy(d.Rules, host...)
	if err != nil {
		return Decision{}, fmt.Errorf("gate: recompute: %w", err)
	}
	again := Evaluate(policy, e)
	again.Prev = d.Prev
	return again, again.same(d)
}

// same returns an error that says where d is not the other decision.
func (d Decision) same(other Decision) error {
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
