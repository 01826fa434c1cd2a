package drift

import (
	"math"
	"slices"

	"golang.org/x/exp/constraints"
)

const (
	// ksExactSteps is how many steps an exact p-value of two samples may take: about 50 ms.
	ksExactSteps = 20_000_000
	// ksExactProfileSteps is the same of a column of two profiles, of which a pass looks at
	// hundreds: about 100 µs.
	ksExactProfileSteps = 40_000
	// ksNegligible is a p-value of which nobody needs another digit, and ksLarge the size of
	// both samples from which the series can be trusted to say so.
	ksNegligible = 1e-15
	ksLarge      = 1000
	// ksCountMin is the size of both samples from which it takes longer to sort them than to
	// count them.
	ksCountMin = 4_000
)

// KolmogorovSmirnov compares two samples of numbers by the two-sided two-sample
// Kolmogorov-Smirnov test. It sees any difference between continuous distributions: of
// place, spread or shape.
//
// Statistic and EffectSize are D, the largest distance between the two empirical
// distribution functions. PValue is P(D >= d) for samples from one continuous
// distribution: exact if the sample sizes n and m are equal, or if 2Dnm + n + m is at most
// 2·10⁷ (Viehmann, "Numerically more stable computation of the p-values for the two-sample
// Kolmogorov-Smirnov test", 2021); else Kolmogorov's series with Vrbik's correction for
// finite samples ("Small-sample corrections to Kolmogorov-Smirnov test statistic", 2018),
// which is off by about 5 % of the p-value at most where that is above 0.001 and both
// samples have 50 values or more. With tied values the p-value is too large rather than too
// small.
//
// SciPy's ks_2samp is exact up to 10,000 values and beyond takes the distribution of one
// sample of nm/(n+m) values for the limit. The two agree where both are exact, except below
// 1e-15 between large samples, where this may be the series.
//
// Infinities are values like others, -0 equals 0, a NaN or an empty sample is an
// [*InputError].
func KolmogorovSmirnov[F constraints.Float](reference, current []F) (Result, error) {
	if doubles, ok := any(current).([]float64); ok && ksCountable(len(reference), len(current)) {
		if h, ok := ksCounted(any(reference).([]float64), doubles); ok {
			return ksResult(h, len(reference), len(current)), nil
		}
	}
	r, c, err := sortedPair(reference, current)
	if err != nil {
		return Result{}, err
	}
	return ksResult(ksDistance(r, c), len(r), len(c)), nil
}

// ksCountable reports whether two samples of n and m values can be counted and should be.
func ksCountable(n, m int) bool { return min(n, m) >= ksCountMin && max(n, m) <= maxCounted }

// ksCounted returns nmD of samples that are not sorted: both are counted on a grid fitted to
// some values of the reference, about one for two cells, and only where that leaves open
// whether the largest distance is inside a cell, its values are sorted. It returns false if a
// value is NaN.
func ksCounted(reference, current []float64) (h int64, ok bool) {
	step := max(2*len(reference)/cellsFor(len(reference)), 1)
	some := make([]float64, 0, len(reference)/step+1)
	for i := 0; i < len(reference); i += step {
		some = append(some, reference[i])
	}
	if slices.ContainsFunc(some, math.IsNaN) {
		return 0, false
	}
	sortFloats(some)
	g := fineGrid(some, len(reference))
	r, c := new(cellCount), new(cellCount)
	both := func(do func(k *cellCount, values []float64)) {
		work(2, len(reference)+len(current), func(i int) {
			if i == 0 {
				do(r, reference)
			} else {
				do(c, current)
			}
		})
	}
	both(func(k *cellCount, values []float64) { k.add(&g, values) })
	if !r.numbers || !c.numbers {
		return 0, false
	}
	n, m := int64(len(reference)), int64(len(current))
	h = c.compare(&r.counts, n)
	r.opened = slices.Clone(c.opened)
	both(func(k *cellCount, _ []float64) { k.gather() })
	return c.distance(h, n, m, func(i int) []float64 {
		inside := r.gathered(i)
		sortFloats(inside)
		return inside
	}), true
}

// ksResult returns the Result of samples of n and m values with nmD = h.
func ksResult(h int64, n, m int) Result {
	d := float64(h) / (float64(n) * float64(m))
	return Result{
		Statistic:  d,
		PValue:     ksSamplePValue(h, n, m),
		EffectSize: d,
		NReference: n,
		NCurrent:   m,
	}
}

// ksDistance returns nmD for two sorted samples. It is an integer, so
// there is no rounding.
func ksDistance[F constraints.Float](r, c []F) int64 {
	return ksDistanceFrom(r, c, 0, 0, int64(len(r)), int64(len(c)))
}

// ksDistanceFrom returns the largest |im - jn| inside sorted parts of two samples of n and
// m values, of which i and j values come before the parts.
func ksDistanceFrom[F constraints.Float](r, c []F, i, j, n, m int64) int64 {
	var most int64
	for len(r) > 0 && len(c) > 0 {
		x := min(r[0], c[0])
		for len(r) > 0 && r[0] == x {
			r = r[1:]
			i++
		}
		for len(c) > 0 && c[0] == x {
			c = c[1:]
			j++
		}
		most = max(most, abs(i*m-j*n))
	}
	return most
}

// ksDistanceInside is ksDistanceFrom if only the reference's part is sorted. It may sort that
// of the current sample, but does not where the reference has a single number, however often.
func ksDistanceInside(r, c []float64, i, j, n, m int64) int64 {
	if !constant(r) {
		sortFloats(c)
		return ksDistanceFrom(r, c, i, j, n, m)
	}
	below, upTo := j, j
	for _, x := range c {
		if x < r[0] {
			below++
		}
		if x <= r[0] {
			upTo++
		}
	}
	return max(abs(i*m-below*n), abs((i+int64(len(r)))*m-upTo*n))
}

// constant reports whether all values, of which there is one at least, are equal.
func constant(values []float64) bool {
	for _, x := range values {
		if x != values[0] {
			return false
		}
	}
	return true
}

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}

// ksEffect returns D of two sorted samples.
func ksEffect[F constraints.Float](r, c []F) float64 {
	return float64(ksDistance(r, c)) / (float64(len(r)) * float64(len(c)))
}

// ksSamplePValue returns P(nmD >= h) for samples of n and m values.
func ksSamplePValue(h int64, n, m int) float64 {
	if n == m {
		return ksExactEqual(float64(h/int64(n)), float64(n))
	}
	limit := ksAsymptotic(float64(h)/(float64(n)*float64(m)), float64(n), float64(m))
	steps := ksSteps(float64(h), n, m)
	if steps > ksExactSteps || steps > ksExactProfileSteps && min(n, m) >= ksLarge && limit < ksNegligible {
		return limit
	}
	return ksExact(h, int64(n), int64(m))
}

// ksPValue returns P(D >= d) for samples of n and m values in 100 µs at most.
func ksPValue(d float64, n, m int) float64 {
	if h := math.Round(d * float64(n) * float64(m)); ksSteps(h, n, m) <= ksExactProfileSteps { // nmD is an integer
		return ksExact(int64(h), int64(n), int64(m))
	}
	return ksAsymptotic(d, float64(n), float64(m))
}

// ksSteps returns about how many steps ksExact takes.
func ksSteps(h float64, n, m int) float64 { return 2*h + float64(n) + float64(m) }

// ksExactEqual returns P(nD >= h) for two samples of n values: twice the alternating sum of
// C(2n, n-kh)/C(2n, n) over k from 1, in Horner's form.
func ksExactEqual(h, n float64) float64 {
	if h == 0 {
		return 1
	}
	// The terms fall like exp(-(kh)²/n); what is exp(-41) of the first is nothing beside it.
	p := 0.0
	for k := math.Floor(min(n/h, math.Sqrt(41*n+h*h)/h)); k >= 0; k-- {
		// The ratio of the terms k+1 and k, in factors of which four do not overflow. Before
		// one is negative there is one of 0.
		ratio, over, under := 1.0, n-k*h, n+k*h+1
		j := h
		for ; j >= 4 && ratio > 0; j -= 4 {
			ratio *= over * (over - 1) * (over - 2) * (over - 3) / (under * (under + 1) * (under + 2) * (under + 3))
			over, under = over-4, under+4
		}
		for ; j > 0 && ratio > 0; j-- {
			ratio *= over / under
			over, under = over-1, under+1
		}
		p = ratio * (1 - p)
	}
	return min(2*p, 1)
}

// ksExact is the probability that a random order of n and m values, seen as a walk from
// (0, 0) to (n, m), somewhere has |im - jn| >= h. The last step to (i, j) comes from
// (i-1, j) with probability i/(i+j). All terms are positive, so nothing cancels. Only the
// band inside is walked; outside it the probability is 1.
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
