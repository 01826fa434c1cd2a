package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// body is what the tests append: a JSON value.
func body(n int) []byte { return fmt.Appendf(nil, `{"n":%d}`, n) }

// logOf returns a log that holds these entries.
func logOf(t testing.TB, entries [][]byte) *registry.MemoryLog {
	t.Helper()
	l := new(registry.MemoryLog)
	for i, e := range entries {
		done, err := l.Append(context.Background(), uint64(i)+1, e)
		require.NoError(t, err)
		require.True(t, done)
	}
	return l
}

func entriesOf(t testing.TB, l registry.Log) [][]byte {
	t.Helper()
	var all [][]byte
	for e, err := range l.Read(context.Background(), 0) {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

// chained returns the entries of a chain with n bodies, the last of which has the token 7.
func chained(t testing.TB, n int) [][]byte {
	t.Helper()
	l := new(registry.MemoryLog)
	c := registry.NewChain(l)
	for i := range n {
		token := uint64(0)
		if i == n-1 {
			token = 7
		}
		link, done, err := c.Append(context.Background(), token, body(i))
		require.NoError(t, err)
		require.True(t, done)
		require.EqualValues(t, i+1, link.Seq)
	}
	return entriesOf(t, l)
}

// folded reads all of a chain and returns the bodies, without those of repairs.
func folded(ctx context.Context, c *registry.Chain) (bodies []string, err error) {
	fold := func(l registry.Link) error {
		if l.Repair == nil {
			bodies = append(bodies, string(l.Body))
		}
		return nil
	}
	err = c.CatchUp(ctx, fold)
	if errors.Is(err, registry.ErrRewound) {
		bodies = nil
		err = c.CatchUp(ctx, fold)
	}
	return bodies, err
}

func bodies(ns ...int) []string {
	var all []string
	for _, n := range ns {
		all = append(all, string(body(n)))
	}
	return all
}

func TestChain(t *testing.T) {
	t.Parallel()
	ctx, l := t.Context(), new(registry.MemoryLog)
	writer, reader := registry.NewChain(l), registry.NewChain(l)
	require.Zero(t, writer.Last())

	first, done, err := writer.Append(ctx, 0, body(0))
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, first, writer.Last())
	require.Equal(t, json.RawMessage(body(0)), first.Body)
	require.Len(t, first.Hash, 64)

	// Another, who has not read the first, is told so and has appended nothing.
	_, done, err = reader.Append(ctx, 0, body(9))
	require.NoError(t, err)
	require.False(t, done)
	got, err := folded(ctx, reader)
	require.NoError(t, err)
	require.Equal(t, bodies(0), got)
	require.Equal(t, first, reader.Last())
	second, done, err := reader.Append(ctx, 0, body(1))
	require.NoError(t, err)
	require.True(t, done)
	require.NotEqual(t, first.Hash, second.Hash)

	got, err = folded(ctx, writer)
	require.NoError(t, err)
	require.Equal(t, bodies(1), got, "the own entry is not folded again")
	got, err = folded(ctx, writer)
	require.NoError(t, err)
	require.Empty(t, got)

	_, _, err = writer.Append(ctx, 0, []byte(`{"half`))
	require.Error(t, err)
	_, _, err = writer.Append(ctx, 0, fmt.Appendf(nil, "%q", strings.Repeat("x", registry.MaxEntry)))
	require.ErrorContains(t, err, "want at most 16777216")
	require.Len(t, entriesOf(t, l), 2)
}

func TestChain_FoldFails(t *testing.T) {
	t.Parallel()
	c := registry.NewChain(logOf(t, chained(t, 3)))
	refuse := errors.New("refuse")
	n := 0
	require.ErrorIs(t, c.CatchUp(t.Context(), func(l registry.Link) error {
		if n++; n == 2 {
			return refuse
		}
		return nil
	}), refuse)
	require.EqualValues(t, 1, c.Last().Seq)
	got, err := folded(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, bodies(1, 2), got, "what was refused is read again")
}

func TestChain_Damage(t *testing.T) {
	t.Parallel()
	intact, other := chained(t, 4), chained(t, 4)
	for name, c := range map[string]struct {
		entries [][]byte
		place   int    // of the damage, 0 for none that can be seen
		want    string // part of the error
	}{
		"intact":                {intact, 0, ""},
		"last entry lost":       {intact[:3], 0, ""},
		"first lost":            {[][]byte{nil, intact[1], intact[2]}, 1, "is lost"},
		"middle lost":           {[][]byte{intact[0], {}, intact[2]}, 2, "is lost"},
		"middle left out":       {[][]byte{intact[0], intact[2], intact[3]}, 2, "says that it is entry 3"},
		"first left out":        {intact[1:], 1, "says that it is entry 2"},
		"two exchanged":         {[][]byte{intact[0], intact[2], intact[1], intact[3]}, 2, "says that it is entry 3"},
		"one twice":             {[][]byte{intact[0], intact[1], intact[1], intact[2]}, 3, "says that it is entry 2"},
		"middle of another log": {[][]byte{intact[0], other[1], intact[2]}, 2, "does not name the hash of entry 1"},
		"first of another log":  {[][]byte{other[0], intact[1], intact[2]}, 2, "does not name the hash of entry 1"},
		"last of another log":   {[][]byte{intact[0], intact[1], other[2]}, 3, "does not name the hash of entry 2"},
		"cut":                   {[][]byte{intact[0], intact[1], intact[2][:len(intact[2])/2]}, 3, "does not match the SHA-256"},
		"cut to almost nothing": {[][]byte{intact[0], intact[1][:3]}, 2, "has 3 bytes, which is too short"},
		"a line more":           {[][]byte{intact[0], append(bytes.Clone(intact[1]), '\n')}, 2, "does not match the SHA-256"},
		"zeros":                 {[][]byte{intact[0], make([]byte, 500)}, 2, "does not match the SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain := registry.NewChain(logOf(t, c.entries))
			for range 2 {
				got, err := folded(t.Context(), chain)
				if c.place == 0 {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, registry.ErrCorrupt)
				require.ErrorContains(t, err, fmt.Sprintf("entry %d: %s", c.place, c.want))
				require.LessOrEqual(t, len(got), c.place-1)
				require.EqualValues(t, c.place-1, chain.Last().Seq)
				_, _, err = chain.Append(t.Context(), 0, body(9))
				require.ErrorIs(t, err, registry.ErrCorrupt)
			}
		})
	}
}

// No bit of a log can change without being noticed, at the entry that it is in.
func TestChain_BitFlips(t *testing.T) {
	t.Parallel()
	intact := chained(t, 3)
	for i := range intact {
		for at := range intact[i] {
			for _, bit := range []byte{1, 1 << 5, 1 << 7} { // bit 5 is the case of a letter
				entries := slices.Clone(intact)
				entries[i] = bytes.Clone(intact[i])
				entries[i][at] ^= bit
				_, err := folded(t.Context(), registry.NewChain(logOf(t, entries)))
				require.ErrorIs(t, err, registry.ErrCorrupt)
				require.ErrorContains(t, err, fmt.Sprintf("entry %d: ", i+1))
			}
		}
	}
}

func TestChain_Fencing(t *testing.T) {
	t.Parallel()
	ctx, l := t.Context(), new(registry.MemoryLog)
	former, next := registry.NewChain(l), registry.NewChain(l)
	append1 := func(c *registry.Chain, token uint64) error {
		for {
			if _, err := folded(ctx, c); err != nil {
				return err
			}
			if _, done, err := c.Append(ctx, token, body(0)); err != nil || done {
				return err
			}
		}
	}
	require.NoError(t, append1(former, 4))
	require.NoError(t, append1(next, 5))
	require.ErrorIs(t, append1(former, 4), registry.ErrFenced)
	require.NoError(t, append1(former, 0), "who has no lease is not fenced")
	require.NoError(t, append1(next, 5))
	require.ErrorIs(t, append1(registry.NewChain(l), 4), registry.ErrFenced, "also who has just read it")

	// A holder that was stopped between reading and appending loses the race, and learns why.
	stopped := registry.NewChain(l)
	_, err := folded(ctx, stopped)
	require.NoError(t, err)
	require.NoError(t, append1(next, 6))
	_, done, err := stopped.Append(ctx, 5, body(0))
	require.NoError(t, err)
	require.False(t, done)
	require.ErrorIs(t, append1(stopped, 5), registry.ErrFenced)
	require.EqualError(t, append1(stopped, 5), "registry: fenced off by a newer token: token 5, latest 6")
}

// A store may repeat a request by itself, or lose the answer to it.
func TestChain_LostAnswers(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	for name, answer := range map[string]error{"said to be taken": registrytest.ErrTaken, "lost": lost} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &registrytest.FaultyLog{Log: new(registry.MemoryLog)}
			c := registry.NewChain(l)
			l.After = func(seq uint64) error { return answer }
			_, done, err := c.Append(t.Context(), 0, body(0))
			l.After = nil
			if errors.Is(answer, lost) {
				require.ErrorIs(t, err, lost)
				got, err := folded(t.Context(), c)
				require.NoError(t, err)
				require.Equal(t, bodies(0), got, "catching up tells that it is there")
			} else {
				require.NoError(t, err)
				require.True(t, done, "an own entry is recognized")
			}
			_, done, err = c.Append(t.Context(), 0, body(1))
			require.NoError(t, err)
			require.True(t, done)
			got, err := folded(t.Context(), registry.NewChain(l))
			require.NoError(t, err)
			require.Equal(t, bodies(0, 1), got)
		})
	}
}

func repair(t *testing.T, l registry.Log) registry.Repair {
	t.Helper()
	r, err := registry.RepairLog(t.Context(), l, "ann", "disk replaced", noon)
	require.NoError(t, err)
	return r
}

func TestRepairLog(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	entries := chained(t, 4)
	whole := logOf(t, entries)
	require.Zero(t, repair(t, whole), "a log that is whole is left alone")
	require.Len(t, entriesOf(t, whole), 4)

	entries[2] = []byte("garbage")
	l := logOf(t, entries)
	damaged := registry.NewChain(l)
	got, err := folded(ctx, damaged)
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.Equal(t, bodies(0, 1), got)

	r := repair(t, l)
	require.Equal(t, registry.Repair{Kept: 2, Aside: 4, Damage: r.Damage, Actor: "ann", Reason: "disk replaced", Time: noon}, r)
	require.Contains(t, r.Damage, "entry 3: ")
	require.Zero(t, repair(t, l), "once is enough")
	require.Equal(t, []byte("garbage"), entriesOf(t, l)[2], "what is set aside remains")

	got, err = folded(ctx, damaged)
	require.NoError(t, err)
	require.Empty(t, got, "who had read what was kept goes on")
	require.Equal(t, &r, damaged.Last().Repair)
	_, done, err := damaged.Append(ctx, 3, body(5))
	require.NoError(t, err, "the token 7 was set aside with its entry")
	require.True(t, done)
	got, err = folded(ctx, registry.NewChain(l))
	require.NoError(t, err)
	require.Equal(t, bodies(0, 1, 5), got)

	// Damaged again, at two places.
	entries = entriesOf(t, l)
	for _, at := range []int{5, 1} {
		entries[at] = nil
		l = logOf(t, entries)
		require.EqualValues(t, len(entries), repair(t, l).Aside)
		entries = entriesOf(t, l)
	}
	got, err = folded(ctx, registry.NewChain(l))
	require.NoError(t, err)
	require.Equal(t, bodies(0), got)
}

// Entries that could not be read when they were set aside, and can be read again, do not
// count any more; nor do those that somebody had read before.
func TestRepairLog_Rewinds(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	intact := chained(t, 4)
	damaged := slices.Clone(intact)
	damaged[2] = []byte("garbage")
	l := logOf(t, damaged)
	repair(t, l)
	c := registry.NewChain(l)
	_, err := folded(ctx, c)
	require.NoError(t, err)
	_, _, err = c.Append(ctx, 0, body(9))
	require.NoError(t, err)

	restored := entriesOf(t, l)
	restored[2] = intact[2]
	l = logOf(t, restored)
	c = registry.NewChain(l)
	require.ErrorIs(t, c.CatchUp(ctx, func(registry.Link) error { return nil }), registry.ErrRewound)
	for range 2 {
		require.Zero(t, repair(t, l))
		got, err := folded(ctx, registry.NewChain(l))
		require.NoError(t, err)
		require.Equal(t, bodies(0, 1, 9), got)
	}
}

func TestRepairLog_Races(t *testing.T) {
	t.Parallel()
	entries := chained(t, 3)
	entries[1] = nil
	l := logOf(t, entries)
	repairs := make([]registry.Repair, 8)
	var wg sync.WaitGroup
	for i := range repairs {
		wg.Go(func() {
			var err error
			if repairs[i], err = registry.RepairLog(t.Context(), l, "ann", "", noon); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	repairs = slices.DeleteFunc(repairs, func(r registry.Repair) bool { return r == registry.Repair{} })
	require.Len(t, repairs, 1)
	require.Len(t, entriesOf(t, l), 4)
}

// An error of the log is not damage of the chain, and is not repaired.
func TestRepairLog_Fails(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := registry.RepairLog(ctx, logOf(t, chained(t, 1)), "ann", "", noon)
	require.ErrorIs(t, err, context.Canceled)
}

// brokenLog is read up to its end, which it does not find.
type brokenLog struct {
	registry.Log
	err error
}

func (l *brokenLog) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for e, err := range l.Log.Read(ctx, after) {
			if !yield(e, err) {
				return
			}
		}
		if l.err != nil {
			yield(nil, l.err)
		}
	}
}

// Who lost the race to repair a log does not repair it again because it cannot read it.
func TestRepairLog_FailsAfterRace(t *testing.T) {
	t.Parallel()
	outage := errors.New("outage")
	entries := chained(t, 3)
	entries[1] = nil
	inner := logOf(t, entries)
	broken := &brokenLog{Log: inner}
	l := &registrytest.FaultyLog{Log: broken, Before: func(uint64) error {
		if len(entriesOf(t, inner)) == 3 {
			repair(t, inner)
			broken.err = outage
		}
		return nil
	}}
	_, err := registry.RepairLog(t.Context(), l, "ann", "", noon)
	require.ErrorIs(t, err, outage)
	require.Len(t, entriesOf(t, inner), 4)
}

// Whatever is damaged, what counts after a repair is a beginning of what was written, then
// what was written after the repair.
func TestRepairLog_Properties(t *testing.T) {
	t.Parallel()
	const n = 6
	intact := chained(t, n)
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	props.Property("keeps what is before the first damage", prop.ForAll(
		func(at []int, kind int) bool {
			ctx := context.Background()
			entries := slices.Clone(intact)
			for _, i := range at {
				switch kind {
				case 0:
					entries[i] = nil
				case 1:
					entries[i] = entries[i][:len(entries[i])/2]
				default:
					entries[i] = intact[(i+1)%n]
				}
			}
			l := logOf(t, entries)
			kept := n
			if len(at) > 0 {
				kept = slices.Min(at)
			}
			if _, err := registry.RepairLog(ctx, l, "a", "b", noon); err != nil {
				return false
			}
			c := registry.NewChain(l)
			if _, err := folded(ctx, c); err != nil {
				return false
			}
			if _, done, err := c.Append(ctx, 0, body(99)); err != nil || !done {
				return false
			}
			got, err := folded(ctx, registry.NewChain(l))
			want := bodies([]int{0, 1, 2, 3, 4, 5}[:kept]...)
			return err == nil && slices.Equal(got, append(want, string(body(99))))
		},
		gen.SliceOf(gen.IntRange(0, n-1)), gen.IntRange(0, 2),
	))
	props.TestingRun(t)
}
