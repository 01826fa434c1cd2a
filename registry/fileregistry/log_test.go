package fileregistry_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// logFolder is a log together with its folder.
type logFolder struct {
	*fileregistry.Log
	dir string
}

func openLog(t testing.TB, dir string) logFolder {
	t.Helper()
	l, err := fileregistry.OpenLog(dir)
	require.NoError(t, err)
	return logFolder{l, dir}
}

func logAgain(t *testing.T, l registry.Log) registry.Log { return openLog(t, l.(logFolder).dir) }

func entryPath(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%08d.json", seq))
}

func TestLog(t *testing.T) {
	t.Parallel()
	registrytest.RunLog(t, registrytest.LogHarness{
		New:    func(t *testing.T) registry.Log { return openLog(t, t.TempDir()) },
		Reopen: logAgain,
		Second: logAgain,
		Lose: func(t *testing.T, l registry.Log, seq uint64) {
			require.NoError(t, os.Remove(entryPath(l.(logFolder).dir, seq)))
		},
	})
}

// blobsFolder is blobs together with their folder.
type blobsFolder struct {
	*fileregistry.Blobs
	dir string
}

func openBlobs(t testing.TB, dir string) blobsFolder {
	t.Helper()
	b, err := fileregistry.OpenBlobs(dir)
	require.NoError(t, err)
	return blobsFolder{b, dir}
}

func blobsAgain(t *testing.T, b registry.Blobs) registry.Blobs {
	return openBlobs(t, b.(blobsFolder).dir)
}

func TestBlobs(t *testing.T) {
	t.Parallel()
	registrytest.RunBlobs(t, registrytest.BlobsHarness{
		New:    func(t *testing.T) registry.Blobs { return openBlobs(t, t.TempDir()) },
		Reopen: blobsAgain,
		Second: blobsAgain,
	})
}

// A number far beyond the last entry is a mistake of the caller, and would leave a gap.
func TestLog_RefusesGaps(t *testing.T) {
	t.Parallel()
	l := openLog(t, t.TempDir())
	for _, seq := range []uint64{0, 2, 100} {
		_, err := l.Append(t.Context(), seq, []byte("a"))
		require.ErrorContains(t, err, fmt.Sprintf("fileregistry: append entry %d", seq))
	}
}

// A folder that is gone, or was put back in an older state, is not taken for one in which
// nothing is new.
func TestLog_LosesItsFolder(t *testing.T) {
	t.Parallel()
	for _, entries := range []uint64{0, 1, 2} {
		dir := t.TempDir()
		l := openLog(t, dir)
		want := dir
		for seq := range entries {
			done, err := l.Append(t.Context(), seq+1, []byte("a"))
			require.NoError(t, err)
			require.True(t, done)
			want = entryPath(dir, seq+1)
		}
		require.NoError(t, os.RemoveAll(dir))
		n := 0
		for _, err := range l.Read(t.Context(), entries) {
			require.ErrorIs(t, err, registry.ErrCorrupt)
			require.ErrorContains(t, err, want)
			n++
		}
		require.Equal(t, 1, n)
	}
}

// The time limit is far above what is measured, 10 ms.
func TestLog_ReadsFast(t *testing.T) {
	dir := t.TempDir()
	for seq := range uint64(1000) {
		require.NoError(t, os.WriteFile(entryPath(dir, seq+1), []byte(`{"a":"small entry"}`), 0o600))
	}
	l := openLog(t, dir)
	started := time.Now()
	n := 0
	for _, err := range l.Read(t.Context(), 0) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1000, n)
	require.Less(t, time.Since(started), 500*time.Millisecond)
}

func BenchmarkLog_Read(b *testing.B) {
	dir := b.TempDir()
	for seq := range uint64(1000) {
		require.NoError(b, os.WriteFile(entryPath(dir, seq+1), []byte(`{"a":"small entry"}`), 0o600))
	}
	l := openLog(b, dir)
	for name, after := range map[string]uint64{"all of 1000": 0, "nothing new": 1000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range l.Read(b.Context(), after) {
					require.NoError(b, err)
				}
			}
		})
	}
}

// A stray file whose name looks like an entry is an error that names it, not millions of
// entries that were lost.
func TestLog_AStrayFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, err := fileregistry.OpenLog(dir)
	require.NoError(t, err)
	_, err = log.Append(t.Context(), 1, []byte(`{}`))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "20260101.json"), []byte(`{}`), 0o600))
	again, err := fileregistry.OpenLog(dir)
	if err == nil {
		for _, err = range again.Read(t.Context(), 0) {
			break
		}
	}
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.ErrorContains(t, err, "20260101.json")
}
