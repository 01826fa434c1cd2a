// Package storetest checks that a [labels.Store] keeps its promises.
//
// Whoever writes a store makes one call from a test: [Run] opens the store anew for
// each promise and, where one is broken, quotes it. [RunBenchmarks] measures the store,
// and [Faulty] makes any store fail on demand, to test what is built on it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
)

// promise is something that every store must keep, and how to find out.
type promise struct {
	name string
	text string // from the documentation of labels.Store
	kept func(ctx context.Context, s labels.Store) error
}

// Run checks every promise, each in a subtest on a store of its own. Open returns an
// empty store and registers its own cleanup.
func Run(t *testing.T, open func(t *testing.T) labels.Store) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			if err := p.kept(t.Context(), open(t)); err != nil {
				t.Errorf("%v\nbroken promise: %s", err, p.text)
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

// wantScan compares what a query yields, in order, with what it should.
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

// wantLookup looks up the winners' predictions and those that should have no label.
func wantLookup(ctx context.Context, s labels.Store, winners []labels.Label, unlabelled ...string) error {
	ids := slices.Clone(unlabelled)
	for _, l := range winners {
		ids = append(ids, l.PredictionID)
	}
	got, err := s.Lookup(ctx, ids...)
	if err != nil {
		return fmt.Errorf("Lookup of %d predictions: %w", len(ids), err)
	}
	for _, want := range winners {
		l, ok := got[want.PredictionID]
		if !ok {
			return fmt.Errorf("Lookup(%q) finds nothing, want %+v", want.PredictionID, want)
		}
		if !l.Equal(want) {
			return fmt.Errorf("Lookup(%q) finds %+v, want %+v", want.PredictionID, l, want)
		}
		if err := wantUTC(l); err != nil {
			return err
		}
	}
	if len(got) != len(winners) {
		return fmt.Errorf("Lookup of %d predictions finds %d labels, want %d: %+v", len(ids), len(got), len(winners), got)
	}
	return nil
}

func wantUTC(l labels.Label) error {
	if l.Time.Location() != time.UTC || !l.Time.Equal(l.Time.Truncate(time.Microsecond)) {
		return fmt.Errorf("time of %q is %v, want UTC in microseconds", l.PredictionID, l.Time)
	}
	return nil
}

func wantCancelled(what string, err error) error {
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s with a cancelled context: error %v, want one that wraps context.Canceled", what, err)
	}
	return nil
}
