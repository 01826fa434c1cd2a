package gate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
)

func TestMaxLatency(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.ProductionLatency = gate.Latency{Mean: 2 * time.Millisecond, P95: 4 * time.Millisecond}
	e.ShadowLatency = gate.Latency{Mean: 3 * time.Millisecond, P95: 7 * time.Millisecond}

	check := verdict(t, gate.Pass, gate.MaxLatency{Relative: 2}, e)
	require.Equal(t, gate.PointEstimate, check.Proof)
	require.Equal(t, 0.007, check.Statistic)
	require.Equal(t, 0.008, check.Threshold)
	require.Equal(t, "95 % of the shadow's batches take at most 7ms per row, at most 2 times production's 4ms wanted", check.Reason)
	verdict(t, gate.Fail, gate.MaxLatency{Relative: 1.5}, e)
	check = verdict(t, gate.Pass, gate.MaxLatency{Relative: 1.5, Mean: true}, e)
	require.Equal(t, "the shadow takes on average 3ms per row, at most 1.5 times production's 2ms wanted", check.Reason)
	check = verdict(t, gate.Fail, gate.MaxLatency{Absolute: 6 * time.Millisecond}, e)
	require.Equal(t, "95 % of the shadow's batches take at most 7ms per row, at most 6ms wanted", check.Reason)
	check = verdict(t, gate.Pass, gate.MaxLatency{Relative: 1, Absolute: 7 * time.Millisecond}, e)
	require.Equal(t, 0.007, check.Threshold, "the larger limit counts")
	require.Contains(t, check.Reason, "production's 4ms wanted, or 7ms")

	first := alone(e)
	verdict(t, gate.Pass, gate.MaxLatency{Relative: 1, Absolute: 7 * time.Millisecond}, first)
	verdict(t, gate.Fail, gate.MaxLatency{Relative: 1, Absolute: 6 * time.Millisecond}, first)
	verdict(t, gate.Errored, gate.MaxLatency{Relative: 1}, first)

	unknown := e
	unknown.ProductionLatency = gate.Latency{}
	verdict(t, gate.Errored, gate.MaxLatency{Relative: 1}, unknown)
	verdict(t, gate.Skipped, gate.MaxLatency{Relative: 1, Optional: true}, unknown)
	verdict(t, gate.Pass, gate.MaxLatency{Absolute: time.Second}, unknown)
	unknown.ShadowLatency = gate.Latency{}
	check = verdict(t, gate.Errored, gate.MaxLatency{Absolute: time.Second}, unknown)
	require.Equal(t, "the evidence does not say how long the shadow takes", check.Reason)
	verdict(t, gate.Skipped, gate.MaxLatency{Absolute: time.Second, Optional: true}, unknown)

	part := e
	part.ShadowLatency.P95 = 0
	verdict(t, gate.Errored, gate.MaxLatency{Absolute: time.Nanosecond}, part)
	verdict(t, gate.Pass, gate.MaxLatency{Absolute: time.Second, Mean: true}, part)
	part = e
	part.ProductionLatency.Mean = 0
	verdict(t, gate.Errored, gate.MaxLatency{Relative: 2, Mean: true}, part)

	for want, c := range map[string]gate.MaxLatency{
		"Relative is 0, want above 0": {},
		"Relative is -1":              {Relative: -1},
		"Relative is NaN":             {Relative: nan},
		"Absolute is -1ns":            {Absolute: -1},
	} {
		require.ErrorContains(t, validate(c), want)
	}
}
