package drift_test

import (
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// twoSampleVectors are the numbers that testdata/scipy_two_sample.py computed with SciPy.
type twoSampleVectors struct {
	Samples []struct {
		Name               string
		Reference, Current []float64
		Methods            map[string]vectorResult
	}
	KSLarge []struct {
		N, M      int
		Move      float64
		Statistic float64
		PValue    float64 `json:"p_value"`
	} `json:"ks_large"`
	AndersonLimit []struct {
		Name   string
		PValue float64 `json:"p_value"`
	} `json:"anderson_limit"`
	Counts []struct {
		Reference, Current []int
		Methods            map[string]vectorResult
	}
	Rates []struct {
		Reference, Current [2]int
		Methods            map[string]vectorResult
	}
	MMD []struct {
		Reference, Current [][]float64
		Width, Statistic   float64
	}
	PowerRuns int `json:"power_runs"`
	Power     []powerCase
}

// vectorResult is a statistic and a p-value, or null if the method has none.
type vectorResult [2]*float64

type powerCase struct {
	N, M   int
	Change struct {
		NormalShift float64 `json:"normal_shift"`
		Categories  []float64
		Rate        float64
	}
	Power map[string]float64
}

func readTwoSampleVectors(t *testing.T) twoSampleVectors {
	t.Helper()
	var v twoSampleVectors
	readTestdata(t, "scipy_two_sample.json", &v)
	require.NotEmpty(t, v.Samples)
	require.NotEmpty(t, v.KSLarge)
	require.NotEmpty(t, v.AndersonLimit)
	require.NotEmpty(t, v.Counts)
	require.NotEmpty(t, v.Rates)
	require.NotEmpty(t, v.MMD)
	require.NotEmpty(t, v.Power)
	return v
}

type sampleMethod = func(reference, current []float64) (drift.Result, error)

// sampleVectorNames are the methods by their names in the vectors.
var sampleVectorNames = map[string]sampleMethod{
	"ks":                     drift.KolmogorovSmirnov[float64],
	"cramer_von_mises":       drift.CramerVonMises[float64],
	"mann_whitney":           drift.MannWhitney[float64],
	"welch":                  drift.WelchT[float64],
	"student":                drift.StudentT[float64],
	"energy":                 drift.EnergyDistance[float64],
	"normalized_wasserstein": drift.NormalizedWasserstein1[float64],
	"epps_singleton":         drift.EppsSingleton[float64],
}

// statisticTolerance and pTolerance bound the relative deviation from SciPy, of p-values of
// at least leastP.
const (
	statisticTolerance = 1e-9
	pTolerance         = 1e-6
	leastP             = 1e-12
)

// deviation is relative.
func deviation(want, got float64) float64 {
	if want == got {
		return 0
	}
	return math.Abs(want-got) / math.Abs(want)
}

// worst notes the largest deviations of a method.
type worst struct{ statistic, p float64 }

func (w *worst) note(t *testing.T, want vectorResult, got drift.Result, msg ...any) {
	t.Helper()
	d := 0.0
	if math.Abs(*want[0]-got.Statistic) > 1e-15 { // a zero of SciPy's is a zero but for rounding
		d = deviation(*want[0], got.Statistic)
	}
	require.LessOrEqual(t, d, statisticTolerance, "statistic %v, want %v %v", got.Statistic, *want[0], msg)
	w.statistic = max(w.statistic, d)
	if want[1] == nil {
		require.True(t, math.IsNaN(got.PValue))
		return
	}
	if *want[1] >= leastP {
		d := deviation(*want[1], got.PValue)
		require.LessOrEqual(t, d, pTolerance, "p %v, want %v %v", got.PValue, *want[1], msg)
		w.p = max(w.p, d)
	} else {
		require.Less(t, got.PValue, 2*leastP)
	}
}

func TestSamples_AgreeWithSciPy(t *testing.T) {
	t.Parallel()
	v := readTwoSampleVectors(t)
	for method, f := range sampleVectorNames {
		t.Run(method, func(t *testing.T) {
			var w worst
			checked := 0
			for _, c := range v.Samples {
				want, ok := c.Methods[method]
				if !ok || want[0] == nil || *want[0] != *want[0] {
					continue
				}
				got, err := f(c.Reference, c.Current)
				require.NoError(t, err)
				w.note(t, want, got, c.Name)
				requireUnit(t, got.EffectSize)
				checked++
			}
			require.Greater(t, checked, 20)
			t.Logf("%d samples; largest deviation: statistic %.1e, p %.1e", checked, w.statistic, w.p)
		})
	}
}

// With ties our statistic is not SciPy's, but that of the definition, and the exact p-value
// is that over all regroupings.
func TestCramerVonMises_Ties(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, c := range readTwoSampleVectors(t).Samples {
		if want, ok := c.Methods["cramer_von_mises_ties"]; ok {
			got, err := drift.CramerVonMises(c.Reference, c.Current)
			require.NoError(t, err)
			requireClose(t, *want[0], got.Statistic, statisticTolerance, c.Name)
			checked++
		}
	}
	require.Greater(t, checked, 3)

	reference, current := []float64{1, 2, 2, 3, 5}, []float64{2, 3, 4, 4, 4, 5, 6}
	got, err := drift.CramerVonMises(reference, current)
	require.NoError(t, err)
	pooled := slices.Concat(reference, current)
	all, reached := 0, 0
	for chosen := range 1 << len(pooled) {
		if bits.OnesCount(uint(chosen)) != len(reference) {
			continue
		}
		var r, c []float64
		for i, x := range pooled {
			if chosen>>i&1 == 1 {
				r = append(r, x)
			} else {
				c = append(c, x)
			}
		}
		other, err := drift.CramerVonMises(r, c)
		require.NoError(t, err)
		all++
		if other.Statistic >= got.Statistic-1e-12 {
			reached++
		}
	}
	requireClose(t, float64(reached)/float64(all), got.PValue, 1e-12)
}

// These samples follow from their sizes and need not be stored.
func TestKolmogorovSmirnov_LargeSamplesAgreeWithSciPy(t *testing.T) {
	t.Parallel()
	var w worst
	for _, c := range readTwoSampleVectors(t).KSLarge {
		reference, current := make([]float64, c.N), make([]float64, c.M)
		for i := range reference {
			reference[i] = float64(i) / float64(c.N)
		}
		for i := range current {
			current[i] = float64(i)/float64(c.M) + c.Move
		}
		got, err := drift.KolmogorovSmirnov(reference, current)
		require.NoError(t, err)
		w.note(t, vectorResult{&c.Statistic, &c.PValue}, got, c)
	}
	t.Logf("largest deviation: statistic %.1e, p %.1e", w.statistic, w.p)
}

// SciPy's p-value is an interpolation, cut at 0.001 and 0.25; the limit itself, which we use,
// was computed by another formula to 30 digits.
func TestAndersonDarling_AgreesWithSciPy(t *testing.T) {
	t.Parallel()
	v := readTwoSampleVectors(t)
	limits := map[string]float64{}
	for _, c := range v.AndersonLimit {
		limits[c.Name] = c.PValue
	}
	var w worst
	interpolated := 0.0
	for _, c := range v.Samples {
		want, ok := c.Methods["anderson"]
		if !ok {
			continue
		}
		got, err := drift.AndersonDarling(c.Reference, c.Current)
		require.NoError(t, err)
		requireUnit(t, got.EffectSize, got.PValue)
		limit, ok := limits[c.Name]
		if !ok {
			// Ties, of which SciPy's p-value takes no account.
			requireClose(t, *want[0], got.Statistic, statisticTolerance, c.Name)
			continue
		}
		w.note(t, vectorResult{want[0], &limit}, got, c.Name)
		if p := *want[1]; p > 0.001 && p < 0.25 {
			require.InEpsilon(t, p, got.PValue, 0.04, c.Name)
			interpolated = max(interpolated, deviation(p, got.PValue))
		}
	}
	t.Logf("largest deviation: statistic %.1e, p from the limit %.1e, from SciPy's interpolation %.1e", w.statistic, w.p, interpolated)
}

func TestCounts_AgreeWithSciPyToo(t *testing.T) {
	t.Parallel()
	v := readTwoSampleVectors(t)
	worsts := map[string]*worst{}
	for name, f := range map[string]countMethod{
		"chi_square":       drift.ChiSquare[int],
		"g_test":           drift.GTest[int],
		"kullback_leibler": drift.KullbackLeibler[int],
		"hellinger":        drift.Hellinger[int],
	} {
		worsts[name] = &worst{}
		for _, c := range v.Counts {
			got, err := f(c.Reference, c.Current)
			require.NoError(t, err)
			worsts[name].note(t, c.Methods[name], got, name, c)
		}
	}
	worsts["two_proportion_z"] = &worst{}
	for _, c := range v.Rates {
		got, err := drift.TwoProportionZ(c.Reference, c.Current)
		require.NoError(t, err)
		worsts["two_proportion_z"].note(t, c.Methods["two_proportion_z"], got, c)
	}
	for name, w := range worsts {
		t.Logf("%s: largest deviation: statistic %.1e, p %.1e", name, w.statistic, w.p)
	}
}

func TestMMD_AgreesWithNumPy(t *testing.T) {
	t.Parallel()
	for _, c := range readTwoSampleVectors(t).MMD {
		got, err := drift.MMD(c.Reference, c.Current, drift.MMDConfig{Permutations: 9})
		require.NoError(t, err)
		requireClose(t, c.Statistic, got.Statistic, statisticTolerance, c.Width)
		same, err := drift.MMD(c.Reference, c.Current, drift.MMDConfig{Permutations: 9, Width: c.Width})
		require.NoError(t, err)
		requireClose(t, got.Statistic, same.Statistic, statisticTolerance)
	}
}
