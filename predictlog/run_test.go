package predictlog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// record queues n records, and fails the test if one is refused.
func record(t testing.TB, recorder *predictlog.Recorder, n int) {
	t.Helper()
	for i := range n {
		_, err := recorder.Record(t.Context(), applicantRecord(fmt.Sprintf("id-%d", i)))
		require.NoError(t, err)
	}
}

func TestRun_FlushInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, store, predictlog.Config{FlushInterval: 5 * time.Second})
		stop := start(t, recorder)
		time.Sleep(time.Second)
		record(t, recorder, 1)
		time.Sleep(4*time.Second - time.Nanosecond)
		synctest.Wait()
		require.Empty(t, stored(t, store))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Len(t, stored(t, store), 1)
		require.NoError(t, stop())
	})
}

func TestRun_WakesWhenHalfFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, store, predictlog.Config{FlushInterval: time.Hour, QueueSize: 9})
		stop := start(t, recorder)
		record(t, recorder, 4)
		synctest.Wait()
		require.Empty(t, stored(t, store))
		_, err := recorder.Record(t.Context(), applicantRecord("fifth"))
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, stored(t, store), 5)
		require.NoError(t, stop())
	})
}

func TestRun_BatchSize(t *testing.T) {
	t.Parallel()
	var sizes []int
	memory := predictlog.NewMemoryStore(applicantSchema(t))
	recorder := newRecorder(t, storeFunc{memory, func(ctx context.Context, records ...predictlog.Record) error {
		sizes = append(sizes, len(records))
		return memory.Append(ctx, records...)
	}}, predictlog.Config{BatchSize: 4})
	record(t, recorder, 10)
	require.NoError(t, start(t, recorder)())
	require.Equal(t, []int{4, 4, 2}, sizes)
}

func TestRun_OneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recorder := newRecorder(t, predictlog.NewMemoryStore(applicantSchema(t)), predictlog.Config{})
		stop := start(t, recorder)
		synctest.Wait()
		require.EqualError(t, recorder.Run(t.Context()), "predictlog: Run: already running")
		require.NoError(t, stop())
	})
}

func TestRun_RetriesWithBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			log   strings.Builder
			calls []time.Time
		)
		memory := predictlog.NewMemoryStore(applicantSchema(t))
		store := predictlogtest.Faulty(memory, func(call int) error {
			calls = append(calls, time.Now())
			if call <= 12 {
				return errDisk
			}
			return nil
		})
		recorder := newRecorder(t, store, predictlog.Config{
			RetryBackoff: time.Second, QueueSize: 3, Overflow: predictlog.Drop, Logger: textLogger(&log),
		})
		stop := start(t, recorder)
		record(t, recorder, 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		// What is being retried takes room in the queue.
		require.Equal(t, int64(2), recorder.Stats().Queued)
		_, err := recorder.Record(t.Context(), applicantRecord("third"))
		require.NoError(t, err)
		_, err = recorder.Record(t.Context(), applicantRecord("fourth"))
		require.ErrorIs(t, err, predictlog.ErrQueueFull)

		require.NoError(t, recorder.Flush(t.Context()))
		require.Len(t, stored(t, memory), 3)
		require.Equal(t, predictlog.Stats{Recorded: 3, Dropped: 1, Retries: 12}, recorder.Stats())
		for i, want := range []int{1, 2, 4, 8, 16, 32, 64, 100, 100, 100, 100, 100} {
			pause := calls[i+1].Sub(calls[i])
			require.LessOrEqual(t, pause, time.Duration(want)*time.Second, "pause %d", i)
			require.GreaterOrEqual(t, pause, time.Duration(want)*time.Second/2, "pause %d", i)
		}
		require.NoError(t, stop())
		require.Contains(t, log.String(), `level=WARN msg="predictlog: append failed" records=2 failures=1`)
		require.Contains(t, log.String(), `level=ERROR msg="predictlog: records dropped" records=1 overflow=drop`)
	})
}

// An Append may fail after it has stored its records: repeating it stores nothing twice.
func TestRun_RetriesWhatWasStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := predictlog.NewMemoryStore(applicantSchema(t))
		calls := 0
		recorder := newRecorder(t, storeFunc{memory, func(ctx context.Context, records ...predictlog.Record) error {
			if err := memory.Append(ctx, records...); err != nil {
				return err
			}
			if calls++; calls == 1 {
				return errDisk
			}
			return nil
		}}, predictlog.Config{})
		stop := start(t, recorder)
		record(t, recorder, 3)
		require.NoError(t, recorder.Flush(t.Context()))
		require.NoError(t, stop())
		require.Equal(t, predictlog.Stats{Recorded: 3, Retries: 1}, recorder.Stats())
		require.Len(t, stored(t, memory), 3)
	})
}

func TestRun_RejectsWhatTheStoreRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := predictlog.NewMemoryStore(applicantSchema(t))
		// The first repetition of each batch succeeds, and one record is invalid to this store alone.
		failed := map[int]bool{}
		store := storeFunc{memory, func(ctx context.Context, records ...predictlog.Record) error {
			if !failed[len(records)] {
				failed[len(records)] = true
				return errDisk
			}
			for _, r := range records {
				if r.ID == "id-5" {
					return fmt.Errorf("store: %w", &predictlog.RecordError{ID: r.ID, Where: "row", What: "too odd"})
				}
			}
			return memory.Append(ctx, records...)
		}}
		taken := applicantRecord("id-2")
		taken.Version = "other"
		require.NoError(t, memory.Append(t.Context(), taken))

		var rejected []predictlog.Rejected
		recorder := newRecorder(t, store, predictlog.Config{OnReject: func(r predictlog.Rejected) { rejected = append(rejected, r) }})
		record(t, recorder, 7)
		again := applicantRecord("id-6")
		again.Model = "other" // the ID is taken within the batch
		_, err := recorder.Record(t.Context(), again)
		require.NoError(t, err)

		stop := start(t, recorder)
		require.NoError(t, recorder.Flush(t.Context()))
		require.NoError(t, stop())
		records := stored(t, memory)
		require.Len(t, records, 6)
		require.Equal(t, "other", records["id-2"].Version)
		require.Equal(t, "credit", records["id-6"].Model, "the first of two comes first")
		require.Len(t, rejected, 3)
		require.True(t, rejected[0].Record.Equal(applicantRecord("id-2")))
		require.ErrorIs(t, rejected[0].Err, predictlog.ErrDuplicate)
		require.ErrorIs(t, rejected[1].Err, predictlog.ErrInvalidRecord)
		require.Equal(t, "id-5", rejected[1].Record.ID)
		require.True(t, rejected[2].Record.Equal(again))
		require.ErrorIs(t, rejected[2].Err, predictlog.ErrDuplicate)
		require.Nil(t, rejected[0].Request)
		require.Nil(t, rejected[0].Response)
		stats := recorder.Stats()
		stats.Retries = 0
		require.Equal(t, predictlog.Stats{Recorded: 5, Rejected: 3}, stats)
	})
}

func TestRun_DrainsOnCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := predictlog.NewMemoryStore(applicantSchema(t))
		store := predictlogtest.Faulty(memory, func(call int) error {
			if call <= 3 {
				return errDisk
			}
			return nil
		})
		recorder := newRecorder(t, store, predictlog.Config{RetryBackoff: time.Second, DrainTimeout: 10 * time.Second})
		record(t, recorder, 3)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, recorder.Run(cancelled))
		require.Len(t, stored(t, memory), 3)
	})
}

// A retry that is far off is brought forward when Run is to drain.
func TestRun_DrainEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down sync.Mutex
		down.Lock()
		memory := predictlog.NewMemoryStore(applicantSchema(t))
		store := predictlogtest.Faulty(memory, func(int) error {
			if down.TryLock() {
				down.Unlock()
				return nil
			}
			return errDisk
		})
		recorder := newRecorder(t, store, predictlog.Config{RetryBackoff: time.Hour, DrainTimeout: time.Second})
		stop := start(t, recorder)
		record(t, recorder, 3)
		time.Sleep(time.Minute)
		down.Unlock()
		began := time.Now()
		require.NoError(t, stop())
		require.Zero(t, time.Since(began))
		require.Len(t, stored(t, memory), 3)
	})
}

func TestRun_ReportsWhatItCouldNotWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var rejected []predictlog.Rejected
		memory := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, predictlogtest.Faulty(memory, func(int) error { return errDisk }), predictlog.Config{
			BatchSize: 2, DrainTimeout: 3 * time.Second,
			OnReject: func(r predictlog.Rejected) { rejected = append(rejected, r) },
		})
		stop := start(t, recorder)
		record(t, recorder, 5)
		time.Sleep(time.Hour)
		began := time.Now()
		err := stop()
		require.Equal(t, 3*time.Second, time.Since(began))
		require.EqualError(t, err, "predictlog: Run: 5 records could not be written within 3s of the end: disk full")
		require.ErrorIs(t, err, errDisk)
		require.Len(t, rejected, 5)
		require.Equal(t, "id-4", rejected[4].Record.ID)
		require.EqualError(t, rejected[4].Err, "predictlog: DrainTimeout is over")
		stats := recorder.Stats()
		require.Equal(t, int64(5), stats.Rejected)
		require.Zero(t, stats.Queued)
		require.NoError(t, recorder.Flush(t.Context()))
	})
}

// A store that hangs is left by the end of its context.
func TestRun_DrainTimeoutReachesTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, storeFunc{memory, func(ctx context.Context, _ ...predictlog.Record) error {
			<-ctx.Done()
			return ctx.Err()
		}}, predictlog.Config{DrainTimeout: 3 * time.Second})
		stop := start(t, recorder)
		record(t, recorder, 1)
		time.Sleep(time.Minute)
		began := time.Now()
		err := stop()
		require.Equal(t, 3*time.Second, time.Since(began))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "1 records could not be written")
	})
}

// The values of Run's context reach the store, its end does not.
func TestRun_ContextOfAppend(t *testing.T) {
	t.Parallel()
	type key struct{}
	memory := predictlog.NewMemoryStore(applicantSchema(t))
	var got any
	recorder := newRecorder(t, storeFunc{memory, func(ctx context.Context, records ...predictlog.Record) error {
		got = ctx.Value(key{})
		return errors.Join(ctx.Err(), memory.Append(ctx, records...))
	}}, predictlog.Config{})
	record(t, recorder, 1)
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	cancel()
	require.NoError(t, recorder.Run(ctx))
	require.Equal(t, "value", got)
}

// Many writers, a small queue and a store that fails now and then: nothing is lost.
func TestRun_LosesNothing(t *testing.T) {
	t.Parallel()
	const (
		goroutines = 8
		each       = 200
	)
	memory := predictlog.NewMemoryStore(applicantSchema(t))
	recorder := newRecorder(t, predictlogtest.Faulty(memory, func(call int) error {
		if call%3 == 0 {
			return errDisk
		}
		return nil
	}), predictlog.Config{QueueSize: 64, BlockTimeout: time.Minute, BatchSize: 10, RetryBackoff: time.Microsecond, FlushInterval: time.Millisecond})
	stop := start(t, recorder)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", g, i)
				if _, err := recorder.Record(context.Background(), applicantRecord(id)); err != nil {
					t.Errorf("record %s: %v", id, err)
				}
				if i%50 == 0 {
					if err := recorder.Flush(context.Background()); err != nil {
						t.Errorf("flush: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, stop())
	require.Len(t, stored(t, memory), goroutines*each)
	stats := recorder.Stats()
	require.Positive(t, stats.Retries)
	stats.Retries = 0
	require.Equal(t, predictlog.Stats{Recorded: goroutines * each}, stats)
}
