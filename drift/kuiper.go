package drift

import (
	"math"
	"sort"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// MethodKuiper is Kuiper's test on the cells of a numeric column. Infinities are values. The
// interval comes from the limit of the largest error of V.
//
// In [Profile.Compare] Statistic is V at the ends of cells. V of the rows is at least that, so
// Lo is Statistic. Hi is the largest V that is possible with these counts. The smaller V has
// the larger p-value, so the p-value errs to the side of no drift.
const MethodKuiper Method = "kuiper"

var kuiperMethod = gapMethod{
	statistic:  func(above, below float64) float64 { return above + below },
	pValue:     func(v float64, n, m int) float64 { return kuiperPValue(v, n, m, kuiperQuickSteps) },
	detectable: kuiperDetectable,
	noise:      math.Pi * math.Pi / 6,
	symbol:     "V",
	changed:    ": Kuiper's V is ",
}.method(MethodInfo{
	Name: MethodKuiper, Title: "Kuiper",
	Effect: "V is the largest difference between the shares of values in any one interval, from 0 to 1. " +
		"Its interval is the observed V and, on either side, the limit of its largest error.",
})

// Kuiper compares two samples of numbers by Kuiper's two-sample test ("Tests concerning random
// points on a circle", 1960). Unlike [KolmogorovSmirnov], the test sees a change in the tails,
// or of the spread, as well as a change in the middle. On a circle, such as hours of the day,
// the result does not depend on where the circle is cut.
//
// Statistic and EffectSize are V, the largest distance by which the distribution function of
// current is above that of reference plus the largest distance by which it is below. PValue is
// P(V >= v) for samples from one continuous distribution. For small samples PValue is exact to
// ten digits after the point: up to about 60 values each, or 400 if the sizes are equal.
//
// For larger samples PValue is Kuiper's limit at Stephens' argument ("Use of the
// Kolmogorov-Smirnov, Cramer-von Mises and related statistics without extensive tables",
// 1970). V is taken half a step smaller, because V takes few values if the sizes have a large
// common divisor. This p-value errs to the larger side, by up to a half of it where it
// matters. For a sample of five values or less the p-value is enlarged to do so. With ties the
// p-value is too large rather than too small. A sample of one value has the p-value 1.
//
// Infinities are values, and -0 equals 0. A NaN or an empty sample is an [*InputError].
func Kuiper[F constraints.Float](reference, current []F) (Result, error) {
	r, c, fault := samples.Sorted(reference, current)
	if fault != nil {
		return Result{}, (*InputError)(fault)
	}
	n, m := len(r), len(c)
	var i, j, above, below int64
	samples.EachValue(r, c, func(_ F, inR, inC int) {
		i, j = i+int64(inR), j+int64(inC)
		ahead := i*int64(m) - j*int64(n)
		above, below = max(above, ahead), max(below, -ahead)
	})
	v := float64(above+below) / (float64(n) * float64(m))
	return Result{Statistic: v, PValue: kuiperPValue(v, n, m, kuiperSteps), EffectSize: v, NReference: n, NCurrent: m}, nil
}

// The steps that an exact p-value may take: about 5 ms for two samples, and 100 µs for two
// profiles, because a pass looks at hundreds of columns.
const (
	kuiperSteps      = 2_000_000
	kuiperQuickSteps = 40_000
)

// kuiperPValue returns P(V >= v) for samples of n and m values.
func kuiperPValue(v float64, n, m int, most float64) float64 {
	step := float64(commonDivisor(n, m)) // nmV is a multiple
	h := math.Round(v * float64(n) * float64(m))
	least := min(n, m)
	if h == 0 || least == 1 { // a single value is always V = 1 away, but for ties
		return 1
	}
	if 2*h/step*(h+float64(n)+float64(m)) <= most {
		const digits = 1e-10 // less has no digits left after the subtraction from 1
		if p := kuiperExact(int64(h), int64(step), int64(n), int64(m)); p > digits {
			return p
		}
	}
	root := math.Sqrt(float64(n) / float64(n+m) * float64(m))
	p := kuiperSurvival((root + 0.155 + 0.24/root) * (v - step/2/float64(n)/float64(m)))
	if least <= 5 { // the limit is too small by up to a third there
		p = min(1.6*p, 1)
	}
	return p
}

func commonDivisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// kuiperExact returns P(nmV >= h), where nmV is a multiple of step. A random order of n and m
// values is a walk from (0, 0) to (n, m). nmV is the largest im - jn on the walk minus the
// smallest. A walk below h with the smallest value lo stays within [lo, lo+h-step], but not
// within [lo+step, lo+h-step].
func kuiperExact(h, step, n, m int64) float64 {
	below := 0.0
	inside := make([]float64, m+1)
	for lo := step - h; lo <= 0; lo += step {
		below += walkWithin(lo, lo+h-step, n, m, inside)
		if lo < 0 {
			below -= walkWithin(lo+step, lo+h-step, n, m, inside)
		}
	}
	return 1 - below
}

// walkWithin returns the probability that im - jn stays in [lo, hi] on a walk, with lo <= 0 <=
// hi. The last step to (i, j) comes from (i-1, j) with probability i/(i+j). inside must have
// m+1 elements.
func walkWithin(lo, hi, n, m int64, inside []float64) float64 {
	clear(inside)
	for i := range n + 1 {
		first := max((i*m-hi+n-1)/n, 0)
		last := min((i*m-lo)/n, m)
		before := 0.0 // of (i, j-1)
		for j := first; j <= last; j++ {
			if share := 1 / float64(i+j); i+j > 0 {
				before = inside[j]*(float64(i)*share) + before*(float64(j)*share)
			} else {
				before = 1
			}
			inside[j] = before
		}
		if first > 0 {
			inside[first-1] = 0
		}
	}
	return inside[m]
}

// kuiperSurvival returns P(K >= x) for Kuiper's limit distribution.
func kuiperSurvival(x float64) float64 {
	if x < 0.4 { // where it is 1 up to rounding, and the series needs many terms
		return 1
	}
	sum := 0.0
	for j := 1.0; j <= 20; j++ {
		square := 2 * j * j * x * x
		sum += (2*square - 1) * math.Exp(-square)
	}
	return min(2*sum, 1)
}

// kuiperDetectable returns a V that is significant at the level for the effective size
// nm/(n+m). At this V the limit has the level. The argument of the p-value is larger there if
// the level is at most that of certain.
func kuiperDetectable(level, effective float64) float64 {
	const certain, farthest, steps = 1.7, 40, 1 << 20
	at := func(k int) float64 { return certain + (farthest-certain)*float64(k)/steps }
	k := sort.Search(steps, func(k int) bool { return kuiperSurvival(at(k)) <= level })
	return min(at(k)/math.Sqrt(effective), 1)
}
