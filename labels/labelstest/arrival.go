package labelstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
)

// arriving returns the label with an arrival, so many seconds into the tests' time.
func arriving(l labels.Label, seconds int) labels.Label {
	l.Arrived = at(seconds)
	return l
}

// wantArrival checks the arrival of a label, by Scan and by Lookup.
func wantArrival(ctx context.Context, s labels.Store, l labels.Label, ok func(arrived time.Time) bool) error {
	found, err := s.Lookup(ctx, l.PredictionID)
	if err != nil {
		return err
	}
	if got := found[l.PredictionID]; !ok(got.Arrived) {
		return fmt.Errorf("Lookup(%q) finds an Arrived of %v", l.PredictionID, got.Arrived)
	}
	for _, q := range []labels.Query{{}, {PredictionID: l.PredictionID}} {
		all, err := scan(ctx, s, q)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, l.Equal)
		if i < 0 {
			return fmt.Errorf("Scan(%+v) does not yield %+v", q, l)
		}
		if !ok(all[i].Arrived) {
			return fmt.Errorf("Scan(%+v) yields an Arrived of %v", q, all[i].Arrived)
		}
	}
	return nil
}

func arrival(ctx context.Context, s labels.Store) error {
	const slack = time.Minute // between the clocks of the store and of the test
	before := time.Now().Add(-slack)
	l := class("p-1", "yes", 1)
	if err := s.Append(ctx, l); err != nil {
		return err
	}
	after := time.Now().Add(slack)
	err := wantArrival(ctx, s, l, func(arrived time.Time) bool { return arrived.After(before) && arrived.Before(after) })
	return errors.Join(err,
		wantAsOf(ctx, s, before, nil, "p-1"),
		wantAsOf(ctx, s, after, []labels.Label{l}),
	)
}

func arrivalGiven(ctx context.Context, s labels.Store) error {
	for i, arrived := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(2025, 6, 1, 12, 0, 0, 123_456_789, time.FixedZone("elsewhere", -9*3600-1800)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		l := class("p-"+strconv.Itoa(i), "yes", 1)
		l.Arrived = arrived
		if err := s.Append(ctx, l); err != nil {
			return err
		}
		want := arrived.Truncate(time.Microsecond)
		if err := wantArrival(ctx, s, l, want.Equal); err != nil {
			return fmt.Errorf("%w, want %v", err, want)
		}
	}
	bad := class("p-1", "no", 2)
	bad.Arrived = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := s.Append(ctx, bad); !errors.Is(err, labels.ErrInvalidLabel) {
		return fmt.Errorf("Append of a label that arrived in the year 10000: error %v, want a *LabelError", err)
	}
	return nil
}

func arrivalOfEqual(ctx context.Context, s labels.Store) error {
	first := arriving(class("p-1", "yes", 1), 10)
	again, once := arriving(first, 5), arriving(class("p-2", "yes", 1), 30)
	if err := s.Append(ctx, first, again); err != nil {
		return err
	}
	if err := appendEach(ctx, s, arriving(first, 20), class("p-1", "yes", 1), once); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, first, once),
		wantArrival(ctx, s, first, at(10).Equal),
		wantAsOf(ctx, s, at(9), nil, "p-1"),
		wantAsOf(ctx, s, at(10), []labels.Label{first}),
	)
}

func arrivalBound(ctx context.Context, s labels.Store) error {
	a, b, c := arriving(class("p-1", "a", 3), 20), arriving(class("p-2", "b", 2), 10), arriving(class("p-1", "c", 1), 30)
	if err := appendEach(ctx, s, a, b, c); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{ArrivedBy: at(9)}),
		wantScan(ctx, s, labels.Query{ArrivedBy: at(10)}, b),
		wantScan(ctx, s, labels.Query{ArrivedBy: at(20).Add(-time.Nanosecond)}, b),
		wantScan(ctx, s, labels.Query{ArrivedBy: at(20).Add(time.Nanosecond)}, a, b),
		wantScan(ctx, s, labels.Query{ArrivedBy: at(99)}, a, b, c),
		wantScan(ctx, s, labels.Query{ArrivedBy: at(25), PredictionID: "p-1"}, a),
		wantScan(ctx, s, labels.Query{ArrivedBy: at(30), From: at(2)}, a, b),
	)
}

func asOf(ctx context.Context, s labels.Store) error {
	known := arriving(class("p-1", "a", 1), 10)
	corrected := arriving(class("p-1", "b", 5), 20)
	late := arriving(class("p-1", "c", 3), 30) // was known before the correction, and came after it
	other := arriving(class("p-2", "a", 1), 25)
	if err := appendEach(ctx, s, known, corrected, other, late); err != nil {
		return err
	}
	return errors.Join(
		wantAsOf(ctx, s, at(5), nil, "p-1", "p-2", "p-3"),
		wantAsOf(ctx, s, at(15), []labels.Label{known}, "p-2"),
		wantAsOf(ctx, s, at(22), []labels.Label{corrected}, "p-2"),
		wantAsOf(ctx, s, at(40).In(time.FixedZone("elsewhere", 7200)), []labels.Label{corrected, other}),
		wantAsOf(ctx, s, time.Time{}, []labels.Label{corrected, other}, "p-3"),
	)
}

func asOfExactly(ctx context.Context, s labels.Store) error {
	first, second := class("p-1", "a", 1), class("p-1", "b", 2)
	first.Arrived, second.Arrived = at(10).Add(500*time.Microsecond), at(10).Add(501*time.Microsecond)
	if err := appendEach(ctx, s, first, second); err != nil {
		return err
	}
	return errors.Join(
		wantAsOf(ctx, s, first.Arrived.Add(-time.Nanosecond), nil, "p-1"),
		wantAsOf(ctx, s, first.Arrived, []labels.Label{first}),
		wantAsOf(ctx, s, second.Arrived.Add(-time.Nanosecond), []labels.Label{first}),
		wantAsOf(ctx, s, second.Arrived, []labels.Label{second}),
	)
}

func asOfTie(ctx context.Context, s labels.Store) error {
	// The order of Append decides, neither that of arrival nor that of the truths.
	b := arriving(class("p-1", "b", 1), 20)
	d := arriving(class("p-1", "d", 1), 30)
	c := arriving(class("p-1", "c", 1), 10)
	a := arriving(class("p-1", "a", 1), 40)
	if err := appendEach(ctx, s, b, d, c, a); err != nil {
		return err
	}
	return errors.Join(
		wantAsOf(ctx, s, at(15), []labels.Label{c}),
		wantAsOf(ctx, s, at(35), []labels.Label{c}),
		wantAsOf(ctx, s, at(45), []labels.Label{a}),
	)
}

// asOfHistories compares the store with the promises, on labels that collide.
func asOfHistories(ctx context.Context, s labels.Store) error {
	rng := rand.New(rand.NewPCG(20250601, 1))
	const predictions, moments = 12, 8
	var history []labels.Label
	for range 60 {
		batch := make([]labels.Label, 1+rng.IntN(4))
		for i := range batch {
			l := class("p-"+strconv.Itoa(rng.IntN(predictions)), strconv.Itoa(rng.IntN(3)), rng.IntN(4))
			batch[i] = arriving(l, rng.IntN(moments))
		}
		if err := s.Append(ctx, batch...); err != nil {
			return err
		}
		for _, l := range batch {
			if !slices.ContainsFunc(history, l.Equal) {
				history = append(history, l)
			}
		}
	}
	for moment := range moments {
		var winners []labels.Label
		var unlabelled []string
		for i := range predictions {
			id := "p-" + strconv.Itoa(i)
			if l, ok := winner(history, id, at(moment)); ok {
				winners = append(winners, l)
			} else {
				unlabelled = append(unlabelled, id)
			}
		}
		if err := wantAsOf(ctx, s, at(moment), winners, unlabelled...); err != nil {
			return err
		}
	}
	return wantScan(ctx, s, labels.Query{}, history...)
}

func winner(history []labels.Label, predictionID string, arrivedBy time.Time) (won labels.Label, ok bool) {
	for _, l := range history {
		if l.PredictionID == predictionID && !l.Arrived.After(arrivedBy) && (!ok || !l.Time.Before(won.Time)) {
			won, ok = l, true
		}
	}
	return won, ok
}

func callersMemory(ctx context.Context, s labels.Store) error {
	first, second := class("p-1", "yes", 1), class("p-2", "no", 2)
	batch := []labels.Label{first, second}
	if err := s.Append(ctx, batch...); err != nil {
		return err
	}
	if batch[0] != first || batch[1] != second {
		return fmt.Errorf("Append changed the labels to %+v", batch)
	}
	batch[0], batch[1] = class("p-3", "a", 3), class("p-4", "b", 4)
	for range 2 {
		found, err := s.Lookup(ctx, "p-1", "p-2")
		if err != nil {
			return err
		}
		if !found["p-1"].Equal(first) || !found["p-2"].Equal(second) {
			return fmt.Errorf("Lookup finds %+v after the caller changed its own memory", found)
		}
		found["p-1"] = second
		delete(found, "p-2")
	}
	return wantScan(ctx, s, labels.Query{}, first, second)
}

// useWhileScanning calls every method within a scan, and scans within it.
func useWhileScanning(ctx context.Context, s labels.Store) error {
	first, second := class("p-1", "yes", 1), class("p-2", "no", 2)
	if err := s.Append(ctx, first, second); err != nil {
		return err
	}
	n := 0
	for l, err := range s.Scan(ctx, labels.Query{}) {
		if err != nil {
			return err
		}
		if n++; n > 2 {
			break // a store may or may not yield what is appended meanwhile
		}
		more := class(l.PredictionID+"-more", "yes", 3)
		err := errors.Join(
			wantLookup(ctx, s, []labels.Label{first, second}),
			s.Append(ctx, more),
			wantLookup(ctx, s, []labels.Label{more}),
			wantScan(ctx, s, labels.Query{PredictionID: more.PredictionID}, more),
		)
		if err != nil {
			return fmt.Errorf("within a Scan: %w", err)
		}
	}
	return nil
}
