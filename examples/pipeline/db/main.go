// Command db is the program of examples/pipeline with drivers for PostgreSQL and SQLite:
//
//	go run . -db postgres://postgres@localhost/postgres
//	go run . -db sqlite:story.db
//
// Everything is kept in the database but the drift reports, which are files.
package main

import (
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/selfheal-ml/selfheal/examples/pipeline/internal/pipeline"
)

func main() { os.Exit(pipeline.Main(os.Args[1:], os.Stdout, os.Stderr)) }
