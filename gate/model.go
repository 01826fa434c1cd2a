package gate

import (
	"context"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Model answers rows. It is what a host implements to have its models compared; the
// sub-package modeltest checks these promises.
type Model interface {
	// Predict returns one output for each row, in the order of the rows. Probabilities, if
	// it gives any, are one for each class and sum up to 1 within 1e-5.
	// The outputs depend on the rows alone, not on which rows share a call. It does not
	// modify the rows, and may be called by several goroutines at once. A row it cannot
	// answer is an error of the whole call.
	Predict(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error)
}

// ModelFunc makes a function a [Model].
type ModelFunc func(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error)

// Predict calls f.
func (f ModelFunc) Predict(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
	return f(ctx, rows)
}
