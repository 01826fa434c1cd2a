package twosample

import (
	"math"
	"slices"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// AndersonDarling compares two samples of numbers by the k-sample Anderson-Darling test of
// Scholz and Stephens ("K-sample Anderson-Darling tests", 1987), for k = 2. It sees any
// difference between the distributions, and differences in the tails better than
// [drift.KolmogorovSmirnov] and [CramerVonMises] do.
//
// Statistic is (A² - 1)/σ, where A² is the midrank form for tied values (equation 7) and σ
// its standard deviation at these sizes (equation 4). PValue is P(A² >= a²) over all
// regroupings of the values: exact if they can be counted in some milliseconds, which is so
// for up to 30 values in all, and for more if many of them are equal or one sample is very
// small, else that of the limit distribution of A², brought to the variance at these sizes
// and ties. EffectSize is D, as of [drift.KolmogorovSmirnov].
//
// At 31 to 40 values without ties the limit is within 12 % of the exact p-value down to 0.01,
// mostly below it, and within 7 % if neither sample is more than twice as large as the other.
// Further down it comes to lie above, by up to 25 % at 0.001, and the more the smaller the
// p-value is. With a sample of a few values it stays that far off, however large the other is.
//
// The statistic is that of SciPy's anderson_ksamp with midranks, and the exact p-value that
// of its permutation method over all regroupings. Its default p-value on purpose is not ours:
// it interpolates between seven critical values, cuts at 0.001 and 0.25, and takes no account
// of ties. For these numbers see [AndersonDarlingSciPy].
//
// Samples that share one constant give a p-value of 1. Infinities are values like others,
// -0 equals 0. A NaN, an empty sample, or fewer than four values in all is an
// [*drift.InputError].
func AndersonDarling[F constraints.Float](reference, current []F) (drift.Result, error) {
	result, a2, groups, err := andersonDarling(reference, current)
	if err != nil || len(groups) == 1 {
		return result, err
	}
	if p, ok := andersonExact(a2, min(result.NReference, result.NCurrent), max(result.NReference, result.NCurrent), groups); ok {
		result.PValue = p
	} else {
		result.PValue = andersonLimit(result.Statistic, groups)
	}
	return result, nil
}

// andersonDarling returns the result but for the p-value, which is 1 and right only if all
// values are equal, and A² with midranks and the numbers of equal values.
func andersonDarling[F constraints.Float](reference, current []F) (result drift.Result, a2 float64, groups []int, err error) {
	r, c, fault := samples.Sorted(reference, current)
	if fault != nil {
		return drift.Result{}, 0, nil, (*drift.InputError)(fault)
	}
	n, m := len(r), len(c)
	if n+m < 4 {
		return drift.Result{}, 0, nil, (*drift.InputError)(samples.TooFew("reference and current", n+m, 4))
	}
	scale := newAndersonScale(n, m)
	i, j := 0, 0 // values below
	samples.EachValue(r, c, func(_ F, inR, inC int) {
		groups = append(groups, inR+inC)
		a2 += scale.term(i, j, inR, inC)
		i, j = i+inR, j+inC
	})
	return drift.Result{
		Statistic:  (a2 - 1) / math.Sqrt(andersonVariance(float64(n), float64(m))),
		PValue:     1,
		EffectSize: samples.D(r, c),
		NReference: n,
		NCurrent:   m,
	}, a2, groups, nil
}

// andersonScale holds the sizes of both samples.
type andersonScale struct{ n, m float64 }

func newAndersonScale(n, m int) andersonScale { return andersonScale{float64(n), float64(m)} }

// term returns what a group of equal values adds to A², of which inR and inC are in the
// samples, and i and j values below. For two samples the sums over either of them are equal
// but for the factors 1/n and 1/m.
func (s andersonScale) term(i, j, inR, inC int) float64 {
	a, b := float64(inR), float64(inC)
	size := s.n + s.m
	_, _, spread := andersonMiddle(float64(i+j)+a+b, a+b, size)
	if spread <= 0 { // all values are equal
		return 0
	}
	d := s.m*(float64(i)+a/2) - s.n*(float64(j)+b/2)
	return (size - 1) / size * (a + b) * (d / (s.n * s.m)) * (d / spread)
}

// andersonExact returns the share of all regroupings in which A² is at least as large. It
// reports false if there are too many. A regrouping is a walk over the groups of equal
// values, with a term for each that depends on the values below.
//
// Walks go as far as some group, where they meet those from the other end, whose terms are
// the same.
func andersonExact(a2 float64, n, m int, groups []int) (pValue float64, ok bool) {
	const (
		mostMoves  = 1 << 18 // which take some milliseconds
		mostValues = 1000    // of which a float64 counts the regroupings
		rounding   = 1e-12   // of A², in terms of it
	)
	if n+m > mostValues {
		return 0, false
	}
	reversed := slices.Clone(groups)
	slices.Reverse(reversed)
	first, second := newAndersonWalks(n, m), newAndersonWalks(n, m)
	for len(first.groups)+len(second.groups) < len(groups) {
		if first.moves <= second.moves {
			first.extend(groups, mostMoves-second.moves)
		} else {
			second.extend(reversed, mostMoves-first.moves)
		}
		if first.moves+second.moves > mostMoves {
			return 0, false
		}
	}
	limit := a2 * (1 - rounding)
	all, reached := 0.0, 0.0
	seconds := second.walk()
	for i, walks := range first.walk() {
		rest := seconds[n-i]
		total := 0.0
		for _, r := range rest {
			total += r.ways
		}
		next, above := len(rest), 0.0 // the rest that is large enough, from next on, and its ways
		for _, w := range walks {
			for next > 0 && w.a2+rest[next-1].a2 >= limit {
				next--
				above += rest[next].ways
			}
			all += w.ways * total
			reached += w.ways * above
		}
	}
	return min(reached/all, 1), true
}

// andersonWalks are the walks over the first groups of equal values that can still leave n
// and m values in the samples.
type andersonWalks struct {
	n, m   int
	groups []int
	below  int   // values in the groups
	counts []int // of walks, by their numbers of values in the first sample
	moves  int   // that walk makes
}

// andersonWalk is what a walk adds to A², and how many regroupings of its values make it.
type andersonWalk struct{ a2, ways float64 }

func newAndersonWalks(n, m int) andersonWalks {
	w := andersonWalks{n: n, m: m, counts: make([]int, n+1)}
	w.counts[0] = 1
	return w
}

// extend goes on to the next of all groups. It stops where it takes more than most moves.
func (w *andersonWalks) extend(all []int, most int) {
	size := all[len(w.groups)]
	w.groups = all[:len(w.groups)+1]
	w.below += size
	before := w.counts
	w.counts = make([]int, w.n+1)
	for i, walks := range before {
		for k := max(i, w.below-w.m); walks > 0 && k <= min(i+size, w.n); k++ {
			w.counts[k] += walks
			if w.moves += w.counts[k]; w.moves > most {
				return
			}
		}
	}
}

// walk returns all walks by their numbers of values in the first sample, in ascending order
// of what they add.
func (w *andersonWalks) walk() [][]andersonWalk {
	scale := newAndersonScale(w.n, w.m)
	ends := make([][]andersonWalk, w.n+1)
	ends[0] = []andersonWalk{{0, 1}}
	below := 0
	for _, size := range w.groups {
		before := ends
		ends = make([][]andersonWalk, w.n+1)
		for i, walks := range before {
			j := below - i
			chosen := 1.0 // ways to choose a of the group
			for a := 0; len(walks) > 0 && a <= min(size, w.n-i); a++ {
				if b := size - a; j+b <= w.m {
					ends[i+a] = mergeWalks(ends[i+a], walks, andersonWalk{scale.term(i, j, a, b), chosen})
				}
				chosen = chosen * float64(size-a) / float64(a+1)
			}
		}
		below += size
	}
	return ends
}

// mergeWalks merges two ascending lists, after the step has been added to all of b.
func mergeWalks(a, b []andersonWalk, step andersonWalk) []andersonWalk {
	merged := make([]andersonWalk, 0, len(a)+len(b))
	for _, w := range b {
		w = andersonWalk{w.a2 + step.a2, w.ways * step.ways}
		for len(a) > 0 && a[0].a2 <= w.a2 {
			merged = append(merged, a[0])
			a = a[1:]
		}
		merged = append(merged, w)
	}
	return append(merged, a...)
}

// andersonLimit returns P(A² >= a²) by the limit distribution, brought to the variance at
// these sizes and ties.
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
	return nulldist.QuadraticForm(x, func(k int, s float64) (u, factor float64) {
		w := 4*float64(k) + s
		u = (w*w - 1) / 4
		return u, w / (2 * math.Sqrt(math.Pi*u))
	})
}
