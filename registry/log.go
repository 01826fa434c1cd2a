package registry

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"
)

// Log is an append-only sequence of opaque entries, numbered upwards from 1 without gaps. A
// [Ledger] and a journal of package healing need nothing else of their store: [Chain] adds
// hashes, fencing and repair. All methods are safe for concurrent use by goroutines and by
// the processes that share the store. Entries are at most [MaxEntry] bytes and never empty.
// The function registrytest.RunLog checks these promises.
type Log interface {
	// Append stores entry under the number seq, unless an entry has that number, and reports
	// whether it did: of several callers with one number, one succeeds. Append returns once
	// the entry is as durable as the log promises. seq is at most one more than the number of
	// the last entry, because the caller has read that entry; a log need not check this.
	// After an error it is unknown whether the entry was stored: reading the entry with that
	// number tells. A number is never used again.
	Append(ctx context.Context, seq uint64, entry []byte) (bool, error)

	// Read yields the entries with numbers above after, in order, byte for byte as they were
	// appended, including every entry whose Append returned before the call. A lost entry
	// before a later entry is yielded as an empty one. after is 0 or the number of an entry
	// that the caller has read; if that entry is gone, a log may return [ErrCorrupt]. The
	// sequence ends at the first error, which comes with a nil entry; a cancelled ctx is such
	// an error. The entries are the consumer's own. The consumer may stop early, and may call
	// the log while it ranges.
	Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error]
}

// MaxEntry is the largest number of bytes of an entry of a [Log].
const MaxEntry = 16 << 20

// MemoryLog is a [Log] in the memory of a process, for tests and examples. The zero MemoryLog
// is empty and ready to use.
type MemoryLog struct {
	mu      sync.Mutex
	entries [][]byte // guarded by mu; each entry never changes
}

// Append implements [Log]. A number that is not the next one is an error.
func (l *MemoryLog) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := uint64(len(l.entries)); {
	case seq == 0 || seq > n+1:
		return false, fmt.Errorf("registry: append entry %d to a log of %d entries", seq, n)
	case seq <= n:
		return false, nil
	}
	l.entries = append(l.entries, bytes.Clone(entry))
	return true, nil
}

// Read implements [Log].
func (l *MemoryLog) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		l.mu.Lock()
		entries := l.entries[min(after, uint64(len(l.entries))):]
		l.mu.Unlock()
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(bytes.Clone(e), nil) {
				return
			}
		}
	}
}
