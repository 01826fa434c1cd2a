package modeltest

import (
	"context"
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Broken returns the names of the cases that a model does not pass, with the reasons.
func Broken(ctx context.Context, m gate.Model, rows []predictlog.Row, target predictlog.Target) ([]string, error) {
	var names []string
	var errs []error
	for _, c := range cases {
		if err := c.run(ctx, m, rows, target); err != nil {
			names = append(names, c.name)
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return names, errors.Join(errs...)
}
