package drift

import "math"

// MethodHellinger is [MethodPSI] with the Hellinger distance as the effect.
const MethodHellinger Method = "hellinger"

var hellingerMethod = divergence{
	term: func(r, c float64) float64 {
		d := math.Sqrt(r) - math.Sqrt(c)
		return d * d / 2
	},
	slopes: func(r, c float64) (float64, float64) {
		return (1 - math.Sqrt(c/r)) / 2, (1 - math.Sqrt(r/c)) / 2
	},
	curvature: 8,
	root:      true,
}.method(countPair.hellingerResult, "Hellinger distance", method{
	MethodInfo: MethodInfo{Name: MethodHellinger, Title: "Hellinger", Floor: 0.1},
})

// Hellinger returns the Hellinger distance between the shares of two count vectors over the
// same cells, the square root of half the sum of (sqrt r_i - sqrt c_i)². The distance is a
// metric: 0 for equal shares, 1 if no cell is used by both (Hellinger, "Neue Begründung der
// Theorie quadratischer Formen", 1909). Statistic and EffectSize are the distance; PValue is
// NaN. Errors are as in [ChiSquare].
func Hellinger[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, countPair.hellingerResult)
}

func (p countPair) hellingerResult() Result {
	sum := 0.0
	for i := range p.r {
		d := math.Sqrt(p.r[i]/p.n) - math.Sqrt(p.c[i]/p.m)
		sum += d * d
	}
	d := min(math.Sqrt(sum/2), 1)
	result := p.result(d)
	result.EffectSize = d
	return result
}
