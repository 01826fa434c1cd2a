package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
)

// pruneRows is the largest number of rows that a transaction removes.
const pruneRows = 5000

// prune removes the rows that keys selects, a portion at a time, each in a transaction of its
// own, until none is left. remove is the statement up to its list of keys.
func (db *DB) prune(ctx context.Context, remove, keys string, portion int, args ...any) error {
	for {
		var rows, left int64
		err := db.update(ctx, func(ctx context.Context, c conn) (err error) {
			rows, err = db.exec(ctx, c, fmt.Sprintf("%s IN (%s LIMIT %d)", remove, keys, portion), args...)
			if err != nil || rows > 0 {
				return err
			}
			// This transaction may have waited for another one that removed this portion.
			return c.QueryRowContext(ctx, db.text("SELECT count(*) FROM ("+keys+" LIMIT 1) AS rest"), args...).Scan(&left)
		})
		if err != nil || rows+left == 0 {
			return err
		}
	}
}

// keys yields the values of a text column, in order. An index of the table must begin with
// this column. Each value costs one look into the index.
func (db *DB) keys(ctx context.Context, table, column string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		first := `SELECT min(` + column + `) FROM ` + table
		key, err := db.key(ctx, first)
		for err == nil && key.Valid && yield(key.String, nil) {
			key, err = db.key(ctx, first+` WHERE `+column+` > $1`, key.String)
		}
		if err != nil {
			yield("", err)
		}
	}
}

func (db *DB) key(ctx context.Context, query string, args ...any) (key sql.NullString, err error) {
	err = db.view(ctx, func(ctx context.Context, c conn) error {
		return c.QueryRowContext(ctx, db.text(query), args...).Scan(&key)
	})
	return key, err
}
