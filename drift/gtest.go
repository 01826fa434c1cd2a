package drift

// MethodG has the statistic G, and the p-value and the effect of [MethodChiSquare].
const MethodG Method = "g_test"

var gMethod = tableMethod{
	statistic: countPair.logLikelihoodRatio,
	effect:    (*table).variation,
	function:  countPair.gResult,
	amount:    "%s in total variation", bound: "the total variation",
}.method(method{
	MethodInfo: MethodInfo{Name: MethodG, Title: "G-test", Floor: 0.1, Effect: variationEffect},
	certain:    true,
})

// GTest is the likelihood ratio test of homogeneity on two count vectors over the same cells,
// the counterpart of [ChiSquare]: do both samples have the same shares? Neither is taken as
// the truth.
//
// Statistic is G, twice the sum of observed ln(observed/expected) over all counts of both
// samples (Wilks, "The likelihood test of independence in contingency tables", 1935). An empty
// count adds 0. PValue is the upper tail of the chi-square distribution with one degree of
// freedom less than there are cells, without continuity correction. With one cell G is 0 and
// PValue 1. EffectSize is the total variation of the shares.
//
// With small counts G is too large more often than X² is. An expected count below 5 gives a
// warning. A cell that is empty on both sides is left out. Errors are as in [ChiSquare].
func GTest[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, countPair.gResult)
}

func (p countPair) gResult() Result {
	return p.chiSquareLimit("G-test", p.logLikelihoodRatio())
}
