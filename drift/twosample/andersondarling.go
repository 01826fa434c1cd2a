package twosample

import (
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// AndersonDarling compares two samples of numbers by the k-sample Anderson-Darling test of
// Scholz and Stephens ("K-sample Anderson-Darling tests", 1987), for k = 2. The test sees any
// difference between the distributions, and sees differences in the tails better than
// [drift.KolmogorovSmirnov] and [CramerVonMises].
//
// Statistic is (A² - 1)/σ, as in SciPy's anderson_ksamp with midranks. A² is the midrank form
// for ties (equation 7), and σ is its standard deviation at these sizes (equation 4).
// EffectSize is D, as of [drift.KolmogorovSmirnov]. PValue is P(A² >= a²) over all regroupings
// of the values. PValue is exact if the regroupings can be counted in some milliseconds: for up
// to 30 values in all, and for more with many ties or one very small sample. Otherwise PValue
// comes from the limit distribution of A², scaled to the variance at these sizes and ties.
//
// For 31 to 40 values without ties and p-values down to 0.01, the limit is within 12 % of the
// exact p-value, mostly below it. If neither sample is more than twice as large as the other,
// the limit is within 7 %. At 0.001 the limit is up to 25 % above the exact p-value, and
// further above for smaller p-values. If one sample has only a few values, the error stays
// whatever the size of the other.
//
// SciPy's default p-value interpolates between seven critical values, is cut at 0.001 and
// 0.25, and ignores ties. [AndersonDarlingSciPy] returns that p-value.
//
// Samples that share one constant give a p-value of 1. Infinities are values, and -0 equals 0.
// A NaN, an empty sample, or fewer than four values in all is an [*drift.InputError].
func AndersonDarling[F constraints.Float](reference, current []F) (drift.Result, error) {
	result, a2, groups, err := andersonDarling(reference, current)
	if err != nil || len(groups) == 1 {
		return result, err
	}
	n, m := min(result.NReference, result.NCurrent), max(result.NReference, result.NCurrent)
	var exact bool
	if result.PValue, exact = andersonExact(a2, n, m, groups); !exact {
		result.PValue = andersonLimit(result.Statistic, groups)
	}
	return result, nil
}

// andersonDarling returns the result, A² with midranks, and the sizes of the groups of equal
// values. The p-value of the result is 1, which is right only if all values are equal.
func andersonDarling[F constraints.Float](reference, current []F) (result drift.Result, a2 float64, groups []int, err error) {
	r, c, fault := samples.Sorted(reference, current)
	if fault != nil {
		return drift.Result{}, 0, nil, (*drift.InputError)(fault)
	}
	n, m := len(r), len(c)
	if n+m < 4 {
		return drift.Result{}, 0, nil, (*drift.InputError)(samples.TooFew("reference and current", n+m, 4))
	}
	add := andersonTerm(n, m)
	i, j := 0, 0 // values below
	samples.EachValue(r, c, func(_ F, inR, inC int) {
		groups = append(groups, inR+inC)
		a2 += add(i, j, inR, inC)
		i, j = i+inR, j+inC
	})
	return drift.Result{
		Statistic: (a2 - 1) / math.Sqrt(andersonVariance(float64(n), float64(m))), PValue: 1,
		EffectSize: samples.D(r, c), NReference: n, NCurrent: m,
	}, a2, groups, nil
}

// andersonTerm returns the term of A² for a group of equal values. The group has a and b
// values in the samples of n and m values, and i and j values are below the group. For two
// samples, the sums over either sample are equal up to the factors 1/n and 1/m.
func andersonTerm(n, m int) term {
	total, nm := float64(n+m), float64(n)*float64(m)
	return func(i, j, a, b int) float64 {
		inGroup := float64(a + b)
		_, _, spread := andersonMiddle(float64(i+j)+inGroup, inGroup, total)
		if spread <= 0 { // all values are equal
			return 0
		}
		d := float64(m)*(float64(i)+float64(a)/2) - float64(n)*(float64(j)+float64(b)/2)
		return (total - 1) / total * inGroup * (d / nm) * (d / spread)
	}
}

// andersonExact returns the share of all regroupings with an A² at least as large. It reports
// false if there are too many regroupings.
func andersonExact(a2 float64, n, m int, groups []int) (pValue float64, ok bool) {
	const (
		mostMoves  = 1 << 18 // which take some milliseconds
		mostValues = 1000    // of which a float64 counts the regroupings
		rounding   = 1e-12   // of A², in terms of it
	)
	if n+m > mostValues {
		return 0, false
	}
	t := andersonTerm(n, m) // the same from either end
	return regrouped(a2*(1-rounding), n, m, groups, t, t, mostMoves)
}

// andersonLimit returns P(A² >= a²) by the limit, scaled to the variance for sizes and ties.
func andersonLimit(statistic float64, groups []int) float64 {
	size := 0.0
	for _, g := range groups {
		size += float64(g)
	}
	tied := tiedVariance(groups, func(end, inGroup float64) (before, after, square float64) {
		below, above, spread := andersonMiddle(end, inGroup, size)
		return below * below / spread, above * above / spread, 1
	})
	limit := 2 * (math.Pi*math.Pi - 9) / 3 // the variance of A² without ties
	return andersonSurvival(1 + statistic*math.Sqrt(limit/tied))
}

// andersonMiddle returns how many of size values are below and above the middle of a group.
// spread is proportional to the variance of the distribution functions at the middle.
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

// andersonSurvival returns P(A² >= x) in the limit, which is the law of Σ Z²(j)/(j(j+1)).
func andersonSurvival(x float64) float64 {
	const smallest = 0.02 // of which the distribution function is below 1e-17
	if x < smallest {
		return 1
	}
	return nulldist.QuadraticForm(x, func(k int, s float64) (u, factor float64) {
		w := 4*float64(k) + s
		u = (w*w - 1) / 4
		return u, w / (2 * math.Sqrt(math.Pi*u))
	})
}
