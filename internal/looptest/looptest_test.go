package looptest_test

import (
	"testing"
	"testing/synctest"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/internal/looptest"
	"github.com/selfheal-ml/selfheal/registry"
)

// The story holds on what is known to be right.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := looptest.Stores{Registry: registry.NewMemory(), Journal: new(registry.MemoryLog), Lease: new(healing.MemoryLease)}
		looptest.Run(t, func() looptest.Stores { return s })
	})
}
