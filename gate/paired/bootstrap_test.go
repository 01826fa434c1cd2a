package paired_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

func TestPercentile_Edges(t *testing.T) {
	t.Parallel()
	ci, err := paired.Percentile([]float64{7}, 0.9)
	require.NoError(t, err)
	require.Equal(t, paired.Interval{Lo: 7, Hi: 7, Level: 0.9}, ci)
	draws := []float64{5, 3, 1, 4, 2}
	ci, err = paired.Percentile(draws, 0.6)
	require.NoError(t, err)
	require.Equal(t, paired.Interval{Lo: 1, Hi: 4, Level: 0.6}, ci)
	require.Equal(t, []float64{5, 3, 1, 4, 2}, draws, "not modified")
	for _, level := range []float64{0, 1, -1, nan} {
		_, err = paired.Percentile(draws, level)
		require.ErrorIs(t, err, paired.ErrInput)
	}
	_, err = paired.Percentile(nil, 0.9)
	require.EqualError(t, err, "paired: malformed input: percentile: no draws")
	_, err = paired.Percentile([]float64{1, math.Inf(1)}, 0.9)
	require.ErrorContains(t, err, "draws[1] is +Inf, want a finite number")
}

func TestBCa_Edges(t *testing.T) {
	t.Parallel()
	draws := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	// Without bias and acceleration it is the percentile interval.
	r, err := paired.BCa(5.5, draws, []float64{1, 1, 1}, 0.8)
	require.NoError(t, err)
	require.Zero(t, r.Acceleration)
	require.InDelta(t, 0, r.Bias, 1e-12)
	percentile, err := paired.Percentile(draws, 0.8)
	require.NoError(t, err)
	require.Equal(t, percentile, r.Interval)

	for _, estimate := range []float64{0, 1, 11} {
		_, err = paired.BCa(estimate, draws, nil, 0.8)
		require.ErrorIs(t, err, paired.ErrTooFew, estimate)
	}
	_, err = paired.BCa(nan, draws, nil, 0.8)
	require.ErrorContains(t, err, "estimate is NaN")
	_, err = paired.BCa(5, draws, []float64{nan}, 0.8)
	require.ErrorContains(t, err, "leftOut[0] is NaN")
	_, err = paired.BCa(5, nil, nil, 0.8)
	require.ErrorIs(t, err, paired.ErrInput)
	_, err = paired.BCa(5, draws, nil, 2)
	require.ErrorIs(t, err, paired.ErrInput)
}

func ExampleBCa() {
	draws := []float64{2.1, 2.9, 3.4, 3.8, 4.0, 4.4, 4.9, 5.5, 6.3, 7.9}
	leftOut := []float64{4.9, 4.7, 4.4, 3.5}
	r, err := paired.BCa(4.2, draws, leftOut, 0.8)
	fmt.Printf("%.1f to %.1f %v\n", r.Lo, r.Hi, err)
	// Output: 2.9 to 7.9 <nil>
}
