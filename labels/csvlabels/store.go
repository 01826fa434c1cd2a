package csvlabels

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// maxRecord bounds the bytes of one label in the file, above the longest that a feed can
// send.
const maxRecord = 4 << 20

// Config tunes a [Store]. The zero Config is valid.
type Config struct {
	// NoSync leaves it to the operating system when appended labels reach the disk: a
	// power failure loses the last of them, a killed process none.
	NoSync bool
	// Logger receives a warning for each torn label that was set aside. Nil is silent.
	Logger *slog.Logger
	// OnTorn, if not nil, is called for each torn label after it was set aside, within
	// the Append that found it. It must not use the store.
	OnTorn func(appendfile.Torn)
}

// Store is a [labels.Store] and a [labels.Pruner] on a file. All methods are safe for
// concurrent use, and wait while an Append or a Prune of any process is under way.
type Store struct {
	path string
	cfg  appendfile.Config

	mu     sync.Mutex
	table  *table // guarded by mu; of the file that had the name when last looked
	closed bool   // guarded by mu
}

// Open opens the file at path and reads it into memory. Open creates the file and the folders
// above it if they do not exist. A file that cannot be read as labels is an error.
func Open(path string, cfg Config) (*Store, error) {
	s := &Store{path: path, cfg: appendfile.Config{
		Boundary:  appendfile.CSVBoundary,
		MaxRecord: maxRecord,
		NoSync:    cfg.NoSync,
		Logger:    cfg.Logger,
		OnTorn:    cfg.OnTorn,
	}}
	var err error
	for {
		if s.table, err = openTable(context.Background(), path, s.cfg); err == nil {
			return s, nil
		}
		if !errors.Is(err, appendfile.ErrReplaced) { // by a Prune, just now
			return nil, fmt.Errorf("csvlabels: open: %w", err)
		}
	}
}

// Close waits for a running method and closes the file. Every later call, including a second
// Close, is an error that wraps [os.ErrClosed].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if err := s.table.file.Close(); err != nil {
		return fmt.Errorf("csvlabels: %w", err)
	}
	return nil
}

// do calls use on the file with the name, and once more if the file was replaced.
func (s *Store) do(ctx context.Context, use func(*table) error) error {
	for {
		s.mu.Lock()
		t := s.table
		s.mu.Unlock()
		err := use(t)
		if !errors.Is(err, appendfile.ErrReplaced) && !errors.Is(err, os.ErrClosed) {
			return err
		}
		if again, failed := s.reopen(ctx, t); failed != nil || !again {
			return cmp.Or(failed, err)
		}
	}
}

// reopen opens the file that now has the name, unless another goroutine has done so since t
// was replaced. It reports false if the store is closed.
func (s *Store) reopen(ctx context.Context, t *table) (again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.table != t {
		return !s.closed, nil
	}
	if _, err := os.Stat(s.path); err != nil { // Open would make an empty one
		return false, err
	}
	next, err := openTable(ctx, s.path, s.cfg)
	if errors.Is(err, appendfile.ErrReplaced) {
		return true, nil // and again, just now
	}
	if err != nil {
		return false, err
	}
	s.table = next
	return true, t.file.Close()
}

// Append implements [labels.Store].
func (s *Store) Append(ctx context.Context, ls ...labels.Label) error {
	for _, l := range ls {
		if err := l.Check(); err != nil {
			return err
		}
	}
	if err := s.do(ctx, func(t *table) error { return t.append(ctx, ls) }); err != nil {
		return fmt.Errorf("csvlabels: append: %w", err)
	}
	return nil
}

// Lookup implements [labels.Store].
func (s *Store) Lookup(ctx context.Context, predictionIDs ...string) (map[string]labels.Label, error) {
	return s.LookupAsOf(ctx, time.Time{}, predictionIDs...)
}

// LookupAsOf implements [labels.Store].
func (s *Store) LookupAsOf(ctx context.Context, arrivedBy time.Time, predictionIDs ...string) (found map[string]labels.Label, err error) {
	err = s.do(ctx, func(t *table) error {
		if err := t.catchUp(ctx); err != nil {
			return err
		}
		found = t.lookup(arrivedBy, predictionIDs)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("csvlabels: lookup: %w", err)
	}
	return found, nil
}

// Scan implements [labels.Store]. Scan reads the file, holds no lock while it yields, and
// passes over labels appended meanwhile. A revision that was copied by hand is yielded as
// often as it is in the file.
func (s *Store) Scan(ctx context.Context, q labels.Query) iter.Seq2[labels.Label, error] {
	return func(yield func(labels.Label, error) bool) {
		goesOn := true
		err := s.scan(ctx, func(l labels.Label) bool {
			goesOn = !q.Matches(l) || yield(l, nil)
			return goesOn
		})
		if err != nil && goesOn {
			yield(labels.Label{}, fmt.Errorf("csvlabels: scan: %w", err))
		}
	}
}

// scan calls each with every label of the file until it returns false.
func (s *Store) scan(ctx context.Context, each func(labels.Label) bool) error {
	// A store that is closed, and a file that is removed or cannot be read, are errors here.
	if err := s.do(ctx, func(t *table) error { return t.catchUp(ctx) }); err != nil {
		return err
	}
	snapshot, _, err := appendfile.Snapshot(ctx, s.path, s.cfg)
	if err != nil {
		return err
	}
	defer snapshot.Close() // only read from
	d := decoder{path: s.path}
	records := newRecords(snapshot)
	for records.Scan() {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, ok, err := d.decode(records.Bytes())
		if err != nil {
			return err
		}
		if ok && !each(l) {
			return nil
		}
	}
	return records.Err()
}

// newRecords returns a scanner of the records of a file.
func newRecords(r io.Reader) *bufio.Scanner {
	records := bufio.NewScanner(r)
	records.Buffer(nil, maxRecord+1) // a Scanner wants room for one byte more
	records.Split(splitRecord)
	return records
}
