package csvlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile/csvrow"
)

// Scan implements [predictlog.Store]. Scan opens only the files of days that q touches, one
// after the other, in the order of the days, of schemas within a day, and of rows within a
// file. A file is divided into parts of some 256 KiB. If this Store has scanned the file
// before, Scan reads only the parts with times that q may select, and what was appended
// since. A file that is pruned meanwhile may be passed over.
//
// Rows that cannot be read are passed over and reported, see [Config.OnUnreadable]. If they
// are more than 10 and more than 1 % of the rows of a file, the sequence ends with an error
// after the other rows of that file. A first row that does not name the columns is an error
// too.
func (s *Store) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		filter := newFilter(q)
		var stopped bool
		err := s.scan(ctx, q, func(from source) takeRow {
			decoder := newDecoder(from.layout, s.own)
			return func(row []byte, _ int) (at rowTime, stop bool, err error) {
				r, at, matches, err := decoder.decode(row, filter)
				stopped = matches && err == nil && !yield(r, nil)
				return at, stopped, err
			}
		})
		if err != nil && !stopped {
			yield(predictlog.Record{}, fmt.Errorf("csvlog: scan: %w", err))
		}
	}
}

// takeRow takes a row without its line end, which takeRow may modify, and the number of its
// quotes. It returns the row's time, whether the scan is to end, and an error if the row
// cannot be read.
type takeRow func(row []byte, quotes int) (at rowTime, stop bool, err error)

// scan reads the rows of all files that q touches; open returns the function that takes the
// rows of a file.
func (s *Store) scan(ctx context.Context, q predictlog.Query, open func(source) takeRow) error {
	sources, err := s.sources(ctx, q)
	if err != nil {
		return err
	}
	for _, from := range sources {
		stopped, err := s.scanFile(ctx, from, q, open(from))
		if stopped || err != nil {
			return err
		}
	}
	return nil
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
	s.forgetRemoved(entries)
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

// forgetRemoved forgets files that are not in the folder any longer, whoever removed them.
func (s *Store) forgetRemoved(entries []fs.DirEntry) {
	there := make(map[string]bool, len(entries))
	for _, entry := range entries {
		there[filepath.Join(s.dir, entry.Name())] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.blocks, func(path string, _ *blocks) bool { return !there[path] })
	maps.DeleteFunc(s.reported, func(path string, _ int) bool { return !there[path] })
}

// layoutOf returns the layout whose fingerprint begins with short, or nil. A schema is listed
// before its first file is made, so an unknown schema has just been listed.
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

// scanFile reads the rows of a file that q may select, among those that are committed when
// the file is opened.
func (s *Store) scanFile(ctx context.Context, from source, q predictlog.Query, take takeRow) (stopped bool, err error) {
	file, known, err := s.openBlocks(ctx, from)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it was pruned since it was listed
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	scan := fileScan{
		file: file, take: take, unreadable: Unreadable{Path: from.path},
		buf: make([]byte, min(scanBuffer, file.Size()+1)),
	}
	header, err := scan.header(from.layout)
	if err != nil || header.end == 0 {
		return false, err
	}
	if known != nil {
		var spans []span
		spans, scan.count = known.spans(q.Micros())
		for _, span := range spans {
			if stopped, err := scan.rows(ctx, span, nil); stopped || err != nil {
				s.report(scan.unreadable)
				return stopped, err
			}
		}
	}
	builder := newBlockBuilder(known, header)
	stopped, err = scan.rows(ctx, span{offset: builder.end, end: file.Size(), lines: builder.lines}, builder)
	s.report(scan.unreadable)
	err = errors.Join(err, s.keepBlocks(from.path, builder.blocks, file))
	if err == nil && !stopped {
		err = scan.unreadable.check(scan.count)
	}
	return stopped, err
}

// fileScan is the scan of a file.
type fileScan struct {
	file       *appendfile.Committed
	take       takeRow
	buf        []byte
	count      int // of the rows so far, with those that are spared
	unreadable Unreadable
}

// header checks the first row and returns its span and its lines. The span of a file without
// a row is empty.
func (f *fileScan) header(l *layout) (span, error) {
	rows := rowScanner{r: f.file.Section(0, f.file.Size()), buf: make([]byte, min(4<<10, len(f.buf)))}
	row, line, _, err := rows.next()
	if errors.Is(err, io.EOF) {
		return span{}, nil
	}
	if err != nil {
		return span{}, err
	}
	header := span{end: int64(len(row)), lines: rows.lines}
	if err := l.checkHeader(trimRow(row, true)); err != nil {
		return span{}, fmt.Errorf("%s:%d: %w", f.unreadable.Path, line, err)
	}
	return header, nil
}

// rows reads the rows of a span. builder, if not nil, makes blocks of them.
func (f *fileScan) rows(ctx context.Context, span span, builder *blockBuilder) (stopped bool, err error) {
	rows := rowScanner{r: f.file.Section(span.offset, span.end-span.offset), buf: f.buf, lines: span.lines}
	defer func() { f.buf = rows.buf }()
	for offset := span.offset; ; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		row, line, quotes, err := rows.next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		offset += int64(len(row))
		if row = trimRow(row, false); len(row) > 0 {
			f.count++
			at, stop, err := f.take(row, quotes)
			if err != nil {
				f.unreadable.add(line, err)
			}
			if builder != nil {
				builder.add(at)
			}
			stopped = stop
		}
		if builder != nil {
			builder.endRow(offset, rows.lines)
		}
		if stopped {
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

// next returns a row with its line end, valid until the next call, the number of its first
// line and the number of its quotes. At the end it returns [io.EOF].
func (s *rowScanner) next() (row []byte, line, quotes int, err error) {
	for {
		if n, lines, quotes := csvrow.Len(s.buf[s.start:s.end]); n > 0 {
			row = s.buf[s.start : s.start+n]
			line = s.lines + 1
			s.start += n
			s.lines += lines
			return row, line, quotes, nil
		}
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
		if s.end == len(s.buf) {
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil && n == 0 {
			return nil, 0, 0, err
		}
	}
}
