package cti

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/connects-go/connects/internal/backoff"
)

// promotionPatience is how long a session without an active side waits for the standby side to become
// active, before it gives the standby session up and opens a new one there.
const promotionPatience = 30 * time.Second

// noticeGrace is how much later the active side may say that it leaves than the standby side says that
// it takes over: they are two connections.
const noticeGrace = 500 * time.Millisecond

var errStandby = errors.New("cti: the side is the standby")

// reserve is the second session of [SessionOptions].Standby: open with the standby side, and taken
// over when that side becomes active (guide for version 24, active/standby). Its goroutine, keep,
// opens it again when it is lost. The connect goroutine calls the other methods.
type reserve struct {
	s *Session

	mu     sync.Mutex
	want   Side               // where a session is wanted; 0 = nowhere
	rest   bool               // open none: the active session is lost
	client *Client            // open with the standby side
	cancel context.CancelFunc // of the attempt of the connect goroutine

	wake     chan struct{} // capacity 1: want or client changed
	promoted chan *Client  // capacity 1: its side became active
}

func newReserve(s *Session) *reserve {
	return &reserve{s: s, wake: make(chan struct{}, 1), promoted: make(chan *Client, 1)}
}

// on says where a session is wanted.
func (r *reserve) on(side Side) {
	r.mu.Lock()
	r.want, r.rest = side, false
	r.mu.Unlock()
	r.signal()
}

// pause keeps the session that there is but opens no other: without an active session the connect
// goroutine tries both sides itself.
func (r *reserve) pause() {
	r.mu.Lock()
	r.rest = true
	r.mu.Unlock()
}

// adopt takes a session that the connect goroutine opened and that turned out to be with the
// standby. It reports false when there is one already.
func (r *reserve) adopt(c *Client) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		return false
	}
	r.want, r.client = c.side, c
	r.signal()
	return true
}

// holds tells whether a session with the side is open.
func (r *reserve) holds(side Side) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.client != nil && r.client.side == side && r.client.Err() == nil
}

// claim says whether the connect goroutine may try a side now: not while a session with that side
// waits to become active (unless expired), nor when one has become active. ctx ends when one does.
func (r *reserve) claim(ctx context.Context, side Side, expired bool) (_ context.Context, done func(), ok bool) {
	ctx, cancel := context.WithCancel(ctx)
	if r == nil {
		return ctx, cancel, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil && r.client.side == side && r.client.Err() == nil {
		if !expired {
			cancel()
			return nil, nil, false
		}
		r.client.fail(fmt.Errorf("%w: standby side does not become active", ErrDown))
	}
	if len(r.promoted) > 0 {
		cancel()
		return nil, nil, false
	}
	r.cancel = cancel
	return ctx, cancel, true
}

func (r *reserve) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reserve) state() (want Side, c *Client, rest bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.want, r.client, r.rest
}

// set changes the session; nil = there is none.
func (r *reserve) set(c *Client) {
	r.mu.Lock()
	r.client = c
	r.mu.Unlock()
}

// hand gives a session whose side became active to the connect goroutine.
func (r *reserve) hand(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case old := <-r.promoted: // not taken, so older
		old.fail(fmt.Errorf("%w: the other side is active", ErrMaintenance))
	default:
	}
	r.want, r.client = 0, nil
	r.promoted <- c
	if r.cancel != nil {
		r.cancel()
	}
}

// keep is the goroutine of the reserve.
func (r *reserve) keep() {
	defer r.discard()
	defer func() {
		if _, c, _ := r.state(); c != nil {
			r.s.shutdown(c)
		}
	}()
	pause := backoff.Backoff{Max: r.s.o.MaxBackoff}
	var retry <-chan time.Time
	for {
		want, c, rest := r.state()
		var promoted, done <-chan struct{}
		switch {
		case c != nil && c.side != want: // the active session has moved there
			r.set(nil)
			r.s.shutdown(c)
			r.shown(c.side, false)
			continue
		case c != nil:
			promoted, done = c.promoted, c.done
			r.shown(c.side, true)
		case want != 0 && !rest && retry == nil:
			if r.open(want) {
				pause.Reset()
				continue
			}
			retry = time.After(pause.Next())
		}
		select {
		case <-r.s.closing:
			return
		case <-r.wake:
			retry = nil
		case <-retry:
			retry = nil
		case <-promoted:
			r.shown(c.side, false)
			r.hand(c)
		case <-done:
			r.shown(c.side, false)
			r.set(nil)
			c.work.Wait()
			r.s.log.Info("session with the standby lost", "side", c.side.String(), "err", c.err.Error())
			retry = time.After(pause.Next())
		}
	}
}

// open opens a session with the standby side, and reports whether it is one.
func (r *reserve) open(side Side) bool {
	c, err := r.s.dial(r.s.ctx, side, r.s.o.OpenTimeout)
	if err != nil {
		r.s.log.Debug("no session with the standby", "side", side.String(), "err", err.Error())
		return false
	}
	r.mu.Lock()
	ok := c.standby() && r.want == side && !r.rest && r.client == nil
	if ok {
		r.client = c
	}
	r.mu.Unlock()
	if !ok {
		r.s.shutdown(c)
		return false
	}
	r.s.log.Info("session with the standby open", "side", side.String(), "addr", c.addr, "version", int(c.version))
	return true
}

// discard ends a session that was handed on and that nobody took.
func (r *reserve) discard() {
	if r == nil {
		return
	}
	select {
	case c := <-r.promoted:
		r.s.shutdown(c)
	default:
	}
}

func (r *reserve) shown(side Side, on bool) {
	r.s.setState(func(st *SessionState) { st.Sides[side-SideA].Standby = on })
}

// ready gets the session whose side became active.
func (r *reserve) ready() <-chan *Client {
	if r == nil {
		return nil
	}
	return r.promoted
}

// standby tells whether the server said that it is the standby of its pair.
func (c *Client) standby() bool { return c.openReply.SessionType == SessionTypeStandby }

// replaced ends a connection because the other side is the active one now. A client that was told of
// it beforehand leaves by itself, within the grace that its outstanding requests get.
func (c *Client) replaced() {
	t := time.NewTimer(noticeGrace)
	defer t.Stop()
	select {
	case <-c.maintain:
		t.Reset(maintenanceGrace + 2*maintenanceEnd)
		select {
		case <-c.done:
			return
		case <-t.C:
		}
	case <-c.done:
		return
	case <-t.C:
	}
	c.fail(fmt.Errorf("%w: the other side is active", ErrMaintenance))
}
