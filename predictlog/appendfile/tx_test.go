package appendfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

func TestTx(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	f := open(t, path, appendfile.Config{})
	add(t, f, "one\n")
	var seen collector
	begin := func() *appendfile.Tx {
		tx, err := f.Begin(t.Context(), seen.observe)
		require.NoError(t, err)
		require.EqualValues(t, 4, tx.Size())
		require.NoError(t, tx.Append([]byte("two\n")))
		require.NoError(t, tx.Append([]byte("three\n")))
		p := make([]byte, 5)
		_, err = tx.ReadAt(p, 8)
		require.NoError(t, err)
		require.Equal(t, "three", string(p))
		return tx
	}

	tx := begin()
	require.NoError(t, tx.Rollback())
	require.NoError(t, tx.Rollback())
	require.Error(t, tx.Commit())
	require.Equal(t, "one\n", contents(t, path, appendfile.Config{}))

	tx = begin()
	require.NoError(t, tx.Commit())
	require.NoError(t, tx.Rollback(), "does nothing after Commit")
	require.Equal(t, "one\ntwo\nthree\n", contents(t, path, appendfile.Config{}))
	require.NoError(t, f.View(t.Context(), seen.observe))
	require.Empty(t, seen.String(), "the owner of a Tx knows what it appended; one was appended unobserved")
}

func TestTx_AppendFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	f := open(t, path, appendfile.Config{})
	tx, err := f.Begin(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, tx.Append([]byte("one\n")))
	require.ErrorContains(t, tx.Append([]byte("tw")), "not a whole record")
	require.NoError(t, tx.Commit(), "what came before the failure may be kept")
	p, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "one\n", string(p))
}
