package paired

import (
	"cmp"
	"slices"
)

// Holm returns the p-values adjusted for their number, in their order (Holm 1979).
// Rejecting those that are at most alpha, the probability of rejecting any true
// hypothesis is at most alpha, however the tests depend on each other.
func Holm(p []float64) ([]float64, error) {
	return adjust("holm", p, func(order []int, adjusted []float64) {
		highest := 0.0
		for rank, i := range order {
			highest = max(highest, min(1, p[i]*float64(len(p)-rank)))
			adjusted[i] = highest
		}
	})
}

// Bonferroni returns the p-values times their number, at most 1. It promises what [Holm]
// does and rejects less.
func Bonferroni(p []float64) ([]float64, error) {
	return adjust("bonferroni", p, func(_ []int, adjusted []float64) {
		for i, v := range p {
			adjusted[i] = min(1, v*float64(len(p)))
		}
	})
}

// BenjaminiHochberg returns the p-values adjusted for their number, in their order
// (Benjamini & Hochberg 1995). Rejecting those that are at most alpha, the expected
// share of true hypotheses among the rejected is at most alpha, if the tests are
// independent.
func BenjaminiHochberg(p []float64) ([]float64, error) {
	return adjust("benjamini-hochberg", p, func(order []int, adjusted []float64) {
		lowest := 1.0
		for rank, i := range slices.Backward(order) {
			lowest = min(lowest, p[i]*float64(len(p))/float64(rank+1))
			adjusted[i] = lowest
		}
	})
}

// adjust checks the p-values and gives fill their order, the lowest first.
func adjust(method string, p []float64, fill func(order []int, adjusted []float64)) ([]float64, error) {
	order := make([]int, len(p))
	for i, v := range p {
		if !(v >= 0 && v <= 1) { // also true of NaN
			return nil, malformed(method, "p[%d] is %v, want 0 to 1", i, v)
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	adjusted := make([]float64, len(p))
	fill(order, adjusted)
	return adjusted, nil
}
