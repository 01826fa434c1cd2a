package csvlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// decoder reads rows laid out for one schema as records of another. Columns are matched
// by name and kind. It is for one goroutine; the records share no memory with the row.
type decoder struct {
	from   *layout
	to     *layout
	places []place
	class  []int             // where the probability of each class goes, or -1
	texts  map[string]string // the texts that were read, to share their memory
}

// place is where a column of the file goes in a record's row, or -1.
type place struct {
	at   int
	kind predictlog.Kind
}

func newDecoder(from, to *layout) *decoder {
	d := &decoder{from: from, to: to, texts: map[string]string{}}
	for _, c := range from.columns {
		i, ok := to.schema.Index(c.Name)
		if !ok || to.columns[i].Kind != c.Kind {
			i = -1
		}
		d.places = append(d.places, place{i, c.Kind})
	}
	for _, class := range from.target.Classes {
		d.class = append(d.class, slices.Index(to.target.Classes, class))
	}
	return d
}

// rowReader reads the cells of one row in order. After the first that cannot be read,
// all others are empty and err is kept.
type rowReader struct {
	*decoder
	cells  cells
	column int // that of the last cell
	err    error
}

// decode reads a row, without its line end, which it may modify. If q does not match, it
// stops after the cells that tell. The error names the column.
func (d *decoder) decode(row []byte, q predictlog.Query) (r predictlog.Record, matches bool, err error) {
	in := rowReader{decoder: d, cells: cells{rest: row}, column: -1}
	r.ID = string(in.next().text)
	r.Time = in.time()
	r.Model = in.text()
	r.Version = in.text()
	if in.err == nil && !q.Matches(r) {
		return predictlog.Record{}, false, nil
	}
	r.Row = in.row()
	r.Output = in.output()
	r.Latency = in.latency()
	r.Violations = readJSON[[]predictlog.Violation](&in)
	r.Tags = readJSON[map[string]string](&in)
	if in.err == nil && !in.cells.done {
		in.fail(fmt.Errorf("followed by more cells, want %d in a row", len(d.from.header)))
	}
	if in.err != nil {
		return predictlog.Record{}, false, fmt.Errorf("column %q: %w", d.from.header[in.column], in.err)
	}
	if err := d.to.schema.CheckRecord(r); err != nil {
		return predictlog.Record{}, false, err
	}
	return r, true, nil
}

func (in *rowReader) fail(err error) {
	if in.err == nil {
		in.err = err
	}
}

func (in *rowReader) next() cell {
	if in.err != nil {
		return cell{}
	}
	in.column++
	c, err := in.cells.next()
	if err != nil {
		in.err = err
	}
	return c
}

// text reads a text and shares its memory with equal ones, of which most columns have
// few.
func (in *rowReader) text() string { return in.intern(in.next().text) }

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
	var t time.Time
	if err := t.UnmarshalText(c.text); err != nil {
		in.fail(fmt.Errorf("%q, want a time such as 2006-01-02T15:04:05.000000Z", c.text))
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (in *rowReader) float(c cell) float64 {
	x, err := parseFloat(c.text)
	if err != nil {
		in.fail(fmt.Errorf("%q, want a number", c.text))
	}
	return x
}

func (in *rowReader) row() predictlog.Row {
	row := make(predictlog.Row, len(in.to.columns))
	for _, to := range in.places {
		c := in.next()
		switch {
		case in.err != nil:
			return row
		case to.at < 0 || c.missing():
		case to.kind == predictlog.Categorical:
			row[to.at] = predictlog.Category(in.intern(c.text))
		case len(c.text) > 0: // some tools quote missing numbers too
			row[to.at] = predictlog.Number(in.float(c))
		}
	}
	return row
}

func (in *rowReader) output() (o predictlog.Output) {
	answer := in.next()
	if len(answer.text) > 0 && in.from.target.Task == predictlog.Regression {
		if in.to.target.Task != predictlog.Regression {
			in.fail(fmt.Errorf("%q is a regression's answer, the store's target is %s", answer.text, in.to.target.Task))
		}
		o.Value = in.float(answer)
		return o
	}
	if len(answer.text) > 0 {
		o.Class = in.intern(answer.text)
		if !slices.Contains(in.to.target.Classes, o.Class) {
			in.fail(fmt.Errorf("class %q, the store's target has %q", o.Class, in.to.target.Classes))
		}
	}
	for i, at := range in.class {
		c := in.next()
		switch {
		case in.err != nil:
			return predictlog.Output{}
		case len(c.text) == 0 && o.Probabilities == nil:
			continue
		case len(c.text) > 0 && i > 0 && o.Probabilities == nil:
			in.fail(errors.New("a probability, but the class before has none"))
			return predictlog.Output{}
		case o.Probabilities == nil:
			o.Probabilities = make([]float64, len(in.to.target.Classes))
		}
		p := in.float(c)
		if at >= 0 {
			o.Probabilities[at] = p
		} else if p != 0 {
			in.fail(fmt.Errorf("probability %v of class %q, the store's target has %q", p, in.from.target.Classes[i], in.to.target.Classes))
		}
	}
	return o
}

func (in *rowReader) latency() time.Duration {
	c := in.next()
	if len(c.text) == 0 {
		return 0
	}
	micros, err := strconv.ParseInt(string(c.text), 10, 64)
	latency := time.Duration(micros) * time.Microsecond
	if err != nil || latency.Microseconds() != micros {
		in.fail(fmt.Errorf("%q, want a whole number of microseconds", c.text))
	}
	return latency
}

func readJSON[T []predictlog.Violation | map[string]string](in *rowReader) T {
	c := in.next()
	if len(c.text) == 0 {
		return nil
	}
	v := new(T)
	if err := json.Unmarshal(c.text, v); err != nil {
		in.fail(fmt.Errorf("%q, want JSON: %w", c.text, err))
	}
	return *v
}
