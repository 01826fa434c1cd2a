package registrytest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/selfheal-ml/selfheal/registry"
)

// LogHarness makes the logs under test. The log of the test names promises that could not be
// checked because a field is nil.
type LogHarness struct {
	// New returns an empty log and registers its cleanup with t. Required.
	New func(t *testing.T) registry.Log
	// Reopen returns a log on the same data as l, after l was closed, as after a restart of
	// the process.
	Reopen func(t *testing.T, l registry.Log) registry.Log
	// Second returns another log on the same data as l, as another process would have it. l
	// stays in use.
	Second func(t *testing.T, l registry.Log) registry.Log
	// Lose removes an entry that is not the last, as damage might.
	Lose func(t *testing.T, l registry.Log, seq uint64)
}

// RunLog checks every promise of [registry.Log], each in a subtest of its own.
func RunLog(t *testing.T, h LogHarness) { runAll(t, h, logPromises()) }

// logKit is a log under test.
type logKit struct {
	*proof
	h LogHarness
	l registry.Log
}

func (k *logKit) ctx() context.Context { return k.t.Context() }

// append appends an entry, which must succeed.
func (k *logKit) append(seq uint64, entry []byte) {
	done, err := k.l.Append(k.ctx(), seq, entry)
	if err != nil || !done {
		k.broken("append entry %d: %v, error %v", seq, done, err)
	}
}

// taken appends an entry to a number that is taken.
func (k *logKit) taken(seq uint64, entry []byte) {
	done, err := k.l.Append(k.ctx(), seq, entry)
	if err != nil || done {
		k.broken("append entry %d, which is taken: %v, error %v", seq, done, err)
	}
}

func (k *logKit) read(l registry.Log, after uint64) [][]byte {
	var entries [][]byte
	for e, err := range l.Read(k.ctx(), after) {
		k.succeeds("read", err)
		entries = append(entries, e)
	}
	return entries
}

// holds ends the attempt unless the log holds these entries and no more.
func (k *logKit) holds(l registry.Log, want ...[]byte) {
	for after := range len(want) + 1 {
		got := k.read(l, uint64(after))
		if !slices.EqualFunc(got, want[after:], bytes.Equal) {
			k.broken("after entry %d the log holds %.200q, want the rest of %.200q", after, got, want)
		}
	}
}

func entry(n int) []byte { return fmt.Appendf(nil, "entry %d", n) }

func logPromises() []promise[LogHarness] {
	var all []promise[LogHarness]
	add := func(name, text string, prove func(k *logKit)) {
		all = append(all, promise[LogHarness]{name, text, func(p *proof, h LogHarness) {
			prove(&logKit{proof: p, h: h, l: h.New(p.t)})
		}})
	}
	add("Append/InOrder", "Entries are read as they were appended, numbered upwards from 1; Read yields those above after, none if there are none.",
		func(k *logKit) {
			k.holds(k.l)
			var want [][]byte
			for i := 1; i <= 12; i++ {
				k.append(uint64(i), entry(i))
				want = append(want, entry(i))
			}
			k.holds(k.l, want...)
		})
	add("Append/Bytes", "An entry is read byte for byte as it was appended, whatever its bytes, up to MaxEntry of them.",
		func(k *logKit) {
			all := make([]byte, 256)
			for i := range all {
				all[i] = byte(i)
			}
			want := [][]byte{{0}, all, []byte("{\"time\": 1.0,  \"a\":\"\\u00e4\"}\n"), []byte("\xff\xfe\r\n"), []byte(" "), bytes.Repeat([]byte("0123456789abcdef"), registry.MaxEntry/16)}
			for i, e := range want {
				k.append(uint64(i)+1, e)
			}
			if got := k.read(k.l, 0); !slices.EqualFunc(got, want, bytes.Equal) {
				k.broken("the log holds %.300q, want %.300q", got, want)
			}
		})
	add("Append/Taken", "Append to a number that an entry has reports false, is no error and changes nothing, also with the same bytes.",
		func(k *logKit) {
			k.append(1, entry(1))
			k.append(2, entry(2))
			k.taken(1, entry(7))
			k.taken(2, entry(7))
			k.taken(2, entry(2))
			k.holds(k.l, entry(1), entry(2))
			k.append(3, entry(3))
			k.holds(k.l, entry(1), entry(2), entry(3))
		})
	add("Append/OneWinner", "Of several appends of one number at the same time one succeeds, and its entry is stored.",
		func(k *logKit) { k.race(func(int) registry.Log { return k.l }) })
	add("Append/NothingLost", "Writers that go on at the next number when another was faster lose nothing and leave no gap.",
		func(k *logKit) { k.crowd(func(int) registry.Log { return k.l }) })
	add("Append/Copies", "What was given to Append, and what was read, may be changed without effect on what is stored.",
		func(k *logKit) {
			given := entry(1)
			k.append(1, given)
			clear(given)
			for _, e := range k.read(k.l, 0) {
				clear(e)
			}
			k.holds(k.l, entry(1))
		})
	add("Read/Consumer", "The consumer of Read may stop early, may call the log while it ranges, and may range again, which asks again.",
		func(k *logKit) {
			all := k.l.Read(k.ctx(), 0)
			k.append(1, entry(1))
			k.append(2, entry(2))
			for range all {
				break
			}
			n := 0
			for _, err := range all {
				k.succeeds("read", err)
				if n++; n == 1 {
					k.append(3, entry(3))
					k.read(k.l, 1)
				}
			}
			if n != 2 && n != 3 {
				k.broken("read %d entries, want 2, or 3 with the one appended meanwhile", n)
			}
			k.holds(k.l, entry(1), entry(2), entry(3))
		})
	add("Cancelled", "With a ctx that is done every method returns its error and appends nothing; Read yields it with a nil entry and ends.",
		func(k *logKit) {
			k.append(1, entry(1))
			ctx, cancel := context.WithCancel(k.ctx())
			cancel()
			_, err := k.l.Append(ctx, 2, entry(2))
			k.fails("append", err, context.Canceled)
			n := 0
			for e, err := range k.l.Read(ctx, 0) {
				k.fails("read", err, context.Canceled)
				if e != nil {
					k.broken("read yields %q with its error", e)
				}
				n++
			}
			if n != 1 {
				k.broken("read yields %d elements, want only the error", n)
			}
			k.holds(k.l, entry(1))
		})
	add("Reopen", "A log that is opened again holds what it held, and goes on.",
		func(k *logKit) {
			k.needs(k.h.Reopen != nil, "Reopen")
			k.append(1, entry(1))
			k.append(2, entry(2))
			k.l = k.h.Reopen(k.t, k.l)
			k.taken(2, entry(7))
			k.holds(k.l, entry(1), entry(2))
			k.append(3, entry(3))
			k.holds(k.l, entry(1), entry(2), entry(3))
		})
	add("Second/Sees", "What one process appended another reads at once, and its number is taken, also if the other read before.",
		func(k *logKit) {
			other := k.second()
			k.holds(other.l)
			k.append(1, entry(1))
			k.holds(other.l, entry(1))
			k.append(2, entry(2))
			other.taken(2, entry(7))
			k.holds(other.l, entry(1), entry(2))
			other.append(3, entry(3))
			k.taken(3, entry(7))
			k.holds(k.l, entry(1), entry(2), entry(3))
		})
	add("Second/OneWinner", "Of several appends of one number by two processes at the same time one succeeds, and its entry is stored.",
		func(k *logKit) {
			other := k.second()
			k.race(func(i int) registry.Log { return []registry.Log{k.l, other.l}[i%2] })
		})
	add("Second/NothingLost", "Writers of two processes that go on at the next number when another was faster lose nothing and leave no gap.",
		func(k *logKit) {
			other := k.second()
			k.crowd(func(i int) registry.Log { return []registry.Log{k.l, other.l}[i%2] })
		})
	add("Lost/IsEmpty", "An entry that was lost although a later one is there is yielded as an empty one, and its number is not used again.",
		func(k *logKit) {
			k.needs(k.h.Lose != nil, "Lose")
			for i := 1; i <= 4; i++ {
				k.append(uint64(i), entry(i))
			}
			k.h.Lose(k.t, k.l, 2)
			k.h.Lose(k.t, k.l, 3)
			logs := []registry.Log{k.l}
			if k.h.Second != nil {
				logs = append(logs, k.h.Second(k.t, k.l))
			}
			for _, l := range logs {
				got := k.read(l, 0)
				if want := [][]byte{entry(1), {}, {}, entry(4)}; !slices.EqualFunc(got, want, bytes.Equal) {
					k.broken("the log holds %q, want %q", got, want)
				}
			}
			k.taken(2, entry(7))
			k.taken(3, entry(7))
			k.append(5, entry(5))
		})
	return all
}

func (k *logKit) second() *logKit {
	k.needs(k.h.Second != nil, "Second")
	return &logKit{proof: k.proof, h: k.h, l: k.h.Second(k.t, k.l)}
}

// race lets all writers append the same number at the same time, several times.
func (k *logKit) race(of func(writer int) registry.Log) {
	var want [][]byte
	for seq := uint64(1); seq <= 10; seq++ {
		var winners [writers]bool
		each(func(i int) {
			done, err := of(i).Append(k.ctx(), seq, entry(i))
			if err != nil {
				k.report("writer %d: %v", i, err)
			}
			winners[i] = done
		})
		winner := slices.Index(winners[:], true)
		if winner < 0 || slices.Contains(winners[winner+1:], true) {
			k.broken("entry %d was appended by %v, want one writer", seq, winners)
		}
		want = append(want, entry(winner))
	}
	k.holds(of(0), want...)
	k.holds(of(1), want...)
}

// crowd lets all writers append entries of their own, each until it succeeds.
func (k *logKit) crowd(of func(writer int) registry.Log) {
	const rounds = 5
	var mu sync.Mutex
	stored := make(map[uint64][]byte)
	each(func(i int) {
		seq := uint64(1)
		for n := range rounds {
			own := binary.BigEndian.AppendUint32(nil, uint32(i*rounds+n))
			for {
				done, err := of(i).Append(k.ctx(), seq, own)
				if err != nil {
					k.report("writer %d: %v", i, err)
					return
				}
				seq++
				if done {
					break
				}
			}
			mu.Lock()
			stored[seq-1] = own
			mu.Unlock()
		}
	})
	got := k.read(of(0), 0)
	if len(got) != writers*rounds {
		k.broken("%d entries, want %d", len(got), writers*rounds)
	}
	for i, e := range got {
		if !bytes.Equal(e, stored[uint64(i)+1]) {
			k.broken("entry %d is %q, but %q was acknowledged", i+1, e, stored[uint64(i)+1])
		}
	}
}

// FaultyLog is a [registry.Log] that passes every call on to another log, except the calls
// that it is told to fail.
type FaultyLog struct {
	Log registry.Log
	// Before, if not nil, is called before each Append. If Before returns an error, so does
	// Append, and nothing is stored.
	Before func(seq uint64) error
	// After, if not nil, is called after each Append that stored its entry. If After returns
	// an error, so does Append: the entry is stored, but the caller cannot know.
	After func(seq uint64) error
}

// ErrTaken is returned by [FaultyLog.After] to make Append report that the number was taken,
// as a store does whose client repeats requests by itself.
var ErrTaken = errors.New("registrytest: taken")

// Append implements [registry.Log].
func (f *FaultyLog) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	if f.Before != nil {
		if err := f.Before(seq); err != nil {
			return false, err
		}
	}
	done, err := f.Log.Append(ctx, seq, entry)
	if done && err == nil && f.After != nil {
		err = f.After(seq)
	}
	if errors.Is(err, ErrTaken) {
		return false, nil
	}
	return done && err == nil, err
}

// Read implements [registry.Log].
func (f *FaultyLog) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return f.Log.Read(ctx, after)
}
