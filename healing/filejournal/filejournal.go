// Package filejournal keeps a healing journal in one file, a JSON object a line: a person
// can follow it with tail -f, and it survives the process at any instant.
//
// It is shared safely by the processes of one machine. An entry whose Append returned is
// on the disk. An entry torn by a crash is set aside in a file beside the journal by the
// next Append, and reported; it was never acknowledged. The entries form a chain of
// hashes that is verified whenever they are read: a changed, missing or inserted line is
// an error that names it, or it and the one after, which vouches for it. Nothing vouches
// for the last line until another follows: whoever changes or removes that one is not
// found out.
package filejournal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"sync"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// Config tunes a [Journal]. The zero Config is valid.
type Config struct {
	// OnTorn, if not nil, is called when an entry that a crash tore was set aside.
	OnTorn func(appendfile.Torn)
	// Logger is told of torn entries. Nil is silent.
	Logger *slog.Logger
}

// Journal is a [healing.Journal] in a file. It is safe for concurrent use.
type Journal struct {
	path string
	file *appendfile.File

	mu      sync.Mutex
	last    healing.Entry // guarded by mu
	offsets []int64       // guarded by mu: where each entry begins
	size    int64         // guarded by mu: where the last one ends
}

var _ healing.Journal = (*Journal)(nil)

// Open opens the journal at path, creating it if there is none. It does not read it yet.
func Open(path string, cfg Config) (*Journal, error) {
	file, err := appendfile.Open(path, appendfile.Config{OnTorn: cfg.OnTorn, Logger: cfg.Logger})
	if err != nil {
		return nil, fmt.Errorf("filejournal: %w", err)
	}
	return &Journal{path: path, file: file}, nil
}

// Close releases the file. The journal cannot be used afterwards.
func (j *Journal) Close() error { return j.file.Close() }

// Append implements [healing.Journal].
func (j *Journal) Append(ctx context.Context, e healing.Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("filejournal: entry %d: %w", e.Seq, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err = j.file.Update(ctx, j.observe, func(int64) ([]byte, error) {
		return append(line, '\n'), e.Follows(j.last)
	})
	if err != nil {
		return fmt.Errorf("filejournal: %w", err)
	}
	return nil
}

// observe checks the lines that were appended since the last look, by whomever. If one of
// them is wrong it takes none, as it will be given all of them again. The caller holds mu.
func (j *Journal) observe(p []byte, offset int64) error {
	last, offsets := j.last, j.offsets
	for line := range bytes.Lines(p) {
		e, err := j.decode(line, last)
		if err != nil {
			return err
		}
		last, offsets = e, append(offsets, offset)
		offset += int64(len(line))
	}
	j.last, j.offsets, j.size = last, offsets, offset
	return nil
}

func (j *Journal) decode(line []byte, last healing.Entry) (healing.Entry, error) {
	var e healing.Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("%w: %s, line %d: %v", healing.ErrCorrupt, j.path, last.Seq+1, err)
	}
	if err := e.Follows(last); err != nil {
		where := fmt.Sprintf("line %d", last.Seq+1)
		if last.Seq > 0 && e.Seq == last.Seq+1 { // one of them is not what it was
			where = fmt.Sprintf("line %d or %d", last.Seq, last.Seq+1)
		}
		return e, fmt.Errorf("%w: %s, %s: %v", healing.ErrCorrupt, j.path, where, err)
	}
	return e, nil
}

// Entries implements [healing.Journal].
func (j *Journal) Entries(ctx context.Context, after uint64) iter.Seq2[healing.Entry, error] {
	return func(yield func(healing.Entry, error) bool) {
		from, to, err := j.span(ctx, after)
		if err == nil && from < to {
			var stopped bool
			if stopped, err = j.read(ctx, from, to, yield); stopped {
				return
			}
		}
		if err != nil {
			yield(healing.Entry{}, fmt.Errorf("filejournal: %w", err))
		}
	}
}

// span returns the bytes of the entries after the given one, as committed now.
func (j *Journal) span(ctx context.Context, after uint64) (from, to int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.View(ctx, j.observe); err != nil {
		return 0, 0, err
	}
	if after >= uint64(len(j.offsets)) {
		return j.size, j.size, nil
	}
	return j.offsets[after], j.size, nil
}

// read yields the entries in those bytes, which span has verified, and reports whether
// the consumer stopped.
func (j *Journal) read(ctx context.Context, from, to int64, yield func(healing.Entry, error) bool) (stopped bool, err error) {
	f, err := os.Open(j.path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r := bufio.NewReader(io.NewSectionReader(f, from, to-from))
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		var e healing.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return false, fmt.Errorf("%w: %s: %v", healing.ErrCorrupt, j.path, err)
		}
		if !yield(e, nil) {
			return true, nil
		}
	}
}
