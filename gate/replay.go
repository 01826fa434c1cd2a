package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/gate/internal/answer"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Errors of [Replay] that callers branch on.
var (
	// ErrTrainingRows means that a model would be judged on rows that it was trained on. Use
	// [errors.As] with a [*TrainingRowsError] to learn which.
	ErrTrainingRows = errors.New("gate: rows inside a model's training window")
	// ErrOutput means that a model broke a promise of [Model]. Use [errors.As] with an
	// [*OutputError] to learn which model and row.
	ErrOutput = errors.New("gate: malformed output of a model")
)

// TrainingRowsError reports rows in a training window. It unwraps to [ErrTrainingRows].
type TrainingRowsError struct {
	Model   string // "production" or "shadow"
	Count   int    // the number of rows
	FirstID string // the ID of the first row
	Window  Window // the training window
}

func (e *TrainingRowsError) Error() string {
	return fmt.Sprintf("gate: replay: %d rows, the first of them %q, are inside the training window %s of the %s model", e.Count, e.FirstID, e.Window, e.Model)
}

// Unwrap returns [ErrTrainingRows].
func (e *TrainingRowsError) Unwrap() error { return ErrTrainingRows }

// OutputError reports a malformed answer of a model. It unwraps to [ErrOutput].
type OutputError struct {
	Model string // "production" or "shadow"
	ID    string // the ID of the row, empty for a whole batch
	What  string // what is wrong and what was expected
}

func (e *OutputError) Error() string {
	row := ""
	if e.ID != "" {
		row = fmt.Sprintf("row %q: ", e.ID)
	}
	return fmt.Sprintf("gate: replay: %s model: %s%s", e.Model, row, e.What)
}

// Unwrap returns [ErrOutput].
func (e *OutputError) Unwrap() error { return ErrOutput }

// Model answers rows. A host implements it to have its models compared. Package modeltest
// checks these promises.
type Model interface {
	// Predict returns one output for each row, in the order of the rows. Probabilities are
	// optional. If present, there is one for each class, and they sum up to 1 within 1e-5. The
	// outputs depend on the rows alone, not on which rows share a call. Predict does not
	// modify the rows, and may be called by several goroutines at once. A row that the model
	// cannot answer is an error of the whole call.
	Predict(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error)
}

// ModelFunc makes a function a [Model].
type ModelFunc func(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error)

// Predict calls f.
func (f ModelFunc) Predict(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
	return f(ctx, rows)
}

// Window is a span of time, From <= t < To. A zero From means no beginning, a zero To no end.
// The zero Window is unknown and contains nothing.
type Window struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// Contains reports whether t is inside.
func (w Window) Contains(t time.Time) bool {
	return w != Window{} && !t.Before(w.From) && (w.To.IsZero() || t.Before(w.To))
}

// String returns both ends in RFC 3339, such as "2025-01-01T00:00:00Z to now".
func (w Window) String() string {
	from, to := "the beginning", "the end"
	if !w.From.IsZero() {
		from = w.From.UTC().Format(time.RFC3339)
	}
	if !w.To.IsZero() {
		to = w.To.UTC().Format(time.RFC3339)
	}
	return from + " to " + to
}

const missingSegment = "(missing)"

// defaultBatchSize is worth an HTTP request, and small enough for a prompt answer.
const defaultBatchSize = 1000

// ReplayConfig tunes [Replay]. The zero ReplayConfig is valid.
type ReplayConfig struct {
	// FirstDeployment says that no model is in production yet. The production model must then
	// be nil, and must not be nil otherwise.
	FirstDeployment bool
	// BatchSize is the number of rows in one call of a model. Default 1000.
	BatchSize int
	// Segments names the categorical columns whose categories are judged one by one. A row
	// without a value belongs to the segment "(missing)". Invalid UTF-8 becomes U+FFFD.
	Segments []string
	// At is the time of the comparison, LastPromotion the time of the last promotion. Both go
	// into the evidence. At is required if LastPromotion is set.
	At, LastPromotion time.Time
	// ProductionTrained and ShadowTrained are the windows of the models' training rows. A zero
	// Window is unknown and not checked.
	ProductionTrained, ShadowTrained Window
	// AllowTrainingRows permits judging models on their training rows, which flatters the
	// models. The evidence records the number of these rows.
	AllowTrainingRows bool
}

// Replay asks both models for answers to the labelled rows of the data and returns the
// evidence. Examples without a label count for the coverage only. Without labelled examples
// the evidence has no rows.
//
// The models are called at the same time, each in its own goroutine and with its own copies of
// the rows, one batch after the other. No model is called if the arguments are malformed, an
// ID repeats, or rows are inside a model's training window ([*TrainingRowsError]). A model's
// error, an answer that breaks a promise of [Model] ([*OutputError]), and the end of ctx end
// the replay with an error. Replay waits for both models to return, also for a model that
// ignores ctx. A model that panics ends the program.
func Replay(ctx context.Context, production, shadow Model, data labels.Dataset, cfg ReplayConfig) (Evidence, error) {
	if err := cfg.validate(production, shadow, data.Schema); err != nil {
		return Evidence{}, fmt.Errorf("gate: replay: %w", err)
	}
	cfg.BatchSize = cmp.Or(cfg.BatchSize, defaultBatchSize)
	labelled := data.Labelled().Examples
	e, err := cfg.evidence(data, labelled)
	if err != nil {
		return Evidence{}, fmt.Errorf("gate: replay: %w", err)
	}
	if cfg.FirstDeployment {
		cfg.ProductionTrained = Window{}
	}
	if cfg.AllowTrainingRows {
		e.TrainingRows = len(trainedOn(labelled, cfg.ProductionTrained, cfg.ShadowTrained))
	} else if err := errors.Join(
		checkTraining(productionName, cfg.ProductionTrained, labelled),
		checkTraining(shadowName, cfg.ShadowTrained, labelled),
	); err != nil {
		return Evidence{}, err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var runs [2]modelRun
	models := []Model{production, shadow}
	var wg sync.WaitGroup
	for i, name := range []string{productionName, shadowName} {
		if models[i] == nil {
			continue
		}
		runs[i] = modelRun{name: name, model: models[i], target: e.Target}
		wg.Go(func() {
			if runs[i].err = runs[i].answer(ctx, labelled, cfg.BatchSize); runs[i].err != nil {
				cancel() // the other model need not go on
			}
		})
	}
	wg.Wait()
	if err := firstCause(runs[0].err, runs[1].err); err != nil {
		return Evidence{}, err
	}
	if production != nil {
		e.Production, e.ProductionLatency = &runs[0].answers, runs[0].latency()
	}
	e.Shadow, e.ShadowLatency = runs[1].answers, runs[1].latency()
	return e.valid()
}

// firstCause drops a cancellation that only echoes the other model's error.
func firstCause(a, b error) error {
	switch {
	case a != nil && b != nil && errors.Is(a, context.Canceled):
		return b
	case a != nil && b != nil && errors.Is(b, context.Canceled):
		return a
	}
	return errors.Join(a, b)
}

func (cfg ReplayConfig) validate(production, shadow Model, schema *predictlog.Schema) error {
	var f fields
	f.want(production != nil || cfg.FirstDeployment, "the production model", "nil", "a model, or FirstDeployment set")
	f.want(production == nil || !cfg.FirstDeployment, "the production model", "not nil", "nil because FirstDeployment is set")
	f.want(shadow != nil, "the shadow model", "nil", "a model")
	f.want(schema != nil, "the dataset's schema", "nil", "a schema")
	f.want(cfg.BatchSize >= 0, "BatchSize", cfg.BatchSize, "0 or more")
	f.want(cfg.LastPromotion.IsZero() || !cfg.At.IsZero(), "At", "not set", "a time because LastPromotion is set")
	f.want(cfg.LastPromotion.IsZero() || !cfg.FirstDeployment, "LastPromotion", cfg.LastPromotion, "not set because FirstDeployment is set")
	if schema != nil {
		for i, name := range cfg.Segments {
			column, ok := schema.Index(name)
			f.want(ok && schema.Column(column).Kind == predictlog.Categorical, fmt.Sprintf("Segments[%d]", i), strconv.Quote(name), "a categorical column")
		}
	}
	return f.err()
}

// evidence returns the evidence without the models' answers.
func (cfg ReplayConfig) evidence(data labels.Dataset, labelled []labels.Example) (Evidence, error) {
	e := Evidence{
		Target:          data.Schema.Target(),
		FirstDeployment: cfg.FirstDeployment,
		At:              cfg.At,
		LastPromotion:   cfg.LastPromotion,
		Coverage:        countLabels(data),
		IDs:             make([]string, len(labelled)),
		Times:           make([]time.Time, len(labelled)),
		Segments:        make(map[string][]string, len(cfg.Segments)),
	}
	for i, x := range labelled {
		e.IDs[i], e.Times[i] = x.Record.ID, x.Record.Time
		if x.Record.Time.IsZero() {
			return Evidence{}, fmt.Errorf("row %q has no time", x.Record.ID)
		}
		if have, want := len(x.Record.Row), data.Schema.Len(); have != want {
			return Evidence{}, fmt.Errorf("row %q has %d values, want %d", x.Record.ID, have, want)
		}
		if e.Target.Task == predictlog.Regression {
			e.Truth.Value = append(e.Truth.Value, x.Label.Value)
			continue
		}
		class := slices.Index(e.Target.Classes, x.Label.Class)
		if class < 0 {
			return Evidence{}, fmt.Errorf("label of row %q is class %q, want one of %q", x.Record.ID, x.Label.Class, e.Target.Classes)
		}
		e.Truth.Class = append(e.Truth.Class, class)
	}
	if err := checkIDs(e.IDs); err != nil {
		return Evidence{}, fmt.Errorf("IDs: %w", err)
	}
	for _, name := range cfg.Segments {
		column, _ := data.Schema.Index(name)
		values := make([]string, len(labelled))
		for i, x := range labelled {
			category, ok := x.Record.Row[column].Category()
			if !ok {
				category = missingSegment
			}
			values[i] = validText(category)
		}
		e.Segments[name] = values
	}
	return e, nil
}

func countLabels(data labels.Dataset) labels.Count {
	c := labels.Count{Predictions: len(data.Examples)}
	for _, x := range data.Examples {
		switch {
		case x.Labelled:
			c.Labelled++
		case x.Misfit != nil:
			c.Misfits++
		}
	}
	return c
}

// checkTraining returns an error if examples are inside a model's training window.
func checkTraining(model string, trained Window, examples []labels.Example) error {
	inside := trainedOn(examples, trained)
	if len(inside) == 0 {
		return nil
	}
	return &TrainingRowsError{Model: model, Count: len(inside), FirstID: inside[0].Record.ID, Window: trained}
}

func trainedOn(examples []labels.Example, trained ...Window) (inside []labels.Example) {
	for _, x := range examples {
		if slices.ContainsFunc(trained, func(w Window) bool { return w.Contains(x.Record.Time) }) {
			inside = append(inside, x)
		}
	}
	return inside
}

// modelRun is one model's part of a replay. It belongs to one goroutine.
type modelRun struct {
	name    string
	model   Model
	target  predictlog.Target
	answers metrics.Answers
	perRow  []time.Duration // one duration for each batch
	total   time.Duration
	err     error
}

func (r *modelRun) answer(ctx context.Context, examples []labels.Example, batchSize int) error {
	for batch := range slices.Chunk(examples, batchSize) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("gate: replay: %s model: %w", r.name, err)
		}
		rows := make([]predictlog.Row, len(batch))
		for i, x := range batch {
			rows[i] = slices.Clone(x.Record.Row)
		}
		start := time.Now()
		outputs, err := r.model.Predict(ctx, rows)
		took := time.Since(start)
		if err != nil {
			return fmt.Errorf("gate: replay: %s model: batch of %d rows from %q: %w", r.name, len(batch), batch[0].Record.ID, err)
		}
		if len(outputs) != len(batch) {
			return &OutputError{r.name, "", fmt.Sprintf("%d outputs for the batch of %d rows from %q", len(outputs), len(batch), batch[0].Record.ID)}
		}
		for i, o := range outputs {
			if what := r.add(o); what != "" {
				return &OutputError{r.name, batch[i].Record.ID, what}
			}
		}
		r.total += took
		r.perRow = append(r.perRow, took/time.Duration(len(batch)))
	}
	return nil
}

func (r *modelRun) add(o predictlog.Output) (what string) {
	if what := answer.Problem(o, r.target); what != "" {
		return what
	}
	if r.target.Task == predictlog.Regression {
		r.answers.Value = append(r.answers.Value, o.Value)
		return ""
	}
	if len(r.answers.Class) == 0 && o.Probabilities != nil {
		r.answers.Probability = make([][]float64, len(o.Probabilities))
	}
	if len(r.answers.Probability) != len(o.Probabilities) {
		return "gives probabilities for some rows only, want all or none"
	}
	r.answers.Class = append(r.answers.Class, slices.Index(r.target.Classes, o.Class))
	for k, p := range o.Probabilities {
		r.answers.Probability[k] = append(r.answers.Probability[k], p)
	}
	return ""
}

func (r *modelRun) latency() Latency {
	if len(r.perRow) == 0 {
		return Latency{}
	}
	slices.Sort(r.perRow)
	return Latency{
		Mean: r.total / time.Duration(r.answers.N()),
		P95:  r.perRow[(len(r.perRow)*95+99)/100-1], // nearest rank
	}
}
