package csvlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile/csvrow"
)

// day is the open files of one UTC day. An Append calls begin, add for each record,
// write, and then end.
type day struct {
	name  string
	used  time.Time // when an Append last began to
	own   *file     // that of the store's schema, the only one that is written
	files []*file   // own and those of other schemas
	buf   []byte    // the rows to be written
	added []slot    // to the index of own, for these rows
}

func (s *Store) openDay(name string) (*day, error) {
	own, err := s.openFile(filepath.Join(s.dir, s.own.fileName(name)), s.own)
	if err != nil {
		return nil, err
	}
	return &day{name: name, own: own, files: []*file{own}}, nil
}

// isCurrent reports whether all files of the day are still there and not replaced.
func (d *day) isCurrent() (bool, error) {
	for _, f := range d.files {
		if current, err := f.file.IsCurrent(); !current || err != nil {
			return false, err
		}
	}
	return true, nil
}

// begin locks the files of the day and indexes the rows that others have appended.
func (d *day) begin(ctx context.Context, s *Store) error {
	if err := d.openOthers(s); err != nil {
		return err
	}
	for _, f := range d.files {
		tx, err := f.file.Begin(ctx, f.observe)
		if err != nil {
			return err
		}
		f.tx = tx
	}
	d.buf, d.added = d.buf[:0], d.added[:0]
	if d.own.tx.Size() == 0 {
		d.buf = d.own.layout.appendHeader(d.buf)
	}
	return nil
}

// openOthers opens the new files of other schemas.
func (d *day) openOthers(s *Store) error {
	for _, l := range s.schemas.byShort {
		path := filepath.Join(s.dir, l.fileName(d.name))
		if slices.ContainsFunc(d.files, func(f *file) bool { return f.path == path }) {
			continue
		}
		_, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		f, err := s.openFile(path, l)
		if err != nil {
			return err
		}
		d.files = append(d.files, f)
	}
	return nil
}

// add makes a row of the record, unless the record is stored already.
func (d *day) add(r *predictlog.Record) error {
	hash := maphash.String(d.own.seed, r.ID)
	for _, f := range d.files {
		for offset := range f.index.offsets(hash) {
			stored, err := d.stored(f, offset)
			if err != nil {
				return err
			}
			if stored.ID != r.ID {
				continue
			}
			if !stored.Equal(*r) {
				return &predictlog.DuplicateError{ID: r.ID}
			}
			return nil
		}
	}
	offset := d.own.tx.Size() + int64(len(d.buf))
	buf, err := d.own.layout.appendRecord(d.buf, r)
	if err != nil {
		return err
	}
	d.buf = buf
	d.own.index.add(hash, offset)
	d.added = append(d.added, slot{hash, offset})
	return nil
}

// stored returns the record at offset, which may be in a row that is not yet written. For a
// row that cannot be read it returns a record with only the ID, which differs from every
// other record.
func (d *day) stored(f *file, offset int64) (r predictlog.Record, err error) {
	var row []byte
	if pending := offset - f.tx.Size(); f == d.own && pending >= 0 {
		n, _, _ := csvrow.Len(d.buf[pending:])
		row = bytes.Clone(d.buf[pending:][:n])
	} else if row, err = readRow(f.tx, offset); err != nil {
		return r, fmt.Errorf("%s: row at offset %d: %w", f.path, offset, err)
	}
	row = trimRow(row, false)
	id, err := firstCell(row)
	if err != nil { // the file was edited since the row was indexed
		return r, fmt.Errorf("%s: row at offset %d: column %q: %w", f.path, offset, columnID, err)
	}
	unread := predictlog.Record{ID: string(id.Text)}
	if r, _, _, err = f.decoder.decode(row, &filter{from: math.MinInt64, to: math.MaxInt64}); err != nil {
		return unread, nil
	}
	return r, nil
}

func (d *day) write() error {
	if len(d.added) == 0 {
		return nil
	}
	return d.own.tx.Append(d.buf)
}

// end keeps the written rows or removes them, and unlocks the files.
func (d *day) end(commit bool) error {
	if !commit {
		for _, added := range d.added {
			d.own.index.remove(added.hash, added.offset)
		}
	}
	d.added = d.added[:0]
	const most = 4 << 20 // bytes to keep for the next Append
	if cap(d.buf) > most {
		d.buf = nil
	}
	var errs []error
	for _, f := range d.files {
		switch {
		case f.tx == nil:
		case commit:
			errs = append(errs, f.tx.Commit())
		default:
			errs = append(errs, f.tx.Rollback())
		}
		f.tx = nil
	}
	return errors.Join(errs...)
}

func (d *day) close() error {
	var errs []error
	for _, f := range d.files {
		errs = append(errs, f.file.Close())
	}
	return errors.Join(errs...)
}
