package twosample

import (
	"slices"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// sortedOf is [samples.Sorted] for methods that need at least so many values in each sample.
func sortedOf[F constraints.Float](reference, current []F, least int) (r, c []F, fault *samples.Fault) {
	if r, c, fault = samples.Sorted(reference, current); fault == nil {
		fault = samples.Sizes(len(r), len(c), least)
	}
	return r, c, fault
}

// tiedVariance returns how many times as large ties make the variance of a sum of squares. The sum
// is over all values, of jointly normal variables with the covariances of a sampled distribution
// function. All values of a group of equal values have the variable of the last value.
//
// of describes a group, given how many values there are up to the end of the group, and how many
// in the group. The squared covariance of a group j with a later group k is before(j)·after(k).
// square is the squared variance of the group.
func tiedVariance(groups []int, of func(end, size float64) (before, after, square float64)) float64 {
	variance := func(sizes []int) float64 {
		sum, earlier, end := 0.0, 0.0, 0.0
		for _, size := range sizes {
			s := float64(size)
			end += s
			before, after, square := of(end, s)
			sum += s*s*square + 2*s*after*earlier
			earlier += s * before
		}
		return sum
	}
	total := 0
	for _, g := range groups {
		total += g
	}
	if total == len(groups) {
		return 1
	}
	return variance(groups) / variance(slices.Repeat([]int{1}, total))
}
