package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Outcome is what a [Decision] says. The zero Outcome is Inconclusive.
type Outcome uint8

// The outcomes.
const (
	// Inconclusive means that the evidence does not decide: hold what is in production.
	Inconclusive Outcome = iota
	// Promote means that every criterion passed.
	Promote
	// Reject means that at least one criterion failed on sufficient evidence.
	Reject
)

var outcomeNames = names{Inconclusive: "inconclusive", Promote: "promote", Reject: "reject"}

// String returns "inconclusive", "promote" or "reject".
func (o Outcome) String() string { return outcomeNames.name("Outcome", uint8(o)) }

// MarshalText returns what String does; an unknown outcome is an error.
func (o Outcome) MarshalText() ([]byte, error) { return outcomeNames.marshal("outcome", uint8(o)) }

// UnmarshalText reads what [Outcome.MarshalText] wrote.
func (o *Outcome) UnmarshalText(text []byte) error {
	i, err := outcomeNames.unmarshal("outcome", text)
	*o = Outcome(i)
	return err
}

// Decision is the outcome of [Evaluate] and all that explains it. The zero Decision does
// not promote. Its JSON is the same to the byte for equal decisions.
type Decision struct {
	Outcome Outcome
	// Policy is the name of the policy, First whether it was applied as to a first
	// deployment, which has no production model to compare with.
	Policy string
	First  bool
	// At is the time of the evaluation in UTC, as given in the evidence.
	At time.Time
	// N is the number of rows, RowSet the SHA-256 over their IDs, in hexadecimal.
	N      int
	RowSet string
	// Production and Shadow hold every metric that could be measured; Production is nil
	// for a first deployment.
	Production, Shadow map[Metric]float64
	// Checks are the results of all criteria, in the policy's order.
	Checks []Check
}

// Passed returns the number of checks that passed.
func (d Decision) Passed() int {
	n := 0
	for _, c := range d.Checks {
		if c.Verdict == Pass {
			n++
		}
	}
	return n
}

// Reasons returns the sentences of the checks that did not pass, in their order; nil if
// all passed.
func (d Decision) Reasons() []string {
	var reasons []string
	for _, c := range d.Checks {
		if c.Verdict != Pass {
			reasons = append(reasons, cmp.Or(c.Reason, c.Criterion+": "+c.Verdict.String()))
		}
	}
	return reasons
}

// String returns one line, such as
//
//	promote: F1 0.710 -> 0.742 (90 % CI +0.011..+0.053), 6 of 6 checks passed
//
// It names the checks that did not pass. The interval is that of the difference, if a
// check has one.
func (d Decision) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", d.Outcome)
	if change := d.change(); change != "" {
		b.WriteString(change + ", ")
	}
	fmt.Fprintf(&b, "%d of %d checks passed", d.Passed(), len(d.Checks))
	separator := "; "
	for _, c := range d.Checks {
		if c.Verdict != Pass {
			fmt.Fprintf(&b, "%s%s: %s", separator, c.Criterion, c.Verdict)
			separator = ", "
		}
	}
	return b.String()
}

// change returns the primary metric before and after, "" if it was not measured.
func (d Decision) change() string {
	primary := F1
	if _, ok := d.Shadow[RMSE]; ok {
		primary = RMSE
	}
	after, ok := d.Shadow[primary]
	if !ok {
		return ""
	}
	before, ok := d.Production[primary]
	if !ok {
		return primary.Title() + " " + primary.format(after)
	}
	s := fmt.Sprintf("%s %s -> %s", primary.Title(), primary.format(before), primary.format(after))
	i := slices.IndexFunc(d.Checks, func(c Check) bool { return c.Metric == primary && c.CI != nil })
	if i >= 0 {
		ci := d.Checks[i].CI
		s += fmt.Sprintf(" (%.0f %% CI %s..%s)", 100*ci.Level, primary.signed(ci.Lo), primary.signed(ci.Hi))
	}
	return s
}

// Hash returns the SHA-256, in hexadecimal, of the decision's JSON. It fails only where
// the JSON cannot be written: an unknown outcome or verdict, a year beyond 9999.
func (d Decision) Hash() (string, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// schemaVersion is raised when the JSON of a Decision changes in a way that readers must
// know of.
const schemaVersion = 1

// decisionJSON is the wire form of a Decision.
type decisionJSON struct {
	SchemaVersion int               `json:"schema_version"`
	Outcome       Outcome           `json:"outcome"`
	Policy        string            `json:"policy"`
	First         bool              `json:"first"`
	At            time.Time         `json:"at,omitzero"`
	N             int               `json:"n"`
	RowSet        string            `json:"row_set"`
	Production    map[Metric]number `json:"production,omitempty"`
	Shadow        map[Metric]number `json:"shadow,omitempty"`
	Checks        []Check           `json:"checks"`
}

// MarshalJSON writes the decision in strict JSON: a number that is not finite becomes
// null.
func (d Decision) MarshalJSON() ([]byte, error) {
	return json.Marshal(decisionJSON{
		SchemaVersion: schemaVersion,
		Outcome:       d.Outcome,
		Policy:        d.Policy,
		First:         d.First,
		At:            d.At.UTC(),
		N:             d.N,
		RowSet:        d.RowSet,
		Production:    convert[number](d.Production),
		Shadow:        convert[number](d.Shadow),
		Checks:        d.Checks,
	})
}

// UnmarshalJSON reads what [Decision.MarshalJSON] wrote. An unknown field, outcome,
// verdict or schema version is an error, and leaves d as it was.
func (d *Decision) UnmarshalJSON(data []byte) error {
	var wire decisionJSON
	if err := unmarshalStrict(data, &wire); err != nil {
		return fmt.Errorf("gate: decision: %w", err)
	}
	if wire.SchemaVersion != schemaVersion {
		return fmt.Errorf("gate: decision: schema version %d, want %d", wire.SchemaVersion, schemaVersion)
	}
	*d = Decision{
		Outcome:    wire.Outcome,
		Policy:     wire.Policy,
		First:      wire.First,
		At:         wire.At.UTC(),
		N:          wire.N,
		RowSet:     wire.RowSet,
		Production: convert[float64](wire.Production),
		Shadow:     convert[float64](wire.Shadow),
		Checks:     wire.Checks,
	}
	return nil
}

func convert[To, From ~float64](m map[Metric]From) map[Metric]To {
	if len(m) == 0 {
		return nil
	}
	converted := make(map[Metric]To, len(m))
	for k, v := range maps.All(m) {
		converted[k] = To(v)
	}
	return converted
}
