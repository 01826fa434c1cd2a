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
	_, open, err := l.openRun(ctx)
	if err != nil || open {
		return err
	}
	changed, err := l.changedAt(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	order, due := l.due(now, changed)
	l.mu.Unlock()
	if !due {
		return nil
	}
	if _, err := l.start(ctx, order, now); err != nil && !errors.Is(err, ErrBusy) {
		return err
	}
	return nil
}

// due says which run is to start by itself at the time now, given when production last
// changed. The caller holds mu.
func (l *Loop) due(now, changed time.Time) (Order, bool) {
	cfg := l.cfg.Trigger
	last, any := l.state.lastRun()
	if any && now.Sub(last.Updated) < cfg.Backoff {
		return Order{}, false
	}
	order := Order{Actor: l.cfg.Actor}
	switch since := last.Started; {
	case changed.IsZero():
		order.Trigger, order.Reason = TriggerFirst, "no version is in production"
		return order, true
	case !cfg.NoDrift && l.state.drifted >= cfg.DriftPasses && now.Sub(changed) >= cfg.Cooldown:
		order.Trigger, order.Reason = TriggerDrift, fmt.Sprintf("%d passes in a row, the last: %s", l.state.drifted, l.state.lastDrift())
		return order, true
	case !cfg.NoSchedule && now.Sub(later(since, changed)) >= cfg.Every:
		order.Trigger, order.Reason = TriggerSchedule, fmt.Sprintf("%s since the last run or promotion", spell(cfg.Every))
		return order, true
	}
	return Order{}, false
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// changedAt returns when production last changed, zero if nothing was ever promoted.
func (l *Loop) changedAt(ctx context.Context) (time.Time, error) {
	var at time.Time
	for e, err := range l.parts.Registry.History(ctx) {
		if err != nil {
			return time.Time{}, fmt.Errorf("healing: registry: %w", err)
		}
		if e.To == registry.Production {
			at = e.Time
		}
	}
	return at, nil
}
