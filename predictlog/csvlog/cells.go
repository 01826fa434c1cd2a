package csvlog

import (
	"bytes"
	"errors"
)

var byteOrderMark = []byte("\ufeff")

// nextRow returns the length of the first row of p, with its line end, the number of its
// lines and the number of its quotes. The length is 0 if p holds no whole row.
func nextRow(p []byte) (length, lines, quotes int) {
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

// cell is one cell of a row. Its text is valid as long as the row.
type cell struct {
	text   []byte
	quoted bool
}

// missing reports whether the cell is empty and unquoted.
func (c cell) missing() bool { return len(c.text) == 0 && !c.quoted }

// cells splits a row. It modifies the row to undouble quotes.
type cells struct {
	rest []byte
	done bool // the last cell was read
}

var (
	errTooFew     = errors.New("missing: the row has too few cells")
	errBareQuote  = errors.New("a quote in a cell that is not quoted")
	errAfterQuote = errors.New("text after the closing quote")
	errOpenQuote  = errors.New("no closing quote")
)

// next returns the next cell.
func (c *cells) next() (cell, error) {
	if c.done {
		return cell{}, errTooFew
	}
	if len(c.rest) > 0 && c.rest[0] == '"' {
		return c.nextQuoted()
	}
	for i, b := range c.rest {
		switch b {
		case ',':
			text := c.rest[:i]
			c.rest = c.rest[i+1:]
			return cell{text: text}, nil
		case '"':
			return cell{}, errBareQuote
		}
	}
	c.done = true
	return cell{text: c.rest}, nil
}

func (c *cells) nextQuoted() (cell, error) {
	p := c.rest[1:]
	read, kept := 0, 0 // the text moves to the front over the quotes undone
	for {
		n := bytes.IndexByte(p[read:], '"')
		if n < 0 {
			return cell{}, errOpenQuote
		}
		kept += copy(p[kept:], p[read:read+n])
		read += n + 1
		text := cell{text: p[:kept], quoted: true}
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
			return cell{}, errAfterQuote
		}
	}
}
