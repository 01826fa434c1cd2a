package predictlog

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"
)

// MemoryStore is a [Store] that keeps its records in memory, for tests and examples. It finds
// a taken ID whatever the Time of the record. It grows until it is pruned. MemoryStore is a
// [Pruner], exact to the record, and a [ColumnScanner].
type MemoryStore struct {
	schema *Schema

	mu      sync.RWMutex
	records []Record       // guarded by mu; only ever appended to, or replaced
	byID    map[string]int // guarded by mu; the position in records
}

// NewMemoryStore returns an empty store of records that follow the schema, which must
// not be nil.
func NewMemoryStore(schema *Schema) *MemoryStore {
	return &MemoryStore{schema: schema, byID: map[string]int{}}
}

// Schema returns the schema given to [NewMemoryStore].
func (m *MemoryStore) Schema() *Schema { return m.schema }

// Append implements [Store]. Its records last as long as the process.
func (m *MemoryStore) Append(ctx context.Context, records ...Record) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("predictlog: append to memory: %w", err)
	}
	for _, r := range records {
		if err := m.schema.CheckRecord(r); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	stored := len(m.records)
	for _, r := range records {
		i, taken := m.byID[r.ID]
		if taken && m.records[i].Equal(r) {
			continue
		}
		if taken {
			m.truncate(stored)
			return &DuplicateError{ID: r.ID}
		}
		m.byID[r.ID] = len(m.records)
		m.records = append(m.records, r.Clone())
	}
	return nil
}

// truncate removes the records from position n on, which no scan has seen.
func (m *MemoryStore) truncate(n int) {
	for _, r := range m.records[n:] {
		delete(m.byID, r.ID)
	}
	m.records = m.records[:n]
}

// Scan implements [Store]. It yields records in the order in which they were appended.
func (m *MemoryStore) Scan(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		m.mu.RLock()
		records := m.records
		m.mu.RUnlock()
		for i := 0; ; i++ {
			if err := ctx.Err(); err != nil {
				yield(Record{}, fmt.Errorf("predictlog: scan of memory: %w", err))
				return
			}
			if i == len(records) {
				return
			}
			if q.Matches(records[i]) && !yield(records[i].Clone(), nil) {
				return
			}
		}
	}
}

// ScanColumns implements [ColumnScanner]. It is as fast as Scan.
func (m *MemoryStore) ScanColumns(ctx context.Context, q Query) iter.Seq2[*Batch, error] {
	return batches(m.schema, m.Scan(ctx, q))
}

// Prune implements [Pruner].
func (m *MemoryStore) Prune(ctx context.Context, before time.Time) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("predictlog: prune memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var kept []Record // not in place, because a scan may be reading
	byID := map[string]int{}
	for _, r := range m.records {
		if r.Time.Before(before) {
			continue
		}
		byID[r.ID] = len(kept)
		kept = append(kept, r)
	}
	m.records, m.byID = kept, byID
	return nil
}
