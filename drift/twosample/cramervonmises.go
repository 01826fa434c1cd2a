package twosample

import (
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// cvmExactSize is the size up to which the null distribution is counted out. Beyond it the
// limit is close (Anderson 1962).
const cvmExactSize = 20

// CramerVonMises compares two samples of numbers by the two-sample Cramér-von Mises test. The
// test sees any difference between the distributions. It adds up the distance over all values,
// so it finds shifts more often than [drift.KolmogorovSmirnov] does.
//
// Statistic is Anderson's T: nm/(n+m)² times the sum of (F-G)² over all values of both samples,
// where F and G are the empirical distribution functions ("On the distribution of the two-sample
// Cramér-von Mises criterion", 1962). EffectSize is D, as of [drift.KolmogorovSmirnov]. PValue
// is P(T >= t) over all regroupings of the values. PValue is exact if both samples have at most
// 20 values. Otherwise PValue comes from the limit distribution, with T scaled to the mean and
// variance of the limit. The scaling takes account of the sizes and ties.
//
// Without ties the numbers are SciPy's, except p-values below 1e-7, where SciPy loses digits
// to a subtraction from 1. With ties the numbers differ on purpose. SciPy's midranks make T
// grow with unequal sizes although nothing changed, and its p-value ignores ties. Here T is 0
// for equal distributions. [CramerVonMisesSciPy] returns SciPy's numbers.
//
// Equal or constant samples give a p-value of 1. Infinities are values, and -0 equals 0. A NaN
// or a sample of fewer than two values is an [*drift.InputError].
func CramerVonMises[F constraints.Float](reference, current []F) (drift.Result, error) {
	r, c, fault := sortedOf(reference, current, 2)
	if fault != nil {
		return drift.Result{}, (*drift.InputError)(fault)
	}
	n, m := len(r), len(c)
	size := float64(n + m)
	sum := 0.0                  // of ((im - jn)/(nm))²
	groups := make([]int, 0, n) // numbers of equal values, in ascending order
	i, j := 0, 0
	samples.EachValue(r, c, func(_ F, inR, inC int) {
		i, j = i+inR, j+inC
		d := float64(int64(i)*int64(m)-int64(j)*int64(n)) / (float64(n) * float64(m))
		sum += float64(inR+inC) * d * d
		groups = append(groups, inR+inC)
	})
	t := float64(n) * float64(m) / (size * size) * sum
	pValue := 0.0
	if max(n, m) <= cvmExactSize {
		lcm := float64(n / gcd(n, m) * m)
		pValue = cvmExact(math.Round(sum*lcm*lcm), n, m, groups)
	} else {
		pValue = cvmAsymptotic(t, float64(n), float64(m), groups)
	}
	return drift.Result{
		Statistic: t, PValue: pValue, EffectSize: samples.D(r, c),
		NReference: n, NCurrent: m,
	}, nil
}

// cvmExact returns the share of all regroupings in which the sum of (ia - jb)² over all values
// is at least limit. a and b are m and n divided by their greatest common divisor. i and j are
// the numbers of values up to and including a value. All sums are integers.
func cvmExact(limit float64, n, m int, groups []int) float64 {
	if limit <= 0 {
		return 1
	}
	g := gcd(n, m)
	at := func(i, j int) float64 {
		d := float64(i*(m/g) - j*(n/g))
		return d * d
	}
	forward := func(i, j, a, b int) float64 { return float64(a+b) * at(i+a, j+b) }
	backward := func(i, j, a, b int) float64 { return float64(a+b) * at(i, j) }
	pValue, _ := regrouped(limit, n, m, groups, forward, backward, math.MaxInt)
	return pValue
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// cvmAsymptotic returns P(T >= t) by the limit distribution of T, the law of Σ Z²(j)/(jπ)².
func cvmAsymptotic(t, n, m float64, groups []int) float64 {
	const smallest = 0.003 // of which the distribution function is below 1e-17
	size := n + m
	tied := tiedVariance(groups, func(below, _ float64) (before, after, square float64) {
		above := size - below
		return below * below, above * above, below * above * below * above
	})
	if tied == 0 { // all values are equal
		return 1
	}
	at, mean := 0.0, 0.0
	for _, g := range groups {
		at += float64(g)
		mean += float64(g) * at * (size - at)
	}
	mean /= size * size * (size - 1)
	x := cvmArgument(t, n, m, mean, tied)
	if x < smallest {
		return 1
	}
	return nulldist.QuadraticForm(x, func(k int, s float64) (u, factor float64) {
		root := math.Pi * (2*float64(k) - 0.5 + s/2)
		return root * root, 1 / math.Sqrt(root)
	})
}

// cvmArgument scales T to the mean and the variance of its limit. mean is the mean of T over
// all regroupings, (1+1/N)/6 without ties. The variance is Anderson's (1962, equation 14)
// times tied, the factor by which ties change the variance in the limit.
func cvmArgument(t, n, m, mean, tied float64) float64 {
	size := n + m
	variance := tied * (size + 1) / (45 * size * size) * (size - 3*(n/m+m/n)/4 - 0.5)
	return 1.0/6 + (t-mean)/math.Sqrt(45*variance)
}
