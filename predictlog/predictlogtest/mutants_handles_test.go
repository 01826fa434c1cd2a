package predictlogtest_test

import (
	"context"
	"iter"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

// locking is a store with one connection, which a Scan holds while it yields.
type locking struct {
	predictlog.Store
	connection chan struct{}
	hopeless   bool // waits do not end with ctx
}

func (l *locking) acquire(ctx context.Context) error {
	if l.hopeless {
		l.connection <- struct{}{}
		return nil
	}
	select {
	case l.connection <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *locking) Append(ctx context.Context, records ...predictlog.Record) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer func() { <-l.connection }()
	return l.Store.Append(ctx, records...)
}

func (l *locking) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		if err := l.acquire(ctx); err != nil {
			yield(predictlog.Record{}, err)
			return
		}
		defer func() { <-l.connection }()
		l.Store.Scan(ctx, q)(yield)
	}
}

func TestRun_FindsLocks(t *testing.T) {
	t.Parallel()
	for _, hopeless := range []bool{false, true} {
		require.Error(t, predictlogtest.Check(t, "use while scanning", memoryHarness(func(s *predictlog.MemoryStore) predictlog.Store {
			return &locking{Store: s, connection: make(chan struct{}, 1), hopeless: hopeless}
		})))
	}
}

// The kit finds what a store forgets, or does not see.
func TestRun_FindsDefectsOfHandles(t *testing.T) {
	t.Parallel()
	own := ownHarness()
	copied := func(store predictlog.Store) *table {
		from := store.(*ownStore).table
		from.mu.Lock()
		defer from.mu.Unlock()
		return &table{schemas: from.schemas, bodies: maps.Clone(from.bodies)}
	}
	for _, tc := range []struct {
		name   string
		change func(*predictlogtest.Harness)
		breaks string
	}{
		{"forgets all", func(h *predictlogtest.Harness) {
			h.Reopen = func(tb testing.TB, _ predictlog.Store, schema *predictlog.Schema) predictlog.Store {
				return own.New(tb, schema)
			}
		}, "reopened"},
		{"forgets the last", func(h *predictlogtest.Harness) {
			h.Reopen = func(_ testing.TB, store predictlog.Store, schema *predictlog.Schema) predictlog.Store {
				kept := copied(store)
				for id := range kept.bodies {
					delete(kept.bodies, id)
					break
				}
				return openOwn(kept, schema)
			}
		}, "reopened"},
		{"keeps the old schema", func(h *predictlogtest.Harness) {
			h.Reopen = func(tb testing.TB, store predictlog.Store, _ *predictlog.Schema) predictlog.Store { return store }
		}, "another schema"},
		{"refuses records of another schema", func(h *predictlogtest.Harness) {
			h.Reopen = func(_ testing.TB, store predictlog.Store, schema *predictlog.Schema) predictlog.Store {
				kept := copied(store)
				kept.schemas = nil
				return openOwn(kept, schema)
			}
		}, "another schema"},
		{"columns by position", func(h *predictlogtest.Harness) {
			h.Reopen = func(_ testing.TB, store predictlog.Store, schema *predictlog.Schema) predictlog.Store {
				if was, ok := store.(byPosition); ok {
					store = was.ownStore
				}
				return byPosition{openOwn(store.(*ownStore).table, schema)}
			}
		}, "another schema"},
		{"compares bytes of two schemas", func(h *predictlogtest.Harness) {
			h.Reopen = func(_ testing.TB, store predictlog.Store, schema *predictlog.Schema) predictlog.Store {
				if was, ok := store.(byBytes); ok {
					store = was.ownStore
				}
				return byBytes{openOwn(store.(*ownStore).table, schema)}
			}
		}, "another schema"},
		{"columns of its own schema only", func(h *predictlogtest.Harness) {
			h.Reopen = func(_ testing.TB, store predictlog.Store, schema *predictlog.Schema) predictlog.Store {
				if was, ok := store.(ownColumns); ok {
					store = was.ownStore
				}
				return ownColumns{openOwn(store.(*ownStore).table, schema)}
			}
		}, "another schema"},
		{"remembers what another pruned", func(h *predictlogtest.Harness) {
			*h = memoryHarness(func(s *predictlog.MemoryStore) predictlog.Store { return s })
			h.Second = func(_ testing.TB, store predictlog.Store) predictlog.Store {
				return &remembering{Store: store, taken: map[string]predictlog.Record{}}
			}
		}, "prune, second handle"},
		{"blind to others", func(h *predictlogtest.Harness) {
			h.Second = func(_ testing.TB, store predictlog.Store) predictlog.Store {
				return openOwn(copied(store), store.Schema())
			}
		}, "second handle"},
		{"locks others out", func(h *predictlogtest.Harness) {
			h.New = func(tb testing.TB, schema *predictlog.Schema) predictlog.Store {
				return &locking{Store: own.New(tb, schema), connection: make(chan struct{}, 1)}
			}
			h.Second = func(_ testing.TB, store predictlog.Store) predictlog.Store { return store }
		}, "second handle while scanning"},
		{"an ID is of its time", func(h *predictlogtest.Harness) {
			h.New = func(tb testing.TB, schema *predictlog.Schema) predictlog.Store {
				return &byTime{Store: own.New(tb, schema), stores: map[int64]predictlog.Store{}}
			}
		}, "ID at another time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := own
			tc.change(&h)
			require.Error(t, predictlogtest.Check(t, tc.breaks, h))
		})
	}
	without := own
	without.Features = predictlogtest.Features{}
	require.NoError(t, predictlogtest.Check(t, "ID at another time", without), "a store may tell more than it must")
}

// byPosition reads the columns of an earlier schema by their position.
type byPosition struct{ *ownStore }

func (s byPosition) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		for r, err := range s.ownStore.Scan(ctx, q) {
			if len(r.Row) > 1 && s.Schema().Column(0).Name == "age" {
				r.Row[0], r.Row[2] = r.Row[2], r.Row[0]
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// byBytes compares what is stored with what comes again by their encodings alone.
type byBytes struct{ *ownStore }

func (s byBytes) Append(ctx context.Context, records ...predictlog.Record) error {
	for _, r := range records {
		body, err := s.codec.AppendRecord(nil, r)
		if err != nil {
			return err
		}
		s.table.mu.Lock()
		stored, ok := s.table.bodies[r.ID]
		s.table.mu.Unlock()
		if ok && string(stored) != string(body) {
			return &predictlog.DuplicateError{ID: r.ID}
		}
	}
	return s.ownStore.Append(ctx, records...)
}

// ownColumns has no columns of what was stored under an earlier schema.
type ownColumns struct{ *ownStore }

func (s ownColumns) ScanColumns(ctx context.Context, q predictlog.Query) iter.Seq2[*predictlog.Batch, error] {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	own := &table{bodies: map[string][]byte{}}
	only := openOwn(own, s.Schema())
	for id, body := range s.table.bodies {
		if _, err := only.codec.Decode(body); err == nil {
			own.bodies[id] = body
		}
	}
	return predictlog.ScanColumns(ctx, only, q)
}

// remembering is a handle that keeps in memory which IDs it stored.
type remembering struct {
	predictlog.Store
	taken map[string]predictlog.Record
}

func (m *remembering) Append(ctx context.Context, records ...predictlog.Record) error {
	for _, r := range records {
		if was, ok := m.taken[r.ID]; ok && !was.Equal(r) {
			return &predictlog.DuplicateError{ID: r.ID}
		}
	}
	if err := m.Store.Append(ctx, records...); err != nil {
		return err
	}
	for _, r := range records {
		m.taken[r.ID] = r
	}
	return nil
}

// byTime is a store for each time.
type byTime struct {
	predictlog.Store
	mu     sync.Mutex
	stores map[int64]predictlog.Store
}

func (b *byTime) Append(ctx context.Context, records ...predictlog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range records {
		micros := r.Time.UnixMicro()
		if b.stores[micros] == nil {
			b.stores[micros] = predictlog.NewMemoryStore(b.Schema())
		}
		if err := b.stores[micros].Append(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// optional is a memory store whose optional methods have defects.
type optional struct {
	*predictlog.MemoryStore
	columns func(*predictlog.Batch)
	query   func(predictlog.Query) predictlog.Query
	blind   bool // to a cancelled ctx
	prune   func(before time.Time) time.Time
}

func (o optional) ScanColumns(ctx context.Context, q predictlog.Query) iter.Seq2[*predictlog.Batch, error] {
	if o.blind {
		ctx = context.WithoutCancel(ctx)
	}
	if o.query != nil {
		q = o.query(q)
	}
	return func(yield func(*predictlog.Batch, error) bool) {
		for b, err := range o.MemoryStore.ScanColumns(ctx, q) {
			if err == nil && o.columns != nil {
				o.columns(b)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func (o optional) Prune(ctx context.Context, before time.Time) error {
	if o.blind {
		ctx = context.WithoutCancel(ctx)
	}
	if o.prune != nil {
		before = o.prune(before)
	}
	return o.MemoryStore.Prune(ctx, before)
}

func TestRun_FindsDefectsOfOptionalMethods(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		mutant optional
		breaks string
	}{
		{"a column is shifted", optional{columns: func(b *predictlog.Batch) { b.Numbers[0][0], b.Numbers[0][1] = b.Numbers[0][1], b.Numbers[0][0] }}, "columns"},
		{"missing is a level", optional{columns: func(b *predictlog.Batch) {
			for i, code := range b.Codes[1] {
				b.Codes[1][i] = max(code, 0)
			}
		}}, "columns"},
		{"violations of the next", optional{columns: func(b *predictlog.Batch) { b.Violates = append(b.Violates[1:], false) }}, "columns"},
		{"times in milliseconds", optional{columns: func(b *predictlog.Batch) {
			for i := range b.Times {
				b.Times[i] /= 1000
			}
		}}, "columns"},
		{"answered by output", optional{columns: func(b *predictlog.Batch) {
			for i := range b.Answered {
				b.Answered[i] = b.Class == nil || b.Class[i] >= 0
			}
		}}, "columns"},
		{"no class is the first", optional{columns: func(b *predictlog.Batch) {
			for i, class := range b.Class {
				b.Class[i] = max(class, 0)
			}
		}}, "columns"},
		{"probability of the first class", optional{columns: func(b *predictlog.Batch) {
			for i, p := range b.Score {
				b.Score[i] = 1 - p
			}
		}}, "columns"},
		{"a level twice", optional{columns: func(b *predictlog.Batch) { b.Levels[1] = append(b.Levels[1], b.Levels[1][0]) }}, "columns"},
		{"a column too long", optional{columns: func(b *predictlog.Batch) { b.Numbers[0] = append(b.Numbers[0], 0) }}, "columns"},
		{"ignores the tag", optional{query: func(q predictlog.Query) predictlog.Query { q.Tag = predictlog.Tag{}; return q }}, "columns"},
		{"ignores the time", optional{query: func(q predictlog.Query) predictlog.Query { q.To = time.Time{}; return q }}, "columns"},
		{"ignores the context of ScanColumns", optional{blind: true}, "cancelled columns"},
		{"ignores the context of Prune", optional{blind: true}, "prune"},
		{"prunes what is later", optional{prune: func(before time.Time) time.Time { return before.Add(time.Microsecond) }}, "prune"},
		{"prunes too much of a day", optional{prune: func(before time.Time) time.Time { return before.Add(24 * time.Hour).Truncate(24 * time.Hour) }}, "prune"},
		{"prunes nothing", optional{prune: func(time.Time) time.Time { return time.Time{} }}, "prune"},
		{"prunes all meanwhile", optional{}, "prune while scanning"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, predictlogtest.Check(t, tc.breaks, memoryHarness(func(s *predictlog.MemoryStore) predictlog.Store {
				m := tc.mutant
				m.MemoryStore = s
				if tc.breaks == "prune while scanning" {
					return endsEarly{m}
				}
				return m
			})))
		})
	}
}

// endsEarly loses what a Scan has not yielded when it is pruned.
type endsEarly struct{ optional }

func (e endsEarly) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		n := 0
		for r, err := range e.optional.Scan(ctx, q) {
			if n++; n > 2000 || !yield(r, err) {
				return
			}
		}
	}
}
