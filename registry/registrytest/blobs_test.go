package registrytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// wrongBlobs are blobs in memory that are wrong in one way.
type wrongBlobs struct {
	right *registry.MemoryBlobs
	wrong string

	mu     sync.Mutex
	reader map[string]io.ReadCloser // guarded by mu
}

func (b *wrongBlobs) Put(ctx context.Context, name string, content io.Reader) error {
	switch b.wrong {
	case "ignores ctx":
		ctx = context.WithoutCancel(ctx)
	case "keeps a part":
		part, err := io.ReadAll(content)
		return errors.Join(b.right.Put(context.WithoutCancel(ctx), name, bytes.NewReader(part)), err)
	case "hides errors":
		part, _ := io.ReadAll(content)
		return b.right.Put(ctx, name, bytes.NewReader(part))
	case "cuts":
		return b.right.Put(ctx, name, io.LimitReader(content, 60<<20))
	}
	return b.right.Put(ctx, name, content)
}

func (b *wrongBlobs) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	switch b.wrong {
	case "ignores case":
		name = strings.ToLower(name)
	case "finds the nearest":
		name = strings.TrimSuffix(name, ".tmp")
	case "shares a reader":
		b.mu.Lock()
		defer b.mu.Unlock()
		if r, ok := b.reader[name]; ok {
			return r, nil
		}
		r, err := b.right.Get(ctx, name)
		if err == nil {
			if b.reader == nil {
				b.reader = make(map[string]io.ReadCloser)
			}
			b.reader[name] = r
		}
		return r, err
	case "finds all":
		r, err := b.right.Get(ctx, name)
		if errors.Is(err, registry.ErrNotFound) {
			return io.NopCloser(strings.NewReader("")), nil
		}
		return r, err
	}
	return b.right.Get(ctx, name)
}

func (b *wrongBlobs) Delete(ctx context.Context, name string) error {
	switch b.wrong {
	case "deletes nothing":
		return nil
	case "deletes by prefix":
		var errs []error
		for blob := range b.right.List(ctx) {
			if strings.HasPrefix(blob.Name, name) {
				errs = append(errs, b.right.Delete(ctx, blob.Name))
			}
		}
		return errors.Join(errs...)
	case "misses what is gone":
		if _, err := b.right.Get(ctx, name); err != nil {
			return err
		}
	}
	return b.right.Delete(ctx, name)
}

func (b *wrongBlobs) List(ctx context.Context) iter.Seq2[registry.Blob, error] {
	return func(yield func(registry.Blob, error) bool) {
		n := 0
		for blob, err := range b.right.List(ctx) {
			switch b.wrong {
			case "hides the end":
				if err != nil {
					return
				}
			case "lists a page":
				if n++; n > 10 {
					return
				}
			case "has no times":
				blob.Time = time.Time{}
			}
			if !yield(blob, err) {
				return
			}
		}
	}
}

func blobsHarness(wrong string) registrytest.BlobsHarness {
	again := func(itself string) func(*testing.T, registry.Blobs) registry.Blobs {
		return func(_ *testing.T, b registry.Blobs) registry.Blobs {
			if wrong == itself {
				return new(registry.MemoryBlobs)
			}
			return &wrongBlobs{right: b.(*wrongBlobs).right, wrong: wrong}
		}
	}
	return registrytest.BlobsHarness{
		New:      func(*testing.T) registry.Blobs { return &wrongBlobs{right: new(registry.MemoryBlobs), wrong: wrong} },
		Reopen:   again("keeps nothing"),
		Second:   again("keeps to itself"),
		InMemory: wrong != "holds all in memory",
	}
}

func TestRunBlobs(t *testing.T) {
	t.Parallel()
	registrytest.RunBlobs(t, blobsHarness(""))
}

func TestRunBlobs_CatchesMutants(t *testing.T) {
	t.Parallel()
	for wrong, promise := range map[string]string{
		"ignores case":        "Put/Get",
		"finds the nearest":   "Put/Get",
		"shares a reader":     "Put/Get",
		"finds all":           "Put/Get",
		"keeps a part":        "Put/SourceFails",
		"hides errors":        "Put/SourceFails",
		"ignores ctx":         "Cancelled",
		"hides the end":       "Cancelled",
		"cuts":                "Large",
		"deletes nothing":     "Delete",
		"deletes by prefix":   "Delete",
		"misses what is gone": "Delete",
		"lists a page":        "List",
		"has no times":        "List",
		"keeps nothing":       "Reopen",
		"keeps to itself":     "Second",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			failures, unchecked := registrytest.BlobsFailures(t, blobsHarness(wrong), promise)
			require.NotEmpty(t, failures)
			require.Empty(t, unchecked)
		})
	}
	failures, _ := registrytest.BlobsFailures(t, blobsHarness("keeps a part"), "Put/CancelledWhileReading")
	require.NotEmpty(t, failures)
}

// It does not run beside other tests, whose memory cannot be told from that of the mutant.
func TestRunBlobs_CatchesHoarder(t *testing.T) {
	failures, unchecked := registrytest.BlobsFailures(t, blobsHarness("holds all in memory"), "Large")
	require.NotEmpty(t, failures)
	require.Empty(t, unchecked)
}
