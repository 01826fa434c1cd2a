package twosample_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/twosample"
)

func FuzzTwoSample(f *testing.F) {
	addSamples(f)
	f.Add(bytesOf(1, 1, 1, 1, 2), bytesOf(1, 1, 1, 1, 1, 1))
	f.Add(bytesOf(math.MaxFloat64, -math.MaxFloat64, 0, 1, 2), bytesOf(5e-324, 0, 1e-300, 1, math.MaxFloat64))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		reference, current := floats(a), floats(b)
		before := [2][]float64{slices.Clone(reference), slices.Clone(current)}
		for name, method := range sampleVectorNames {
			got, err := method(reference, current)
			if err != nil {
				require.ErrorIs(t, err, drift.ErrInvalidInput)
				continue
			}
			requireUnit(t, got.EffectSize)
			require.False(t, math.IsNaN(got.Statistic), name)
			if name != "energy" && name != "normalized_wasserstein" {
				requireUnit(t, got.PValue)
			}
		}
		for i, values := range [2][]float64{reference, current} {
			require.True(t, slices.EqualFunc(before[i], values, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }))
		}
	})
}

func FuzzTwoProportionZ(f *testing.F) {
	f.Add(0, 100, 5, 95)
	f.Add(1<<52, 1<<52, 1, 1<<52)
	f.Fuzz(func(t *testing.T, a, b, c, d int) {
		got, err := twosample.TwoProportionZ([2]int{a, b}, [2]int{c, d})
		if err == nil {
			requireUnit(t, got.PValue, got.EffectSize)
		}
	})
}
