package looptest_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/looptest"
	"github.com/selfheal-ml/selfheal/registry"
)

// The story holds on what is known to be right, and goes on.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := looptest.Memory()
		out := looptest.Run(t, func() looptest.Stores { return s })
		before := out.Now()
		status, err := out.Days(t, 1)
		require.NoError(t, err)
		require.Equal(t, out.First.ID, status.Production.ID)
		require.Equal(t, out.Now(), status.Passes[0].Time)
		require.Equal(t, 24*time.Hour, out.Now().Sub(before))
	})
}

// unfenced is a registry that knows no former holders of the lease.
type unfenced struct{ registry.Registry }

func (u unfenced) Register(ctx context.Context, d registry.Draft, artifact io.Reader) (registry.Version, error) {
	d.Token = 0
	return u.Registry.Register(ctx, d, artifact)
}

// bare is a registry that can do nothing but what it must.
type bare struct{ registry.Registry }

// sharedLease is a lease that everybody gets.
type sharedLease struct{ healing.Lease }

func (l sharedLease) Acquire(ctx context.Context, _ string, ttl time.Duration) (uint64, error) {
	return l.Lease.Acquire(ctx, "everybody", ttl)
}

// The story fails on stores that break a promise which it is about.
func TestRun_Mutants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks func(*looptest.Stores)
		says   string
	}{
		"unfenced":           {func(s *looptest.Stores) { s.Registry = unfenced{s.Registry} }, "want ErrFenced"},
		"keeps no decisions": {func(s *looptest.Stores) { s.Registry = bare{s.Registry} }, `"decision.json"`},
		"lease for all":      {func(s *looptest.Stores) { s.Lease = sharedLease{s.Lease} }, "without the lease"},
		"journals apart":     {func(s *looptest.Stores) { s.Journal = new(registry.MemoryLog) }, "without the lease"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := looptest.Memory()
				f := &failing{TB: t}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					looptest.Run(f, func() looptest.Stores {
						broken := s
						c.breaks(&broken)
						return broken
					})
				}()
				<-ended
				require.Contains(t, f.said, c.says)
			})
		})
	}
}

// failing is a test that is expected to fail: it keeps why.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatal(args ...any) {
	f.said = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *failing) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }
