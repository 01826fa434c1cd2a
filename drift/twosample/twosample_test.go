package twosample_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/twosample"
)

var errSample = drift.InputError{Sample: "current", Index: 1, What: "is +Inf, want a finite number"}

func TestTwoSample_InvalidInput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f      sampleMethod
		least  int
		finite bool // infinities are errors
	}{
		"KolmogorovSmirnov":      {drift.KolmogorovSmirnov[float64], 1, false},
		"CramerVonMises":         {twosample.CramerVonMises[float64], 2, false},
		"AndersonDarling":        {twosample.AndersonDarling[float64], 1, false},
		"AndersonDarlingSciPy":   {twosample.AndersonDarlingSciPy[float64], 1, false},
		"CramerVonMisesSciPy":    {twosample.CramerVonMisesSciPy[float64], 2, false},
		"EppsSingletonSciPy":     {twosample.EppsSingletonSciPy[float64], 5, true},
		"MannWhitney":            {twosample.MannWhitney[float64], 1, false},
		"WelchT":                 {twosample.WelchT[float64], 2, true},
		"StudentT":               {twosample.StudentT[float64], 1, true},
		"EppsSingleton":          {twosample.EppsSingleton[float64], 5, true},
		"EnergyDistance":         {twosample.EnergyDistance[float64], 1, true},
		"Wasserstein1":           {drift.Wasserstein1[float64], 1, true},
		"NormalizedWasserstein1": {twosample.NormalizedWasserstein1[float64], 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			good := []float64{1, 2, 3, 4, 5, 6}
			_, err := c.f(good, good)
			require.NoError(t, err)
			_, err = c.f(good[:c.least], good)
			require.NoError(t, err)

			var input *drift.InputError
			_, err = c.f(good[:c.least-1], good)
			require.ErrorAs(t, err, &input)
			require.Equal(t, "reference", input.Sample)
			require.Equal(t, -1, input.Index)
			_, err = c.f(good, good[:c.least-1])
			require.ErrorAs(t, err, &input)
			require.Equal(t, "current", input.Sample)

			_, err = c.f(good, []float64{1, 2, 3, math.NaN(), 5})
			require.ErrorAs(t, err, &input)
			require.Equal(t, "current", input.Sample)
			require.Equal(t, 3, input.Index)
			require.Contains(t, err.Error(), "is NaN")

			_, err = c.f(good, []float64{1, math.Inf(1), 3, 4, 5})
			if c.finite {
				requireInputError(t, err, errSample)
			} else {
				require.NoError(t, err)
			}
		})
	}
	_, err := twosample.AndersonDarling([]float64{1}, []float64{1, 2})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	_, err = twosample.AndersonDarlingSciPy([]float64{1}, []float64{1, 2})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	_, err = twosample.StudentT([]float64{1}, []float64{1})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
}

// Nothing changed, and nothing varies.
func TestTwoSample_Constants(t *testing.T) {
	t.Parallel()
	constant := slices.Repeat([]float64{3}, 30)
	for name, f := range sampleVectorNames {
		got, err := f(constant, constant[:7])
		require.NoError(t, err, name)
		require.Zero(t, got.EffectSize, name)
		if !math.IsNaN(got.PValue) && name != "cramer_von_mises_scipy" { // see TestSciPy_Faults
			require.Equal(t, 1.0, got.PValue, name)
		}
	}
	other := slices.Repeat([]float64{4}, 30)
	for name, f := range map[string]sampleMethod{"welch": twosample.WelchT[float64], "student": twosample.StudentT[float64]} {
		got, err := f(constant, other)
		require.NoError(t, err, name)
		require.Equal(t, math.Inf(1), got.Statistic)
		require.Zero(t, got.PValue)
		require.Equal(t, 1.0, got.EffectSize)
		require.Len(t, got.Warnings, 1)
	}
	got, err := twosample.NormalizedWasserstein1(constant, other)
	require.NoError(t, err)
	require.Equal(t, math.MaxFloat64, got.Statistic)
}

// A one-sided test calls a fall by one standard deviation certain not to have happened.
func TestMannWhitney_IsTwoSided(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 7))
	reference := normals(rng, 500, 0)
	for _, shift := range []float64{-1, 1} {
		got, err := twosample.MannWhitney(reference, normals(rng, 500, shift))
		require.NoError(t, err)
		require.Less(t, got.PValue, 1e-20)
		require.Equal(t, shift > 0, got.Statistic > 500*500/2)
	}
}

func TestEppsSingleton_Warnings(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 8))
	got, err := twosample.EppsSingleton(normals(rng, 9, 0), normals(rng, 500, 0))
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	require.EqualError(t, got.Warnings[0], "twosample: Epps-Singleton: a sample of 9 values is small for the p-value")

	mostlyZero := make([]float64, 100)
	for i := range 20 {
		mostlyZero[i] = float64(i)
	}
	got, err = twosample.EppsSingleton(mostlyZero, mostlyZero)
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	require.Zero(t, got.Statistic)
	require.Equal(t, 1.0, got.PValue)
}

func TestTwoSample_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250204))
	// Multiples of 1/16, so that there are ties and that moving and scaling are exact.
	sample := gen.SliceOf(gen.IntRange(-200, 200).Map(func(i int) float64 { return float64(i) / 16 })).
		SuchThat(func(s []float64) bool { return len(s) >= 5 })
	near := func(a, b float64) bool {
		return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a)) || a == b || math.IsNaN(a) && math.IsNaN(b)
	}
	same := func(a, b drift.Result) bool {
		return near(a.Statistic, b.Statistic) && near(a.PValue, b.PValue) && near(a.EffectSize, b.EffectSize)
	}
	mapped := func(values []float64, f func(float64) float64) []float64 {
		out := make([]float64, len(values))
		for i, x := range values {
			out[i] = f(x)
		}
		return out
	}
	methods := map[string]sampleMethod{"wasserstein": drift.Wasserstein1[float64]}
	for name, f := range sampleVectorNames {
		methods[name] = f
	}
	for name, f := range methods {
		props.Property(name+": bounds, and no dependence on the order or on a shift", prop.ForAll(func(a, b []float64, by int) bool {
			got, err := f(a, b)
			moved, errMoved := f(mapped(a, func(x float64) float64 { return x + float64(by) }), mapped(b, func(x float64) float64 { return x + float64(by) }))
			slices.Reverse(a)
			slices.Reverse(b)
			turned, errTurned := f(a, b)
			return err == nil && errMoved == nil && errTurned == nil && same(got, moved) && same(got, turned) &&
				(math.IsNaN(got.PValue) || 0 <= got.PValue && got.PValue <= 1) && 0 <= got.EffectSize && got.EffectSize <= 1
		}, sample, sample, gen.IntRange(-50, 50)))
		if name != "energy" && name != "wasserstein" {
			props.Property(name+": no dependence on the unit", prop.ForAll(func(a, b []float64) bool {
				got, err := f(a, b)
				scaled, errScaled := f(mapped(a, func(x float64) float64 { return 1024 * x }), mapped(b, func(x float64) float64 { return 1024 * x }))
				return err == nil && errScaled == nil && same(got, scaled)
			}, sample, sample))
		}
		if name == "normalized_wasserstein" {
			continue // the reference sets the unit
		}
		props.Property(name+": symmetry", prop.ForAll(func(a, b []float64) bool {
			ab, errAB := f(a, b)
			ba, errBA := f(b, a)
			switch name {
			case "mann_whitney":
				ba.Statistic = float64(len(a)*len(b)) - ba.Statistic
			case "welch", "student":
				ba.Statistic = -ba.Statistic
			}
			return errAB == nil && errBA == nil && near(ab.Statistic, ba.Statistic) && near(ab.PValue, ba.PValue)
		}, sample, sample))
	}
	props.TestingRun(t)
}
