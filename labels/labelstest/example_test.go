package labelstest_test

import (
	"testing"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/labelstest"
)

// This is all that the test of a store takes. Put your own in the place of NewMemoryStore.
func TestYourStore(t *testing.T) {
	labelstest.Run(t, labelstest.Harness{
		New: func(t testing.TB) labels.Store {
			s := labels.NewMemoryStore() // on a new, empty database
			t.Cleanup(func() {})         // which is removed
			return s
		},
		// Of a store that outlives its process: close s and open the same data again.
		Reopen: nil,
		// Of a store that processes share: open the same data again beside s.
		Second: func(t testing.TB, s labels.Store) labels.Store { return s },
	})
}
