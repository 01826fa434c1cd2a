package twosample

import (
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// maxCount is the largest count that a float64 holds exactly.
const maxCount = 1 << 53

// FisherExact is Fisher's exact test, two-sided, on two counts for each sample: how often
// something happened, and how often it did not. The test is valid at any count, also at 0.
//
// Statistic is the rate of current less the rate of reference. EffectSize is the absolute value
// of Statistic. PValue is the probability, given the sums of the table, of all tables that are at
// most as likely as the observed table, up to a relative 1e-7 for rounding. The probabilities are
// computed by Loader's saddle-point expansion ("Fast and accurate computation of binomial
// probabilities", 2000), which loses nothing at large counts. A negative count or a sample
// without observations is an [*drift.InputError].
func FisherExact(reference, current [2]int) (drift.Result, error) {
	n, err := fisherSum("reference", reference)
	if err != nil {
		return drift.Result{}, err
	}
	m, err := fisherSum("current", current)
	if err != nil {
		return drift.Result{}, err
	}
	difference := (float64(current[0])*float64(n) - float64(reference[0])*float64(m)) / (float64(n) * float64(m))
	return drift.Result{
		Statistic:  difference,
		PValue:     nulldist.Fisher(current[0], m, reference[0]+current[0], n+m),
		EffectSize: math.Abs(difference),
		NReference: n,
		NCurrent:   m,
	}, nil
}

func fisherSum(name string, counts [2]int) (int, error) {
	for i, c := range counts {
		if c < 0 || c > maxCount {
			return 0, &drift.InputError{Sample: name, Index: i, What: fmt.Sprintf("count is %d, want 0 to %d", c, maxCount)}
		}
	}
	if counts[0]+counts[1] == 0 {
		return 0, &drift.InputError{Sample: name, Index: -1, What: "has no observations, want at least one"}
	}
	return counts[0] + counts[1], nil
}
