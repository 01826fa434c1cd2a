package gate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// ErrInvalidEvidence is wrapped by the error of [Evidence.Validate].
var ErrInvalidEvidence = errors.New("gate: invalid evidence")

// Latency is how long a model took for one row.
type Latency struct {
	// Mean is the mean over all rows. P95 is the 95th percentile over the batches of the mean
	// time per row. A latency that was not measured is 0. In JSON both are nanoseconds.
	Mean time.Duration `json:"mean"`
	P95  time.Duration `json:"p95"`
}

func (l Latency) validate() error {
	if l.Mean < 0 || l.P95 < 0 {
		return fmt.Errorf("a mean of %s and 95 %% of %s, want 0 or more", l.Mean, l.P95)
	}
	return nil
}

// Evidence is everything that a decision rests on: the truth and both models' answers, on the
// same rows. [Replay] and [FromScores] make it, or a host fills it in. Valid evidence can be
// written as JSON and read back.
type Evidence struct {
	Target predictlog.Target `json:"target"`
	// FirstDeployment says that no model is in production yet, so that the shadow is judged
	// alone. Without FirstDeployment a missing Production is an error: a Production that got
	// lost must not switch to the rules of a first deployment.
	FirstDeployment bool `json:"first_deployment,omitempty"`
	// At is the time of the comparison, LastPromotion the time of the last promotion. Either
	// is zero if unknown. LastPromotion is also zero if no model was promoted.
	At            time.Time `json:"at,omitzero"`
	LastPromotion time.Time `json:"last_promotion,omitzero"`
	// Coverage counts the predictions of the period and the labelled ones among them.
	Coverage labels.Count `json:"coverage"`
	// IDs name the rows; no ID may repeat. Times are those of the predictions; empty if
	// unknown.
	IDs   []string        `json:"ids"`
	Times []time.Time     `json:"times,omitempty"`
	Truth metrics.Answers `json:"truth"`
	// Production holds the answers of the model in production, nil if and only if
	// FirstDeployment is set. Shadow holds the answers of the model that may replace it.
	Production *metrics.Answers `json:"production,omitempty"`
	Shadow     metrics.Answers  `json:"shadow"`
	// Segments holds, for each segmenting column, the value of each row.
	Segments map[string][]string `json:"segments,omitempty"`
	// ProductionLatency and ShadowLatency are how long the models took per row.
	ProductionLatency Latency `json:"production_latency,omitzero"`
	ShadowLatency     Latency `json:"shadow_latency,omitzero"`
	// TrainingRows is the number of rows that a model was trained on, which flatters it.
	TrainingRows int `json:"training_rows,omitempty"`
}

// N returns the number of rows.
func (e *Evidence) N() int { return len(e.IDs) }

// First reports whether there is no production model, as FirstDeployment does if e is valid.
func (e *Evidence) First() bool { return e.Production == nil }

// UnmarshalJSON reads evidence from JSON. A member that is unknown, missing or repeated is an
// error, and so is a null in a column. An error names the column and the row, and leaves e
// unchanged.
func (e *Evidence) UnmarshalJSON(data []byte) error {
	// Without their UnmarshalJSON the answers are read as a part of the evidence, so that an
	// error names whose answers they are.
	type (
		plain   Evidence
		answers metrics.Answers
	)
	var read struct {
		plain
		Truth      answers  `json:"truth"`
		Production *answers `json:"production,omitempty"`
		Shadow     answers  `json:"shadow"`
	}
	if err := wire.Unmarshal(data, &read); err != nil {
		return fmt.Errorf("gate: evidence: %w", err)
	}
	*e = Evidence(read.plain)
	e.Truth, e.Production, e.Shadow = metrics.Answers(read.Truth), (*metrics.Answers)(read.Production), metrics.Answers(read.Shadow)
	return nil
}

// Validate returns an error that wraps [ErrInvalidEvidence] and names everything that is
// malformed: a column that does not have one value for each ID, a NaN or infinity, a
// probability outside [0, 1], an unknown class, a repeated ID, a text that is not UTF-8, a
// negative latency, impossible counts, or a missing production model without FirstDeployment.
// Evidence without rows is valid.
func (e *Evidence) Validate() error {
	var errs []error
	add := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	if err := checkTarget(e.Target); err != nil {
		// Nothing else can be judged without the target.
		return fmt.Errorf("%w: target: %w", ErrInvalidEvidence, err)
	}
	n := e.N()
	add("ids", checkIDs(e.IDs))
	if len(e.Times) > 0 {
		add("times", checkTimes(e.Times, n))
	}
	add("truth", e.Truth.Validate(e.Target, n))
	switch {
	case e.Production == nil && !e.FirstDeployment:
		add("production", errors.New("missing: set FirstDeployment if no model is in production yet"))
	case e.Production != nil && e.FirstDeployment:
		add("production", errors.New("present, although FirstDeployment is set"))
	case e.Production != nil:
		add("production", e.Production.Validate(e.Target, n))
	}
	add("shadow", e.Shadow.Validate(e.Target, n))
	for _, name := range sortedKeys(e.Segments) {
		values := e.Segments[name]
		if isNotText(name) {
			add("segments", fmt.Errorf("the name %q is not UTF-8", name))
		}
		if len(values) != n {
			add("segments", fmt.Errorf("%q has %d values, want %d", name, len(values), n))
		}
		if i := slices.IndexFunc(values, isNotText); i >= 0 {
			add("segments", fmt.Errorf("%q of row %d is %q, which is not UTF-8", name, i, values[i]))
		}
	}
	if e.TrainingRows < 0 || e.TrainingRows > n {
		add("training rows", fmt.Errorf("%d, want 0 to the %d rows", e.TrainingRows, n))
	}
	if c := e.Coverage; c.Labelled < n || c.Misfits < 0 || c.Predictions < c.Labelled || c.Misfits > c.Predictions-c.Labelled {
		add("coverage", fmt.Errorf(
			"%d of %d predictions labelled and %d labels unusable, want at least the %d rows and at most all",
			c.Labelled, c.Predictions, c.Misfits, n))
	}
	add("production latency", e.ProductionLatency.validate())
	add("shadow latency", e.ShadowLatency.validate())
	add("at", checkTime(e.At))
	add("last promotion", checkTime(e.LastPromotion))
	if e.FirstDeployment && !e.LastPromotion.IsZero() {
		add("last promotion", errors.New("set, although FirstDeployment is: no model was promoted yet"))
	}
	if !e.LastPromotion.IsZero() && e.At.IsZero() {
		add("at", errors.New("not set, although the last promotion is: the time since then is unknown"))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalidEvidence, errors.Join(errs...))
}

func checkTimes(times []time.Time, n int) error {
	if len(times) != n {
		return fmt.Errorf("%d values, want %d", len(times), n)
	}
	if i := slices.IndexFunc(times, time.Time.IsZero); i >= 0 {
		return fmt.Errorf("row %d is %v, want a time", i, times[i])
	}
	return nil
}

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
	case slices.ContainsFunc(t.Classes, isNotText):
		return fmt.Errorf("the classes %q are not UTF-8", t.Classes)
	}
	return nil
}

// isNotText reports whether JSON would change the text.
func isNotText(s string) bool { return !utf8.ValidString(s) }

func checkIDs(ids []string) error {
	seen := make(map[string]struct{}, len(ids))
	for i, id := range ids {
		seen[id] = struct{}{}
		switch {
		case id == "":
			return fmt.Errorf("row %d has none", i)
		case isNotText(id):
			return fmt.Errorf("%q of row %d is not UTF-8", id, i)
		case len(seen) <= i:
			return fmt.Errorf("%q occurs twice", id)
		}
	}
	return nil
}

func instant(t time.Time) time.Time { return t.UTC().Round(0) }

func checkTime(t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("year %d, want 1 to 9999", y)
	}
	return nil
}

// sortedKeys returns the keys in order, so that results do not depend on map order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (e Evidence) valid() (Evidence, error) {
	if err := e.Validate(); err != nil {
		return Evidence{}, err
	}
	return e, nil
}
