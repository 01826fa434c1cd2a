package drift

import (
	"errors"
	"fmt"
	"math"

	"golang.org/x/exp/constraints"
	"gonum.org/v1/gonum/mat"
)

const (
	// eppsLeast is the size below which the limit is no guide.
	eppsLeast = 5
	// eppsCorrected is the size of the larger sample below which W is corrected.
	eppsCorrected = 25
	// eppsUncorrectedLeast and eppsImbalance say when the limit is near enough: by
	// simulation the rate of false alarms at 5 % is then 7.5 % at most.
	eppsUncorrectedLeast = 50
	eppsImbalance        = 1.0 / 4000
	// eppsRankTolerance is the share of the largest eigenvalue of a covariance matrix at
	// which another one counts as 0.
	eppsRankTolerance = 1e-12
)

var (
	errEppsScale = errors.New("drift: Epps-Singleton: more than half of the values are equal, so the standard deviation sets the scale, not the quartiles")
	errEppsRank  = errors.New("drift: Epps-Singleton: the values are too few different ones for four dimensions")
)

// EppsSingleton compares two samples of numbers by the test of Epps and Singleton ("An
// omnibus test for the two-sample problem using the empirical characteristic function",
// 1986). Unlike tests on distribution functions it does not assume continuous values, so it
// suits counts and rounded numbers.
//
// Statistic is W, the squared distance of the two empirical characteristic functions at 0.4
// and 0.8 over half the interquartile range of both samples together, in terms of its
// covariance matrix, with the authors' correction if both samples have fewer than 25
// values. PValue is the upper tail of the chi-square distribution at as many degrees of
// freedom as the matrix has rank: 4, or fewer with a warning. EffectSize is D, as of
// [KolmogorovSmirnov].
//
// The limit is slow to come. Where the sizes differ, d = |n-m|/(n+m), and d²/min(n, m) is
// above 1/4000, or a sample of fewer than 50 values is not corrected, false alarms are more
// frequent than the p-value says (26 % at 5 % for 50 normal values against 500), here as in
// other libraries, and there is a warning.
//
// If the interquartile range is 0, the standard deviation takes its place, as it would be
// for a normal distribution, with a warning; if all values are equal, W is 0 and the
// p-value 1. A NaN, an infinity or a sample of fewer than five values is an [*InputError].
func EppsSingleton[F constraints.Float](reference, current []F) (Result, error) {
	if err := requireSizes(len(reference), len(current), eppsLeast); err != nil {
		return Result{}, err
	}
	r, c, err := sortedFinitePair(reference, current)
	if err != nil {
		return Result{}, err
	}
	n, m := float64(len(r)), float64(len(c))
	result := Result{PValue: 1, EffectSize: ksEffect(r, c), NReference: len(r), NCurrent: len(c)}
	imbalance := (n - m) / (n + m)
	corrected := max(n, m) < eppsCorrected
	if imbalance*imbalance/min(n, m) > eppsImbalance || !corrected && min(n, m) < eppsUncorrectedLeast {
		result.Warnings = append(result.Warnings,
			fmt.Errorf("drift: Epps-Singleton: sizes %d and %d are too small or too different for the p-value", len(r), len(c)))
	}
	unit, err := eppsUnitOf(r, c)
	if err != nil {
		result.Warnings = append(result.Warnings, err)
	}
	if unit.scale == 0 {
		return result, nil
	}
	meanR, covR := eppsMoments(r, unit)
	meanC, covC := eppsMoments(c, unit)
	sum := mat.NewSymDense(4, nil)
	for a := range 4 {
		for b := a; b < 4; b++ {
			sum.SetSym(a, b, (n+m)*(covR[a][b]/n+covC[a][b]/m))
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(sum, true) {
		return Result{}, errors.New("drift: Epps-Singleton: the eigenvalues of the covariance matrix do not converge")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	values := eigen.Values(nil) // ascending
	w, rank := 0.0, 0
	for k, value := range values {
		if value <= eppsRankTolerance*values[3] {
			continue
		}
		along := 0.0
		for a := range 4 {
			along += vectors.At(a, k) * (meanR[a] - meanC[a])
		}
		w += along * along / value
		rank++
	}
	w *= n + m
	if corrected {
		w /= 1 + math.Pow(n+m, -0.45) + 10.1*(math.Pow(n, -1.7)+math.Pow(m, -1.7))
	}
	result.Statistic = w
	if rank > 0 {
		result.PValue = chiSquareSurvival(w, rank)
	}
	if rank < 4 {
		result.Warnings = append(result.Warnings, errEppsRank)
	}
	return result, nil
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
	eachValue(r, c, func(inR, inC int) {
		var x float64
		if inR > 0 {
			x = float64(r[0])
		} else {
			x = float64(c[0])
		}
		r, c = r[inR:], c[inC:]
		for range inR + inC {
			pooled = append(pooled, x)
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
	both, err := spreadOf("both samples", pooled)
	if err != nil {
		return unit, err
	}
	unit.scale = normal * both.std
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

// eppsMoments returns the mean and the covariance matrix (divisor n) of the real and
// imaginary parts of exp(itx) at both points t.
func eppsMoments[F constraints.Float](values []F, unit eppsUnit) (mean [4]float64, cov [4][4]float64) {
	waves := make([][4]float64, len(values))
	n := float64(len(values))
	for i, x := range values {
		v := unit.of(float64(x))
		wave := &waves[i]
		wave[2], wave[0] = math.Sincos(0.4 * v)
		wave[3], wave[1] = math.Sincos(0.8 * v)
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
