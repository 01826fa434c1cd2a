package paired_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

func TestHolm_Edges(t *testing.T) {
	t.Parallel()
	none, err := paired.Holm(nil)
	require.NoError(t, err)
	require.Empty(t, none)
	one, err := paired.Holm([]float64{0.3})
	require.NoError(t, err)
	require.Equal(t, []float64{0.3}, one)
	ends, err := paired.Holm([]float64{1, 0, 1})
	require.NoError(t, err)
	require.Equal(t, []float64{1, 0, 1}, ends)
	for _, bad := range []float64{-0.1, 1.1, nan, math.Inf(1)} {
		_, err = paired.Holm([]float64{0.5, bad})
		require.ErrorIs(t, err, paired.ErrInput)
		require.ErrorContains(t, err, "holm: p[1] is ")
	}
}

func TestHolm(t *testing.T) {
	t.Parallel()
	adjusted, err := paired.Holm([]float64{0.01, 0.04, 0.03, 0.005})
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{0.03, 0.06, 0.06, 0.02}, adjusted, 1e-12)
}

func TestHolm_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	p := gen.SliceOf(gen.Float64Range(0, 1))
	props.Property("p <= Holm <= the number of p times p, at most 1, in the order of p", prop.ForAll(func(p []float64) bool {
		holm, err := paired.Holm(p)
		if err != nil {
			return false
		}
		for i := range p {
			if !(p[i] <= holm[i] && holm[i] <= min(1, p[i]*float64(len(p)))) {
				return false
			}
			for j := range p {
				if p[i] < p[j] && holm[i] > holm[j] {
					return false
				}
			}
		}
		return true
	}, p))
	props.TestingRun(t)
}

func ExampleHolm() {
	adjusted, err := paired.Holm([]float64{0.01, 0.04, 0.03, 0.005})
	fmt.Printf("%.2f %v\n", adjusted, err)
	// Output: [0.03 0.06 0.06 0.02] <nil>
}
