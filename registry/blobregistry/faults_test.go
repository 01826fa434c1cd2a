package blobregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/blobregistry"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	folder, err := fileblob.OpenBucket(t.TempDir(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, folder.Close()) }()
	_, err = blobregistry.Open(t.Context(), folder, blobregistry.Config{})
	require.ErrorIs(t, err, blobregistry.ErrUnsafe)
	require.ErrorContains(t, err, "fileregistry")

	ignores := &fake{ignoresCondition: true}
	_, err = blobregistry.Open(t.Context(), ignores.bucket(), blobregistry.Config{})
	require.ErrorIs(t, err, blobregistry.ErrUnsafe)
	require.Empty(t, ignores.keys())

	refuses := &fake{before: func(op, _ string) error {
		if op == "put" {
			return preconditionFailed
		}
		return nil
	}}
	_, err = blobregistry.Open(t.Context(), refuses.bucket(), blobregistry.Config{})
	require.ErrorIs(t, err, blobregistry.ErrUnsafe)

	puts := 0
	lies := &fake{ignoresCondition: true}
	lies.after = func(op, _ string) error { // writes, and says that it did not
		if op == "put" {
			if puts++; puts == 2 {
				return preconditionFailed
			}
		}
		return nil
	}
	_, err = blobregistry.Open(t.Context(), lies.bucket(), blobregistry.Config{})
	require.ErrorIs(t, err, blobregistry.ErrUnsafe)

	_, err = blobregistry.Open(t.Context(), new(fake).bucket(), blobregistry.Config{PartSize: 1, Concurrency: -1})
	require.ErrorContains(t, err, "PartSize is 1, want")
	require.ErrorContains(t, err, "Concurrency is -1, want")
	_, err = blobregistry.Open(t.Context(), nil, blobregistry.Config{})
	require.Error(t, err)
}

func TestOpenLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	f := new(fake)
	open(t, f.bucket())
	require.Empty(t, f.keys())
}

// entries returns what a log holds.
func entries(t *testing.T, l registry.Log, after uint64) (all []string) {
	for e, err := range l.Read(t.Context(), after) {
		require.NoError(t, err)
		all = append(all, string(e))
	}
	return all
}

// fill appends the entries "1" to "n".
func fill(t *testing.T, l registry.Log, n int) {
	for i := 1; i <= n; i++ {
		done, err := l.Append(t.Context(), uint64(i), fmt.Append(nil, i))
		require.NoError(t, err)
		require.True(t, done)
	}
}

// Names are any text; those that differ share nothing.
func TestNames(t *testing.T) {
	t.Parallel()
	f := new(fake)
	b := open(t, f.bucket())
	for _, name := range []string{"", "_", "__", "a", "A", "a/b", "a_2fb", "..", "ü", "\x00"} {
		require.Empty(t, entries(t, b.Log(name), 0), "%q", name)
		done, err := b.Log(name).Append(t.Context(), 1, []byte("x"))
		require.NoError(t, err)
		require.True(t, done, "%q", name)
	}
	for _, key := range f.keys() {
		require.Regexp(t, `^log/[A-Za-z0-9_-]+/[0-9]{20}$`, key)
	}
}

// A conflict means that nothing is decided yet: the same number is tried again, and a
// number that is free is never reported as taken.
func TestConflict(t *testing.T) {
	t.Parallel()
	for _, answer := range []error{conflict, aborted} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			f := new(fake)
			f.before = func(op, key string) error {
				if op == "put" && strings.HasPrefix(key, "log/") {
					if n++; n <= 4 {
						return answer
					}
				}
				return nil
			}
			l := open(t, f.bucket()).Log("m")
			done, err := l.Append(t.Context(), 1, []byte("entry"))
			require.NoError(t, err)
			require.True(t, done)
			require.Equal(t, 5, n)
			require.Equal(t, []string{"entry"}, entries(t, l, 0))

			f.before = func(op, _ string) error {
				if op == "put" {
					return answer
				}
				return nil
			}
			_, err = l.Append(t.Context(), 2, []byte("entry"))
			require.ErrorIs(t, err, answer)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = l.Append(ctx, 2, []byte("entry"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

// A store does what is asked, its answer is lost, and the client asks again: the chain
// finds that the entry is its own, and writes it once.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	f := new(fake)
	b := open(t, f.bucket())
	f.after = func(op, _ string) error {
		if op == "put" {
			return preconditionFailed // what the SDK of S3 gets when it repeats by itself
		}
		return nil
	}
	chain := registry.NewChain(b.Log("m"))
	require.NoError(t, chain.CatchUp(t.Context(), func(registry.Link) error { return nil }))
	_, done, err := chain.Append(t.Context(), 1, []byte(`"body"`))
	require.NoError(t, err)
	require.True(t, done)
	require.Len(t, entries(t, b.Log("m"), 0), 1)

	require.NoError(t, b.Blobs("m").Put(t.Context(), "blob", strings.NewReader("content")))
	token, err := b.Lease("m").Acquire(t.Context(), "me", time.Minute)
	require.NoError(t, err)
	require.EqualValues(t, 1, token)

	f.after = func(op, _ string) error {
		if op == "put" {
			return errLost
		}
		return nil
	}
	_, _, err = chain.Append(t.Context(), 1, []byte(`"body"`))
	require.ErrorIs(t, err, errLost)
	bodies := 0
	require.NoError(t, chain.CatchUp(t.Context(), func(registry.Link) error { bodies++; return nil }))
	require.Equal(t, 1, bodies)
	require.ErrorIs(t, b.Blobs("m").Put(t.Context(), "other", strings.NewReader("content")), errLost)
	_, err = b.Lease("m").Acquire(t.Context(), "me", time.Minute)
	require.ErrorIs(t, err, errLost)
	f.after = nil
	token, err = b.Lease("m").Acquire(t.Context(), "me", time.Minute)
	require.NoError(t, err)
	require.EqualValues(t, 3, token)
}

// Lost entries are neither the end of the log nor free, wherever they are and however many.
func TestLostEntries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, first, last, after int }{
		{5, 3, 3, 0}, {5, 3, 3, 2}, {5, 1, 1, 0}, {100, 1, 99, 0}, {100, 1, 50, 0}, {100, 40, 80, 0},
		{100, 40, 80, 38}, {100, 17, 32, 0}, {3, 1, 2, 0}, {4, 3, 3, 1},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			f := new(fake)
			b := f.bucket()
			l := open(t, b).Log("m")
			fill(t, l, c.n)
			for i := c.first; i <= c.last; i++ {
				require.NoError(t, b.Delete(t.Context(), logKey("m", uint64(i))))
			}
			var want []string
			for i := c.after + 1; i <= c.n; i++ {
				if c.first <= i && i <= c.last {
					want = append(want, "")
				} else {
					want = append(want, fmt.Sprint(i))
				}
			}
			require.Equal(t, want, entries(t, l, uint64(c.after)))
			require.Empty(t, entries(t, l, uint64(c.n)))
			done, err := l.Append(t.Context(), uint64(c.last), []byte("new"))
			require.NoError(t, err)
			require.False(t, done)
		})
	}
}

// An entry that is not there when it is asked for, while the one after it is, was not lost:
// both were appended in between.
func TestReadWhileAppended(t *testing.T) {
	t.Parallel()
	f := new(fake)
	l := open(t, f.bucket()).Log("m")
	fill(t, l, 1)
	missed, appended := make(chan struct{}), make(chan struct{})
	f.before = func(op, key string) error {
		if op == "get" && key == logKey("m", 3) {
			<-missed // the reader asked for the second, which is not there
			for seq := uint64(2); seq <= 3; seq++ {
				if done, err := l.Append(t.Context(), seq, fmt.Append(nil, seq)); err != nil || !done {
					return fmt.Errorf("append %d: %v, %v", seq, done, err)
				}
			}
			close(appended)
		}
		return nil
	}
	var once sync.Once
	f.missed = func(key string) {
		if key == logKey("m", 2) {
			once.Do(func() { close(missed) })
		}
	}
	require.Equal(t, []string{"2", "3"}, entries(t, l, 1))
	<-appended
}

// What a read costs: two misses if there is nothing new, and no more than a few round trips
// in a row for many entries.
func TestReadCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		l := open(t, f.bucket()).Log("m")
		fill(t, l, 1000)
		f.before = func(string, string) error { time.Sleep(10 * time.Millisecond); return nil }

		f.forget()
		began := time.Now()
		require.Len(t, entries(t, l, 0), 1000)
		require.LessOrEqual(t, time.Since(began), 700*time.Millisecond)
		require.Equal(t, 1, f.asked("list"))
		require.LessOrEqual(t, f.asked("get"), 1016)

		f.forget()
		require.Empty(t, entries(t, l, 1000))
		require.Equal(t, 2, f.asked(""))
	})
}

var errSource = errors.New("the source failed")

// No truncated object, wherever the source fails, on any store: the fake, as some drivers
// do, stores what it has when the source fails.
func TestFailedSource(t *testing.T) {
	t.Parallel()
	all := append(stores(t), store{"fake", func(testing.TB) func() *blob.Bucket { b := new(fake).bucket(); return func() *blob.Bucket { return b } }})
	for _, s := range all {
		for _, size := range []int{0, 1, 100_000, 16<<20 - 1, 16 << 20, 40 << 20} {
			t.Run(fmt.Sprintf("%s/%d", s.name, size), func(t *testing.T) {
				bucket := s.place(t)()
				blobs := open(t, bucket).Blobs("m")
				half := func() io.Reader { return io.LimitReader(endless{}, int64(size)) }

				err := blobs.Put(t.Context(), "broken", io.MultiReader(half(), failing{errSource}))
				require.ErrorIs(t, err, errSource)
				_, err = blobs.Get(t.Context(), "broken")
				require.ErrorIs(t, err, registry.ErrNotFound)

				ctx, cancel := context.WithCancel(t.Context())
				err = blobs.Put(ctx, "cancelled", io.MultiReader(half(), calling(cancel), endless{}))
				require.ErrorIs(t, err, context.Canceled)
				_, err = blobs.Get(t.Context(), "cancelled")
				require.ErrorIs(t, err, registry.ErrNotFound)

				require.Zero(t, uploads(t, bucket))
			})
		}
	}
}

// endless is a source of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// calling is an empty source that calls a function when it is read.
type calling func()

func (c calling) Read([]byte) (int, error) { c(); return 0, io.EOF }

// writer appends entries that carry a token. Its flaws are mistakes that were made.
type writer struct {
	log   registry.Log
	token uint64
	read  uint64
	high  uint64 // of all that was read
	// The mistakes:
	zero     bool // a token that cannot be read counts as 0
	newest   bool // the token of the last entry is compared, not the highest
	unlooked bool // nothing is compared between the first read and the first append
}

func (w *writer) catchUp(ctx context.Context) error {
	for e, err := range w.log.Read(ctx, w.read) {
		if err != nil {
			return err
		}
		var body struct{ Token uint64 }
		if err := json.Unmarshal(e, &body); err != nil && !w.zero {
			return err
		}
		w.read++
		if w.newest {
			w.high = body.Token
		} else {
			w.high = max(w.high, body.Token)
		}
	}
	return nil
}

func (w *writer) append(ctx context.Context) (bool, error) {
	first := w.read == 0
	if err := w.catchUp(ctx); err != nil {
		return false, err
	}
	if w.token < w.high && (!first || !w.unlooked) {
		return false, registry.ErrFenced
	}
	return w.log.Append(ctx, w.read+1, fmt.Appendf(nil, `{"Token":%d}`, w.token))
}

// A holder is stopped right after its claim and wakes up when another has written: whoever
// makes one of the three mistakes writes a stale entry, and what writes correctly does not.
func TestFenceMutants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		log    []string // what others wrote while it was stopped
		flawed writer
	}{
		{"unreadable token", []string{`{"Token":2`}, writer{zero: true}},
		{"token of the newest entry", []string{`{"Token":2}`, `{"Token":0}`}, writer{newest: true}},
		{"no look after the first read", []string{`{"Token":2}`}, writer{unlooked: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := open(t, new(fake).bucket()).Log("m")
			for i, e := range c.log {
				done, err := l.Append(t.Context(), uint64(i+1), []byte(e))
				require.NoError(t, err)
				require.True(t, done)
			}
			correct := &writer{log: l, token: 1}
			_, err := correct.append(t.Context())
			require.Error(t, err)
			flawed := c.flawed
			flawed.log, flawed.token = l, 1
			done, err := flawed.append(t.Context())
			require.NoError(t, err)
			require.True(t, done, "the mistake is not caught")
		})
	}
}

// The same, with the chain, which is what writes.
func TestChainFencesStoppedHolder(t *testing.T) {
	t.Parallel()
	b := open(t, new(fake).bucket())
	ignore := func(registry.Link) error { return nil }
	stopped := registry.NewChain(b.Log("m"))
	require.NoError(t, stopped.CatchUp(t.Context(), ignore))

	other := registry.NewChain(b.Log("m"))
	for _, token := range []uint64{2, 0} {
		require.NoError(t, other.CatchUp(t.Context(), ignore))
		_, done, err := other.Append(t.Context(), token, []byte("null"))
		require.NoError(t, err)
		require.True(t, done)
	}
	_, done, err := stopped.Append(t.Context(), 1, []byte("null"))
	require.NoError(t, err)
	require.False(t, done)
	require.NoError(t, stopped.CatchUp(t.Context(), ignore))
	_, _, err = stopped.Append(t.Context(), 1, []byte("null"))
	require.ErrorIs(t, err, registry.ErrFenced)

	// An entry whose token cannot be read is damage, not an entry without a token.
	done, err = b.Log("m").Append(t.Context(), 3, bytes.Repeat([]byte(`{"token":3}`), 20))
	require.NoError(t, err)
	require.True(t, done)
	require.ErrorIs(t, stopped.CatchUp(t.Context(), ignore), registry.ErrCorrupt)
	_, _, err = stopped.Append(t.Context(), 4, []byte("null"))
	require.ErrorIs(t, err, registry.ErrCorrupt)
}
