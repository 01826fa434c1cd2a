package registrytest_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// store is what several registries can be over.
type store struct {
	log   *registry.MemoryLog
	blobs *registry.MemoryBlobs
}

func newStore() store { return store{new(registry.MemoryLog), new(registry.MemoryBlobs)} }

// api is all that a registry can be.
type api interface {
	registry.Registry
	registry.Attacher
	registry.Deleter
	registry.Fencer
}

// handle is a registry, right or wrong, over a store.
type handle struct {
	api
	store store
}

func (s store) open() api { return registry.NewLedger(s.log, s.blobs) }

// harness is that of registries that wrap makes out of right ones.
func harness(wrap func(handle) api) registrytest.Harness {
	open := func(s store) registry.Registry {
		right := handle{s.open(), s}
		return handle{wrap(right), s}
	}
	again := func(_ *testing.T, r registry.Registry) registry.Registry { return open(r.(handle).store) }
	return registrytest.Harness{
		New:    func(*testing.T) registry.Registry { return open(newStore()) },
		Reopen: again,
		Second: again,
		Damage: func(t *testing.T, r registry.Registry, v registry.Version, file string) {
			f, err := v.File(file)
			require.NoError(t, err)
			blobs := r.(handle).store.blobs
			content, err := blobs.Get(t.Context(), f.Blob)
			require.NoError(t, err)
			stored, err := io.ReadAll(content)
			require.NoError(t, err)
			stored[0] ^= 1
			require.NoError(t, blobs.Delete(t.Context(), f.Blob))
			require.NoError(t, blobs.Put(t.Context(), f.Blob, bytes.NewReader(stored)))
		},
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, harness(func(h handle) api { return h.api }))
}

// mutants are registries that break a promise each, and the promise that must notice.
var mutants = map[string]struct {
	wrap    func(handle) api
	promise string
}{
	"ignores Expect":           {editing(expectRight), "Transition/Conflict"},
	"lets two win":             {editing(expectRight), "Concurrency/OneWinner"},
	"lets two processes win":   {editing(expectRight), "Second/Conflicts"},
	"ignores Displaced":        {editing(func(_ api, t *registry.Transition) { t.Displaced = "" }), "Transition/RollsBack"},
	"forgets Key":              {editing(func(_ api, t *registry.Transition) { t.Key = "" }), "Transition/Idempotent"},
	"ignores Token":            {editing(func(_ api, t *registry.Transition) { t.Token = 0 }), "Transition/Fenced"},
	"forgets Reason":           {editing(func(_ api, t *registry.Transition) { t.Reason = "" }), "History/Complete"},
	"cuts times":               {editing(func(_ api, t *registry.Transition) { t.Time = t.Time.Truncate(24 * time.Hour) }), "History/Complete"},
	"expects in every stage":   {func(h handle) api { return strict{h.api} }, "Transition/ExpectElsewhere"},
	"makes up versions":        {func(h handle) api { return inventive{h.api} }, "Open/NotFound"},
	"reads the artifact":       {func(h handle) api { return reading{h.api} }, "Register/Idempotent"},
	"keeps half an artifact":   {func(h handle) api { return halving{h.api} }, "Register/ArtifactFails"},
	"keeps what was cut off":   {func(h handle) api { return halving{h.api} }, "Register/CancelledWhileReading"},
	"cuts large artifacts":     {func(h handle) api { return cutting{h.api} }, "Register/Large"},
	"forgets metrics":          {registering(func(d *registry.Draft) { d.Metrics = nil }), "Register/Describes"},
	"accepts NaN":              {registering(func(d *registry.Draft) { d.Metrics = nil }), "Register/RefusesInvalid"},
	"ignores tokens of drafts": {registering(func(d *registry.Draft) { d.Token = 0 }), "Fence/Refuses"},
	"flattens folders":         {registering(flatten), "Folder/RoundTrip"},
	"takes any folder":         {registering(lenient), "Folder/Refused"},
	"ignores ctx":              {func(h handle) api { return stubborn{h.api} }, "Cancelled"},
	"yields the oldest first":  {listing(func(v []registry.Version) { slices.Reverse(v) }), "Versions/Selects"},
	"loses the order of files": {listing(func(v []registry.Version) { slices.Reverse(v[0].Files) }), "Register/Describes"},
	"forgets Promoted":         {listing(func(v []registry.Version) { v[0].Promoted = time.Time{} }), "Versions/Times"},
	"yields always the same":   {func(h handle) api { return &memoizing{api: h.api} }, "Versions/RangedOver"},
	"shares what it yields":    {func(h handle) api { return &memoizing{api: h.api} }, "Versions/AreTheReceivers"},
	"is blind to others":       {func(h handle) api { return &memoizing{api: h.api} }, "Second/Sees"},
	"opens the wrong version":  {func(h handle) api { return confused{h.api} }, "Open/Files"},
	"does not verify":          {func(h handle) api { return unverified{h} }, "Damage/IsFound"},
	"loses history":            {func(h handle) api { return forgetful{h.api} }, "Concurrency/NoLostHistory"},
	"ignores the cursor":       {func(h handle) api { return forgetful{h.api} }, "History/After"},
	"keeps nothing":            {func(handle) api { return registry.NewMemory() }, "Reopen/KeepsAll"},
	"keeps to itself":          {func(handle) api { return registry.NewMemory() }, "Second/OneWinner"},
	"attaches no documents":    {func(h handle) api { return careless{h.api} }, "Attach/Adds"},
	"attaches to anything":     {func(h handle) api { return careless{h.api} }, "Attach/Refuses"},
	"deletes for show":         {func(h handle) api { return unverified{h} }, "Delete/Deletes"},
	"deletes without asking":   {func(h handle) api { return careless{h.api} }, "Delete/Refuses"},
	"does not fence":           {func(h handle) api { return careless{h.api} }, "Fence/Refuses"},
}

func TestRun_CatchesMutants(t *testing.T) {
	t.Parallel()
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failures, unchecked := registrytest.Failures(t, harness(m.wrap), m.promise)
			require.NotEmpty(t, failures)
			require.Empty(t, unchecked)
		})
	}
}

// A harness that offers less is told what could not be checked.
func TestRun_NamesWhatItCannotCheck(t *testing.T) {
	t.Parallel()
	bare := registrytest.Harness{New: func(*testing.T) registry.Registry {
		return struct{ registry.Registry }{registry.NewMemory()}
	}}
	for name, want := range map[string]string{
		"Reopen/KeepsAll": "Reopen", "Second/Sees": "Second", "Damage/IsFound": "Damage",
		"Attach/Adds": "Attacher", "Delete/Deletes": "Deleter", "Fence/Refuses": "Fencer",
	} {
		failures, unchecked := registrytest.Failures(t, bare, name)
		require.Empty(t, failures)
		require.Equal(t, want, unchecked)
	}
	bare.Features = registrytest.Features{OwnIDs: true, NoSwap: true, NoFencing: true, NoFolders: true}
	for name, want := range map[string]string{
		"Concurrency/OneWinner": "compare-and-set", "Transition/Fenced": "fencing", "Folder/RoundTrip": "folders",
		"Register/NumbersInOrder": "",
	} {
		failures, unchecked := registrytest.Failures(t, bare, name)
		require.Empty(t, failures)
		require.Equal(t, want, unchecked)
	}
}

// editing changes transitions before they are made.
func editing(edit func(api, *registry.Transition)) func(handle) api {
	return func(h handle) api { return edited{h.api, edit} }
}

type edited struct {
	api
	edit func(api, *registry.Transition)
}

func (r edited) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	r.edit(r.api, &t)
	return r.api.Transition(ctx, t)
}

func expectRight(r api, t *registry.Transition) {
	t.Expect = ""
	for v := range r.Versions(context.Background(), registry.Query{Stage: registry.Production}) {
		t.Expect = v.ID
	}
}

// strict compares what is expected in every transition.
type strict struct{ api }

func (r strict) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	current, _ := registry.InProduction(ctx, r)
	if t.Expect != current.ID {
		return registry.Event{}, &registry.ConflictError{Expected: t.Expect, Actual: current.ID}
	}
	return r.api.Transition(ctx, t)
}

// registering changes drafts before they are registered.
func registering(edit func(*registry.Draft)) func(handle) api {
	return func(h handle) api { return drafted{h.api, edit} }
}

type drafted struct {
	api
	edit func(*registry.Draft)
}

func (r drafted) Register(ctx context.Context, d registry.Draft, artifact io.Reader) (registry.Version, error) {
	r.edit(&d)
	return r.api.Register(ctx, d, artifact)
}

// flatten keeps the last part of each path.
func flatten(d *registry.Draft) {
	if d.Folder == nil {
		return
	}
	flat := make(fstest.MapFS)
	_ = fs.WalkDir(d.Folder, ".", func(name string, e fs.DirEntry, _ error) error {
		if !e.IsDir() {
			content, _ := fs.ReadFile(d.Folder, name)
			flat[path.Base(name)] = &fstest.MapFile{Data: content}
		}
		return nil
	})
	d.Folder = flat
}

// lenient leaves out of a folder what is not right about it.
func lenient(d *registry.Draft) {
	if d.Folder != nil {
		d.Folder = fstest.MapFS{"a": {}}
	}
}

// reading reads the artifact before it looks for the key.
type reading struct{ api }

func (r reading) Register(ctx context.Context, d registry.Draft, artifact io.Reader) (registry.Version, error) {
	b, err := io.ReadAll(artifact)
	if err != nil {
		return registry.Version{}, err
	}
	return r.api.Register(ctx, d, bytes.NewReader(b))
}

// halving registers what it could read.
type halving struct{ api }

func (r halving) Register(ctx context.Context, d registry.Draft, artifact io.Reader) (registry.Version, error) {
	b, err := io.ReadAll(io.LimitReader(artifact, 1<<20))
	if err == nil {
		err = ctx.Err()
	}
	v, errRegister := r.api.Register(context.WithoutCancel(ctx), d, bytes.NewReader(b))
	if err != nil {
		return registry.Version{}, err
	}
	return v, errRegister
}

// cutting stores no more than 8 MiB.
type cutting struct{ api }

func (r cutting) Register(ctx context.Context, d registry.Draft, artifact io.Reader) (registry.Version, error) {
	return r.api.Register(ctx, d, io.LimitReader(artifact, 8<<20))
}

// stubborn does not let itself be cancelled.
type stubborn struct{ api }

func (r stubborn) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	return r.api.Transition(context.WithoutCancel(ctx), t)
}

// listing changes what Versions yields.
func listing(change func([]registry.Version)) func(handle) api {
	return func(h handle) api { return listed{h.api, change} }
}

type listed struct {
	api
	change func([]registry.Version)
}

func (r listed) Versions(ctx context.Context, q registry.Query) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		var all []registry.Version
		for v, err := range r.api.Versions(ctx, q) {
			if err != nil {
				yield(v, err)
				return
			}
			all = append(all, v)
		}
		if len(all) > 0 {
			r.change(all)
		}
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// memoizing remembers what it yielded, whatever happens then.
type memoizing struct {
	api
	mu   sync.Mutex
	seen map[registry.Query][]registry.Version
}

func (r *memoizing) Versions(ctx context.Context, q registry.Query) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		all, ok := r.seen[q]
		if !ok {
			for v, err := range r.api.Versions(ctx, q) {
				if err != nil {
					yield(v, err)
					return
				}
				all = append(all, v)
			}
			if r.seen == nil {
				r.seen = make(map[registry.Query][]registry.Version)
			}
			r.seen[q] = all
		}
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// confused opens the files of the first version.
type confused struct{ api }

func (r confused) Open(ctx context.Context, _, file string) (io.ReadCloser, error) {
	return r.api.Open(ctx, "1", file)
}

// inventive opens an empty file where there is none.
type inventive struct{ api }

func (r inventive) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	content, err := r.api.Open(ctx, id, file)
	if err != nil && ctx.Err() == nil {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return content, err
}

// unverified returns content as it is stored, and deletes none.
type unverified struct{ handle }

func (r unverified) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	v, err := registry.Get(ctx, r.api, id)
	if err != nil {
		return nil, err
	}
	f, err := v.File(file)
	if err != nil {
		return nil, err
	}
	if !v.Deleted.IsZero() {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return r.store.blobs.Get(ctx, f.Blob)
}

// forgetful yields no more than 20 events, and always from the first.
type forgetful struct{ api }

func (r forgetful) History(ctx context.Context, _ uint64) iter.Seq2[registry.Event, error] {
	return func(yield func(registry.Event, error) bool) {
		n := 0
		for e, err := range r.api.History(ctx, 0) {
			if n++; n > 20 || !yield(e, err) {
				return
			}
		}
	}
}

// careless says that all is done.
type careless struct{ api }

func (r careless) Attach(ctx context.Context, a registry.Attachment) (registry.Version, error) {
	return registry.Get(ctx, r, "1")
}

func (r careless) Delete(ctx context.Context, d registry.Deletion) error {
	_ = r.api.Delete(ctx, d)
	return nil
}

func (r careless) Fence(context.Context, uint64) error { return nil }
