package appendfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

// Snapshot returns a reader of the bytes that are committed at the time of the call, and
// their number. The reader stops before later records and before a torn one.
//
// The file is locked against Updates only while Snapshot looks for its end, which costs one
// pass over the file at memory speed; the reader holds no lock. Only Boundary and MaxRecord
// of cfg are used. A file that does not exist is [fs.ErrNotExist]. The file is opened for
// reading only. The caller must close the reader.
func Snapshot(ctx context.Context, path string, cfg Config) (r io.ReadCloser, size int64, err error) {
	c, err := OpenCommitted(ctx, path, cfg, nil)
	if err != nil {
		return nil, 0, err
	}
	return &snapshot{Reader: c.Section(0, c.Size()), file: c}, c.Size(), nil
}

type snapshot struct {
	io.Reader
	file *Committed
}

func (s *snapshot) Close() error { return s.file.Close() }

// Committed is a file that is open for reading the bytes that were committed when it was
// opened. A Committed holds no lock. Its methods are safe for concurrent use, except Close.
type Committed struct {
	file *os.File
	info fs.FileInfo
	size int64
}

// OpenCommitted opens a file as [Snapshot] does, for reading at any offset. A caller that has
// read the file before saves a part of the pass: known, if not nil, gets the file before the
// search for its end, and returns an offset at which a record ends, or 0. known must make
// sure that the file is the one that was read before. An error of known is returned
// unchanged. The caller must close the file.
func OpenCommitted(ctx context.Context, path string, cfg Config, known func(r io.ReaderAt, info fs.FileInfo) (int64, error)) (*Committed, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("appendfile: snapshot: %w", err)
	}
	c := &Committed{file: file}
	if err := c.findEnd(ctx, cfg, known); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return c, nil
}

// findEnd looks for the offset at which the last whole record ends.
func (c *Committed) findEnd(ctx context.Context, cfg Config, known func(r io.ReaderAt, info fs.FileInfo) (int64, error)) (err error) {
	if err := lockFile(ctx, c.file, shared); err != nil {
		return fmt.Errorf("appendfile: lock %s: %w", c.file.Name(), err)
	}
	defer func() { err = errors.Join(err, osfile.Unlock(c.file)) }()
	if c.info, err = c.file.Stat(); err != nil {
		return fmt.Errorf("appendfile: %w", err)
	}
	var from int64
	if known != nil {
		if from, err = known(c.file, c.info); err != nil {
			return err
		}
		if from < 0 || from > c.info.Size() {
			return fmt.Errorf("appendfile: read %s: known up to %d of %d bytes: %w", c.file.Name(), from, c.info.Size(), ErrChanged)
		}
	}
	c.size, err = eachChunk(ctx, c.file, from, c.info.Size(), cfg, nil)
	return err
}

// Size returns the number of committed bytes.
func (c *Committed) Size() int64 { return c.size }

// Info returns the description of the file when it was opened. Its size may include a torn
// record.
func (c *Committed) Info() fs.FileInfo { return c.info }

// ReadAt reads committed bytes, as [io.ReaderAt] says. A file that became shorter since is
// [ErrChanged].
func (c *Committed) ReadAt(p []byte, offset int64) (int, error) {
	return c.Section(0, c.size).ReadAt(p, offset)
}

// Section returns a reader of n bytes from offset on, which must be committed.
func (c *Committed) Section(offset, n int64) *io.SectionReader {
	return io.NewSectionReader(committedReader{c}, offset, min(n, c.size-offset))
}

// Close closes the file.
func (c *Committed) Close() error { return c.file.Close() }

// committedReader notices that a file has become shorter.
type committedReader struct{ *Committed }

func (r committedReader) ReadAt(p []byte, offset int64) (int, error) {
	n, err := r.file.ReadAt(p, offset)
	if short := int64(len(p) - n); short > 0 && errors.Is(err, io.EOF) && offset+int64(n) < r.size {
		err = fmt.Errorf("appendfile: read %s: %d bytes short: %w", r.file.Name(), r.size-offset-int64(n), ErrChanged)
	}
	return n, err
}
