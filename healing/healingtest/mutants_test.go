package healingtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
)

// mutant is a telemetry in memory that survives the end of its process, and of which a part
// can be damaged and one method replaced.
type mutant struct {
	*healing.MemoryTelemetry
	put   func(ctx context.Context, m *mutant, points []healing.Point) error
	query func(q healing.PointQuery) healing.PointQuery
	scan  func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool)
	prune func(ctx context.Context, m *mutant, before time.Time) error
	// second and reopen make another handle; nil is the same one.
	second, reopen func(m *mutant) *mutant
	// silent yields damaged points as if they were whole.
	silent bool

	mu      *sync.Mutex
	damaged map[string]bool // guarded by mu
}

func where(p healing.Point) string { return fmt.Sprint(p.Series, "|", p.Time.UnixMicro(), "|", p.Part) }

func (m *mutant) Put(ctx context.Context, points ...healing.Point) error {
	if m.put != nil {
		return m.put(ctx, m, points)
	}
	return m.MemoryTelemetry.Put(ctx, points...)
}

func (m *mutant) Scan(ctx context.Context, q healing.PointQuery) iter.Seq2[healing.Point, error] {
	if m.query != nil {
		q = m.query(q)
	}
	return func(yield func(healing.Point, error) bool) {
		if m.scan != nil {
			m.scan(ctx, m, q, yield)
			return
		}
		m.each(ctx, q, yield)
	}
}

// each yields points as a store should.
func (m *mutant) each(ctx context.Context, q healing.PointQuery, yield func(healing.Point, error) bool) {
	all := q
	all.Last = 0 // damaged points do not count
	have := 0
	for p, err := range m.MemoryTelemetry.Scan(ctx, all) {
		if err == nil && !m.isDamaged(p) {
			have++
		}
	}
	for p, err := range m.MemoryTelemetry.Scan(ctx, all) {
		if err == nil && q.Last > 0 && have > q.Last {
			if !m.isDamaged(p) {
				have--
			}
			continue
		}
		if err == nil && m.isDamaged(p) {
			p.Data, err = nil, fmt.Errorf("%w: %s", healing.ErrDamaged, where(p))
			if m.silent {
				p.Data, err = []byte("damaged"), nil
			}
		}
		if !yield(p, err) {
			return
		}
	}
}

func (m *mutant) isDamaged(p healing.Point) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.damaged[where(p)]
}

func (m *mutant) Prune(ctx context.Context, before time.Time) error {
	if m.prune != nil {
		return m.prune(ctx, m, before)
	}
	return m.MemoryTelemetry.Prune(ctx, before)
}

// handle returns another one on the same data, or on other ones.
func (m *mutant) handle(make func(*mutant) *mutant) *mutant {
	if make != nil {
		return make(m)
	}
	return m
}

func harnessOf(m mutant) TelemetryHarness {
	return TelemetryHarness{
		New: func(testing.TB) healing.Telemetry {
			m := m
			m.MemoryTelemetry, m.mu, m.damaged = healing.NewMemoryTelemetry(), new(sync.Mutex), map[string]bool{}
			return &m
		},
		Reopen: func(_ testing.TB, s healing.Telemetry) healing.Telemetry { m := s.(*mutant); return m.handle(m.reopen) },
		Second: func(_ testing.TB, s healing.Telemetry) healing.Telemetry { m := s.(*mutant); return m.handle(m.second) },
		Damage: func(_ testing.TB, s healing.Telemetry, p healing.Point) {
			m := s.(*mutant)
			m.mu.Lock()
			defer m.mu.Unlock()
			m.damaged[where(p)] = true
		},
	}
}

func TestRunTelemetry(t *testing.T) {
	t.Parallel()
	RunTelemetry(t, harnessOf(mutant{}))
	RunTelemetry(t, TelemetryHarness{New: func(testing.TB) healing.Telemetry { return healing.NewMemoryTelemetry() }})
}

// putting changes points before they are stored.
func putting(change func(healing.Point) healing.Point) mutant {
	return mutant{put: func(ctx context.Context, m *mutant, points []healing.Point) error {
		points = slices.Clone(points)
		for i := range points {
			if points[i].Validate() == nil {
				points[i] = change(points[i])
			}
		}
		return m.MemoryTelemetry.Put(ctx, points...)
	}}
}

// listing changes the list of what is yielded.
func listing(change func(points []healing.Point) []healing.Point) mutant {
	return mutant{scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
		var points []healing.Point
		var errs []error
		for p, err := range func(yield func(healing.Point, error) bool) { m.each(ctx, q, yield) } {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			points = append(points, p)
		}
		for _, p := range change(points) {
			if !yield(p, nil) {
				return
			}
		}
		for _, err := range errs {
			if !yield(healing.Point{Series: q.Series}, err) {
				return
			}
		}
	}}
}

func asking(change func(q healing.PointQuery) healing.PointQuery) mutant {
	return mutant{query: change}
}

func TestRunTelemetry_CatchesMutants(t *testing.T) {
	t.Parallel()
	blind := func(m *mutant) *mutant {
		n := *m
		n.MemoryTelemetry = healing.NewMemoryTelemetry()
		return &n
	}
	var anyPoint *healing.Point
	for _, c := range []struct {
		name   string
		caught string
		mutant mutant
	}{
		{"a store that is not empty", "empty", mutant{scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
			if yield(healing.Point{Series: q.Series, Time: at(-9)}, nil) {
				m.each(ctx, q, yield)
			}
		}}},
		{"latest first", "order", listing(func(ps []healing.Point) []healing.Point { slices.Reverse(ps); return ps })},
		{"parts in no order", "order", listing(func(ps []healing.Point) []healing.Point {
			slices.SortStableFunc(ps, func(a, b healing.Point) int {
				return cmp.Or(a.Time.Compare(b.Time), strings.Compare(b.Part, a.Part))
			})
			return ps
		})},
		{"parts in the order of a language", "order", listing(func(ps []healing.Point) []healing.Point {
			slices.SortStableFunc(ps, func(a, b healing.Point) int {
				return cmp.Or(a.Time.Compare(b.Time), strings.Compare(strings.ToLower(a.Part), strings.ToLower(b.Part)))
			})
			return ps
		})},
		{"series that fold cases", "series", func() mutant {
			m := putting(func(p healing.Point) healing.Point { p.Series = strings.ToLower(p.Series); return p })
			m.query = func(q healing.PointQuery) healing.PointQuery { q.Series = strings.ToLower(q.Series); return q }
			return m
		}()},
		{"series that are cut", "series", func() mutant {
			m := putting(func(p healing.Point) healing.Point { p.Series = p.Series[:min(len(p.Series), 199)]; return p })
			m.query = func(q healing.PointQuery) healing.PointQuery { q.Series = q.Series[:min(len(q.Series), 199)]; return q }
			return m
		}()},
		{"parts that are forgotten", "parts", putting(func(p healing.Point) healing.Point { p.Part = ""; return p })},
		{"parts without space around", "parts", putting(func(p healing.Point) healing.Point { p.Part = strings.TrimSpace(p.Part); return p })},
		{"no lower bound", "bounds", asking(func(q healing.PointQuery) healing.PointQuery { q.From = time.Time{}; return q })},
		{"no upper bound", "bounds", asking(func(q healing.PointQuery) healing.PointQuery { q.To = time.Time{}; return q })},
		{"exclusive From", "bounds", asking(func(q healing.PointQuery) healing.PointQuery {
			if !q.From.IsZero() {
				q.From = q.From.Add(time.Microsecond)
			}
			return q
		})},
		{"inclusive To", "bounds", asking(func(q healing.PointQuery) healing.PointQuery {
			if !q.To.IsZero() {
				q.To = q.To.Add(time.Microsecond)
			}
			return q
		})},
		{"bounds cut to milliseconds", "bounds", asking(func(q healing.PointQuery) healing.PointQuery {
			q.From, q.To = q.From.Truncate(time.Millisecond), q.To.Truncate(time.Millisecond)
			return q
		})},
		{"bounds read as local times", "bounds", asking(func(q healing.PointQuery) healing.PointQuery {
			local := func(t time.Time) time.Time {
				_, offset := t.Zone()
				return t.Add(time.Duration(offset) * time.Second)
			}
			q.From, q.To = local(q.From), local(q.To)
			return q
		})},
		{"Last ignored", "last", asking(func(q healing.PointQuery) healing.PointQuery { q.Last = 0; return q })},
		{"the first instead of the last", "last", mutant{scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
			n := q.Last
			q.Last = 0
			m.each(ctx, q, func(p healing.Point, err error) bool {
				n--
				return yield(p, err) && n != 0
			})
		}}},
		{"Last of all before the bounds", "last", mutant{scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
			m.each(ctx, healing.PointQuery{Series: q.Series, Last: q.Last}, func(p healing.Point, err error) bool {
				if err == nil && (p.Time.Before(q.From) || !q.To.IsZero() && !p.Time.Before(q.To)) {
					return true
				}
				return yield(p, err)
			})
		}}},
		{"the first point stays", "replace", mutant{put: func(ctx context.Context, m *mutant, points []healing.Point) error {
			for _, p := range points {
				old, err := scan(ctx, m.MemoryTelemetry, healing.PointQuery{Series: p.Series, From: p.Time, To: p.Time.Add(1)})
				if err == nil && !slices.ContainsFunc(old, func(o healing.Point) bool { return o.Part == p.Part }) {
					err = m.MemoryTelemetry.Put(ctx, p)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}}},
		{"a point replaces all parts", "replace", mutant{put: func(ctx context.Context, m *mutant, points []healing.Point) error {
			if len(points) == 3 && points[0].Part == "" && string(points[0].Data) == "new" {
				points = append(slices.Clone(points), point("m", points[0].Time, "b", "new"))
			}
			return m.MemoryTelemetry.Put(ctx, points...)
		}}},
		{"one by one", "all or none", mutant{put: func(ctx context.Context, m *mutant, points []healing.Point) error {
			return put(ctx, m.MemoryTelemetry, points...)
		}}},
		{"JSON that is written anew", "opaque data", putting(func(p healing.Point) healing.Point {
			p.Data = bytes.ReplaceAll(p.Data, []byte("  "), []byte(" "))
			return p
		})},
		{"data as text", "opaque data", putting(func(p healing.Point) healing.Point { p.Data = bytes.ToValidUTF8(p.Data, nil); return p })},
		{"data up to NUL", "opaque data", putting(func(p healing.Point) healing.Point { p.Data, _, _ = bytes.Cut(p.Data, []byte{0}); return p })},
		{"no points without data", "opaque data", listing(func(ps []healing.Point) []healing.Point {
			return slices.DeleteFunc(ps, func(p healing.Point) bool { return len(p.Data) == 0 })
		})},
		{"milliseconds", "times", putting(func(p healing.Point) healing.Point { p.Time = p.Time.Truncate(time.Millisecond); return p })},
		{"local times", "times", listing(func(ps []healing.Point) []healing.Point {
			for i := range ps {
				ps[i].Time = ps[i].Time.In(time.FixedZone("here", 3600))
			}
			return ps
		})},
		{"no times before 1970", "times", putting(func(p healing.Point) healing.Point {
			if p.Time.Unix() < 0 {
				p.Time = time.Unix(0, 0)
			}
			return p
		})},
		{"any point", "invalid points", mutant{put: func(ctx context.Context, m *mutant, points []healing.Point) error {
			if len(points) == 1 && points[0].Validate() != nil {
				return ctx.Err()
			}
			return m.MemoryTelemetry.Put(ctx, points...)
		}}},
		{"the caller's memory", "no aliasing", mutant{
			put: func(ctx context.Context, m *mutant, points []healing.Point) error {
				if len(points) == 1 {
					anyPoint = &points[0]
				}
				return m.MemoryTelemetry.Put(ctx, points...)
			},
			scan: func(_ context.Context, _ *mutant, _ healing.PointQuery, yield func(healing.Point, error) bool) {
				yield(*anyPoint, nil)
			},
		}},
		{"can be ranged over once", "early stop", func() mutant {
			var used sync.Map
			return mutant{scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
				if _, again := used.LoadOrStore(fmt.Sprint(q), true); !again {
					m.each(ctx, q, yield)
				}
			}}
		}()},
		{"locked while ranged", "calls while ranging", func() mutant {
			var mu sync.Mutex
			return mutant{
				put: func(ctx context.Context, m *mutant, points []healing.Point) error {
					mu.Lock()
					defer mu.Unlock()
					return m.MemoryTelemetry.Put(ctx, points...)
				},
				scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
					mu.Lock()
					defer mu.Unlock()
					m.each(ctx, q, yield)
				},
			}
		}()},
		{"no context", "cancelled", mutant{put: func(_ context.Context, m *mutant, points []healing.Point) error {
			return m.MemoryTelemetry.Put(context.Background(), points...)
		}}},
		{"no context of Scan", "cancelled", mutant{scan: func(_ context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
			m.each(context.Background(), q, yield)
		}}},
		{"no context of Prune", "cancelled", mutant{prune: func(_ context.Context, m *mutant, before time.Time) error {
			return m.MemoryTelemetry.Prune(context.Background(), before)
		}}},
		{"prunes nothing", "prune", mutant{prune: func(ctx context.Context, _ *mutant, _ time.Time) error { return ctx.Err() }}},
		{"prunes one more", "prune", mutant{prune: func(ctx context.Context, m *mutant, before time.Time) error {
			return m.MemoryTelemetry.Prune(ctx, before.Add(24*time.Hour))
		}}},
		{"prunes to the millisecond", "prune", mutant{prune: func(ctx context.Context, m *mutant, before time.Time) error {
			return m.MemoryTelemetry.Prune(ctx, before.Truncate(time.Millisecond))
		}}},
		{"prunes old points for ever", "prune", func() mutant {
			var mu sync.Mutex
			var pruned time.Time
			return mutant{
				prune: func(ctx context.Context, m *mutant, before time.Time) error {
					mu.Lock()
					defer mu.Unlock()
					pruned = before
					return m.MemoryTelemetry.Prune(ctx, before)
				},
				put: func(ctx context.Context, m *mutant, points []healing.Point) error {
					mu.Lock()
					defer mu.Unlock()
					points = slices.DeleteFunc(slices.Clone(points), func(p healing.Point) bool { return p.Validate() == nil && p.Time.Before(pruned) })
					return m.MemoryTelemetry.Put(ctx, points...)
				},
			}
		}()},
		{"writers that forget each other", "concurrency", func() mutant {
			var mu sync.Mutex
			n := 0
			return mutant{put: func(ctx context.Context, m *mutant, points []healing.Point) error {
				mu.Lock()
				n++
				lost := n%10 == 0 && len(points) == 2
				mu.Unlock()
				if lost {
					return nil
				}
				return m.MemoryTelemetry.Put(ctx, points...)
			}}
		}()},
		{"blind to others", "second handle", mutant{second: blind}},
		{"others as they were at first", "second handle", mutant{second: func(m *mutant) *mutant {
			n := blind(m)
			points, _ := scan(context.Background(), m, of("m"))
			_ = n.MemoryTelemetry.Put(context.Background(), points...)
			return n
		}}},
		{"handles that write to themselves", "second handle, concurrency", mutant{second: blind}},
		{"forgets with its process", "reopen", mutant{reopen: blind}},
		{"what was pruned comes back", "reopen", func() mutant {
			before := healing.NewMemoryTelemetry()
			return mutant{
				put: func(ctx context.Context, m *mutant, points []healing.Point) error {
					return cmp.Or(m.MemoryTelemetry.Put(ctx, points...), before.Put(ctx, points...))
				},
				reopen: func(m *mutant) *mutant {
					n := blind(m)
					points, _ := scan(context.Background(), before, of("m"))
					_ = n.MemoryTelemetry.Put(context.Background(), points...)
					return n
				},
			}
		}()},
		{"does not look", "damage", mutant{silent: true}},
		{"stops at damage", "damage", mutant{scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
			m.each(ctx, q, func(p healing.Point, err error) bool { return yield(p, err) && err == nil })
		}}},
		{"passes damage over", "damage", mutant{scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
			m.each(ctx, q, func(p healing.Point, err error) bool { return err != nil && ctx.Err() == nil || yield(p, err) })
		}}},
		{"does not say of what", "damage", mutant{scan: func(ctx context.Context, m *mutant, q healing.PointQuery, yield func(healing.Point, error) bool) {
			m.each(ctx, q, func(p healing.Point, err error) bool {
				if err != nil {
					p = healing.Point{}
				}
				return yield(p, err)
			})
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := slices.IndexFunc(telemetryPromises, func(p promise[*telemetry]) bool { return p.name == c.caught })
			require.GreaterOrEqual(t, i, 0, "no promise %q", c.caught)
			on, unchecked := newTelemetry(t, harnessOf(c.mutant), telemetryPromises[i])
			require.Empty(t, unchecked)
			require.Error(t, telemetryPromises[i].check(t, on, 2*time.Second), telemetryPromises[i].text)
		})
	}
}

func TestTelemetryHarness_Missing(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, p := range telemetryPromises {
		_, unchecked := newTelemetry(t, TelemetryHarness{New: harnessOf(mutant{}).New}, p)
		require.Equal(t, p.needs != 0, unchecked != "", p.name)
		named[unchecked] = true
	}
	require.Len(t, named, 4)
}
