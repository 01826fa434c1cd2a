package nulldist

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Quadratic is a weighted sum of squares of normal variables, like X² of the chi-square test.
// The noncentrality measures how far the means of the variables are from 0.
type Quadratic struct {
	Mean    float64 // at noncentrality 0
	Weight  float64 // the common weight of the squares
	Stretch float64 // how many times as fast as that of X² the variance grows
}

// below returns P(Q <= x) by the normal limit of a power of Q (Jensen and Solomon, "A Gaussian
// approximation to the distribution of a definite quadratic form", 1972).
func (q Quadratic) below(x, noncentrality float64) float64 {
	first := q.Mean + noncentrality
	second := q.Weight*q.Mean + 2*q.Stretch*noncentrality
	third := q.Weight*q.Weight*q.Mean + 3*q.Stretch*q.Stretch*noncentrality
	if second <= 0 {
		return 1
	}
	h := max(1-2*first*third/(3*second*second), 0.05)
	middle := 1 + second*h*(h-1)/(first*first)
	return distuv.UnitNormal.CDF((math.Pow(x/first, h) - middle) / (math.Sqrt(2*second) * h / first))
}

// Noncentrality returns the noncentrality at which P(Q <= x) equals probability, or 0 if P(Q
// <= x) is smaller at any noncentrality.
func (q Quadratic) Noncentrality(x, probability float64) float64 {
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
