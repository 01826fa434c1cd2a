package csvlog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

const schemasName = "schemas.jsonl"

// schemas is the file that lists every schema used in a folder, one a line. Its lock is the
// lock of the folder: an Append holds it, so that no file of another schema can appear
// meanwhile.
type schemas struct {
	path    string
	file    *appendfile.File
	byShort map[string]*layout
}

// schemaLine is a line of the file. It holds no rules: rules do not decide how a record is
// read, and may have changed since.
type schemaLine struct {
	Fingerprint string             `json:"fingerprint"`
	Schema      *predictlog.Schema `json:"schema"`
}

func openSchemas(dir string, cfg appendfile.Config) (*schemas, error) {
	cfg.Boundary = appendfile.LineBoundary
	path := filepath.Join(dir, schemasName)
	file, err := appendfile.Open(path, cfg)
	if err != nil {
		return nil, err
	}
	return &schemas{path: path, file: file, byShort: map[string]*layout{}}, nil
}

// add lists a schema if it is not listed yet.
func (s *schemas) add(ctx context.Context, schema *predictlog.Schema) error {
	columns := schema.Columns()
	for i := range columns {
		columns[i].Rule = ""
	}
	plain, err := predictlog.NewSchema(columns, schema.Target())
	if err != nil {
		return err
	}
	line, err := json.Marshal(schemaLine{Fingerprint: schema.Fingerprint(), Schema: plain})
	if err != nil {
		return err
	}
	return s.file.Update(ctx, s.observe, func(int64) ([]byte, error) {
		known, ok := s.byShort[schema.Fingerprint()[:shortLength]]
		if ok && known.schema.Fingerprint() == schema.Fingerprint() {
			return nil, nil
		}
		return append(line, '\n'), nil // observe refuses one that only begins alike
	})
}

// refresh reads the schemas that other processes have listed.
func (s *schemas) refresh(ctx context.Context) error { return s.file.View(ctx, s.observe) }

func (s *schemas) observe(p []byte, _ int64) error {
	for text := range bytes.Lines(p) {
		var line schemaLine
		if err := json.Unmarshal(text, &line); err != nil {
			return fmt.Errorf("%s: %q: %w", s.path, text, err)
		}
		if line.Schema == nil || line.Schema.Fingerprint() != line.Fingerprint {
			return fmt.Errorf("%s: %q: the fingerprint is not that of the schema", s.path, text)
		}
		l := newLayout(line.Schema)
		known, ok := s.byShort[l.short()]
		if ok && known.schema.Fingerprint() != line.Fingerprint {
			return fmt.Errorf("%s: the fingerprints %s and %s of two schemas begin alike: they need a folder each",
				s.path, known.schema.Fingerprint(), line.Fingerprint)
		}
		s.byShort[l.short()] = l
	}
	return nil
}
