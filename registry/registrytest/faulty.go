package registrytest

import (
	"context"
	"io"
	"iter"
	"sync/atomic"

	"github.com/selfheal-ml/selfheal/registry"
)

// Faulty is a [registry.Registry] that passes every call on to another registry, except the
// calls that it is told to fail. It is as safe for concurrent use as that registry, if Before
// and After are.
type Faulty struct {
	Registry registry.Registry

	// Before, if not nil, is called before each call with its number, from 1 up, and its
	// method, such as "Transition". If Before returns an error, so does the call, and it is
	// not passed on: nothing happened.
	Before func(n int, method string) error
	// After, if not nil, is called in the same way after each successful call. If After
	// returns an error, so does the call: it happened, but the caller cannot know.
	After func(n int, method string) error

	calls atomic.Int64
}

// Nth returns a function for [Faulty] that fails the n-th call with err.
func Nth(n int, err error) func(int, string) error {
	return func(call int, _ string) error {
		if call == n {
			return err
		}
		return nil
	}
}

// around makes a call of the method.
func (f *Faulty) around(method string, call func() error) error {
	n := int(f.calls.Add(1))
	if f.Before != nil {
		if err := f.Before(n, method); err != nil {
			return err
		}
	}
	if err := call(); err != nil {
		return err
	}
	if f.After != nil {
		return f.After(n, method)
	}
	return nil
}

// Register implements [registry.Registry].
func (f *Faulty) Register(ctx context.Context, draft registry.Draft, artifact io.Reader) (registry.Version, error) {
	var v registry.Version
	err := f.around("Register", func() (err error) {
		v, err = f.Registry.Register(ctx, draft, artifact)
		return err
	})
	if err != nil {
		return registry.Version{}, err
	}
	return v, nil
}

// Versions implements [registry.Registry]. Ranging over the sequence counts as the call.
func (f *Faulty) Versions(ctx context.Context, q registry.Query) iter.Seq2[registry.Version, error] {
	return sequence(f, "Versions", f.Registry.Versions(ctx, q))
}

// Open implements [registry.Registry].
func (f *Faulty) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	var content io.ReadCloser
	err := f.around("Open", func() (err error) {
		content, err = f.Registry.Open(ctx, id, file)
		return err
	})
	if err != nil && content != nil {
		_ = content.Close() // it is err that the caller shall see
	}
	if err != nil {
		return nil, err
	}
	return content, nil
}

// Transition implements [registry.Registry].
func (f *Faulty) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	var e registry.Event
	err := f.around("Transition", func() (err error) {
		e, err = f.Registry.Transition(ctx, t)
		return err
	})
	if err != nil {
		return registry.Event{}, err
	}
	return e, nil
}

// History implements [registry.Registry]. Ranging over the sequence counts as the call.
func (f *Faulty) History(ctx context.Context, after uint64) iter.Seq2[registry.Event, error] {
	return sequence(f, "History", f.Registry.History(ctx, after))
}

// sequence counts ranging over all as a call of the method.
func sequence[T any](f *Faulty, method string, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := f.around(method, func() error {
			for v, err := range all {
				if err != nil {
					return err
				}
				if !yield(v, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			var zero T
			yield(zero, err)
		}
	}
}
