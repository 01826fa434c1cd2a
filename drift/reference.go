package drift

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/envelope"
	"github.com/selfheal-ml/selfheal/drift/internal/parallel"
)

// Bounds of [ReferenceConfig.Cells].
const (
	defaultCells = 1024
	minCells     = 2
	maxCells     = 1 << 16
)

// ReferenceConfig tunes a [Reference]. The zero ReferenceConfig is valid.
type ReferenceConfig struct {
	// Cells is the resolution of a numeric column. A column with at most this many distinct
	// values is counted without loss. Other columns get about this many quantile cells. A cell
	// of several values holds at most a share of 5/Cells of the reference. Default 1024, at
	// least 2, at most 65536.
	Cells int
}

// Reference is the frozen data that later data are compared with: the cells, counts and
// moments of each column. A Reference holds no rows; its size depends only on the number of
// cells and levels. A Reference is immutable and safe for concurrent use. The zero Reference
// is only good for UnmarshalJSON.
type Reference struct {
	content     referenceContent
	cells       []cells // in the order of the columns
	tallies     []tally // the reference's own counts
	index       map[string]int
	fingerprint string
	sealed      []byte // the JSON form
}

// NewReference freezes the columns, which must have the same length, in the given order. A
// column that is constant or has only missing values is valid.
//
// All mistakes are joined, and each unwraps to [ErrInvalidInput]. Mistakes are: no columns or
// no rows, a name that is empty or used twice, columns of different lengths, a code out of
// range, a category that is not UTF-8, and Cells out of range.
func NewReference(columns []Column, cfg ReferenceConfig) (*Reference, error) {
	if cfg.Cells == 0 {
		cfg.Cells = defaultCells
	}
	rows, err := CheckColumns(columns)
	errs := []error{err}
	for _, column := range columns {
		if err := column.checkText(); err != nil {
			errs = append(errs, err)
		}
	}
	if cfg.Cells < minCells || cfg.Cells > maxCells {
		errs = append(errs, invalid("ReferenceConfig.Cells", "is %d, want %d to %d", cfg.Cells, minCells, maxCells))
	}
	switch {
	case len(columns) == 0:
		errs = append(errs, invalid("reference", "has no columns"))
	case rows == 0:
		errs = append(errs, invalid("reference", "has no rows"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	content := referenceContent{Rows: int64(rows), Columns: make([]columnContent, len(columns))}
	parallel.Do(len(columns), rows*len(columns), func(i int) { content.Columns[i] = fitColumn(columns[i], cfg.Cells) })
	return newReference(content)
}

func fitColumn(column Column, k int) columnContent {
	fitted := columnContent{Name: column.name, Kind: column.kind}
	if column.kind == KindNumeric {
		fit := counting.NewFit(column.numbers, k)
		fitted.Numbers = &fit
	} else {
		fitted.Levels = fitLevels(column)
	}
	c := fitted.cells()
	fitted.Counts = newTally(&c)
	fitted.Counts.count(&c, column)
	return fitted
}

// Rows returns the number of rows.
func (r *Reference) Rows() int { return int(r.content.Rows) }

// Names returns the names of the columns, in order.
func (r *Reference) Names() []string {
	names := make([]string, len(r.cells))
	for i := range r.cells {
		names[i] = r.cells[i].name
	}
	return names
}

// Fingerprint returns the SHA-256 of the content of the reference, in hexadecimal. References
// with equal fingerprints give equal reports.
func (r *Reference) Fingerprint() string { return r.fingerprint }

const referenceKind = "drift.reference"

// referenceContent is the wire form of a Reference.
type referenceContent struct {
	Rows    int64                            `json:"rows"`
	Columns envelope.Elements[columnContent] `json:"columns"`
}

type columnContent struct {
	Name    string        `json:"name"`
	Kind    Kind          `json:"kind"`
	Numbers *counting.Fit `json:"numbers,omitempty"` // of a numeric column
	Levels  []string      `json:"levels,omitempty"`
	Counts  tally         `json:"counts"`
}

// MarshalJSON returns the reference with a schema version and a checksum. Equal references
// give equal bytes.
func (r *Reference) MarshalJSON() ([]byte, error) {
	if r.sealed == nil {
		return nil, errors.New("drift: the zero Reference holds nothing to write")
	}
	return slices.Clone(r.sealed), nil
}

// UnmarshalJSON reads the output of [Reference.MarshalJSON], indented or not. Any other
// change, even of one byte, is an error that unwraps to [ErrCorrupt]. UnmarshalJSON must not
// be called on a reference in use.
func (r *Reference) UnmarshalJSON(data []byte) error {
	var content referenceContent
	if err := envelope.Unseal(referenceKind, data, &content); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	read, err := newReference(content)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, referenceKind, err)
	}
	*r = *read
	return nil
}

// newReference checks the content and keeps it.
func newReference(content referenceContent) (*Reference, error) {
	if err := content.check(); err != nil {
		return nil, err
	}
	sealed, sum, err := envelope.Seal(referenceKind, content)
	if err != nil {
		return nil, err
	}
	r := &Reference{content: content, fingerprint: sum, sealed: sealed, index: make(map[string]int)}
	for i, column := range content.Columns {
		r.cells = append(r.cells, column.cells())
		column.Counts.Moments.Centre = r.cells[i].unit.Centre
		r.tallies = append(r.tallies, column.Counts)
		r.index[column.Name] = i
	}
	return r, nil
}

// cells returns the cells of the column. The column must have been checked, except its counts.
func (c *columnContent) cells() cells {
	read := cells{name: c.Name, kind: c.Kind, levels: c.Levels}
	if c.Kind == KindNumeric {
		read.axis, read.unit = counting.Axis{Edges: c.Numbers.Edges}, c.Numbers.Unit
		read.locator = counting.NewLocator(c.Numbers.Edges, c.Numbers.Grid)
	}
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
		if names[column.Name] {
			return fmt.Errorf("column %q is given twice", column.Name)
		}
		if column.Name == "" || !utf8.ValidString(column.Name) {
			return fmt.Errorf("column %d has a name that is empty or not UTF-8", i)
		}
		names[column.Name] = true
		if err := column.check(c.Rows); err != nil {
			return fmt.Errorf("column %q %w", column.Name, err)
		}
	}
	return nil
}

func (c *columnContent) check(rows int64) error {
	numeric := c.Kind == KindNumeric
	if numeric != (c.Numbers != nil) || numeric && len(c.Levels) > 0 || !numeric && c.Kind != KindCategorical {
		return fmt.Errorf("has cells that do not fit its kind %v", c.Kind)
	}
	if !ascending(c.Levels) || slices.ContainsFunc(c.Levels, func(l string) bool { return !utf8.ValidString(l) }) {
		return errors.New("has levels that are not UTF-8 in ascending order")
	}
	size := len(c.Levels)
	if numeric {
		if err := c.Numbers.Check(); err != nil {
			return err
		}
		size = len(c.Numbers.Edges) + 1
	}
	if err := c.Counts.check(c.Kind, size, rows); err != nil || !numeric {
		return err
	}
	return c.Counts.Moments.CheckRange(c.Numbers.Unit)
}

func ascending[T cmp.Ordered](values []T) bool {
	for i := 1; i < len(values); i++ {
		if values[i] <= values[i-1] {
			return false
		}
	}
	return true
}
