package registry

import (
	"context"
	"fmt"
	"slices"
)

func Predecessor(ctx context.Context, r Registry) (Version, error) {
	var found Version
	for v, err := range r.Versions(ctx, Query{Stage: Archived}) {
		if err != nil {
			return Version{}, err
		}
		if !v.Promoted.IsZero() && v.Deleted.IsZero() && v.Since.After(found.Since) {
			found = v
		}
	}
	if found.ID == "" {
		return Version{}, fmt.Errorf("%w: no earlier version to go back to", ErrNotFound)
	}
	return found, nil
}

var _ = slices.Index[[]int]
