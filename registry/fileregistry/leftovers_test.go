package fileregistry_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// leave puts a file of this age into a folder of the registry.
func leave(t *testing.T, path, content string, age time.Duration) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	modified := time.Now().Add(-age)
	require.NoError(t, os.Chtimes(path, modified, modified))
}

func paths(leftovers []fileregistry.Leftover) []string {
	var all []string
	for _, l := range leftovers {
		all = append(all, l.Path)
	}
	return all
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	register(t, r, "a")
	leftovers, err := r.Leftovers(t.Context())
	require.NoError(t, err)
	require.Empty(t, leftovers)

	leave(t, filepath.Join(dir, "tmp", "old.tmp"), "12345", 48*time.Hour)
	leave(t, filepath.Join(dir, "tmp", "new.tmp"), "", 0)
	leave(t, filepath.Join(dir, "objects", "0123"), "", 48*time.Hour)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp", "folder"), 0o777))

	leftovers, err = r.Leftovers(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"objects/0123", "tmp/new.tmp", "tmp/old.tmp"}, paths(leftovers))
	require.EqualValues(t, 5, leftovers[2].Size)
	require.WithinDuration(t, time.Now().Add(-48*time.Hour), leftovers[2].Modified, time.Hour)
	require.Equal(t, time.UTC, leftovers[2].Modified.Location())

	removed, err := r.Clean(t.Context(), 24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, []string{"objects/0123", "tmp/old.tmp"}, paths(removed))
	removed, err = r.Clean(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"tmp/new.tmp"}, paths(removed))

	for _, file := range []string{registry.ModelFile, "card.md"} {
		_, err = registry.ReadFile(t.Context(), r, "1", file)
		require.NoError(t, err)
	}
}

func TestClean_Fails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	busy := errors.New("busy")
	r, err := fileregistry.OpenHooked(dir, func(_, path string) error {
		if filepath.Base(path) == "b.tmp" {
			return busy
		}
		return nil
	})
	require.NoError(t, err)
	for _, name := range []string{"a.tmp", "b.tmp", "c.tmp"} {
		leave(t, filepath.Join(dir, "tmp", name), "", time.Hour)
	}
	_, err = r.Clean(t.Context(), -1)
	require.ErrorContains(t, err, "olderThan is -1ns, want 0 or more")
	removed, err := r.Clean(t.Context(), 0)
	require.ErrorIs(t, err, busy)
	require.Equal(t, []string{"tmp/a.tmp"}, paths(removed))

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Clean(cancelled, 0)
	require.ErrorIs(t, err, context.Canceled)
}

// A version that is registered while Leftovers looks is not reported.
func TestClean_KeepsWhatIsRegisteredMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	var cleaned []fileregistry.Leftover
	writer, err := fileregistry.OpenHooked(dir, func(operation, _ string) error {
		if operation != "link" {
			return nil
		}
		// The objects are stored, the version is not registered yet.
		var err error
		cleaned, err = r.Clean(t.Context(), time.Hour)
		return err
	})
	require.NoError(t, err)
	register(t, writer, "a")
	require.Empty(t, cleaned)
	content, err := registry.ReadFile(t.Context(), r, "1", registry.ModelFile)
	require.NoError(t, err)
	require.Equal(t, "a", string(content))
}
