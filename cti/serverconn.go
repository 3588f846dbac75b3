package cti

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ServerConn is one connection of a [Server]. Its methods may be called from any goroutine.
type ServerConn struct {
	// Value is for the handler: whatever it wants to keep with the connection. The server does
	// not touch it; set it in ServeOpen.
	Value any

	srv    *Server
	raw    net.Conn // as accepted
	conn   net.Conn // raw, or TLS on it; valid once started
	id     uint64
	addr   string
	log    *slog.Logger
	text   *textMap // of the reader
	out    *outbox
	ctx    context.Context
	cancel context.CancelFunc

	started atomic.Bool // the version is known, messages can be sent
	isOpen  atomic.Bool
	version Version // valid once ServeOpen is called
	open    *OpenReq
	idle    time.Duration // 0 = never

	endOnce sync.Once
	err     error // why; valid after ctx
	leaving atomic.Bool
}

func newServerConn(s *Server, conn net.Conn, id uint64) *ServerConn {
	c := &ServerConn{srv: s, raw: conn, conn: conn, id: id, text: newTextMap(s.o.Charset)}
	c.out = newOutbox(conn, 0, newTextMap(s.o.Charset), s.o.WriteLimit, s.o.WriteTimeout, &s.count)
	if a := conn.RemoteAddr(); a != nil {
		c.addr = a.String()
	}
	c.log = s.log.With("conn", id, "peer", c.addr)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// ID returns the number of the connection at its server, from 1.
func (c *ServerConn) ID() uint64 { return c.id }

// RemoteAddr returns the address of the client.
func (c *ServerConn) RemoteAddr() string { return c.addr }

// Version returns the version of the session, 0 before OPEN_REQ.
func (c *ServerConn) Version() Version { return c.version }

// OpenReq returns the client's OPEN_REQ, nil before it came. Do not change it.
func (c *ServerConn) OpenReq() *OpenReq { return c.open }

// Context ends with the connection.
func (c *ServerConn) Context() context.Context { return c.ctx }

// TLS returns the state of a secured connection, or nil.
func (c *ServerConn) TLS() *tls.ConnectionState {
	if !c.started.Load() {
		return nil
	}
	if t, ok := c.conn.(*tls.Conn); ok {
		st := t.ConnectionState()
		return &st
	}
	return nil
}

// Send queues a message for the client. It never blocks: when too much waits already the connection
// ends, and Send returns ErrSlowConsumer. m is not used after Send returns, so the same
// message may be sent to several clients.
func (c *ServerConn) Send(m Message) error {
	if !c.started.Load() {
		return fmt.Errorf("%w: no OPEN_REQ yet", ErrDown)
	}
	space, err := c.out.tryPut(m, false)
	if space != nil {
		c.srv.count.slowPeers.Add(1)
		c.end(ErrSlowConsumer)
		return ErrSlowConsumer
	}
	return err
}

// SendRaw queues bytes as they are, for simulators of broken servers.
func (c *ServerConn) SendRaw(b []byte) error {
	if !c.started.Load() {
		return fmt.Errorf("%w: no OPEN_REQ yet", ErrDown)
	}
	return c.out.putRaw(b)
}

// Fail tells the client that its session is over (FAILURE_EVENT) and closes the connection when
// that was sent.
func (c *ServerConn) Fail(status StatusCode) {
	if c.isOpen.Load() {
		_ = c.Send(&FailureEvent{Status: status})
		c.leave(&StatusError{Status: status})
		return
	}
	c.end(&StatusError{Status: status})
}

// Close closes the connection at once.
func (c *ServerConn) Close() error {
	c.end(ErrClosed)
	return nil
}

// end closes the connection at once. Only the first reason counts.
func (c *ServerConn) end(err error) {
	c.setErr(err)
	c.leaving.Store(true)
	c.out.fail(fmt.Errorf("%w: %w", ErrDown, err))
	c.raw.Close()
}

// leave closes the connection after what waits was sent.
func (c *ServerConn) leave(err error) {
	c.setErr(err)
	c.leaving.Store(true)
	c.out.finish(fmt.Errorf("%w: %w", ErrDown, err))
}

func (c *ServerConn) setErr(err error) {
	c.endOnce.Do(func() {
		c.err = err
		c.cancel()
	})
}

// serve runs the connection until it is over.
func (c *ServerConn) serve() {
	c.end(c.run())
	c.log.Debug("connection over", "err", c.err.Error())
	if h, ok := c.srv.o.Handler.(serverClosed); ok && c.open != nil && c.isOpen.Load() {
		h.Closed(c, c.err)
	}
}

func (c *ServerConn) run() (err error) {
	_ = c.raw.SetReadDeadline(time.Now().Add(c.srv.o.OpenTimeout))
	if c.srv.o.TLS != nil {
		sec := tls.Server(c.conn, c.srv.o.TLS)
		ctx, cancel := context.WithTimeout(c.ctx, c.srv.o.OpenTimeout)
		err = sec.HandshakeContext(ctx)
		cancel()
		if err != nil {
			return err
		}
		c.conn = sec
	}
	fr := NewFrameReader(c.conn, MaxVersion)
	t, body, err := fr.Next()
	if err != nil {
		return err
	}
	// The version decides the layout of OPEN_REQ itself. It stands in the fixed part, right
	// after the invoke id.
	c.version = Version23
	var invoke, version uint32
	if len(body) >= 4 {
		invoke = binary.BigEndian.Uint32(body)
	}
	if t == TypeOpenReq && len(body) >= 8 {
		version = binary.BigEndian.Uint32(body[4:])
	}
	known := t == TypeOpenReq && c.srv.accepts(version)
	if known {
		c.version = Version(version)
		fr.SetVersion(c.version)
	}
	c.start()
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := c.out.run(); err != nil {
			c.end(fmt.Errorf("cti: connection lost: %w", err))
			return
		}
		c.drain()
	})
	defer writer.Wait()
	defer func() {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("cti: connection closed by the client: %w", err)
		}
		if !c.leaving.Load() {
			c.end(err)
		}
	}()

	c.received(len(body))
	switch {
	case t != TypeOpenReq:
		return c.refuse(t, invoke, StatusCodeSessionNotOpen)
	case len(body) < 8:
		return c.refuse(t, invoke, StatusCodeBadMessageFormat)
	case !known:
		// An old server does not know the layout of the version that it refuses.
		return c.refuse(t, invoke, StatusCodeInvalidVersion)
	}
	for {
		if err := c.handle(t, body); err != nil {
			return err
		}
		if c.isOpen.Load() {
			deadline := time.Time{}
			if c.idle > 0 {
				deadline = time.Now().Add(c.idle)
			}
			if !c.leaving.Load() {
				_ = c.conn.SetReadDeadline(deadline)
			}
		}
		if t, body, err = fr.Next(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && !c.leaving.Load() {
				return ErrIdle
			}
			return err
		}
		c.received(len(body))
	}
}

func (c *ServerConn) start() {
	o := c.srv.o
	c.out.mu.Lock()
	c.out.conn, c.out.version = c.conn, c.version
	c.out.mu.Unlock()
	if o.Trace != nil {
		c.out.trace = func(m Message, sent bool, size int) {
			o.Trace(TraceRecord{At: time.Now(), Sent: sent, Generation: c.id, Addr: c.addr, Version: c.version, Message: m, Size: size})
		}
	}
	c.started.Store(true)
}

func (c *ServerConn) received(body int) {
	c.srv.count.messagesIn.Add(1)
	c.srv.count.bytesIn.Add(uint64(HeaderSize + body))
}

// drain lets the last bytes leave: closing at once would make TCP reset the connection when the
// client has sent something that was not read.
func (c *ServerConn) drain() {
	if w, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
		_ = c.conn.SetReadDeadline(time.Now().Add(drainTime))
		return
	}
	c.conn.Close()
}

// refuse answers the first message with a failure and ends the connection.
func (c *ServerConn) refuse(t MessageType, invoke uint32, status StatusCode) error {
	c.srv.count.refused.Add(1)
	_ = c.Send(failureConf(invoke, status, 0))
	err := &StatusError{Request: t, InvokeID: invoke, Status: status}
	c.log.Info("session refused", "status", status.String())
	return c.linger(err)
}

// linger sends what waits and reads on until the client closes or the drain time is over.
func (c *ServerConn) linger(err error) error {
	c.leave(err)
	buf := make([]byte, 512)
	for {
		if _, rerr := c.conn.Read(buf); rerr != nil {
			return err
		}
	}
}

// handle processes one message. An error ends the connection.
func (c *ServerConn) handle(t MessageType, body []byte) error {
	if c.leaving.Load() {
		return nil
	}
	m, err := DecodeMessage(t, body, c.version)
	if err != nil {
		c.srv.count.decodeErrors.Add(1)
		c.log.Warn("message does not decode", "msg_type", t.String(), "err", err.Error())
		if !c.isOpen.Load() {
			return c.refuse(t, binary.BigEndian.Uint32(body), StatusCodeBadMessageFormat)
		}
		if _, request := NewMessage(t).(Request); request && len(body) >= 4 {
			return c.reply(failureConf(binary.BigEndian.Uint32(body), StatusCodeBadMessageFormat, 0))
		}
		return nil
	}
	c.text.decode(m)
	if c.out.trace != nil {
		c.out.trace(m, false, HeaderSize+len(body))
	}
	if c.srv.o.Intercept != nil && c.srv.o.Intercept(c, m) {
		return nil
	}
	switch r := m.(type) {
	case *OpenReq:
		return c.handleOpen(r)
	case *HeartbeatReq:
		return c.reply(&HeartbeatConf{InvokeID: r.InvokeID})
	case *CloseReq:
		if err := c.reply(&CloseConf{InvokeID: r.InvokeID}); err != nil {
			return err
		}
		return c.linger(ErrClosed)
	}
	r, ok := m.(Request)
	if !ok {
		if h, ok := c.srv.o.Handler.(serverMessages); ok {
			h.ServeMessage(c.ctx, c, m)
		} else {
			c.log.Debug("message ignored", "msg_type", t.String())
		}
		return nil
	}
	conf, err := c.srv.o.Handler.ServeRequest(c.ctx, c, r)
	if err != nil {
		return c.reply(c.failure(r, err))
	}
	if conf == nil {
		return nil
	}
	conf.SetInvoke(r.Invoke())
	return c.reply(conf)
}

func (c *ServerConn) handleOpen(r *OpenReq) error {
	if c.isOpen.Load() {
		return c.reply(failureConf(r.InvokeID, StatusCodeSessionAlreadyOpen, 0))
	}
	if r.IdleTimeout != NoIdleTimeout {
		c.idle = time.Duration(r.IdleTimeout) * time.Second
		if c.idle < MinIdleTimeout {
			return c.refuse(TypeOpenReq, r.InvokeID, StatusCodeInvalidTimeout)
		}
	}
	c.open = r
	conf, err := c.srv.o.Handler.ServeOpen(c.ctx, c, r)
	if err == nil && conf == nil {
		err = errors.New("cti: ServeOpen returned nothing")
	}
	if err != nil {
		status := StatusCodeUnspecifiedFailure
		if se := (*StatusError)(nil); errors.As(err, &se) {
			status = se.Status
		}
		return c.refuse(TypeOpenReq, r.InvokeID, status)
	}
	conf.InvokeID = r.InvokeID
	if err := c.reply(conf); err != nil {
		return err
	}
	c.isOpen.Store(true)
	if h, ok := c.srv.o.Handler.(serverOpened); ok {
		h.Opened(c.ctx, c)
	}
	return nil
}

// reply queues an answer. Only the end of the connection is an error here: a message of the
// handler that cannot be encoded is logged.
func (c *ServerConn) reply(m Message) error {
	err := c.Send(m)
	if err == nil || errors.Is(err, ErrDown) || errors.Is(err, ErrSlowConsumer) {
		return err
	}
	c.log.Error("answer cannot be encoded", "msg_type", m.Type().String(), "err", err.Error())
	if conf, ok := m.(Confirm); ok {
		return c.Send(failureConf(conf.Invoke(), StatusCodeUnspecifiedFailure, 0))
	}
	return nil
}

// failure makes the answer to a request that the handler refused.
func (c *ServerConn) failure(r Request, err error) Message {
	var ce *ControlError
	if errors.As(err, &ce) {
		return &ControlFailureConf{InvokeID: r.Invoke(), FailureCode: ce.Code, PeripheralErrorCode: ce.PeripheralErrorCode}
	}
	var se *StatusError
	if errors.As(err, &se) {
		return failureConf(r.Invoke(), se.Status, se.PeripheralErrorCode)
	}
	c.log.Error("request failed", "msg_type", r.Type().String(), "err", err.Error())
	return failureConf(r.Invoke(), StatusCodeUnspecifiedFailure, 0)
}
