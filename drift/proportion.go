package drift

import (
	"math"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// TwoProportionZ is the two-sided z test for the difference of two rates with pooled
// variance, on two counts for each sample: how often something was so, and how often not.
// [FisherExact] is exact at any count; this is its limit, and less cautious.
//
// Statistic is z, the rate of current less that of reference in units of its standard
// error; its square is X² of [ChiSquare] on the same table. PValue is P(|Z| >= |z|), without
// continuity correction, and EffectSize the absolute difference of the rates. If neither
// sample has any of one sort, z is 0 and the p-value 1. An expected count below 5 gives a
// warning. A negative count or a sample without observations is an [*InputError].
func TwoProportionZ(reference, current [2]int) (Result, error) {
	p, err := newCountPair(reference[:], current[:])
	if err != nil {
		return Result{}, err
	}
	x2, _ := p.chiSquare()
	z := math.Copysign(math.Sqrt(x2), shareDifference(float64(current[0]), p.m, float64(reference[0]), p.n))
	result := p.result(z)
	result.PValue = nulldist.NormalTwoSided(z)
	result.Warnings = p.smallCounts("two-proportion z")
	return result, nil
}
