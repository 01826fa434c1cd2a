package gate_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// shifted returns evidence of which the shadow is better in the older half of the rows, and
// worse in the recent one.
func shifted(t testing.TB) gate.Evidence {
	t.Helper()
	truth, good, bad := scores(11, 1000, 0.5, 0.1)
	production, shadow := slices.Concat(bad[:500], good[500:]), slices.Concat(good[:500], bad[500:])
	e, err := gate.FromScores(truth, production, shadow)
	require.NoError(t, err)
	return timed(e)
}

// byHand cuts a copy of the evidence to its recent rows.
func byHand(t testing.TB, e *gate.Evidence) gate.Evidence {
	t.Helper()
	s := *e
	cut := func(a metrics.Answers) metrics.Answers {
		a.Class = a.Class[500:]
		if a.Probability != nil {
			a.Probability = [][]float64{a.Probability[0][500:], a.Probability[1][500:]}
		}
		return a
	}
	production := cut(*e.Production)
	s.IDs, s.Times, s.Truth, s.Production, s.Shadow = e.IDs[500:], e.Times[500:], cut(e.Truth), &production, cut(e.Shadow)
	s.Segments = map[string][]string{}
	for column, values := range e.Segments {
		s.Segments[column] = values[500:]
	}
	return s
}

// recentHalf is a subset by the method for it.
func recentHalf(t testing.TB, e *gate.Evidence) gate.Evidence {
	t.Helper()
	var rows []int
	for row := 500; row < e.N(); row++ {
		rows = append(rows, row)
	}
	s, err := e.Subset(rows)
	require.NoError(t, err)
	return s
}

// A host's criterion that judges some of the rows gets what those say, and leaves nothing
// behind that is taken for what all rows say.
func TestEvaluate_PartOfTheRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]gate.Criterion{
		"classes":       gate.NonInferior{Metric: metrics.F1, Margin: 0.05},
		"probabilities": gate.NonInferior{Metric: metrics.Brier, Margin: 0.01},
		"ranking":       gate.Superior{Metric: metrics.ROCAUC},
		"floor":         gate.Floor{Metric: metrics.F1, Bound: 0.5},
		"samples":       gate.MinSamples{Rows: 600},
		"maturity":      gate.Maturity{Age: 240 * 3_600_000_000_000, Share: 0.9},
		"segments":      gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05},
		"brier segment": gate.SegmentVeto{Metric: metrics.Brier, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05},
	} {
		for how, part := range map[string]func(testing.TB, *gate.Evidence) gate.Evidence{"by hand": byHand, "subset": recentHalf} {
			e := shifted(t)
			recent := part(t, &e)
			wantAll, wantRecent := c.Check(&e), c.Check(&recent)
			require.NotEqual(t, wantAll.Reason, wantRecent.Reason, name)
			host := gate.CriterionFunc(func(e *gate.Evidence) gate.Check {
				recent := part(t, e)
				return c.Check(&recent)
			})
			after := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{c, host}}, e)
			before := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{host, c}}, e)
			require.Equal(t, wantAll.Reason, after.Checks[0].Reason, "%s %s", name, how)
			require.Equal(t, wantRecent.Reason, after.Checks[1].Reason, "%s %s: stale", name, how)
			require.Equal(t, wantRecent.Reason, before.Checks[0].Reason, "%s %s", name, how)
			require.Equal(t, wantAll.Reason, before.Checks[1].Reason, "%s %s: poisoned", name, how)
			require.Equal(t, gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{c}}, e).Basis.Facts, before.Basis.Facts, "%s %s", name, how)
			_, err := gate.Recompute(before)
			require.ErrorIs(t, err, gate.ErrNeedsRows, "a criterion that cannot be written")
		}
	}
}

// recentOnly is a host's criterion that can be written.
type recentOnly struct {
	gate.NonInferior
	From int `json:"from"`
}

func (recentOnly) Kind() string { return "recent_only" }

func (c recentOnly) Check(e *gate.Evidence) gate.Check {
	var rows []int
	for row := c.From; row < e.N(); row++ {
		rows = append(rows, row)
	}
	s, err := e.Subset(rows)
	if err != nil {
		return gate.Check{Reason: err.Error()}
	}
	return c.NonInferior.Check(&s)
}

func (c recentOnly) CapAlpha(alpha float64) gate.Criterion {
	c.NonInferior = c.NonInferior.CapAlpha(alpha).(gate.NonInferior)
	return c
}

func TestRecompute_PartOfTheRows(t *testing.T) {
	t.Parallel()
	e := shifted(t)
	c := recentOnly{gate.NonInferior{Metric: metrics.Brier, Margin: 0.01}, 500}
	d := stored(t, gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{c, c.NonInferior}, First: []gate.Criterion{c}}, e))
	require.NotEqual(t, d.Checks[0].Reason, d.Checks[1].Reason)
	_, err := gate.Recompute(d)
	require.ErrorContains(t, err, `unknown type "recent_only"`)
	_, err = gate.Recompute(d, gate.KindOf(func() recentOnly { return recentOnly{} }))
	require.ErrorIs(t, err, gate.ErrNeedsRows, "a host's criterion judges rows")
	again, err := gate.RecomputeFrom(d, e, gate.KindOf(func() recentOnly { return recentOnly{} }))
	require.NoError(t, err)
	require.Equal(t, hash(t, d), hash(t, again))
}

// A copy that was not cut everywhere is an error, not a panic.
func TestEvaluate_CopyOfUnequalColumns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]gate.Criterion{
		"f1 segments":    gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05},
		"brier segments": gate.SegmentVeto{Metric: metrics.Brier, MaxDrop: 0.05},
		"maturity":       gate.Maturity{Age: 3_600_000_000_000, Share: 0.9},
	} {
		host := gate.CriterionFunc(func(e *gate.Evidence) gate.Check {
			s := byHand(t, e)
			s.Segments, s.Times = e.Segments, e.Times
			return c.Check(&s)
		})
		d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{host}}, shifted(t))
		require.Equal(t, gate.Errored, d.Checks[0].Verdict, "%s: %s", name, d.Checks[0].Reason)
	}
}

func TestEvidence_Subset(t *testing.T) {
	t.Parallel()
	e := shifted(t)
	s, err := e.Subset([]int{7, 3, 999})
	require.NoError(t, err)
	require.NoError(t, s.Validate())
	require.Equal(t, []string{"7", "3", "999"}, s.IDs)
	require.Equal(t, e.Times[7], s.Times[0])
	require.Equal(t, e.Truth.Class[3], s.Truth.Class[1])
	require.Equal(t, e.Production.Probability[1][999], s.Production.Probability[1][2])
	require.Equal(t, e.Shadow.Class[999], s.Shadow.Class[2])
	require.Equal(t, []string{"odd", "odd", "odd"}, s.Segments["parity"])
	require.Equal(t, e.Coverage, s.Coverage)
	require.Equal(t, e.ShadowLatency, s.ShadowLatency)
	require.Equal(t, 3, s.TrainingRows)
	require.NotEqual(t, e.RowSet(), s.RowSet())

	s, err = e.Subset(nil)
	require.NoError(t, err)
	require.NoError(t, s.Validate())
	require.Zero(t, s.N())
	first := alone(regression(5, 1))
	s, err = first.Subset([]int{4})
	require.NoError(t, err)
	require.NoError(t, s.Validate())
	require.True(t, s.First())
	require.Equal(t, first.Truth.Value[4:], s.Truth.Value)
	require.Nil(t, s.Times)

	for want, rows := range map[string][]int{
		"gate: subset: row 3 occurs twice":      {3, 4, 3},
		"gate: subset: row 1000, want 0 to 999": {0, 1000},
		"gate: subset: row -1, want 0 to 999":   {-1},
	} {
		_, err := e.Subset(rows)
		require.EqualError(t, err, want)
	}
	e.Shadow.Class = e.Shadow.Class[1:]
	_, err = e.Subset([]int{0})
	require.True(t, errors.Is(err, gate.ErrInvalidEvidence))
}
