package sqlstoretest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/labelstest"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

func TestPredictions(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		h := newHandles(t, b, (*sqlstore.DB).Predictions)
		predictlogtest.Run(t, predictlogtest.Harness{
			New: func(t testing.TB, schema *predictlog.Schema) predictlog.Store { return h.new(t, schema) },
			Reopen: func(t testing.TB, s predictlog.Store, schema *predictlog.Schema) predictlog.Store {
				return h.reopen(t, s.(*sqlstore.Predictions), schema)
			},
			Second: func(t testing.TB, s predictlog.Store) predictlog.Store {
				return h.second(t, s.(*sqlstore.Predictions), s.Schema())
			},
			Features: predictlogtest.Features{UniqueIDs: true},
		})
	})
}

func TestLabels(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		h := newHandles(t, b, (*sqlstore.DB).Labels)
		schema := credit(t, 1)
		labelstest.Run(t, labelstest.Harness{
			New:    func(t testing.TB) labels.Store { return h.new(t, schema) },
			Reopen: func(t testing.TB, s labels.Store) labels.Store { return h.reopen(t, s.(*sqlstore.Labels), schema) },
			Second: func(t testing.TB, s labels.Store) labels.Store { return h.second(t, s.(*sqlstore.Labels), schema) },
		})
	})
}

func TestLog(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		h := newHandles(t, b, func(db *sqlstore.DB) registry.Log { return db.Log("kit") })
		schema := credit(t, 1)
		registrytest.RunLog(t, registrytest.LogHarness{
			New:    func(t *testing.T) registry.Log { return h.new(t, schema) },
			Reopen: func(t *testing.T, l registry.Log) registry.Log { return h.reopen(t, l, schema) },
			Second: func(t *testing.T, l registry.Log) registry.Log { return h.second(t, l, schema) },
			Lose: func(t *testing.T, l registry.Log, seq uint64) {
				h.exec(t, l, fmt.Sprintf("DELETE FROM @log WHERE name = 'kit' AND seq = %d", seq))
			},
		})
	})
}

func TestBlobs(t *testing.T) {
	on(t, backends, false, func(t *testing.T, b backend) { // alone, as it measures memory
		h := newHandles(t, b, func(db *sqlstore.DB) registry.Blobs { return db.Blobs("kit") })
		schema := credit(t, 1)
		registrytest.RunBlobs(t, registrytest.BlobsHarness{
			New:      func(t *testing.T) registry.Blobs { return h.new(t, schema) },
			Reopen:   func(t *testing.T, l registry.Blobs) registry.Blobs { return h.reopen(t, l, schema) },
			Second:   func(t *testing.T, l registry.Blobs) registry.Blobs { return h.second(t, l, schema) },
			InMemory: !b.durable,
		})
	})
}

func TestRegistry(t *testing.T) {
	onMain(t, func(t *testing.T, b backend) {
		h := newHandles(t, b, func(db *sqlstore.DB) registry.Registry { return db.Registry("credit") })
		schema := credit(t, 1)
		registrytest.Run(t, registrytest.Harness{
			New:    func(t *testing.T) registry.Registry { return h.new(t, schema) },
			Reopen: func(t *testing.T, r registry.Registry) registry.Registry { return h.reopen(t, r, schema) },
			Second: func(t *testing.T, r registry.Registry) registry.Registry { return h.second(t, r, schema) },
			Damage: func(t *testing.T, r registry.Registry, v registry.Version, file string) {
				f, err := v.File(file)
				require.NoError(t, err)
				h.exec(t, r, fmt.Sprintf("UPDATE @chunk SET data = %s WHERE name = '%s' AND i = 0", h.firstByteChanged(r), f.Blob))
			},
		})
	})
}
