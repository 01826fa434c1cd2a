package csvlog

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile/csvrow"
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
	for len(p) > 0 {
		n, _, _ := csvrow.Len(p)
		row := trimRow(p[:n], offset == 0)
		if offset > 0 {
			f.indexRow(row, offset)
		} else if err := f.layout.checkHeader(row); err != nil {
			return fmt.Errorf("%s:1: %w", f.path, err)
		}
		p = p[n:]
		offset += int64(n)
	}
	return nil
}

// indexRow indexes a row, unless its ID cannot be read: no record can have that ID, and a
// Scan reports the row.
func (f *file) indexRow(row []byte, offset int64) {
	if len(row) == 0 {
		return
	}
	if id, err := firstCell(row); err == nil {
		f.index.add(maphash.Bytes(f.seed, id.Text), offset)
	}
}

// readRow returns the row that begins at offset, with its line end.
func readRow(r io.ReaderAt, offset int64) ([]byte, error) {
	for size := 4 << 10; ; size *= 2 {
		p := make([]byte, size)
		n, err := r.ReadAt(p, offset)
		if length, _, _ := csvrow.Len(p[:n]); length > 0 {
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
