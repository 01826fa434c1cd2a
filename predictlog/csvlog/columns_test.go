package csvlog_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

// scanOnly hides that a store scans columns.
type scanOnly struct{ predictlog.Store }

// rowsOf prints each row of the batches and their sums, and the error at their end, so that
// scans which cut batches elsewhere, or order levels otherwise, are the same.
func rowsOf(tb testing.TB, schema *predictlog.Schema, store predictlog.Store, q predictlog.Query) (rows []string, last error) {
	tb.Helper()
	for b, err := range predictlog.ScanColumns(tb.Context(), store, q) {
		require.NoError(tb, last)
		if last = err; err != nil {
			continue
		}
		require.Positive(tb, b.Len)
		for i := range b.Len {
			var row strings.Builder
			for c := range schema.Len() {
				if b.Numbers[c] != nil {
					require.Len(tb, b.Numbers[c], b.Len)
					fmt.Fprintf(&row, "%v ", b.Numbers[c][i])
				} else if code := b.Codes[c][i]; code >= 0 {
					require.Len(tb, b.Codes[c], b.Len)
					fmt.Fprintf(&row, "%q ", b.Levels[c][code])
				} else {
					fmt.Fprint(&row, "- ")
				}
			}
			fmt.Fprintf(&row, "%d %v %v", b.Times[i], b.Violates[i], b.Answered[i])
			if b.Class != nil {
				fmt.Fprintf(&row, " %d", b.Class[i])
			}
			if b.Score != nil {
				fmt.Fprintf(&row, " %v", b.Score[i])
			}
			rows = append(rows, row.String())
		}
	}
	return rows, last
}

// requireSameColumns compares the columns of a query with those of its records.
func requireSameColumns(tb testing.TB, store *csvlog.Store, q predictlog.Query) {
	tb.Helper()
	want, wantErr := rowsOf(tb, store.Schema(), scanOnly{store}, q)
	got, err := rowsOf(tb, store.Schema(), store, q)
	require.Equal(tb, want, got)
	require.Equal(tb, fmt.Sprint(wantErr), fmt.Sprint(err))
}

// cellPool holds what cells may be, well written or not.
var cellPool = []string{
	"", `""`, "0", "-0", "1", "0.5", "0.25", "1.5", "-1", "+1", "1e3", "1e-5", "12345678901234567890", "0.1234567890123456789", ".5", "5.", ".", "-", "NaN", "-Inf",
	"1e999", "0x1p-2", "1_0", "abc", "north", `"no,rth"`, `"no""rth"`, `no"rth`, `"north"`, `"nor"th`, "\xff", "é", "a b", "\x00", "{}", "[]", "null", "1500",
	`"{""a"":""1""}"`, `"{""a"":""2"",""b"":""1""}"`, `"[{""column"":""income"",""rule"":""gte=0"",""value"":""-1""}]"`, `"{""a"":}"`, "2026-11-23T12:00:00.000000Z", `"line
two"`,
}

func pickCell(rng *rand.Rand, usual ...string) string {
	if rng.IntN(12) == 0 {
		return cellPool[rng.IntN(len(cellPool))]
	}
	return usual[rng.IntN(len(usual))]
}

func randomRow(rng *rand.Rand, target predictlog.Target) string {
	cells := []string{
		pickCell(rng, "a", "id-1", `"id-2"`, "0190163d-8694-739b-aea5-000000000001"),
		pickCell(rng, "2026-11-23T12:00:00.000000Z", "2026-11-23T13:00:00.123456Z", "2026-11-23T12:30:00Z", "2026-11-23T14:00:00.5+01:00", "2026-11-23T12:00:60.000000Z",
			"0001-01-01T00:00:00.000000Z", "0000-01-01T00:00:00.000000Z", "2026-02-30T00:00:00.000000Z", "\x00\x00\x00\x00-\x00\x00\x00\x00\x00T00:00:00.000000Z"),
		pickCell(rng, "credit", "fraud", ""), pickCell(rng, "3", "4", ""),
		pickCell(rng, "0.25", "-12.5", "", "3", "123456.789"),
		pickCell(rng, "north", "south", "", `"a,b"`, `""`),
	}
	if target.Task == predictlog.Regression {
		cells = append(cells, pickCell(rng, "1.5", "0", "", "-0", "NaN"))
	} else {
		cells = append(cells, pickCell(rng, target.Classes[0], target.Classes[1], ""))
		given := rng.IntN(2) == 0
		for range target.Classes {
			cell := ""
			if given {
				cell = "0.5"
			}
			cells = append(cells, pickCell(rng, cell))
		}
	}
	cells = append(cells, pickCell(rng, "1500", "0", "", "123456789012345678"),
		pickCell(rng, "", "", `"[{""column"":""income"",""rule"":""gte=0"",""value"":""-1""}]"`),
		pickCell(rng, "", "", `"{""a"":""1""}"`, `"{""a"":""2""}"`))
	if rng.IntN(40) == 0 {
		cells = cells[:len(cells)-1-rng.IntN(5)]
	}
	if rng.IntN(60) == 0 {
		cells = append(cells, "more")
	}
	return strings.Join(cells, ",") + []string{"\n", "\n", "\n", "\r\n", "\n\n"}[rng.IntN(5)]
}

// Whatever is in the files, also of an earlier schema, ScanColumns yields the columns of
// what Scan yields, reports the same rows and ends with the same error.
func TestStore_ScanColumns_Properties(t *testing.T) {
	t.Parallel()
	params := gopter.DefaultTestParametersWithSeed(20261123)
	params.MinSuccessfulTests = 40
	props := gopter.NewProperties(params)
	columns := applicants(t).Columns()
	targets := []predictlog.Target{
		{},
		{Task: predictlog.Multiclass, Classes: []string{"0", "1", "2"}},
		{Task: predictlog.Regression},
	}
	props.Property("columns are those of the records", prop.ForAll(func(seed uint64) bool {
		rng := rand.New(rand.NewPCG(seed, 0))
		dir := t.TempDir()
		earlier := newSchema(t, targets[rng.IntN(3)], columns...)
		open(t, dir, earlier, csvlog.Config{})
		schema := newSchema(t, targets[rng.IntN(3)], append(slices.Clone(columns[rng.IntN(2):]),
			predictlog.Column{Name: "new", Kind: []predictlog.Kind{predictlog.Numeric, predictlog.Categorical}[rng.IntN(2)]})...)
		if rng.IntN(3) == 0 {
			schema = earlier
		}
		rows := make([]string, rng.IntN(300))
		for i := range rows {
			rows[i] = randomRow(rng, earlier.Target())
		}
		header := "id,time,model,version,income,region,"
		if earlier.Target().Task == predictlog.Regression {
			header += "value,"
		} else {
			header += "class,"
		}
		for _, class := range earlier.Target().Classes {
			header += "p(" + class + "),"
		}
		header += "latency_us,violations,tags\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "2026-11-23."+earlier.Fingerprint()[:8]+".csv"), []byte(header+strings.Join(rows, "")), 0o644))
		for _, q := range []predictlog.Query{
			{},
			{From: noon, To: noon.Add(time.Hour)},
			{Model: "credit"},
			{Version: "4", To: noon.Add(time.Hour)},
			{Tag: predictlog.Tag{Name: "a", Value: "1"}},
		} {
			var reported [2][]string
			for i := range reported {
				store := open(t, dir, schema, csvlog.Config{OnUnreadable: func(u csvlog.Unreadable) {
					reported[i] = append(reported[i], fmt.Sprint(u))
				}})
				if i == 0 {
					rowsOf(t, schema, scanOnly{store}, q)
				} else {
					rowsOf(t, schema, store, q)
					requireSameColumns(t, store, q)
				}
			}
			require.Equal(t, reported[0], reported[1])
		}
		return true
	}, gen.UInt64()))
	props.TestingRun(t)
}

// A scan of many different texts, of several batches, over files.
func TestStore_ScanColumns_Batches(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
	records := applicantsTo(30_000)
	for i := range records {
		records[i].Row[1] = predictlog.Category(fmt.Sprintf("text %d", i%25_000))
		records[i].Time = noon.AddDate(0, 0, i/20_000)
		if i%100 == 0 {
			records[i].Row[0] = predictlog.Number(math.Inf(1))
			records[i].Tags = map[string]string{"tenant": fmt.Sprint(i)}
		}
	}
	require.NoError(t, store.Append(t.Context(), records...))
	requireSameColumns(t, store, predictlog.Query{})
	for b, err := range store.ScanColumns(t.Context(), predictlog.Query{}) {
		require.NoError(t, err)
		require.LessOrEqual(t, len(b.Levels[1]), 1<<14+4096, "levels are bounded")
		require.LessOrEqual(t, b.Len, 4096)
	}
	for range store.ScanColumns(t.Context(), predictlog.Query{}) {
		break
	}
}

// A scan of columns keeps no long tags in memory. Not parallel, because it measures the heap.
func TestStore_ScanColumns_LongTags(t *testing.T) {
	store := open(t, t.TempDir(), applicants(t), csvlog.Config{Sync: csvlog.SyncNone})
	const n, size = 4096, 8 << 10
	records := applicantsTo(n)
	for i := range records {
		records[i].Tags = map[string]string{"request": fmt.Sprint(i, strings.Repeat("x", size))}
	}
	require.NoError(t, store.Append(t.Context(), records...))
	records = nil
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for b, err := range store.ScanColumns(t.Context(), predictlog.Query{}) {
		require.NoError(t, err)
		require.Equal(t, n, b.Len)
		require.Less(t, heap(), before+n*size/4)
	}
}
