package twosample

import (
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift"
)

// NormalizedWasserstein1 is [drift.Wasserstein1] divided by the standard deviation of the
// reference (divisor n), so the unit of the values makes no difference. Statistic is 1 if all
// values moved by one standard deviation. EffectSize is that of [drift.Wasserstein1]. PValue
// is NaN.
//
// A distance from a constant reference is 0 or the largest float64. A NaN, an infinity or an
// empty sample is an [*drift.InputError].
func NormalizedWasserstein1[F constraints.Float](reference, current []F) (drift.Result, error) {
	result, err := drift.Wasserstein1(reference, current)
	if err != nil {
		return drift.Result{}, err
	}
	if result.Statistic > 0 {
		result.Statistic = min(result.Statistic/spreadOf(reference).std, math.MaxFloat64)
	}
	return result, nil
}
