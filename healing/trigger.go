package healing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// triggerIfDue starts a run if none is open and one is due.
func (l *Loop) triggerIfDue(ctx context.Context, now time.Time) error {
	latest, err := l.latestRun(ctx)
	if err != nil || latest.ID != "" && !latest.Step.Ended() {
		return err
	}
	v, err := registry.InProduction(ctx, l.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return fmt.Errorf("healing: registry: %w", err)
	}
	order, due := l.due(latest, now, v.Since)
	if !due {
		return nil
	}
	_, _, err = l.start(ctx, order, latest, now) // unless another process was quicker
	return err
}

// due returns the order of the run that is to start by itself at the time now, given the
// latest run, which has ended, and when production last changed.
func (l *Loop) due(latest Run, now, changed time.Time) (Order, bool) {
	cfg := l.cfg.Trigger
	if !passed(now, latest.Updated, cfg.Backoff) {
		return Order{}, false
	}
	l.mu.Lock()
	settled := l.state.settled
	if settled.After(now) && passed(now, settled, cfg.Backoff) {
		settled = time.Time{} // by a clock that was wrong
	}
	drifted, last := l.passes.drifted(settled)
	l.mu.Unlock()
	order := Order{Actor: l.cfg.Actor}
	switch {
	case changed.IsZero():
		order.Trigger, order.Reason = TriggerFirst, "no version is in production"
		return order, true
	case !cfg.NoDrift && drifted >= cfg.DriftPasses && passed(now, changed, cfg.Cooldown):
		order.Trigger, order.Reason = TriggerDrift, fmt.Sprintf("%d passes in a row, the last: %s", drifted, last.Verdict())
		return order, true
	case !cfg.NoSchedule && passed(now, latest.Started, cfg.Every) && passed(now, changed, cfg.Every):
		order.Trigger, order.Reason = TriggerSchedule, fmt.Sprintf("%s since the last run or promotion", spell(cfg.Every))
		return order, true
	}
	return Order{}, false
}

// passed reports whether that much time lies between then and now. A time as far in the
// future was written by a wrong clock and counts as long ago: otherwise a clock that was a
// year ahead for one tick would stop everything for a year.
func passed(now, then time.Time, wait time.Duration) bool {
	return now.Sub(then).Abs() >= wait
}

// spell writes whole days and hours as such.
func spell(d time.Duration) string {
	switch {
	case d >= 2*day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return d.String()
}
