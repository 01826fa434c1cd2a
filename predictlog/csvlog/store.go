package csvlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// Sync says when appended records reach the disk.
type Sync uint8

// The policies. A killed process loses nothing under any of them.
const (
	SyncBatch Sync = iota // before Append returns: a power failure loses nothing
	SyncNone              // when the operating system sees fit: a power failure loses the last seconds
)

// Config tunes a [Store]. The zero Config is valid.
type Config struct {
	// Sync says when appended records reach the disk. Default SyncBatch.
	Sync Sync
	// Logger receives a warning for each torn record. Nil is silent.
	Logger *slog.Logger
	// OnTorn, if not nil, is called for each torn record after it was set aside. Files
	// are locked meanwhile: OnTorn must not use the store.
	OnTorn func(appendfile.Torn)
	// OnUnreadable, if not nil, is called when a Scan has passed over rows that cannot be
	// read: once for each file, and again if there are more. Logger gets a warning at the
	// same time. The goroutine that scans calls OnUnreadable, so several may call it at once.
	// OnUnreadable may use the store.
	OnUnreadable func(Unreadable)
}

// Store is a [predictlog.Store] in a folder. Its methods are safe for concurrent use. Appends
// wait for each other, including those of other processes on the folder.
//
// A Store keeps an index in memory of the days that were appended to in the last 10 minutes,
// four at most and usually one. The index takes 21 to 43 bytes a record, and half as much
// again for a moment as it grows. At 100 records/s that is 180 to 370 MB by the end of the
// day. A record of another day has that day's files read once. A Scan keeps 40 bytes for each
// 256 KiB of the files that it has read, as long as these exist. On disk a record takes the
// length of its row: some 200 bytes with a dozen columns, or 1.7 GB a day at 100 records/s.
// [Store.Prune] removes old days.
type Store struct {
	dir  string
	own  *layout
	cfg  Config
	seed maphash.Seed // of the indexes, which are never stored

	sem     chan struct{} // holds one token while a method runs; guards what follows
	schemas *schemas
	days    []*day // the last used last

	mu       sync.Mutex
	reported map[string]int     // guarded by mu; how many unreadable rows, by file
	blocks   map[string]*blocks // guarded by mu; by file
}

// maxDays is the number of days that stay open. Most records are of today, around midnight of
// two days; older records come from repetitions and imports.
const maxDays = 4

// idleDay is how long a day stays open without an Append: longer than the time after which a
// recorder repeats an Append.
const idleDay = 10 * time.Minute

// Open opens the store in the folder dir, and creates the folder if it does not exist. Open
// fails if the folder cannot be written, or if another schema that was used there has a
// fingerprint with the same beginning. The caller closes the store.
func Open(dir string, schema *predictlog.Schema, cfg Config) (*Store, error) {
	if schema == nil {
		return nil, errors.New("csvlog: open: nil Schema")
	}
	if cfg.Sync > SyncNone {
		return nil, fmt.Errorf("csvlog: invalid Config: Sync is %d, want SyncBatch or SyncNone", cfg.Sync)
	}
	s := &Store{
		dir: dir, own: newLayout(schema), cfg: cfg, seed: maphash.MakeSeed(), sem: make(chan struct{}, 1),
		reported: map[string]int{}, blocks: map[string]*blocks{},
	}
	var err error
	if s.schemas, err = openSchemas(dir, s.fileConfig()); err != nil {
		return nil, fmt.Errorf("csvlog: open: %w", err)
	}
	if err := s.schemas.add(context.Background(), schema); err != nil {
		return nil, fmt.Errorf("csvlog: open: %w", errors.Join(err, s.schemas.file.Close()))
	}
	return s, nil
}

func (s *Store) fileConfig() appendfile.Config {
	return appendfile.Config{
		Boundary: appendfile.CSVBoundary,
		NoSync:   s.cfg.Sync == SyncNone,
		Logger:   s.cfg.Logger,
		OnTorn:   s.cfg.OnTorn,
	}
}

// Schema returns the schema given to [Open].
func (s *Store) Schema() *predictlog.Schema { return s.own.schema }

// Append implements [predictlog.Appender]. A record with the ID of a stored record and
// another Time is a [*predictlog.DuplicateError] if both times are on the same UTC day.
// Otherwise the record is stored.
//
// The records of one call should be of few days: the files of all these days are open at
// once.
func (s *Store) Append(ctx context.Context, records ...predictlog.Record) error {
	for i := range records {
		if err := s.own.schema.CheckRecord(records[i]); err != nil {
			return err
		}
	}
	if err := s.append(ctx, records); err != nil {
		return fmt.Errorf("csvlog: append: %w", err)
	}
	return nil
}

func (s *Store) append(ctx context.Context, records []predictlog.Record) (err error) {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	folder, err := s.schemas.file.Begin(ctx, s.schemas.observe)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Rollback()) }()
	days, err := s.stage(ctx, records)
	if err == nil {
		err = write(days)
	}
	commit := err == nil
	for _, d := range days {
		err = errors.Join(err, d.end(commit))
	}
	if err != nil && !errors.Is(err, predictlog.ErrDuplicate) && ctx.Err() == nil {
		err = errors.Join(err, s.closeDays(days)) // what is known of their files may not hold
	}
	return errors.Join(err, s.closeDays(s.idleDays()))
}

// idleDays returns the days that need not stay open.
func (s *Store) idleDays() []*day {
	n := max(0, len(s.days)-maxDays)
	for n < len(s.days) && time.Since(s.days[n].used) >= idleDay {
		n++
	}
	return slices.Clone(s.days[:n])
}

// Close waits for a running Append and closes the files. An Append after it fails with
// [os.ErrClosed]; a Scan does not need the files and goes on.
func (s *Store) Close() error {
	s.sem <- struct{}{}
	defer s.release()
	err := errors.Join(s.closeDays(slices.Clone(s.days)), s.schemas.file.Close())
	if err != nil {
		return fmt.Errorf("csvlog: close: %w", err)
	}
	return nil
}

// stage makes the rows of the records. It returns the days even with an error.
func (s *Store) stage(ctx context.Context, records []predictlog.Record) (days []*day, err error) {
	var (
		today    *day
		midnight time.Time // that today begins with
	)
	for i := range records {
		r := &records[i]
		if start := r.Time.UTC().Truncate(24 * time.Hour); today == nil || start != midnight {
			midnight = start
			name := midnight.Format(time.DateOnly)
			at := slices.IndexFunc(days, func(d *day) bool { return d.name == name })
			if at < 0 {
				d, err := s.useDay(name)
				if err != nil {
					return days, err
				}
				at, days = len(days), append(days, d)
				if err := d.begin(ctx, s); err != nil {
					return days, err
				}
			}
			today = days[at]
		}
		if err := today.add(r); err != nil {
			return days, err
		}
	}
	return days, nil
}

// write writes the rows of all days, in the order of the days.
func write(days []*day) error {
	slices.SortFunc(days, func(a, b *day) int { return cmp.Compare(a.name, b.name) })
	for _, d := range days {
		if err := d.write(); err != nil {
			return err
		}
	}
	return nil
}

// useDay returns the day, opened if necessary, as the last used. A day of which a file was
// removed, as by another process that prunes, is opened again.
func (s *Store) useDay(name string) (*day, error) {
	at := slices.IndexFunc(s.days, func(d *day) bool { return d.name == name })
	if at >= 0 {
		current, err := s.days[at].isCurrent()
		if err == nil && !current {
			err = s.closeDays([]*day{s.days[at]})
			at = -1
		}
		if err != nil {
			return nil, err
		}
	}
	if at < 0 {
		d, err := s.openDay(name)
		if err != nil {
			return nil, err
		}
		at, s.days = len(s.days), append(s.days, d)
	}
	d := s.days[at]
	d.used = time.Now()
	s.days = append(slices.Delete(s.days, at, at+1), d)
	return d, nil
}

// closeDays closes days. They are opened and read again for their next record.
func (s *Store) closeDays(days []*day) error {
	s.days = slices.DeleteFunc(s.days, func(d *day) bool { return slices.Contains(days, d) })
	var errs []error
	for _, d := range days {
		errs = append(errs, d.close())
	}
	return errors.Join(errs...)
}

func (s *Store) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.sem <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) release() { <-s.sem }
