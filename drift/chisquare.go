package drift

// MethodChiSquare is the test of homogeneity on the levels of a categorical column. Statistic
// is X², PValue the larger one of those of X² and of G with Williams' correction, for X² alone
// errs too often at the small levels of many columns. Levels whose expected count is below 5
// are pooled with the unseen values. If that of the pool is below 5 too, it is compared with
// the rest by Fisher's exact test, and PValue is twice the smaller one of both tests. Two
// levels are compared by Fisher's test alone, unless there are thousands of both. The effect is
// the total variation over all levels and unseen values. Its interval ends above at the
// observed one and McDiarmid's bound on its error, and below at the effect less its normal
// error; both hold more than the level.
//
// Numbers are compared on at most ten groups of cells that hold about equally much of the
// reference, and at least 5 of the rows to be expected. What lies beyond an extreme that five
// rows share, or between two values that are each a group, is a further group.
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

// variationEffect explains the effect of methods that measure the total variation.
const variationEffect = "The effect is the total variation: the share of rows that would have to change their level, or their group of numbers, from 0 to 1. " +
	"The interval is one of the change without noise: down from the effect by its normal error, and up from the observed variation by McDiarmid’s bound on its error, so that it holds more than its level. " +
	"It may start at 0 beside a tiny p, because p is about any difference at all, and the interval about how large it is."

// ChiSquare is Pearson's chi-square test of homogeneity on two count vectors over the same
// cells: do both samples have the same shares? Both are treated as samples, neither as the
// truth.
//
// Statistic is X², PValue its upper tail at one degree of freedom less than there are
// cells, without continuity correction; with one cell X² is 0 and PValue 1. EffectSize is
// the total variation of the shares, which unlike X² and Cramér's V does not depend on the
// sample sizes.
//
// Zero rule: a cell that is empty on both sides is left out. An expected count below 5
// gives a warning, because the p-value is then a rough guide; counts are not merged here.
// Vectors of different length, a negative or non-finite count, or a sum outside [1, 2^53]
// is an [*InputError].
func ChiSquare[C Count](reference, current []C) (Result, error) {
	return compareCounts(reference, current, countPair.chiSquareResult)
}

func (p countPair) chiSquareResult() Result {
	return p.chiSquareLimit("chi-square", p.chiSquare())
}
