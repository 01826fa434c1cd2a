package drift

import (
	"fmt"
	"math"
	"slices"

	"golang.org/x/exp/constraints"
)

// sortedSample returns the values in ascending order and leaves the argument alone. An
// empty sample or a NaN is an [*InputError] that names the sample.
func sortedSample[F constraints.Float](name string, values []F) ([]F, error) {
	if len(values) == 0 {
		return nil, &InputError{Sample: name, Index: -1, What: "is empty, want at least one value"}
	}
	for i, x := range values {
		if x != x {
			return nil, &InputError{Sample: name, Index: i, What: "is NaN, want a number"}
		}
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted, nil
}

// requireFinite returns an [*InputError] for the first infinite value. The values must
// hold no NaN.
func requireFinite[F constraints.Float](name string, values []F) error {
	for i, x := range values {
		if math.IsInf(float64(x), 0) {
			return &InputError{Sample: name, Index: i, What: fmt.Sprintf("is %v, want a finite number", x)}
		}
	}
	return nil
}
