package drift

// TotalVariation returns the total variation distance between the shares of two count vectors
// over the same cells, half the sum of |r_i - c_i|. It is the largest difference in
// probability of any set of cells. Statistic and EffectSize are the distance: 0 for equal
// shares, 1 if no cell is used by both. PValue is NaN. Errors are as in [ChiSquare].
func TotalVariation[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, func(p countPair) Result { return p.result(p.totalVariation()) })
}
