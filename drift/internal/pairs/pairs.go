// Package pairs matches the columns of two batches.
package pairs

import (
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/drift"
)

// Pair is a column on both sides.
type Pair struct{ Reference, Current drift.Column }

// Match matches the columns by name, in the order of the reference. All mistakes are joined,
// each an [*drift.InputError].
func Match(reference, current []drift.Column) ([]Pair, error) {
	_, errReference := drift.CheckColumns(reference)
	_, errCurrent := drift.CheckColumns(current)
	errs := []error{errReference, errCurrent}
	if len(reference) == 0 {
		errs = append(errs, &drift.InputError{Sample: "reference", Index: -1, What: "has no columns"})
	}
	byName := make(map[string]drift.Column, len(current))
	for _, c := range current {
		byName[c.Name()] = c
	}
	pairs := make([]Pair, 0, len(reference))
	for _, r := range reference {
		c, given := byName[r.Name()]
		wrong := func(what string) {
			errs = append(errs, &drift.InputError{Sample: fmt.Sprintf("column %q", r.Name()), Index: -1, What: what})
		}
		switch {
		case !given:
			wrong(fmt.Sprintf("is missing; the reference has %q, current has %q", names(reference), names(current)))
		case r.Kind() != c.Kind():
			wrong(fmt.Sprintf("is %v, want %v as in the reference", c.Kind(), r.Kind()))
		}
		pairs = append(pairs, Pair{r, c})
	}
	return pairs, errors.Join(errs...)
}

func names(columns []drift.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name()
	}
	return names
}
