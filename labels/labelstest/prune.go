package labelstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
)

// wantPruned checks that the labels that must stay are there, in order, and that all others
// are gone, unless the store prunes in portions.
func (t *trial) wantPruned(ctx context.Context, s labels.Store, stay []labels.Label, gone ...labels.Label) error {
	got, err := scan(ctx, s, labels.Query{})
	if err != nil {
		return err
	}
	var left []labels.Label
	for _, l := range got {
		if !slices.ContainsFunc(gone, l.Equal) {
			left = append(left, l)
		} else if !t.harness.Features.PrunesInPortions {
			return fmt.Errorf("after Prune, Scan yields %+v, which it was to remove", l)
		}
	}
	if !slices.EqualFunc(left, stay, labels.Label.Equal) {
		return fmt.Errorf("after Prune, Scan yields\n\t%+v, want\n\t%+v", left, stay)
	}
	if t.harness.Features.PrunesInPortions {
		return nil
	}
	for _, l := range gone {
		if err := wantLookup(ctx, s, nil, l.PredictionID); err != nil {
			return fmt.Errorf("after Prune: %w", err)
		}
	}
	return nil
}

func prune(ctx context.Context, t *trial) error {
	old, exact := arriving(class("p-1", "yes", 50), 10), class("p-2", "yes", 1)
	exact.Arrived = at(20)
	before := exact
	before.PredictionID, before.Arrived = "p-3", at(20).Add(-time.Microsecond)
	young, now := arriving(value("p-4", 1.5, 1), 30), class("p-5", "yes", 1)
	if err := t.prune(ctx, at(20)); err != nil {
		return fmt.Errorf("prune of nothing: %w", err)
	}
	if err := t.store.Append(ctx, old, exact, before, young, now); err != nil {
		return err
	}
	if err := t.prune(ctx, at(10)); err != nil {
		return err
	}
	if err := t.wantPruned(ctx, t.store, []labels.Label{old, exact, before, young, now}); err != nil {
		return fmt.Errorf("at the arrival of the oldest: %w", err)
	}
	for range 2 {
		if err := t.prune(ctx, at(20)); err != nil {
			return err
		}
		if err := t.wantPruned(ctx, t.store, []labels.Label{exact, young, now}, old, before); err != nil {
			return err
		}
	}
	return errors.Join(
		wantLookup(ctx, t.store, []labels.Label{exact, young, now}),
		wantArrival(ctx, t.store, young, at(30).Equal),
		wantAsOf(ctx, t.store, at(25), []labels.Label{exact}, "p-4", "p-5"),
	)
}

func pruneHistories(ctx context.Context, t *trial) error {
	winner, beaten := arriving(class("p-1", "right", 9), 10), arriving(class("p-1", "wrong", 5), 30)
	last, first := arriving(class("p-2", "b", 1), 30), arriving(class("p-2", "a", 1), 10)
	gone := arriving(class("p-3", "a", 1), 10)
	goneToo := arriving(class("p-3", "b", 2), 11)
	if err := appendEach(ctx, t.store, winner, first, gone, beaten, last, goneToo); err != nil {
		return err
	}
	if err := t.prune(ctx, at(20)); err != nil {
		return err
	}
	return errors.Join(
		t.wantPruned(ctx, t.store, []labels.Label{winner, first, beaten, last}, gone, goneToo),
		wantLookup(ctx, t.store, []labels.Label{winner, last}),
		wantAsOf(ctx, t.store, at(15), []labels.Label{winner, first}),
	)
}

func pruneAndAppend(ctx context.Context, t *trial) error {
	old, young := arriving(class("p-1", "yes", 1), 10), arriving(class("p-2", "yes", 1), 30)
	if err := t.store.Append(ctx, old, young); err != nil {
		return err
	}
	if err := t.prune(ctx, at(20)); err != nil {
		return err
	}
	again, next := arriving(old, 40), class("p-3", "yes", 1)
	if err := t.store.Append(ctx, young, again, next); err != nil {
		return err
	}
	if !t.harness.Features.PrunesInPortions {
		return errors.Join(
			wantScan(ctx, t.store, labels.Query{}, young, again, next),
			wantArrival(ctx, t.store, again, at(40).Equal),
		)
	}
	return wantLookup(ctx, t.store, []labels.Label{young, again, next})
}

// pruneWhileScanning lets the consumer of a scan prune. There are so many labels that the
// scan has not read them all.
func pruneWhileScanning(ctx context.Context, t *trial) error {
	const n = 3000
	ls := make([]labels.Label, n)
	var young []labels.Label
	for i := range ls {
		ls[i] = arriving(class("p-"+strconv.Itoa(i), "yes", i%60), 10+20*(i%2))
		if i%2 == 1 {
			young = append(young, ls[i])
		}
	}
	if err := t.store.Append(ctx, ls...); err != nil {
		return err
	}
	var got []labels.Label
	for l, err := range t.store.Scan(ctx, labels.Query{}) {
		if err != nil {
			return err
		}
		if len(got) == 0 {
			if err := t.prune(ctx, at(20)); err != nil {
				return fmt.Errorf("within a Scan: %w", err)
			}
		}
		got = append(got, l)
	}
	kept := slices.DeleteFunc(got, func(l labels.Label) bool { return l.Arrived.Equal(at(10)) })
	if !slices.EqualFunc(kept, young, labels.Label.Equal) {
		return fmt.Errorf("the Scan within which Prune was called yields %d of the labels that stay, want %d in order", len(kept), len(young))
	}
	return nil
}

func pruneCancelled(ctx context.Context, t *trial) error {
	old := arriving(class("p-1", "yes", 1), 10)
	if err := t.store.Append(ctx, old); err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	return errors.Join(
		wantCancelled("Prune", t.prune(cancelled, at(20))),
		wantScan(ctx, t.store, labels.Query{}, old),
	)
}

func pruneSecond(ctx context.Context, t *trial) error {
	other := t.second()
	old, young := arriving(class("p-1", "yes", 1), 10), arriving(class("p-2", "yes", 1), 30)
	if err := other.Append(ctx, old, young); err != nil {
		return err
	}
	if err := t.prune(ctx, at(20)); err != nil {
		return err
	}
	next, last := class("p-3", "yes", 1), class("p-4", "yes", 1)
	if err := other.Append(ctx, young, next); err != nil {
		return fmt.Errorf("after Prune through another handle: %w", err)
	}
	if err := t.store.Append(ctx, next, last); err != nil {
		return err
	}
	for _, s := range []labels.Store{other, t.store} {
		err := errors.Join(
			t.wantPruned(ctx, s, []labels.Label{young, next, last}, old),
			wantLookup(ctx, s, []labels.Label{young, next, last}),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// pruneConcurrently appends through one handle while another prunes.
func pruneConcurrently(ctx context.Context, t *trial) error {
	other := t.second()
	const n = 30
	err := together(func(worker int) error {
		for i := range n {
			id := fmt.Sprintf("p-%d-%d", worker, i)
			if worker == 0 {
				if err := t.prune(ctx, at(20)); err != nil {
					return err
				}
			}
			s := t.store
			if worker%2 == 1 {
				s = other
			}
			young := arriving(class(id, "yes", 1), 30)
			if err := s.Append(ctx, young, arriving(class(id+"-old", "yes", 1), 10)); err != nil {
				return err
			}
			if err := wantLookup(ctx, s, []labels.Label{young}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range []labels.Store{other, t.store} {
		got, err := scan(ctx, s, labels.Query{})
		if err != nil {
			return err
		}
		got = slices.DeleteFunc(got, func(l labels.Label) bool { return l.Arrived.Equal(at(10)) })
		if len(got) != n*workers {
			return fmt.Errorf("Scan yields %d labels that were to stay, want %d", len(got), n*workers)
		}
	}
	return nil
}

func pruneReopened(ctx context.Context, t *trial) error {
	old, young := arriving(class("p-1", "yes", 1), 10), arriving(class("p-2", "yes", 1), 30)
	if err := t.store.Append(ctx, old, young); err != nil {
		return err
	}
	if err := t.prune(ctx, at(20)); err != nil {
		return err
	}
	t.reopen()
	next := class("p-3", "yes", 1)
	if err := t.store.Append(ctx, next); err != nil {
		return err
	}
	return t.wantPruned(ctx, t.store, []labels.Label{young, next}, old)
}
