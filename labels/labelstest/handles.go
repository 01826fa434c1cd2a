package labelstest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/selfheal-ml/selfheal/labels"
)

func secondHandle(ctx context.Context, t *trial) error {
	a, b := t.store, t.second()
	first := arriving(class("p-1", "yes", 1), 10)
	corrected := arriving(class("p-1", "no", 1), 20) // at the same time, so that the order decides
	other := class("p-2", "yes", 3)
	if err := a.Append(ctx, first); err != nil {
		return err
	}
	if err := wantLookup(ctx, b, []labels.Label{first}); err != nil {
		return fmt.Errorf("the second handle: %w", err)
	}
	if err := b.Append(ctx, first, corrected, other); err != nil {
		return err
	}
	if err := a.Append(ctx, first, other); err != nil { // redelivered to the first
		return err
	}
	for _, s := range []labels.Store{a, b, t.second()} {
		err := errors.Join(
			wantScan(ctx, s, labels.Query{}, first, corrected, other),
			wantLookup(ctx, s, []labels.Label{corrected, other}),
			wantAsOf(ctx, s, at(15), []labels.Label{first}, "p-2"),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func secondConcurrently(ctx context.Context, t *trial) error {
	stores := []labels.Store{t.store, t.second()}
	const n = 40
	err := together(func(worker int) error {
		s := stores[worker%len(stores)]
		for i := range n {
			// The same of all workers, and one of its own that is a revision of it.
			shared, own := class("p-"+strconv.Itoa(i), "yes", 1), value("p-"+strconv.Itoa(i), float64(worker), 2+worker)
			if err := s.Append(ctx, shared, own); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range stores {
		var winners []labels.Label
		for i := range n {
			winners = append(winners, value("p-"+strconv.Itoa(i), workers-1, 2+workers-1))
		}
		if err := wantLookup(ctx, s, winners); err != nil {
			return err
		}
		got, err := scan(ctx, s, labels.Query{})
		if err != nil {
			return err
		}
		if want := n * (1 + workers); len(got) != want {
			return fmt.Errorf("Scan yields %d labels, want %d", len(got), want)
		}
	}
	return nil
}

func reopened(ctx context.Context, t *trial) error {
	b := arriving(class("p-1", "b", 1), 20)
	a := arriving(class("p-1", "a", 1), 30)
	c := arriving(class("p-1", "c", 1), 10)
	other := value("p-2", 0.1, 5)
	if err := appendEach(ctx, t.store, b, a, c, other); err != nil {
		return err
	}
	for range 2 {
		t.reopen()
		err := errors.Join(
			wantScan(ctx, t.store, labels.Query{}, b, a, c, other),
			wantLookup(ctx, t.store, []labels.Label{c, other}),
			wantAsOf(ctx, t.store, at(9), nil, "p-1", "p-2"),
			wantAsOf(ctx, t.store, at(30), []labels.Label{c}, "p-2"),
			wantArrival(ctx, t.store, c, at(10).Equal),
			t.store.Append(ctx, a, b, other), // changes nothing
		)
		if err != nil {
			return err
		}
	}
	later := class("p-1", "d", 1)
	if err := t.store.Append(ctx, later); err != nil {
		return err
	}
	t.reopen()
	return wantLookup(ctx, t.store, []labels.Label{later, other})
}
