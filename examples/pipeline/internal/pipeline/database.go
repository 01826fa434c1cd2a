package pipeline

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// openDatabase keeps everything in the database at the URL.
func (s *stores) openDatabase(ctx context.Context, url string, schema *predictlog.Schema) error {
	driver, source := "pgx", url
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", filepath.Clean(file)
	}
	if !slices.Contains(sql.Drivers(), driver) {
		return fmt.Errorf("-db %s: this program has no driver %q; the one in examples/pipeline/db has", url, driver)
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, db.Close)
	store, err := sqlstore.Open(ctx, db, schema, sqlstore.Config{})
	if err != nil {
		return err
	}
	s.Parts = store.Parts(s.Model, nil, nil)
	for v, err := range s.Registry.Versions(ctx, registry.Query{}) {
		if err != nil {
			return err
		}
		return fmt.Errorf("-db %s: it holds version %s of model %q already: name another database", url, v.ID, s.Model)
	}
	return nil
}
