package sqlstoretest

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

func (p place) errand(do string) errand {
	return errand{Do: do, Driver: p.driver, DSN: p.dsn, Conns: p.conns, Prefix: p.prefix}
}

func (e errand) pool() (*sql.DB, error) {
	pool, err := sql.Open(e.Driver, e.DSN)
	if err == nil && e.Conns > 0 {
		pool.SetMaxOpenConns(e.Conns)
	}
	return pool, err
}

// numbers is the schema of the children.
func numbers(t testing.TB) *predictlog.Schema {
	t.Helper()
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "x", Kind: predictlog.Numeric}}, predictlog.Target{})
	require.NoError(t, err)
	return schema
}

// upTo is a log that ends after an entry.
type upTo struct {
	registry.Log
	last uint64
}

func (l upTo) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if after >= l.last {
			return
		}
		for entry, err := range l.Log.Read(ctx, after) {
			if after++; !yield(entry, err) || after >= l.last {
				return
			}
		}
	}
}

// A process that sleeps through the end of its lease can write nothing when it wakes.
func TestLease_Paused(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		var (
			ctx  = t.Context()
			p    = b.place(t)
			pool = p.pool(t)
			one  = p.openBy(t, pool, numbers(t))
			two  = p.openBy(t, pool, numbers(t))
			reg  = one.Registry("credit")
		)
		const ttl = 200 * time.Millisecond
		old, err := one.Lease("loop").Acquire(ctx, "one", ttl)
		require.NoError(t, err)
		require.EqualValues(t, 1, old)
		v, err := reg.Register(ctx, registry.Draft{Key: "k", Token: old}, strings.NewReader("model"))
		require.NoError(t, err)
		journal := registry.NewChain(one.Journal("credit"))
		_, done, err := journal.Append(ctx, old, []byte(`"mine"`))
		require.NoError(t, err)
		require.True(t, done)

		held, err := two.Lease("loop").Acquire(ctx, "two", time.Minute)
		require.NoError(t, err)
		require.Zero(t, held, "it has not ended")
		var token uint64
		require.Eventually(t, func() bool {
			token, err = two.Lease("loop").Acquire(ctx, "two", time.Minute)
			return err == nil && token > 0
		}, 10*time.Second, ttl/4)
		require.EqualValues(t, 2, token)
		require.NoError(t, two.Registry("credit").Fence(ctx, token))
		theirs := registry.NewChain(two.Journal("credit"))
		require.NoError(t, theirs.CatchUp(ctx, func(registry.Link) error { return nil }))
		_, done, err = theirs.Append(ctx, token, []byte(`"theirs"`))
		require.NoError(t, err)
		require.True(t, done)

		still, err := one.Lease("loop").Renew(ctx, "one", old, time.Minute)
		require.NoError(t, err)
		require.False(t, still)
		require.NoError(t, one.Lease("loop").Release(ctx, "one", old), "it changes nothing")
		_, err = reg.Transition(ctx, registry.Transition{Version: v.ID, To: registry.Production, Token: old})
		require.ErrorIs(t, err, registry.ErrFenced)
		_, done, err = journal.Append(ctx, old, []byte(`"late"`))
		require.NoError(t, err)
		require.False(t, done)
		require.NoError(t, journal.CatchUp(ctx, func(registry.Link) error { return nil }))
		_, _, err = journal.Append(ctx, old, []byte(`"late"`))
		require.ErrorIs(t, err, registry.ErrFenced)
		still, err = two.Lease("loop").Renew(ctx, "two", token, time.Minute)
		require.NoError(t, err)
		require.True(t, still)
	})
}

// deaf forwards connections to a server until it is told to lose the next answer to a
// COMMIT: then the server has committed, and the client never hears of it.
type deaf struct {
	net.Listener
	lose atomic.Bool
	lost atomic.Int32
	wg   sync.WaitGroup
}

func newDeaf(t *testing.T, server string) *deaf {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &deaf{Listener: listener}
	d.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			d.wg.Go(func() { _, _ = io.Copy(upstream, client); upstream.Close() })
			d.wg.Go(func() { d.answer(client, upstream) })
		}
	})
	t.Cleanup(func() { listener.Close(); d.wg.Wait() })
	return d
}

func (d *deaf) answer(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("COMMIT\x00")) && d.lose.CompareAndSwap(true, false) {
			d.lost.Add(1)
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A commit whose answer is lost is an error, and what was stored is found by repeating.
func TestLostAnswer(t *testing.T) {
	for _, b := range backends[:3] {
		t.Run(b.name, func(t *testing.T) {
			ctx := t.Context()
			p := b.place(t)
			u, err := url.Parse(p.dsn)
			require.NoError(t, err)
			d := newDeaf(t, u.Host)
			u.Host = d.Addr().String()
			through := p
			through.dsn = u.String()
			pool := through.pool(t)
			t.Cleanup(func() { pool.Close() }) // before the listener waits for it
			db, direct := through.openBy(t, pool, numbers(t)), p.open(t, numbers(t))

			records, ls := batchOf("lost", 1)
			d.lose.Store(true)
			require.Error(t, db.Predictions().Append(ctx, records...))
			require.EqualValues(t, 1, d.lost.Load())
			require.Len(t, idsOf(t, direct.Predictions(), predictlog.Query{}), len(records))
			require.NoError(t, db.Predictions().Append(ctx, records...))
			require.Len(t, idsOf(t, direct.Predictions(), predictlog.Query{}), len(records))

			d.lose.Store(true)
			require.Error(t, db.Labels().Append(ctx, ls...))
			require.NoError(t, db.Labels().Append(ctx, ls...))
			n := 0
			for _, err := range direct.Labels().Scan(ctx, labels.Query{}) {
				require.NoError(t, err)
				n++
			}
			require.Equal(t, len(ls), n)

			d.lose.Store(true)
			_, err = db.Log("a").Append(ctx, 1, []byte("mine"))
			require.Error(t, err)
			done, err := db.Log("a").Append(ctx, 1, []byte("mine"))
			require.NoError(t, err)
			require.False(t, done, "its number was taken, by itself")
			for entry, err := range db.Log("a").Read(ctx, 0) {
				require.NoError(t, err)
				require.Equal(t, "mine", string(entry))
			}

			d.lose.Store(true)
			require.Error(t, db.Blobs("b").Put(ctx, "a", strings.NewReader("content")))
			_, err = direct.Blobs("b").Get(ctx, "a")
			require.ErrorIs(t, err, registry.ErrNotFound)
			require.EqualValues(t, 4, d.lost.Load())
		})
	}
}

// Connections that the server ends at any instant cost a repetition, and nothing else.
func TestTerminatedConnections(t *testing.T) {
	p := backends[0].place(t)
	p.conns = 1
	store := p.open(t, numbers(t)).Predictions()
	var (
		admin = backends[0].place(t).pool(t)
		ctx   = t.Context()
		stop  = make(chan struct{})
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(rand.N(15 * time.Millisecond)):
			}
			_, err := admin.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%'`, p.prefix)
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	failed, n := 0, 0
	for ; n < 50 || failed < 5; n++ {
		require.Less(t, n, 20_000, "none is ended")
		records, _ := batchOf("terminated", n)
		for store.Append(ctx, records...) != nil {
			failed++
			require.Less(t, failed, 5000, "all are ended")
		}
	}
	close(stop)
	wg.Wait()
	require.Len(t, idsOf(t, store, predictlog.Query{}), n*perBatch)
}

// letters yields so many bytes.
type letters struct{ left int64 }

func (l *letters) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), l.left))
	for i := range p[:n] {
		p[i] = byte((l.left - int64(i)) * 7 % 251)
	}
	l.left -= int64(n)
	return n, nil
}

// A large content is stored and read in memory that does not grow with it.
func TestBlobs_Large(t *testing.T) {
	for _, b := range []backend{backends[0], backends[2], backends[3]} {
		t.Run(b.name, func(t *testing.T) {
			const size, bound = 64 << 20, 24 << 20
			store := b.place(t).open(t, numbers(t)).Blobs("b")
			runtime.GC()
			var before, now runtime.MemStats
			runtime.ReadMemStats(&before)
			peak := uint64(0)
			measure := func() {
				runtime.GC()
				runtime.ReadMemStats(&now)
				peak = max(peak, now.HeapAlloc)
			}
			require.NoError(t, store.Put(t.Context(), "large", &watched{Reader: &letters{size}, every: measure}))
			r, err := store.Get(t.Context(), "large")
			require.NoError(t, err)
			want, got := &letters{size}, &watched{Reader: r, every: measure}
			a, b := make([]byte, 1<<16), make([]byte, 1<<16)
			for total := 0; total < size; total += len(a) {
				_, err := io.ReadFull(got, a)
				require.NoError(t, err)
				_, err = io.ReadFull(want, b)
				require.NoError(t, err)
				require.True(t, bytes.Equal(a, b))
			}
			n, err := got.Read(a)
			require.Equal(t, io.EOF, err)
			require.Zero(t, n)
			require.NoError(t, r.Close())
			require.Less(t, peak, before.HeapAlloc+bound)
		})
	}
}

// watched calls every after each 4 MiB that were read.
type watched struct {
	io.Reader
	every func()
	n     int
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if w.n += n; w.n >= 4<<20 {
		w.n = 0
		w.every()
	}
	return n, err
}
