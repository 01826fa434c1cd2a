package budget_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
)

const day = 24 * time.Hour

var day0 = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)

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
