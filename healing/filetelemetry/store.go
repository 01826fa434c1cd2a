package filetelemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

// Config tunes a [Store]. The zero Config is valid.
type Config struct {
	// NoSync leaves it to the operating system when points reach the disk: a power failure
	// loses the last of them, a killed process none.
	NoSync bool
	// OnTorn, if not nil, is called after a part of a Put, left by a killed process, was set
	// aside. It must not use the store.
	OnTorn func(appendfile.Torn)
	// Logger gets torn Puts, and files that could not be written anew. Nil is silent.
	Logger *slog.Logger
}

// Store is a [healing.Telemetry] in a folder. It is safe for concurrent use, including use by
// other processes on the same machine.
type Store struct {
	dir  string
	cfg  Config
	lock *appendfile.File // held while points are written or removed
}

var _ healing.Telemetry = (*Store)(nil)

const (
	lockName    = "lock"
	pendingName = "pending"
	// maxPut bounds the bytes of one Put in one file, and so the memory to read it.
	maxPut = 256 << 20
	// compactFrom is the size of a file below which it is never written anew.
	compactFrom = 64 << 10
)

// Open opens the store in dir, which is created if it does not exist. Open reads nothing.
func Open(dir string, cfg Config) (*Store, error) {
	lock, err := appendfile.Open(filepath.Join(dir, lockName), appendfile.Config{})
	if err != nil {
		return nil, fmt.Errorf("filetelemetry: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{dir: dir, cfg: cfg, lock: lock}, nil
}

// Close waits for a running Put or Prune. The store cannot be used afterwards.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) fileConfig() appendfile.Config {
	return appendfile.Config{Boundary: whole, MaxRecord: maxPut, NoSync: s.cfg.NoSync, OnTorn: s.cfg.OnTorn, Logger: s.cfg.Logger}
}

// Put implements [healing.Telemetry]. The points of one series and one day may take at most
// 256 MiB in one call.
func (s *Store) Put(ctx context.Context, points ...healing.Point) error {
	writes, err := group(points)
	if err == nil {
		err = s.exclusively(ctx, func() error { return s.put(ctx, writes) })
	}
	if err != nil {
		return fmt.Errorf("filetelemetry: put: %w", err)
	}
	return nil
}

// write is the lines that a Put appends to a file.
type write struct {
	file  string // below the folder of the store
	lines []byte
}

// group checks the points and returns their lines by file.
func group(points []healing.Point) ([]write, error) {
	byFile := map[string][]healing.Point{}
	var files []string
	for _, p := range points {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		p.Time = p.Time.UTC().Truncate(time.Microsecond)
		file := filepath.Join(folderOf(p.Series), dayOf(p.Time)+fileEnding)
		if byFile[file] == nil {
			files = append(files, file)
		}
		byFile[file] = append(byFile[file], p)
	}
	writes := make([]write, len(files))
	for i, file := range files {
		var lines []byte
		for j, p := range byFile[file] {
			flag := byte(flagMore)
			if j == len(byFile[file])-1 {
				flag = flagLast
			}
			lines = appendLine(lines, flag, p)
		}
		if len(lines) > maxPut {
			return nil, fmt.Errorf("points of %d bytes for %s, want at most %d", len(lines), file, maxPut)
		}
		writes[i] = write{file, lines}
	}
	return writes, nil
}

// exclusively calls do while no other goroutine or process writes. Before that it completes
// the Put of a process that was killed.
func (s *Store) exclusively(ctx context.Context, do func() error) (err error) {
	tx, err := s.lock.Begin(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if err := s.recover(ctx); err != nil {
		return err
	}
	return do()
}

// put appends to all files or to none. Lines for several files are first written to one file,
// as a whole.
func (s *Store) put(ctx context.Context, writes []write) error {
	if len(writes) > 1 {
		if err := s.writePending(writes); err != nil {
			return err
		}
	}
	for _, w := range writes {
		if err := s.append(ctx, w); err != nil {
			return err
		}
	}
	if len(writes) > 1 {
		return os.Remove(s.pending())
	}
	return nil
}

func (s *Store) append(ctx context.Context, w write) (err error) {
	path := filepath.Join(s.dir, w.file)
	file, err := appendfile.Open(path, s.fileConfig())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var before int64
	err = file.Update(ctx, nil, func(size int64) ([]byte, error) {
		before = size
		return w.lines, nil
	})
	if err != nil {
		return err
	}
	// Looking whenever the size has doubled costs little for each byte.
	after := before + int64(len(w.lines))
	if after >= compactFrom && bits.Len64(uint64(before)) != bits.Len64(uint64(after)) {
		if err := s.compact(ctx, file, path); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "filetelemetry: file not written anew", "path", path, "error", err)
		}
	}
	return nil
}

func (s *Store) pending() string { return filepath.Join(s.dir, pendingName) }

// writePending stores the lines durably: for each file a line with the number of bytes and
// the name, and then the bytes.
func (s *Store) writePending(writes []write) error {
	var b bytes.Buffer
	for _, w := range writes {
		fmt.Fprintf(&b, "%d %s\n", len(w.lines), w.file)
		b.Write(w.lines)
	}
	return s.replaceFile(s.pending(), b.Bytes())
}

// replaceFile writes a file with this content, as one step.
func (s *Store) replaceFile(path string, content []byte) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil && !s.cfg.NoSync {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil || s.cfg.NoSync {
		return err
	}
	return osfile.SyncDir(filepath.Dir(path))
}

// recover completes the Put of a process that was killed while it appended to several files.
// Files that have their lines already get them again, which changes nothing. The caller holds
// the lock.
func (s *Store) recover(ctx context.Context) error {
	content, err := os.ReadFile(s.pending())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for len(content) > 0 {
		head, rest, _ := bytes.Cut(content, []byte{'\n'})
		var n int
		var file string
		if _, err := fmt.Sscanf(string(head), "%d %s", &n, &file); err != nil || n < 0 || n > len(rest) || !filepath.IsLocal(file) {
			return s.giveUp()
		}
		if err := s.append(ctx, write{file, rest[:n]}); err != nil {
			return err
		}
		content = rest[n:]
	}
	return os.Remove(s.pending())
}

// giveUp sets aside a pending Put that cannot be read, so that it does not stop all others.
func (s *Store) giveUp() error {
	s.cfg.Logger.Warn("filetelemetry: a Put that was begun cannot be read and is set aside", "path", s.pending()+".damaged")
	return os.Rename(s.pending(), s.pending()+".damaged")
}

// compact writes a file anew if more than half of it is outdated. Damaged lines are moved to
// a file beside it. The caller holds the lock.
func (s *Store) compact(ctx context.Context, file *appendfile.File, path string) error {
	size, kept := 0, 0
	latest := map[key]line{}
	var damaged []line
	err := eachLine(ctx, path, func(l line) {
		size += len(l.text)
		if l.err != nil {
			damaged = append(damaged, l)
			return
		}
		k := keyOf(l.point)
		kept += len(l.text) - len(latest[k].text)
		latest[k] = l
	})
	if err != nil || 2*kept >= size {
		return err
	}
	lines := make([]line, 0, len(latest))
	for _, l := range latest {
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int { return a.number - b.number })
	if len(damaged) > 0 {
		if err := setAside(path+".damaged", damaged); err != nil {
			return err
		}
	}
	return replace(ctx, file, lines)
}

// key identifies a point.
type key struct {
	series, part string
	time         int64
}

func keyOf(p healing.Point) key { return key{p.Series, p.Part, p.Time.UnixMicro()} }

// setAside appends lines to a file that is not read.
func setAside(path string, lines []line) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if err == nil {
			_, err = fmt.Fprintf(file, "%s\n", l.text)
		}
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// Prune implements [healing.Telemetry]: it removes whole days, in UTC, so the points of the
// day of before stay.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	err := s.exclusively(ctx, func() error {
		folders, err := os.ReadDir(s.dir)
		if err != nil {
			return err
		}
		for _, folder := range folders {
			if folder.IsDir() && strings.HasSuffix(folder.Name(), folderEnding) {
				if err := pruneFolder(filepath.Join(s.dir, folder.Name()), dayOf(before)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("filetelemetry: prune: %w", err)
	}
	return nil
}

// pruneFolder removes the files of earlier days, and the folder if it is then empty.
func pruneFolder(dir, day string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	left := len(entries)
	for _, e := range entries {
		if name := e.Name(); len(name) > len(day) && isDay(name[:len(day)]) && name[:len(day)] < day {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			left--
		}
	}
	if left > 0 {
		return nil
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
