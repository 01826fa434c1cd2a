package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/selfheal-ml/selfheal/drift"
)

// settings are the names of the columns whose reading is set by a flag. A column that is not
// named holds numbers if all its values in the reference are numbers or missing.
type settings struct {
	ignore, numeric, categorical []string
}

// check returns every mistake of the settings for a reference with these columns.
func (s *settings) check(header []string) error {
	var errs []error
	set := make(map[string]string)
	for _, list := range []struct {
		flag  string
		names []string
	}{{"-ignore", s.ignore}, {"-numeric", s.numeric}, {"-categorical", s.categorical}} {
		for _, name := range list.names {
			if !slices.Contains(header, name) {
				errs = append(errs, fmt.Errorf("%s: there is no column %q; there are %q", list.flag, name, header))
			}
			if other, twice := set[name]; twice {
				errs = append(errs, fmt.Errorf("%s: column %q is also given to %s", list.flag, name, other))
			}
			set[name] = list.flag
		}
	}
	return errors.Join(errs...)
}

// reference is the training data, with how each column is read.
type reference struct {
	reference *drift.Reference
	kinds     map[string]drift.Kind
	numeric   []string // the columns that -numeric names
	unread    map[string]unread
	mixed     map[string]mixed
}

// mixed counts the values of a column of names that also holds numbers.
type mixed struct {
	numbers, others int    // how many values are numbers, and how many are not
	first           unread // the first value that is not a number
}

// note describes the column of the file in two sentences.
func (m mixed) note(file, column string) string {
	are := "are not numbers"
	if m.others == 1 {
		are = "is not a number"
	}
	return fmt.Sprintf("%s: read as names, because line %d holds %.40q; %d of %d values %s. Use -numeric %s to count such values as missing.",
		file, m.first.line, m.first.text, m.others, m.numbers+m.others, are, column)
}

// unread counts the values of a column of numbers that are not numbers. Such values count as
// missing.
type unread struct {
	count int
	line  int    // the line of the first such value
	text  string // the first such value
}

// add adds the unread values of another part of the column.
func (u *unread) add(others unread) {
	if others.count > 0 && (u.count == 0 || others.line < u.line) {
		u.line, u.text = others.line, others.text
	}
	u.count += others.count
}

// note describes the values of the file in a sentence.
func (u unread) note(file string) string {
	if u.count == 1 {
		return fmt.Sprintf("%s: 1 value is not a number and counts as missing, %.40q on line %d.", file, u.text, u.line)
	}
	return fmt.Sprintf("%s: %d values are not numbers and count as missing, the first %.40q on line %d.", file, u.count, u.text, u.line)
}

// column collects the values of a column of numbers or of names.
type column struct {
	name    string
	kind    drift.Kind
	strict  bool // a spelling of a missing number counts as unread
	numbers []float64
	parts   [][]float64 // further numbers
	unread  unread
	codes   []int32
	levels  []string
	lines   []int            // the first line of each level
	code    map[string]int32 // the code of each level
}

// isMissing reports whether the text is a usual spelling of a missing number.
func isMissing(text []byte) bool {
	// This test is quick, and it is enough for nearly every number.
	return (len(text) < 2 || text[0] > '9') && spellsMissing(text)
}

func spellsMissing(text []byte) bool {
	switch string(text) {
	case "", "-", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None":
		return true
	}
	return false
}

// add appends the value that text stands for.
func (c *column) add(line int, text []byte) {
	switch {
	case c.kind == drift.KindCategorical && len(text) == 0:
		c.codes = append(c.codes, -1)
	case c.kind == drift.KindCategorical:
		code, known := c.code[string(text)]
		if !known {
			code = c.level(strings.ToValidUTF8(string(text), "\ufffd"), line)
		}
		c.codes = append(c.codes, code)
	case isMissing(text):
		if c.strict && len(text) > 0 {
			c.unread.add(unread{count: 1, line: line, text: string(text)})
		}
		c.numbers = append(c.numbers, math.NaN())
	default:
		x, err := strconv.ParseFloat(string(text), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			c.unread.add(unread{count: 1, line: line, text: string(text)})
			x = math.NaN()
		}
		c.numbers = append(c.numbers, x)
	}
}

// addMissing appends missing values.
func (c *column) addMissing(n int) {
	for range n {
		c.add(0, nil)
	}
}

// level returns the code of a level that occurs on the line. The level may be new.
func (c *column) level(name string, line int) int32 {
	code, known := c.code[name]
	if !known {
		code = int32(len(c.levels))
		c.levels = append(c.levels, name)
		c.lines = append(c.lines, line)
		c.code[name] = code
	}
	c.lines[code] = min(c.lines[code], line)
	return code
}

// mixed counts the numbers among the names. A missing value is not counted.
func (c *column) mixed() mixed {
	counts := make([]int, len(c.levels))
	for _, code := range c.codes {
		if code >= 0 {
			counts[code]++
		}
	}
	var m mixed
	for i, level := range c.levels {
		if isMissing([]byte(level)) {
			continue
		}
		if _, err := strconv.ParseFloat(level, 64); err == nil || errors.Is(err, strconv.ErrRange) {
			m.numbers += counts[i]
			continue
		}
		m.others += counts[i]
		m.first.add(unread{count: counts[i], line: c.lines[i], text: level})
	}
	return m
}

func (c *column) drift() drift.Column {
	if c.kind == drift.KindCategorical {
		return drift.CategoricalCodes(c.name, c.codes, c.levels)
	}
	return drift.Numeric(c.name, c.numbers)
}

// reset forgets the values.
func (c *column) reset() {
	c.numbers, c.codes, c.levels, c.lines, c.unread = c.numbers[:0], c.codes[:0], c.levels[:0], c.lines[:0], unread{}
	clear(c.code)
}

// layout says which columns of a file are read, and as which kind.
type layout struct {
	kinds   map[string]drift.Kind
	numeric []string // as in [reference]
	header  []string
}

// begin takes the header of a file. Two columns of one name are an error.
func (l *layout) begin(header []string) error {
	for i, name := range header {
		if slices.Contains(header[:i], name) {
			return fmt.Errorf("two columns have the name %q", name)
		}
	}
	l.header = header
	return nil
}

// columns returns empty columns. place says for each field of a record which column the field
// belongs to; it is -1 for a field that is not read.
func (l *layout) columns() (columns []*column, place []int) {
	for _, name := range l.header {
		kind, wanted := l.kinds[name]
		if !wanted {
			place = append(place, -1)
			continue
		}
		place = append(place, len(columns))
		columns = append(columns, &column{
			name: name, kind: kind, strict: slices.Contains(l.numeric, name), code: make(map[string]int32)})
	}
	return columns, place
}

// parser parses blocks into columns of its own.
type parser struct {
	columns []*column
	place   []int
}

func newParser(l *layout) *parser {
	p := new(parser)
	p.columns, p.place = l.columns()
	return p
}

// parse replaces the values of the columns by the values of the block. It returns the number
// of rows.
func (p *parser) parse(b block) (rows int, err error) {
	for _, c := range p.columns {
		c.reset()
	}
	err = b.records(len(p.place), func(line, field int, text []byte) {
		if field == 0 {
			rows++
		}
		if at := p.place[field]; at >= 0 {
			p.columns[at].add(line, text)
		}
	})
	return rows, err
}

// batch returns the columns for drift.
func (p *parser) batch() []drift.Column {
	batch := make([]drift.Column, len(p.columns))
	for i, c := range p.columns {
		batch[i] = c.drift()
	}
	return batch
}

// errTexts ends the reading of a reference if a column of names was read as numbers.
var errTexts = errors.New("a column of names was read as numbers")

// readReference reads the whole file. Each column is first read as numbers. If a value is not
// a number, the file is read again with the column as names.
func readReference(ctx context.Context, path string, set settings) (*reference, error) {
	texts := make(map[string]bool)
	for _, name := range set.categorical {
		texts[name] = true
	}
	for {
		columns, err := readColumns(ctx, path, set, texts)
		if errors.Is(err, errTexts) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r := &reference{
			kinds: make(map[string]drift.Kind), numeric: set.numeric,
			unread: make(map[string]unread), mixed: make(map[string]mixed),
		}
		batch := make([]drift.Column, len(columns))
		for i, c := range columns {
			c.numbers, c.parts = slices.Concat(c.parts...), nil
			batch[i] = c.drift()
			r.kinds[c.name] = c.kind
			r.unread[c.name] = c.unread
			if c.kind == drift.KindCategorical && !slices.Contains(set.categorical, c.name) {
				if m := c.mixed(); m.numbers > m.others {
					r.mixed[c.name] = m
				}
			}
		}
		if r.reference, err = drift.NewReference(batch, drift.ReferenceConfig{}); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return r, nil
	}
}

// readColumns reads all columns that are not ignored. The columns in texts are read as names,
// the others as numbers. A column that turns out not to hold numbers is added to texts; then
// the error is errTexts.
func readColumns(ctx context.Context, path string, set settings, texts map[string]bool) ([]*column, error) {
	l := &layout{kinds: make(map[string]drift.Kind), numeric: set.numeric}
	var mu sync.Mutex
	var all []*column // guarded by mu, as is texts
	var parsers sync.Pool
	begin := func(header []string) error {
		if err := set.check(header); err != nil {
			return err
		}
		for _, name := range header {
			switch {
			case slices.Contains(set.ignore, name):
			case texts[name]:
				l.kinds[name] = drift.KindCategorical
			default:
				l.kinds[name] = drift.KindNumeric
			}
		}
		if err := l.begin(header); err != nil {
			return err
		}
		all, _ = l.columns()
		return nil
	}
	err := scan(ctx, path, begin, func(b block) error {
		p, _ := parsers.Get().(*parser)
		if p == nil {
			p = newParser(l)
		}
		defer parsers.Put(p)
		if _, err := p.parse(b); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		var err error
		for i, c := range p.columns {
			if c.unread.count > 0 && !slices.Contains(set.numeric, c.name) {
				texts[c.name] = true
				err = errTexts
			}
			all[i].append(c)
		}
		return err
	})
	return all, err
}

// append adds the values of the other column. It keeps no memory of the other column.
func (c *column) append(other *column) {
	c.parts = append(c.parts, slices.Clone(other.numbers)) // a slice that grows needs more memory
	c.unread.add(other.unread)
	codes := make([]int32, len(other.levels))
	for i, level := range other.levels {
		codes[i] = c.level(level, other.lines[i])
	}
	for _, code := range other.codes {
		if code >= 0 {
			code = codes[code]
		}
		c.codes = append(c.codes, code)
	}
}

// current is a file that is counted on the cells of the reference.
type current struct {
	profile *drift.Profile
	unread  map[string]unread
	absent  []string // the columns that the file lacks; their values count as missing
}

// readProfile counts a file on the cells of the reference. Each worker fills a profile of its
// own. The sum of profiles is exact in any order.
func readProfile(ctx context.Context, path string, r *reference) (*current, error) {
	l := &layout{kinds: r.kinds, numeric: r.numeric}
	counted := &current{profile: r.reference.NewProfile(), unread: make(map[string]unread)}
	begin := func(header []string) error {
		for _, name := range r.reference.Names() {
			if !slices.Contains(header, name) {
				counted.absent = append(counted.absent, name)
			}
		}
		return l.begin(header)
	}
	type worker struct {
		*parser
		profile *drift.Profile
	}
	var mu sync.Mutex
	var idle, all []*worker // guarded by mu, as is counted
	take := func() *worker {
		mu.Lock()
		defer mu.Unlock()
		if n := len(idle); n > 0 {
			w := idle[n-1]
			idle = idle[:n-1]
			return w
		}
		w := &worker{parser: newParser(l), profile: r.reference.NewProfile()}
		for _, name := range counted.absent {
			w.columns = append(w.columns, &column{name: name, kind: r.kinds[name]})
		}
		all = append(all, w)
		return w
	}
	err := scan(ctx, path, begin, func(b block) error {
		w := take()
		rows, err := w.parse(b)
		mu.Lock()
		for _, c := range w.columns {
			sum := counted.unread[c.name]
			sum.add(c.unread)
			counted.unread[c.name] = sum
		}
		mu.Unlock()
		if err != nil {
			return err
		}
		for _, c := range w.columns[len(w.columns)-len(counted.absent):] {
			c.addMissing(rows)
		}
		err = w.profile.Add(w.batch())
		mu.Lock()
		idle = append(idle, w)
		mu.Unlock()
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		if err := counted.profile.Merge(w.profile); err != nil {
			return nil, err
		}
	}
	return counted, nil
}
