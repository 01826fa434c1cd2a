package gate_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

var nan = math.NaN()

func TestImprovement(t *testing.T) {
	t.Parallel()
	// Production finds 1 of 2 positives, shadow both: F1 2/3 and 1.
	half := tiny(t, []float64{1, 1, 0, 0}, []float64{1, 0, 0, 0}, []float64{1, 1, 0, 0})
	check := verdict(t, gate.Pass, gate.Improvement{Metric: metrics.F1, Relative: 0.5}, half)
	require.Equal(t, "F1 rises from 0.667 to 1.000 (+50.0 %), at least +50.0 % wanted, on 4 rows", check.Reason)
	require.Equal(t, gate.PointEstimate, check.Proof)
	require.InDelta(t, 0.5, check.Statistic, 1e-12)
	verdict(t, gate.Fail, gate.Improvement{Metric: metrics.F1, Relative: 0.51}, half)
	check = verdict(t, gate.Pass, gate.Improvement{Metric: metrics.F1, Absolute: 0.33}, half)
	require.Equal(t, "F1 rises from 0.667 to 1.000 (+50.0 %), at least 0.330 wanted, on 4 rows", check.Reason)
	verdict(t, gate.Fail, gate.Improvement{Metric: metrics.F1, Absolute: 0.34}, half)
	check = verdict(t, gate.Pass, gate.Improvement{Metric: metrics.Brier, Relative: 0.02}, half)
	require.Equal(t, "Brier falls from 0.210 to 0.010 (-95.2 %), at least +2.0 % as a reduction wanted, on 4 rows", check.Reason)

	// With no minimum, any gain passes, and only a gain.
	verdict(t, gate.Pass, gate.Improvement{Metric: metrics.F1}, half)
	same := tiny(t, []float64{1, 1, 0, 0}, []float64{1, 0, 0, 0}, []float64{1, 0, 0, 0})
	check = verdict(t, gate.Fail, gate.Improvement{Metric: metrics.F1}, same)
	require.Equal(t, "F1 stays at 0.667 (+0.0 %), at least 0.000 wanted, on 4 rows", check.Reason)
}

func TestImprovement_NothingToShareOf(t *testing.T) {
	t.Parallel()
	// Production finds no positive: a relative gain is meaningless.
	zero := tiny(t, []float64{1, 1, 0, 0}, []float64{0, 0, 0, 0}, []float64{1, 0, 0, 0})
	check := verdict(t, gate.Pass, gate.Improvement{Metric: metrics.F1, Relative: 0.02}, zero)
	require.Equal(t, "F1 rises from 0.000 to 0.667, at least 0.020 wanted, on 4 rows", check.Reason)
	verdict(t, gate.Fail, gate.Improvement{Metric: metrics.F1, Relative: 0.7}, zero)
	both := tiny(t, []float64{1, 1, 0, 0}, []float64{0, 0, 0, 0}, []float64{0, 0, 0, 0})
	verdict(t, gate.Fail, gate.Improvement{Metric: metrics.F1, Relative: 0.02}, both)

	// A perfect production model cannot be improved on, and half of a small error is half.
	perfect := regression(40, 0)
	*perfect.Production = perfect.Shadow
	verdict(t, gate.Fail, gate.Improvement{Metric: metrics.RMSE, Relative: 0.02}, perfect)
	small := regression(40, 0.5)
	for i := range small.IDs {
		small.Truth.Value[i] *= 1e-4
		small.Production.Value[i] *= 1e-4
		small.Shadow.Value[i] *= 1e-4
	}
	verdict(t, gate.Pass, gate.Improvement{Metric: metrics.RMSE, Relative: 0.4}, small)
}

// TestPointEdges gives each criterion on point estimates evidence that it cannot judge.
func TestPointEdges(t *testing.T) {
	t.Parallel()
	empty, err := gate.FromScores([]float64{}, []float64{}, []float64{})
	require.NoError(t, err)
	one := tiny(t, []float64{0}, []float64{0}, []float64{0})
	negatives := tiny(t, make([]float64, 50), make([]float64, 50), make([]float64, 50))
	first := alone(better(t))
	hard := better(t)
	hard.Production.Probability, hard.Shadow.Probability = nil, nil
	broken := better(t)
	broken.Shadow.Probability[1][3] = nan
	uneven := better(t)
	uneven.Shadow.Class = uneven.Shadow.Class[1:]

	criteria := map[string]struct{ f1, brier gate.Criterion }{
		"Improvement": {gate.Improvement{Metric: metrics.F1, Relative: 0.02}, gate.Improvement{Metric: metrics.Brier}},
		"NotWorse":    {gate.NotWorse{Metric: metrics.F1}, gate.NotWorse{Metric: metrics.Brier}},
		"Superior":    {gate.Superior{Metric: metrics.F1}, gate.Superior{Metric: metrics.Brier}},
		"NonInferior": {gate.NonInferior{Metric: metrics.F1, Margin: 0.1}, gate.NonInferior{Metric: metrics.Brier, Margin: 0.1}},
		"Floor":       {gate.Floor{Metric: metrics.F1}, gate.Floor{Metric: metrics.Brier, Bound: 0.25}},
	}
	for name, c := range criteria {
		t.Run(name, func(t *testing.T) {
			for _, e := range []gate.Evidence{empty, one, negatives} {
				check := verdict(t, gate.Undecided, c.f1, e)
				require.True(t, math.IsNaN(check.Statistic))
			}
			verdict(t, gate.Undecided, c.brier, empty)
			verdict(t, gate.Errored, c.brier, hard)
			verdict(t, gate.Errored, c.brier, broken)
			verdict(t, gate.Errored, c.f1, uneven)
			if name == "Floor" {
				return
			}
			check := verdict(t, gate.Errored, c.f1, first)
			require.Equal(t, "there is no production model to compare with", check.Reason)
		})
	}
}

func TestNotWorse(t *testing.T) {
	t.Parallel()
	worse := tiny(t, []float64{1, 1, 0, 0}, []float64{1, 1, 0, 0}, []float64{1, 1, 0, 1})
	check := verdict(t, gate.Pass, gate.NotWorse{Metric: metrics.Accuracy, Margin: 0.25}, worse)
	require.Equal(t, "accuracy falls from 1.000 to 0.750, at most 0.250 lower wanted, on 4 rows", check.Reason)
	require.Equal(t, -0.25, check.Statistic)
	verdict(t, gate.Fail, gate.NotWorse{Metric: metrics.Accuracy, Margin: 0.24}, worse)
	check = verdict(t, gate.Fail, gate.NotWorse{Metric: metrics.Brier, Margin: 0.01}, worse)
	require.Equal(t, "Brier rises from 0.010 to 0.210, at most 0.010 higher wanted, on 4 rows", check.Reason)
	verdict(t, gate.Pass, gate.NotWorse{Metric: metrics.Brier}, better(t))
}

func TestFloor(t *testing.T) {
	t.Parallel()
	e := tiny(t, []float64{1, 1, 0, 0}, []float64{1, 1, 0, 0}, []float64{1, 1, 0, 1})
	e = alone(e)
	check := verdict(t, gate.Pass, gate.Floor{Metric: metrics.Accuracy, Bound: 0.75}, e)
	require.Equal(t, "accuracy is 0.750, at least 0.750 wanted, on 4 rows", check.Reason)
	verdict(t, gate.Fail, gate.Floor{Metric: metrics.Accuracy, Bound: 0.76}, e)
	check = verdict(t, gate.Fail, gate.Floor{Metric: metrics.Brier, Bound: 0.2}, e)
	require.Equal(t, "Brier is 0.210, at most 0.200 wanted, on 4 rows", check.Reason)
	verdict(t, gate.Pass, gate.Floor{Metric: metrics.Skill}, regression(40, 0.5))
	verdict(t, gate.Fail, gate.Floor{Metric: metrics.Skill}, regression(40, 9))
}

func TestPoint_Validate(t *testing.T) {
	t.Parallel()
	for _, metric := range []metrics.Metric{metrics.F1, metrics.Primary, metrics.Secondary, metrics.Skill} {
		require.NoError(t, validate(gate.Improvement{Metric: metric}))
	}
	err := validate(gate.Improvement{Metric: metrics.Named("f2"), Relative: -1, Absolute: nan})
	require.ErrorContains(t, err, `Metric is "f2"`)
	require.ErrorContains(t, err, "Relative is -1, want 0 or more")
	require.ErrorContains(t, err, "Absolute is NaN, want 0 or more")
	require.ErrorContains(t, validate(gate.Improvement{Metric: metrics.F1, Relative: 1, Absolute: 1}), "Absolute is 1, want 0 because Relative is set")
	require.ErrorContains(t, validate(gate.NotWorse{Metric: metrics.F1, Margin: math.Inf(1)}), "Margin is +Inf")
	require.ErrorContains(t, validate(gate.Floor{Metric: metrics.F1, Bound: nan}), "Bound is NaN")
	require.NoError(t, validate(gate.Floor{Metric: metrics.R2, Bound: -1}))
}
