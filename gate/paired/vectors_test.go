package paired_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

type vectors struct {
	McNemar []struct {
		Wins, Losses int
		ChiSquare    float64 `json:"chi_square"`
		P            float64
		Corrected    float64
		PCorrected   float64 `json:"p_corrected"`
		Exact        float64
		MidP         float64 `json:"mid_p"`
		Better       float64
	}
	Tango []struct {
		Wins, Losses, N          int
		Level, Lo, Hi, Margin, P float64
	}
	DeLong []struct {
		Name                 string
		Truth                []bool
		Incumbent, Candidate []float64
		AUC, Variance        [2]float64
		Covariance, Z, P     float64
	}
	Student []struct {
		Name                                                        string
		Values                                                      []float64
		Bound, Level, Mean, StdErr, Skewness, Greater, Less, Lo, Hi float64
	}
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

// near compares with a tolerance relative to the value, for the p-values that are small.
func near(t *testing.T, want, have, tolerance float64, what string) {
	t.Helper()
	require.InDelta(t, want, have, tolerance*max(math.Abs(want), 1e-3), what)
}

func TestMcNemar_Vectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).McNemar {
		r, err := paired.McNemar(v.Wins, v.Losses)
		require.NoError(t, err)
		const tolerance = 1e-10
		near(t, v.ChiSquare, r.ChiSquare.Statistic, tolerance, "chi-square")
		near(t, v.P, r.ChiSquare.PValue, tolerance, "p")
		near(t, v.Corrected, r.Corrected.Statistic, tolerance, "corrected")
		near(t, v.PCorrected, r.Corrected.PValue, tolerance, "p corrected")
		near(t, v.Exact, r.Exact, tolerance, "exact")
		near(t, v.MidP, r.MidP, tolerance, "mid-p")
		near(t, v.Better, r.Better, tolerance, "better")
	}
}

// TestMcNemar_R has the values of R 4.2's mcnemar.test and binom.test.
func TestMcNemar_R(t *testing.T) {
	t.Parallel()
	r, err := paired.McNemar(150, 86)
	require.NoError(t, err)
	require.InDelta(t, 17.3559322034, r.ChiSquare.Statistic, 5e-11)
	require.InDelta(t, 3.0993e-5, r.ChiSquare.PValue, 5e-10)
	require.InDelta(t, 16.8177966102, r.Corrected.Statistic, 5e-11)
	require.InDelta(t, 4.1146e-5, r.Corrected.PValue, 5e-10)
	r, err = paired.McNemar(12, 3)
	require.NoError(t, err)
	require.InDelta(t, 0.03515625, r.Exact, 1e-14)
	require.InDelta(t, 0.0212707520, r.MidP, 5e-11)
	require.InDelta(t, 0.017578125, r.Better, 1e-14)
}

// TestTango_Vectors compares with a likelihood that was maximised numerically, to a
// tolerance that is the optimiser's.
func TestTango_Vectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).Tango {
		ci, err := paired.Tango(v.Wins, v.Losses, v.N, v.Level)
		require.NoError(t, err)
		require.InDelta(t, v.Lo, ci.Lo, 1e-6)
		require.InDelta(t, v.Hi, ci.Hi, 1e-6)
		r, err := paired.TangoNonInferior(v.Wins, v.Losses, v.N, v.Margin)
		require.NoError(t, err)
		require.InDelta(t, v.P, r.PValue, 1e-6)
	}
	// Published values.
	ci, err := paired.Tango(40, 20, 160, 0.95)
	require.NoError(t, err)
	require.InDelta(t, 0.0308645, ci.Lo, 5e-8)
	require.InDelta(t, 0.2180642, ci.Hi, 5e-8)
	ci, err = paired.Tango(12, 3, 200, 0.95)
	require.NoError(t, err)
	require.InDelta(t, 0.0080606, ci.Lo, 5e-8)
	require.InDelta(t, 0.0891703, ci.Hi, 5e-8)
	r, err := paired.TangoNonInferior(12, 3, 200, 0.01)
	require.NoError(t, err)
	require.InDelta(t, 0.0031590, r.PValue, 5e-8)
}

func TestDeLong_Vectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).DeLong {
		t.Run(v.Name, func(t *testing.T) {
			r, err := paired.DeLong(v.Truth, v.Incumbent, v.Candidate)
			require.NoError(t, err)
			const tolerance = 1e-12
			require.InDelta(t, v.AUC[0], r.Incumbent, tolerance)
			require.InDelta(t, v.AUC[1], r.Candidate, tolerance)
			require.InDelta(t, v.Variance[0], r.VarIncumbent, tolerance)
			require.InDelta(t, v.Variance[1], r.VarCandidate, tolerance)
			require.InDelta(t, v.Covariance, r.Covariance, tolerance)
			require.InDelta(t, v.Z, r.Statistic, 1e-10)
			near(t, v.P, r.PValue, 1e-10, "p")
		})
	}
}

// TestDeLong_PROC has the values of R's pROC 1.18.
func TestDeLong_PROC(t *testing.T) {
	t.Parallel()
	truth := []bool{false, false, false, false, false, true, true, true, true, true}
	a := []float64{0.10, 0.40, 0.35, 0.80, 0.20, 0.65, 0.70, 0.90, 0.30, 0.85}
	b := []float64{0.15, 0.30, 0.45, 0.55, 0.25, 0.50, 0.75, 0.95, 0.45, 0.60}
	r, err := paired.DeLong(truth, a, b)
	require.NoError(t, err)
	require.InDelta(t, 0.8, r.Incumbent, 1e-15)
	require.InDelta(t, 0.9, r.Candidate, 1e-15)
	require.InDelta(t, 0.024, r.VarIncumbent, 1e-15)
	require.InDelta(t, 0.010, r.VarCandidate, 1e-15)
	require.InDelta(t, 0.014, r.Covariance, 1e-15)
	require.InDelta(t, 1.29099445, r.Statistic, 5e-9) // the other way round, -1.29099445
	require.InDelta(t, 0.19670560, r.PValue, 5e-9)
	r, err = paired.DeLong(truth, b, a)
	require.NoError(t, err)
	require.InDelta(t, -1.29099445, r.Statistic, 5e-9)
	ci, err := r.CI(0.95)
	require.NoError(t, err)
	require.InDelta(t, -0.1-1.959964*math.Sqrt(0.006), ci.Lo, 1e-7)
	require.InDelta(t, -0.1+1.959964*math.Sqrt(0.006), ci.Hi, 1e-7)
}

func TestMean_Vectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).Student {
		t.Run(v.Name, func(t *testing.T) {
			s, err := paired.Mean(v.Values)
			require.NoError(t, err)
			const tolerance = 1e-9
			require.InDelta(t, v.Mean, s.Estimate, tolerance)
			require.InDelta(t, v.StdErr, s.StdErr, tolerance)
			require.InDelta(t, v.Skewness, s.Skewness, tolerance)
			require.InDelta(t, v.Greater, s.Greater(v.Bound), tolerance)
			require.InDelta(t, v.Less, s.Less(v.Bound), tolerance)
			ci, err := s.CI(v.Level)
			require.NoError(t, err)
			require.InDelta(t, v.Lo, ci.Lo, tolerance)
			require.InDelta(t, v.Hi, ci.Hi, tolerance)
		})
	}
}
