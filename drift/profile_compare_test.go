package drift_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// What the rows themselves say lies within the bounds.
func TestProfile_BoundsHoldForTheRows(t *testing.T) {
	t.Parallel()
	for name := range distributions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reference := drawn(name, 1, 8000)
			for _, cells := range []int{8, 1024} {
				ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", reference)}, drift.ReferenceConfig{Cells: cells})
				require.NoError(t, err)
				for what, current := range map[string][]float64{
					"same distribution": drawn(name, 2, 3000),
					"moved":             moved(drawn(name, 3, 3000)),
					"few":               drawn(name, 4, 15),
					"other":             drawn("normal", 5, 2000),
				} {
					requireBounds(t, ref, reference, current, what)
				}
			}
		})
	}
}

func requireBounds(t *testing.T, ref *drift.Reference, reference, current []float64, what string) {
	t.Helper()
	p := profileOf(t, ref, drift.Numeric("x", current))
	exact, err := drift.KolmogorovSmirnov(reference, current)
	require.NoError(t, err)
	ks, err := p.Compare("x", drift.MethodKS)
	require.NoError(t, err)
	require.LessOrEqual(t, ks.Lo, exact.Statistic+1e-12, what)
	require.GreaterOrEqual(t, ks.Hi, exact.Statistic-1e-12, what)
	require.Equal(t, ks.Lo, ks.Statistic)
	require.GreaterOrEqual(t, ks.PValue, exact.PValue*0.9-1e-12, "%s: the side of no drift, but for the series' error", what)

	wasserstein, err := drift.Wasserstein1(reference, current)
	require.NoError(t, err)
	w, err := p.Compare("x", drift.MethodWasserstein)
	require.NoError(t, err)
	rounding := 1e-12 * wasserstein.Statistic
	require.LessOrEqual(t, w.Lo, wasserstein.Statistic+rounding, what)
	require.GreaterOrEqual(t, w.Hi, wasserstein.Statistic-rounding, what)
	require.LessOrEqual(t, w.Lo, w.Statistic)
	require.GreaterOrEqual(t, w.Hi, w.Statistic)
}

// With the default cells the bounds are close, and exact for few values.
func TestProfile_BoundsAreClose(t *testing.T) {
	t.Parallel()
	for name, widest := range map[string]float64{"normal": 0.004, "pareto": 0.006, "few values": 0, "constant": 0} {
		ref := newReference(t, drift.Numeric("x", drawn(name, 1, 100_000)))
		ks, err := profileOf(t, ref, drift.Numeric("x", drawn(name, 2, 100_000))).Compare("x", drift.MethodKS)
		require.NoError(t, err)
		require.LessOrEqual(t, ks.Hi-ks.Lo, widest, name)
	}
}

func TestProfile_BoundsProperty(t *testing.T) {
	t.Parallel()
	parameters := gopter.DefaultTestParametersWithSeed(20250105)
	parameters.MinSuccessfulTests = 150
	props := gopter.NewProperties(parameters)
	sample := gen.SliceOf(gen.OneGenOf(gen.Float64Range(-2, 2), gen.IntRange(-2, 2).Map(func(i int) float64 { return float64(i) })))
	props.Property("bounds hold", prop.ForAll(func(reference, current []float64, cells int) bool {
		reference, current = append(reference, 0.5), append(current, 0.25)
		ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", reference)}, drift.ReferenceConfig{Cells: cells})
		require.NoError(t, err)
		requireBounds(t, ref, reference, current, "property")
		return true
	}, sample, sample, gen.IntRange(2, 12)))
	props.TestingRun(t)
}

// On tables the profile says exactly what the functions say on the counts of the rows.
func TestProfile_Tables(t *testing.T) {
	t.Parallel()
	ref := newReference(t,
		drift.Categorical("c", repeat(50, "a", "a", "b", "c")),
		drift.Numeric("x", repeat(20, 1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10)))
	p := profileOf(t, ref,
		drift.Categorical("c", repeat(10, "a", "b", "b", "new")),
		drift.Numeric("x", repeat(8, 1, 1, 1, 99, math.Inf(1))))
	counts := map[string][2][]int{
		"c": {{100, 50, 50, 0}, {10, 20, 0, 10}},
		"x": {{20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 0}, {24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16}},
	}
	for column, sides := range counts {
		for name, counts := range map[drift.Method]func(r, c []int) (drift.Result, error){
			drift.MethodPSI:           drift.PSI[int],
			drift.MethodJensenShannon: drift.JensenShannon[int],
			drift.MethodChiSquare:     drift.ChiSquare[int],
			drift.MethodG:             drift.GTest[int],
			drift.MethodHellinger:     drift.Hellinger[int],
		} {
			want, err := counts(sides[0], sides[1])
			require.NoError(t, err)
			got, err := p.Compare(column, name)
			require.NoError(t, err)
			require.InDelta(t, want.Statistic, got.Statistic, 1e-12, "%s of %s", name, column)
			require.InDelta(t, want.EffectSize, got.EffectSize, 1e-12, "%s of %s", name, column)
			require.Equal(t, want.Warnings, got.Warnings)
			require.Equal(t, got.Statistic, got.Lo)
			require.Equal(t, got.Statistic, got.Hi)
		}
	}
}

// A value that many rows share is a group of its own, and so is what lies beyond it, or
// between two such values. Elsewhere what the reference lacks belongs to the group that it
// lies in.
func TestProfile_Groups(t *testing.T) {
	t.Parallel()
	ramp := func(from, n int) []float64 {
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(from+i) / 100
		}
		return values
	}
	inf := math.Inf(1)
	for _, c := range []struct {
		name               string
		reference, current []float64
		r, c               []int
	}{
		{"a constant that stays", repeat(50, 7.0), repeat(40, 7.0), []int{50}, []int{40}},
		{"a constant that moves up", repeat(50, 7.0), repeat(40, 8.0), []int{50, 0}, []int{0, 40}},
		{"a constant that moves down", repeat(50, 7.0), repeat(40, 6.0), []int{0, 50}, []int{40, 0}},
		{"a constant that moves both ways", repeat(50, 7.0), repeat(20, 6.0, 7, 8), []int{0, 50, 0}, []int{20, 20, 20}},
		{"a constant of few rows", repeat(4, 7.0), repeat(40, 8.0), []int{4}, []int{40}},
		{"a constant that becomes infinite", repeat(50, 7.0), repeat(40, inf), []int{50, 0}, []int{0, 40}},
		{"an infinity that becomes finite", repeat(50, inf), repeat(40, 7.0), []int{0, 50}, []int{40, 0}},
		{"a flag with another upper value", repeat(50, 0.0, 1), repeat(20, 0.0, 5), []int{50, 50, 0}, []int{20, 0, 20}},
		{"a rare flag with another upper value", append(repeat(95, 0.0), repeat(5, 1.0)...), repeat(20, 0.0, 5), []int{95, 5, 0}, []int{20, 0, 20}},
		{"a flag with another lower value", repeat(50, 0.0, 1), repeat(20, -5.0, 1), []int{0, 50, 50}, []int{20, 0, 20}},
		{"a flag with a value between", repeat(50, 0.0, 1), repeat(20, 0.0, 0.5), []int{50, 0, 50}, []int{20, 20, 0}},
		{"values between those of a group", repeat(5, ramp(1, 20)...), repeat(5, ramp(1, 19)...),
			repeat(10, 10), append(repeat(9, 10), 5)},
		{"a clipped end", append(ramp(0, 90), repeat(10, 1.0)...), append(ramp(0, 90), repeat(10, 2.0)...),
			append(repeat(10, 10), 0), append(repeat(9, 10), 0, 10)},
		{"a continuous end", ramp(0, 100), append(ramp(0, 90), repeat(10, 2.0)...), repeat(10, 10), repeat(10, 10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := profileOf(t, newReference(t, drift.Numeric("x", c.reference)), drift.Numeric("x", c.current)).Compare("x", drift.MethodChiSquare)
			require.NoError(t, err)
			want, err := drift.ChiSquare(c.r, c.c)
			require.NoError(t, err)
			requireClose(t, want.Statistic, got.Statistic, 1e-12)
			requireClose(t, want.PValue, got.PValue, 1e-12)
			require.Equal(t, want.EffectSize, got.EffectSize)
		})
	}
}

// A constant, or one of the values of a flag, that becomes another is drift by every method.
func TestMethods_AnotherValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		reference, current []float64
	}{
		{"a constant, up", repeat(500, 7.0), repeat(500, 8.0)},
		{"a constant, down", repeat(500, 7.0), repeat(500, 6.0)},
		{"the upper value of a flag", repeat(250, 0.0, 1), repeat(250, 0.0, 5)},
		{"the lower value of a flag", repeat(250, 0.0, 1), repeat(250, -5.0, 1)},
		{"to between those of a flag", repeat(250, 0.0, 1), repeat(250, 0.0, 0.25)},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref := newReference(t, drift.Numeric("x", c.reference))
			p := profileOf(t, ref, drift.Numeric("x", c.current))
			for _, method := range numericMethods {
				got := detect(t, ref, drift.Config{NumericMethod: method}, p).Columns[0]
				require.Equal(t, drift.Drifted, got.Verdict, "%s: %s", method, got.Reason)
				require.Equal(t, method, got.Tests[0].Name)
				require.True(t, got.Tests[0].Drifted, "%s: %s", method, got.Reason)
				require.Greater(t, got.Distances.PSI, 1.0)
				require.Greater(t, got.Distances.JensenShannon, 0.4)
			}
			for _, name := range []drift.Method{drift.MethodPSI, drift.MethodJensenShannon, drift.MethodChiSquare} {
				got, err := p.Compare("x", name)
				require.NoError(t, err)
				require.Greater(t, got.Statistic, 0.4, name)
				require.GreaterOrEqual(t, got.EffectSize, 0.5, name)
			}
		})
	}
}

// Numbers of which some are shared by many rows raise no more false alarms than others,
// although chance may have the reference end on such a number.
func TestMethods_FalseAlarmsOfAtoms(t *testing.T) {
	t.Parallel()
	geometric := func(ratio float64) population {
		return population{
			draw:  func(rng *rand.Rand) float64 { return math.Floor(rng.ExpFloat64() / -math.Log(ratio)) },
			below: func(x float64) float64 { return max(0, 1-math.Pow(ratio, math.Floor(x)+1)) },
		}
	}
	for _, p := range []population{geometric(0.05), geometric(0.5), geometric(0.9)} {
		for _, reference := range []int{200, 2_000} {
			requireNoAlarms(t, p, reference, []int{50, 1_000, 20_000}, numericMethods, noFloor)
		}
	}
}

func TestProfile_MethodErrors(t *testing.T) {
	t.Parallel()
	ref := newReference(t,
		drift.Categorical("c", repeat(5, "a", "b")), drift.Numeric("x", repeat(5, 1.0, 2)),
		drift.Numeric("never", repeat(10, math.NaN())), drift.Numeric("far", repeat(5, math.Inf(1), 1)))
	p := profileOf(t, ref,
		drift.Categorical("c", repeat(5, "a")), drift.Numeric("x", repeat(5, math.NaN())),
		drift.Numeric("never", repeat(5, 1.0)), drift.Numeric("far", repeat(5, math.Inf(1))))
	for _, c := range []struct {
		profile *drift.Profile
		column  string
		method  drift.Method
		want    string
	}{
		{p, "y", drift.MethodKS, `drift: column "y": is unknown; the reference has ["c" "x" "never" "far"]`},
		{p, "c", drift.MethodKS, `drift: method: is "kolmogorov_smirnov", want for a categorical column one of ` + listed(categoricalMethods)},
		{p, "far", drift.MethodMissing, `drift: method: is "missing_rate", want for a numeric column one of ` + listed(numericMethods)},
		{p, "x", drift.MethodKS, `drift: current: has no values of "x"`},
		{p, "never", drift.MethodPSI, `drift: reference: has no values of "never"`},
		{p, "far", drift.MethodWasserstein, `drift: current: has no finite values of "far"`},
		{new(drift.Profile), "x", drift.MethodChiSquare, `drift: profile: is not made by Reference.NewProfile`},
	} {
		_, err := c.profile.Compare(c.column, c.method)
		require.ErrorIs(t, err, drift.ErrInvalidInput)
		require.EqualError(t, err, c.want)
	}
}

// On cells that lose nothing the p-value is exact where that takes little time.
func TestProfile_KolmogorovSmirnovIsExactForFewRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ move, pValue float64 }{{0.4, 1.758095364308257e-05}, {0.5, 3.094719907466361e-08}} {
		ref := newReference(t, drift.Numeric("x", steps(30, 0)))
		got, err := profileOf(t, ref, drift.Numeric("x", steps(1000, c.move))).Compare("x", drift.MethodKS)
		require.NoError(t, err)
		requireClose(t, c.pValue, got.PValue, 1e-9)
	}
}

// moved moves the values in place, by 5 % and a little.
func moved(values []float64) []float64 {
	for i, x := range values {
		values[i] = max(min(x*1.05+0.01, math.MaxFloat64), -math.MaxFloat64)
	}
	return values
}
