package drift_test

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
		"CramerVonMises":         {drift.CramerVonMises[float64], 2, false},
		"AndersonDarling":        {drift.AndersonDarling[float64], 1, false},
		"AndersonDarlingSciPy":   {drift.AndersonDarlingSciPy[float64], 1, false},
		"CramerVonMisesSciPy":    {drift.CramerVonMisesSciPy[float64], 2, false},
		"EppsSingletonSciPy":     {drift.EppsSingletonSciPy[float64], 5, true},
		"MannWhitney":            {drift.MannWhitney[float64], 1, false},
		"WelchT":                 {drift.WelchT[float64], 2, true},
		"StudentT":               {drift.StudentT[float64], 1, true},
		"EppsSingleton":          {drift.EppsSingleton[float64], 5, true},
		"EnergyDistance":         {drift.EnergyDistance[float64], 1, true},
		"Wasserstein1":           {drift.Wasserstein1[float64], 1, true},
		"NormalizedWasserstein1": {drift.NormalizedWasserstein1[float64], 1, true},
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
	_, err := drift.AndersonDarling([]float64{1}, []float64{1, 2})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	_, err = drift.AndersonDarlingSciPy([]float64{1}, []float64{1, 2})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	_, err = drift.StudentT([]float64{1}, []float64{1})
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
	for name, f := range map[string]sampleMethod{"welch": drift.WelchT[float64], "student": drift.StudentT[float64]} {
		got, err := f(constant, other)
		require.NoError(t, err, name)
		require.Equal(t, math.Inf(1), got.Statistic)
		require.Zero(t, got.PValue)
		require.Equal(t, 1.0, got.EffectSize)
		require.Len(t, got.Warnings, 1)
	}
	got, err := drift.NormalizedWasserstein1(constant, other)
	require.NoError(t, err)
	require.Equal(t, math.MaxFloat64, got.Statistic)
}

// A one-sided test calls a fall by one standard deviation certain not to have happened.
func TestMannWhitney_IsTwoSided(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 7))
	reference := normals(rng, 500, 0)
	for _, shift := range []float64{-1, 1} {
		got, err := drift.MannWhitney(reference, normals(rng, 500, shift))
		require.NoError(t, err)
		require.Less(t, got.PValue, 1e-20)
		require.Equal(t, shift > 0, got.Statistic > 500*500/2)
	}
}

func TestEppsSingleton_Warnings(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 8))
	got, err := drift.EppsSingleton(normals(rng, 9, 0), normals(rng, 500, 0))
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	require.EqualError(t, got.Warnings[0], "drift: Epps-Singleton: a sample of 9 values is small for the p-value")

	mostlyZero := make([]float64, 100)
	for i := range 20 {
		mostlyZero[i] = float64(i)
	}
	got, err = drift.EppsSingleton(mostlyZero, mostlyZero)
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	require.Zero(t, got.Statistic)
	require.Equal(t, 1.0, got.PValue)
}

func TestMMD_InvalidInput(t *testing.T) {
	t.Parallel()
	good := [][]float64{{1, 2}, {3, 4}, {5, 7}}
	for _, c := range []struct {
		name               string
		reference, current [][]float64
		want               drift.InputError
	}{
		{"one row", good[:1], good, drift.InputError{Sample: "reference", Index: -1, What: "has 1 values, want at least 2"}},
		{"no columns", [][]float64{{}, {}}, good, drift.InputError{Sample: "reference", Index: 0, What: "has no columns, want at least one"}},
		{"ragged", good, [][]float64{{1, 2}, {1}}, drift.InputError{Sample: "current", Index: 1, What: "has 1 columns, want 2 as in the first row of reference"}},
		{"NaN", good, [][]float64{{1, 2}, {1, math.NaN()}}, drift.InputError{Sample: "current", Index: 1, What: "column 1 is NaN, want a finite number"}},
		{"Inf", [][]float64{{math.Inf(-1), 2}, {1, 2}}, good, drift.InputError{Sample: "reference", Index: 0, What: "column 0 is -Inf, want a finite number"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := drift.MMD(c.reference, c.current, drift.MMDConfig{})
			requireInputError(t, err, c.want)
		})
	}
	_, err := drift.MMD(good, good, drift.MMDConfig{Width: math.NaN(), Permutations: -1, Features: -2})
	require.EqualError(t, err, "drift: invalid MMDConfig: Width is NaN, want a finite number of at least 0\n"+
		"Permutations is -1, want at least 0\nFeatures is -2, want at least 0")
}

// A change that leaves both columns as they were, seen with the kernel and with features.
func TestMMD_SeesDependence(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 9))
	independent, dependent := make([][]float64, 150), make([][]float64, 120)
	for i := range independent {
		independent[i] = []float64{rng.NormFloat64(), rng.NormFloat64()}
	}
	for i := range dependent {
		x := rng.NormFloat64()
		dependent[i] = []float64{x, 0.9*x + math.Sqrt(1-0.81)*rng.NormFloat64()}
	}
	for _, features := range []int{0, 200} {
		cfg := drift.MMDConfig{Features: features, Permutations: 199, Seed: 5}
		got, err := drift.MMD(independent, dependent, cfg)
		require.NoError(t, err)
		require.LessOrEqual(t, got.PValue, 0.01)
		require.Positive(t, got.EffectSize)
		again, err := drift.MMD(independent, dependent, cfg)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	constant := [][]float64{{1}, {1}, {1}}
	got, err := drift.MMD(constant, constant, drift.MMDConfig{})
	require.NoError(t, err)
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
	props.Property("z squared is chi-square", prop.ForAll(func(a, b, c, d int) bool {
		z, errZ := drift.TwoProportionZ([2]int{a, b}, [2]int{c, d})
		x2, errX := drift.ChiSquare([]int{a, b}, []int{c, d})
		return errZ == nil && errX == nil && math.Abs(z.Statistic*z.Statistic-x2.Statistic) <= 1e-12*max(1, x2.Statistic) &&
			math.Abs(z.PValue-x2.PValue) <= 1e-12 && z.EffectSize == x2.EffectSize
	}, gen.IntRange(0, 50), gen.IntRange(1, 50), gen.IntRange(0, 50), gen.IntRange(1, 50)))
	props.TestingRun(t)
}
