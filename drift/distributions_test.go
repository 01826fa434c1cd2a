package drift_test

import (
	"math"
	"math/rand/v2"
)

// distributions are what columns of numbers look like, the awkward ones too.
var distributions = map[string]func(rng *rand.Rand) float64{
	"normal":      (*rand.Rand).NormFloat64,
	"uniform":     (*rand.Rand).Float64,
	"exponential": (*rand.Rand).ExpFloat64,
	"log-normal":  func(rng *rand.Rand) float64 { return math.Exp(rng.NormFloat64()) },
	"orders of magnitude": func(rng *rand.Rand) float64 {
		return math.Exp(4 * rng.NormFloat64())
	},
	"negative": func(rng *rand.Rand) float64 { return -math.Exp(2 * rng.NormFloat64()) },
	"pareto":   func(rng *rand.Rand) float64 { return 1 / (1 - rng.Float64()) },
	"cauchy":   func(rng *rand.Rand) float64 { return math.Tan(math.Pi * (rng.Float64() - 0.5)) },
	"two scales": func(rng *rand.Rand) float64 {
		if rng.IntN(2) == 0 {
			return rng.NormFloat64() * 1e-3
		}
		return rng.NormFloat64()
	},
	"mostly zero": func(rng *rand.Rand) float64 { return max(0, rng.NormFloat64()-0.5) },
	"a sentinel": func(rng *rand.Rand) float64 {
		if rng.IntN(10) == 0 {
			return -999
		}
		return 1.7e9 + 1e6*rng.Float64()
	},
	"one outlier": func(rng *rand.Rand) float64 {
		if rng.IntN(5000) == 0 {
			return 1e300
		}
		return rng.NormFloat64()
	},
	"clusters":   func(rng *rand.Rand) float64 { return float64(rng.IntN(5))*1e6 + rng.NormFloat64() },
	"integers":   func(rng *rand.Rand) float64 { return math.Round(1e4 * rng.NormFloat64()) },
	"few values": func(rng *rand.Rand) float64 { return float64(rng.IntN(7)) / 10 },
	"constant":   func(*rand.Rand) float64 { return 0.1 },
	"tiny":       func(rng *rand.Rand) float64 { return 1e-310 * rng.Float64() },
	"huge":       func(rng *rand.Rand) float64 { return math.MaxFloat64 * (2*rng.Float64() - 1) },
}

// drawn returns n numbers of a distribution.
func drawn(name string, seed uint64, n int) []float64 {
	rng := rand.New(rand.NewPCG(seed, 77))
	values := make([]float64, n)
	for i := range values {
		values[i] = distributions[name](rng)
	}
	return values
}
