package healing

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrDamaged means that the stored bytes of a [Point] have changed.
var ErrDamaged = errors.New("healing: telemetry is damaged")

// Telemetry keeps what a monitor measured: passes, and the profiles of short buckets of time.
// Unlike the journal, telemetry is no audit: it may be pruned by age, and lost points are
// measured again or missed. All methods are safe for concurrent use by goroutines and by the
// processes that share the telemetry. The function healingtest.RunTelemetry checks these
// promises.
type Telemetry interface {
	// Put stores all points or none, and returns once they are as durable as the store
	// promises. A point takes the place of a point with the same Series, Time and Part.
	Put(ctx context.Context, points ...Point) error

	// Scan yields the points that q matches, in the order of their Time and, for equal times,
	// of their Part. Scan yields every point whose Put returned before the call. The sequence
	// ends at the first error, which comes with a zero Point. A damaged point is different:
	// it comes with its Series, Time and Part, as far as they can be read, and an error that
	// is [ErrDamaged], and the sequence goes on. The consumer may stop early and may call the
	// store while it ranges.
	Scan(ctx context.Context, q PointQuery) iter.Seq2[Point, error]

	// Prune removes the points with a Time before the given one. A store that keeps points in
	// larger portions, and says so, may remove fewer. Prune is safe to repeat.
	Prune(ctx context.Context, before time.Time) error
}

// Point is one measurement. A store does not look into Data.
type Point struct {
	// Series names what was measured: UTF-8 without NUL, at most 200 bytes, not empty.
	Series string
	// Time is when it was measured, in UTC, to the microsecond.
	Time time.Time
	// Part tells measurements of several processes apart that have the same Series and Time;
	// "" for a single process.
	Part string
	// Data is the measurement, at most 16 MiB.
	Data []byte
}

// PointQuery selects points of one series.
type PointQuery struct {
	Series string
	// From and To bound Point.Time: From <= Time < To. A zero bound is no bound.
	From, To time.Time
	// Last, if above 0, keeps only the latest points, at most so many.
	Last int
}
