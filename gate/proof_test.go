package gate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
)

// inferable are the metrics with a paired interval, by the task they belong to.
var classMetrics = []gate.Metric{gate.Accuracy, gate.Precision, gate.Recall, gate.F1, gate.MCC, gate.BalancedAccuracy}

func TestSuperior(t *testing.T) {
	t.Parallel()
	e := better(t)
	for _, m := range append(classMetrics, gate.Specificity, gate.ROCAUC, gate.PRAUC, gate.Brier, gate.BrierSkill, gate.LogLoss) {
		check := verdict(t, gate.Pass, gate.Superior{Metric: m}, e)
		require.Equal(t, gate.ProveBetter, check.Proof)
		require.Equal(t, m, check.Metric)
		require.Equal(t, 2000, check.N)
		require.InDelta(t, 0.9, check.CI.Level, 1e-12)
		require.Less(t, 0.0, check.CI.Lo)
		require.Less(t, check.CI.Lo, check.Statistic)
		require.Less(t, check.Statistic, check.CI.Hi)
	}
	for _, m := range append(classMetrics, gate.ROCAUC, gate.PRAUC, gate.Brier, gate.BrierSkill, gate.LogLoss) {
		verdict(t, gate.Pass, gate.Superior{Metric: m}, multiclass(400))
	}
	for _, m := range []gate.Metric{gate.MAE, gate.RMSE, gate.R2, gate.MAPE} {
		verdict(t, gate.Pass, gate.Superior{Metric: m}, regression(400, 0.5))
		verdict(t, gate.Fail, gate.Superior{Metric: m}, regression(400, 2))
	}
	check := verdict(t, gate.Fail, gate.Superior{Metric: gate.F1, Min: 0.9}, e)
	require.Contains(t, check.Reason, "a gain above 0.900 is ruled out")
	swapped := e
	swapped.Production, swapped.Shadow = &e.Shadow, *e.Production
	check = verdict(t, gate.Fail, gate.Superior{Metric: gate.F1}, swapped)
	require.Contains(t, check.Reason, ": a gain is ruled out")
}

func TestSuperior_SameAnswers(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.Shadow = *e.Production
	for _, m := range []gate.Metric{gate.F1, gate.Brier} {
		check := verdict(t, gate.Fail, gate.Superior{Metric: m}, e)
		require.Zero(t, check.Statistic)
		verdict(t, gate.Pass, gate.NonInferior{Metric: m, Margin: 0.01}, e)
	}
}

func TestSuperior_Undecided(t *testing.T) {
	t.Parallel()
	truth, a, b := scores(5, 150, 0.25, 0.29)
	e, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	check := verdict(t, gate.Undecided, gate.Superior{Metric: gate.F1}, e)
	require.Greater(t, check.Needed, 150)
	require.Contains(t, check.Reason, "a gain is not proven; about ")
	require.Contains(t, check.Reason, "rows like these would decide")

	// A gain within what is wanted needs no more rows: they would not show it.
	check = verdict(t, gate.Undecided, gate.Superior{Metric: gate.F1, Min: check.Statistic}, e)
	require.Zero(t, check.Needed)
}

// TestSuperior_FewDifferences has a shadow that is right on the few rows on which the
// models differ: a bootstrap alone would call that proven.
func TestSuperior_FewDifferences(t *testing.T) {
	t.Parallel()
	for differ, want := range map[int]gate.Verdict{0: gate.Fail, 1: gate.Undecided, 4: gate.Undecided, 5: gate.Pass, 20: gate.Pass} {
		truth, production := repeat(1, 100), repeat(1, 100)
		copy(truth[50:], repeat(0, 50))
		copy(production[50:], repeat(0, 50))
		shadow := append([]float64(nil), truth...)
		copy(production, repeat(0, differ))
		e := tiny(t, truth, production, shadow)
		verdict(t, want, gate.Superior{Metric: gate.F1}, e)
	}
}

func TestSuperior_Repeatable(t *testing.T) {
	t.Parallel()
	e := better(t)
	a := gate.Superior{Metric: gate.F1, Seed: 1}.Check(&e)
	require.Equal(t, a, gate.Superior{Metric: gate.F1, Seed: 1}.Check(&e))
	require.NotEqual(t, a.CI, gate.Superior{Metric: gate.F1, Seed: 2}.Check(&e).CI)
}

func TestNonInferior(t *testing.T) {
	t.Parallel()
	truth, a, b := scores(6, 3000, 0.3, 0.3)
	e, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	check := verdict(t, gate.Pass, gate.NonInferior{Metric: gate.Brier, Margin: 0.01}, e)
	require.Equal(t, gate.ProveNotWorse, check.Proof)
	require.Equal(t, -0.01, check.Threshold)
	require.Contains(t, check.Reason, "a loss of 0.010 is ruled out")
	verdict(t, gate.Undecided, gate.NonInferior{Metric: gate.Brier, Margin: 0.0001}, e)

	e = better(t)
	swapped := e
	swapped.Production, swapped.Shadow = &e.Shadow, *e.Production
	check = verdict(t, gate.Fail, gate.NonInferior{Metric: gate.Brier, Margin: 0.01}, swapped)
	require.Contains(t, check.Reason, "a loss of 0.010 or more is proven")
}

func TestProof_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, gate.Superior{Metric: gate.F1}.Validate())
	err := gate.Superior{Metric: "", Min: -1, Alpha: 0.5, Draws: 5}.Validate()
	require.ErrorContains(t, err, `Metric is ""`)
	require.ErrorContains(t, err, "Min is -1, want 0 or more")
	require.ErrorContains(t, err, "Alpha is 0.5, want 0 to 0.5")
	require.ErrorContains(t, err, "Draws is 5, want at least 100")
	require.ErrorContains(t, gate.Superior{Metric: gate.F1, Alpha: nan}.Validate(), "Alpha is NaN")
	require.ErrorContains(t, gate.Superior{Metric: gate.F1, Draws: -1}.Validate(), "Draws is -1")
	require.ErrorContains(t, gate.NonInferior{Metric: gate.F1}.Validate(), "Margin is 0, want above 0")
}
