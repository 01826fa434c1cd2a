package labels

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Example is a prediction with its label, if there is one yet.
type Example struct {
	Record predictlog.Record
	// Label is the winning label; it means nothing unless Labelled or a Misfit.
	Label Label
	// Labelled reports whether the prediction has a label that can be used.
	Labelled bool
	// Misfit, if not nil, is a [*LabelError] that says why the winning label cannot be
	// the truth of such a prediction. Label then holds the unusable label, and Labelled
	// is false.
	Misfit error
}

// joinBatch is how many predictions are looked up at once: large enough that a
// database answers few queries, small enough to bound memory.
const joinBatch = 1000

// Join yields every prediction that q matches, each with its winning label if it has
// one, in the order of the predictions' store and in memory bounded by a batch of
// predictions. The sequence ends at the first error of either store, a cancelled ctx
// included, which it yields wrapped, with a zero Example.
//
// A winning label that does not fit the schema of the predictions (a class that the
// target does not have, a class for a regression) leaves its prediction unlabelled, with
// a Misfit: one bad label must not stop whatever is computed from the rest. Older
// revisions do not take its place; a corrected label does. [Cover] counts misfits, so
// that they do not go unnoticed.
func Join(ctx context.Context, predictions predictlog.Store, labels Store, q predictlog.Query) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		j := joiner{
			labels: labels,
			target: predictions.Schema().Target(),
			batch:  make([]predictlog.Record, 0, joinBatch),
			ids:    make([]string, joinBatch),
		}
		for r, err := range predictions.Scan(ctx, q) {
			if err != nil {
				yield(Example{}, fmt.Errorf("labels: join: predictions: %w", err))
				return
			}
			if j.batch = append(j.batch, r); len(j.batch) == joinBatch && !j.flush(ctx, yield) {
				return
			}
		}
		if len(j.batch) > 0 {
			j.flush(ctx, yield)
		}
	}
}

// joiner is the state of one [Join].
type joiner struct {
	labels Store
	target predictlog.Target
	batch  []predictlog.Record
	ids    []string // scratch of flush, one for each of a full batch
}

// flush yields the batch with its labels, empties it, and reports whether to go on.
func (j *joiner) flush(ctx context.Context, yield func(Example, error) bool) bool {
	for i, r := range j.batch {
		j.ids[i] = r.ID
	}
	found, err := j.labels.Lookup(ctx, j.ids[:len(j.batch)]...)
	if err != nil {
		yield(Example{}, fmt.Errorf("labels: join: %w", err))
		return false
	}
	for _, r := range j.batch {
		e := Example{Record: r}
		if label, ok := found[r.ID]; ok {
			e.Label, e.Misfit = label, fits(label, j.target)
			e.Labelled = e.Misfit == nil
		}
		if !yield(e, nil) {
			return false
		}
	}
	j.batch = j.batch[:0]
	return true
}

// fits returns a [*LabelError] if the label cannot be the truth of such a target.
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
