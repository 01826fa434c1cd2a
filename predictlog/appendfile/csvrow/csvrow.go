// Package csvrow splits CSV (RFC 4180) into rows and cells without changing what is between
// the quotes. Package encoding/csv turns a quoted "\r\n" into "\n", and does not tell an
// empty cell from a quoted empty cell.
package csvrow

import (
	"bytes"
	"errors"
)

// Len returns the length of the first row of p, with its line end, the number of its
// lines and the number of its quotes. The length is 0 if p holds no whole row.
func Len(p []byte) (length, lines, quotes int) {
	for {
		n := bytes.IndexByte(p[length:], '\n')
		if n < 0 {
			return 0, 0, 0
		}
		line := p[length : length+n+1]
		length += len(line)
		lines++
		quotes += bytes.Count(line, []byte{'"'})
		if quotes%2 == 0 {
			return length, lines, quotes
		}
	}
}

// Cell is one cell of a row. Its Text is valid as long as the row.
type Cell struct {
	Text   []byte
	Quoted bool
}

// Missing reports whether the cell is empty and unquoted.
func (c Cell) Missing() bool { return len(c.Text) == 0 && !c.Quoted }

// Cells are the cells of a row, from first to last.
type Cells struct {
	rest []byte
	done bool
}

// NewCells returns the cells of a row without its line end. A row has at least one cell. To
// undouble quotes, [Cells.Next] modifies the row.
func NewCells(row []byte) Cells { return Cells{rest: row} }

// Done reports whether the last cell was read.
func (c *Cells) Done() bool { return c.done }

var (
	errTooFew     = errors.New("missing: the row has too few cells")
	errBareQuote  = errors.New("a quote in a cell that is not quoted")
	errAfterQuote = errors.New("text after the closing quote")
	errOpenQuote  = errors.New("no closing quote")
)

// Next returns the next cell. A malformed cell, and a call after the last cell, are errors.
func (c *Cells) Next() (Cell, error) {
	if c.done {
		return Cell{}, errTooFew
	}
	if len(c.rest) > 0 && c.rest[0] == '"' {
		return c.nextQuoted()
	}
	for i, b := range c.rest {
		switch b {
		case ',':
			text := c.rest[:i]
			c.rest = c.rest[i+1:]
			return Cell{Text: text}, nil
		case '"':
			return Cell{}, errBareQuote
		}
	}
	c.done = true
	return Cell{Text: c.rest}, nil
}

func (c *Cells) nextQuoted() (Cell, error) {
	p := c.rest[1:]
	read, kept := 0, 0 // the text moves to the front over the quotes undone
	for {
		n := bytes.IndexByte(p[read:], '"')
		if n < 0 {
			return Cell{}, errOpenQuote
		}
		kept += copy(p[kept:], p[read:read+n])
		read += n + 1
		text := Cell{Text: p[:kept], Quoted: true}
		if read == len(p) {
			c.done = true
			return text, nil
		}
		switch p[read] {
		case ',':
			c.rest = p[read+1:]
			return text, nil
		case '"':
			p[kept] = '"'
			kept++
			read++
		default:
			return Cell{}, errAfterQuote
		}
	}
}
