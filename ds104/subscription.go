package ds104

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/connects-go/connects/ds104/proto"
)

// watchBytes is how much a client keeps for a watcher that reads slowly. When more
// comes it leaves the rest to the server's history and resumes from there.
const watchBytes = 4 << 20

// subscription is one watch on one link.
type subscription struct {
	mu    sync.Mutex
	queue []*proto.ChangeEvent
	bytes int
	err   error         // why nothing follows the queue
	wake  chan struct{} // capacity 1
}

// errLagging ends a subscription whose reader is too slow.
var errLagging = errors.New("ds104: watcher is too slow")

// add queues an event; false ends the subscription.
func (s *subscription) add(m *proto.ChangeEvent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return true
	}
	size := len(m.Key) + len(m.Value) + 100
	if s.bytes += size; s.bytes > watchBytes && len(s.queue) > 0 {
		s.err = errLagging
	} else {
		s.queue = append(s.queue, m)
	}
	s.signal()
	return s.err == nil
}

func (s *subscription) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.signal()
}

func (s *subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next returns the next event. Errors: that of ctx and that of the end.
func (s *subscription) next(ctx context.Context) (*proto.ChangeEvent, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		if len(s.queue) > 0 {
			m := s.queue[0]
			s.queue[0] = nil
			s.queue = s.queue[1:]
			s.bytes -= len(m.Key) + len(m.Value) + 100
			s.mu.Unlock()
			return m, nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

// Watch implements [Store]. It goes on over a loss of the connection: the server
// resumes after the last revision seen, or there is a gap.
func (c *Client) Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for at := after; ; {
			next, err := c.watchOnce(ctx, prefix, at, yield)
			if err == nil {
				return // the loop body has ended
			}
			at = next
			if again := errors.Is(err, ErrInterrupted) && !c.opts.failFast || errors.Is(err, errLagging); !again {
				yield(Event{}, err)
				return
			}
		}
	}
}

// watchOnce watches until the link is lost; a nil error means that yield ended it.
func (c *Client) watchOnce(ctx context.Context, prefix string, at Revision, yield func(Event, error) bool) (Revision, error) {
	l, err := c.link(ctx)
	if err != nil {
		return at, err
	}
	s := &subscription{wake: make(chan struct{}, 1)}
	call, id, err := l.begin(true)
	if err != nil {
		return at, ErrInterrupted
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return at, ErrInterrupted
	}
	l.subs[id] = s
	l.mu.Unlock()
	defer l.drop(id)
	if err := l.out.add(&proto.WatchReq{InvokeID: id, After: uint64(at), Prefix: []byte(prefix)}); err != nil {
		l.forget(id)
		return at, ErrInterrupted
	}
	select {
	case a := <-call.answer:
		switch a := a.(type) {
		case nil:
			return at, ErrInterrupted
		case *proto.FailureConf:
			return at, errorOf(a.Status)
		}
	case <-ctx.Done():
		l.forget(id)
		return at, ctx.Err()
	}
	for {
		m, err := s.next(ctx)
		if err != nil {
			if c.isClosed() {
				err = ErrClosed
			}
			return at, err
		}
		at = Revision(m.Revision)
		ev := Event{Kind: EventKind(m.Change), Entry: Entry{Key: string(m.Key), Value: m.Value, Revision: at, Origin: m.Origin, Written: writtenOf(int64(m.Written))}}
		if m.TTL > 0 {
			ev.Entry.Expires = time.Now().Add(time.Duration(m.TTL))
		}
		if !yield(ev, nil) {
			return at, nil
		}
	}
}
