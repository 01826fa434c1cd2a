package labelstest

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
)

// memory is a harness of stores in memory that survive the end of their process.
var memory = Harness{
	New:    func(testing.TB) labels.Store { return labels.NewMemoryStore() },
	Reopen: func(_ testing.TB, s labels.Store) labels.Store { return s },
	Second: func(_ testing.TB, s labels.Store) labels.Store { return s },
}

func TestRun(t *testing.T) {
	t.Parallel()
	Run(t, memory)
	Run(t, Harness{New: func(testing.TB) labels.Store { return withoutPrune{labels.NewMemoryStore()} }})
}

// withoutPrune hides what a store can do beside being one.
type withoutPrune struct{ labels.Store }

func TestPromise_Missing(t *testing.T) {
	t.Parallel()
	bare := Harness{New: func(testing.TB) labels.Store { return withoutPrune{labels.NewMemoryStore()} }}
	named := map[string]bool{}
	for _, p := range promises {
		unchecked, err := p.check(t, bare, patience)
		require.NoError(t, err)
		require.Equal(t, p.needs != 0, unchecked != "", p.name)
		named[unchecked] = true
	}
	require.Equal(t, map[string]bool{
		"": true, "the Harness has no Reopen": true, "the Harness has no Second": true, "the store is no labels.Pruner": true,
	}, named)
}

// A harness that cannot do its work ends the check at once.
func TestPromise_HarnessFails(t *testing.T) {
	t.Parallel()
	h := memory
	h.Second = func(testing.TB, labels.Store) labels.Store {
		runtime.Goexit() // as Fatal does
		return nil
	}
	i := slices.IndexFunc(promises, func(p promise) bool { return p.name == "second handle" })
	_, err := promises[i].check(t, h, 10*time.Second)
	require.EqualError(t, err, "the harness ended the test")
	h.Second = func(tb testing.TB, _ labels.Store) labels.Store {
		tb.Skip("no server")
		return nil
	}
	t.Run("skipped", func(t *testing.T) { Run(t, h) })
}

// mutant is a store in memory of which one method was replaced.
type mutant struct {
	*labels.MemoryStore
	append func(ctx context.Context, s *labels.MemoryStore, ls []labels.Label) error
	lookup func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error)
	scan   func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error]
	prune  func(ctx context.Context, s *mutant, before time.Time) error

	lookupNow bool // Lookup is that of the MemoryStore
}

func (m *mutant) Append(ctx context.Context, ls ...labels.Label) error {
	if m.append != nil {
		return m.append(ctx, m.MemoryStore, ls)
	}
	return m.MemoryStore.Append(ctx, ls...)
}

func (m *mutant) Lookup(ctx context.Context, ids ...string) (map[string]labels.Label, error) {
	if m.lookupNow {
		return m.MemoryStore.Lookup(ctx, ids...)
	}
	return m.LookupAsOf(ctx, time.Time{}, ids...)
}

func (m *mutant) LookupAsOf(ctx context.Context, by time.Time, ids ...string) (map[string]labels.Label, error) {
	if m.lookup != nil {
		return m.lookup(ctx, m.MemoryStore, by, ids)
	}
	return m.MemoryStore.LookupAsOf(ctx, by, ids...)
}

func (m *mutant) Scan(ctx context.Context, q labels.Query) iter.Seq2[labels.Label, error] {
	if m.scan != nil {
		return m.scan(ctx, m.MemoryStore, q)
	}
	return m.MemoryStore.Scan(ctx, q)
}

func (m *mutant) Prune(ctx context.Context, before time.Time) error {
	if m.prune != nil {
		return m.prune(ctx, m, before)
	}
	return m.MemoryStore.Prune(ctx, before)
}

// all returns what the store holds.
func all(ctx context.Context, s labels.Store) []labels.Label {
	ls, _ := scan(ctx, s, labels.Query{}) // never fails in memory
	return ls
}

// picked finds winners in a list of all labels, by a rule of its own.
func picked(better func(l, winner labels.Label) bool) mutant {
	return mutant{lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
		won := map[string]labels.Label{}
		for _, l := range all(ctx, s) {
			winner, ok := won[l.PredictionID]
			if slices.Contains(ids, l.PredictionID) && (by.IsZero() || !l.Arrived.After(by)) && (!ok || better(l, winner)) {
				won[l.PredictionID] = l
			}
		}
		return won, ctx.Err()
	}}
}

// storing appends other labels in their place.
func storing(change func(labels.Label) labels.Label) mutant {
	return mutant{append: func(ctx context.Context, s *labels.MemoryStore, ls []labels.Label) error {
		ls = slices.Clone(ls)
		for i := range ls {
			ls[i] = change(ls[i])
		}
		return s.Append(ctx, ls...)
	}}
}

// edited yields what the store yields, changed.
func edited(change func(labels.Label) labels.Label) mutant {
	return mutant{scan: func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error] {
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
func asked(change func(labels.Query) labels.Query) mutant {
	return mutant{scan: func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error] {
		return s.Scan(ctx, change(q))
	}}
}

// askedAsOf passes another moment on.
func askedAsOf(change func(time.Time) time.Time) mutant {
	return mutant{lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
		return s.LookupAsOf(ctx, change(by), ids...)
	}}
}

// keeping prunes by a rule of its own, label by label.
func keeping(keep func(l labels.Label, before time.Time) bool) mutant {
	return mutant{prune: func(ctx context.Context, m *mutant, before time.Time) error {
		kept := labels.NewMemoryStore()
		for _, l := range all(ctx, m.MemoryStore) {
			if keep(l, before) {
				if err := kept.Append(ctx, l); err != nil {
					return err
				}
			}
		}
		m.MemoryStore = kept
		return ctx.Err()
	}}
}

// appendNews leaves out what confirms the winner.
func appendNews(ctx context.Context, s *labels.MemoryStore, ls []labels.Label) error {
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

// copied returns another store with the same labels.
func copied(t testing.TB, s labels.Store, change func([]labels.Label)) labels.Store {
	ls := all(t.Context(), s)
	change(ls)
	other := labels.NewMemoryStore()
	if err := other.Append(t.Context(), ls...); err != nil {
		t.Error(err)
	}
	return other
}

// TestMutants checks that the kit finds broken stores.
func TestMutants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string // what is wrong
		caught string // the promise that must be found broken
		mutant mutant
	}{
		{"keeps nothing", "append and scan", mutant{append: func(context.Context, *labels.MemoryStore, []labels.Label) error { return nil }}},
		{"no transaction", "invalid label", mutant{append: func(ctx context.Context, s *labels.MemoryStore, ls []labels.Label) error {
			return appendEach(ctx, s, ls...)
		}}},
		{"stamps the time", "late redelivery", storing(func(l labels.Label) labels.Label { l.Time = time.Now(); return l })},
		{"passes over confirmations", "same truth at another time", mutant{append: appendNews}},
		{"passes over confirmations in a batch", "batch again", mutant{append: appendNews}},
		{"no -0", "same truth at another time", storing(func(l labels.Label) labels.Label { l.Value += 0; return l })},
		{"appends for the cancelled", "cancelled append", mutant{append: func(ctx context.Context, s *labels.MemoryStore, ls []labels.Label) error {
			return s.Append(context.WithoutCancel(ctx), ls...)
		}}},
		{"the first wins", "correction", picked(func(l, winner labels.Label) bool { return false })},
		{"the last wins", "late revision", picked(func(l, winner labels.Label) bool { return true })},
		{"the first of equal times wins", "equal times", picked(func(l, winner labels.Label) bool { return l.Time.After(winner.Time) })},
		{"the largest of equal times wins", "as of, equal times", picked(func(l, winner labels.Label) bool {
			return l.Time.After(winner.Time) || l.Time.Equal(winner.Time) && l.Class > winner.Class
		})},
		{"the last arrival of equal times wins", "as of, equal times", picked(func(l, winner labels.Label) bool {
			return l.Time.After(winner.Time) || l.Time.Equal(winner.Time) && !l.Arrived.Before(winner.Arrived)
		})},
		{"a thousand parameters", "many labels", mutant{lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
			return s.LookupAsOf(ctx, by, ids[:min(len(ids), 1000)]...)
		}}},
		{"looks up for the cancelled", "cancelled lookup", mutant{lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
			return s.LookupAsOf(context.WithoutCancel(ctx), by, ids...)
		}}},
		{"no upper bound", "query by time", asked(func(q labels.Query) labels.Query { q.To = time.Time{}; return q })},
		{"bounds cut to microseconds", "query by time", asked(func(q labels.Query) labels.Query {
			q.From, q.To = q.From.Truncate(time.Microsecond), q.To.Truncate(time.Microsecond)
			return q
		})},
		{"every prediction", "query by prediction", asked(func(q labels.Query) labels.Query { q.PredictionID = ""; return q })},
		{"every arrival", "query by arrival", asked(func(q labels.Query) labels.Query { q.ArrivedBy = time.Time{}; return q })},
		{"scans for the cancelled", "cancelled scan", mutant{scan: func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error] {
			return s.Scan(context.WithoutCancel(ctx), q)
		}}},
		{"local times", "times", edited(func(l labels.Label) labels.Label { l.Time = l.Time.Local(); return l })},
		{"times in milliseconds", "times", edited(func(l labels.Label) labels.Label { l.Time = l.Time.Truncate(time.Millisecond); return l })},
		{"arrivals in milliseconds", "as of, to the microsecond", storing(func(l labels.Label) labels.Label {
			l.Arrived = l.Arrived.Truncate(time.Millisecond)
			return l
		})},
		{"float32", "values", edited(func(l labels.Label) labels.Label { l.Value = float64(float32(l.Value)); return l })},
		{"trimmed classes", "classes", edited(func(l labels.Label) labels.Label { l.Class = strings.TrimSpace(l.Class); return l })},
		{"lines of another kind", "classes", edited(func(l labels.Label) labels.Label { l.Class = strings.ReplaceAll(l.Class, "\r\n", "\n"); return l })},
		{"IDs without case", "IDs", edited(func(l labels.Label) labels.Label { l.PredictionID = strings.ToLower(l.PredictionID); return l })},
		{"forgets the arrival", "arrival", edited(func(l labels.Label) labels.Label { l.Arrived = time.Time{}; return l })},
		{"arrives at its time", "arrival", storing(func(l labels.Label) labels.Label { l.Arrived = l.Time; return l })},
		{"arrives always now", "arrival given", storing(func(l labels.Label) labels.Label { l.Arrived = time.Now(); return l })},
		{"the last of equal labels counts", "arrival of equal labels", func() mutant {
			m := edited(func(l labels.Label) labels.Label { return l })
			var mu sync.Mutex
			last := map[string]time.Time{}
			m.append = func(ctx context.Context, s *labels.MemoryStore, ls []labels.Label) error {
				mu.Lock()
				defer mu.Unlock()
				for _, l := range ls {
					last[l.PredictionID] = l.Stored(time.Now()).Arrived
				}
				return s.Append(ctx, ls...)
			}
			scanned := m.scan
			m.scan = func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error] {
				return func(yield func(labels.Label, error) bool) {
					for l, err := range scanned(ctx, s, q) {
						mu.Lock()
						l.Arrived = last[l.PredictionID]
						mu.Unlock()
						if !yield(l, err) {
							return
						}
					}
				}
			}
			return m
		}()},
		{"as of ignores the moment", "as of", askedAsOf(func(time.Time) time.Time { return time.Time{} })},
		{"as of no moment is before all", "as of", mutant{lookupNow: true, lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
			return s.LookupAsOf(ctx, by.Add(time.Nanosecond), ids...)
		}}},
		{"as of ignores revisions", "as of", mutant{lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
			found, err := s.Lookup(ctx, ids...)
			for id, l := range found {
				if !by.IsZero() && l.Arrived.After(by) {
					delete(found, id)
				}
			}
			return found, err
		}}},
		{"as of in milliseconds", "as of, to the microsecond", askedAsOf(func(by time.Time) time.Time { return by.Truncate(time.Millisecond) })},
		{"as of without the moment itself", "as of, to the microsecond", askedAsOf(func(by time.Time) time.Time {
			if by.IsZero() {
				return by
			}
			return by.Add(-time.Microsecond)
		})},
		{"as of the time of the label", "as of, any history", mutant{lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
			won := map[string]labels.Label{}
			for _, l := range all(ctx, s) {
				if slices.Contains(ids, l.PredictionID) && (by.IsZero() || !l.Time.After(by)) && !l.Time.Before(won[l.PredictionID].Time) {
					won[l.PredictionID] = l
				}
			}
			return won, ctx.Err()
		}}},
		{"keeps the caller's slice", "caller's memory", func() mutant {
			var kept [][]labels.Label
			return mutant{
				append: func(_ context.Context, _ *labels.MemoryStore, ls []labels.Label) error {
					kept = append(kept, ls)
					return nil
				},
				lookup: func(ctx context.Context, _ *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
					s := labels.NewMemoryStore()
					if err := s.Append(ctx, slices.Concat(kept...)...); err != nil {
						return nil, err
					}
					return s.LookupAsOf(ctx, by, ids...)
				},
			}
		}()},
		{"gives its own map away", "caller's memory", func() mutant {
			cache := map[string]labels.Label{}
			return mutant{lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
				if len(cache) > 0 {
					return cache, nil
				}
				var err error
				cache, err = s.LookupAsOf(ctx, by, ids...)
				return cache, err
			}}
		}()},
		{"keeps its lock while it yields", "use while scanning", func() mutant {
			connection := make(chan struct{}, 1)
			take := func(ctx context.Context) error {
				select {
				case connection <- struct{}{}:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return mutant{
				lookup: func(ctx context.Context, s *labels.MemoryStore, by time.Time, ids []string) (map[string]labels.Label, error) {
					if err := take(ctx); err != nil {
						return nil, err
					}
					defer func() { <-connection }()
					return s.LookupAsOf(ctx, by, ids...)
				},
				scan: func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error] {
					return func(yield func(labels.Label, error) bool) {
						if err := take(ctx); err != nil {
							yield(labels.Label{}, err)
							return
						}
						defer func() { <-connection }()
						s.Scan(ctx, q)(yield)
					}
				},
			}
		}()},
		{"keeps a mutex while it yields", "use while scanning", func() mutant {
			var mu sync.Mutex
			return mutant{
				append: func(ctx context.Context, s *labels.MemoryStore, ls []labels.Label) error {
					mu.Lock()
					defer mu.Unlock()
					return s.Append(ctx, ls...)
				},
				scan: func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error] {
					return func(yield func(labels.Label, error) bool) {
						mu.Lock()
						defer mu.Unlock()
						s.Scan(ctx, q)(yield)
					}
				},
			}
		}()},
		{"scans once", "range again", mutant{scan: func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error] {
			var ls []labels.Label
			for l := range s.Scan(ctx, q) {
				ls = append(ls, l)
			}
			return func(yield func(labels.Label, error) bool) {
				for _, l := range ls {
					if !yield(l, nil) {
						return
					}
				}
			}
		}}},
		{"in order of time", "append and scan", mutant{scan: func(ctx context.Context, s *labels.MemoryStore, q labels.Query) iter.Seq2[labels.Label, error] {
			return func(yield func(labels.Label, error) bool) {
				ls, err := scan(ctx, s, q)
				slices.SortStableFunc(ls, func(a, b labels.Label) int { return a.Time.Compare(b.Time) })
				for _, l := range ls {
					if !yield(l, nil) {
						return
					}
				}
				if err != nil {
					yield(labels.Label{}, err)
				}
			}
		}}},
		{"prunes nothing", "prune", mutant{prune: func(context.Context, *mutant, time.Time) error { return nil }}},
		{"prunes all", "prune", keeping(func(labels.Label, time.Time) bool { return false })},
		{"prunes what arrives at the moment", "prune", keeping(func(l labels.Label, before time.Time) bool { return l.Arrived.After(before) })},
		{"prunes by time", "prune", keeping(func(l labels.Label, before time.Time) bool { return !l.Time.Before(before) })},
		{"prunes beaten and winning labels apart", "prune whole histories", keeping(func(l labels.Label, before time.Time) bool {
			return !l.Arrived.Before(before)
		})},
		{"remembers what it pruned", "prune and append", func() mutant {
			pruned := labels.NewMemoryStore()
			return mutant{
				prune: func(ctx context.Context, m *mutant, before time.Time) error {
					for _, l := range all(ctx, m.MemoryStore) {
						if l.Arrived.Before(before) {
							if err := pruned.Append(ctx, l); err != nil {
								return err
							}
						}
					}
					return m.MemoryStore.Prune(ctx, before)
				},
				append: func(ctx context.Context, s *labels.MemoryStore, ls []labels.Label) error {
					known := all(ctx, pruned)
					return s.Append(ctx, slices.DeleteFunc(slices.Clone(ls), func(l labels.Label) bool {
						return slices.ContainsFunc(known, l.Equal)
					})...)
				},
			}
		}()},
		{"prunes for the cancelled", "prune, cancelled", mutant{prune: func(ctx context.Context, m *mutant, before time.Time) error {
			return m.MemoryStore.Prune(context.WithoutCancel(ctx), before)
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := memory
			h.New = func(testing.TB) labels.Store {
				m := c.mutant
				m.MemoryStore = labels.NewMemoryStore()
				return &m
			}
			requireCaught(t, c.caught, h)
		})
	}
	for _, c := range []struct {
		name, caught string
		change       func(h *Harness)
	}{
		{"blind to others", "second handle", func(h *Harness) {
			h.Second = func(t testing.TB, s labels.Store) labels.Store { return copied(t, s, func([]labels.Label) {}) }
		}},
		{"blind to others at once", "second handle, concurrently", func(h *Harness) {
			h.Second = func(t testing.TB, s labels.Store) labels.Store { return copied(t, s, func([]labels.Label) {}) }
		}},
		{"does not outlive its process", "reopened", func(h *Harness) {
			h.Reopen = func(testing.TB, labels.Store) labels.Store { return labels.NewMemoryStore() }
		}},
		{"loses the arrival", "reopened", func(h *Harness) {
			h.Reopen = func(t testing.TB, s labels.Store) labels.Store {
				return copied(t, s, func(ls []labels.Label) {
					for i := range ls {
						ls[i].Arrived = time.Time{}
					}
				})
			}
		}},
		{"loses the order of equal times", "reopened", func(h *Harness) {
			h.Reopen = func(t testing.TB, s labels.Store) labels.Store {
				return copied(t, s, func(ls []labels.Label) {
					slices.SortFunc(ls, func(a, b labels.Label) int { return a.Arrived.Compare(b.Arrived) })
				})
			}
		}},
		{"pruned labels come back", "prune, reopened", func(h *Harness) {
			h.New = func(testing.TB) labels.Store {
				m := keeping(func(l labels.Label, before time.Time) bool { return !l.Arrived.Before(before) })
				m.MemoryStore = labels.NewMemoryStore()
				return &journaled{mutant: &m, journal: m.MemoryStore}
			}
			h.Reopen = func(t testing.TB, s labels.Store) labels.Store { return s.(*journaled).journal }
		}},
		{"others do not see that it pruned", "prune, second handle", func(h *Harness) {
			h.New = func(testing.TB) labels.Store {
				m := keeping(func(l labels.Label, before time.Time) bool { return !l.Arrived.Before(before) })
				m.MemoryStore = labels.NewMemoryStore()
				return &journaled{mutant: &m, journal: m.MemoryStore}
			}
			h.Second = func(_ testing.TB, s labels.Store) labels.Store { return s.(*journaled).journal }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := memory
			c.change(&h)
			requireCaught(t, c.caught, h)
		})
	}
}

// journaled has a store from which nothing is pruned.
type journaled struct {
	*mutant
	journal *labels.MemoryStore
}

// requireCaught checks that a promise is found broken that a good store keeps.
func requireCaught(t *testing.T, name string, h Harness) {
	t.Helper()
	i := slices.IndexFunc(promises, func(p promise) bool { return p.name == name })
	require.GreaterOrEqual(t, i, 0, name)
	unchecked, err := promises[i].check(t, memory, patience)
	require.NoError(t, err)
	require.Empty(t, unchecked)
	unchecked, err = promises[i].check(t, h, time.Second)
	require.Error(t, err)
	require.Empty(t, unchecked)
}

// Every promise about what a store can choose to be is relaxed for who says so.
func TestRun_PrunesInPortions(t *testing.T) {
	t.Parallel()
	Run(t, Harness{
		New: func(testing.TB) labels.Store {
			return &mutant{
				MemoryStore: labels.NewMemoryStore(),
				prune:       func(ctx context.Context, _ *mutant, _ time.Time) error { return ctx.Err() },
			}
		},
		Reopen:   memory.Reopen,
		Second:   memory.Second,
		Features: Features{PrunesInPortions: true},
	})
}

func TestFaulty(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk on fire")
	var calls []int
	memory := labels.NewMemoryStore()
	s := Faulty(memory, func(call int) error {
		calls = append(calls, call)
		if call <= 4 {
			return failed
		}
		return nil
	})
	l := class("p-1", "yes", 1)
	require.Equal(t, failed, s.Append(t.Context(), l))
	_, err := s.Lookup(t.Context(), "p-1")
	require.Equal(t, failed, err)
	_, err = s.LookupAsOf(t.Context(), at(1), "p-1")
	require.Equal(t, failed, err)
	for got, err := range s.Scan(t.Context(), labels.Query{}) {
		require.Equal(t, failed, err)
		require.Zero(t, got)
	}
	require.NoError(t, wantScan(t.Context(), memory, labels.Query{}), "a failed call has no effect")

	require.NoError(t, s.Append(t.Context(), l))
	require.NoError(t, wantLookup(t.Context(), s, []labels.Label{l})) // two calls
	require.NoError(t, wantScan(t.Context(), s, labels.Query{}, l))
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8}, calls)
}
