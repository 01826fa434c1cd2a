package pipeline

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPopulation_IsRepeatable(t *testing.T) {
	t.Parallel()
	require.Equal(t, applicants(t, 7, branches(), 100).Fingerprint(), applicants(t, 7, branches(), 100).Fingerprint())
	require.NotEqual(t, applicants(t, 7, branches(), 100).Fingerprint(), applicants(t, 8, branches(), 100).Fingerprint())
}

func TestPopulation_ObeysTheSchema(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]market{"branches": branches(), "broker": broker()} {
		data := applicants(t, 9, m, 5000)
		missing, defaults := 0, 0
		for _, e := range data.Examples {
			require.Empty(t, data.Schema.Check(e.Record.Row), name)
			if e.Record.Row[1].IsMissing() {
				missing++
			}
			if e.Label.Class == "1" {
				defaults++
			}
		}
		require.InDelta(t, 0.06, float64(missing)/5000, 0.02, name)
		require.InDelta(t, 0.3, float64(defaults)/5000, 0.1, name)
	}
}

// TestMarkets_Shift is the premise of the story: a model of one market fails in the
// other, where a new one does well.
func TestMarkets_Shift(t *testing.T) {
	t.Parallel()
	scoreOn := func(trained, judged market) score {
		m, err := fitLogistic(t.Context(), applicants(t, 10, trained, 1200))
		require.NoError(t, err)
		data := applicants(t, 11, judged, 5000)
		outputs, err := m.Predict(t.Context(), rowsOf(data))
		require.NoError(t, err)
		var a answers
		for i, e := range data.Examples {
			a.add("1", e.Label.Class, outputs[i])
		}
		s, err := a.score()
		require.NoError(t, err)
		return s
	}
	before, drifted, healed := scoreOn(branches(), branches()), scoreOn(branches(), broker()), scoreOn(broker(), broker())
	require.Greater(t, before.AUC, 0.79)
	require.Less(t, drifted.AUC, 0.62)
	require.Greater(t, healed.AUC, 0.80)
	require.Greater(t, healed.F1, drifted.F1+0.2)
	require.Less(t, healed.Brier, drifted.Brier-0.05)
}
