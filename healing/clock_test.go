package healing_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

// A clock that was a year ahead for one tick must not stop anything for a year.
func TestLoop_AClockThatWasAhead(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	require.NoError(t, l.Tick(t.Context(), w.now.Add(365*day)))
	future := len(w.runs(t, l))

	w.days(t, l, 1, 400)
	s := status(t, l)
	require.Equal(t, w.now, s.Passes[0].Time, "it monitors")
	require.Equal(t, "stable", s.Health)

	w.centre = 3
	w.days(t, l, 16, 400)
	runs := w.runs(t, l)
	require.Greater(t, len(runs), future, "it retrains")
	require.NotEqual(t, "1", w.production(t), "it heals")
}

// A promotion that carries a date in the future is watched all the same, and its watch
// ends.
func TestLoop_APromotionFromTheFuture(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model threshold
		want  healing.Step
	}{
		{threshold{Falling: true}, healing.StepRolledBack},
		{threshold{}, healing.StepConfirmed},
	} {
		w, l := deployed(t)
		version := w.register(t, "second", c.model)
		now := w.now
		w.now = now.Add(365 * day)
		run := w.promote(t, l, version)
		w.now = now
		w.days(t, l, 8, 400)
		require.Equal(t, c.want, w.find(t, l, run.ID).Step)
	}
}

// A decision that nobody was there to carry out is not carried out a season later, whether
// or not the promotion had been announced.
func TestLoop_AStaleDecisionIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	for _, last := range []healing.Step{healing.StepJudged, healing.StepPromoting} {
		w, l := deployed(t)
		w.centre = 2
		w.days(t, l, 6, 400)
		w.now = w.now.Add(2 * day)
		run, err := l.Retrain(t.Context(), "ann", "because", w.now)
		require.NoError(t, err)
		for run.Step != last {
			run, err = l.Advance(t.Context(), run.ID, w.now)
			require.NoError(t, err)
			require.False(t, run.Step.Ended(), run.Reason)
		}
		w.now = w.now.Add(90 * day)
		require.NoError(t, l.Tick(t.Context(), w.now))
		run = w.find(t, l, run.ID)
		require.Equal(t, healing.StepAborted, run.Step)
		require.Contains(t, run.Reason, "is more than 24 h old")
		require.Equal(t, "1", w.production(t))
	}
}

// A promotion that was done before the process went away is watched when one is back.
func TestLoop_AStaleDecisionThatWasCarriedOut(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.centre = 2
	w.days(t, l, 6, 400)
	w.now = w.now.Add(2 * day)
	run, err := l.Retrain(t.Context(), "ann", "because", w.now)
	require.NoError(t, err)
	for run.Step != healing.StepPromoting {
		run, err = l.Advance(t.Context(), run.ID, w.now)
		require.NoError(t, err)
	}
	_, err = w.parts.Registry.Transition(t.Context(), registry.Transition{
		Version: run.Version, To: registry.Production, Expect: "1", Time: w.now, Key: run.ID + "/promote",
	})
	require.NoError(t, err)
	run, err = l.Advance(t.Context(), run.ID, w.now.Add(90*day))
	require.NoError(t, err)
	require.Equal(t, healing.StepWatching, run.Step)
	require.Equal(t, w.now, run.Promoted)
}
