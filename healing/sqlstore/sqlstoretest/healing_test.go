package sqlstoretest

import (
	"fmt"
	"testing"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/healingtest"
	"github.com/selfheal-ml/selfheal/healing/sqlstore"
)

func TestTelemetry(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		h := newHandles(t, b, (*sqlstore.DB).Telemetry)
		schema := credit(t, 1)
		healingtest.RunTelemetry(t, healingtest.TelemetryHarness{
			New:    func(t testing.TB) healing.Telemetry { return h.new(t, schema) },
			Reopen: func(t testing.TB, s healing.Telemetry) healing.Telemetry { return h.reopen(t, s, schema) },
			Second: func(t testing.TB, s healing.Telemetry) healing.Telemetry { return h.second(t, s, schema) },
			Damage: func(t testing.TB, s healing.Telemetry, p healing.Point) {
				h.exec(t, s, fmt.Sprintf("UPDATE @point SET data = %s WHERE series = '%s' AND at = %d AND part = '%s'",
					h.firstByteChanged(s), p.Series, p.Time.UnixMicro(), p.Part))
			},
		})
	})
}

func TestLease(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		h := newHandles(t, b, func(db *sqlstore.DB) healing.Lease { return db.Lease("kit") })
		schema := credit(t, 1)
		healingtest.RunLease(t, healingtest.LeaseHarness{
			New:    func(t testing.TB) healing.Lease { return h.new(t, schema) },
			Reopen: func(t testing.TB, l healing.Lease) healing.Lease { return h.reopen(t, l, schema) },
			Second: func(t testing.TB, l healing.Lease) healing.Lease { return h.second(t, l, schema) },
		})
	})
}
