package paired

import (
	"math"
	"math/rand/v2"
)

// SignFlipResult holds the p-values of a permutation test.
type SignFlipResult struct {
	Better   float64 // small if the candidate is better
	TwoSided float64 // small if either is
	Exact    bool    // whether all flips were tried, not a sample of them
}

// SignFlips tests whether two models are exchangeable, from the difference between them
// in each row, positive where the candidate is better: if they are, either could have
// given either answer, so that the sign of each difference is a coin's. The statistic is
// the sum. P-values are the share of flips with a sum as large as the measured one, and
// are exact for any distribution of the differences (Fisher 1935).
//
// All flips are tried if there are no more of them than draws. Otherwise as many are
// drawn from the seed, and the measured one is counted among them (Phipson & Smyth 2010),
// which keeps the level. No differences give p-values of 1. A difference that is not
// finite and fewer than one draw are an error.
func SignFlips(differences []float64, draws int, seed uint64) (SignFlipResult, error) {
	const name = "sign flips"
	if err := checkFinite(name, "differences", differences); err != nil {
		return SignFlipResult{}, err
	}
	if draws < 1 {
		return SignFlipResult{}, malformed(name, "draws is %d, want 1 or more", draws)
	}
	var sum, size float64
	for _, d := range differences {
		sum += d
		size += math.Abs(d)
	}
	if math.IsInf(size, 0) {
		return SignFlipResult{}, malformed(name, "the differences are too large to add up")
	}
	// What only rounding tells apart is a tie.
	least := sum - 1e-12*size
	var better, either, flips int
	count := func(flipped float64) {
		flips++
		if flipped >= least {
			better++
		}
		if math.Abs(flipped) >= math.Abs(sum)-1e-12*size {
			either++
		}
	}
	n := len(differences)
	exact := n < 63 && 1<<n <= uint64(draws)
	if exact {
		for flip := range uint64(1) << n {
			count(flipped(differences, func(i int) bool { return flip>>i&1 == 1 }))
		}
	} else {
		count(sum)
		source := rand.NewPCG(seed, 0)
		for range draws {
			var bits uint64
			count(flipped(differences, func(i int) bool {
				if i%64 == 0 {
					bits = source.Uint64()
				}
				return bits>>(i%64)&1 == 1
			}))
		}
	}
	return SignFlipResult{float64(better) / float64(flips), float64(either) / float64(flips), exact}, nil
}

// flipped returns the sum with some signs flipped.
func flipped(differences []float64, flip func(i int) bool) float64 {
	var sum float64
	for i, d := range differences {
		if flip(i) {
			d = -d
		}
		sum += d
	}
	return sum
}
