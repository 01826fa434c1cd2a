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
	What         string // what is wrong and what was expected
}

func (e *LabelError) Error() string {
	return fmt.Sprintf("labels: label of prediction %q: %s: %s", e.PredictionID, e.Field, e.What)
}

// Unwrap returns [ErrInvalidLabel].
func (e *LabelError) Unwrap() error { return ErrInvalidLabel }

// Label is the truth about one prediction.
type Label struct {
	// PredictionID is the ID of the record that the label is about.
	PredictionID string
	// Class is the true class of a classification, UTF-8 without NUL; empty for a
	// regression.
	Class string
	// Value is the true value of a regression, finite; 0 for a classification.
	Value float64
	// Time is when the truth became known at its source, in UTC; stores keep it to the
	// microsecond. Of two labels of one prediction the later wins.
	Time time.Time
	// Arrived is when the label was stored, in UTC; stores keep it to the microsecond.
	// Append sets it, to the present, unless it is set already, as in a replay of the past.
	// It is no part of what makes two labels equal, and of equal labels the first counts.
	Arrived time.Time
}

// Equal reports whether two labels are the same, times compared as instants in the
// microseconds that stores keep.
func (l Label) Equal(m Label) bool {
	return l.SameTruth(m) && l.PredictionID == m.PredictionID &&
		l.Time.Truncate(time.Microsecond).Equal(m.Time.Truncate(time.Microsecond))
}

// SameTruth reports whether two labels state the same truth, whenever and of whichever
// prediction.
func (l Label) SameTruth(m Label) bool {
	return l.Class == m.Class && math.Float64bits(l.Value) == math.Float64bits(m.Value)
}

// Check returns a [*LabelError] if the label cannot be stored: a malformed ID, no time, a
// time or an arrival outside the years 1 to 9999, both a class and a value, a class that is
// not UTF-8 or holds a NUL, or a value that is not finite. Whether the class exists is not
// known here; [Join] marks a label that does not fit the predictions' schema as a misfit.
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

// Stored returns the label as a store keeps it: its times in UTC to the microsecond, and
// with the given arrival unless it has one.
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

// Store keeps labels, all revisions of them, for ever or until they are pruned. All methods
// are safe for concurrent use. A ctx that is cancelled when a method is called is an error
// that wraps ctx.Err(). What a store can do beside that it offers by the optional interface
// [Pruner]. The sub-package labelstest checks these promises.
type Store interface {
	// Append stores every label or none, and returns once they are as durable as the
	// store promises. A label equal to a stored revision, as [Label.Equal] has it, is a
	// no-op; any other is a new revision. Labels of one call are taken one after the
	// other. A failed Append may be repeated. A label that fails [Label.Check] is a
	// [*LabelError]. The prediction need not be known. The store keeps no reference to the
	// labels after it returned.
	//
	// So labels that were stored may be sent again at any later point, in whole or in
	// part, and change nothing. A truth that is confirmed at a later Time is a revision
	// like any other: it wins over whatever is dated before it.
	//
	// A store takes the arrival as late as it can, so that what a reader did not see has
	// arrived later than it read.
	Append(ctx context.Context, labels ...Label) error
	// Lookup returns the winning label of each of the prediction IDs that has one: the
	// one with the latest Time and, among equal times, the one appended last. It sees
	// every label whose Append returned before the call. The map is the caller's.
	Lookup(ctx context.Context, predictionIDs ...string) (map[string]Label, error)
	// LookupAsOf is Lookup as it was at an earlier moment: labels with a later Arrived do
	// not count. A zero moment is Lookup. The answer is the same for ever once the moment
	// has passed by more than an Append takes and the clocks of those who append differ,
	// unless a label comes with an earlier Arrived of its own, or labels are pruned.
	//
	// A winner of now that had arrived by then won then too, because whatever loses to it
	// now lost to it then. So a store needs the older revisions only where it had not.
	LookupAsOf(ctx context.Context, arrivedBy time.Time, predictionIDs ...string) (map[string]Label, error)
	// Scan yields every revision that q matches, in the order in which they were
	// appended, in bounded memory beyond the store's own index. It yields every label
	// whose Append returned before the scan began. The sequence ends at the first error,
	// which it yields with a zero Label; a cancelled ctx is such an error. The consumer
	// may stop early. The sequence may be ranged over again, which is a new scan.
	//
	// While it yields, a store holds no lock and no connection: the consumer may call any
	// method of it, and of other stores on the same database, even if that has a single
	// connection.
	Scan(ctx context.Context, q Query) iter.Seq2[Label, error]
}

// Pruner is implemented by a [Store] that can remove old labels.
type Pruner interface {
	// Prune removes the labels of predictions of which every label has an Arrived before
	// the given moment: all of them, or fewer if the store keeps them in larger portions,
	// which it then says. The labels of one prediction stay or go together, so that none
	// that was beaten wins again. A label that comes again after it was removed is a new one.
	// A Scan that is under way yields each of the removed labels or not. Prune is safe to
	// repeat, whenever it was interrupted.
	Prune(ctx context.Context, arrivedBefore time.Time) error
}

// Joiner is implemented by a [predictlog.Store] that can join its records with the labels
// of a store that lies beside it, as two tables of a database.
type Joiner interface {
	// JoinLabels returns the join that [JoinAsOf] uses, or reports false if it cannot join
	// with this store of labels. The join yields the records that q matches as
	// [predictlog.Store.Scan] does. An example is Labelled if its record has a label, and
	// Label then is what [Store.LookupAsOf] would find. Whether that fits is for JoinAsOf to
	// say. A zero arrivedBy is no bound.
	JoinLabels(labels Store, q predictlog.Query, arrivedBy time.Time) (join func(ctx context.Context) iter.Seq2[Example, error], ok bool)
}

// Query selects labels. The zero Query selects all.
type Query struct {
	// From and To bound Label.Time: From <= Time < To. A zero bound is no bound.
	From, To time.Time
	// ArrivedBy, if not zero, leaves out the labels with a later Arrived.
	ArrivedBy time.Time
	// PredictionID, if not empty, must equal the label's: the history of one prediction.
	PredictionID string
}

// Matches reports whether l is selected by q.
func (q Query) Matches(l Label) bool {
	return (q.From.IsZero() || !l.Time.Before(q.From)) &&
		(q.To.IsZero() || l.Time.Before(q.To)) &&
		(q.ArrivedBy.IsZero() || !l.Arrived.After(q.ArrivedBy)) &&
		(q.PredictionID == "" || l.PredictionID == q.PredictionID)
}
