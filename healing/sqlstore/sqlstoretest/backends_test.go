package sqlstoretest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// place is where tables lie: a database, reached by a driver, and a prefix.
type place struct {
	driver, dsn string
	conns       int // of the pool, 0 for any number
	prefix      string
}

// pool returns a new pool of connections, as another process would have.
func (p place) pool(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(p.driver, p.dsn)
	require.NoError(t, err)
	if p.conns > 0 {
		db.SetMaxOpenConns(p.conns)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// open returns the stores at the place, by a pool of their own.
func (p place) open(t testing.TB, schema *predictlog.Schema) *sqlstore.DB {
	t.Helper()
	return p.openBy(t, p.pool(t), schema)
}

func (p place) openBy(t testing.TB, pool *sql.DB, schema *predictlog.Schema) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), pool, schema, sqlstore.Config{Prefix: p.prefix})
	require.NoError(t, err)
	return db
}

// backend makes places without tables.
type backend struct {
	name string
	// durable is false if what is stored ends with the pool.
	durable bool
	place   func(t testing.TB) place
}

// backends are all ways to reach a database that are tested.
var backends = []backend{
	{"postgres, pgx", true, func(t testing.TB) place { return postgresPlace(t, "pgx", 0, "") }},
	{"postgres, pgx, simple protocol", true, func(t testing.TB) place {
		return postgresPlace(t, "pgx", 0, "default_query_exec_mode=simple_protocol")
	}},
	{"postgres, pq, one connection", true, func(t testing.TB) place { return postgresPlace(t, "postgres", 1, "") }},
	{"sqlite, WAL", true, func(t testing.TB) place {
		return sqlitePlace(t, 0, "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	}},
	{"sqlite, one connection", true, func(t testing.TB) place { return sqlitePlace(t, 1, "?_pragma=synchronous(OFF)") }},
	{"sqlite, memory", false, func(t testing.TB) place { return place{driver: "sqlite", dsn: ":memory:", conns: 1} }},
}

func (b backend) postgres() bool { return strings.HasPrefix(b.name, "postgres") }

// onEach runs a test on each backend, beside the other tests that do.
func onEach(t *testing.T, test func(t *testing.T, b backend)) {
	on(t, backends, true, test)
}

// onMain runs a test of what is built above the stores, which no protocol and no missing
// file can change, on the main backends.
func onMain(t *testing.T, test func(t *testing.T, b backend)) {
	on(t, []backend{backends[0], backends[2], backends[3], backends[4]}, true, test)
}

func on(t *testing.T, backends []backend, parallel bool, test func(t *testing.T, b backend)) {
	if parallel {
		t.Parallel()
	}
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			if parallel {
				t.Parallel()
			}
			if b.postgres() {
				postgresURL(t)
			}
			test(t, b)
		})
	}
}

// postgresURL returns the URL of the server, or ends the test.
func postgresURL(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv("SELFHEAL_POSTGRES")
	if dsn == "" && os.Getenv("SELFHEAL_CI") == "1" {
		t.Fatal("SELFHEAL_POSTGRES is not set")
	}
	if dsn == "" {
		t.Skip("SELFHEAL_POSTGRES is not set: no PostgreSQL to test with")
	}
	return dsn
}

func postgresPlace(t testing.TB, driver string, conns int, option string) place {
	t.Helper()
	u, err := url.Parse(postgresURL(t))
	require.NoError(t, err)
	if option != "" {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+option, "&")
	}
	p := place{driver: driver, dsn: u.String(), conns: conns, prefix: "t" + strings.ToLower(rand.Text()[:12]) + "_"}
	t.Cleanup(func() { drop(t, p) })
	return p
}

func sqlitePlace(t testing.TB, conns int, options string) place {
	return place{driver: "sqlite", dsn: "file:" + filepath.Join(t.TempDir(), "selfheal.db") + options, conns: conns}
}

// drop removes the tables of a place in PostgreSQL.
func drop(t testing.TB, p place) {
	onTables(t, p, `EXECUTE 'DROP TABLE ' || name;`)
}

// empty removes the rows of a place in PostgreSQL, and leaves it as Open does.
func empty(t testing.TB, p place) {
	onTables(t, p, `CASE substr(name, length('@') + 1)
		WHEN 'version' THEN NULL;
		WHEN 'label_count' THEN EXECUTE 'UPDATE ' || name || ' SET n = 0';
		ELSE EXECUTE 'DELETE FROM ' || name;
	END CASE;`)
}

// onTables runs a statement of PL/pgSQL for the name of each table of a place, in which @
// is the prefix.
func onTables(t testing.TB, p place, statement string) {
	db, err := sql.Open(p.driver, p.dsn)
	require.NoError(t, err)
	defer db.Close()
	block := `DO $$ DECLARE name text; BEGIN
		FOR name IN SELECT tablename FROM pg_tables WHERE starts_with(tablename, '@') LOOP ` + statement + ` END LOOP;
	END $$`
	_, err = db.ExecContext(context.Background(), strings.ReplaceAll(block, "@", p.prefix))
	require.NoError(t, err)
}

// credit returns a schema of so many numbers and one category.
func credit(t testing.TB, numbers int) *predictlog.Schema {
	t.Helper()
	var columns []predictlog.Column
	for i := range numbers {
		columns = append(columns, predictlog.Column{Name: fmt.Sprintf("x%d", i), Kind: predictlog.Numeric})
	}
	schema, err := predictlog.NewSchema(append(columns, predictlog.Column{Name: "region", Kind: predictlog.Categorical}), predictlog.Target{})
	require.NoError(t, err)
	return schema
}
