package labelstest

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
)

// Faulty returns a store that fails on demand and otherwise does the same as store. fail is
// called before every call of a method with the number of the call, counted from 1 over all
// methods; the call of Scan is the ranging over its sequence. If fail returns an error, the
// call fails with that error and has no effect. fail must be safe for concurrent use if the
// store is used so.
func Faulty(store labels.Store, fail func(call int) error) labels.Store {
	return &faulty{store: store, fail: fail}
}

type faulty struct {
	store labels.Store
	fail  func(call int) error
	calls atomic.Int64
}

func (f *faulty) next() error { return f.fail(int(f.calls.Add(1))) }

func (f *faulty) Append(ctx context.Context, ls ...labels.Label) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.store.Append(ctx, ls...)
}

func (f *faulty) Lookup(ctx context.Context, predictionIDs ...string) (map[string]labels.Label, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return f.store.Lookup(ctx, predictionIDs...)
}

func (f *faulty) LookupAsOf(ctx context.Context, arrivedBy time.Time, predictionIDs ...string) (map[string]labels.Label, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return f.store.LookupAsOf(ctx, arrivedBy, predictionIDs...)
}

func (f *faulty) Scan(ctx context.Context, q labels.Query) iter.Seq2[labels.Label, error] {
	return func(yield func(labels.Label, error) bool) {
		if err := f.next(); err != nil {
			yield(labels.Label{}, err)
			return
		}
		f.store.Scan(ctx, q)(yield)
	}
}
