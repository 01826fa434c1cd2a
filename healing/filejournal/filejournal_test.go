package filejournal_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filejournal"
	"github.com/selfheal-ml/selfheal/healing/journaltest"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// childPath, if set, makes the test binary a process that appends to the journal at that
// path until it is killed or has made childCount entries.
const (
	childPath  = "SELFHEAL_FILEJOURNAL_CHILD"
	childCount = "SELFHEAL_FILEJOURNAL_COUNT"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		count, err := strconv.Atoi(os.Getenv(childCount))
		if err == nil {
			err = child(context.Background(), path, count)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child appends entries and prints the body of each once Append has returned.
func child(ctx context.Context, path string, count int) error {
	j, err := filejournal.Open(path, filejournal.Config{})
	if err != nil {
		return err
	}
	for i := range count {
		body := fmt.Sprintf(`{"pid":%d,"n":%d,"padding":%q}`, os.Getpid(), i, strings.Repeat("x", rand.IntN(4000)))
		if err := insist(ctx, j, body); err != nil {
			return err
		}
		fmt.Println(body)
	}
	return j.Close()
}

// insist appends an entry at whatever the next number is.
func insist(ctx context.Context, j healing.Journal, body string) error {
	var last healing.Entry
	for {
		for e, err := range j.Entries(ctx, last.Seq) {
			if err != nil {
				return err
			}
			last = e
		}
		if err := j.Append(ctx, following(last, body)); !errors.Is(err, healing.ErrConflict) {
			return err
		}
	}
}

func following(last healing.Entry, body string) healing.Entry {
	e := healing.Entry{Seq: last.Seq + 1, Time: time.Now().UTC(), Kind: healing.KindPass, Body: json.RawMessage(body)}
	if last.Seq > 0 {
		e.Prev = last.Hash()
	}
	return e
}

func open(t *testing.T, path string, cfg filejournal.Config) *filejournal.Journal {
	t.Helper()
	j, err := filejournal.Open(path, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { j.Close() })
	return j
}

// bodies returns what the journal holds, its chain verified.
func bodies(t *testing.T, j healing.Journal) []string {
	t.Helper()
	var (
		found []string
		last  healing.Entry
	)
	for e, err := range j.Entries(t.Context(), 0) {
		require.NoError(t, err)
		require.NoError(t, e.Follows(last))
		found, last = append(found, string(e.Body)), e
	}
	return found
}

func TestJournal(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, func(t *testing.T) healing.Journal {
		return open(t, filepath.Join(t.TempDir(), "journal.jsonl"), filejournal.Config{})
	})
}

func TestJournal_Reopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	for i := range 3 {
		j, err := filejournal.Open(path, filejournal.Config{})
		require.NoError(t, err)
		require.Len(t, bodies(t, j), i)
		require.NoError(t, insist(t.Context(), j, fmt.Sprintf(`{"n":%d}`, i)))
		require.NoError(t, j.Close())
	}
}

// TestJournal_Kill9 kills a writing process 20 times. Every entry that it reported is
// there, once and in order, and what was torn is set aside, not read.
func TestJournal_Kill9(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	var acknowledged []string
	torn := 0
	for round := range 20 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childPath+"="+path, childCount+"=1000000")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for range 1 + rand.IntN(20) {
			require.True(t, lines.Scan(), "round %d: the child ended by itself", round)
			acknowledged = append(acknowledged, lines.Text())
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() { // what it printed before it died
			acknowledged = append(acknowledged, lines.Text())
		}
		cmd.Wait()

		j, err := filejournal.Open(path, filejournal.Config{OnTorn: func(appendfile.Torn) { torn++ }})
		require.NoError(t, err)
		body := fmt.Sprintf(`{"round":%d}`, round)
		require.NoError(t, insist(t.Context(), j, body))
		acknowledged = append(acknowledged, body)
		acknowledged = requireSubsequence(t, acknowledged, bodies(t, j))
		require.NoError(t, j.Close())
	}
	aside, err := filepath.Glob(path + ".torn-*")
	require.NoError(t, err)
	require.Len(t, aside, torn, "each torn entry was set aside and reported")
	t.Logf("%d entries, %d torn", len(acknowledged), torn)
}

// requireSubsequence requires that want is in got, in order and each once, and returns
// got: what is there now must stay.
func requireSubsequence(t *testing.T, want, got []string) []string {
	t.Helper()
	seen := map[string]bool{}
	i := 0
	for _, s := range got {
		require.False(t, seen[s], "twice: %.60s", s)
		seen[s] = true
		if i < len(want) && s == want[i] {
			i++
		}
	}
	require.Equal(t, len(want), i, "lost: %.60s", append(want, "")[i])
	return got
}

// TestJournal_TwoProcesses lets processes append at the same time.
func TestJournal_TwoProcesses(t *testing.T) {
	t.Parallel()
	const processes, each = 3, 30
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	var wg sync.WaitGroup
	outputs, errs := make([][]byte, processes), make([]error, processes)
	for i := range processes {
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), childPath+"="+path, childCount+"="+strconv.Itoa(each))
			outputs[i], errs[i] = cmd.Output()
		})
	}
	wg.Wait()
	found := bodies(t, open(t, path, filejournal.Config{}))
	require.Len(t, found, processes*each)
	for i := range processes {
		require.NoError(t, errs[i])
		written := strings.Split(strings.TrimSpace(string(outputs[i])), "\n")
		require.Len(t, written, each)
		requireSubsequence(t, written, found)
	}
}

func TestJournal_Damage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		damage func(lines [][]byte) [][]byte
		line   string
	}{
		{"changed", func(l [][]byte) [][]byte {
			l[1] = bytes.Replace(l[1], []byte(`"n":1`), []byte(`"n":7`), 1)
			return l
		}, "line 2 or 3:"}, // the next line's hash gives it away
		{"removed", func(l [][]byte) [][]byte { return append(l[:1], l[2:]...) }, "line 2:"},
		{"swapped", func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l }, "line 2:"},
		{"not JSON", func(l [][]byte) [][]byte { l[2] = []byte("what is this\n"); return l }, "line 3:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.jsonl")
			j, err := filejournal.Open(path, filejournal.Config{})
			require.NoError(t, err)
			for i := range 4 {
				require.NoError(t, insist(t.Context(), j, fmt.Sprintf(`{"n":%d}`, i)))
			}
			require.NoError(t, j.Close())
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			lines := bytes.SplitAfter(bytes.TrimSuffix(content, nil), []byte("\n"))
			require.NoError(t, os.WriteFile(path, bytes.Join(c.damage(lines), nil), 0o644))

			damaged := open(t, path, filejournal.Config{})
			for range 2 {
				err = nil
				for _, err = range damaged.Entries(t.Context(), 0) {
				}
				require.ErrorIs(t, err, healing.ErrCorrupt)
				require.ErrorContains(t, err, path+", "+c.line, "with every look")
			}
			require.ErrorIs(t, insist(t.Context(), damaged, `{}`), healing.ErrCorrupt)
		})
	}
}

func FuzzJournal_AnyFile(f *testing.F) {
	valid := filepath.Join(f.TempDir(), "journal.jsonl")
	j, err := filejournal.Open(valid, filejournal.Config{})
	require.NoError(f, err)
	for i := range 2 {
		require.NoError(f, insist(context.Background(), j, fmt.Sprintf(`{"n":%d}`, i)))
	}
	require.NoError(f, j.Close())
	content, err := os.ReadFile(valid)
	require.NoError(f, err)
	f.Add(content)
	f.Add([]byte("{}\n"))
	f.Add([]byte("{\"seq\":1}\n{\"seq\":2"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		require.NoError(t, os.WriteFile(path, content, 0o644))
		j := open(t, path, filejournal.Config{})
		var last healing.Entry
		for e, err := range j.Entries(t.Context(), 0) {
			if err != nil {
				require.ErrorIs(t, err, healing.ErrCorrupt)
				break
			}
			require.NoError(t, e.Follows(last))
			last = e
		}
	})
}

func BenchmarkJournal_Append(b *testing.B) {
	j, err := filejournal.Open(filepath.Join(b.TempDir(), "journal.jsonl"), filejournal.Config{})
	require.NoError(b, err)
	defer j.Close()
	body := fmt.Sprintf(`{"padding":%q}`, strings.Repeat("x", 600))
	var last healing.Entry
	b.ReportAllocs()
	for b.Loop() {
		e := following(last, body)
		if err := j.Append(b.Context(), e); err != nil {
			b.Fatal(err)
		}
		last = e
	}
}
