package paired_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

func TestMcNemar_Edges(t *testing.T) {
	t.Parallel()
	r, err := paired.McNemar(0, 0)
	require.NoError(t, err)
	require.Equal(t, paired.McNemarResult{
		ChiSquare: paired.Result{PValue: 1}, Corrected: paired.Result{PValue: 1}, Exact: 1, MidP: 1, Better: 1,
	}, r)

	r, err = paired.McNemar(1, 0)
	require.NoError(t, err)
	require.Equal(t, 0.5, r.Better)
	require.Equal(t, 1.0, r.Exact)

	// So many that the tail vanishes.
	r, err = paired.McNemar(5000, 0)
	require.NoError(t, err)
	require.Zero(t, r.Better)
	require.Less(t, r.ChiSquare.PValue, 1e-300)
	r, err = paired.McNemar(1_000_000, 1_001_000)
	require.NoError(t, err)
	require.InDelta(t, r.ChiSquare.PValue, r.Exact, 0.001, "the normal approximation holds by then")

	// On either side of where the method changes.
	few, err := paired.McNemar(1<<26+9_000, 1<<26-10_000)
	require.NoError(t, err)
	many, err := paired.McNemar(1<<26+9_500, 1<<26-9_500)
	require.NoError(t, err)
	require.InEpsilon(t, few.Better, many.Better, 1e-4)
	require.InEpsilon(t, few.MidP, many.MidP, 1e-4)

	for _, c := range [][2]int{{-1, 2}, {2, -1}, {math.MaxInt, 1}} {
		_, err = paired.McNemar(c[0], c[1])
		require.ErrorIs(t, err, paired.ErrInput)
	}
}

// TestMcNemar_Symmetry swaps the models, and adds up every outcome of few tosses.
func TestMcNemar_Symmetry(t *testing.T) {
	t.Parallel()
	const n = 25
	var total float64
	for wins := range n + 1 {
		a, err := paired.McNemar(wins, n-wins)
		require.NoError(t, err)
		b, err := paired.McNemar(n-wins, wins)
		require.NoError(t, err)
		require.Equal(t, a.ChiSquare, b.ChiSquare)
		require.Equal(t, a.Exact, b.Exact)
		require.LessOrEqual(t, a.MidP, a.Exact)
		probability := a.Better - better(t, wins+1, n)
		require.InDelta(t, 1, a.Better+b.Better-probability, 1e-12, "only this outcome is in both tails")
		total += probability
	}
	require.InDelta(t, 1, total, 1e-12, "the probabilities of all outcomes")
}

// better returns the probability of so many wins or more.
func better(t *testing.T, wins, n int) float64 {
	t.Helper()
	if wins > n {
		return 0
	}
	r, err := paired.McNemar(wins, n-wins)
	require.NoError(t, err)
	return r.Better
}

func ExampleMcNemar() {
	// Of 200 rows the candidate alone has 12 right, and production alone 3.
	r, err := paired.McNemar(12, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("exact p = %.4f, mid-p = %.4f, one-sided p = %.4f\n", r.Exact, r.MidP, r.Better)
	// Output: exact p = 0.0352, mid-p = 0.0213, one-sided p = 0.0176
}
