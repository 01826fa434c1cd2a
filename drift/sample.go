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
	if err := checkSample(name, values); err != nil {
		return nil, err
	}
	sorted := slices.Clone(values)
	sortFloats(sorted)
	return sorted, nil
}

// checkSample returns an [*InputError] if there are no values or one is NaN.
func checkSample[F constraints.Float](name string, values []F) error {
	if len(values) == 0 {
		return &InputError{Sample: name, Index: -1, What: "is empty, want at least one value"}
	}
	for i, x := range values {
		if x != x {
			return &InputError{Sample: name, Index: i, What: "is NaN, want a number"}
		}
	}
	return nil
}

// requireFinite returns an [*InputError] for the first infinite value. The values must
// hold no NaN.
func requireFinite[F constraints.Float](name string, values []F) error {
	for i, x := range values {
		if math.IsInf(float64(x), 0) {
			return notFinite(name, i, x)
		}
	}
	return nil
}

func notFinite[F constraints.Float](name string, index int, x F) error {
	return &InputError{Sample: name, Index: index, What: fmt.Sprintf("is %v, want a finite number", x)}
}
