package ici

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxMoves is how often the waiting state of an item gives up its place for a newer one.
const maxMoves = 16

// subState says who is responsible for a subscription's queue.
type subState uint8

const (
	subIdle     subState = iota // nothing waits
	subBusy                     // a goroutine delivers
	subWaiting                  // a timer runs until the next attempt
	subFinished                 // ended; nothing happens any more
)

// eventSub is one subscription and its queue.
//
// A goroutine exists only from the first waiting event to the last answer; while a retry is due
// there is only a timer.
type eventSub struct {
	n     *Notifier
	key   SubscriptionKey
	host  *eventHost
	head  []byte
	props atomic.Pointer[subProps]

	mu       sync.Mutex
	state    subState
	ending   bool // End was called
	queue    []*eventEntry
	bytes    int
	failures int
	timer    *time.Timer
}

// renew takes new properties; it reports false when the subscription has ended.
func (s *eventSub) renew(x *subProps) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == subFinished {
		return false
	}
	s.props.Store(x)
	if s.ending { // taken up again before the end was over
		s.ending = false
		s.drop()
	}
	return true
}

func (s *eventSub) isEnding() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending || s.state == subFinished
}

// add queues an event and sees to it that someone delivers it.
func (s *eventSub) add(e *eventEntry) error {
	n := s.n
	s.mu.Lock()
	if s.state == subFinished || s.ending {
		s.mu.Unlock()
		n.free(e)
		return ErrNoSubscription
	}
	s.collapse(e)
	size := e.size()
	if len(s.queue) >= n.opts.QueueEvents || s.bytes+size > n.opts.QueueBytes || n.waitingBytes.Load()+int64(size) > n.opts.TotalBytes {
		n.free(e)
		n.dropped.Add(1)
		s.finish(ErrQueueFull) // unlocks
		return ErrQueueFull
	}
	n.notified.Add(1)
	s.push(e)
	s.start()
	s.mu.Unlock()
	return nil
}

// push appends to the queue. The lock is held.
func (s *eventSub) push(e *eventEntry) {
	s.queue = append(s.queue, e)
	s.bytes += e.size()
	s.n.waiting.Add(1)
	s.n.waitingBytes.Add(int64(e.size()))
}

// done accounts for an event that has left the queue for good.
func (s *eventSub) done(e *eventEntry) {
	n := s.n
	n.waitingBytes.Add(-int64(e.size()))
	n.free(e)
	if n.waiting.Add(-1) == 0 {
		n.mu.RLock()
		closing := n.closing
		n.mu.RUnlock()
		if closing {
			n.settle()
		}
	}
}

// collapse takes out the waiting state that e replaces. The lock is held.
func (s *eventSub) collapse(e *eventEntry) {
	if e.item == "" {
		return
	}
	for i := len(s.queue) - 1; i >= 0; i-- {
		old := s.queue[i]
		if old.op != e.op || old.item != e.item {
			continue
		}
		pinned := s.newerThan(s.queue[:i], e) // an older state keeps its place already
		if old.moves >= maxMoves && !pinned {
			return
		}
		if !pinned {
			e.moves = old.moves + 1
		}
		s.queue = slices.Delete(s.queue, i, i+1)
		s.bytes -= old.size()
		s.n.collapsed.Add(1)
		s.discard(old)
		return
	}
}

// discard is done for callers that hold the lock of the subscription but not of the notifier; the
// new event is accounted for only afterwards, so settle must not see an empty queue in between.
func (s *eventSub) discard(e *eventEntry) {
	s.n.waitingBytes.Add(-int64(e.size()))
	s.n.waiting.Add(-1)
	s.n.free(e)
}

// newerThan reports whether q has a state of the item of e.
func (s *eventSub) newerThan(q []*eventEntry, e *eventEntry) bool {
	return e.item != "" && slices.ContainsFunc(q, func(x *eventEntry) bool { return x.op == e.op && x.item == e.item })
}

// start makes a goroutine deliver when nobody does. The lock is held.
func (s *eventSub) start() {
	if s.state == subIdle && len(s.queue) > 0 {
		s.state = subBusy
		s.n.wg.Add(1)
		go s.run()
	}
}

// run delivers until nothing waits, or a retry is due later.
func (s *eventSub) run() {
	defer s.n.wg.Done()
	n := s.n
	for {
		s.mu.Lock()
		if s.state != subBusy {
			s.mu.Unlock()
			return
		}
		if len(s.queue) == 0 {
			s.state = subIdle
			if s.ending {
				s.leave()
			}
			s.mu.Unlock()
			return
		}
		e := s.queue[0]
		n2 := copy(s.queue, s.queue[1:])
		s.queue[n2] = nil
		s.queue = s.queue[:n2]
		s.bytes -= e.size()
		attempt := s.failures + 1
		s.mu.Unlock()

		n.onWire.Add(1)
		v, err := n.deliver(s, e, attempt)
		n.onWire.Add(-1)

		switch {
		case e.final:
			s.done(e)
		case v == delivered, v == refused:
			s.mu.Lock()
			recovered := s.failures > 0
			s.failures = 0
			s.mu.Unlock()
			if recovered {
				n.logSub(slog.LevelInfo, "SAP takes events again", s, nil)
			}
			if v == refused {
				n.refusedN.Add(1)
				n.logSub(slog.LevelWarn, "SAP refuses an event", s, err)
				if n.opts.Refused != nil {
					n.opts.Refused(s.props.Load().sub, e.op, e.item, err)
				}
			} else {
				n.deliveredN.Add(1)
			}
			s.done(e)
		case v == gone:
			s.mu.Lock()
			ended := s.ending || s.state == subFinished
			if ended {
				s.mu.Unlock()
				n.dropped.Add(1)
				s.done(e)
				continue
			}
			s.unpop(e)
			s.finish(err)
			return
		default:
			if !s.retry(e, err) {
				return
			}
		}
	}
}

// unpop puts back what could not be delivered. The lock is held.
func (s *eventSub) unpop(e *eventEntry) {
	s.queue = slices.Insert(s.queue, 0, e)
	s.bytes += e.size()
}

// retry deals with a failed attempt. It returns true when the caller goes on at once.
func (s *eventSub) retry(e *eventEntry, err error) bool {
	n := s.n
	s.mu.Lock()
	if s.state != subBusy || s.ending {
		s.mu.Unlock()
		n.dropped.Add(1)
		s.done(e)
		return true
	}
	s.failures++
	limit := n.opts.RetryLimit
	if limit >= 0 && s.failures > limit {
		s.unpop(e)
		s.finish(&undeliverable{err})
		return false
	}
	delays := n.opts.RetryDelays
	delay := delays[min(s.failures, len(delays))-1]
	n.retried.Add(1)
	given := s.newerThan(s.queue, e)
	if !given {
		s.unpop(e)
	}
	first := s.failures == 1
	s.state = subWaiting
	n.wg.Add(1)
	s.timer = time.AfterFunc(delay, s.resume)
	s.mu.Unlock()
	level := slog.LevelDebug
	if first {
		level = slog.LevelWarn
	}
	n.logSub(level, "SAP does not take an event, trying again", s, err)
	if given {
		n.collapsed.Add(1)
		s.done(e)
	}
	return false
}

// resume is called by the timer.
func (s *eventSub) resume() {
	s.mu.Lock()
	if s.state != subWaiting {
		s.mu.Unlock()
		s.n.wg.Done()
		return
	}
	s.state, s.timer = subBusy, nil
	s.mu.Unlock()
	s.run()
}

// halt stops the timer. The lock is held, and the state is not subWaiting afterwards.
func (s *eventSub) halt() {
	if s.timer != nil && s.timer.Stop() {
		s.n.wg.Done()
	}
	s.timer = nil
}

// end ends the subscription, after a last event if there is one.
func (s *eventSub) end(last *eventEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == subFinished || s.ending {
		if last != nil {
			s.n.free(last)
		}
		return ErrNoSubscription
	}
	s.ending = true
	s.drop()
	if last != nil {
		s.push(last)
	}
	if s.state == subWaiting {
		s.halt()
		s.state = subIdle
	}
	if s.state == subIdle {
		if last == nil {
			s.leave()
		} else {
			s.start()
		}
	}
	return nil
}

// drop empties the queue. The lock is held.
func (s *eventSub) drop() int {
	k := len(s.queue)
	for i, e := range s.queue {
		s.queue[i] = nil
		s.n.dropped.Add(1)
		s.discard(e)
	}
	s.queue, s.bytes = nil, 0
	return k
}

// leave makes the end final. The lock is held; the table is cleaned in another goroutine, because
// its lock comes first.
func (s *eventSub) leave() {
	s.state = subFinished
	n := s.n
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		n.forget(s)
		n.pool.release(s.host)
		n.settle()
	}()
}

// finish ends the subscription because of err and tells Gone. It is called with the lock held and
// returns without it.
func (s *eventSub) finish(err error) {
	n := s.n
	if s.state == subWaiting {
		s.halt()
	}
	g := &GoneError{Failures: s.failures, Unsent: s.drop(), Err: err}
	s.state = subFinished
	sub := s.props.Load().sub
	n.wg.Add(1)
	s.mu.Unlock()
	n.goneN.Add(1)
	if errors.Is(err, ErrSubscriptionGone) {
		n.logSub(slog.LevelInfo, "SAP session of a subscription is gone", s, g)
	} else {
		n.logSub(slog.LevelError, "subscription given up", s, g)
	}
	go func() {
		defer n.wg.Done()
		n.forget(s)
		n.pool.release(s.host)
		n.settle()
		if n.opts.Gone != nil {
			n.opts.Gone(sub, g)
		}
	}()
}

// stop ends the subscription without telling anyone.
func (s *eventSub) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == subFinished {
		return
	}
	if s.state == subWaiting {
		s.halt()
	}
	s.state = subFinished
	s.drop()
}

// undeliverable is the last failure of a subscription; it is both ErrUndeliverable and that.
type undeliverable struct{ err error }

func (u *undeliverable) Error() string        { return ErrUndeliverable.Error() + ": " + u.err.Error() }
func (u *undeliverable) Unwrap() error        { return u.err }
func (u *undeliverable) Is(target error) bool { return target == ErrUndeliverable }

// deliver makes one attempt.
func (n *Notifier) deliver(s *eventSub, e *eventEntry, attempt int) (verdict, error) {
	d := Delivery{Op: e.op, Item: e.item, Attempt: attempt, Time: e.time}
	v, a, err := n.pool.exchange(s.host, e.buf[e.start:], &d)
	if err != nil {
		err = &DeliveryError{Op: s.host.key.system.profile.OpName(e.op), Host: s.host.key.addr, Status: a.status, Err: err}
	}
	if n.opts.Trace != nil {
		d.Subscription = s.props.Load().sub
		d.Answered = time.Now()
		d.Status, d.Body, d.Answer, d.Err = a.status, e.buf[e.body:], a.body, err
		n.opts.Trace(&d)
	}
	return v, err
}

// logSub writes one line about a subscription. The event URL may hold a session id and is not
// part of it.
func (n *Notifier) logSub(level slog.Level, msg string, s *eventSub, err error) {
	ctx := n.pool.ctx
	if !n.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("system", s.key.System), slog.String("host", s.host.key.addr), slog.String("user", s.props.Load().sub.User)}
	if err != nil {
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	n.log.LogAttrs(ctx, level, msg, attrs...)
}
