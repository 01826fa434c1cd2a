package appendfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

// ErrChanged is returned when a file was removed, replaced or made shorter. The records that
// the observer of the File has got are no longer valid, so the File must be closed and opened
// anew.
var ErrChanged = errors.New("changed by other means than appending")

// ErrReplaced is the [ErrChanged] of a file that another file replaced, as [Tx.Replace] does.
// The File must be closed, and one on the new file opened.
var ErrReplaced = fmt.Errorf("replaced by another file: %w", ErrChanged)

// Config tunes a [File]. The zero Config keeps lines and syncs each Update.
type Config struct {
	// Boundary returns the length of the longest prefix of p that is whole records. The
	// first byte of p is always the first of a record. Default [LineBoundary].
	Boundary func(p []byte) int
	// MaxRecord bounds the bytes of one record, and so the memory needed to read the
	// file. More bytes without a boundary are an error, not a torn record. Default
	// 16 MiB.
	MaxRecord int
	// NoSync leaves it to the operating system when appended records reach the disk: a
	// power failure loses the last of them, a killed process none.
	NoSync bool
	// Logger receives a warning for each torn record. Nil is silent.
	Logger *slog.Logger
	// OnTorn, if not nil, is called for each torn record after it was set aside. The
	// file is locked meanwhile: OnTorn must not use it.
	OnTorn func(Torn)
}

func (c Config) withDefaults() (Config, error) {
	if c.MaxRecord < 0 {
		return c, fmt.Errorf("appendfile: invalid Config: MaxRecord is %d, want 0 (for the default) or more", c.MaxRecord)
	}
	if c.MaxRecord == 0 {
		c.MaxRecord = 16 << 20
	}
	if c.Boundary == nil {
		c.Boundary = LineBoundary
	}
	return c, nil
}

// File is an open append-only file. Its methods are safe for concurrent use and wait
// for each other. Several Files, in one process or in many, may be open on one path.
type File struct {
	path string
	cfg  Config
	sem  chan struct{} // holds one token while a method runs; guards what follows
	file *os.File      // nil once closed
	seen int64         // the committed bytes that were observed or appended
}

// Open opens the file at path. Open creates the file and the folders above it, durably, if
// they do not exist. Open neither reads the file nor waits for a lock.
func Open(path string, cfg Config) (*File, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = create(path)
	}
	if err != nil {
		return nil, fmt.Errorf("appendfile: open: %w", err)
	}
	return &File{path: path, cfg: cfg, sem: make(chan struct{}, 1), file: file}, nil
}

// create makes the file without O_EXCL, because another process may create it at the same
// time.
func create(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	if err := mkdirAll(dir); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := osfile.SyncDir(dir); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// mkdirAll creates dir and its missing parents and makes their names durable.
func mkdirAll(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := mkdirAll(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return osfile.SyncDir(parent)
}

// Update appends the records that write returns, as one step that excludes every other Update
// of the path, in this process and in others.
//
// First observe gets the committed records that it has not got from this File before, in
// order, in chunks of whole records, with the offset of each chunk. The first Update or
// [File.View] starts at the beginning of the file. A torn record at the end is set aside.
// Then write is called with the size of the file; it returns whole records, or none if there
// is nothing to append. The records are appended, synced unless [Config.NoSync] is set, and
// handed to observe too. So observe gets every record of the file exactly once, whoever wrote
// it.
//
// If Update returns an error, as after a full disk or a refusal by observe, none of its
// records remain. An error of write or observe is returned unchanged. A chunk for which
// observe returned an error is handed out again by the next call. The chunks are valid only
// during the call. A nil observe gets nothing. A ctx that is done while Update waits for the
// lock, or reads, is an error.
func (f *File) Update(ctx context.Context, observe func(p []byte, offset int64) error, write func(size int64) ([]byte, error)) (err error) {
	tx, err := f.Begin(ctx, observe)
	if err != nil {
		return err
	}
	defer func() {
		if failed := tx.Rollback(); failed != nil {
			err = errors.Join(err, failed)
		}
	}()
	p, err := write(tx.Size())
	if err != nil || len(p) == 0 {
		return err
	}
	if err := tx.Append(p); err != nil {
		return err
	}
	if observe != nil {
		if err := observe(p, tx.Size()); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// View hands observe the same records as [File.Update], under a lock that Views share and
// that excludes Updates. View never modifies the file and passes over a torn record.
func (f *File) View(ctx context.Context, observe func(p []byte, offset int64) error) (err error) {
	if err := f.lock(ctx, shared); err != nil {
		return err
	}
	defer func() { err = f.unlock(err) }()
	_, err = f.catchUp(ctx, observe)
	return err
}

// IsCurrent reports whether the path still names the open file. After a removal or a
// replacement it reports false, and every Update and View returns [ErrChanged].
func (f *File) IsCurrent() (bool, error) {
	f.sem <- struct{}{}
	defer func() { <-f.sem }()
	if f.file == nil {
		return false, f.wrap("stat", os.ErrClosed)
	}
	open, err := f.file.Stat()
	if err != nil {
		return false, fmt.Errorf("appendfile: %w", err)
	}
	named, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("appendfile: %w", err)
	}
	return os.SameFile(open, named), nil
}

// Close waits for a running method and closes the file. A second Close, and every other call
// after Close, is [os.ErrClosed].
func (f *File) Close() error {
	f.sem <- struct{}{}
	defer func() { <-f.sem }()
	if f.file == nil {
		return f.wrap("close", os.ErrClosed)
	}
	err := f.file.Close()
	f.file = nil
	if err != nil {
		return fmt.Errorf("appendfile: %w", err)
	}
	return nil
}

// lock takes the File for one goroutine and then the path for one File.
func (f *File) lock(ctx context.Context, mode lockMode) error {
	if err := ctx.Err(); err != nil {
		return f.wrap("lock", err)
	}
	select {
	case f.sem <- struct{}{}:
	case <-ctx.Done():
		return f.wrap("lock", ctx.Err())
	}
	err := os.ErrClosed
	if f.file != nil {
		err = lockFile(ctx, f.file, mode)
	}
	if err != nil {
		<-f.sem
		return f.wrap("lock", err)
	}
	return nil
}

// unlock undoes lock and returns err, joined with an error of its own.
func (f *File) unlock(err error) error {
	if failed := osfile.Unlock(f.file); failed != nil {
		err = errors.Join(err, f.wrap("unlock", failed))
	}
	<-f.sem
	return err
}

// catchUp hands observe the committed bytes that it has not got and returns the size of the
// file, which is more than f.seen if the last record is torn.
func (f *File) catchUp(ctx context.Context, observe func(p []byte, offset int64) error) (size int64, err error) {
	open, err := f.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("appendfile: %w", err)
	}
	named, err := os.Stat(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("appendfile: %w", err)
	}
	size = open.Size()
	switch {
	case err != nil:
		return 0, f.wrap("read", fmt.Errorf("removed: %w", ErrChanged))
	case !os.SameFile(open, named):
		return 0, f.wrap("read", ErrReplaced)
	case size < f.seen:
		return 0, f.wrap("read", fmt.Errorf("is %d bytes long, was %d: %w", size, f.seen, ErrChanged))
	}
	f.seen, err = eachChunk(ctx, f.file, f.seen, size, f.cfg, observe)
	return size, err
}

func (f *File) wrap(what string, err error) error {
	return fmt.Errorf("appendfile: %s %s: %w", what, f.path, err)
}
