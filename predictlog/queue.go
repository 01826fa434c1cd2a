package predictlog

import (
	"context"
	"sync"
)

// queue is a bounded queue of many writers and one reader. The reader is not woken by
// each writer, which would cost a request more than all the rest of its logging: it
// comes by itself from time to time, and is called once the queue is half full.
type queue struct {
	size int
	// wake calls the reader; at most one call is pending.
	wake chan struct{}

	mu     sync.Mutex
	queued []*capture    // guarded by mu
	pushed uint64        // guarded by mu; how many were ever queued
	done   uint64        // guarded by mu; how many of them were released
	closed bool          // guarded by mu
	change chan struct{} // guarded by mu; closed when done or closed changes, nil if nobody waits
}

func newQueue(size int) *queue {
	return &queue{size: size, wake: make(chan struct{}, 1)}
}

// push queues c. If the queue is full it waits for room until ctx ends, or under Drop
// returns ErrQueueFull; if it is closed, ErrStopped.
func (q *queue) push(ctx context.Context, c *capture, overflow Overflow) error {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return ErrStopped
		}
		if q.held() < q.size {
			q.queued = append(q.queued, c)
			q.pushed++
			half := len(q.queued) == (q.size+1)/2
			q.mu.Unlock()
			if half {
				q.call()
			}
			return nil
		}
		changed := q.changed()
		q.mu.Unlock()
		if overflow == Drop {
			return ErrQueueFull
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flush calls the reader, and waits until all that is queued now was released.
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
	default: // it is called already
	}
}

// take returns all that is queued, in order. The reader owns it, and the queue's bound
// counts it, until it is released. The queue takes spare for what comes next.
func (q *queue) take(spare []*capture) []*capture {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.queued
	q.queued = spare[:0]
	return taken
}

// release says that the next n of those taken are stored or rejected.
func (q *queue) release(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done += uint64(n)
	q.announce()
}

// setClosed makes the queue refuse what comes, or accept it again.
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

// held returns how many are queued or taken; q.mu must be held.
func (q *queue) held() int { return int(q.pushed - q.done) }

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
