package multivariate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/multivariate"
)

func TestMMD_InvalidInput(t *testing.T) {
	t.Parallel()
	good := [][]float64{{1, 2}, {3, 4}, {5, 7}}
	for _, c := range []struct {
		name               string
		reference, current [][]float64
		want               drift.InputError
	}{
		{"one row", good[:1], good, drift.InputError{Sample: "reference", Index: -1, What: "has 1 values, want at least 2"}},
		{"no columns", [][]float64{{}, {}}, good, drift.InputError{Sample: "reference", Index: 0, What: "has no columns, want at least one"}},
		{"ragged", good, [][]float64{{1, 2}, {1}}, drift.InputError{Sample: "current", Index: 1, What: "has 1 columns, want 2 as in the first row of reference"}},
		{"NaN", good, [][]float64{{1, 2}, {1, math.NaN()}}, drift.InputError{Sample: "current", Index: 1, What: "column 1 is NaN, want a finite number"}},
		{"Inf", [][]float64{{math.Inf(-1), 2}, {1, 2}}, good, drift.InputError{Sample: "reference", Index: 0, What: "column 0 is -Inf, want a finite number"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := multivariate.MMD(c.reference, c.current, multivariate.MMDConfig{})
			requireInputError(t, err, c.want)
		})
	}
	_, err := multivariate.MMD(good, good, multivariate.MMDConfig{Width: math.NaN(), Permutations: -1, Features: -2})
	require.EqualError(t, err, "multivariate: invalid MMDConfig: Width is NaN, want a finite number of at least 0\n"+
		"Permutations is -1, want at least 0\nFeatures is -2, want at least 0")
}

// A change that leaves both columns as they were, seen with the kernel and with features.
func TestMMD_SeesDependence(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 9))
	independent, dependent := make([][]float64, 150), make([][]float64, 120)
	for i := range independent {
		independent[i] = []float64{rng.NormFloat64(), rng.NormFloat64()}
	}
	for i := range dependent {
		x := rng.NormFloat64()
		dependent[i] = []float64{x, 0.9*x + math.Sqrt(1-0.81)*rng.NormFloat64()}
	}
	for _, features := range []int{0, 200} {
		cfg := multivariate.MMDConfig{Features: features, Permutations: 199, Seed: 5}
		got, err := multivariate.MMD(independent, dependent, cfg)
		require.NoError(t, err)
		require.LessOrEqual(t, got.PValue, 0.01)
		require.Positive(t, got.EffectSize)
		again, err := multivariate.MMD(independent, dependent, cfg)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	constant := [][]float64{{1}, {1}, {1}}
	got, err := multivariate.MMD(constant, constant, multivariate.MMDConfig{})
	require.NoError(t, err)
	require.Zero(t, got.Statistic)
	require.Equal(t, 1.0, got.PValue)
}

func TestMMD_AgreesWithNumPy(t *testing.T) {
	t.Parallel()
	for _, c := range readMMDVectors(t) {
		got, err := multivariate.MMD(c.Reference, c.Current, multivariate.MMDConfig{Permutations: 9})
		require.NoError(t, err)
		requireClose(t, c.Statistic, got.Statistic, 1e-9, c.Width)
		same, err := multivariate.MMD(c.Reference, c.Current, multivariate.MMDConfig{Permutations: 9, Width: c.Width})
		require.NoError(t, err)
		requireClose(t, got.Statistic, same.Statistic, 1e-9)
	}
}

func ExampleMMD() {
	// Both columns hold the same numbers on either side, but the second now falls as the first rises.
	var before, now [][]float64
	for i := range 40 {
		before = append(before, []float64{float64(i), float64(i)})
		now = append(now, []float64{float64(i), float64(39 - i)})
	}
	r, err := multivariate.MMD(before, now, multivariate.MMDConfig{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("MMD² = %.3f, p = %.3f\n", r.Statistic, r.PValue)
	// Output: MMD² = 0.129, p = 0.001
}

func BenchmarkMMD(b *testing.B) {
	for _, features := range []int{0, 100} {
		for _, n := range []int{100, 1_000} {
			rng := rand.New(rand.NewPCG(2, 2))
			reference, current := rowsOf(normals(rng, n, 0)), rowsOf(normals(rng, n, 0))
			b.Run(fmt.Sprintf("features=%d/n=%d", features, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = multivariate.MMD(reference, current, multivariate.MMDConfig{Features: features})
				}
			})
		}
	}
}

type mmdVector struct {
	Reference, Current [][]float64
	Width, Statistic   float64
}

// readMMDVectors reads the numbers that testdata/scipy_two_sample.py of package twosample
// computed with NumPy.
func readMMDVectors(t *testing.T) []mmdVector {
	t.Helper()
	data, err := os.ReadFile("../twosample/testdata/scipy_two_sample.json")
	require.NoError(t, err)
	var v struct{ MMD []mmdVector }
	require.NoError(t, json.Unmarshal(data, &v))
	require.NotEmpty(t, v.MMD)
	return v.MMD
}

func FuzzMMD(f *testing.F) {
	addSamples(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		rows := func(values []float64) (all [][]float64) {
			for i := 0; i+2 <= len(values); i += 2 {
				all = append(all, values[i:i+2])
			}
			return all
		}
		for _, features := range []int{0, 3} {
			got, err := multivariate.MMD(rows(floats(a)), rows(floats(b)), multivariate.MMDConfig{Permutations: 9, Features: features})
			if err == nil {
				requireUnit(t, got.PValue, got.EffectSize)
			}
		}
	})
}
