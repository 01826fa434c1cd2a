package sqlstore_test

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

type applicant struct {
	Income float64 `json:"income" validate:"gte=0"`
	Region string  `json:"region"`
}

// A service keeps its predictions and their labels in the database that it has anyway. The
// driver is the host's: a blank import of pgx, lib/pq or a driver of SQLite.
func ExampleOpen() {
	serve := func(ctx context.Context, sqlDB *sql.DB, predict http.Handler) (*predictlog.Recorder, http.Handler, error) {
		schema, err := predictlog.SchemaOf[applicant]()
		if err != nil {
			return nil, nil, err
		}
		db, err := sqlstore.Open(ctx, sqlDB, schema, sqlstore.Config{})
		if err != nil {
			return nil, nil, err
		}
		recorder, err := predictlog.NewRecorder(db.Predictions(), predictlog.Config{Model: "credit"}) // the name given to DB.Parts
		if err != nil {
			return nil, nil, err
		}
		mux := http.NewServeMux()
		mux.Handle("POST /predict", recorder.Middleware(predict))
		mux.Handle("POST /labels", labels.Handler(db.Labels()))
		return recorder, mux, nil // the service calls recorder.Run
	}
	_ = serve
}

// A process heals two models that share a database, and any number of processes may do so.
func ExampleDB_Parts() {
	heal := func(ctx context.Context, db *sqlstore.DB, trainer healing.Trainer, load registry.LoadFunc[gate.Model]) error {
		var loops []*healing.Loop
		for _, model := range []string{"credit", "fraud"} {
			loop, err := healing.New(db.Parts(model, trainer, load), healing.Config{})
			if err != nil {
				return err
			}
			loops = append(loops, loop)
		}
		errs := make(chan error, len(loops))
		for _, loop := range loops {
			go func() { errs <- loop.Run(ctx) }()
		}
		return <-errs
	}
	_ = heal
}

// A service that heals its model keeps everything in one database.
func ExampleDB() {
	serve := func(ctx context.Context, sqlDB *sql.DB, train healing.TrainerFunc, decodeModel registry.LoadFunc[gate.Model]) (*predictlog.Recorder, *healing.Loop) {
		schema := must(predictlog.SchemaOf[applicant]())
		db := must(sqlstore.Open(ctx, sqlDB, schema, sqlstore.Config{})) // the host's *sql.DB
		recorder := must(predictlog.NewRecorder(db.Predictions(), predictlog.Config{Model: "credit"}))
		loop := must(healing.New(db.Parts("credit", healing.TrainerFunc(train), decodeModel), healing.Config{}))
		return recorder, loop // the service calls Run of both
	}
	_ = serve
}

// must is for the wiring at the start of a program.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A job keeps the records of the last two years.
func ExampleDB_Prune() {
	prune := func(ctx context.Context, db *sqlstore.DB) error {
		return db.Prune(ctx, time.Now().AddDate(-2, 0, 0))
	}
	_ = prune
}
