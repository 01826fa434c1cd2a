package paired_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/internal/multinomial"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// accuracyGain is (wins - losses) / rows of the cells wins, losses and others.
func accuracyGain(counts []float64) (float64, bool) {
	n := counts[0] + counts[1] + counts[2]
	return (counts[0] - counts[1]) / n, n > 0
}

// TestTilted_Exact compares with probabilities that are added up. Tilted to "no
// difference", both wins and losses have probabilities in proportion to the root of the
// product of their counts. The variance of a difference d of the shares w and l is
// w + l - d^2, whose logarithm is taken to first order.
func TestTilted_Exact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ wins, losses, others int }{
		{12, 8, 60}, {20, 8, 172}, {30, 8, 162}, {60, 20, 20},
	} {
		wins, losses, others := float64(c.wins), float64(c.losses), float64(c.others)
		n := wins + losses + others
		d, either := (wins-losses)/n, (wins+losses)/n
		byWin, byLoss, mean := 1-2*d, 1+2*d, either-2*d*d // of the variance
		root := math.Sqrt(wins * losses)
		differ := distuv.Binomial{N: n, P: 2 * root / (2*root + others)}
		var want float64
		for m := 0.0; m <= n; m++ {
			law := distuv.Binomial{N: m, P: 0.5}
			for w := 0.0; w <= m; w++ {
				l := m - w
				logVariance := ((w*byWin+l*byLoss)/n - mean) / (either - d*d)
				if (w-l)/n*math.Exp(-logVariance/2) >= d-1e-9 {
					want += differ.Prob(m) * law.Prob(w)
				}
			}
		}
		tilted, err := paired.NewTilted([]float64{wins, losses, others}, make([]float64, 3), accuracyGain, 200_000, 1)
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
	require.ErrorContains(t, err, "draws is 99, want 100 to 1000000")
	for _, draws := range []int{math.MinInt, -1, 0, paired.MaxDraws + 1, math.MaxInt} {
		_, err = paired.NewTilted(counts, none, accuracyGain, draws, 1)
		require.ErrorIs(t, err, paired.ErrInput)
	}
	_, err = paired.NewTilted(counts, none, nil, 1000, 1)
	require.ErrorContains(t, err, "there is no statistic")
	for _, bad := range []float64{-1, nan, math.Inf(1)} {
		_, err = paired.NewTilted([]float64{5, bad, 1}, none, accuracyGain, 1000, 1)
		require.ErrorIs(t, err, paired.ErrInput)
		_, err = paired.NewTilted(counts, []float64{0, bad, 0}, accuracyGain, 1000, 1)
		require.ErrorIs(t, err, paired.ErrInput)
	}
	_, err = plain.CI(1)
	require.ErrorIs(t, err, paired.ErrInput)
}

// TestLevels asks everything that takes a level or an error rate for those that are none,
// and for those next to 0 and 1.
func TestLevels(t *testing.T) {
	t.Parallel()
	mean, err := paired.Mean([]float64{1, 2, 4})
	require.NoError(t, err)
	tilted, err := paired.NewTilted([]float64{5, 3, 92}, []float64{1, 1, 1}, accuracyGain, 1000, 1)
	require.NoError(t, err)
	delong, err := paired.DeLong([]bool{true, true, false, false}, []float64{1, 2, 3, 0}, []float64{4, 2, 3, 1})
	require.NoError(t, err)
	of := map[string]func(level float64) (paired.Interval, error){
		"mean": mean.CI, "tilted": tilted.CI, "delong": delong.CI,
		"tango": func(level float64) (paired.Interval, error) { return paired.Tango(3, 2, 9, level) },
	}
	for name, ci := range of {
		for _, level := range []float64{nan, math.Inf(-1), -0.1, 0, 1, 1.1, math.Inf(1)} {
			_, err := ci(level)
			require.ErrorIs(t, err, paired.ErrInput, "%s: %v", name, level)
		}
		for _, level := range []float64{math.SmallestNonzeroFloat64, math.Nextafter(1, 0)} {
			got, err := ci(level)
			require.NoError(t, err)
			require.LessOrEqual(t, got.Lo, got.Hi, "%s: %v", name, level)
		}
	}
	for _, alpha := range []float64{nan, math.Inf(-1), -0.1, 1.1, math.Inf(1)} {
		require.NotPanics(t, func() { paired.Invert(mean.Greater, 1, -1, alpha) })
	}
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

// Another statistic of the same draws is inferred as if it were the first, to the bit,
// whether the draws were kept or are made again.
func TestTilted_Of(t *testing.T) {
	t.Parallel()
	counts, prior := []float64{50, 30, 920}, []float64{1, 1, 0}
	wins := func(counts []float64) (float64, bool) { return counts[0] / (counts[0] + counts[2]), true }
	for _, draws := range []int{500, 400_000} {
		first, err := paired.NewTilted(counts, prior, accuracyGain, draws, 7)
		require.NoError(t, err)
		want, err := paired.NewTilted(counts, prior, wins, draws, 7)
		require.NoError(t, err)
		have, err := first.Of(wins)
		require.NoError(t, err)
		require.Equal(t, want.Estimate(), have.Estimate())
		require.Equal(t, want.StdErr(), have.StdErr())
		require.Equal(t, want.Greater(0.045), have.Greater(0.045))
		require.Equal(t, want.Less(0.055), have.Less(0.055))
	}
	first, err := paired.NewTilted(counts, prior, accuracyGain, 500, 7)
	require.NoError(t, err)
	_, err = first.Of(nil)
	require.ErrorIs(t, err, paired.ErrInput)
	_, err = first.Of(func([]float64) (float64, bool) { return 0, false })
	require.ErrorIs(t, err, paired.ErrTooFew)
	require.Greater(t, first.Greater(0), 0.0, "the first is as it was")
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
		// The p-value jumps where a draw joins those that are as extreme.
		const beside, near = 1e-7, 1e-4
		return err == nil && ci.Lo < ci.Hi &&
			tilted.Greater(ci.Lo-beside) < alpha+near && tilted.Greater(ci.Lo+beside) > alpha-near &&
			tilted.Less(ci.Hi+beside) < alpha+near && tilted.Less(ci.Hi-beside) > alpha-near
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

// f1Gain is the difference of two F1 from cells of truth and both answers, as bits.
func f1Gain(counts []float64) (float64, bool) {
	positive := counts[4] + counts[5] + counts[6] + counts[7]
	a, b := counts[6]+counts[7], counts[5]+counts[7] // true positives
	inA, inB := positive+a+counts[2]+counts[3], positive+b+counts[1]+counts[3]
	return 2*b/inB - 2*a/inA, inA > 0 && inB > 0
}

// TestTilted_SmallLevels has two classifiers of equal F1, one of which finds many of the
// few positive rows and the other gives few false alarms: this is where a bootstrap that
// does not divide by the standard error errs twice as often as it says. Rejections at
// such levels are rare, so that the rows are drawn from cells that lead to them, and are
// weighted by how much likelier they are there.
func TestTilted_SmallLevels(t *testing.T) {
	t.Parallel()
	const runs, draws = 800, 300
	for name, c := range map[string]struct {
		rows, positive, f1, production, shadow float64 // the last two are recalls
	}{
		"20 positive rows, sensitive production": {1000, 0.02, 0.3, 0.9, 0.2},
		"20 positive rows, sensitive shadow":     {1000, 0.02, 0.4, 0.3, 0.6},
		"20 positive rows of 200":                {200, 0.1, 0.5, 0.9, 0.4},
		"half of the rows are positive":          {200, 0.5, 0.7, 0.9, 0.6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cells := make([]float64, 8)
			alarms := func(recall float64) float64 { // the share of negative rows that gives this F1
				return (2*c.positive*recall/c.f1 - c.positive - c.positive*recall) / (1 - c.positive)
			}
			for y, p := range [][2]float64{{alarms(c.production), alarms(c.shadow)}, {c.production, c.shadow}} {
				share := []float64{1 - c.positive, c.positive}[y]
				for k := range 4 {
					a, b := 1-p[0], 1-p[1]
					if k&2 > 0 {
						a = p[0]
					}
					if k&1 > 0 {
						b = p[1]
					}
					cells[4*y+k] = share * a * b
				}
			}
			gain, _ := f1Gain(cells)
			require.InDelta(t, 0, gain, 1e-12)
			for i, alpha := range []float64{0.05, 0.01, 0.05 / 60} {
				rejected, stdErr := rejections(cells, c.rows, alpha, runs, draws, uint64(i))
				t.Logf("alpha %.3f %%: rejected %.3f %% +- %.3f %%", 100*alpha, 100*rejected, 100*stdErr)
				require.LessOrEqual(t, rejected, alpha+3.7*stdErr)
			}
		})
	}
}

// rejections returns how often "the gain is at most 0" is rejected at the level alpha,
// and the standard error of that.
func rejections(cells []float64, rows, alpha float64, runs, draws int, seed uint64) (share, stdErr float64) {
	// The cells are tilted as far as makes about half of the draws significant.
	slope, variance := make([]float64, 8), 0.0
	for i := range cells {
		const step = 1e-6
		moved := slices.Clone(cells)
		moved[i] += step
		gain, _ := f1Gain(moved)
		slope[i] = gain / step
		variance += cells[i] * slope[i] * slope[i]
	}
	lambda := distuv.UnitNormal.Quantile(1-alpha) / math.Sqrt(variance*rows)
	tilted, norm := make([]float64, 8), 0.0
	for i, p := range cells {
		tilted[i] = p * math.Exp(lambda*slope[i])
		norm += tilted[i]
	}
	sampler, counts := multinomial.New(int(rows), tilted, seed), make([]float64, 8)
	prior := []float64{0, 1, 1, 0, 0, 1, 1, 0}
	var sum, squares float64
	for run := range runs {
		sampler.Draw(counts)
		test, err := paired.NewTilted(counts, prior, f1Gain, draws, uint64(run))
		if err != nil || test.Greater(0) > alpha {
			continue
		}
		logWeight := rows * math.Log(norm)
		for i, c := range counts {
			logWeight -= c * lambda * slope[i]
		}
		weight := math.Exp(logWeight)
		sum += weight
		squares += weight * weight
	}
	n := float64(runs)
	share = sum / n
	return share, math.Sqrt((squares/n - share*share) / n)
}

func TestInvert(t *testing.T) {
	t.Parallel()
	// The p-value of a normal estimate of 3 with a standard error of 2.
	greater := func(bound float64) float64 { return distuv.UnitNormal.CDF((bound - 3) / 2) }
	less := func(bound float64) float64 { return 1 - greater(bound) }
	for _, alpha := range []float64{0.2, 0.05, 1e-3} {
		z := distuv.UnitNormal.Quantile(1 - alpha)
		for _, step := range []float64{0.1, 2, 9} {
			require.InDelta(t, 3-2*z, paired.Invert(greater, 3, -step, alpha), 0.02)
			require.InDelta(t, 3+2*z, paired.Invert(less, 3, step, alpha), 0.02)
		}
	}
	require.Equal(t, 3.0, paired.Invert(greater, 3, -1, 0.6), "the estimate itself is rejected")
	never := func(float64) float64 { return 1 }
	require.Equal(t, math.Inf(-1), paired.Invert(never, 3, -1, 0.05))
	require.Equal(t, math.Inf(1), paired.Invert(never, 3, 1, 0.05))
	require.Equal(t, math.Inf(1), paired.Invert(func(float64) float64 { return nan }, 3, 1, 0.05))
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
