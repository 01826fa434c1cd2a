package predictlog

import (
	"context"
	"sync"
	"time"
)

// queue is a bounded queue of many writers and one reader. A wake-up of the reader by each
// writer would cost a request more than all the rest of its logging. The reader therefore
// comes by itself from time to time, and is called once the queue is half full.
type queue struct {
	size     int
	maxBytes int64
	timeout  time.Duration // of a writer's wait for room; 0 is no wait
	// wake calls the reader; at most one call is pending.
	wake chan struct{}

	mu     sync.Mutex
	queued []*capture    // guarded by mu
	bytes  int64         // guarded by mu; size of the bodies that are queued
	taken  int64         // guarded by mu; size of the bodies that are taken and not released
	pushed uint64        // guarded by mu; number of captures ever queued
	done   uint64        // guarded by mu; number of captures released
	closed bool          // guarded by mu
	change chan struct{} // guarded by mu; closed when done or closed changes, nil if nobody waits
}

func newQueue(cfg Config) *queue {
	q := &queue{size: cfg.QueueSize, maxBytes: cfg.MaxQueueBytes, wake: make(chan struct{}, 1)}
	if cfg.Overflow == Block {
		q.timeout = cfg.BlockTimeout
	}
	return q
}

// push queues c. If there is no room, push waits for room until ctx ends or until the
// timeout, which is ErrQueueFull. If the queue is closed, push returns ErrStopped.
func (q *queue) push(ctx context.Context, c *capture) error {
	queued, err := q.tryPush(c)
	if queued || err != nil {
		return err
	}
	q.call() // a large record may find no room before the queue is half full
	if q.timeout == 0 {
		return ErrQueueFull
	}
	timer := time.NewTimer(q.timeout)
	defer timer.Stop()
	for {
		changed := q.watch()
		if queued, err := q.tryPush(c); queued || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-timer.C:
			return ErrQueueFull
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryPush queues c if there is room. If the queue is closed, tryPush returns ErrStopped.
func (q *queue) tryPush(c *capture) (queued bool, err error) {
	size := c.size()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false, ErrStopped
	}
	// A record larger than the bound enters an empty queue, because it would wait in vain.
	held := q.held()
	if held >= q.size || held > 0 && q.bytes+q.taken+size > q.maxBytes {
		q.mu.Unlock()
		return false, nil
	}
	wasHalfFull := q.halfFull()
	q.queued = append(q.queued, c)
	q.bytes += size
	q.pushed++
	call := q.halfFull() && !wasHalfFull
	q.mu.Unlock()
	if call {
		q.call()
	}
	return true, nil
}

// halfFull reports whether the reader should come; q.mu must be held.
func (q *queue) halfFull() bool {
	return len(q.queued) >= (q.size+1)/2 || q.bytes > q.maxBytes/2
}

// flush calls the reader and waits until all captures queued now are released.
func (q *queue) flush(ctx context.Context) error {
	q.mu.Lock()
	target := q.pushed
	q.mu.Unlock()
	for {
		q.mu.Lock()
		if q.done >= target {
			q.mu.Unlock()
			return nil
		}
		changed := q.changed()
		q.mu.Unlock()
		q.call()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// call makes the reader come at once.
func (q *queue) call() {
	select {
	case q.wake <- struct{}{}:
	default: // the reader is called already
	}
}

// take returns all that is queued, in order. Until it is released, the reader owns it and the
// bound of the queue counts it. The queue uses spare for the next captures.
func (q *queue) take(spare []*capture) []*capture {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.queued
	q.queued = spare[:0]
	q.bytes, q.taken = 0, q.taken+q.bytes
	return taken
}

// release says that the next n captures that were taken, with bodies of so many bytes, are
// stored or rejected.
func (q *queue) release(n int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done += uint64(n)
	q.taken -= bytes
	q.announce()
}

// setClosed makes the queue refuse captures, or accept them again.
func (q *queue) setClosed(closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = closed
	q.announce()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held()
}

// held returns the number of captures that are queued or taken; q.mu must be held.
func (q *queue) held() int { return int(q.pushed - q.done) }

// watch returns a channel that is closed at the next change.
func (q *queue) watch() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed()
}

// changed returns a channel that is closed at the next change; q.mu must be held.
func (q *queue) changed() <-chan struct{} {
	if q.change == nil {
		q.change = make(chan struct{})
	}
	return q.change
}

// announce wakes all who wait for a change; q.mu must be held.
func (q *queue) announce() {
	if q.change != nil {
		close(q.change)
		q.change = nil
	}
}
