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

// leave puts a file of this age into a folder.
func leave(t *testing.T, path, content string, age time.Duration) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	modified := time.Now().Add(-age)
	require.NoError(t, os.Chtimes(path, modified, modified))
}

func names(leftovers []registry.Blob) []string {
	var all []string
	for _, l := range leftovers {
		all = append(all, l.Name)
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

	leave(t, filepath.Join(dir, "blobs", "old.tmp"), "12345", 48*time.Hour)
	leave(t, filepath.Join(dir, "blobs", "new.tmp"), "", 0)
	leave(t, filepath.Join(dir, "blobs", "0123"), "", 48*time.Hour)
	leave(t, filepath.Join(dir, "blobs", "Not Ours"), "", 48*time.Hour)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "blobs", "folder"), 0o700))

	leftovers, err = r.Leftovers(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"0123", "new.tmp", "old.tmp"}, names(leftovers))
	require.EqualValues(t, 5, leftovers[2].Size)
	require.WithinDuration(t, time.Now().Add(-48*time.Hour), leftovers[2].Time, time.Hour)
	require.Equal(t, time.UTC, leftovers[2].Time.Location())

	removed, err := r.Clean(t.Context(), 24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, []string{"0123", "old.tmp"}, names(removed))
	removed, err = r.Clean(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"new.tmp"}, names(removed))
	require.FileExists(t, filepath.Join(dir, "blobs", "Not Ours"))

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
		leave(t, filepath.Join(dir, "blobs", name), "", time.Hour)
	}
	_, err = r.Clean(t.Context(), -1)
	require.ErrorContains(t, err, "olderThan is -1ns, want 0 or more")
	removed, err := r.Clean(t.Context(), 0)
	require.ErrorIs(t, err, busy)
	require.Equal(t, []string{"a.tmp"}, names(removed))

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
	var cleaned []registry.Blob
	writer, err := fileregistry.OpenHooked(dir, func(operation, _ string) error {
		if operation != "link" {
			return nil
		}
		// The blobs are stored, the version is not registered yet.
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

// A Delete that died between its entry and the last of its blobs is finished by a
// repetition, or by Clean.
func TestDelete_Dies(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]func(r *registry.Ledger) error{
		"repeated": func(r *registry.Ledger) error {
			return r.Delete(t.Context(), registry.Deletion{Version: "1"})
		},
		"cleaned": func(r *registry.Ledger) error {
			_, err := r.Clean(t.Context(), 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := open(t, dir)
			register(t, r, "a")
			_, err := r.Transition(t.Context(), registry.Transition{Version: "1", To: registry.Archived})
			require.NoError(t, err)
			dying, err := fileregistry.OpenHooked(dir, func(operation, path string) error {
				if operation == "remove" && filepath.Base(filepath.Dir(path)) == "blobs" {
					return errCrash
				}
				return nil
			})
			require.NoError(t, err)
			require.ErrorIs(t, dying.Delete(t.Context(), registry.Deletion{Version: "1"}), errCrash)

			leftovers, err := r.Leftovers(t.Context())
			require.NoError(t, err)
			require.Len(t, leftovers, 2)
			_, err = r.Open(t.Context(), "1", registry.ModelFile)
			require.ErrorIs(t, err, registry.ErrNotFound)
			require.NoError(t, finish(r))
			blobs, err := os.ReadDir(filepath.Join(dir, "blobs"))
			require.NoError(t, err)
			require.Empty(t, blobs)
		})
	}
}
