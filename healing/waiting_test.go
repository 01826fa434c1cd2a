package healing_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

// hangingLog is a journal that, while it hangs, answers only to those whose time is limited:
// that it is over.
type hangingLog struct {
	registry.Log
	hangs atomic.Bool
	asked chan struct{} // receives when somebody waits
}

func newHangingLog(log registry.Log) *hangingLog {
	return &hangingLog{Log: log, asked: make(chan struct{}, 100)}
}

func (h *hangingLog) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if h.hangs.Load() {
			h.asked <- struct{}{}
			<-ctx.Done()
			yield(nil, ctx.Err())
			return
		}
		for e, err := range h.Log.Read(ctx, after) {
			if !yield(e, err) {
				return
			}
		}
	}
}

// soon fails the test if do takes long.
func soon(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
}

// A tick that waits for a journal keeps nobody waiting: the pages show what is known, and
// say what could not be read; an order ends with its context.
func TestLoop_AJournalThatHangs(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	journal := newHangingLog(w.parts.Journal)
	w.parts.Journal = journal
	l := w.loop(t, healing.Config{})
	require.NoError(t, l.Tick(t.Context(), w.now))

	journal.hangs.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Tick(ctx, w.now) }()
	<-journal.asked
	soon(t, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, l.Refresh(ctx), context.DeadlineExceeded)
		_, err := l.Rollback(ctx, "1", "ann", "because", w.now)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	shows := healing.Status{}
	soon(t, func() { shows = l.Status() })
	require.Equal(t, "1", shows.Production.ID)
	require.Contains(t, shows.Unread, "deadline exceeded")
	soon(t, func() { l.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
	cancel()
	<-done
}

// looking is a log handler that looks at the status, as one may that adds it to each line.
type looking struct {
	slog.Handler
	loop atomic.Pointer[healing.Loop]
}

func (h *looking) Enabled(context.Context, slog.Level) bool { return true }

func (h *looking) Handle(context.Context, slog.Record) error {
	if l := h.loop.Load(); l != nil {
		l.Status()
	}
	return nil
}

// Nothing is written to the host's log under a lock that the status needs.
func TestLoop_ALogHandlerMayLookAtTheStatus(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	handler := &looking{Handler: slog.DiscardHandler}
	l := w.loop(t, healing.Config{Logger: slog.New(handler)})
	handler.loop.Store(l)
	soon(t, func() {
		require.NoError(t, l.Tick(t.Context(), w.now.Add(day)))
		require.NoError(t, l.Tick(t.Context(), w.now)) // the clock was wrong
	})
}

// passesLost is a telemetry that cannot read passes for a while.
type passesLost struct {
	healing.Telemetry
	lost atomic.Bool
}

func (p *passesLost) Scan(ctx context.Context, q healing.PointQuery) iter.Seq2[healing.Point, error] {
	if p.lost.Load() && strings.HasSuffix(q.Series, "/passes") {
		return func(yield func(healing.Point, error) bool) { yield(healing.Point{}, errors.New("down")) }
	}
	return p.Telemetry.Scan(ctx, q)
}

// A process that could not read the passes of others when it started goes by its own, and
// reads the others when it can.
func TestLoop_PassesThatCannotBeReadAtFirst(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 2, 400)
	known := len(status(t, l).Passes)
	telemetry := &passesLost{Telemetry: w.parts.Telemetry}
	telemetry.lost.Store(true)
	w.parts.Telemetry = telemetry
	l = w.loop(t, healing.Config{})
	w.pass(t, 6*hour, 100, 0)
	require.ErrorContains(t, l.Tick(t.Context(), w.now), "down")
	require.Len(t, l.Status().Passes, 1)
	telemetry.lost.Store(false)
	require.NoError(t, l.Tick(t.Context(), w.now.Add(hour)))
	require.Len(t, l.Status().Passes, known+2)
}
