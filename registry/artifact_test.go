package registry_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
)

func registerFolder(t *testing.T, r registry.Registry, folder fs.FS) registry.Version {
	t.Helper()
	v, err := r.Register(t.Context(), registry.Draft{Key: "folder", Folder: folder}, nil)
	require.NoError(t, err)
	return v
}

func TestArtifact_Folder(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), registry.NewMemory()
	want := fstest.MapFS{"MLmodel": {Data: []byte("flavors")}, "data/x/w.bin": {Data: []byte("weights")}, "data/y": {}, "data-2": {Data: []byte("2")}}
	v := registerFolder(t, r, want)
	a, err := registry.OpenArtifact(ctx, r, v)
	require.NoError(t, err)
	folder, err := a.Folder()
	require.NoError(t, err)
	require.NoError(t, fstest.TestFS(folder, "MLmodel", "data/x/w.bin", "data/y", "data-2"))
	for _, name := range []string{"", "..", "/", "data/", "dat", "data/x/w.bin/a", "absent"} {
		_, err := folder.Open(name)
		var pathErr *fs.PathError
		require.ErrorAs(t, err, &pathErr, name)
		require.Equal(t, name, pathErr.Path)
		_, err = fs.ReadDir(folder, name)
		require.ErrorAs(t, err, &pathErr, name)
	}
	_, err = folder.Open("absent")
	require.ErrorIs(t, err, fs.ErrNotExist)

	_, err = a.Read(make([]byte, 1))
	require.EqualError(t, err, `registry: the artifact of version "1" is a folder, not a file`)
	require.NoError(t, a.Verify())
	require.NoError(t, a.Close())
}

func TestArtifact_File(t *testing.T) {
	t.Parallel()
	r := registry.NewMemory()
	a, err := registry.OpenArtifact(t.Context(), r, register(t, r, "a"))
	require.NoError(t, err)
	_, err = a.Folder()
	require.EqualError(t, err, `registry: the artifact of version "1" is a file, not a folder`)
	content, err := io.ReadAll(a)
	require.NoError(t, err)
	require.Equal(t, "a", string(content))
	require.NoError(t, a.Verify())
	require.NoError(t, a.Close())
}

// Whatever a loader reads of a folder and whatever it makes of errors, no model comes of a
// folder of which any part is damaged.
func TestLoad_VerifiesFolders(t *testing.T) {
	t.Parallel()
	read := func(names ...string) registry.LoadFunc[string] {
		return func(_ context.Context, _ registry.Version, artifact io.Reader) (string, error) {
			folder, err := artifact.(*registry.Artifact).Folder()
			if err != nil {
				return "", err
			}
			for _, name := range names {
				_, _ = fs.ReadFile(folder, name)
			}
			return "model", nil
		}
	}
	for name, load := range map[string]registry.LoadFunc[string]{
		"nothing":         read(),
		"the sound one":   read("a"),
		"the damaged one": read("b/c"),
		"all":             read("a", "b/c"),
		"a part of damaged": func(_ context.Context, _ registry.Version, artifact io.Reader) (string, error) {
			folder, err := artifact.(*registry.Artifact).Folder()
			if err != nil {
				return "", err
			}
			f, err := folder.Open("b/c")
			if err != nil {
				return "", err
			}
			_, err = f.Read(make([]byte, 1))
			return "model", errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, log, blobs := t.Context(), new(registry.MemoryLog), new(registry.MemoryBlobs)
			r := registry.NewLedger(log, blobs)
			v := registerFolder(t, r, fstest.MapFS{"a": {Data: []byte("sound")}, "b/c": {Data: []byte("damaged")}})
			model, err := registry.Load(ctx, r, v, load)
			require.NoError(t, err)
			require.Equal(t, "model", model)

			damageBlob(t, blobs, v, "model/b/c")
			model, err = registry.Load(ctx, r, v, load)
			require.ErrorIs(t, err, registry.ErrCorrupt)
			require.ErrorContains(t, err, `registry: load version "1": `)
			require.Empty(t, model)
		})
	}
}

// What was read to its end is not read twice.
func TestArtifact_VerifyReadsTheRest(t *testing.T) {
	t.Parallel()
	blobs := &countingBlobs{Blobs: new(registry.MemoryBlobs)}
	r := registry.NewLedger(new(registry.MemoryLog), blobs)
	v := registerFolder(t, r, fstest.MapFS{"a": {Data: []byte("a")}, "b": {Data: []byte("b")}, "c": {}})
	a, err := registry.OpenArtifact(t.Context(), r, v)
	require.NoError(t, err)
	folder, err := a.Folder()
	require.NoError(t, err)
	for _, name := range []string{"a", "b"} {
		_, err = fs.ReadFile(folder, name)
		require.NoError(t, err)
	}
	require.NoError(t, a.Verify())
	require.Equal(t, 3, blobs.gets)
}

// countingBlobs count what is got.
type countingBlobs struct {
	registry.Blobs
	gets int
}

func (b *countingBlobs) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	b.gets++
	return b.Blobs.Get(ctx, name)
}

func TestLoad_Fails(t *testing.T) {
	t.Parallel()
	r := registry.NewMemory()
	v := register(t, r, "a")
	_, err := registry.Load(t.Context(), r, registry.Version{ID: "7"}, loadText)
	require.ErrorIs(t, err, registry.ErrNotFound)
	model, err := registry.Load(t.Context(), r, v, func(context.Context, registry.Version, io.Reader) (string, error) {
		return "half", errOutage
	})
	require.ErrorIs(t, err, errOutage)
	require.Empty(t, model)
}

func TestRegister_FolderPaths(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a": true, "a/b/c.txt": true, "with space": true, "läuft": true, ".hidden": true, "a/.b": true, "#%?&:*": true,
		strings.Repeat("x", 1000): true, strings.Repeat("x", 1001): false,
		`back\slash`: false, "new\nline": false, "nul\x00": false, "del\x7f": false, "broken\xff": false, "\u202eright to left": false,
	} {
		_, err := registry.NewMemory().Register(t.Context(), registry.Draft{Key: "a", Folder: fstest.MapFS{name: {}}}, nil)
		require.Equal(t, ok, err == nil, "%q: %v", name, err)
	}
}
