package twosample

import (
	"math"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// FisherExact is Fisher's exact test, two-sided, on two counts for each sample: how often
// something happened, and how often it did not. The test is valid at any count, also at 0.
//
// Statistic is the rate of current minus the rate of reference, and EffectSize its absolute
// value. PValue is the probability, given the sums of the table, of all tables that are at
// most as likely as the observed table, up to a relative 1e-7 for rounding. Loader's
// saddle-point expansion ("Fast and accurate computation of binomial probabilities", 2000)
// keeps large counts precise. A negative count, an empty sample, or more than 2^53
// observations in a sample is an [*drift.InputError].
func FisherExact(reference, current [2]int) (drift.Result, error) {
	result, err := drift.ChiSquare(reference[:], current[:]) // which checks the counts and knows the sizes
	if err != nil {
		return drift.Result{}, err
	}
	n, m := result.NReference, result.NCurrent
	result.Warnings = nil
	result.PValue = nulldist.Fisher(current[0], m, reference[0]+current[0], n+m)
	result.Statistic = (float64(current[0])*float64(n) - float64(reference[0])*float64(m)) / (float64(n) * float64(m))
	result.EffectSize = math.Abs(result.Statistic)
	return result, nil
}
