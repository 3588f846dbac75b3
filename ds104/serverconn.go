package ds104

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/ds104/proto"
	"github.com/connects-go/connects/internal/wire"
)

// firstFrame is the largest frame before a client has opened its connection, and
// frameExtra what a frame may have beside one value.
const (
	firstFrame = 8 << 10
	frameExtra = 64 << 10
	// readAhead is how much is read at once from a busy connection.
	readAhead = 256 << 10
)

// serverConn is one connection of a [Server]: a reader, a writer, and goroutines for
// requests that wait and for watches.
type serverConn struct {
	s      *Server
	conn   net.Conn
	out    *outbox
	ctx    context.Context
	cancel context.CancelFunc
	busy   bool // over the limit: to be told and closed

	name   string
	voter  *voter // of a pair; nil: this is none
	maxVal int
	idle   time.Duration

	slots   chan struct{} // of MaxRequests
	workers sync.WaitGroup
	leaving atomic.Bool // no further request is read

	mu      sync.Mutex
	watches map[uint32]context.CancelFunc

	mem     *Memory  // of the store, when a request of it never waits; else nil
	journal *journal // of mem, or nil
	batch   *batch   // the flush that is to release answers
	newest  uint64   // seq that the last answer depends on

	put proto.PutReq // scratch of the reader
	get proto.GetReq
	ack proto.PutConf
	got proto.GetConf
}

func newServerConn(s *Server, conn net.Conn) *serverConn {
	c := &serverConn{s: s, conn: conn, watches: map[uint32]context.CancelFunc{}, slots: make(chan struct{}, s.opts.MaxRequests), maxVal: MaxValue}
	if s.local != nil {
		c.maxVal = s.local.limit()
	}
	switch st := s.store.(type) {
	case *Memory:
		c.mem = st
	case *Log:
		c.mem, c.journal = st.mem, st.j
	}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.out = newOutbox(conn, s.opts.WriteTimeout, func(error) { c.abort() })
	return c
}

// abort breaks the connection.
func (c *serverConn) abort() {
	c.cancel()
	_ = c.conn.Close()
}

// drain lets what was read be answered and then ends the connection.
func (c *serverConn) drain() {
	c.leaving.Store(true)
	_ = c.conn.SetReadDeadline(time.Unix(1, 0))
}

func (c *serverConn) run() {
	var writer sync.WaitGroup
	writer.Go(c.out.run)
	err := c.read()
	if c.journal != nil { // what was taken over goes to the disk, and to watchers
		c.journal.flush()
	}
	c.mu.Lock()
	for _, stop := range c.watches {
		stop()
	}
	c.mu.Unlock()
	if !c.leaving.Load() {
		c.cancel()
	}
	c.workers.Wait()
	if c.journal != nil && c.leaving.Load() { // what was read is answered
		_ = c.journal.wait(c.ctx, c.newest)
	}
	c.cancel()
	c.out.close(ErrClosed)
	writer.Wait() // bounded by WriteTimeout
	_ = c.conn.Close()
	c.s.council.leave(c.voter)
	if err != nil && !errors.Is(err, io.EOF) && !c.leaving.Load() && c.s.ctx.Err() == nil {
		c.s.dropped.Add(1)
		c.s.opts.Logger.Info("connection ended", "client", c.name, "remote", c.conn.RemoteAddr().String(), "err", err)
	}
}

// read takes frames until the connection ends.
func (c *serverConn) read() error {
	opts := &c.s.opts
	if err := c.conn.SetDeadline(time.Now().Add(opts.HandshakeTimeout)); err != nil {
		return err
	}
	if t, ok := c.conn.(*tls.Conn); ok {
		if err := t.HandshakeContext(c.ctx); err != nil {
			return err
		}
	}
	fr := wire.NewFrameReader(c.conn, firstFrame)
	typ, body, err := fr.Next()
	if err != nil {
		return err
	}
	if err := c.open(proto.MessageType(typ), body); err != nil {
		return err
	}
	_ = c.conn.SetDeadline(time.Time{})
	fr.SetMax(uint32(c.maxVal + frameExtra))
	fr.SetReadAhead(readAhead)
	var armed time.Time
	for !c.leaving.Load() {
		if now := time.Now(); now.Sub(armed) > c.idle/8 {
			armed = now
			_ = c.conn.SetReadDeadline(now.Add(c.idle))
			if c.leaving.Load() { // drain may have been before
				return nil
			}
		}
		typ, body, err := fr.Next()
		if err != nil {
			return err
		}
		c.s.requests.Add(1)
		if err := c.frame(proto.MessageType(typ), body); err != nil {
			return err
		}
		if !fr.Ready() { // answers to requests that came together leave together
			c.out.flush()
			if c.journal != nil {
				c.journal.flush()
			}
		}
		if err := c.out.waitRoom(opts.MaxClientBytes); err != nil {
			return err
		}
	}
	return nil
}

// open answers the first message.
func (c *serverConn) open(t proto.MessageType, body []byte) error {
	if t != proto.TypeOpenReq {
		return ErrProtocol
	}
	var m proto.OpenReq
	if err := m.DecodeFrom(body, proto.CurrentVersion); err != nil {
		return err
	}
	o := &c.s.opts
	refuse := func(err error) error {
		c.s.refused.Add(1)
		c.fail(m.InvokeID, err)
		return err
	}
	switch {
	case o.Token != "" && !o.Token.Is(m.Token):
		return refuse(ErrAuth)
	case c.busy:
		return refuse(ErrBusy)
	case m.Version < uint32(proto.CurrentVersion):
		return refuse(ErrVersion)
	case m.Flags&proto.OpenFlagsVoter != 0 && (m.ClientID == "" || o.Side == Alone):
		return refuse(ErrInvalid)
	}
	c.name = m.ClientID
	c.idle = o.IdleTimeout
	if m.HeartbeatMillis > 0 {
		c.idle = max(time.Duration(m.HeartbeatMillis)*time.Millisecond, minHeartbeat) * 3
	}
	if m.Flags&proto.OpenFlagsVoter != 0 {
		if c.voter = c.s.council.join(c.name, m.Instance, m.Term); c.voter == nil {
			return refuse(ErrNameInUse)
		}
	}
	cs := c.s.council.stats()
	conf := &proto.OpenConf{
		InvokeID: m.InvokeID, Version: uint32(proto.CurrentVersion), Side: uint32(o.Side), MaxKey: MaxKey,
		MaxValue: uint32(c.maxVal), Term: cs.Term, Deciding: cs.Deciding, ServerID: o.Name,
	}
	if c.s.local != nil {
		conf.Revision = uint64(c.s.local.revision())
	}
	return c.out.add(conf)
}

// frame works on one request. An error ends the connection.
func (c *serverConn) frame(t proto.MessageType, body []byte) error {
	if c.mem != nil { // no goroutine, no copies
		switch t {
		case proto.TypePutReq:
			if err := c.put.DecodeFrom(body, proto.CurrentVersion); err != nil {
				return err
			}
			return c.putMemory()
		case proto.TypeGetReq:
			if err := c.get.DecodeFrom(body, proto.CurrentVersion); err != nil {
				return err
			}
			return c.getMemory()
		}
	}
	m, err := proto.DecodeMessage(t, body)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *proto.HeartbeatReq:
		cs := c.s.council.stats()
		return c.out.add(&proto.HeartbeatConf{InvokeID: m.InvokeID, Term: cs.Term, Deciding: cs.Deciding})
	case *proto.CloseReq:
		c.s.council.farewell(c.voter)
		return c.out.add(&proto.CloseConf{InvokeID: m.InvokeID})
	case *proto.WatchReq:
		return c.watch(m)
	case *proto.UnwatchReq:
		return c.unwatch(m)
	case *proto.OpenReq:
		return ErrProtocol
	case proto.Request:
		select {
		case c.slots <- struct{}{}:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
		c.workers.Go(func() {
			defer func() { <-c.slots }()
			conf, err := c.serve(m)
			c.reply(m.Invoke(), conf, err)
		})
		return nil
	}
	// Something newer than this server: say so when it looks like a request.
	if len(body) < 4 {
		return ErrProtocol
	}
	c.fail(binary.BigEndian.Uint32(body), ErrUnsupported)
	return nil
}

func (c *serverConn) putMemory() error {
	m := &c.put
	rev, seq, err := Revision(0), uint64(0), c.checkWrite(m.Flags, m.Term)
	o := c.putOptions(m)
	if err == nil {
		if err = checkPut(len(m.Key), len(m.Value), c.maxVal, &o); err == nil {
			rev, seq, err = c.mem.put(c.ctx, string(m.Key), m.Value, o) // the decoded value is ours
		}
	}
	if err != nil {
		return c.failAt(m.InvokeID, err, seq)
	}
	c.ack.InvokeID, c.ack.Revision, c.ack.Written = m.InvokeID, uint64(rev), uint64(o.written)
	return c.answer(&c.ack, seq)
}

func (c *serverConn) getMemory() error {
	it, seq, err := c.mem.peek(c.ctx, c.get.Key)
	if err != nil {
		return c.failAt(c.get.InvokeID, err, seq)
	}
	c.got.InvokeID, c.got.Revision, c.got.TTL, c.got.Value = c.get.InvokeID, uint64(it.Revision), uint64(until(it.Expires)), it.Value
	c.got.Origin, c.got.Written = it.Origin, uint64(nanosOf(it.Written))
	return c.answer(&c.got, seq)
}

// answer sends an answer, not before what it depends on is on the disk.
func (c *serverConn) answer(m proto.Message, seq uint64) error {
	if c.journal == nil || seq <= c.journal.durable.Load() {
		return c.out.hold(m)
	}
	if err := c.out.holdUntil(m, seq); err != nil {
		return err
	}
	c.newest = max(c.newest, seq)
	if b := c.journal.of(seq); b == nil || b != c.batch {
		c.journal.release(c.out, b)
		c.batch = b
	}
	return nil
}

// failAt is fail for an error that depends on a record of the journal.
func (c *serverConn) failAt(id uint32, err error, seq uint64) error {
	if m := c.failure(id, err); m != nil {
		return c.answer(m, seq)
	}
	return nil
}

// checkWrite reports whether this side may do a write.
func (c *serverConn) checkWrite(f proto.PutFlags, term uint64) error {
	if c.s.opts.Side == Alone || f&proto.PutFlagsLead == 0 {
		return nil
	}
	if ok, _ := c.s.council.decides(term); !ok {
		return ErrUndecided
	}
	return nil
}

func (c *serverConn) fail(id uint32, err error) {
	if m := c.failure(id, err); m != nil {
		_ = c.out.add(m)
	}
}

// failure returns the answer to a request that has failed; nil when the connection has
// to end instead.
func (c *serverConn) failure(id uint32, err error) *proto.FailureConf {
	if c.ctx.Err() != nil {
		// The server was closed in the middle: whether a write was done is not sure, so
		// the client has to see a broken connection.
		c.abort()
		return nil
	}
	c.s.failures.Add(1)
	status := statusOf(err)
	if status == proto.StatusInternal {
		c.s.opts.Logger.Error("store failed", "client", c.name, "err", err)
		c.s.council.resign()
	}
	return &proto.FailureConf{InvokeID: id, Status: status, Term: c.s.council.stats().Term}
}

func (c *serverConn) reply(id uint32, m proto.Confirm, err error) {
	if err != nil {
		c.fail(id, err)
		return
	}
	m.SetInvoke(id)
	if err := c.out.add(m); err != nil {
		c.fail(id, ErrTooLarge)
	}
}
