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

// Retrain starts a run that trains a shadow and lets the gate judge it. It takes the place
// of the watch over an earlier promotion, which goes on if nothing is promoted; while any
// other run is under way it fails with [ErrBusy].
//
// Retrain, Promote and Rollback record who ordered what, and why: actor and reason are
// not empty, and UTF-8 without NUL. An order that makes no sense as things are is refused
// and changes nothing. Others are carried out by the next Tick or Advance; [Loop.Run] of
// this process starts at once.
func (l *Loop) Retrain(ctx context.Context, actor, reason string, now time.Time) (Run, error) {
	return l.order(ctx, Order{Trigger: TriggerManual, Actor: actor, Reason: reason}, now)
}

// Promote starts a run that puts a version into production past the gate. It is watched,
// and rolled back on proven harm, as any other promotion. It ends whatever run is under
// way, unless that is changing production at this moment: then it fails with [ErrBusy].
// A watch that it ended goes on if the promotion cannot be carried out.
//
// A version that does not exist is [registry.ErrNotFound]; one that is quarantined, or in
// production already, is [registry.ErrIllegal].
func (l *Loop) Promote(ctx context.Context, version, actor, reason string, now time.Time) (Run, error) {
	return l.order(ctx, Order{Trigger: TriggerOverride, Actor: actor, Reason: reason, Version: version}, now)
}

// Rollback starts a run that quarantines the version, which is in production, and puts
// back what was there before it. It ends whatever run is under way, as Promote does.
//
// If the version is not in production, because somebody or a watch was quicker, that is
// [registry.ErrConflict]; if there is nothing to go back to, [registry.ErrNotFound].
//
// If the journal is damaged, Rollback does it at once, and the run that it returns is not
// in the journal; the registry's history has it.
func (l *Loop) Rollback(ctx context.Context, version, actor, reason string, now time.Time) (Run, error) {
	return l.order(ctx, Order{Trigger: TriggerRecall, Actor: actor, Reason: reason, Version: version}, now)
}

// order starts a run in the place of the open one, if there is one that the order may
// end.
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

// check returns what is wrong with who ordered it and why. The registry will be told, and
// must not refuse it when the order is in the journal.
func (o Order) check() error {
	if o.Actor == "" || o.Reason == "" {
		return fmt.Errorf("healing: %s: an order names its actor and its reason, got actor %q and reason %q", o.Trigger, o.Actor, o.Reason)
	}
	if err := (registry.Transition{Actor: o.Actor, Reason: o.Reason}).Validate(); err != nil {
		return fmt.Errorf("healing: %s: %w", o.Trigger, err)
	}
	return nil
}

// checkSense returns why the order cannot be carried out as the registry is now. It is
// asked before the order takes the place of a run, and again when it is carried out.
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

// recallable returns the version, which is to be in production, and the ID of the latest
// one that was there before and may be again.
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

// recallNow rolls back at once, past a journal that is damaged: what a person orders in an
// emergency must not wait for a repair. The registry records who did it, and why; the
// journal knows nothing of it.
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
