package healingtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
)

// LeaseHarness makes what [RunLease] tests. Only New is required.
type LeaseHarness struct {
	// New returns a lease that is free and was never held, and registers its cleanup.
	New func(t testing.TB) healing.Lease
	// Reopen ends the use of a lease, as the end of its process would, and opens it again.
	// The cleanup must accept that the old one is closed.
	Reopen func(t testing.TB, l healing.Lease) healing.Lease
	// Second returns the same lease as a second process has it, and registers its cleanup.
	Second func(t testing.TB, l healing.Lease) healing.Lease
	// TTL is a time that the lease can measure and that is long enough for several calls. The
	// checks take some ten times as long. Default 300ms.
	TTL time.Duration
}

// RunLease checks every promise of [healing.Lease], each in a subtest on a lease of its
// own.
func RunLease(t *testing.T, h LeaseHarness) {
	run(t, leasePromises, func(t testing.TB, p promise[*lease]) (*lease, string) { return newLease(t, h, p) })
}

// lease is a lease under test.
type lease struct {
	healing.Lease
	t   testing.TB
	h   LeaseHarness
	ttl time.Duration
}

func newLease(t testing.TB, h LeaseHarness, p promise[*lease]) (*lease, string) {
	if unchecked := p.needs.missing(h.Reopen != nil, h.Second != nil, true); unchecked != "" {
		return nil, unchecked
	}
	ttl := h.TTL
	if ttl == 0 {
		ttl = 300 * time.Millisecond
	}
	return &lease{Lease: h.New(t), t: t, h: h, ttl: ttl}, ""
}

var leasePromises = []promise[*lease]{
	{name: "free", text: "Acquire takes a free lease and returns a token above 0", kept: free},
	{name: "held", text: "Acquire returns 0 if another holds the lease, and changes nothing", kept: held},
	{name: "again", text: "a holder that asks again gets a new token, above the last", kept: again},
	{name: "growing", text: "a token is above all tokens before it, whoever had them and however they ended", kept: growing},
	{name: "not before its end", text: "a lease lasts until its ttl has passed", kept: notBefore},
	{name: "taken after its end", text: "a lease whose ttl has passed without a Renew may be taken by another", kept: takenAfter},
	{name: "renew", text: "Renew makes the lease last for another ttl", kept: renew},
	{name: "lost", text: "Renew of a lease that was taken meanwhile reports false and changes nothing", kept: lost},
	{name: "renew of another", text: "Renew with another token or by another holder reports false", kept: renewOther},
	{name: "release", text: "Release gives the lease back, so that another need not wait for its end", kept: release},
	{name: "release of another", text: "to release a lease that is lost is no error and changes nothing", kept: releaseLost},
	{name: "cancelled", text: "a cancelled context is an error and changes nothing", kept: leaseCancelled},
	{name: "one holder", text: "of several that ask at the same time one gets the lease", kept: oneHolder},
	{name: "second handle", text: "all of this holds among the processes that share the lease", kept: secondProcess, needs: needsSecond},
	{name: "second handle, one holder", text: "of several processes that ask at the same time one gets the lease", kept: oneProcess, needs: needsSecond},
	{name: "reopen", text: "the end of a process neither ends a lease nor makes a token return", kept: leaseReopened, needs: needsReopen},
}

// long is a time that does not pass during a check.
const long = time.Hour

func acquired(ctx context.Context, l healing.Lease, holder string, ttl time.Duration, above uint64) (uint64, error) {
	token, err := l.Acquire(ctx, holder, ttl)
	if err != nil {
		return 0, fmt.Errorf("acquire by %s: %w", holder, err)
	}
	if token <= above {
		return 0, fmt.Errorf("acquire by %s returns %d, want a token above %d", holder, token, above)
	}
	return token, nil
}

func refused(ctx context.Context, l healing.Lease, holder string) error {
	if token, err := l.Acquire(ctx, holder, long); token != 0 || err != nil {
		return fmt.Errorf("acquire by %s of a lease that another holds returns %d, %v, want 0", holder, token, err)
	}
	return nil
}

func renewed(ctx context.Context, l healing.Lease, holder string, token uint64, ttl time.Duration, want bool) error {
	held, err := l.Renew(ctx, holder, token, ttl)
	if err != nil || held != want {
		return fmt.Errorf("renew by %s with token %d reports %v, %v, want %v", holder, token, held, err, want)
	}
	return nil
}

// takeExpired calls Acquire until it succeeds.
func takeExpired(ctx context.Context, l healing.Lease, holder string, ttl, patience time.Duration) (uint64, error) {
	for begin := time.Now(); ; {
		token, err := l.Acquire(ctx, holder, ttl)
		if err != nil || token > 0 {
			return token, err
		}
		if time.Since(begin) > patience {
			return 0, fmt.Errorf("acquire by %s returns 0 for %v, although the lease of the other has ended", holder, patience)
		}
		time.Sleep(patience / 100)
	}
}

func free(ctx context.Context, l *lease) error {
	_, err := acquired(ctx, l, "a", long, 0)
	return err
}

func held(ctx context.Context, l *lease) error {
	token, err := acquired(ctx, l, "a", long, 0)
	if err != nil {
		return err
	}
	return errors.Join(refused(ctx, l, "b"), refused(ctx, l, "c"), renewed(ctx, l, "a", token, long, true), refused(ctx, l, "b"))
}

func again(ctx context.Context, l *lease) error {
	first, err := acquired(ctx, l, "a", long, 0)
	if err != nil {
		return err
	}
	second, err := acquired(ctx, l, "a", long, first)
	if err != nil {
		return err
	}
	return errors.Join(renewed(ctx, l, "a", first, long, false), renewed(ctx, l, "a", second, long, true), refused(ctx, l, "b"))
}

func growing(ctx context.Context, l *lease) error {
	var last uint64
	for i := range 6 {
		holder := []string{"a", "b", "a", "c"}[i%4]
		token, err := acquired(ctx, l, holder, long, last)
		if err != nil {
			return err
		}
		last = token
		if err := l.Release(ctx, holder, token); err != nil {
			return err
		}
	}
	token, err := acquired(ctx, l, "a", l.ttl, last)
	if err != nil {
		return err
	}
	taken, err := takeExpired(ctx, l, "b", long, 20*l.ttl)
	if err == nil && taken <= token {
		err = fmt.Errorf("the token of a lease that was taken after its end is %d, want above %d", taken, token)
	}
	return err
}

func notBefore(ctx context.Context, l *lease) error {
	for _, prepare := range []func() error{
		func() error { _, err := acquired(ctx, l, "a", l.ttl, 0); return err },
		func() error { // a lease that ends sooner than the one before
			_, err := acquired(ctx, l, "b", l.ttl, 0)
			return err
		},
	} {
		begin := time.Now()
		if err := prepare(); err != nil {
			return err
		}
		token, err := takeExpired(ctx, l, "c", long, 20*l.ttl)
		if err != nil {
			return err
		}
		if passed := time.Since(begin); passed < l.ttl-l.ttl/20 {
			return fmt.Errorf("a lease of %v was taken by another after %v", l.ttl, passed)
		}
		if err := l.Release(ctx, "c", token); err != nil {
			return err
		}
	}
	return nil
}

func takenAfter(ctx context.Context, l *lease) error {
	if _, err := acquired(ctx, l, "a", l.ttl, 0); err != nil {
		return err
	}
	if _, err := takeExpired(ctx, l, "b", long, 20*l.ttl); err != nil {
		return err
	}
	return refused(ctx, l, "a")
}

func renew(ctx context.Context, l *lease) error {
	token, err := acquired(ctx, l, "a", l.ttl, 0)
	if err != nil {
		return err
	}
	if err := renewed(ctx, l, "a", token, 4*l.ttl, true); err != nil {
		return err
	}
	time.Sleep(2 * l.ttl)
	if err := refused(ctx, l, "b"); err != nil {
		return fmt.Errorf("after a Renew: %w", err)
	}
	if err := renewed(ctx, l, "a", token, l.ttl, true); err != nil {
		return err
	}
	if _, err := takeExpired(ctx, l, "b", long, 20*l.ttl); err != nil { // a renewed lease ends too
		return err
	}
	return nil
}

func lost(ctx context.Context, l *lease) error {
	old, err := acquired(ctx, l, "a", l.ttl, 0)
	if err != nil {
		return err
	}
	token, err := takeExpired(ctx, l, "b", long, 20*l.ttl)
	if err != nil {
		return err
	}
	return errors.Join(renewed(ctx, l, "a", old, long, false), renewed(ctx, l, "b", token, long, true), refused(ctx, l, "a"))
}

func renewOther(ctx context.Context, l *lease) error {
	if err := renewed(ctx, l, "a", 1, long, false); err != nil {
		return fmt.Errorf("before any Acquire: %w", err)
	}
	token, err := acquired(ctx, l, "a", long, 0)
	if err != nil {
		return err
	}
	err = errors.Join(
		renewed(ctx, l, "a", token+1, long, false),
		renewed(ctx, l, "a", 0, long, false),
		renewed(ctx, l, "b", token, long, false),
		renewed(ctx, l, "a", token, long, true),
		l.Release(ctx, "a", token),
	)
	if err != nil {
		return err
	}
	if err := renewed(ctx, l, "a", token, long, false); err != nil {
		return fmt.Errorf("after a Release: %w", err)
	}
	_, err = acquired(ctx, l, "b", long, token)
	return err
}

func release(ctx context.Context, l *lease) error {
	token, err := acquired(ctx, l, "a", long, 0)
	if err != nil {
		return err
	}
	if err := l.Release(ctx, "a", token); err != nil {
		return err
	}
	_, err = acquired(ctx, l, "b", long, token)
	return err
}

func releaseLost(ctx context.Context, l *lease) error {
	if err := l.Release(ctx, "a", 7); err != nil {
		return fmt.Errorf("release before any Acquire: %w", err)
	}
	old, err := acquired(ctx, l, "a", long, 0)
	if err != nil {
		return err
	}
	token, err := acquired(ctx, l, "a", long, old)
	if err != nil {
		return err
	}
	return errors.Join(
		l.Release(ctx, "a", old), refused(ctx, l, "b"),
		l.Release(ctx, "b", token), refused(ctx, l, "b"),
		renewed(ctx, l, "a", token, long, true),
		l.Release(ctx, "a", token), l.Release(ctx, "a", token),
	)
}

func leaseCancelled(ctx context.Context, l *lease) error {
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := l.Acquire(done, "a", long); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("acquire: %v, want context.Canceled", err)
	}
	token, err := acquired(ctx, l, "b", long, 0)
	if err != nil {
		return err
	}
	if _, err := l.Renew(done, "b", token, long); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("renew: %v, want context.Canceled", err)
	}
	if err := l.Release(done, "b", token); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("release: %v, want context.Canceled", err)
	}
	return errors.Join(renewed(ctx, l, "b", token, long, true), refused(ctx, l, "a"))
}

func oneHolder(ctx context.Context, l *lease) error { return race(ctx, []healing.Lease{l, l}) }

// race lets several holders call Acquire at once, again and again, and checks that they
// exclude each other and that tokens grow.
func race(ctx context.Context, handles []healing.Lease) error {
	var holding atomic.Int32
	var last atomic.Uint64
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return together(func(worker int) (err error) {
		defer func() {
			if err != nil {
				cancel() // whoever waits for the lease may wait in vain
			}
		}()
		l, holder := handles[worker%len(handles)], fmt.Sprintf("holder %d", worker)
		for won := 0; won < 5; {
			token, err := l.Acquire(ctx, holder, long)
			if err != nil {
				return err
			}
			if token == 0 {
				time.Sleep(time.Millisecond)
				continue
			}
			if ctx.Err() != nil { // of a lease that heeds no context
				return ctx.Err()
			}
			won++
			if holding.Add(1) != 1 {
				return fmt.Errorf("%s got the lease while another holds it", holder)
			}
			if before := last.Swap(token); token <= before {
				return fmt.Errorf("%s got token %d after token %d", holder, token, before)
			}
			time.Sleep(time.Millisecond)
			holding.Add(-1)
			if err := l.Release(ctx, holder, token); err != nil {
				return err
			}
		}
		return nil
	})
}

func secondProcess(ctx context.Context, l *lease) error {
	other := l.h.Second(l.t, l.Lease)
	token, err := acquired(ctx, l, "a", long, 0)
	if err != nil {
		return err
	}
	err = errors.Join(
		refused(ctx, other, "b"),
		renewed(ctx, other, "b", token, long, false),
		other.Release(ctx, "b", token),
		refused(ctx, other, "b"),
		l.Release(ctx, "a", token),
	)
	if err != nil {
		return err
	}
	next, err := acquired(ctx, other, "b", l.ttl, token)
	if err != nil {
		return err
	}
	if err := errors.Join(refused(ctx, l, "a"), renewed(ctx, l, "a", token, long, false)); err != nil {
		return err
	}
	last, err := takeExpired(ctx, l, "a", long, 20*l.ttl)
	if err == nil && last <= next {
		err = fmt.Errorf("the token of the first handle is %d, after %d of the second", last, next)
	}
	return errors.Join(err, renewed(ctx, other, "b", next, long, false), refused(ctx, other, "b"))
}

func oneProcess(ctx context.Context, l *lease) error {
	return race(ctx, []healing.Lease{l, l.h.Second(l.t, l.Lease)})
}

func leaseReopened(ctx context.Context, l *lease) error {
	token, err := acquired(ctx, l, "a", long, 0)
	if err != nil {
		return err
	}
	l.Lease = l.h.Reopen(l.t, l.Lease)
	if err := errors.Join(refused(ctx, l, "b"), renewed(ctx, l, "a", token, long, true), l.Release(ctx, "a", token)); err != nil {
		return err
	}
	l.Lease = l.h.Reopen(l.t, l.Lease)
	_, err = acquired(ctx, l, "b", long, token)
	return err
}
