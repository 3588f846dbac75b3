package ds104

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/ds104/proto"
	"github.com/connects-go/connects/internal/wire"
)

// maxQueue is how many bytes may wait to be sent to the server before callers wait.
const maxQueue = 8 << 20

// link is one open connection of a [Client], used by all callers at once.
type link struct {
	c      *Client
	conn   net.Conn
	out    *outbox
	max    int // largest value
	beat   time.Duration
	done   chan struct{}
	wg     sync.WaitGroup
	recv   atomic.Int64 // monotonic time of the last bytes, since start
	start  time.Time
	mu     sync.Mutex
	next   uint32
	calls  map[uint32]*call
	free   []*call // answered ones
	subs   map[uint32]*subscription
	err    error // why it ended
	closed bool
}

// call is a request that waits for its answer.
type call struct {
	answer chan proto.Confirm // capacity 1; nil = the link ended
}

// maxFree is how many calls a link keeps for further use.
const maxFree = 256

// takeCall returns a call. Caller holds mu.
func (l *link) takeCall() *call {
	if n := len(l.free); n > 0 {
		c := l.free[n-1]
		l.free = l.free[:n-1]
		return c
	}
	return &call{answer: make(chan proto.Confirm, 1)}
}

func (l *link) giveCall(c *call) {
	l.mu.Lock()
	if len(l.free) < maxFree {
		l.free = append(l.free, c)
	}
	l.mu.Unlock()
}

// dialLink connects and opens.
func dialLink(ctx context.Context, c *Client) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	conn, err := c.opts.dial(ctx, c.addr)
	if err != nil {
		return nil, err
	}
	l := &link{c: c, conn: conn, beat: c.opts.HeartbeatInterval, done: make(chan struct{}), start: time.Now(),
		calls: map[uint32]*call{}, subs: map[uint32]*subscription{}}
	stop := context.AfterFunc(ctx, func() { c.giveUp(conn) })
	conf, fr, err := l.open()
	if !stop() || err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	l.max = int(conf.MaxValue)
	l.out = newOutbox(conn, 0, func(err error) { l.fail(err) })
	c.met(Side(min(conf.Side, uint32(SideB))))
	c.heard(conf.Term, conf.Deciding)
	l.wg.Go(l.out.run)
	l.wg.Go(func() { l.fail(l.read(fr)) })
	l.wg.Go(l.keep)
	return l, nil
}

// open sends the first message and reads its answer.
func (l *link) open() (*proto.OpenConf, *wire.FrameReader, error) {
	o := &l.c.opts
	m := &proto.OpenReq{
		Version: uint32(proto.CurrentVersion), HeartbeatMillis: uint32(o.HeartbeatInterval.Milliseconds()),
		Term: l.c.knownTerm(), ClientID: o.Name, Token: []byte(o.Token),
	}
	if o.voter {
		m.Flags, m.Instance = proto.OpenFlagsVoter, o.instance
	}
	b, err := proto.AppendMessage(nil, m)
	if err != nil {
		return nil, nil, err
	}
	if _, err := l.conn.Write(b); err != nil {
		return nil, nil, err
	}
	fr := wire.NewFrameReader(l.conn, MaxMaxValue+frameExtra)
	fr.SetReadAhead(readAhead)
	typ, body, err := fr.Next()
	if err != nil {
		return nil, nil, err
	}
	a, err := proto.DecodeMessage(proto.MessageType(typ), body)
	if err != nil {
		return nil, nil, err
	}
	switch a := a.(type) {
	case *proto.OpenConf:
		if a.Version != uint32(proto.CurrentVersion) || a.MaxValue > MaxMaxValue {
			return nil, nil, ErrVersion
		}
		return a, fr, nil
	case *proto.FailureConf:
		return nil, nil, errorOf(a.Status)
	}
	return nil, nil, ErrProtocol
}

// read is the reader: it hands answers and events out.
func (l *link) read(fr *wire.FrameReader) error {
	for {
		typ, body, err := fr.Next()
		if err != nil {
			return err
		}
		l.recv.Store(int64(time.Since(l.start)))
		if len(body) < 4 {
			return ErrProtocol
		}
		m, err := proto.DecodeMessage(proto.MessageType(typ), body)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case proto.Confirm:
			// Every failure tells the term; only STATUS_UNDECIDED says that the side
			// does not decide in it.
			switch a := m.(type) {
			case *proto.FailureConf:
				if a.Status == proto.StatusUndecided && a.Term > 0 {
					l.c.heard(a.Term, false)
				}
			case *proto.HeartbeatConf:
				l.c.heard(a.Term, a.Deciding)
			}
			l.mu.Lock()
			c := l.calls[m.Invoke()]
			delete(l.calls, m.Invoke())
			l.mu.Unlock()
			if c != nil {
				c.answer <- m // never blocks
			}
		case *proto.ChangeEvent:
			if s := l.sub(m.WatchID); s != nil && !s.add(m) {
				l.drop(m.WatchID)
			}
		case *proto.WatchEndEvent:
			if s := l.sub(m.WatchID); s != nil {
				s.end(errorOf(m.Status))
			}
		}
	}
}

func (l *link) sub(id uint32) *subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subs[id]
}

// keep sends heartbeats and ends a link whose server is silent. It waits one interval
// longer than the server does, so that a client never believes that its session has
// ended while the server does not.
func (l *link) keep() {
	t := time.NewTicker(l.beat)
	defer t.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-t.C:
		}
		if time.Since(l.start)-time.Duration(l.recv.Load()) > 4*l.beat {
			l.fail(ErrInterrupted)
			return
		}
		_, id, err := l.begin(false)
		if err == nil {
			err = l.out.add(&proto.HeartbeatReq{InvokeID: id})
		}
		if err != nil {
			return
		}
	}
}

// begin takes an invoke id, and a call unless nobody waits for the answer.
func (l *link) begin(wait bool) (c *call, id uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, 0, ErrDown
	}
	for {
		l.next++
		if l.calls[l.next] == nil && l.subs[l.next] == nil && l.next != 0 {
			break
		}
	}
	if wait {
		c = l.takeCall()
		l.calls[l.next] = c
	}
	return c, l.next, nil
}

// Do sends a request and waits for the answer. Errors: that of ctx, ErrDown when
// nothing was sent, ErrInterrupted when the answer is lost.
func (l *link) Do(ctx context.Context, m proto.Request) (proto.Confirm, error) {
	c, id, err := l.begin(true)
	if err != nil {
		return nil, err
	}
	m.SetInvoke(id)
	if err := l.out.add(m); err != nil {
		if l.forget(id) {
			l.giveCall(c)
		}
		var bad *proto.EncodeError
		if errors.As(err, &bad) {
			return nil, ErrTooLarge
		}
		return nil, ErrInterrupted
	}
	select {
	case a := <-c.answer:
		l.giveCall(c)
		if a == nil {
			return nil, ErrInterrupted
		}
		return a, nil
	case <-ctx.Done():
		if !l.forget(id) {
			<-c.answer // it is there, or about to be
		}
		l.giveCall(c)
		return nil, ctx.Err()
	}
}

func (l *link) forget(id uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.calls[id]
	delete(l.calls, id)
	return ok
}

// fail ends the link.
func (l *link) fail(err error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed, l.err = true, err
	pending, subs := l.calls, l.subs
	l.calls, l.subs = map[uint32]*call{}, map[uint32]*subscription{}
	l.mu.Unlock()
	close(l.done)
	_ = l.conn.Close()
	l.out.close(ErrInterrupted)
	for _, c := range pending {
		c.answer <- nil
	}
	for _, s := range subs {
		s.end(ErrInterrupted)
	}
}

// drop tells the server that a watch is not wanted any more.
func (l *link) drop(id uint32) {
	l.mu.Lock()
	delete(l.subs, id)
	l.mu.Unlock()
	if _, n, err := l.begin(false); err == nil {
		_ = l.out.add(&proto.UnwatchReq{InvokeID: n, WatchID: id})
	}
}
