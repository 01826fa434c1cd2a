package healing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// ErrBusy means that a run is under way which an order may not interrupt.
var ErrBusy = errors.New("healing: a run is under way")

// Retrain starts a run that trains a shadow and lets the gate judge it. The run takes the
// place of the watch over an earlier promotion; the watch goes on if nothing is promoted.
// While any other run is under way Retrain fails with [ErrBusy].
//
// Retrain, Promote and Rollback record the actor and the reason of the order, which are UTF-8
// without NUL and not empty. An order that makes no sense at present is refused and changes
// nothing. The next Tick or Advance carries an accepted order out; [Loop.Run] of this process
// starts at once.
func (l *Loop) Retrain(ctx context.Context, actor, reason string, now time.Time) (Run, error) {
	return l.order(ctx, Order{Trigger: TriggerManual, Actor: actor, Reason: reason}, now)
}

// Promote starts a run that puts a version into production past the gate. The version is
// watched, and rolled back on proven harm, as after any other promotion. Promote ends the run
// that is under way, and fails with [ErrBusy] if that run is changing production at this
// moment. A watch that Promote ended goes on if the promotion cannot be carried out.
//
// A version that does not exist is [registry.ErrNotFound]. A version that is quarantined, or
// in production already, is [registry.ErrIllegal].
func (l *Loop) Promote(ctx context.Context, version, actor, reason string, now time.Time) (Run, error) {
	return l.order(ctx, Order{Trigger: TriggerOverride, Actor: actor, Reason: reason, Version: version}, now)
}

// Rollback starts a run that quarantines the version in production and puts its predecessor
// back. Rollback ends the run that is under way, as Promote does.
//
// If the version is not in production, because a person or a watch was quicker, Rollback
// fails with [registry.ErrConflict]. If there is nothing to go back to, Rollback fails with
// [registry.ErrNotFound].
//
// If the journal is damaged, Rollback rolls back at once. The run that it returns is then
// only in the history of the registry, not in the journal.
func (l *Loop) Rollback(ctx context.Context, version, actor, reason string, now time.Time) (Run, error) {
	return l.order(ctx, Order{Trigger: TriggerRecall, Actor: actor, Reason: reason, Version: version}, now)
}

// order starts a run in the place of the open run, if the order may end that run.
func (l *Loop) order(ctx context.Context, o Order, now time.Time) (Run, error) {
	if err := o.check(); err != nil {
		return Run{}, err
	}
	for {
		latest, err := l.latestRun(ctx)
		if errors.Is(err, registry.ErrCorrupt) && o.Trigger == TriggerRecall {
			return l.recallNow(ctx, o, now, err)
		}
		if err != nil {
			return Run{}, err
		}
		if latest.ID != "" && !latest.Step.Ended() && !o.supersedes(latest) {
			return Run{}, fmt.Errorf("%w: %s, step %q", ErrBusy, latest.ID, latest.Step)
		}
		if err := l.checkSense(ctx, o); err != nil {
			return Run{}, fmt.Errorf("healing: %s: %w", o.Trigger, err)
		}
		started, recorded, err := l.start(ctx, o, latest, now)
		if err != nil {
			return Run{}, err
		}
		if !recorded {
			continue // the run went on meanwhile
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
}

// check returns why the actor or the reason is not valid. The registry will be given both,
// and must not refuse them once the order is in the journal.
func (o Order) check() error {
	if o.Actor == "" || o.Reason == "" {
		return fmt.Errorf("healing: %s: an order names its actor and its reason, got actor %q and reason %q", o.Trigger, o.Actor, o.Reason)
	}
	if err := (registry.Transition{Actor: o.Actor, Reason: o.Reason}).Validate(); err != nil {
		return fmt.Errorf("healing: %s: %w", o.Trigger, err)
	}
	return nil
}

// checkSense returns why the order cannot be carried out in the present state of the
// registry. It is called before the order takes the place of a run, and again before the
// order is carried out.
func (l *Loop) checkSense(ctx context.Context, o Order) error {
	switch o.Trigger {
	case TriggerOverride:
		v, err := registry.Get(ctx, l.parts.Registry, o.Version)
		switch {
		case err != nil:
			return err
		case v.Stage == registry.Production:
			return fmt.Errorf("%w: version %q is in production already", registry.ErrIllegal, v.ID)
		case v.Stage == registry.Quarantined:
			return fmt.Errorf("%w: version %q is quarantined", registry.ErrIllegal, v.ID)
		}
	case TriggerRecall:
		_, _, err := l.recallable(ctx, o.Version)
		return err
	}
	return nil
}

// recallable returns the version, which must be in production, and the ID of the version that
// a rollback puts back.
func (l *Loop) recallable(ctx context.Context, version string) (_ registry.Version, predecessor string, err error) {
	incumbent, err := registry.InProduction(ctx, l.parts.Registry)
	if err != nil {
		return registry.Version{}, "", err
	}
	if incumbent.ID != version {
		return registry.Version{}, "", &registry.ConflictError{Expected: version, Actual: incumbent.ID}
	}
	v, err := registry.Predecessor(ctx, l.parts.Registry)
	if err != nil {
		return registry.Version{}, "", err
	}
	return incumbent, v.ID, nil
}

// recallNow rolls back at once, past a damaged journal: an order in an emergency must not
// wait for a repair. The registry records the actor and the reason; the journal has no entry.
func (l *Loop) recallNow(ctx context.Context, o Order, now time.Time, damage error) (Run, error) {
	incumbent, predecessor, err := l.recallable(ctx, o.Version)
	if err != nil {
		return Run{}, fmt.Errorf("healing: %s: %w", o.Trigger, err)
	}
	run := Run{ID: newRunID(0), Order: o, Started: now.UTC(), Version: incumbent.ID, Predecessor: predecessor}
	_, err = l.parts.Registry.Transition(ctx, registry.Transition{
		Version:   predecessor,
		To:        registry.Production,
		Expect:    incumbent.ID,
		Displaced: registry.Quarantined,
		Time:      now,
		Actor:     o.Actor,
		Reason:    o.Reason,
		Key:       run.ID + "/rollback",
	})
	if err != nil {
		return Run{}, fmt.Errorf("healing: %s: %w", o.Trigger, err)
	}
	l.cfg.Logger.ErrorContext(ctx, "rolled back past a damaged journal", "version", incumbent.ID, "predecessor", predecessor, "actor", o.Actor, "damage", damage)
	if err := l.look(ctx); err != nil {
		l.cfg.Logger.WarnContext(ctx, "status", "error", err)
	}
	return run.after(StepRolledBack, now, fmt.Sprintf("version %s is back, %s is quarantined: %s; not in the journal, which is damaged: %v",
		predecessor, incumbent.ID, o.Reason, damage)), nil
}

// supersedes reports whether the order may end the run. A change of production that was
// announced is always carried out first, so nobody has to guess whether it happened.
func (o Order) supersedes(run Run) bool {
	switch run.Step {
	case StepPromoting, StepRollingBack:
		return false
	case StepWatching:
		return true
	}
	return o.Trigger == TriggerOverride || o.Trigger == TriggerRecall
}
