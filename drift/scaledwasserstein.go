package drift

import "math"

// scaledWasserstein returns the Wasserstein distance of the finite values in standard
// deviations of the reference (if that is constant, of both sides together), as it is found
// and cross-validated, and its standard deviation: the distance is a mean of the potential
// whose slope is the sign of F-G, so it varies as that mean does.
func scaledWasserstein(c *cells, ref, cur *tally) (observed, effect, deviation float64) {
	if ref.Moments.N == 0 || cur.Moments.N == 0 {
		return 0, 0, 0
	}
	w := cellWasserstein(c, ref, cur)
	if w == 0 {
		return 0, 0, 0
	}
	scale := ref.Moments.std()
	if scale == 0 {
		both := ref.Moments
		both.merge(&cur.Moments)
		scale = both.std()
	}
	lo := min(ref.Moments.Min, cur.Moments.Min)
	hi := max(ref.Moments.Max, cur.Moments.Max)
	n, m := float64(ref.Moments.N), float64(cur.Moments.N)
	var meanR, meanC, squareR, squareC, potential, before, crossedBefore float64
	var r, k int64
	for i := range ref.Cells {
		r += ref.Cells[i]
		k += cur.Cells[i]
		f, g := float64(r)/n, float64(k)/m
		after := f - g
		from, to := c.bounds(i, lo, hi)
		step := to/scale - from/scale
		crossedAfter := crossed(after, f*(1-f)/n+g*(1-g)/m)
		effect += step * (crossedBefore + crossedAfter) / 2
		crossedBefore = crossedAfter
		if before+after < 0 {
			step = -step
		}
		at := potential + step/2
		p, q := float64(ref.Cells[i])/n, float64(cur.Cells[i])/m
		meanR, squareR = meanR+p*at, squareR+p*at*at
		meanC, squareC = meanC+q*at, squareC+q*at*at
		potential += step
		before = after
	}
	deviation = math.Sqrt(max(squareR-meanR*meanR, 0)/n + max(squareC-meanC*meanC, 0)/m)
	observed = min(w/scale, math.MaxFloat64)
	return observed, min(max(effect, 0), observed), deviation
}
