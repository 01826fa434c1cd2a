package paired

import (
	"cmp"
	"slices"
)

// Holm returns the p-values adjusted for their number, in the given order (Holm 1979). A
// caller who rejects the hypotheses with an adjusted p-value of at most alpha rejects any true
// hypothesis with a probability of at most alpha, however the tests depend on each other. A
// p-value outside [0, 1] is an error.
func Holm(p []float64) ([]float64, error) {
	order := make([]int, len(p))
	for i, v := range p {
		if !(v >= 0 && v <= 1) { // also true for NaN
			return nil, malformed("holm", "p[%d] is %v, want 0 to 1", i, v)
		}
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	adjusted := make([]float64, len(p))
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, min(1, p[i]*float64(len(p)-rank)))
		adjusted[i] = highest
	}
	return adjusted, nil
}
