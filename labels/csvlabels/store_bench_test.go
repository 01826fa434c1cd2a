package csvlabels_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
	"github.com/selfheal-ml/selfheal/labels/labelstest"
)

func BenchmarkStore(b *testing.B) {
	for _, noSync := range []bool{false, true} {
		b.Run(fmt.Sprintf("noSync=%t", noSync), func(b *testing.B) {
			labelstest.RunBenchmarks(b, harness(csvlabels.Config{NoSync: noSync}))
		})
	}
}

// BenchmarkOpen reports what a label takes in memory. Several sizes, because a map is
// emptier after it grew than before.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{100_000, 150_000, 200_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "labels.csv")
			ls := make([]labels.Label, n)
			for i := range ls {
				ls[i] = yes(fmt.Sprintf("0197a2b4-7c3e-7d7e-b5a1-%012d", i))
			}
			require.NoError(b, open(b, path, csvlabels.Config{NoSync: true}).Append(b.Context(), ls...))
			b.ReportAllocs()
			for b.Loop() {
				s, err := csvlabels.Open(path, csvlabels.Config{})
				require.NoError(b, err)
				require.NoError(b, s.Close())
			}

			before := heap()
			s, err := csvlabels.Open(path, csvlabels.Config{})
			require.NoError(b, err)
			b.ReportMetric(float64(heap()-before)/float64(n), "B/label")
			require.NoError(b, s.Close())
			runtime.KeepAlive(s)
		})
	}
}

// heap returns the bytes in use.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
