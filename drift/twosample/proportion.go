package twosample

import (
	"math"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// TwoProportionZ is the two-sided z test for the difference of two rates with pooled variance,
// on two counts for each sample: how often something happened, and how often it did not.
// [FisherExact] is exact at any count; TwoProportionZ is its limit, and less cautious.
//
// Statistic is z, the rate of current minus the rate of reference, in units of the standard
// error. z² is X² of [drift.ChiSquare] on the same table. Small expected counts give the same
// warning. PValue is P(|Z| >= |z|), without continuity correction. EffectSize is the absolute
// difference of the rates. If the same of the two counts is 0 in both samples, z is 0 and the
// p-value 1. A negative count or a sample without observations is an [*drift.InputError].
func TwoProportionZ(reference, current [2]int) (drift.Result, error) {
	result, err := drift.ChiSquare(reference[:], current[:])
	if err != nil {
		return drift.Result{}, err
	}
	n, m := float64(reference[0])+float64(reference[1]), float64(current[0])+float64(current[1])
	result.Statistic = math.Copysign(math.Sqrt(result.Statistic), float64(current[0])*n-float64(reference[0])*m)
	result.PValue = nulldist.NormalTwoSided(result.Statistic)
	return result, nil
}
