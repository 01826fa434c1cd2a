package healing_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// A run on more rows than it may hold takes a sample, and says so. Another process would
// take the same.
func TestLoop_MaxRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 6000, 0.25)
	cfg := healing.Config{Train: healing.TrainConfig{MaxRows: 500}}
	train := w.parts.Trainer
	var given []string
	w.parts.Trainer = healing.TrainerFunc(func(ctx context.Context, r healing.TrainRequest) (healing.Trained, error) {
		given = append(given, r.Data.Fingerprint())
		require.Len(t, r.Data.Examples, 500)
		return train.Train(ctx, r)
	})
	var first healing.Run
	for range 2 {
		w.parts.Journal, w.parts.Registry = &registry.MemoryLog{}, registry.NewMemory()
		l := w.loop(t, cfg)
		require.NoError(t, l.Tick(t.Context(), w.now))
		first = w.runs(t, l)[0]
		require.Equal(t, healing.StepConfirmed, first.Step, first.Reason)
	}
	require.Equal(t, given[0], given[1])
	require.Equal(t, 500, first.TrainingRows.Rows)
	require.InDelta(t, 30*150*0.75, first.TrainingRows.Of, 150)
	require.Equal(t, 500, first.EvaluationRows.Rows)
	require.InDelta(t, 7*150*0.75, first.EvaluationRows.Of, 75)
	require.Equal(t, 7*150, first.Decision.Basis.Coverage.Predictions, "coverage is that of all rows")
}

// A watch over more rows than it may hold compares as many as it may, asks the predecessor
// for each once, and still finds harm.
func TestLoop_WatchMaxRows(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.promote(t, l, w.register(t, "second", threshold{At: 0.01}))
	asked := 0
	load := w.parts.Load
	w.parts.Load = func(ctx context.Context, v registry.Version, r io.Reader) (gate.Model, error) {
		m, err := load(ctx, v, r)
		return gate.ModelFunc(func(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
			asked += len(rows)
			return m.Predict(ctx, rows)
		}), err
	}
	l = w.loop(t, healing.Config{Watch: healing.WatchConfig{MaxRows: 400}})
	w.days(t, l, 1, 400)
	s := status(t, l)
	require.Equal(t, 229, s.Watch.Rows, "half, and a seventh of the other half")
	require.Equal(t, 400, s.Watch.Of)
	require.Contains(t, s.Watch.String(), "on 229 of 400 rows")
	w.days(t, l, 6, 400)
	require.Equal(t, 400, asked)
	run := w.runs(t, l)[0]
	require.Equal(t, healing.StepConfirmed, run.Step)
	require.Equal(t, 400, run.Watch.Rows)
	require.Equal(t, 2800, run.Watch.Of)

	harmful := w.promote(t, l, w.register(t, "harmful", threshold{Falling: true}))
	w.days(t, l, 1, 400)
	require.Equal(t, healing.StepRolledBack, w.find(t, l, harmful.ID).Step)
}
