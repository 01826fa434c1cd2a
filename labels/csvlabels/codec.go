package csvlabels

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile/csvrow"
)

const (
	header     = "prediction_id,class,value,time,arrived"
	timeLayout = "2006-01-02T15:04:05.000000Z" // of a time in UTC
)

// columns are the cells of a record, in order, named as in [labels.LabelError].
var columns = [5]string{"prediction_id", "class", "value", "time", "arrived"}

// CellError names a cell of a file that cannot be read as a part of a label.
type CellError struct {
	Path   string
	Line   int    // of the file, from 1, on which the record begins
	Column string // the column's name, empty for a record that has not the five cells
	What   string // what is wrong and what was expected
}

func (e *CellError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.What)
	}
	return fmt.Sprintf("%s:%d: column %q: %s", e.Path, e.Line, e.Column, e.What)
}

// encode returns the records of the labels, which have an arrival, after the header if the
// file has none yet. Without labels it returns nothing.
func encode(ls []labels.Label, withHeader bool) []byte {
	if len(ls) == 0 {
		return nil
	}
	var p []byte
	if withHeader {
		p = append(p, header+"\n"...)
	}
	for _, l := range ls {
		p = append(p, l.PredictionID...) // never needs quotes, see predictlog.CheckID
		p = append(p, ',')
		p = appendCell(p, l.Class)
		p = append(p, ',')
		if l.Class == "" {
			p = strconv.AppendFloat(p, l.Value, 'g', -1, 64)
		}
		p = append(p, ',')
		p = l.Time.UTC().AppendFormat(p, timeLayout)
		p = append(p, ',')
		p = l.Arrived.UTC().AppendFormat(p, timeLayout)
		p = append(p, '\n')
	}
	return p
}

func appendCell(p []byte, text string) []byte {
	if !strings.ContainsAny(text, "\",\r\n") {
		return append(p, text...)
	}
	p = append(p, '"')
	p = append(p, strings.ReplaceAll(text, `"`, `""`)...)
	return append(p, '"')
}

// decoder reads the records of a file from its beginning. It does not use package
// encoding/csv, which turns a quoted "\r\n" into "\n".
type decoder struct {
	path  string
	lines int // how many were read
}

// decode returns the label in the next record of the file. For the header and for empty lines
// ok is false.
func (d *decoder) decode(record []byte) (l labels.Label, ok bool, err error) {
	line := d.lines + 1
	d.lines += bytes.Count(record, []byte{'\n'})
	record = bytes.TrimSuffix(record, []byte{'\n'})
	record = bytes.TrimSuffix(record, []byte{'\r'}) // a program that edited the file may have put it there
	if line == 1 {
		if string(record) != header {
			return l, false, &CellError{Path: d.path, Line: line, What: fmt.Sprintf("header is %q, want %q", record, header)}
		}
		return l, false, nil
	}
	if len(record) == 0 {
		return l, false, nil
	}
	l, column, err := parse(record)
	if err != nil {
		return labels.Label{}, false, &CellError{Path: d.path, Line: line, Column: column, What: err.Error()}
	}
	return l, true, nil
}

// parse returns the label in a record, or the column that is wrong.
func parse(record []byte) (l labels.Label, column string, err error) {
	cells, column, err := split(record)
	if err != nil {
		return l, column, err
	}
	id, class, value := cells[0], cells[1], cells[2]
	l.PredictionID, l.Class = string(id), string(class)
	if len(class) > 0 == (len(value) > 0) {
		return l, "value", fmt.Errorf("%q beside class %q, want one of them empty", value, class)
	}
	if len(value) > 0 {
		if l.Value, err = strconv.ParseFloat(string(value), 64); err != nil {
			return l, "value", fmt.Errorf("%q, want a number", value)
		}
	}
	if l.Time, err = parseTime(cells[3]); err != nil {
		return l, "time", err
	}
	if l.Arrived, err = parseTime(cells[4]); err != nil {
		return l, "arrived", err
	}
	if l.Arrived.IsZero() {
		return l, "arrived", errors.New("not set")
	}
	var invalid *labels.LabelError
	if errors.As(l.Check(), &invalid) {
		return l, invalid.Field, errors.New(invalid.What)
	}
	return l, "", nil
}

func parseTime(cell []byte) (t time.Time, err error) {
	if err := t.UnmarshalText(cell); err != nil {
		return t, fmt.Errorf("%q, want RFC 3339 such as 2025-06-01T12:00:00Z", cell)
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// split returns the cells of a record, or the column of a malformed cell.
func split(record []byte) (texts [len(columns)][]byte, column string, err error) {
	if bytes.IndexByte(record, '"') >= 0 {
		record = bytes.Clone(record) // the record is the caller's, and Next may modify it
	}
	cells := csvrow.NewCells(record)
	n := 0
	for ; !cells.Done(); n++ {
		cell, err := cells.Next()
		switch {
		case err != nil && n < len(texts):
			return texts, columns[n], err
		case err != nil:
			return texts, "", err
		case n < len(texts):
			texts[n] = cell.Text
		}
	}
	if n != len(texts) {
		return texts, "", fmt.Errorf("%d cells, want %d", n, len(texts))
	}
	return texts, "", nil
}

// splitRecord is a [bufio.SplitFunc].
func splitRecord(p []byte, atEOF bool) (advance int, token []byte, err error) {
	n, _, _ := csvrow.Len(p)
	switch {
	case n > 0:
		return n, p[:n], nil
	case atEOF && len(p) > 0:
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil // more is needed
}
