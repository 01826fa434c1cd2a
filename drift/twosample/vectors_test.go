package twosample_test

import (
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/twosample"
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
	"cramer_von_mises":       twosample.CramerVonMises[float64],
	"mann_whitney":           twosample.MannWhitney[float64],
	"welch":                  twosample.WelchT[float64],
	"student":                twosample.StudentT[float64],
	"energy":                 twosample.EnergyDistance[float64],
	"normalized_wasserstein": twosample.NormalizedWasserstein1[float64],
	"epps_singleton":         twosample.EppsSingleton[float64],
	"anderson_exact":         twosample.AndersonDarling[float64],
	"anderson":               twosample.AndersonDarlingSciPy[float64],
	"cramer_von_mises_scipy": twosample.CramerVonMisesSciPy[float64],
	"epps_singleton_scipy":   twosample.EppsSingletonSciPy[float64],
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
type worst struct {
	statistic, p float64
	rounding     float64 // error of SciPy's p-value that is none of ours
}

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
		d := 0.0
		if math.Abs(*want[1]-got.PValue) > w.rounding {
			d = deviation(*want[1], got.PValue)
		}
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
			if method == "cramer_von_mises_scipy" {
				w.rounding = 1e-14 // of the series that SciPy subtracts from 1
			}
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
			got, err := twosample.CramerVonMises(c.Reference, c.Current)
			require.NoError(t, err)
			requireClose(t, *want[0], got.Statistic, statisticTolerance, c.Name)
			checked++
		}
	}
	require.Greater(t, checked, 3)

	reference, current := []float64{1, 2, 2, 3, 5}, []float64{2, 3, 4, 4, 4, 5, 6}
	got, err := twosample.CramerVonMises(reference, current)
	require.NoError(t, err)
	requireClose(t, regrouped(t, twosample.CramerVonMises[float64], reference, current), got.PValue, 1e-12)
}

// regrouped returns the share of all regroupings of the values in which the statistic of a
// method is at least as large.
func regrouped(t *testing.T, f sampleMethod, reference, current []float64) float64 {
	t.Helper()
	got, err := f(reference, current)
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
		other, err := f(r, c)
		require.NoError(t, err)
		all++
		if other.Statistic >= got.Statistic-1e-12 {
			reached++
		}
	}
	return float64(reached) / float64(all)
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

// Samples that are too large for all regroupings have the p-value of the limit, which was
// computed by another formula to 30 digits. SciPy's is an interpolation, cut at 0.001 and
// 0.25.
func TestAndersonDarling_AgreesWithSciPy(t *testing.T) {
	t.Parallel()
	v := readTwoSampleVectors(t)
	limits := map[string]float64{}
	for _, c := range v.AndersonLimit {
		limits[c.Name] = c.PValue
	}
	var w worst
	interpolated := 0.0
	checked := 0
	for _, c := range v.Samples {
		want := c.Methods["anderson"]
		got, err := twosample.AndersonDarling(c.Reference, c.Current)
		require.NoError(t, err)
		requireUnit(t, got.EffectSize, got.PValue)
		limit, ok := limits[c.Name]
		if !ok {
			// Ties, of which SciPy's p-value takes no account.
			requireClose(t, *want[0], got.Statistic, statisticTolerance, c.Name)
			continue
		}
		if p := *want[1]; p > 0.001 && p < 0.25 {
			require.InEpsilon(t, p, limit, 0.04, c.Name)
			interpolated = max(interpolated, deviation(p, limit))
		}
		if _, exact := c.Methods["anderson_exact"]; exact {
			continue // see TestSamples_AgreeWithSciPy
		}
		w.note(t, vectorResult{want[0], &limit}, got, c.Name)
		checked++
	}
	require.Greater(t, checked, 20)
	t.Logf("%d samples; largest deviation: statistic %.1e, p from the limit %.1e, the limit from SciPy's interpolation %.1e",
		checked, w.statistic, w.p, interpolated)
}

// Where all regroupings are no longer counted out, p-values go on as they were.
func TestAndersonDarling_LimitIsNearTheExact(t *testing.T) {
	t.Parallel()
	low, high, checked := 0.0, 0.0, 0
	for _, c := range readTwoSampleVectors(t).Samples {
		near, ok := c.Methods["anderson_near"]
		if !ok {
			continue
		}
		exact := *near[1]
		got, err := twosample.AndersonDarling(c.Reference, c.Current)
		require.NoError(t, err)
		require.NotEqual(t, exact, got.PValue, c.Name)
		off := got.PValue/exact - 1
		if exact > 0.001 {
			require.Greater(t, off, -0.12, c.Name)
			require.Less(t, off, 0.25, c.Name)
			low, high = min(low, off), max(high, off)
		} else {
			require.Greater(t, off, 0.0, c.Name) // too large, which is safe
		}
		checked++
	}
	require.Greater(t, checked, 20)
	t.Logf("%d samples of 31 to 40 values: the limit is from %.1f %% below the exact p-value to %.1f %% above it", checked, -100*low, 100*high)
}

func TestAndersonDarling_CountsAllRegroupings(t *testing.T) {
	t.Parallel()
	for _, c := range [][2][]float64{
		{{1, 2, 2, 3, 5}, {2, 3, 4, 4, 4, 5, 6}},
		{{1, 1, 1, 1, 2}, {1, 2, 2, 2, 2, 2, 2}},
		{{0.5, 3}, {1, 2, 4, 5, 6, 7, 8, 9, 10}},
		{{7}, {1, 1, 2, 3}},
	} {
		got, err := twosample.AndersonDarling(c[0], c[1])
		require.NoError(t, err)
		requireClose(t, regrouped(t, twosample.AndersonDarling[float64], c[0], c[1]), got.PValue, 1e-12)
	}
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
		got, err := twosample.TwoProportionZ(c.Reference, c.Current)
		require.NoError(t, err)
		worsts["two_proportion_z"].note(t, c.Methods["two_proportion_z"], got, c)
	}
	for name, w := range worsts {
		t.Logf("%s: largest deviation: statistic %.1e, p %.1e", name, w.statistic, w.p)
	}
}
