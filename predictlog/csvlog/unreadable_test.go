package csvlog_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

// damage overwrites what is at the end of the row that begins so with zeros, the line end
// too, as a power failure may leave a file.
func damage(tb testing.TB, path, row string) {
	tb.Helper()
	text := []byte(read(tb, path))
	from := bytes.Index(text, []byte("\n"+row)) + 1
	require.Positive(tb, from)
	to := from + bytes.IndexByte(text[from:], '\n')
	clear(text[to-20 : to+1])
	require.NoError(tb, os.WriteFile(path, text, 0o644))
}

// A hole in a file takes the rows it touches, and no others, from the scans of the day.
func TestStore_Hole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	records := applicantsTo(50)
	require.NoError(t, open(t, dir, applicants(t), csvlog.Config{}).Append(t.Context(), records...))
	path := dayFile(t, dir, "2026-11-23")
	damage(t, path, "id-30,")

	var log strings.Builder
	var passed []csvlog.Unreadable
	store := open(t, dir, applicants(t), csvlog.Config{
		Logger:       slog.New(slog.NewTextHandler(&log, nil)),
		OnUnreadable: func(u csvlog.Unreadable) { passed = append(passed, u) },
	})
	for range 3 {
		requireEqual(t, append(applicantsTo(30), records[32:]...), scan(t, store, predictlog.Query{}))
	}
	require.Len(t, passed, 1, "told once")
	require.Equal(t, 1, passed[0].Rows, "two rows that run into each other")
	require.Equal(t, 32, passed[0].Line)
	require.Contains(t, log.String(), `level=WARN msg="csvlog: unreadable rows passed over" path=`+path+` rows=1`)

	damage(t, path, "id-40,")
	for range store.Scan(t.Context(), predictlog.Query{}) {
		break // before what is damaged
	}
	require.Len(t, passed, 1)
	require.Len(t, scan(t, store, predictlog.Query{}), 46)
	require.Len(t, passed, 2)
	require.Equal(t, 2, passed[1].Rows)
	require.Equal(t, 32, passed[1].Line)
}

// Damage does not stop what is to be appended.
func TestStore_AppendBesideUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, open(t, dir, applicants(t), csvlog.Config{}).Append(t.Context(), applicantsTo(4)...))
	path := dayFile(t, dir, "2026-11-23")
	replace(t, path, "id-1,", "i\"d\"-1,")
	replace(t, path, ",2.25,", ",abc,")
	damaged := read(t, path)

	store := open(t, dir, applicants(t), csvlog.Config{})
	require.ErrorIs(t, store.Append(t.Context(), applicant(2)), predictlog.ErrDuplicate, "the ID is there, whatever with")
	require.NoError(t, store.Append(t.Context(), applicant(0), applicant(1), applicant(4)))
	requireEqual(t, []predictlog.Record{applicant(0), applicant(3), applicant(1), applicant(4)}, scan(t, store, predictlog.Query{}))
	require.True(t, strings.HasPrefix(read(t, path), damaged), "what cannot be read remains")
}

// A file with many unreadable rows is an error, after all that can be read of it.
func TestStore_TooManyUnreadable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		rows, bad int
		want      string
	}{
		{"10 of 20", 20, 10, ""},
		{"11 of 20", 20, 11, ": 11 of 20 rows cannot be read"},
		{"11 of 1100", 1100, 11, ""},
		{"12 of 1100", 1100, 12, ": 12 of 1100 rows cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
			records := applicantsTo(c.rows)
			for i := range c.bad {
				records[i].Version = "bad"
			}
			tomorrow := applicant(c.rows)
			tomorrow.Time = noon.AddDate(0, 0, 1)
			require.NoError(t, store.Append(t.Context(), append(records, tomorrow)...))
			replace(t, dayFile(t, dir, "2026-11-23"), ",bad,", ",\"bad\"x,")
			var read []predictlog.Record
			var last error
			for r, err := range store.Scan(t.Context(), predictlog.Query{}) {
				if last = err; err == nil {
					read = append(read, r)
				}
			}
			if c.want == "" {
				require.NoError(t, last)
				requireEqual(t, append(records[c.bad:], tomorrow), read)
				return
			}
			require.ErrorContains(t, last, c.want)
			requireEqual(t, records[c.bad:], read)
		})
	}
}
