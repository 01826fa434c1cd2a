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

func TestCounts_AgreeWithSciPy(t *testing.T) {
	t.Parallel()
	for _, c := range readVectors(t).Counts {
		psi, err := drift.PSI(c.Reference, c.Current)
		require.NoError(t, err)
		requireClose(t, c.PSI, psi.Statistic, 1e-12, "PSI", c)

		js, err := drift.JensenShannon(c.Reference, c.Current)
		require.NoError(t, err)
		require.InDelta(t, c.JensenShannon, js.Statistic, 1e-9, c)
		require.Equal(t, js.Statistic, js.EffectSize)

		tv, err := drift.TotalVariation(c.Reference, c.Current)
		require.NoError(t, err)
		requireClose(t, c.TotalVariation, tv.Statistic, 1e-12, "TV", c)

		chi, err := drift.ChiSquare(c.Reference, c.Current)
		require.NoError(t, err)
		requireClose(t, c.ChiSquare, chi.Statistic, 1e-12, "X2", c)
		requireClose(t, c.ChiSquareP, chi.PValue, 1e-9, "p", c)

		for _, r := range []drift.Result{psi, tv, chi} {
			require.Equal(t, tv.Statistic, r.EffectSize)
		}
	}
}

// The homogeneity p-value of a table that a goodness-of-fit test, which takes the reference
// for the truth, calls significant at 0.00014.
func TestChiSquare_TreatsBothSidesAsSamples(t *testing.T) {
	t.Parallel()
	got, err := drift.ChiSquare([]int{50, 30, 20}, []int{40, 40, 40})
	require.NoError(t, err)
	require.InDelta(t, 0.024, got.PValue, 5e-4)
	require.Empty(t, got.Warnings)
}

func TestChiSquare_WarnsOfSmallCounts(t *testing.T) {
	t.Parallel()
	got, err := drift.ChiSquare([]int{3, 0, 2}, []int{2, 0, 4})
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	require.EqualError(t, got.Warnings[0], "drift: chi-square: lowest expected count is 2.27, want at least 5")
}

func TestCounts_ZeroRules(t *testing.T) {
	t.Parallel()
	t.Run("equal shares of unequal samples", func(t *testing.T) {
		for _, f := range countMethods {
			got, err := f([]int{900, 100, 0}, []int{9, 1, 0})
			require.NoError(t, err)
			require.Zero(t, got.Statistic)
			require.Zero(t, got.EffectSize)
		}
	})
	t.Run("no cell in common", func(t *testing.T) {
		psi, err := drift.PSI([]int{10, 0}, []int{0, 10})
		require.NoError(t, err)
		// Shares of 10 and half an observation.
		requireClose(t, 2*(10-0.5)/10.5*math.Log(20), psi.Statistic, 1e-12)
		for _, f := range []countMethod{drift.JensenShannon[int], drift.TotalVariation[int]} {
			got, err := f([]int{10, 0}, []int{0, 10})
			require.NoError(t, err)
			require.Equal(t, 1.0, got.Statistic)
		}
	})
	t.Run("one cell", func(t *testing.T) {
		got, err := drift.ChiSquare([]int{10}, []int{30})
		require.NoError(t, err)
		require.Equal(t, 0.0, got.Statistic)
		require.Equal(t, 1.0, got.PValue)
		require.Equal(t, 10, got.NReference)
		require.Equal(t, 30, got.NCurrent)
	})
	t.Run("weights", func(t *testing.T) {
		got, err := drift.TotalVariation([]float64{1.5, 0.5}, []float64{0.5, 0.5})
		require.NoError(t, err)
		require.Equal(t, 0.25, got.Statistic)
	})
}

type countMethod = func(reference, current []int) (drift.Result, error)

var countMethods = map[string]countMethod{
	"PSI":            drift.PSI[int],
	"JensenShannon":  drift.JensenShannon[int],
	"TotalVariation": drift.TotalVariation[int],
	"ChiSquare":      drift.ChiSquare[int],
}

func TestCounts_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250103))
	counts := gen.SliceOfN(6, gen.IntRange(0, 40)).SuchThat(func(s []int) bool { return slices.Max(s) > 0 })
	for name, f := range countMethods {
		props.Property(name+" is symmetric, bounded, and zero to itself", prop.ForAll(func(a, b []int) bool {
			ab, errAB := f(a, b)
			ba, errBA := f(b, a)
			aa, errAA := f(a, a)
			near := math.Abs(ab.Statistic-ba.Statistic) <= 1e-12*max(1, ab.Statistic)
			return errAB == nil && errBA == nil && errAA == nil && near && aa.Statistic == 0 &&
				ab.Statistic >= 0 && !math.IsInf(ab.Statistic, 0) && 0 <= ab.EffectSize && ab.EffectSize <= 1
		}, counts, counts))
		props.Property(name+" does not depend on the order of the cells", prop.ForAll(func(a, b []int) bool {
			before, _ := f(a, b)
			slices.Reverse(a)
			slices.Reverse(b)
			after, _ := f(a, b)
			return math.Abs(before.Statistic-after.Statistic) <= 1e-12*max(1, before.Statistic)
		}, counts, counts))
	}
	props.TestingRun(t)
}
