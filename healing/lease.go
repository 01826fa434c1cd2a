package healing

import (
	"context"
	"sync"
	"time"
)

// Lease lets one process at a time do what is to be done once: train, judge, promote. It
// saves work; what keeps a process from doing harm that lost its lease without knowing is
// its token, which journal and registry compare. All methods are safe for concurrent use
// by goroutines and by the processes that share the lease. The function
// healingtest.RunLease checks these promises.
type Lease interface {
	// Acquire takes the lease for holder, who is unique among all processes, until ttl has
	// passed, and returns a token that is above all tokens before it. It returns 0 if
	// another holds the lease. A holder that asks again gets a new token. A lease whose ttl
	// has passed without a Renew may be taken by another.
	Acquire(ctx context.Context, holder string, ttl time.Duration) (token uint64, err error)

	// Renew makes the lease with this token last for another ttl and reports whether it is
	// still that of the holder. If it was taken meanwhile, it is not.
	Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (held bool, err error)

	// Release gives the lease with this token back, so that another need not wait for its
	// end. To release a lease that is lost is no error and changes nothing.
	Release(ctx context.Context, holder string, token uint64) error
}

// MemoryLease is a [Lease] among the loops of one process. The zero MemoryLease is free. Its
// tokens begin at 1 in each process: with a registry or a journal that outlives the process,
// a loop is refused until its tokens are as high as those before, one attempt a tick.
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
