package healing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// The tags that a run puts on the version that it trained.
const (
	tagRun         = "selfheal.run"
	tagDataset     = "selfheal.dataset"
	tagSchema      = "selfheal.schema"
	tagTrainedRows = "selfheal.trained.rows"
	tagTrainedOf   = "selfheal.trained.of"
	tagTrainedFrom = "selfheal.trained.from"
	tagTrainedTo   = "selfheal.trained.to"
	tagSeed        = "selfheal.seed"
)

// advance does the step that follows and returns the run after it. A step returns either the
// same run, to wait, or a run with a later step. Only advance records the later step. What a
// step does outside the journal carries a key made of the run's ID, so repeating the step
// after a crash before the record changes nothing.
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
	if run.Step == StepConditions || run.Step == StepTrained {
		tried, ok, err := l.attempt(ctx, run, now)
		if err != nil || !ok {
			return tried, err
		}
		run = tried
	}
	next, err := step(ctx, run, now)
	if err != nil {
		err = fmt.Errorf("healing: %s: after step %q: %w", run.ID, run.Step, err)
		switch {
		case ctx.Err() != nil || errors.Is(err, registry.ErrFenced): // another process goes on
			return run, err
		case run.Attempts >= l.cfg.Train.Attempts:
			next = run.after(StepAborted, now, fmt.Sprintf("failed %d times, the last time: %v", run.Attempts, err))
		case l.mayGiveUp(run, now):
			next = run.after(StepAborted, now, fmt.Sprintf("gave up after %s: %v", spell(l.cfg.GiveUp), err))
		default:
			l.failed = failed{run: run.ID, at: now}
			return run, err
		}
	}
	if next.Step == run.Step && next.Promoted.Equal(run.Promoted) {
		return run, nil
	}
	return l.recordStep(ctx, run, next)
}

// attempt journals that the next step is tried, before the step begins: the step runs the
// host's code on much data, may end the process, and must not be tried for ever. attempt
// reports false if the run has to wait, or has ended.
func (l *Loop) attempt(ctx context.Context, run Run, now time.Time) (Run, bool, error) {
	if l.failed.run == run.ID && !passed(now, l.failed.at, l.cfg.GiveUp/time.Duration(l.cfg.Train.Attempts)) {
		return run, false, nil // what failed a moment ago fails again
	}
	if run.Attempts >= l.cfg.Train.Attempts {
		if !passed(now, run.Updated, l.cfg.Train.Timeout) {
			return run, false, nil // another process may be at it
		}
		ended, err := l.recordStep(ctx, run, run.after(StepAborted, now, fmt.Sprintf("tried %d times after step %q, and no attempt came to an end", run.Attempts, run.Step)))
		return ended, false, err
	}
	tried := run
	tried.Attempts++
	tried.Updated = now.UTC()
	recorded, err := l.record(ctx, l.token, tried, func(s *state) bool {
		last := s.last()
		return last.ID == run.ID && last.Step == run.Step && last.Attempts == run.Attempts
	}, func() {})
	if err != nil || recorded {
		return tried, recorded, err
	}
	current, err := l.find(run.ID)
	return current, false, err
}

// mayGiveUp reports whether a failing run may be ended. A promotion or a rollback that
// has begun is always finished.
func (l *Loop) mayGiveUp(run Run, now time.Time) bool {
	switch run.Step {
	case StepPromoting, StepWatching, StepRollingBack:
		return false
	}
	return passed(now, run.Started, l.cfg.GiveUp)
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

// both selects the time from the first training row to the last evaluation row.
func (w *Windows) both() predictlog.Query {
	return predictlog.Query{From: w.Training.From, To: w.Evaluation.To}
}

// coveredPercent returns a labelled share in percent, rounded down: rounded up, the share
// could look like enough.
func coveredPercent(share float64) float64 { return math.Floor(1000*share) / 10 }

// checkConditions fixes the windows and counts the labels in them.
func (l *Loop) checkConditions(ctx context.Context, run Run, now time.Time) (Run, error) {
	run.Windows = l.cfg.Train.windows(run.Started)
	run.AsOf = time.Now().UTC()
	coverage, err := l.read(ctx, run.Windows.both(), run.AsOf, func(labels.Example) {})
	if err != nil {
		return run, err
	}
	wanted := &Labelling{Coverage: coverage, MinLabelled: l.cfg.Train.MinLabelled, MinCoverage: l.cfg.Train.MinCoverage}
	run.Labelling = wanted
	found := fmt.Sprintf("%d of %d predictions labelled (%.4g %%)", coverage.Labelled, coverage.Predictions, coveredPercent(coverage.Share()))
	if coverage.Misfits > 0 {
		found += fmt.Sprintf(", %d with a label that does not fit the schema", coverage.Misfits)
	}
	switch {
	case coverage.Labelled < wanted.MinLabelled:
		return run.after(StepSkipped, now, fmt.Sprintf("%s, at least %d wanted", found, wanted.MinLabelled)), nil
	case coverage.Share() < wanted.MinCoverage:
		return run.after(StepSkipped, now, fmt.Sprintf("%s, at least %.4g %% wanted", found, 100*wanted.MinCoverage)), nil
	}
	return run.after(StepConditions, now, found), nil
}

// train makes the shadow and registers it, unless the run has registered a shadow before.
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
	run.Version, run.Dataset, run.TrainingRows = v.ID, v.Tags[tagDataset], trainedRows(v)
	return run.after(StepTrained, now, fmt.Sprintf("version %s on %s", v.ID, run.TrainingRows)), nil
}

// trainedRows returns the row counts in the tags of a version that a run trained.
func trainedRows(v registry.Version) *Sample {
	rows, errRows := strconv.Atoi(v.Tags[tagTrainedRows])
	of, errOf := strconv.Atoi(v.Tags[tagTrainedOf])
	if errRows != nil || errOf != nil {
		return nil
	}
	return &Sample{Rows: rows, Of: of}
}

// endError ends a run: trying again would not help.
type endError struct {
	step Step
	err  error
}

func (e *endError) Error() string { return e.err.Error() }

func (l *Loop) trainAndRegister(ctx context.Context, run Run, now time.Time) (_ registry.Version, err error) {
	training, all := l.sampler(), l.sampler()
	_, err = l.read(ctx, run.Windows.both(), run.AsOf, func(e labels.Example) {
		all.Add(labels.Example{Record: predictlog.Record{ID: e.Record.ID, Time: e.Record.Time, Row: e.Record.Row}})
		if e.Labelled && run.Windows.Training.Contains(e.Record.Time) {
			training.Add(e)
		}
	})
	if err != nil {
		return registry.Version{}, err
	}
	schema := l.parts.Predictions.Schema()
	data := training.Dataset(schema)
	fingerprint := data.Fingerprint()
	if err := l.checkTraining(data, run.Windows.Training, fingerprint); err != nil {
		return registry.Version{}, &endError{StepSkipped, err}
	}
	reference, err := referenceOf(all.Dataset(schema))
	if err != nil {
		return registry.Version{}, &endError{StepAborted, fmt.Errorf("the rows make no reference: %w", err)}
	}
	timed, cancel := context.WithTimeout(ctx, l.cfg.Train.Timeout)
	defer cancel()
	trained, err := l.parts.Trainer.Train(timed, TrainRequest{Run: run.ID, Data: data, Seed: l.cfg.Seed})
	if closer, ok := trained.Artifact.(io.Closer); ok {
		defer func() { err = errors.Join(err, closer.Close()) }()
	}
	if ctx.Err() != nil {
		return registry.Version{}, ctx.Err() // this process stops; the next one trains again
	}
	if err != nil {
		return registry.Version{}, &endError{StepAborted, fmt.Errorf("training: %w", err)}
	}
	if (trained.Artifact == nil) == (trained.Folder == nil) {
		return registry.Version{}, &endError{StepAborted, errors.New("training returned no artifact, or both an artifact and a folder")}
	}
	tags := maps.Clone(trained.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, map[string]string{
		tagRun:         run.ID,
		tagSchema:      schema.Fingerprint(),
		tagDataset:     fingerprint,
		tagTrainedRows: strconv.Itoa(len(data.Examples)),
		tagTrainedOf:   strconv.Itoa(training.Of()),
		tagTrainedFrom: run.Windows.Training.From.Format(time.RFC3339Nano),
		tagTrainedTo:   run.Windows.Training.To.Format(time.RFC3339Nano),
		tagSeed:        strconv.FormatUint(l.cfg.Seed, 10),
	})
	draft := registry.Draft{
		Key:       run.ID,
		Time:      now,
		Folder:    trained.Folder,
		Documents: map[string][]byte{ReferenceDocument: reference},
		Tags:      tags,
		Metrics:   trained.Metrics,
		Token:     l.token,
	}
	if err := draft.Validate(); err != nil { // training again would give the same
		return registry.Version{}, &endError{StepAborted, fmt.Errorf("training returned an unusable model: %w", err)}
	}
	return l.parts.Registry.Register(ctx, draft, trained.Artifact)
}

// sampler returns a sampler for the rows of a run.
func (l *Loop) sampler() *labels.Sampler {
	return labels.NewSampler(l.cfg.Train.MaxRows, l.cfg.Seed)
}

// read streams the loop's own predictions that q matches, with the labels that had arrived by
// a moment (zero: now), and returns how many of the predictions are labelled.
func (l *Loop) read(ctx context.Context, q predictlog.Query, arrivedBy time.Time, each func(labels.Example)) (labels.Coverage, error) {
	q.Model, q.Tag = l.parts.Model, l.parts.Tag
	return labels.Cover(func(yield func(labels.Example, error) bool) {
		for e, err := range labels.JoinAsOf(ctx, l.parts.Predictions, l.parts.Labels, q, arrivedBy) {
			if err == nil {
				each(e)
			}
			if !yield(e, err) {
				return
			}
		}
	})
}

// checkTraining refuses data from which no model can be learnt, and data whose model did harm
// before.
func (l *Loop) checkTraining(training labels.Dataset, window gate.Window, fingerprint string) error {
	if len(training.Examples) == 0 {
		return fmt.Errorf("no labelled row in the training window, which ended %s: later rows are for judging", when(window.To))
	}
	class := training.Examples[0].Label.Class
	if class != "" && !slices.ContainsFunc(training.Examples, func(e labels.Example) bool { return e.Label.Class != class }) {
		return fmt.Errorf("all %d training rows are of class %q", len(training.Examples), class)
	}
	l.mu.Lock()
	culprit, quarantined := l.state.quarantined[fingerprint]
	l.mu.Unlock()
	if quarantined {
		return fmt.Errorf("the training data are the same as in %s, whose model was rolled back", culprit)
	}
	return nil
}

// judge replays both models on the evaluation rows and asks the gate.
func (l *Loop) judge(ctx context.Context, run Run, now time.Time) (Run, error) {
	window, rows := run.Windows.Evaluation, l.sampler()
	coverage, err := l.read(ctx, predictlog.Query{From: window.From, To: window.To}, run.AsOf, func(e labels.Example) {
		if e.Labelled {
			rows.Add(e)
		}
	})
	if err != nil {
		return run, err
	}
	data := rows.Dataset(l.parts.Predictions.Schema())
	run.EvaluationRows = &Sample{Rows: len(data.Examples), Of: rows.Of()}
	cfg := gate.ReplayConfig{At: now, Segments: l.cfg.Segments}
	incumbent, err := registry.InProduction(ctx, l.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return run, err
	}
	changed := incumbent.Since
	if changed.Before(now) || !passed(now, changed, l.cfg.Trigger.Cooldown) { // see passed
		cfg.LastPromotion = changed
	}
	run.Predecessor = incumbent.ID
	if err := l.checkSchema(incumbent); err != nil {
		return run.after(StepAborted, now, fmt.Sprintf("%v: no comparison with version %s on the same rows is possible; a person may promote version %s", err, run.Version, run.Version)), nil
	}
	var production gate.Model
	if incumbent.ID != "" {
		if production, err = l.load(ctx, incumbent); err != nil {
			return run, err
		}
		cfg.ProductionTrained = trainedOn(incumbent)
	} else {
		cfg.FirstDeployment, cfg.LastPromotion = true, time.Time{}
	}
	candidate, err := registry.Get(ctx, l.parts.Registry, run.Version)
	if err != nil {
		return run, err
	}
	cfg.ShadowTrained = trainedOn(candidate)
	shadow, err := l.load(ctx, candidate)
	if err != nil {
		return l.abort(ctx, run, now, fmt.Errorf("the shadow cannot be loaded: %w", err))
	}
	evidence, err := gate.Replay(ctx, production, shadow, data, cfg)
	if err != nil {
		return l.abort(ctx, run, now, fmt.Errorf("the replay failed: %w", err))
	}
	if err := l.attachAnswers(ctx, run.Version, evidence.Shadow, evidence.N()); err != nil {
		return run, err
	}
	evidence.Coverage = coverage.Count // of all rows, not of the sample
	if err := l.decide(&run, evidence); err != nil {
		return run, err
	}
	return run.after(StepJudged, now, run.Decision.String()), nil
}

// decide asks the gate within the budget, and chains the decision to the one before. The
// entry that records the run charges the budget before the decision has any effect.
func (l *Loop) decide(run *Run, evidence gate.Evidence) error {
	l.mu.Lock()
	chain, charges := l.state.decisions, l.state.charges
	l.mu.Unlock()
	policy := l.cfg.Policy
	var b budget.Budget
	if l.cfg.Budget != nil {
		b = *l.cfg.Budget
		if charges != nil {
			b.Charges = charges
		}
		var err error
		if policy, err = b.Apply(policy, evidence.At); err != nil {
			return err
		}
	}
	decision, err := chain.Append(gate.Evaluate(policy, evidence))
	if err != nil {
		return err
	}
	if l.cfg.Budget != nil {
		if b, err = b.Charge(decision); err != nil {
			return err
		}
		run.Budget = &b
	}
	run.Decision = &decision
	return nil
}

// abort ends the run because of cause, unless this process is told to stop.
func (l *Loop) abort(ctx context.Context, run Run, now time.Time, cause error) (Run, error) {
	if ctx.Err() != nil {
		return run, ctx.Err()
	}
	return run.after(StepAborted, now, cause.Error()), nil
}

// errSchema means that a version was trained on rows with other columns.
var errSchema = errors.New("trained on another schema")

// checkSchema returns [errSchema] if the version was trained on rows of another schema than
// that of the predictions. A version made by hand does not name its schema and passes.
func (l *Loop) checkSchema(v registry.Version) error {
	was, is := v.Tags[tagSchema], l.parts.Predictions.Schema().Fingerprint()
	if was == "" || was == is {
		return nil
	}
	return fmt.Errorf("version %s was %w, with the fingerprint %.12s instead of %.12s", v.ID, errSchema, was, is)
}

// trainedOn returns the window in the tags of a version, zero without such tags.
func trainedOn(v registry.Version) gate.Window {
	from, errFrom := time.Parse(time.RFC3339Nano, v.Tags[tagTrainedFrom])
	to, errTo := time.Parse(time.RFC3339Nano, v.Tags[tagTrainedTo])
	if errFrom != nil || errTo != nil {
		return gate.Window{}
	}
	return gate.Window{From: from, To: to}
}

// load makes the model of a version from its verified artifact.
func (l *Loop) load(ctx context.Context, v registry.Version) (gate.Model, error) {
	return registry.Load(ctx, l.parts.Registry, v, l.parts.Load)
}

// conclude carries out the gate's decision, but only announces a promotion.
func (l *Loop) conclude(ctx context.Context, run Run, now time.Time) (Run, error) {
	if err := l.attachDecision(ctx, run); err != nil {
		return run, err
	}
	switch run.Decision.Outcome {
	case gate.Promote:
		if l.stale(run, now) {
			return run.after(StepAborted, now, l.tooOld(run)), nil
		}
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
			Token:    l.token,
		})
		if refused(err) {
			return run.after(StepAborted, now, err.Error()), nil
		}
		if err != nil {
			return run, err
		}
		return run.after(StepRejected, now, run.Decision.String()), nil
	}
	return run.after(StepInconclusive, now, run.Decision.String()), nil
}

// stale reports whether the run's decision is too old to be carried out: its evidence may not
// hold any more.
func (l *Loop) stale(run Run, now time.Time) bool {
	return run.Decision != nil && passed(now, run.Decision.At, l.cfg.GiveUp)
}

func (l *Loop) tooOld(run Run) string {
	return fmt.Sprintf("the decision of %s is more than %s old: %s", run.Decision.At.Format(time.RFC3339), spell(l.cfg.GiveUp), run.Decision)
}

// refused reports whether the registry said that a transition did not happen and will not.
// After any other error the outcome is unknown, and the transition is repeated. After
// [registry.ErrFenced] another process repeats it.
func refused(err error) bool {
	for _, known := range []error{registry.ErrConflict, registry.ErrIllegal, registry.ErrNotFound, registry.ErrNoProduction} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// prepareOverride announces a promotion that a person ordered.
func (l *Loop) prepareOverride(ctx context.Context, run Run, now time.Time) (Run, error) {
	err := l.checkSense(ctx, run.Order)
	if refused(err) {
		return run.after(StepAborted, now, err.Error()), nil
	}
	if err != nil {
		return run, err
	}
	incumbent, err := registry.InProduction(ctx, l.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return run, err
	}
	v, err := registry.Get(ctx, l.parts.Registry, run.Version)
	if err != nil {
		return run, err
	}
	run.Predecessor, run.Dataset = incumbent.ID, v.Tags[tagDataset]
	return run.after(StepPromoting, now, fmt.Sprintf("ordered by %s: %s", run.Order.Actor, run.Order.Reason)), nil
}

// promote swaps production. Whatever died before, the key of the transition makes the swap
// happen once.
func (l *Loop) promote(ctx context.Context, run Run, now time.Time) (Run, error) {
	if l.stale(run, now) {
		incumbent, err := registry.InProduction(ctx, l.parts.Registry)
		if err != nil && !errors.Is(err, registry.ErrNoProduction) {
			return run, err
		}
		if incumbent.ID != run.Version { // the promotion was announced, and not done
			return run.after(StepAborted, now, l.tooOld(run)), nil
		}
	}
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
	event, reason, err := l.transit(ctx, t)
	if err != nil {
		return run, err
	}
	run.Promoted = event.Time
	if reason != "" {
		return run.after(StepAborted, now, reason), nil
	}
	reason = fmt.Sprintf("version %s is in production", run.Version)
	if run.Predecessor == "" {
		return run.after(StepConfirmed, now, reason+", the first"), nil
	}
	return run.after(StepWatching, now, fmt.Sprintf("%s in place of %s", reason, run.Predecessor)), nil
}

// transit puts a version into production and reads back that it is there. If the version is
// not there, reason says why: the transition was refused, and the event is zero, or another
// version took its place since. An error means that the outcome is unknown.
func (l *Loop) transit(ctx context.Context, t registry.Transition) (_ registry.Event, reason string, err error) {
	if err := t.Validate(); err != nil {
		return registry.Event{}, err.Error(), nil
	}
	t.Token = l.token
	event, err := l.parts.Registry.Transition(ctx, t)
	if refused(err) {
		return registry.Event{}, err.Error(), nil
	}
	if err != nil {
		return registry.Event{}, "", err
	}
	v, err := registry.InProduction(ctx, l.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return registry.Event{}, "", err
	}
	if v.ID != t.Version {
		return event, fmt.Sprintf("version %s took production at %s, but version %q is there now", t.Version, event.Time.Format(time.RFC3339), v.ID), nil
	}
	return event, "", nil
}

// prepareRecall finds the predecessor.
func (l *Loop) prepareRecall(ctx context.Context, run Run, now time.Time) (Run, error) {
	incumbent, predecessor, err := l.recallable(ctx, run.Version)
	if refused(err) {
		return run.after(StepAborted, now, err.Error()), nil
	}
	if err != nil {
		return run, err
	}
	run.Predecessor, run.Dataset = predecessor, incumbent.Tags[tagDataset]
	return run.after(StepRollingBack, now, fmt.Sprintf("ordered by %s: %s", run.Order.Actor, run.Order.Reason)), nil
}

// rollBack puts the predecessor back and quarantines the version.
func (l *Loop) rollBack(ctx context.Context, run Run, now time.Time) (Run, error) {
	_, reason, err := l.transit(ctx, registry.Transition{
		Version:   run.Predecessor,
		To:        registry.Production,
		Expect:    run.Version,
		Displaced: registry.Quarantined,
		Time:      now,
		Actor:     run.Order.Actor,
		Reason:    run.Reason,
		Key:       run.ID + "/rollback",
	})
	if err != nil {
		return run, err
	}
	if reason != "" {
		return run.after(StepAborted, now, reason), nil
	}
	return run.after(StepRolledBack, now, fmt.Sprintf("version %s is back, %s is quarantined: %s", run.Predecessor, run.Version, run.Reason)), nil
}
