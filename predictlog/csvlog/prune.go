package csvlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Prune implements [predictlog.Pruner]. It removes the files of UTC days that were over
// before the given time, with their torn records, and leaves every other day whole. Appends
// of all processes wait meanwhile. On Windows a file that is open anywhere cannot be removed,
// which is an error; Prune can then be repeated.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	if err := s.prune(ctx, before); err != nil {
		return fmt.Errorf("csvlog: prune: %w", err)
	}
	return nil
}

func (s *Store) prune(ctx context.Context, before time.Time) (err error) {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	folder, err := s.schemas.file.Begin(ctx, s.schemas.observe)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Rollback()) }()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	isOver := func(day time.Time) bool { return !day.AddDate(0, 0, 1).After(before) }
	var errs []error
	errs = append(errs, s.closeDays(slices.DeleteFunc(slices.Clone(s.days), func(d *day) bool {
		begins, err := time.Parse(time.DateOnly, d.name)
		return err != nil || !isOver(begins)
	})))
	for _, entry := range entries {
		name, _, _ := strings.Cut(entry.Name(), ".torn-") // as package appendfile names what it sets aside
		day, _, ok := parseFileName(name)
		if !ok || !isOver(day) {
			continue
		}
		path := filepath.Join(s.dir, entry.Name())
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
