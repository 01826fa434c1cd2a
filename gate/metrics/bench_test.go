package metrics_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

func benchmarkInput(n int) (truth []bool, probability []float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	truth, probability = make([]bool, n), make([]float64, n)
	for i := range truth {
		truth[i], probability[i] = rng.Float64() < 0.1, rng.Float64()
	}
	return truth, probability
}

func BenchmarkROCAUC(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			truth, p := benchmarkInput(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := metrics.BinaryROCAUC(truth, p, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBrier(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			truth, p := benchmarkInput(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := metrics.BinaryBrier(truth, p, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
