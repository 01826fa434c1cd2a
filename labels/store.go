package labels

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// ErrInvalidLabel is returned for a label that cannot be stored. Use [errors.As] with a
// [*LabelError] to learn why.
var ErrInvalidLabel = errors.New("labels: invalid label")

// LabelError says what is wrong with a label.
type LabelError struct {
	PredictionID string
	Field        string // "prediction_id", "class", "value", "time" or "arrived"
	What         string // the fault and what was expected
}

func (e *LabelError) Error() string {
	return fmt.Sprintf("labels: label of prediction %q: %s: %s", e.PredictionID, e.Field, e.What)
}

// Unwrap returns [ErrInvalidLabel].
func (e *LabelError) Unwrap() error { return ErrInvalidLabel }

// Label is the truth about one prediction.
type Label struct {
	// PredictionID is the ID of the labelled record.
	PredictionID string
	// Class is the true class of a classification, UTF-8 without NUL; empty for a
	// regression.
	Class string
	// Value is the true value of a regression, finite; 0 for a classification.
	Value float64
	// Time is when the truth became known at its source, in UTC; stores keep it to the
	// microsecond. Among labels of one prediction the latest wins.
	Time time.Time
	// Arrived is when the label was stored, in UTC; stores keep it to the microsecond. Append
	// sets Arrived to the present, unless it is set already, as in a replay of the past.
	// Labels that differ only in Arrived are equal, and the first of them counts.
	Arrived time.Time
}

// Equal reports whether two labels are the same but for Arrived. Times are compared as
// instants in the microseconds that stores keep.
func (l Label) Equal(m Label) bool {
	return l.SameTruth(m) && l.PredictionID == m.PredictionID &&
		l.Time.Truncate(time.Microsecond).Equal(m.Time.Truncate(time.Microsecond))
}

// SameTruth reports whether two labels state the same truth, at any time and about any
// prediction.
func (l Label) SameTruth(m Label) bool {
	return l.Class == m.Class && math.Float64bits(l.Value) == math.Float64bits(m.Value)
}

// Check returns a [*LabelError] if the label cannot be stored: a malformed ID, no time, a
// time or an arrival outside the years 1 to 9999, both a class and a value, a class that is
// not UTF-8 or holds a NUL, or a value that is not finite. Check does not know which classes
// exist; [Join] marks a label that does not fit the predictions' schema as a misfit.
func (l Label) Check() error {
	if err := predictlog.CheckID(l.PredictionID); err != nil {
		return l.fail("prediction_id", "%v", err)
	}
	if !utf8.ValidString(l.Class) || strings.IndexByte(l.Class, 0) >= 0 {
		return l.fail("class", "%q, want UTF-8 without NUL", l.Class)
	}
	if math.IsNaN(l.Value) || math.IsInf(l.Value, 0) {
		return l.fail("value", "%v, want a finite number", l.Value)
	}
	if l.Class != "" && math.Float64bits(l.Value) != 0 {
		return l.fail("value", "%v beside class %q, want one of them", l.Value, l.Class)
	}
	if l.Time.Truncate(time.Microsecond).IsZero() {
		return l.fail("time", "not set")
	}
	if y := l.Time.UTC().Year(); y < 1 || y > 9999 {
		return l.fail("time", "year %d, want 1 to 9999", y)
	}
	if y := l.Arrived.UTC().Year(); y < 1 || y > 9999 { // not set is year 1
		return l.fail("arrived", "year %d, want 1 to 9999", y)
	}
	return nil
}

// Stored returns the label as a store keeps it: its times in UTC to the microsecond, and with
// the given arrival unless the label has one.
func (l Label) Stored(arrival time.Time) Label {
	if l.Arrived = l.Arrived.Truncate(time.Microsecond); l.Arrived.IsZero() {
		l.Arrived = arrival.Truncate(time.Microsecond)
	}
	l.Time, l.Arrived = l.Time.UTC().Truncate(time.Microsecond), l.Arrived.UTC()
	return l
}

// fail returns a [*LabelError] about a field of l.
func (l Label) fail(field, format string, args ...any) error {
	return &LabelError{PredictionID: l.PredictionID, Field: field, What: fmt.Sprintf(format, args...)}
}

// Store keeps all revisions of labels, for ever or until they are pruned. All methods are
// safe for concurrent use. A ctx that is cancelled when a method is called is an error that
// wraps ctx.Err(). The optional interface [Pruner] offers the removal of labels. The
// sub-package labelstest checks these promises.
type Store interface {
	// Append stores every label or none, and returns once they are as durable as the store
	// promises. A label equal to a stored revision, see [Label.Equal], is a no-op; any other
	// label is a new revision. The labels of one call are taken one after the other. A failed
	// Append may be repeated. A label that fails [Label.Check] is a [*LabelError]. The
	// prediction need not be known. After Append has returned, the store keeps no reference
	// to the labels.
	//
	// So stored labels may be sent again at any later point, in whole or in part, and change
	// nothing. A truth that is confirmed at a later Time is a revision like any other: it
	// wins over every label with an earlier Time.
	//
	// A store sets the arrival as late as it can, so that a label that a reader did not see
	// has arrived after the reading.
	Append(ctx context.Context, labels ...Label) error
	// Lookup returns the winning label of each of the prediction IDs that has a label. The
	// winning label is the one with the latest Time and, among equal times, the one appended
	// last. Lookup sees every label whose Append returned before the call. The map is the
	// caller's.
	Lookup(ctx context.Context, predictionIDs ...string) (map[string]Label, error)
	// LookupAsOf is Lookup at an earlier moment: labels with a later Arrived do not count. A
	// zero moment is Lookup. The answer never changes again once the moment has passed by
	// more than the time of an Append plus the difference between the clocks of the writers.
	// There are two exceptions: a label that comes with an earlier Arrived of its own, and
	// pruning.
	//
	// The winner of now also won at the earlier moment if it had arrived by then, because
	// every label that loses to it now lost to it then. So a store needs the older revisions
	// only if the winner had not arrived.
	LookupAsOf(ctx context.Context, arrivedBy time.Time, predictionIDs ...string) (map[string]Label, error)
	// Scan yields every revision that q matches, in the order in which they were appended, in
	// bounded memory beyond the store's own index. Scan yields every label whose Append
	// returned before the scan began. The sequence ends at the first error, which comes with
	// a zero Label; a cancelled ctx is such an error. The consumer may stop early. The
	// sequence may be ranged over again, which is a new scan.
	//
	// While it yields, a store holds no lock and no connection: the consumer may call any
	// method of this store, and of other stores on the same database, even if the database
	// has a single connection.
	Scan(ctx context.Context, q Query) iter.Seq2[Label, error]
}

// Pruner is implemented by a [Store] that can remove old labels.
type Pruner interface {
	// Prune removes the labels of every prediction whose labels all have an Arrived before
	// the given moment. A store that keeps labels in larger portions, and says so, may remove
	// fewer. The labels of one prediction stay or go together, so no label that lost wins
	// again. A removed label that comes again is new. A Scan that is under way may or may not
	// yield a removed label. Prune is safe to repeat, also after an interruption.
	Prune(ctx context.Context, arrivedBefore time.Time) error
}

// Joiner is implemented by a [predictlog.Store] that can join its records with a store of
// labels in the same place, such as two tables of a database.
type Joiner interface {
	// JoinLabels returns the join that [JoinAsOf] uses, or false if it cannot join with this
	// store of labels. The join yields the records that q matches as [predictlog.Store.Scan]
	// does. An example is Labelled if its record has a label, and Label is then the label
	// that [Store.LookupAsOf] would find. JoinAsOf checks whether the label fits. A zero
	// arrivedBy is no bound.
	JoinLabels(labels Store, q predictlog.Query, arrivedBy time.Time) (join func(ctx context.Context) iter.Seq2[Example, error], ok bool)
}

// Query selects labels. The zero Query selects all.
type Query struct {
	// From and To bound Label.Time: From <= Time < To. A zero bound is no bound.
	From, To time.Time
	// ArrivedBy, if not zero, leaves out the labels with a later Arrived.
	ArrivedBy time.Time
	// PredictionID, if not empty, must equal the label's PredictionID.
	PredictionID string
}

// Matches reports whether l is selected by q.
func (q Query) Matches(l Label) bool {
	return (q.From.IsZero() || !l.Time.Before(q.From)) &&
		(q.To.IsZero() || l.Time.Before(q.To)) &&
		(q.ArrivedBy.IsZero() || !l.Arrived.After(q.ArrivedBy)) &&
		(q.PredictionID == "" || l.PredictionID == q.PredictionID)
}
