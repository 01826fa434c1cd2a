package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// folder is where everything is kept: the embedded default of each store, in a folder of
// its own.
type folder struct {
	dir         string
	predictions *csvlog.Store
	labels      *csvlabels.Store
	registry    *registry.Ledger
	journal     *fileregistry.Log

	reported healing.Pass // the last pass whose report was kept
}

// openFolder makes the stores in dir, a new temporary folder if dir is empty. A folder
// that holds something already is refused: a story is told from its beginning.
func openFolder(dir string, schema *predictlog.Schema) (_ *folder, err error) {
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
	f := &folder{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if f.predictions, err = csvlog.Open(filepath.Join(dir, "predictions"), schema, csvlog.Config{}); err != nil {
		return nil, err
	}
	if f.labels, err = csvlabels.Open(filepath.Join(dir, "labels", "labels.csv"), csvlabels.Config{}); err != nil {
		return nil, err
	}
	if f.registry, err = fileregistry.Open(filepath.Join(dir, "registry"), fileregistry.Config{}); err != nil {
		return nil, err
	}
	if f.journal, err = fileregistry.OpenLog(filepath.Join(dir, "journal")); err != nil {
		return nil, err
	}
	return f, nil
}

// close releases what is open.
func (f *folder) close() error {
	var errs []error
	if f.predictions != nil {
		errs = append(errs, f.predictions.Close())
	}
	if f.labels != nil {
		errs = append(errs, f.labels.Close())
	}
	return errors.Join(errs...)
}

// keepReport writes the drift report of a pass, as JSON and as a page, if it says
// something else than the last one kept.
func (f *folder) keepReport(p healing.Pass) error {
	if p.Report == nil || p.Version == f.reported.Version && p.Drifted() == f.reported.Drifted() {
		return nil
	}
	f.reported.Version, f.reported.Drift = p.Version, p.Drift
	path := filepath.Join(f.dir, "drift-reports", p.Time.UTC().Format("2006-01-02T1504Z"))
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
	return errors.Join(p.Report.WriteHTML(page), page.Close())
}

// keepReference writes the reference of a version beside the stores, where it is easily
// found. The registry has the copy that counts.
func (f *folder) keepReference(ctx context.Context, version string) error {
	data, err := registry.ReadFile(ctx, f.registry, version, healing.ReferenceDocument)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.dir, "reference.json"), data, 0o644)
}
