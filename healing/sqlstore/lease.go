package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
)

// lease implements [healing.Lease].
type lease struct {
	db   *DB
	name string
}

// Lease returns the lease of this name: 1 to 200 bytes of UTF-8 without NUL. A name need not
// be created. The clock of the database tells the times, so the clocks of the processes do
// not matter. The clock of SQLite has milliseconds.
func (db *DB) Lease(name string) healing.Lease { return &lease{db: db, name: name} }

// Acquire implements [healing.Lease].
func (l *lease) Acquire(ctx context.Context, holder string, ttl time.Duration) (uint64, error) {
	var token uint64
	err := l.change(ctx, holder, func(ctx context.Context, c conn) error {
		token = 0
		// The conditions refer to the locked row of the table, not to the row that was to be
		// inserted.
		err := c.QueryRowContext(ctx, l.db.text(`INSERT INTO {lease} AS held (name, holder, token, until)
			VALUES ($1, $2, 1, #now + $3)
			ON CONFLICT (name) DO UPDATE SET holder = $2, token = held.token + 1, until = #now + $3
			WHERE held.holder = '' OR held.holder = $2 OR held.until <= #now
			RETURNING token`), l.name, holder, ttl.Microseconds()).Scan(&token)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // another holds it
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sqlstore: acquire lease %q: %w", l.name, err)
	}
	return token, nil
}

// Renew implements [healing.Lease].
func (l *lease) Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (bool, error) {
	rows, err := l.set(ctx, holder, token, `UPDATE {lease} SET until = #now + $4
		WHERE name = $1 AND holder = $2 AND token = $3`, ttl.Microseconds())
	if err != nil {
		return false, fmt.Errorf("sqlstore: renew lease %q: %w", l.name, err)
	}
	return rows == 1, nil
}

// Release implements [healing.Lease].
func (l *lease) Release(ctx context.Context, holder string, token uint64) error {
	_, err := l.set(ctx, holder, token, `UPDATE {lease} SET holder = ''
		WHERE name = $1 AND holder = $2 AND token = $3`)
	if err != nil {
		return fmt.Errorf("sqlstore: release lease %q: %w", l.name, err)
	}
	return nil
}

// set changes the lease if it has this holder and token, and returns the number of changed
// rows.
func (l *lease) set(ctx context.Context, holder string, token uint64, statement string, args ...any) (rows int64, err error) {
	if token > math.MaxInt64 {
		return 0, nil // was never given out
	}
	err = l.change(ctx, holder, func(ctx context.Context, c conn) (err error) {
		rows, err = l.db.exec(ctx, c, statement, append([]any{l.name, holder, int64(token)}, args...)...)
		return err
	})
	return rows, err
}

func (l *lease) change(ctx context.Context, holder string, f func(context.Context, conn) error) error {
	if err := errors.Join(checkName("name", l.name), checkName("holder", holder)); err != nil {
		return err
	}
	return l.db.update(ctx, f)
}
