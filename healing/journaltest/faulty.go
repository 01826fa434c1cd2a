package journaltest

import (
	"context"
	"sync"

	"github.com/selfheal-ml/selfheal/healing"
)

// Faulty is a journal that fails at will.
type Faulty struct {
	healing.Journal
	// Before and After, if not nil, are called around the n-th Append, counted from 1.
	// An error of Before is returned and nothing is appended. An error of After is
	// returned although the entry was appended: the case of a process that dies, or
	// loses its connection, between the write and the answer.
	Before, After func(n int) error

	mu sync.Mutex
	n  int // guarded by mu
}

// Append implements [healing.Journal].
func (f *Faulty) Append(ctx context.Context, e healing.Entry) error {
	f.mu.Lock()
	f.n++
	n := f.n
	f.mu.Unlock()
	if f.Before != nil {
		if err := f.Before(n); err != nil {
			return err
		}
	}
	if err := f.Journal.Append(ctx, e); err != nil {
		return err
	}
	if f.After != nil {
		return f.After(n)
	}
	return nil
}
