package predictlogtest

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Faulty returns a store that fails on demand. Before each Append, and each ranging over a
// Scan, it calls fail with the number of the call, counted from 1 over both. An error of fail
// is returned, or yielded, and store is not called. Faulty is safe for concurrent use if fail
// is.
func Faulty(store predictlog.Store, fail func(call int) error) predictlog.Store {
	return &faulty{Store: store, fail: fail}
}

type faulty struct {
	predictlog.Store
	fail  func(call int) error
	calls atomic.Int64
}

func (f *faulty) Append(ctx context.Context, records ...predictlog.Record) error {
	if err := f.fail(int(f.calls.Add(1))); err != nil {
		return err
	}
	return f.Store.Append(ctx, records...)
}

func (f *faulty) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		if err := f.fail(int(f.calls.Add(1))); err != nil {
			yield(predictlog.Record{}, err)
			return
		}
		f.Store.Scan(ctx, q)(yield)
	}
}
