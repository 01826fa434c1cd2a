package sqlstoretest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
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

// handles remembers where the stores lie that a kit has, and by which pool they are used.
// S is a store of the kit.
type handles[S comparable] struct {
	b    backend
	make func(*sqlstore.DB) S
	used map[S]use
}

type use struct {
	place place
	pool  *sql.DB
}

func newHandles[S comparable](b backend, make func(*sqlstore.DB) S) *handles[S] {
	return &handles[S]{b, make, map[S]use{}}
}

func (h *handles[S]) at(t testing.TB, u use, schema *predictlog.Schema) S {
	s := h.make(u.place.openBy(t, u.pool, schema))
	h.used[s] = u
	return s
}

func (h *handles[S]) new(t testing.TB, schema *predictlog.Schema) S {
	p := h.b.place(t)
	return h.at(t, use{p, p.pool(t)}, schema)
}

// second returns a store on the same data by another pool, or by the same one if that is
// all that sees the data.
func (h *handles[S]) second(t testing.TB, s S, schema *predictlog.Schema) S {
	u := h.used[s]
	if h.b.durable {
		u.pool = u.place.pool(t)
	}
	return h.at(t, u, schema)
}

func (h *handles[S]) reopen(t testing.TB, s S, schema *predictlog.Schema) S {
	if h.b.durable {
		require.NoError(t, h.used[s].pool.Close())
	}
	return h.second(t, s, schema)
}

// exec changes what lies under a store.
func (h *handles[S]) exec(t testing.TB, s S, statement string) {
	u := h.used[s]
	prefix := u.place.prefix
	if prefix == "" {
		prefix = "selfheal_"
	}
	result, err := u.pool.ExecContext(context.WithoutCancel(t.Context()), strings.ReplaceAll(statement, "@", prefix))
	require.NoError(t, err)
	n, err := result.RowsAffected()
	require.NoError(t, err)
	require.Positive(t, n, statement)
}

// firstByteChanged returns the SQL of other data than there are.
func (h *handles[S]) firstByteChanged(s S) string {
	if h.used[s].place.driver == "sqlite" {
		return "CASE WHEN substr(data, 1, 1) = x'00' THEN x'01' ELSE x'00' END || substr(data, 2)"
	}
	return "set_byte(data, 0, 255 - get_byte(data, 0))"
}

func TestPredictions(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		h := newHandles(b, (*sqlstore.DB).Predictions)
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
		h := newHandles(b, (*sqlstore.DB).Labels)
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
		h := newHandles(b, func(db *sqlstore.DB) registry.Log { return db.Log("kit") })
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
	onEach(t, func(t *testing.T, b backend) {
		h := newHandles(b, func(db *sqlstore.DB) registry.Blobs { return db.Blobs("kit") })
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
	onEach(t, func(t *testing.T, b backend) {
		h := newHandles(b, func(db *sqlstore.DB) registry.Registry { return db.Registry("credit") })
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
