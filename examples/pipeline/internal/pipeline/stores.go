package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/drift/reportpage"
	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filetelemetry"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// stores keep everything: the embedded default of each store in a folder, or one database.
// Reports are files in the folder in either case.
type stores struct {
	healing.Parts // but for Trainer and Load
	dir           string
	closers       []func() error

	reported healing.Pass // the last pass whose report was kept
}

// openStores opens the stores of a model, in the database at the URL, or in dir if the URL is
// empty. An empty dir is a new temporary folder. A folder or a database that is not empty is
// refused: a story is told from its beginning.
func openStores(ctx context.Context, dir, database, model string, schema *predictlog.Schema) (_ *stores, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "selfheal-pipeline-"); err != nil {
			return nil, err
		}
	}
	content, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(content) > 0 {
		return nil, fmt.Errorf("the folder %s is not empty (it holds %s): name a new one with -dir, or empty it", dir, content[0].Name())
	}
	if err := os.MkdirAll(filepath.Join(dir, "drift-reports"), 0o755); err != nil {
		return nil, err
	}
	s := &stores{dir: dir}
	s.Model = model
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if database != "" {
		return s, s.openDatabase(ctx, database, schema)
	}
	return s, s.openFiles(schema)
}

func (s *stores) openFiles(schema *predictlog.Schema) error {
	predictions, err := csvlog.Open(filepath.Join(s.dir, "predictions"), schema, csvlog.Config{})
	if err != nil {
		return err
	}
	s.Predictions, s.closers = predictions, append(s.closers, predictions.Close)
	truth, err := csvlabels.Open(filepath.Join(s.dir, "labels", "labels.csv"), csvlabels.Config{})
	if err != nil {
		return err
	}
	s.Labels, s.closers = truth, append(s.closers, truth.Close)
	if s.Registry, err = fileregistry.Open(filepath.Join(s.dir, "registry"), fileregistry.Config{}); err != nil {
		return err
	}
	if s.Journal, err = fileregistry.OpenLog(filepath.Join(s.dir, "journal")); err != nil {
		return err
	}
	if s.Lease, err = fileregistry.OpenLease(filepath.Join(s.dir, "lease.json")); err != nil {
		return err
	}
	s.Telemetry, err = filetelemetry.Open(filepath.Join(s.dir, "telemetry"), filetelemetry.Config{})
	return err
}

// close releases what is open.
func (s *stores) close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// loop returns a loop on the stores.
func (s *stores) loop(trainer healing.Trainer, load registry.LoadFunc[gate.Model], cfg healing.Config) (*healing.Loop, error) {
	parts := s.Parts
	parts.Trainer, parts.Load = trainer, load
	return healing.New(parts, cfg)
}

// keepReport writes the drift report of a pass, as JSON and as a page, if it differs from the
// last one.
func (s *stores) keepReport(p healing.Pass) error {
	if p.Report == nil || p.Version == s.reported.Version && p.Drifted() == s.reported.Drifted() {
		return nil
	}
	s.reported.Version, s.reported.Drift = p.Version, p.Drift
	path := filepath.Join(s.dir, "drift-reports", p.Time.UTC().Format("2006-01-02T1504Z"))
	data, err := json.MarshalIndent(p.Report, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".json", append(data, '\n'), 0o644); err != nil {
		return err
	}
	page, err := os.Create(path + ".html")
	if err != nil {
		return err
	}
	return errors.Join(reportpage.Write(page, p.Report), page.Close())
}

// keepReference writes the reference of a version beside the stores, for people. The registry
// has the copy that counts.
func (s *stores) keepReference(ctx context.Context, version string) error {
	data, err := registry.ReadFile(ctx, s.Registry, version, healing.ReferenceDocument)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "reference.json"), data, 0o644)
}
