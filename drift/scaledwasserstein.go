package drift

import (
	"math"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
)

// farthest is the largest distance, in standard deviations, that takes part in a mean: its
// square is a number too, and so is the sum over all cells.
const farthest = 1e100

// scaledWasserstein returns the Wasserstein distance of the finite values in standard
// deviations of the reference (if that is constant, of both sides together), as it is found
// and cross-validated, and its standard deviation: the distance is a mean of the potential
// whose slope is the sign of F-G, so it varies as that mean does.
func scaledWasserstein(c *cells, ref, cur *tally) (observed, effect, deviation float64) {
	if ref.Moments.N == 0 || cur.Moments.N == 0 {
		return 0, 0, 0
	}
	lo := min(ref.Moments.Min, cur.Moments.Min)
	hi := max(ref.Moments.Max, cur.Moments.Max)
	if lo == hi {
		return 0, 0, 0
	}
	scale := wassersteinScale(&ref.Moments, &cur.Moments)
	n, m := float64(ref.Moments.N), float64(cur.Moments.N)
	var meanR, meanC, squareR, squareC, potential, before, crossedBefore float64
	var r, k int64
	end := lo
	for i := range ref.Cells {
		r += ref.Cells[i]
		k += cur.Cells[i]
		f, g := float64(r)/n, float64(k)/m
		after := f - g
		from, to := c.bounds(i, lo, hi)
		gap, step := scaledStep(end, from, scale), scaledStep(from, to, scale)
		observed += math.Abs(before)*gap + meanSize(before, after)*step
		crossedAfter := crossed(after, f*(1-f)/n+g*(1-g)/m)
		effect += crossedBefore*gap + (crossedBefore+crossedAfter)/2*step
		crossedBefore = crossedAfter
		potential += math.Copysign(gap, before)
		if before+after < 0 {
			step = -step
		}
		at := potential + step/2
		p, q := float64(ref.Cells[i])/n, float64(cur.Cells[i])/m
		meanR, squareR = meanR+p*at, squareR+p*at*at
		meanC, squareC = meanC+q*at, squareC+q*at*at
		potential += step
		before, end = after, to
	}
	deviation = math.Sqrt(max(squareR-meanR*meanR, 0)/n + max(squareC-meanC*meanC, 0)/m)
	return observed, min(max(effect, 0), observed), deviation
}

// wassersteinScale returns the standard deviation that a distance between two sides, not all
// of one value, is measured in. It is above 0: of values that differ by less than the unit of
// the moments, which they are equal in, it is half their range, above which no deviation is.
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

// scaledStep returns the distance of two numbers in terms of scale, at most farthest.
func scaledStep(from, to, scale float64) float64 {
	step := (to - from) / scale
	if math.IsInf(to-from, 0) {
		step = to/scale - from/scale
	}
	return min(step, farthest)
}
