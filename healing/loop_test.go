package healing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	gatemetrics "github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

func TestNew_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := healing.New(healing.Parts{}, healing.Config{Watch: healing.WatchConfig{Alpha: 1}, Segments: []string{"x"}})
	require.ErrorContains(t, err, "Watch.Alpha is 1, want lt=1")
	for _, part := range []string{"Predictions", "Labels", "Registry", "Journal", "Trainer", "Load"} {
		require.ErrorContains(t, err, "Parts."+part+" is nil")
	}

	w := newWorld(t)
	_, err = healing.New(w.parts, healing.Config{
		Monitor:  healing.MonitorConfig{Every: -1, MinSamples: -3},
		Train:    healing.TrainConfig{MinCoverage: 1.5},
		Watch:    healing.WatchConfig{Alpha: 1},
		Segments: []string{"x", "planet"},
		GiveUp:   -time.Second,
	})
	for _, want := range []string{
		"Monitor.Every is -1ns, want gte=0",
		"Monitor.MinSamples is -3, want gte=0",
		"Train.MinCoverage is 1.5, want lte=1",
		"Watch.Alpha is 1, want lt=1",
		"Segments is x, which is numeric, want categorical columns",
		"Segments is planet, want the name of a column",
		"GiveUp is -1s, want gte=0",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestLoop_FirstDeployment(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	require.Equal(t, "1", w.production(t))

	run := w.runs(t, l)[0]
	require.Equal(t, healing.TriggerFirst, run.Order.Trigger)
	require.Equal(t, 1850, run.Labelling.Coverage.Labelled, "of 37 days of the 40")
	require.True(t, run.Decision.First)
	require.Equal(t, gate.Promote, run.Decision.Outcome)
	require.Len(t, run.Dataset, 64)
	require.Empty(t, run.Predecessor)

	v, err := registry.Get(t.Context(), w.parts.Registry, "1")
	require.NoError(t, err)
	require.Equal(t, run.ID, v.Key)
	require.Equal(t, run.Dataset, v.Tags["selfheal.dataset"])
}

func TestLoop_TooFewLabels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		rows       int
		unlabelled float64
		reason     string
	}{
		{"no traffic", 0, 0, "0 of 0 predictions labelled (0 %), at least 200 wanted"},
		{"few rows", 150, 0, "150 of 150 predictions labelled (100 %), at least 200 wanted"},
		{"low coverage", 2000, 0.8, "at least 30 % wanted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.pass(t, 30*day, c.rows, c.unlabelled)
			l := w.loop(t, healing.Config{})
			require.NoError(t, l.Tick(t.Context(), w.now))
			run := w.runs(t, l)[0]
			require.Equal(t, healing.StepSkipped, run.Step)
			require.Contains(t, run.Reason, c.reason)
			require.Zero(t, w.trained)
		})
	}
}

// A share that is not enough does not read as if it were.
func TestLoop_NearlyEnoughCoverage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 30*day, 4000, 0.001)
	l := w.loop(t, healing.Config{Train: healing.TrainConfig{MinCoverage: 1}})
	require.NoError(t, l.Tick(t.Context(), w.now))
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepSkipped, run.Step)
	require.Regexp(t, `^39\d\d of 4000 predictions labelled \(99\.\d %\), at least 100 % wanted$`, run.Reason)
}

func TestLoop_OneClassOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.centre = 0
	w.pass(t, 30*day, 0, 0)
	w.onlyClass(t, 40*day, 1000, "0")
	l := w.loop(t, healing.Config{})
	require.NoError(t, l.Tick(t.Context(), w.now))
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepSkipped, run.Step)
	require.Contains(t, run.Reason, `training rows are of class "0"`)
}

func TestLoop_StableTrafficTriggersNothingButTheSchedule(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 6, 400)
	require.Len(t, w.runs(t, l), 1)
	w.days(t, l, 2, 400)
	runs := w.runs(t, l)
	require.Len(t, runs, 2)
	require.Equal(t, healing.TriggerSchedule, runs[0].Order.Trigger)
	require.NotEqual(t, healing.StepAborted, runs[0].Step, runs[0].Reason)
}

func TestLoop_DriftHeals(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 5, 400)
	w.centre = 3
	w.days(t, l, 12, 400)

	var healed healing.Run
	for _, r := range w.runs(t, l) {
		if r.Order.Trigger == healing.TriggerDrift && (r.Step == healing.StepWatching || r.Step == healing.StepConfirmed) {
			healed = r
		}
	}
	require.NotEmpty(t, healed.ID, "a run triggered by drift took production")
	require.Contains(t, healed.Order.Reason, "x")
	require.Equal(t, healed.Version, w.production(t))
	require.Greater(t, healed.Decision.Shadow[gatemetrics.F1.String()], healed.Decision.Production[gatemetrics.F1.String()])

	w.days(t, l, 8, 400)
	for _, r := range w.runs(t, l) {
		if r.ID == healed.ID {
			require.Equal(t, healing.StepConfirmed, r.Step)
			require.False(t, r.Watch.Harmful)
			require.Greater(t, r.Watch.Rows, 1000)
		}
	}
}

func TestLoop_RejectsAWorseShadow(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 7, 400)
	w.spoil = true
	run, err := l.Retrain(t.Context(), "ann", "trying something", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))

	run, err = l.Advance(t.Context(), run.ID, w.now)
	require.NoError(t, err)
	require.Equal(t, healing.StepRejected, run.Step, run.Reason)
	require.Equal(t, gate.Reject, run.Decision.Outcome)
	require.Equal(t, "1", w.production(t))
	v, err := registry.Get(t.Context(), w.parts.Registry, run.Version)
	require.NoError(t, err)
	require.Equal(t, registry.Archived, v.Stage)
}

func TestLoop_RollsBackAHarmfulOverride(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 7, 400)
	w.spoil = true
	bad, err := l.Retrain(t.Context(), "ann", "trying something", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	bad, err = l.Advance(t.Context(), bad.ID, w.now)
	require.NoError(t, err)

	forced, err := l.Promote(t.Context(), bad.Version, "bob", "I know better", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, bad.Version, w.production(t))

	w.days(t, l, 1, 400)
	forced, err = l.Advance(t.Context(), forced.ID, w.now)
	require.NoError(t, err)
	require.Equal(t, healing.StepRolledBack, forced.Step, forced.Reason)
	require.True(t, forced.Watch.Harmful)
	require.GreaterOrEqual(t, forced.Watch.EValue, 1/forced.Watch.Alpha)
	require.Greater(t, forced.Watch.VersionLoss, forced.Watch.PredecessorLoss)
	require.Equal(t, "1", w.production(t))
	v, err := registry.Get(t.Context(), w.parts.Registry, bad.Version)
	require.NoError(t, err)
	require.Equal(t, registry.Quarantined, v.Stage)

	require.Equal(t, bad.Dataset, forced.Dataset, "the data are quarantined with the version")

	_, err = l.Promote(t.Context(), bad.Version, "bob", "again", w.now)
	require.ErrorIs(t, err, registry.ErrIllegal)
	require.Equal(t, forced, w.runs(t, l)[0])
}

func TestLoop_Recall(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	_, err := l.Rollback(t.Context(), "1", "ann", "a feeling", w.now)
	require.ErrorIs(t, err, registry.ErrNotFound)
	require.ErrorContains(t, err, "no earlier version")

	w.centre = 3
	w.days(t, l, 16, 400)
	require.NotEqual(t, "1", w.production(t))
	_, err = l.Rollback(t.Context(), w.production(t), "ann", "a feeling", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, healing.StepRolledBack, w.runs(t, l)[0].Step)
	require.Equal(t, "1", w.production(t))
}

func TestLoop_OrdersNameWhoAndWhy(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	_, err := l.Retrain(t.Context(), "", "why not", w.now)
	require.ErrorContains(t, err, `got actor ""`)
	_, err = l.Rollback(t.Context(), "1", "ann", "", w.now)
	require.ErrorContains(t, err, `reason ""`)
	_, err = l.Promote(t.Context(), "99", "ann", "because", w.now)
	require.ErrorIs(t, err, registry.ErrNotFound)

	_, err = l.Retrain(t.Context(), "ann", "because", w.now)
	require.NoError(t, err)
	_, err = l.Retrain(t.Context(), "bob", "because", w.now)
	require.ErrorIs(t, err, healing.ErrBusy)
}

// TestLoop_AnOrderDoesNotWaitForATraining lets a person roll back while this process is
// in the middle of a training that would take an hour.
func TestLoop_AnOrderDoesNotWaitForATraining(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.now = time.Now().Add(-40 * day)
		w.pass(t, 40*day, 2000, 0)
		l := w.loop(t, healing.Config{})
		require.NoError(t, l.Tick(t.Context(), time.Now()))
		second, err := w.parts.Registry.Register(t.Context(), registry.Draft{Key: "by hand"}, strings.NewReader(`{"at":0.1}`))
		require.NoError(t, err)
		_, err = l.Promote(t.Context(), second.ID, "ann", "a better one", time.Now())
		require.NoError(t, err)
		require.NoError(t, l.Tick(t.Context(), time.Now()))
		require.Equal(t, "2", w.production(t))

		w.parts.Trainer = healing.TrainerFunc(func(ctx context.Context, _ healing.TrainRequest) (healing.Trained, error) {
			select {
			case <-time.After(time.Hour):
				return healing.Trained{}, errors.New("the training was not interrupted")
			case <-ctx.Done():
				return healing.Trained{}, ctx.Err()
			}
		})
		l = w.loop(t, healing.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		synctest.Wait()
		_, err = l.Retrain(t.Context(), "bob", "monthly", time.Now())
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		require.Equal(t, healing.StepConditions, w.runs(t, l)[0].Step, "training")

		_, err = l.Rollback(t.Context(), "2", "ann", "customers complain", time.Now())
		require.NoError(t, err)
		synctest.Wait() // no time goes by
		require.Equal(t, "1", w.production(t))
		runs := w.runs(t, l)
		require.Equal(t, healing.StepRolledBack, runs[0].Step)
		require.Equal(t, healing.StepSuperseded, runs[1].Step)
		cancel()
		require.NoError(t, <-done)
	})
}

func TestLoop_TrainingFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		train  healing.TrainerFunc
		reason string
	}{
		{"error", func(context.Context, healing.TrainRequest) (healing.Trained, error) {
			return healing.Trained{}, errors.New("out of memory")
		}, "training: out of memory"},
		{"nothing", func(context.Context, healing.TrainRequest) (healing.Trained, error) {
			return healing.Trained{}, nil
		}, "no artifact"},
		{"garbage", func(context.Context, healing.TrainRequest) (healing.Trained, error) {
			return healing.Trained{Artifact: strings.NewReader("garbage")}, nil
		}, "the shadow cannot be loaded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _ := deployed(t)
			w.parts.Trainer = c.train
			l := w.loop(t, healing.Config{})
			_, err := l.Retrain(t.Context(), "ann", "test", w.now.Add(8*day))
			require.NoError(t, err)
			require.NoError(t, l.Tick(t.Context(), w.now.Add(8*day)))
			run := w.runs(t, l)[0]
			require.Equal(t, healing.StepAborted, run.Step)
			require.Contains(t, run.Reason, c.reason)
			require.Equal(t, "1", w.production(t))
		})
	}
}

// TestLoop_RefusesQuarantinedData trains on the same rows as a version that did harm.
func TestLoop_RefusesQuarantinedData(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	second, err := w.parts.Registry.Register(t.Context(), registry.Draft{Key: "by hand"}, strings.NewReader(`{"at":0.1}`))
	require.NoError(t, err)
	_, err = l.Promote(t.Context(), second.ID, "ann", "a better one", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	retrained, err := l.Retrain(t.Context(), "ann", "once more", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	retrained, err = l.Advance(t.Context(), retrained.ID, w.now)
	require.NoError(t, err)
	_, err = l.Promote(t.Context(), retrained.Version, "ann", "this one", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	_, err = l.Rollback(t.Context(), retrained.Version, "ann", "no good", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, second.ID, w.production(t))

	_, err = l.Retrain(t.Context(), "bob", "try again", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepSkipped, run.Step)
	require.Contains(t, run.Reason, "whose model was rolled back")
}

// TestLoop_AWatchEndsWithoutItsPredecessor loses the predecessor's artifact.
func TestLoop_AWatchEndsWithoutItsPredecessor(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	second, err := w.parts.Registry.Register(t.Context(), registry.Draft{Key: "by hand"}, strings.NewReader(`{"at":0.1}`))
	require.NoError(t, err)
	_, err = l.Promote(t.Context(), second.ID, "ann", "a better one", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))

	load := w.parts.Load
	w.parts.Load = func(ctx context.Context, v registry.Version, artifact io.Reader) (gate.Model, error) {
		if v.ID == "1" {
			return nil, errors.New("lost")
		}
		return load(ctx, v, artifact)
	}
	l = w.loop(t, healing.Config{Trigger: healing.TriggerConfig{NoSchedule: true, NoDrift: true}})
	w.pass(t, 7*day, 700, 0)
	require.ErrorContains(t, l.Tick(t.Context(), w.now), "lost")
	require.Equal(t, healing.StepWatching, w.runs(t, l)[0].Step)
	w.pass(t, day, 100, 0)
	require.NoError(t, l.Tick(t.Context(), w.now))
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepConfirmed, run.Step)
	require.Contains(t, run.Reason, "not compared with its predecessor")
	require.Equal(t, second.ID, w.production(t))
}

// TestLoop_SurvivesACrashAtEveryStep lets the process die before and after the record of
// each step of a story that promotes twice, and compares what another process makes of
// it with what happens undisturbed.
func TestLoop_SurvivesACrashAtEveryStep(t *testing.T) {
	t.Parallel()
	want, journal := story(t, 0, false)
	require.NotContains(t, want, "1 in production", "a shadow took over")
	for e, err := range healing.ReadJournal(t.Context(), journal) {
		require.NoError(t, err)
		if e.Run.Attempts > 0 && e.Run.Order.Trigger != healing.TriggerFirst {
			continue // so is one attempt
		}
		got, _ := story(t, int(e.Seq), false)
		require.Equal(t, want, got, "died before record %d", e.Seq)
		got, _ = story(t, int(e.Seq), true)
		require.Equal(t, want, got, "died after record %d", e.Seq)
	}
}

// quick lets a change of the world be learnt in days.
// A process may be killed often while it trains.
var quick = healing.Config{Train: healing.TrainConfig{Training: 10 * day, Evaluation: 2 * day, Attempts: 30}}

// story plays a fixed sequence of events, with a crash at the n-th record, and tells how
// it ended.
func story(t *testing.T, n int, after bool) (string, registry.Log) {
	t.Helper()
	w := newWorld(t)
	w.pass(t, 14*day, 1000, 0)
	journal := w.parts.Journal
	dies := func(k int) error {
		if n > 0 && k >= n {
			return errors.New("killed")
		}
		return nil
	}
	dying := &faultyLog{Log: journal}
	if after {
		dying.After = dies
	} else {
		dying.Before = dies
	}
	w.parts.Journal = dying
	l := w.loop(t, quick)
	tick := func() {
		if l.Tick(t.Context(), w.now) != nil {
			w.parts.Journal = journal
			l = w.loop(t, quick) // the next process
			require.NoError(t, l.Tick(t.Context(), w.now))
		}
	}
	tick()
	for i := range 26 {
		if i == 10 {
			w.centre = 3
		}
		w.pass(t, 12*hour, 110, 0)
		tick()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s in production after %d trainings\n", w.production(t), w.trained)
	for e, err := range w.parts.Registry.History(t.Context(), 0) {
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s: %s to %s, %s %s\n", e.Version, e.From, e.To, e.Displaced, e.DisplacedTo)
	}
	for _, r := range w.runs(t, l) {
		fmt.Fprintf(&b, "%s %s at %s: %s\n", r.Order.Trigger, r.Step, r.Started.Sub(epoch), r.Reason)
	}
	return b.String(), journal
}

// TestLoop_TwoProcesses lets two loops drive the same parts at once.
func TestLoop_TwoProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	w.parts.Trainer = healing.TrainerFunc(threadSafe(w.train))
	loops := []*healing.Loop{w.loop(t, healing.Config{}), w.loop(t, healing.Config{}), w.loop(t, healing.Config{})}
	var wg sync.WaitGroup
	for _, l := range loops {
		wg.Go(func() {
			for range 5 {
				if err := l.Tick(t.Context(), w.now); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, "1", w.production(t))
	events := 0
	for _, err := range w.parts.Registry.History(t.Context(), 0) {
		require.NoError(t, err)
		events++
	}
	require.Equal(t, 1, events)
	require.Len(t, w.runs(t, loops[0]), 1)
}

func threadSafe(train healing.TrainerFunc) healing.TrainerFunc {
	var mu sync.Mutex
	return func(ctx context.Context, req healing.TrainRequest) (healing.Trained, error) {
		mu.Lock()
		defer mu.Unlock()
		return train(ctx, req)
	}
}

func TestLoop_GivesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	w.parts.Labels = labelsDown{w.parts.Labels}
	l := w.loop(t, healing.Config{})
	require.ErrorContains(t, l.Tick(t.Context(), w.now), "label store is down")
	require.Equal(t, healing.StepTriggered, w.runs(t, l)[0].Step, "it is tried again")
	require.ErrorContains(t, l.Tick(t.Context(), w.now.Add(23*hour)), "label store is down")
	require.NoError(t, l.Tick(t.Context(), w.now.Add(24*hour)))
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepAborted, run.Step)
	require.Contains(t, run.Reason, "gave up after 24 h")
	require.Contains(t, run.Reason, "label store is down")
}

func TestLoop_Run(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.now = time.Now().Add(-40 * day)
		w.pass(t, 40*day, 8000, 0)
		var passes []healing.Pass
		l := w.loop(t, healing.Config{Hooks: healing.Hooks{Pass: func(p healing.Pass) { passes = append(passes, p) }}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		time.Sleep(31 * time.Minute)
		cancel()
		require.NoError(t, <-done)
		require.Len(t, passes, 7)
		require.NotEmpty(t, passes[0].Skipped)
		require.Equal(t, "1", passes[6].Version, w.runs(t, l)[0].Reason)
	})
}
