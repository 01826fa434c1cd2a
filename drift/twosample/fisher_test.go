package twosample_test

import (
	"math"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/twosample"
)

// The p-values are sums of the definition in 60 decimal digits.
func TestFisherExact_LargeCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reference, current [2]int
		pValue             float64
	}{
		{[2]int{10, 499999990}, [2]int{25, 489999975}, 0.010658924090431548},
		{[2]int{250000, 499750000}, [2]int{251500, 489748500}, 1.8036207295078117e-20},
		{[2]int{3, 4999999997}, [2]int{14, 4999999986}, 0.012725830005493164},
		{[2]int{500000, 1499500000}, [2]int{503000, 1497000000}, 0.00012819197370234030},
		{[2]int{0, 9007199254740992}, [2]int{4, 1125899906842624}, 0.00015241579027587378},
		{[2]int{300000000000, 700000000000}, [2]int{300001500000, 699998500000}, 0.020637733348373890},
	} {
		got, err := twosample.FisherExact(c.reference, c.current)
		require.NoError(t, err)
		if deviation(c.pValue, got.PValue) > 1e-7 {
			require.Failf(t, "p-value is off", "%v: want %v, got %v", c, c.pValue, got.PValue)
		}
	}
}

func TestFisherExact_AgreesWithSciPy(t *testing.T) {
	t.Parallel()
	for _, c := range readFisherVectors(t) {
		got, err := twosample.FisherExact(c.Reference, c.Current)
		require.NoError(t, err)
		// The logarithm of a factorial of a million is good to 1e-9.
		requireClose(t, c.PValue, got.PValue, 1e-7, c)
		n, m := c.Reference[0]+c.Reference[1], c.Current[0]+c.Current[1]
		require.InDelta(t, float64(c.Current[0])/float64(m)-float64(c.Reference[0])/float64(n), got.Statistic, 1e-15)
		require.Equal(t, math.Abs(got.Statistic), got.EffectSize)
	}
}

func TestFisherExact_AgreesWithEnumeration(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 9; n++ {
		for m := 1; m <= 7; m++ {
			for a := range n + 1 {
				for b := range m + 1 {
					got, err := twosample.FisherExact([2]int{a, n - a}, [2]int{b, m - b})
					require.NoError(t, err)
					requireClose(t, enumerateFisher(b, m, a+b, n+m), got.PValue, 1e-10, a, n, b, m)
				}
			}
		}
	}
}

// enumerateFisher adds up all tables at most as likely as that with x marked among drawn.
func enumerateFisher(x, drawn, marked, total int) float64 {
	choose := func(n, k int) float64 {
		if k < 0 || k > n {
			return 0
		}
		c := 1.0
		for i := range k {
			c = c * float64(n-i) / float64(i+1)
		}
		return c
	}
	weight := func(x int) float64 { return choose(marked, x) * choose(total-marked, drawn-x) }
	var all, extreme float64
	for k := range drawn + 1 {
		all += weight(k)
		if weight(k) <= weight(x)*(1+1e-7) {
			extreme += weight(k)
		}
	}
	return extreme / all
}

func FuzzFisherExact(f *testing.F) {
	f.Add(0, 100, 5, 95)
	f.Add(1<<53, 1<<53, 1, 1<<52)
	f.Fuzz(func(t *testing.T, a, b, c, d int) {
		r, err := twosample.FisherExact([2]int{a, b}, [2]int{c, d})
		if err == nil {
			requireUnit(t, r.PValue, r.EffectSize)
		}
	})
}

func TestFisherExact_InvalidInput(t *testing.T) {
	t.Parallel()
	_, err := twosample.FisherExact([2]int{-1, 3}, [2]int{1, 1})
	requireInputError(t, err, drift.InputError{Sample: "reference", Index: 0, What: "count is -1, want a finite number of at least 0"})
	_, err = twosample.FisherExact([2]int{1, 3}, [2]int{0, 0})
	requireInputError(t, err, drift.InputError{Sample: "current", Index: -1, What: "counts sum to 0, want 1 to 2^53"})
}

type fisherVector struct {
	Reference, Current [2]int
	PValue             float64 `json:"p_value"`
}

// readFisherVectors reads the numbers that testdata/scipy_vectors.py of package drift computed
// with SciPy.
func readFisherVectors(t *testing.T) []fisherVector {
	t.Helper()
	var v struct{ Fisher []fisherVector }
	readTestdata(t, "../../testdata/scipy_vectors.json", &v)
	require.NotEmpty(t, v.Fisher)
	return v.Fisher
}

func TestTwoProportionZ_SquaredIsChiSquare(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250613))
	props.Property("z squared is chi-square", prop.ForAll(func(a, b, c, d int) bool {
		z, errZ := twosample.TwoProportionZ([2]int{a, b}, [2]int{c, d})
		x2, errX := drift.ChiSquare([]int{a, b}, []int{c, d})
		return errZ == nil && errX == nil && math.Abs(z.Statistic*z.Statistic-x2.Statistic) <= 1e-12*max(1, x2.Statistic) &&
			math.Abs(z.PValue-x2.PValue) <= 1e-12 && z.EffectSize == x2.EffectSize
	}, gen.IntRange(0, 50), gen.IntRange(1, 50), gen.IntRange(0, 50), gen.IntRange(1, 50)))
	props.TestingRun(t)
}
