package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// Ledger is the [Registry] of this package: versions and transitions are entries of a [Log],
// files are in [Blobs]. A Ledger is also an [Attacher], a [Deleter] and a [Fencer]. It is as
// durable as its log and its blobs. Any number of Ledgers, in any processes, may share these:
// every call first reads what others appended.
//
// The IDs of its versions are "1", "2" and so on, in the order of registration. A change is
// one entry, so it happened whole or not at all. Blobs are stored before the entry that names
// them and deleted after the entry of their deletion: a process that dies in between leaves
// blobs that no version names, which [Ledger.Leftovers] lists and [Ledger.Clean] removes.
//
// Damage to the log is [ErrCorrupt] with the number of the entry, from every method, until
// [RepairLog] is called. An undamaged entry that is no change of a registry, as when a
// journal is kept in the same log by mistake, is ErrCorrupt too, and RepairLog keeps it.
//
// All methods are safe for concurrent use. No method waits longer than its ctx allows.
type Ledger struct {
	// Logger receives every change through this Ledger, and at debug level the races that the
	// Ledger lost. Nil is silent. Set it before the first call.
	Logger *slog.Logger

	log   Log
	blobs Blobs
	busy  chan struct{} // holds an element while a call uses what follows
	chain *Chain
	state state // the sum of the entries that chain read
}

var (
	_ Registry = (*Ledger)(nil)
	_ Attacher = (*Ledger)(nil)
	_ Deleter  = (*Ledger)(nil)
	_ Fencer   = (*Ledger)(nil)
)

// NewLedger returns a Ledger over a log and blobs, which are first read by the first call.
// Only Ledgers of one model may use them: blobs that no version names are leftovers.
func NewLedger(log Log, blobs Blobs) *Ledger {
	return &Ledger{log: log, blobs: blobs, busy: make(chan struct{}, 1), chain: NewChain(log)}
}

// NewMemory returns an empty Ledger in the memory of this process, for tests and examples.
func NewMemory() *Ledger { return NewLedger(new(MemoryLog), new(MemoryBlobs)) }

// Register implements [Registry]. The artifact is streamed in constant memory.
func (l *Ledger) Register(ctx context.Context, draft Draft, artifact io.Reader) (Version, error) {
	err := draft.Validate()
	switch {
	case err != nil:
		return Version{}, err
	case artifact == nil && draft.Folder == nil:
		return Version{}, errors.New("registry: register: neither an artifact nor a Folder")
	case artifact != nil && draft.Folder != nil:
		return Version{}, errors.New("registry: register: both an artifact and a Folder")
	}
	var existing []Version
	err = l.read(ctx, draft.Token, func(s *state) { existing = s.query(Query{Key: draft.Key}) })
	if err != nil {
		return Version{}, err
	}
	if len(existing) > 0 {
		return existing[0], nil
	}
	files, err := l.store(ctx, draft, artifact)
	if err != nil {
		return Version{}, fmt.Errorf("registry: register: %w", err)
	}
	var v Version
	outcome, err := l.change(ctx, draft.Token, func(s *state) (e entry, repeated bool, err error) {
		v, repeated, err = s.planVersion(draft, files)
		return entry{Registered: &v}, repeated, err
	})
	if outcome == unchanged {
		l.discard(ctx, files)
	}
	if err != nil {
		return Version{}, err
	}
	if outcome == changed {
		l.logger().InfoContext(ctx, "registry: registered", "version", v.ID, "key", v.Key)
	}
	return v.clone(), nil
}

// Versions implements [Registry]. A query by ID, by key or for production takes the same time
// whatever the number of versions.
func (l *Ledger) Versions(ctx context.Context, q Query) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		var matching []Version
		if err := l.read(ctx, 0, func(s *state) { matching = s.query(q) }); err != nil {
			yield(Version{}, err)
			return
		}
		for _, v := range matching {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Open implements [Registry]. Files of a version whose files were deleted are
// [ErrNotFound].
func (l *Ledger) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	f, err := l.file(ctx, id, file)
	if err != nil {
		return nil, err
	}
	content, err := l.blobs.Get(ctx, f.Blob)
	if errors.Is(err, ErrNotFound) {
		if _, err := l.file(ctx, id, file); err != nil {
			return nil, err // deleted meanwhile
		}
		return nil, fmt.Errorf("%w: file %q of version %q, stored as blob %s, is missing", ErrCorrupt, file, id, f.Blob)
	}
	if err != nil {
		return nil, fmt.Errorf("registry: open file %q of version %q: %w", file, id, err)
	}
	return Verify(f, content), nil
}

// file returns a file of a version without copying the version: a folder has many files, each
// opened by itself.
func (l *Ledger) file(ctx context.Context, id, name string) (f File, err error) {
	failed := l.read(ctx, 0, func(s *state) {
		switch v := s.version(id); {
		case v == nil:
			err = fmt.Errorf("%w: version %q", ErrNotFound, id)
		case !v.Deleted.IsZero():
			err = fmt.Errorf("%w: file %q of version %q: its files were deleted", ErrNotFound, name, id)
		default:
			f, err = v.File(name)
		}
	})
	if failed != nil {
		return File{}, failed
	}
	return f, err
}

// Transition implements [Registry].
func (l *Ledger) Transition(ctx context.Context, t Transition) (Event, error) {
	if err := t.Validate(); err != nil {
		return Event{}, err
	}
	var event Event
	outcome, err := l.change(ctx, t.Token, func(s *state) (e entry, repeated bool, err error) {
		event, repeated, err = s.planTransition(t)
		return entry{Moved: &event}, repeated, err
	})
	if err != nil {
		return Event{}, err
	}
	if outcome == changed {
		l.logger().InfoContext(ctx, "registry: transition", "seq", event.Seq, "version", event.Version, "from", event.From,
			"to", event.To, "displaced", event.Displaced, "actor", event.Actor, "reason", event.Reason)
	}
	return event, nil
}

// History implements [Registry].
func (l *Ledger) History(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var events []Event
		if err := l.read(ctx, 0, func(s *state) { events = s.since(after) }); err != nil {
			yield(Event{}, err)
			return
		}
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Attach implements [Attacher].
func (l *Ledger) Attach(ctx context.Context, a Attachment) (Version, error) {
	if err := a.Validate(); err != nil {
		return Version{}, err
	}
	var v Version
	err := l.read(ctx, a.Token, func(s *state) {
		if found := s.query(Query{ID: a.Version}); a.Version != "" && len(found) > 0 {
			v = found[0]
		}
	})
	if err != nil {
		return Version{}, err
	}
	missing := maps.Clone(a.Documents)
	maps.DeleteFunc(missing, func(name string, _ []byte) bool {
		_, err := v.File(name)
		return err == nil || v.ID == "" || !v.Deleted.IsZero()
	})
	files, err := l.storeDocuments(ctx, missing)
	if err != nil {
		return Version{}, fmt.Errorf("registry: attach: %w", err)
	}
	var added attached
	outcome, err := l.change(ctx, a.Token, func(s *state) (e entry, repeated bool, err error) {
		added, v, repeated, err = s.planAttach(a, files)
		return entry{Attached: &added}, repeated, err
	})
	if outcome == unknown {
		return Version{}, err
	}
	l.discard(ctx, slices.DeleteFunc(files, func(f File) bool { // another was faster with these
		return slices.Contains(added.Files, f)
	}))
	if err != nil {
		return Version{}, err
	}
	if outcome == changed {
		l.logger().InfoContext(ctx, "registry: attached", "version", a.Version, "documents", len(added.Files), "metrics", len(added.Metrics))
	}
	return Get(ctx, l, a.Version)
}

// Delete implements [Deleter]. A repetition deletes the files that a process left when it
// died.
func (l *Ledger) Delete(ctx context.Context, d Deletion) error {
	if err := d.Validate(); err != nil {
		return err
	}
	var v Version
	outcome, err := l.change(ctx, d.Token, func(s *state) (e entry, repeated bool, err error) {
		var del deleted
		del, v, repeated, err = s.planDelete(d)
		return entry{Deleted: &del}, repeated, err
	})
	if err != nil {
		return err
	}
	if outcome == changed {
		l.logger().InfoContext(ctx, "registry: deleted", "version", d.Version, "actor", d.Actor, "reason", d.Reason)
	}
	var errs []error
	for _, f := range v.Files {
		errs = append(errs, l.blobs.Delete(ctx, f.Blob))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("registry: delete the files of version %q: %w", d.Version, err)
	}
	return nil
}

// Fence implements [Fencer].
func (l *Ledger) Fence(ctx context.Context, token uint64) error {
	outcome, err := l.change(ctx, token, func(*state) (entry, bool, error) {
		return entry{Fence: &fence{Token: token}}, token <= l.chain.token, nil
	})
	if outcome == changed {
		l.logger().InfoContext(ctx, "registry: fenced", "token", token)
	}
	return err
}

// Leftovers returns the blobs that no version names, in the order of their names. Some were
// left by processes that died, others are about to be registered by live processes. Leftovers
// take up space and do no other harm. The files of versions that a [RepairLog] set aside are
// leftovers too.
func (l *Ledger) Leftovers(ctx context.Context) ([]Blob, error) {
	// The blobs are listed before the log is read. In the other order, a blob whose version
	// is registered in between would look like a leftover.
	var found []Blob
	for b, err := range l.blobs.List(ctx) {
		if err != nil {
			return nil, fmt.Errorf("registry: leftovers: %w", err)
		}
		found = append(found, b)
	}
	named := make(map[string]bool)
	err := l.read(ctx, 0, func(s *state) {
		for _, v := range s.versions {
			for _, f := range v.Files {
				named[f.Blob] = v.Deleted.IsZero()
			}
		}
	})
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(b Blob) bool { return named[b.Name] })
	slices.SortFunc(found, func(a, b Blob) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// Clean deletes the leftovers that were stored at least olderThan ago, and returns those that
// it deleted, even if it then failed. olderThan must exceed the time that any Register takes
// from its first file to its end, plus the difference between the clocks of this process and
// the blobs: a day is enough. Zero is right if no process is registering.
func (l *Ledger) Clean(ctx context.Context, olderThan time.Duration) (deleted []Blob, err error) {
	if olderThan < 0 {
		return nil, fmt.Errorf("registry: clean: olderThan is %v, want 0 or more", olderThan)
	}
	before := time.Now().Add(-olderThan)
	leftovers, err := l.Leftovers(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range leftovers {
		if olderThan > 0 && b.Time.After(before) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return deleted, err
		}
		if err := l.blobs.Delete(ctx, b.Name); err != nil {
			return deleted, fmt.Errorf("registry: clean: %w", err)
		}
		deleted = append(deleted, b)
	}
	return deleted, nil
}

// read calls look with the present state, which look must not keep, unless the token is
// fenced off.
func (l *Ledger) read(ctx context.Context, token uint64, look func(*state)) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	if err := l.catchUp(ctx, token); err != nil {
		return err
	}
	look(&l.state)
	return nil
}

// outcome is the result of a change.
type outcome int

const (
	unchanged outcome = iota // no entry was appended
	changed                  // the entry was appended
	unknown                  // the log failed, and the entry may be in it or not
)

// change appends the entry that plan decides on. If another process appended first, plan
// decides again in view of that entry. If plan says that its change is repeated, nothing is
// appended.
func (l *Ledger) change(ctx context.Context, token uint64, plan func(*state) (e entry, repeated bool, err error)) (outcome, error) {
	if err := l.acquire(ctx); err != nil {
		return unchanged, err
	}
	defer l.release()
	for lost := uint64(0); ; {
		if err := l.catchUp(ctx, token); err != nil {
			return unchanged, err
		}
		e, repeated, err := plan(&l.state)
		if err != nil || repeated {
			return unchanged, err
		}
		body, err := encodeEntry(e)
		if err != nil {
			return unchanged, err
		}
		next := l.chain.end + 1
		if next == lost { // otherwise a log that contradicts itself would be asked for ever
			return unchanged, fmt.Errorf("registry: entry %d exists but is not read", next)
		}
		link, done, err := l.chain.Append(ctx, token, body)
		if err != nil {
			return unknown, fmt.Errorf("registry: append entry %d: %w", next, err)
		}
		if !done {
			lost = next
			l.logger().DebugContext(ctx, "registry: another was faster", "entry", next)
			continue
		}
		if err := l.fold(link); err != nil {
			l.reset() // not to be reached: the rules that planned the entry refuse it
			return changed, err
		}
		return changed, nil
	}
}

// catchUp folds the entries that were appended since the last call, and returns an error if
// the token is fenced off. The caller has acquired l.
func (l *Ledger) catchUp(ctx context.Context, token uint64) error {
	err := l.chain.CatchUp(ctx, l.fold)
	for errors.Is(err, ErrRewound) {
		l.state = state{}
		err = l.chain.CatchUp(ctx, l.fold)
	}
	if err != nil {
		return err
	}
	return l.chain.admit(token)
}

func (l *Ledger) fold(link Link) error {
	if link.Repair != nil {
		return nil
	}
	e, err := decodeEntry(link.Body)
	if err != nil {
		return fmt.Errorf("registry: entry %d: %w", link.Seq, err)
	}
	if err := l.state.foldEntry(e, link.Token); err != nil {
		// Not wrapped: to the caller this is damage, not a conflict of the caller.
		return fmt.Errorf("%w: entry %d: %v", ErrCorrupt, link.Seq, err)
	}
	return nil
}

// reset forgets all entries. The caller has acquired l.
func (l *Ledger) reset() { l.chain, l.state = NewChain(l.log), state{} }

func (l *Ledger) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Ledger) release() { <-l.busy }

func (l *Ledger) logger() *slog.Logger {
	if l.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Logger
}

// store puts the artifact and the documents into blobs. If store fails, it deletes them.
func (l *Ledger) store(ctx context.Context, d Draft, artifact io.Reader) ([]File, error) {
	var files []File
	var err error
	if d.Folder != nil {
		files, err = l.storeFolder(ctx, d.Folder)
	} else {
		files, err = l.put(ctx, nil, ModelFile, artifact)
	}
	if err != nil {
		return nil, err
	}
	documents, err := l.storeDocuments(ctx, d.Documents)
	if err != nil {
		l.discard(ctx, files)
		return nil, err
	}
	return append(files, documents...), nil
}

func (l *Ledger) storeFolder(ctx context.Context, folder fs.FS) (files []File, err error) {
	err = fs.WalkDir(folder, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case !d.Type().IsRegular():
			return fmt.Errorf("file %q of the Folder is not a regular file", path)
		case !isPath(path):
			return fmt.Errorf("file %q of the Folder: want a path of at most %d printable characters without '\\'", path, maxPath)
		case len(files) == maxFiles:
			return fmt.Errorf("the Folder has more than %d files", maxFiles)
		}
		f, err := folder.Open(path)
		if err != nil {
			return err
		}
		files, err = l.put(ctx, files, ModelFile+"/"+path, f)
		return errors.Join(err, f.Close())
	})
	if err == nil && len(files) == 0 {
		err = errors.New("the Folder has no files")
	}
	if err != nil {
		l.discard(ctx, files)
		return nil, err
	}
	return files, nil
}

func (l *Ledger) storeDocuments(ctx context.Context, documents map[string][]byte) (files []File, err error) {
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		if files, err = l.put(ctx, files, name, bytes.NewReader(documents[name])); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// put stores the content of a file and returns files with that file. If put fails, it deletes
// the blobs of all files.
func (l *Ledger) put(ctx context.Context, files []File, name string, content io.Reader) ([]File, error) {
	blob, m := strings.ToLower(rand.Text()), newMeter(ctx, content)
	err := l.blobs.Put(ctx, blob, m)
	f, errContent := m.describe(name, blob)
	if err == nil || m.err != nil { // else the blobs failed, and read no further
		err = errors.Join(errContent, err)
	}
	if err != nil {
		l.discard(ctx, append(files, File{Blob: blob}))
		return nil, fmt.Errorf("store file %q: %w", name, err)
	}
	return append(files, f), nil
}

// cleanup is how long a failed call may take to delete its blobs.
const cleanup = 10 * time.Second

// discard deletes blobs that no version names, even if ctx is done. A failure does no harm:
// Leftovers finds the blobs.
func (l *Ledger) discard(ctx context.Context, files []File) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	for _, f := range files {
		if err := l.blobs.Delete(ctx, f.Blob); err != nil {
			l.logger().DebugContext(ctx, "registry: blob left over", "blob", f.Blob, "err", err)
		}
	}
}
