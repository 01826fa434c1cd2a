package csvlog

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// file is the open file of a day and a schema, with an index of its rows.
type file struct {
	path    string
	layout  *layout
	decoder *decoder
	seed    maphash.Seed
	file    *appendfile.File
	tx      *appendfile.Tx // of the running Append, or nil
	index   index          // of the rows, by the hash of their IDs
	lines   int            // how many are indexed
}

func (s *Store) openFile(path string, l *layout) (*file, error) {
	f, err := appendfile.Open(path, s.fileConfig())
	if err != nil {
		return nil, err
	}
	return &file{path: path, layout: l, decoder: newDecoder(l, s.own), seed: s.seed, file: f}, nil
}

// observe indexes rows that this store has not written.
func (f *file) observe(p []byte, offset int64) error {
	lines := f.lines
	for len(p) > 0 {
		n, spans := nextRow(p)
		if err := f.indexRow(trimRow(p[:n], offset == 0), offset); err != nil {
			return fmt.Errorf("%s:%d: %w", f.path, lines+1, err)
		}
		p = p[n:]
		offset += int64(n)
		lines += spans
	}
	f.lines = lines
	return nil
}

func (f *file) indexRow(row []byte, offset int64) error {
	if offset == 0 {
		return f.layout.checkHeader(row)
	}
	if len(row) == 0 {
		return nil
	}
	cells := cells{rest: row}
	id, err := cells.next()
	if err != nil {
		return fmt.Errorf("column %q: %w", columnID, err)
	}
	f.index.add(maphash.Bytes(f.seed, id.text), offset)
	return nil
}

// readRow returns the row that begins at offset, with its line end.
func readRow(r io.ReaderAt, offset int64) ([]byte, error) {
	for size := 4 << 10; ; size *= 2 {
		p := make([]byte, size)
		n, err := r.ReadAt(p, offset)
		if length, _ := nextRow(p[:n]); length > 0 {
			return p[:length], nil
		}
		if errors.Is(err, io.EOF) {
			return nil, appendfile.ErrChanged
		}
		if err != nil {
			return nil, err
		}
	}
}
