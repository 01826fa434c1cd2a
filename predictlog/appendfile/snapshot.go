package appendfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Snapshot returns a reader of the bytes that are committed at the time of the call, and
// their number. Records appended later are not read, and a torn one is not either.
//
// The file is locked against Updates only while its end is looked for, which costs one
// pass over it at memory speed; the reader holds no lock. Of cfg only Boundary and
// MaxRecord are used. A file that does not exist is [fs.ErrNotExist]. The file is opened
// for reading only. The caller must close the reader.
func Snapshot(ctx context.Context, path string, cfg Config) (r io.ReadCloser, size int64, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, 0, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("appendfile: snapshot: %w", err)
	}
	size, err = committed(ctx, file, cfg)
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return &snapshot{file: file, rest: size}, size, nil
}

// committed returns the offset at which the last whole record ends.
func committed(ctx context.Context, file *os.File, cfg Config) (size int64, err error) {
	if err := lockFile(ctx, file, shared); err != nil {
		return 0, fmt.Errorf("appendfile: lock %s: %w", file.Name(), err)
	}
	info, err := file.Stat()
	if err == nil {
		size, err = eachChunk(ctx, file, 0, info.Size(), cfg, nil)
	}
	return size, errors.Join(err, unlockFile(file))
}

type snapshot struct {
	file *os.File
	rest int64
}

// Read is that of a file which ends at the snapshot's size; ending earlier is an error.
func (s *snapshot) Read(p []byte) (int, error) {
	if s.rest == 0 {
		return 0, io.EOF
	}
	n, err := s.file.Read(p[:min(int64(len(p)), s.rest)])
	s.rest -= int64(n)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("appendfile: read %s: %d bytes short: %w", s.file.Name(), s.rest, ErrChanged)
	}
	return n, err
}

func (s *snapshot) Close() error { return s.file.Close() }
