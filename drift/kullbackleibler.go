package drift

import "math"

// KullbackLeibler returns the Kullback-Leibler divergence of two count vectors over the same
// cells: the sum of r_i ln(r_i / c_i) over the shares of the cells, the reference first
// (Kullback and Leibler, "On information and sufficiency", 1951). Statistic is in nats, at
// least 0 and without an upper bound. It is not symmetric; the sum of both directions is
// [PSI]. EffectSize is the total variation of the same shares; PValue is NaN.
//
// The zero rule is that of [PSI], so no result is infinite. Like PSI, the divergence grows
// with the number of cells and shrinks with the sample sizes without any change. Errors are as
// in [ChiSquare].
func KullbackLeibler[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, func(p countPair) Result {
		sum := 0.0
		for r, c := range p.filledShares() {
			if r != c {
				sum += r * (math.Log(r) - math.Log(c))
			}
		}
		return p.result(max(sum, 0))
	})
}
