package predictlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// ErrDuplicate is returned by [Store.Append] when a record's ID is taken by a record
// with other content. Use [errors.As] with a [*DuplicateError] to learn which.
var ErrDuplicate = errors.New("predictlog: ID taken by another record")

// DuplicateError names the ID that was taken.
type DuplicateError struct{ ID string }

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("predictlog: record %q: ID taken by a record with other content", e.ID)
}

// Unwrap returns [ErrDuplicate].
func (e *DuplicateError) Unwrap() error { return ErrDuplicate }

// Appender is what a [Recorder] writes to. A queue such as Kafka can give no more. All
// methods are safe for concurrent use by many goroutines.
type Appender interface {
	// Schema returns the schema that the records follow. It never returns nil and always
	// returns the same pointer.
	Schema() *Schema

	// Append stores every record or none, and returns once they are as durable as the
	// store promises. A record that is equal to a stored one, or to an earlier one of the
	// same call, is a no-op, so a failed Append may be repeated. A record with the ID and
	// the Time of a stored one and other content is a [*DuplicateError]. Of a record with
	// the ID of a stored one and another Time a store says whether it tells: it is a
	// [*DuplicateError], or it is stored. An Appender that cannot read what it wrote says
	// that it tells neither. A record that does not follow the schema is a [*RecordError].
	// Records need not come in order of time. A ctx that is already cancelled is an error,
	// and nothing is stored. The store keeps no reference to the records after it returned.
	Append(ctx context.Context, records ...Record) error
}

// Store keeps records in append-only fashion. All methods are safe for concurrent use by
// many goroutines. What a store can do better than Scan it offers by the optional
// interfaces [ColumnScanner] and [Pruner]. The sub-package predictlogtest checks these
// promises.
//
// A store that is opened with another schema than before goes on to yield the records
// stored under the earlier one: by the columns that both have, by name; a column that the
// earlier schema lacks, or has as another kind, is missing, and an output that does not
// fit the target is none.
type Store interface {
	Appender

	// Scan yields the records that q matches, in no promised order, in bounded memory.
	// It yields every record whose Append returned before the call, and each once. The
	// sequence ends at the first error, which it yields with a zero Record; a cancelled
	// ctx is such an error. The consumer may keep and change the records, and may stop
	// early. The sequence may be ranged over again, which is a new scan.
	//
	// While it yields, a store holds no lock and no connection: the consumer may call any
	// method of it, and of other stores on the same database, even if that has a single
	// connection.
	Scan(ctx context.Context, q Query) iter.Seq2[Record, error]
}

// Query selects records. The zero Query selects all.
type Query struct {
	// From and To bound Record.Time: From <= Time < To. A zero bound is no bound.
	From, To time.Time
	// Model and Version, if not empty, must equal the record's.
	Model, Version string
	// Tag, if its name is not empty, must be among the record's.
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

func (t Tag) in(tags map[string]string) bool {
	value, ok := tags[t.Name]
	return ok && value == t.Value
}

// Pruner is implemented by a [Store] that can remove old records.
type Pruner interface {
	// Prune removes records with a Time before the given one: all of them, or fewer if
	// the store keeps them in larger portions, which it then says. It never removes a
	// later one. A Scan that is under way yields each of the removed records or not.
	// Prune is safe to repeat.
	Prune(ctx context.Context, before time.Time) error
}

// ColumnScanner is implemented by a [Store] that reads columns faster than records.
type ColumnScanner interface {
	// ScanColumns yields the records that q matches as [Store.Scan] does, many at a time.
	// A batch is the scan's own and valid until the next one.
	ScanColumns(ctx context.Context, q Query) iter.Seq2[*Batch, error]
}

// Batch holds records by column, as package drift takes them.
type Batch struct {
	// Len is the number of records.
	Len int
	// Times says when each record was answered, in microseconds since 1970, UTC.
	Times []int64
	// Violating counts the records that break a rule. Violates says of each record whether
	// it does; nil if none does.
	Violating int
	Violates  []bool
	// Numbers holds the values of each numeric column of the schema, NaN for a missing
	// one; nil for a categorical column.
	Numbers [][]float64
	// Codes holds the values of each categorical column as indices into Levels, -1 for a
	// missing one; nil for a numeric column.
	Codes  [][]int32
	Levels [][]string
	// Answered says of each record whether it has an output; see [Record.Answered].
	Answered []bool
	// Class is the index in [Target.Classes] of the predicted class, -1 for none; nil for a
	// regression.
	Class []int32
	// Score is the predicted value of a regression, or the probability of the second
	// class of a binary target; NaN for none. Nil for a multiclass target.
	Score []float64
}
