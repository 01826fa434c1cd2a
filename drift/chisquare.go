package drift

// MethodChiSquare is the test of homogeneity on the levels of a categorical column. Statistic
// is X². PValue is the larger of the p-values of X² and of G with Williams' correction,
// because X² alone gives too many false alarms at the small levels that many columns need.
// Levels with an expected count below 5 are pooled with the unseen values. If the expected
// count of the pool is below 5 too, Fisher's exact test compares the pool with the rest, and
// PValue is twice the smaller p-value of both tests. Two levels are compared by Fisher's test
// alone, unless each expected count is at least 100. The effect is the total variation over
// all levels and unseen values. The upper end of its interval is the observed total variation
// plus McDiarmid's bound on the error. The lower end is the effect minus its normal error.
// Both ends hold more often than the level says.
//
// Numbers are compared on at most ten groups of cells that hold about equal shares of the
// reference and at least 5 expected rows. The numbers beyond an extreme that five rows share
// form a further group, and so do the numbers between two groups of a single value.
const MethodChiSquare Method = "chi_square"

var chiSquareMethod = tableMethod{
	statistic: countPair.chiSquare,
	effect:    (*table).variation,
	function:  countPair.chiSquareResult,
	amount:    "%s in total variation", bound: "the total variation",
}.method(method{
	MethodInfo: MethodInfo{Name: MethodChiSquare, Title: "Chi-square", Floor: 0.1, Effect: variationEffect},
	certain:    true,
})

const variationEffect = "The effect is the total variation: the share of rows that would have to change their level, or their group of numbers, from 0 to 1. " +
	"The interval is one of the change without noise: down from the effect by its normal error, and up from the observed variation by McDiarmid’s bound on its error, so that it holds more than its level. " +
	"It may start at 0 beside a tiny p, because p is about any difference at all, and the interval about how large it is."

// ChiSquare is Pearson's chi-square test of homogeneity on two count vectors over the same
// cells: do both samples have the same shares? Neither is taken as the truth.
//
// Statistic is X². PValue is the upper tail of the chi-square distribution with one degree of
// freedom less than there are cells, without continuity correction. With one cell X² is 0 and
// PValue 1. EffectSize is the total variation of the shares, which does not depend on the
// sample sizes, unlike X² and Cramér's V.
//
// Zero rule: a cell that is empty on both sides is left out. An expected count below 5 gives a
// warning, because the p-value is then a rough guide. Counts are not merged. Vectors of
// different length, a negative or non-finite count, or a sum outside [1, 2^53] is an
// [*InputError].
func ChiSquare[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, countPair.chiSquareResult)
}

func (p countPair) chiSquareResult() Result {
	return p.chiSquareLimit("chi-square", p.chiSquare())
}
