package drift_test

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// kuiper is the definition.
func kuiper(r, c []float64) float64 {
	share := func(values []float64, x float64) float64 {
		n := 0.0
		for _, v := range values {
			if v <= x {
				n++
			}
		}
		return n / float64(len(values))
	}
	above, below := 0.0, 0.0
	for _, values := range [][]float64{r, c} {
		for _, x := range values {
			d := share(c, x) - share(r, x)
			above, below = max(above, d), max(below, -d)
		}
	}
	return above + below
}

// The p-value is the share of all orders of n and m values that have at least the V.
func TestKuiper_CountsOrders(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 6; n++ {
		for m := 1; m <= 6; m++ {
			var all []drift.Result
			for order := range 1 << (n + m) {
				if bits.OnesCount(uint(order)) != n {
					continue
				}
				var r, c []float64
				for i := range n + m {
					if order>>i&1 == 1 {
						r = append(r, float64(i))
					} else {
						c = append(c, float64(i))
					}
				}
				got, err := drift.Kuiper(r, c)
				require.NoError(t, err)
				require.InDelta(t, kuiper(r, c), got.Statistic, 1e-12)
				all = append(all, got)
			}
			for _, one := range all {
				asExtreme := 0
				for _, other := range all {
					if other.Statistic >= one.Statistic-1e-9 {
						asExtreme++
					}
				}
				require.InDelta(t, float64(asExtreme)/float64(len(all)), one.PValue, 1e-12, "%d and %d values: V = %v", n, m, one.Statistic)
			}
		}
	}
}

// Without a change p-values are uniform: no smaller, and where they are not exact no larger
// than by the half step. With ties they are larger.
func TestKuiper_Calibration(t *testing.T) {
	t.Parallel()
	runs := 500.0
	if full() {
		runs = 5000
	}
	for _, size := range [][2]int{{20, 35}, {60, 60}, {100, 163}, {150, 150}, {500, 2311}} {
		for _, ties := range []bool{false, true} {
			rng := rand.New(rand.NewPCG(uint64(size[0]), uint64(size[1])))
			draw := func(n int) []float64 {
				values := make([]float64, n)
				for i := range values {
					if values[i] = rng.NormFloat64(); ties {
						values[i] = math.Round(2 * values[i])
					}
				}
				return values
			}
			levels := map[float64]int{0.01: 0, 0.05: 0, 0.2: 0}
			for range int(runs) {
				got, err := drift.Kuiper(draw(size[0]), draw(size[1]))
				require.NoError(t, err)
				for level := range levels {
					if got.PValue <= level {
						levels[level]++
					}
				}
			}
			for level, alarms := range levels {
				deviation := math.Sqrt(runs * level * (1 - level))
				require.LessOrEqual(t, float64(alarms), runs*level+3.5*deviation, "%v ties %v at %v", size, ties, level)
				if !ties {
					require.GreaterOrEqual(t, float64(alarms), 0.65*runs*level-3.5*deviation, "%v at %v", size, level)
				}
			}
		}
	}
}

// Two values against many: the p-value is hardly below the share of all places of the two that
// have such a V.
func TestKuiper_FewAgainstMany(t *testing.T) {
	t.Parallel()
	const n = 1001 // too many for the exact p-value
	many := make([]float64, n)
	for i := range many {
		many[i] = float64(i)
	}
	one, err := drift.Kuiper(many, []float64{10.5})
	require.NoError(t, err)
	require.Equal(t, 1.0, one.PValue)
	type places struct{ v, first, second float64 } // how many of the many are before the two
	var all []places
	for i := range n + 1 {
		for j := i; j <= n; j++ {
			first, second := float64(i), float64(j)
			v := max(0, 0.5-first/n, 1-second/n) + max(0, first/n, second/n-0.5)
			all = append(all, places{v, first, second})
		}
	}
	slices.SortFunc(all, func(a, b places) int { return cmp.Compare(b.v, a.v) })
	for i := 0; i < len(all); i += 5003 {
		end := i
		for end < len(all) && all[end].v > all[i].v-1e-9 {
			end++
		}
		got, err := drift.Kuiper(many, []float64{all[i].first - 0.6, all[i].second - 0.4})
		require.NoError(t, err)
		require.InDelta(t, all[i].v, got.Statistic, 1e-12)
		require.GreaterOrEqual(t, got.PValue, 0.99*float64(end)/float64(len(all)), "V = %v", got.Statistic)
	}
}

// What is not exact is close, and on the cautious side: the exact values are those of the walk.
func TestKuiper_LimitIsCautious(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{60, 60}, {60, 61}, {40, 80}, {50, 120}} {
		for shift := 4; shift <= 24; shift += 2 {
			r, c := make([]float64, size[0]), make([]float64, size[1])
			for i := range r {
				r[i] = float64(i) / float64(len(r))
			}
			for j := range c {
				c[j] = (float64(j)+0.5)/float64(len(c)) + float64(shift)/60
			}
			exact, err := drift.Kuiper(r, c)
			require.NoError(t, err)
			ref := newReference(t, drift.Numeric("x", r))
			quick, err := profileOf(t, ref, drift.Numeric("x", c)).Compare("x", drift.MethodKuiper)
			require.NoError(t, err)
			if math.Abs(quick.Statistic-exact.Statistic) > 1e-12 {
				continue // some of the distance is within cells
			}
			require.GreaterOrEqual(t, quick.PValue, 0.99*exact.PValue, "%v shifted by %d", size, shift)
			if exact.PValue > 1e-3 {
				require.LessOrEqual(t, quick.PValue, 1.6*exact.PValue, "%v shifted by %d", size, shift)
			}
		}
	}
}

func TestKuiper_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250614))
	angles := gen.SliceOfN(40, gen.Float64Range(0, 0.999))
	props.Property("symmetric, and between D and 2 D", prop.ForAll(func(a, b []float64) bool {
		ab, errAB := drift.Kuiper(a, b)
		ba, errBA := drift.Kuiper(b, a[:30])
		ks, errKS := drift.KolmogorovSmirnov(a, b)
		back, errBack := drift.Kuiper(a[:30], b)
		return errAB == nil && errBA == nil && errKS == nil && errBack == nil && ba.Statistic == back.Statistic &&
			math.Abs(ba.PValue-back.PValue) <= 1e-12 && ab.Statistic >= ks.Statistic && ab.Statistic <= 2*ks.Statistic &&
			ab.PValue >= 0 && ab.PValue <= 1 && ab.Statistic <= 1
	}, angles, angles))
	props.Property("the same wherever the circle is cut", prop.ForAll(func(a, b []float64, by float64) bool {
		turned := func(values []float64) []float64 {
			out := make([]float64, len(values))
			for i, x := range values {
				if out[i] = x; x < by {
					out[i] = x + 1
				}
			}
			return out
		}
		before, errBefore := drift.Kuiper(a, b)
		after, errAfter := drift.Kuiper(turned(a), turned(b))
		return errBefore == nil && errAfter == nil && math.Abs(before.Statistic-after.Statistic) <= 1e-12
	}, angles, angles, gen.Float64Range(0, 1)))
	props.TestingRun(t)
}

func TestKuiper_Errors(t *testing.T) {
	t.Parallel()
	_, err := drift.Kuiper([]float64{1}, []float64{2, math.NaN()})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	_, err = drift.Kuiper(nil, []float64{2})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	same, err := drift.Kuiper([]float64{0, math.Inf(1)}, []float64{math.Copysign(0, -1), math.Inf(1)})
	require.NoError(t, err)
	require.Equal(t, 0.0, same.Statistic)
	require.Equal(t, 1.0, same.PValue)
}

// A change of the spread is drift by Kuiper's V with fewer rows than by D.
func TestMethodKuiper_SeesTheSpread(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(70, 1))
	wider := normals(rng, 2000, 0)
	for i := range wider {
		wider[i] *= 1.4
	}
	ref := newReference(t, drift.Numeric("x", normals(rng, 2000, 0)))
	p := profileOf(t, ref, drift.Numeric("x", wider))
	report := detect(t, ref, drift.Config{NumericMethod: drift.MethodKuiper}, p)
	test := report.Columns[0].Tests[0]
	require.Equal(t, drift.Drifted, report.Columns[0].Verdict, report.Columns[0].Reason)
	require.Contains(t, report.Columns[0].Reason, "Kuiper's V is ")
	d := detect(t, ref, drift.Config{}, p).Columns[0].Tests[0]
	require.Greater(t, test.Observed, 1.5*d.Observed)
}

func ExampleKuiper() {
	// The hours at which customers call, before and after a new opening time.
	before := []float64{9.1, 9.5, 9.7, 10.2, 10.4, 11.0, 11.3, 14.2}
	after := []float64{7.9, 8.0, 8.2, 8.8, 17.5, 18.1, 18.4, 19.0}
	r, err := drift.Kuiper(before, after)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("V = %.2f, p = %.4f\n", r.Statistic, r.PValue)
	// Output: V = 1.00, p = 0.0012
}
