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

// reference is the training data and how its columns are read.
type reference struct {
	reference *drift.Reference
	kinds     map[string]drift.Kind
}

// column collects the values of a column, of numbers or of names.
type column struct {
	name    string
	kind    drift.Kind
	numbers []float64
	parts   [][]float64 // more numbers
	codes   []int32
	levels  []string
	code    map[string]int32
}

// notNumberError says where in a column of numbers there is something else.
type notNumberError struct {
	line         int
	column, text string
}

func (e *notNumberError) Error() string {
	return fmt.Sprintf("line %d: column %q: %.40q is not a number, as the column's values in the reference are", e.line, e.column, e.text)
}

// add appends the value that text stands for.
func (c *column) add(line int, text []byte) error {
	switch {
	case c.kind == drift.KindCategorical && len(text) == 0:
		c.codes = append(c.codes, -1)
	case c.kind == drift.KindCategorical:
		code, known := c.code[string(text)]
		if !known {
			code = int32(len(c.levels))
			level := strings.ToValidUTF8(string(text), "\ufffd")
			c.levels = append(c.levels, level)
			c.code[string(text)] = code
		}
		c.codes = append(c.codes, code)
	case len(text) == 0:
		c.numbers = append(c.numbers, math.NaN())
	default:
		x, err := parseNumber(text)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return &notNumberError{line: line, column: c.name, text: string(text)}
		}
		c.numbers = append(c.numbers, x)
	}
	return nil
}

func (c *column) drift() drift.Column {
	if c.kind == drift.KindCategorical {
		return drift.CategoricalCodes(c.name, c.codes, c.levels)
	}
	return drift.Numeric(c.name, c.numbers)
}

// reset forgets the values.
func (c *column) reset() {
	c.numbers, c.codes, c.levels = c.numbers[:0], c.codes[:0], c.levels[:0]
	clear(c.code)
}

// layout says which columns of a file are read, and as what.
type layout struct {
	kinds  map[string]drift.Kind
	header []string
}

// begin takes the header of a file that must have all the columns.
func (l *layout) begin(header []string) error {
	for i, name := range header {
		if slices.Contains(header[:i], name) {
			return fmt.Errorf("two columns have the name %q", name)
		}
	}
	for name := range l.kinds {
		if !slices.Contains(header, name) {
			return fmt.Errorf("has no column %q; it has %q", name, header)
		}
	}
	l.header = header
	return nil
}

// columns returns empty columns, and their place for each field of a record: -1 for one
// that is not read.
func (l *layout) columns() (columns []*column, place []int) {
	for _, name := range l.header {
		kind, wanted := l.kinds[name]
		if !wanted {
			place = append(place, -1)
			continue
		}
		place = append(place, len(columns))
		columns = append(columns, &column{name: name, kind: kind, code: make(map[string]int32)})
	}
	return columns, place
}

// parser parses blocks with columns of its own.
type parser struct {
	columns []*column
	place   []int
}

func newParser(l *layout) *parser {
	p := new(parser)
	p.columns, p.place = l.columns()
	return p
}

func (p *parser) parse(b block) error {
	for _, c := range p.columns {
		c.reset()
	}
	return b.records(len(p.place), func(line, field int, text []byte) error {
		if at := p.place[field]; at >= 0 {
			return p.columns[at].add(line, text)
		}
		return nil
	})
}

// batch returns the columns for drift.
func (p *parser) batch() []drift.Column {
	batch := make([]drift.Column, len(p.columns))
	for i, c := range p.columns {
		batch[i] = c.drift()
	}
	return batch
}

// readReference reads the whole file. All columns are taken for numbers until a value is
// none; then the file is read again.
func readReference(ctx context.Context, path string, ignore []string) (*reference, error) {
	texts := make(map[string]bool)
	for {
		columns, err := readColumns(ctx, path, ignore, texts)
		var wrong *notNumberError
		if errors.As(err, &wrong) && !texts[wrong.column] {
			texts[wrong.column] = true
			continue
		}
		if err != nil {
			return nil, err
		}
		r := &reference{kinds: make(map[string]drift.Kind)}
		batch := make([]drift.Column, len(columns))
		for i, c := range columns {
			c.numbers, c.parts = slices.Concat(c.parts...), nil
			batch[i] = c.drift()
			r.kinds[c.name] = c.kind
		}
		if r.reference, err = drift.NewReference(batch, drift.ReferenceConfig{}); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return r, nil
	}
}

// readColumns reads all columns but some; texts are those that are not numbers.
func readColumns(ctx context.Context, path string, ignore []string, texts map[string]bool) ([]*column, error) {
	l := &layout{kinds: make(map[string]drift.Kind)}
	var mu sync.Mutex
	var all []*column // guarded by mu
	var parsers sync.Pool
	begin := func(header []string) error {
		for _, name := range header {
			switch {
			case slices.Contains(ignore, name):
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
		if err := p.parse(b); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for i, c := range p.columns {
			all[i].append(c)
		}
		return nil
	})
	return all, err
}

// append adds the values of the other column, of which c keeps nothing.
func (c *column) append(other *column) {
	c.parts = append(c.parts, slices.Clone(other.numbers)) // a slice that grows needs more memory
	codes := make([]int32, len(other.levels))
	for text, code := range other.code {
		known, ok := c.code[text]
		if !ok {
			known = int32(len(c.levels))
			c.levels = append(c.levels, other.levels[code])
			c.code[text] = known
		}
		codes[code] = known
	}
	for _, code := range other.codes {
		if code >= 0 {
			code = codes[code]
		}
		c.codes = append(c.codes, code)
	}
}

// readProfile counts a file on the cells of the reference. Each worker fills a profile of
// its own; that their sum is exact, whatever the order, is what profiles promise.
func readProfile(ctx context.Context, path string, r *reference) (*drift.Profile, error) {
	l := &layout{kinds: r.kinds}
	type worker struct {
		*parser
		profile *drift.Profile
	}
	var mu sync.Mutex
	var idle, all []*worker // guarded by mu
	take := func() *worker {
		mu.Lock()
		defer mu.Unlock()
		if n := len(idle); n > 0 {
			w := idle[n-1]
			idle = idle[:n-1]
			return w
		}
		w := &worker{parser: newParser(l), profile: r.reference.NewProfile()}
		all = append(all, w)
		return w
	}
	err := scan(ctx, path, l.begin, func(b block) error {
		w := take()
		defer func() {
			mu.Lock()
			idle = append(idle, w)
			mu.Unlock()
		}()
		if err := w.parse(b); err != nil {
			return err
		}
		return w.profile.Add(w.batch())
	})
	if err != nil {
		return nil, err
	}
	total := r.reference.NewProfile()
	for _, w := range all {
		if err := total.Merge(w.profile); err != nil {
			return nil, err
		}
	}
	return total, nil
}
