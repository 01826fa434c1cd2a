package drift_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectors are the numbers that testdata/scipy_vectors.py computed with SciPy.
type vectors struct {
	KS          []ksVector `json:"ks"`
	KSLarge     []ksVector `json:"ks_large"`
	Wasserstein []struct {
		Name           string
		Statistic, Std float64
	} `json:"wasserstein"` // of the samples of KS
	Counts []struct {
		Reference, Current []int
		ChiSquare          float64 `json:"chi_square"`
		ChiSquareP         float64 `json:"chi_square_p"`
		JensenShannon      float64 `json:"jensen_shannon"`
		TotalVariation     float64 `json:"total_variation"`
		PSI                float64
	} `json:"counts"`
	Fisher []struct {
		Reference, Current [2]int
		PValue             float64 `json:"p_value"`
	} `json:"fisher"`
}

type ksVector struct {
	Name               string
	Reference, Current []float64
	Statistic          float64
	PValue             float64 `json:"p_value"`
}

// readTestdata reads a JSON file of testdata into v.
func readTestdata(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	var v vectors
	readTestdata(t, "scipy_vectors.json", &v)
	require.NotEmpty(t, v.KS)
	require.NotEmpty(t, v.KSLarge)
	require.Len(t, v.Wasserstein, len(v.KS))
	require.NotEmpty(t, v.Counts)
	require.NotEmpty(t, v.Fisher)
	return v
}

// requireClose compares within a relative error, or an absolute one of 1e-15 at 0.
func requireClose(t *testing.T, want, got, relative float64, msg ...any) {
	t.Helper()
	if math.Abs(want-got) > relative*math.Abs(want)+1e-15 {
		require.Failf(t, "numbers differ", "want %v, got %v, relative tolerance %v %v", want, got, relative, msg)
	}
}
