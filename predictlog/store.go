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

// Store keeps records for ever, in append-only fashion. All methods are safe for
// concurrent use by many goroutines. The sub-package storetest checks these promises.
type Store interface {
	// Schema returns the schema that every record in the store follows. It never
	// returns nil and always returns the same pointer.
	Schema() *Schema

	// Append stores every record or none, and returns once they are as durable as the
	// store promises. A record equal to a stored one (or to an earlier one of the same
	// call) is a no-op, so a failed Append may be repeated. A record whose ID is taken
	// by other content with a Time on the same UTC day is a [*DuplicateError]; a store
	// may, but need not, find one on another day. A record that does not follow the
	// schema is a [*RecordError]. Records need not come in order of time. A ctx that is
	// already cancelled is an error, and nothing is stored. The store keeps no reference
	// to the records after it returned.
	Append(ctx context.Context, records ...Record) error

	// Scan yields the records that q matches, in no promised order, in bounded memory.
	// It yields every record whose Append returned before the call, and each once. The
	// sequence ends at the first error, which it yields with a zero Record; a cancelled
	// ctx is such an error. The consumer may keep and change the records, and may stop
	// early. The sequence may be ranged over again, which is a new scan.
	Scan(ctx context.Context, q Query) iter.Seq2[Record, error]
}

// Query selects records. The zero Query selects all.
type Query struct {
	// From and To bound Record.Time: From <= Time < To. A zero bound is no bound.
	From, To time.Time
	// Model and Version, if not empty, must equal the record's.
	Model, Version string
}

// Matches reports whether r is selected by q.
func (q Query) Matches(r Record) bool {
	return (q.From.IsZero() || !r.Time.Before(q.From)) &&
		(q.To.IsZero() || r.Time.Before(q.To)) &&
		(q.Model == "" || r.Model == q.Model) &&
		(q.Version == "" || r.Version == q.Version)
}
