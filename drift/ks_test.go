package drift_test

import (
	"math"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

func TestKolmogorovSmirnov_AgreesWithSciPy(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	for _, c := range v.KS {
		t.Run(c.Name, func(t *testing.T) {
			got, err := drift.KolmogorovSmirnov(c.Reference, c.Current)
			require.NoError(t, err)
			require.InDelta(t, c.Statistic, got.Statistic, 1e-12)
			require.Equal(t, got.Statistic, got.EffectSize)
			require.Equal(t, len(c.Reference), got.NReference)
			require.Equal(t, len(c.Current), got.NCurrent)
			// Both are exact and differ by rounding only.
			requireClose(t, c.PValue, got.PValue, 1e-9)
		})
	}
	for _, c := range v.KSLarge {
		t.Run(c.Name, func(t *testing.T) {
			got, err := drift.KolmogorovSmirnov(c.Reference, c.Current)
			require.NoError(t, err)
			require.InDelta(t, c.Statistic, got.Statistic, 1e-12)
			requireClose(t, c.PValue, got.PValue, 1e-9)
		})
	}
}

func TestKolmogorovSmirnov_LimitIsClose(t *testing.T) {
	t.Parallel()
	reference, current := make([]float64, 12_000), make([]float64, 11_000)
	for i := range reference {
		reference[i] = float64(i) / 12_000
	}
	for i := range current {
		current[i] = float64(i)/11_000 + 0.02
	}
	got, err := drift.KolmogorovSmirnov(reference, current)
	require.NoError(t, err)
	// scipy.stats.ks_2samp of the same values: with method "asymp", which takes another
	// limit, and with method "exact".
	requireClose(t, 0.020083333333333342, got.Statistic, 1e-9)
	requireClose(t, 0.019254343663002226, got.PValue, 1e-3)
	requireClose(t, 0.019197603681589764, got.PValue, 0.01)
}

func TestKolmogorovSmirnov_SpecialValues(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	cases := []struct {
		name               string
		reference, current []float64
		statistic          float64
	}{
		{"infinities are ordered", []float64{-inf, 0, inf}, []float64{-inf, 0, inf}, 0},
		{"infinity is above all", []float64{1, 2, 3}, []float64{1, 2, inf}, 1.0 / 3},
		{"zeros are equal", []float64{math.Copysign(0, -1)}, []float64{0}, 0},
		{"single values", []float64{1}, []float64{2}, 1},
		{"constants", []float64{5, 5, 5}, []float64{5, 5}, 0},
		{"largest numbers", []float64{-math.MaxFloat64}, []float64{math.MaxFloat64}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := drift.KolmogorovSmirnov(c.reference, c.current)
			require.NoError(t, err)
			require.InDelta(t, c.statistic, got.Statistic, 1e-15)
			if c.statistic == 0 {
				require.Equal(t, 1.0, got.PValue)
			}
		})
	}
}

func TestKolmogorovSmirnov_Float32(t *testing.T) {
	t.Parallel()
	wide, err := drift.KolmogorovSmirnov([]float64{1, 2, 3, 4}, []float64{2.5, 3.5, 4.5})
	require.NoError(t, err)
	narrow, err := drift.KolmogorovSmirnov([]float32{1, 2, 3, 4}, []float32{2.5, 3.5, 4.5})
	require.NoError(t, err)
	require.Equal(t, wide, narrow)
}

func TestKolmogorovSmirnov_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	sample := gen.SliceOf(gen.Float64Range(-20, 20).Map(math.Round)).
		SuchThat(func(s []float64) bool { return len(s) > 0 })

	props.Property("symmetric, bounded, and leaves its arguments alone", prop.ForAll(func(a, b []float64) bool {
		a0, b0 := slices.Clone(a), slices.Clone(b)
		ab, errAB := drift.KolmogorovSmirnov(a, b)
		ba, errBA := drift.KolmogorovSmirnov(b, a)
		return errAB == nil && errBA == nil && slices.Equal(a, a0) && slices.Equal(b, b0) &&
			ab.Statistic == ba.Statistic && math.Abs(ab.PValue-ba.PValue) < 1e-12 &&
			0 <= ab.Statistic && ab.Statistic <= 1 && 0 <= ab.PValue && ab.PValue <= 1
	}, sample, sample))

	props.Property("agrees with the definition", prop.ForAll(func(a, b []float64) bool {
		got, err := drift.KolmogorovSmirnov(a, b)
		return err == nil && math.Abs(got.Statistic-naiveKS(a, b)) < 1e-12
	}, sample, sample))

	props.Property("the same after an increasing map", prop.ForAll(func(a, b []float64) bool {
		before, errBefore := drift.KolmogorovSmirnov(a, b)
		for _, s := range [][]float64{a, b} {
			for i := range s {
				s[i] = 1000*math.Exp(s[i]/10) - 5
			}
		}
		after, errAfter := drift.KolmogorovSmirnov(a, b)
		return errBefore == nil && errAfter == nil && before.Statistic == after.Statistic && before.PValue == after.PValue
	}, sample, sample))
	props.TestingRun(t)
}

// naiveKS compares the distribution functions at every value.
func naiveKS(a, b []float64) float64 {
	share := func(s []float64, x float64) float64 {
		n := 0
		for _, y := range s {
			if y <= x {
				n++
			}
		}
		return float64(n) / float64(len(s))
	}
	d := 0.0
	for _, x := range slices.Concat(a, b) {
		d = max(d, math.Abs(share(a, x)-share(b, x)))
	}
	return d
}
