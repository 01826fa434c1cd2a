package healing_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// sharing returns a world about another model, on the stores of the first.
func (w *world) sharing(t testing.TB, model string) *world {
	t.Helper()
	other := newWorld(t)
	other.n = 500_000 // its predictions have other IDs
	other.parts.Model = model
	other.parts.Predictions, other.parts.Labels, other.parts.Telemetry = w.parts.Predictions, w.parts.Labels, w.parts.Telemetry
	return other
}

// Two models share predictions, labels, telemetry and page. One of them drifts and is
// healed: nothing of that is seen by the other, whose numbers are those of a model that is
// alone.
func TestLoop_TwoModelsInOneStore(t *testing.T) {
	t.Parallel()
	alone := newWorld(t)
	alone.parts.Model = "steady"
	alone.pass(t, 40*day, 2000, 0)
	aloneLoop := alone.loop(t, healing.Config{})
	require.NoError(t, aloneLoop.Tick(t.Context(), alone.now))

	steady := newWorld(t)
	steady.parts.Model = "steady"
	moving := steady.sharing(t, "mov/ing?")
	for _, w := range []*world{steady, moving} {
		w.pass(t, 40*day, 2000, 0)
	}
	steadyLoop, movingLoop := steady.loop(t, healing.Config{}), moving.loop(t, healing.Config{})
	require.NoError(t, steadyLoop.Tick(t.Context(), steady.now))
	require.NoError(t, movingLoop.Tick(t.Context(), moving.now))
	moving.centre = 3
	for range 12 {
		alone.days(t, aloneLoop, 1, 400)
		moving.days(t, movingLoop, 1, 400)
		steady.days(t, steadyLoop, 1, 400)
	}
	require.NotEqual(t, "1", moving.production(t), "it is healed")
	require.Equal(t, "1", steady.production(t))

	want, got := status(t, aloneLoop), status(t, steadyLoop)
	require.Equal(t, want.Passes, got.Passes)
	require.Equal(t, want.Health, got.Health)
	require.Len(t, got.Runs, len(want.Runs))
	for i := range want.Runs {
		require.Equal(t, want.Runs[i].Reason, got.Runs[i].Reason)
		require.Equal(t, want.Runs[i].Labelling, got.Runs[i].Labelling)
		require.Equal(t, want.Runs[i].Dataset, got.Runs[i].Dataset)
	}

	handler, err := healing.Handler(steadyLoop, movingLoop)
	require.NoError(t, err)
	server := httptest.NewServer(http.StripPrefix("/healing", handler))
	defer server.Close()
	body := fetch(t, server.URL+"/healing/")
	require.Contains(t, body, `href="models/steady/"`)
	require.Contains(t, body, `href="models/mov%2Fing%3F/"`)
	require.Contains(t, fetch(t, server.URL+"/healing/models/steady/"), "Version 1")
	require.Contains(t, fetch(t, server.URL+"/healing/models/mov%2Fing%3F/"), "mov/ing?")
	require.Contains(t, fetch(t, server.URL+"/healing/models/mov%2Fing%3F/status.json"), `"model": "mov/ing?"`)
	require.Contains(t, fetch(t, server.URL+"/healing/status.json"), `"model": "steady"`)
	answer, err := http.Get(server.URL + "/healing/models/unknown/")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
}

// A tag narrows a loop down to a part of the predictions of a model.
func TestLoop_OneLoopForATag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.parts.Model = "credit"
	north := *w
	north.parts.Tag = predictlog.Tag{Name: "region", Value: "north"}
	north.parts.Registry, north.parts.Journal = registry.NewMemory(), &registry.MemoryLog{}
	north.pass(t, 40*day, 2000, 0)
	w.n, w.now = north.n, epoch
	w.pass(t, 40*day, 2000, 0)
	l := north.loop(t, healing.Config{})
	require.NoError(t, l.Tick(t.Context(), north.now))
	s := status(t, l)
	require.Equal(t, "credit?region=north", s.Model)
	require.Equal(t, 1850, s.Runs[0].Labelling.Coverage.Predictions, "37 of 40 days, of one region")
}

func TestHandler_RefusesModelsItCannotTellApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := healing.Handler(w.loop(t, healing.Config{}))
	require.ErrorContains(t, err, "no Parts.Model")
	w.parts.Model = "credit"
	_, err = healing.Handler(w.loop(t, healing.Config{}), w.loop(t, healing.Config{}))
	require.ErrorContains(t, err, `two loops are about "credit"`)
}
