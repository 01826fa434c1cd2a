package appendfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

func TestTx_Replace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	a, b := open(t, path, appendfile.Config{}), open(t, path, appendfile.Config{})
	add(t, a, "one\ntwo\n")
	add(t, b, "three\n")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path+".new", []byte("left by a killed process, and longer"), 0o600))

	tx, err := a.Begin(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, tx.Replace(func(w io.Writer) error {
		_, err := io.WriteString(w, "two\n")
		return err
	}))
	require.Error(t, tx.Replace(nil), "the Tx is over")
	require.NoError(t, tx.Rollback())
	for _, f := range []*appendfile.File{a, b} {
		err := f.View(t.Context(), nil)
		require.ErrorIs(t, err, appendfile.ErrReplaced)
		require.ErrorIs(t, err, appendfile.ErrChanged)
	}
	require.Equal(t, "two\n", contents(t, path, appendfile.Config{}))
	require.NoFileExists(t, path+".new")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	add(t, open(t, path, appendfile.Config{}), "four\n")
	require.Equal(t, "two\nfour\n", contents(t, path, appendfile.Config{}))
}

func TestTx_ReplaceFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	f := open(t, path, appendfile.Config{})
	add(t, f, "one\n")
	tx, err := f.Begin(t.Context(), nil)
	require.NoError(t, err)
	failed := errors.New("disk on fire")
	require.ErrorIs(t, tx.Replace(func(w io.Writer) error {
		_, err := io.WriteString(w, "two\n")
		return errors.Join(err, failed)
	}), failed)
	require.NoFileExists(t, path+".new")
	add(t, f, "three\n")
	require.Equal(t, "one\nthree\n", contents(t, path, appendfile.Config{}))
}

func TestTx_ReplaceFollowsLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	add(t, open(t, target, appendfile.Config{}), "one\n")
	require.NoError(t, os.Symlink(target, link))
	tx, err := open(t, link, appendfile.Config{}).Begin(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, tx.Replace(func(io.Writer) error { return nil }))
	for _, path := range []string{target, link} {
		require.Empty(t, contents(t, path, appendfile.Config{}))
	}
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
}
