package labels

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Example is a prediction with its label, if there is one yet.
type Example struct {
	Record predictlog.Record
	// Label is the winning label. It has no meaning unless Labelled is true or Misfit is not
	// nil.
	Label Label
	// Labelled reports whether the prediction has a label that can be used.
	Labelled bool
	// Misfit, if not nil, is a [*LabelError] that says why the winning label cannot be the
	// truth of the prediction. Label then holds the unusable label, and Labelled is false.
	Misfit error
}

const (
	// joinBatch is the number of predictions that are looked up at once: large enough that a
	// database answers few queries, small enough to bound memory.
	joinBatch = 1000
	// joinAhead is the number of predictions that are read before the first look-up.
	joinAhead = 16 * joinBatch
)

// Join is [JoinAsOf] as of now.
func Join(ctx context.Context, predictions predictlog.Store, labels Store, q predictlog.Query) iter.Seq2[Example, error] {
	return JoinAsOf(ctx, predictions, labels, q, time.Time{})
}

// JoinAsOf yields every prediction that q matches, in the order of the predictions' store,
// each with the label that was winning at the given moment, if there was one. A zero moment
// is now. The sequence ends at the first error of either store, a cancelled ctx included. The
// error is wrapped and comes with a zero Example. The sequence may be ranged over again,
// which is a new join.
//
// A winning label that does not fit the schema of the predictions (a class that the target
// does not have, a class for a regression) leaves its prediction unlabelled, with a Misfit:
// one bad label must not stop a computation over the rest. Older revisions do not take its
// place; a corrected label does. [Cover] counts misfits, so that they are seen.
//
// If the store of predictions is a [Joiner] that can join with these labels, that join is
// used. Otherwise labels are looked up while the predictions are being scanned, 1000 at a
// time, in memory bounded by 16,000 predictions. Both stores may share one connection,
// because a scan holds none while it yields. A store that breaks this promise, and keeps the
// only connection until its scan is over, can be joined only up to 16,000 predictions, which
// are read before the first look-up. Beyond that number the join waits until ctx is done.
func JoinAsOf(ctx context.Context, predictions predictlog.Store, labels Store, q predictlog.Query, arrivedBy time.Time) iter.Seq2[Example, error] {
	target := predictions.Schema().Target()
	if j, ok := predictions.(Joiner); ok {
		if join, ok := j.JoinLabels(labels, q, arrivedBy); ok {
			return func(yield func(Example, error) bool) { joined(join(ctx), target, yield) }
		}
	}
	return func(yield func(Example, error) bool) {
		j := joiner{labels: labels, target: target, arrivedBy: arrivedBy}
		limit := joinAhead
		for r, err := range predictions.Scan(ctx, q) {
			if err != nil {
				yield(Example{}, fmt.Errorf("labels: join: predictions: %w", err))
				return
			}
			if j.read = append(j.read, r); len(j.read) == limit {
				if !j.flush(ctx, yield) {
					return
				}
				clear(j.read) // yielded records are not kept in memory
				j.read, limit = j.read[:0], joinBatch
			}
		}
		j.flush(ctx, yield)
	}
}

// joined yields the examples of a [Joiner], with a Misfit for labels that do not fit.
func joined(examples iter.Seq2[Example, error], target predictlog.Target, yield func(Example, error) bool) {
	for e, err := range examples {
		if err != nil {
			yield(Example{}, fmt.Errorf("labels: join: %w", err))
			return
		}
		if !yield(newExample(e.Record, e.Label, e.Labelled, target), nil) {
			return
		}
	}
}

// newExample returns the example of a record with its winning label, if one was found.
func newExample(r predictlog.Record, l Label, found bool, target predictlog.Target) Example {
	e := Example{Record: r}
	if found {
		e.Label, e.Misfit = l, fits(l, target)
		e.Labelled = e.Misfit == nil
	}
	return e
}

// joiner is the state of one [JoinAsOf].
type joiner struct {
	labels    Store
	target    predictlog.Target
	arrivedBy time.Time
	read      []predictlog.Record
	ids       []string // scratch of lookup
}

// flush yields the records that were read, with their labels, and reports whether to go on.
func (j *joiner) flush(ctx context.Context, yield func(Example, error) bool) bool {
	for batch := range slices.Chunk(j.read, joinBatch) {
		found, err := j.lookup(ctx, batch)
		if err != nil {
			yield(Example{}, fmt.Errorf("labels: join: %w", err))
			return false
		}
		for _, r := range batch {
			l, ok := found[r.ID]
			if !yield(newExample(r, l, ok, j.target), nil) {
				return false
			}
		}
	}
	return true
}

func (j *joiner) lookup(ctx context.Context, records []predictlog.Record) (map[string]Label, error) {
	j.ids = j.ids[:0]
	for _, r := range records {
		j.ids = append(j.ids, r.ID)
	}
	if j.arrivedBy.IsZero() {
		return j.labels.Lookup(ctx, j.ids...)
	}
	return j.labels.LookupAsOf(ctx, j.arrivedBy, j.ids...)
}

// fits returns a [*LabelError] if the label cannot be the truth for the target.
func fits(l Label, target predictlog.Target) error {
	switch {
	case target.Task == predictlog.Regression && l.Class != "":
		return l.fail("class", "%q, but the target is a regression", l.Class)
	case target.Task == predictlog.Regression:
		return nil
	case l.Class == "":
		return l.fail("value", "%v, want a class, one of %q", l.Value, target.Classes)
	case !slices.Contains(target.Classes, l.Class):
		return l.fail("class", "%q, want one of %q", l.Class, target.Classes)
	}
	return nil
}
