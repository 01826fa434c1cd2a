package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Outcome is what a [Decision] says. The zero Outcome is Inconclusive.
type Outcome uint8

// The outcomes.
const (
	// Inconclusive means that the evidence does not decide: keep the model in production.
	Inconclusive Outcome = iota
	// Promote means that every criterion passed.
	Promote
	// Reject means that at least one criterion failed on sufficient evidence.
	Reject
)

var outcomeNames = wire.Names{Inconclusive: "inconclusive", Promote: "promote", Reject: "reject"}

// String returns "inconclusive", "promote" or "reject".
func (o Outcome) String() string { return outcomeNames.Name("Outcome", uint8(o)) }

// MarshalText returns what String does; an unknown outcome is an error.
func (o Outcome) MarshalText() ([]byte, error) { return outcomeNames.Marshal("outcome", uint8(o)) }

// UnmarshalText reads what [Outcome.MarshalText] wrote.
func (o *Outcome) UnmarshalText(text []byte) error {
	i, err := outcomeNames.Unmarshal("outcome", text)
	*o = Outcome(i)
	return err
}

// outcomeOf turns the verdicts into a decision. No other code does.
func outcomeOf(checks []Check) Outcome {
	var passed, failed, open, insufficient bool
	for _, c := range checks {
		switch {
		case c.Verdict == Pass && !math.IsNaN(c.Statistic):
			passed = true
		case c.Verdict == Skipped:
		case c.Precondition:
			insufficient = true
		case c.Verdict == Fail:
			failed = true
		default:
			open = true
		}
	}
	switch {
	case insufficient:
		return Inconclusive
	case failed:
		return Reject
	case passed && !open:
		return Promote
	}
	return Inconclusive
}

// Decision is the outcome of [Evaluate] with its reasons. The zero Decision does not promote.
// Equal decisions have the same JSON to the byte.
//
// Metrics are rounded to twelve digits, p-values to eight, and intervals outwards to eight,
// before anything is decided from them. The stored numbers are the numbers that decided.
type Decision struct {
	Outcome Outcome `json:"outcome"`
	// Policy is the name of the policy. First marks a first deployment, which has no
	// production model to compare with.
	Policy string `json:"policy"`
	First  bool   `json:"first"`
	// At is the time of the evidence, in UTC.
	At time.Time `json:"at,omitzero"`
	// N is the number of rows. RowSet is [Evidence.RowSet] and Evidence [Evidence.Hash].
	N        int    `json:"n"`
	RowSet   string `json:"row_set"`
	Evidence string `json:"evidence,omitempty"`
	// Production and Shadow hold by name every metric of package metrics that could be
	// measured, and every host's metric that a criterion of this package uses. Production is
	// nil for a first deployment.
	Production map[string]float64 `json:"production,omitempty" wire:"null"`
	Shadow     map[string]float64 `json:"shadow,omitempty" wire:"null"`
	// Checks are the results of all criteria, in the policy's order.
	Checks []Check `json:"checks"`
	// Rules is the policy in JSON, see [ParsePolicy]; nil if JSON cannot hold the policy.
	// Basis is the summary of the evidence; nil if the evidence was malformed. See
	// [Recompute].
	Rules json.RawMessage `json:"rules,omitempty"`
	Basis *Basis          `json:"basis,omitempty"`
	// Prev is the hash of the decision before, see package audit; empty outside a chain.
	Prev string `json:"prev,omitempty"`
}

// Passed returns the number of checks that passed.
func (d Decision) Passed() int { return d.with(Pass) }

func (d Decision) with(v Verdict) int {
	n := 0
	for _, c := range d.Checks {
		if c.Verdict == v {
			n++
		}
	}
	return n
}

// Reasons returns the sentences of the checks that neither passed nor were skipped, in the
// policy's order; nil if there are none.
func (d Decision) Reasons() []string {
	var reasons []string
	for _, c := range d.Checks {
		if c.stands() {
			reasons = append(reasons, cmp.Or(c.Reason, c.Criterion+": "+c.Verdict.String()))
		}
	}
	return reasons
}

// String returns one line, such as
//
//	promote: F1 0.710 -> 0.742 (90 % CI of the gain +0.011..+0.053), 6 of 6 checks passed
//
// The line names the checks that did not pass, and counts the skipped checks apart. It shows
// the interval of the gain if a check has one. A positive gain is better, whatever the
// metric's direction.
func (d Decision) String() string {
	line, separator := d.tally(), "; "
	if change := d.change(); change != "" {
		line = change + ", " + line
	}
	for _, c := range d.Checks {
		if c.stands() {
			line += fmt.Sprintf("%s%s: %s", separator, c.Criterion, c.Verdict)
			separator = ", "
		}
	}
	return fmt.Sprintf("%s: %s", d.Outcome, line)
}

// tally says how many checks passed, such as "6 of 6 checks passed, 1 skipped".
func (d Decision) tally() string {
	skipped := d.with(Skipped)
	tally := fmt.Sprintf("%d of %d checks passed", d.Passed(), len(d.Checks)-skipped)
	if skipped > 0 {
		tally += fmt.Sprintf(", %d skipped", skipped)
	}
	return tally
}

// change returns the primary metric before and after, "" if it was not measured.
func (d Decision) change() string {
	primary := metric{metrics.F1}
	if _, ok := d.Shadow[metrics.RMSE.String()]; ok {
		primary = metric{metrics.RMSE}
	}
	name := primary.String()
	after, ok := d.Shadow[name]
	if !ok {
		return ""
	}
	before, ok := d.Production[name]
	if !ok {
		return primary.Title() + " " + primary.format(after)
	}
	more := primary.tellBoth(before, after)
	i := slices.IndexFunc(d.Checks, func(c Check) bool { return c.Metric == name && c.Unit == UnitGain && c.CI != nil })
	interval := ""
	if i >= 0 {
		ci := d.Checks[i].CI
		more = max(more, primary.tell(0, ci.Lo, ci.Hi))
		interval = fmt.Sprintf(" (%.4g %% CI of the gain %s..%s)", 100*ci.Level, primary.difference(ci.Lo, more), primary.difference(ci.Hi, more))
	}
	return fmt.Sprintf("%s %s -> %s%s", primary.Title(), primary.write(before, more), primary.write(after, more), interval)
}

// Hash returns the SHA-256, in hexadecimal, of the decision's JSON. It is an error if the JSON
// cannot be written, as with an unknown outcome or verdict or a year beyond 9999.
func (d Decision) Hash() (string, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(data)), nil
}

// schemaVersion is raised when the JSON of a Decision changes its meaning for readers.
const schemaVersion = 1

// MarshalJSON writes the decision. A number that is not finite becomes null. A decision that
// says [Promote] although its checks do not is an error.
func (d Decision) MarshalJSON() ([]byte, error) {
	if err := d.checkOutcome(); err != nil {
		return nil, err
	}
	d.At = d.At.UTC()
	return wire.MarshalStruct(d, schemaVersion)
}

// checkOutcome rejects a promotion that does not follow from the checks. Holding back is safe.
func (d Decision) checkOutcome() error {
	if follows := outcomeOf(d.Checks); d.Outcome == Promote && follows != Promote {
		return fmt.Errorf("gate: decision: the outcome is %q, but %q follows from the checks", d.Outcome, follows)
	}
	return nil
}

// UnmarshalJSON reads what [Decision.MarshalJSON] wrote. At any depth it is an error if a
// field is unknown, repeated, missing although MarshalJSON always writes it, or null although
// MarshalJSON never writes null there. An unknown outcome, verdict or schema version is an
// error, and so is a promotion that does not follow from the checks. An error leaves d
// unchanged.
func (d *Decision) UnmarshalJSON(data []byte) error {
	var read Decision
	if err := wire.UnmarshalStruct(data, &read, schemaVersion); err != nil {
		return fmt.Errorf("gate: decision: %w", err)
	}
	read.At = read.At.UTC()
	if err := read.checkOutcome(); err != nil {
		return err
	}
	*d = read
	return nil
}
