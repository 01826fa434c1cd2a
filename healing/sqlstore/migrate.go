package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations make a database of version i one of version i+1. A migration that was
// released never changes.
var migrations = [...][]string{
	{
		// The records. The body is the encoding by predictlog.Codec; the columns beside it
		// only select.
		`CREATE TABLE {prediction} (
			id #text NOT NULL PRIMARY KEY,
			at #int NOT NULL,
			model #text NOT NULL,
			version #text NOT NULL,
			body #bytes NOT NULL
		)`,
		`CREATE INDEX {prediction_at} ON {prediction} (model, at, id)`,
		// The schemas that records were written under, as JSON.
		`CREATE TABLE {schema} (
			fingerprint #text NOT NULL PRIMARY KEY,
			body #bytes NOT NULL
		)`,

		// Every revision of every label. n grows in the order of the commits; value holds the
		// bits of the number. The index of the constraint also finds the winners.
		`CREATE TABLE {label} (
			n #int NOT NULL PRIMARY KEY,
			prediction_id #text NOT NULL,
			at #int NOT NULL,
			arrived #int NOT NULL,
			class #text NOT NULL,
			value #int NOT NULL,
			UNIQUE (prediction_id, at, class, value)
		)`,
		// One row with the last n. An Append of labels locks it.
		`CREATE TABLE {label_count} (n #int NOT NULL)`,
		`INSERT INTO {label_count} (n) VALUES (0)`,

		`CREATE TABLE {log} (
			name #text NOT NULL,
			seq #int NOT NULL,
			body #bytes NOT NULL,
			PRIMARY KEY (name, seq)
		)`,

		// A blob without a size is being stored, or its process died; at is the time of its
		// last portion. A blob with a negative size is being deleted.
		`CREATE TABLE {blob} (
			space #text NOT NULL,
			name #text NOT NULL,
			size #int,
			at #int NOT NULL,
			PRIMARY KEY (space, name)
		)`,
		`CREATE TABLE {chunk} (
			space #text NOT NULL,
			name #text NOT NULL,
			i #int NOT NULL,
			data #bytes NOT NULL,
			PRIMARY KEY (space, name, i)
		)`,

		`CREATE TABLE {lease} (
			name #text NOT NULL PRIMARY KEY,
			holder #text NOT NULL,
			token #int NOT NULL,
			until #int NOT NULL
		)`,

		`CREATE TABLE {point} (
			series #text NOT NULL,
			at #int NOT NULL,
			part #text NOT NULL,
			data #bytes NOT NULL,
			sum #bytes NOT NULL,
			PRIMARY KEY (series, at, part)
		)`,
	},
}

// migrationLock is the number of the advisory lock under which PostgreSQL migrates.
const migrationLock = 0x73656c666865616c // "selfheal"

// migrate brings the database to the last version. Any number of processes may migrate at
// once: one does the work, and the others find it done.
func (db *DB) migrate(ctx context.Context) error {
	// A user who finds the last version needs no right to create tables, and takes no lock.
	version, err := db.version(ctx)
	if err != nil || version == len(migrations) {
		return err
	}
	err = db.update(ctx, func(ctx context.Context, c conn) (err error) {
		if db.dialect == postgres {
			// CREATE TABLE IF NOT EXISTS fails if two processes run it at once.
			if _, err := c.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
				return err
			}
		}
		if _, err := db.exec(ctx, c, `CREATE TABLE IF NOT EXISTS {version} (version #int NOT NULL PRIMARY KEY)`); err != nil {
			return err
		}
		if version, err = db.versionOf(ctx, c); err != nil {
			return err
		}
		for v := version; v < len(migrations); v++ {
			for _, statement := range migrations[v] {
				if _, err := db.exec(ctx, c, statement); err != nil {
					return fmt.Errorf("migrate to version %d: %w", v+1, err)
				}
			}
			if _, err := db.exec(ctx, c, `INSERT INTO {version} (version) VALUES ($1)`, v+1); err != nil {
				return fmt.Errorf("migrate to version %d: %w", v+1, err)
			}
		}
		return nil
	})
	if err == nil && version < len(migrations) {
		db.log.InfoContext(ctx, "sqlstore: tables created or changed", "prefix", db.prefix, "from", version, "to", len(migrations))
	}
	return err
}

// version returns the version of the tables, 0 if there are none.
func (db *DB) version(ctx context.Context) (version int, err error) {
	exists := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`
	if db.dialect == postgres {
		exists = `SELECT count(to_regclass($1))`
	}
	var tables int
	err = db.view(ctx, func(ctx context.Context, c conn) error {
		return c.QueryRowContext(ctx, db.text(exists), db.text("{version}")).Scan(&tables)
	})
	if err != nil || tables == 0 {
		return 0, err
	}
	err = db.view(ctx, func(ctx context.Context, c conn) error {
		version, err = db.versionOf(ctx, c)
		return err
	})
	return version, err
}

// versionOf reads the table of versions.
func (db *DB) versionOf(ctx context.Context, c conn) (int, error) {
	var version sql.NullInt64
	if err := c.QueryRowContext(ctx, db.text(`SELECT max(version) FROM {version}`)).Scan(&version); err != nil {
		return 0, err
	}
	if version.Int64 > int64(len(migrations)) {
		return 0, fmt.Errorf("the tables %s... have version %d, but this program knows versions up to %d only",
			db.prefix, version.Int64, len(migrations))
	}
	return int(version.Int64), nil
}
