package healing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/registry"
)

// ErrBusy means that a run is under way which an order may not interrupt.
var ErrBusy = errors.New("healing: a run is under way")

// Loop monitors, retrains, promotes and rolls back. All methods are safe for concurrent
// use, also by several processes with a Loop each on the same parts.
type Loop struct {
	parts   Parts
	cfg     Config
	monitor *Monitor

	working sync.Mutex // held by whoever does a pass or a step in this process

	watched watchMemo // guarded by working
	// ordered calls Run when a person's order came in; at most one call is pending.
	ordered chan struct{}

	mu         sync.Mutex
	state      state         // guarded by mu
	interrupt  func()        // guarded by mu: ends the step that this process is doing, nil if none
	lastReport *drift.Report // guarded by mu: of this process's latest pass that compared
	current    *Watch        // guarded by mu: what the latest look at a promoted version found
}

// New returns a loop. It reads and starts nothing. Every missing part and every
// violation of the configuration is reported.
func New(parts Parts, cfg Config) (*Loop, error) {
	if err := parts.validate(); err != nil {
		return nil, fmt.Errorf("healing: invalid Parts: %w", err)
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(parts.Predictions.Schema()); err != nil {
		return nil, fmt.Errorf("healing: invalid Config: %w", err)
	}
	monitor, err := NewMonitor(parts.Predictions, parts.Registry, parts.Reference, cfg.Monitor)
	if err != nil {
		return nil, err
	}
	return &Loop{parts: parts, cfg: cfg, monitor: monitor, ordered: make(chan struct{}, 1)}, nil
}

// Run calls [Loop.Tick] at once, at every monitoring interval and when this process was
// given an order, until ctx is done, and returns nil. A tick that fails is logged and
// does not end the loop: the next one goes on from the journal.
func (l *Loop) Run(ctx context.Context) error {
	ticker := time.NewTicker(l.cfg.Monitor.Every)
	defer ticker.Stop()
	for {
		if err := l.Tick(ctx, time.Now()); err != nil && ctx.Err() == nil {
			l.cfg.Logger.ErrorContext(ctx, "tick failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-l.ordered:
		}
	}
}

// Tick does what is due at the time now: a monitor pass, a trigger, and the steps of the
// open run until it ends or has to wait. It is what a cron job calls, with the present
// as now. A replay of the past passes the time of the replay. A failure of one part does
// not keep the others from being tried; all failures are returned, joined.
func (l *Loop) Tick(ctx context.Context, now time.Time) error {
	l.working.Lock()
	defer l.working.Unlock()
	return errors.Join(l.passIfDue(ctx, now), l.heal(ctx, now))
}

// heal triggers a run if one is due and advances the open one as far as it goes.
func (l *Loop) heal(ctx context.Context, now time.Time) error {
	if err := l.triggerIfDue(ctx, now); err != nil {
		return err
	}
	for {
		run, ok, err := l.openRun(ctx)
		if err != nil || !ok {
			return err
		}
		next, err := l.step(ctx, run, now)
		if err != nil || next.Step == run.Step {
			return err
		}
	}
}

// step advances the run by a step that an order may interrupt: then the run comes back
// as superseded.
func (l *Loop) step(ctx context.Context, run Run, now time.Time) (Run, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.mu.Lock()
	l.interrupt = func() { cancel(errInterrupted) }
	l.mu.Unlock()
	next, err := l.advance(ctx, run, now)
	l.mu.Lock()
	l.interrupt = nil
	l.mu.Unlock()
	if err != nil && context.Cause(ctx) == errInterrupted {
		return l.find(run.ID)
	}
	return next, err
}

// errInterrupted ends the context of a step whose run was superseded.
var errInterrupted = errors.New("healing: interrupted by an order")

// Advance does one step of the run with this ID, at the time now, and returns the run
// after it. A run that waits, or that has ended, is returned as it is; so is one that
// another process advanced meanwhile. An error means that the step was not done and may
// be tried again. It is what a workflow engine calls.
func (l *Loop) Advance(ctx context.Context, runID string, now time.Time) (Run, error) {
	l.working.Lock()
	defer l.working.Unlock()
	run, ok, err := l.openRun(ctx)
	if err != nil {
		return Run{}, err
	}
	if ok && run.ID == runID {
		return l.step(ctx, run, now)
	}
	return l.find(runID)
}

func (l *Loop) find(runID string) (Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.state.runs) - 1; i >= 0; i-- {
		if l.state.runs[i].ID == runID {
			return l.state.runs[i], nil
		}
	}
	return Run{}, fmt.Errorf("healing: no run %q among the latest %d", runID, len(l.state.runs))
}

// Pass does a monitor pass at the time now, due or not, records it and returns it.
func (l *Loop) Pass(ctx context.Context, now time.Time) (Pass, error) {
	l.working.Lock()
	defer l.working.Unlock()
	return l.pass(ctx, now)
}

func (l *Loop) passIfDue(ctx context.Context, now time.Time) error {
	if err := l.catchUp(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	last := l.state.passedAt()
	l.mu.Unlock()
	if !last.IsZero() && now.Sub(last) < l.cfg.Monitor.Every {
		return nil
	}
	_, err := l.pass(ctx, now)
	return err
}

func (l *Loop) pass(ctx context.Context, now time.Time) (Pass, error) {
	if err := l.catchUp(ctx); err != nil {
		return Pass{}, err
	}
	l.mu.Lock()
	before := l.state.passedAt()
	l.mu.Unlock()
	p, err := l.monitor.Pass(ctx, now)
	if err != nil {
		return Pass{}, err
	}
	recorded, err := l.record(ctx, KindPass, "", now, p, func(s *state) bool {
		return s.passedAt().Equal(before) // otherwise another process did this pass
	})
	if err != nil || !recorded {
		return p, err
	}
	if p.Report != nil {
		l.mu.Lock()
		l.lastReport = p.Report
		l.mu.Unlock()
	}
	l.cfg.Logger.InfoContext(ctx, "monitor pass", "version", p.Version, "samples", p.Samples, "verdict", p.Verdict())
	if l.cfg.Hooks.Pass != nil {
		l.cfg.Hooks.Pass(p)
	}
	return p, nil
}

// Retrain starts a run that trains a shadow and lets the gate judge it. It ends the watch
// over an earlier promotion; while any other run is under way it fails with [ErrBusy].
//
// Retrain, Promote and Rollback record who ordered what, and why. The run is carried out
// by the next Tick or Advance; [Loop.Run] of this process starts at once.
func (l *Loop) Retrain(ctx context.Context, actor, reason string, now time.Time) (Run, error) {
	return l.order(ctx, Order{Trigger: TriggerManual, Actor: actor, Reason: reason}, now)
}

// Promote starts a run that puts a version into production past the gate. It is watched,
// and rolled back on proven harm, as any other promotion. It ends whatever run is under
// way, unless that is changing production at this moment: then it fails with [ErrBusy].
func (l *Loop) Promote(ctx context.Context, version, actor, reason string, now time.Time) (Run, error) {
	if _, err := registry.Get(ctx, l.parts.Registry, version); err != nil {
		return Run{}, fmt.Errorf("healing: promote: %w", err)
	}
	return l.order(ctx, Order{Trigger: TriggerOverride, Actor: actor, Reason: reason, Version: version}, now)
}

// Rollback starts a run that quarantines what is in production and puts back what was
// there before it. It ends whatever run is under way, as Promote does.
func (l *Loop) Rollback(ctx context.Context, actor, reason string, now time.Time) (Run, error) {
	return l.order(ctx, Order{Trigger: TriggerRecall, Actor: actor, Reason: reason}, now)
}

// order ends the open run, if the order may, and starts its own.
func (l *Loop) order(ctx context.Context, o Order, now time.Time) (Run, error) {
	if o.Actor == "" || o.Reason == "" {
		return Run{}, fmt.Errorf("healing: %s: an order names its actor and its reason, got actor %q and reason %q", o.Trigger, o.Actor, o.Reason)
	}
	run, ok, err := l.openRun(ctx)
	if err != nil {
		return Run{}, err
	}
	if ok {
		if !o.supersedes(run) {
			return Run{}, fmt.Errorf("%w: %s, step %q", ErrBusy, run.ID, run.Step)
		}
		ended := run.after(StepSuperseded, now, fmt.Sprintf("%s by %s: %s", o.Trigger, o.Actor, o.Reason))
		if err := l.recordStep(ctx, run, ended); err != nil {
			return Run{}, err
		}
	}
	started, err := l.start(ctx, o, now)
	if err != nil {
		return Run{}, err
	}
	l.mu.Lock()
	if l.interrupt != nil {
		l.interrupt()
	}
	l.mu.Unlock()
	select {
	case l.ordered <- struct{}{}:
	default: // Run is called already
	}
	return started, nil
}

// supersedes reports whether the order may end the run. A change of production that was
// announced is always carried out first, so that nobody has to guess whether it was.
func (o Order) supersedes(run Run) bool {
	switch run.Step {
	case StepPromoting, StepRollingBack:
		return false
	case StepWatching:
		return true
	}
	return o.Trigger == TriggerOverride || o.Trigger == TriggerRecall
}

// start records a new run, unless one is open.
func (l *Loop) start(ctx context.Context, o Order, now time.Time) (Run, error) {
	l.mu.Lock()
	seq := l.state.last.Seq + 1
	l.mu.Unlock()
	run := Run{
		// Unique although the entry may get a later number: an earlier run cannot have
		// been given a number that was free when this one was made.
		ID:      fmt.Sprintf("run-%06d", seq),
		Order:   o,
		Started: now.UTC(),
		Version: o.Version,
	}.after(StepTriggered, now, o.Reason)
	recorded, err := l.record(ctx, KindRun, run.ID, now, run, func(s *state) bool {
		_, open := s.open()
		last, any := s.lastRun()
		return !open && (!any || last.ID < run.ID)
	})
	if err != nil {
		return Run{}, err
	}
	if !recorded {
		return Run{}, fmt.Errorf("%w: another process started it", ErrBusy)
	}
	l.stepDone(ctx, run)
	return run, nil
}

// recordStep records that next follows run, unless another process advanced the run.
func (l *Loop) recordStep(ctx context.Context, run, next Run) error {
	recorded, err := l.record(ctx, KindRun, next.ID, next.Updated, next, func(s *state) bool {
		last, ok := s.lastRun()
		return ok && last.ID == run.ID && last.Step == run.Step
	})
	if err != nil {
		return err
	}
	if recorded {
		l.stepDone(ctx, next)
	}
	return nil
}

func (l *Loop) stepDone(ctx context.Context, r Run) {
	l.cfg.Logger.InfoContext(ctx, "run", "id", r.ID, "step", r.Step, "version", r.Version, "reason", r.Reason)
	if l.cfg.Hooks.Run != nil {
		l.cfg.Hooks.Run(r)
	}
}

// record appends an entry if it is still valid in view of all entries before it, and
// reports whether it did. An entry of another kind that comes in between does not
// invalidate it.
func (l *Loop) record(ctx context.Context, kind Kind, runID string, now time.Time, body any, valid func(*state) bool) (bool, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return false, fmt.Errorf("healing: record %s: %w", kind, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.catchUpLocked(ctx); err != nil {
			return false, err
		}
		if !valid(&l.state) {
			return false, nil
		}
		e := Entry{Seq: l.state.last.Seq + 1, Time: now.UTC(), Kind: kind, Run: runID, Body: data}
		if l.state.last.Seq > 0 {
			e.Prev = l.state.last.Hash()
		}
		err := l.parts.Journal.Append(ctx, e)
		if errors.Is(err, ErrConflict) {
			continue // another process appended first: read what, and look again
		}
		if err != nil {
			return false, fmt.Errorf("healing: journal: %w", err)
		}
		return true, l.state.fold(e)
	}
}

// openRun returns the run that has not ended, as the journal has it now.
func (l *Loop) openRun(ctx context.Context) (Run, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.catchUpLocked(ctx); err != nil {
		return Run{}, false, err
	}
	run, ok := l.state.open()
	return run, ok, nil
}

func (l *Loop) catchUp(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.catchUpLocked(ctx)
}

// catchUpLocked folds the entries that came since the last look.
func (l *Loop) catchUpLocked(ctx context.Context) error {
	for e, err := range l.parts.Journal.Entries(ctx, l.state.last.Seq) {
		if err != nil {
			return fmt.Errorf("healing: journal: %w", err)
		}
		if err := e.Follows(l.state.last); err != nil {
			return fmt.Errorf("healing: journal: %w", err)
		}
		if err := l.state.fold(e); err != nil {
			return err
		}
	}
	return nil
}
