package csvlabels_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
)

func TestStore_Prune(t *testing.T) {
	t.Parallel()
	const (
		oldLine = "p-1,yes,,2025-06-01T12:00:00Z,2025-06-01T03:00:00Z\n"
		winner  = "\"p-2\",\"a \"\"b\"\",\r\nc\",,2025-06-01T14:00:00+02:00,2025-06-01T03:00:00Z\r\n"
		beaten  = "p-2,no,,2025-05-01T12:00:00Z,2025-06-03T03:00:00Z\n"
		young   = "p-3,,1e3,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n"
	)
	path := write(t, header+oldLine+"\n"+winner+oldLine+beaten+young+"p-4,torn")
	require.NoError(t, os.WriteFile(path+".new", []byte("left by a killed process"), 0o644))
	s, other := open(t, path, csvlabels.Config{}), open(t, path, csvlabels.Config{})
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, s.Prune(t.Context(), arrived.AddDate(0, 0, -1)))
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "there was nothing to remove")

	for range 2 {
		require.NoError(t, s.Prune(t.Context(), arrived))
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, header+"\n"+winner+beaten+young, string(content), "what stays is as it was, to the byte")
		torn, err := filepath.Glob(path + ".torn-*")
		require.NoError(t, err)
		require.Len(t, torn, 1)
		require.NoFileExists(t, path+".new")
	}
	for i, s := range []*csvlabels.Store{other, s} {
		require.Len(t, history(t, s), 3+i)
		found, err := s.Lookup(t.Context(), "p-1", "p-2")
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, "a \"b\",\r\nc", found["p-2"].Class)
		require.NoError(t, s.Append(t.Context(), yes("p-5")))
	}
	require.Len(t, history(t, other), 4)

	require.NoError(t, os.Mkdir(path+".new", 0o755)) // so that nothing can be written to this name
	require.ErrorContains(t, s.Prune(t.Context(), arrived.AddDate(1, 0, 0)), "csvlabels: prune: ")
	require.Len(t, history(t, other), 4, "a Prune that fails changes nothing")
}

func TestStore_PruneAll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "labels.csv")
	s := open(t, path, csvlabels.Config{})
	require.NoError(t, s.Prune(t.Context(), arrived), "of an empty file")
	require.NoError(t, s.Append(t.Context(), yes("p-1")))
	require.NoError(t, s.Prune(t.Context(), arrived.AddDate(1, 0, 0)))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, header, string(content))
	require.NoError(t, s.Append(t.Context(), yes("p-1")))
	require.Equal(t, []labels.Label{yes("p-1")}, history(t, s))
}

func BenchmarkStore_Prune(b *testing.B) {
	const n = 100_000
	path := filepath.Join(b.TempDir(), "labels.csv")
	s := open(b, path, csvlabels.Config{NoSync: true})
	ls := make([]labels.Label, n)
	for i := range ls {
		ls[i] = yes(fmt.Sprintf("0197a2b4-7c3e-7d7e-b5a1-%012d", i))
	}
	require.NoError(b, s.Append(b.Context(), ls...))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, s.Append(b.Context(), old("p-1")))
		require.NoError(b, s.Prune(b.Context(), arrived))
	}
}
