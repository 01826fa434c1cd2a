package drift

import "math"

// MethodPSI has the p-value and the statistic of [MethodChiSquare], on the same levels or
// groups. The effect is the population stability index. Its interval inverts the distribution
// of X² with a noncentrality.
const MethodPSI Method = "psi"

var psiMethod = divergence{
	term: func(r, c float64) float64 { return (c - r) * math.Log(c/r) },
	slopes: func(r, c float64) (float64, float64) {
		l := math.Log(r / c)
		return l + 1 - c/r, -l + 1 - r/c
	},
	filled:    true,
	curvature: 1,
}.method(countPair.psiResult, "PSI", method{
	MethodInfo: MethodInfo{Name: MethodPSI, Title: "PSI", Floor: 0.1}, unbounded: true,
})

// PSI returns the population stability index of two count vectors over the same cells, the sum
// of (c_i - r_i) ln(c_i / r_i) over the shares of the cells. The index is Jeffreys' symmetric
// divergence, in nats, at least 0 and without an upper bound. EffectSize is the total
// variation of the same shares; PValue is NaN.
//
// Zero rule: a cell that is empty on both sides is left out. A cell that is empty on one side
// counts as half an observation on that side, and the shares of that side are taken over the
// increased sum. Equal shares therefore give exactly 0, and no result is infinite.
//
// The index grows with the number of cells and shrinks with the sample sizes even if nothing
// changed, so compare only values from similar tables. Errors are as in [ChiSquare].
func PSI[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, countPair.psiResult)
}

func (p countPair) psiResult() Result { return p.result(p.psi()) }

func (p countPair) psi() float64 {
	sum := 0.0
	for r, c := range p.filledShares() {
		if r != c {
			sum += (c - r) * (math.Log(c) - math.Log(r))
		}
	}
	return sum
}
