package twosample

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/exp/constraints"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/mathext"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

const (
	// eppsLeast is the size below which the limit is no guide.
	eppsLeast = 5
	// eppsCorrected is the size of the larger sample below which W is corrected.
	eppsCorrected = 25
	// eppsReliable is the size of both samples from which the p-value is no rough guide.
	eppsReliable = 10
	// eppsUncorrectedLeast and eppsImbalance say when the limit of W is near enough: by
	// simulation the rate of false alarms at 5 % is then 7.5 % at most.
	eppsUncorrectedLeast = 50
	eppsImbalance        = 1.0 / 4000
	// eppsRankTolerance is the share of the largest eigenvalue of a covariance matrix at
	// which another one counts as 0.
	eppsRankTolerance = 1e-12
)

var (
	errEppsScale = errors.New("twosample: Epps-Singleton: more than half of the values are equal, so the standard deviation sets the scale, not the quartiles")
	errEppsEigen = errors.New("twosample: Epps-Singleton: the eigenvalues of the covariance matrix do not converge")
	errEppsRank  = errors.New("twosample: Epps-Singleton: the values are too few different ones for four dimensions")
)

// EppsSingleton compares two samples of numbers by the test of Epps and Singleton ("An
// omnibus test for the two-sample problem using the empirical characteristic function",
// 1986). Unlike tests on distribution functions it does not assume continuous values, so it
// suits counts and rounded numbers.
//
// Statistic is W. W is the squared distance of the two empirical characteristic functions at 0.4
// and 0.8 over half the interquartile range of both samples together, in terms of the covariance
// matrix of that distance. If both samples have fewer than 25 values, W has the authors'
// correction. PValue is the upper tail of the chi-square distribution. Its degrees of freedom
// are the rank of the matrix: 4, or fewer with a warning. EffectSize is D, as of
// [drift.KolmogorovSmirnov].
//
// The chi-square limit is reached slowly. Where the sizes differ, W takes the covariance of the
// smaller sample for far too well known: 50 normal values against 500 give 26 % false alarms at
// 5 %. So PValue has another definition if d²/min(n, m) is above 1/4000, with d = (n-m)/(n+m), or
// if a sample of fewer than 50 values is not corrected. PValue then is that of the same distance
// in terms of the covariance matrix of both samples together. The mean and the variance of this
// distance over all regroupings of the values are known exactly, and PValue comes from the gamma
// distribution with this mean and variance. [EppsSingletonSciPy] returns SciPy's p-value. Below
// ten values in a sample there is a warning, because the distribution then has a heavier tail.
//
// If the interquartile range is 0, it is derived from the standard deviation as for a normal
// distribution, with a warning. If all values are equal, W is 0 and the p-value 1. A NaN, an infinity or a sample of fewer than five values is an [*drift.InputError].
func EppsSingleton[F constraints.Float](reference, current []F) (drift.Result, error) {
	e, err := newEppsComparison(reference, current)
	if err != nil || e.rank == 0 {
		return e.result, err
	}
	n, m := float64(len(e.reference)), float64(len(e.current))
	imbalance := (n - m) / (n + m)
	if imbalance*imbalance/min(n, m) > eppsImbalance || !e.corrected && min(n, m) < eppsUncorrectedLeast {
		var ok bool
		if e.result.PValue, ok = eppsRegrouped(e.reference, e.current, e.difference); !ok {
			return drift.Result{}, errEppsEigen
		}
	}
	return e.result, nil
}

// eppsComparison is the test with the limit of W, and what it takes to do without that.
type eppsComparison struct {
	result             drift.Result
	reference, current [][4]float64 // waves
	difference         [4]float64   // of their means
	rank               int          // of the covariance matrix; 0 if all values are equal
	corrected          bool
}

func newEppsComparison[F constraints.Float](reference, current []F) (eppsComparison, error) {
	if fault := samples.Sizes(len(reference), len(current), eppsLeast); fault != nil {
		return eppsComparison{}, (*drift.InputError)(fault)
	}
	r, c, fault := samples.SortedFinite(reference, current)
	if fault != nil {
		return eppsComparison{}, (*drift.InputError)(fault)
	}
	n, m := float64(len(r)), float64(len(c))
	e := eppsComparison{result: drift.Result{PValue: 1, EffectSize: samples.D(r, c), NReference: len(r), NCurrent: len(c)}}
	if min(n, m) < eppsReliable {
		e.warn(fmt.Errorf("twosample: Epps-Singleton: a sample of %v values is small for the p-value", min(n, m)))
	}
	unit, err := eppsUnitOf(r, c)
	if err != nil {
		e.warn(err)
	}
	if unit.scale == 0 {
		return e, nil
	}
	e.reference, e.current = eppsWaves(r, unit), eppsWaves(c, unit)
	meanR, covR := eppsMoments(e.reference)
	meanC, covC := eppsMoments(e.current)
	var covariance [4][4]float64
	for a := range 4 {
		e.difference[a] = meanR[a] - meanC[a]
		for b := a; b < 4; b++ {
			covariance[a][b] = (n + m) * (covR[a][b]/n + covC[a][b]/m)
		}
	}
	metric, ok := newEppsMetric(covariance)
	if !ok {
		return eppsComparison{}, errEppsEigen
	}
	w := (n + m) * metric.square(e.difference)
	e.corrected = max(n, m) < eppsCorrected
	if e.corrected {
		w /= 1 + math.Pow(n+m, -0.45) + 10.1*(math.Pow(n, -1.7)+math.Pow(m, -1.7))
	}
	e.result.Statistic = w
	e.rank = len(metric)
	if e.rank > 0 {
		e.result.PValue = nulldist.ChiSquare(w, e.rank)
	}
	if e.rank < 4 {
		e.warn(errEppsRank)
	}
	return e, nil
}

func (e *eppsComparison) warn(err error) { e.result.Warnings = append(e.result.Warnings, err) }

// eppsMetric holds the directions of a covariance matrix that vary, each divided by its
// standard deviation.
type eppsMetric [][4]float64

// newEppsMetric takes the upper triangle of a covariance matrix. It reports false if the
// eigenvalues do not converge.
func newEppsMetric(covariance [4][4]float64) (eppsMetric, bool) {
	sym := mat.NewSymDense(4, nil)
	for a := range 4 {
		for b := a; b < 4; b++ {
			sym.SetSym(a, b, covariance[a][b])
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(sym, true) {
		return nil, false
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	values := eigen.Values(nil) // ascending
	var metric eppsMetric
	for k, value := range values {
		if value <= eppsRankTolerance*values[3] {
			continue
		}
		var direction [4]float64
		for a := range direction {
			direction[a] = vectors.At(a, k) / math.Sqrt(value)
		}
		metric = append(metric, direction)
	}
	return metric, true
}

// square returns the squared length of d in terms of the covariance matrix.
func (e eppsMetric) square(d [4]float64) float64 {
	sum := 0.0
	for _, direction := range e {
		along := 0.0
		for a, x := range d {
			along += direction[a] * x
		}
		sum += along * along
	}
	return sum
}

// eppsRegrouped returns the p-value of the difference of the mean waves in terms of the
// covariance matrix of both samples together, over all regroupings of the waves into
// samples of these sizes. It reports false if the eigenvalues do not converge.
//
// Let y be the waves less their mean in terms of that matrix (divisor N-1), of rank k. The
// squared distance is N/(nm) times that of 0 to the sum of the y of one sample. Over all
// regroupings its mean is k, and its variance follows from Σ |y|⁴ alone, as Σ y is 0 and
// Σ yyᵀ is N-1 times the identity.
func eppsRegrouped(r, c [][4]float64, difference [4]float64) (pValue float64, ok bool) {
	n, m := float64(len(r)), float64(len(c))
	size := n + m
	waves := slices.Concat(r, c)
	mean, covariance := eppsMoments(waves)
	for a := range 4 {
		for b := range 4 {
			covariance[a][b] *= size / (size - 1)
		}
	}
	metric, ok := newEppsMetric(covariance)
	if !ok || len(metric) == 0 {
		return 1, ok
	}
	fourth := 0.0 // Σ |y|⁴
	for _, wave := range waves {
		for a := range wave {
			wave[a] -= mean[a]
		}
		square := metric.square(wave)
		fourth += square * square
	}
	// The chances that one, two, three and four given values are in the first sample.
	p1 := n / size
	p2 := p1 * (n - 1) / (size - 1)
	p3 := p2 * (n - 2) / (size - 2)
	p4 := p3 * (n - 3) / (size - 3)
	k := float64(len(metric))
	pairs := (k*k + 2*k) * (size - 1) * (size - 1) // (Σ |y|²)² + 2 Σ (y·y')² over all pairs
	square := fourth*(p1-7*p2+12*p3-6*p4) + pairs*(p2-2*p3+p4)
	variance := math.Pow(size/(n*m), 2)*square - k*k
	if !(variance > 0) {
		return 1, true // no regrouping differs from another
	}
	t := n / size * m * metric.square(difference)
	return mathext.GammaIncRegComp(k*k/variance, t*k/variance), true
}

// eppsUnit makes values free of their unit. W does not depend on the centre, but its
// rounding errors do.
type eppsUnit struct{ centre, scale float64 }

func (u eppsUnit) of(x float64) float64 {
	v := (x/2 - u.centre/2) / u.scale * 2
	return min(max(v, -math.MaxFloat64), math.MaxFloat64)
}

// eppsUnitOf returns the median and half the interquartile range of both samples together.
// The error is a warning.
func eppsUnitOf[F constraints.Float](r, c []F) (eppsUnit, error) {
	pooled := make([]float64, 0, len(r)+len(c))
	samples.EachValue(r, c, func(x F, inR, inC int) {
		for range inR + inC {
			pooled = append(pooled, float64(x))
		}
	})
	unit := eppsUnit{
		centre: quantileOfSorted(pooled, 0.5),
		scale:  quantileOfSorted(pooled, 0.75)/2 - quantileOfSorted(pooled, 0.25)/2,
	}
	if unit.scale > 0 {
		return unit, nil
	}
	const normal = 0.6744897501960817 // half the interquartile range of the standard normal
	unit.scale = normal * spreadOf(pooled).std
	if unit.scale == 0 {
		return unit, nil
	}
	return unit, errEppsScale
}

// quantileOfSorted interpolates linearly between the values next to q(n-1).
func quantileOfSorted(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	low, high := sorted[i], sorted[min(i+1, len(sorted)-1)]
	return low + 2*((at-float64(i))*(high/2-low/2)) // the whole gap may overflow
}

// eppsWaves returns the real and imaginary parts of exp(itx) at both points t.
func eppsWaves[F constraints.Float](values []F, unit eppsUnit) [][4]float64 {
	waves := make([][4]float64, len(values))
	for i, x := range values {
		v := unit.of(float64(x))
		waves[i][2], waves[i][0] = math.Sincos(0.4 * v)
		waves[i][3], waves[i][1] = math.Sincos(0.8 * v)
	}
	return waves
}

// eppsMoments returns the mean and the upper triangle of the covariance matrix (divisor n).
func eppsMoments(waves [][4]float64) (mean [4]float64, cov [4][4]float64) {
	n := float64(len(waves))
	for _, wave := range waves {
		for a := range 4 {
			mean[a] += wave[a] / n
		}
	}
	for _, wave := range waves {
		for a := range 4 {
			for b := a; b < 4; b++ {
				cov[a][b] += (wave[a] - mean[a]) * (wave[b] - mean[b]) / n
			}
		}
	}
	return mean, cov
}
