package drift

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Bounds of [ReferenceConfig.Cells].
const (
	defaultCells = 1024
	minCells     = 2
	maxCells     = 1 << 16
)

// ReferenceConfig tunes a [Reference]. The zero ReferenceConfig is valid.
type ReferenceConfig struct {
	// Cells is the resolution of a numeric column. A column of at most so many distinct
	// values is counted without loss; another in so many quantile cells, which makes D
	// too small by at most 1/Cells. Default 1024, at least 2, at most 65536.
	Cells int
}

// Reference is the frozen data that later data are compared with: for each column its
// cells, its counts on them, and its moments. It holds no rows; its size depends on the
// number of cells and levels alone. A Reference is immutable and safe for concurrent use.
// The zero Reference is only good for UnmarshalJSON.
type Reference struct {
	rows        int64
	cells       []cells
	tallies     []tally // the reference's own counts, in the order of cells
	index       map[string]int
	fingerprint string
	sealed      []byte // the JSON form
}

// NewReference freezes the columns, all of the same length. The columns' order is kept. A
// column that is constant or holds missing values only is not an error: see [Invalid].
//
// Every mistake is reported, joined, and unwraps to [ErrInvalidInput]: no columns or no
// rows, a name that is empty or used twice, columns of different lengths, a code that is
// out of range, a category that is not UTF-8, a Cells that is out of range.
func NewReference(columns []Column, cfg ReferenceConfig) (*Reference, error) {
	if cfg.Cells == 0 {
		cfg.Cells = defaultCells
	}
	rows, errs := checkColumns(columns)
	for _, column := range columns {
		if err := column.checkText(); err != nil {
			errs = append(errs, err)
		}
	}
	if cfg.Cells < minCells || cfg.Cells > maxCells {
		errs = append(errs, &InputError{Sample: "ReferenceConfig.Cells", Index: -1,
			What: fmt.Sprintf("is %d, want %d to %d", cfg.Cells, minCells, maxCells)})
	}
	switch {
	case len(columns) == 0:
		errs = append(errs, &InputError{Sample: "reference", Index: -1, What: "has no columns"})
	case rows == 0:
		errs = append(errs, &InputError{Sample: "reference", Index: -1, What: "has no rows"})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	content := referenceContent{Rows: int64(rows)}
	for _, column := range columns {
		fitted := columnContent{Name: column.name, Kind: column.kind}
		if column.kind == KindNumeric {
			fitted.Edges = fitEdges(column.numbers, cfg.Cells)
		} else {
			fitted.Levels = fitLevels(column)
		}
		c := fitted.cells()
		fitted.Counts = newTally(&c)
		fitted.Counts.count(&c, column)
		content.Columns = append(content.Columns, fitted)
	}
	return newReference(content)
}

// Rows returns the number of rows.
func (r *Reference) Rows() int { return int(r.rows) }

// Names returns the names of the columns, in order.
func (r *Reference) Names() []string {
	names := make([]string, len(r.cells))
	for i := range r.cells {
		names[i] = r.cells[i].name
	}
	return names
}

// Fingerprint returns the SHA-256, in hexadecimal, over all that the reference holds. Two
// references with equal fingerprints give equal reports.
func (r *Reference) Fingerprint() string { return r.fingerprint }

// NewProfile returns a profile without rows on the cells of this reference.
func (r *Reference) NewProfile() *Profile {
	p := &Profile{ref: r, tallies: make([]tally, len(r.cells))}
	for i := range r.cells {
		p.tallies[i] = newTally(&r.cells[i])
	}
	return p
}

const referenceKind = "drift.reference"

// referenceContent is the wire form of a Reference.
type referenceContent struct {
	Rows    int64           `json:"rows"`
	Columns []columnContent `json:"columns"`
}

type columnContent struct {
	Name   string    `json:"name"`
	Kind   Kind      `json:"kind"`
	Edges  []float64 `json:"edges,omitempty"`
	Levels []string  `json:"levels,omitempty"`
	Counts tally     `json:"counts"`
}

// MarshalJSON returns the reference with a schema version and a checksum. Equal references
// give equal bytes.
func (r *Reference) MarshalJSON() ([]byte, error) {
	if r.sealed == nil {
		return nil, errors.New("drift: the zero Reference holds nothing to write")
	}
	return slices.Clone(r.sealed), nil
}

// UnmarshalJSON reads what [Reference.MarshalJSON] wrote, indented or not. Any other
// change, of a single byte too, is an error that unwraps to [ErrCorrupt]. It must not be
// called on a reference that is in use.
func (r *Reference) UnmarshalJSON(data []byte) error {
	var content referenceContent
	if err := unseal(referenceKind, data, &content); err != nil {
		return err
	}
	read, err := newReference(content)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, referenceKind, err)
	}
	*r = *read
	return nil
}

// newReference checks the content and takes it over.
func newReference(content referenceContent) (*Reference, error) {
	if err := content.check(); err != nil {
		return nil, err
	}
	sealed, sum, err := seal(referenceKind, content)
	if err != nil {
		return nil, err
	}
	r := &Reference{rows: content.Rows, fingerprint: sum, sealed: sealed, index: make(map[string]int)}
	for i, column := range content.Columns {
		r.cells = append(r.cells, column.cells())
		r.tallies = append(r.tallies, column.Counts)
		r.index[column.Name] = i
	}
	return r, nil
}

func (c *columnContent) cells() cells {
	read := cells{name: c.Name, kind: c.Kind, edges: c.Edges, levels: c.Levels}
	read.codes = make(map[string]int, len(c.Levels))
	for i, level := range c.Levels {
		read.codes[level] = i
	}
	return read
}

func (c *referenceContent) check() error {
	if c.Rows < 1 || c.Rows > maxRows {
		return fmt.Errorf("has %d rows, want 1 to %d", c.Rows, maxRows)
	}
	names := make(map[string]bool, len(c.Columns))
	for i := range c.Columns {
		column := &c.Columns[i]
		switch {
		case names[column.Name]:
			return fmt.Errorf("column %q is given twice", column.Name)
		case column.Name == "":
			return fmt.Errorf("column %d has no name", i)
		case column.Kind == KindCategorical && len(column.Edges) > 0,
			column.Kind == KindNumeric && len(column.Levels) > 0,
			column.Kind != KindCategorical && column.Kind != KindNumeric:
			return fmt.Errorf("column %q has cells that do not fit its kind %v", column.Name, column.Kind)
		case !ascending(column.Edges), !ascending(column.Levels):
			return fmt.Errorf("column %q has cells that are not in ascending order", column.Name)
		}
		names[column.Name] = true
		read := column.cells()
		if err := column.Counts.check(&read, c.Rows); err != nil {
			return err
		}
	}
	return nil
}

func ascending[T cmp.Ordered](values []T) bool {
	for i := 1; i < len(values); i++ {
		if values[i] <= values[i-1] {
			return false
		}
	}
	return true
}
