package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// dialect is the language of a database.
type dialect int

const (
	postgres dialect = iota + 1
	sqlite
)

// String returns the product's name.
func (d dialect) String() string {
	switch d {
	case postgres:
		return "PostgreSQL"
	case sqlite:
		return "SQLite"
	}
	return "unknown"
}

// detect asks the database for its dialect, and refuses a database with which this package
// could not work.
func detect(ctx context.Context, db *sql.DB) (dialect, error) {
	var version string
	postgresErr := db.QueryRowContext(ctx, "SELECT version()").Scan(&version)
	if postgresErr == nil {
		if !strings.HasPrefix(version, "PostgreSQL ") {
			return 0, fmt.Errorf("the database is %q, want PostgreSQL or SQLite", version)
		}
		return postgres, nil
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	sqliteErr := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version)
	if sqliteErr != nil {
		return 0, fmt.Errorf("neither PostgreSQL nor SQLite answers: %w", errors.Join(postgresErr, sqliteErr))
	}
	if !atLeast(version, 3, 38) {
		return 0, fmt.Errorf("the database is SQLite %s, want 3.38 or later", version)
	}
	return sqlite, refuseMemory(ctx, db)
}

// atLeast reports whether a version such as "3.45.1" is not before major.minor.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	x, errX := strconv.Atoi(parts[0])
	y, errY := strconv.Atoi(parts[1])
	return errX == nil && errY == nil && (x > major || x == major && y >= minor)
}

// refuseMemory returns an error if each connection of the pool would have a database of
// its own.
func refuseMemory(ctx context.Context, db *sql.DB) error {
	var (
		n          int
		name, file sql.NullString
	)
	// The first of the list is always the database "main".
	if err := db.QueryRowContext(ctx, "PRAGMA database_list").Scan(&n, &name, &file); err != nil {
		return fmt.Errorf("list of databases: %w", err)
	}
	if open := db.Stats().MaxOpenConnections; file.String == "" && open != 1 {
		return errors.New("the SQLite database has no file, so that every connection of the pool has another one: " +
			"want a file, or SetMaxOpenConns(1)")
	}
	return nil
}

// The parts of a statement that depend on the database or on its Config. A table is
// written {name}.
var (
	tableName = regexp.MustCompile(`\{(\w+)\}`)
	parameter = regexp.MustCompile(`\$(\d+)`)
)

// words are the parts that differ between the dialects, by their names in statements.
var words = map[dialect]map[string]string{
	postgres: {
		"#int":   "bigint",
		"#text":  `text COLLATE "C"`, // by bytes, as Go sorts
		"#bytes": "bytea",
		"#now":   "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
	},
	sqlite: {
		"#int":   "INTEGER",
		"#text":  "TEXT",
		"#bytes": "BLOB",
		// The clock of SQLite has milliseconds.
		"#now": "CAST(round((julianday('now') - 2440587.5) * 86400000) * 1000 AS INTEGER)",
	},
}

// rewrite returns a statement in the dialect, with the prefix before its tables. In SQLite
// the number of $2 is its place in the statement, and the number of ?2 is 2.
func (d dialect) rewrite(prefix, statement string) string {
	statement = tableName.ReplaceAllString(statement, prefix+"$1")
	for from, to := range words[d] {
		statement = strings.ReplaceAll(statement, from, to)
	}
	if d == sqlite {
		statement = parameter.ReplaceAllString(statement, "?$1")
	}
	return statement
}

// transient reports whether the same transaction may succeed if it is tried again. It imports
// no driver and asks errors by methods: those of PostgreSQL return the SQLSTATE, and some of
// SQLite the result code.
func (d dialect) transient(err error) bool {
	if d == postgres {
		var coded interface{ SQLState() string }
		if !errors.As(err, &coded) {
			return false
		}
		state := coded.SQLState()
		return state == "40001" || state == "40P01" // serialization failure, deadlock
	}
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		primary := coded.Code() & 0xff // the rest extends it
		return primary == 5 || primary == 6
	}
	return strings.Contains(err.Error(), "database is locked")
}
