package journaltest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
)

// broken is a journal with one fault.
type broken struct {
	healing.Journal
	append  func(context.Context, healing.Entry) error
	entries func(context.Context, uint64) iter.Seq2[healing.Entry, error]
}

func (b broken) Append(ctx context.Context, e healing.Entry) error {
	if b.append != nil {
		return b.append(ctx, e)
	}
	return b.Journal.Append(ctx, e)
}

func (b broken) Entries(ctx context.Context, after uint64) iter.Seq2[healing.Entry, error] {
	if b.entries != nil {
		return b.entries(ctx, after)
	}
	return b.Journal.Entries(ctx, after)
}

// TestKitFindsFaults breaks a journal in ways that the kit must notice, and names the
// case that does.
func TestKitFindsFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		caught string
		fault  func(healing.Journal) broken
	}{
		{"order", func(j healing.Journal) broken { // ignores where to begin
			return broken{entries: func(ctx context.Context, _ uint64) iter.Seq2[healing.Entry, error] { return j.Entries(ctx, 0) }}
		}},
		{"conflict", func(j healing.Journal) broken { // swallows conflicts
			return broken{append: func(ctx context.Context, e healing.Entry) error {
				if err := j.Append(ctx, e); !errors.Is(err, healing.ErrConflict) {
					return err
				}
				return nil
			}}
		}},
		{"chain", func(healing.Journal) broken { // does not look at hashes
			l := &unchecked{}
			return broken{append: l.append, entries: l.list}
		}},
		{"body", func(j healing.Journal) broken { // takes any body
			return broken{append: func(ctx context.Context, e healing.Entry) error {
				if !json.Valid(e.Body) {
					return nil
				}
				return j.Append(ctx, e)
			}}
		}},
		{"cancelled", func(j healing.Journal) broken { // does not heed the context
			return broken{append: func(ctx context.Context, e healing.Entry) error {
				return j.Append(context.WithoutCancel(ctx), e)
			}}
		}},
		{"no aliasing", func(healing.Journal) broken { // keeps the caller's bytes
			l := &unchecked{}
			return broken{append: l.append, entries: l.list}
		}},
		{"one winner", func(j healing.Journal) broken { // says yes to every writer
			return broken{append: func(ctx context.Context, e healing.Entry) error {
				err := j.Append(ctx, e)
				if errors.Is(err, healing.ErrConflict) {
					return nil
				}
				return err
			}}
		}},
		{"concurrent writers", func(j healing.Journal) broken { // loses every tenth entry
			var mu sync.Mutex
			n := 0
			return broken{append: func(ctx context.Context, e healing.Entry) error {
				mu.Lock()
				defer mu.Unlock()
				if n++; n%10 == 0 {
					return nil
				}
				return j.Append(ctx, e)
			}}
		}},
	} {
		t.Run(c.caught, func(t *testing.T) {
			t.Parallel()
			memory := healing.NewMemoryJournal()
			b := c.fault(memory)
			b.Journal = memory
			for _, check := range cases {
				if check.name == c.caught {
					require.Error(t, check.check(t.Context(), b))
					return
				}
			}
			t.Fatalf("no case %q", c.caught)
		})
	}
}

// unchecked appends whatever has the next number.
type unchecked struct{ entries []healing.Entry }

func (u *unchecked) append(_ context.Context, e healing.Entry) error {
	if e.Seq != uint64(len(u.entries))+1 {
		return healing.ErrConflict
	}
	u.entries = append(u.entries, e)
	return nil
}

func (u *unchecked) list(_ context.Context, after uint64) iter.Seq2[healing.Entry, error] {
	return func(yield func(healing.Entry, error) bool) {
		for _, e := range u.entries[min(after, uint64(len(u.entries))):] {
			if !yield(e, nil) {
				return
			}
		}
	}
}
