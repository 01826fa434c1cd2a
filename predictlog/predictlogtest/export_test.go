package predictlogtest

import (
	"context"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Check runs the case of this name without a [testing.T], and returns what it finds.
func Check(ctx context.Context, name string, open func(*predictlog.Schema) predictlog.Store) error {
	for _, c := range cases {
		if c.name == name {
			return c.check(ctx, open)
		}
	}
	return nil
}
