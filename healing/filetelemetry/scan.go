package filetelemetry

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// Scan implements [healing.Telemetry]. It holds the points of one day in memory; with
// PointQuery.Last it holds those of as many days as it needs.
func (s *Store) Scan(ctx context.Context, q healing.PointQuery) iter.Seq2[healing.Point, error] {
	return func(yield func(healing.Point, error) bool) {
		if err := s.scan(ctx, q, yield); err != nil {
			yield(healing.Point{}, fmt.Errorf("filetelemetry: scan: %w", err))
		}
	}
}

// scan returns an error that ends the sequence.
func (s *Store) scan(ctx context.Context, q healing.PointQuery, yield func(healing.Point, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(s.pending()); err == nil { // of a process that writes, or was killed
		if err := s.exclusively(ctx, func() error { return nil }); err != nil {
			return err
		}
	}
	dir := filepath.Join(s.dir, folderOf(q.Series))
	days, err := daysIn(dir, q)
	if err != nil {
		return err
	}
	read := func(day string) ([]found, error) { return readDay(ctx, filepath.Join(dir, day+fileEnding), day, q) }
	if q.Last > 0 {
		return yieldLast(days, q.Last, read, yield)
	}
	for _, day := range days {
		list, err := read(day)
		if err != nil {
			return err
		}
		for _, f := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(f.yielded()) {
				return nil
			}
		}
	}
	return nil
}

// yieldLast yields the latest n points, and the damaged ones among them.
func yieldLast(days []string, n int, read func(day string) ([]found, error), yield func(healing.Point, error) bool) error {
	var all []found
	have := 0
	for _, day := range slices.Backward(days) {
		list, err := read(day)
		if err != nil {
			return err
		}
		for i := len(list) - 1; i >= 0 && have < n; i-- {
			all = append(all, list[i])
			if list[i].err == nil {
				have++
			}
		}
		if have == n {
			break
		}
	}
	for _, f := range slices.Backward(all) {
		if !yield(f.yielded()) {
			return nil
		}
	}
	return nil
}

// daysIn returns the days with a file that may hold points of q, in order.
func daysIn(dir string, q healing.PointQuery) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var days []string
	for _, e := range entries {
		day, ok := strings.CutSuffix(e.Name(), fileEnding)
		if !ok || !isDay(day) || !q.From.IsZero() && day < dayOf(q.From) || !q.To.IsZero() && day > dayOf(q.To) {
			continue
		}
		days = append(days, day)
	}
	return days, nil
}

// found is a point, or an error about a damaged one.
type found struct {
	line
	path string
}

func (f found) yielded() (healing.Point, error) {
	err := f.err
	if err == nil {
		if f.point.Data, err = f.content(); err == nil {
			return f.point, nil
		}
	}
	return f.point, fmt.Errorf("%w: %s:%d: %w", healing.ErrDamaged, f.path, f.number, err)
}

// readDay returns the points of a file that q matches, in order.
func readDay(ctx context.Context, path, day string, q healing.PointQuery) ([]found, error) {
	start, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, err
	}
	latest := map[key]found{}
	var list []found
	err = eachLine(ctx, path, func(l line) {
		if l.err != nil {
			if dayOf(l.point.Time) != day { // not known
				l.point = healing.Point{Time: start}
			}
			l.point.Series = q.Series
		}
		unknown := l.err != nil && l.point.Time.Equal(start) // it may be in the bounds
		switch {
		case l.point.Series != q.Series,
			!q.From.IsZero() && l.point.Time.Before(q.From) && !unknown,
			!q.To.IsZero() && !l.point.Time.Before(q.To):
		case l.err != nil:
			list = append(list, found{l, path})
		default:
			latest[keyOf(l.point)] = found{l, path}
		}
	})
	if errors.Is(err, fs.ErrNotExist) { // pruned meanwhile
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, f := range latest {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Or(a.point.Compare(b.point), a.number-b.number) })
	return list, nil
}

// eachLine calls do with the committed lines of a file.
func eachLine(ctx context.Context, path string, do func(line)) (err error) {
	snapshot, _, err := appendfile.Snapshot(ctx, path, appendfile.Config{Boundary: whole, MaxRecord: maxPut})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	r := bufio.NewReaderSize(snapshot, 64<<10)
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		l := parseLine(text[:len(text)-1])
		l.number = number
		do(l)
	}
}

// replace replaces the content of the file by the lines.
func replace(ctx context.Context, file *appendfile.File, lines []line) (err error) {
	tx, err := file.Begin(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	return tx.Replace(func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		for _, l := range lines {
			if _, err := b.Write(sealLine(nil, flagLast, l.rest)); err != nil {
				return err
			}
		}
		return b.Flush()
	})
}
