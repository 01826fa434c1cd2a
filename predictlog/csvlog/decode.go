package csvlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile/csvrow"
)

// filter is a query in the form in which rows are matched.
type filter struct {
	from, to       int64 // see predictlog.Query.Micros
	model, version string
	tag            predictlog.Tag
}

func newFilter(q predictlog.Query) *filter {
	f := &filter{model: q.Model, version: q.Version, tag: q.Tag}
	f.from, f.to = q.Micros()
	return f
}

func (f *filter) matchesTime(micros int64) bool { return f.from <= micros && micros < f.to }

func (f *filter) matchesTags(tags map[string]string) bool {
	if f.tag.Name == "" {
		return true
	}
	value, ok := tags[f.tag.Name]
	return ok && value == f.tag.Value
}

// decoder reads rows in the layout of one schema as records of another. A decoder is for one
// goroutine; the records share no memory with the row.
type decoder struct {
	from    *layout
	project *predictlog.Projection
	times   timeParser
	texts   map[string]string // the texts that were read, to share their memory
}

func newDecoder(from, to *layout) *decoder {
	return &decoder{from: from, project: predictlog.NewProjection(from.schema, to.schema), texts: map[string]string{}}
}

// rowTime is the time of a row in microseconds since 1970. It is known if the time and all
// cells that decide whether a query matches could be read.
type rowTime struct {
	micros int64
	known  bool
}

// rowReader reads the cells of one row in order. After the first failure, all other cells are
// empty and err is kept.
type rowReader struct {
	*decoder
	cells  csvrow.Cells
	column int // that of the last cell
	err    error
}

// decode reads a row, without its line end, and may modify it. If q does not match, decode
// stops after the cells that decide this. The error names the column.
func (d *decoder) decode(row []byte, q *filter) (r predictlog.Record, at rowTime, matches bool, err error) {
	in := rowReader{decoder: d, cells: csvrow.NewCells(row), column: -1}
	r.ID = string(in.next().Text)
	r.Time = in.time()
	r.Model = in.text()
	r.Version = in.text()
	if in.err == nil {
		at = rowTime{micros: r.Time.UnixMicro(), known: true}
		if !q.matchesTime(at.micros) || q.model != "" && q.model != r.Model || q.version != "" && q.version != r.Version {
			return predictlog.Record{}, at, false, nil
		}
	}
	r.Row = in.row()
	r.Output = in.output()
	r.Latency = in.latency()
	r.Violations = readJSON[[]predictlog.Violation](&in)
	r.Tags = readJSON[map[string]string](&in)
	if in.err == nil && !in.cells.Done() {
		in.fail(fmt.Errorf("followed by more cells, want %d in a row", len(d.from.header)))
	}
	if in.err != nil {
		return predictlog.Record{}, at, false, fmt.Errorf("column %q: %w", d.from.header[in.column], in.err)
	}
	if err := d.from.schema.CheckRecord(r); err != nil {
		return predictlog.Record{}, at, false, err
	}
	return d.project.Record(r), at, q.matchesTags(r.Tags), nil
}

func (in *rowReader) fail(err error) {
	if in.err == nil {
		in.err = err
	}
}

func (in *rowReader) next() csvrow.Cell {
	if in.err != nil {
		return csvrow.Cell{}
	}
	in.column++
	c, err := in.cells.Next()
	if err != nil {
		in.err = err
	}
	return c
}

// text reads a text and shares its memory with equal texts: most columns have few different
// ones.
func (in *rowReader) text() string { return in.intern(in.next().Text) }

func (d *decoder) intern(text []byte) string {
	const longest, most = 64, 4096
	if s, ok := d.texts[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(s) <= longest && len(d.texts) < most {
		d.texts[s] = s
	}
	return s
}

func (in *rowReader) time() time.Time {
	c := in.next()
	if in.err != nil {
		return time.Time{}
	}
	if micros, ok := in.times.parse(c.Text); ok {
		return time.UnixMicro(micros).UTC()
	}
	var t time.Time
	if err := t.UnmarshalText(c.Text); err != nil {
		in.fail(fmt.Errorf("%q, want a time such as 2006-01-02T15:04:05.000000Z", c.Text))
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (in *rowReader) float(c csvrow.Cell) float64 {
	x, err := parseFloat(c.Text)
	if err != nil {
		in.fail(fmt.Errorf("%q, want a number", c.Text))
	}
	return x
}

func (in *rowReader) row() predictlog.Row {
	row := make(predictlog.Row, len(in.from.columns))
	for i := range row {
		c := in.next()
		switch {
		case in.err != nil:
			return row
		case c.Missing():
		case in.from.columns[i].Kind == predictlog.Categorical:
			row[i] = predictlog.Category(in.intern(c.Text))
		case len(c.Text) > 0: // some tools quote missing numbers too
			row[i] = predictlog.Number(in.float(c))
		}
	}
	return row
}

func (in *rowReader) output() (o predictlog.Output) {
	answer := in.next()
	classes := in.from.target.Classes
	if len(answer.Text) > 0 && in.from.target.Task == predictlog.Regression {
		o.Value = in.float(answer)
		return o
	}
	if len(answer.Text) > 0 {
		o.Class = in.intern(answer.Text)
		if !slices.Contains(classes, o.Class) {
			in.fail(fmt.Errorf("class %q, the target has %q", o.Class, classes))
		}
	}
	for i := range classes {
		c := in.next()
		switch {
		case in.err != nil:
			return predictlog.Output{}
		case len(c.Text) == 0 && o.Probabilities == nil:
			continue
		case len(c.Text) > 0 && i > 0 && o.Probabilities == nil:
			in.fail(errors.New("a probability, but the class before has none"))
			return predictlog.Output{}
		case o.Probabilities == nil:
			o.Probabilities = make([]float64, len(classes))
		}
		o.Probabilities[i] = in.float(c)
	}
	return o
}

func (in *rowReader) latency() time.Duration {
	c := in.next()
	if len(c.Text) == 0 {
		return 0
	}
	micros, err := strconv.ParseInt(string(c.Text), 10, 64)
	latency := time.Duration(micros) * time.Microsecond
	if err != nil || latency.Microseconds() != micros {
		in.fail(fmt.Errorf("%q, want a whole number of microseconds", c.Text))
	}
	return latency
}

func readJSON[T []predictlog.Violation | map[string]string](in *rowReader) T {
	c := in.next()
	if len(c.Text) == 0 {
		return nil
	}
	v := new(T)
	if err := json.Unmarshal(c.Text, v); err != nil {
		in.fail(fmt.Errorf("%q, want JSON: %w", c.Text, err))
	}
	return *v
}
