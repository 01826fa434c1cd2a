package csvlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// Scan implements [predictlog.Store]. It opens only the files of days that q touches, one
// after the other, in the order of the days, of schemas within a day, and of rows within
// a file. Records of another schema have the columns that both have by name and kind;
// other columns are missing, and a row with a class that the store's target lacks cannot
// be read.
//
// Rows that cannot be read are passed over and reported, see [Config.OnUnreadable]. If they
// are more than 10 and more than 1 % of the rows of a file, the sequence ends with an
// error after the others of that file. A first row that does not name the columns is an
// error too.
func (s *Store) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		sources, err := s.sources(ctx, q)
		for _, from := range sources {
			var stopped bool
			stopped, err = s.scanFile(ctx, from, q, yield)
			if stopped {
				return
			}
			if err != nil {
				break
			}
		}
		if err != nil {
			yield(predictlog.Record{}, fmt.Errorf("csvlog: scan: %w", err))
		}
	}
}

// source is a file to be scanned.
type source struct {
	path   string
	layout *layout
}

// sources lists the files that q touches, in the order of their names.
func (s *Store) sources(ctx context.Context, q predictlog.Query) ([]source, error) {
	if err := s.acquire(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var sources []source
	for _, entry := range entries {
		day, short, ok := parseFileName(entry.Name())
		if !ok || !touches(q, day) {
			continue
		}
		path := filepath.Join(s.dir, entry.Name())
		l, err := s.layoutOf(ctx, short)
		if err != nil {
			return nil, err
		}
		if l == nil {
			return nil, fmt.Errorf("%s: its schema is not in %s", path, s.schemas.path)
		}
		sources = append(sources, source{path: path, layout: l})
	}
	return sources, nil
}

// layoutOf returns the layout whose fingerprint begins so, or nil. A schema is listed
// before its first file is made, so one that is not known yet has just been listed.
func (s *Store) layoutOf(ctx context.Context, short string) (*layout, error) {
	if l, ok := s.schemas.byShort[short]; ok {
		return l, nil
	}
	if err := s.schemas.refresh(ctx); err != nil {
		return nil, err
	}
	return s.schemas.byShort[short], nil
}

// parseFileName undoes layout.fileName.
func parseFileName(name string) (day time.Time, short string, ok bool) {
	stem, isCSV := strings.CutSuffix(name, ".csv")
	date, short, _ := strings.Cut(stem, ".")
	day, err := time.Parse(time.DateOnly, date)
	return day, short, isCSV && err == nil && len(short) == shortLength
}

// touches reports whether q may select a record of the day.
func touches(q predictlog.Query, day time.Time) bool {
	return (q.From.IsZero() || q.From.Before(day.AddDate(0, 0, 1))) && (q.To.IsZero() || q.To.After(day))
}

// scanFile yields the records of a file. The rows are those that are committed when it
// is opened.
func (s *Store) scanFile(ctx context.Context, from source, q predictlog.Query, yield func(predictlog.Record, error) bool) (stopped bool, err error) {
	snapshot, size, err := appendfile.Snapshot(ctx, from.path, s.fileConfig())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	rows := rowScanner{r: snapshot, buf: make([]byte, min(scanBuffer, size+1))}
	decoder := newDecoder(from.layout, s.own)
	unreadable, count := Unreadable{Path: from.path}, 0
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		row, line, err := rows.next()
		if errors.Is(err, io.EOF) {
			s.report(unreadable)
			return false, unreadable.check(count)
		}
		if err != nil {
			return false, err
		}
		row = trimRow(row, first)
		if first {
			if err := from.layout.checkHeader(row); err != nil {
				return false, fmt.Errorf("%s:%d: %w", from.path, line, err)
			}
			continue
		}
		if len(row) == 0 {
			continue
		}
		count++
		r, matches, err := decoder.decode(row, q)
		if err != nil {
			unreadable.add(line, err)
			continue
		}
		if matches && !yield(r, nil) {
			s.report(unreadable)
			return true, nil
		}
	}
}

// scanBuffer is large enough that reading costs little beside parsing. A smaller file
// gets a buffer of its own size: a window of quiet days is many small files.
const scanBuffer = 256 << 10

// rowScanner splits whole rows from a reader, in memory bounded by the longest row.
type rowScanner struct {
	r          io.Reader
	buf        []byte
	start, end int // of what was read and not returned
	lines      int // that were returned
}

// next returns a row with its line end, valid until the next call, and the number of its
// first line. At the end it returns [io.EOF].
func (s *rowScanner) next() (row []byte, line int, err error) {
	for {
		if n, lines := nextRow(s.buf[s.start:s.end]); n > 0 {
			row = s.buf[s.start : s.start+n]
			line = s.lines + 1
			s.start += n
			s.lines += lines
			return row, line, nil
		}
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
		if s.end == len(s.buf) {
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil && n == 0 {
			return nil, 0, err
		}
	}
}
