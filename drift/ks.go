package drift

import (
	"math"

	"golang.org/x/exp/constraints"
)

// ksExactProduct bounds the cost of the exact p-value: it takes one division for each
// pair of sizes up to n and m.
const ksExactProduct = 10_000

// KolmogorovSmirnov compares two samples of numbers by the two-sided two-sample
// Kolmogorov-Smirnov test. It sees any difference between continuous distributions: of
// place, spread or shape.
//
// Statistic and EffectSize are D, the largest distance between the two empirical
// distribution functions. PValue is P(D >= d) for samples from one continuous
// distribution: exact if the product of the sample sizes is at most 10,000 (Viehmann,
// "Numerically more stable computation of the p-values for the two-sample
// Kolmogorov-Smirnov test", 2021), else Kolmogorov's series with Vrbik's correction for
// finite samples ("Small-sample corrections to Kolmogorov-Smirnov test statistic", 2018),
// which is off by about 5 % of the p-value at most where that is above 0.001 and both
// samples have 50 values or more. With tied values the p-value is too large rather than
// too small.
//
// Infinities are values like others, -0 equals 0, a NaN or an empty sample is an
// [*InputError].
func KolmogorovSmirnov[F constraints.Float](reference, current []F) (Result, error) {
	r, err := sortedSample("reference", reference)
	if err != nil {
		return Result{}, err
	}
	c, err := sortedSample("current", current)
	if err != nil {
		return Result{}, err
	}
	n, m := len(r), len(c)
	h := ksDistance(r, c)
	d := float64(h) / (float64(n) * float64(m))
	return Result{
		Statistic:  d,
		PValue:     ksPValue(d, n, m),
		EffectSize: d,
		NReference: n,
		NCurrent:   m,
	}, nil
}

// ksDistance returns nmD for two sorted samples. It is an integer, so
// there is no rounding.
func ksDistance[F constraints.Float](r, c []F) int64 {
	n, m := int64(len(r)), int64(len(c))
	var i, j, most int64
	for i < n && j < m {
		x := min(r[i], c[j])
		for i < n && r[i] == x {
			i++
		}
		for j < m && c[j] == x {
			j++
		}
		most = max(most, abs(i*m-j*n))
	}
	return most
}

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}

// ksPValue returns P(D >= d) for samples of n and m values.
func ksPValue(d float64, n, m int) float64 {
	if n <= ksExactProduct && m <= ksExactProduct && n*m <= ksExactProduct {
		h := math.Round(d * float64(n*m)) // nmD is an integer
		return ksExact(int64(h), int64(n), int64(m))
	}
	return ksAsymptotic(d, float64(n), float64(m))
}

// ksExact is the probability that a random order of n and m values, seen as a walk from
// (0, 0) to (n, m), somewhere has |im - jn| >= h. The last step to (i, j) comes from
// (i-1, j) with probability i/(i+j). All terms are positive, so nothing cancels.
func ksExact(h, n, m int64) float64 {
	outside := make([]float64, m+1) // of a walk to (i, j), for the current i
	for i := range n + 1 {
		for j := range m + 1 {
			switch {
			case abs(i*m-j*n) >= h:
				outside[j] = 1
			case i == 0:
				outside[j] = 0
				if j > 0 {
					outside[j] = outside[j-1]
				}
			case j > 0:
				outside[j] = (float64(i)*outside[j] + float64(j)*outside[j-1]) / float64(i+j)
			}
		}
	}
	return outside[m]
}

// ksAsymptotic returns P(D >= d) from the limit distribution at a corrected argument.
func ksAsymptotic(d, n, m float64) float64 {
	if d <= 0 {
		return 1
	}
	effective := n / (n + m) * m
	z := math.Sqrt(effective)
	return kolmogorovSurvival(z*d + 1/(6*z) + (z*d-1)/(4*effective))
}

// ksDetectable returns a distance that is significant at level alpha between samples with
// the effective size nm/(n+m), if that is 3 or more: the inverse of the first term of the
// series, without the correction, which only lowers it.
func ksDetectable(alpha, effective float64) float64 {
	return min(math.Sqrt(math.Log(2/alpha)/(2*effective)), 1)
}

// kolmogorovSurvival returns P(K >= x) for the Kolmogorov distribution. Each of its two
// series converges in a few terms on its side of 1.
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
