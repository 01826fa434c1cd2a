package healing

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// ReferenceDocument is the name of the document with the reference of a version: the JSON of
// a [drift.Reference]. Versions that a run trained have the document. For a version that the
// host registers by itself, [ReferenceOf] makes it.
const ReferenceDocument = "reference.json"

// ReferenceOf freezes rows of the schema as the document with which the monitor compares live
// rows. The rows are those on which a version was trained, or any others that show what the
// version is made for. A host that registers a version by itself puts the document under
// [ReferenceDocument] into the documents of the [registry.Draft], or attaches it later.
// Without the document, nothing is compared while that version is in production. No rows, or
// a row that does not follow the schema, is an error.
func ReferenceOf(schema *predictlog.Schema, rows []predictlog.Row) ([]byte, error) {
	if schema == nil {
		return nil, errors.New("healing: reference: nil schema")
	}
	for i, row := range rows {
		if err := follows(row, schema); err != nil {
			return nil, fmt.Errorf("healing: reference: row %d: %w", i, err)
		}
	}
	f := newFrame(schema)
	for _, row := range rows {
		f.add(row)
	}
	document, err := f.document()
	if err != nil {
		return nil, fmt.Errorf("healing: reference: %w", err)
	}
	return document, nil
}

// follows returns an error if the row has other columns than the schema.
func follows(row predictlog.Row, schema *predictlog.Schema) error {
	if len(row) != schema.Len() {
		return fmt.Errorf("%d values, want %d", len(row), schema.Len())
	}
	for i, v := range row {
		if c := schema.Column(i); !v.IsMissing() && v.Kind() != c.Kind {
			return fmt.Errorf("column %q is %s, want %s", c.Name, v.Kind(), c.Kind)
		}
	}
	return nil
}

// referenceOf freezes rows of a store, which follow the schema.
func referenceOf(data labels.Dataset) ([]byte, error) {
	f := newFrame(data.Schema)
	for _, e := range data.Examples {
		f.add(e.Record.Row)
	}
	return f.document()
}

// document freezes the rows of the frame.
func (f *frame) document() ([]byte, error) {
	reference, err := f.reference()
	if err != nil {
		return nil, err
	}
	return json.Marshal(reference)
}
