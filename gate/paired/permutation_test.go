package paired_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

func TestSignFlips_Edges(t *testing.T) {
	t.Parallel()
	r, err := paired.SignFlips(nil, 10, 1)
	require.NoError(t, err)
	require.Equal(t, paired.SignFlipResult{Better: 1, TwoSided: 1, Exact: true}, r)
	r, err = paired.SignFlips([]float64{0, 0, 0}, 10, 1)
	require.NoError(t, err)
	require.Equal(t, paired.SignFlipResult{Better: 1, TwoSided: 1, Exact: true}, r)
	r, err = paired.SignFlips([]float64{1, 1, 1}, 8, 1)
	require.NoError(t, err)
	require.Equal(t, paired.SignFlipResult{Better: 0.125, TwoSided: 0.25, Exact: true}, r)
	_, err = paired.SignFlips([]float64{1, nan}, 10, 1)
	require.ErrorContains(t, err, "differences[1] is NaN")
	_, err = paired.SignFlips([]float64{1}, 0, 1)
	require.ErrorContains(t, err, "draws is 0, want 1 or more")
	_, err = paired.SignFlips([]float64{math.MaxFloat64, math.MaxFloat64}, 10, 1)
	require.ErrorContains(t, err, "too large to add up")
}

// TestSignFlips_Sampled compares a sample of the flips with all of them, and with the
// exact sign test.
func TestSignFlips_Sampled(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	d := make([]float64, 16)
	for i := range d {
		d[i] = rng.NormFloat64() + 0.3
	}
	exact, err := paired.SignFlips(d, 1<<16, 1)
	require.NoError(t, err)
	require.True(t, exact.Exact)
	const draws = 20_000
	sampled, err := paired.SignFlips(d, draws, 1)
	require.NoError(t, err)
	require.False(t, sampled.Exact)
	require.InDelta(t, exact.Better, sampled.Better, 4*math.Sqrt(0.25/draws))
	require.InDelta(t, exact.TwoSided, sampled.TwoSided, 4*math.Sqrt(0.25/draws))
	again, err := paired.SignFlips(d, draws, 1)
	require.NoError(t, err)
	require.Equal(t, sampled, again)

	// 80 differences of 1 in one direction or the other: more than a word of bits.
	signs := make([]float64, 80)
	for i := range signs {
		signs[i] = 1
		if i >= 47 {
			signs[i] = -1
		}
	}
	coin, err := paired.McNemar(47, 33)
	require.NoError(t, err)
	sampled, err = paired.SignFlips(signs, draws, 2)
	require.NoError(t, err)
	require.InDelta(t, coin.Better, sampled.Better, 4*math.Sqrt(coin.Better/draws))
}

// TestSignFlips_Level finds that a sampled p-value of at most alpha is no more likely
// than that.
func TestSignFlips_Level(t *testing.T) {
	t.Parallel()
	const runs, alpha = 1500, 0.05
	rng := rand.New(rand.NewPCG(3, 1))
	rejected := 0
	for range runs {
		d := make([]float64, 12)
		for i := range d {
			d[i] = rng.ExpFloat64() * float64(2*rng.IntN(2)-1)
		}
		r, err := paired.SignFlips(d, 99, rng.Uint64())
		require.NoError(t, err)
		if r.Better <= alpha {
			rejected++
		}
	}
	require.LessOrEqual(t, float64(rejected), alpha*runs+3.7*math.Sqrt(runs*alpha*(1-alpha)))
}

func ExampleSignFlips() {
	r, err := paired.SignFlips([]float64{0.02, -0.01, 0.05, 0.03, -0.04, 0.06, 0.01, 0.02}, 1000, 1)
	fmt.Printf("p = %.4f, exact: %t %v\n", r.Better, r.Exact, err)
	// Output: p = 0.0977, exact: true <nil>
}
