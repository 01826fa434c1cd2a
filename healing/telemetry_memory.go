package healing

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Bounds of a [Point].
const (
	// MaxSeries is the largest number of bytes of Point.Series and of Point.Part.
	MaxSeries = 200
	// MaxPoint is the largest number of bytes of Point.Data.
	MaxPoint = 16 << 20
)

// Validate returns an error that names every reason why no store can keep the point: an empty
// series; a series or a part that is too long, is not UTF-8 or holds NUL; a time that is zero
// or outside of the years 1 to 9999; data that are too long. Every [Telemetry] refuses what
// Validate refuses.
func (p Point) Validate() error {
	var errs []error
	if p.Series == "" {
		errs = append(errs, errors.New("series is empty"))
	}
	for _, text := range []struct{ field, value string }{{"Series", p.Series}, {"Part", p.Part}} {
		if len(text.value) > MaxSeries {
			errs = append(errs, fmt.Errorf("%s has %d bytes, want at most %d", text.field, len(text.value), MaxSeries))
		}
		if !utf8.ValidString(text.value) || strings.Contains(text.value, "\x00") {
			errs = append(errs, fmt.Errorf("%s is %q, want UTF-8 without NUL", text.field, text.value))
		}
	}
	if t := p.Time.UTC(); t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		errs = append(errs, fmt.Errorf("time is %v, want one of the years 1 to 9999", t))
	}
	if len(p.Data) > MaxPoint {
		errs = append(errs, fmt.Errorf("data has %d bytes, want at most %d", len(p.Data), MaxPoint))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("healing: invalid Point: %w", err)
	}
	return nil
}

// Compare returns -1, 0 or 1 as p comes before q, at the same place, or after q in the order
// of [Telemetry.Scan]: by Time, then by Part.
func (p Point) Compare(q Point) int {
	return cmp.Or(p.Time.Compare(q.Time), strings.Compare(p.Part, q.Part))
}

// MemoryTelemetry is a [Telemetry] in the memory of a process. The zero MemoryTelemetry is
// empty and ready to use. It grows until it is pruned: a model of twelve columns leaves some
// megabytes a day, so a process that runs for long calls Prune or keeps its telemetry
// elsewhere.
type MemoryTelemetry struct {
	mu     sync.Mutex
	series map[string][]Point // guarded by mu; in order; the data of a point never change
}

var _ Telemetry = (*MemoryTelemetry)(nil)

// NewMemoryTelemetry returns an empty telemetry.
func NewMemoryTelemetry() *MemoryTelemetry { return new(MemoryTelemetry) }

// Put implements [Telemetry].
func (m *MemoryTelemetry) Put(ctx context.Context, points ...Point) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, p := range points {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.series == nil {
		m.series = map[string][]Point{}
	}
	for _, p := range points {
		p.Time, p.Data = p.Time.UTC().Truncate(time.Microsecond), bytes.Clone(p.Data)
		series := m.series[p.Series]
		at, taken := slices.BinarySearchFunc(series, p, Point.Compare)
		if taken {
			series[at] = p
			continue
		}
		m.series[p.Series] = slices.Insert(series, at, p)
	}
	return nil
}

// Scan implements [Telemetry].
func (m *MemoryTelemetry) Scan(ctx context.Context, q PointQuery) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		for _, p := range m.points(q) {
			if err := ctx.Err(); err != nil {
				yield(Point{}, err)
				return
			}
			p.Data = bytes.Clone(p.Data)
			if !yield(p, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Point{}, err)
		}
	}
}

// points returns the points that q matches. They share their data with the store.
func (m *MemoryTelemetry) points(q PointQuery) []Point {
	m.mu.Lock()
	defer m.mu.Unlock()
	series := m.series[q.Series]
	from, to := 0, len(series)
	if !q.From.IsZero() {
		from = firstSince(series, q.From)
	}
	if !q.To.IsZero() {
		to = max(from, firstSince(series, q.To))
	}
	if q.Last > 0 {
		from = max(from, to-q.Last)
	}
	return slices.Clone(series[from:to])
}

// firstSince returns the position of the first point that is not before t.
func firstSince(series []Point, t time.Time) int {
	at, _ := slices.BinarySearchFunc(series, t, func(p Point, t time.Time) int {
		if p.Time.Before(t) {
			return -1
		}
		return 1
	})
	return at
}

// Prune implements [Telemetry]: it removes all points before the given time.
func (m *MemoryTelemetry) Prune(ctx context.Context, before time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, series := range m.series {
		if series = slices.Delete(series, 0, firstSince(series, before)); len(series) == 0 {
			delete(m.series, name)
			continue
		}
		m.series[name] = slices.Clip(series)
	}
	return nil
}
