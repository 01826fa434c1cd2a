package gate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
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
	policy, err := gate.Budget{}.Apply(gate.Standard(), day0)
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
		gate.NonInferior{Metric: gate.RMSE, Relative: 0.03}, gate.Superior{Metric: gate.RMSE}, gate.Floor{Metric: gate.MAE, Bound: 20_000},
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
