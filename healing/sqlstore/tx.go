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
	// maxTries bounds how often a transaction is tried that the database refuses because
	// of others.
	maxTries = 12
	// firstPause is how long the second try waits at most; each further one waits twice
	// as long, up to maxPause.
	firstPause, maxPause = 10 * time.Millisecond, 500 * time.Millisecond
	// busyTimeout is how long SQLite itself waits for a lock, in milliseconds. A context
	// cannot interrupt that, so it is short.
	busyTimeout = 1000
)

// errAgain is returned from within a transaction that met what another removes just now.
var errAgain = errors.New("a row was removed meanwhile")

// conn is what statements run on.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// update calls f in a transaction, commits it, and does both again where the database
// wants that. f must use the context and the conn that it is given, and nothing else of
// the database.
func (db *DB) update(ctx context.Context, f func(context.Context, conn) error) error {
	if db.dialect == sqlite {
		return db.retry(ctx, func() error { return db.onConn(ctx, db.immediate(f)) })
	}
	return db.retry(ctx, func() error {
		// The level is stated, as the host's default may be another: statements must see
		// what others committed before them.
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

// view calls f, which makes one query and closes its rows, and calls it again where the
// database wants that.
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

// onConn calls f with one connection of a SQLite pool, that waits for locks.
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
// package sql would first take a lock for reading only, and SQLite refuses to wait when
// two such transactions both come to write.
func (db *DB) immediate(f func(context.Context, conn) error) func(context.Context, conn) error {
	return func(cancellable context.Context, c conn) (err error) {
		// An interrupted statement would end the transaction or not, as SQLite likes. Each
		// statement is short, and the context is asked before the COMMIT.
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

// rollback ends the transaction of a connection, or the connection: with an open
// transaction it must not return to the pool.
func rollback(ctx context.Context, c *sql.Conn) error {
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err == nil {
		return nil
	}
	// After some failures SQLite has ended the transaction itself. Then another can begin.
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

// exec runs a statement and returns how many rows it changed.
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
