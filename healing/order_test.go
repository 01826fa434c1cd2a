package healing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

// artifact returns the model as Load reads it.
func artifact(m threshold) io.Reader {
	return strings.NewReader(fmt.Sprintf(`{"at":%v,"falling":%v}`, m.At, m.Falling))
}

// register adds a version that is made by hand.
func (w *world) register(t testing.TB, key string, m threshold) string {
	t.Helper()
	v, err := w.parts.Registry.Register(t.Context(), registry.Draft{Key: key}, artifact(m))
	require.NoError(t, err)
	return v.ID
}

// promote puts a version into production past the gate and begins its watch.
func (w *world) promote(t testing.TB, l *healing.Loop, version string) healing.Run {
	t.Helper()
	_, err := l.Promote(t.Context(), version, "ann", "because", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepWatching, run.Step, run.Reason)
	require.Equal(t, version, w.production(t))
	return run
}

// find returns the run with this ID.
func (w *world) find(t testing.TB, l *healing.Loop, id string) healing.Run {
	t.Helper()
	for _, r := range w.runs(t, l) {
		if r.ID == id {
			return r
		}
	}
	require.Fail(t, "no run "+id)
	return healing.Run{}
}

// Two people press the same button: the second order must not undo the first.
func TestLoop_TwoRollbacksOfOneVersion(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.promote(t, l, w.register(t, "second", threshold{At: 0.1}))
	third := w.register(t, "third", threshold{At: 0.2})
	w.promote(t, l, third)

	_, err := l.Rollback(t.Context(), third, "ann", "customers complain", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, "2", w.production(t))
	_, err = l.Rollback(t.Context(), third, "bob", "customers complain", w.now)
	require.ErrorIs(t, err, registry.ErrConflict)
	_, err = l.Rollback(t.Context(), "", "bob", "customers complain", w.now)
	require.ErrorIs(t, err, registry.ErrConflict)
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, "2", w.production(t))
	v, err := registry.Get(t.Context(), w.parts.Registry, "2")
	require.NoError(t, err)
	require.Equal(t, registry.Production, v.Stage)
}

// An order that made sense when it was given finds another version in production.
func TestLoop_RollbackOfWhatLeftProductionMeanwhile(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	watched := w.promote(t, l, w.register(t, "second", threshold{At: 0.1}))
	run, err := l.Rollback(t.Context(), "2", "ann", "customers complain", w.now)
	require.NoError(t, err)
	require.Equal(t, watched.ID, run.Supersedes)
	third := w.register(t, "third", threshold{At: 0.2})
	_, err = w.parts.Registry.Transition(t.Context(), registry.Transition{Version: third, To: registry.Production, Expect: "2"})
	require.NoError(t, err)

	require.NoError(t, l.Tick(t.Context(), w.now))
	run = w.find(t, l, run.ID)
	require.Equal(t, healing.StepAborted, run.Step)
	require.Contains(t, run.Reason, `expected version "2" in production, found version "3"`)
	require.Equal(t, third, w.production(t))
	watched = w.find(t, l, watched.ID)
	require.Equal(t, healing.StepAborted, watched.Step, "there is nothing left to watch")
	require.Contains(t, watched.Reason, `version "3" took the place of 2`)
}

// Whatever an order comes to that changes nothing, a harmful version stays watched, and
// is rolled back.
func TestLoop_TheWatchOutlivesFutileOrders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		order func(t *testing.T, w *world, l *healing.Loop, harmful string)
	}{
		{"a second click", func(t *testing.T, w *world, l *healing.Loop, harmful string) {
			_, err := l.Promote(t.Context(), harmful, "ann", "because", w.now)
			require.ErrorIs(t, err, registry.ErrIllegal)
			require.ErrorContains(t, err, "in production already")
		}},
		{"an unknown version", func(t *testing.T, w *world, l *healing.Loop, _ string) {
			_, err := l.Promote(t.Context(), "99", "ann", "because", w.now)
			require.ErrorIs(t, err, registry.ErrNotFound)
		}},
		{"a journal that fails", func(t *testing.T, w *world, _ *healing.Loop, harmful string) {
			parts := w.parts
			parts.Journal = &faultyLog{Log: w.parts.Journal, Before: func(int) error { return errors.New("disk full") }}
			l, err := healing.New(parts, healing.Config{})
			require.NoError(t, err)
			_, err = l.Rollback(t.Context(), harmful, "ann", "harmful", w.now)
			require.ErrorContains(t, err, "disk full")
		}},
		{"a version that is quarantined before the order is carried out", func(t *testing.T, w *world, l *healing.Loop, _ string) {
			other := w.register(t, "other", threshold{At: 0.1})
			run, err := l.Promote(t.Context(), other, "ann", "because", w.now)
			require.NoError(t, err)
			_, err = w.parts.Registry.Transition(t.Context(), registry.Transition{Version: other, To: registry.Quarantined})
			require.NoError(t, err)
			require.NoError(t, l.Tick(t.Context(), w.now))
			require.Equal(t, healing.StepAborted, w.find(t, l, run.ID).Step)
		}},
		{"a retraining that fails", func(t *testing.T, w *world, _ *healing.Loop, _ string) {
			w.parts.Trainer = healing.TrainerFunc(func(context.Context, healing.TrainRequest) (healing.Trained, error) {
				return healing.Trained{}, errors.New("out of memory")
			})
			l := w.loop(t, healing.Config{})
			run, err := l.Retrain(t.Context(), "ann", "because", w.now)
			require.NoError(t, err)
			require.NoError(t, l.Tick(t.Context(), w.now))
			require.Equal(t, healing.StepAborted, w.find(t, l, run.ID).Step)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, l := deployed(t)
			harmful := w.register(t, "harmful", threshold{Falling: true})
			watched := w.promote(t, l, harmful)
			c.order(t, w, l, harmful)
			require.Equal(t, harmful, w.production(t))

			l = w.loop(t, healing.Config{})
			w.days(t, l, 1, 400)
			require.Equal(t, healing.StepRolledBack, w.find(t, l, watched.ID).Step)
			require.Equal(t, "1", w.production(t))
		})
	}
}

// An order that takes the place of a watch is one entry: there is no instant at which the
// watch is over and the order not given.
func TestLoop_AnOrderIsOneEntry(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	harmful := w.register(t, "harmful", threshold{Falling: true})
	w.promote(t, l, harmful)
	parts := w.parts
	parts.Journal = &faultyLog{Log: w.parts.Journal, Before: func(n int) error {
		if n > 1 {
			return errors.New("disk full")
		}
		return nil
	}}
	dying, err := healing.New(parts, healing.Config{})
	require.NoError(t, err)
	_, err = dying.Rollback(t.Context(), harmful, "ann", "harmful", w.now)
	require.NoError(t, err)
	require.Error(t, dying.Tick(t.Context(), w.now))
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, "1", w.production(t))
}

// A promotion that is carried out ends the watch over the one before for good.
func TestLoop_APromotionEndsTheWatchBefore(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	first := w.promote(t, l, w.register(t, "second", threshold{At: 0.1}))
	second := w.promote(t, l, w.register(t, "third", threshold{}))
	require.Equal(t, first.ID, second.Supersedes)
	w.days(t, l, 8, 400)
	require.Equal(t, healing.StepSuperseded, w.find(t, l, first.ID).Step)
	require.Contains(t, w.find(t, l, first.ID).Reason, "override by ann: because")
	require.Equal(t, healing.StepConfirmed, w.find(t, l, second.ID).Step)
}

// Text that the registry cannot keep is refused before it is in the journal, where it
// would keep every run waiting.
func TestLoop_RefusesTextThatCannotBeKept(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	version := w.register(t, "second", threshold{At: 0.1})
	for _, bad := range []string{"be\x00cause", "caf\xe9"} {
		_, err := l.Promote(t.Context(), version, "ann", bad, w.now)
		require.ErrorContains(t, err, "want UTF-8 without NUL")
		_, err = l.Retrain(t.Context(), bad, "because", w.now)
		require.ErrorContains(t, err, "want UTF-8 without NUL")
		_, err = healing.New(w.parts, healing.Config{Actor: bad})
		require.ErrorContains(t, err, "want UTF-8 without NUL")
	}
	w.promote(t, l, version)
}

// refusing is a registry that refuses transitions with an error.
type refusing struct {
	registry.Registry
	err error
}

func (r refusing) Transition(context.Context, registry.Transition) (registry.Event, error) {
	return registry.Event{}, r.err
}

// What the registry will refuse for ever ends the run; what it may do the next time does
// not.
func TestLoop_ARefusedTransitionEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want healing.Step
	}{
		{registry.ErrNotFound, healing.StepAborted},
		{registry.ErrFenced, healing.StepPromoting}, // the process that holds the lease goes on
		{registry.ErrIllegal, healing.StepAborted},
		{&registry.ConflictError{Expected: "1", Actual: "7"}, healing.StepAborted},
		{errors.New("connection lost"), healing.StepPromoting},
	} {
		w, l := deployed(t)
		version := w.register(t, "second", threshold{At: 0.1})
		sound := w.parts.Registry
		w.parts.Registry = refusing{sound, c.err}
		broken := w.loop(t, healing.Config{})
		_, err := broken.Promote(t.Context(), version, "ann", "because", w.now)
		require.NoError(t, err)
		err = broken.Tick(t.Context(), w.now)
		require.Equal(t, c.want, w.runs(t, l)[0].Step)
		require.Equal(t, c.want == healing.StepPromoting, err != nil)
		w.parts.Registry = sound
	}
}

// forgetful is a registry that says it did what it did not.
type forgetful struct{ registry.Registry }

func (forgetful) Transition(_ context.Context, t registry.Transition) (registry.Event, error) {
	return registry.Event{Seq: 9, Time: epoch, Version: t.Version, To: t.To, Key: t.Key}, nil
}

func TestLoop_ReadsBackWhatItPromoted(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	version := w.register(t, "second", threshold{At: 0.1})
	w.parts.Registry = forgetful{w.parts.Registry}
	l := w.loop(t, healing.Config{})
	_, err := l.Promote(t.Context(), version, "ann", "because", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepAborted, run.Step)
	require.Contains(t, run.Reason, `but version "1" is there now`)
}

// A journal that was lost must not make new runs take the effects of old ones for their
// own.
func TestLoop_RunsOfTwoJournalsDiffer(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	first := w.runs(t, l)[0]
	seen := map[string]bool{first.ID: true}
	version := w.register(t, "second", threshold{At: 0.1})
	for range 2 {
		w.parts.Journal = &registry.MemoryLog{}
		l = w.loop(t, healing.Config{})
		run := w.promote(t, l, version)
		require.False(t, seen[run.ID], run.ID)
		seen[run.ID] = true
		_, err := l.Rollback(t.Context(), version, "ann", "because", w.now)
		require.NoError(t, err)
		require.NoError(t, l.Tick(t.Context(), w.now))
		require.Equal(t, "1", w.production(t))
		_, err = w.parts.Registry.Transition(t.Context(), registry.Transition{Version: version, To: registry.Archived, Reason: "pardon"})
		require.NoError(t, err)
	}

	trained := w.trained
	w.parts.Journal = &registry.MemoryLog{}
	l = w.loop(t, healing.Config{})
	_, err := l.Retrain(t.Context(), "ann", "because", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, trained+1, w.trained, "an old version was taken for the result")
}

// Runs follow each other in the journal's order, whatever their IDs look like.
func TestLoop_IDsAreNotOrdered(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	w.parts.Journal = &registry.MemoryLog{}
	record(t, w.parts.Journal, healing.Run{ID: "run-999991", Step: healing.StepAborted, Started: epoch, Updated: epoch})
	l := w.loop(t, healing.Config{})
	run, err := l.Retrain(t.Context(), "ann", "because", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.True(t, w.find(t, l, run.ID).Step.Ended())
}

// Another process promotes while this one trains: Advance returns what the journal says.
func TestLoop_AdvanceReturnsWhatIsRecorded(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	version := w.register(t, "second", threshold{At: 0.1})
	train := w.parts.Trainer
	w.parts.Trainer = healing.TrainerFunc(func(ctx context.Context, r healing.TrainRequest) (healing.Trained, error) {
		if _, err := w.loop(t, healing.Config{}).Promote(ctx, version, "bob", "now", w.now); err != nil {
			return healing.Trained{}, err
		}
		return train.Train(ctx, r)
	})
	var steps []healing.Step
	l := w.loop(t, healing.Config{Hooks: healing.Hooks{Run: func(r healing.Run) { steps = append(steps, r.Step) }}})
	run, err := l.Retrain(t.Context(), "ann", "because", w.now)
	require.NoError(t, err)
	for range 2 {
		run, err = l.Advance(t.Context(), run.ID, w.now)
		require.NoError(t, err)
	}
	require.Equal(t, healing.StepSuperseded, run.Step)
	require.Equal(t, []healing.Step{healing.StepTriggered, healing.StepConditions}, steps, "hooks are told of what was recorded")
}

// An order is tried again if the run under way merely went on meanwhile.
func TestLoop_AnOrderFollowsARunThatGoesOn(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	version := w.register(t, "second", threshold{At: 0.1})
	l := w.loop(t, healing.Config{})
	run, err := l.Retrain(t.Context(), "ann", "because", w.now)
	require.NoError(t, err)
	parts := w.parts
	parts.Journal = &faultyLog{Log: w.parts.Journal, Before: func(n int) error {
		if n > 1 {
			return nil
		}
		_, err := l.Advance(t.Context(), run.ID, w.now)
		return err
	}}
	other, err := healing.New(parts, healing.Config{})
	require.NoError(t, err)
	ordered, err := other.Promote(t.Context(), version, "bob", "now", w.now)
	require.NoError(t, err)
	require.Equal(t, run.ID, ordered.Supersedes)
}

// Hooks are told one at a time, in the order of the journal, although orders come in while
// a tick works.
func TestLoop_HooksAreToldInOrder(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	w.pass(t, 6*hour, 300, 0)
	version := w.register(t, "second", threshold{At: 0.1})
	var (
		mu      sync.Mutex
		told    []string
		running int
	)
	hook := func(what string) {
		mu.Lock()
		running++
		at := running
		told = append(told, what)
		mu.Unlock()
		if at > 1 {
			t.Error("two hooks at once")
		}
		time.Sleep(20 * time.Millisecond) // long enough for the order to come in
		mu.Lock()
		running--
		mu.Unlock()
	}
	recorded := len(w.entries(t))
	passing := make(chan struct{}, 1)
	l := w.loop(t, healing.Config{Hooks: healing.Hooks{
		Pass: func(healing.Pass) { passing <- struct{}{}; hook("pass") },
		Run:  func(r healing.Run) { hook(r.ID + " " + string(r.Step)) },
	}})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Tick(t.Context(), w.now); err != nil {
			t.Error(err)
		}
	})
	<-passing
	_, err := l.Promote(t.Context(), version, "ann", "because", w.now)
	require.NoError(t, err)
	wg.Wait()
	require.NoError(t, l.Tick(t.Context(), w.now))

	want := []string{"pass"}
	for _, e := range w.entries(t)[recorded:] {
		want = append(want, e.Run.ID+" "+string(e.Run.Step))
	}
	require.Equal(t, want, told)
}
