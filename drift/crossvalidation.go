package drift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// A distance between two samples is a sum of absolute differences, each of which noise alone
// keeps above 0: the plug-in distance grows with the number of cells although nothing
// changed. The cross-validated one does not. A part of the rows says which way each
// difference goes, the rest how large it is in that direction, so that differences which are
// noise cancel. Its mean, over all ways to divide the rows, is at most the true distance at
// any sample size and number of cells, because a wrong direction only ever loses.

// choosing is the share of the rows that choose the direction, as in five-fold
// cross-validation: with more the estimate is closer to the truth on average, but noisier.
const choosing = 0.8

// crossed returns the cross-validated size of a difference with this variance, by the normal
// limit of both parts.
func crossed(difference, variance float64) float64 {
	if variance <= 0 {
		return math.Abs(difference)
	}
	// The difference among those that choose varies so much about that among all.
	deviation := math.Sqrt(variance * (1 - choosing) / choosing)
	z := difference / deviation
	sign := math.Erf(z / math.Sqrt2)
	size := difference*sign + 2*deviation*distuv.UnitNormal.Prob(z)
	return measured(difference, sign, size)
}

// measured returns the mean of the difference among the rows that measure, in the direction
// of that among those that choose, whose sign and size have these means.
func measured(difference, sign, size float64) float64 {
	return (difference*sign - choosing*size) / (1 - choosing)
}

// crossedVariation returns the cross-validated total variation: 0 or about 0 if nothing
// changed.
func (p countPair) crossedVariation() float64 {
	// Small counts are far from normal; all their divisions can be listed.
	const listed = 20
	sum := 0.0
	for i := range p.r {
		r, c := p.r[i], p.c[i]
		difference := shareDifference(c, p.m, r, p.n)
		if r+c > listed {
			sum += crossed(difference, r/(p.n*p.n)+c/(p.m*p.m))
			continue
		}
		sign, size := p.chosen(int(r), int(c))
		sum += measured(difference, sign, size)
	}
	return min(max(sum/2, 0), 1)
}

// chosen returns the mean sign and the mean size of the difference of the shares of a cell,
// among rows that are each drawn with the probability choosing.
func (p countPair) chosen(r, c int) (sign, size float64) {
	x := binomialStart(r)
	for i := range r + 1 {
		y := binomialStart(c)
		for j := range c + 1 {
			difference := shareDifference(float64(j), p.m, float64(i), p.n) / choosing
			switch {
			case difference > 0:
				sign += x * y
			case difference < 0:
				sign -= x * y
			}
			size += x * y * math.Abs(difference)
			y *= binomialStep(c, j)
		}
		x *= binomialStep(r, i)
	}
	return sign, size
}

// binomialStart and binomialStep give the probabilities that 0, 1, 2, ... of n rows choose:
// the first, and the factor from that of k to that of k+1.
func binomialStart(n int) float64   { return math.Pow(1-choosing, float64(n)) }
func binomialStep(n, k int) float64 { return float64(n-k) / float64(k+1) * choosing / (1 - choosing) }
