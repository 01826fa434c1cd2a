package drift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// A distance between two samples is a sum of absolute differences. Noise alone keeps each
// absolute difference above 0, so the distance grows with the number of cells although nothing
// changed. The cross-validated distance does not grow. A part of the rows chooses the direction
// of each difference, and the other rows measure the difference in that direction, so noise
// cancels. Averaged over all divisions of the rows, the mean is at most the true distance at
// any sample size and number of cells, because a wrong direction only makes it smaller.

// choosing is the share of the rows that choose the direction, as in five-fold cross-validation. A
// larger share brings the estimate closer to the truth on average, but makes the estimate noisier.
const choosing = 0.8

// crossed returns the cross-validated size of a difference with this variance, by the normal
// limit of the difference in both parts of the rows.
func crossed(difference, variance float64) float64 {
	if variance <= 0 {
		return math.Abs(difference)
	}
	// of the difference among the choosing rows from the difference among all rows
	deviation := math.Sqrt(variance * (1 - choosing) / choosing)
	z := difference / deviation
	sign := math.Erf(z / math.Sqrt2)
	size := difference*sign + 2*deviation*distuv.UnitNormal.Prob(z)
	return measured(difference, sign, size)
}

// measured returns the mean difference among the measuring rows, in the direction that the
// choosing rows choose. sign and size are the mean sign and the mean size of the difference among
// the choosing rows.
func measured(difference, sign, size float64) float64 {
	return (difference*sign - choosing*size) / (1 - choosing)
}

// crossedVariation returns the cross-validated total variation, about 0 if nothing changed.
func (p countPair) crossedVariation() float64 {
	// Small counts are far from normal, but all their divisions can be listed.
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

// chosen returns the mean sign and the mean size of the difference of the shares of a cell among
// the choosing rows. Each row chooses with the probability choosing.
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

// binomialStart returns the probability that none of n rows choose, and binomialStep the factor
// from the probability of k rows to the probability of k+1 rows.
func binomialStart(n int) float64   { return math.Pow(1-choosing, float64(n)) }
func binomialStep(n, k int) float64 { return float64(n-k) / float64(k+1) * choosing / (1 - choosing) }
