package twosample

import (
	"math"
	"slices"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// cvmExactSize is the size up to which the null distribution is counted out; the limit is
// close from there on (Anderson 1962).
const cvmExactSize = 20

// CramerVonMises compares two samples of numbers by the two-sample Cramér-von Mises test.
// It sees any difference between the distributions and, adding up the distance over all
// values, finds shifts more often than [drift.KolmogorovSmirnov] does.
//
// Statistic is Anderson's T, nm/(n+m)² times the sum of (F-G)² over all values of both
// samples, F and G being the empirical distribution functions ("On the distribution of the
// two-sample Cramér-von Mises criterion", 1962). PValue is P(T >= t) over all regroupings
// of the values: exact if both samples have at most 20 values (Xiao, Gordon and Yakovlev,
// "A C++ program for the Cramér-von Mises two-sample test", 2007, here with ties), else that
// of the limit distribution after bringing mean and variance of T, at these sizes and ties,
// to those of the limit. EffectSize is D, as of [drift.KolmogorovSmirnov].
//
// Without ties all this is as in SciPy, but for p-values below 1e-7, where SciPy's series
// loses its digits to a subtraction from 1. With ties neither T nor the p-value is SciPy's,
// on purpose: its midranks make T grow with unequal sizes though nothing changed, and its
// p-value takes no account of ties. Here T stays what it is, 0 for equal distributions, and
// the p-value is that of these ties. For SciPy's numbers see [CramerVonMisesSciPy].
//
// Equal or constant samples give a p-value of 1. Infinities are values like others, -0
// equals 0. A NaN or a sample of fewer than two values is an [*drift.InputError].
func CramerVonMises[F constraints.Float](reference, current []F) (drift.Result, error) {
	r, c, fault := sortedOf(reference, current, 2)
	if fault != nil {
		return drift.Result{}, (*drift.InputError)(fault)
	}
	n, m := len(r), len(c)
	size := float64(n + m)
	sum := 0.0                  // of ((im - jn)/(nm))²
	groups := make([]int, 0, n) // numbers of equal values, in ascending order
	i, j := 0, 0
	samples.EachValue(r, c, func(_ F, inR, inC int) {
		i, j = i+inR, j+inC
		d := float64(int64(i)*int64(m)-int64(j)*int64(n)) / (float64(n) * float64(m))
		sum += float64(inR+inC) * d * d
		groups = append(groups, inR+inC)
	})
	t := float64(n) * float64(m) / (size * size) * sum
	pValue := 0.0
	if max(n, m) <= cvmExactSize {
		lcm := float64(n / gcd(n, m) * m)
		pValue = cvmExact(int(math.Round(sum*lcm*lcm)), n, m, groups)
	} else {
		pValue = cvmAsymptotic(t, float64(n), float64(m), groups)
	}
	return drift.Result{
		Statistic:  t,
		PValue:     pValue,
		EffectSize: samples.D(r, c),
		NReference: n,
		NCurrent:   m,
	}, nil
}

// cvmExact returns the share of all regroupings in which the sum of (ia - jb)² is at least
// limit, a and b being m and n over their greatest common divisor. A regrouping is a walk
// from (0, 0) to (n, m), with a cost where a group of equal values ends.
//
// Walks are counted as far as the middle, where they meet those from the other end. There
// are at most C(40, 20) of them, so a float64 counts exactly.
func cvmExact(limit, n, m int, groups []int) float64 {
	if limit <= 0 {
		return 1
	}
	g := gcd(n, m)
	walk := cvmWalk{n: n, m: m, a: m / g, b: n / g, limit: limit, weights: make([]int, 1, n+m+1)}
	for _, size := range groups {
		walk.weights = append(walk.weights, make([]int, size)...)
		walk.weights[len(walk.weights)-1] = size
	}
	half := (n + m) / 2
	first := walk.count(half)
	back := walk
	back.weights = slices.Clone(walk.weights)
	slices.Reverse(back.weights)
	second := back.count(n + m - half)
	all := 1.0
	for i := 1; i <= n; i++ {
		all = all * float64(m+i) / float64(i)
	}
	reached := 0.0
	for i, ways := range first {
		atLeast := second[n-i]
		for s := len(atLeast) - 2; s >= 0; s-- {
			atLeast[s] += atLeast[s+1]
		}
		for s, w := range ways {
			// The point in the middle is in both sums.
			rest := max(min(walk.limit, walk.limit-s+walk.step(i, half-i)), 0)
			if rest < len(atLeast) {
				reached += w * atLeast[rest]
			}
		}
	}
	return reached / all
}

// cvmWalk counts walks whose step to (i, j) costs (ia - jb)² times the weight of i+j.
type cvmWalk struct {
	n, m, a, b, limit int
	weights           []int
}

func (w cvmWalk) step(i, j int) int {
	d := i*w.a - j*w.b
	return d * d * w.weights[i+j]
}

// count returns, for each i, the numbers of walks of the given length to (i, length-i) by
// their cost; costs above the limit count as the limit.
func (w cvmWalk) count(length int) [][]float64 {
	ways := make([][]float64, w.n+1)
	ways[0] = []float64{1}
	for k := 1; k <= length; k++ {
		for i := min(k, w.n); i >= 0; i-- {
			if k-i > w.m {
				ways[i] = nil
				continue
			}
			here := ways[i]
			if i > 0 {
				here = addCounts(here, ways[i-1])
			}
			ways[i] = shiftCounts(here, w.step(i, k-i), w.limit)
		}
	}
	return ways
}

// addCounts adds b to a, which may be reused.
func addCounts(a, b []float64) []float64 {
	if more := len(b) - len(a); more > 0 {
		a = append(a, make([]float64, more)...)
	}
	for s, w := range b {
		a[s] += w
	}
	return a
}

// shiftCounts raises all costs by step, to the limit at most. The counts may be reused.
func shiftCounts(counts []float64, step, limit int) []float64 {
	step = min(step, limit)
	kept := min(len(counts), limit-step)
	above := 0.0
	for _, w := range counts[kept:] {
		above += w
	}
	shifted := counts
	if more := kept + step + 1 - len(counts); more > 0 {
		shifted = append(counts, make([]float64, more)...)
	}
	copy(shifted[step:], counts[:kept])
	clear(shifted[:step])
	if kept+step < limit {
		return shifted[:kept+step]
	}
	shifted[limit] = above
	return shifted[:limit+1]
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// cvmAsymptotic returns P(T >= t) by the limit distribution of T, that of Σ Z²(j)/(jπ)².
func cvmAsymptotic(t, n, m float64, groups []int) float64 {
	const smallest = 0.003 // of which the distribution function is below 1e-17
	size := n + m
	tied := tiedVariance(groups, func(below, _ float64) (before, after, square float64) {
		above := size - below
		return below * below, above * above, below * above * below * above
	})
	if tied == 0 { // all values are equal
		return 1
	}
	at, mean := 0.0, 0.0
	for _, g := range groups {
		at += float64(g)
		mean += float64(g) * at * (size - at)
	}
	mean /= size * size * (size - 1)
	x := cvmArgument(t, n, m, mean, tied)
	if x < smallest {
		return 1
	}
	return nulldist.QuadraticForm(x, func(k int, s float64) (u, factor float64) {
		root := math.Pi * (2*float64(k) - 0.5 + s/2)
		return root * root, 1 / math.Sqrt(root)
	})
}

// cvmArgument brings T to the mean and the variance of its limit. The mean is that over all
// regroupings, (1+1/N)/6 without ties; the variance is Anderson's (1962, equation 14), times
// what the ties change of it in the limit.
func cvmArgument(t, n, m, mean, tied float64) float64 {
	size := n + m
	variance := tied * (size + 1) / (45 * size * size) * (size - 3*(n/m+m/n)/4 - 0.5)
	return 1.0/6 + (t-mean)/math.Sqrt(45*variance)
}
