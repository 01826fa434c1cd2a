package healingtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
)

// TelemetryHarness makes what [RunTelemetry] tests. Only New is required.
type TelemetryHarness struct {
	// New returns an empty telemetry and registers its cleanup.
	New func(t testing.TB) healing.Telemetry
	// Reopen ends the use of a telemetry, as the end of its process would, and returns
	// another one on the same data. The cleanup must accept that the old one is closed.
	Reopen func(t testing.TB, s healing.Telemetry) healing.Telemetry
	// Second returns another telemetry on the same data, as a second process has it, and
	// registers its cleanup.
	Second func(t testing.TB, s healing.Telemetry) healing.Telemetry
	// Damage changes the stored data of a point, behind the back of the store.
	Damage func(t testing.TB, s healing.Telemetry, p healing.Point)
	// PrunesInPortions says that Prune may keep some of what it could remove.
	PrunesInPortions bool
}

// RunTelemetry checks every promise of [healing.Telemetry], each in a subtest on a
// telemetry of its own.
func RunTelemetry(t *testing.T, h TelemetryHarness) {
	run(t, telemetryPromises, func(t testing.TB, p promise[*telemetry]) (*telemetry, string) {
		return newTelemetry(t, h, p)
	})
}

// telemetry is a telemetry under test.
type telemetry struct {
	healing.Telemetry
	t testing.TB
	h TelemetryHarness
}

func newTelemetry(t testing.TB, h TelemetryHarness, p promise[*telemetry]) (*telemetry, string) {
	if unchecked := p.needs.missing(h.Reopen != nil, h.Second != nil, h.Damage != nil); unchecked != "" {
		return nil, unchecked
	}
	return &telemetry{Telemetry: h.New(t), t: t, h: h}, ""
}

func (s *telemetry) second() *telemetry {
	return &telemetry{Telemetry: s.h.Second(s.t, s.Telemetry), t: s.t, h: s.h}
}

func (s *telemetry) reopen() { s.Telemetry = s.h.Reopen(s.t, s.Telemetry) }

var telemetryPromises = []promise[*telemetry]{
	{name: "empty", text: "a new store has no points", kept: noPoints},
	{name: "order", text: "Scan yields the points in the order of their Time and, of equal times, of their Part", kept: order},
	{name: "series", text: "Scan yields the points of one series: any UTF-8 without NUL of at most 200 bytes", kept: seriesApart},
	{name: "parts", text: "Part is any UTF-8 without NUL of at most 200 bytes, and tells points apart", kept: partsApart},
	{name: "bounds", text: "From and To bound Point.Time: From <= Time < To", kept: bounds},
	{name: "last", text: "Last leaves all but the latest so many points out", kept: last},
	{name: "replace", text: "a point takes the place of one with the same Series, Time and Part", kept: replaced},
	{name: "all or none", text: "Put stores the points, all or none", kept: allOrNone},
	{name: "opaque data", text: "to a store data are opaque", kept: opaque},
	{name: "times", text: "Time is in UTC, to the microsecond", kept: times},
	{name: "invalid points", text: "every store refuses what Point.Validate refuses", kept: invalid},
	{name: "no aliasing", text: "the store keeps no reference to the caller's memory, and the consumer may change what it gets", kept: aliasing},
	{name: "early stop", text: "the consumer may stop early, and may range again", kept: earlyStop},
	{name: "calls while ranging", text: "the consumer may call the store while it ranges", kept: callsWhileRanging},
	{name: "cancelled", text: "a cancelled context is an error, and stores nothing", kept: cancelled},
	{name: "prune", text: "Prune removes the points with a Time before the given one, of all series, and never a later one", kept: prune},
	{name: "concurrency", text: "all methods are safe for concurrent use", kept: concurrently},
	{name: "second handle", text: "Scan yields every point whose Put returned before the call, whoever called it", kept: secondHandle, needs: needsSecond},
	{name: "second handle, concurrency", text: "all methods are safe for concurrent use by the processes that share the store", kept: secondConcurrently, needs: needsSecond},
	{name: "reopen", text: "what was put, replaced and removed outlives the process", kept: reopened, needs: needsReopen},
	{name: "damage", text: "a damaged point is yielded with its Series and an error that is ErrDamaged, and the sequence goes on", kept: damaged, needs: needsDamage},
}

// at is an instant, so many seconds into the tests' time. Some are on different days.
func at(seconds int) time.Time {
	return time.Date(2025, 5, 31, 23, 59, 30, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

func point(series string, t time.Time, part, data string) healing.Point {
	return healing.Point{Series: series, Time: t, Part: part, Data: []byte(data)}
}

func scan(ctx context.Context, s healing.Telemetry, q healing.PointQuery) ([]healing.Point, error) {
	var points []healing.Point
	for p, err := range s.Scan(ctx, q) {
		if err != nil {
			return points, fmt.Errorf("Scan(%+v): %w", q, err)
		}
		points = append(points, p)
	}
	return points, nil
}

func equal(p, q healing.Point) bool {
	return p.Series == q.Series && p.Time.Equal(q.Time) && p.Part == q.Part && bytes.Equal(p.Data, q.Data)
}

func describe(points []healing.Point) string {
	var b strings.Builder
	for _, p := range points {
		fmt.Fprintf(&b, "\n\t%q %s %q %.40q", p.Series, p.Time.Format(time.RFC3339Nano), p.Part, p.Data)
	}
	return b.String()
}

// want compares the points of a query with the expected ones, in order.
func want(ctx context.Context, s healing.Telemetry, q healing.PointQuery, points ...healing.Point) error {
	got, err := scan(ctx, s, q)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(got, points, equal) {
		return fmt.Errorf("Scan(%+v) yields%s\nwant%s", q, describe(got), describe(points))
	}
	for _, p := range got {
		if p.Time.Location() != time.UTC {
			return fmt.Errorf("Scan(%+v) yields a time in %v, want UTC", q, p.Time.Location())
		}
	}
	return nil
}

// put puts the points one by one.
func put(ctx context.Context, s healing.Telemetry, points ...healing.Point) error {
	for _, p := range points {
		if err := s.Put(ctx, p); err != nil {
			return fmt.Errorf("put of %q: %w", p.Series, err)
		}
	}
	return nil
}

func of(series string) healing.PointQuery { return healing.PointQuery{Series: series} }

func noPoints(ctx context.Context, s *telemetry) error {
	return errors.Join(
		want(ctx, s, of("m")),
		want(ctx, s, healing.PointQuery{Series: "m", Last: 3}),
		s.Prune(ctx, at(0)),
		s.Put(ctx),
		want(ctx, s, of("m")),
	)
}

func order(ctx context.Context, s *telemetry) error {
	a, b, c, d := point("m", at(1), "", "a"), point("m", at(1), "B", "b"), point("m", at(1), "a", "c"), point("m", at(40), "", "d")
	if err := put(ctx, s, d, c); err != nil {
		return err
	}
	if err := s.Put(ctx, b, a); err != nil {
		return err
	}
	return want(ctx, s, of("m"), a, b, c, d)
}

// names returns names that differ in all ways that a store could confuse.
func names() []string {
	return []string{
		"m", "M", "m/passes", "m_passes", "m%2Fpasses", "m/", "/m", "../m", ".", "m m", " m", "m'--\"\\", "m\tn\n", "*?%", "模型", "\u00fc", "u\u0308", // one is decomposed
		strings.Repeat("x", healing.MaxSeries), strings.Repeat("x", healing.MaxSeries-1) + "y", strings.Repeat("模", healing.MaxSeries/3),
	}
}

func seriesApart(ctx context.Context, s *telemetry) error {
	var all []healing.Point
	for i, name := range names() {
		all = append(all, point(name, at(1), "", fmt.Sprint(i)))
	}
	if err := s.Put(ctx, all...); err != nil {
		return err
	}
	for _, p := range all {
		if err := want(ctx, s, of(p.Series), p); err != nil {
			return err
		}
	}
	return want(ctx, s, of("another"))
}

func partsApart(ctx context.Context, s *telemetry) error {
	var all []healing.Point
	for i, name := range append(names(), "") {
		all = append(all, point("m", at(1), name, fmt.Sprint(i)))
	}
	if err := s.Put(ctx, all...); err != nil {
		return err
	}
	slices.SortFunc(all, healing.Point.Compare)
	return want(ctx, s, of("m"), all...)
}

func bounds(ctx context.Context, s *telemetry) error {
	const tick = time.Microsecond
	a, b, c := point("m", at(10), "", "a"), point("m", at(10).Add(tick), "", "b"), point("m", at(40), "", "c")
	if err := s.Put(ctx, a, b, c); err != nil {
		return err
	}
	between := func(from, to time.Time) healing.PointQuery {
		return healing.PointQuery{Series: "m", From: from, To: to}
	}
	return errors.Join(
		want(ctx, s, between(at(10), at(40)), a, b),
		want(ctx, s, between(at(10).Add(tick), at(40).Add(tick)), b, c),
		want(ctx, s, between(at(10).Add(2*tick), time.Time{}), c),
		want(ctx, s, between(time.Time{}, at(10).Add(tick)), a),
		want(ctx, s, between(at(10), at(10))),
		want(ctx, s, between(at(40), at(10))),
		want(ctx, s, between(at(0).Add(-24*time.Hour), at(0))),
		want(ctx, s, between(at(10).In(time.FixedZone("elsewhere", -9*3600)), at(40).In(time.FixedZone("elsewhere", 9*3600))), a, b),
	)
}

func last(ctx context.Context, s *telemetry) error {
	var all []healing.Point
	for i := range 60 {
		all = append(all, point("m", at(i), "", fmt.Sprint(i)), point("m", at(i), "b", fmt.Sprint(i)))
	}
	if err := s.Put(ctx, all...); err != nil {
		return err
	}
	if err := put(ctx, s, point("m", at(59), "b", "59"), point("another", at(59), "", "x")); err != nil {
		return err
	}
	bounded := healing.PointQuery{Series: "m", From: at(10), To: at(40), Last: 7}
	return errors.Join(
		want(ctx, s, healing.PointQuery{Series: "m", Last: 1}, all[119:]...),
		want(ctx, s, healing.PointQuery{Series: "m", Last: 3}, all[117:]...),
		want(ctx, s, healing.PointQuery{Series: "m", Last: 80}, all[40:]...),
		want(ctx, s, healing.PointQuery{Series: "m", Last: 1000}, all...),
		want(ctx, s, bounded, all[73:80]...),
	)
}

func replaced(ctx context.Context, s *telemetry) error {
	if err := s.Put(ctx, point("m", at(1), "", "old"), point("m", at(1), "b", "other"), point("m", at(2), "", "older")); err != nil {
		return err
	}
	again := point("m", at(1), "", "new")
	if err := s.Put(ctx, again, point("m", at(2), "", "first of one call"), point("m", at(2), "", "last of one call")); err != nil {
		return err
	}
	return want(ctx, s, of("m"), again, point("m", at(1), "b", "other"), point("m", at(2), "", "last of one call"))
}

func allOrNone(ctx context.Context, s *telemetry) error {
	kept := point("m", at(1), "", "kept")
	if err := s.Put(ctx, kept); err != nil {
		return err
	}
	for _, points := range [][]healing.Point{
		{point("m", at(1), "", "new"), point("m", at(40), "", "new"), {}},
		{point("m", at(2), "", "new"), point("m", time.Time{}, "", "new"), point("m", at(3), "", "new")},
	} {
		if err := s.Put(ctx, points...); err == nil {
			return errors.New("put of a point that no store can keep succeeds")
		}
		if err := want(ctx, s, of("m"), kept); err != nil {
			return fmt.Errorf("after a Put that failed: %w", err)
		}
	}
	return nil
}

func opaque(ctx context.Context, s *telemetry) error {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	var all []healing.Point
	for i, data := range []string{
		"", "\x00", "{\"a\": 1,  \"a\": 1.0}", "line\nbreak\r\n", "\t", "'; drop table points; --", string(every), "ü 模",
		strings.Repeat(string(every), 4096), strings.Repeat("x", 1<<20),
	} {
		all = append(all, point("m", at(i), "", data))
	}
	if err := s.Put(ctx, all...); err != nil {
		return err
	}
	return want(ctx, s, of("m"), all...)
}

func times(ctx context.Context, s *telemetry) error {
	var all []healing.Point
	for _, t := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2025, 6, 1, 12, 0, 0, 123_456_000, time.FixedZone("elsewhere", -9*3600-1800)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		all = append(all, point("m", t, "", t.String()))
	}
	if err := s.Put(ctx, all...); err != nil {
		return err
	}
	if err := want(ctx, s, of("m"), all...); err != nil {
		return err
	}
	if err := s.Put(ctx, point("n", at(1).Add(999), "", "first"), point("n", at(1).Add(1), "", "second")); err != nil {
		return err
	}
	return want(ctx, s, of("n"), point("n", at(1), "", "second"))
}

func invalid(ctx context.Context, s *telemetry) error {
	long := strings.Repeat("x", healing.MaxSeries+1)
	for _, p := range []healing.Point{
		point("", at(1), "", "x"), point(long, at(1), "", "x"), point("m", at(1), long, "x"),
		point("m\x00", at(1), "", "x"), point("m", at(1), "\x00", "x"), point("m\xff", at(1), "", "x"), point("m", at(1), "\xff", "x"),
		point("m", time.Time{}, "", "x"), point("m", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "", "x"),
		{Series: "m", Time: at(1), Data: make([]byte, healing.MaxPoint+1)},
	} {
		if err := s.Put(ctx, p); err == nil {
			return fmt.Errorf("put of a point with Series %.20q, Time %v, Part %.20q and %d bytes succeeds", p.Series, p.Time, p.Part, len(p.Data))
		}
	}
	return want(ctx, s, of("m"))
}

func aliasing(ctx context.Context, s *telemetry) error {
	p := point("m", at(1), "", "data")
	mine := p
	mine.Data = bytes.Clone(p.Data)
	if err := s.Put(ctx, mine); err != nil {
		return err
	}
	clear(mine.Data)
	got, err := scan(ctx, s, of("m"))
	if err != nil || len(got) != 1 || !equal(got[0], p) {
		return fmt.Errorf("after the caller changed its data, Scan yields%s, %v", describe(got), err)
	}
	clear(got[0].Data)
	return want(ctx, s, of("m"), p)
}

func earlyStop(ctx context.Context, s *telemetry) error {
	a, b := point("m", at(1), "", "a"), point("m", at(40), "", "b")
	if err := s.Put(ctx, a, b); err != nil {
		return err
	}
	for _, q := range []healing.PointQuery{of("m"), {Series: "m", Last: 2}} {
		sequence := s.Scan(ctx, q)
		for range 2 {
			for p, err := range sequence {
				if err != nil || !equal(p, a) {
					return fmt.Errorf("the first of Scan(%+v) is %q, %v", q, p.Data, err)
				}
				break
			}
		}
		if err := want(ctx, s, q, a, b); err != nil {
			return err
		}
	}
	return nil
}

func callsWhileRanging(ctx context.Context, s *telemetry) error {
	a, b, c := point("m", at(1), "", "a"), point("m", at(40), "", "b"), point("n", at(1), "", "c")
	if err := s.Put(ctx, a, b); err != nil {
		return err
	}
	n := 0
	for _, err := range s.Scan(ctx, of("m")) {
		if err != nil {
			return err
		}
		n++
		if err := errors.Join(s.Put(ctx, c), want(ctx, s, of("n"), c), s.Prune(ctx, at(-100))); err != nil {
			return err
		}
	}
	if n != 2 {
		return fmt.Errorf("scan yields %d points, want 2", n)
	}
	return nil
}

func cancelled(ctx context.Context, s *telemetry) error {
	p := point("m", at(1), "", "kept")
	if err := s.Put(ctx, p); err != nil {
		return err
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Put(done, point("m", at(2), "", "new")); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("put: %v, want context.Canceled", err)
	}
	if err := s.Prune(done, at(100)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("prune: %v, want context.Canceled", err)
	}
	if _, err := scan(done, s, of("m")); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("scan: %v, want context.Canceled", err)
	}
	return want(ctx, s, of("m"), p)
}

func prune(ctx context.Context, s *telemetry) error {
	old, day := at(0).AddDate(0, 0, -10), 24*time.Hour
	var all []healing.Point
	for _, series := range []string{"m", "n"} {
		for i := range 20 {
			all = append(all, point(series, old.Add(time.Duration(i)*day), "", fmt.Sprint(i)), point(series, old.Add(time.Duration(i)*day+time.Microsecond), "", fmt.Sprint(i)))
		}
	}
	if err := s.Put(ctx, all...); err != nil {
		return err
	}
	before := old.Add(10*day + time.Microsecond)
	for range 2 {
		if err := s.Prune(ctx, before); err != nil {
			return err
		}
		for _, series := range []string{"m", "n"} {
			var left []healing.Point
			for _, p := range all {
				if p.Series == series && !p.Time.Before(before) {
					left = append(left, p)
				}
			}
			if err := want(ctx, s, healing.PointQuery{Series: series, From: before}, left...); err != nil {
				return fmt.Errorf("after Prune(%v): %w", before, err)
			}
			if s.h.PrunesInPortions {
				continue
			}
			if err := want(ctx, s, of(series), left...); err != nil {
				return fmt.Errorf("after Prune(%v): %w", before, err)
			}
		}
	}
	again := point("m", old, "", "again")
	if err := s.Put(ctx, again); err != nil {
		return err
	}
	return want(ctx, s, healing.PointQuery{Series: "m", To: old.Add(1)}, again)
}

// workers is the number of goroutines that use a store at the same time.
const workers = 4

// together calls do in several goroutines and returns their errors.
func together(do func(worker int) error) error {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func concurrently(ctx context.Context, s *telemetry) error {
	return writeTogether(ctx, s, []*telemetry{s})
}

// writeTogether has several workers put points of their own and replace shared ones.
func writeTogether(ctx context.Context, s *telemetry, handles []*telemetry) error {
	const n = 15
	err := together(func(worker int) error {
		h := handles[worker%len(handles)]
		for i := range n {
			own, shared := point("m", at(4*i), fmt.Sprint(worker), "own"), point("m", at(4*i+1), "shared", "same")
			if err := h.Put(ctx, own, shared); err != nil {
				return err
			}
			if _, err := scan(ctx, h, healing.PointQuery{Series: "m", Last: 3}); err != nil {
				return err
			}
		}
		return h.Prune(ctx, at(-1))
	})
	if err != nil {
		return err
	}
	var all []healing.Point
	for i := range n {
		for w := range workers {
			all = append(all, point("m", at(4*i), fmt.Sprint(w), "own"))
		}
		all = append(all, point("m", at(4*i+1), "shared", "same"))
	}
	return want(ctx, s, of("m"), all...)
}

func secondHandle(ctx context.Context, s *telemetry) error {
	other := s.second()
	a, b := point("m", at(1), "", "a"), point("m", at(40), "", "b")
	if err := errors.Join(s.Put(ctx, a), want(ctx, other, of("m"), a), other.Put(ctx, b), want(ctx, s, of("m"), a, b)); err != nil {
		return err
	}
	a.Data = []byte("new")
	if err := errors.Join(other.Put(ctx, a), want(ctx, s, of("m"), a, b)); err != nil {
		return err
	}
	b.Data = []byte("newer")
	return errors.Join(s.Put(ctx, b), want(ctx, other, of("m"), a, b), want(ctx, s.second(), of("m"), a, b))
}

func secondConcurrently(ctx context.Context, s *telemetry) error {
	return writeTogether(ctx, s, []*telemetry{s, s.second()})
}

func reopened(ctx context.Context, s *telemetry) error {
	a, b := point("m", at(1), "", "a"), point("m", at(40), "b", "b")
	if err := errors.Join(s.Put(ctx, point("m", at(1), "", "old"), b), s.Put(ctx, a)); err != nil {
		return err
	}
	s.reopen()
	if err := want(ctx, s, of("m"), a, b); err != nil {
		return err
	}
	if err := s.Prune(ctx, at(40).AddDate(0, 0, 1)); err != nil {
		return err
	}
	left, err := scan(ctx, s, of("m"))
	if err != nil {
		return err
	}
	s.reopen()
	return want(ctx, s, of("m"), left...)
}

func damaged(ctx context.Context, s *telemetry) error {
	a, b, c := point("m", at(1), "", "data of a"), point("m", at(40), "part", "data of b"), point("m", at(50), "", "data of c")
	if err := s.Put(ctx, a, b, c, point("n", at(1), "", "n")); err != nil {
		return err
	}
	s.h.Damage(s.t, s.Telemetry, b)
	for _, q := range []healing.PointQuery{of("m"), {Series: "m", From: at(0), To: at(60)}, {Series: "m", Last: 2}} {
		var got []healing.Point
		found := 0
		for p, err := range s.Scan(ctx, q) {
			switch {
			case errors.Is(err, healing.ErrDamaged):
				if found++; p.Series != "m" || p.Data != nil {
					return fmt.Errorf("Scan(%+v) yields a damaged point with Series %q and Data %q, want %q and none", q, p.Series, p.Data, "m")
				}
			case err != nil:
				return fmt.Errorf("Scan(%+v): %v, want an error that is ErrDamaged", q, err)
			default:
				got = append(got, p)
			}
		}
		if !slices.EqualFunc(got, []healing.Point{a, c}, equal) || found != 1 {
			return fmt.Errorf("Scan(%+v) yields %d damaged points and%s", q, found, describe(got))
		}
	}
	if err := want(ctx, s, of("n"), point("n", at(1), "", "n")); err != nil {
		return err
	}
	return s.Put(ctx, b) // damage does not keep a store from being used
}
