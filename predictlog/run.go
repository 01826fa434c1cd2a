package predictlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// drainPoll is how often Run looks for the end of requests in flight while it drains.
const drainPoll = 10 * time.Millisecond

// Run writes queued records to the store, in the order in which they were queued, until ctx
// ends. A failed Append is repeated with growing waits for as long as it takes; meanwhile the
// queue fills up and its policy holds. Records that the store refuses as [ErrDuplicate] or
// [ErrInvalidRecord] are rejected; the others of their batch are stored.
//
// Queued records are in memory only, although their answers were given. A process that is
// killed loses them: up to [Config.FlushInterval] of records while the store keeps up, and
// the whole queue at most. A process loses nothing if it first shuts its server down, then
// ends ctx, then waits for Run.
//
// When ctx ends, Run waits for the requests inside the middleware, writes the queue and
// returns nil, all within [Config.DrainTimeout]. Records that are not written by then are
// rejected, and the error says how many. Later records are dropped and counted, so shut the
// server down before, or with, ctx.
//
// Only one Run may be under way: another returns an error at once. A Run after the end of
// another continues where that one stopped.
func (r *Recorder) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("predictlog: Run: already running")
	}
	defer r.running.Store(false)
	r.queue.setClosed(false)

	extended, cancel := extend(ctx, r.cfg.DrainTimeout)
	defer cancel()
	w := writer{Recorder: r, stopping: ctx.Done(), droppedBefore: r.dropped.Load()}

	ticker := time.NewTicker(r.cfg.FlushInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
		case <-r.queue.wake:
		case <-ctx.Done():
		}
		w.writeQueued(extended)
	}
	w.stopping = nil
	ticker.Reset(drainPoll)
	for r.inFlight.Load() > 0 && extended.Err() == nil {
		select {
		case <-ticker.C:
		case <-r.queue.wake:
		case <-extended.Done():
		}
		w.writeQueued(extended)
	}
	r.queue.setClosed(true)
	w.writeQueued(extended)
	if w.unwritten > 0 {
		return fmt.Errorf("predictlog: Run: %d records could not be written within %v of the end: %w", w.unwritten, r.cfg.DrainTimeout, w.err)
	}
	return nil
}

// errDrainTimeout ends the context of the appends.
var errDrainTimeout = errors.New("predictlog: DrainTimeout is over")

// extend returns a context that outlives ctx by grace, and a function that ends it.
func extend(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	extended, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errDrainTimeout)
		case <-extended.Done():
		}
	})
	return extended, func() {
		stop()
		cancel(context.Canceled)
	}
}

// writer is the state of one Run. The contexts that its methods get outlive the context of
// Run by DrainTimeout.
type writer struct {
	*Recorder
	stopping <-chan struct{} // closed when Run is to drain; nil once that is known

	spare    []*capture // memory for the queue
	captures []*capture // of the batch; captures[i] belongs to records[i]
	records  []Record   // the batch

	droppedBefore int64 // Stats.Dropped when it was last logged
	unwritten     int   // records given up because the time was over
	err           error // the first reason
}

// writeQueued writes all that is queued.
func (w *writer) writeQueued(ctx context.Context) {
	w.logDropped()
	taken := w.queue.take(w.spare)
	for batch := range slices.Chunk(taken, w.cfg.BatchSize) {
		w.writeBatch(ctx, batch)
	}
	clear(taken)
	w.spare = taken
}

func (w *writer) logDropped() {
	if n := w.dropped.Load(); n != w.droppedBefore {
		w.cfg.Logger.Error("predictlog: records dropped", "records", n-w.droppedBefore, "overflow", w.cfg.Overflow)
		w.droppedBefore = n
	}
}

// writeBatch stores or rejects each capture, and releases them.
func (w *writer) writeBatch(ctx context.Context, batch []*capture) {
	w.captures, w.records = w.captures[:0], w.records[:0]
	var bytes int64
	for _, c := range batch {
		bytes += c.size()
		if err := w.complete(c); err != nil {
			w.reject(c, err)
			continue
		}
		w.captures = append(w.captures, c)
		w.records = append(w.records, c.record)
	}
	if len(w.records) > 0 {
		w.write(ctx, w.captures, w.records)
	}
	clear(w.records)
	for _, c := range batch {
		w.recycle(c)
	}
	w.queue.release(len(batch), bytes)
}

// write stores the records, which belong to captures, and rejects those that cannot be
// stored. A batch that is refused because of some records is halved until these stand alone,
// which keeps the order.
func (w *writer) write(ctx context.Context, captures []*capture, records []Record) {
	err := w.append(ctx, records)
	half := len(records) / 2
	switch {
	case err == nil:
		w.recorded.Add(int64(len(records)))
	case isRefusal(err) && half > 0:
		w.write(ctx, captures[:half], records[:half])
		w.write(ctx, captures[half:], records[half:])
	default:
		for _, c := range captures {
			w.reject(c, err)
		}
		if !isRefusal(err) {
			w.unwritten += len(records)
			w.err = cmp.Or(w.err, err)
		}
	}
}

// isRefusal reports whether repeating an Append that returned err is useless.
func isRefusal(err error) bool {
	return errors.Is(err, ErrDuplicate) || errors.Is(err, ErrInvalidRecord)
}

// append appends the records, repeatedly if necessary. It returns nil, a refusal, or the last
// error when ctx ended.
func (w *writer) append(ctx context.Context, records []Record) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	wait := w.cfg.RetryBackoff
	for failures := 1; ; failures++ {
		err := w.dst.Append(ctx, records...)
		if err == nil || isRefusal(err) {
			return err
		}
		w.retries.Add(1)
		if w.stopping == nil {
			wait = w.cfg.RetryBackoff // little time is left
		}
		pause := wait/2 + rand.N(wait/2+1)
		w.logDropped()
		w.cfg.Logger.Warn("predictlog: append failed", "records", len(records), "failures", failures, "pause", pause, "err", err)
		if !w.sleep(ctx, pause) {
			return err
		}
		wait = min(2*wait, 100*w.cfg.RetryBackoff)
	}
}

// sleep waits, but no longer than until Run is to drain. It returns false if ctx ended.
func (w *writer) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.stopping:
		w.stopping = nil
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// reject hands a record that cannot be stored to the host.
func (w *writer) reject(c *capture, err error) {
	w.rejected.Add(1)
	w.cfg.Logger.Warn("predictlog: record rejected", "id", c.record.ID, "err", err)
	w.cfg.OnReject(Rejected{
		Record:   c.record,
		Request:  append([]byte(nil), c.request.bytes...),
		Response: append([]byte(nil), c.response.bytes...),
		Err:      err,
	})
}
