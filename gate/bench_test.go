package gate_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
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
}

func BenchmarkSuperior(b *testing.B) {
	for _, m := range []gate.Metric{gate.F1, gate.Brier, gate.ROCAUC, gate.PRAUC} {
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

func BenchmarkBetting_Add(b *testing.B) {
	bets, err := gate.NewBetting(gate.BettingConfig{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err := bets.Add(0.5); err != nil {
			b.Fatal(err)
		}
	}
}
