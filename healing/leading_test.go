package healing_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

// slowly makes the trainer wait, and says when it begins.
func (w *world) slowly(wait time.Duration) (begun chan struct{}) {
	begun = make(chan struct{}, 10)
	train := w.parts.Trainer
	w.parts.Trainer = healing.TrainerFunc(func(ctx context.Context, r healing.TrainRequest) (healing.Trained, error) {
		begun <- struct{}{}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return healing.Trained{}, ctx.Err()
		}
		return train.Train(ctx, r)
	})
	return begun
}

// Three processes tick while a training lasts far longer than a tick and than the lease:
// one of them trains, and holds the lease as long as it takes.
func TestLoop_TrainsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pass(t, 40*day, 2000, 0)
		w.parts.Lease = new(healing.MemoryLease)
		begun := w.slowly(20 * time.Minute)
		loops := []*healing.Loop{w.loop(t, healing.Config{}), w.loop(t, healing.Config{}), w.loop(t, healing.Config{})}
		var wg sync.WaitGroup
		for _, l := range loops {
			wg.Go(func() {
				for range 10 {
					if err := l.Tick(t.Context(), w.now); err != nil {
						t.Error(err)
					}
					time.Sleep(5 * time.Minute)
				}
			})
		}
		wg.Wait()
		require.Len(t, begun, 1)
		require.Equal(t, 1, w.trained)
		runs := w.runs(t, loops[0])
		require.Len(t, runs, 1)
		require.Equal(t, healing.StepConfirmed, runs[0].Step)
		var tokens []uint64
		for _, e := range w.entries(t) {
			tokens = append(tokens, e.Token)
		}
		require.Equal(t, uint64(0), tokens[0], "a trigger needs no lease")
		require.IsNonDecreasing(t, tokens[1:])
		require.Positive(t, tokens[1])
	})
}

// stuckLease is the lease of a process that is paused: while it is, nothing is renewed.
type stuckLease struct {
	healing.Lease
	paused chan struct{} // closed when the process goes on
}

func (s stuckLease) Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (bool, error) {
	<-s.paused
	return s.Lease.Renew(ctx, holder, token, ttl)
}

// A process that holds the lease is paused in mid-training. Another takes the lease and
// does the work. The first one wakes up, and can neither register, nor record, nor promote
// anything.
func TestLoop_APausedHolderDoesNoHarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pass(t, 40*day, 2000, 0)
		shared := new(healing.MemoryLease)
		stuck := stuckLease{shared, make(chan struct{})}

		sleeper := *w
		sleeper.parts.Lease = stuck
		wake := make(chan struct{})
		sleeper.parts.Trainer = healing.TrainerFunc(func(_ context.Context, r healing.TrainRequest) (healing.Trained, error) {
			<-wake // deaf to its context, as a paused process is
			return sleeper.train(context.Background(), r)
		})
		asleep := sleeper.loop(t, healing.Config{})
		done := make(chan error)
		go func() { done <- asleep.Tick(t.Context(), w.now) }()
		synctest.Wait()

		w.parts.Lease = shared
		awake := w.loop(t, healing.Config{})
		require.NoError(t, awake.Tick(t.Context(), w.now))
		require.Empty(t, w.production(t), "the lease is not over")
		time.Sleep(2 * time.Minute)
		require.NoError(t, awake.Tick(t.Context(), w.now))
		require.Equal(t, "1", w.production(t))
		entries := len(w.entries(t))

		close(wake)
		synctest.Wait()
		close(stuck.paused)
		<-done
		require.Len(t, w.entries(t), entries)
		require.Equal(t, "1", w.production(t))
		n := 0
		for _, err := range w.parts.Registry.Versions(t.Context(), registry.Query{}) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 1, n)
	})
}

// pausedRegistry is the registry as a process sees it that is paused before its next
// transition.
type pausedRegistry struct {
	*registry.Ledger
	begun, wake chan struct{}
}

func (p pausedRegistry) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	close(p.begun)
	<-p.wake
	return p.Ledger.Transition(context.WithoutCancel(ctx), t)
}

// A process is paused between the announcement of a promotion and the promotion. Days later
// another process finds the decision too old, and aborts the run. The first one wakes up,
// and its promotion is refused, although production is as it expects.
func TestLoop_APausedPromotionIsFencedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pass(t, 40*day, 2000, 0)
		ledger := w.parts.Registry.(*registry.Ledger)
		shared := new(healing.MemoryLease)
		sleeper := *w
		paused := pausedRegistry{ledger, make(chan struct{}), make(chan struct{})}
		stuck := stuckLease{shared, make(chan struct{})}
		sleeper.parts.Registry, sleeper.parts.Lease = paused, stuck
		done := make(chan error)
		go func() { done <- sleeper.loop(t, healing.Config{}).Tick(t.Context(), w.now) }()
		<-paused.begun

		w.parts.Lease = shared
		time.Sleep(2 * time.Minute)
		awake := w.loop(t, healing.Config{Trigger: healing.TriggerConfig{Backoff: 30 * day}})
		w.now = w.now.Add(3 * day)
		require.NoError(t, awake.Tick(t.Context(), w.now))
		require.Equal(t, healing.StepAborted, w.runs(t, awake)[0].Step)

		close(paused.wake)
		close(stuck.paused)
		require.ErrorIs(t, <-done, registry.ErrFenced)
		require.Empty(t, w.production(t))
	})
}

// A lease whose storage was lost begins again with low tokens, which the registry refuses.
// Each attempt takes a higher one, until the work goes on.
func TestLoop_ALeaseThatBeginsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	require.NoError(t, w.parts.Registry.(*registry.Ledger).Fence(t.Context(), 3))
	w.parts.Lease = new(healing.MemoryLease)
	l := w.loop(t, healing.Config{})
	require.ErrorIs(t, l.Tick(t.Context(), w.now), registry.ErrFenced)
	require.ErrorIs(t, l.Tick(t.Context(), w.now), registry.ErrFenced)
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, "1", w.production(t))
}

// A journal that hangs while a process trains does not cost it the lease.
func TestLoop_AJournalThatHangsWhileOneTrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pass(t, 40*day, 2000, 0)
		w.parts.Lease = new(healing.MemoryLease)
		begun := w.slowly(20 * time.Minute)
		trains := *w
		journal := newHangingLog(w.parts.Journal)
		trains.parts.Journal = journal
		done := make(chan error)
		go func() { done <- trains.loop(t, healing.Config{}).Tick(t.Context(), w.now) }()
		<-begun
		journal.hangs.Store(true)
		other := w.loop(t, healing.Config{})
		for range 3 {
			time.Sleep(5 * time.Minute)
			require.NoError(t, other.Tick(t.Context(), w.now))
		}
		require.Empty(t, begun, "nobody else trains")
		journal.hangs.Store(false)
		require.NoError(t, <-done)
		require.Equal(t, "1", w.production(t))
	})
}

// deafLease is a lease whose renewals hang.
type deafLease struct{ healing.Lease }

func (deafLease) Renew(ctx context.Context, _ string, _ uint64, _ time.Duration) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// A process whose lease cannot be renewed stops when the lease is over.
func TestLoop_ARenewalThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pass(t, 40*day, 2000, 0)
		w.parts.Lease = deafLease{new(healing.MemoryLease)}
		w.slowly(20 * time.Minute)
		start := time.Now()
		require.ErrorContains(t, w.loop(t, healing.Config{}).Tick(t.Context(), w.now), "another process took the lease")
		require.LessOrEqual(t, time.Since(start), time.Minute)
	})
}

// Training code that panics leaves no goroutine behind that renews the lease.
func TestLoop_APanicEndsTheRenewals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pass(t, 40*day, 2000, 0)
		w.parts.Lease = new(healing.MemoryLease)
		w.parts.Trainer = healing.TrainerFunc(func(context.Context, healing.TrainRequest) (healing.Trained, error) { panic("out of range") })
		require.Panics(t, func() { _ = w.loop(t, healing.Config{}).Tick(context.Background(), w.now) })
	}) // which fails if a goroutine is left
}

// An order that one process takes ends the training of another.
func TestLoop_AnOrderReachesTheHolderOfTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := deployed(t)
		version := w.register(t, "second", threshold{At: 0.1})
		w.parts.Lease = new(healing.MemoryLease)
		begun := w.slowly(50 * time.Minute)
		trains := w.loop(t, healing.Config{})
		run, err := trains.Retrain(t.Context(), "ann", "because", w.now)
		require.NoError(t, err)
		start := time.Now()
		done := make(chan error)
		go func() { done <- trains.Tick(t.Context(), w.now) }()
		<-begun
		other := w.loop(t, healing.Config{})
		_, err = other.Promote(t.Context(), version, "bob", "now", w.now)
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Less(t, time.Since(start), 2*time.Minute)
		require.Equal(t, healing.StepSuperseded, w.find(t, trains, run.ID).Step)
		require.Equal(t, version, w.production(t), "it carries the order out")
	})
}

// A lease that cannot be asked is an error of the tick, and the work waits.
func TestLoop_ALeaseThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	w.parts.Lease = leaseDown{}
	l := w.loop(t, healing.Config{})
	require.ErrorContains(t, l.Tick(t.Context(), w.now), "lease store is down")
	require.Zero(t, w.trained)
	require.Equal(t, w.now, l.Status().Passes[0].Time, "it monitors")
}

type leaseDown struct{ healing.Lease }

func (leaseDown) Acquire(context.Context, string, time.Duration) (uint64, error) {
	return 0, errors.New("lease store is down")
}
