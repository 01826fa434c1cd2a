package paired

import "math"

// DeLongResult compares two areas under the ROC curve on the same rows.
type DeLongResult struct {
	// Incumbent and Candidate are the areas.
	Incumbent, Candidate float64
	// VarIncumbent, VarCandidate and Covariance are the areas' variances and covariance.
	VarIncumbent, VarCandidate, Covariance float64
	// Positives and Negatives are the numbers of rows.
	Positives, Negatives int
	// Statistic is the difference, candidate less incumbent, over its standard error. It is
	// standard normal if the areas are equal. PValue is two-sided.
	Statistic, PValue float64
}

// Difference returns the candidate's area less the incumbent's, and the standard error.
func (r DeLongResult) Difference() (difference, stdErr float64) {
	// Rounding must not make a variance negative.
	variance := max(0, r.VarIncumbent+r.VarCandidate-2*r.Covariance)
	return r.Candidate - r.Incumbent, math.Sqrt(variance)
}

// CI returns the interval of the difference, not clipped. A level outside (0, 1) is an error.
func (r DeLongResult) CI(level float64) (Interval, error) {
	if err := checkLevel("delong", level); err != nil {
		return Interval{}, err
	}
	difference, stdErr := r.Difference()
	reach := quantile(0.5+level/2) * stdErr
	return Interval{difference - reach, difference + reach, level}, nil
}

// DeLong compares the areas under the ROC curves of two scores by the method of DeLong, DeLong
// & Clarke-Pearson (1988). Sorting finds the placements in O(n log n), as in Sun & Xu (2014).
// A tie counts half. If the difference has no variance, the statistic is 0 for a difference of
// 0 and infinite otherwise. Fewer than two positive or negative rows are [ErrTooFew].
func DeLong(truth []bool, incumbent, candidate []float64) (DeLongResult, error) {
	const name = "delong"
	var r DeLongResult
	for _, positive := range truth {
		if positive {
			r.Positives++
		}
	}
	r.Negatives = len(truth) - r.Positives
	a, err := placements(name, "incumbent", truth, incumbent)
	if err != nil {
		return DeLongResult{}, err
	}
	b, err := placements(name, "candidate", truth, candidate)
	if err != nil {
		return DeLongResult{}, err
	}
	if r.Positives < 2 || r.Negatives < 2 {
		return DeLongResult{}, tooFew(name, "%d positive and %d negative rows, want two of each", r.Positives, r.Negatives)
	}
	// The mean placement of either class is the area.
	for i, positive := range truth {
		if positive {
			r.Incumbent += a[i] / float64(r.Positives)
			r.Candidate += b[i] / float64(r.Positives)
		}
	}
	// Each class adds the covariance of its placements divided by its number of rows.
	scale := func(n int) float64 { return 1 / (float64(n) * float64(n-1)) }
	positives, negatives := scale(r.Positives), scale(r.Negatives)
	for i, positive := range truth {
		weight := negatives
		if positive {
			weight = positives
		}
		da, db := a[i]-r.Incumbent, b[i]-r.Candidate
		r.VarIncumbent += weight * (da * da)
		r.VarCandidate += weight * (db * db)
		r.Covariance += weight * (da * db)
	}
	difference, stdErr := r.Difference()
	if difference != 0 {
		r.Statistic = difference / stdErr
	}
	r.PValue = twoSided(r.Statistic)
	return r, nil
}
