package labels_test

import (
	"testing"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/storetest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) labels.Store { return labels.NewMemoryStore() })
}

func BenchmarkMemoryStore(b *testing.B) {
	storetest.RunBenchmarks(b, func(*testing.B) labels.Store { return labels.NewMemoryStore() })
}
