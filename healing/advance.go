package healing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// ReferenceDocument is the name of the document that holds a version's reference: the
// JSON of a [drift.Reference]. A host that registers a version by itself may add one.
const ReferenceDocument = "reference.json"

// Names of the tags under which a run keeps what it knows with a version.
const (
	tagRun         = "selfheal.run"
	tagDataset     = "selfheal.dataset"
	tagTrainedRows = "selfheal.trained.rows"
	tagTrainedFrom = "selfheal.trained.from"
	tagTrainedTo   = "selfheal.trained.to"
	tagSeed        = "selfheal.seed"
)

// advance does the step that follows and returns the run after it. A step either
// returns the run as it is, to wait, or a run with a later step, which is recorded here
// and only here. What it does outside the journal carries a key made of the run's ID, so
// that doing it again, after a crash before the record, changes nothing.
func (l *Loop) advance(ctx context.Context, run Run, now time.Time) (Run, error) {
	steps := map[Step]func(context.Context, Run, time.Time) (Run, error){
		StepTriggered:   l.checkConditions,
		StepConditions:  l.train,
		StepTrained:     l.judge,
		StepJudged:      l.conclude,
		StepPromoting:   l.promote,
		StepWatching:    l.watch,
		StepRollingBack: l.rollBack,
	}
	switch {
	case run.Step != StepTriggered: // every run goes on the same way
	case run.Order.Trigger == TriggerOverride:
		steps[StepTriggered] = l.prepareOverride
	case run.Order.Trigger == TriggerRecall:
		steps[StepTriggered] = l.prepareRecall
	}
	step, ok := steps[run.Step]
	if !ok {
		return run, fmt.Errorf("healing: %s: unknown step %q: written by a newer version?", run.ID, run.Step)
	}
	next, err := step(ctx, run, now)
	if err != nil {
		err = fmt.Errorf("healing: %s: after step %q: %w", run.ID, run.Step, err)
		if ctx.Err() != nil || !l.mayGiveUp(run, now) {
			return run, err
		}
		next = run.after(StepAborted, now, fmt.Sprintf("gave up after %s: %v", spell(l.cfg.GiveUp), err))
	}
	if next.Step == run.Step {
		return run, nil
	}
	return next, l.recordStep(ctx, run, next)
}

// mayGiveUp reports whether a failing run may be ended. A promotion or a rollback that
// has begun is always finished.
func (l *Loop) mayGiveUp(run Run, now time.Time) bool {
	switch run.Step {
	case StepPromoting, StepWatching, StepRollingBack:
		return false
	}
	return now.Sub(run.Started) >= l.cfg.GiveUp
}

// windows returns the time spans that a run started at this time trains and judges on.
func (c TrainConfig) windows(started time.Time) *Windows {
	w := &Windows{}
	w.Evaluation.To = started.Add(-c.Maturity)
	w.Evaluation.From = w.Evaluation.To.Add(-c.Evaluation)
	w.Training.To = w.Evaluation.From.Add(-c.Gap)
	w.Training.From = w.Training.To.Add(-c.Training)
	return w
}

// both returns the time from the first training row to the last evaluation row.
func (w *Windows) both() predictlog.Query {
	return predictlog.Query{From: w.Training.From, To: w.Evaluation.To}
}

// checkConditions fixes the windows and looks whether there are enough labels in them.
func (l *Loop) checkConditions(ctx context.Context, run Run, now time.Time) (Run, error) {
	run.Windows = l.cfg.Train.windows(run.Started)
	coverage, err := labels.Cover(labels.Join(ctx, l.parts.Predictions, l.parts.Labels, run.Windows.both()))
	if err != nil {
		return run, err
	}
	wanted := &Labelling{Coverage: coverage, MinLabelled: l.cfg.Train.MinLabelled, MinCoverage: l.cfg.Train.MinCoverage}
	run.Labelling = wanted
	found := fmt.Sprintf("%d of %d predictions labelled (%.0f %%)", coverage.Labelled, coverage.Predictions, 100*coverage.Share())
	if coverage.Misfits > 0 {
		found += fmt.Sprintf(", %d with a label that does not fit the schema", coverage.Misfits)
	}
	switch {
	case coverage.Labelled < wanted.MinLabelled:
		return run.after(StepSkipped, now, fmt.Sprintf("%s, at least %d wanted", found, wanted.MinLabelled)), nil
	case coverage.Share() < wanted.MinCoverage:
		return run.after(StepSkipped, now, fmt.Sprintf("%s, at least %.0f %% wanted", found, 100*wanted.MinCoverage)), nil
	}
	return run.after(StepConditions, now, found), nil
}

// train makes the shadow and registers it, unless the run registered one before.
func (l *Loop) train(ctx context.Context, run Run, now time.Time) (Run, error) {
	v, err := registry.Find(ctx, l.parts.Registry, run.ID)
	if errors.Is(err, registry.ErrNotFound) {
		v, err = l.trainAndRegister(ctx, run, now)
	}
	var ending *endError
	if errors.As(err, &ending) {
		return run.after(ending.step, now, ending.Error()), nil
	}
	if err != nil {
		return run, err
	}
	run.Version, run.Dataset = v.ID, v.Tags[tagDataset]
	return run.after(StepTrained, now, fmt.Sprintf("version %s on %s rows", v.ID, v.Tags[tagTrainedRows])), nil
}

// endError ends a run: trying again would not help.
type endError struct {
	step Step
	err  error
}

func (e *endError) Error() string { return e.err.Error() }

func (l *Loop) trainAndRegister(ctx context.Context, run Run, now time.Time) (_ registry.Version, err error) {
	data, err := labels.Collect(ctx, l.parts.Predictions, l.parts.Labels, run.Windows.both())
	if err != nil {
		return registry.Version{}, err
	}
	training := data.Between(run.Windows.Training.From, run.Windows.Training.To).Labelled()
	fingerprint := training.Fingerprint()
	if err := l.checkTraining(training, fingerprint); err != nil {
		return registry.Version{}, &endError{StepSkipped, err}
	}
	reference, err := referenceOf(data)
	if err != nil {
		return registry.Version{}, &endError{StepAborted, fmt.Errorf("the rows make no reference: %w", err)}
	}
	timed, cancel := context.WithTimeout(ctx, l.cfg.Train.Timeout)
	defer cancel()
	trained, err := l.parts.Trainer.Train(timed, TrainRequest{Run: run.ID, Data: training, Seed: l.cfg.Seed})
	if closer, ok := trained.Artifact.(io.Closer); ok {
		defer func() { err = errors.Join(err, closer.Close()) }()
	}
	if ctx.Err() != nil {
		return registry.Version{}, ctx.Err() // this process stops; the next one trains again
	}
	if err != nil {
		return registry.Version{}, &endError{StepAborted, fmt.Errorf("training: %w", err)}
	}
	if err := trained.check(); err != nil {
		return registry.Version{}, &endError{StepAborted, fmt.Errorf("training returned an unusable model: %w", err)}
	}
	tags := maps.Clone(trained.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, map[string]string{
		tagRun:         run.ID,
		tagDataset:     fingerprint,
		tagTrainedRows: strconv.Itoa(len(training.Examples)),
		tagTrainedFrom: run.Windows.Training.From.Format(time.RFC3339Nano),
		tagTrainedTo:   run.Windows.Training.To.Format(time.RFC3339Nano),
		tagSeed:        strconv.FormatUint(l.cfg.Seed, 10),
	})
	return l.parts.Registry.Register(ctx, registry.Draft{
		Key:       run.ID,
		Time:      now,
		Documents: map[string][]byte{ReferenceDocument: reference},
		Tags:      tags,
		Metrics:   trained.Metrics,
	}, trained.Artifact)
}

// checkTraining refuses data from which no model can be learnt, or whose model did harm
// before.
func (l *Loop) checkTraining(training labels.Dataset, fingerprint string) error {
	if len(training.Examples) == 0 {
		return errors.New("no labelled row in the training window")
	}
	class := training.Examples[0].Label.Class
	if class != "" && !slices.ContainsFunc(training.Examples, func(e labels.Example) bool { return e.Label.Class != class }) {
		return fmt.Errorf("all %d training rows are of class %q", len(training.Examples), class)
	}
	l.mu.Lock()
	culprit, quarantined := l.state.quarantined[fingerprint]
	l.mu.Unlock()
	if quarantined {
		return fmt.Errorf("the training data are those of %s, whose model was rolled back", culprit)
	}
	return nil
}

// referenceOf freezes the rows that a version was trained and judged on.
func referenceOf(data labels.Dataset) ([]byte, error) {
	f := newFrame(data.Schema)
	for _, e := range data.Examples {
		f.add(e.Record.Row)
	}
	reference, err := f.reference()
	if err != nil {
		return nil, err
	}
	return json.Marshal(reference)
}

// judge replays both models on the evaluation rows and asks the gate.
func (l *Loop) judge(ctx context.Context, run Run, now time.Time) (Run, error) {
	window := run.Windows.Evaluation
	data, err := labels.Collect(ctx, l.parts.Predictions, l.parts.Labels, predictlog.Query{From: window.From, To: window.To})
	if err != nil {
		return run, err
	}
	cfg := gate.ReplayConfig{At: now, Segments: l.cfg.Segments}
	if cfg.LastPromotion, err = l.changedAt(ctx); err != nil {
		return run, err
	}
	incumbent, err := registry.InProduction(ctx, l.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return run, err
	}
	var production gate.Model
	if incumbent.ID != "" {
		if production, err = l.load(ctx, incumbent); err != nil {
			return run, err
		}
		cfg.ProductionTrained = trainedOn(incumbent)
	}
	candidate, err := registry.Get(ctx, l.parts.Registry, run.Version)
	if err != nil {
		return run, err
	}
	cfg.ShadowTrained = trainedOn(candidate)
	run.Predecessor = incumbent.ID
	shadow, err := l.load(ctx, candidate)
	if err != nil {
		return l.abort(ctx, run, now, fmt.Errorf("the shadow cannot be loaded: %w", err))
	}
	evidence, err := gate.Replay(ctx, production, shadow, data, cfg)
	if err != nil {
		return l.abort(ctx, run, now, fmt.Errorf("the replay failed: %w", err))
	}
	if err := l.decide(&run, evidence); err != nil {
		return run, err
	}
	return run.after(StepJudged, now, run.Decision.String()), nil
}

// decide asks the gate within the budget, and chains the decision to the one before. The
// entry that records the run charges the budget, before anything follows from the decision.
func (l *Loop) decide(run *Run, evidence gate.Evidence) error {
	l.mu.Lock()
	chain, charges := l.state.decisions, l.state.charges
	l.mu.Unlock()
	policy := l.cfg.Policy
	var budget gate.Budget
	if l.cfg.Budget != nil {
		budget = *l.cfg.Budget
		if charges != nil {
			budget.Charges = charges
		}
		var err error
		if policy, err = budget.Apply(policy, evidence.At); err != nil {
			return err
		}
	}
	decision, err := chain.Append(gate.Evaluate(policy, evidence))
	if err != nil {
		return err
	}
	if l.cfg.Budget != nil {
		if budget, err = budget.Charge(decision); err != nil {
			return err
		}
		run.Budget = &budget
	}
	run.Decision = &decision
	return nil
}

// abort ends the run, but not because this process is told to stop.
func (l *Loop) abort(ctx context.Context, run Run, now time.Time, cause error) (Run, error) {
	if ctx.Err() != nil {
		return run, ctx.Err()
	}
	return run.after(StepAborted, now, cause.Error()), nil
}

// trainedOn returns the window that a version says it was trained on, zero if it does
// not say.
func trainedOn(v registry.Version) gate.Window {
	from, errFrom := time.Parse(time.RFC3339Nano, v.Tags[tagTrainedFrom])
	to, errTo := time.Parse(time.RFC3339Nano, v.Tags[tagTrainedTo])
	if errFrom != nil || errTo != nil {
		return gate.Window{}
	}
	return gate.Window{From: from, To: to}
}

// load makes the model of a version and reads its artifact to the end, where the
// registry vouches for it.
func (l *Loop) load(ctx context.Context, v registry.Version) (_ gate.Model, err error) {
	f, err := l.parts.Registry.Open(ctx, v.ID, registry.ModelFile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	m, err := l.parts.Load(ctx, v, f)
	if err != nil {
		return nil, fmt.Errorf("load version %s: %w", v.ID, err)
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		return nil, fmt.Errorf("load version %s: %w", v.ID, err)
	}
	return m, nil
}

// conclude carries out what the gate decided, short of a promotion, which is announced
// first.
func (l *Loop) conclude(ctx context.Context, run Run, now time.Time) (Run, error) {
	switch run.Decision.Outcome {
	case gate.Promote:
		return run.after(StepPromoting, now, run.Decision.String()), nil
	case gate.Reject:
		hash, err := run.Decision.Hash()
		if err != nil {
			return run, err
		}
		_, err = l.parts.Registry.Transition(ctx, registry.Transition{
			Version:  run.Version,
			To:       registry.Archived,
			Time:     now,
			Actor:    l.cfg.Actor,
			Reason:   run.Decision.String(),
			Decision: hash,
			Key:      run.ID + "/reject",
		})
		if err != nil {
			return run, err
		}
		return run.after(StepRejected, now, run.Decision.String()), nil
	}
	return run.after(StepInconclusive, now, run.Decision.String()), nil
}

// prepareOverride announces a promotion that a person ordered.
func (l *Loop) prepareOverride(ctx context.Context, run Run, now time.Time) (Run, error) {
	incumbent, err := registry.InProduction(ctx, l.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return run, err
	}
	if incumbent.ID == run.Version {
		return run.after(StepAborted, now, fmt.Sprintf("version %s is in production already", run.Version)), nil
	}
	v, err := registry.Get(ctx, l.parts.Registry, run.Version)
	if err != nil {
		return run, err
	}
	run.Predecessor, run.Dataset = incumbent.ID, v.Tags[tagDataset]
	return run.after(StepPromoting, now, fmt.Sprintf("ordered by %s: %s", run.Order.Actor, run.Order.Reason)), nil
}

// promote swaps production. Whatever died before, the transition's key makes it happen
// once.
func (l *Loop) promote(ctx context.Context, run Run, now time.Time) (Run, error) {
	t := registry.Transition{
		Version: run.Version,
		To:      registry.Production,
		Expect:  run.Predecessor,
		Time:    now,
		Actor:   run.Order.Actor,
		Reason:  run.Reason,
		Key:     run.ID + "/promote",
	}
	if run.Decision != nil {
		var err error
		if t.Decision, err = run.Decision.Hash(); err != nil {
			return run, err
		}
	}
	event, err := l.parts.Registry.Transition(ctx, t)
	if errors.Is(err, registry.ErrConflict) || errors.Is(err, registry.ErrIllegal) {
		return run.after(StepAborted, now, err.Error()), nil
	}
	if err != nil {
		return run, err
	}
	run.Promoted = event.Time
	reason := fmt.Sprintf("version %s is in production", run.Version)
	if run.Predecessor == "" {
		return run.after(StepConfirmed, now, reason+", the first"), nil
	}
	return run.after(StepWatching, now, fmt.Sprintf("%s in place of %s", reason, run.Predecessor)), nil
}

// prepareRecall finds what was in production before.
func (l *Loop) prepareRecall(ctx context.Context, run Run, now time.Time) (Run, error) {
	incumbent, err := registry.InProduction(ctx, l.parts.Registry)
	if errors.Is(err, registry.ErrNoProduction) {
		return run.after(StepAborted, now, err.Error()), nil
	}
	if err != nil {
		return run, err
	}
	var displaced []string // oldest first
	for e, err := range l.parts.Registry.History(ctx) {
		if err != nil {
			return run, err
		}
		if e.Displaced != "" && e.Displaced != incumbent.ID {
			displaced = append(displaced, e.Displaced)
		}
	}
	for _, id := range slices.Backward(displaced) {
		v, err := registry.Get(ctx, l.parts.Registry, id)
		if err != nil {
			return run, err
		}
		if v.Stage == registry.Archived {
			run.Version, run.Predecessor, run.Dataset = incumbent.ID, id, incumbent.Tags[tagDataset]
			return run.after(StepRollingBack, now, fmt.Sprintf("ordered by %s: %s", run.Order.Actor, run.Order.Reason)), nil
		}
	}
	return run.after(StepAborted, now, "no earlier version to go back to"), nil
}

// rollBack puts the predecessor back and quarantines the version.
func (l *Loop) rollBack(ctx context.Context, run Run, now time.Time) (Run, error) {
	_, err := l.parts.Registry.Transition(ctx, registry.Transition{
		Version:   run.Predecessor,
		To:        registry.Production,
		Expect:    run.Version,
		Displaced: registry.Quarantined,
		Time:      now,
		Actor:     run.Order.Actor,
		Reason:    run.Reason,
		Key:       run.ID + "/rollback",
	})
	if errors.Is(err, registry.ErrConflict) || errors.Is(err, registry.ErrIllegal) {
		return run.after(StepAborted, now, err.Error()), nil
	}
	if err != nil {
		return run, err
	}
	return run.after(StepRolledBack, now, fmt.Sprintf("version %s is back, %s is quarantined: %s", run.Predecessor, run.Version, run.Reason)), nil
}
