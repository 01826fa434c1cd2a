package csvlabels

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// maxRecord bounds the bytes of one label in the file, above what a feed can send.
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

// Store is a [labels.Store] on a file. All methods are safe for concurrent use, and
// wait while an Append of any process is under way.
type Store struct {
	path string
	file *appendfile.File

	mu    sync.RWMutex
	index labels.Index // guarded by mu
	lines int          // guarded by mu; of the file, that the index covers
}

// Open opens the file at path, creates it and the folders above it if they are not
// there, and reads it into memory. A file that cannot be read as labels is an error.
func Open(path string, cfg Config) (*Store, error) {
	file, err := appendfile.Open(path, appendfile.Config{
		Boundary:  appendfile.CSVBoundary,
		MaxRecord: maxRecord,
		NoSync:    cfg.NoSync,
		Logger:    cfg.Logger,
		OnTorn:    cfg.OnTorn,
	})
	if err != nil {
		return nil, fmt.Errorf("csvlabels: %w", err)
	}
	s := &Store{path: path, file: file}
	if err := file.View(context.Background(), s.observe); err != nil {
		file.Close() // only read from
		return nil, fmt.Errorf("csvlabels: open: %w", err)
	}
	return s, nil
}

// Close waits for a running method and closes the file. Every later call, a second Close
// too, is an error that wraps [os.ErrClosed].
func (s *Store) Close() error {
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("csvlabels: %w", err)
	}
	return nil
}

// Append implements [labels.Store].
func (s *Store) Append(ctx context.Context, ls ...labels.Label) error {
	for _, l := range ls {
		if err := l.Check(); err != nil {
			return err
		}
	}
	err := s.file.Update(ctx, s.observe, func(size int64) ([]byte, error) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return encode(s.index.Fresh(ls...), size == 0), nil
	})
	if err != nil {
		return fmt.Errorf("csvlabels: append: %w", err)
	}
	return nil
}

// observe adds records that were appended to the file, by whichever process, to the
// index: all or, with an error, none.
func (s *Store) observe(records []byte, _ int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := decoder{path: s.path, lines: s.lines}
	var ls []labels.Label
	for len(records) > 0 {
		n := recordLen(records)
		l, ok, err := d.decode(records[:n])
		if err != nil {
			return err
		}
		if ok {
			ls = append(ls, l)
		}
		records = records[n:]
	}
	for _, l := range ls {
		s.index.Add(l)
	}
	s.lines = d.lines
	return nil
}

// Lookup implements [labels.Store].
func (s *Store) Lookup(ctx context.Context, predictionIDs ...string) (map[string]labels.Label, error) {
	if err := s.file.View(ctx, s.observe); err != nil {
		return nil, fmt.Errorf("csvlabels: lookup: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make(map[string]labels.Label)
	for _, id := range predictionIDs {
		if l, labelled := s.index.Lookup(id); labelled {
			found[id] = l
		}
	}
	return found, nil
}

// Scan implements [labels.Store]. It reads the file, holds no lock while it yields, and
// passes over labels appended meanwhile. A revision that was copied by hand is yielded
// as often as it is in the file.
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
	if err := s.file.View(ctx, s.observe); err != nil { // closed, replaced or not readable
		return err
	}
	snapshot, _, err := appendfile.Snapshot(ctx, s.path, appendfile.Config{
		Boundary:  appendfile.CSVBoundary,
		MaxRecord: maxRecord,
	})
	if err != nil {
		return err
	}
	defer snapshot.Close() // only read from
	d := decoder{path: s.path}
	records := bufio.NewScanner(snapshot)
	records.Buffer(nil, maxRecord+1) // a Scanner wants room for one byte more
	records.Split(splitRecord)
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
