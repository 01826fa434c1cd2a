package drift_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/selfheal-ml/selfheal/drift"
)

func BenchmarkTwoSample(b *testing.B) {
	for _, method := range []struct {
		name string
		f    sampleMethod
	}{
		{"KolmogorovSmirnov", drift.KolmogorovSmirnov[float64]},
		{"CramerVonMises", drift.CramerVonMises[float64]},
		{"AndersonDarling", drift.AndersonDarling[float64]},
		{"MannWhitney", drift.MannWhitney[float64]},
		{"WelchT", drift.WelchT[float64]},
		{"StudentT", drift.StudentT[float64]},
		{"EppsSingleton", drift.EppsSingleton[float64]},
		{"EnergyDistance", drift.EnergyDistance[float64]},
		{"NormalizedWasserstein1", drift.NormalizedWasserstein1[float64]},
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

func BenchmarkCountMethods(b *testing.B) {
	for _, method := range []struct {
		name string
		f    countMethod
	}{
		{"ChiSquare", drift.ChiSquare[int]},
		{"GTest", drift.GTest[int]},
		{"KullbackLeibler", drift.KullbackLeibler[int]},
		{"Hellinger", drift.Hellinger[int]},
		{"JensenShannon", drift.JensenShannon[int]},
		{"TotalVariation", drift.TotalVariation[int]},
	} {
		for _, cells := range []int{10, 1024} {
			reference, current := make([]int, cells), make([]int, cells)
			for i := range reference {
				reference[i], current[i] = 1000+i, 1000+7*i%13
			}
			b.Run(fmt.Sprintf("%s/cells=%d", method.name, cells), func(b *testing.B) {
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
			_, _ = drift.FisherExact(reference, current)
		}
	})
	b.Run("TwoProportionZ", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = drift.TwoProportionZ(reference, current)
		}
	})
}

func BenchmarkMMD(b *testing.B) {
	for _, features := range []int{0, 100} {
		for _, n := range []int{100, 1_000} {
			rng := rand.New(rand.NewPCG(2, 2))
			reference, current := rowsOf(normals(rng, n, 0)), rowsOf(normals(rng, n, 0))
			b.Run(fmt.Sprintf("features=%d/n=%d", features, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = drift.MMD(reference, current, drift.MMDConfig{Features: features})
				}
			})
		}
	}
}
