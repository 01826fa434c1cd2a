// Package labelstest checks that a [labels.Store] keeps its promises.
//
// The author of a store calls [Run] from a test: it makes a store for each promise and quotes
// a broken promise. [RunBenchmarks] measures the store, and [Faulty] makes any store fail on
// demand, to test code that uses stores.
package labelstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest/timelimit"
)

// Harness makes the stores under test. Only New is required. The log of the test names
// promises that could not be checked without another field.
type Harness struct {
	// New returns an empty store and registers its cleanup.
	New func(t testing.TB) labels.Store
	// Reopen ends the use of the store, as the end of its process would, and returns another
	// store on the same data. The cleanup must accept that the old one is closed.
	Reopen func(t testing.TB, s labels.Store) labels.Store
	// Second returns another store on the same data, as a second process has it, and
	// registers its cleanup.
	Second func(t testing.TB, s labels.Store) labels.Store
	// Features are the legitimate differences of the store.
	Features Features
}

// Features are choices that a store may make.
type Features struct {
	// PrunesInPortions says that Prune may keep some of what it could remove.
	PrunesInPortions bool
}

// promise is a promise of the interface, and its check.
type promise struct {
	name string
	text string // from the documentation of labels.Store
	// One of these two checks the promise on an empty store.
	kept func(ctx context.Context, s labels.Store) error
	with func(ctx context.Context, t *trial) error

	needs need // of with
}

// need is something that the check of a promise requires.
type need uint8

const (
	needsReopen need = 1 << iota
	needsSecond
	needsPruner
)

// trial is a store under test.
type trial struct {
	t       testing.TB
	harness Harness
	store   labels.Store
}

func (t *trial) second() labels.Store { return t.harness.Second(t.t, t.store) }

func (t *trial) reopen() { t.store = t.harness.Reopen(t.t, t.store) }

func (t *trial) prune(ctx context.Context, before time.Time) error {
	return prunerOf(t.store).Prune(ctx, before)
}

// prunerOf returns nil if the store is no Pruner.
func prunerOf(s labels.Store) labels.Pruner {
	p, _ := s.(labels.Pruner)
	return p
}

// missing names what is lacking for the check of a promise, empty for nothing.
func (p promise) missing(h Harness, s labels.Store) string {
	switch {
	case p.needs&needsReopen != 0 && h.Reopen == nil:
		return "the Harness has no Reopen"
	case p.needs&needsSecond != 0 && h.Second == nil:
		return "the Harness has no Second"
	case p.needs&needsPruner != 0 && prunerOf(s) == nil:
		return "the store is no labels.Pruner"
	}
	return ""
}

// patience bounds the check of a promise. A longer check means a method that waits for ever.
const patience = time.Minute

// check returns an error if the promise is broken, or why the promise could not be checked.
func (p promise) check(t testing.TB, h Harness, patience time.Duration) (unchecked string, err error) {
	store := h.New(t)
	if unchecked = p.missing(h, store); unchecked != "" {
		return unchecked, nil
	}
	return "", timelimit.Run(t, patience, func(ctx context.Context) error {
		if p.kept != nil {
			return p.kept(ctx, store)
		}
		return p.with(ctx, &trial{t: t, harness: h, store: store})
	})
}

// Run checks every promise, each in a subtest on a store of its own.
func Run(t *testing.T, h Harness) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			switch unchecked, err := p.check(t, h, patience); {
			case err != nil:
				t.Errorf("%v\nbroken promise: %s", err, p.text)
			case unchecked != "":
				t.Logf("not checked, because %s: %s", unchecked, p.text)
			}
		})
	}
}

// at is an instant, so many seconds into the tests' time.
func at(seconds int) time.Time {
	return time.Date(2025, 6, 1, 12, 0, seconds, 0, time.UTC)
}

func class(predictionID, class string, seconds int) labels.Label {
	return labels.Label{PredictionID: predictionID, Class: class, Time: at(seconds)}
}

func value(predictionID string, value float64, seconds int) labels.Label {
	return labels.Label{PredictionID: predictionID, Value: value, Time: at(seconds)}
}

// appendEach appends the labels one by one.
func appendEach(ctx context.Context, s labels.Store, ls ...labels.Label) error {
	for _, l := range ls {
		if err := s.Append(ctx, l); err != nil {
			return fmt.Errorf("Append(%+v): %w", l, err)
		}
	}
	return nil
}

// scan collects what a query yields.
func scan(ctx context.Context, s labels.Store, q labels.Query) ([]labels.Label, error) {
	var ls []labels.Label
	for l, err := range s.Scan(ctx, q) {
		if err != nil {
			return ls, fmt.Errorf("Scan(%+v): %w", q, err)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// wantScan compares the labels of a query with the expected ones, in order.
func wantScan(ctx context.Context, s labels.Store, q labels.Query, want ...labels.Label) error {
	got, err := scan(ctx, s, q)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(got, want, labels.Label.Equal) {
		return fmt.Errorf("Scan(%+v) yields\n\t%+v, want\n\t%+v", q, got, want)
	}
	for _, l := range got {
		if err := wantUTC(l); err != nil {
			return err
		}
	}
	return nil
}

// wantLookup looks up the winners' predictions and predictions without a label, by Lookup and
// by LookupAsOf with a zero moment.
func wantLookup(ctx context.Context, s labels.Store, winners []labels.Label, unlabelled ...string) error {
	found, err := s.Lookup(ctx, idsOf(winners, unlabelled)...)
	if err := wantFound("Lookup", found, err, winners); err != nil {
		return err
	}
	return wantAsOf(ctx, s, time.Time{}, winners, unlabelled...)
}

// wantAsOf is wantLookup as of a moment.
func wantAsOf(ctx context.Context, s labels.Store, arrivedBy time.Time, winners []labels.Label, unlabelled ...string) error {
	found, err := s.LookupAsOf(ctx, arrivedBy, idsOf(winners, unlabelled)...)
	return wantFound(fmt.Sprintf("LookupAsOf(%v)", arrivedBy), found, err, winners)
}

func idsOf(winners []labels.Label, unlabelled []string) []string {
	ids := slices.Clone(unlabelled)
	for _, l := range winners {
		ids = append(ids, l.PredictionID)
	}
	return ids
}

// wantFound compares what was found with the winners.
func wantFound(what string, found map[string]labels.Label, err error, winners []labels.Label) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for _, want := range winners {
		l, ok := found[want.PredictionID]
		if !ok {
			return fmt.Errorf("%s finds nothing for %q, want %+v", what, want.PredictionID, want)
		}
		if !l.Equal(want) {
			return fmt.Errorf("%s finds %+v, want %+v", what, l, want)
		}
		if err := wantUTC(l); err != nil {
			return err
		}
	}
	if len(found) != len(winners) {
		return fmt.Errorf("%s finds %d labels, want %d: %+v", what, len(found), len(winners), found)
	}
	return nil
}

func wantUTC(l labels.Label) error {
	for _, t := range []time.Time{l.Time, l.Arrived} {
		if t.Location() != time.UTC || !t.Equal(t.Truncate(time.Microsecond)) {
			return fmt.Errorf("times of %q are %v and %v, want UTC in microseconds", l.PredictionID, l.Time, l.Arrived)
		}
	}
	if l.Arrived.IsZero() {
		return fmt.Errorf("label of %q has no Arrived", l.PredictionID)
	}
	return nil
}

func wantCancelled(what string, err error) error {
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s with a cancelled context: error %v, want one that wraps context.Canceled", what, err)
	}
	return nil
}
