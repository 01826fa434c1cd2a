package sqlstoretest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// answered returns records from..to of a service that answers every ten milliseconds, with
// twelve numbers each.
func answered(from, to int) []predictlog.Record {
	records := make([]predictlog.Record, 0, to-from)
	for i := from; i < to; i++ {
		r := predictlog.Record{
			ID: predictlog.NewIDAt(noon.Add(time.Duration(i) * 10 * time.Millisecond)), Time: noon.Add(time.Duration(i) * 10 * time.Millisecond),
			Model: "credit", Version: "1", Latency: time.Millisecond,
			Output: predictlog.Output{Class: "1", Probabilities: []float64{0.25, 0.75}},
		}
		for j := range 12 {
			r.Row = append(r.Row, predictlog.Number(float64(i)+float64(j)/7))
		}
		r.Row = append(r.Row, predictlog.Category("north"))
		records = append(records, r)
	}
	return records
}

// timed are the backends whose speed is measured.
func timed() []backend { return []backend{backends[0], backends[2], backends[3]} }

// analyze does what PostgreSQL does by itself within a minute.
func analyze(b *testing.B, p place) {
	_, err := p.pool(b).ExecContext(b.Context(), "ANALYZE")
	require.NoError(b, err)
}

func BenchmarkAppend(b *testing.B) {
	for _, on := range timed() {
		b.Run(on.name, func(b *testing.B) {
			p := on.place(b)
			p.conns = 1
			store := p.open(b, credit(b, 12)).Predictions()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				b.StopTimer()
				records := answered(n, n+1000)
				n += 1000
				b.StartTimer()
				require.NoError(b, store.Append(b.Context(), records...))
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkScan(b *testing.B) {
	for _, on := range timed() {
		b.Run(on.name, func(b *testing.B) {
			const n = 200_000
			p := on.place(b)
			p.conns = 1
			db := p.open(b, credit(b, 12))
			for i := 0; i < n; i += 1000 {
				require.NoError(b, db.Predictions().Append(b.Context(), answered(i, i+1000)...))
			}
			analyze(b, p)
			b.ReportAllocs()
			rounds := 0
			for b.Loop() {
				seen := 0
				for _, err := range db.Predictions().Scan(b.Context(), predictlog.Query{Model: "credit"}) {
					require.NoError(b, err)
					seen++
				}
				require.Equal(b, n, seen)
				rounds++
			}
			b.ReportMetric(float64(rounds*n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// labelled stores labels of n predictions, and of every tenth a second one.
func labelled(b *testing.B, store labels.Store, ids []string) {
	var ls []labels.Label
	for i, id := range ids {
		ls = append(ls, labels.Label{PredictionID: id, Class: "1", Time: noon})
		if i%10 == 0 {
			ls = append(ls, labels.Label{PredictionID: id, Class: "0", Time: noon.Add(time.Hour)})
		}
	}
	require.NoError(b, store.Append(b.Context(), ls...))
}

func BenchmarkLookup(b *testing.B) {
	for _, on := range timed() {
		b.Run(on.name, func(b *testing.B) {
			p := on.place(b)
			store := p.open(b, credit(b, 12)).Labels()
			var ids []string
			for range 100_000 {
				ids = append(ids, predictlog.NewID())
			}
			labelled(b, store, ids)
			analyze(b, p)
			some := make([]string, 1000)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				for i := range some {
					some[i] = ids[(n+i*97)%len(ids)]
				}
				found, err := store.Lookup(b.Context(), some...)
				require.NoError(b, err)
				require.Len(b, found, len(some))
			}
		})
	}
}

func BenchmarkJoin(b *testing.B) {
	for _, on := range timed() {
		b.Run(on.name, func(b *testing.B) {
			const n = 100_000
			p := on.place(b)
			db := p.open(b, credit(b, 12))
			var ids []string
			for i := 0; i < n; i += 1000 {
				records := answered(i, i+1000)
				require.NoError(b, db.Predictions().Append(b.Context(), records...))
				for _, r := range records[:300] {
					ids = append(ids, r.ID)
				}
			}
			labelled(b, db.Labels(), ids)
			analyze(b, p)
			b.ReportAllocs()
			rounds := 0
			for b.Loop() {
				seen, found := 0, 0
				for e, err := range labels.Join(b.Context(), db.Predictions(), db.Labels(), predictlog.Query{Model: "credit"}) {
					require.NoError(b, err)
					if seen++; e.Labelled {
						found++
					}
				}
				require.Equal(b, fmt.Sprint(n, len(ids)), fmt.Sprint(seen, found))
				rounds++
			}
			b.ReportMetric(float64(rounds*n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
