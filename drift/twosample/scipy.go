package twosample

import (
	"math"
	"slices"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// AndersonDarlingSciPy returns the numbers of SciPy 1.17's anderson_ksamp with midranks, for
// hosts that migrate and want to compare old and new numbers. Otherwise use [AndersonDarling],
// which has the same Statistic and EffectSize.
//
// These are known faults of the PValue, kept on purpose:
//
//   - PValue is cut to [0.001, 0.25], so it is useless for a correction over many columns.
//   - In between, PValue is a parabola fitted to the logarithms of seven levels at their
//     critical values. It is off by up to 4 % even for large samples without ties.
//   - PValue ignores that ties raise the variance of A².
//   - Small samples have the p-value of large samples.
//
// If all values are equal, SciPy fails and PValue is 1. Errors are as in [AndersonDarling].
func AndersonDarlingSciPy[F constraints.Float](reference, current []F) (drift.Result, error) {
	result, _, groups, err := andersonDarling(reference, current)
	if err != nil || len(groups) == 1 {
		return result, err
	}
	result.PValue = andersonInterpolated(result.Statistic)
	return result, nil
}

// andersonInterpolated returns the p-value of (A² - 1)/σ from the critical values of Scholz
// and Stephens (1987, table 2, for two samples): 0.325, 1.226, 1.961, 2.718, 3.752, 4.592 and
// 6.546 at the levels 0.25, 0.1, 0.05, 0.025, 0.01, 0.005 and 0.001.
func andersonInterpolated(statistic float64) float64 {
	// The least-squares parabola through the logarithms of these levels.
	const constant, linear, square = -1.0777702798204873, -1.0082265644652506, 0.018198094574111258
	switch {
	case statistic < 0.325:
		return 0.25
	case statistic > 6.546:
		return 0.001
	}
	return math.Exp(constant + statistic*(linear+statistic*square))
}

// CramerVonMisesSciPy returns the numbers of SciPy 1.17's cramervonmises_2samp, for hosts that
// migrate and want to compare old and new numbers. Otherwise use [CramerVonMises]. Without
// ties both agree, except for the last point below.
//
// Statistic is Anderson's T by its formula in ranks, with midranks for ties. PValue is exact
// if both samples have at most 20 values, else the limit. EffectSize is D.
//
// These are known faults of the procedure, kept on purpose:
//
//   - The formula in ranks holds without ties only. With ties T grows with the difference of
//     the sizes although nothing changed: 30 and 7 copies of one number have a p-value of
//     3e-11.
//   - The p-value ignores ties.
//   - The limit is 1 minus a series that ends with the first term below 1e-7, so a p-value
//     below 1e-6 means nothing: two samples of 4000 values each that do not overlap have a
//     p-value of 2e-7. SciPy's difference has some 14 decimals, so p-values below 1e-8 agree
//     only to these decimals.
//
// Errors are as in [CramerVonMises].
func CramerVonMisesSciPy[F constraints.Float](reference, current []F) (drift.Result, error) {
	r, c, fault := sortedOf(reference, current, 2)
	if fault != nil {
		return drift.Result{}, (*drift.InputError)(fault)
	}
	n, m := len(r), len(c)
	u := cvmRanks(r, c)
	k, size := float64(n)*float64(m), float64(n+m)
	result := drift.Result{
		Statistic: u/(k*size) - (4*k-1)/(6*size), EffectSize: samples.D(r, c),
		NReference: n, NCurrent: m,
	}
	if max(n, m) <= cvmExactSize {
		lcm := float64(n / gcd(n, m) * m)
		limit := math.Floor(lcm * lcm * size * (6*u - k*(4*k-1)) / (6 * k * k))
		result.PValue = cvmExact(limit, n, m, slices.Repeat([]int{1}, n+m))
	} else {
		mean := (1 + 1/size) / 6
		result.PValue = cvmSeriesSurvival(cvmArgument(result.Statistic, float64(n), float64(m), mean, 1))
	}
	return result, nil
}

// cvmRanks returns Anderson's U (1962, equation 10). U is n times the sum, over the first
// sample, of the squared difference between the rank in both samples together and the rank in
// the own sample, plus m times the same sum over the second sample. Equal values have their
// mean rank in both samples together, but successive ranks in their own sample.
func cvmRanks[F constraints.Float](r, c []F) float64 {
	n, m := float64(len(r)), float64(len(c))
	inR, inC := 0.0, 0.0 // sums of squares
	i, j := 0.0, 0.0     // values below
	samples.EachValue(r, c, func(_ F, ofR, ofC int) {
		a, b := float64(ofR), float64(ofC)
		inR += a*(j+b/2)*(j+b/2) + a*(a*a-1)/12
		inC += b*(i+a/2)*(i+a/2) + b*(b*b-1)/12
		i, j = i+a, j+b
	})
	return n*inR + m*inC
}

// cvmSeriesSurvival returns 1 minus the limit distribution function of T by the series of
// Csörgő and Faraway ("The exact and asymptotic distributions of Cramér-von Mises statistics",
// 1996, equation 1.3), cut where SciPy cuts the series.
func cvmSeriesSurvival(x float64) float64 {
	const (
		smallest = 0.003
		last     = 1e-7 // term
	)
	if x < smallest {
		return 1
	}
	sum := 0.0
	for k := 0.0; ; k++ {
		q := (4*k + 1) * (4*k + 1) / (16 * x)
		above, _ := math.Lgamma(k + 0.5)
		below, _ := math.Lgamma(k + 1)
		term := math.Exp(above-below) * math.Sqrt(4*k+1) * besselQuarter(q) / (math.Pow(math.Pi, 1.5) * math.Sqrt(x))
		sum += term
		if term < last {
			return max(1-sum, 0)
		}
	}
}

// besselQuarter returns exp(-q) K(q), where K is the modified Bessel function of the second
// kind and order 1/4: the integral of exp(-q cosh t) cosh(t/4) over t from 0 on. The
// trapezoidal rule gives all digits, because the even continuation of the integrand vanishes
// at both ends with all derivatives.
func besselQuarter(q float64) float64 {
	const step = 1.0 / 8
	sum := math.Exp(-2*q) / 2
	for t := step; ; t += step {
		value := math.Exp(-q*(1+math.Cosh(t))) * math.Cosh(t/4)
		sum += value
		if value <= 1e-18*sum {
			return sum * step
		}
	}
}

// EppsSingletonSciPy returns the numbers of SciPy 1.17's epps_singleton_2samp, for hosts that
// migrate and want to compare old and new numbers. Otherwise use [EppsSingleton], which has
// the same Statistic, EffectSize and warnings.
//
// PValue is the upper tail of the chi-square distribution at all sizes. This is a fault: if
// the sizes differ, W trusts the covariance of the smaller sample too much. At 5 % there are
// 26 % false alarms for 50 normal values against 500, and 7 % for 25 against 25. For 24
// against 24 there are 3 %, because the correction is too strong.
//
// If the interquartile range is 0, SciPy fails; here the standard deviation replaces it, as in
// [EppsSingleton]. Errors are as in [EppsSingleton].
func EppsSingletonSciPy[F constraints.Float](reference, current []F) (drift.Result, error) {
	e, err := newEppsComparison(reference, current)
	return e.result, err
}
