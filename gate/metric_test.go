package gate_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

func TestMetric_Measure(t *testing.T) {
	t.Parallel()
	two := tiny(t, []float64{1, 1, 1, 0, 0, 0, 0, 0}, []float64{1, 1, 0, 1, 0, 0, 0, 0}, make([]float64, 8))
	three := gate.Answers{
		Class: []int{0, 1, 2, 2},
		Probability: [][]float64{
			{0.8, 0.1, 0.2, 0.1},
			{0.1, 0.7, 0.3, 0.3},
			{0.1, 0.2, 0.5, 0.6},
		},
	}
	threeTruth := gate.Answers{Class: []int{0, 1, 2, 1}}
	values, valueTruth := gate.Answers{Value: []float64{1, 2, 5}}, gate.Answers{Value: []float64{1, 2, 4}}

	for metric, want := range map[gate.Metric]float64{
		gate.Accuracy: 0.75, gate.Precision: 2.0 / 3, gate.Recall: 2.0 / 3, gate.F1: 2.0 / 3, gate.Primary: 2.0 / 3,
		gate.Specificity: 0.8, gate.BalancedAccuracy: (2.0/3 + 0.8) / 2, gate.MCC: 7.0 / 15,
		gate.ROCAUC: 11.0 / 15, gate.PRAUC: 2.0/3*2.0/3 + 1.0/3*3.0/8,
		gate.Brier: (6*0.01 + 2*0.81) / 8, gate.Secondary: (6*0.01 + 2*0.81) / 8,
		gate.BrierSkill: 1 - 0.21/(15.0/64), gate.Skill: 1 - 0.21/(15.0/64),
		gate.LogLoss: (6*-math.Log(0.9) + 2*-math.Log(0.1)) / 8,
		gate.ECE:     (3*(0.9-2.0/3) + 5*(0.2-0.1)) / 8, // 2 of 3 rows at 0.9 are positive, 1 of 5 at 0.1
	} {
		have, err := metric.Measure(two.Target, two.Truth, *two.Production)
		require.NoError(t, err, metric)
		require.InDelta(t, want, have, 1e-8, metric)
	}
	for metric, want := range map[gate.Metric]float64{
		gate.Accuracy: 0.75, gate.F1: (1 + 2.0/3 + 2.0/3) / 3, gate.Precision: (1 + 1 + 0.5) / 3,
		gate.Recall: (1 + 0.5 + 1) / 3, gate.BalancedAccuracy: (1 + 0.5 + 1) / 3,
		gate.Brier: (0.06 + 0.14 + 0.38 + 0.86) / 4, gate.BrierSkill: 1 - 0.36/0.625,
		gate.ROCAUC: (1 + 0.875 + 2.0/3) / 3, gate.ECE: (0.2 + 0.3 + 0.5 + 0.6) / 4,
	} {
		have, err := metric.Measure(threeWay, threeTruth, three)
		require.NoError(t, err, metric)
		require.InDelta(t, want, have, 1e-8, metric)
	}
	for metric, want := range map[gate.Metric]float64{
		gate.MAE: 1.0 / 3, gate.RMSE: 0.5773502692, gate.Primary: 0.5773502692, gate.MAPE: 0.25 / 3,
		gate.R2: 1 - 1/(14.0/3), gate.Secondary: 1 - 1/(14.0/3), gate.Skill: 1 - 1/(14.0/3),
	} {
		have, err := metric.Measure(number, valueTruth, values)
		require.NoError(t, err, metric)
		require.InDelta(t, want, have, 1e-8, metric)
	}
}

func TestMetric_NotMeasurable(t *testing.T) {
	t.Parallel()
	classes := gate.Answers{Class: []int{0, 1}}
	values := gate.Answers{Value: []float64{0, 1}}

	_, err := gate.Metric("f2").Measure(binary, classes, classes)
	require.ErrorIs(t, err, gate.ErrNotMeasurable)
	require.ErrorContains(t, err, `"f2" is not a metric`)
	_, err = gate.Brier.Measure(binary, classes, classes)
	require.ErrorIs(t, err, gate.ErrNotMeasurable)
	require.ErrorContains(t, err, "Brier needs probabilities, and the model gives none")
	_, err = gate.MAE.Measure(binary, classes, classes)
	require.ErrorContains(t, err, "MAE is no metric of a binary target")
	_, err = gate.F1.Measure(number, values, values)
	require.ErrorContains(t, err, "F1 is no metric of a regression target")
	_, err = gate.Specificity.Measure(threeWay, classes, classes)
	require.ErrorContains(t, err, "specificity is no metric of a multiclass target")

	_, err = gate.Brier.Measure(binary, classes, gate.Answers{Class: []int{0, 1}, Probability: [][]float64{{1, 0}}})
	require.ErrorIs(t, err, metrics.ErrInput)
	_, err = gate.F1.Measure(binary, classes, gate.Answers{Class: []int{0}})
	require.ErrorIs(t, err, metrics.ErrInput)
}

func TestMetric_UndefinedOnOneClass(t *testing.T) {
	t.Parallel()
	e := tiny(t, []float64{0, 0, 0}, []float64{0, 0, 0}, []float64{0, 0, 0})
	for _, m := range []gate.Metric{gate.Recall, gate.F1, gate.MCC, gate.BalancedAccuracy, gate.ROCAUC, gate.PRAUC, gate.BrierSkill} {
		_, err := m.Measure(e.Target, e.Truth, e.Shadow)
		require.ErrorIs(t, err, metrics.ErrUndefined, m)
	}
	flat := gate.Answers{Value: []float64{2, 2}}
	_, err := gate.R2.Measure(number, flat, flat)
	require.ErrorIs(t, err, metrics.ErrUndefined)
}

func TestMetric_HigherIsBetter(t *testing.T) {
	t.Parallel()
	for _, m := range []gate.Metric{gate.F1, gate.ROCAUC, gate.BrierSkill, gate.R2} {
		require.True(t, m.HigherIsBetter(), m)
	}
	for _, m := range []gate.Metric{gate.Brier, gate.LogLoss, gate.ECE, gate.MAE, gate.RMSE, gate.MAPE} {
		require.False(t, m.HigherIsBetter(), m)
	}
	require.Equal(t, "F1", gate.F1.Title())
	require.Equal(t, "Brier skill", gate.BrierSkill.Title())
	require.Equal(t, gate.RMSE, gate.Primary.For(number))
	require.Equal(t, gate.F1, gate.Primary.For(threeWay))
}

// The truths are equal, although their mean may not be exactly that: no constant answer is
// better than another.
func TestMetric_EqualValues(t *testing.T) {
	t.Parallel()
	tenths := repeat(0.1, 250)
	e, err := gate.FirstFromValues(tenths, tenths)
	require.NoError(t, err)
	_, err = gate.R2.Measure(e.Target, e.Truth, e.Shadow)
	require.ErrorIs(t, err, metrics.ErrUndefined)
	d := gate.Evaluate(gate.Standard(), e)
	require.Equal(t, gate.Inconclusive, d.Outcome)
	require.NotContains(t, d.Shadow, gate.R2)
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
	want := gate.Superior{Metric: gate.R2}.Check(&near)
	have := gate.Superior{Metric: gate.R2}.Check(&far)
	require.Equal(t, want.Verdict, have.Verdict)
	for _, ends := range [][2]float64{{want.Statistic, have.Statistic}, {want.CI.Lo, have.CI.Lo}, {want.CI.Hi, have.CI.Hi}} {
		require.InDelta(t, ends[0], ends[1], 1e-9)
	}
}
