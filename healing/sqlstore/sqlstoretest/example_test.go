package sqlstoretest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// A file of SQLite holds a prediction, its label and the version that answered.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// version 1 in production
	// ann: predicted 1, truth 0
}

func example(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "sqlstore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sqlDB, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "selfheal.db")+"?_pragma=journal_mode(WAL)")
	if err != nil {
		return err
	}
	defer sqlDB.Close()
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "age", Kind: predictlog.Numeric}}, predictlog.Target{})
	if err != nil {
		return err
	}
	db, err := sqlstore.Open(ctx, sqlDB, schema, sqlstore.Config{})
	if err != nil {
		return err
	}

	reg := db.Registry("credit")
	v, err := reg.Register(ctx, registry.Draft{Key: "first"}, strings.NewReader("the model's bytes"))
	if err != nil {
		return err
	}
	if _, err := reg.Transition(ctx, registry.Transition{Version: v.ID, To: registry.Production}); err != nil {
		return err
	}
	fmt.Println("version", v.ID, "in production")

	err = db.Predictions().Append(ctx, predictlog.Record{
		ID: "ann", Time: time.Now(), Model: "credit", Version: v.ID,
		Row: predictlog.Row{predictlog.Number(30)}, Output: predictlog.Output{Class: "1"},
	})
	if err != nil {
		return err
	}
	if err := db.Labels().Append(ctx, labels.Label{PredictionID: "ann", Class: "0", Time: time.Now()}); err != nil {
		return err
	}
	for e, err := range labels.Join(ctx, db.Predictions(), db.Labels(), predictlog.Query{Model: "credit"}) {
		if err != nil {
			return err
		}
		fmt.Printf("%s: predicted %s, truth %s\n", e.Record.ID, e.Record.Output.Class, e.Label.Class)
	}
	return nil
}
