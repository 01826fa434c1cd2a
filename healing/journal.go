package healing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// Errors of a journal.
var (
	// ErrConflict means that the entry's place is taken: another process was quicker.
	ErrConflict = errors.New("healing: journal entry conflicts with one already written")
	// ErrCorrupt means that the journal's chain of hashes is broken.
	ErrCorrupt = errors.New("healing: journal is damaged")
)

// Kind says what an [Entry] records.
type Kind string

// The kinds of entries.
const (
	KindPass Kind = "pass" // a monitor pass; the body is a [Pass]
	KindRun  Kind = "run"  // a step of a run; the body is the [Run] after it
)

// Entry is one line of the journal. To a journal the body is opaque.
type Entry struct {
	// Seq numbers the entries upwards from 1 without gaps.
	Seq uint64 `json:"seq"`
	// Time is when the entry was made, in UTC, by the clock of whoever made it.
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	// Run is the ID of the run that the entry is about, "" for a pass.
	Run string `json:"run,omitempty"`
	// Prev is the hash of the entry before, "" for the first.
	Prev string `json:"prev"`
	// Body is a JSON object in compact form.
	Body json.RawMessage `json:"body"`
}

// Hash returns the SHA-256, in hexadecimal, of the entry's JSON. It covers Prev, so the
// hash of an entry vouches for all before it.
func (e Entry) Hash() string {
	data, err := json.Marshal(e)
	if err != nil { // a body that is not JSON, which Append refuses
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Follows returns nil if e may come directly after last, the zero Entry standing for the
// beginning: [ErrConflict] if its place is taken or not yet next, [ErrCorrupt] if it has
// the place but not the hash of what is before it.
func (e Entry) Follows(last Entry) error {
	prev := ""
	if last.Seq > 0 {
		prev = last.Hash()
	}
	switch {
	case e.Seq != last.Seq+1:
		return fmt.Errorf("%w: entry %d after entry %d", ErrConflict, e.Seq, last.Seq)
	case e.Prev != prev:
		return fmt.Errorf("%w: entry %d does not name the hash of entry %d", ErrCorrupt, e.Seq, last.Seq)
	case !json.Valid(e.Body):
		return fmt.Errorf("healing: entry %d: body is not JSON", e.Seq)
	}
	return nil
}

// Journal is the memory of a loop: an append-only sequence of entries, shared by all
// processes that drive the loop. All methods are safe for concurrent use. The
// sub-package journaltest checks these promises.
type Journal interface {
	// Append adds e at the end, atomically, and returns once it is as durable as the
	// journal promises. It fails with [ErrConflict] and changes nothing unless e.Seq is
	// one more than the last entry's: of several processes that write the same number,
	// one succeeds. An entry that does not continue the chain of hashes is refused with
	// [ErrCorrupt]. See [Entry.Follows].
	Append(ctx context.Context, e Entry) error

	// Entries yields the entries with Seq > after in order, including every one whose
	// Append returned before the call. The sequence ends at the first error, which it
	// yields with a zero Entry; a broken chain is [ErrCorrupt].
	Entries(ctx context.Context, after uint64) iter.Seq2[Entry, error]
}

// MemoryJournal is a [Journal] that lives as long as the process: for tests, examples
// and trials. The zero MemoryJournal is empty and ready to use.
type MemoryJournal struct {
	mu      sync.Mutex
	entries []Entry // guarded by mu
}

// NewMemoryJournal returns an empty journal.
func NewMemoryJournal() *MemoryJournal { return &MemoryJournal{} }

// Append implements [Journal].
func (j *MemoryJournal) Append(ctx context.Context, e Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var last Entry
	if n := len(j.entries); n > 0 {
		last = j.entries[n-1]
	}
	if err := e.Follows(last); err != nil {
		return err
	}
	e.Body = append(json.RawMessage(nil), e.Body...)
	j.entries = append(j.entries, e)
	return nil
}

// Entries implements [Journal].
func (j *MemoryJournal) Entries(ctx context.Context, after uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		j.mu.Lock()
		entries := j.entries[min(after, uint64(len(j.entries))):]
		j.mu.Unlock()
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			e.Body = append(json.RawMessage(nil), e.Body...)
			if !yield(e, nil) {
				return
			}
		}
	}
}
