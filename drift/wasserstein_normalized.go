package drift

import (
	"math"

	"golang.org/x/exp/constraints"
)

// NormalizedWasserstein1 is [Wasserstein1] with the distance divided by the standard
// deviation of the reference (divisor n), so that it does not depend on the unit: 1 if all
// values moved by one standard deviation. EffectSize is the same as there and PValue NaN.
//
// A distance from a constant reference is 0 or the largest float64. A NaN, an infinity or an
// empty sample is an [*InputError].
func NormalizedWasserstein1[F constraints.Float](reference, current []F) (Result, error) {
	result, err := Wasserstein1(reference, current)
	if err != nil {
		return Result{}, err
	}
	r, err := spreadOf("reference", reference)
	if err != nil {
		return Result{}, err
	}
	if result.Statistic > 0 {
		result.Statistic = min(result.Statistic/r.std, math.MaxFloat64)
	}
	return result, nil
}
