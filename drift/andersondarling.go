package drift

import (
	"math"

	"golang.org/x/exp/constraints"
)

// AndersonDarling compares two samples of numbers by the k-sample Anderson-Darling test of
// Scholz and Stephens ("K-sample Anderson-Darling tests", 1987), for k = 2. It sees any
// difference between the distributions, and differences in the tails better than
// [KolmogorovSmirnov] and [CramerVonMises] do.
//
// Statistic is (A² - 1)/σ, where A² is the midrank form for tied values (equation 7) and σ
// its standard deviation at these sizes (equation 4). PValue is P(A² >= a²) by the limit
// distribution of A², brought to the variance at these sizes and ties; it has no cap.
// EffectSize is D, as of [KolmogorovSmirnov].
//
// The statistic is SciPy's, the p-value on purpose is not: SciPy interpolates between seven
// critical values and cuts at 0.001 and 0.25. In between the two differ by 4 % of the p-value
// at most without ties, while with many it takes no account of them and is too small.
//
// Samples that share one constant give a p-value of 1. Infinities are values like others,
// -0 equals 0. A NaN, an empty sample, or fewer than four values in all is an
// [*InputError].
func AndersonDarling[F constraints.Float](reference, current []F) (Result, error) {
	r, c, err := sortedPair(reference, current)
	if err != nil {
		return Result{}, err
	}
	n, m := len(r), len(c)
	if n+m < 4 {
		return Result{}, tooFew("reference and current", n+m, 4)
	}
	sigma := math.Sqrt(andersonVariance(float64(n), float64(m)))
	a2, groups := andersonDarling(r, c)
	statistic := (a2 - 1) / sigma
	pValue := 1.0
	if len(groups) > 1 {
		size := float64(n + m)
		tied := tiedVariance(groups, func(end, inGroup float64) (before, after, square float64) {
			below, above, spread := andersonMiddle(end, inGroup, size)
			return below * below / spread, above * above / spread, 1
		})
		limit := 2 * (math.Pi*math.Pi - 9) / 3 // the variance of A² without ties
		pValue = andersonSurvival(1 + statistic*math.Sqrt(limit/tied))
	}
	return Result{
		Statistic:  statistic,
		PValue:     pValue,
		EffectSize: ksEffect(r, c),
		NReference: n,
		NCurrent:   m,
	}, nil
}

// andersonDarling returns A² with midranks, and the numbers of equal values. For two samples
// the sums over either of them are equal but for the factors 1/n and 1/m.
func andersonDarling[F constraints.Float](r, c []F) (a2 float64, groups []int) {
	n, m := float64(len(r)), float64(len(c))
	sum := 0.0
	i, j := 0.0, 0.0 // values below
	eachValue(r, c, func(inR, inC int) {
		groups = append(groups, inR+inC)
		a, b := float64(inR), float64(inC)
		d := m*(i+a/2) - n*(j+b/2)
		i, j = i+a, j+b
		if _, _, spread := andersonMiddle(i+j, a+b, n+m); spread > 0 { // else all values are equal
			sum += (a + b) * (d / (n * m)) * (d / spread)
		}
	})
	return (n + m - 1) / (n + m) * sum, groups
}

// andersonMiddle returns how many of size values are below and above the middle of a group,
// and what is proportional to the variance of the distribution functions there.
func andersonMiddle(end, inGroup, size float64) (below, above, spread float64) {
	below = end - inGroup/2
	above = size - below
	return below, above, below*above - size*inGroup/4
}

// andersonVariance returns the variance of A² of continuous samples (Scholz and Stephens,
// equation 4, k = 2).
func andersonVariance(n, m float64) float64 {
	total := n + m
	inverse := 1/n + 1/m
	var h, g float64 // h = Σ 1/i to N-1; g = Σ 1/((N-i)j) over 1 <= i < j < N
	for j := 2.0; j < total; j++ {
		h += 1 / (total - j + 1)
		g += h / j
	}
	h++
	a := 4*g - 6 + (10-6*g)*inverse
	b := 4*(2*g-4) + 16*h + (2*g-14*h-4)*inverse - 8*h + 4*g - 6
	c := 4*(6*h+2*g-2) + 2*(4*h-4*g+6) + (2*h-6)*inverse + 4*h
	d := 4*(2*h+6) - 8*h
	return (a + (b+(c+d/total)/total)/total) / ((1 - 1/total) * (1 - 2/total) * (1 - 3/total))
}

// andersonSurvival returns P(A² >= x) in the limit, that of Σ Z²(j)/(j(j+1)).
func andersonSurvival(x float64) float64 {
	const smallest = 0.02 // of which the distribution function is below 1e-17
	if x < smallest {
		return 1
	}
	return quadraticFormSurvival(x, func(k int, s float64) (u, factor float64) {
		w := 4*float64(k) + s
		u = (w*w - 1) / 4
		return u, w / (2 * math.Sqrt(math.Pi*u))
	})
}
