package labels

import (
	"context"
	"iter"
	"sync"
	"time"
)

// MemoryStore is a [Store] in memory, for tests and examples. Its labels are gone with
// the process. The zero MemoryStore is empty and ready to use.
type MemoryStore struct {
	mu        sync.RWMutex
	index     Index   // guarded by mu
	revisions []Label // guarded by mu; in order of Append, only ever appended to
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore { return &MemoryStore{} }

// Append implements [Store].
func (s *MemoryStore) Append(ctx context.Context, labels ...Label) error {
	for _, l := range labels {
		if err := l.Check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, l := range labels {
		if s.index.Add(l) {
			l.Time = l.Time.UTC().Truncate(time.Microsecond)
			s.revisions = append(s.revisions, l)
		}
	}
	return nil
}

// Lookup implements [Store].
func (s *MemoryStore) Lookup(ctx context.Context, predictionIDs ...string) (map[string]Label, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make(map[string]Label)
	for _, id := range predictionIDs {
		if l, ok := s.index.Lookup(id); ok {
			found[id] = l
		}
	}
	return found, nil
}

// Scan implements [Store]. It yields the revisions that were stored when it started, and
// holds no lock meanwhile: the consumer may call any method.
func (s *MemoryStore) Scan(ctx context.Context, q Query) iter.Seq2[Label, error] {
	return func(yield func(Label, error) bool) {
		s.mu.RLock()
		revisions := s.revisions
		s.mu.RUnlock()
		if err := ctx.Err(); err != nil { // also if there is no label
			yield(Label{}, err)
			return
		}
		for _, l := range revisions {
			if err := ctx.Err(); err != nil {
				yield(Label{}, err)
				return
			}
			if q.Matches(l) && !yield(l, nil) {
				return
			}
		}
	}
}
