package drift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// quadratic is a weighted sum of squares of normal variables, like X² of the chi-square
// test, whose distribution depends on how far their means are from 0, the noncentrality.
type quadratic struct {
	mean    float64 // at noncentrality 0
	weight  float64 // the common weight of the squares
	stretch float64 // how many times as fast as that of X² the variance grows
}

// below returns P(Q <= x), by the normal limit of a power of Q (Jensen and Solomon, "A
// Gaussian approximation to the distribution of a definite quadratic form", 1972).
func (q quadratic) below(x, noncentrality float64) float64 {
	first := q.mean + noncentrality
	second := q.weight*q.mean + 2*q.stretch*noncentrality
	third := q.weight*q.weight*q.mean + 3*q.stretch*q.stretch*noncentrality
	if second <= 0 {
		return 1
	}
	h := max(1-2*first*third/(3*second*second), 0.05)
	middle := 1 + second*h*(h-1)/(first*first)
	return distuv.UnitNormal.CDF((math.Pow(x/first, h) - middle) / (math.Sqrt(2*second) * h / first))
}

// noncentrality returns that at which P(Q <= x) is the probability; 0 if P is smaller at all.
func (q quadratic) noncentrality(x, probability float64) float64 {
	if q.below(x, 0) <= probability {
		return 0
	}
	lo, hi := 0.0, x+1
	for q.below(x, hi) > probability && hi < math.MaxFloat64/4 {
		hi *= 2
	}
	for range 60 {
		if middle := (lo + hi) / 2; q.below(x, middle) > probability {
			lo = middle
		} else {
			hi = middle
		}
	}
	return hi
}
