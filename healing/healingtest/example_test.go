package healingtest_test

import (
	"testing"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/healingtest"
)

// This is all that the test of a telemetry takes. Put your own in the place of
// NewMemoryTelemetry.
func TestYourTelemetry(t *testing.T) {
	healingtest.RunTelemetry(t, healingtest.TelemetryHarness{
		New: func(t testing.TB) healing.Telemetry {
			s := healing.NewMemoryTelemetry() // on a new, empty database
			t.Cleanup(func() {})              // which is removed
			return s
		},
		// Of one that outlives its process: close s and open the same data again.
		Reopen: nil,
		// Of one that processes share: open the same data again beside s.
		Second: func(t testing.TB, s healing.Telemetry) healing.Telemetry { return s },
		// Change what is stored of p, by other means than s.
		Damage: nil,
	})
}

// This is all that the test of a lease takes.
func TestYourLease(t *testing.T) {
	t.Parallel()
	healingtest.RunLease(t, healingtest.LeaseHarness{
		New:    func(testing.TB) healing.Lease { return new(healing.MemoryLease) },
		Second: func(_ testing.TB, l healing.Lease) healing.Lease { return l },
	})
}
