package gate_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
)

// Every number of a decision is shown in its unit, with what is wanted of it.
func TestDecision_Units(t *testing.T) {
	t.Parallel()
	binary := timed(better(t))
	binary.Coverage.Predictions *= 2
	numbers := timed(regression(400, 0.8))
	for _, values := range [][]float64{numbers.Truth.Value, numbers.Production.Value, numbers.Shadow.Value} {
		for i := range values {
			values[i] *= 12_000
		}
	}
	policy, err := budget.Budget{}.Apply(gate.Standard(), day0)
	require.NoError(t, err)
	page := markdown(t, gate.Evaluate(policy, binary))
	for _, cells := range []string{
		"| error budget | condition | granted 0.000833 |   |",
		"| samples | condition | 2,000 | ≥ 200 |",
		"| label coverage | condition | 50.0 % | ≥ 30.0 % |",
		"| maturity | condition | 98.8 % | ≥ 50.0 % |",
		"| cooldown | condition | 9 days | ≥ 7 days |",
		"| f1 superiority | prove better | gain +0.416 | interval above 0 |",
		"| brier non-inferiority | prove not worse | gain +0.102 | interval above -0.010 |",
		"| f1 non-inferiority | prove not worse | gain +107.4 % | interval above -3.0 % |",
		"| f1 by segment | veto if proven worse | worst segment 106.8 % better | ≤ 5.0 % worse |",
		`| brier\_skill floor | point estimate | 0.496 | ≥ 0.000 |`,
		"| latency | point estimate | 3ms | ≤ 10ms |",
		"| Brier (less is better) |",
	} {
		require.Contains(t, page, cells)
	}
	d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{
		gate.NonInferior{Metric: metrics.RMSE, Relative: 0.03}, gate.Superior{Metric: metrics.RMSE}, gate.Floor{Metric: metrics.MAE, Bound: 20_000},
	}}, numbers)
	page = markdown(t, d)
	for _, cells := range []string{
		"## Promote the shadow: RMSE 11,969 → 9,575 (90 % CI of the gain +2,",
		"| mae floor | point estimate | 7,772 | ≤ 20,000 |",
	} {
		require.Contains(t, page, cells)
	}
	require.Contains(t, d.String(), "(90 % CI of the gain +2,", "not the share that the first check found")
}

// A latency that was not measured is not shown as none.
func TestDecision_LatencyShown(t *testing.T) {
	t.Parallel()
	e := timed(better(t))
	e.ShadowLatency = gate.Latency{Mean: 4 * time.Millisecond}
	require.Contains(t, markdown(t, gate.Evaluate(gate.Standard(), e)), "- Latency of a row: 4ms (on average; production 1ms)\n")
	first := markdown(t, gate.Evaluate(gate.Standard(), alone(e)))
	require.Contains(t, first, "- Latency of a row: 4ms (on average)\n")
	require.Contains(t, first, "\n| Metric | Shadow |\n")
}

// A sentence tells what was measured from what was wanted, and that from 0, in numbers
// that are all as precise.
func TestCheck_Digits(t *testing.T) {
	t.Parallel()
	// Of 10,000 rows production gets 2 wrong and the shadow 3.
	truth, production := repeat(0, 10_000), repeat(0, 10_000)
	copy(truth[5000:], repeat(1, 5000))
	copy(production[5000:], repeat(1, 5000))
	shadow := append([]float64(nil), production...)
	production[0], production[1] = 1, 1
	shadow[0], shadow[1], shadow[2] = 1, 1, 1
	near := tiny(t, truth, production, shadow)
	near.Segments = map[string][]string{"k": make([]string, near.N())}
	near.Coverage.Predictions = 20_010
	near.At = day0
	near.Times = make([]time.Time, near.N())
	for i := range near.Times {
		near.Times[i] = day0.Add(-time.Duration(i) * time.Second)
	}
	numbers := regression(400, 1)
	for i, y := range numbers.Truth.Value {
		numbers.Production.Value[i], numbers.Shadow.Value[i] = y+1000, y+1000.25
	}
	for _, c := range []struct {
		evidence                     gate.Evidence
		criterion                    gate.Criterion
		reason, statistic, threshold string
	}{
		{near, gate.Floor{Metric: metrics.Accuracy, Bound: 0.9999}, "accuracy is 0.9997, at least 0.9999 wanted, on 10,000 rows", "0.9997", "≥ 0.9999"},
		{near, gate.Floor{Metric: metrics.Accuracy, Bound: 0.9995}, "accuracy is 0.9997, at least 0.9995 wanted", "0.9997", "≥ 0.9995"},
		{near, gate.Floor{Metric: metrics.Accuracy, Bound: 0.5}, "accuracy is 1.000, at least 0.500 wanted", "1.000", "≥ 0.500"},
		{near, gate.Floor{Metric: metrics.Brier, Bound: 0.0001}, "Brier is 0.0102, at most 0.0001 wanted", "0.0102", "≤ 0.0001"},
		{near, gate.Floor{Metric: metrics.Accuracy, Bound: math.Nextafter(0.9997, 0)}, "accuracy is 0.9997, at least 0.9997 wanted", "0.9997", "≥ 0.9997"},
		{near, gate.NonInferior{Metric: metrics.Brier, Margin: 0.0006}, "(gain -0.0001, 90 % CI -0.0005 to +0.0001) on 10,000 rows: a loss of 0.0006 is ruled out", "gain -0.0001", "interval above -0.0006"},
		{near, gate.NonInferior{Metric: metrics.Accuracy, Relative: 0.0004}, "accuracy falls from 0.99980 to 0.99970 (gain -0.010 %, 90 % CI -0.039 % to +0.018 %) on 10,000 rows: a loss of 0.040 % is ruled out", "gain -0.010 %", "interval above -0.040 %"},
		{near, gate.Superior{Metric: metrics.Brier, Min: 0.0002}, "a gain above 0.0002 is ruled out", "gain -0.0001", "interval above +0.0002"},
		{near, gate.NotWorse{Metric: metrics.Accuracy, Margin: 0.0002}, "accuracy falls from 0.9998 to 0.9997, at most 0.0002 lower wanted", "gain -0.0001", "≥ -0.0002"},
		{near, gate.Improvement{Metric: metrics.Accuracy, Absolute: 0.0002}, "accuracy falls from 0.9998 to 0.9997 (-0.01 %), at least 0.0002 wanted", "gain -0.0001", "≥ +0.0002"},
		{near, gate.Improvement{Metric: metrics.Accuracy, Relative: 0.0002}, "accuracy falls from 0.9998 to 0.9997 (-0.01 %), at least +0.02 % wanted", "gain -0.01 %", "≥ +0.02 %"},
		{near, gate.SegmentVeto{Metric: metrics.Accuracy, MaxDrop: 0.00005}, "accuracy falls from 0.99980 to 0.99970 (0.010 % worse, at most 0.005 % worse allowed)", "worst segment 0.010 % worse", "≤ 0.005 % worse"},
		{near, gate.MinCoverage{Share: 0.5}, "10,000 of 20,010 predictions are labelled (49.98 %), at least 50.00 % wanted", "49.98 %", "≥ 50.00 %"},
		{near, gate.Maturity{Age: time.Second, Share: 0.9999}, "(99.99 %), at least 99.99 % wanted", "99.99 %", "≥ 99.99 %"},
		{numbers, gate.Floor{Metric: metrics.RMSE, Bound: 1000.2}, "RMSE is 1,000.25, at most 1,000.2 wanted", "1,000.25", "≤ 1,000.2"},
		{numbers, gate.Floor{Metric: metrics.RMSE, Bound: 900}, "RMSE is 1,000, at most 900 wanted", "1,000", "≤ 900"},
	} {
		check := c.criterion.Check(&c.evidence)
		require.Contains(t, check.Reason, c.reason)
		page := markdown(t, gate.Decision{Checks: []gate.Check{check}})
		require.Contains(t, page, "| "+c.statistic+" | "+c.threshold+" |", check.Reason)
	}
}

// The headline and the tables tell the models apart.
func TestDecision_Digits(t *testing.T) {
	t.Parallel()
	d := gate.Decision{
		Production: map[string]float64{metrics.F1.String(): 0.71, metrics.Accuracy.String(): 0.99964, metrics.Brier.String(): 0.00004, metrics.ECE.String(): 0.2},
		Shadow:     map[string]float64{metrics.F1.String(): 0.7102, metrics.Accuracy.String(): 1, metrics.Brier.String(): 0.00002, metrics.ECE.String(): 0.2 - 1e-16},
		Checks: []gate.Check{{
			Metric: metrics.F1.String(), Unit: gate.UnitGain, CI: &gate.Interval{Lo: 0.00004, Hi: 0.0003, Level: 0.9},
			Segments: []gate.SegmentResult{{Segment: "k=a", Rows: 7, Production: 0.0001, Shadow: 0.0003, Absolute: true, Detectable: 0.0004}},
		}},
	}
	require.Contains(t, d.String(), "F1 0.71000 -> 0.71020 (90 % CI of the gain +0.00004..+0.00030)")
	page := markdown(t, d)
	for _, row := range []string{
		"| accuracy | 0.9996 | 1.0000 | +0.0004 |", "| F1 | 0.7100 | 0.7102 | +0.0002 |",
		"| Brier (less is better) | 0.00004 | 0.00002 | -0.00002 |", "| ECE (less is better) | 0.200 | 0.200 | +0.000 |",
		"| k=a | error | 7 | 0.0001 | 0.0003 | +0.0002 | 0.0004 |",
	} {
		require.Contains(t, page, row)
	}
}

// What rounds to 1000 is written as 1000 is, and told from it where more digits do.
func TestCheck_DigitsAtThousand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mae, bound       float64
		measured, wanted string
	}{
		{999.99996, 1000, "999.99996", "≤ 1,000"},
		{1000, 999.99996, "1,000", "≤ 999.99996"},
		{1000.04, 1000, "1,000.04", "≤ 1,000"},
		{999.96, 500, "1,000", "≤ 500"},
		{999.94, 500, "999.9", "≤ 500"},
		{9999.96, 9999.6, "10,000", "≤ 9,999.6"},
	} {
		e, err := gate.FirstFromValues(make([]float64, 10), repeat(c.mae, 10))
		require.NoError(t, err)
		check := gate.Floor{Metric: metrics.MAE, Bound: c.bound}.Check(&e)
		require.Equal(t, c.measured, check.Measured())
		require.Equal(t, c.wanted, check.Wanted())
		require.Contains(t, check.Reason, "MAE is "+c.measured+", at most "+c.wanted[len("≤ "):]+" wanted")
	}
}

func TestCheck_MeasuredAndWanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		check            gate.Check
		measured, wanted string
	}{
		{gate.Check{Unit: gate.UnitMetric, Metric: metrics.F1.String(), Statistic: 0.89996, Threshold: 0.9}, "0.89996", "≥ 0.90000"},
		{gate.Check{Unit: gate.UnitShare, Statistic: 0.3, Threshold: 0.5}, "30.0 %", "≥ 50.0 %"},
		{gate.Check{Unit: gate.UnitShare, Statistic: 0.9996, Threshold: nan}, "99.96 %", ""},
		{gate.Check{Unit: gate.UnitRows, Statistic: 2004, Threshold: 200}, "2,004", "≥ 200"},
		{gate.Check{Unit: gate.UnitGain, Metric: metrics.F1.String(), Statistic: 0.032, CI: &gate.Interval{Lo: 0.01, Hi: 0.05, Level: 0.9}}, "+0.032", "interval above 0"},
		{gate.Check{Unit: gate.UnitRelativeDrop, Metric: metrics.F1.String(), Statistic: -0.01, Threshold: 0.05, AtMost: true}, "1.0 % better", "≤ 5.0 % worse"},
		{gate.Check{Unit: gate.UnitHours, Statistic: 1163 * 24, Threshold: 168}, "1,163 days", "≥ 7 days"},
		{gate.Check{Statistic: nan, Threshold: 7}, "–", "≥ 7"},
		{gate.Check{Statistic: 0.123456, Threshold: nan}, "0.1235", ""},
	} {
		require.Equal(t, c.measured, c.check.Measured())
		require.Equal(t, c.wanted, c.check.Wanted())
	}
}

// A value that is not 1 does not read as 1, nor does a change show the noise of a
// subtraction.
func TestDecision_NearOne(t *testing.T) {
	t.Parallel()
	d := gate.Decision{
		Production: map[string]float64{metrics.F1.String(): 0.9, metrics.MAE.String(): 1.00000001, metrics.Brier.String(): 0.9999},
		Shadow:     map[string]float64{metrics.F1.String(): 0.99996, metrics.MAE.String(): 1, metrics.Brier.String(): 0.00004},
		N:          10_000, Basis: &gate.Basis{Coverage: labels.Count{Predictions: 10_004, Labelled: 10_000}},
		Checks: []gate.Check{{Metric: metrics.MAE.String(), Segments: []gate.SegmentResult{
			{Segment: "k=a", Rows: 7, Production: 1.00000001, Shadow: 1, Absolute: true},
			{Segment: "k=b", Rows: 7, Production: 0.3, Shadow: 0.1 + 0.2},
		}}},
	}
	require.Contains(t, d.String(), "F1 0.90000 -> 0.99996")
	page := markdown(t, d)
	for _, want := range []string{
		"F1 0.90000 → 0.99996", "| F1 | 0.90000 | 0.99996 | +0.09996 |", "| MAE (less is better) | 1.00000001 | 1 | -1e-08 |",
		"| Brier (less is better) | 0.99990 | 0.00004 | -0.99986 |", "| k=a | error | 7 | 1.00000001 | 1 | -1e-08 |", "| k=b | error | 7 | 0.3 | 0.3 | +0.0 % |",
		"- Rows: 10,000 (99.96 % of 10,004 predictions are labelled)",
	} {
		require.Contains(t, page, want)
	}
}
