package fileregistry_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// rewrite replaces a file, which itself cannot be written to.
func rewrite(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, content, 0o666))
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// forge changes the text of an event and makes its own checksum right again.
func forge(t *testing.T, event []byte, from, to string) []byte {
	t.Helper()
	require.Contains(t, string(event), from)
	forged := bytes.Replace(event, []byte(from), []byte(to), 1)
	return sealed(forged[:bytes.LastIndex(forged, []byte(",\n  \"sha256\""))])
}

// sealed returns the content of an event with its checksum.
func sealed(content []byte) []byte {
	return fmt.Appendf(bytes.Clone(content), ",\n  \"sha256\": \"%x\"\n}\n", sha256.Sum256(content))
}

func TestOpen_DamagedEvent(t *testing.T) {
	t.Parallel()
	const first, second, last = "00000001.json", "00000002.json", "00000003.json"
	for name, c := range map[string]struct {
		damage func(t *testing.T, events string)
		names  string // what the error must name
	}{
		"byte of the first": {func(t *testing.T, events string) {
			b := read(t, filepath.Join(events, first))
			b[20] ^= 1
			rewrite(t, filepath.Join(events, first), b)
		}, first},
		"byte of the last": {func(t *testing.T, events string) {
			b := read(t, filepath.Join(events, last))
			b[len(b)/2] ^= 1
			rewrite(t, filepath.Join(events, last), b)
		}, last},
		"checksum of the last": {func(t *testing.T, events string) {
			b := read(t, filepath.Join(events, last))
			b[len(b)-5] ^= 1
			rewrite(t, filepath.Join(events, last), b)
		}, last},
		"end of the last lost": {func(t *testing.T, events string) {
			b := read(t, filepath.Join(events, last))
			rewrite(t, filepath.Join(events, last), b[:len(b)-1])
		}, last},
		"line after the last": {func(t *testing.T, events string) {
			b := read(t, filepath.Join(events, last))
			rewrite(t, filepath.Join(events, last), append(b, '\n'))
		}, last},
		"second empty": {func(t *testing.T, events string) {
			rewrite(t, filepath.Join(events, second), nil)
		}, second},
		"first missing": {func(t *testing.T, events string) {
			require.NoError(t, os.Remove(filepath.Join(events, first)))
		}, first},
		"second missing": {func(t *testing.T, events string) {
			require.NoError(t, os.Remove(filepath.Join(events, second)))
		}, second},
		"two exchanged": {func(t *testing.T, events string) {
			b := read(t, filepath.Join(events, first))
			rewrite(t, filepath.Join(events, first), read(t, filepath.Join(events, second)))
			rewrite(t, filepath.Join(events, second), b)
		}, first},
		"first forged": {func(t *testing.T, events string) {
			rewrite(t, filepath.Join(events, first), forge(t, read(t, filepath.Join(events, first)), `"key": "a"`, `"key": "A"`))
		}, first},
		"last forged against the rules": {func(t *testing.T, events string) {
			rewrite(t, filepath.Join(events, last), forge(t, read(t, filepath.Join(events, last)), `"to": "production"`, `"to": "staging"`))
		}, last},
		"last of a later version": {func(t *testing.T, events string) {
			rewrite(t, filepath.Join(events, last), forge(t, read(t, filepath.Join(events, last)), `"seq"`, `"new": 1, "seq"`))
		}, last},
		"last of no kind": {func(t *testing.T, events string) {
			rewrite(t, filepath.Join(events, last), sealed([]byte(`{"format": 1`)))
		}, last},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := open(t, dir)
			register(t, r, "a")
			register(t, r, "b")
			promote(t, r, "1", "")

			c.damage(t, filepath.Join(dir, "events"))
			_, err := fileregistry.Open(dir, fileregistry.Config{})
			require.ErrorIs(t, err, registry.ErrCorrupt)
			require.ErrorContains(t, err, c.names)
			require.NotErrorIs(t, err, registry.ErrIllegal)
		})
	}
}

// An event of a later version of this package is no damage.
func TestOpen_OtherFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	register(t, open(t, dir), "a")
	path := filepath.Join(dir, "events", "00000001.json")
	rewrite(t, path, forge(t, read(t, path), `"format": 1`, `"format": 2, "more": []`))
	_, err := fileregistry.Open(dir, fileregistry.Config{})
	require.EqualError(t, err, "fileregistry: "+path+": its format is 2, want 1")
}

// A registry that is open meets the damage when it reads the event, every time, and goes
// on once the file is restored.
func TestRegistry_MeetsDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reader, writer := open(t, dir), open(t, dir)
	register(t, writer, "a")
	path := filepath.Join(dir, "events", "00000001.json")
	intact := read(t, path)
	rewrite(t, path, intact[:40])

	for range 2 {
		_, err := registry.Get(t.Context(), reader, "1")
		require.ErrorIs(t, err, registry.ErrCorrupt)
		require.ErrorContains(t, err, path)
		_, err = reader.Transition(t.Context(), registry.Transition{Version: "1", To: registry.Production})
		require.ErrorIs(t, err, registry.ErrCorrupt)
		for _, err := range reader.History(t.Context(), 0) {
			require.ErrorIs(t, err, registry.ErrCorrupt)
		}
		_, err = reader.Register(t.Context(), registry.Draft{Key: "b"}, strings.NewReader("b"))
		require.ErrorIs(t, err, registry.ErrCorrupt)
		_, err = reader.Leftovers(t.Context())
		require.ErrorIs(t, err, registry.ErrCorrupt)
	}
	rewrite(t, path, intact)
	require.Len(t, versions(t, reader), 1)
}

// A folder that is gone, or was put back in an older state, is not taken for one in which
// nothing is new.
func TestRegistry_LosesItsFolder(t *testing.T) {
	t.Parallel()
	for _, events := range []int{0, 1} {
		dir := t.TempDir()
		r := open(t, dir)
		want := filepath.Join(dir, "events")
		if events > 0 {
			register(t, r, "a")
			require.Len(t, versions(t, r), 1)
			want = filepath.Join(want, "00000001.json")
		}
		require.NoError(t, os.RemoveAll(dir))
		_, err := registry.InProduction(t.Context(), r)
		require.ErrorIs(t, err, registry.ErrCorrupt)
		require.ErrorContains(t, err, want)
	}
}

func TestOpen_DamagedObject(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, path string){
		"missing":   func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"empty":     func(t *testing.T, path string) { rewrite(t, path, nil) },
		"altered":   func(t *testing.T, path string) { rewrite(t, path, bytes.ToUpper(read(t, path))) },
		"shortened": func(t *testing.T, path string) { rewrite(t, path, read(t, path)[1:]) },
		"longer":    func(t *testing.T, path string) { rewrite(t, path, append(read(t, path), '.')) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := open(t, dir)
			v := register(t, r, "content")
			f, err := v.File(registry.ModelFile)
			require.NoError(t, err)
			damage(t, filepath.Join(dir, "objects", f.SHA256))

			_, err = registry.ReadFile(t.Context(), r, v.ID, registry.ModelFile)
			require.ErrorIs(t, err, registry.ErrCorrupt)
			require.ErrorContains(t, err, f.SHA256)

			// Whoever stores the same content again repairs it.
			_, err = r.Register(t.Context(), registry.Draft{Key: "again"}, strings.NewReader("content"))
			require.NoError(t, err)
			content, err := registry.ReadFile(t.Context(), r, v.ID, registry.ModelFile)
			require.NoError(t, err)
			require.Equal(t, "content", string(content))
		})
	}
}
