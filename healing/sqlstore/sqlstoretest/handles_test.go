package sqlstoretest

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// handles remembers where the stores lie that a kit has, and by which pool they are used.
// S is a store of the kit.
type handles[S comparable] struct {
	t    testing.TB // ends after those of the kit
	b    backend
	make func(*sqlstore.DB) S
	used map[S]use
	free []place // in PostgreSQL, whose tables are there and have no rows
}

type use struct {
	place place
	pool  *sql.DB
}

func newHandles[S comparable](t testing.TB, b backend, make func(*sqlstore.DB) S) *handles[S] {
	return &handles[S]{t: t, b: b, make: make, used: map[S]use{}}
}

func (h *handles[S]) at(t testing.TB, u use, schema *predictlog.Schema) S {
	s := h.make(u.place.openBy(t, u.pool, schema))
	h.used[s] = u
	return s
}

func (h *handles[S]) new(t testing.TB, schema *predictlog.Schema) S {
	p := h.place(t)
	return h.at(t, use{p, p.pool(t)}, schema)
}

// place returns a place without rows. PostgreSQL takes longer to create and to drop tables
// than a kit's case does, so the tables of a case serve the next one.
func (h *handles[S]) place(t testing.TB) place {
	if !h.b.postgres() {
		return h.b.place(t)
	}
	if len(h.free) == 0 {
		h.free = append(h.free, h.b.place(h.t))
	}
	last := len(h.free) - 1
	p := h.free[last]
	h.free = h.free[:last]
	t.Cleanup(func() { // after the pools at the place were closed
		empty(t, p)
		h.free = append(h.free, p)
	})
	return p
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
