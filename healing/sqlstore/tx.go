package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// maxTries bounds the attempts at a transaction that the database refuses because of
	// others.
	maxTries = 12
	// firstPause is the longest wait before the second attempt; each further attempt waits
	// twice as long, up to maxPause.
	firstPause, maxPause = 10 * time.Millisecond, 500 * time.Millisecond
	// busyTimeout is how long SQLite itself waits for a lock, in milliseconds. It is short
	// because a context cannot interrupt this wait.
	busyTimeout = 1000
)

// errAgain is returned from within a transaction that met a row that another removes just
// now.
var errAgain = errors.New("a row was removed meanwhile")

// conn runs statements.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// update calls f in a transaction and commits it. If the database asks for it, update does
// both again. f must use the context and the conn that it gets, and nothing else of the
// database.
func (db *DB) update(ctx context.Context, f func(context.Context, conn) error) error {
	if db.dialect == sqlite {
		return db.retry(ctx, func() error { return db.onConn(ctx, db.immediate(f)) })
	}
	return db.retry(ctx, func() error {
		// The level is stated because the host's default may differ: statements must see what
		// others committed before them.
		tx, err := db.sql.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after the Commit
		if err := f(ctx, tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// view calls f, which makes one query and closes its rows. If the database asks for it, view
// calls f again.
func (db *DB) view(ctx context.Context, f func(context.Context, conn) error) error {
	if db.dialect == sqlite {
		return db.retry(ctx, func() error { return db.onConn(ctx, f) })
	}
	return db.retry(ctx, func() error { return f(ctx, db.sql) })
}

func (db *DB) retry(ctx context.Context, try func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case ctx.Err() != nil || !db.dialect.transient(err) && !errors.Is(err, errAgain):
			return err
		case n == maxTries:
			return fmt.Errorf("tried %d times: %w", n, err)
		}
		db.log.DebugContext(ctx, "sqlstore: transaction is tried again", "try", n, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(pause)):
		}
		pause = min(2*pause, maxPause)
	}
}

// onConn calls f with one connection of a SQLite pool that waits for locks.
func (db *DB) onConn(ctx context.Context, f func(context.Context, conn) error) error {
	c, err := db.sql.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close() // gives it back to the pool; there is nothing to learn from its error
	var timeout int
	if err := c.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&timeout); err != nil {
		return err
	}
	if timeout < busyTimeout {
		if _, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout)); err != nil {
			return err
		}
	}
	return f(ctx, c)
}

// immediate returns f in a transaction that may write from its beginning. The Begin of
// package sql would first take a read lock, and SQLite refuses to wait when two such
// transactions both want to write.
func (db *DB) immediate(f func(context.Context, conn) error) func(context.Context, conn) error {
	return func(cancellable context.Context, c conn) (err error) {
		// An interrupted statement may or may not end the transaction in SQLite. Each
		// statement is short, and the context is checked before the COMMIT.
		ctx := context.WithoutCancel(cancellable)
		if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		committed := false
		defer func() {
			if !committed {
				err = errors.Join(err, rollback(ctx, c.(*sql.Conn)))
			}
		}()
		if err := f(ctx, c); err != nil {
			return err
		}
		if err := cancellable.Err(); err != nil {
			return err
		}
		if _, err := c.ExecContext(ctx, "COMMIT"); err != nil {
			return err
		}
		committed = true
		return nil
	}
}

// rollback ends the transaction of a connection. If that fails it ends the connection, which
// must not return to the pool with an open transaction.
func rollback(ctx context.Context, c *sql.Conn) error {
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err == nil {
		return nil
	}
	// After some failures SQLite has ended the transaction itself. Then another one can
	// begin.
	_, beginErr := c.ExecContext(ctx, "BEGIN")
	if beginErr == nil {
		if _, err := c.ExecContext(ctx, "ROLLBACK"); err == nil {
			return nil
		}
	}
	err := c.Raw(func(any) error { return driver.ErrBadConn })
	if err == nil || errors.Is(err, driver.ErrBadConn) {
		return nil // the connection is closed
	}
	return fmt.Errorf("roll back: %w", err)
}

// exec runs a statement and returns the number of changed rows.
func (db *DB) exec(ctx context.Context, c conn, statement string, args ...any) (int64, error) {
	result, err := c.ExecContext(ctx, db.text(statement), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query runs a query and calls scan for each row.
func (db *DB) query(ctx context.Context, c conn, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := c.QueryContext(ctx, db.text(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close() // again, if scan fails
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
