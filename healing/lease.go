package healing

import (
	"context"
	"sync"
	"time"
)

// Lease lets one process at a time do what is to be done once: train, judge, promote. A lease
// saves work. It is the token, which journal and registry compare, that keeps a process from
// doing harm when that process lost its lease without knowing. All methods are safe for
// concurrent use by goroutines and by the processes that share the lease. The function
// healingtest.RunLease checks these promises.
type Lease interface {
	// Acquire takes the lease for holder, a name unique among all processes, until ttl has
	// passed. Acquire returns a token above all earlier tokens, or 0 if another holder has
	// the lease. A holder that asks again gets a new token. A lease whose ttl has passed
	// without a Renew may be taken by another holder.
	Acquire(ctx context.Context, holder string, ttl time.Duration) (token uint64, err error)

	// Renew makes the lease with this token last for another ttl and reports whether the
	// holder still has it. If another holder took the lease meanwhile, Renew reports false
	// and changes nothing.
	Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (held bool, err error)

	// Release gives the lease with this token back, so that another holder need not wait for
	// its end. To release a lost lease is no error and changes nothing.
	Release(ctx context.Context, holder string, token uint64) error
}

// MemoryLease is a [Lease] among the loops of one process. The zero MemoryLease is free. Its
// tokens begin at 1 in each process. A registry or a journal that outlives the process
// therefore refuses a loop until the tokens are as high as before, one attempt a tick.
type MemoryLease struct {
	mu     sync.Mutex
	holder string    // guarded by mu; "" if the lease is free
	token  uint64    // guarded by mu; the last that was given out
	until  time.Time // guarded by mu
}

// Acquire implements [Lease].
func (l *MemoryLease) Acquire(ctx context.Context, holder string, ttl time.Duration) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.holder != "" && l.holder != holder && now.Before(l.until) {
		return 0, nil
	}
	l.holder, l.until = holder, now.Add(ttl)
	l.token++
	return l.token, nil
}

// Renew implements [Lease].
func (l *MemoryLease) Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != holder || l.token != token {
		return false, nil
	}
	l.until = time.Now().Add(ttl)
	return true, nil
}

// Release implements [Lease].
func (l *MemoryLease) Release(ctx context.Context, holder string, token uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder == holder && l.token == token {
		l.holder = ""
	}
	return nil
}
