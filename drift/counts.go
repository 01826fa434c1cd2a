package drift

import (
	"fmt"
	"iter"
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// Count is the type of the elements of a count vector. Counts are numbers of observations, not
// shares. A fractional count is a sum of weights.
type Count interface {
	constraints.Integer | constraints.Float
}

// countPair holds two count vectors over the same cells. Cells that are empty on both sides
// are left out.
type countPair struct {
	r, c []float64
	n, m float64 // sums of r and c
}

// newCountPair checks the counts. Both sides need the same number of cells, finite and
// non-negative counts, and between 1 and 2^53 observations.
func newCountPair[C Count](reference, current []C) (countPair, error) {
	if len(reference) != len(current) {
		return countPair{}, invalid("current", "has %d cells, want %d as in reference", len(current), len(reference))
	}
	if err := checkCounts("reference", reference); err != nil {
		return countPair{}, err
	}
	if err := checkCounts("current", current); err != nil {
		return countPair{}, err
	}
	return pairCounts(reference, current), nil
}

func compareCounts[C Count](reference, current []C, method func(countPair) Result) (Result, error) {
	p, err := newCountPair(reference, current)
	if err != nil {
		return Result{}, err
	}
	return method(p), nil
}

// pairCounts returns the pair of two valid vectors.
func pairCounts[C Count](reference, current []C) countPair {
	var p countPair
	for i := range reference {
		r, c := float64(reference[i]), float64(current[i])
		if r == 0 && c == 0 {
			continue
		}
		p.r, p.c = append(p.r, r), append(p.c, c)
		p.n, p.m = p.n+r, p.m+c
	}
	return p
}

func checkCounts[C Count](name string, counts []C) error {
	sum := 0.0
	for i, c := range counts {
		x := float64(c)
		if !(x >= 0) || math.IsInf(x, 1) {
			return &InputError{Sample: name, Index: i, What: fmt.Sprintf("count is %v, want a finite number of at least 0", c)}
		}
		sum += x
	}
	if sum < 1 || sum > maxRows {
		return invalid(name, "counts sum to %v, want 1 to 2^53", sum)
	}
	return nil
}

// result returns a Result with the sizes and without a p-value. The effect is the total
// variation, which is comparable across all methods on counts.
func (p countPair) result(statistic float64) Result {
	return Result{
		Statistic:  statistic,
		PValue:     math.NaN(),
		EffectSize: p.totalVariation(),
		NReference: int(math.Round(p.n)),
		NCurrent:   int(math.Round(p.m)),
	}
}

// shareDifference returns c/m - r/n. The products are exact up to many millions of rows, so
// that a difference of one tenth is exactly 0.1.
func shareDifference(c, m, r, n float64) float64 {
	return (c*n - r*m) / (n * m)
}

// minExpected is the expected count from which the chi-square distribution is trusted
// (Cochran, "Some methods for strengthening the common chi-square tests", 1954).
const minExpected = 5

func (p countPair) totalVariation() float64 {
	sum := 0.0
	for i := range p.r {
		sum += math.Abs(shareDifference(p.c[i], p.m, p.r[i], p.n))
	}
	return min(sum/2, 1)
}

func (p countPair) chiSquare() float64 {
	x2 := 0.0
	for i := range p.r {
		d := shareDifference(p.c[i], p.m, p.r[i], p.n)
		if pooled := (p.r[i] + p.c[i]) / (p.n + p.m); pooled > 0 { // else a weight of next to nothing
			x2 += d * d / pooled
		}
	}
	return x2 * (p.n / (p.n + p.m) * p.m)
}

// expected is the smaller of a cell's two expected counts.
func (p countPair) expected(cell int) float64 {
	return (p.r[cell] + p.c[cell]) * (min(p.n, p.m) / (p.n + p.m))
}

func (p countPair) lowestExpected() float64 {
	low := math.Inf(1)
	for i := range p.r {
		low = min(low, p.expected(i))
	}
	return low
}

func (p countPair) logLikelihoodRatio() float64 {
	g := 0.0
	for i, r := range p.r {
		c := p.c[i]
		// The arguments of both logarithms are close to 1, and the first-order terms cancel.
		d := shareDifference(c, p.m, r, p.n) / (r + c)
		g += logLikelihoodTerm(r, -d*p.m) + logLikelihoodTerm(c, d*p.n)
	}
	return max(2*g, 0)
}

// logLikelihoodTerm returns count·log(1 + excess), where 1 + excess is observed/expected.
func logLikelihoodTerm(count, excess float64) float64 {
	if count == 0 {
		return 0
	}
	return count * math.Log1p(max(excess, -1))
}

// chiSquareLimit returns the Result of a statistic with the chi-square distribution as its
// limit. An expected count that is too small for the limit gives a warning.
func (p countPair) chiSquareLimit(test string, statistic float64) Result {
	result := p.result(statistic)
	result.PValue = 1
	if degrees := len(p.r) - 1; degrees > 0 {
		result.PValue = nulldist.ChiSquare(statistic, degrees)
		if low := p.lowestExpected(); low < minExpected {
			result.Warnings = []error{fmt.Errorf("drift: %s: lowest expected count is %.3g, want at least %d", test, low, minExpected)}
		}
	}
	return result
}

// filledShares yields the shares of each cell after the zero rule of [PSI].
func (p countPair) filledShares() iter.Seq2[float64, float64] {
	const half = 0.5
	n, m := p.n, p.m
	for i := range p.r {
		if p.r[i] == 0 {
			n += half
		}
		if p.c[i] == 0 {
			m += half
		}
	}
	return func(yield func(r, c float64) bool) {
		for i := range p.r {
			r, c := p.r[i], p.c[i]
			if r == 0 {
				r = half
			}
			if c == 0 {
				c = half
			}
			// A share can underflow if the count is fractional.
			if !yield(max(r/n, math.SmallestNonzeroFloat64), max(c/m, math.SmallestNonzeroFloat64)) {
				return
			}
		}
	}
}
