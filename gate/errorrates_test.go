package gate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
)

// simulate draws rows of which a tenth are positive, and two models that answer
// positive where slope*y + noise exceeds 1. The models' noises have the correlation rho.
func simulate(rng *rand.Rand, n int, rho, production, shadow float64) gate.Evidence {
	e := gate.Evidence{
		Target:     binary,
		Coverage:   labels.Count{Predictions: n, Labelled: n},
		IDs:        make([]string, n),
		Truth:      gate.Answers{Class: make([]int, n)},
		Production: &gate.Answers{Class: make([]int, n)},
		Shadow:     gate.Answers{Class: make([]int, n)},
	}
	for i := range n {
		e.IDs[i] = strconv.Itoa(i)
		y := 0
		if rng.Float64() < 0.1 {
			y = 1
		}
		common := rng.NormFloat64()
		answer := func(slope float64) int {
			if slope*float64(y)+math.Sqrt(rho)*common+math.Sqrt(1-rho)*rng.NormFloat64() > 1 {
				return 1
			}
			return 0
		}
		e.Truth.Class[i], e.Production.Class[i], e.Shadow.Class[i] = y, answer(production), answer(shadow)
	}
	return e
}

// TestErrorRates shows how often a shadow of known quality is promoted by proof and by
// point estimate. Run it with -v for the table.
func TestErrorRates(t *testing.T) {
	t.Parallel()
	const runs, alpha = 200, 0.05
	proof := gate.Policy{Criteria: []gate.Criterion{gate.Superior{Metric: gate.F1, Alpha: alpha, Draws: 200}}}
	point := gate.Policy{Criteria: []gate.Criterion{gate.Improvement{Metric: gate.F1, Relative: 0.02}}}
	// Three standard errors above the level itself.
	limit := alpha + 3*math.Sqrt(alpha*(1-alpha)/runs)

	type row struct {
		shadow string
		slope  float64
		rho    float64
		n      int
	}
	var rows []row
	for _, rho := range []float64{0.5, 0.9} {
		rows = append(rows,
			row{"equal", 1.5, rho, 200}, row{"equal", 1.5, rho, 1000},
			row{"worse", 1.4, rho, 1000}, row{"better", 1.8, rho, 1000})
	}
	promoted := make([][2]float64, len(rows))
	t.Run("simulate", func(t *testing.T) {
		for i, r := range rows {
			t.Run(fmt.Sprintf("%s,rho=%v,n=%d", r.shadow, r.rho, r.n), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(uint64(i), 9))
				for range runs {
					e := simulate(rng, r.n, r.rho, 1.5, r.slope)
					for k, p := range []gate.Policy{proof, point} {
						if gate.Evaluate(p, e).Outcome == gate.Promote {
							promoted[i][k] += 1.0 / runs
						}
					}
				}
			})
		}
	})
	t.Logf("promoted, of %d comparisons  %8s %8s", runs, "Superior", "+2 % F1")
	for i, r := range rows {
		t.Logf("%-7s rho=%.1f n=%-5d         %7.1f%% %7.1f%%", r.shadow, r.rho, r.n, 100*promoted[i][0], 100*promoted[i][1])
		switch r.shadow {
		case "better":
			require.Greater(t, promoted[i][0], 0.3, "power")
		default:
			require.LessOrEqual(t, promoted[i][0], limit, "false promotions")
			require.Greater(t, promoted[i][1], promoted[i][0], "a point estimate has no error rate")
		}
	}
}

// TestSegmentErrorRates shows how often ten segments without any real difference
// veto.
func TestSegmentErrorRates(t *testing.T) {
	t.Parallel()
	const runs, alpha, segments = 60, 0.05, 10
	proven := gate.Segments{Metric: gate.F1, MaxDrop: 0.05, MinRows: 30, Alpha: alpha, Draws: 800}
	point := gate.Segments{Metric: gate.F1, MaxDrop: 0.05, MinRows: 30}
	rng := rand.New(rand.NewPCG(11, 9))
	var vetoes [2]float64
	for range runs {
		e := simulate(rng, 100*segments, 0.5, 1.5, 1.5)
		k := make([]string, e.N())
		for i := range k {
			k[i] = strconv.Itoa(i % segments)
		}
		e.Segments = map[string][]string{"k": k}
		for i, c := range []gate.Segments{proven, point} {
			if c.Check(&e).Verdict == gate.Fail {
				vetoes[i] += 1.0 / runs
			}
		}
	}
	t.Logf("false vetoes over %d segments: proven %.1f %%, point %.1f %%", segments, 100*vetoes[0], 100*vetoes[1])
	require.LessOrEqual(t, vetoes[0], alpha+3*math.Sqrt(alpha*(1-alpha)/runs))
	require.Greater(t, vetoes[1], 0.8)
}
