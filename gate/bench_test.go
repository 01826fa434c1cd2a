package gate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

func benchmarkEvidence(b *testing.B, n int) gate.Evidence {
	b.Helper()
	truth, production, shadow := scores(1, n, 0.3, 0.35)
	e, err := gate.FromScores(truth, production, shadow)
	require.NoError(b, err)
	e.Segments = map[string][]string{"k": make([]string, n)}
	for i := range n {
		e.Segments["k"][i] = string(rune('a' + i%20))
	}
	return e
}

// replayed gives evidence what comes with a replay: times, latencies, and IDs of 32 bytes,
// of which only the last ones differ.
func replayed(e gate.Evidence) gate.Evidence {
	e.At, e.LastPromotion = day0, day0.AddDate(0, 0, -8)
	e.ProductionLatency = gate.Latency{Mean: time.Millisecond, P95: 2 * time.Millisecond}
	e.ShadowLatency = e.ProductionLatency
	e.Times = make([]time.Time, e.N())
	for i := range e.Times {
		e.Times[i] = day0.Add(-time.Duration(i) * time.Second)
		e.IDs[i] = fmt.Sprintf("0195%028x", i)
	}
	return e
}

// A million replayed rows with twenty segments are to be judged in 300 ms.
func BenchmarkEvaluate(b *testing.B) {
	for _, policy := range []gate.Policy{gate.Classic(), gate.Standard()} {
		for _, n := range []int{1000, 1_000_000} {
			b.Run(fmt.Sprintf("policy=%s/n=%d", policy.Name, n), func(b *testing.B) {
				e := benchmarkEvidence(b, n)
				b.ReportAllocs()
				for b.Loop() {
					gate.Evaluate(policy, e)
				}
			})
		}
	}
	b.Run("policy=standard/replayed/n=1000000", func(b *testing.B) {
		e := replayed(benchmarkEvidence(b, 1_000_000))
		require.NoError(b, e.Validate())
		b.ReportAllocs()
		for b.Loop() {
			gate.Evaluate(gate.Standard(), e)
		}
	})
}

func BenchmarkSuperior(b *testing.B) {
	for _, m := range []metrics.Metric{metrics.F1, metrics.Brier, metrics.ROCAUC, metrics.PRAUC} {
		for _, n := range []int{1000, 1_000_000} {
			b.Run(fmt.Sprintf("metric=%s/n=%d", m, n), func(b *testing.B) {
				e := benchmarkEvidence(b, n)
				b.ReportAllocs()
				for b.Loop() {
					gate.Superior{Metric: m}.Check(&e)
				}
			})
		}
	}
}
