package drift

import (
	"fmt"
	"iter"
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// MethodWasserstein has the p-value of [MethodKS]. The effect is the Wasserstein distance of
// the finite values, spread evenly within their cells, in standard deviations of the
// reference. If the reference is constant, the unit is the standard deviation of both sides
// together. The interval comes from the delta method.
//
// In [Profile.Compare] the method is [Wasserstein1], in units of the column. Infinite values
// are left out; a side without finite values is an [*InputError]. Lo and Hi are the smallest
// and the largest distance that values can have after moves inside their cells. Hi - Lo is at
// most the sum, over the cells, of the width times both shares. Lo is at least the distance of
// the two means, which are known nearly exactly.
const MethodWasserstein Method = "wasserstein"

var wassersteinMethod = method{
	MethodInfo: MethodInfo{
		Name: MethodWasserstein, Title: "Wasserstein", Kinds: []Kind{KindNumeric}, Floor: 0.25, Means: true,
		Effect: "The effect is how far values moved on average, in standard deviations of the reference. " +
			"Its interval is the observed distance and, on either side, its normal error by the delta method, and reaches down to the effect.",
	},
	unbounded: true,
	measure: func(s *sides, alpha float64) (Test, bool) {
		d := max(s.gaps())
		observed, effect, deviation := scaledWasserstein(s.cells, s.ref, s.cur)
		t := Test{
			Statistic: d, PValue: nulldist.KSQuick(d, s.n, s.m),
			Observed: observed, EffectSize: effect, CI: around(observed, deviation, alpha, math.MaxFloat64),
		}
		t.CI.Lo = min(t.CI.Lo, effect)
		return t, true
	},
	detectable:   ksMethod.detectable,
	detectableAt: ksMethod.detectableAt,
	changed: func(s *sides, t Test) string {
		moved := fmt.Sprintf("The values moved by %s standard deviations", text.Number(t.Observed))
		// Up to rounding, means that differ by less than a millionth of the deviation are equal.
		if a, b := s.reference.Numbers, s.current.Numbers; a != nil && b != nil && math.Abs(b.Mean-a.Mean) > 1e-6*max(a.Std, b.Std) {
			means := text.Apart(a.Mean, b.Mean)
			moved += fmt.Sprintf(", their mean from %s to %s", means[0], means[1])
		}
		return moved
	},
	bounded: func(_ *sides, t Test) string {
		return "values moved by at most " + text.Number(t.CI.Hi) + " standard deviations"
	},
	compare: func(s *sides) (ProfileResult, error) {
		n, m := s.finite()
		switch {
		case n == 0:
			return ProfileResult{}, invalid("reference", "has no finite values of %q", s.cells.name)
		case m == 0:
			return ProfileResult{}, invalid("current", "has no finite values of %q", s.cells.name)
		}
		w := cellWasserstein(s.cells, s.ref, s.cur)
		lo, hi := s.cells.wassersteinBounds(s.ref, s.cur)
		return ProfileResult{
			Result: Result{
				Statistic:  w,
				PValue:     math.NaN(),
				EffectSize: samples.Relative(w, s.ref.Moments.Std()),
				NReference: int(n),
				NCurrent:   int(m),
			},
			Lo: min(lo, w),
			Hi: max(hi, w),
		}, nil
	},
}

// Wasserstein1 returns the Wasserstein distance of order 1 (earth mover's distance), the
// integral of the absolute difference of the two empirical distribution functions: the mean
// distance by which the values must move to turn one sample into the other.
//
// Statistic is in the units of the values. EffectSize is w/(w+s), where w is the distance and
// s the standard deviation of the reference (divisor n): 0 if the samples are equal, and 1/2
// if the values moved by one standard deviation. The unit of the values makes no difference to
// EffectSize. With a constant reference EffectSize is 0 or 1. PValue is NaN.
//
// A NaN, an infinity or an empty sample is an [*InputError]. A distance above the largest
// float64 is returned as the largest float64.
func Wasserstein1[F constraints.Float](reference, current []F) (Result, error) {
	r, c, fault := samples.SortedFinite(reference, current)
	if fault != nil {
		return Result{}, (*InputError)(fault)
	}
	w := wasserstein1(r, c)
	var m counting.Moments
	for _, x := range r {
		m.Add(float64(x))
	}
	return Result{
		Statistic:  w,
		PValue:     math.NaN(),
		EffectSize: samples.Relative(w, m.Std()),
		NReference: len(r),
		NCurrent:   len(c),
	}, nil
}

func wasserstein1[F constraints.Float](r, c []F) float64 {
	n, m := float64(len(r)), float64(len(c))
	var i, j int
	area, at := 0.0, 0.0
	samples.EachValue(r, c, func(value F, inR, inC int) {
		next := float64(value)
		// Halves, because next-at alone may overflow.
		area += 2 * (math.Abs(float64(i)/n-float64(j)/m) * (next/2 - at/2))
		at, i, j = next, i+inR, j+inC
	})
	return min(area, math.MaxFloat64)
}

// cellWasserstein returns the Wasserstein distance of the finite values, spread evenly within
// their cells. A cell of one value begins at the next number after the end of the cell before.
func cellWasserstein(c *cells, ref, cur *tally) float64 {
	sum := 0.0
	for p := range c.pieces(ref, cur) {
		sum += area(math.Abs(p.f-p.g), p.end, p.from) + area(meanSize(p.f-p.g, p.nextF-p.nextG), p.from, p.to)
	}
	return min(sum, math.MaxFloat64)
}

// piece is one cell: its ends from and to, and the end of the cell before. f and g are the
// shares of finite values up to the cell, nextF and nextG the shares up to its end.
type piece struct{ end, from, to, f, g, nextF, nextG float64 }

// pieces yields the cells of two sides that both have finite values.
func (c *cells) pieces(ref, cur *tally) iter.Seq[piece] {
	lo, hi := min(ref.Moments.Min, cur.Moments.Min), max(ref.Moments.Max, cur.Moments.Max)
	n, m := float64(ref.Moments.N), float64(cur.Moments.N)
	return func(yield func(piece) bool) {
		p := piece{to: lo}
		var r, k int64
		for i := range ref.Cells {
			r, k = r+ref.Cells[i], k+cur.Cells[i]
			p.end, p.f, p.g = p.to, p.nextF, p.nextG
			p.nextF, p.nextG = float64(r)/n, float64(k)/m
			if p.from, p.to = c.axis.Bounds(i, lo, hi); !yield(p) {
				return
			}
		}
	}
}

// meanSize returns the mean absolute value of a linear function that goes from from to to.
func meanSize(from, to float64) float64 {
	if from*to < 0 { // two triangles that meet on the axis
		return (from*from + to*to) / (2 * (math.Abs(from) + math.Abs(to)))
	}
	return (math.Abs(from) + math.Abs(to)) / 2
}

// area returns height times the distance of two numbers. The distance itself may overflow.
func area(height, from, to float64) float64 {
	if width := to - from; !math.IsInf(width, 0) {
		return height * width
	}
	return 2 * (height * (to/2 - from/2))
}

// wassersteinBounds returns the smallest and the largest distance that the rows can have.
// Inside a cell the difference of the distribution functions is smallest if all values of one
// side come first, and largest if all values of the other side come first.
func (c *cells) wassersteinBounds(ref, cur *tally) (least, most float64) {
	for p := range c.pieces(ref, cur) {
		between := area(math.Abs(p.f-p.g), p.end, p.from)
		highest, lowest := p.nextF-p.g, p.f-p.nextG
		most += between + area(max(highest, -lowest), p.from, p.to)
		least += between + area(max(lowest, -highest, 0), p.from, p.to)
	}
	lo, hi := min(ref.Moments.Min, cur.Moments.Min), max(ref.Moments.Max, cur.Moments.Max)
	means := math.Abs(ref.Moments.Mean() - cur.Moments.Mean())
	// The means are of values rounded to the unit.
	means -= math.Ldexp(2, c.unit.Exponent) + 1e-15*max(math.Abs(lo), math.Abs(hi))
	return max(least, means), min(most, math.MaxFloat64)
}

// farthest is the largest distance, in standard deviations, that enters a mean. Its square is
// finite.
const farthest = 1e100

// scaledWasserstein returns the Wasserstein distance of the finite values in units of
// wassersteinScale: observed, cross-validated, and the standard deviation of the observed one.
// The distance is the difference of the means of a potential whose slope is the sign of F-G,
// so the distance varies as these means do.
func scaledWasserstein(c *cells, ref, cur *tally) (observed, effect, deviation float64) {
	if ref.Moments.N == 0 || cur.Moments.N == 0 {
		return 0, 0, 0
	}
	if min(ref.Moments.Min, cur.Moments.Min) == max(ref.Moments.Max, cur.Moments.Max) {
		return 0, 0, 0
	}
	scale := wassersteinScale(&ref.Moments, &cur.Moments)
	n, m := float64(ref.Moments.N), float64(cur.Moments.N)
	var meanR, meanC, squareR, squareC, potential, crossedBefore float64
	i := 0
	for p := range c.pieces(ref, cur) {
		before, after := p.f-p.g, p.nextF-p.nextG
		gap, step := scaledStep(p.end, p.from, scale), scaledStep(p.from, p.to, scale)
		observed += math.Abs(before)*gap + meanSize(before, after)*step
		crossedAfter := crossed(after, p.nextF*(1-p.nextF)/n+p.nextG*(1-p.nextG)/m)
		effect += crossedBefore*gap + (crossedBefore+crossedAfter)/2*step
		crossedBefore = crossedAfter
		potential += math.Copysign(gap, before)
		if before+after < 0 {
			step = -step
		}
		at := potential + step/2
		r, k := float64(ref.Cells[i])/n, float64(cur.Cells[i])/m
		meanR, squareR = meanR+r*at, squareR+r*at*at
		meanC, squareC = meanC+k*at, squareC+k*at*at
		potential += step
		i++
	}
	deviation = math.Sqrt(max(squareR-meanR*meanR, 0)/n + max(squareC-meanC*meanC, 0)/m)
	return observed, min(max(effect, 0), observed), deviation
}

// wassersteinScale returns the standard deviation of the reference, or of both sides together
// if the reference is constant. The sides must not share one constant. If the values differ by
// less than the unit of the moments, the result is half their range.
func wassersteinScale(ref, cur *counting.Moments) float64 {
	if scale := ref.Std(); scale > 0 {
		return scale
	}
	both := *ref
	both.Merge(cur)
	if scale := both.Std(); scale > 0 {
		return scale
	}
	return max(both.Max/2-both.Min/2, math.SmallestNonzeroFloat64)
}

// scaledStep returns the distance of two numbers in units of scale, at most farthest.
func scaledStep(from, to, scale float64) float64 {
	step := (to - from) / scale
	if math.IsInf(to-from, 0) {
		step = to/scale - from/scale
	}
	return min(step, farthest)
}
