package predictlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// ErrDuplicate is returned by [Appender.Append] when a record's ID is taken by a record
// with other content. Use [errors.As] with a [*DuplicateError] to learn which.
var ErrDuplicate = errors.New("predictlog: ID taken by another record")

// DuplicateError names the ID that was taken.
type DuplicateError struct{ ID string }

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("predictlog: record %q: ID taken by a record with other content", e.ID)
}

// Unwrap returns [ErrDuplicate].
func (e *DuplicateError) Unwrap() error { return ErrDuplicate }

// Appender is what a [Recorder] writes to. A queue of messages, such as Kafka, can be an
// Appender and no more. All methods are safe for concurrent use by many goroutines.
type Appender interface {
	// Schema returns the schema of the records. It never returns nil and always returns the
	// same pointer.
	Schema() *Schema

	// Append stores every record or none, and returns once they are as durable as the store
	// promises. A record that is equal to a stored record, or to an earlier record of the
	// same call, is a no-op, so a failed Append may be repeated. A record with the ID and the
	// Time of a stored record and other content is a [*DuplicateError]. A record with the ID
	// of a stored record and another Time is either a [*DuplicateError] or is stored; each
	// store says which. An Appender that cannot read what it wrote says that it compares
	// nothing: it then stores repeated records again. A record that does not follow the
	// schema is a [*RecordError].
	//
	// Records are stored as [Record.Clone] returns them, in UTC and to the microsecond.
	// Records may come in any order of time. A ctx that is already cancelled is an error, and
	// nothing is stored. After Append has returned, the store keeps no reference to the
	// records.
	Append(ctx context.Context, records ...Record) error
}

// Store keeps records and only ever appends. All methods are safe for concurrent use by many
// goroutines. The optional interfaces [ColumnScanner] and [Pruner] offer what a store can do
// better than Scan. The sub-package predictlogtest checks these promises.
//
// A store that is opened with another schema than before still yields the records of the
// earlier schema. Columns are matched by name. A column that the earlier schema lacks, or has
// as another kind, is missing. An output that does not fit the target becomes the zero
// Output.
type Store interface {
	Appender

	// Scan yields the records that q matches, in no promised order, in bounded memory. Scan
	// yields every record whose Append returned before the call, once. The sequence ends at
	// the first error, which comes with a zero Record; a cancelled ctx is such an error. The
	// consumer may keep and change the records, and may stop early. The sequence may be
	// ranged over again, which is a new scan.
	//
	// While it yields, a store holds no lock and no connection: the consumer may call any
	// method of this store, and of other stores on the same database, even if the database
	// has a single connection.
	Scan(ctx context.Context, q Query) iter.Seq2[Record, error]
}

// Query selects records. The zero Query selects all.
type Query struct {
	// From and To bound Record.Time: From <= Time < To. A zero bound is no bound. A stored
	// Time has whole microseconds, and a bound may be finer; see [Query.Micros].
	From, To time.Time
	// Model and Version, if not empty, must equal the record's.
	Model, Version string
	// Tag, if its name is not empty, must be one of the record's tags.
	Tag Tag
}

// Tag is one of the tags of a record.
type Tag struct{ Name, Value string }

// Matches reports whether r is selected by q.
func (q Query) Matches(r Record) bool {
	return (q.From.IsZero() || !r.Time.Before(q.From)) &&
		(q.To.IsZero() || r.Time.Before(q.To)) &&
		(q.Model == "" || r.Model == q.Model) &&
		(q.Version == "" || r.Version == q.Version) &&
		(q.Tag.Name == "" || q.Tag.in(r.Tags))
}

// Micros returns the bounds of q for stores that count time in whole microseconds since 1970:
// q selects a stored record by its time if and only if from <= Time.UnixMicro() < to. Both
// bounds are therefore rounded up. Without a bound they are [math.MinInt64] and
// [math.MaxInt64].
func (q Query) Micros() (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if !q.From.IsZero() {
		from = ceilMicros(q.From)
	}
	if !q.To.IsZero() {
		to = ceilMicros(q.To)
	}
	return from, to
}

// ceilMicros rounds up. Years that no record can have become 0 or 10000.
func ceilMicros(t time.Time) int64 {
	switch year := t.UTC().Year(); {
	case year < 0:
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case year > 10_000:
		t = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	micros := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		micros++
	}
	return micros
}

func (t Tag) in(tags map[string]string) bool {
	value, ok := tags[t.Name]
	return ok && value == t.Value
}

// Pruner is implemented by a [Store] that can remove old records.
type Pruner interface {
	// Prune removes records with a Time before the given one and never a later record. A
	// store that keeps records in larger portions, and says so, may remove fewer. A Scan that
	// is under way may or may not yield a removed record. The ID of a removed record is free.
	// Prune is safe to repeat, and beside all other methods.
	Prune(ctx context.Context, before time.Time) error
}
