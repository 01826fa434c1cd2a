package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
)

// broken is a store of which one method was replaced.
type broken struct {
	labels.Store
	append func(ctx context.Context, s labels.Store, ls []labels.Label) error
	lookup func(ctx context.Context, s labels.Store, ids []string) (map[string]labels.Label, error)
	scan   func(ctx context.Context, s labels.Store, q labels.Query) iter.Seq2[labels.Label, error]
}

func (b broken) Append(ctx context.Context, ls ...labels.Label) error {
	if b.append != nil {
		return b.append(ctx, b.Store, ls)
	}
	return b.Store.Append(ctx, ls...)
}

func (b broken) Lookup(ctx context.Context, ids ...string) (map[string]labels.Label, error) {
	if b.lookup != nil {
		return b.lookup(ctx, b.Store, ids)
	}
	return b.Store.Lookup(ctx, ids...)
}

func (b broken) Scan(ctx context.Context, q labels.Query) iter.Seq2[labels.Label, error] {
	if b.scan != nil {
		return b.scan(ctx, b.Store, q)
	}
	return b.Store.Scan(ctx, q)
}

// edited yields what the store yields, changed.
func edited(change func(labels.Label) labels.Label) broken {
	return broken{scan: func(ctx context.Context, s labels.Store, q labels.Query) iter.Seq2[labels.Label, error] {
		return func(yield func(labels.Label, error) bool) {
			for l, err := range s.Scan(ctx, q) {
				if err == nil {
					l = change(l)
				}
				if !yield(l, err) {
					return
				}
			}
		}
	}}
}

// asked passes another query on.
func asked(change func(labels.Query) labels.Query) broken {
	return broken{scan: func(ctx context.Context, s labels.Store, q labels.Query) iter.Seq2[labels.Label, error] {
		return s.Scan(ctx, change(q))
	}}
}

// appendNews leaves out what confirms the winner.
func appendNews(ctx context.Context, s labels.Store, ls []labels.Label) error {
	for _, l := range ls {
		winners, err := s.Lookup(ctx, l.PredictionID)
		if err != nil {
			return err
		}
		if winner, ok := winners[l.PredictionID]; ok && winner.SameTruth(l) {
			continue
		}
		if err := s.Append(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// TestPromises checks that the kit finds broken stores.
func TestPromises(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string // as the promise that must be found broken
		broken broken
	}{
		{"append and scan", broken{append: func(context.Context, labels.Store, []labels.Label) error { return nil }}},
		{"invalid label", broken{append: func(ctx context.Context, s labels.Store, ls []labels.Label) error {
			return appendEach(ctx, s, ls...)
		}}},
		{"late redelivery", broken{append: func(ctx context.Context, s labels.Store, ls []labels.Label) error {
			ls = slices.Clone(ls)
			for i := range ls {
				ls[i].Time = time.Now().Add(time.Duration(i) * time.Second)
			}
			return s.Append(ctx, ls...)
		}}},
		{"same truth at another time", broken{append: appendNews}},
		{"batch again", broken{append: appendNews}},
		{"same truth at another time", broken{append: func(ctx context.Context, s labels.Store, ls []labels.Label) error {
			ls = slices.Clone(ls)
			for i := range ls {
				ls[i].Value += 0 // -0 + 0 is 0
			}
			return s.Append(ctx, ls...)
		}}},
		{"cancelled append", broken{append: func(ctx context.Context, s labels.Store, ls []labels.Label) error {
			return s.Append(context.WithoutCancel(ctx), ls...)
		}}},
		{"correction", broken{lookup: func(ctx context.Context, s labels.Store, ids []string) (map[string]labels.Label, error) {
			first := map[string]labels.Label{}
			for l, err := range s.Scan(ctx, labels.Query{}) {
				if err != nil {
					return nil, err
				}
				if _, ok := first[l.PredictionID]; !ok && slices.Contains(ids, l.PredictionID) {
					first[l.PredictionID] = l
				}
			}
			return first, nil
		}}},
		{"late revision", broken{lookup: func(ctx context.Context, s labels.Store, ids []string) (map[string]labels.Label, error) {
			last := map[string]labels.Label{}
			for l, err := range s.Scan(ctx, labels.Query{}) {
				if err != nil {
					return nil, err
				}
				if slices.Contains(ids, l.PredictionID) {
					last[l.PredictionID] = l
				}
			}
			return last, nil
		}}},
		{"many labels", broken{lookup: func(ctx context.Context, s labels.Store, ids []string) (map[string]labels.Label, error) {
			return s.Lookup(ctx, ids[:min(len(ids), 1000)]...)
		}}},
		{"cancelled lookup", broken{lookup: func(ctx context.Context, s labels.Store, ids []string) (map[string]labels.Label, error) {
			return s.Lookup(context.WithoutCancel(ctx), ids...)
		}}},
		{"query by time", asked(func(q labels.Query) labels.Query { q.To = time.Time{}; return q })},
		{"query by prediction", asked(func(q labels.Query) labels.Query { q.PredictionID = ""; return q })},
		{"cancelled scan", broken{scan: func(ctx context.Context, s labels.Store, q labels.Query) iter.Seq2[labels.Label, error] {
			return s.Scan(context.WithoutCancel(ctx), q)
		}}},
		{"times", edited(func(l labels.Label) labels.Label { l.Time = l.Time.Local(); return l })},
		{"times", edited(func(l labels.Label) labels.Label { l.Time = l.Time.Truncate(time.Millisecond); return l })},
		{"values", edited(func(l labels.Label) labels.Label { l.Value = float64(float32(l.Value)); return l })},
		{"classes", edited(func(l labels.Label) labels.Label { l.Class = strings.TrimSpace(l.Class); return l })},
		{"classes", edited(func(l labels.Label) labels.Label { l.Class = strings.ReplaceAll(l.Class, "\r\n", "\n"); return l })},
		{"IDs", edited(func(l labels.Label) labels.Label { l.PredictionID = strings.ToLower(l.PredictionID); return l })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(promises, func(p promise) bool { return p.name == c.name })
			require.GreaterOrEqual(t, i, 0)
			require.NoError(t, promises[i].kept(t.Context(), labels.NewMemoryStore()))
			c.broken.Store = labels.NewMemoryStore()
			require.Error(t, promises[i].kept(t.Context(), c.broken))
		})
	}
}

func TestFaulty(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk on fire")
	var calls []int
	memory := labels.NewMemoryStore()
	s := Faulty(memory, func(call int) error {
		calls = append(calls, call)
		if call <= 3 {
			return failed
		}
		return nil
	})
	l := class("p-1", "yes", 1)
	require.Equal(t, failed, s.Append(t.Context(), l))
	_, err := s.Lookup(t.Context(), "p-1")
	require.Equal(t, failed, err)
	for got, err := range s.Scan(t.Context(), labels.Query{}) {
		require.Equal(t, failed, err)
		require.Zero(t, got)
	}
	require.NoError(t, wantScan(t.Context(), memory, labels.Query{}), "a failed call has no effect")

	require.NoError(t, s.Append(t.Context(), l))
	require.NoError(t, wantLookup(t.Context(), s, []labels.Label{l}))
	require.NoError(t, wantScan(t.Context(), s, labels.Query{}, l))
	require.Equal(t, []int{1, 2, 3, 4, 5, 6}, calls)
}
