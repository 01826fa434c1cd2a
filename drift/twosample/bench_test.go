package twosample_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/twosample"
)

func BenchmarkTwoSample(b *testing.B) {
	for _, method := range []struct {
		name string
		f    sampleMethod
	}{
		{"KolmogorovSmirnov", drift.KolmogorovSmirnov[float64]},
		{"CramerVonMises", twosample.CramerVonMises[float64]},
		{"AndersonDarling", twosample.AndersonDarling[float64]},
		{"MannWhitney", twosample.MannWhitney[float64]},
		{"WelchT", twosample.WelchT[float64]},
		{"StudentT", twosample.StudentT[float64]},
		{"EppsSingleton", twosample.EppsSingleton[float64]},
		{"EnergyDistance", twosample.EnergyDistance[float64]},
		{"NormalizedWasserstein1", twosample.NormalizedWasserstein1[float64]},
	} {
		for _, n := range []int{20, 1_000, 100_000} {
			rng := rand.New(rand.NewPCG(2, 1))
			reference, current := normals(rng, n, 0), normals(rng, n-1, 0)
			b.Run(fmt.Sprintf("%s/n=%d", method.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = method.f(reference, current)
				}
			})
		}
	}
}

func BenchmarkRateMethods(b *testing.B) {
	reference, current := [2]int{3000, 7000}, [2]int{350, 650}
	b.Run("FisherExact", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = twosample.FisherExact(reference, current)
		}
	})
	b.Run("TwoProportionZ", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = twosample.TwoProportionZ(reference, current)
		}
	})
}
