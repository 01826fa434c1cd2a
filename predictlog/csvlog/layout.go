package csvlog

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile/csvrow"
)

// shortLength is the number of characters of a fingerprint in the name of a file.
const shortLength = 8

// The columns of every file, around those of the schema. The columns of the output depend on
// the target.
const (
	columnID         = "id"
	columnTime       = "time"
	columnModel      = "model"
	columnVersion    = "version"
	columnClass      = "class"
	columnValue      = "value"
	columnLatency    = "latency_us"
	columnViolations = "violations"
	columnTags       = "tags"
)

// layout is how the records of a schema are laid out in a file.
type layout struct {
	schema  *predictlog.Schema
	columns []predictlog.Column
	target  predictlog.Target
	header  []string
}

func newLayout(schema *predictlog.Schema) *layout {
	l := &layout{schema: schema, columns: schema.Columns(), target: schema.Target()}
	output := []string{columnClass}
	if l.target.Task == predictlog.Regression {
		output = []string{columnValue}
	}
	for _, class := range l.target.Classes {
		output = append(output, "p("+class+")")
	}
	before := []string{columnID, columnTime, columnModel, columnVersion}
	after := append(output, columnLatency, columnViolations, columnTags)
	taken := map[string]bool{columnClass: true, columnValue: true} // whatever the task
	for _, name := range append(before, after...) {
		taken[name] = true
	}
	l.header = append(l.header, before...)
	for _, c := range l.columns {
		l.header = append(l.header, inputName(c.Name, taken))
	}
	l.header = append(l.header, after...)
	return l
}

// inputName adds an underscore to every name that is a taken name, or a taken name followed
// by underscores. So no two columns share a name, whatever the names in the schema.
func inputName(name string, taken map[string]bool) string {
	if taken[strings.TrimRight(name, "_")] {
		return name + "_"
	}
	return name
}

// short returns the part of the fingerprint that is in the names of files.
func (l *layout) short() string { return l.schema.Fingerprint()[:shortLength] }

// fileName returns the name of the file that holds the records of a day.
func (l *layout) fileName(day string) string { return day + "." + l.short() + ".csv" }

// appendHeader appends the first row of a file.
func (l *layout) appendHeader(dst []byte) []byte {
	for i, name := range l.header {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, name)
	}
	return append(dst, '\n')
}

// checkHeader returns an error unless row is the first row of such a file.
func (l *layout) checkHeader(row []byte) error {
	cells := csvrow.NewCells(trimRow(row, true))
	for i, want := range l.header {
		cell, err := cells.Next()
		if err != nil {
			return fmt.Errorf("cell %d: %w", i+1, err)
		}
		if string(cell.Text) != want {
			return fmt.Errorf("cell %d is %q, want %q", i+1, cell.Text, want)
		}
	}
	if !cells.Done() {
		return fmt.Errorf("more than %d cells", len(l.header))
	}
	return nil
}

var byteOrderMark = []byte("\ufeff")

// trimRow removes the line end of a row, and from the first row of a file the byte order mark
// that some spreadsheets write.
func trimRow(row []byte, first bool) []byte {
	row = bytes.TrimSuffix(row, []byte{'\n'})
	row = bytes.TrimSuffix(row, []byte{'\r'})
	if first {
		row = bytes.TrimPrefix(row, byteOrderMark)
	}
	return row
}

// firstCell returns the first cell of a row, which it may modify.
func firstCell(row []byte) (csvrow.Cell, error) {
	cells := csvrow.NewCells(row)
	return cells.Next()
}
