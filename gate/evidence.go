package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// ErrInvalidEvidence is what the error of [Evidence.Validate] wraps.
var ErrInvalidEvidence = errors.New("gate: invalid evidence")

// Latency is how long a model took for one row.
type Latency struct {
	// Mean is over all rows, P95 over the batches' means: 95 % of the batches took no
	// longer per row. Both are 0 if nothing was measured; in JSON they are nanoseconds.
	Mean time.Duration `json:"mean"`
	P95  time.Duration `json:"p95"`
}

// Evidence is all that a decision rests on: what was true and what both models answered,
// on identical rows. [Replay] and [FromScores] make it; a host may fill it by itself.
// Valid evidence can be written as JSON and read back; a NaN cannot.
type Evidence struct {
	Target predictlog.Target `json:"target"`
	// At is when the comparison was made, LastPromotion when a model was last promoted;
	// zero if that never happened.
	At            time.Time `json:"at,omitzero"`
	LastPromotion time.Time `json:"last_promotion,omitzero"`
	// Coverage counts the predictions of the period and how many of them have a label.
	Coverage labels.Count `json:"coverage"`
	// IDs name the rows, each once. Times are when they were predicted; nil if unknown.
	IDs   []string    `json:"ids"`
	Times []time.Time `json:"times,omitempty"`
	// Truth is what was true of each row.
	Truth Answers `json:"truth"`
	// Production holds the answers of the model in production, nil if there is none yet:
	// a first deployment. Shadow holds those of the model that might replace it.
	Production *Answers `json:"production,omitempty"`
	Shadow     Answers  `json:"shadow"`
	// Segments holds, for each segmenting column, the value of each row.
	Segments map[string][]string `json:"segments,omitempty"`
	// ProductionLatency and ShadowLatency are how long the models took per row.
	ProductionLatency Latency `json:"production_latency,omitzero"`
	ShadowLatency     Latency `json:"shadow_latency,omitzero"`
}

// N returns the number of rows.
func (e *Evidence) N() int { return len(e.IDs) }

// First reports whether there is no production model to compare with.
func (e *Evidence) First() bool { return e.Production == nil }

// RowSet returns the SHA-256, in hexadecimal, over the IDs in their order: two pieces of
// evidence with the same RowSet are about the same rows.
func (e *Evidence) RowSet() string {
	h := sha256.New()
	var line []byte
	for _, id := range e.IDs {
		// The length keeps apart what concatenation would merge.
		line = strconv.AppendInt(line[:0], int64(len(id)), 10)
		line = append(line, ':')
		line = append(line, id...)
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Validate returns an error that wraps [ErrInvalidEvidence] and names everything that is
// malformed: columns that have not one value for each ID, a NaN or infinity, a
// probability outside [0, 1], a class that the target does not have, an ID that occurs
// twice, counts that cannot be. No rows at all are valid: there is just nothing to
// decide from.
func (e *Evidence) Validate() error {
	var errs []error
	add := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	if err := checkTarget(e.Target); err != nil {
		// Nothing else can be judged without knowing what the models answer.
		return fmt.Errorf("%w: target: %w", ErrInvalidEvidence, err)
	}
	n := e.N()
	add("ids", checkIDs(e.IDs))
	if e.Times != nil {
		add("times", checkColumn("Times", e.Times, n, func(t time.Time) bool { return !t.IsZero() }, "a time"))
	}
	add("truth", e.Truth.validate(e.Target, n))
	if e.Production != nil {
		add("production", e.Production.validate(e.Target, n))
	}
	add("shadow", e.Shadow.validate(e.Target, n))
	for _, name := range sortedKeys(e.Segments) {
		if have := len(e.Segments[name]); have != n {
			add("segments", fmt.Errorf("%q has %d values, want %d", name, have, n))
		}
	}
	if c := e.Coverage; c.Labelled < n || c.Predictions < c.Labelled {
		add("coverage", fmt.Errorf("%d of %d predictions labelled, want at least the %d rows and at most all", c.Labelled, c.Predictions, n))
	}
	add("at", checkTime(e.At))
	add("last promotion", checkTime(e.LastPromotion))
	if !e.LastPromotion.IsZero() && e.At.IsZero() {
		add("at", errors.New("not set, although the last promotion is: the time since then is unknown"))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalidEvidence, errors.Join(errs...))
}

// checkTarget returns an error unless the number of classes fits the task.
func checkTarget(t predictlog.Target) error {
	n := len(t.Classes)
	switch {
	case t.Task == predictlog.Binary && n != 0 && n != 2:
		return fmt.Errorf("binary with the classes %q, want two", t.Classes)
	case t.Task == predictlog.Multiclass && n < 3:
		return fmt.Errorf("multiclass with the classes %q, want three or more", t.Classes)
	case t.Task == predictlog.Regression && n != 0:
		return fmt.Errorf("regression with the classes %q, want none", t.Classes)
	case t.Task > predictlog.Regression:
		return fmt.Errorf("unknown task %d", t.Task)
	}
	return nil
}

// checkIDs returns an error if an ID is empty or occurs twice.
func checkIDs(ids []string) error {
	seen := make(map[string]struct{}, len(ids))
	for i, id := range ids {
		if id == "" {
			return fmt.Errorf("row %d has none", i)
		}
		if _, twice := seen[id]; twice {
			return fmt.Errorf("%q occurs twice", id)
		}
		seen[id] = struct{}{}
	}
	return nil
}

// checkTime returns an error for a time that JSON cannot hold.
func checkTime(t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("year %d, want 1 to 9999", y)
	}
	return nil
}

// sortedKeys returns the keys in order, so that results do not depend on map order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// FromScores makes evidence of a binary target from columns that a job already has: the
// truth, 0 or 1, and each model's probability of 1. A probability of 0.5 or more answers
// 1. A nil production means that there is no production model yet. The rows are named
// "0", "1", ...; coverage counts every row as labelled, because nothing is known of
// others. Set At, LastPromotion, Coverage and Segments on the result where they matter.
// The error wraps [ErrInvalidEvidence] and names everything that is malformed.
func FromScores(truth, production, shadow []float64) (Evidence, error) {
	n := len(truth)
	e := Evidence{
		Target:   predictlog.Target{Task: predictlog.Binary, Classes: []string{"0", "1"}},
		Coverage: labels.Count{Predictions: n, Labelled: n},
		IDs:      make([]string, n),
		Truth:    Answers{Class: make([]int, n)},
		Shadow:   fromScores(shadow),
	}
	for i, y := range truth {
		e.IDs[i] = strconv.Itoa(i)
		switch y {
		case 0, 1:
			e.Truth.Class[i] = int(y)
		default:
			return Evidence{}, fmt.Errorf("%w: truth: row %d is %v, want 0 or 1", ErrInvalidEvidence, i, y)
		}
	}
	if production != nil {
		answers := fromScores(production)
		e.Production = &answers
	}
	if err := e.Validate(); err != nil {
		return Evidence{}, err
	}
	return e, nil
}

func fromScores(score []float64) Answers {
	a := Answers{Class: make([]int, len(score)), Probability: [][]float64{make([]float64, len(score)), slices.Clone(score)}}
	for i, p := range score {
		a.Probability[0][i] = 1 - p
		if p >= 0.5 {
			a.Class[i] = 1
		}
	}
	return a
}
