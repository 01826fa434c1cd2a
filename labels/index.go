package labels

import (
	"math"
	"time"
	"unique"
)

// Index decides for a store whether a label is a new revision or a no-op, by the rule of
// [Store.Append], and finds winning labels. Stores that keep their index in memory use it, as
// [MemoryStore] and csvlabels do.
//
// An Index holds every revision. A prediction with one label takes 130 to 160 bytes if its ID
// is a UUID, a further revision 48. A class is held once, however many labels name it.
//
// The zero Index is empty and ready to use. An Index is not safe for concurrent use, but any
// number of goroutines may call its other methods while none calls Add.
type Index struct {
	winners map[string]revision // by prediction ID
}

// revision is a label without its prediction's ID.
type revision struct {
	micros  int64 // Label.Time
	arrived int64 // Label.Arrived in microseconds
	truth   truth
	// older is the list of the prediction's other revisions. Only the head of a list is ever
	// replaced, so a copy of a winner is a snapshot of all its revisions. Among revisions
	// with equal times the one added last comes first.
	older *revision
}

// truth is the content of a label, comparable by ==.
type truth struct {
	class unique.Handle[string]
	value uint64 // the bits, because 0 == -0
}

// Add records the label, which must pass [Label.Check] and have an Arrived, and reports
// whether the label is a new revision. False means that the label equals a recorded one and
// that nothing changed.
func (x *Index) Add(l Label) bool {
	r := revision{
		micros:  l.Time.UnixMicro(),
		arrived: l.Arrived.UnixMicro(),
		truth:   truth{class: unique.Make(l.Class), value: math.Float64bits(l.Value)},
	}
	if x.winners == nil {
		x.winners = make(map[string]revision)
	}
	winner, labelled := x.winners[l.PredictionID]
	switch {
	case !labelled:
		x.winners[l.PredictionID] = r
	case winner.holds(r):
		return false
	case r.micros >= winner.micros:
		beaten := winner // a copy, so that only this case allocates
		r.older = &beaten
		x.winners[l.PredictionID] = r
	default:
		late := r
		late.older = winner.older
		winner.older = &late
		x.winners[l.PredictionID] = winner
	}
	return true
}

// holds reports whether r is the winner w or one of its older revisions.
func (w revision) holds(r revision) bool {
	for o := &w; o != nil; o = o.older {
		if o.micros == r.micros && o.truth == r.truth {
			return true
		}
	}
	return false
}

// Fresh returns the labels that [Index.Add], called in this order, would record. Fresh
// records nothing: a store calls Add once the labels are safe.
func (x *Index) Fresh(labels ...Label) []Label {
	var fresh []Label
	trial := Index{winners: make(map[string]revision, len(labels))}
	for _, l := range labels {
		if _, copied := trial.winners[l.PredictionID]; !copied {
			if winner, labelled := x.winners[l.PredictionID]; labelled {
				trial.winners[l.PredictionID] = winner
			}
		}
		if trial.Add(l) {
			fresh = append(fresh, l)
		}
	}
	return fresh
}

// Lookup returns the winning label of the prediction, and whether it has one.
func (x *Index) Lookup(predictionID string) (Label, bool) {
	w, labelled := x.winners[predictionID]
	if !labelled {
		return Label{}, false
	}
	return w.label(predictionID), true
}

// LookupAsOf is Lookup without the labels that arrived after the given moment. A zero moment
// is no bound.
func (x *Index) LookupAsOf(arrivedBy time.Time, predictionID string) (Label, bool) {
	if arrivedBy.IsZero() {
		return x.Lookup(predictionID)
	}
	w, labelled := x.winners[predictionID]
	if !labelled {
		return Label{}, false
	}
	var won *revision
	for r := &w; r != nil; r = r.older {
		if !time.UnixMicro(r.arrived).After(arrivedBy) && (won == nil || r.micros > won.micros) {
			won = r
		}
	}
	if won == nil {
		return Label{}, false
	}
	return won.label(predictionID), true
}

// LastArrival returns the latest Arrived of the prediction's labels; zero if it has none.
func (x *Index) LastArrival(predictionID string) time.Time {
	w, labelled := x.winners[predictionID]
	if !labelled {
		return time.Time{}
	}
	last := w.arrived
	for r := w.older; r != nil; r = r.older {
		last = max(last, r.arrived)
	}
	return time.UnixMicro(last).UTC()
}

// label returns the revision as a label of the prediction.
func (w revision) label(predictionID string) Label {
	return Label{
		PredictionID: predictionID,
		Class:        w.truth.class.Value(),
		Value:        math.Float64frombits(w.truth.value),
		Time:         time.UnixMicro(w.micros).UTC(),
		Arrived:      time.UnixMicro(w.arrived).UTC(),
	}
}

// Len returns the number of predictions that have a label.
func (x *Index) Len() int { return len(x.winners) }
