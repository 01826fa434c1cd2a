package fileregistry

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Log is a [registry.Log] in a folder, safe for concurrent use by many goroutines and
// processes. Each entry is a file. A Log holds no file open between calls. It serves a
// [registry.Ledger] and the journal of package healing.
type Log struct {
	dir  string
	disk disk

	mu      sync.Mutex
	highest uint64 // the highest number that an entry was seen to have; guarded by mu
	durable uint64 // the entries up to this one were synced by this Log; guarded by mu
}

var _ registry.Log = (*Log)(nil)

// OpenLog opens the log in dir, which is made if it does not exist. It removes files that
// processes left half written when they died more than a day ago.
func OpenLog(dir string) (*Log, error) { return openLog(dir, disk{}) }

func openLog(dir string, d disk) (*Log, error) {
	if dir == "" {
		return nil, errors.New("fileregistry: dir is empty")
	}
	l := &Log{dir: dir, disk: d}
	if err := d.makeDir(dir); err != nil {
		return nil, fmt.Errorf("fileregistry: open: %w", err)
	}
	names, err := l.list()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, temporary) {
			continue
		}
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			_ = d.remove(path) // a folder that is read-only can be read
		}
	}
	return l, nil
}

// temporary is the end of the name of a file that is being written.
const temporary = ".tmp"

func (l *Log) path(seq uint64) string { return filepath.Join(l.dir, fmt.Sprintf("%08d.json", seq)) }

// Append implements [registry.Log]. The entry is written and synced under another name and
// then linked to its own name, which fails if the entry exists.
func (l *Log) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	// If there is a later entry, the one with this number was lost, and it is not used again.
	if seq > 0 && (l.has(seq) || l.has(seq+1) || seq <= l.last()) {
		return false, nil
	}
	if seq == 0 || seq > 1 && !l.has(seq-1) {
		return false, fmt.Errorf("fileregistry: append entry %d to the log in %s, which lacks the entry before", seq, l.dir)
	}
	temp := filepath.Join(l.dir, strings.ToLower(rand.Text())+temporary)
	if err := l.disk.write(ctx, temp, bytes.NewReader(entry)); err != nil {
		return false, fmt.Errorf("fileregistry: write entry %d: %w", seq, err)
	}
	defer l.disk.remove(temp) // what stays, OpenLog removes
	err := l.disk.link(temp, l.path(seq))
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err == nil {
		err = l.disk.syncDir(l.dir)
	}
	if err != nil {
		return false, fmt.Errorf("fileregistry: write entry %d: %w", seq, err)
	}
	l.has(seq)
	return true, nil
}

// has reports whether the entry exists, and remembers it.
func (l *Log) has(seq uint64) bool {
	if _, err := os.Stat(l.path(seq)); err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.highest = max(l.highest, seq)
	return true
}

// last returns the highest known number of an entry.
func (l *Log) last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.highest
}

// Read implements [registry.Log]. From the beginning, Read lists the folder once, and so
// finds every lost entry. If nothing was appended since the entry after, Read looks for a
// single name.
func (l *Log) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if after == 0 {
			if _, err := l.list(); err != nil {
				yield(nil, err)
				return
			}
		}
		for seq := after + 1; ; seq++ {
			entry, end, err := l.read(ctx, seq)
			if err == nil && end && seq == after+1 {
				err = l.checkPresent(after)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if end || !yield(entry, nil) {
				return
			}
		}
	}
}

// read returns an entry, which is empty if it was lost; end is true after the last entry.
func (l *Log) read(ctx context.Context, seq uint64) (entry []byte, end bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	entry, err = os.ReadFile(l.path(seq))
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) {
		return []byte{}, seq > l.highest, nil
	}
	if err == nil && seq > l.durable {
		// The writer may not have synced the folder yet, and the reader may rely on the
		// entry.
		err = l.disk.syncDir(l.dir)
	}
	if err != nil {
		return nil, false, fmt.Errorf("fileregistry: %w", err)
	}
	l.highest, l.durable = max(l.highest, seq), max(l.durable, seq)
	return entry, false, nil
}

// checkPresent returns an error if the folder is gone, as a disk that is no longer mounted,
// or was put back to an older state. Without the check this would look like a log without new
// entries.
func (l *Log) checkPresent(last uint64) error {
	path := l.dir
	if last > 0 {
		path = l.path(last)
	}
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("fileregistry: %w: %s is missing", registry.ErrCorrupt, path)
	}
	if err != nil {
		return fmt.Errorf("fileregistry: %w", err)
	}
	return nil
}

// list returns the names in the folder, makes them durable and remembers the last entry.
func (l *Log) list() ([]string, error) {
	entries, err := os.ReadDir(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = l.checkPresent(0)
	}
	if err == nil && len(entries) > 0 {
		err = l.disk.syncDir(l.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("fileregistry: %w", err)
	}
	var names []string
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, entry := range entries {
		var seq uint64
		_, err := fmt.Sscanf(entry.Name(), "%d.json", &seq)
		if err == nil && entry.Name() == filepath.Base(l.path(seq)) {
			l.highest, l.durable = max(l.highest, seq), max(l.durable, seq)
		}
		names = append(names, entry.Name())
	}
	// Each number below the highest is yielded, as a lost entry if necessary: a file with a
	// date as its name must not make that millions.
	if most := uint64(2*len(entries) + 1000); l.highest > most {
		return nil, fmt.Errorf("fileregistry: %w: %s is there, but only %d files in all: is it an entry of this log?",
			registry.ErrCorrupt, l.path(l.highest), len(entries))
	}
	return names, nil
}
