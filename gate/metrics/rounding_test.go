package metrics_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// The mean of equal numbers may be a little off them: whether truths are equal is not to be
// asked of their spread.
func TestR2_EqualTruths(t *testing.T) {
	tenths := func(n int) []float64 { return slices.Repeat([]float64{0.1}, n) }
	for _, c := range []struct {
		name                      string
		truth, predicted, weights []float64
	}{
		{"predicted right", tenths(3), tenths(3), nil},
		{"predicted wrong", tenths(3), []float64{0.2, 0.1, 0.1}, nil},
		{"many", tenths(250), tenths(250), nil},
		{"fractional weights", []float64{1.7, 1.7, 1.7}, []float64{1, 2, 3}, []float64{0.1, 0.3, 0.7}},
		{"another truth of weight 0", []float64{7, 0.1, 0.1, 0.1, -7}, make([]float64, 5), []float64{0, 1, 0.3, 0.1, 0}},
		{"zero and minus zero", []float64{0, math.Copysign(0, -1)}, []float64{1, 2}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := metrics.R2Score(c.truth, c.predicted, c.weights)
			require.EqualError(t, err, "metrics: r2: undefined: all truths are equal")
		})
	}
}

// Where truths differ, however little, there is a value, and moving or stretching all
// numbers does not change it.
func TestR2_NearlyEqualTruths(t *testing.T) {
	truth, predicted := []float64{0, 1, 2, 5}, []float64{0, 1, 3, 4}
	want, err := metrics.R2Score(truth, predicted, nil)
	require.NoError(t, err)
	require.InDelta(t, 1-2/14.0, want, 1e-15)
	for _, c := range []struct {
		name         string
		origin, unit float64
	}{
		{"neighbours of 1", 1, 0x1p-50}, {"neighbours of a billion", 1e9, 0x1p-20}, {"in nanoseconds since 1970", 0x1p60, 0x1p9},
		{"squares below float64", 0, 1e-300}, {"squares above float64", 0, 1e300}, {"subnormal", 0, 0x1p-1074},
	} {
		t.Run(c.name, func(t *testing.T) {
			moved := func(x []float64) []float64 {
				y := make([]float64, len(x))
				for i, v := range x {
					y[i] = c.origin + c.unit*v
				}
				return y
			}
			have, err := metrics.R2Score(moved(truth), moved(predicted), nil)
			require.NoError(t, err)
			require.InDelta(t, want, have, tolerance)
		})
	}
}

// Of three classes only one is true, or only one is answered: whatever the weights, there
// is no correlation.
func TestCounts_MCC_OneClass(t *testing.T) {
	rng := rand.New(rand.NewPCG(20250101, 1))
	for range 2000 {
		one, any, weights := make([]int, 20), make([]int, 20), make([]float64, 20)
		for i := range any {
			one[i], any[i], weights[i] = 1, rng.IntN(3), rng.Float64()
		}
		for _, columns := range [][2][]int{{one, any}, {any, one}} {
			m, err := metrics.NewCounts(columns[0], columns[1], 3, weights)
			require.NoError(t, err)
			_, err = m.MCC()
			require.EqualError(t, err, "metrics: mcc: undefined: all rows are of one class or predicted to be")
		}
	}
}

// A class that hardly weighs anything occurs all the same, and as much is found as of the
// two classes that there are.
func TestCounts_MCC_LightClass(t *testing.T) {
	truth, predicted := []int{0, 0, 0, 1, 1}, []int{0, 0, 1, 1, 0}
	for _, light := range []float64{1, 1e-9, 1e-20, 1e-90} {
		for _, predicted := range [][]int{truth, predicted, {1, 1, 1, 0, 0}} {
			weights := []float64{0.1, 0.3, light / 3, light, light / 7}
			three, err := metrics.NewCounts(truth, predicted, 3, weights)
			require.NoError(t, err)
			two, err := metrics.NewCounts(truth, predicted, 2, weights)
			require.NoError(t, err)
			want, err := two[1].MCC()
			require.NoError(t, err)
			have, err := three.MCC()
			require.NoError(t, err)
			require.InDelta(t, want, have, tolerance, "%v", light)
			require.True(t, have >= -1 && have <= 1)
		}
	}
}
