package drift_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

func TestCounts_MoreProperties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250205))
	counts := gen.SliceOfN(6, gen.IntRange(0, 40)).SuchThat(func(s []int) bool { return slices.Max(s) > 0 })
	for name, f := range map[string]countMethod{"GTest": drift.GTest[int], "Hellinger": drift.Hellinger[int], "KullbackLeibler": drift.KullbackLeibler[int]} {
		props.Property(name+" is bounded and zero to itself", prop.ForAll(func(a, b []int) bool {
			ab, errAB := f(a, b)
			ba, errBA := f(b, a)
			aa, errAA := f(a, a)
			symmetric := name == "KullbackLeibler" || math.Abs(ab.Statistic-ba.Statistic) <= 1e-12*max(1, ab.Statistic)
			return errAB == nil && errBA == nil && errAA == nil && symmetric && math.Abs(aa.Statistic) < 1e-12 &&
				ab.Statistic >= 0 && !math.IsInf(ab.Statistic, 0) && 0 <= ab.EffectSize && ab.EffectSize <= 1
		}, counts, counts))
	}
	props.Property("PSI is the divergence in both directions", prop.ForAll(func(a, b []int) bool {
		psi, _ := drift.PSI(a, b)
		there, _ := drift.KullbackLeibler(a, b)
		back, _ := drift.KullbackLeibler(b, a)
		return math.Abs(psi.Statistic-there.Statistic-back.Statistic) <= 1e-12*max(1, psi.Statistic)
	}, counts, counts))
	props.Property("Hellinger bounds the total variation", prop.ForAll(func(a, b []int) bool {
		h, _ := drift.Hellinger(a, b)
		tv, _ := drift.TotalVariation(a, b)
		d, v := h.Statistic, tv.Statistic
		return d*d <= v+1e-12 && v <= math.Sqrt2*d+1e-12
	}, counts, counts))
	props.TestingRun(t)
}

func FuzzMoreCounts(f *testing.F) {
	f.Add(bytesOf(1, 2, 3), bytesOf(2, 0, 4))
	f.Add(bytesOf(1e308, 1), bytesOf(5e-324, 0))
	f.Add(bytesOf(1e15, 1e-300), bytesOf(1e-300, 1e15))
	f.Add(bytesOf(1, 1e10), bytesOf(5e-324, 1e10))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for name, method := range map[string]func(r, c []float64) (drift.Result, error){
			"GTest":           drift.GTest[float64],
			"Hellinger":       drift.Hellinger[float64],
			"KullbackLeibler": drift.KullbackLeibler[float64],
		} {
			got, err := method(floats(a), floats(b))
			if err != nil {
				require.ErrorIs(t, err, drift.ErrInvalidInput)
				continue
			}
			requireUnit(t, got.EffectSize)
			require.True(t, got.Statistic >= 0 && !math.IsInf(got.Statistic, 0), "%s: %v", name, got.Statistic)
		}
	})
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
