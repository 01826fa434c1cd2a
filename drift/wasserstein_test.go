package drift_test

import (
	"math"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

func TestWasserstein1_AgreesWithSciPy(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	for i, c := range v.Wasserstein {
		t.Run(c.Name, func(t *testing.T) {
			got, err := drift.Wasserstein1(v.KS[i].Reference, v.KS[i].Current)
			require.NoError(t, err)
			requireClose(t, c.Statistic, got.Statistic, 1e-12)
			effect := 0.0
			if c.Statistic > 0 {
				effect = c.Statistic / (c.Statistic + c.Std)
			}
			requireClose(t, effect, got.EffectSize, 1e-12)
			require.True(t, math.IsNaN(got.PValue))
		})
	}
}

func TestWasserstein1_SpecialValues(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name               string
		reference, current []float64
		statistic, effect  float64
	}{
		{"one standard deviation", []float64{-1, 1}, []float64{0, 2}, 1, 0.5},
		{"constant and equal", []float64{3, 3}, []float64{3}, 0, 0},
		{"constant and moved", []float64{3, 3}, []float64{4}, 1, 1},
		{"unequal sizes", []float64{0, 1}, []float64{0, 0, 1, 1}, 0, 0},
		{"the widest distance is cut", []float64{-math.MaxFloat64}, []float64{math.MaxFloat64}, math.MaxFloat64, 1},
		{"a wide distance of little weight", []float64{-math.MaxFloat64, 0, 0, 0}, []float64{math.MaxFloat64, 0, 0, 0}, math.MaxFloat64 / 2, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := drift.Wasserstein1(c.reference, c.current)
			require.NoError(t, err)
			requireClose(t, c.statistic, got.Statistic, 1e-15)
			if c.effect > 0 || c.statistic == 0 {
				require.Equal(t, c.effect, got.EffectSize)
			}
		})
	}
	for _, x := range []float64{math.Inf(1), math.Inf(-1)} {
		_, err := drift.Wasserstein1([]float64{1}, []float64{0, x})
		var input *drift.InputError
		require.ErrorAs(t, err, &input)
		require.Equal(t, "current", input.Sample)
		require.Equal(t, 1, input.Index)
	}
}

func TestWasserstein1_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250102))
	sample := gen.SliceOf(gen.Float64Range(-100, 100)).SuchThat(func(s []float64) bool { return len(s) > 0 })
	distance := func(a, b []float64) float64 {
		r, err := drift.Wasserstein1(a, b)
		if err != nil {
			return math.NaN()
		}
		return r.Statistic
	}
	props.Property("symmetric, and zero to itself", prop.ForAll(func(a, b []float64) bool {
		return distance(a, b) == distance(b, a) && distance(a, a) == 0
	}, sample, sample))
	props.Property("the triangle inequality", prop.ForAll(func(a, b, c []float64) bool {
		return distance(a, c) <= distance(a, b)+distance(b, c)+1e-9
	}, sample, sample, sample))
	props.Property("a shift is its own distance", prop.ForAll(func(a []float64, by float64) bool {
		moved := make([]float64, len(a))
		for i := range a {
			moved[i] = a[i] + by
		}
		return math.Abs(distance(a, moved)-math.Abs(by)) < 1e-9
	}, sample, gen.Float64Range(-50, 50)))
	props.Property("the effect does not depend on the unit", prop.ForAll(func(a, b []float64) bool {
		before, _ := drift.Wasserstein1(a, b)
		for _, s := range [][]float64{a, b} {
			for i := range s {
				s[i] *= 1024
			}
		}
		after, _ := drift.Wasserstein1(a, b)
		return before.EffectSize == after.EffectSize && before.EffectSize >= 0 && before.EffectSize <= 1
	}, sample, sample))
	props.TestingRun(t)
}
