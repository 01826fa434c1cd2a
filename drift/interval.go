package drift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// CI is a confidence interval. Over many samples, a share of about Level or more of such
// intervals contains the true value.
type CI struct {
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
	Level float64 `json:"level"`
}

// normalQuantile returns the z with P(|Z| > z) = alpha for a standard normal Z.
func normalQuantile(alpha float64) float64 { return distuv.UnitNormal.Quantile(1 - alpha/2) }

// around returns the normal interval around a value, cut to lie between 0 and most.
func around(value, deviation, alpha, most float64) CI {
	h := normalQuantile(alpha) * deviation
	if math.IsNaN(h) {
		h = math.Inf(1)
	}
	return CI{Lo: max(value-h, 0), Hi: min(value+h, most), Level: 1 - alpha}
}

// rateChangeCI returns an interval of the absolute difference of two rates, from the interval
// of the difference (Newcombe, "Interval estimation for the difference between independent
// proportions", 1998, method 10, from Wilson's intervals).
func rateChangeCI(r, n, c, m, alpha float64) CI {
	p, q := r/n, c/m
	lowP, highP := wilson(r, n, alpha)
	lowQ, highQ := wilson(c, m, alpha)
	d := q - p
	lo := d - math.Hypot(q-lowQ, highP-p)
	hi := d + math.Hypot(highQ-q, p-lowP)
	ci := CI{Lo: min(math.Abs(lo), math.Abs(hi)), Hi: min(max(math.Abs(lo), math.Abs(hi)), 1), Level: 1 - alpha}
	if lo <= 0 && hi >= 0 {
		ci.Lo = 0
	}
	return ci
}

// wilson returns Wilson's interval of the rate x/n.
func wilson(x, n, alpha float64) (lo, hi float64) {
	z := normalQuantile(alpha)
	p := x / n
	middle := p + z*z/(2*n)
	h := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return (middle - h) / (1 + z*z/n), (middle + h) / (1 + z*z/n)
}
