package gate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// inferable are the metrics with a paired interval, by the task they belong to.
var classMetrics = []metrics.Metric{metrics.Accuracy, metrics.Precision, metrics.Recall, metrics.F1, metrics.MCC, metrics.BalancedAccuracy}

func TestSuperior(t *testing.T) {
	t.Parallel()
	e := better(t)
	for _, m := range append(classMetrics, metrics.Specificity, metrics.ROCAUC, metrics.PRAUC, metrics.Brier, metrics.BrierSkill, metrics.LogLoss) {
		check := verdict(t, gate.Pass, gate.Superior{Metric: m}, e)
		require.Equal(t, gate.ProveBetter, check.Proof)
		require.Equal(t, m.String(), check.Metric)
		require.Equal(t, 2000, check.N)
		require.InDelta(t, 0.9, check.CI.Level, 1e-12)
		require.Less(t, 0.0, check.CI.Lo)
		require.Less(t, check.CI.Lo, check.Statistic)
		require.Less(t, check.Statistic, check.CI.Hi)
	}
	for _, m := range append(classMetrics, metrics.ROCAUC, metrics.PRAUC, metrics.Brier, metrics.BrierSkill, metrics.LogLoss) {
		verdict(t, gate.Pass, gate.Superior{Metric: m}, multiclass(400))
	}
	for _, m := range []metrics.Metric{metrics.MAE, metrics.RMSE, metrics.R2, metrics.MAPE} {
		verdict(t, gate.Pass, gate.Superior{Metric: m}, regression(400, 0.5))
		verdict(t, gate.Fail, gate.Superior{Metric: m}, regression(400, 2))
	}
	check := verdict(t, gate.Fail, gate.Superior{Metric: metrics.F1, Min: 0.9}, e)
	require.Contains(t, check.Reason, "a gain above 0.900 is ruled out")
	swapped := e
	swapped.Production, swapped.Shadow = &e.Shadow, *e.Production
	check = verdict(t, gate.Fail, gate.Superior{Metric: metrics.F1}, swapped)
	require.Contains(t, check.Reason, ": a gain is ruled out")
}

func TestSuperior_SameAnswers(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.Shadow = *e.Production
	for _, m := range []metrics.Metric{metrics.F1, metrics.Brier} {
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
	check := verdict(t, gate.Undecided, gate.Superior{Metric: metrics.F1}, e)
	require.Greater(t, check.Needed, 150)
	require.Contains(t, check.Reason, "a gain is not proven; about ")
	require.Contains(t, check.Reason, "rows like these would decide")

	// A gain within what is wanted needs no more rows: they would not show it.
	check = verdict(t, gate.Undecided, gate.Superior{Metric: metrics.F1, Min: check.Statistic}, e)
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
		verdict(t, want, gate.Superior{Metric: metrics.F1}, e)
	}
}

func TestSuperior_Repeatable(t *testing.T) {
	t.Parallel()
	e := better(t)
	a := gate.Superior{Metric: metrics.F1, Seed: 1}.Check(&e)
	require.Equal(t, a, gate.Superior{Metric: metrics.F1, Seed: 1}.Check(&e))
	require.NotEqual(t, a.CI, gate.Superior{Metric: metrics.F1, Seed: 2}.Check(&e).CI)
}

func TestNonInferior(t *testing.T) {
	t.Parallel()
	truth, a, b := scores(6, 3000, 0.3, 0.3)
	e, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	check := verdict(t, gate.Pass, gate.NonInferior{Metric: metrics.Brier, Margin: 0.01}, e)
	require.Equal(t, gate.ProveNotWorse, check.Proof)
	require.Equal(t, -0.01, check.Threshold)
	require.Contains(t, check.Reason, "a loss of 0.010 is ruled out")
	verdict(t, gate.Undecided, gate.NonInferior{Metric: metrics.Brier, Margin: 0.0001}, e)

	e = better(t)
	swapped := e
	swapped.Production, swapped.Shadow = &e.Shadow, *e.Production
	check = verdict(t, gate.Fail, gate.NonInferior{Metric: metrics.Brier, Margin: 0.01}, swapped)
	require.Contains(t, check.Reason, "a loss of 0.010 or more is proven")
}

func TestNonInferior_Relative(t *testing.T) {
	t.Parallel()
	e := better(t)
	swapped := e
	swapped.Production, swapped.Shadow = &e.Shadow, *e.Production
	for _, m := range []metrics.Metric{metrics.F1, metrics.Brier, metrics.ROCAUC} {
		c := gate.NonInferior{Metric: m, Relative: 0.03, Alpha: 0.01}
		check := verdict(t, gate.Pass, c, e)
		require.Equal(t, -0.03, check.Threshold)
		require.InDelta(t, 0.98, check.CI.Level, 1e-12)
		require.Contains(t, check.Reason, " %, 98 % CI +")
		require.Contains(t, check.Reason, "a loss of 3.0 % is ruled out")
		production, err := m.Measure(metrics.NewRows(e.Target, e.Truth, *e.Production))
		require.NoError(t, err)
		shadow, err := m.Measure(metrics.NewRows(e.Target, e.Truth, e.Shadow))
		require.NoError(t, err)
		gain := (shadow - production) / production
		if !m.HigherIsBetter() {
			gain = -gain
		}
		require.InDelta(t, gain, check.Statistic, 1e-9)
		check = verdict(t, gate.Fail, c, swapped)
		require.Contains(t, check.Reason, "a loss of 3.0 % or more is proven")
	}
	verdict(t, gate.Pass, gate.NonInferior{Metric: metrics.RMSE, Relative: 0.03}, regression(400, 0.9))
	verdict(t, gate.Fail, gate.NonInferior{Metric: metrics.RMSE, Relative: 0.03}, regression(400, 1.5))

	// Production finds nothing: a share of that means nothing.
	blind := better(t)
	production := *blind.Production
	production.Class = make([]int, blind.N())
	blind.Production = &production
	check := verdict(t, gate.Undecided, gate.NonInferior{Metric: metrics.F1, Relative: 0.03}, blind)
	require.Contains(t, check.Reason, "production's F1 is 0.000, and a share of that means nothing")

	require.NoError(t, validate(gate.NonInferior{Metric: metrics.F1, Relative: 0.03}))
	require.ErrorContains(t, validate(gate.NonInferior{Metric: metrics.F1, Relative: 0.03, Margin: 0.1}), "Margin is 0.1, want 0 because Relative is set")
	require.ErrorContains(t, validate(gate.NonInferior{Metric: metrics.F1, Relative: nan}), "Relative is NaN, want 0 or more")
}

// TestProof_StandardErrors compares the intervals of all metrics with the spread of the
// gain over resampled rows.
func TestProof_StandardErrors(t *testing.T) {
	t.Parallel()
	const draws = 400
	truth, a, b := scores(8, 1500, 0.2, 0.3)
	soft, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	numeric := regression(800, 0.8)
	for i := range numeric.Shadow.Value { // else each error would be the same share of production's
		numeric.Shadow.Value[i] += 0.3 * math.Sin(float64(i))
	}
	for name, e := range map[string]gate.Evidence{"binary": soft, "multiclass": multiclass(600), "regression": numeric} {
		for _, m := range []metrics.Metric{
			metrics.Accuracy, metrics.Precision, metrics.Recall, metrics.F1, metrics.Specificity, metrics.MCC, metrics.BalancedAccuracy,
			metrics.ROCAUC, metrics.PRAUC, metrics.LogLoss, metrics.Brier, metrics.BrierSkill, metrics.ECE, metrics.MAE, metrics.RMSE, metrics.R2, metrics.MAPE,
		} {
			for _, relative := range []bool{false, true} {
				c := gate.NonInferior{Metric: m, Margin: 1}
				if relative {
					c.Margin, c.Relative = 0, 0.5
				}
				check := c.Check(&e)
				if check.Verdict == gate.Errored {
					continue // it is no metric of the target
				}
				if m == metrics.ECE && (relative || name == "multiclass") {
					continue // production is nearly calibrated, where ECE has its kink
				}
				t.Run(fmt.Sprintf("%s/%s/relative=%t", name, m, relative), func(t *testing.T) {
					t.Parallel()
					rng := rand.New(rand.NewPCG(4, 4))
					var gains []float64
					for range draws {
						rows := make([]int, e.N())
						for i := range rows {
							rows[i] = rng.IntN(len(rows))
						}
						truth := pickRows(e.Truth, rows)
						production, err := m.Measure(metrics.NewRows(e.Target, truth, pickRows(*e.Production, rows)))
						require.NoError(t, err)
						shadow, err := m.Measure(metrics.NewRows(e.Target, truth, pickRows(e.Shadow, rows)))
						require.NoError(t, err)
						gain := shadow - production
						if relative {
							gain /= math.Abs(production)
						}
						gains = append(gains, gain)
					}
					want := 2 * 1.645 * stat.StdDev(gains, nil)
					tolerance := 0.15
					if m == metrics.ECE {
						tolerance = 0.3 // of bins that are nearly calibrated
					}
					require.InEpsilon(t, want, check.CI.Hi-check.CI.Lo, tolerance)
				})
			}
		}
	}
}

func pickRows(a metrics.Answers, rows []int) metrics.Answers {
	var picked metrics.Answers
	for _, row := range rows {
		if a.Class != nil {
			picked.Class = append(picked.Class, a.Class[row])
		}
		if a.Value != nil {
			picked.Value = append(picked.Value, a.Value[row])
		}
	}
	for _, p := range a.Probability {
		column := make([]float64, len(rows))
		for i, row := range rows {
			column[i] = p[row]
		}
		picked.Probability = append(picked.Probability, column)
	}
	return picked
}

// TestSuperior_DeLong compares with package paired.
func TestSuperior_DeLong(t *testing.T) {
	t.Parallel()
	truth, a, b := scores(9, 400, 0.2, 0.24)
	e, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	positive := make([]bool, len(truth))
	for i, y := range truth {
		positive[i] = y == 1
	}
	want, err := paired.DeLong(positive, a, b)
	require.NoError(t, err)
	check := gate.Superior{Metric: metrics.ROCAUC}.Check(&e)
	difference, stdErr := want.Difference()
	require.InDelta(t, difference, check.Statistic, 1e-9)
	// Student's quantile is a little larger than the normal one, more so if skewed.
	require.InEpsilon(t, 1.645*stdErr, check.Statistic-check.CI.Lo, 0.05)
	require.InEpsilon(t, 1.645*stdErr, check.CI.Hi-check.Statistic, 0.05)
}

func TestProof_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, validate(gate.Superior{Metric: metrics.F1}))
	err := validate(gate.Superior{Min: -1, Alpha: 0.5, Draws: 5})
	require.ErrorContains(t, err, `Metric is ""`)
	require.ErrorContains(t, err, "Min is -1, want 0 or more")
	require.ErrorContains(t, err, "Alpha is 0.5, want 0 or 1e-05 to 0.5")
	require.ErrorContains(t, err, "Draws is 5, want 0 or 100 to 1000000")
	require.ErrorContains(t, validate(gate.Superior{Metric: metrics.F1, Alpha: nan}), "Alpha is NaN")
	require.ErrorContains(t, validate(gate.Superior{Metric: metrics.F1, Draws: -1}), "Draws is -1")
	for alpha, ok := range map[float64]bool{0: true, 1e-5: true, 0.499: true, 1e-12: false, 9.9e-6: false, 5e-324: false, -1e-4: false} {
		for _, c := range []gate.Criterion{
			gate.Superior{Metric: metrics.F1, Alpha: alpha}, gate.NonInferior{Metric: metrics.F1, Margin: 0.1, Alpha: alpha}, gate.SegmentVeto{Metric: metrics.F1, Alpha: alpha},
		} {
			if ok {
				require.NoError(t, validate(c), "%T %v", c, alpha)
				continue
			}
			require.ErrorContains(t, validate(c), "want 0 or 1e-05 to 0.5", "%T %v", c, alpha)
		}
	}
	require.ErrorContains(t, validate(gate.NonInferior{Metric: metrics.F1}), "Margin is 0, want above 0")
}

// The ends of an interval are rounded outwards, so that none claims more than was
// inferred, and the verdict is that of what is stored and said.
func TestSuperior_IntervalRoundedOutwards(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		truth, a, b := scores(seed, 300, 0.3, 0.31)
		e, err := gate.FromScores(truth, a, b)
		require.NoError(t, err)
		d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{gate.Superior{Metric: metrics.Brier}, gate.Superior{Metric: metrics.LogLoss}}}, e)
		for _, check := range d.Checks {
			fact := d.Basis.Facts[string(check.Metric)+" gain"].Values
			ci, err := paired.Studentized{Estimate: check.Statistic, StdErr: fact[2], Degrees: fact[3], Skewness: fact[4]}.CI(0.9)
			require.NoError(t, err)
			scale := max(math.Abs(ci.Lo), math.Abs(ci.Hi))
			require.LessOrEqual(t, check.CI.Lo, ci.Lo+1e-9*scale)
			require.InDelta(t, ci.Lo, check.CI.Lo, 1e-7*scale)
			require.GreaterOrEqual(t, check.CI.Hi, ci.Hi-1e-9*scale)
			require.InDelta(t, ci.Hi, check.CI.Hi, 1e-7*scale)
			require.Equal(t, check.CI.Lo > 0, check.Verdict == gate.Pass)
			require.Equal(t, check.CI.Lo > 0, strings.HasSuffix(check.Reason, "a gain is proven"))
			require.Equal(t, check.CI, stored(t, d).Checks[slices.IndexFunc(d.Checks, func(c gate.Check) bool { return c.Metric == check.Metric })].CI)
		}
	}
	// What is just 0 remains so.
	e := better(t)
	e.Shadow = *e.Production
	check := gate.Superior{Metric: metrics.Brier}.Check(&e)
	require.Equal(t, gate.Interval{Level: check.CI.Level}, *check.CI)
}
