package twosample_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/selfheal-ml/selfheal/drift/twosample"
)

// The defects for which these numbers are not those of the tests themselves. That the numbers
// are SciPy's is in TestSamples_AgreeWithSciPy.
func TestSciPy_Faults(t *testing.T) {
	t.Parallel()
	t.Run("Cramér-von Mises sees a change in ties and unequal sizes alone", func(t *testing.T) {
		constant := slices.Repeat([]float64{3}, 30)
		theirs, err := twosample.CramerVonMisesSciPy(constant, constant[:7])
		require.NoError(t, err)
		require.InEpsilon(t, 3.114297708606273e-11, theirs.PValue, 1e-3) // but for rounding
		require.InEpsilon(t, 7.761389961389961, theirs.Statistic, 1e-12)
		ours, err := twosample.CramerVonMises(constant, constant[:7])
		require.NoError(t, err)
		require.Zero(t, ours.Statistic)
		require.Equal(t, 1.0, ours.PValue)

		last := 0.0
		for times := 1; times <= 16; times *= 2 { // the same shares of the same values
			reference := slices.Repeat([]float64{1, 1, 2, 3}, 5*times)
			current := slices.Repeat([]float64{1, 1, 2, 3}, times)
			theirs, err := twosample.CramerVonMisesSciPy(reference, current)
			require.NoError(t, err)
			require.Greater(t, theirs.Statistic, 1.5*last)
			last = theirs.Statistic
			ours, err := twosample.CramerVonMises(reference, current)
			require.NoError(t, err)
			require.Zero(t, ours.Statistic)
		}
	})
	t.Run("Cramér-von Mises' p-value does not fall below some 1e-7", func(t *testing.T) {
		reference, current := make([]float64, 4000), make([]float64, 4000)
		for i := range reference {
			reference[i], current[i] = float64(i), float64(i+5000)
		}
		theirs, err := twosample.CramerVonMisesSciPy(reference, current)
		require.NoError(t, err)
		require.InEpsilon(t, 1.9205400003663442e-07, theirs.PValue, pTolerance)
		ours, err := twosample.CramerVonMises(reference, current)
		require.NoError(t, err)
		require.Less(t, ours.PValue, 1e-300)
	})
	t.Run("Anderson-Darling's p-value is cut and takes no account of ties", func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 31))
		theirs, err := twosample.AndersonDarlingSciPy(normals(rng, 100, 0), normals(rng, 100, 3))
		require.NoError(t, err)
		require.Equal(t, 0.001, theirs.PValue)

		reference, current := []float64{0, 0, 0, 0, 1}, []float64{0, 0, 1, 1, 1, 1, 1, 1}
		theirs, err = twosample.AndersonDarlingSciPy(reference, current)
		require.NoError(t, err)
		ours, err := twosample.AndersonDarling(reference, current)
		require.NoError(t, err)
		require.Equal(t, theirs.Statistic, ours.Statistic)
		require.Less(t, 2*theirs.PValue, ours.PValue)
	})
	t.Run("Epps-Singleton gives too many alarms where sizes differ", func(t *testing.T) {
		rates := alarms(t, 31, 400, size{50, 500}, normalLaw(0), normalLaw(0), []calibratedMethod{
			{"EppsSingletonSciPy", twosample.EppsSingletonSciPy[float64], false},
			{"EppsSingleton", twosample.EppsSingleton[float64], false},
		})
		require.Greater(t, rates[0].rate, 0.15)
		require.Less(t, rates[1].rate, 0.1)
	})
}

// The p-value between the cuts follows from the seven critical values that Scholz and
// Stephens print.
func TestAndersonDarlingSciPy_Interpolates(t *testing.T) {
	t.Parallel()
	levels := []float64{0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001}
	critical := []float64{0.325, 1.226, 1.961, 2.718, 3.752, 4.592, 6.546}
	powers, logs := mat.NewDense(7, 3, nil), mat.NewVecDense(7, nil)
	for i, x := range critical {
		powers.SetRow(i, []float64{1, x, x * x})
		logs.SetVec(i, math.Log(levels[i]))
	}
	var parabola mat.VecDense
	require.NoError(t, parabola.SolveVec(powers, logs))
	rng := rand.New(rand.NewPCG(1, 32))
	checked := 0
	for range 100 {
		got, err := twosample.AndersonDarlingSciPy(normals(rng, 30, 0), normals(rng, 40, 0.6))
		require.NoError(t, err)
		x := got.Statistic
		switch {
		case x < critical[0]:
			require.Equal(t, 0.25, got.PValue)
		case x > critical[6]:
			require.Equal(t, 0.001, got.PValue)
		default:
			want := math.Exp(parabola.AtVec(0) + x*parabola.AtVec(1) + x*x*parabola.AtVec(2))
			require.InEpsilon(t, want, got.PValue, 1e-12)
			checked++
		}
	}
	require.Greater(t, checked, 30)
}

// Without ties SciPy's statistics are ours, and so is the exact Cramér-von Mises p-value.
func TestSciPy_AgreesWithoutTies(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 33))
	for range 20 {
		n, m := 5+rng.IntN(16), 5+rng.IntN(16)
		reference, current := normals(rng, n, 0), normals(rng, m, rng.Float64())
		for _, f := range [][2]sampleMethod{
			{twosample.AndersonDarling[float64], twosample.AndersonDarlingSciPy[float64]},
			{twosample.CramerVonMises[float64], twosample.CramerVonMisesSciPy[float64]},
			{twosample.EppsSingleton[float64], twosample.EppsSingletonSciPy[float64]},
		} {
			ours, err := f[0](reference, current)
			require.NoError(t, err)
			theirs, err := f[1](reference, current)
			require.NoError(t, err)
			require.InEpsilon(t, ours.Statistic, theirs.Statistic, statisticTolerance)
			require.Equal(t, ours.EffectSize, theirs.EffectSize)
			require.Equal(t, []int{n, m}, []int{theirs.NReference, theirs.NCurrent})
		}
		ours, err := twosample.CramerVonMises(reference, current)
		require.NoError(t, err)
		theirs, err := twosample.CramerVonMisesSciPy(reference, current)
		require.NoError(t, err)
		require.Equal(t, ours.PValue, theirs.PValue)
	}
}
