package osfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

func TestTryLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { file.Close() })
		return file
	}
	takes := func(file *os.File, exclusive, want bool) {
		t.Helper()
		held, err := osfile.TryLock(file, exclusive)
		require.NoError(t, err)
		require.Equal(t, want, held)
	}
	a, b := open(), open()
	takes(a, true, true)
	takes(b, true, false)
	takes(b, false, false)
	require.NoError(t, osfile.Unlock(a))
	takes(a, false, true)
	takes(b, false, true)
	require.NoError(t, a.Close())
	takes(b, true, true)
}

func TestSyncDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, osfile.SyncDir(dir))
	if err := osfile.SyncDir(filepath.Join(dir, "none")); err != nil { // Windows has nothing to sync
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
}
