// Package journaltest checks that an implementation of [healing.Journal] keeps the
// promises of the interface. Call [Run] from a test of the implementation.
package journaltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
)

// Run checks a journal. Each call of open returns a new, empty journal and registers its
// own cleanup.
func Run(t *testing.T, open func(t *testing.T) healing.Journal) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.Context(), open(t)); err != nil {
				t.Errorf("%v\nviolated promise: %s", err, c.promise)
			}
		})
	}
}

var cases = []struct {
	name    string
	promise string
	check   func(context.Context, healing.Journal) error
}{
	{
		name:    "empty",
		promise: "a new journal has no entries",
		check:   func(ctx context.Context, j healing.Journal) error { return expect(ctx, j, 0, nil) },
	},
	{
		name:    "order",
		promise: "Entries yields the entries after the given number in order, as they were appended",
		check:   checkOrder,
	},
	{
		name:    "conflict",
		promise: "Append fails with ErrConflict and changes nothing unless Seq is the next number",
		check:   checkConflict,
	},
	{
		name:    "chain",
		promise: "Append refuses an entry that does not name the hash of the one before with ErrCorrupt",
		check:   checkChain,
	},
	{
		name:    "body",
		promise: "a body that is not JSON is refused; any JSON comes back with the same meaning",
		check:   checkBody,
	},
	{
		name:    "cancelled",
		promise: "a cancelled context is an error of Append, which changes nothing, and of Entries",
		check:   checkCancelled,
	},
	{
		name:    "early stop",
		promise: "the consumer of Entries may stop early and range again",
		check:   checkEarlyStop,
	},
	{
		name:    "no aliasing",
		promise: "the journal keeps no reference to the caller's memory",
		check:   checkAliasing,
	},
	{
		name:    "one winner",
		promise: "of several writers of the same number exactly one succeeds, the others get ErrConflict",
		check:   checkOneWinner,
	},
	{
		name:    "concurrent writers",
		promise: "writers that try again after ErrConflict lose nothing, and the chain holds",
		check:   checkConcurrent,
	},
}

// next returns the entry that may follow last.
func next(last healing.Entry, body string) healing.Entry {
	e := healing.Entry{
		Seq:  last.Seq + 1,
		Time: time.Date(2026, 3, 1, 12, 0, int(last.Seq), 345000, time.UTC),
		Kind: healing.KindRun,
		Run:  "run-000001",
		Body: json.RawMessage(body),
	}
	if last.Seq > 0 {
		e.Prev = last.Hash()
	}
	return e
}

// fill appends n entries and returns them.
func fill(ctx context.Context, j healing.Journal, n int) ([]healing.Entry, error) {
	var last healing.Entry
	entries := make([]healing.Entry, 0, n)
	for i := range n {
		last = next(last, fmt.Sprintf(`{"n":%d}`, i))
		if err := j.Append(ctx, last); err != nil {
			return nil, fmt.Errorf("append entry %d: %w", last.Seq, err)
		}
		entries = append(entries, last)
	}
	return entries, nil
}

// expect returns an error unless the journal holds exactly these entries after the given
// number.
func expect(ctx context.Context, j healing.Journal, after uint64, want []healing.Entry) error {
	var got []healing.Entry
	for e, err := range j.Entries(ctx, after) {
		if err != nil {
			return fmt.Errorf("entries(%d): %w", after, err)
		}
		got = append(got, e)
	}
	if len(got) != len(want) {
		return fmt.Errorf("entries(%d) yields %d entries, want %d", after, len(got), len(want))
	}
	for i := range got {
		if got[i].Hash() != want[i].Hash() {
			return fmt.Errorf("entries(%d): entry %d is %+v, want %+v", after, i, got[i], want[i])
		}
	}
	return nil
}

func checkOrder(ctx context.Context, j healing.Journal) error {
	entries, err := fill(ctx, j, 5)
	if err != nil {
		return err
	}
	for after := range entries {
		if err := expect(ctx, j, uint64(after), entries[after:]); err != nil {
			return err
		}
	}
	return errors.Join(expect(ctx, j, 5, nil), expect(ctx, j, 99, nil))
}

func checkConflict(ctx context.Context, j healing.Journal) error {
	entries, err := fill(ctx, j, 2)
	if err != nil {
		return err
	}
	later := next(next(entries[1], `{}`), `{}`)
	for _, e := range []healing.Entry{{Body: json.RawMessage(`{}`)}, entries[0], entries[1], later} {
		if err := j.Append(ctx, e); !errors.Is(err, healing.ErrConflict) {
			return fmt.Errorf("append of entry %d after entry 2: %v, want ErrConflict", e.Seq, err)
		}
	}
	return expect(ctx, j, 0, entries)
}

func checkChain(ctx context.Context, j healing.Journal) error {
	entries, err := fill(ctx, j, 1)
	if err != nil {
		return err
	}
	for _, prev := range []string{"", "ffff"} {
		e := next(entries[0], `{}`)
		e.Prev = prev
		if err := j.Append(ctx, e); !errors.Is(err, healing.ErrCorrupt) {
			return fmt.Errorf("append with Prev %q: %v, want ErrCorrupt", prev, err)
		}
	}
	return expect(ctx, j, 0, entries)
}

func checkBody(ctx context.Context, j healing.Journal) error {
	for _, bad := range []string{"", "{", "nope"} {
		if err := j.Append(ctx, next(healing.Entry{}, bad)); err == nil {
			return fmt.Errorf("append of a body %q succeeds", bad)
		}
	}
	body := `{"text":"line\nbreak, \"quotes\", <tags> & ümlaut","x":1e-300,"list":[1,null,{}]}`
	e := next(healing.Entry{}, body)
	if err := j.Append(ctx, e); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return expect(ctx, j, 0, []healing.Entry{e})
}

func checkCancelled(ctx context.Context, j healing.Journal) error {
	entries, err := fill(ctx, j, 1)
	if err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := j.Append(cancelled, next(entries[0], `{}`)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("append: %v, want context.Canceled", err)
	}
	for _, err := range j.Entries(cancelled, 0) {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("entries: %v, want context.Canceled", err)
		}
	}
	return expect(ctx, j, 0, entries)
}

func checkEarlyStop(ctx context.Context, j healing.Journal) error {
	entries, err := fill(ctx, j, 3)
	if err != nil {
		return err
	}
	sequence := j.Entries(ctx, 0)
	for range 2 {
		for e, err := range sequence {
			if err != nil || e.Seq != 1 {
				return fmt.Errorf("first of Entries is %d, %v", e.Seq, err)
			}
			break
		}
	}
	return expect(ctx, j, 0, entries)
}

func checkAliasing(ctx context.Context, j healing.Journal) error {
	body := []byte(`{"n":1}`)
	e := next(healing.Entry{}, "")
	e.Body = body
	if err := j.Append(ctx, e); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	want := next(healing.Entry{}, `{"n":1}`)
	body[5] = '2'
	for got, err := range j.Entries(ctx, 0) {
		if err != nil {
			return fmt.Errorf("entries: %w", err)
		}
		got.Body[5] = '3'
	}
	return expect(ctx, j, 0, []healing.Entry{want})
}

func checkOneWinner(ctx context.Context, j healing.Journal) error {
	const writers = 8
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { errs[i] = j.Append(ctx, next(healing.Entry{}, fmt.Sprintf(`{"writer":%d}`, i))) })
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			return fmt.Errorf("writers %d and %d both succeeded", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, healing.ErrConflict):
			return fmt.Errorf("writer %d: %v, want ErrConflict", i, err)
		}
	}
	if winner < 0 {
		return errors.New("no writer succeeded")
	}
	return expect(ctx, j, 0, []healing.Entry{next(healing.Entry{}, fmt.Sprintf(`{"writer":%d}`, winner))})
}

func checkConcurrent(ctx context.Context, j healing.Journal) error {
	const writers, each = 8, 10
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range each {
				if errs[i] = insist(ctx, j, fmt.Sprintf(`{"writer":%d,"n":%d}`, i, n)); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	seen := map[string]bool{}
	var last healing.Entry
	for e, err := range j.Entries(ctx, 0) {
		if err != nil {
			return fmt.Errorf("entries: %w", err)
		}
		if err := e.Follows(last); err != nil {
			return err
		}
		seen[string(e.Body)], last = true, e
	}
	if len(seen) != writers*each || last.Seq != writers*each {
		return fmt.Errorf("%d different entries up to number %d, want %d", len(seen), last.Seq, writers*each)
	}
	return nil
}

// insist appends an entry at whatever the next number is.
func insist(ctx context.Context, j healing.Journal, body string) error {
	for {
		var last healing.Entry
		for e, err := range j.Entries(ctx, 0) {
			if err != nil {
				return fmt.Errorf("entries: %w", err)
			}
			last = e
		}
		if err := j.Append(ctx, next(last, body)); !errors.Is(err, healing.ErrConflict) {
			return err
		}
	}
}
