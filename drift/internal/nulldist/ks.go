package nulldist

import "math"

const (
	// ksExactSteps bounds the steps of an exact p-value of two samples: about 50 ms.
	ksExactSteps = 20_000_000
	// ksQuickSteps bounds the steps of an exact p-value of two profiles: about 100 µs, because
	// a pass looks at hundreds of columns.
	ksQuickSteps = 40_000
	// Below ksNegligible nobody needs another digit of a p-value. If both samples have at
	// least ksLarge values, the series tells reliably that a p-value is that small.
	ksNegligible = 1e-15
	ksLarge      = 1000
)

// KS returns P(nmD >= h) of the two-sample Kolmogorov-Smirnov test for samples of n and m
// values. The result is exact if that takes about 50 ms at most.
func KS(h int64, n, m int) float64 {
	if n == m {
		return KSEqual(float64(h/int64(n)), float64(n))
	}
	limit := ksAsymptotic(float64(h)/(float64(n)*float64(m)), float64(n), float64(m))
	steps := ksSteps(float64(h), n, m)
	if steps > ksExactSteps || steps > ksQuickSteps && min(n, m) >= ksLarge && limit < ksNegligible {
		return limit
	}
	return ksExact(h, int64(n), int64(m))
}

// KSQuick returns P(D >= d) for samples of n and m values in 100 µs at most.
func KSQuick(d float64, n, m int) float64 {
	if h := math.Round(d * float64(n) * float64(m)); ksSteps(h, n, m) <= ksQuickSteps { // nmD is an integer
		return ksExact(int64(h), int64(n), int64(m))
	}
	return ksAsymptotic(d, float64(n), float64(m))
}

// ksSteps returns about how many steps ksExact takes.
func ksSteps(h float64, n, m int) float64 { return 2*h + float64(n) + float64(m) }

// KSEqual returns P(nD >= h) for two samples of n values: twice the alternating sum of
// C(2n, n-kh)/C(2n, n) over k from 1, in Horner's form.
func KSEqual(h, n float64) float64 {
	if h == 0 {
		return 1
	}
	// The terms fall like exp(-(kh)²/n). A term of exp(-41) times the first term is negligible.
	p := 0.0
	for k := math.Floor(min(n/h, math.Sqrt(41*n+h*h)/h)); k >= 0; k-- {
		// ratio is the ratio of the terms k+1 and k. A factor of 0 comes before any negative
		// factor. Numbers below the smallest normal number would be rounded up again and again.
		ratio := 1.0
		for j := 0.0; j < h && ratio > 0; j++ {
			ratio *= (n - k*h - j) / (n + k*h + 1 + j)
			if ratio < 0x1p-1022 {
				ratio = 0
			}
		}
		p = ratio * (1 - p)
	}
	return min(2*p, 1)
}

// ksExact returns the probability that a random order of n and m values has |im - jn| >= h
// somewhere. An order is a walk from (0, 0) to (n, m). The last step to (i, j) comes from
// (i-1, j) with probability i/(i+j). All terms are positive, so nothing cancels. Only the band
// with |im - jn| < h is walked. Outside the band the probability is 1.
func ksExact(h, n, m int64) float64 {
	if h <= 0 {
		return 1
	}
	if n < m {
		n, m = m, n // the shorter side in memory
	}
	outside := make([]float64, m+1) // of a walk to (i, j), for the current i
	for j := range outside {
		if int64(j)*n >= h {
			outside[j] = 1
		}
	}
	first := int64(0)
	for i := int64(1); i <= n; i++ {
		for ; first <= m && i*m-first*n >= h; first++ {
			outside[first] = 1
		}
		start := max(first, 1)
		last := min((h+i*m-1)/n, m) // of those with jn - im < h
		if start > last {
			continue
		}
		before := outside[start-1]
		for k := range outside[start : last+1] {
			j := start + int64(k)
			share := 1 / float64(i+j)
			// Nothing but the last two operations waits for the step before.
			before = outside[j]*(float64(i)*share) + before*(float64(j)*share)
			outside[j] = before
		}
	}
	return min(outside[m], 1)
}

// ksAsymptotic returns P(D >= d) from the limit distribution at the corrected argument.
func ksAsymptotic(d, n, m float64) float64 {
	if d <= 0 {
		return 1
	}
	effective := n / (n + m) * m
	z := math.Sqrt(effective)
	return kolmogorovSurvival(z*d + 1/(6*z) + (z*d-1)/(4*effective))
}

// KSDetectable returns a distance that is significant at level alpha for the effective size
// nm/(n+m), which must be at least 3. The distance is the inverse of the first term of the
// series. The correction for finite samples would only lower the distance, and is left out.
func KSDetectable(alpha, effective float64) float64 {
	return min(math.Sqrt(math.Log(2/alpha)/(2*effective)), 1)
}

// kolmogorovSurvival returns P(K >= x) for the Kolmogorov distribution. It picks the series
// that converges faster.
func kolmogorovSurvival(x float64) float64 {
	const terms = 10
	if x <= 0 {
		return 1
	}
	sum := 0.0
	if x < 1 {
		for k := 1; k <= terms; k++ {
			odd := float64(2*k-1) * math.Pi / x
			sum += math.Exp(-odd * odd / 8)
		}
		return 1 - math.Sqrt(2*math.Pi)/x*sum
	}
	sign := 1.0
	for k := 1; k <= terms; k++ {
		sum += sign * math.Exp(-2*float64(k*k)*x*x)
		sign = -sign
	}
	return 2 * sum
}
