package registry_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
)

// register registers a version whose artifact is its key.
func register(t *testing.T, r registry.Registry, key string) registry.Version {
	t.Helper()
	v, err := r.Register(t.Context(), registry.Draft{Key: key}, strings.NewReader(key))
	require.NoError(t, err)
	return v
}

// promote puts a version in production, whichever was there.
func promote(t *testing.T, r registry.Registry, id string) {
	t.Helper()
	current, err := registry.InProduction(t.Context(), r)
	if !errors.Is(err, registry.ErrNoProduction) {
		require.NoError(t, err)
	}
	_, err = r.Transition(t.Context(), registry.Transition{Version: id, To: registry.Production, Expect: current.ID})
	require.NoError(t, err)
}

func TestLookups(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), registry.NewMemory()
	register(t, r, "a")
	register(t, r, "b")
	promote(t, r, "1")

	v, err := registry.Get(ctx, r, "2")
	require.NoError(t, err)
	require.Equal(t, "b", v.Key)

	v, err = registry.Find(ctx, r, "a")
	require.NoError(t, err)
	require.Equal(t, "1", v.ID)

	v, err = registry.InProduction(ctx, r)
	require.NoError(t, err)
	require.Equal(t, "1", v.ID)

	for _, absent := range []string{"", "3", "c"} {
		_, err = registry.Get(ctx, r, absent)
		require.ErrorIs(t, err, registry.ErrNotFound)
		_, err = registry.Find(ctx, r, absent)
		require.ErrorIs(t, err, registry.ErrNotFound)
	}
	_, err = v.File("report.html")
	require.ErrorIs(t, err, registry.ErrNotFound)
	require.EqualError(t, err, `registry: not found: file "report.html" of version "1"`)
}

func TestConflictError(t *testing.T) {
	t.Parallel()
	err := error(&registry.ConflictError{Actual: "7"})
	require.ErrorIs(t, err, registry.ErrConflict)
	require.EqualError(t, err, `registry: expected none in production, found version "7"`)
}

// damageBlob changes a bit of the stored content of a file.
func damageBlob(t *testing.T, b registry.Blobs, v registry.Version, file string) {
	t.Helper()
	f, err := v.File(file)
	require.NoError(t, err)
	content, err := b.Get(t.Context(), f.Blob)
	require.NoError(t, err)
	stored, err := io.ReadAll(content)
	require.NoError(t, err)
	stored[0] ^= 1
	require.NoError(t, b.Delete(t.Context(), f.Blob))
	require.NoError(t, b.Put(t.Context(), f.Blob, bytes.NewReader(stored)))
}
