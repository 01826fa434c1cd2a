package predictlog_test

import (
	"testing"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

var memoryHarness = predictlogtest.Harness{
	New: func(_ testing.TB, schema *predictlog.Schema) predictlog.Store {
		return predictlog.NewMemoryStore(schema)
	},
	Second:   func(_ testing.TB, store predictlog.Store) predictlog.Store { return store },
	Features: predictlogtest.Features{UniqueIDs: true},
}

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	predictlogtest.Run(t, memoryHarness)
}

func BenchmarkMemoryStore(b *testing.B) { predictlogtest.RunBenchmarks(b, memoryHarness) }
