package appendfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// open opens a File on path and closes it with the test.
func open(t *testing.T, path string, cfg appendfile.Config) *appendfile.File {
	t.Helper()
	f, err := appendfile.Open(path, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// add appends s.
func add(t *testing.T, f *appendfile.File, s string) {
	t.Helper()
	require.NoError(t, f.Update(t.Context(), nil, func(int64) ([]byte, error) { return []byte(s), nil }))
}

// contents returns what a Snapshot of path reads.
func contents(t *testing.T, path string, cfg appendfile.Config) string {
	t.Helper()
	r, size, err := appendfile.Snapshot(t.Context(), path, cfg)
	require.NoError(t, err)
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.EqualValues(t, size, len(p))
	return string(p)
}

// collector is an observer that keeps what it is handed and checks its offsets.
type collector struct{ bytes.Buffer }

func (c *collector) observe(p []byte, offset int64) error {
	if offset != int64(c.Len()) {
		return fmt.Errorf("chunk at %d, want %d", offset, c.Len())
	}
	c.Write(p)
	return nil
}

func TestFile_UpdateHandsOutEachRecordOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "folder", "f")
	a, b := open(t, path, appendfile.Config{}), open(t, path, appendfile.Config{})
	var seenA, seenB collector
	want := ""
	for i, f := range []*appendfile.File{a, b, b, a, b} {
		seen := &seenA
		if f == b {
			seen = &seenB
		}
		require.NoError(t, f.Update(t.Context(), seen.observe, func(size int64) ([]byte, error) {
			require.EqualValues(t, len(want), size)
			require.Equal(t, want, seen.String(), "write runs after observe")
			return fmt.Appendf(nil, "record %d\n", i), nil
		}))
		want += fmt.Sprintf("record %d\n", i)
		require.Equal(t, want, seen.String(), "own records are observed too")
	}
	require.NoError(t, a.View(t.Context(), seenA.observe))
	require.Equal(t, want, seenA.String())
	require.Equal(t, want, contents(t, path, appendfile.Config{}))
}

func TestFile_UpdateErrors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	f := open(t, path, appendfile.Config{MaxRecord: 8})
	add(t, f, "one\n")
	refused := errors.New("refused")
	write := func(s string) func(int64) ([]byte, error) {
		return func(int64) ([]byte, error) { return []byte(s), nil }
	}
	t.Run("write", func(t *testing.T) {
		err := f.Update(t.Context(), nil, func(int64) ([]byte, error) { return []byte("x\n"), refused })
		require.True(t, err == refused, "returned as it is, got %v", err)
	})
	t.Run("observe", func(t *testing.T) {
		err := f.Update(t.Context(), func([]byte, int64) error { return refused }, write("two\n"))
		require.True(t, err == refused, "returned as it is, got %v", err)
	})
	t.Run("torn record", func(t *testing.T) {
		require.ErrorContains(t, f.Update(t.Context(), nil, write("two\nthr")), "the last 3 of 7 bytes are not a whole record")
	})
	t.Run("long record", func(t *testing.T) {
		require.ErrorContains(t, f.Update(t.Context(), nil, write("two\n123456789\n")), "longer than MaxRecord = 8 bytes")
	})
	t.Run("done ctx", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, f.Update(ctx, nil, write("two\n")), context.Canceled)
		require.ErrorIs(t, f.View(ctx, nil), context.Canceled)
	})
	t.Run("panic", func(t *testing.T) {
		require.Panics(t, func() {
			_ = f.Update(t.Context(), nil, func(int64) ([]byte, error) { panic("write") })
		})
	})
	t.Run("nothing to write", func(t *testing.T) {
		require.NoError(t, f.Update(t.Context(), nil, write("")))
	})
	require.Equal(t, "one\n", contents(t, path, appendfile.Config{}), "nothing remains of any of them, no lock is left")
	require.NoError(t, f.Close())
	require.ErrorIs(t, f.Close(), os.ErrClosed)
	require.ErrorIs(t, f.Update(t.Context(), nil, write("two\n")), os.ErrClosed)
}

func TestFile_ObserveIsHandedARefusedChunkAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	add(t, open(t, path, appendfile.Config{}), "one\ntwo\n")
	f := open(t, path, appendfile.Config{})
	refused := errors.New("refused")
	require.ErrorIs(t, f.View(t.Context(), func([]byte, int64) error { return refused }), refused)
	var seen collector
	require.NoError(t, f.View(t.Context(), seen.observe))
	require.Equal(t, "one\ntwo\n", seen.String())
}

func TestFile_ChunksAreWholeRecords(t *testing.T) {
	t.Parallel()
	// Records from 1 byte to several chunks, so that they end in all positions of one.
	var want bytes.Buffer
	for n := 1; n < 1<<20; n = n*3 + 1 {
		want.WriteString(strings.Repeat("x", n) + "\n" + strings.Repeat("a,b\n", 1000))
	}
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, want.Bytes(), 0o644))
	f := open(t, path, appendfile.Config{})
	var seen collector
	require.NoError(t, f.View(t.Context(), func(p []byte, offset int64) error {
		require.EqualValues(t, '\n', p[len(p)-1])
		return seen.observe(p, offset)
	}))
	require.True(t, bytes.Equal(want.Bytes(), seen.Bytes()))
	require.Equal(t, want.Len(), len(contents(t, path, appendfile.Config{})))
}

func TestFile_LongRecordIsAnErrorNotATornOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	content := "a,b\n\"a quote that a person left open\n" + strings.Repeat("c,d\n", 1000)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	cfg := appendfile.Config{Boundary: appendfile.CSVBoundary, MaxRecord: 1000}
	err := open(t, path, cfg).Update(t.Context(), nil, func(int64) ([]byte, error) { return []byte("e,f\n"), nil })
	require.ErrorContains(t, err, "after offset 4, want at most MaxRecord = 1000")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, content, string(after))
}

func TestFile_ChangedBehindItsBack(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"removed":                 func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"is 2 bytes long, was 12": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 2)) },
		"replaced by another file": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".new", []byte("something longer\n"), 0o644))
			require.NoError(t, os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "f")
			f := open(t, path, appendfile.Config{})
			add(t, f, "some record\n")
			change(t, path)
			err := f.View(t.Context(), nil)
			require.ErrorIs(t, err, appendfile.ErrChanged)
			require.ErrorContains(t, err, path+": "+name)
			require.ErrorIs(t, f.Update(t.Context(), nil, func(int64) ([]byte, error) { return []byte("x\n"), nil }), appendfile.ErrChanged)
		})
	}
}

// Every prefix of a record is set aside, whatever byte the writer was killed at.
func TestFile_TornAtEveryByte(t *testing.T) {
	t.Parallel()
	const whole, record = "id,text\na,\"b\nc\"\n", "d,\"e\n\"\"f\"\"\ng\"\n"
	for cut := 1; cut < len(record); cut++ {
		path := filepath.Join(t.TempDir(), "f")
		require.NoError(t, os.WriteFile(path, []byte(whole+record[:cut]), 0o644))
		var (
			torn []appendfile.Torn
			log  bytes.Buffer
		)
		cfg := appendfile.Config{
			Boundary: appendfile.CSVBoundary,
			Logger:   slog.New(slog.NewTextHandler(&log, nil)),
			OnTorn:   func(one appendfile.Torn) { torn = append(torn, one) },
		}
		f := open(t, path, cfg)
		var seen collector
		require.NoError(t, f.View(t.Context(), seen.observe))
		require.Equal(t, whole, contents(t, path, cfg))
		require.Empty(t, torn, "readers leave it alone")

		require.NoError(t, f.Update(t.Context(), seen.observe, func(size int64) ([]byte, error) {
			require.EqualValues(t, len(whole), size)
			return []byte("h,i\n"), nil
		}))
		require.Equal(t, whole+"h,i\n", seen.String(), "cut at %d", cut)
		require.Equal(t, whole+"h,i\n", contents(t, path, cfg))
		aside := fmt.Sprintf("%s.torn-%d", path, len(whole))
		require.Equal(t, []appendfile.Torn{{Path: path, Offset: int64(len(whole)), Size: int64(cut), SetAside: aside}}, torn)
		kept, err := os.ReadFile(aside)
		require.NoError(t, err)
		require.Equal(t, record[:cut], string(kept))
		require.Contains(t, log.String(), aside)
	}
}

func TestFile_TornTwiceAtOneOffset(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for i, aside := range []string{path + ".torn-0", path + ".torn-0-1", path + ".torn-0-2"} {
		torn := fmt.Sprint("torn ", i)
		require.NoError(t, os.WriteFile(path, []byte(torn), 0o644))
		add(t, open(t, path, appendfile.Config{}), "")
		kept, err := os.ReadFile(aside)
		require.NoError(t, err)
		require.Equal(t, torn, string(kept))
	}
}

func TestFile_WaitsForTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for name, other := range map[string]func(*testing.T, *appendfile.File) *appendfile.File{
		"of the same File": func(_ *testing.T, f *appendfile.File) *appendfile.File { return f },
		"of another File":  func(t *testing.T, _ *appendfile.File) *appendfile.File { return open(t, path, appendfile.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, path, appendfile.Config{})
			tx, err := f.Begin(t.Context(), nil)
			require.NoError(t, err)
			defer func() { require.NoError(t, tx.Rollback()) }()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, other(t, f).View(ctx, nil), context.DeadlineExceeded)
		})
	}
}

func TestFile_ConcurrentUpdates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	const files, goroutines, updates = 3, 3, 20
	var wg sync.WaitGroup
	for i := range files {
		f := open(t, path, appendfile.Config{NoSync: true})
		var seen collector
		for j := range goroutines {
			wg.Go(func() {
				for n := range updates {
					err := f.Update(t.Context(), seen.observe, func(size int64) ([]byte, error) {
						if int64(seen.Len()) != size {
							return nil, fmt.Errorf("observed %d of %d bytes", seen.Len(), size)
						}
						return fmt.Appendf(nil, "%d %d %d\n", i, j, n), nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	next := map[[2]int]int{}
	for line := range strings.Lines(contents(t, path, appendfile.Config{})) {
		var i, j, n int
		_, err := fmt.Sscanf(line, "%d %d %d\n", &i, &j, &n)
		require.NoError(t, err)
		require.Equal(t, next[[2]int{i, j}], n)
		next[[2]int{i, j}]++
	}
	require.Len(t, next, files*goroutines)
	for who, n := range next {
		require.Equal(t, updates, n, "%v", who)
	}
}

func TestSnapshot_IsOfTheTimeOfTheCall(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	f := open(t, path, appendfile.Config{})
	add(t, f, "one\n")
	r, size, err := appendfile.Snapshot(t.Context(), path, appendfile.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	require.EqualValues(t, 4, size)
	add(t, f, "two\n")
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "one\n", string(p))
}

func TestSnapshot_Errors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	_, _, err := appendfile.Snapshot(t.Context(), path, appendfile.Config{})
	require.ErrorIs(t, err, fs.ErrNotExist)

	add(t, open(t, path, appendfile.Config{}), "one\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = appendfile.Snapshot(ctx, path, appendfile.Config{})
	require.ErrorIs(t, err, context.Canceled)

	r, _, err := appendfile.Snapshot(t.Context(), path, appendfile.Config{})
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 2))
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, appendfile.ErrChanged)
	require.NoError(t, r.Close())
}

func TestOpen_Errors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := appendfile.Open(dir, appendfile.Config{})
	require.ErrorContains(t, err, "appendfile: open")
	_, err = appendfile.Open(filepath.Join(dir, "f"), appendfile.Config{MaxRecord: -1})
	require.ErrorContains(t, err, "MaxRecord is -1")
	require.NoFileExists(t, filepath.Join(dir, "f"))
}
