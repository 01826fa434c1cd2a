package healing

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrDamaged means that a stored [Point] is not what it was.
var ErrDamaged = errors.New("healing: telemetry is damaged")

// Telemetry keeps what a monitor measured: passes, and the profiles of short buckets of
// time. It is no audit, as the journal is: it may be pruned by age, and what is lost is
// measured again or missed. All methods are safe for concurrent use by goroutines and by
// the processes that share it. The function healingtest.RunTelemetry checks these promises.
type Telemetry interface {
	// Put stores the points, all or none, and returns once they are as durable as the store
	// promises. A point takes the place of one with the same Series, Time and Part.
	Put(ctx context.Context, points ...Point) error

	// Scan yields the points that q matches, in the order of their Time and, of equal
	// times, of their Part. It yields every point whose Put returned before the call. The
	// sequence ends at the first error, which it yields with a zero Point. A point that is
	// damaged is yielded with its Series, Time and Part, as far as they can be read, and an
	// error that is [ErrDamaged]: after that one the sequence goes on. The consumer may
	// stop early and may call the store while it ranges.
	Scan(ctx context.Context, q PointQuery) iter.Seq2[Point, error]

	// Prune removes the points with a Time before the given one: all of them, or fewer if
	// the store keeps them in larger portions, which it then says. It is safe to repeat.
	Prune(ctx context.Context, before time.Time) error
}

// Point is one measurement. To a store its data are opaque.
type Point struct {
	// Series says what was measured: UTF-8 without NUL, at most 200 bytes, not empty.
	Series string
	// Time is when, in UTC, to the microsecond.
	Time time.Time
	// Part tells the measurements of several processes apart that belong together; "" if
	// there is but one.
	Part string
	// Data is what was found, at most 16 MiB.
	Data []byte
}

// PointQuery selects points of one series.
type PointQuery struct {
	Series string
	// From and To bound Point.Time: From <= Time < To. A zero bound is no bound.
	From, To time.Time
	// Last, if above 0, leaves all but the latest so many points out.
	Last int
}
