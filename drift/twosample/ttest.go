package twosample

import (
	"errors"
	"math"

	"golang.org/x/exp/constraints"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

var errConstantSamples = errors.New("twosample: t: both samples are constant, so nothing tells how far means differ by chance")

// WelchT compares the means of two samples of numbers by Welch's two-sided t test, which lets
// the variances differ ("The generalization of 'Student's' problem when several different
// population variances are involved", 1947). The test does not see a change that leaves the
// mean as it was. The means must be nearly normal, so heavy tails need large samples.
//
// Statistic is t, the mean of current minus the mean of reference, in units of the standard
// error. PValue is P(|T| >= |t|) with Welch and Satterthwaite's degrees of freedom. EffectSize
// is d/(d+s), where d is the distance of the means and s the standard deviation of the
// reference (divisor n): 1/2 if the mean moved by one standard deviation.
//
// Equal constants give t = 0 and p = 1. Different constants give an infinite t, p = 0 and a
// warning. A NaN, an infinity or a sample of fewer than two values is an [*drift.InputError].
func WelchT[F constraints.Float](reference, current []F) (drift.Result, error) {
	return tTest(reference, current, 2, func(r, c spread) (errR, errC, degrees float64) {
		// The standard error of a mean is std/sqrt(n-1) if std has the divisor n.
		errR, errC = r.std/math.Sqrt(r.n-1), c.std/math.Sqrt(c.n-1)
		both := math.Hypot(errR, errC)
		return errR, errC, 1 / (math.Pow(errR/both, 4)/(r.n-1) + math.Pow(errC/both, 4)/(c.n-1))
	})
}

// StudentT compares the means of two samples of numbers by Student's two-sided t test with
// pooled variance (Student, "The probable error of a mean", 1908), for variances that are
// known to be equal. If both the variances and the sizes differ, the p-value is wrong; then
// use [WelchT].
//
// Statistic is t, the mean of current minus the mean of reference, in units of the standard
// error. PValue is P(|T| >= |t|) with n + m - 2 degrees of freedom. EffectSize and constants
// are as of [WelchT].
//
// A NaN, an infinity, an empty sample, or fewer than three values in all is an
// [*drift.InputError].
func StudentT[F constraints.Float](reference, current []F) (drift.Result, error) {
	return tTest(reference, current, 1, func(r, c spread) (errR, errC, degrees float64) {
		degrees = r.n + c.n - 2
		scale := math.Sqrt((1/r.n + 1/c.n) / degrees)
		return r.std * math.Sqrt(r.n) * scale, c.std * math.Sqrt(c.n) * scale, degrees
	})
}

// spread holds what a t test needs to know of a sample; std has the divisor n.
type spread struct{ n, mean, std float64 }

// tTest runs a t test with the standard error sqrt(errR² + errC²). errorOf derives errR, errC
// and the degrees of freedom from standard deviations of at most 1.
func tTest[F constraints.Float](reference, current []F, least int, errorOf func(r, c spread) (errR, errC, degrees float64)) (drift.Result, error) {
	if fault := samples.Sizes(len(reference), len(current), least); fault != nil {
		return drift.Result{}, (*drift.InputError)(fault)
	}
	if total := len(reference) + len(current); total < 3 {
		return drift.Result{}, (*drift.InputError)(samples.TooFew("reference and current", total, 3))
	}
	if fault := samples.Finite(reference, current); fault != nil {
		return drift.Result{}, (*drift.InputError)(fault)
	}
	r, c := spreadOf(reference), spreadOf(current)
	difference := c.mean - r.mean
	result := drift.Result{
		PValue: 1, EffectSize: samples.Relative(math.Abs(difference), r.std),
		NReference: len(reference), NCurrent: len(current),
	}
	if difference == 0 {
		return result, nil
	}
	unit := max(r.std, c.std) // in which nothing overflows or vanishes
	if unit == 0 {
		result.Statistic = math.Copysign(math.Inf(1), difference)
		result.PValue = 0
		result.Warnings = []error{errConstantSamples}
		return result, nil
	}
	difference /= unit
	if math.IsInf(difference, 0) {
		difference = 2 * (c.mean/2/unit - r.mean/2/unit)
	}
	r.std /= unit
	c.std /= unit
	errR, errC, degrees := errorOf(r, c)
	result.Statistic = difference / math.Hypot(errR, errC)
	result.PValue = 2 * distuv.StudentsT{Sigma: 1, Nu: degrees}.CDF(-math.Abs(result.Statistic))
	return result, nil
}

func spreadOf[F constraints.Float](values []F) spread {
	m := counting.MomentsOf(values)
	return spread{n: float64(len(values)), mean: m.Mean(), std: m.Std()}
}
