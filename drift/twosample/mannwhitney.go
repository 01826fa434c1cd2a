package twosample

import (
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

const (
	// mannWhitneyExactSize is the size of the smaller sample up to which the null distribution
	// is counted out. Beyond it the normal distribution is close.
	mannWhitneyExactSize = 8
	// mannWhitneyExactPairs bounds the time of counting if the other sample is large.
	mannWhitneyExactPairs = 1_000_000
)

// MannWhitney compares two samples of numbers by the two-sided Mann-Whitney (Wilcoxon
// rank-sum) test: does a value of one sample tend to exceed a value of the other? The test
// finds shifts whatever the distribution. It does not see changes of spread alone.
//
// Statistic is U of the current sample, from 0 to nm: the number of pairs in which the current
// value is the larger one. A tied pair counts as half. EffectSize is |2U/(nm) - 1|, Cliff's
// delta without its sign: 0 if the values of both samples are larger equally often, 1 if the
// samples do not overlap. PValue is exact if there are no ties, the smaller sample has at most
// 8 values, and nm is at most 10⁶ (Mann and Whitney, "On a test of whether one of two random
// variables is stochastically larger than the other", 1947). Otherwise PValue comes from the
// normal distribution with the variance for these ties and a continuity correction of 1/2.
//
// If all values are equal, U is nm/2 and the p-value 1. Infinities are values, and -0 equals
// 0. A NaN or an empty sample is an [*drift.InputError].
func MannWhitney[F constraints.Float](reference, current []F) (drift.Result, error) {
	r, c, fault := samples.Sorted(reference, current)
	if fault != nil {
		return drift.Result{}, (*drift.InputError)(fault)
	}
	n, m := len(r), len(c)
	u := samples.NewRanks(r, c)
	pairs := u.N * u.M
	pValue := 0.0
	if least := min(u.Wins, pairs-u.Wins); u.Tied == 0 && min(n, m) <= mannWhitneyExactSize && pairs <= mannWhitneyExactPairs {
		pValue = mannWhitneyExact(int(least), min(n, m), max(n, m))
	} else {
		pValue = ranksPValue(u)
	}
	return drift.Result{
		Statistic: u.Wins, PValue: pValue, EffectSize: math.Abs(2*u.Wins/pairs - 1),
		NReference: n, NCurrent: m,
	}, nil
}

// ranksPValue returns the two-sided p-value of the normal limit with a continuity correction.
func ranksPValue(u samples.Ranks) float64 {
	distance, variance := math.Abs(u.Wins-u.N*u.M/2)-0.5, u.Variance()
	if distance <= 0 || variance <= 0 {
		return 1
	}
	return nulldist.NormalTwoSided(distance / math.Sqrt(variance))
}

// mannWhitneyExact returns 2 P(U <= u), at most 1, for samples of n <= m different values. The
// number of orders with a given U is a coefficient of the Gaussian binomial, the product of (1
// - q^(m+i)) / (1 - q^i) for i up to n. The product up to each i is a polynomial.
func mannWhitneyExact(u, n, m int) float64 {
	ways := make([]float64, u+1)
	ways[0] = 1
	all := 1.0
	for i := 1; i <= n; i++ {
		for k := u; k >= m+i; k-- {
			ways[k] -= ways[k-m-i]
		}
		for k := i; k <= u; k++ {
			ways[k] += ways[k-i]
		}
		all = all * float64(m+i) / float64(i)
	}
	sum := 0.0
	for _, w := range ways {
		sum += w
	}
	return min(2*sum/all, 1)
}
