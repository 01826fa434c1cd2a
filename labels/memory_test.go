package labels_test

import (
	"testing"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/labelstest"
)

// inMemory is a harness of stores that a process has one handle on.
var inMemory = labelstest.Harness{New: func(testing.TB) labels.Store { return labels.NewMemoryStore() }}

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	labelstest.Run(t, inMemory)
}

func BenchmarkMemoryStore(b *testing.B) { labelstest.RunBenchmarks(b, inMemory) }
