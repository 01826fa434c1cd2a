package predictlogtest_test

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

// table is what a store keeps: here a map, at a host a table of a database.
type table struct {
	mu      sync.Mutex
	schemas []*predictlog.Schema // guarded by mu; all that were ever used
	bodies  map[string][]byte    // guarded by mu; encoded records by ID
}

// ownStore is a store of a host's own, to be copied.
type ownStore struct {
	table *table
	codec *predictlog.Codec
}

func openOwn(t *table, schema *predictlog.Schema) *ownStore {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.schemas = append(t.schemas, schema)
	return &ownStore{table: t, codec: predictlog.NewCodec(schema, t.schemas...)}
}

func (s *ownStore) Schema() *predictlog.Schema { return s.codec.Schema() }

func (s *ownStore) Append(ctx context.Context, records ...predictlog.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	added := map[string][]byte{}
	for _, r := range records {
		body, err := s.codec.AppendRecord(nil, r) // refuses what does not follow the schema
		if err != nil {
			return err
		}
		stored, ok := s.table.bodies[r.ID]
		if !ok {
			stored, ok = added[r.ID]
		}
		if !ok {
			added[r.ID] = body
			continue
		}
		if string(stored) == string(body) {
			continue
		}
		was, err := s.codec.Decode(stored) // equal records of two schemas have two encodings
		if err != nil {
			return err
		}
		if !was.Equal(r) {
			return &predictlog.DuplicateError{ID: r.ID}
		}
	}
	for id, body := range added {
		s.table.bodies[id] = body
	}
	return nil
}

func (s *ownStore) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		s.table.mu.Lock()
		var bodies [][]byte // a page, so that nothing is locked while records are yielded
		for _, body := range s.table.bodies {
			bodies = append(bodies, body)
		}
		s.table.mu.Unlock()
		for _, body := range bodies {
			r, err := s.codec.Decode(body)
			if ctx.Err() != nil {
				r, err = predictlog.Record{}, ctx.Err()
			}
			if (err != nil || q.Matches(r)) && !yield(r, err) || err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil && len(bodies) == 0 {
			yield(predictlog.Record{}, err)
		}
	}
}

// ownHarness gives the kit stores.
func ownHarness() predictlogtest.Harness {
	return predictlogtest.Harness{
		New: func(_ testing.TB, schema *predictlog.Schema) predictlog.Store {
			return openOwn(&table{bodies: map[string][]byte{}}, schema)
		},
		Reopen: func(_ testing.TB, store predictlog.Store, schema *predictlog.Schema) predictlog.Store {
			return openOwn(store.(*ownStore).table, schema)
		},
		Second: func(_ testing.TB, store predictlog.Store) predictlog.Store {
			return openOwn(store.(*ownStore).table, store.Schema())
		},
		Features: predictlogtest.Features{UniqueIDs: true},
	}
}

// This is all that a test of an own store needs.
func TestOwnStore(t *testing.T) {
	t.Parallel()
	predictlogtest.Run(t, ownHarness())
}

// queue is an appender that nothing is read from but by its consumer.
type queue struct {
	codec *predictlog.Codec
	mu    sync.Mutex
	sent  [][]byte // guarded by mu
}

func (p *queue) Schema() *predictlog.Schema { return p.codec.Schema() }

func (p *queue) Append(ctx context.Context, records ...predictlog.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var bodies [][]byte
	for _, r := range records {
		body, err := p.codec.AppendRecord(nil, r)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, bodies...)
	return nil
}

func queueHarness(change func([]predictlog.Record) []predictlog.Record) predictlogtest.AppenderHarness {
	return predictlogtest.AppenderHarness{
		New: func(_ testing.TB, schema *predictlog.Schema) predictlog.Appender {
			return &queue{codec: predictlog.NewCodec(schema)}
		},
		Read: func(tb testing.TB, appender predictlog.Appender) (records []predictlog.Record) {
			p := appender.(*queue)
			for _, body := range slices.Clone(p.sent) {
				r, err := p.codec.Decode(body)
				if err != nil {
					tb.Fatal(err)
				}
				records = append(records, r)
			}
			return change(records)
		},
	}
}

func TestRunAppender(t *testing.T) {
	t.Parallel()
	predictlogtest.RunAppender(t, queueHarness(func(records []predictlog.Record) []predictlog.Record { return records }))
}

func TestRunAppender_FindsDefects(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]predictlog.Record) []predictlog.Record{
		"loses one": func(records []predictlog.Record) []predictlog.Record { return records[:max(0, len(records)-1)] },
		"changes one": func(records []predictlog.Record) []predictlog.Record {
			for i := range records {
				records[i].Version = "other"
			}
			return records
		},
	} {
		if predictlogtest.CheckAppender(t, "append", queueHarness(change)) == nil {
			t.Errorf("%s: not found", name)
		}
	}
	if predictlogtest.CheckAppender(t, "schema", predictlogtest.AppenderHarness{New: func(testing.TB, *predictlog.Schema) predictlog.Appender {
		return predictlog.NewMemoryStore(nil)
	}}) == nil {
		t.Error("nil schema: not found")
	}
	// An appender that checks nothing.
	careless := predictlogtest.AppenderHarness{New: func(_ testing.TB, schema *predictlog.Schema) predictlog.Appender {
		return carelessQueue{&queue{codec: predictlog.NewCodec(schema)}}
	}}
	for _, name := range []string{"invalid record", "cancelled"} {
		if predictlogtest.CheckAppender(t, name, careless) == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

type carelessQueue struct{ *queue }

func (carelessQueue) Append(context.Context, ...predictlog.Record) error { return nil }
