package healingtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
)

// model is a lease in memory, with one fault.
type model struct {
	mu     sync.Mutex
	holder string
	token  uint64
	until  time.Time

	faults
}

// faults are what may be wrong with a lease.
type faults struct {
	free         bool // everybody gets it
	zero         bool // tokens begin with 0
	sticky       bool // a holder that asks again gets the old token
	constant     bool // the token does not grow
	reused       bool // the token of a lease that was given back returns
	early        bool // another may take it before its end
	never        bool // an end is never noticed
	short        bool // Renew does not make it last
	eternal      bool // after a Renew there is no end
	revived      bool // Renew takes back what was lost
	anyToken     bool // Renew does not look at the token
	anyHolder    bool // Renew does not look at the holder
	kept         bool // Release does nothing
	freed        bool // Release does not look at the token
	strict       bool // Release of what is lost is an error
	noContext    bool
	unlocked     bool // look and take are two steps
	stillRenewed bool // Renew after Release
	extends      bool // to ask in vain makes the lease of the other last
}

func (m *model) lock() func() {
	m.mu.Lock()
	return m.mu.Unlock
}

func (m *model) err(ctx context.Context) error {
	if m.noContext {
		return nil
	}
	return ctx.Err()
}

func (m *model) Acquire(ctx context.Context, holder string, ttl time.Duration) (uint64, error) {
	if err := m.err(ctx); err != nil {
		return 0, err
	}
	unlock := m.lock()
	taken := m.holder != "" && m.holder != holder
	ended := !time.Now().Before(m.until) && !m.never
	if m.early {
		ended = time.Now().After(m.until.Add(-ttl / 2).Add(ttl / 4).Add(-long))
	}
	if m.unlocked {
		unlock()
		time.Sleep(time.Millisecond)
		unlock = m.lock()
	}
	defer unlock()
	if taken && !ended && !m.free {
		if m.extends {
			m.until = m.until.Add(long)
		}
		return 0, nil
	}
	again := m.holder == holder
	m.holder, m.until = holder, time.Now().Add(ttl)
	switch {
	case m.zero && m.token == 0, m.sticky && again && m.token > 0, m.constant && m.token > 0:
		m.zero = false
		return m.token, nil
	}
	m.token++
	return m.token, nil
}

func (m *model) Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (bool, error) {
	if err := m.err(ctx); err != nil {
		return false, err
	}
	defer m.lock()()
	switch {
	case m.stillRenewed && m.holder == "" && m.token == token:
		return true, nil
	case m.revived && token > 0 && token < m.token && m.holder != holder:
		m.holder, m.token = holder, token
		return true, nil
	case m.holder == "", m.holder != holder && !m.anyHolder, m.token != token && !m.anyToken:
		return false, nil
	}
	if !m.short {
		m.until = time.Now().Add(ttl)
	}
	m.never = m.never || m.eternal
	return true, nil
}

func (m *model) Release(ctx context.Context, holder string, token uint64) error {
	if err := m.err(ctx); err != nil {
		return err
	}
	defer m.lock()()
	mine := m.holder == holder && m.token == token
	if m.strict && !mine {
		return healing.ErrDamaged
	}
	if (mine || m.freed) && !m.kept {
		m.holder = ""
		if m.reused {
			m.token--
		}
	}
	return nil
}

func leaseHarness(f faults, second, reopen func(*model) healing.Lease) LeaseHarness {
	handle := func(make func(*model) healing.Lease) func(testing.TB, healing.Lease) healing.Lease {
		return func(_ testing.TB, l healing.Lease) healing.Lease {
			if make != nil {
				return make(l.(*model))
			}
			return l
		}
	}
	return LeaseHarness{
		New:    func(testing.TB) healing.Lease { return &model{faults: f} },
		Second: handle(second),
		Reopen: handle(reopen),
		TTL:    60 * time.Millisecond,
	}
}

func TestRunLease(t *testing.T) {
	t.Parallel()
	RunLease(t, leaseHarness(faults{}, nil, nil))
	RunLease(t, LeaseHarness{New: func(testing.TB) healing.Lease { return new(healing.MemoryLease) }})
}

func TestRunLease_CatchesMutants(t *testing.T) {
	t.Parallel()
	blind := func(*model) healing.Lease { return &model{} }
	for _, c := range []struct {
		name           string
		caught         string
		faults         faults
		second, reopen func(*model) healing.Lease
	}{
		{"token 0", "free", faults{zero: true}, nil, nil},
		{"everybody gets it", "held", faults{free: true}, nil, nil},
		{"the old token again", "again", faults{sticky: true}, nil, nil},
		{"one token for all", "growing", faults{constant: true}, nil, nil},
		{"a token that returns after a release", "growing", faults{reused: true}, nil, nil},
		{"stolen before its end", "not before its end", faults{early: true}, nil, nil},
		{"never ends", "taken after its end", faults{never: true}, nil, nil},
		{"ends later with each refusal", "taken after its end", faults{extends: true}, nil, nil},
		{"is not renewed", "renew", faults{short: true}, nil, nil},
		{"is renewed for ever", "renew", faults{eternal: true}, nil, nil},
		{"is revived", "lost", faults{revived: true}, nil, nil},
		{"renewed with any token", "renew of another", faults{anyToken: true}, nil, nil},
		{"renewed by anybody", "renew of another", faults{anyHolder: true}, nil, nil},
		{"renewed after a release", "renew of another", faults{stillRenewed: true}, nil, nil},
		{"is not given back", "release", faults{kept: true}, nil, nil},
		{"given back by anybody", "release of another", faults{freed: true}, nil, nil},
		{"an error of release", "release of another", faults{strict: true}, nil, nil},
		{"no context", "cancelled", faults{noContext: true}, nil, nil},
		{"looks and takes", "one holder", faults{unlocked: true}, nil, nil},
		{"blind to others", "second handle", faults{}, blind, nil},
		{"blind to others that ask at once", "second handle, one holder", faults{}, blind, nil},
		{"forgets with its process", "reopen", faults{}, nil, blind},
		{"tokens from 1 again", "reopen", faults{}, nil, func(m *model) healing.Lease {
			defer m.lock()()
			if m.holder == "" {
				m.token = 0
			}
			return m
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(leasePromises, func(p promise[*lease]) bool { return p.name == c.caught })
			require.GreaterOrEqual(t, i, 0, "no promise %q", c.caught)
			on, unchecked := newLease(t, leaseHarness(c.faults, c.second, c.reopen), leasePromises[i])
			require.Empty(t, unchecked)
			require.Error(t, leasePromises[i].check(t, on, 10*time.Second), leasePromises[i].text)
		})
	}
}
