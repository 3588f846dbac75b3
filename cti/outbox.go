package cti

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// outbox is the sending half of a connection: any goroutine puts messages in, one goroutine
// (run) writes them. Messages are encoded straight into a shared buffer, so that everything
// that waits leaves with one Write.
type outbox struct {
	conn    net.Conn
	version Version
	text    *textMap
	limit   int // bytes that may wait
	timeout time.Duration
	count   *counters
	trace   func(m Message, sent bool, size int) // nil = none

	mu         sync.Mutex
	buf, spare []byte
	err        error         // set = nothing more is taken
	finishing  bool          // run ends when the buffer is empty
	space      chan struct{} // closed when there is room again; nil = nobody waits
	ready      chan struct{} // wakes run
	stopped    chan struct{} // closed with err
	start      time.Time
	lastSent   atomic.Int64 // time of the last write since start
}

func newOutbox(conn net.Conn, v Version, text *textMap, limit int, timeout time.Duration, n *counters) *outbox {
	return &outbox{
		conn: conn, version: v, text: text, limit: limit, timeout: timeout, count: n,
		ready: make(chan struct{}, 1), stopped: make(chan struct{}), start: time.Now(),
	}
}

// put encodes m behind what waits already. It waits for room when more than the limit waits,
// unless urgent. The message is not used after put returns.
func (o *outbox) put(ctx context.Context, m Message, urgent bool) error {
	for {
		space, err := o.tryPut(m, urgent)
		if space == nil {
			return err
		}
		select {
		case <-space:
		case <-ctx.Done():
			return ctx.Err()
		case <-o.stopped:
		}
	}
}

// tryPut encodes m, or returns a channel that is closed when there may be room.
func (o *outbox) tryPut(m Message, urgent bool) (space chan struct{}, err error) {
	o.mu.Lock()
	if o.err != nil {
		o.mu.Unlock()
		return nil, o.err
	}
	n := len(o.buf)
	if n >= o.limit && !urgent {
		if o.space == nil {
			o.space = make(chan struct{})
		}
		space = o.space
		o.mu.Unlock()
		return space, nil
	}
	b, bad, err := o.text.append(o.buf, m, o.version)
	if err != nil {
		o.mu.Unlock()
		return nil, err
	}
	o.buf = b
	o.mu.Unlock()
	o.sent(m, len(b)-n, bad)
	return nil, nil
}

// putRaw sends bytes as they are, for simulators.
func (o *outbox) putRaw(b []byte) error {
	o.mu.Lock()
	if o.err != nil {
		o.mu.Unlock()
		return o.err
	}
	o.buf = append(o.buf, b...)
	o.mu.Unlock()
	o.count.bytesOut.Add(uint64(len(b)))
	o.wake()
	return nil
}

func (o *outbox) sent(m Message, size, bad int) {
	o.count.messagesOut.Add(1)
	o.count.bytesOut.Add(uint64(size))
	if bad > 0 {
		o.count.unmappable.Add(uint64(bad))
	}
	if o.trace != nil {
		o.trace(m, true, size)
	}
	o.wake()
}

func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// finish lets run write what waits and then end. Nothing more is taken.
func (o *outbox) finish(err error) {
	o.mu.Lock()
	if o.err == nil {
		o.err = err
		close(o.stopped)
	}
	o.finishing = true
	o.mu.Unlock()
	o.wake()
}

// fail drops what waits and lets run end.
func (o *outbox) fail(err error) {
	o.mu.Lock()
	if o.err == nil {
		o.err = err
		close(o.stopped)
	}
	o.finishing = true
	o.buf = nil
	o.mu.Unlock()
	o.wake()
}

// run writes until finish or fail was called or a write fails, and returns the error of the
// write. spareLimit keeps a burst from holding its memory.
func (o *outbox) run() error {
	const spareLimit = 64 << 10
	for range o.ready {
		for {
			o.mu.Lock()
			b := o.buf
			if len(b) == 0 {
				over := o.finishing
				o.mu.Unlock()
				if over {
					return nil
				}
				break
			}
			o.buf, o.spare = o.spare[:0], nil
			if o.space != nil {
				close(o.space)
				o.space = nil
			}
			o.mu.Unlock()
			_ = o.conn.SetWriteDeadline(time.Now().Add(o.timeout))
			if _, err := o.conn.Write(b); err != nil {
				return err
			}
			o.lastSent.Store(int64(time.Since(o.start)))
			if cap(b) <= spareLimit {
				o.mu.Lock()
				o.spare = b
				o.mu.Unlock()
			}
		}
	}
	return nil
}
