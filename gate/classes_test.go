package gate_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// classified returns evidence of so many classes, of which each model gets a share right.
func classified(seed uint64, n, classes int, production, shadow float64) gate.Evidence {
	rng := rand.New(rand.NewPCG(seed, 6))
	e := gate.Evidence{
		Target:   predictlog.Target{Task: predictlog.Multiclass},
		Coverage: labels.Count{Predictions: n, Labelled: n}, Production: &metrics.Answers{},
		Segments: map[string][]string{"all": make([]string, n)},
	}
	if classes == 2 {
		e.Target.Task = predictlog.Binary
	}
	for k := range classes {
		e.Target.Classes = append(e.Target.Classes, strconv.Itoa(k))
	}
	occur := 1 + rng.IntN(classes) // the others may be answered, but are never true
	if seed == 0 {
		occur = classes
	}
	for i := range n {
		truth := rng.IntN(occur)
		answer := func(right float64) int {
			if rng.Float64() < right {
				return truth
			}
			return rng.IntN(classes)
		}
		e.IDs = append(e.IDs, strconv.Itoa(i))
		e.Truth.Class = append(e.Truth.Class, truth)
		e.Production.Class = append(e.Production.Class, answer(production))
		e.Shadow.Class = append(e.Shadow.Class, answer(shadow))
	}
	return e
}

// What is compared is what package metrics measures of the confusion matrix, although no
// matrix is filled.
func TestSegments_AsMatrix(t *testing.T) {
	t.Parallel()
	undefined := 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		e := classified(1+seed, 1+rng.IntN(60), 2+rng.IntN(8), rng.Float64(), rng.Float64())
		for _, m := range []metrics.Metric{metrics.Accuracy, metrics.Precision, metrics.Recall, metrics.F1, metrics.Specificity, metrics.MCC, metrics.BalancedAccuracy} {
			production, errProduction := m.Measure(metrics.NewRows(e.Target, e.Truth, *e.Production))
			shadow, errShadow := m.Measure(metrics.NewRows(e.Target, e.Truth, e.Shadow))
			if errors.Is(errProduction, metrics.ErrNotMeasurable) {
				continue
			}
			check := gate.SegmentVeto{Metric: m, MaxDrop: 0.05}.Check(&e)
			require.Len(t, check.Segments, 1)
			s := check.Segments[0]
			switch {
			case errProduction != nil:
				require.ErrorIs(t, errProduction, metrics.ErrUndefined)
				require.Zero(t, s.Production, "%s of %d", m, seed)
				require.Equal(t, gate.Undecided, s.Verdict)
				undefined++
			case errShadow != nil:
				require.True(t, s.Undefined, "%s of %d", m, seed)
				undefined++
			default:
				require.InDelta(t, production, s.Production, 1e-11, "%s of %d", m, seed)
				require.InDelta(t, shadow, s.Shadow, 1e-11, "%s of %d", m, seed)
			}
		}
	}
	require.Greater(t, undefined, 50)
}

// The cost of a comparison grows with the kinds of rows that occur, not with the square of
// the classes for each draw, which takes minutes here.
func TestNonInferior_ManyClasses(t *testing.T) { // alone, to see how long it takes
	e := classified(0, 300, 1000, 0.5, 0.9)
	begin := time.Now()
	check := gate.NonInferior{Metric: metrics.F1, Relative: 0.03, Draws: 100}.Check(&e)
	t.Logf("%s: %s", time.Since(begin), check.Reason)
	require.Equal(t, gate.Pass, check.Verdict, check.Reason)
	require.Less(t, time.Since(begin), 20*time.Second)
}

func TestSuperior_TooManyClasses(t *testing.T) { // alone, to see what it allocates
	e := classified(0, 300, 1001, 0.5, 0.6)
	for _, c := range []gate.Criterion{
		gate.Superior{Metric: metrics.F1}, gate.NonInferior{Metric: metrics.Accuracy, Relative: 0.1}, gate.SegmentVeto{Metric: metrics.MCC, MaxDrop: 0.1},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		check := verdict(t, gate.Errored, c, e)
		runtime.ReadMemStats(&after)
		require.Contains(t, check.Reason, "gate: models of 1,001 classes cannot be compared by ")
		require.Contains(t, check.Reason, "of at most 1,000 they can")
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	}
}

func BenchmarkSuperior_Classes(b *testing.B) {
	for _, classes := range []int{3, 30, 100, 200} {
		e := classified(0, 2000, classes, 0.7, 0.7)
		for name, c := range map[string]gate.Criterion{
			"superior": gate.Superior{Metric: metrics.F1}, "relative": gate.NonInferior{Metric: metrics.F1, Relative: 0.03},
		} {
			b.Run(fmt.Sprintf("%s/classes=%d", name, classes), func(b *testing.B) {
				for b.Loop() {
					c.Check(&e)
				}
			})
		}
	}
}
