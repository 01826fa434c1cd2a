// Package nulldist has the null distributions of test statistics.
package nulldist

import "math"

// QuadraticForm returns P(Q >= x) for Q = Σ Z²(j)/μ(j) with independent standard normal Z(j)
// and distinct μ(1) < μ(2) < ..., the limit in law of the Cramér-von Mises and Anderson-Darling
// statistics, by Smirnov's formula ("Sur la distribution de ω²", 1936): the sum over k of
//
//	(-1)^(k+1)/π ∫ exp(-xu/2) / (u sqrt|D(u)|) du, u from μ(2k-1) to μ(2k),
//
// where D(u) is the product of all 1 - u/μ(j). Nothing is subtracted from 1, so the relative
// error stays below 1e-10 in the far tail too.
//
// at maps s from -1 to 1 to u in the k-th interval. D(u) and cos(πs/2) are 0 at the same ends.
// at returns u and the factor of the integrand next to exp(-xu/2)/sqrt(cos(πs/2)).
func QuadraticForm(x float64, at func(k int, s float64) (u, factor float64)) float64 {
	const (
		nodes      = 64 // of Gauss and Chebyshev's rule, whose weight has the same singularities
		negligible = 1e-18
	)
	sum, sign := 0.0, 1.0
	for k := 1; ; k++ {
		term, largest := 0.0, 0.0
		for i := range nodes {
			theta := (float64(i) + 0.5) * math.Pi / nodes
			sin, s := math.Sincos(theta)
			edge := 2 * math.Pow(math.Sin(min(theta, math.Pi-theta)/2), 2) // 1 - |s|
			u, factor := at(k, s)
			f := factor * math.Exp(-x*u/2) * sin / math.Sqrt(math.Sin(math.Pi/2*edge))
			term += f
			largest = max(largest, f)
		}
		sum += sign * term * math.Pi / nodes
		if largest <= negligible*math.Abs(sum) || largest == 0 {
			return min(max(sum, 0), 1)
		}
		sign = -sign
	}
}
