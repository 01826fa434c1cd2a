package gate_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestMetric_Measure(t *testing.T) {
	t.Parallel()
	two := tiny(t, []float64{1, 1, 1, 0, 0, 0, 0, 0}, []float64{1, 1, 0, 1, 0, 0, 0, 0}, make([]float64, 8))
	three := metrics.Answers{
		Class: []int{0, 1, 2, 2},
		Probability: [][]float64{
			{0.8, 0.1, 0.2, 0.1},
			{0.1, 0.7, 0.3, 0.3},
			{0.1, 0.2, 0.5, 0.6},
		},
	}
	threeTruth := metrics.Answers{Class: []int{0, 1, 2, 1}}
	values, valueTruth := metrics.Answers{Value: []float64{1, 2, 5}}, metrics.Answers{Value: []float64{1, 2, 4}}

	for metric, want := range map[metrics.Metric]float64{
		metrics.Accuracy: 0.75, metrics.Precision: 2.0 / 3, metrics.Recall: 2.0 / 3, metrics.F1: 2.0 / 3, metrics.Primary: 2.0 / 3,
		metrics.Specificity: 0.8, metrics.BalancedAccuracy: (2.0/3 + 0.8) / 2, metrics.MCC: 7.0 / 15,
		metrics.ROCAUC: 11.0 / 15, metrics.PRAUC: 2.0/3*2.0/3 + 1.0/3*3.0/8,
		metrics.Brier: (6*0.01 + 2*0.81) / 8, metrics.Secondary: (6*0.01 + 2*0.81) / 8,
		metrics.BrierSkill: 1 - 0.21/(15.0/64), metrics.Skill: 1 - 0.21/(15.0/64),
		metrics.LogLoss: (6*-math.Log(0.9) + 2*-math.Log(0.1)) / 8,
		metrics.ECE:     (3*(0.9-2.0/3) + 5*(0.2-0.1)) / 8, // 2 of 3 rows at 0.9 are positive, 1 of 5 at 0.1
	} {
		have, err := metric.Measure(metrics.NewRows(two.Target, two.Truth, *two.Production))
		require.NoError(t, err, metric)
		require.InDelta(t, want, have, 1e-8, metric)
	}
	for metric, want := range map[metrics.Metric]float64{
		metrics.Accuracy: 0.75, metrics.F1: (1 + 2.0/3 + 2.0/3) / 3, metrics.Precision: (1 + 1 + 0.5) / 3,
		metrics.Recall: (1 + 0.5 + 1) / 3, metrics.BalancedAccuracy: (1 + 0.5 + 1) / 3,
		metrics.Brier: (0.06 + 0.14 + 0.38 + 0.86) / 4, metrics.BrierSkill: 1 - 0.36/0.625,
		metrics.ROCAUC: (1 + 0.875 + 2.0/3) / 3, metrics.ECE: (0.2 + 0.3 + 0.5 + 0.6) / 4,
	} {
		have, err := metric.Measure(metrics.NewRows(threeWay, threeTruth, three))
		require.NoError(t, err, metric)
		require.InDelta(t, want, have, 1e-8, metric)
	}
	for metric, want := range map[metrics.Metric]float64{
		metrics.MAE: 1.0 / 3, metrics.RMSE: 0.5773502692, metrics.Primary: 0.5773502692, metrics.MAPE: 0.25 / 3,
		metrics.R2: 1 - 1/(14.0/3), metrics.Secondary: 1 - 1/(14.0/3), metrics.Skill: 1 - 1/(14.0/3),
	} {
		have, err := metric.Measure(metrics.NewRows(number, valueTruth, values))
		require.NoError(t, err, metric)
		require.InDelta(t, want, have, 1e-8, metric)
	}
}

func TestMetric_NotMeasurable(t *testing.T) {
	t.Parallel()
	classes := metrics.Answers{Class: []int{0, 1}}
	values := metrics.Answers{Value: []float64{0, 1}}

	_, err := metrics.Named("f2").Measure(metrics.NewRows(binary, classes, classes))
	require.ErrorIs(t, err, metrics.ErrNotMeasurable)
	require.ErrorContains(t, err, `"f2" is not a metric`)
	_, err = metrics.Brier.Measure(metrics.NewRows(binary, classes, classes))
	require.ErrorIs(t, err, metrics.ErrNotMeasurable)
	require.ErrorContains(t, err, "Brier needs probabilities, and the model gives none")
	_, err = metrics.MAE.Measure(metrics.NewRows(binary, classes, classes))
	require.ErrorContains(t, err, "MAE is no metric of a binary target")
	_, err = metrics.F1.Measure(metrics.NewRows(number, values, values))
	require.ErrorContains(t, err, "F1 is no metric of a regression target")
	_, err = metrics.Specificity.Measure(metrics.NewRows(threeWay, classes, classes))
	require.ErrorContains(t, err, "specificity is no metric of a multiclass target")

	_, err = metrics.Brier.Measure(metrics.NewRows(binary, classes, metrics.Answers{Class: []int{0, 1}, Probability: [][]float64{{1, 0}}}))
	require.ErrorIs(t, err, metrics.ErrInput)
	_, err = metrics.F1.Measure(metrics.NewRows(binary, classes, metrics.Answers{Class: []int{0}}))
	require.ErrorIs(t, err, metrics.ErrInput)
}

func TestMetric_MeasureCountsNotBinary(t *testing.T) {
	t.Parallel()
	_, err := metrics.Specificity.MeasureCounts(make(metrics.Counts, 3))
	require.ErrorIs(t, err, metrics.ErrNotMeasurable)
	require.ErrorContains(t, err, "specificity is measured of two classes, and there are 3")
}

func TestMetric_UndefinedOnOneClass(t *testing.T) {
	t.Parallel()
	e := tiny(t, []float64{0, 0, 0}, []float64{0, 0, 0}, []float64{0, 0, 0})
	for _, m := range []metrics.Metric{metrics.Recall, metrics.F1, metrics.MCC, metrics.BalancedAccuracy, metrics.ROCAUC, metrics.PRAUC, metrics.BrierSkill} {
		_, err := m.Measure(metrics.NewRows(e.Target, e.Truth, e.Shadow))
		require.ErrorIs(t, err, metrics.ErrUndefined, m)
	}
	flat := metrics.Answers{Value: []float64{2, 2}}
	_, err := metrics.R2.Measure(metrics.NewRows(number, flat, flat))
	require.ErrorIs(t, err, metrics.ErrUndefined)
}

func TestMetric_HigherIsBetter(t *testing.T) {
	t.Parallel()
	for _, m := range []metrics.Metric{metrics.F1, metrics.ROCAUC, metrics.BrierSkill, metrics.R2} {
		require.True(t, m.HigherIsBetter(), m)
	}
	for _, m := range []metrics.Metric{metrics.Brier, metrics.LogLoss, metrics.ECE, metrics.MAE, metrics.RMSE, metrics.MAPE} {
		require.False(t, m.HigherIsBetter(), m)
	}
	require.Equal(t, "F1", metrics.F1.Title())
	require.Equal(t, "Brier skill", metrics.BrierSkill.Title())
	require.Equal(t, metrics.RMSE, metrics.Primary.For(number))
	require.Equal(t, metrics.F1, metrics.Primary.For(threeWay))
}

// The truths are equal, although their mean may not be exactly that: no constant answer is
// better than another.
func TestMetric_EqualValues(t *testing.T) {
	t.Parallel()
	tenths := repeat(0.1, 250)
	e, err := gate.FirstFromValues(tenths, tenths)
	require.NoError(t, err)
	_, err = metrics.R2.Measure(metrics.NewRows(e.Target, e.Truth, e.Shadow))
	require.ErrorIs(t, err, metrics.ErrUndefined)
	d := gate.Evaluate(gate.Standard(), e)
	require.Equal(t, gate.Inconclusive, d.Outcome)
	require.NotContains(t, d.Shadow, metrics.R2.String())
	require.Contains(t, d.Reasons(), "metrics: r2: undefined: all truths are equal, on 250 rows")
}

// What rows far from zero say of R2 is what they say near to it.
func TestMetric_R2FarFromZero(t *testing.T) {
	t.Parallel()
	near := regression(300, 0.9)
	far := regression(300, 0.9)
	for i := range far.N() {
		for _, values := range [][2][]float64{
			{near.Truth.Value, far.Truth.Value}, {near.Production.Value, far.Production.Value}, {near.Shadow.Value, far.Shadow.Value},
		} {
			values[0][i] = math.Round(values[0][i] * 1000) // so that moving it is exact
			values[1][i] = values[0][i] + 1e15
		}
	}
	want := gate.Superior{Metric: metrics.R2}.Check(&near)
	have := gate.Superior{Metric: metrics.R2}.Check(&far)
	require.Equal(t, want.Verdict, have.Verdict)
	for _, ends := range [][2]float64{{want.Statistic, have.Statistic}, {want.CI.Lo, have.CI.Lo}, {want.CI.Hi, have.CI.Hi}} {
		require.InDelta(t, ends[0], ends[1], 1e-9)
	}
}

// Answers that are malformed are an error of every metric, not a panic.
func TestMetric_Malformed(t *testing.T) {
	t.Parallel()
	short := [][]float64{{0.2, 0.2}, {0.3}, {0.5, 0.5}}
	for _, m := range metrics.All() {
		for _, c := range []struct {
			target         predictlog.Target
			truth, answers metrics.Answers
		}{
			{threeWay, metrics.Answers{Class: []int{0, 1}}, metrics.Answers{Class: []int{0, 7}, Probability: short}},
			{binary, metrics.Answers{Class: []int{0, 5}}, metrics.Answers{Class: []int{0, 1}, Probability: [][]float64{{0.5, 0.5}, {0.5, 0.5}}}},
			{number, metrics.Answers{Value: []float64{1, 2}}, metrics.Answers{Value: []float64{1}}},
		} {
			if m.Suits(c.target) != nil {
				continue
			}
			rows := metrics.NewRows(c.target, c.truth, c.answers)
			_, err := m.Measure(rows)
			require.ErrorIs(t, err, metrics.ErrInput, m)
			if !m.OfClasses() {
				_, _, err = m.Influence(rows)
				require.ErrorIs(t, err, metrics.ErrInput, m)
			}
		}
	}
}
