package labels

import (
	"context"
	"iter"
	"sync"
	"time"
)

// MemoryStore is a [Store] and a [Pruner] in memory, for tests and examples. Its labels end
// with the process. The zero MemoryStore is empty and ready to use.
type MemoryStore struct {
	mu        sync.RWMutex
	index     Index   // guarded by mu
	revisions []Label // guarded by mu; in order of Append, only ever appended to or replaced
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
	now := time.Now()
	for _, l := range labels {
		if l = l.Stored(now); s.index.Add(l) {
			s.revisions = append(s.revisions, l)
		}
	}
	return nil
}

// Lookup implements [Store].
func (s *MemoryStore) Lookup(ctx context.Context, predictionIDs ...string) (map[string]Label, error) {
	return s.LookupAsOf(ctx, time.Time{}, predictionIDs...)
}

// LookupAsOf implements [Store].
func (s *MemoryStore) LookupAsOf(ctx context.Context, arrivedBy time.Time, predictionIDs ...string) (map[string]Label, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make(map[string]Label)
	for _, id := range predictionIDs {
		if l, ok := s.index.LookupAsOf(arrivedBy, id); ok {
			found[id] = l
		}
	}
	return found, nil
}

// Scan implements [Store]. Scan yields the revisions that were stored when it started, and
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

// Prune implements [Pruner] and removes all that it may.
func (s *MemoryStore) Prune(ctx context.Context, arrivedBefore time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	var (
		index Index
		kept  []Label // not in place, because a scan may be reading the revisions
	)
	for _, l := range s.revisions {
		if !s.index.LastArrival(l.PredictionID).Before(arrivedBefore) {
			index.Add(l)
			kept = append(kept, l)
		}
	}
	s.index, s.revisions = index, kept
	return nil
}
