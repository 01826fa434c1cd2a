package healing_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// predictionsDown is a store that cannot be read.
type predictionsDown struct{ predictlog.Store }

func (predictionsDown) Scan(context.Context, predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		yield(predictlog.Record{}, errors.New("row 7 cannot be read"))
	}
}

// Monitoring that fails does not show as the last thing it found.
func TestStatus_MonitoringThatFails(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 1, 400)
	s := status(t, l)
	require.Equal(t, "stable", s.Health)
	require.Nil(t, s.Failure)

	sound := w.parts.Predictions
	w.parts.Predictions = predictionsDown{sound}
	l = w.loop(t, healing.Config{})
	w.now = w.now.Add(6 * hour)
	require.Error(t, l.Tick(t.Context(), w.now))
	s = status(t, l)
	require.Equal(t, "unknown", s.Health)
	require.Equal(t, "no monitor pass since 2026-02-15 00:00", s.Summary)
	require.Contains(t, s.Failure.Error, "row 7 cannot be read")
	require.Equal(t, w.now, s.Failure.Time)
	_, body, _ := get(t, l, "")
	require.Contains(t, body, "The tick of 2026-02-15 06:00 failed.")
	code, body, _ := get(t, l, "status.json")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `"failure": {`)

	w.parts.Predictions = sound
	l = w.loop(t, healing.Config{})
	w.days(t, l, 1, 400)
	s = status(t, l)
	require.Equal(t, "stable", s.Health)
	require.Nil(t, s.Failure)
}

// A process that only shows the page sees by its own clock that nobody monitors.
func TestStatus_MonitoringThatStopped(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 1, 400)
	s := status(t, w.loop(t, healing.Config{}))
	require.Equal(t, "unknown", s.Health)
	require.Equal(t, "no monitor pass since 2026-02-15 00:00", s.Summary)
}

// What was found of one version is not shown as the next one's.
func TestStatus_TheWatchOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.promote(t, l, w.register(t, "second", threshold{At: 0.1}))
	w.days(t, l, 1, 400)
	s := status(t, l)
	require.Positive(t, s.Watch.Rows)

	run, err := l.Promote(t.Context(), w.register(t, "third", threshold{At: 0.2}), "ann", "because", w.now)
	require.NoError(t, err)
	for run.Step != healing.StepWatching {
		run, err = l.Advance(t.Context(), run.ID, w.now)
		require.NoError(t, err)
	}
	s = status(t, l)
	require.Equal(t, "watching", s.Health)
	require.Nil(t, s.Watch)
}
