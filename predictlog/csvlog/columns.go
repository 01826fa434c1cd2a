package csvlog

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// ScanColumns implements [predictlog.ColumnScanner]. It reads and reports the same rows as
// [Store.Scan], but makes no records of rows that are written as Append writes them.
func (s *Store) ScanColumns(ctx context.Context, q predictlog.Query) iter.Seq2[*predictlog.Batch, error] {
	return func(yield func(*predictlog.Batch, error) bool) {
		filter := newFilter(q)
		columns := newColumns(s.own)
		var stopped bool
		err := s.scan(ctx, q, func(from source) takeRow {
			reader := newColumnReader(columns, from.layout, s.own, filter)
			return func(row []byte, quotes int) (rowTime, bool, error) {
				at, err := reader.read(row, quotes)
				if columns.batch.Len < batchSize {
					return at, false, err
				}
				stopped = !yield(columns.take(), nil)
				columns.reset()
				return at, stopped, err
			}
		})
		if stopped || columns.batch.Len > 0 && !yield(columns.take(), nil) {
			return
		}
		if err != nil {
			yield(nil, fmt.Errorf("csvlog: scan: %w", err))
		}
	}
}

const (
	batchSize  = 4096    // small enough for a processor's cache
	mostLevels = 1 << 14 // that a column takes along from batch to batch
)

// columns gathers a batch. Its slices are as long as the largest batch. A row is written at
// position batch.Len and counts once batch.Len has grown.
type columns struct {
	layout   *layout
	batch    predictlog.Batch
	numbers  [][]float64
	codes    [][]int32
	byText   []map[string]int32 // the indices of the levels of each column
	times    []int64
	violates []bool
	answered []bool
	class    []int32
	score    []float64
}

func newColumns(l *layout) *columns {
	n := len(l.columns)
	c := &columns{
		layout:  l,
		numbers: make([][]float64, n), codes: make([][]int32, n), byText: make([]map[string]int32, n),
		times: make([]int64, batchSize), violates: make([]bool, batchSize), answered: make([]bool, batchSize),
		batch: predictlog.Batch{Numbers: make([][]float64, n), Codes: make([][]int32, n), Levels: make([][]string, n)},
	}
	for i, column := range l.columns {
		if column.Kind == predictlog.Categorical {
			c.codes[i], c.byText[i] = make([]int32, batchSize), map[string]int32{}
		} else {
			c.numbers[i] = make([]float64, batchSize)
		}
	}
	if l.target.Task != predictlog.Regression {
		c.class = make([]int32, batchSize)
	}
	if l.target.Task != predictlog.Multiclass {
		c.score = make([]float64, batchSize)
	}
	return c
}

// take returns the batch.
func (c *columns) take() *predictlog.Batch {
	n := c.batch.Len
	for i := range c.numbers {
		c.batch.Numbers[i] = first(c.numbers[i], n)
		c.batch.Codes[i] = first(c.codes[i], n)
	}
	c.batch.Times, c.batch.Violates = c.times[:n:n], c.violates[:n:n]
	c.batch.Answered, c.batch.Class, c.batch.Score = first(c.answered, n), first(c.class, n), first(c.score, n)
	return &c.batch
}

// first returns the first n elements, which cannot grow into the others; nil stays nil.
func first[T any](all []T, n int) []T {
	if all == nil {
		return nil
	}
	return all[:n:n]
}

func (c *columns) reset() {
	c.batch.Len = 0
	for i := range c.byText {
		if len(c.batch.Levels[i]) > mostLevels {
			c.batch.Levels[i] = nil
			clear(c.byText[i])
		}
	}
}

// code returns the index of a category, which must be text.
func (c *columns) code(column int, text string) int32 {
	code, ok := c.byText[column][text]
	if !ok {
		code = int32(len(c.batch.Levels[column]))
		c.byText[column][text] = code
		c.batch.Levels[column] = append(c.batch.Levels[column], text)
	}
	return code
}

// add adds a record.
func (c *columns) add(r *predictlog.Record) {
	n := c.batch.Len
	for i, v := range r.Row {
		switch text, isCategory := v.Category(); {
		case c.codes[i] == nil:
			x, ok := v.Number()
			if !ok {
				x = math.NaN()
			}
			c.numbers[i][n] = x
		case isCategory:
			c.codes[i][n] = c.code(i, text)
		default:
			c.codes[i][n] = -1
		}
	}
	o := answer{class: -1, value: r.Output.Value, p1: math.NaN(), any: r.Answered()}
	if c.class != nil {
		o.class = slices.Index(c.layout.target.Classes, r.Output.Class)
	}
	if len(r.Output.Probabilities) > 1 {
		o.p1 = r.Output.Probabilities[1]
	}
	c.end(r.Time.UnixMicro(), o, len(r.Violations) > 0)
}

// answer is the part of an output that a batch holds.
type answer struct {
	class int // -1 for none
	value float64
	p1    float64 // the probability of the second class, NaN for none
	any   bool    // see predictlog.Record.Answered
}

// end completes the row whose values are written.
func (c *columns) end(micros int64, o answer, violating bool) {
	n := c.batch.Len
	c.times[n], c.violates[n], c.answered[n] = micros, violating, o.any
	if c.class != nil {
		c.class[n] = int32(o.class)
	}
	switch {
	case c.score == nil:
	case c.class != nil:
		c.score[n] = o.p1
	case o.any:
		c.score[n] = o.value
	default:
		c.score[n] = math.NaN()
	}
	c.batch.Len++
}

// columnReader reads the rows of a file into columns. It knows the rows that Append writes
// and leaves all other rows to the decoder, so that both kinds of scan agree.
type columnReader struct {
	columns *columns
	decoder *decoder
	filter  *filter
	from    *layout
	simple  bool  // the target of the file is that of the store
	places  []int // where each column of the file goes, or -1
	absent  []int // the columns that the file does not have

	times          timeParser
	model, version string // the last ones, which are text
	otherModel     bool   // they do not match the filter

	ends   map[string]rowEnd // those that were read, by their cells
	missed string            // the end of the last row, if it is to be kept and is not yet; or empty
}

// rowEnd is the content of the last two cells of a row, violations and tags.
type rowEnd struct {
	violating bool
	matches   bool // the tags match the filter
}

func newColumnReader(columns *columns, from, to *layout, filter *filter) *columnReader {
	r := &columnReader{
		columns: columns, decoder: newDecoder(from, to), filter: filter, from: from,
		simple: from.target.Task == to.target.Task && slices.Equal(from.target.Classes, to.target.Classes),
		ends:   map[string]rowEnd{",": {matches: filter.matchesTags(nil)}},
	}
	for i := range to.columns {
		r.absent = append(r.absent, i)
	}
	for _, c := range from.columns {
		at, ok := to.schema.Index(c.Name)
		if !ok || to.columns[at].Kind != c.Kind {
			at = -1
		}
		r.places = append(r.places, at)
		r.absent = slices.DeleteFunc(r.absent, func(i int) bool { return i == at })
	}
	r.otherModel = !r.matchesModel()
	return r
}

func (r *columnReader) matchesModel() bool {
	return (r.filter.model == "" || r.filter.model == r.model) && (r.filter.version == "" || r.filter.version == r.version)
}

// read adds a row to the columns if the filter matches it.
func (r *columnReader) read(row []byte, quotes int) (rowTime, error) {
	r.missed = ""
	if r.simple {
		if micros, ok := r.readPlain(row, quotes); ok {
			return rowTime{micros: micros, known: true}, nil
		}
	}
	record, at, matches, err := r.decoder.decode(row, r.filter)
	if err != nil {
		return at, err
	}
	if matches {
		r.columns.add(&record)
	}
	if r.missed != "" {
		r.ends[r.missed] = rowEnd{violating: len(record.Violations) > 0, matches: matches}
	}
	return at, nil
}

// readPlain does the same as read for a row that it knows, and returns false for all other
// rows. Such a row is not changed, and leaves nothing in the columns but levels.
func (r *columnReader) readPlain(row []byte, quotes int) (micros int64, ok bool) {
	c := r.columns
	n := c.batch.Len
	id, p, ok := nextPlain(row)
	if !ok || len(p) <= timeLength || p[timeLength] != ',' {
		return 0, false
	}
	if micros, ok = r.times.parse(p[:timeLength]); !ok {
		return 0, false
	}
	p = p[timeLength+1:]
	model, p, okModel := nextPlain(p)
	version, p, okVersion := nextPlain(p)
	if !okModel || !okVersion || !r.sameModel(model, version) {
		return 0, false
	}
	if r.otherModel || !r.filter.matchesTime(micros) {
		return micros, quotes == 0 || bytes.IndexByte(id, '"') < 0
	}
	if !isID(id) {
		return 0, false
	}
	for i, at := range r.places {
		if r.from.columns[i].Kind == predictlog.Numeric {
			var x float64
			if x, p, ok = nextNumber(p); !ok {
				return 0, false
			}
			if at >= 0 {
				c.numbers[at][n] = x
			}
			continue
		}
		var text []byte
		quoted := len(p) > 0 && p[0] == '"'
		if quoted {
			quotes -= 2
			text, p, ok = nextQuotedPlain(p)
		} else {
			text, p, ok = nextPlain(p)
		}
		switch {
		case !ok:
			return 0, false
		case at < 0 && !isText(text):
			return 0, false
		case at < 0:
		case len(text) == 0 && !quoted:
			c.codes[at][n] = -1
		default:
			code, known := c.byText[at][string(text)]
			if !known {
				if !isText(text) {
					return 0, false
				}
				code = c.code(at, string(text))
			}
			c.codes[at][n] = code
		}
	}
	o, p, ok := r.nextAnswer(p)
	if !ok {
		return 0, false
	}
	if p, ok = skipLatency(p); !ok {
		return 0, false
	}
	if quotes > 0 { // those before the end were counted
		quotes -= bytes.Count(p, []byte{'"'})
	}
	if quotes != 0 {
		return 0, false
	}
	end, ok := r.ends[string(p)]
	if !ok {
		const most, longest = 4096, 512 // ends to keep, which most files repeat, and bytes of one
		if len(r.ends) < most && len(p) <= longest {
			r.missed = string(p)
		}
		return 0, false
	}
	if !end.matches {
		return micros, true
	}
	for _, at := range r.absent {
		if c.codes[at] != nil {
			c.codes[at][n] = -1
		} else {
			c.numbers[at][n] = math.NaN()
		}
	}
	o.any = o.any || len(version) > 0
	c.end(micros, o, end.violating)
	return micros, true
}

// sameModel keeps the model and the version of a row, and returns false if they are not
// text.
func (r *columnReader) sameModel(model, version []byte) bool {
	if string(model) == r.model && string(version) == r.version {
		return true
	}
	if !isText(model) || !isText(version) || bytes.IndexByte(model, '"') >= 0 || bytes.IndexByte(version, '"') >= 0 {
		return false
	}
	r.model, r.version = string(model), string(version)
	r.otherModel = !r.matchesModel()
	return true
}

// nextAnswer reads the cells of the output.
func (r *columnReader) nextAnswer(p []byte) (o answer, rest []byte, ok bool) {
	o = answer{class: -1, p1: math.NaN()}
	if r.from.target.Task == predictlog.Regression {
		if len(p) > 0 && p[0] == ',' {
			return o, p[1:], true
		}
		o.value, p, ok = nextNumber(p)
		o.any = o.value != 0
		return o, p, ok
	}
	text, p, ok := nextPlain(p)
	if !ok {
		return o, nil, false
	}
	classes := r.from.target.Classes
	if len(text) > 0 {
		o.any = true
		for i, class := range classes {
			if string(text) == class {
				o.class = i
				break
			}
		}
		if o.class < 0 {
			return o, nil, false
		}
	}
	given := 0
	for i := range classes {
		if len(p) > 0 && p[0] == ',' {
			p = p[1:]
			continue
		}
		var x float64
		if x, p, ok = nextNumber(p); !ok || !(0 <= x && x <= 1) {
			return o, nil, false
		}
		given++
		if i == 1 {
			o.p1 = x
		}
	}
	return o, p, given == 0 || given == len(classes) && o.class >= 0
}

// nextPlain returns the cell before the first comma and what follows it.
func nextPlain(p []byte) (text, rest []byte, ok bool) {
	i := bytes.IndexByte(p, ',')
	if i < 0 || i > 0 && p[0] == '"' {
		return nil, nil, false
	}
	return p[:i], p[i+1:], true
}

// nextQuotedPlain returns the text of a quoted cell without quotes in it.
func nextQuotedPlain(p []byte) (text, rest []byte, ok bool) {
	i := bytes.IndexByte(p[1:], '"') + 1
	if i <= 0 || i+1 >= len(p) || p[i+1] != ',' {
		return nil, nil, false
	}
	return p[1:i], p[i+2:], true
}

// nextNumber returns the number before the first comma, NaN for an empty cell, and what
// follows.
func nextNumber(p []byte) (x float64, rest []byte, ok bool) {
	if len(p) > 0 && p[0] == ',' {
		return math.NaN(), p[1:], true
	}
	x, n, ok := scanFloat(p)
	if ok && n < len(p) && p[n] == ',' {
		return x, p[n+1:], true
	}
	i := bytes.IndexByte(p, ',')
	if i < 0 {
		return 0, nil, false
	}
	x, err := parseFloat(p[:i])
	return x, p[i+1:], err == nil
}

// skipLatency passes over a number of microseconds that is surely valid.
func skipLatency(p []byte) (rest []byte, ok bool) {
	const most = 15 // digits, far below what a time.Duration holds
	for i, c := range p {
		switch {
		case c == ',':
			return p[i+1:], i <= most
		case c < '0' || c > '9':
			return nil, false
		}
	}
	return nil, false
}

// isID reports whether an unquoted cell is an ID.
func isID(text []byte) bool {
	const most = 128
	for _, c := range text {
		if c <= ' ' || c > '~' || c == '"' || c == '\'' {
			return false
		}
	}
	return 0 < len(text) && len(text) <= most
}

// isText reports whether a record may hold the text; see [predictlog.Record].
func isText(text []byte) bool { return utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 }
