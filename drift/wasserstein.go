package drift

import (
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// Wasserstein1 returns the Wasserstein distance of order 1 (earth mover's distance), the
// integral of the absolute difference of the two empirical distribution functions: how
// far, on average, the values must move to turn one sample into the other.
//
// Statistic is in the units of the values. EffectSize is w/(w+s), where w is the distance and s
// the standard deviation of the reference (divisor n): 0 if the samples are equal, and 1/2 if the
// values moved by one standard deviation. The unit of the values makes no difference to
// EffectSize, and a constant reference has 0 or 1. There is no null distribution, so PValue is
// NaN.
//
// A NaN, an infinity or an empty sample is an [*InputError]. A distance above the largest
// float64 is returned as that.
func Wasserstein1[F constraints.Float](reference, current []F) (Result, error) {
	r, c, fault := samples.SortedFinite(reference, current)
	if fault != nil {
		return Result{}, (*InputError)(fault)
	}
	w := wasserstein1(r, c)
	var m counting.Moments
	for _, x := range r {
		m.Add(float64(x))
	}
	return Result{
		Statistic:  w,
		PValue:     math.NaN(),
		EffectSize: samples.Relative(w, m.Std()),
		NReference: len(r),
		NCurrent:   len(c),
	}, nil
}

func wasserstein1[F constraints.Float](r, c []F) float64 {
	n, m := float64(len(r)), float64(len(c))
	var area float64
	var i, j int
	at := float64(min(r[0], c[0]))
	for i < len(r) || j < len(c) {
		var next float64
		switch {
		case i == len(r):
			next = float64(c[j])
		case j == len(c):
			next = float64(r[i])
		default:
			next = float64(min(r[i], c[j]))
		}
		// Halves, because next-at alone may overflow.
		weight := math.Abs(float64(i)/n - float64(j)/m)
		area += 2 * (weight * (next/2 - at/2))
		at = next
		for i < len(r) && float64(r[i]) == at {
			i++
		}
		for j < len(c) && float64(c[j]) == at {
			j++
		}
	}
	return min(area, math.MaxFloat64)
}
