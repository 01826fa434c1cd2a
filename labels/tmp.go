package labels

import (
	"context"
	"iter"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func JoinAsOf(ctx context.Context, predictions predictlog.Store, labels Store, q predictlog.Query, arrivedBy time.Time) iter.Seq2[Example, error] {
	return Join(ctx, predictions, labels, q)
}

func (s *MemoryStore) LookupAsOf(ctx context.Context, at time.Time, ids ...string) (map[string]Label, error) {
	return s.Lookup(ctx, ids...)
}
