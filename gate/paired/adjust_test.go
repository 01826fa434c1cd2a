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

var adjustments = map[string]func([]float64) ([]float64, error){
	"holm": paired.Holm, "bonferroni": paired.Bonferroni, "benjamini-hochberg": paired.BenjaminiHochberg,
}

func TestAdjust_Edges(t *testing.T) {
	t.Parallel()
	for name, adjust := range adjustments {
		none, err := adjust(nil)
		require.NoError(t, err)
		require.Empty(t, none)
		one, err := adjust([]float64{0.3})
		require.NoError(t, err)
		require.Equal(t, []float64{0.3}, one)
		ends, err := adjust([]float64{1, 0, 1})
		require.NoError(t, err)
		require.Equal(t, []float64{1, 0, 1}, ends)
		for _, bad := range []float64{-0.1, 1.1, nan, math.Inf(1)} {
			_, err = adjust([]float64{0.5, bad})
			require.ErrorIs(t, err, paired.ErrInput)
			require.ErrorContains(t, err, name+": p[1] is ")
		}
	}
}

func TestAdjust_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	p := gen.SliceOf(gen.Float64Range(0, 1))
	props.Property("p <= Benjamini-Hochberg <= Holm <= Bonferroni <= 1, in the order of p", prop.ForAll(func(p []float64) bool {
		bh, errA := paired.BenjaminiHochberg(p)
		holm, errB := paired.Holm(p)
		bonferroni, errC := paired.Bonferroni(p)
		if errA != nil || errB != nil || errC != nil {
			return false
		}
		const tie = 1e-15 // p*n/n is not quite p
		for i := range p {
			if !(p[i] <= bh[i]+tie && bh[i] <= holm[i]+tie && holm[i] <= bonferroni[i]+tie && bonferroni[i] <= 1) {
				return false
			}
			for j := range p {
				if p[i] < p[j] && (holm[i] > holm[j] || bh[i] > bh[j]) {
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
