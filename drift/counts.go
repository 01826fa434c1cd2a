package drift

import (
	"fmt"
	"math"

	"golang.org/x/exp/constraints"
)

// Count is the type of a count vector's elements. Counts are numbers of observations, not
// shares: a fractional count is a sum of weights.
type Count interface {
	constraints.Integer | constraints.Float
}

// countPair holds two count vectors over the same cells, without the cells that are empty
// on both sides.
type countPair struct {
	r, c []float64
	n, m float64 // sums of r and c
}

// newCountPair checks the counts: the same number of cells on both sides, each count
// finite and not negative, and between 1 and 2^53 observations on either side.
func newCountPair[C Count](reference, current []C) (countPair, error) {
	if len(reference) != len(current) {
		return countPair{}, &InputError{Sample: "current", Index: -1,
			What: fmt.Sprintf("has %d cells, want %d as in reference", len(current), len(reference))}
	}
	if err := checkCounts("reference", reference); err != nil {
		return countPair{}, err
	}
	if err := checkCounts("current", current); err != nil {
		return countPair{}, err
	}
	return pairCounts(reference, current), nil
}

// pairCounts returns the pair of two vectors that are known to be valid.
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
		return &InputError{Sample: name, Index: -1, What: fmt.Sprintf("counts sum to %v, want 1 to 2^53", sum)}
	}
	return nil
}

// result returns a Result with the sizes filled in and no p-value. The effect is the total
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

// shareDifference returns c/m - r/n, with products that are exact up to many millions of
// rows: a tenth of them is exactly 0.1.
func shareDifference(c, m, r, n float64) float64 {
	return (c*n - r*m) / (n * m)
}
