package csvlog_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

func BenchmarkStore(b *testing.B) {
	for _, policy := range policies {
		b.Run(policy.name, func(b *testing.B) {
			predictlogtest.RunBenchmarks(b, harness(csvlog.Config{Sync: policy.sync}))
		})
	}
}

var policies = []struct {
	name string
	sync csvlog.Sync
}{{"sync=batch", csvlog.SyncBatch}, {"sync=none", csvlog.SyncNone}}

// wideSchema has 10 numbers and 2 categories; its records are of some 200 bytes.
func wideSchema(tb testing.TB) *predictlog.Schema {
	tb.Helper()
	var columns []predictlog.Column
	for i := range 10 {
		columns = append(columns, predictlog.Column{Name: fmt.Sprintf("x%d", i), Kind: predictlog.Numeric})
	}
	columns = append(columns,
		predictlog.Column{Name: "region", Kind: predictlog.Categorical},
		predictlog.Column{Name: "channel", Kind: predictlog.Categorical})
	schema, err := predictlog.NewSchema(columns, predictlog.Target{})
	require.NoError(tb, err)
	return schema
}

func wideRecords(n int) []predictlog.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	records := make([]predictlog.Record, n)
	for i := range records {
		r := predictlog.Record{
			ID:      fmt.Sprintf("0190163d-8694-739b-aea5-%012x", i),
			Time:    time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 80 * time.Millisecond),
			Model:   "credit",
			Version: "3",
			Latency: time.Duration(rng.IntN(5000)) * time.Microsecond,
		}
		for range 10 {
			r.Row = append(r.Row, predictlog.Number(float64(rng.IntN(1e6))/1e3))
		}
		r.Row = append(r.Row, predictlog.Category([]string{"north", "south"}[rng.IntN(2)]), predictlog.Category("web"))
		p := float64(rng.IntN(1e4)) / 1e4
		r.Output = predictlog.Output{Class: "1", Probabilities: []float64{1 - p, p}}
		records[i] = r
	}
	return records
}

func BenchmarkStore_AppendWide(b *testing.B) {
	const size = 1000
	for _, policy := range policies {
		b.Run(fmt.Sprintf("%s/batch=%d", policy.name, size), func(b *testing.B) {
			store := open(b, b.TempDir(), wideSchema(b), csvlog.Config{Sync: policy.sync})
			records := wideRecords(size)
			var appending time.Duration // without the making of IDs
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				for i := range records {
					records[i].ID = fmt.Sprintf("0190163d-8694-%012x-%04x", n, i)
				}
				start := time.Now()
				if err := store.Append(b.Context(), records...); err != nil {
					b.Fatal(err)
				}
				appending += time.Since(start)
			}
			b.ReportMetric(float64(size)*float64(b.N)/appending.Seconds(), "records/s")
		})
	}
}

// BenchmarkStore_ScanWide reads a day, of decimals that are rounded or have all 17 digits.
func BenchmarkStore_ScanWide(b *testing.B) {
	const n = 100_000
	for _, digits := range []string{"few", "all"} {
		store := open(b, b.TempDir(), wideSchema(b), csvlog.Config{Sync: csvlog.SyncNone})
		records := wideRecords(n)
		if digits == "all" {
			rng := rand.New(rand.NewPCG(3, 4))
			for _, r := range records {
				for i := range 10 {
					r.Row[i] = predictlog.Number(rng.NormFloat64())
				}
			}
		}
		require.NoError(b, store.Append(b.Context(), records...))
		b.Run(fmt.Sprintf("records/digits=%s/n=%d", digits, n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				count := 0
				for _, err := range store.Scan(b.Context(), predictlog.Query{}) {
					if err != nil {
						b.Fatal(err)
					}
					count++
				}
				if count != n {
					b.Fatalf("scanned %d records, want %d", count, n)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
		b.Run(fmt.Sprintf("columns/digits=%s/n=%d", digits, n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if count := countColumns(b, store, predictlog.Query{}); count != n {
					b.Fatalf("scanned %d records, want %d", count, n)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func countColumns(b *testing.B, store *csvlog.Store, q predictlog.Query) (count int) {
	b.Helper()
	for batch, err := range store.ScanColumns(b.Context(), q) {
		if err != nil {
			b.Fatal(err)
		}
		count += batch.Len
	}
	return count
}

// BenchmarkStore_Window reads 5 minutes of a day of a million records.
func BenchmarkStore_Window(b *testing.B) {
	const n = 1_000_000
	store := open(b, b.TempDir(), wideSchema(b), csvlog.Config{Sync: csvlog.SyncNone})
	require.NoError(b, store.Append(b.Context(), wideRecords(n)...))
	from := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	q := predictlog.Query{From: from, To: from.Add(5 * time.Minute)}
	b.Run(fmt.Sprintf("query=5m/n=%d", n), func(b *testing.B) {
		want := countColumns(b, store, q) // reads the day once
		b.ReportAllocs()
		for b.Loop() {
			if count := countColumns(b, store, q); count != want || count == 0 {
				b.Fatalf("scanned %d records, want %d", count, want)
			}
		}
	})
}
