package predictlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func newRecorder(t testing.TB, store predictlog.Store, cfg predictlog.Config) *predictlog.Recorder {
	t.Helper()
	recorder, err := predictlog.NewRecorder(store, cfg)
	require.NoError(t, err)
	return recorder
}

// start runs the recorder until the returned function is called, which returns what Run
// returned.
func start(t testing.TB, recorder *predictlog.Recorder) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- recorder.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// stored returns all records of the store, by ID.
func stored(t testing.TB, store predictlog.Store) map[string]predictlog.Record {
	t.Helper()
	records := map[string]predictlog.Record{}
	for r, err := range store.Scan(context.Background(), predictlog.Query{}) {
		require.NoError(t, err)
		records[r.ID] = r
	}
	return records
}

func TestNewRecorder_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := predictlog.NewRecorder(nil, predictlog.Config{
		MaxBody: -1, QueueSize: -2, BatchSize: -3, FlushInterval: -4, RetryBackoff: -5, DrainTimeout: -6, Overflow: 7,
		MaxQueueBytes: -8, BlockTimeout: -9,
	})
	for _, want := range []string{
		"predictlog: new recorder: nil Appender",
		"MaxBody is -1, want gte=0",
		"QueueSize is -2, want gte=0",
		"BatchSize is -3, want gte=0",
		"FlushInterval is -4ns, want gte=0",
		"RetryBackoff is -5ns, want gte=0",
		"DrainTimeout is -6ns, want gte=0",
		"Overflow is Overflow(7), want lte=1",
		"MaxQueueBytes is -8, want gte=0",
		"BlockTimeout is -9ns, want gte=0",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, "block drop", predictlog.Block.String()+" "+predictlog.Drop.String())
}

func TestRecorder_Record(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, store, predictlog.Config{Model: "default", Version: "9"})
		stop := start(t, recorder)

		full := applicantRecord("mine")
		id, err := recorder.Record(t.Context(), full)
		require.NoError(t, err)
		require.Equal(t, "mine", id)

		row := applicantRow()
		row[1] = predictlog.Number(150)
		bareID, err := recorder.Record(t.Context(), predictlog.Record{Row: row, Output: predictlog.Output{Class: "0"}})
		require.NoError(t, err)
		require.Regexp(t, uuidv7, bareID)
		row[0] = predictlog.Missing() // the recorder keeps no reference

		_, err = recorder.Record(t.Context(), predictlog.Record{Row: row[:1]})
		require.ErrorIs(t, err, predictlog.ErrInvalidRecord)

		require.NoError(t, recorder.Flush(t.Context()))
		records := stored(t, store)
		require.Len(t, records, 2)
		require.True(t, records["mine"].Equal(full))
		bare := records[bareID]
		require.Equal(t, time.Now().UTC(), bare.Time)
		require.Equal(t, "default", bare.Model)
		require.Equal(t, "9", bare.Version)
		require.Equal(t, []predictlog.Violation{{Column: "age", Rule: "lte=120", Value: "150"}}, bare.Violations)
		x, _ := bare.Row[0].Number()
		require.InDelta(t, 1000, x, 0)
		require.Equal(t, predictlog.Stats{Recorded: 2}, recorder.Stats())
		require.NoError(t, stop())
	})
}

func TestRecorder_Record_FindsViolationsAnew(t *testing.T) {
	t.Parallel()
	store := predictlog.NewMemoryStore(applicantSchema(t))
	recorder := newRecorder(t, store, predictlog.Config{})
	stop := start(t, recorder)
	r := applicantRecord("a")
	r.Violations = []predictlog.Violation{{Column: "age", Rule: "gte=99", Value: "30"}}
	_, err := recorder.Record(t.Context(), r)
	require.NoError(t, err)
	require.NoError(t, stop())
	require.Empty(t, stored(t, store)["a"].Violations)
}

func TestRecorder_Block(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, store, predictlog.Config{QueueSize: 2, BlockTimeout: time.Hour})
		for _, id := range []string{"a", "b"} {
			_, err := recorder.Record(t.Context(), applicantRecord(id))
			require.NoError(t, err)
		}

		// Full: a caller whose context ends loses its record.
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err := recorder.Record(short, applicantRecord("lost"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, predictlog.Stats{Dropped: 1, Queued: 2}, recorder.Stats())

		// So does one whose time is over.
		began = time.Now()
		_, err = recorder.Record(t.Context(), applicantRecord("lost"))
		require.ErrorIs(t, err, predictlog.ErrQueueFull)
		require.Equal(t, time.Hour, time.Since(began))

		// Another waits for room.
		waited := make(chan error, 1)
		go func() {
			_, err := recorder.Record(t.Context(), applicantRecord("c"))
			waited <- err
		}()
		synctest.Wait()
		require.Empty(t, waited)
		stop := start(t, recorder)
		require.NoError(t, <-waited)
		require.NoError(t, stop())
		require.Equal(t, predictlog.Stats{Recorded: 3, Dropped: 2}, recorder.Stats())
		require.Contains(t, stored(t, store), "c")
	})
}

func TestRecorder_Drop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		store := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, store, predictlog.Config{QueueSize: 2, Overflow: predictlog.Drop, Logger: textLogger(&log)})
		for _, id := range []string{"a", "b", "c", "d"} {
			_, err := recorder.Record(t.Context(), applicantRecord(id))
			if id > "b" {
				require.ErrorIs(t, err, predictlog.ErrQueueFull)
			} else {
				require.NoError(t, err)
			}
		}
		stop := start(t, recorder)
		require.NoError(t, recorder.Flush(t.Context()))
		_, err := recorder.Record(t.Context(), applicantRecord("e"))
		require.NoError(t, err)
		require.NoError(t, stop())
		require.Equal(t, predictlog.Stats{Recorded: 3, Dropped: 2}, recorder.Stats())
		require.Len(t, stored(t, store), 3)
	})
}

func TestRecorder_AfterRun(t *testing.T) {
	t.Parallel()
	for _, overflow := range []predictlog.Overflow{predictlog.Block, predictlog.Drop} {
		t.Run(overflow.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := predictlog.NewMemoryStore(applicantSchema(t))
				recorder := newRecorder(t, store, predictlog.Config{QueueSize: 1, Overflow: overflow})
				require.NoError(t, start(t, recorder)())

				_, err := recorder.Record(t.Context(), applicantRecord("a"))
				require.ErrorIs(t, err, predictlog.ErrStopped)
				require.NoError(t, recorder.Flush(t.Context()), "nothing is queued")
				require.Equal(t, predictlog.Stats{Dropped: 1}, recorder.Stats())

				// A second Run goes on.
				stop := start(t, recorder)
				synctest.Wait()
				_, err = recorder.Record(t.Context(), applicantRecord("a"))
				require.NoError(t, err)
				require.NoError(t, stop())
				require.Equal(t, predictlog.Stats{Recorded: 1, Dropped: 1}, recorder.Stats())
			})
		})
	}
}

func TestRecorder_Flush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, store, predictlog.Config{FlushInterval: time.Hour})
		require.NoError(t, recorder.Flush(t.Context()), "nothing is queued")
		_, err := recorder.Record(t.Context(), applicantRecord("a"))
		require.NoError(t, err)

		// Without Run, Flush waits for its context.
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = recorder.Flush(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "predictlog: flush: context deadline exceeded")

		stop := start(t, recorder)
		began := time.Now()
		require.NoError(t, recorder.Flush(t.Context()))
		require.Zero(t, time.Since(began), "Flush does not wait for the interval")
		require.Len(t, stored(t, store), 1)
		require.NoError(t, stop())
	})
}

// storeFunc is a store whose Append is a function.
type storeFunc struct {
	predictlog.Store
	append func(ctx context.Context, records ...predictlog.Record) error
}

func (s storeFunc) Append(ctx context.Context, records ...predictlog.Record) error {
	return s.append(ctx, records...)
}

var errDisk = errors.New("disk full")
