package fileregistry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

func openLease(t *testing.T, path string) *fileregistry.Lease {
	t.Helper()
	l, err := fileregistry.OpenLease(path)
	require.NoError(t, err)
	return l
}

func TestLease(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "folder", "lease")
	a, b := openLease(t, path), openLease(t, path)

	token, err := a.Acquire(ctx, "a", time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 1, token)
	taken, err := b.Acquire(ctx, "b", time.Hour)
	require.NoError(t, err)
	require.Zero(t, taken)
	held, err := b.Renew(ctx, "b", 1, time.Hour)
	require.NoError(t, err)
	require.False(t, held)
	require.NoError(t, b.Release(ctx, "b", 1), "that of another")
	held, err = a.Renew(ctx, "a", 1, 20*time.Millisecond)
	require.NoError(t, err)
	require.True(t, held)

	time.Sleep(30 * time.Millisecond)
	token, err = b.Acquire(ctx, "b", time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 2, token)
	held, err = a.Renew(ctx, "a", 1, time.Hour)
	require.NoError(t, err)
	require.False(t, held)
	require.NoError(t, a.Release(ctx, "a", 1))

	token, err = b.Acquire(ctx, "b", time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 3, token, "a holder that asks again gets a new token")
	held, err = b.Renew(ctx, "b", 2, time.Hour)
	require.NoError(t, err)
	require.False(t, held, "the former token is lost")
	require.NoError(t, b.Release(ctx, "b", 3))
	held, err = b.Renew(ctx, "b", 3, time.Hour)
	require.NoError(t, err)
	require.False(t, held, "it was given back")
	token, err = openLease(t, path).Acquire(ctx, "a", time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 4, token, "tokens grow for ever")

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
}

func TestLease_OneHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lease")
	var holders atomic.Int32
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	var wg sync.WaitGroup
	for i := range 8 {
		l := openLease(t, path)
		wg.Go(func() {
			for range 10 {
				name := fmt.Sprint(i)
				token, err := l.Acquire(t.Context(), name, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if token == 0 {
					continue
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold the lease", n)
				}
				mu.Lock()
				if seen[token] {
					t.Errorf("token %d was given out twice", token)
				}
				seen[token] = true
				mu.Unlock()
				holders.Add(-1)
				if err := l.Release(t.Context(), name, token); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NotEmpty(t, seen)
}

// A process that dies at any instruction leaves the lease as it was or as it shall be, and
// locks nobody out.
func TestLease_Crash(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		path := filepath.Join(t.TempDir(), "lease")
		l := openLease(t, path)
		_, err := l.Acquire(t.Context(), "a", time.Hour)
		require.NoError(t, err)
		n := 0
		crashed := fileregistry.HookLease(l, func(string, string) error {
			if n++; n >= at {
				return errCrash
			}
			return nil
		})
		_, err = crashed.Acquire(t.Context(), "a", time.Hour)
		if n < at {
			require.NoError(t, err)
			require.Greater(t, at, 4, "the hook is called")
			return
		}
		require.ErrorIs(t, err, errCrash)
		token, err := openLease(t, path).Acquire(t.Context(), "a", time.Hour)
		require.NoError(t, err)
		require.Contains(t, []uint64{2, 3}, token)
	}
}

func TestLease_Fails(t *testing.T) {
	t.Parallel()
	_, err := fileregistry.OpenLease("")
	require.EqualError(t, err, "fileregistry: path is empty")
	path := filepath.Join(t.TempDir(), "lease")
	l := openLease(t, path)
	_, err = l.Acquire(t.Context(), "", time.Hour)
	require.ErrorContains(t, err, "holder is empty")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Acquire(cancelled, "a", time.Hour)
	require.ErrorIs(t, err, context.Canceled)
	_, err = l.Renew(cancelled, "a", 1, time.Hour)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, l.Release(cancelled, "a", 1), context.Canceled)

	// Without the last token there can be no next.
	rewrite(t, path, []byte(`{"holder":`))
	_, err = l.Acquire(t.Context(), "a", time.Hour)
	require.ErrorContains(t, err, path)
}
