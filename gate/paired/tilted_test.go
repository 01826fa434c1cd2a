package paired_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

// accuracyGain is (wins - losses) / rows of the cells wins, losses and others.
func accuracyGain(counts []float64) (float64, bool) {
	n := counts[0] + counts[1] + counts[2]
	return (counts[0] - counts[1]) / n, n > 0
}

// TestTilted_Exact compares with probabilities that are added up. Tilted to "no
// difference", both wins and losses have probabilities in proportion to the root of the
// product of their counts.
func TestTilted_Exact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ wins, losses, others int }{
		{12, 8, 60}, {20, 8, 172}, {30, 8, 162}, {60, 20, 20},
	} {
		wins, losses, others := float64(c.wins), float64(c.losses), float64(c.others)
		n := c.wins + c.losses + c.others
		root := math.Sqrt(wins * losses)
		differ := distuv.Binomial{N: float64(n), P: 2 * root / (2*root + others)}
		var want float64
		for m := range n + 1 {
			// Of m rows that differ, so many wins at least are as extreme as what was seen.
			least := (m + c.wins - c.losses + 1) / 2
			if least <= m {
				want += differ.Prob(float64(m)) * better(t, least, m)
			}
		}
		tilted, err := paired.NewTilted([]float64{wins, losses, others}, make([]float64, 3), accuracyGain, 50_000, 1)
		require.NoError(t, err)
		have := tilted.Greater(0)
		require.InEpsilon(t, want, have, 0.03, "p = %v", want)
		require.InDelta(t, 1, tilted.Less(0)+have, 0.2, "both hold only what is as extreme")
	}
}

func TestTilted_Edges(t *testing.T) {
	t.Parallel()
	counts, none := []float64{5, 3, 92}, make([]float64, 3)
	// No losses were seen: without a prior there are none, so that any gain is proven.
	certain, err := paired.NewTilted([]float64{5, 0, 95}, none, accuracyGain, 1000, 1)
	require.NoError(t, err)
	require.Zero(t, certain.Greater(-0.01), "cannot be")
	careful, err := paired.NewTilted([]float64{5, 0, 95}, []float64{1, 1, 0}, accuracyGain, 1000, 1)
	require.NoError(t, err)
	require.Equal(t, 0.05, careful.Estimate())
	require.Greater(t, careful.Greater(-0.01), 1e-6)

	// Nothing can change.
	still, err := paired.NewTilted([]float64{0, 0, 9}, none, accuracyGain, 1000, 1)
	require.NoError(t, err)
	require.Zero(t, still.StdErr())
	require.Equal(t, 1.0, still.Greater(0))
	require.Equal(t, 1.0, still.Less(0))
	require.Zero(t, still.Greater(-0.1))
	require.Zero(t, still.Less(0.1))
	ci, err := still.CI(0.9)
	require.NoError(t, err)
	require.True(t, math.IsInf(ci.Lo, -1) && math.IsInf(ci.Hi, 1), "and nothing is bounded")

	// Most draws are undefined, and each of them counts against whatever is to be shown.
	rarely := func(counts []float64) (float64, bool) {
		gain, _ := accuracyGain(counts)
		return gain, counts[0] < 10
	}
	undefined, err := paired.NewTilted([]float64{9, 3, 8}, none, rarely, 1000, 1)
	require.NoError(t, err)
	plain, err := paired.NewTilted([]float64{9, 3, 8}, none, accuracyGain, 1000, 1)
	require.NoError(t, err)
	require.GreaterOrEqual(t, undefined.Greater(0), plain.Greater(0))
	require.Greater(t, undefined.Less(0.6), plain.Less(0.6))

	never := func([]float64) (float64, bool) { return 0, false }
	_, err = paired.NewTilted(counts, none, never, 1000, 1)
	require.ErrorIs(t, err, paired.ErrTooFew)
	onlyThese := func(c []float64) (float64, bool) { return 0, c[0] == 5 }
	_, err = paired.NewTilted(counts, none, onlyThese, 1000, 1)
	require.ErrorIs(t, err, paired.ErrTooFew)
	for _, huge := range []float64{math.MaxFloat64, math.Inf(1), nan} {
		_, err = paired.NewTilted(counts, none, func(c []float64) (float64, bool) { return huge * c[0], true }, 1000, 1)
		require.ErrorContains(t, err, "too large to compute with")
	}
	_, err = paired.NewTilted(none, none, accuracyGain, 1000, 1)
	require.EqualError(t, err, "paired: too few rows: tilted bootstrap: no rows")
	_, err = paired.NewTilted([]float64{1e10, 1, 1}, none, accuracyGain, 1000, 1)
	require.ErrorContains(t, err, "1.0000000002e+10 rows, want at most 2147483647")
	_, err = paired.NewTilted(counts, none[:2], accuracyGain, 1000, 1)
	require.EqualError(t, err, "paired: malformed input: tilted bootstrap: prior has 2 cells, want 3")
	_, err = paired.NewTilted(counts, none, accuracyGain, 99, 1)
	require.ErrorContains(t, err, "draws is 99, want at least 100")
	for _, bad := range []float64{-1, nan, math.Inf(1)} {
		_, err = paired.NewTilted([]float64{5, bad, 1}, none, accuracyGain, 1000, 1)
		require.ErrorIs(t, err, paired.ErrInput)
		_, err = paired.NewTilted(counts, []float64{0, bad, 0}, accuracyGain, 1000, 1)
		require.ErrorIs(t, err, paired.ErrInput)
	}
	_, err = plain.CI(1)
	require.ErrorIs(t, err, paired.ErrInput)
}

func TestTilted_Repeatable(t *testing.T) {
	t.Parallel()
	build := func(seed uint64) *paired.Tilted {
		tilted, err := paired.NewTilted([]float64{50, 30, 920}, []float64{1, 1, 0}, accuracyGain, 500, seed)
		require.NoError(t, err)
		return tilted
	}
	require.Equal(t, build(1).Greater(0), build(1).Greater(0))
	require.NotEqual(t, build(1).Greater(0), build(2).Greater(0))
}

func TestTilted_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	counts := gen.SliceOfN(3, gen.IntRange(1, 300)).Map(func(k []int) []float64 {
		return []float64{float64(k[0]), float64(k[1]), float64(k[2] + 30)}
	})
	build := func(c []float64) *paired.Tilted {
		tilted, err := paired.NewTilted(c, []float64{1, 1, 0}, accuracyGain, 500, 1)
		if err != nil {
			panic(err)
		}
		return tilted
	}
	props.Property("the tests reject just outside of the interval", prop.ForAll(func(c []float64, alpha float64) bool {
		tilted := build(c)
		ci, err := tilted.CI(1 - 2*alpha)
		return err == nil && ci.Lo < ci.Hi && math.Abs(tilted.Greater(ci.Lo)-alpha) < 1e-4 && math.Abs(tilted.Less(ci.Hi)-alpha) < 1e-4
	}, counts, gen.Float64Range(0.001, 0.2)))
	props.Property("p-values are in [0, 1] and change with the bound in one direction", prop.ForAll(func(c []float64) bool {
		tilted := build(c)
		greater, less := -1.0, 2.0
		for bound := -0.3; bound <= 0.3; bound += 0.05 {
			g, l := tilted.Greater(bound), tilted.Less(bound)
			// Near 1 they are sums of weights that vary.
			if !(g >= 0 && g <= 1 && l >= 0 && l <= 1) || g < greater-0.1 || l > less+0.1 {
				return false
			}
			greater, less = g, l
		}
		return true
	}, counts))
	props.Property("the standard error is the binomial one", prop.ForAll(func(c []float64) bool {
		tilted := build(c)
		n := c[0] + c[1] + c[2]
		w, l := (c[0]+1)/(n+2), (c[1]+1)/(n+2)
		want := math.Sqrt((w + l - (w-l)*(w-l)) / n)
		return math.Abs(tilted.StdErr()/want-1) < 0.2 // of 500 draws
	}, counts))
	props.TestingRun(t)
}

// TestTilted_Level finds the level kept, down to levels that would take an ordinary
// bootstrap tens of thousands of draws, for a statistic that is skewed: the ratio of two
// counts.
func TestTilted_Level(t *testing.T) {
	t.Parallel()
	const runs, n = 3000, 300
	ratio := func(counts []float64) (float64, bool) {
		return counts[0] / (counts[0] + counts[1]), counts[0]+counts[1] > 0
	}
	rng := rand.New(rand.NewPCG(5, 1))
	var greater, less [3]int
	alphas := [3]float64{0.05, 0.01, 0.002}
	for run := range runs {
		var counts [3]float64
		for range n {
			switch u := rng.Float64(); {
			case u < 0.02:
				counts[0]++
			case u < 0.2:
				counts[1]++
			default:
				counts[2]++
			}
		}
		tilted, err := paired.NewTilted(counts[:], []float64{0.5, 0.5, 0}, ratio, 300, uint64(run))
		if err != nil {
			t.Fatal(err)
		}
		g, l := tilted.Greater(0.1), tilted.Less(0.1)
		for k, alpha := range alphas {
			if g <= alpha {
				greater[k]++
			}
			if l <= alpha {
				less[k]++
			}
		}
	}
	for k, alpha := range alphas {
		t.Logf("alpha %v: greater %.2f %%, less %.2f %%", alpha, 100*float64(greater[k])/runs, 100*float64(less[k])/runs)
		most := alpha*runs + 3.7*math.Sqrt(alpha*(1-alpha)*runs)
		require.LessOrEqual(t, float64(greater[k]), most)
		require.LessOrEqual(t, float64(less[k]), most)
	}
}

func ExampleNewTilted() {
	// Rows by truth and both models' answers, of which only those matter to F1 that are
	// positive or answered so.
	cells := []struct{ truth, production, shadow int }{
		{1, 1, 1}, {1, 1, 0}, {1, 0, 1}, {1, 0, 0}, {0, 1, 1}, {0, 1, 0}, {0, 0, 1}, {0, 0, 0},
	}
	counts := []float64{60, 8, 24, 18, 40, 25, 20, 805}
	prior := []float64{0, 1, 1, 0, 0, 1, 1, 0} // of cells in which the models differ
	gain := func(counts []float64) (float64, bool) {
		var hits, total [2]float64
		for i, c := range counts {
			for k, answer := range []int{cells[i].production, cells[i].shadow} {
				hits[k] += 2 * c * float64(cells[i].truth*answer)
				total[k] += c * float64(cells[i].truth+answer)
			}
		}
		return hits[1]/total[1] - hits[0]/total[0], total[0] > 0 && total[1] > 0
	}
	tilted, err := paired.NewTilted(counts, prior, gain, 2000, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	ci, err := tilted.CI(0.9)
	fmt.Printf("gain in F1 %.3f (%.2f to %.2f), p %.3f %v\n", tilted.Estimate(), ci.Lo, ci.Hi, tilted.Greater(0), err)
	// Output: gain in F1 0.102 (0.04 to 0.16), p 0.002 <nil>
}

func BenchmarkNewTilted(b *testing.B) {
	for _, n := range []float64{1000, 1_000_000} {
		b.Run(fmt.Sprintf("n=%.0f", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tilted, err := paired.NewTilted([]float64{0.05 * n, 0.04 * n, 0.91 * n}, []float64{1, 1, 0}, accuracyGain, 2000, 1)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := tilted.CI(0.9); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
