package predictlogtest_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

func memory(schema *predictlog.Schema) predictlog.Store { return predictlog.NewMemoryStore(schema) }

// memoryHarness gives stores in memory, wrapped.
func memoryHarness(wrap func(*predictlog.MemoryStore) predictlog.Store) predictlogtest.Harness {
	return predictlogtest.Harness{
		New: func(_ testing.TB, schema *predictlog.Schema) predictlog.Store {
			return wrap(predictlog.NewMemoryStore(schema))
		},
		Features: predictlogtest.Features{UniqueIDs: true},
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	predictlogtest.Run(t, memoryHarness(func(s *predictlog.MemoryStore) predictlog.Store { return s }))
}

// A harness without a server skips what it cannot check; one that fails, fails.
func TestRun_HarnessEndsTheTest(t *testing.T) {
	t.Parallel()
	h := memoryHarness(func(s *predictlog.MemoryStore) predictlog.Store { return s })
	h.New = func(tb testing.TB, _ *predictlog.Schema) predictlog.Store {
		tb.Skip("no server")
		return nil
	}
	t.Run("skipped", func(t *testing.T) { predictlogtest.Run(t, h) })
	h.New = func(testing.TB, *predictlog.Schema) predictlog.Store {
		runtime.Goexit() // as Fatal does
		return nil
	}
	require.EqualError(t, predictlogtest.Check(t, "schema", h), "the harness ended the test")
}

// mutant is a memory store with defects.
type mutant struct {
	predictlog.Store
	schema func(*predictlog.Schema) *predictlog.Schema
	append func(ctx context.Context, store predictlog.Store, records []predictlog.Record) error
	query  func(predictlog.Query) predictlog.Query
	// scanQuery replaces Scan.
	scanQuery func(context.Context, predictlog.Store, predictlog.Query) iter.Seq2[predictlog.Record, error]
	scan      func(context.Context, iter.Seq2[predictlog.Record, error]) iter.Seq2[predictlog.Record, error]
	record    func(*predictlog.Record)
}

func (m mutant) Schema() *predictlog.Schema {
	if m.schema != nil {
		return m.schema(m.Store.Schema())
	}
	return m.Store.Schema()
}

func (m mutant) Append(ctx context.Context, records ...predictlog.Record) error {
	if m.append != nil {
		return m.append(ctx, m.Store, records)
	}
	return m.Store.Append(ctx, records...)
}

func (m mutant) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	if m.query != nil {
		q = m.query(q)
	}
	sequence := m.Store.Scan(ctx, q)
	if m.scanQuery != nil {
		sequence = m.scanQuery(ctx, m.Store, q)
	}
	if m.scan != nil {
		sequence = m.scan(ctx, sequence)
	}
	if m.record == nil {
		return sequence
	}
	return func(yield func(predictlog.Record, error) bool) {
		for r, err := range sequence {
			if err == nil {
				m.record(&r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// cut returns a defect: bounds that are cut off.
func cut(unit time.Duration) func(predictlog.Query) predictlog.Query {
	return func(q predictlog.Query) predictlog.Query {
		if !q.From.IsZero() {
			q.From = q.From.Truncate(unit)
		}
		if !q.To.IsZero() {
			q.To = q.To.Truncate(unit)
		}
		return q
	}
}

func filtered(records iter.Seq2[predictlog.Record, error], keep func(predictlog.Record) bool) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		for r, err := range records {
			if (err != nil || keep(r)) && !yield(r, err) {
				return
			}
		}
	}
}

// The kit finds each of these defects.
func TestRun_FindsDefects(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		mutant mutant
		breaks string // a case that must fail
	}{
		{"nil schema", mutant{schema: func(*predictlog.Schema) *predictlog.Schema { return nil }}, "schema"},
		{"other pointer", mutant{schema: func(s *predictlog.Schema) *predictlog.Schema { c := *s; return &c }}, "schema"},
		{"forgets", mutant{append: func(context.Context, predictlog.Store, []predictlog.Record) error { return nil }}, "append and scan"},
		{"one by one", mutant{append: func(ctx context.Context, s predictlog.Store, records []predictlog.Record) error {
			for _, r := range records {
				if err := s.Append(ctx, r); err != nil {
					return err
				}
			}
			return ctx.Err()
		}}, "all or none"},
		{"hides the error", mutant{append: func(ctx context.Context, s predictlog.Store, records []predictlog.Record) error {
			err := s.Append(ctx, records...)
			if errors.Is(err, predictlog.ErrDuplicate) {
				return predictlog.ErrDuplicate
			}
			return err
		}}, "taken ID"},
		{"ignores the context of Append", mutant{append: func(_ context.Context, s predictlog.Store, records []predictlog.Record) error {
			return s.Append(context.Background(), records...)
		}}, "cancelled append"},
		{"yields twice", mutant{scan: func(_ context.Context, records iter.Seq2[predictlog.Record, error]) iter.Seq2[predictlog.Record, error] {
			return func(yield func(predictlog.Record, error) bool) {
				for r, err := range records {
					for range 2 {
						if !yield(r, err) {
							return
						}
					}
				}
			}
		}}, "append and scan"},
		{"ends in silence", mutant{scan: func(_ context.Context, records iter.Seq2[predictlog.Record, error]) iter.Seq2[predictlog.Record, error] {
			return func(yield func(predictlog.Record, error) bool) {
				for r, err := range records {
					if err != nil || !yield(r, err) {
						return
					}
				}
			}
		}}, "cancelled scan"},
		{"reads once", mutant{scan: func(_ context.Context, records iter.Seq2[predictlog.Record, error]) iter.Seq2[predictlog.Record, error] {
			read := false
			return func(yield func(predictlog.Record, error) bool) {
				if !read {
					read = true
					records(yield)
				}
			}
		}}, "range again"},
		{"ignores From", mutant{query: func(q predictlog.Query) predictlog.Query { q.From = time.Time{}; return q }}, "query by time"},
		{"To is inclusive", mutant{query: func(q predictlog.Query) predictlog.Query {
			if !q.To.IsZero() {
				q.To = q.To.Add(time.Nanosecond)
			}
			return q
		}}, "query by time"},
		{"bounds cut to microseconds", mutant{query: cut(time.Microsecond)}, "query by time"},
		{"bounds cut to milliseconds", mutant{query: cut(time.Millisecond)}, "query by time"},
		{"ignores Tag", mutant{query: func(q predictlog.Query) predictlog.Query { q.Tag = predictlog.Tag{}; return q }}, "query by tag"},
		{"ignores the tag's value", mutant{scanQuery: func(ctx context.Context, s predictlog.Store, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
			tag := q.Tag.Name
			q.Tag = predictlog.Tag{}
			return filtered(s.Scan(ctx, q), func(r predictlog.Record) bool { _, ok := r.Tags[tag]; return tag == "" || ok })
		}}, "query by tag"},
		{"an absent tag is empty", mutant{scanQuery: func(ctx context.Context, s predictlog.Store, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
			tag := q.Tag
			q.Tag = predictlog.Tag{}
			return filtered(s.Scan(ctx, q), func(r predictlog.Record) bool { return r.Tags[tag.Name] == tag.Value })
		}}, "query by tag"},
		{"ignores Version", mutant{query: func(q predictlog.Query) predictlog.Query { q.Version = ""; return q }}, "query by model"},
		{"ignores Model", mutant{query: func(q predictlog.Query) predictlog.Query { q.Model = ""; return q }}, "query by model"},
		{"missing is empty", mutant{record: func(r *predictlog.Record) {
			if r.Row[1].IsMissing() {
				r.Row[1] = predictlog.Category("")
			}
		}}, "values"},
		{"NaN is missing", mutant{record: func(r *predictlog.Record) {
			if x, ok := r.Row[0].Number(); ok && math.IsNaN(x) {
				r.Row[0] = predictlog.Missing()
			}
		}}, "values"},
		{"-0 is 0", mutant{record: func(r *predictlog.Record) {
			if x, ok := r.Row[0].Number(); ok && x == 0 {
				r.Row[0] = predictlog.Number(0)
			}
		}}, "values"},
		{"float32", mutant{record: func(r *predictlog.Record) {
			if x, ok := r.Row[0].Number(); ok && !math.IsNaN(x) {
				r.Row[0] = predictlog.Number(float64(float32(x)))
			}
		}}, "values"},
		{"line ends", mutant{record: func(r *predictlog.Record) {
			if text, ok := r.Row[1].Category(); ok {
				r.Row[1] = predictlog.Category(strings.ReplaceAll(text, "\r\n", "\n"))
			}
		}}, "texts"},
		{"trims tags", mutant{record: func(r *predictlog.Record) {
			for k, v := range r.Tags {
				r.Tags[k] = strings.TrimSpace(v)
			}
		}}, "texts"},
		{"milliseconds", mutant{record: func(r *predictlog.Record) { r.Time = r.Time.Truncate(time.Millisecond) }}, "times"},
		{"local time", mutant{record: func(r *predictlog.Record) { r.Time = r.Time.In(time.FixedZone("east", 3600)) }}, "times"},
		{"no answer is class 0", mutant{record: func(r *predictlog.Record) {
			if r.Output.IsZero() && r.Version == "" {
				r.Output.Class = "0"
			}
		}}, "unanswered"},
		{"forgets tags", mutant{record: func(r *predictlog.Record) { r.Tags = nil }}, "violations and tags"},
		{"forgets violations", mutant{record: func(r *predictlog.Record) { r.Violations = nil }}, "violations and tags"},
		{"sorts probabilities", mutant{record: func(r *predictlog.Record) { slices.Sort(r.Output.Probabilities) }}, "multiclass"},
		{"forgets the value", mutant{record: func(r *predictlog.Record) { r.Output.Value = 0 }}, "regression"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, predictlogtest.Check(t, tc.breaks, memoryHarness(func(s *predictlog.MemoryStore) predictlog.Store {
				m := tc.mutant
				m.Store = s
				return m
			})))
		})
	}
}

func TestFaulty(t *testing.T) {
	t.Parallel()
	errFault := errors.New("fault")
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "x", Kind: predictlog.Numeric}}, predictlog.Target{})
	require.NoError(t, err)
	var calls []int
	store := predictlogtest.Faulty(memory(schema), func(call int) error {
		calls = append(calls, call)
		if call%2 == 1 {
			return errFault
		}
		return nil
	})
	r := predictlog.Record{ID: "a", Time: time.Unix(0, 0), Row: predictlog.Row{predictlog.Number(1)}}
	require.Same(t, schema, store.Schema())
	require.ErrorIs(t, store.Append(t.Context(), r), errFault)
	require.NoError(t, store.Append(t.Context(), r))
	sequence := store.Scan(t.Context(), predictlog.Query{})
	for got, err := range sequence {
		require.ErrorIs(t, err, errFault)
		require.Equal(t, predictlog.Record{}, got)
	}
	count := 0
	for got, err := range sequence {
		require.NoError(t, err)
		require.True(t, got.Equal(r))
		count++
	}
	require.Equal(t, 1, count)
	require.Equal(t, []int{1, 2, 3, 4}, calls)
}
