package drift

import "math"

// MethodJensenShannon is [MethodPSI] with the Jensen-Shannon distance (base 2) as the effect.
const MethodJensenShannon Method = "jensen_shannon"

var jensenShannonMethod = divergence{
	term: func(r, c float64) float64 {
		middle := (r + c) / 2
		return (divergenceTerm(r, middle) + divergenceTerm(c, middle)) / 2
	},
	slopes: func(r, c float64) (float64, float64) {
		middle := (r + c) / 2
		return math.Log2(r/middle) / 2, math.Log2(c/middle) / 2
	},
	curvature: 8 * math.Ln2,
	root:      true,
}.method(countPair.jensenShannonResult, "Jensen-Shannon distance", method{
	MethodInfo: MethodInfo{Name: MethodJensenShannon, Title: "Jensen-Shannon", Floor: 0.1},
})

// JensenShannon returns the Jensen-Shannon distance (base 2) between the shares of two count
// vectors over the same cells: the square root of the mean of the Kullback-Leibler divergences
// of both from their average (Endres and Schindelin, "A new metric for probability
// distributions", 2003). The distance is a metric: 0 for equal shares, 1 if no cell is used by
// both. Statistic and EffectSize are the distance, with the square root taken; PValue is NaN.
//
// An empty cell adds 0 on the side on which it is empty. Errors are as in [ChiSquare].
func JensenShannon[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, countPair.jensenShannonResult)
}

func (p countPair) jensenShannonResult() Result {
	d := p.jensenShannon()
	result := p.result(d)
	result.EffectSize = d
	return result
}

func (p countPair) jensenShannon() float64 {
	sum := 0.0
	for i := range p.r {
		r, c := p.r[i]/p.n, p.c[i]/p.m
		middle := (r + c) / 2
		sum += divergenceTerm(r, middle) + divergenceTerm(c, middle)
	}
	return math.Sqrt(min(max(sum/2, 0), 1))
}

// divergenceTerm is p log2(p/q), with its limit 0 at p = 0.
func divergenceTerm(p, q float64) float64 {
	if p == 0 || p == q {
		return 0
	}
	return p * math.Log2(p/q)
}
