package predictlogtest

import (
	"fmt"
	"testing"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// RunBenchmarks measures Append in batches of 1, 100 and 1000 records, and Scan of 10000
// records, in sub-benchmarks that also report records per second. Of the harness only New is used.
func RunBenchmarks(b *testing.B, h Harness) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("append/batch=%d", size), func(b *testing.B) {
			store := h.New(b, binarySchema())
			batch := recordsOf(size)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				for i := range batch {
					batch[i].ID = fmt.Sprintf("id-%d-%d", n, i)
				}
				if err := store.Append(b.Context(), batch...); err != nil {
					b.Fatal(err)
				}
			}
			reportRate(b, size)
		})
	}
	b.Run("scan/n=10000", func(b *testing.B) {
		const n = 10000
		store := h.New(b, binarySchema())
		if err := store.Append(b.Context(), recordsOf(n)...); err != nil {
			b.Fatal(err)
		}
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
				b.Fatalf("Scan yielded %d records, want %d", count, n)
			}
		}
		reportRate(b, n)
	})
}

// reportRate reports records per second for a benchmark whose iteration handles n.
func reportRate(b *testing.B, n int) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
