package twosample

import (
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// EnergyDistance returns the energy distance of two samples of numbers, the square root of
// 2E|X-Y| - E|X-X'| - E|Y-Y'|. It equals the square root of twice the integral of the squared
// difference of the empirical distribution functions (Székely, "E-statistics: the energy of
// statistical samples", 2002).
//
// Statistic is in units of the square root of the values: values four times as large double
// Statistic. EffectSize is the energy coefficient, the squared distance divided by 2E|X-Y|: 0
// for equal samples, 1 for two different constants. The unit of the values makes no difference
// to EffectSize. PValue is NaN, because the null distribution depends on the distribution of
// the values. MMD of package multivariate tests a distance of the same family.
//
// A NaN, an infinity or an empty sample is an [*drift.InputError].
func EnergyDistance[F constraints.Float](reference, current []F) (drift.Result, error) {
	r, c, fault := samples.SortedFinite(reference, current)
	if fault != nil {
		return drift.Result{}, (*drift.InputError)(fault)
	}
	n, m := float64(len(r)), float64(len(c))
	var squared, across float64 // halves of the integrals of (F-G)² and of F(1-G) + G(1-F)
	var f, g, at float64
	var i, j int
	samples.EachValue(r, c, func(value F, inR, inC int) {
		x := float64(value)
		if i+j > 0 {
			halfGap := x/2 - at/2 // the whole gap may overflow
			squared += (f - g) * (f - g) * halfGap
			across += (f*(1-g) + g*(1-f)) * halfGap
		}
		at = x
		i, j = i+inR, j+inC
		f, g = float64(i)/n, float64(j)/m
	})
	effect := 0.0
	if squared > 0 {
		effect = min(squared/across, 1)
	}
	return drift.Result{
		Statistic: 2 * math.Sqrt(squared), PValue: math.NaN(), EffectSize: effect,
		NReference: len(r), NCurrent: len(c),
	}, nil
}
