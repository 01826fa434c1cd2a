package sqlstoretest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/internal/miniature"
	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

const day = 24 * time.Hour

func loadThreshold(_ context.Context, _ registry.Version, artifact io.Reader) (gate.Model, error) {
	return miniature.Read(artifact)
}

func trainThreshold(_ context.Context, req healing.TrainRequest) (healing.Trained, error) {
	m, err := miniature.Train(req)
	if err != nil {
		return healing.Trained{}, err
	}
	artifact, err := json.Marshal(m)
	return healing.Trained{Artifact: bytes.NewReader(artifact)}, err
}

// live stores what happens to a model in some days: n requests, spread around a centre at
// which the classes meet, and their truths.
func live(t testing.TB, db *sqlstore.DB, model, version string, from time.Time, days, n int, m *miniature.Threshold, centre float64) {
	t.Helper()
	var (
		rng     = rand.New(rand.NewPCG(uint64(from.Unix()), 1))
		records []predictlog.Record
		truths  []labels.Label
	)
	for i := range n {
		x := centre + rng.NormFloat64()
		r := predictlog.Record{
			ID: fmt.Sprintf("%s-%d-%d", model, from.Unix(), i), Model: model, Version: version,
			Time: from.Add(time.Duration(i) * time.Duration(days) * day / time.Duration(n)),
			Row:  predictlog.Row{predictlog.Number(x)},
		}
		if m != nil {
			r.Output = m.Output(r.Row)
		}
		class := "0"
		if x+rng.NormFloat64()/4 > centre {
			class = "1"
		}
		records = append(records, r)
		truths = append(truths, labels.Label{PredictionID: r.ID, Class: class, Time: r.Time.Add(time.Minute), Arrived: r.Time.Add(time.Minute)})
	}
	require.NoError(t, db.Predictions().Append(t.Context(), records...))
	require.NoError(t, db.Labels().Append(t.Context(), truths...))
}

// Two processes heal two models in one database: each model is trained once and deployed.
// When one drifts it is healed, and the other is left alone.
func TestParts(t *testing.T) {
	onMain(t, func(t *testing.T, b backend) {
		var (
			ctx      = t.Context()
			p        = b.place(t)
			pool     = p.pool(t)
			db       = p.openBy(t, pool, numbers(t))
			now      = noon.Add(40 * day)
			trained  atomic.Int32
			models   = []string{"steady", "moving"}
			versions = map[string]miniature.Threshold{}
		)
		trainer := healing.TrainerFunc(func(ctx context.Context, req healing.TrainRequest) (healing.Trained, error) {
			trained.Add(1)
			return trainThreshold(ctx, req)
		})
		loops := func() (loops []*healing.Loop) {
			for i, model := range append(models, models...) {
				process := p.openBy(t, pool, numbers(t))
				loop, err := healing.New(process.Parts(model, trainer, loadThreshold), healing.Config{Actor: fmt.Sprint("process ", i/2)})
				require.NoError(t, err)
				loops = append(loops, loop)
			}
			return loops
		}
		tick := func(loops []*healing.Loop) {
			for _, loop := range loops {
				require.NoError(t, loop.Tick(ctx, now))
			}
		}
		production := func(model string) string {
			v, err := registry.InProduction(ctx, db.Registry(model))
			require.NoError(t, err)
			if _, known := versions[model+v.ID]; !known {
				text, err := registry.ReadFile(ctx, db.Registry(model), v.ID, registry.ModelFile)
				require.NoError(t, err)
				var m miniature.Threshold
				require.NoError(t, json.Unmarshal(text, &m))
				versions[model+v.ID] = m
			}
			return v.ID
		}

		for _, model := range models {
			live(t, db, model, "", noon, 40, 2000, nil, 0)
		}
		both := loops()
		tick(both)
		require.EqualValues(t, 2, trained.Load(), "each model once")
		for range 12 {
			for _, model := range models {
				id := production(model)
				m, centre := versions[model+id], 0.0
				if model == "moving" {
					centre = 3
				}
				live(t, db, model, id, now, 1, 400, &m, centre)
			}
			now = now.Add(day)
			tick(both)
		}
		require.Equal(t, "1", production("steady"))
		require.NotEqual(t, "1", production("moving"), "it is healed")
		for i, loop := range loops() { // of processes that start now
			require.NoError(t, loop.Refresh(ctx))
			before, after := both[i].Status(), loop.Status()
			require.NotEmpty(t, after.Runs)
			require.Len(t, after.Runs, len(before.Runs))
		}
		require.NoError(t, db.Prune(ctx, now.Add(-10*day)))
		tick(both)
	})
}
