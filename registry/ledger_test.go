package registry_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// memory is a Ledger together with what it is over.
type memory struct {
	*registry.Ledger
	log   registry.Log
	blobs *registry.MemoryBlobs
}

func newMemory(*testing.T) registry.Registry {
	m := memory{log: new(registry.MemoryLog), blobs: new(registry.MemoryBlobs)}
	m.Ledger = registry.NewLedger(m.log, m.blobs)
	return m
}

func again(_ *testing.T, r registry.Registry) registry.Registry {
	m := r.(memory)
	m.Ledger = registry.NewLedger(m.log, m.blobs)
	return m
}

func TestMemory(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, registrytest.Harness{
		New: newMemory, Reopen: again, Second: again,
		Damage: func(t *testing.T, r registry.Registry, v registry.Version, file string) {
			damageBlob(t, r.(memory).blobs, v, file)
		},
	})
}

func TestMemoryLog(t *testing.T) {
	t.Parallel()
	registrytest.RunLog(t, registrytest.LogHarness{New: func(*testing.T) registry.Log { return new(registry.MemoryLog) }})
}

func TestMemoryBlobs(t *testing.T) {
	t.Parallel()
	registrytest.RunBlobs(t, registrytest.BlobsHarness{
		New:      func(*testing.T) registry.Blobs { return new(registry.MemoryBlobs) },
		InMemory: true,
	})
}

// collect returns all that a sequence yields.
func collect[T any](t *testing.T, all iter.Seq2[T, error]) []T {
	t.Helper()
	var got []T
	for v, err := range all {
		require.NoError(t, err)
		got = append(got, v)
	}
	return got
}

func blobNames(t *testing.T, b registry.Blobs) []string {
	t.Helper()
	var names []string
	for _, blob := range collect(t, b.List(t.Context())) {
		names = append(names, blob.Name)
	}
	return names
}

func TestLedger_LostAnswers(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	ctx := t.Context()
	log, blobs := &registrytest.FaultyLog{Log: new(registry.MemoryLog)}, new(registry.MemoryBlobs)
	r := registry.NewLedger(log, blobs)
	lose := func(answer error) func(uint64) error {
		return func(uint64) error {
			log.After, log.Before = nil, nil
			return answer
		}
	}
	// The entry is stored, the answer is lost: the blobs stay, and a repetition finds all.
	log.After = lose(lost)
	_, err := r.Register(ctx, registry.Draft{Key: "a"}, strings.NewReader("a"))
	require.ErrorIs(t, err, lost)
	v, err := r.Register(ctx, registry.Draft{Key: "a"}, strings.NewReader("never read"))
	require.NoError(t, err)
	content, err := registry.ReadFile(ctx, r, v.ID, registry.ModelFile)
	require.NoError(t, err)
	require.Equal(t, "a", string(content))

	// A store that repeats the request by itself meets its own entry.
	log.After = lose(registrytest.ErrTaken)
	e, err := r.Transition(ctx, registry.Transition{Version: v.ID, To: registry.Production})
	require.NoError(t, err)
	require.EqualValues(t, 1, e.Seq)

	// Nothing was stored: the blobs of the failed Register are leftovers.
	log.Before = lose(lost)
	_, err = r.Register(ctx, registry.Draft{Key: "b"}, strings.NewReader("b"))
	require.ErrorIs(t, err, lost)
	leftovers, err := r.Leftovers(ctx)
	require.NoError(t, err)
	require.Len(t, leftovers, 1)
	cleaned, err := r.Clean(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, leftovers, cleaned)
	require.Len(t, blobNames(t, blobs), 1)

	for _, after := range []error{lost, registrytest.ErrTaken} {
		log.After = lose(after)
		_, err = r.Attach(ctx, registry.Attachment{Version: v.ID, Documents: map[string][]byte{"a.md": []byte("a")}, Metrics: map[string]float64{"f1": 1}})
		require.Equal(t, after == lost, err != nil)
	}
	content, err = registry.ReadFile(ctx, r, v.ID, "a.md")
	require.NoError(t, err)
	require.Equal(t, "a", string(content))
}

// blinkingLog stores an entry, says that its number is taken, and shows it only the second
// time that it is asked for, as a store whose client repeats requests and reads from a cache.
type blinkingLog struct {
	registry.MemoryLog
	blink, hidden bool
}

func (l *blinkingLog) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	done, err := l.MemoryLog.Append(ctx, seq, entry)
	l.hidden = l.blink
	return done && !l.blink, err
}

func (l *blinkingLog) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	if l.hidden {
		l.hidden = false
		return func(func([]byte, error) bool) {}
	}
	return l.MemoryLog.Read(ctx, after)
}

// The blobs of a version stay, also if its entry could not be told from another's at first.
func TestLedger_OwnEntryIsHidden(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log := &blinkingLog{blink: true}
	r := registry.NewLedger(log, new(registry.MemoryBlobs))
	_, err := r.Register(ctx, registry.Draft{Key: "a"}, strings.NewReader("a"))
	require.ErrorContains(t, err, "entry 1 exists but cannot be seen yet")
	content, err := registry.ReadFile(ctx, r, "1", registry.ModelFile)
	require.NoError(t, err)
	require.Equal(t, "a", string(content))

	_, err = r.Attach(ctx, registry.Attachment{Version: "1", Documents: map[string][]byte{"a.md": []byte("a")}})
	require.ErrorContains(t, err, "entry 2 exists but cannot be seen yet")
	content, err = registry.ReadFile(ctx, r, "1", "a.md")
	require.NoError(t, err)
	require.Equal(t, "a", string(content))
}

// Documents for a version that appears while they are attached to it were not stored: the
// call fails, and leaves no entry that nobody could read.
func TestLedger_AttachesToWhatAppears(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	blobs := new(registry.MemoryBlobs)
	log := new(gatedLog)
	r, other := registry.NewLedger(log, blobs), registry.NewLedger(&log.MemoryLog, blobs)
	log.reads = func(n int) {
		if n == 2 { // Attach has looked, and will now plan
			register(t, other, "a")
		}
	}
	_, err := r.Attach(ctx, registry.Attachment{Version: "1", Documents: map[string][]byte{"a.md": []byte("a")}})
	require.EqualError(t, err, `registry: version "1" changed while ["a.md"] were attached to it`)
	v, err := r.Attach(ctx, registry.Attachment{Version: "1", Documents: map[string][]byte{"a.md": []byte("a")}})
	require.NoError(t, err)
	require.Len(t, v.Files, 2)
	require.Equal(t, []registry.Version{v}, collect(t, other.Versions(ctx, registry.Query{})))
}

// gatedLog calls reads ahead of every Read, with its number.
type gatedLog struct {
	registry.MemoryLog
	n     int
	reads func(n int)
}

func (l *gatedLog) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	l.n++
	l.reads(l.n)
	return l.MemoryLog.Read(ctx, after)
}

// slowBlobs wait until they are released or cancelled.
type slowBlobs struct {
	registry.Blobs
	release chan struct{}
}

func (b slowBlobs) Put(ctx context.Context, name string, content io.Reader) error {
	<-b.release
	return b.Blobs.Put(ctx, name, content)
}

// An upload holds nobody up.
func TestLedger_ReadsDuringRegister(t *testing.T) {
	t.Parallel()
	blobs := slowBlobs{new(registry.MemoryBlobs), make(chan struct{})}
	r := registry.NewLedger(new(registry.MemoryLog), blobs)
	var wg sync.WaitGroup
	for _, key := range []string{"a", "a", "b"} {
		wg.Go(func() {
			if _, err := r.Register(t.Context(), registry.Draft{Key: key}, strings.NewReader(key)); err != nil {
				t.Error(err)
			}
		})
	}
	require.Empty(t, collect(t, r.Versions(t.Context(), registry.Query{})))
	close(blobs.release)
	wg.Wait()
	require.Len(t, collect(t, r.Versions(t.Context(), registry.Query{})), 2)
	require.Len(t, blobNames(t, blobs), 2, "who was late with a key deletes what it stored")
}

// stuckLog does not answer until ctx is done.
type stuckLog struct{ registry.Log }

func (stuckLog) Read(ctx context.Context, _ uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		<-ctx.Done()
		yield(nil, ctx.Err())
	}
}

// Who waits for another call waits no longer than its own ctx allows.
func TestLedger_GivesUpWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := registry.NewLedger(stuckLog{}, new(registry.MemoryBlobs))
		long, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := registry.InProduction(long, r)
			ended <- err
		}()
		synctest.Wait()
		short, cancelShort := context.WithTimeout(t.Context(), time.Second)
		defer cancelShort()
		_, err := registry.InProduction(short, r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// deafBlobs store less than they are given, and say that all is well.
type deafBlobs struct{ registry.Blobs }

func (b deafBlobs) Put(ctx context.Context, name string, content io.Reader) error {
	return b.Blobs.Put(ctx, name, io.LimitReader(content, 3))
}

func TestLedger_DistrustsBlobs(t *testing.T) {
	t.Parallel()
	blobs := new(registry.MemoryBlobs)
	r := registry.NewLedger(new(registry.MemoryLog), deafBlobs{blobs})
	_, err := r.Register(t.Context(), registry.Draft{Key: "a"}, strings.NewReader("four"))
	require.EqualError(t, err, `registry: register: store file "model": was not read to its end`)
	require.Empty(t, blobNames(t, blobs))
}

// What an entry says that the rules do not allow is damage, and what another version of
// this package wrote is none.
func TestLedger_RefusesEntries(t *testing.T) {
	t.Parallel()
	version := `{"id":"1","key":"a","created":"2025-03-01T12:00:00Z","stage":"staging","since":"2025-03-01T12:00:00Z","files":[{"name":"model","size":0,"sha256":"` +
		strings.Repeat("0a", 32) + `","blob":"b"}]}`
	registered := `{"format":1,"registered":` + version + `}`
	moved := `{"format":1,"moved":{"seq":1,"time":"2025-03-01T12:00:00Z","version":"1","from":"staging","to":"archived"}}`
	for name, c := range map[string]struct {
		entries []string
		token   uint64 // of the last
		want    string // "" for none
	}{
		"right":             {[]string{registered, moved}, 0, ""},
		"another format":    {[]string{`{"format":2,"more":[]}`}, 0, "registry: entry 1: its format is 2, want 1"},
		"no format":         {[]string{`{}`}, 0, "registry: entry 1: its format is 0, want 1"},
		"no object":         {[]string{`"a"`}, 0, "registry: stored data is damaged"},
		"no change":         {[]string{`{"format":1}`}, 0, "it holds 0 changes"},
		"two changes":       {[]string{strings.TrimSuffix(registered, "}") + `,"fence":{"token":1}}`}, 1, "it holds 2 changes"},
		"unknown field":     {[]string{`{"format":1,"new":1,"fence":{"token":1}}`}, 1, `unknown field "new"`},
		"registered twice":  {[]string{registered, registered}, 0, "entry 2: "},
		"moved nothing":     {[]string{moved}, 0, `entry 1: registry: not found: version "1"`},
		"moved twice":       {[]string{registered, moved, moved}, 0, "entry 3: "},
		"another's token":   {[]string{registered, moved}, 4, "carries the token 0, its entry 4"},
		"fence of another":  {[]string{`{"format":1,"fence":{"token":1}}`}, 2, "a fence of token 1"},
		"deleted staging":   {[]string{registered, `{"format":1,"deleted":{"version":"1","time":"2025-03-01T12:00:00Z"}}`}, 0, "is staging"},
		"attached nothing":  {[]string{registered, `{"format":1,"attached":{"version":"1"}}`}, 0, "entry 2: "},
		"attached a model":  {[]string{registered, `{"format":1,"attached":{"version":"1","files":[{"name":"model/a","size":0,"sha256":"` + strings.Repeat("0a", 32) + `","blob":"c"}]}}`}, 0, `file name "model/a"`},
		"deleted wrongly":   {[]string{registered, moved, `{"format":1,"deleted":{"version":"1"}}`}, 0, "entry 3: "},
		"deleted twice":     {[]string{registered, moved, `{"format":1,"deleted":{"version":"1","time":"2025-03-01T12:00:00Z"}}`, `{"format":1,"deleted":{"version":"1","time":"2025-03-01T12:00:00Z"}}`}, 0, "entry 4: "},
		"deleted correctly": {[]string{registered, moved, `{"format":1,"deleted":{"version":"1","time":"2025-03-01T12:00:00Z"}}`}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := new(registry.MemoryLog)
			chain := registry.NewChain(log)
			for i, e := range c.entries {
				token := uint64(0)
				if i == len(c.entries)-1 {
					token = c.token
				}
				_, done, err := chain.Append(t.Context(), token, []byte(e))
				require.NoError(t, err)
				require.True(t, done)
			}
			r := registry.NewLedger(log, new(registry.MemoryBlobs))
			for range 2 {
				_, err := registry.Find(t.Context(), r, "a")
				if c.want == "" {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, c.want)
				require.Equal(t, !strings.Contains(c.want, "its format is"), errors.Is(err, registry.ErrCorrupt))
				for _, rule := range []error{registry.ErrIllegal, registry.ErrConflict, registry.ErrNotFound} {
					require.NotErrorIs(t, err, rule)
				}
			}
			require.Zero(t, repair(t, log), "the chain is whole")
		})
	}
}

// A Ledger that runs while its log is repaired goes on with what the repair kept.
func TestLedger_SurvivesRepair(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log, blobs := new(registry.MemoryLog), new(registry.MemoryBlobs)
	running := registry.NewLedger(log, blobs)
	for _, key := range []string{"a", "b", "c"} {
		register(t, running, key)
	}
	entries := entriesOf(t, log)
	entries[1] = nil
	damaged := logOf(t, entries)
	repair(t, damaged)
	for i, e := range entriesOf(t, damaged)[3:] { // the running one sees only what is new
		done, err := log.Append(ctx, uint64(i)+4, e)
		require.NoError(t, err)
		require.True(t, done)
	}
	fresh := registry.NewLedger(log, blobs)
	for _, r := range []registry.Registry{running, fresh} {
		versions := collect(t, r.Versions(ctx, registry.Query{}))
		require.Len(t, versions, 1)
		require.Equal(t, "a", versions[0].Key)
	}
	leftovers, err := fresh.Leftovers(ctx)
	require.NoError(t, err)
	require.Len(t, leftovers, 2)
	require.Equal(t, "2", register(t, running, "d").ID)
	require.Equal(t, "d", collect(t, fresh.Versions(ctx, registry.Query{}))[0].Key)
}

// Entries that a repair set aside may be read again, here behind two repairs.
func TestLedger_RewindsTwice(t *testing.T) {
	t.Parallel()
	log, blobs := new(registry.MemoryLog), new(registry.MemoryBlobs)
	for _, key := range []string{"a", "b", "c"} {
		register(t, registry.NewLedger(log, blobs), key)
	}
	intact := entriesOf(t, log)
	for _, at := range []int{2, 1} {
		entries := entriesOf(t, log)
		entries[at] = nil
		log = logOf(t, entries)
		repair(t, log)
		register(t, registry.NewLedger(log, blobs), "after")
	}
	log = logOf(t, append(intact, entriesOf(t, log)[3:]...))
	r := registry.NewLedger(log, blobs)
	for range 2 {
		var keys []string
		for _, v := range collect(t, r.Versions(t.Context(), registry.Query{})) {
			keys = append(keys, v.Key)
		}
		require.Equal(t, []string{"after", "a"}, keys)
	}
}

func BenchmarkLedger(b *testing.B) {
	registrytest.RunBenchmarks(b, func(*testing.B) registry.Registry { return registry.NewMemory() })
}
