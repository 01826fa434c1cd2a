package healing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// TestCalibrationWatch measures how often a watch that looks after every 100 rows rolls
// back a version that is no worse than its predecessor, and how often and how soon it
// finds one that is.
func TestCalibrationWatch(t *testing.T) {
	t.Parallel()
	const runs, rows, alpha = 300, 1000, 0.05
	target := predictlog.Target{Classes: []string{"0", "1"}}
	// how often a watch of this length calls harm, if the version's probabilities are off
	// by noise of this size and the predecessor's by 0.2.
	rate := func(noise float64, seed uint64) (rolledBack float64, meanRows float64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		harmful, sum := 0, 0
		for range runs {
			var seen []compared
			for i := range rows {
				p := rng.Float64()
				class := "0"
				if rng.Float64() < p {
					class = "1"
				}
				id := fmt.Sprint(i)
				c := compared{label: labels.Label{PredictionID: id, Class: class, Time: time.Unix(int64(i), 0)}}
				c.name, c.loss, c.lossOfPredecessor = losses(c.label, target, noisy(p, noise, rng), noisy(p, 0.2, rng))
				seen = append(seen, c)
			}
			for n := 100; n <= rows; n += 100 {
				w, err := compareLosses(seen[:n], WatchConfig{Alpha: alpha})
				require.NoError(t, err)
				if w.Harmful {
					harmful++
					sum += n
					break
				}
			}
		}
		return float64(harmful) / runs, float64(sum) / float64(max(1, harmful))
	}

	equal, _ := rate(0.2, 1)
	better, _ := rate(0.1, 2)
	worse, after := rate(0.5, 3)
	t.Logf("alpha %.2f, %d watches of %d rows, a look every 100:", alpha, runs, rows)
	t.Logf("equal model rolled back  %5.1f %%", 100*equal)
	t.Logf("better model rolled back %5.1f %%", 100*better)
	t.Logf("worse model rolled back  %5.1f %%, after %.0f rows on average", 100*worse, after)
	// Five standard errors of a rate of alpha over the runs, on top of alpha.
	require.LessOrEqual(t, equal, alpha+5*0.0126)
	require.LessOrEqual(t, better, equal)
	require.GreaterOrEqual(t, worse, 0.95)
}

// noisy returns a probability near p as an answer.
func noisy(p, noise float64, rng *rand.Rand) predictlog.Output {
	p = min(1, max(0, p+noise*(2*rng.Float64()-1)))
	return predictlog.Output{Class: "1", Probabilities: []float64{1 - p, p}}
}

func TestLosses(t *testing.T) {
	t.Parallel()
	binary := predictlog.Target{Classes: []string{"0", "1"}}
	probability := func(p float64) predictlog.Output {
		return predictlog.Output{Class: "1", Probabilities: []float64{1 - p, p}}
	}
	for _, c := range []struct {
		name         string
		truth        labels.Label
		target       predictlog.Target
		a, b         predictlog.Output
		loss         string
		lossA, lossB float64
	}{
		{"probabilities", labels.Label{Class: "1"}, binary, probability(0.9), probability(0.5), "squared error", 0.01, 0.25},
		{"one without", labels.Label{Class: "0"}, binary, probability(0.9), predictlog.Output{Class: "0"}, "error rate", 1, 0},
		{"no answer", labels.Label{Class: "0"}, binary, predictlog.Output{}, predictlog.Output{Class: "0"}, "error rate", 1, 0},
		{"regression", labels.Label{Value: 10}, predictlog.Target{Task: predictlog.Regression}, predictlog.Output{Value: 12}, predictlog.Output{Value: 9}, "farther from the truth", 1, 0},
		{"regression, tie", labels.Label{Value: 10}, predictlog.Target{Task: predictlog.Regression}, predictlog.Output{Value: 11}, predictlog.Output{Value: 9}, "farther from the truth", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			name, a, b := losses(c.truth, c.target, c.a, c.b)
			require.Equal(t, c.loss, name)
			require.InDelta(t, c.lossA, a, 1e-15)
			require.InDelta(t, c.lossB, b, 1e-15)
		})
	}
}
