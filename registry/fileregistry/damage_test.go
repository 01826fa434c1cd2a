package fileregistry_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

func rewrite(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

func TestRegistry_DamagedEntry(t *testing.T) {
	t.Parallel()
	change := func(seq uint64, change func(b []byte) []byte) func(t *testing.T, log string) {
		return func(t *testing.T, log string) {
			rewrite(t, entryPath(log, seq), change(read(t, entryPath(log, seq))))
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[(len(b)+at)%len(b)] ^= 1
			return b
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, log string)
		entry  int // that the error must name
	}{
		"byte of the first":    {change(1, flip(20)), 1},
		"byte of the last":     {change(3, flip(100)), 3},
		"checksum of the last": {change(3, flip(-5)), 3},
		"end of the last lost": {change(3, func(b []byte) []byte { return b[:len(b)-1] }), 3},
		"line after the last":  {change(3, func(b []byte) []byte { return append(b, '\n') }), 3},
		"second empty":         {change(2, func([]byte) []byte { return nil }), 2},
		"first missing":        {func(t *testing.T, log string) { require.NoError(t, os.Remove(entryPath(log, 1))) }, 1},
		"second missing":       {func(t *testing.T, log string) { require.NoError(t, os.Remove(entryPath(log, 2))) }, 2},
		"two exchanged": {func(t *testing.T, log string) {
			b := read(t, entryPath(log, 1))
			rewrite(t, entryPath(log, 1), read(t, entryPath(log, 2)))
			rewrite(t, entryPath(log, 2), b)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := open(t, dir)
			register(t, r, "a")
			register(t, r, "b")
			promote(t, r, "1", "")

			c.damage(t, filepath.Join(dir, "log"))
			damaged := open(t, dir)
			want := fmt.Sprintf("entry %d: ", c.entry)
			for range 2 {
				_, err := registry.Get(t.Context(), damaged, "1")
				require.ErrorIs(t, err, registry.ErrCorrupt)
				require.ErrorContains(t, err, want)
				_, err = damaged.Transition(t.Context(), registry.Transition{Version: "1", To: registry.Production})
				require.ErrorIs(t, err, registry.ErrCorrupt)
				require.NotErrorIs(t, err, registry.ErrIllegal)
				for _, err := range damaged.History(t.Context(), 0) {
					require.ErrorIs(t, err, registry.ErrCorrupt)
				}
				_, err = damaged.Register(t.Context(), registry.Draft{Key: "b"}, strings.NewReader("b"))
				require.ErrorIs(t, err, registry.ErrCorrupt)
				_, err = damaged.Clean(t.Context(), 0)
				require.ErrorIs(t, err, registry.ErrCorrupt, "nothing is deleted that cannot be judged")
			}
			log, err := fileregistry.OpenLog(filepath.Join(dir, "log"))
			require.NoError(t, err)
			repair, err := registry.RepairLog(t.Context(), log, "ann", "disk replaced", noon)
			require.NoError(t, err)
			require.EqualValues(t, c.entry-1, repair.Kept)
			require.Len(t, versions(t, damaged), min(c.entry-1, 2))
			require.Equal(t, versions(t, damaged), versions(t, r), "who had read all goes on with what was kept")
			require.NotEmpty(t, register(t, damaged, "after").ID)
		})
	}
}

// A registry goes on once the file of a damaged entry is restored.
func TestRegistry_MeetsDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reader, writer := open(t, dir), open(t, dir)
	register(t, writer, "a")
	path := entryPath(filepath.Join(dir, "log"), 1)
	intact := read(t, path)
	rewrite(t, path, intact[:40])
	for range 2 {
		_, err := registry.Get(t.Context(), reader, "1")
		require.ErrorIs(t, err, registry.ErrCorrupt)
	}
	rewrite(t, path, intact)
	require.Len(t, versions(t, reader), 1)
}

func TestRegistry_DamagedBlob(t *testing.T) {
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
			damage(t, filepath.Join(dir, "blobs", f.Blob))

			_, err = registry.ReadFile(t.Context(), r, v.ID, registry.ModelFile)
			require.ErrorIs(t, err, registry.ErrCorrupt)
			require.NotErrorIs(t, err, registry.ErrNotFound)
			require.ErrorContains(t, err, `file "model"`)
		})
	}
}
