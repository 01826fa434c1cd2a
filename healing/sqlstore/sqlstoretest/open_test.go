package sqlstoretest

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// noon is when everything begins.
var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

// lockedBuffer is a buffer that loggers may share.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *lockedBuffer) config(p place) sqlstore.Config {
	logger := slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return sqlstore.Config{Prefix: p.prefix, Logger: logger}
}

func TestOpen_AtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		for range 3 {
			var (
				p      = b.place(t)
				schema = credit(t, 1)
				log    lockedBuffer
				wg     sync.WaitGroup
				pool   = p.pool(t)
			)
			for range 8 {
				own := pool
				if b.durable {
					own = p.pool(t)
				}
				wg.Go(func() {
					_, err := sqlstore.Open(t.Context(), own, schema, log.config(p))
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, 1, log.count("created"), "they are created once")
		}
	})
}

func TestOpen_LaterVersion(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		p := b.place(t)
		p.prefix = "other_" + p.prefix
		if b.postgres() {
			t.Cleanup(func() { drop(t, p) })
		}
		pool := p.pool(t)
		p.openBy(t, pool, credit(t, 1))
		_, err := pool.ExecContext(t.Context(), "INSERT INTO "+p.prefix+"version (version) VALUES (99)")
		require.NoError(t, err)
		_, err = sqlstore.Open(t.Context(), pool, credit(t, 1), sqlstore.Config{Prefix: p.prefix})
		require.ErrorContains(t, err, "have version 99, but this program knows versions up to 1 only")
	})
}

func TestOpen_Twice(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		p := b.place(t)
		pool := p.pool(t)
		one, two := p.openBy(t, pool, credit(t, 1)), p.openBy(t, pool, credit(t, 1))
		_, err := one.Log("a").Append(t.Context(), 1, []byte("x"))
		require.NoError(t, err)
		for entry, err := range two.Log("a").Read(t.Context(), 0) {
			require.NoError(t, err)
			require.Equal(t, "x", string(entry))
		}
		p.prefix = "p" + fmt.Sprint(len(p.prefix)) + p.prefix
		if b.postgres() {
			t.Cleanup(func() { drop(t, p) })
		}
		for range p.openBy(t, pool, credit(t, 1)).Log("a").Read(t.Context(), 0) {
			t.Error("another prefix shows the same entries")
		}
	})
}

func TestOpen_Refuses(t *testing.T) {
	schema := credit(t, 1)
	_, err := sqlstore.Open(t.Context(), nil, nil, sqlstore.Config{Prefix: "A;"})
	require.ErrorContains(t, err, "nil DB")
	require.ErrorContains(t, err, "nil Schema")
	require.ErrorContains(t, err, `Prefix is "A;"`)

	for _, dsn := range []string{":memory:", "file:m?mode=memory", "file::memory:?cache=shared", ""} {
		memory := place{driver: "sqlite", dsn: dsn}
		_, err = sqlstore.Open(t.Context(), memory.pool(t), schema, sqlstore.Config{})
		require.ErrorContains(t, err, "SetMaxOpenConns(1)", dsn)
		memory.conns = 1
		memory.open(t, schema)
	}

	closed := sqlitePlace(t, 0, "").pool(t)
	require.NoError(t, closed.Close())
	_, err = sqlstore.Open(t.Context(), closed, schema, sqlstore.Config{})
	require.ErrorContains(t, err, "database is closed")

	unreachable := place{driver: "pgx", dsn: "postgres://nobody@127.0.0.1:1/none?sslmode=disable"}
	_, err = sqlstore.Open(t.Context(), unreachable.pool(t), schema, sqlstore.Config{})
	require.ErrorContains(t, err, "refused")
}

// Who may not create tables can use those that are there.
func TestOpen_WithoutRights(t *testing.T) {
	p := backends[0].place(t)
	p.open(t, credit(t, 1))
	pool := p.pool(t)
	pool.SetMaxOpenConns(1)
	role := p.prefix + "reader"
	for _, statement := range []string{
		"CREATE ROLE " + role,
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC",
	} {
		_, err := pool.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	rows, err := pool.QueryContext(t.Context(), `SELECT tablename FROM pg_tables WHERE tablename LIKE $1`, p.prefix+"%")
	require.NoError(t, err)
	var tables []string
	for rows.Next() {
		var table string
		require.NoError(t, rows.Scan(&table))
		tables = append(tables, table)
	}
	require.NoError(t, rows.Err())
	_, err = pool.ExecContext(t.Context(), "GRANT SELECT, INSERT, UPDATE, DELETE ON "+strings.Join(tables, ", ")+" TO "+role)
	require.NoError(t, err)
	_, err = pool.ExecContext(t.Context(), "SET ROLE "+role)
	require.NoError(t, err)
	db := p.openBy(t, pool, credit(t, 1))
	done, err := db.Log("a").Append(t.Context(), 1, []byte("x"))
	require.NoError(t, err)
	require.True(t, done)
	_, err = sqlstore.Open(t.Context(), pool, credit(t, 1), sqlstore.Config{Prefix: "new_" + p.prefix})
	require.ErrorContains(t, err, "permission denied")
	for _, statement := range []string{
		"RESET ROLE", "REVOKE INSERT, UPDATE, DELETE ON " + strings.Join(tables, ", ") + " FROM " + role, "SET ROLE " + role,
	} {
		_, err := pool.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.Empty(t, idsOf(t, p.openBy(t, pool, credit(t, 1)).Predictions(), predictlog.Query{}), "who may only read can")
	for _, statement := range []string{"RESET ROLE", "DROP OWNED BY " + role, "DROP ROLE " + role} {
		_, err := pool.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}
