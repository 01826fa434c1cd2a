package appendfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

func TestOpenCommitted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	const whole = "one\ntwo\nthree\n"
	require.NoError(t, os.WriteFile(path, []byte(whole+"torn"), 0o644))
	_, err := appendfile.OpenCommitted(t.Context(), path+".none", appendfile.Config{}, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)

	for _, known := range []int64{0, 4, int64(len(whole))} {
		file, err := appendfile.OpenCommitted(t.Context(), path, appendfile.Config{}, func(r io.ReaderAt, info fs.FileInfo) (int64, error) {
			require.EqualValues(t, len(whole)+4, info.Size())
			p := make([]byte, 4)
			_, err := r.ReadAt(p, 4)
			require.Equal(t, "two\n", string(p))
			return known, err
		})
		require.NoError(t, err)
		require.EqualValues(t, len(whole), file.Size())
		require.EqualValues(t, len(whole)+4, file.Info().Size())
		text, err := io.ReadAll(file.Section(4, 100))
		require.NoError(t, err)
		require.Equal(t, whole[4:], string(text))
		p := make([]byte, 10)
		n, err := file.ReadAt(p, 8)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, "three\n", string(p[:n]))
		require.NoError(t, file.Close())
	}
}

func TestOpenCommitted_Errors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("one\ntwo\n"), 0o644))
	knows := func(offset int64, err error) func(io.ReaderAt, fs.FileInfo) (int64, error) {
		return func(io.ReaderAt, fs.FileInfo) (int64, error) { return offset, err }
	}
	errOther := errors.New("another file")
	_, err := appendfile.OpenCommitted(t.Context(), path, appendfile.Config{}, knows(0, errOther))
	require.ErrorIs(t, err, errOther)
	for _, offset := range []int64{-1, 9} {
		_, err = appendfile.OpenCommitted(t.Context(), path, appendfile.Config{}, knows(offset, nil))
		require.ErrorIs(t, err, appendfile.ErrChanged)
	}
	_, err = appendfile.OpenCommitted(t.Context(), path, appendfile.Config{MaxRecord: -1}, nil)
	require.ErrorContains(t, err, "MaxRecord is -1")

	file, err := appendfile.OpenCommitted(t.Context(), path, appendfile.Config{}, knows(4, nil))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 6))
	_, err = io.ReadAll(file.Section(0, file.Size()))
	require.ErrorIs(t, err, appendfile.ErrChanged)
	_, err = file.ReadAt(make([]byte, 8), 0)
	require.ErrorIs(t, err, appendfile.ErrChanged)
	require.NoError(t, file.Close())

	appender, err := appendfile.Open(path, appendfile.Config{})
	require.NoError(t, err)
	require.NoError(t, appender.Update(t.Context(), nil, func(int64) ([]byte, error) { return []byte("x\n"), nil }), "no lock is left")
	for _, change := range []func() error{
		func() error { return nil },
		func() error { return os.Rename(path, path+".old") },
		func() error { return os.WriteFile(path, []byte("x\n"), 0o644) },
	} {
		require.NoError(t, change())
		current, err := appender.IsCurrent()
		require.NoError(t, err)
		_, err = os.Stat(path + ".old")
		require.Equal(t, err != nil, current)
	}
	require.NoError(t, appender.Close())
	_, err = appender.IsCurrent()
	require.ErrorIs(t, err, os.ErrClosed)
}
