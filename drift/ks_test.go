package drift_test

import (
	"math"
	"slices"
	"sort"
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

// steps returns n values from 0 to 1, moved.
func steps(n int, move float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(i)/float64(n) + move
	}
	return values
}

func TestKolmogorovSmirnov_LimitIsClose(t *testing.T) {
	t.Parallel()
	got, err := drift.KolmogorovSmirnov(steps(120_000, 0), steps(110_000, 0.006))
	require.NoError(t, err)
	// scipy.stats.ks_2samp of the same values: with method "asymp", which takes another
	// limit, and with method "exact".
	requireClose(t, 0.006008333333333333, got.Statistic, 1e-9)
	requireClose(t, 0.03160254181019817, got.PValue, 1e-3)
	requireClose(t, 0.03157418338986816, got.PValue, 0.01)
}

// An exact p-value is a matter of what it costs, not of the size of one sample.
func TestKolmogorovSmirnov_ExactWhereFeasible(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, m         int
		move, pValue float64 // of scipy.stats.ks_2samp with method "exact"
	}{
		{5, 10_000, 5, 2.3964033574816618e-18},
		{5, 10_001, 5, 2.395205874292834e-18},
		{2, 10_000, 5, 3.998800279940001e-08},
		{2, 10_001, 5, 3.998000759740073e-08},
		{1, 10_001, 5, 0.0001999600079983998},
		{12_000, 11_000, 0.02, 0.019197603681589764},
	} {
		got, err := drift.KolmogorovSmirnov(steps(c.n, 0), steps(c.m, c.move))
		require.NoError(t, err)
		requireClose(t, c.pValue, got.PValue, 1e-9, c)
	}
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

// Samples of any distribution, large enough to be sorted on two processors, with infinities
// and equal values.
func TestKolmogorovSmirnov_Distributions(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	for name := range distributions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reference := drawn(name, 1, 40_000)
			for _, current := range [][]float64{
				drawn(name, 2, 30_000),
				drawn("normal", 3, 1000),
				append(drawn(name, 4, 30_000), inf, -inf, inf, math.Copysign(0, -1)),
				reference,
			} {
				got, err := drift.KolmogorovSmirnov(reference, current)
				require.NoError(t, err)
				require.InDelta(t, searchedKS(reference, current), got.Statistic, 1e-12)
			}
		})
	}
}

// searchedKS compares the distribution functions at every value of either sample, by a search
// in the sorted samples.
func searchedKS(a, b []float64) float64 {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	upTo := func(sorted []float64, x float64) float64 {
		return float64(sort.Search(len(sorted), func(i int) bool { return sorted[i] > x })) / float64(len(sorted))
	}
	d := 0.0
	for _, x := range slices.Concat(a, b) {
		d = max(d, math.Abs(upTo(a, x)-upTo(b, x)))
	}
	return d
}

func TestKolmogorovSmirnov_NaN(t *testing.T) {
	t.Parallel()
	reference, current := drawn("normal", 1, 20_000), drawn("normal", 2, 20_000)
	for _, nan := range []float64{math.NaN(), math.Copysign(math.NaN(), -1), math.Float64frombits(^uint64(0)), math.Float64frombits(0x7ff0000000000001)} {
		for _, at := range []int{0, 7, 19_999} {
			before := [2]float64{reference[at], current[at]}
			current[at] = nan
			_, err := drift.KolmogorovSmirnov(reference, current)
			requireInputError(t, err, drift.InputError{Sample: "current", Index: at, What: "is NaN, want a number"})
			reference[at] = nan
			_, err = drift.KolmogorovSmirnov(reference, current)
			requireInputError(t, err, drift.InputError{Sample: "reference", Index: at, What: "is NaN, want a number"})
			reference[at], current[at] = before[0], before[1]
		}
	}
}
