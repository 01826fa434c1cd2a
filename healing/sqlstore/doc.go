// Package sqlstore keeps everything that healing needs in the host's PostgreSQL or SQLite
// database: predictions, labels, registries, journals, telemetry and leases, for any number
// of models and of processes.
//
// [Open] takes the host's [sql.DB], creates or migrates the tables, and returns a [DB]. A
// service writes to [DB.Predictions] and [DB.Labels], and [DB.Parts] has all that a loop
// needs:
//
//	db, err := sqlstore.Open(ctx, sqlDB, schema, sqlstore.Config{})
//	recorder, err := predictlog.NewRecorder(db.Predictions(), predictlog.Config{Model: "credit"})
//	loop, err := healing.New(db.Parts("credit", trainer, load), healing.Config{})
//
// # What it promises
//
// After a call has returned without error, its data are committed. The database decides how
// durable a commit is: PostgreSQL with synchronous_commit = off, and SQLite in WAL mode with
// synchronous = NORMAL, lose the last commits when the power fails, but not when a process
// dies.
//
// A failed call may be repeated: it then stores what is missing. Transactions that the
// database refuses because of others (deadlocks, serialization failures, a busy SQLite file)
// are tried again, a limited number of times.
//
// No scan, and no reader of a blob, holds a connection, a lock or a transaction while it
// yields. Everything works with [sql.DB.SetMaxOpenConns] of 1, also from within a scan.
//
// Bytes are stored unchanged, and times as integers, so both databases and all drivers return
// what was stored.
//
// # Databases
//
// The package is tested with PostgreSQL 15 and the drivers pgx (also in its simple protocol,
// which a pooler needs) and lib/pq, and with SQLite 3.53 and the driver modernc.org/sqlite.
// It uses no session state: no advisory locks that outlive a transaction, no settings, and in
// PostgreSQL no named statements. For SQLite, ask for WAL in the DSN, with modernc.org/sqlite
// by "file:heal.db?_pragma=journal_mode(WAL)". Without WAL, readers and the writer wait for
// each other. Each use of a SQLite connection raises its busy_timeout to a second at least.
//
// Indexes and vacuuming are ordinary; [DB.Prune] bounds the size of the tables. PostgreSQL
// plans a scan well once it has analysed the table, which it does by itself within a minute
// or so of the first records; right after a bulk load, ANALYZE helps.
package sqlstore
