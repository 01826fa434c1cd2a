package drift

// TotalVariation returns the total variation distance between the shares of two count
// vectors over the same cells, half the sum of |r_i - c_i|: the largest difference in
// probability that any set of cells shows. Statistic and EffectSize are that distance, 0
// for equal shares and 1 if no cell is used by both. PValue is NaN.
//
// Empty cells need no rule here. Errors are as in [ChiSquare].
func TotalVariation[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, func(p countPair) Result { return p.result(p.totalVariation()) })
}
