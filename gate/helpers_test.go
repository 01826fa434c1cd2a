package gate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

var (
	day0     = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	binary   = predictlog.Target{Task: predictlog.Binary, Classes: []string{"no", "yes"}}
	threeWay = predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"a", "b", "c"}}
	number   = predictlog.Target{Task: predictlog.Regression}
)

// scores draws truths of which a third are 1, and scores of two models that follow the
// truth by a slope each.
func scores(seed uint64, n int, production, shadow float64) (truth, a, b []float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for range n {
		y := 0.0
		if rng.Float64() < 1.0/3 {
			y = 1
		}
		common := rng.NormFloat64()
		score := func(slope float64) float64 {
			return min(1, max(0, 0.35+slope*(y-0.3)+0.15*common+0.1*rng.NormFloat64()))
		}
		truth, a, b = append(truth, y), append(a, score(production)), append(b, score(shadow))
	}
	return truth, a, b
}

// better returns evidence for which every preset promotes.
func better(t testing.TB) gate.Evidence {
	t.Helper()
	truth, a, b := scores(1, 2000, 0.1, 0.4)
	e, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	e.At, e.LastPromotion = day0, day0.AddDate(0, 0, -8)
	e.Segments = map[string][]string{"region": make([]string, e.N())}
	for i := range e.N() {
		e.Segments["region"][i] = []string{"north", "south", "east"}[i%3]
	}
	return e
}

// tiny returns binary evidence of few rows with the given classes, 1 being positive, and
// probabilities of 0.9 for the class answered.
func tiny(t testing.TB, truth, production, shadow []float64) gate.Evidence {
	t.Helper()
	soft := func(classes []float64) []float64 {
		var p []float64
		for _, k := range classes {
			p = append(p, 0.1+0.8*k)
		}
		return p
	}
	e, err := gate.FromScores(truth, soft(production), soft(shadow))
	require.NoError(t, err)
	return e
}

// regression returns evidence of n rows whose shadow errs by a fraction of production's
// errors.
func regression(n int, fraction float64) gate.Evidence {
	rng := rand.New(rand.NewPCG(3, 1))
	e := gate.Evidence{Target: number, Coverage: labels.Count{Predictions: n, Labelled: n}, Production: &metrics.Answers{}}
	for i := range n {
		y, wrong := 10+3*rng.NormFloat64(), rng.NormFloat64()
		e.IDs = append(e.IDs, string(rune('A'+i%26))+time.Duration(i).String())
		e.Truth.Value = append(e.Truth.Value, y)
		e.Production.Value = append(e.Production.Value, y+wrong)
		e.Shadow.Value = append(e.Shadow.Value, y+wrong*fraction)
	}
	return e
}

// multiclass returns evidence of three classes of which the shadow gets more right.
func multiclass(n int) gate.Evidence {
	rng := rand.New(rand.NewPCG(4, 1))
	e := gate.Evidence{Target: threeWay, Coverage: labels.Count{Predictions: n, Labelled: n}, Production: &metrics.Answers{}}
	answer := func(a *metrics.Answers, truth int, hit float64) {
		k := truth
		if rng.Float64() > hit {
			k = (truth + 1 + rng.IntN(2)) % 3
		}
		if a.Probability == nil {
			a.Probability = make([][]float64, 3)
		}
		a.Class = append(a.Class, k)
		for j := range a.Probability {
			p := 0.2
			if j == k {
				p = 0.6
			}
			a.Probability[j] = append(a.Probability[j], p)
		}
	}
	for i := range n {
		truth := rng.IntN(3)
		e.IDs = append(e.IDs, time.Duration(i).String())
		e.Truth.Class = append(e.Truth.Class, truth)
		answer(e.Production, truth, 0.6)
		answer(&e.Shadow, truth, 0.9)
	}
	return e
}

// timed gives evidence all that Replay would.
func timed(e gate.Evidence) gate.Evidence {
	e.At, e.LastPromotion = day0, day0.AddDate(0, 0, -9)
	e.Times = make([]time.Time, e.N())
	for i := range e.Times {
		e.Times[i] = day0.Add(-time.Duration(i) * time.Hour)
	}
	e.ProductionLatency = gate.Latency{Mean: time.Millisecond, P95: 2 * time.Millisecond}
	e.ShadowLatency = gate.Latency{Mean: time.Millisecond, P95: 3 * time.Millisecond}
	e.TrainingRows = 3
	e.Segments = map[string][]string{"parity": make([]string, e.N()), "size": make([]string, e.N())}
	for i := range e.N() {
		e.Segments["parity"][i] = []string{"even", "odd"}[i%2]
		e.Segments["size"][i] = []string{"small", "large", ""}[min(2, i/150)]
	}
	return e
}

// alone returns the evidence as that of a first deployment.
func alone(e gate.Evidence) gate.Evidence {
	e.FirstDeployment, e.Production, e.ProductionLatency, e.LastPromotion = true, nil, gate.Latency{}, time.Time{}
	return e
}

func repeat(v float64, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = v
	}
	return x
}

func hash(t testing.TB, d gate.Decision) string {
	t.Helper()
	sum, err := d.Hash()
	require.NoError(t, err)
	return sum
}

// verdict checks a criterion and requires a sentence and the verdict.
func verdict(t testing.TB, want gate.Verdict, c gate.Criterion, e gate.Evidence) gate.Check {
	t.Helper()
	check := c.Check(&e)
	require.Equal(t, want, check.Verdict, check.Reason)
	require.NotEmpty(t, check.Criterion)
	require.NotEmpty(t, check.Reason)
	return check
}

// validate returns what is wrong with a criterion.
func validate(c gate.Criterion) error {
	return gate.Policy{Criteria: []gate.Criterion{c}, First: []gate.Criterion{c}}.Validate()
}
