package registrytest_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// This is a store of one's own, here a map, made a registry: copy it, put the calls of the
// store in place of the map, and let the kits say what is missing.

// KV is a store that can tell whether a key was new.
type KV struct {
	mu   sync.Mutex
	data map[any][]byte // guarded by mu; a number is the key of an entry, a string of a blob
}

func (kv *KV) create(key any, value []byte) bool {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if _, taken := kv.data[key]; taken {
		return false
	}
	kv.data[key] = bytes.Clone(value)
	return true
}

func (kv *KV) get(key any) ([]byte, bool) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	value, ok := kv.data[key]
	return bytes.Clone(value), ok
}

// Log is a registry.Log in a KV.
type Log struct{ KV *KV }

func (l Log) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	return ctx.Err() == nil && l.KV.create(seq, entry), ctx.Err()
}

func (l Log) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for seq := after + 1; ; seq++ {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			entry, ok := l.KV.get(seq)
			if !ok || !yield(entry, nil) {
				return
			}
		}
	}
}

// Blobs is a registry.Blobs in a KV.
type Blobs struct{ KV *KV }

func (b Blobs) Put(ctx context.Context, name string, content io.Reader) error {
	all, err := io.ReadAll(content) // a real store streams
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		b.KV.create(name, all)
	}
	return err
}

func (b Blobs) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	content, ok := b.KV.get(name)
	if !ok {
		return nil, registry.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (b Blobs) Delete(ctx context.Context, name string) error {
	b.KV.mu.Lock()
	defer b.KV.mu.Unlock()
	if ctx.Err() == nil {
		delete(b.KV.data, name)
	}
	return ctx.Err()
}

func (b Blobs) List(ctx context.Context) iter.Seq2[registry.Blob, error] {
	return func(yield func(registry.Blob, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(registry.Blob{}, err)
			return
		}
		b.KV.mu.Lock()
		keys := slices.Collect(maps.Keys(b.KV.data))
		b.KV.mu.Unlock()
		for _, key := range keys {
			name, isBlob := key.(string)
			content, ok := b.KV.get(key)
			if isBlob && ok && !yield(registry.Blob{Name: name, Size: int64(len(content)), Time: time.Now()}, nil) {
				return
			}
		}
	}
}

func TestOwnStore(t *testing.T) {
	t.Parallel()
	open := func(kv *KV) registry.Registry { return registry.NewLedger(Log{kv}, Blobs{kv}) }
	stores := make(map[registry.Registry]*KV)
	again := func(_ *testing.T, r registry.Registry) registry.Registry { return open(stores[r]) }
	registrytest.Run(t, registrytest.Harness{
		New: func(*testing.T) registry.Registry {
			kv := &KV{data: make(map[any][]byte)}
			r := open(kv)
			stores[r] = kv
			return r
		},
		Reopen: again, Second: again,
	})
	registrytest.RunLog(t, registrytest.LogHarness{
		New:    func(*testing.T) registry.Log { return Log{&KV{data: make(map[any][]byte)}} },
		Second: func(_ *testing.T, l registry.Log) registry.Log { return l },
	})
	registrytest.RunBlobs(t, registrytest.BlobsHarness{
		New:      func(*testing.T) registry.Blobs { return Blobs{&KV{data: make(map[any][]byte)}} },
		InMemory: true,
	})
}
