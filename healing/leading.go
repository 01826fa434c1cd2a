package healing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// errLeaseLost ends the context of work whose lease another process took.
var errLeaseLost = errors.New("healing: another process took the lease")

// leading does work on the run while this process holds the lease, and nothing if another
// process holds it. The context of the work ends when the lease is lost, or when the journal
// says that the run went on elsewhere. Watching needs no lease: looking changes nothing, and
// the outcome is recorded by compare-and-set. The caller holds working.
func (l *Loop) leading(ctx context.Context, run Run, work func(context.Context) error) error {
	if l.parts.Lease == nil || run.Step == StepWatching {
		return work(ctx)
	}
	token, err := l.parts.Lease.Acquire(ctx, l.holder, l.cfg.Lease)
	if err != nil {
		return fmt.Errorf("healing: lease: %w", err)
	}
	if token == 0 {
		l.cfg.Logger.InfoContext(ctx, "another process is at work", "run", run.ID, "step", run.Step)
		return nil
	}
	l.token = token
	defer func() {
		l.token = 0
		// A release that fails costs the next process a wait, no more.
		if err := l.parts.Lease.Release(context.WithoutCancel(ctx), l.holder, token); err != nil {
			l.cfg.Logger.WarnContext(ctx, "the lease was not released", "error", err)
		}
	}()
	if f, ok := l.parts.Registry.(registry.Fencer); ok { // until then a former holder may still be heard
		if err := f.Fence(ctx, token); err != nil {
			return fmt.Errorf("healing: registry: %w", err)
		}
	}
	working, cancel := context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	beating.Go(func() { l.keepLease(working, cancel, token, run) })
	defer func() { // also if the host's code panics
		cancel(nil)
		beating.Wait()
	}()
	err = work(working)
	if context.Cause(working) == errLeaseLost && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", run.ID, errors.Join(errLeaseLost, err))
	}
	return err
}

// keepLease renews the lease until ctx ends. keepLease ends the work when the lease is lost,
// when the lease could not be renewed in time, and when an order ended the run in another
// process.
func (l *Loop) keepLease(ctx context.Context, cancel context.CancelCauseFunc, token uint64, run Run) {
	ticker := time.NewTicker(l.cfg.Lease / 3)
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked := time.Now()
		held, err := l.renew(ctx, token)
		switch {
		case err == nil && held:
			renewed = asked
		case ctx.Err() != nil:
			return
		case err == nil || time.Since(renewed) >= l.cfg.Lease:
			cancel(errLeaseLost)
			return
		}
		if l.superseded(ctx, run) {
			l.mu.Lock()
			if l.interrupt != nil {
				l.interrupt()
			}
			l.mu.Unlock()
		}
	}
}

// beat bounds each call that keepLease makes, so that a store that hangs neither delays the
// next renewal nor hides that the lease is over.
func (l *Loop) beat(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.cfg.Lease/3)
}

func (l *Loop) renew(ctx context.Context, token uint64) (held bool, err error) {
	ctx, cancel := l.beat(ctx)
	defer cancel()
	return l.parts.Lease.Renew(ctx, l.holder, token, l.cfg.Lease)
}

// superseded reports whether the journal says that an order ended the run.
func (l *Loop) superseded(ctx context.Context, run Run) bool {
	ctx, cancel := l.beat(ctx)
	defer cancel()
	if l.catchUp(ctx) != nil {
		return false
	}
	now, err := l.find(run.ID)
	return err == nil && now.Step == StepSuperseded
}
