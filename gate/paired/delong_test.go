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

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

var nan = math.NaN()

func TestDeLong_Edges(t *testing.T) {
	t.Parallel()
	truth := []bool{true, true, false, false}
	scores := []float64{0.9, 0.4, 0.6, 0.1}
	same, err := paired.DeLong(truth, scores, scores)
	require.NoError(t, err)
	require.Zero(t, same.Statistic)
	require.Equal(t, 1.0, same.PValue)
	ci, err := same.CI(0.95)
	require.NoError(t, err)
	require.Equal(t, paired.Interval{Level: 0.95}, ci)

	// Both rank perfectly, so that there is neither difference nor variance.
	perfect, err := paired.DeLong(truth, []float64{4, 3, 2, 1}, []float64{9, 8, 1, 1})
	require.NoError(t, err)
	require.Equal(t, 1.0, perfect.PValue)

	// One ranks perfectly, one the wrong way round: a difference without variance.
	reversed, err := paired.DeLong(truth, []float64{1, 2, 3, 4}, []float64{4, 3, 2, 1})
	require.NoError(t, err)
	require.True(t, math.IsInf(reversed.Statistic, 1))
	require.Zero(t, reversed.PValue)

	_, err = paired.DeLong([]bool{true, true, false}, scores[:3], scores[:3])
	require.ErrorIs(t, err, paired.ErrTooFew)
	require.EqualError(t, err, "paired: too few rows: delong: 2 positive and 1 negative rows, want two of each")
	_, err = paired.DeLong(nil, nil, nil)
	require.ErrorIs(t, err, paired.ErrTooFew)
	_, err = paired.DeLong(truth, scores[:3], scores)
	require.EqualError(t, err, "paired: malformed input: delong: incumbent has 3 values, want 4")
	_, err = paired.DeLong(truth, scores, []float64{1, nan, 2, 3})
	require.EqualError(t, err, "paired: malformed input: delong: candidate[1] is NaN")
	_, err = same.CI(1)
	require.ErrorIs(t, err, paired.ErrInput)
}

// tiedScores are few distinct ones, and truths of both classes.
func tiedScores(n int) (truth, score gopter.Gen) {
	truth = gen.SliceOfN(n, gen.Bool()).Map(func(b []bool) []bool {
		copy(b, []bool{true, true, false, false})
		return b
	})
	score = gen.SliceOfN(n, gen.IntRange(0, 6)).Map(func(k []int) []float64 {
		s := make([]float64, len(k))
		for i := range k {
			s[i] = float64(k[i]) / 8
		}
		return s
	})
	return truth, score
}

func TestDeLong_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	truth, score := tiedScores(40)
	props.Property("the areas are those of package metrics", prop.ForAll(func(y []bool, a, b []float64) bool {
		r, err := paired.DeLong(y, a, b)
		incumbent, errA := metrics.BinaryROCAUC(y, a, nil)
		candidate, errB := metrics.BinaryROCAUC(y, b, nil)
		return err == nil && errA == nil && errB == nil &&
			math.Abs(r.Incumbent-incumbent) < 1e-12 && math.Abs(r.Candidate-candidate) < 1e-12
	}, truth, score, score))
	props.Property("swapping the models negates the statistic", prop.ForAll(func(y []bool, a, b []float64) bool {
		ab, errA := paired.DeLong(y, a, b)
		ba, errB := paired.DeLong(y, b, a)
		return errA == nil && errB == nil && ab.PValue == ba.PValue && (ab.Statistic == -ba.Statistic || math.Abs(ab.Statistic+ba.Statistic) < 1e-9)
	}, truth, score, score))
	props.Property("only the order of the scores matters", prop.ForAll(func(y []bool, a, b []float64) bool {
		moved := make([]float64, len(b))
		for i := range b {
			moved[i] = math.Exp(3*b[i]) - 20
		}
		ab, errA := paired.DeLong(y, a, b)
		am, errB := paired.DeLong(y, a, moved)
		return errA == nil && errB == nil && ab == am
	}, truth, score, score))
	props.Property("mean placements of either class are the area", prop.ForAll(func(y []bool, a []float64) bool {
		placed, err := paired.Placements(y, a)
		area, errA := metrics.BinaryROCAUC(y, a, nil)
		var sum, n [2]float64
		for i, v := range placed {
			k := 0
			if y[i] {
				k = 1
			}
			sum[k] += v
			n[k]++
		}
		return err == nil && errA == nil && math.Abs(sum[0]/n[0]-area) < 1e-12 && math.Abs(sum[1]/n[1]-area) < 1e-12
	}, truth, score))
	props.TestingRun(t)
}

// TestAveragePrecisionInfluence compares with what the area changes by if a row weighs a
// little more.
func TestAveragePrecisionInfluence(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	const n, step = 30, 1e-6
	truth, score := tiedScores(n)
	props.Property("is the derivative by the weight", prop.ForAll(func(y []bool, s []float64) bool {
		influence, err := paired.AveragePrecisionInfluence(y, s)
		if err != nil {
			return false
		}
		var total float64
		for i := range y {
			weights := make([]float64, n)
			for j := range weights {
				weights[j] = 1
			}
			weights[i] += step
			more, errA := metrics.BinaryPRAUC(y, s, weights)
			weights[i] -= 2 * step
			less, errB := metrics.BinaryPRAUC(y, s, weights)
			if errA != nil || errB != nil || math.Abs((more-less)/(2*step)*n-influence[i]) > 1e-5 {
				return false
			}
			total += influence[i]
		}
		return math.Abs(total) < 1e-9
	}, truth, score))
	props.TestingRun(t)

	_, err := paired.AveragePrecisionInfluence([]bool{false, false}, []float64{1, 2})
	require.ErrorIs(t, err, paired.ErrTooFew)
	_, err = paired.AveragePrecisionInfluence([]bool{false, true}, []float64{1, nan})
	require.ErrorIs(t, err, paired.ErrInput)
	_, err = paired.Placements([]bool{true}, nil)
	require.EqualError(t, err, "paired: malformed input: placements: score has 0 values, want 1")
}

func ExampleDeLong() {
	truth := []bool{false, false, false, false, false, true, true, true, true, true}
	production := []float64{0.10, 0.40, 0.35, 0.80, 0.20, 0.65, 0.70, 0.90, 0.30, 0.85}
	shadow := []float64{0.15, 0.30, 0.45, 0.55, 0.25, 0.50, 0.75, 0.95, 0.45, 0.60}
	r, err := paired.DeLong(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f to %.2f, p = %.3f\n", r.Incumbent, r.Candidate, r.PValue)
	// Output: 0.80 to 0.90, p = 0.197
}

func BenchmarkDeLong(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			truth, incumbent, candidate := make([]bool, n), make([]float64, n), make([]float64, n)
			for i := range truth {
				truth[i], incumbent[i], candidate[i] = rng.Float64() < 0.1, rng.Float64(), rng.Float64()
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := paired.DeLong(truth, incumbent, candidate); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
