package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// DB keeps everything that healing needs in one database. All methods are safe for concurrent
// use. A DB holds no connection and starts no goroutine: there is nothing to close but the
// host's [sql.DB].
type DB struct {
	sql         *sql.DB
	dialect     dialect
	prefix      string
	log         *slog.Logger
	predictions *Predictions
}

// Config tunes a [DB]. The zero Config is valid.
type Config struct {
	// Prefix is the beginning of the names of all tables: a lower-case letter, and then at
	// most 31 lower-case letters, digits and underscores. Two prefixes in one database are
	// two separate stores. Default "selfheal_".
	Prefix string
	// Logger receives migrations and, at debug level, transactions that are tried again. Nil
	// is silent.
	Logger *slog.Logger
}

const defaultPrefix = "selfheal_"

var validPrefix = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// Open returns the stores in the host's database, PostgreSQL or SQLite, which Open detects.
// Open creates missing tables and changes those of an earlier version of this package, all or
// none, while other processes that open the same database wait. A user without the right to
// do so can open a database whose tables are up to date. A user who may only read can open a
// database that another user opened with this schema.
//
// The schema is that of the records that [DB.Predictions] takes. Several schemas may share
// the tables: those of several models, and the earlier ones of each.
//
// SQLite in memory needs a pool of one connection, set by [sql.DB.SetMaxOpenConns], because
// every other connection would be another database. The tables of a later version of this
// package are an error.
func Open(ctx context.Context, db *sql.DB, schema *predictlog.Schema, cfg Config) (*DB, error) {
	var errs []error
	if db == nil {
		errs = append(errs, errors.New("nil DB"))
	}
	if schema == nil {
		errs = append(errs, errors.New("nil Schema"))
	}
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if !validPrefix.MatchString(cfg.Prefix) {
		errs = append(errs, fmt.Errorf("Config: Prefix is %q, want a-z, then at most 31 of a-z, 0-9 and _", cfg.Prefix))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = discard()
	}
	d := &DB{sql: db, prefix: cfg.Prefix, log: cfg.Logger}
	if err := d.open(ctx, schema); err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	return d, nil
}

func (db *DB) open(ctx context.Context, schema *predictlog.Schema) error {
	err := db.retry(ctx, func() (err error) { // a file of SQLite may be busy already for who connects
		db.dialect, err = detect(ctx, db.sql)
		return err
	})
	if err != nil {
		return err
	}
	if err := db.migrate(ctx); err != nil {
		return err
	}
	db.predictions, err = newPredictions(ctx, db, schema)
	return err
}

// discard returns a logger that is silent.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Prune removes predictions with a Time, labels with an Arrived and telemetry with a Time
// before the given moment. Registries and journals are left alone. Prune removes rows in
// portions, each in a transaction of its own, so nobody waits for long. Prune is safe to
// repeat.
func (db *DB) Prune(ctx context.Context, before time.Time) error {
	return errors.Join(
		db.predictions.Prune(ctx, before),
		db.Labels().Prune(ctx, before),
		db.Telemetry().Prune(ctx, before),
	)
}

// text returns a statement in the language of the database.
func (db *DB) text(statement string) string { return db.dialect.rewrite(db.prefix, statement) }

// isText reports whether every database can keep s as a text: PostgreSQL keeps neither
// broken UTF-8 nor NUL.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// checkName returns an error if a name cannot be stored in every database.
func checkName(what, name string) error {
	if name == "" || len(name) > 200 || !isText(name) {
		return fmt.Errorf("%s %.200q, want 1 to 200 bytes of UTF-8 without NUL", what, name)
	}
	return nil
}

// Times are stored as microseconds since 1970: no database, driver or zone changes an
// integer.

// micros returns t as it is stored.
func micros(t time.Time) int64 { return t.UnixMicro() }

// timeOf returns the time that was stored.
func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// The bounds of all times that are stored; their years are 1 to 9999.
const minMicros, maxMicros = -1 << 60, 1 << 60

// bounds returns the bounds of stored times for a query's From and To, which may lie between
// two microseconds: the first that matches, and the first after all that match.
func bounds(from, to time.Time) (least, end int64) {
	least, end = minMicros, maxMicros
	if !from.IsZero() {
		least = ceilMicros(from)
	}
	if !to.IsZero() {
		end = ceilMicros(to)
	}
	return least, end
}

// ceilMicros returns the first microsecond that is not before t.
func ceilMicros(t time.Time) int64 {
	switch y := t.Year(); {
	case y < -1000:
		return minMicros
	case y > 11000:
		return maxMicros
	}
	m := t.UnixMicro()
	if time.UnixMicro(m).Before(t) {
		m++
	}
	return m
}
