package drift

import "slices"

// adjust returns the p-value of a test after correction for the columns, given the sorted
// p-values of all columns. For Benjamini and Hochberg that is the smallest m p(j)/j over
// the j-th smallest of m p-values from this one on. A test that is not the strongest of its
// column is adjusted as if it were, which rejects no column that its strongest would not.
func (c Correction) adjust(p float64, family []float64) float64 {
	if c == NoCorrection {
		return p
	}
	m := float64(len(family))
	adjusted := 1.0
	at, found := slices.BinarySearch(family, p)
	if !found {
		// The column's own entry is one of the at smaller ones, and p takes its place.
		adjusted = min(adjusted, m*p/float64(at))
	}
	for i := at; i < len(family); i++ {
		adjusted = min(adjusted, m*family[i]/float64(i+1))
	}
	return adjusted
}

// strictest returns the level that is enough for significance whatever the p-values of the
// other columns are.
func (c Correction) strictest(alpha float64, columns int) float64 {
	if c == NoCorrection {
		return alpha
	}
	return alpha / float64(columns)
}
