package drift_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// largestDistance is D by its definition on sorted samples.
func largestDistance(reference, current []float64) float64 {
	r, c := sorted(reference), sorted(current)
	most := 0
	for i, j := 0, 0; i < len(r) && j < len(c); {
		x := min(r[i], c[j])
		for i < len(r) && r[i] == x {
			i++
		}
		for j < len(c) && c[j] == x {
			j++
		}
		most = max(most, i*len(c)-j*len(r), j*len(r)-i*len(c))
	}
	return float64(most) / float64(len(r)) / float64(len(c))
}

func sorted(values []float64) []float64 {
	values = append([]float64(nil), values...)
	drift.SortFloats(values)
	return values
}

// Counting instead of sorting changes nothing in the result.
func TestFittedSample_KolmogorovSmirnovIsExact(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	for name := range distributions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{1, 2, 50, 3000, 30_000} {
				m := 20_000
				if n == 30_000 && name != "normal" {
					m = 2_000 // exact p-values of small distances take long
				}
				reference := drawn(name, 1, n)
				fitted, err := drift.NewFittedSample(reference)
				require.NoError(t, err)
				require.Equal(t, n, fitted.Len())
				for _, m := range []int{1, 40, m} {
					for what, current := range map[string][]float64{
						"same distribution": drawn(name, 2, m),
						"other":             drawn("normal", 3, m),
						"moved":             moved(drawn(name, 4, m)),
						"infinities":        append(drawn(name, 5, m), inf, -inf, inf, math.Copysign(0, -1)),
						"the same values":   reference,
					} {
						got, err := fitted.KolmogorovSmirnov(current)
						require.NoError(t, err)
						require.InDelta(t, largestDistance(reference, current), got.Statistic, 1e-12, "%s, n=%d, m=%d", what, n, m)
						plain, err := drift.KolmogorovSmirnov(reference, current)
						require.NoError(t, err)
						require.Equal(t, plain, got, "%s, n=%d, m=%d", what, n, m)
					}
				}
			}
		})
	}
}

// Values are counted four at a time; what is left, and what is outside the grid, is not.
func TestFittedSample_NotInFours(t *testing.T) {
	t.Parallel()
	reference := drawn("log-normal", 1, 50_000)
	fitted, err := drift.NewFittedSample(reference)
	require.NoError(t, err)
	for _, m := range []int{1, 2, 3, 4, 5, 65_535, 65_536} {
		current := moved(drawn("log-normal", 2, m))
		for i := 7; i < m; i += 1000 { // both of them outside, in any place of four
			current[i], current[i-i/1000%4] = -1e9, 1e300
		}
		got, err := fitted.KolmogorovSmirnov(current)
		require.NoError(t, err)
		require.InDelta(t, largestDistance(reference, current), got.Statistic, 1e-12)
		plain, err := drift.KolmogorovSmirnov(reference, current)
		require.NoError(t, err)
		require.Equal(t, plain, got)
		for _, at := range []int{0, m / 2, m - 1} {
			x := current[at]
			current[at] = math.NaN()
			_, err = fitted.KolmogorovSmirnov(current)
			require.EqualError(t, err, fmt.Sprintf("drift: current: index %d: is NaN, want a number", at))
			current[at] = x
		}
	}
}

func moved(values []float64) []float64 {
	for i, x := range values {
		values[i] = max(min(x*1.05+0.01, math.MaxFloat64), -math.MaxFloat64)
	}
	return values
}

func TestFittedSample_InfinitiesInTheReference(t *testing.T) {
	t.Parallel()
	reference := append(drawn("normal", 1, 5000), repeat(300, math.Inf(-1), math.Inf(1))...)
	for _, r := range [][]float64{reference, repeat(500, math.Inf(1)), repeat(500, math.Inf(-1), math.Inf(1))} {
		fitted, err := drift.NewFittedSample(r)
		require.NoError(t, err)
		for _, current := range [][]float64{reference, drawn("normal", 2, 5000), {math.Inf(-1)}} {
			got, err := fitted.KolmogorovSmirnov(current)
			require.NoError(t, err)
			require.InDelta(t, largestDistance(r, current), got.Statistic, 1e-12)
			plain, err := drift.KolmogorovSmirnov(r, current)
			require.NoError(t, err)
			require.Equal(t, plain, got)
		}
	}
}

// Which values of the reference say where the bins are must not matter: neither where they
// are all the same, nor where each has values of its own.
func TestKolmogorovSmirnov_Bins(t *testing.T) {
	t.Parallel()
	for _, period := range []int{0, 1, 2, 9, 10, 20} {
		reference, current := drawn("normal", 1, 20_000), drawn("normal", 2, 10_000)
		for i := range reference {
			if period > 0 && i%period == 0 {
				reference[i] = 7
			}
		}
		got, err := drift.KolmogorovSmirnov(reference, current)
		require.NoError(t, err)
		require.InDelta(t, largestDistance(reference, current), got.Statistic, 1e-12, period)
	}
	sorted := drawn("log-normal", 1, 20_000)
	slices.Sort(sorted)
	got, err := drift.KolmogorovSmirnov(sorted, sorted[:10_000])
	require.NoError(t, err)
	require.InDelta(t, 0.5, got.Statistic, 1e-12)
	reference, current := drawn("normal", 1, 20_000), drawn("normal", 2, 20_000)
	for at := range 20 {
		before := [2]float64{reference[at], current[at]}
		current[at] = math.NaN()
		_, err := drift.KolmogorovSmirnov(reference, current)
		requireInputError(t, err, drift.InputError{Sample: "current", Index: at, What: "is NaN, want a number"})
		reference[at] = math.NaN()
		_, err = drift.KolmogorovSmirnov(reference, current)
		requireInputError(t, err, drift.InputError{Sample: "reference", Index: at, What: "is NaN, want a number"})
		reference[at], current[at] = before[0], before[1]
	}
}

func TestFittedSample_Errors(t *testing.T) {
	t.Parallel()
	_, err := drift.NewFittedSample(nil)
	requireInputError(t, err, drift.InputError{Sample: "reference", Index: -1, What: "is empty, want at least one value"})
	_, err = drift.NewFittedSample([]float64{1, math.NaN()})
	requireInputError(t, err, drift.InputError{Sample: "reference", Index: 1, What: "is NaN, want a number"})

	_, err = new(drift.FittedSample).KolmogorovSmirnov([]float64{1})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	for _, name := range []string{"normal", "orders of magnitude", "cauchy"} { // all kinds of grids
		fitted, err := drift.NewFittedSample(drawn(name, 1, 5000))
		require.NoError(t, err)
		_, err = fitted.KolmogorovSmirnov(nil)
		require.EqualError(t, err, "drift: current: is empty, want at least one value")
		for _, nan := range []float64{math.NaN(), math.Copysign(math.NaN(), -1), math.Float64frombits(^uint64(0)), math.Float64frombits(0x7ff0000000000001)} {
			for at := range 7 {
				current := drawn(name, 2, 7)
				current[at] = nan
				_, err = fitted.KolmogorovSmirnov(current)
				require.EqualError(t, err, fmt.Sprintf("drift: current: index %d: is NaN, want a number", at))
			}
		}
	}
}

// Run with -race. What is used again must not carry anything from one sample to another.
func TestFittedSample_ConcurrentUse(t *testing.T) {
	t.Parallel()
	fitted, err := drift.NewFittedSample(drawn("log-normal", 1, 5000))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range uint64(8) {
		current := drawn("log-normal", 2+i, 4000+100*int(i))
		want := largestDistance(drawn("log-normal", 1, 5000), current)
		without := slices.Clone(current)
		without[len(without)-1] = math.NaN()
		wg.Go(func() {
			for range 20 {
				_, err := fitted.KolmogorovSmirnov(without)
				if got, _ := fitted.KolmogorovSmirnov(current); math.Abs(got.Statistic-want) > 1e-12 || err == nil {
					t.Errorf("sample %d: D is %v, want %v; error of a NaN: %v", i, got.Statistic, want, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzFittedSample(f *testing.F) {
	addSamples(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		fitted, err := drift.NewFittedSample(floats(a))
		if err != nil {
			require.ErrorIs(t, err, drift.ErrInvalidInput)
			return
		}
		got, err := fitted.KolmogorovSmirnov(floats(b))
		if err != nil {
			require.ErrorIs(t, err, drift.ErrInvalidInput)
			return
		}
		want := largestDistance(floats(a), floats(b))
		require.InDelta(t, want, got.Statistic, 1e-12)
		requireUnit(t, got.PValue)
		d, ok := drift.CountedKS(floats(a), floats(b))
		require.True(t, ok)
		require.InDelta(t, want, d, 1e-12)
	})
}

func BenchmarkNewFittedSample(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		values := drawn("log-normal", 1, n)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = drift.NewFittedSample(values)
			}
		})
	}
}
