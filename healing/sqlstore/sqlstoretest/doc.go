// Package sqlstoretest tests package sqlstore on real databases. It is a module of its own,
// so that the drivers are no dependencies of the library.
//
// SQLite needs nothing. PostgreSQL is found by the environment variable SELFHEAL_POSTGRES, a
// URL of a user who may create databases' tables and end the connections of others:
//
//	SELFHEAL_POSTGRES='postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable' go test ./...
//
// Without it the tests on PostgreSQL are skipped, or fail if SELFHEAL_CI is 1.
package sqlstoretest
