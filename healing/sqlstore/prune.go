package sqlstore

import (
	"context"
	"database/sql"
)

// pruneRows is how many rows a transaction removes at most.
const pruneRows = 5000

// prune repeats a statement, each time in a transaction of its own, until it removes
// nothing more.
func (db *DB) prune(ctx context.Context, statement string, args ...any) error {
	for {
		var rows int64
		err := db.update(ctx, func(ctx context.Context, c conn) (err error) {
			rows, err = db.exec(ctx, c, statement, args...)
			return err
		})
		if err != nil || rows == 0 {
			return err
		}
	}
}

// eachKey calls f with each value of a text column in a table that has an index which
// begins with this column, in order. It takes one look into the index for each.
func (db *DB) eachKey(ctx context.Context, table, column string, f func(string) error) error {
	query := `SELECT min(` + column + `) FROM ` + table
	for args := []any(nil); ; {
		var key sql.NullString
		err := db.view(ctx, func(ctx context.Context, c conn) error {
			return c.QueryRowContext(ctx, db.text(query), args...).Scan(&key)
		})
		if err != nil || !key.Valid {
			return err
		}
		if err := f(key.String); err != nil {
			return err
		}
		if args == nil {
			query += ` WHERE ` + column + ` > $1`
		}
		args = []any{key.String}
	}
}
