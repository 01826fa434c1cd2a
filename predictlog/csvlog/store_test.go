package csvlog_test

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

func TestStore_KeepsThePromises(t *testing.T) {
	t.Parallel()
	predictlogtest.Run(t, harness(csvlog.Config{}))
}

// folderStore knows its folder, so that it can be opened again.
type folderStore struct {
	*csvlog.Store
	dir string
}

func harness(cfg csvlog.Config) predictlogtest.Harness {
	openIn := func(tb testing.TB, dir string, schema *predictlog.Schema) predictlog.Store {
		tb.Helper()
		store, err := csvlog.Open(dir, schema, cfg)
		require.NoError(tb, err)
		tb.Cleanup(func() { _ = store.Close() }) // which Reopen has done to some
		return folderStore{store, dir}
	}
	return predictlogtest.Harness{
		New: func(tb testing.TB, schema *predictlog.Schema) predictlog.Store {
			return openIn(tb, tb.TempDir(), schema)
		},
		Reopen: func(tb testing.TB, store predictlog.Store, schema *predictlog.Schema) predictlog.Store {
			require.NoError(tb, store.(folderStore).Close())
			return openIn(tb, store.(folderStore).dir, schema)
		},
		Second: func(tb testing.TB, store predictlog.Store) predictlog.Store {
			return openIn(tb, store.(folderStore).dir, store.Schema())
		},
	}
}

// open opens a store and closes it with the test.
func open(tb testing.TB, dir string, schema *predictlog.Schema, cfg csvlog.Config) *csvlog.Store {
	tb.Helper()
	store, err := csvlog.Open(dir, schema, cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return store
}

func newSchema(tb testing.TB, target predictlog.Target, columns ...predictlog.Column) *predictlog.Schema {
	tb.Helper()
	schema, err := predictlog.NewSchema(columns, target)
	require.NoError(tb, err)
	return schema
}

func applicants(tb testing.TB) *predictlog.Schema {
	return newSchema(tb, predictlog.Target{},
		predictlog.Column{Name: "income", Kind: predictlog.Numeric, Rule: "gte=0"},
		predictlog.Column{Name: "region", Kind: predictlog.Categorical})
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func applicant(n int) predictlog.Record {
	return predictlog.Record{
		ID:      fmt.Sprintf("id-%d", n),
		Time:    noon.Add(time.Duration(n) * time.Millisecond),
		Model:   "credit",
		Version: "3",
		Row:     predictlog.Row{predictlog.Number(float64(n) + 0.25), predictlog.Category("north")},
		Output:  predictlog.Output{Class: "1", Probabilities: []float64{0.25, 0.75}},
		Latency: 1500 * time.Microsecond,
	}
}

func applicantsTo(n int) []predictlog.Record {
	records := make([]predictlog.Record, n)
	for i := range records {
		records[i] = applicant(i)
	}
	return records
}

func scan(tb testing.TB, store predictlog.Store, q predictlog.Query) []predictlog.Record {
	tb.Helper()
	var records []predictlog.Record
	for r, err := range store.Scan(tb.Context(), q) {
		require.NoError(tb, err)
		records = append(records, r)
	}
	return records
}

// scanErr returns the error with which a scan ends.
func scanErr(ctx context.Context, store predictlog.Store, q predictlog.Query) (last error) {
	for _, err := range store.Scan(ctx, q) {
		last = err
	}
	return last
}

func ids(records []predictlog.Record) []string {
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	return ids
}

func requireEqual(tb testing.TB, want, got []predictlog.Record) {
	tb.Helper()
	require.Len(tb, got, len(want))
	for i := range want {
		require.True(tb, got[i].Equal(want[i]), "record %d is\n%+v, want\n%+v", i, got[i], want[i])
	}
}

// dayFile returns the path of the only file of a day.
func dayFile(tb testing.TB, dir, day string) string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, day+".*.csv"))
	require.NoError(tb, err)
	require.Len(tb, paths, 1)
	return paths[0]
}

func read(tb testing.TB, path string) string {
	tb.Helper()
	p, err := os.ReadFile(path)
	require.NoError(tb, err)
	return string(p)
}

func replace(tb testing.TB, path, old, with string) {
	tb.Helper()
	text := read(tb, path)
	require.Contains(tb, text, old)
	require.NoError(tb, os.WriteFile(path, []byte(strings.ReplaceAll(text, old, with)), 0o644))
}

func TestStore_File(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, applicants(t), csvlog.Config{})
	rich := applicant(1)
	rich.Row = predictlog.Row{predictlog.Number(-1), predictlog.Category("")}
	rich.Violations = []predictlog.Violation{{Column: "income", Rule: "gte=0", Value: "-1"}}
	rich.Tags = map[string]string{"tenant": "a", "note": "b, c"}
	imported := predictlog.Record{ID: "id-2", Time: noon, Row: predictlog.Row{predictlog.Missing(), predictlog.Category("a \"b\"")}}
	special := applicant(3)
	special.Row = predictlog.Row{predictlog.Number(math.Inf(-1)), predictlog.Missing()}
	special.Output.Probabilities = nil
	require.NoError(t, store.Append(t.Context(), applicant(0), rich, imported, special))
	require.Equal(t, `id,time,model,version,income,region,class,p(0),p(1),latency_us,violations,tags
id-0,2026-11-23T12:00:00.000000Z,credit,3,0.25,north,1,0.25,0.75,1500,,
id-1,2026-11-23T12:00:00.001000Z,credit,3,-1,"",1,0.25,0.75,1500,"[{""column"":""income"",""rule"":""gte=0"",""value"":""-1""}]","{""note"":""b, c"",""tenant"":""a""}"
id-2,2026-11-23T12:00:00.000000Z,,,,"a ""b""",,,,0,,
id-3,2026-11-23T12:00:00.003000Z,credit,3,-Inf,,1,,,1500,,
`, read(t, dayFile(t, dir, "2026-11-23")))
}

func TestStore_HeaderHasNoNameTwice(t *testing.T) {
	t.Parallel()
	var columns []predictlog.Column
	for _, name := range []string{"id", "id_", "time", "value", "p(yes)", "p(no)", "_", "x_"} {
		columns = append(columns, predictlog.Column{Name: name, Kind: predictlog.Numeric})
	}
	dir := t.TempDir()
	store := open(t, dir, newSchema(t, predictlog.Target{Classes: []string{"no", "yes"}}, columns...), csvlog.Config{})
	r := predictlog.Record{ID: "a", Time: noon}
	for i := range columns {
		r.Row = append(r.Row, predictlog.Number(float64(i)))
	}
	require.NoError(t, store.Append(t.Context(), r))
	require.Equal(t, `id,time,model,version,id_,id__,time_,value_,p(yes)_,p(no)_,_,x_,class,p(no),p(yes),latency_us,violations,tags
a,2026-11-23T12:00:00.000000Z,,,0,1,2,3,4,5,6,7,,,,0,,
`, read(t, dayFile(t, dir, "2026-11-23")))
	requireEqual(t, []predictlog.Record{r}, scan(t, store, predictlog.Query{}))
}

func TestStore_Reopened(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	records := applicantsTo(3000) // several chunks
	first, err := csvlog.Open(dir, applicants(t), csvlog.Config{})
	require.NoError(t, err)
	require.NoError(t, first.Append(t.Context(), records...))
	require.NoError(t, first.Close())
	require.ErrorIs(t, first.Append(t.Context(), records[0]), os.ErrClosed)

	store := open(t, dir, applicants(t), csvlog.Config{})
	require.NoError(t, store.Append(t.Context(), records[1000:]...), "stored ones are no-ops")
	other := records[2500]
	other.Version = "4"
	require.ErrorIs(t, store.Append(t.Context(), applicant(5000), other), predictlog.ErrDuplicate)
	requireEqual(t, records, scan(t, store, predictlog.Query{}))
}

func TestStore_Days(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
	const days = 10 // more than are kept open
	var records []predictlog.Record
	for n := range days {
		for i, at := range []time.Duration{0, 24*time.Hour - time.Microsecond} {
			r := applicant(2*n + i)
			r.Time = time.Date(2026, 12, 25+n, 0, 0, 0, 0, time.UTC).Add(at)
			records = append(records, r)
		}
	}
	for range 2 {
		require.NoError(t, store.Append(t.Context(), records[days:]...))
		for _, r := range records {
			require.NoError(t, store.Append(t.Context(), r))
		}
	}
	requireEqual(t, records, scan(t, store, predictlog.Query{}))
	names, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	require.NoError(t, err)
	require.Len(t, names, days)

	t.Run("a query opens only the files it needs", func(t *testing.T) {
		for _, name := range names {
			if day := filepath.Base(name); !strings.HasPrefix(day, "2026-12-26") && !strings.HasPrefix(day, "2026-12-27") {
				require.NoError(t, os.WriteFile(name, []byte("not to be read\n"), 0o644))
			}
		}
		from := time.Date(2026, 12, 26, 0, 0, 0, 0, time.UTC)
		requireEqual(t, records[2:6], scan(t, store, predictlog.Query{From: from, To: from.AddDate(0, 0, 2)}))
		require.Error(t, scanErr(t.Context(), store, predictlog.Query{From: from, To: from.AddDate(0, 0, 2).Add(1)}))
		require.Error(t, scanErr(t.Context(), store, predictlog.Query{From: from.Add(-1), To: from}))
	})
}

// A day that no record comes for is closed, as seen by what a store does with a file that
// was cut: an open one has changed, a closed one is read anew.
func TestStore_IdleDaysAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		store, err := csvlog.Open(dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
		require.NoError(t, err)
		yesterday, today := applicant(0), applicant(1)
		yesterday.Time = noon.AddDate(0, 0, -1)
		empty := func() {
			path := dayFile(t, dir, "2026-11-22")
			header, _, _ := strings.Cut(read(t, path), "\n")
			require.NoError(t, os.WriteFile(path, []byte(header+"\n"), 0o644))
		}

		require.NoError(t, store.Append(t.Context(), yesterday, today))
		time.Sleep(10*time.Minute - time.Nanosecond)
		require.NoError(t, store.Append(t.Context(), applicant(2)))
		empty()
		require.ErrorIs(t, store.Append(t.Context(), yesterday), appendfile.ErrChanged)

		require.NoError(t, store.Append(t.Context(), yesterday))
		time.Sleep(10 * time.Minute)
		require.NoError(t, store.Append(t.Context(), applicant(3)))
		empty()
		require.NoError(t, store.Append(t.Context(), yesterday))
		requireEqual(t, []predictlog.Record{yesterday, today, applicant(2), applicant(3)}, scan(t, store, predictlog.Query{}))
		require.NoError(t, store.Close())
	})
}

// All files of a call are cut back if one cannot be written.
func TestStore_AllOrNoneOverDays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, applicants(t), csvlog.Config{})
	today, tomorrow := applicant(0), applicant(1)
	tomorrow.Time = noon.AddDate(0, 0, 1)
	require.NoError(t, store.Append(t.Context(), today, tomorrow))
	replace(t, dayFile(t, dir, "2026-11-24"), "id,", "ID,")
	fresh := open(t, dir, applicants(t), csvlog.Config{})
	late := tomorrow
	late.ID = "late"
	err := fresh.Append(t.Context(), applicant(2), late)
	require.ErrorContains(t, err, `2026-11-24.`+store.Schema().Fingerprint()[:8]+`.csv:1: cell 1 is "ID", want "id"`)
	requireEqual(t, []predictlog.Record{today}, scan(t, store, predictlog.Query{To: noon.Add(time.Hour)}))

	replace(t, dayFile(t, dir, "2026-11-24"), "ID,", "id,")
	require.NoError(t, fresh.Append(t.Context(), applicant(2), late))
	requireEqual(t, []predictlog.Record{today, applicant(2), tomorrow, late}, scan(t, store, predictlog.Query{}))
}

func TestStore_SharedByStores(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	records := applicantsTo(200)
	var wg sync.WaitGroup
	for range 3 {
		store := open(t, dir, applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
		wg.Go(func() {
			for i := 0; i < len(records); i += 5 {
				if err := store.Append(t.Context(), records[i:i+5]...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	requireEqual(t, records, scan(t, open(t, dir, applicants(t), csvlog.Config{}), predictlog.Query{}))
}

func TestStore_TornRow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var torn []appendfile.Torn
	cfg := csvlog.Config{OnTorn: func(one appendfile.Torn) { torn = append(torn, one) }}
	require.NoError(t, open(t, dir, applicants(t), cfg).Append(t.Context(), applicant(0)))
	path := dayFile(t, dir, "2026-11-23")
	whole := read(t, path)
	const half = "id-1,2026-11-23T12:00:00.001000Z,credit,3,1.25,\"nor\nth"
	require.NoError(t, os.WriteFile(path, []byte(whole+half), 0o644))

	store := open(t, dir, applicants(t), cfg)
	requireEqual(t, []predictlog.Record{applicant(0)}, scan(t, store, predictlog.Query{}))
	require.NoError(t, store.Append(t.Context(), applicant(1)))
	requireEqual(t, applicantsTo(2), scan(t, store, predictlog.Query{}))
	require.Len(t, torn, 1)
	require.EqualValues(t, len(whole), torn[0].Offset)
	require.Equal(t, half, read(t, torn[0].SetAside))
}

func TestStore_SchemaChangesInMidDay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := open(t, dir, newSchema(t, predictlog.Target{Classes: []string{"no", "yes"}},
		predictlog.Column{Name: "income", Kind: predictlog.Numeric},
		predictlog.Column{Name: "age", Kind: predictlog.Numeric},
		predictlog.Column{Name: "gone", Kind: predictlog.Categorical},
	), csvlog.Config{})
	after := open(t, dir, newSchema(t, predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"maybe", "yes", "no"}},
		predictlog.Column{Name: "new", Kind: predictlog.Numeric},
		predictlog.Column{Name: "age", Kind: predictlog.Categorical},
		predictlog.Column{Name: "income", Kind: predictlog.Numeric},
	), csvlog.Config{})

	old := predictlog.Record{
		ID: "old", Time: noon, Model: "credit", Version: "3",
		Row:    predictlog.Row{predictlog.Number(1000), predictlog.Number(42), predictlog.Category("x")},
		Output: predictlog.Output{Class: "yes", Probabilities: []float64{0.25, 0.75}},
	}
	require.NoError(t, before.Append(t.Context(), old))
	seen := old // by the new schema
	seen.Row = predictlog.Row{predictlog.Missing(), predictlog.Missing(), predictlog.Number(1000)}
	seen.Output.Probabilities = []float64{0, 0.75, 0.25}
	requireEqual(t, []predictlog.Record{seen}, scan(t, after, predictlog.Query{}))

	t.Run("an ID is taken under any schema", func(t *testing.T) {
		require.NoError(t, after.Append(t.Context(), seen), "equal to the stored one as this schema reads it")
		other := seen
		other.Version = "4"
		require.ErrorIs(t, after.Append(t.Context(), other), predictlog.ErrDuplicate)
		requireEqual(t, []predictlog.Record{seen}, scan(t, after, predictlog.Query{}))
	})
	t.Run("a class that the target lacks is no output", func(t *testing.T) {
		fresh := seen
		fresh.ID, fresh.Output = "new", predictlog.Output{Class: "maybe"}
		require.NoError(t, after.Append(t.Context(), fresh))
		fresh.Output = predictlog.Output{}
		fresh.Row = predictlog.Row{predictlog.Number(1000), predictlog.Missing(), predictlog.Missing()}
		got := scan(t, before, predictlog.Query{})
		require.Len(t, got, 2)
		requireEqual(t, []predictlog.Record{fresh}, got[slices.IndexFunc(got, func(r predictlog.Record) bool { return r.ID == "new" }):][:1])
	})
}

func TestStore_EditedByHand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	records := applicantsTo(3)
	records[1].Row[1] = predictlog.Category("a\nb")
	store := open(t, dir, applicants(t), csvlog.Config{})
	require.NoError(t, store.Append(t.Context(), records...))
	path := dayFile(t, dir, "2026-11-23")
	original := read(t, path)

	t.Run("harmless", func(t *testing.T) {
		text := "\ufeff" + strings.ReplaceAll(original, "Z,credit,3,", "Z,\"credit\",\"3\",") + "\n"
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\r\n"), "a\r\nb", "a\nb")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		requireEqual(t, records, scan(t, store, predictlog.Query{}))
		require.NoError(t, open(t, dir, applicants(t), csvlog.Config{}).Append(t.Context(), records...))
		require.Equal(t, text, read(t, path))
	})
	for _, c := range []struct{ old, with, want string }{
		{",2.25,", ",abc,", `:5: column "income": "abc", want a number`},
		{",2.25,", ",1e999,", `:5: column "income": "1e999", want a number`},
		{",2.25,north", ",2.25", `:5: column "class": class "0.25", the target has ["0" "1"]`},
		{",1500,,\n", ",1500,\n", `:2: column "tags": missing: the row has too few cells`},
		{",1500,,\n", ",1500,,,\n", `:2: column "tags": followed by more cells, want 12 in a row`},
		{",1500,,\n", ",1.5ms,,\n", `:2: column "latency_us": "1.5ms", want a whole number of microseconds`},
		{",1500,,\n", ",9223372036854775807,,\n", `:2: column "latency_us"`},
		{",1500,,\n", ",1500,x,\n", `:2: column "violations": "x", want JSON`},
		{"12:00:00.002000Z", "noon", `:5: column "time": "2026-11-23Tnoon", want a time such as 2006-01-02T15:04:05.000000Z`},
		{"id-2", "id 2", `:5: predictlog: record "id 2": ID`},
		{",1,0.25", ",2,0.25", `:2: column "class": class "2", the target has ["0" "1"]`},
		{",0.25,0.75,", ",,0.75,", `:2: column "p(1)": a probability, but the class before has none`},
		{",0.25,0.75,", ",0.25,,", `:2: column "p(1)": "", want a number`},
		{",0.25,0.75,", ",0.25,1.75,", `probability of "1" is 1.75, want 0 to 1`},
		{"2.25,north", "2.25,\"nor\"th", `:5: column "region": text after the closing quote`},
		{"2.25,north", "2.25,nor\"\"th", `:5: column "region": a quote in a cell that is not quoted`},
		{"2.25,north", "2.25,\xff", `:5: predictlog: record "id-2": column "region"`},
	} {
		t.Run(c.want, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(original), 0o644))
			rows := strings.Count(original, c.old)
			replace(t, path, c.old, c.with)
			var passed []csvlog.Unreadable
			store := open(t, dir, applicants(t), csvlog.Config{OnUnreadable: func(u csvlog.Unreadable) { passed = append(passed, u) }})
			require.Len(t, scan(t, store, predictlog.Query{}), len(records)-rows, "the others are read")
			require.Len(t, passed, 1)
			require.Equal(t, path, passed[0].Path)
			require.Equal(t, rows, passed[0].Rows)
			require.ErrorContains(t, passed[0].Err, fmt.Sprintf("%s:%d: ", path, passed[0].Line))
			require.ErrorContains(t, passed[0].Err, c.want)
		})
	}
	for _, c := range []struct{ old, with, want string }{
		{"income", "wage", `:1: cell 5 is "wage", want "income"`},
		{",violations,tags", ",violations,tags,more", `:1: more than 12 cells`},
		{",violations,tags", ",violations", `:1: cell 12: missing`},
	} {
		t.Run(c.want, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(original), 0o644))
			replace(t, path, c.old, c.with)
			require.ErrorContains(t, scanErr(t.Context(), store, predictlog.Query{}), "csvlog: scan: "+path+c.want)
			require.ErrorContains(t, open(t, dir, applicants(t), csvlog.Config{}).Append(t.Context(), applicant(9)), path+c.want)
		})
	}
}

func TestStore_FileChangedWhileOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, applicants(t), csvlog.Config{})
	require.NoError(t, store.Append(t.Context(), applicantsTo(2)...))
	path := dayFile(t, dir, "2026-11-23")
	require.NoError(t, os.WriteFile(path, []byte(read(t, path)[:strings.Index(read(t, path), "id-1,")]), 0o644))
	require.ErrorIs(t, store.Append(t.Context(), applicant(2)), appendfile.ErrChanged)
	require.NoError(t, store.Append(t.Context(), applicant(2)), "read anew")
	requireEqual(t, []predictlog.Record{applicant(0), applicant(2)}, scan(t, store, predictlog.Query{}))

	require.NoError(t, os.Remove(path))
	require.NoError(t, store.Append(t.Context(), applicant(2)), "a file that was removed is made anew")
	require.NoError(t, os.WriteFile(path+".new", []byte(read(t, path)), 0o644))
	require.NoError(t, os.Rename(path+".new", path))
	require.NoError(t, store.Append(t.Context(), applicant(2)), "one that was replaced is read")
	requireEqual(t, []predictlog.Record{applicant(2)}, scan(t, store, predictlog.Query{}))
}

func TestStore_UnknownSchema(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, applicants(t), csvlog.Config{})
	path := filepath.Join(dir, "2026-11-23.00000000.csv")
	require.NoError(t, os.WriteFile(path, []byte("id\n"), 0o644))
	require.ErrorContains(t, scanErr(t.Context(), store, predictlog.Query{}), path+": its schema is not in")
}

func TestStore_LongRow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := applicant(0)
	long.Row[1] = predictlog.Category(strings.Repeat("north, \"south\"\n", 50_000)) // many buffers of a reader
	store := open(t, dir, applicants(t), csvlog.Config{})
	for range 2 {
		require.NoError(t, store.Append(t.Context(), applicant(1), long, applicant(2)))
	}
	requireEqual(t, []predictlog.Record{applicant(1), long, applicant(2)}, scan(t, store, predictlog.Query{}))
	require.NoError(t, open(t, dir, applicants(t), csvlog.Config{}).Append(t.Context(), long))
}

func TestStore_Cancelled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, applicants(t), csvlog.Config{})
	file, err := appendfile.Open(filepath.Join(dir, "schemas.jsonl"), appendfile.Config{})
	require.NoError(t, err)
	tx, err := file.Begin(t.Context(), nil) // as another process does that appends
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, store.Append(ctx, applicant(0)), context.DeadlineExceeded)
	require.NoError(t, tx.Commit())
	require.NoError(t, file.Close())
	require.NoError(t, store.Append(t.Context(), applicant(0)))
}

func TestOpen_FingerprintsThatBeginAlike(t *testing.T) {
	t.Parallel()
	regression := predictlog.Target{Task: predictlog.Regression}
	a := newSchema(t, regression, predictlog.Column{Name: "x26205", Kind: predictlog.Numeric})
	b := newSchema(t, regression, predictlog.Column{Name: "x77014", Kind: predictlog.Numeric})
	require.Equal(t, a.Fingerprint()[:8], b.Fingerprint()[:8], "found by trying")
	dir := t.TempDir()
	open(t, dir, a, csvlog.Config{})
	_, err := csvlog.Open(dir, b, csvlog.Config{})
	require.ErrorContains(t, err, "begin alike")
	open(t, dir, a, csvlog.Config{})
}

func TestOpen_Errors(t *testing.T) {
	t.Parallel()
	schema := applicants(t)
	_, err := csvlog.Open(t.TempDir(), nil, csvlog.Config{})
	require.ErrorContains(t, err, "nil Schema")
	_, err = csvlog.Open(t.TempDir(), schema, csvlog.Config{Sync: 2})
	require.ErrorContains(t, err, "Sync is 2, want SyncBatch or SyncNone")

	t.Run("read-only folder", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o555))
		if f, err := os.Create(filepath.Join(dir, "f")); err == nil {
			require.NoError(t, f.Close())
			t.Skip("this user may write to read-only folders")
		}
		_, err := csvlog.Open(dir, schema, csvlog.Config{})
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, dir)
	})
	t.Run("a file in the place of the folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(dir, nil, 0o644))
		_, err := csvlog.Open(dir, schema, csvlog.Config{})
		require.ErrorContains(t, err, dir)
	})
	for name, line := range map[string]string{
		"is not that of the schema": `{"fingerprint":"0123","schema":{"columns":[{"name":"x","kind":"numeric"}],"target":{"task":"regression"}}}`,
		"invalid character":         `garbage`,
	} {
		t.Run("schemas.jsonl: "+name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "schemas.jsonl"), []byte(line+"\n"), 0o644))
			_, err := csvlog.Open(dir, schema, csvlog.Config{})
			require.ErrorContains(t, err, name)
			require.ErrorContains(t, err, "schemas.jsonl")
		})
	}
}
