package blobregistry_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/healingtest"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/blobregistry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// store is where the buckets of a test lie: place returns an opener of an empty place, and
// each call of the opener returns what another process would have of the same place.
type store struct {
	name  string
	place func(t testing.TB) func() *blob.Bucket
}

// stores returns memory and, if there is one, the server that SELFHEAL_S3 names.
func stores(t *testing.T) []store {
	all := []store{{"memory", func(t testing.TB) func() *blob.Bucket {
		b := memblob.OpenBucket(nil)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return func() *blob.Bucket { return b }
	}}}
	if os.Getenv("SELFHEAL_S3") == "" && os.Getenv("SELFHEAL_CI") == "" {
		t.Log("not run against a server: SELFHEAL_S3 is not set")
		return all
	}
	return append(all, store{"server", serverPlace})
}

// serverPlace returns an opener of an empty place on the server.
func serverPlace(t testing.TB) func() *blob.Bucket {
	prefix := "test/" + strings.ToLower(rand.Text()) + "/"
	return func() *blob.Bucket {
		b := openServer(t, prefix)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return b
	}
}

// openServer opens a place on the server that SELFHEAL_S3 names.
func openServer(t testing.TB, prefix string) *blob.Bucket {
	b, err := blob.OpenBucket(context.WithoutCancel(t.Context()), os.Getenv("SELFHEAL_S3"))
	require.NoError(t, err, "SELFHEAL_S3 names the bucket of an S3-compatible server")
	return blob.PrefixedBucket(b, prefix)
}

// needServer skips a test that needs a server, unless there has to be one.
func needServer(t testing.TB) {
	if os.Getenv("SELFHEAL_S3") == "" && os.Getenv("SELFHEAL_CI") == "" {
		t.Skip("SELFHEAL_S3 is not set")
	}
}

func open(t testing.TB, b *blob.Bucket) *blobregistry.Bucket {
	opened, err := blobregistry.Open(t.Context(), b, blobregistry.Config{})
	require.NoError(t, err)
	return opened
}

// handles remembers in which place the objects under test were made.
type handles struct {
	store store
	mu    sync.Mutex
	at    map[any]func() *blob.Bucket // guarded by mu
}

func handle[T any](t testing.TB, h *handles, place func() *blob.Bucket, of func(*blobregistry.Bucket) T) T {
	if place == nil {
		place = h.store.place(t)
	}
	made := of(open(t, place()))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at[made] = place
	return made
}

func (h *handles) placeOf(made any) func() *blob.Bucket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at[made]
}

func TestKits(t *testing.T) {
	t.Parallel()
	for _, s := range stores(t) {
		h := &handles{store: s, at: make(map[any]func() *blob.Bucket)}
		t.Run("log/"+s.name, func(t *testing.T) {
			t.Parallel()
			of := func(b *blobregistry.Bucket) registry.Log { return b.Log("model/eu") }
			again := func(t *testing.T, l registry.Log) registry.Log { return handle(t, h, h.placeOf(l), of) }
			registrytest.RunLog(t, registrytest.LogHarness{
				New:    func(t *testing.T) registry.Log { return handle(t, h, nil, of) },
				Reopen: again,
				Second: again,
				Lose: func(t *testing.T, l registry.Log, seq uint64) {
					require.NoError(t, h.placeOf(l)().Delete(t.Context(), logKey("model_2feu", seq)))
				},
			})
		})
		t.Run("blobs/"+s.name, func(t *testing.T) {
			t.Parallel()
			of := func(b *blobregistry.Bucket) registry.Blobs { return b.Blobs("model/eu") }
			again := func(t *testing.T, b registry.Blobs) registry.Blobs { return handle(t, h, h.placeOf(b), of) }
			registrytest.RunBlobs(t, registrytest.BlobsHarness{
				New:      func(t *testing.T) registry.Blobs { return handle(t, h, nil, of) },
				Reopen:   again,
				Second:   again,
				InMemory: s.name == "memory",
			})
		})
		t.Run("registry/"+s.name, func(t *testing.T) {
			t.Parallel()
			of := func(b *blobregistry.Bucket) registry.Registry { return b.Registry("churn") }
			again := func(t *testing.T, r registry.Registry) registry.Registry { return handle(t, h, h.placeOf(r), of) }
			registrytest.Run(t, registrytest.Harness{
				New:    func(t *testing.T) registry.Registry { return handle(t, h, nil, of) },
				Reopen: again,
				Second: again,
				Damage: func(t *testing.T, r registry.Registry, v registry.Version, file string) {
					f, err := v.File(file)
					require.NoError(t, err)
					b, key := h.placeOf(r)(), "blob/churn/"+f.Blob
					content, err := b.ReadAll(t.Context(), key)
					require.NoError(t, err)
					content[len(content)/2] ^= 1
					require.NoError(t, b.WriteAll(t.Context(), key, content, nil))
				},
			})
		})
	}
}

// Everything that is put on a server is sent by parts from 16 MiB on.
func TestBlobsLarge(t *testing.T) {
	t.Parallel()
	for _, s := range stores(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			blobs := open(t, s.place(t)()).Blobs("m")
			content := bytes.Repeat([]byte("0123456789abcdef"), 20<<16)
			require.NoError(t, blobs.Put(t.Context(), "large", bytes.NewReader(content)))
			require.ErrorContains(t, blobs.Put(t.Context(), "large", bytes.NewReader(content)), "taken")
			r, err := blobs.Get(t.Context(), "large")
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.True(t, bytes.Equal(content, got))
		})
	}
}

func TestLeaseKit(t *testing.T) {
	t.Parallel()
	for _, s := range stores(t) {
		h := &handles{store: s, at: make(map[any]func() *blob.Bucket)}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			of := func(b *blobregistry.Bucket) healing.Lease { return b.Lease("loop") }
			again := func(t testing.TB, l healing.Lease) healing.Lease { return handle(t, h, h.placeOf(l), of) }
			healingtest.RunLease(t, healingtest.LeaseHarness{
				New:    func(t testing.TB) healing.Lease { return handle(t, h, nil, of) },
				Reopen: again,
				Second: again,
				TTL:    500 * time.Millisecond,
			})
		})
	}
}
