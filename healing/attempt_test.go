package healing_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

// A trainer that ends its process is not called by every process that is started again.
func TestLoop_ATrainerThatEndsTheProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	crashes := 0
	w.parts.Trainer = healing.TrainerFunc(func(context.Context, healing.TrainRequest) (healing.Trained, error) {
		crashes++
		panic("out of memory")
	})
	var l *healing.Loop
	for range 18 { // restarts in an hour and a half
		l = w.loop(t, healing.Config{Monitor: healing.MonitorConfig{Every: 365 * day}})
		func() {
			defer func() { _ = recover() }()
			require.NoError(t, l.Tick(t.Context(), w.now))
		}()
		w.now = w.now.Add(5 * time.Minute)
	}
	require.Equal(t, 3, crashes)
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepAborted, run.Step)
	require.Contains(t, run.Reason, `tried 3 times after step "conditions"`)
}

// A model that ends the process in the replay is not asked for ever either.
func TestLoop_AModelThatEndsTheProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	crashes := 0
	load := w.parts.Load
	w.parts.Load = func(context.Context, registry.Version, io.Reader) (gate.Model, error) {
		crashes++
		panic("out of memory")
	}
	var l *healing.Loop
	for range 18 {
		l = w.loop(t, healing.Config{Monitor: healing.MonitorConfig{Every: 365 * day}})
		func() {
			defer func() { _ = recover() }()
			require.NoError(t, l.Tick(t.Context(), w.now))
		}()
		w.now = w.now.Add(5 * time.Minute)
	}
	w.parts.Load = load
	require.Equal(t, 3, crashes)
	require.Equal(t, 1, w.trained)
	require.Contains(t, w.runs(t, l)[0].Reason, `tried 3 times after step "trained"`)
}

// What the registry cannot keep ends the run: training again would make it again.
func TestLoop_ATrainingWhoseResultCannotBeKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		spoil  func(*healing.Trained)
		reason string
	}{
		{"tag", func(t *healing.Trained) { t.Tags = map[string]string{"note": "caf\xe9"} }, `Tags["note"]`},
		{"metric without a name", func(t *healing.Trained) { t.Metrics = map[string]float64{"": 1} }, "Metrics has the name"},
		{"metric", func(t *healing.Trained) { t.Metrics = map[string]float64{"f1": math.NaN()} }, `Metrics["f1"] is NaN`},
		{"no artifact", func(t *healing.Trained) { t.Artifact = nil }, "no artifact"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pass(t, 40*day, 2000, 0)
			train := w.parts.Trainer
			w.parts.Trainer = healing.TrainerFunc(func(ctx context.Context, r healing.TrainRequest) (healing.Trained, error) {
				trained, err := train.Train(ctx, r)
				trained.Tags = maps.Clone(trained.Tags)
				c.spoil(&trained)
				return trained, err
			})
			l := w.loop(t, healing.Config{})
			require.NoError(t, l.Tick(t.Context(), w.now))
			run := w.runs(t, l)[0]
			require.Equal(t, healing.StepAborted, run.Step)
			require.Contains(t, run.Reason, c.reason)
		})
	}
}

// brokenReader is an artifact that cannot be read.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("disk failed") }

// A registration that fails is repeated, but not with every tick, and not for ever.
func TestLoop_ARegistrationThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	train := w.parts.Trainer
	w.parts.Trainer = healing.TrainerFunc(func(ctx context.Context, r healing.TrainRequest) (healing.Trained, error) {
		trained, err := train.Train(ctx, r)
		trained.Artifact = brokenReader{}
		return trained, err
	})
	l := w.loop(t, healing.Config{})
	failures := 0
	for range 4 * 23 {
		if err := l.Tick(t.Context(), w.now); err != nil {
			require.ErrorContains(t, err, "disk failed")
			failures++
		}
		w.now = w.now.Add(15 * time.Minute)
	}
	require.Equal(t, 3, w.trained)
	require.Equal(t, 2, failures, "the third ends the run")
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepAborted, run.Step)
	require.True(t, strings.HasPrefix(run.Reason, "failed 3 times, the last time: "), run.Reason)
}
