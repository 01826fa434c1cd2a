package appendfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

const chunkSize = 256 << 10

// eachChunk hands observe the whole records between two offsets of a file and returns the
// offset up to which observe took them, even with an error.
func eachChunk(ctx context.Context, file *os.File, from, to int64, cfg Config, observe func(p []byte, offset int64) error) (int64, error) {
	if from == to {
		return from, nil
	}
	buf := make([]byte, min(chunkSize, to-from))
	have := 0 // the bytes of buf in use, of which the first is at from
	for rest := to - from; rest > 0; rest = to - from - int64(have) {
		if err := ctx.Err(); err != nil {
			return from, fmt.Errorf("appendfile: read %s: %w", file.Name(), err)
		}
		if have == len(buf) {
			buf = append(buf, make([]byte, min(int64(len(buf)), rest))...)
		}
		n := int(min(int64(len(buf)-have), rest))
		if _, err := file.ReadAt(buf[have:have+n], from+int64(have)); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("shorter than %d bytes: %w", to, ErrChanged)
			}
			return from, fmt.Errorf("appendfile: read %s: %w", file.Name(), err)
		}
		have += n
		whole := cfg.Boundary(buf[:have])
		if whole > 0 && observe != nil {
			if err := observe(buf[:whole:whole], from); err != nil {
				return from, err
			}
		}
		have = copy(buf, buf[whole:have])
		from += int64(whole)
		if have > cfg.MaxRecord {
			return from, fmt.Errorf("appendfile: read %s: no record ends in the %d bytes after offset %d, want at most MaxRecord = %d",
				file.Name(), have, from, cfg.MaxRecord)
		}
	}
	return from, nil
}

// checkWhole returns an error unless p is whole records that can be read back.
func checkWhole(p []byte, cfg Config) error {
	if whole := cfg.Boundary(p); whole != len(p) {
		return fmt.Errorf("the last %d of %d bytes are not a whole record", len(p)-whole, len(p))
	}
	for offset := 0; len(p)-offset > cfg.MaxRecord; {
		whole := cfg.Boundary(p[offset : offset+cfg.MaxRecord])
		if whole == 0 {
			return fmt.Errorf("a record is longer than MaxRecord = %d bytes", cfg.MaxRecord)
		}
		offset += whole
	}
	return nil
}
