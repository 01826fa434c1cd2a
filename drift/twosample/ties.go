package twosample

import (
	"slices"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// sortedOf is [samples.Sorted] for methods that need at least least values in each sample.
func sortedOf[F constraints.Float](reference, current []F, least int) (r, c []F, fault *samples.Fault) {
	if r, c, fault = samples.Sorted(reference, current); fault == nil {
		fault = samples.Sizes(len(r), len(c), least)
	}
	return r, c, fault
}

// tiedVariance returns the factor by which ties change the variance of a sum of squares. The
// sum is over all values. Its variables are jointly normal with the covariances of a sampled
// distribution function. Equal values have the variable of the last one.
//
// of describes a group, given the number of values up to the end of the group and the number
// in the group. The squared covariance of a group j with a later group k is
// before(j)·after(k). square is the squared variance of the group.
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
