package gate_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// A job sorts mail into three folders, and has the probabilities of two models.
func ExampleFromClassScores() {
	classes := []string{"bill", "letter", "spam"}
	var truth []int
	production, shadow := make([][]float64, 3), make([][]float64, 3)
	for i := range 600 {
		y := i % 3
		truth = append(truth, y)
		doubt := float64(i*37%100) / 99 // 0 to 1
		for k := range classes {
			a, b := 0.7*doubt, 0.5*doubt // of a wrong class, the next one
			switch k {
			case y:
				a, b = 1-a, 1-b
			case (y + 2) % 3:
				a, b = 0, 0
			}
			production[k], shadow[k] = append(production[k], a), append(shadow[k], b)
		}
	}
	evidence, err := gate.FromClassScores(classes, truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(gate.Evaluate(gate.Standard(), evidence))
	// Output: promote: F1 0.710 -> 0.997 (90 % CI of the gain +0.256..+0.318), 6 of 6 checks passed, 4 skipped
}

func TestFromClassScores(t *testing.T) {
	t.Parallel()
	classes, truth := []string{"a", "b", "c"}, []int{0, 1, 2, 2}
	p := [][]float64{{0.8, 0.1, 0.3, 0.4}, {0.1, 0.7, 0.3, 0.4}, {0.1, 0.2, 0.4, 0.2}}
	q := [][]float64{{0.2, 0.6, 0, 0}, {0.2, 0.2, 0, 1}, {0.6, 0.2, 1, 0}}
	e, err := gate.FromClassScores(classes, truth, p, q)
	require.NoError(t, err)
	require.Equal(t, threeWay, e.Target)
	require.Equal(t, []int{0, 1, 2, 0}, e.Production.Class, "the first of equals")
	require.Equal(t, []int{2, 0, 2, 1}, e.Shadow.Class)
	require.Equal(t, q, e.Shadow.Probability)
	require.Equal(t, 4, e.Coverage.Labelled)
	accuracy, err := metrics.Accuracy.Measure(metrics.NewRows(e.Target, e.Truth, e.Shadow))
	require.NoError(t, err)
	require.Equal(t, 0.25, accuracy)

	e.Truth.Class[0], e.Shadow.Probability[0][0] = 1, 0
	require.Equal(t, []int{0, 1, 2, 2}, truth, "the columns are the job's own")
	require.Equal(t, 0.2, q[0][0])

	first, err := gate.FirstFromClassScores(classes, truth, q)
	require.NoError(t, err)
	require.True(t, first.First() && first.FirstDeployment)
}

func TestFromClassScores_Malformed(t *testing.T) {
	t.Parallel()
	classes, truth := []string{"a", "b", "c"}, []int{0, 1}
	good := [][]float64{{1, 0}, {0, 1}, {0, 0}}
	for _, c := range []struct {
		name               string
		classes            []string
		truth              []int
		production, shadow [][]float64
		want               string
	}{
		{"no production", classes, truth, nil, good, "production: missing"},
		{"no shadow", classes, truth, good, nil, "shadow: Class has 0 values, want 2"},
		{"two classes", classes[:2], truth, good, good, "want three or more"},
		{"no such class", classes, []int{0, 3}, good, good, "truth: Class[1] is 3, want 0 to 2"},
		{"a class too few", classes, truth, good, good[:2], "shadow: probabilities of 2 classes, want 3"},
		{"a row too few", classes, truth, good, [][]float64{{1, 0}, {0}, {0, 0}}, "shadow: Probability[1] has 1 values, want 2"},
		{"first column short", classes, truth, good, [][]float64{{1}, {0, 1}, {0, 0}}, "shadow: Class has 1 values, want 2"},
		{"NaN", classes, truth, [][]float64{{1, math.NaN()}, {0, 1}, {0, 0}}, good, "production: Probability[0][1] is NaN"},
		{"no distribution", classes, truth, good, [][]float64{{1, 0}, {1, 1}, {0, 0}}, "the probabilities of row 0 sum up to 2, want 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := gate.FromClassScores(c.classes, c.truth, c.production, c.shadow)
			require.ErrorIs(t, err, gate.ErrInvalidEvidence)
			require.ErrorContains(t, err, c.want)
			require.Zero(t, e.N())
		})
	}
}
