package cti

import (
	"sync"
	"sync/atomic"
)

// eventQueue is the bounded queue between the reader of a connection and the goroutine of the
// handler. Nothing is ever dropped from it: push fails when it is full.
type eventQueue struct {
	limit, limitBytes int64
	n, bytes          atomic.Int64 // waiting, those that the handler is working on included
	peak              *atomic.Int64

	mu     sync.Mutex
	items  []queued
	closed bool
	ready  chan struct{}
}

type queued struct {
	e    Event
	size int
}

func newEventQueue(limit, limitBytes int, peak *atomic.Int64) *eventQueue {
	return &eventQueue{limit: int64(limit), limitBytes: int64(limitBytes), peak: peak, ready: make(chan struct{}, 1)}
}

// push adds an event that had so many bytes on the wire. It reports false when that is too much.
func (q *eventQueue) push(e Event, size int) bool {
	n := q.n.Add(1)
	if bytes := q.bytes.Add(int64(size)); n > q.limit || bytes > q.limitBytes {
		q.n.Add(-1)
		q.bytes.Add(-int64(size))
		return false
	}
	storeMax(q.peak, n)
	q.mu.Lock()
	q.items = append(q.items, queued{e, size})
	q.mu.Unlock()
	q.wake()
	return true
}

// close says that nothing more comes.
func (q *eventQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
}

func (q *eventQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// run calls f for every event until the queue is closed and empty, or until stop is closed.
func (q *eventQueue) run(stop <-chan struct{}, f func(Event)) {
	var batch []queued
	for {
		select {
		case <-stop:
			return
		case <-q.ready:
		}
		for {
			q.mu.Lock()
			batch, q.items = q.items, batch[:0]
			closed := q.closed
			q.mu.Unlock()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			for i := range batch {
				select {
				case <-stop:
					return
				default:
				}
				f(batch[i].e)
				q.n.Add(-1)
				q.bytes.Add(-int64(batch[i].size))
				batch[i] = queued{}
			}
			if cap(batch) > 4096 {
				batch = nil
			}
		}
	}
}
