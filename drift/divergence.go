package drift

import (
	"math"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// divergence measures the difference of two vectors of shares by a sum over the cells.
type divergence struct {
	// term is the term of a cell, and slopes returns its derivatives by the two shares. Shares
	// are not negative. With the zero rule of [PSI], shares are positive.
	term   func(r, c float64) float64
	slopes func(r, c float64) (byReference, byCurrent float64)
	filled bool // has the zero rule of PSI
	// If the shares are nearly equal, X² of the chi-square test is curvature times the
	// effective number of rows times the divergence.
	curvature float64
	// root means that the effect is the square root of the divergence, which is at most 1.
	root bool
}

const divergenceEffect = "The effect is this measure of the change, less what noise adds to it. The interval holds the true changes with which the observed one, less what noise adds to it, is not surprising, as the noncentral distribution of X² has it. " +
	"That of a PSI has no upper end if levels are rare."

// method completes a method that has its name, title and floor. The p-value and the statistic
// are those of [MethodChiSquare]. The effect is the statistic of function.
func (d divergence) method(function func(countPair) Result, name string, m method) method {
	m.Effect = divergenceEffect
	return tableMethod{
		statistic: countPair.chiSquare,
		effect: func(t *table, alpha float64) (observed, effect float64, ci CI) {
			effect, ci = d.effect(t.pair, t.fair, alpha)
			return function(t.pair).Statistic, effect, ci
		},
		function: function,
		amount:   "a " + name + " of %s", bound: "the " + name,
	}.method(m)
}

// effect returns an estimate of the true measure, and an interval of the true measure at the
// level 1-alpha. fair is p with a pool of the cells that look like a change on their own
// although nothing changed. The estimate and the lower end come from fair, the upper end from p.
//
// Without any change, noise alone makes a divergence larger than 0; its mean is subtracted.
// The rest varies like X² with the noncentrality of the true divergence. The interval inverts
// that distribution, so the interval is valid at equal shares too. In cells of few rows the
// noise is not known well. For the upper end nothing is subtracted in those cells, because
// noise never makes a divergence smaller on average. A PSI has no upper end if there are such
// cells, because a level that is missing on one side would make the true PSI infinite.
func (d divergence) effect(p, fair countPair, alpha float64) (effect float64, ci CI) {
	scale := d.curvature * p.n / (p.n + p.m) * p.m
	found, of := d.of(fair), d.noise(fair)
	effect = max(found-of.all, 0)
	if d.root {
		effect = withoutNoise(found, of.all)
	}
	lo := d.quadratic(fair, found, of.all, of.all, scale).Noncentrality(scale*found, 1-alpha/2) / scale
	found, of = d.of(p), d.noise(p)
	hi := d.quadratic(p, found, of.known, of.all, scale).Noncentrality(scale*found, alpha/2) / scale
	if d.filled && (len(fair.r) < len(p.r) || p.lowestExpected() < minExpected) {
		hi = math.MaxFloat64
	}
	ci = CI{Lo: min(lo, effect), Hi: max(hi, effect), Level: 1 - alpha}
	if d.root {
		effect, ci.Lo, ci.Hi = math.Sqrt(effect), math.Sqrt(ci.Lo), math.Sqrt(min(ci.Hi, 1))
	}
	return effect, ci
}

// quadratic returns the distribution of the divergence times scale. noise is the mean noise
// that is subtracted, and all is the mean of all noise.
func (d divergence) quadratic(p countPair, found, noise, all, scale float64) nulldist.Quadratic {
	return nulldist.Quadratic{
		Mean:    scale * noise,
		Weight:  scale * all / float64(max(len(p.r)-1, 1)),
		Stretch: d.stretch(p, found, scale),
	}
}

// noise is what noise adds to a divergence on average: in all cells, and in the cells with
// enough rows on both sides to know the mean well.
type noise struct{ all, known float64 }

// withoutNoise subtracts from a square the part that noise alone adds. A square of 1, the
// largest possible change, stays 1 (as in the adjusted R²).
func withoutNoise(square, noise float64) float64 {
	if noise >= 1 {
		return 0
	}
	return max((square-noise)/(1-noise), 0)
}

// of returns the divergence of the observed shares.
func (d divergence) of(p countPair) float64 {
	sum := 0.0
	if d.filled {
		for r, c := range p.filledShares() {
			sum += d.term(r, c)
		}
		return max(sum, 0)
	}
	for i := range p.r {
		sum += d.term(p.r[i]/p.n, p.c[i]/p.m)
	}
	if d.root {
		sum = min(sum, 1)
	}
	return max(sum, 0)
}

func (d divergence) noise(p countPair) noise {
	var sum noise
	// Cells of small counts are often alike, and far from normal.
	const listed = 100
	var without [listed + 1]float64
	for i := range p.r {
		r, c := p.r[i], p.c[i]
		mean := (1/p.n + 1/p.m) / d.curvature
		if r+c <= listed {
			at := int(r + c)
			if without[at] == 0 {
				without[at] = d.meanTerm(at, p.n, p.m)
			}
			mean = without[at]
		}
		mean *= 1 - (r+c)/(p.n+p.m) // the shares sum to 1
		if min(r, c) >= minExpected {
			sum.all += mean
			sum.known += mean
			continue
		}
		sum.all += max(mean, d.fewNoise(r, c, p.n, p.m))
	}
	return sum
}

// meanTerm returns the mean of the term of a cell of count rows without any change. Each row
// is then on a side with a probability in proportion to the size of the side.
func (d divergence) meanTerm(count int, n, m float64) float64 {
	odds := m / n
	probability := math.Pow(n/(n+m), float64(count))
	sum := 0.0
	for c := range count + 1 {
		sum += probability * d.counted(float64(count-c), float64(c), n, m)
		probability *= float64(count-c) / float64(c+1) * odds
	}
	return sum
}

// fewNoise returns what the noise of the smaller of two counts adds to the term, if that count
// is below 5. The count is a Poisson variable whose mean is about the count.
func (d divergence) fewNoise(r, c, n, m float64) float64 {
	term := func(few float64) float64 { return d.counted(r, few, n, m) }
	if r/n < c/m {
		term = func(few float64) float64 { return d.counted(few, c, n, m) }
	}
	few := min(r, c)
	if (r < c) != (r/n < c/m) || few >= minExpected {
		return 0
	}
	mean := few + 0.5
	probability, sum := math.Exp(-mean), 0.0
	for k := range 4 * minExpected {
		sum += probability * term(float64(k))
		probability *= mean / float64(k+1)
	}
	return sum - term(mean)
}

func (d divergence) counted(r, c, n, m float64) float64 {
	if d.filled {
		r, c = max(r, 0.5), max(c, 0.5)
	}
	return d.term(r/n, c/m)
}

// stretch returns the variance of a divergence, by the delta method, divided by that of X²
// with the same noncentrality. A count of 0 counts as half an observation.
func (d divergence) stretch(p countPair, found, scale float64) float64 {
	if found == 0 {
		return 1
	}
	var meanR, meanC, squareR, squareC float64
	for i := range p.r {
		r, c := (p.r[i]+0.5)/p.n, (p.c[i]+0.5)/p.m
		byR, byC := d.slopes(r, c)
		meanR, squareR = meanR+r*byR, squareR+r*byR*byR
		meanC, squareC = meanC+c*byC, squareC+c*byC*byC
	}
	variance := max(squareR-meanR*meanR, 0)/p.n + max(squareC-meanC*meanC, 0)/p.m
	return max(variance*scale/(4*found), 1)
}
