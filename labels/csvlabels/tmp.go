package csvlabels

import (
	"context"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
)

func (s *Store) LookupAsOf(ctx context.Context, at time.Time, ids ...string) (map[string]labels.Label, error) {
	return s.Lookup(ctx, ids...)
}
