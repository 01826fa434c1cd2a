package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"

	"github.com/selfheal-ml/selfheal/registry"
)

// log implements [registry.Log].
type log struct {
	db   *DB
	name string
}

// Log returns the log of this name: 1 to 200 bytes of UTF-8 without NUL. A name need not be
// created. Names that begin with "registry/" and "journal/" belong to [DB.Registry] and
// [DB.Journal].
func (db *DB) Log(name string) registry.Log { return &log{db: db, name: name} }

// Journal returns the log in which healing records the runs of the model.
func (db *DB) Journal(model string) registry.Log { return db.Log("journal/" + model) }

// Append implements [registry.Log]. The primary key lets one of several callers succeed. A
// higher number in the table means that a number was used, even if its entry was lost.
func (l *log) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	done, err := l.append(ctx, seq, entry)
	if err != nil {
		return false, fmt.Errorf("sqlstore: log %q: append entry %d: %w", l.name, seq, err)
	}
	return done, nil
}

func (l *log) append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	if err := checkName("name", l.name); err != nil {
		return false, err
	}
	if seq == 0 || seq > math.MaxInt64 {
		return false, fmt.Errorf("want a number from 1 to %d", int64(math.MaxInt64))
	}
	if len(entry) == 0 || len(entry) > registry.MaxEntry {
		return false, fmt.Errorf("%d bytes, want 1 to %d", len(entry), registry.MaxEntry)
	}
	var rows int64
	err := l.db.update(ctx, func(ctx context.Context, c conn) (err error) {
		rows, err = l.db.exec(ctx, c, `INSERT INTO {log} (name, seq, body)
			SELECT CAST($1 AS text), CAST($2 AS #int), CAST($3 AS #bytes)
			WHERE NOT EXISTS (SELECT 1 FROM {log} WHERE name = $1 AND seq >= $2)
			ON CONFLICT (name, seq) DO NOTHING`, l.name, int64(seq), entry)
		return err
	})
	return rows == 1, err
}

// Pages of possibly large rows hold at most so many rows, and so many bytes unless the first
// row alone has more.
const pageRows, pageBytes = 256, 1 << 20

type numberedEntry struct {
	seq  uint64
	body []byte
}

// Read implements [registry.Log].
func (l *log) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		next := after + 1
		for {
			page, err := l.page(ctx, next)
			if err != nil {
				yield(nil, fmt.Errorf("sqlstore: log %q: read from entry %d: %w", l.name, next, err))
				return
			}
			if len(page) == 0 {
				return
			}
			for _, e := range page {
				for ; next <= e.seq; next++ {
					entry := []byte{} // lost
					if next == e.seq {
						entry = e.body
					}
					if err := ctx.Err(); err != nil {
						yield(nil, err)
						return
					}
					if !yield(entry, nil) {
						return
					}
				}
			}
		}
	}
}

// page reads some entries from a number on, none if there are none.
func (l *log) page(ctx context.Context, from uint64) (page []numberedEntry, err error) {
	if err := checkName("name", l.name); err != nil {
		return nil, err
	}
	if from == 0 || from > math.MaxInt64 {
		return nil, ctx.Err()
	}
	err = l.db.view(ctx, func(ctx context.Context, c conn) error {
		page = nil
		return l.db.query(ctx, c, func(rows *sql.Rows) error {
			var e numberedEntry
			err := rows.Scan(&e.seq, &e.body)
			page = append(page, e)
			return err
		}, `SELECT seq, body FROM (
				SELECT seq, body, sum(length(body)) OVER (ORDER BY seq) - length(body) AS before
				FROM (SELECT seq, body FROM {log} WHERE name = $1 AND seq >= $2 ORDER BY seq LIMIT $3) AS page
			) AS page WHERE before < $4 ORDER BY seq`, l.name, int64(from), pageRows, pageBytes)
	})
	return page, err
}
