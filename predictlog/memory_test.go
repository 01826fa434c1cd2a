package predictlog_test

import (
	"testing"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	predictlogtest.Run(t, func(_ *testing.T, schema *predictlog.Schema) predictlog.Store {
		return predictlog.NewMemoryStore(schema)
	})
}

func BenchmarkMemoryStore(b *testing.B) {
	predictlogtest.RunBenchmarks(b, func(_ *testing.B, schema *predictlog.Schema) predictlog.Store {
		return predictlog.NewMemoryStore(schema)
	})
}
