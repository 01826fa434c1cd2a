package blobregistry_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry/blobregistry"
)

var _ healing.Lease = (*blobregistry.Lease)(nil)

const ttl = 90 * time.Second

func acquire(t *testing.T, l *blobregistry.Lease, holder string) uint64 {
	t.Helper()
	token, err := l.Acquire(t.Context(), holder, ttl)
	require.NoError(t, err)
	return token
}

func renew(t *testing.T, l *blobregistry.Lease, holder string, token uint64) bool {
	t.Helper()
	held, err := l.Renew(t.Context(), holder, token, ttl)
	require.NoError(t, err)
	return held
}

// A process that is there when the holder dies waits a ttl from the last sign that it saw,
// although the clock of the store is wrong by hours.
func TestLeaseWaits(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, -5 * time.Hour, 5 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, (&fake{skew: skew}).bucket())
			holder, waiter := b.Lease("m"), b.Lease("m")
			token := acquire(t, holder, "a")
			for range 10 {
				time.Sleep(ttl / 3)
				require.True(t, renew(t, holder, "a", token))
				require.Zero(t, acquire(t, waiter, "b"))
			}
			time.Sleep(ttl - time.Second)
			require.Zero(t, acquire(t, waiter, "b"))
			time.Sleep(time.Second)
			require.Equal(t, token+1, acquire(t, waiter, "b"))
			require.False(t, renew(t, holder, "a", token))
			require.Zero(t, acquire(t, holder, "a"))
			require.NoError(t, waiter.Release(t.Context(), "b", token+1))
			require.Equal(t, token+2, acquire(t, holder, "a"))
		})
	}
}

// A renewal can be for longer than the claim was.
func TestLeaseRenewedForLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, new(fake).bucket())
		holder, waiter := b.Lease("m"), b.Lease("m")
		held, err := holder.Renew(t.Context(), "a", acquire(t, holder, "a"), 4*ttl)
		require.NoError(t, err)
		require.True(t, held)
		require.Zero(t, acquire(t, waiter, "b"))
		time.Sleep(4*ttl - time.Second)
		require.Zero(t, acquire(t, waiter, "b"))
		require.Zero(t, acquire(t, b.Lease("m"), "c"))
		time.Sleep(time.Second)
		require.EqualValues(t, 2, acquire(t, waiter, "b"))
	})
}

// A process that asks seldom does not take silence for what it missed: renewals are deleted
// by later ones.
func TestLeaseSeldomAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, new(fake).bucket())
		holder, waiter := b.Lease("m"), b.Lease("m")
		token := acquire(t, holder, "a")
		for range 20 {
			for range 10 {
				time.Sleep(ttl / 3)
				require.True(t, renew(t, holder, "a", token))
			}
			require.Zero(t, acquire(t, waiter, "b"))
		}
	})
}

// A process that asks once and ends, as one that is started by a clock, finds that a holder
// died long ago.
func TestLeaseAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{skew: 7 * time.Hour}
		b := open(t, f.bucket())
		holder := b.Lease("m")
		token := acquire(t, holder, "a")
		time.Sleep(ttl / 3)
		require.True(t, renew(t, holder, "a", token))
		time.Sleep(ttl)
		require.Zero(t, acquire(t, b.Lease("m"), "b"))
		time.Sleep(4 * time.Second) // a store's times are good to a second
		require.Equal(t, token+1, acquire(t, b.Lease("m"), "c"))
		for _, key := range f.keys() {
			require.NotContains(t, key, "scratch/")
		}
	})
}

// A holder that was stopped for longer than its ttl is told so, even if nobody took the
// lease yet: somebody may be about to.
func TestLeaseLateHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		l := open(t, f.bucket()).Lease("m")
		token := acquire(t, l, "a")
		time.Sleep(ttl + 1)
		f.forget()
		require.False(t, renew(t, l, "a", token))
		require.Zero(t, f.asked("put"), "nobody need wait for what it wrote")
		require.Equal(t, token+1, acquire(t, l, "a"))

		f.before = func(op, _ string) error { // stopped while it renews
			if op == "put" {
				time.Sleep(ttl + 1)
			}
			return nil
		}
		require.False(t, renew(t, l, "a", token+1))
	})
}

// A process that is stopped while it claims, until others claimed and released many times,
// gets no token: none is given out twice, and none below another's.
func TestLeaseStoppedClaimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		b := open(t, f.bucket())
		stopped, others := b.Lease("m"), b.Lease("m")
		for range 5 {
			require.NoError(t, others.Release(t.Context(), "a", acquire(t, others, "a")))
		}
		last := uint64(0)
		woken := false
		f.before = func(op, key string) error {
			if op != "put" || !strings.Contains(key, "/claim/") || woken {
				return nil
			}
			woken = true
			for range 10 {
				last = acquire(t, others, "a")
				require.NoError(t, others.Release(t.Context(), "a", last))
			}
			return nil
		}
		require.Zero(t, acquire(t, stopped, "z"))
		require.EqualValues(t, 15, last)
		require.EqualValues(t, 16, acquire(t, stopped, "z"))
	})
}

// What a lease leaves in the store, however long it is used, is a claim for each token and
// the last signs.
func TestLeaseCleans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		l := open(t, f.bucket()).Lease("m")
		for range 30 {
			token := acquire(t, l, "a")
			for range 10 {
				time.Sleep(ttl / 3)
				require.True(t, renew(t, l, "a", token))
			}
			require.NoError(t, l.Release(t.Context(), "a", token))
		}
		signs := 0
		for _, key := range f.keys() {
			if strings.Contains(key, "/sign/") {
				signs++
			}
		}
		require.LessOrEqual(t, signs, 4)
		require.Len(t, f.keys(), 30+signs)
	})
}

// The highest of many claims is found in a few steps by a process that knows none, and in
// one by a process that does.
func TestLeaseFindsHead(t *testing.T) {
	t.Parallel()
	f := new(fake)
	b := open(t, f.bucket())
	l := b.Lease("m")
	for i := range uint64(300) {
		require.Equal(t, i+1, acquire(t, b.Lease("m"), "a"))
	}
	f.forget()
	require.EqualValues(t, 301, acquire(t, l, "a"))
	require.LessOrEqual(t, f.asked("get"), 18)
	f.forget()
	require.EqualValues(t, 302, acquire(t, l, "a"))
	require.LessOrEqual(t, f.asked("get"), 4)
}

// The first of all claims may be made by another at any instant.
func TestLeaseFirstClaimOfAnother(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"get", "list", "put"} {
		f := new(fake)
		b := open(t, f.bucket())
		other, token := b.Lease("m"), uint64(0)
		f.before = func(op, key string) error {
			if op == at && strings.Contains(key, "/claim/") && token == 0 {
				token = 1 // no further call comes here
				token = acquire(t, other, "b")
			}
			return nil
		}
		require.Zero(t, acquire(t, b.Lease("m"), "a"), at)
		require.EqualValues(t, 1, token)
	}
}

// Tokens never begin anew: a lease whose first claims were deleted is an error.
func TestLeaseClaimsDeleted(t *testing.T) {
	t.Parallel()
	f := new(fake)
	bucket := f.bucket()
	b := open(t, bucket)
	for range 3 {
		acquire(t, b.Lease("m"), "a")
	}
	require.NoError(t, bucket.Delete(t.Context(), fmt.Sprintf("lease/m/claim/%020d", 1)))
	_, err := b.Lease("m").Acquire(t.Context(), "a", ttl)
	require.ErrorContains(t, err, "deleted")
}

func TestLeaseRefuses(t *testing.T) {
	t.Parallel()
	l := open(t, new(fake).bucket()).Lease("m")
	for _, c := range []struct {
		holder string
		ttl    time.Duration
	}{{"", ttl}, {"a", 0}, {"a", -1}} {
		_, err := l.Acquire(t.Context(), c.holder, c.ttl)
		require.Error(t, err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	for _, s := range append(stores(t), store{"fake", func(testing.TB) func() *blob.Bucket { b := new(fake).bucket(); return func() *blob.Bucket { return b } }}) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			bucket := s.place(t)()
			b := open(t, bucket)
			_, err := b.Sweep(t.Context(), 0)
			require.Error(t, err)
			require.NoError(t, bucket.WriteAll(t.Context(), "scratch/old", []byte("x"), nil))
			require.NoError(t, b.Blobs("m").Put(t.Context(), "kept", strings.NewReader("content")))
			left := leaveUpload(t, bucket, "blob/m/died")
			n, err := b.Sweep(t.Context(), time.Hour)
			require.NoError(t, err)
			require.Zero(t, n)
			time.Sleep(1100 * time.Millisecond)
			n, err = b.Sweep(t.Context(), time.Millisecond)
			require.NoError(t, err)
			require.Equal(t, left+1, n)
			require.Zero(t, uploads(t, bucket))
			r, err := b.Blobs("m").Get(t.Context(), "kept")
			require.NoError(t, err)
			require.NoError(t, r.Close())
		})
	}
}
