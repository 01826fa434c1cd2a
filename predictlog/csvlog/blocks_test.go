package csvlog_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

// shuffled returns records of a day of many blocks: in order, nearly in order, or in none.
func shuffled(rng *rand.Rand, n int) []predictlog.Record {
	reach := []int{1, 500, n}[rng.IntN(3)]
	records := applicantsTo(n)
	for i := range records {
		j := i + rng.IntN(min(reach, n-i))
		records[i].Time, records[j].Time = records[j].Time, records[i].Time
	}
	return records
}

// Windows yield the same whether blocks are known or not, in any order of times, with rows
// that are appended by another store meanwhile.
func TestStore_Windows(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		const n = 20_000 // some 5 blocks
		dir := t.TempDir()
		records := shuffled(rng, n)
		writer := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
		reader := open(t, dir, applicants(t), csvlog.Config{})
		for from := 0; from < n; from += n / 4 {
			require.NoError(t, writer.Append(t.Context(), records[from:from+n/4]...))
			for range 4 {
				at := noon.Add(time.Duration(rng.IntN(n)) * time.Millisecond)
				q := predictlog.Query{From: at, To: at.Add(time.Duration(rng.IntN(n/4)) * time.Millisecond)}
				var want []predictlog.Record
				for _, r := range records[:from+n/4] {
					if q.Matches(r) {
						want = append(want, r)
					}
				}
				requireEqual(t, want, scan(t, reader, q))
				requireSameColumns(t, reader, q)
			}
		}
	}
}

// A window reads only what it needs, which shows in what it does not find to be damaged.
func TestStore_WindowReadsItsBlocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var passed []csvlog.Unreadable
	store := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone, OnUnreadable: func(u csvlog.Unreadable) { passed = append(passed, u) }})
	const n = 20_000
	require.NoError(t, store.Append(t.Context(), applicantsTo(n)...))
	path := dayFile(t, dir, "2026-11-23")
	last := predictlog.Query{From: noon.Add((n - 10) * time.Millisecond)}
	require.Len(t, scan(t, store, last), 10)

	info, err := os.Stat(path)
	require.NoError(t, err)
	damage(t, path, "id-5,") // at the beginning, which is not read
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	require.Len(t, scan(t, store, last), 10)
	require.Empty(t, passed)
	require.Len(t, scan(t, store, predictlog.Query{}), n-2)
	require.Len(t, passed, 1)
	require.Equal(t, 7, passed[0].Line)
}

// What is known of a file that was changed by other means is dropped.
func TestStore_WindowOfAChangedFile(t *testing.T) {
	t.Parallel()
	const n = 20_000
	last := predictlog.Query{From: noon.Add((n - 10) * time.Millisecond)}
	// Two rows change places, the first and the last.
	swap := func(text string) string {
		text = strings.Replace(text, "12:00:00.000000Z", "@", 1)
		text = strings.Replace(text, "12:00:19.999000Z", "12:00:00.000000Z", 1)
		return strings.Replace(text, "@", "12:00:19.999000Z", 1)
	}
	for name, change := range map[string]func(path, text string) error{
		"overwritten": func(path, text string) error {
			time.Sleep(10 * time.Millisecond) // the clock of a file system is coarse
			return os.WriteFile(path, []byte(swap(text)), 0o644)
		},
		"replaced": func(path, text string) error {
			if err := os.WriteFile(path+".new", []byte(swap(text)), 0o644); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"longer": func(path, text string) error { // every row moves
			return os.WriteFile(path, []byte(strings.Replace(swap(text), ",credit,", ",\"credit\",", 1)), 0o644)
		},
		"shorter": func(path, text string) error {
			return os.WriteFile(path, []byte(strings.Replace(swap(text), "\nid-1,", "\nid-", 1)), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
			require.NoError(t, store.Append(t.Context(), applicantsTo(n)...))
			require.Equal(t, "id-19999", scan(t, store, last)[9].ID)
			path := dayFile(t, dir, "2026-11-23")
			require.NoError(t, change(path, read(t, path)))
			require.Equal(t, "id-0", scan(t, store, last)[0].ID)
		})
	}
}

func TestStore_Prune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
	other := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
	records := applicantsTo(4)
	for i := range records {
		records[i].Time = noon.AddDate(0, 0, i)
	}
	require.NoError(t, store.Append(t.Context(), records[:2]...))
	require.NoError(t, other.Append(t.Context(), records...))
	aside := dayFile(t, dir, "2026-11-23") + ".torn-12"
	require.NoError(t, os.WriteFile(aside, []byte("torn"), 0o644))
	midnight := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

	require.NoError(t, store.Prune(t.Context(), midnight.Add(-1)))
	require.NoFileExists(t, aside)
	requireEqual(t, records[1:], scan(t, other, predictlog.Query{}))
	for range 2 {
		require.NoError(t, store.Prune(t.Context(), midnight))
		requireEqual(t, records[2:], scan(t, other, predictlog.Query{}))
	}
	require.NoError(t, other.Append(t.Context(), records[0]), "whose day it had open")
	requireEqual(t, []predictlog.Record{records[0], records[2], records[3]}, scan(t, store, predictlog.Query{}))
}

// A store that only reads, for a year, does not remember what others pruned, nor does one that
// prunes within a scan.
func TestStore_ForgetsPrunedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writer := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
	reader := open(t, dir, applicants(t), csvlog.Config{})
	require.NoError(t, writer.Append(t.Context(), applicantsTo(5000)...))
	damage(t, dayFile(t, dir, "2026-11-23"), "id-5,")
	require.Len(t, scan(t, reader, predictlog.Query{}), 4998)
	require.Equal(t, 2, reader.Remembered())
	require.NoError(t, writer.Prune(t.Context(), noon.AddDate(0, 0, 1)))
	require.Empty(t, scan(t, reader, predictlog.Query{}))
	require.Zero(t, reader.Remembered())

	require.NoError(t, writer.Append(t.Context(), applicantsTo(5000)...))
	n := 0
	for _, err := range writer.Scan(t.Context(), predictlog.Query{}) {
		require.NoError(t, err)
		if n++; n == 1 {
			require.NoError(t, writer.Prune(t.Context(), noon.AddDate(0, 0, 1)))
		}
	}
	require.Equal(t, 5000, n)
	require.Empty(t, scan(t, writer, predictlog.Query{}))
	require.Zero(t, writer.Remembered())
}

// Others read and append while old days are removed.
func TestStore_PruneMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pruner := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
	var wg sync.WaitGroup
	for g := range 3 {
		store := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
		wg.Go(func() {
			for i := range 30 {
				old, today := applicant(g*1000+i), applicant(g*1000+500+i)
				old.Time = noon.AddDate(0, 0, -1-i%3)
				if err := store.Append(t.Context(), old, today); err != nil {
					t.Error(err)
				}
				for _, err := range store.Scan(t.Context(), predictlog.Query{}) {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 30 {
		require.NoError(t, pruner.Prune(t.Context(), noon))
	}
	wg.Wait()
	require.NoError(t, pruner.Prune(t.Context(), noon))
	require.Len(t, scan(t, pruner, predictlog.Query{}), 90, "all of today")
}
