package cti

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Client is one connection to a CTI server. It has one goroutine that reads, one that writes,
// one for timers and one that calls the handler. All methods may be called from any goroutine.
//
// The typed requests are those of the embedded [Requests]. For a connection that comes back by
// itself and knows two servers use [Session].
type Client struct {
	Requests

	o          *Options
	conn       net.Conn
	side       Side
	generation atomic.Uint64 // of a session; 0 until it is up
	addr       string
	version    Version
	log        *slog.Logger
	count      *counters
	out        *outbox
	calls      pending
	queue      *eventQueue
	config     configSlot

	start      time.Time
	lastRecv   atomic.Int64 // since start
	beats      heartbeats
	opened     chan struct{} // closed after OPEN_CONF
	closeConf  chan struct{} // closed after CLOSE_CONF
	done       chan struct{} // closed when the connection is over
	maintain   chan struct{} // closed when the server announced its shut-down
	promoted   chan struct{} // closed when the server said that it is the active one now
	failOnce   sync.Once
	closeOnce  sync.Once
	err        error // valid after done
	openReply  *OpenConf
	openID     uint32
	isOpen     bool // of the reader
	early      []queued
	maintained bool           // of the reader
	isActive   bool           // of the reader: promoted is closed
	work       sync.WaitGroup // reader, writer, timers
	handled    atomic.Bool    // the goroutine of the handler was started
	handling   chan struct{}  // closed when the handler gets nothing more
}

// Dial connects to a CTI server and opens a session. With several Options.Versions it tries one
// after the other, each on a new connection, as long as the server answers that it does not know
// the version. It returns when requests work. Errors are *ConnectError and the error of
// ctx; a refusal by the server is a *StatusError inside.
//
// ctx and the timeouts of the options bound the opening only. nil options mean the defaults.
func Dial(ctx context.Context, addr string, o *Options) (*Client, error) {
	c, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &counters{}
	cl, err := dialVersions(ctx, addr, c, c.TLS, c.Versions, func() { n.attempts.Add(1) }, func(conn net.Conn, v Version) *Client {
		return newClient(conn, c, v, n)
	})
	if err != nil {
		return nil, &ConnectError{Addr: addr, Err: err}
	}
	cl.addr = addr
	cl.startHandler()
	return cl, nil
}

// dialVersions opens a session, trying the versions in order.
func dialVersions(ctx context.Context, addr string, o *Options, t *tls.Config, versions []Version, attempt func(), make func(net.Conn, Version) *Client) (*Client, error) {
	var err error
	for _, v := range versions {
		attempt()
		var conn net.Conn
		if conn, err = dialConn(ctx, addr, o, t); err != nil {
			return nil, err
		}
		c := make(conn, v)
		if err = c.open(ctx); err == nil {
			return c, nil
		}
		c.work.Wait()
		if !errors.Is(err, StatusCodeInvalidVersion) {
			return nil, err
		}
		o.Logger.Info("server refuses the protocol version", "addr", addr, "version", int(v))
	}
	return nil, err
}

// dialConn opens the transport: TCP without Nagle's algorithm and without lingering (guide,
// Connection management), and TLS when configured.
func dialConn(ctx context.Context, addr string, o *Options, t *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	conn, err := o.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetLinger(0)
	}
	if t == nil {
		return conn, nil
	}
	t = t.Clone()
	if t.MinVersion < tls.VersionTLS12 {
		t.MinVersion = tls.VersionTLS12
	}
	if t.ServerName == "" {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			t.ServerName = host
		}
	}
	sec := tls.Client(conn, t)
	if err := sec.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return sec, nil
}

// NewClient makes a client on a connection that exists, for tests and other transports. It does
// no I/O: call [Client.Open] next. It offers the first of Options.Versions. The client owns
// conn from now on.
func NewClient(conn net.Conn, o *Options) (*Client, error) {
	c, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return newClient(conn, c, c.Versions[0], &counters{}), nil
}

func newClient(conn net.Conn, o *Options, v Version, n *counters) *Client {
	c := &Client{
		o: o, conn: conn, version: v, count: n,
		start:     time.Now(),
		opened:    make(chan struct{}),
		closeConf: make(chan struct{}),
		done:      make(chan struct{}),
		maintain:  make(chan struct{}),
		promoted:  make(chan struct{}),
		handling:  make(chan struct{}),
		queue:     newEventQueue(o.QueueLimit, o.QueueBytes, &n.queueMax),
	}
	if a := conn.RemoteAddr(); a != nil {
		c.addr = a.String()
	}
	c.Requests = NewRequests(c)
	c.calls.max = o.MaxPending
	c.out = newOutbox(conn, v, newTextMap(o.Charset), o.WriteLimit, o.WriteTimeout, n)
	c.log = o.Logger.With("peer", c.addr)
	return c
}

// watch sets the trace function; before open.
func (c *Client) watch() {
	if c.o.Trace == nil {
		return
	}
	c.out.trace = func(m Message, sent bool, size int) {
		c.o.Trace(TraceRecord{
			At: time.Now(), Sent: sent, Side: c.side, Generation: c.generation.Load(), Addr: c.addr,
			Version: c.version, Message: m, Size: size,
		})
	}
}

// Open opens the session on the connection of [NewClient] and starts the handler. It may be
// called once. The error is a *StatusError when the server refuses, a *ProtocolError when it
// answers nonsense, or that of the connection or of ctx; the connection is closed then.
func (c *Client) Open(ctx context.Context) (*OpenConf, error) {
	if err := c.open(ctx); err != nil {
		c.work.Wait()
		return nil, err
	}
	c.startHandler()
	return c.openReply, nil
}

// open starts reader, writer and timers and waits for OPEN_CONF.
func (c *Client) open(ctx context.Context) error {
	if c.openID != 0 {
		return errors.New("cti: Open was called before")
	}
	c.watch()
	c.openID = c.calls.next()
	req := c.openRequest()
	c.work.Go(func() {
		if err := c.out.run(); err != nil {
			c.fail(fmt.Errorf("cti: connection lost: %w", err))
		}
	})
	c.work.Go(c.read)
	if err := c.out.put(ctx, req, true); err != nil {
		c.fail(err)
		return err
	}
	timer := time.NewTimer(c.o.OpenTimeout)
	defer timer.Stop()
	select {
	case <-c.opened:
	case <-c.done:
		select {
		case <-c.opened: // and lost at once, which is another thing than a refusal
		default:
			return c.err
		}
	case <-ctx.Done():
		c.fail(ctx.Err())
		return c.err
	case <-timer.C:
		c.fail(fmt.Errorf("cti: no answer to OPEN_REQ in %v: %w", c.o.OpenTimeout, ErrRequestTimeout))
		return c.err
	}
	c.work.Go(c.keep)
	return nil
}

func (c *Client) openRequest() *OpenReq {
	o := c.o
	r := &OpenReq{
		InvokeID:          c.openID,
		VersionNumber:     uint32(c.version),
		IdleTimeout:       o.idleTimeout(),
		PeripheralID:      o.PeripheralID,
		ServicesRequested: o.Services,
		CallMsgMask:       o.CallMsgMask,
		AgentStateMask:    o.AgentStateMask,
		ConfigMsgMask:     o.ConfigMsgMask,
		ClientID:          o.ClientID,
		ClientPassword:    []byte(string(o.Password)),
		ClientSignature:   o.ClientSignature,
		AgentID:           o.AgentID,
		AgentExtension:    o.AgentExtension,
		AgentInstrument:   o.AgentInstrument,
		ApplicationPathID: o.ApplicationPathID,
	}
	if o.standby && c.version >= Version24 {
		r.ServicesRequested |= CTIServiceMaskActiveStandby
	}
	if o.UniqueInstanceID != "" && o.UniqueInstanceTag != 0 && c.version >= Version24 {
		r.Extra = []Field{{Tag: o.UniqueInstanceTag, Data: append([]byte(o.UniqueInstanceID), 0)}}
	}
	return r
}

// startHandler starts the goroutine that calls the handler.
func (c *Client) startHandler() {
	c.handled.Store(true)
	h := c.o.Handler
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan struct{})
	go func() {
		// Only Close ends the delivery early; after a loss what was received is delivered.
		<-c.done
		if errors.Is(c.err, ErrClosed) {
			cancel()
			close(stop)
		}
	}()
	go func() {
		defer close(c.handling)
		defer cancel()
		c.queue.run(stop, func(e Event) {
			if h != nil {
				h.HandleEvent(ctx, e)
			}
		})
	}()
}

// Do sends a request and waits for its confirmation. It sets the request's InvokeID; r must not
// be used by others until Do returns. Errors:
//
//   - *StatusError (FAILURE_CONF), *ControlError (CONTROL_FAILURE_CONF): the server refused;
//   - ErrRequestTimeout: no answer in Options.RequestTimeout;
//   - the error of ctx: given up, a late answer is ignored;
//   - ErrInterrupted: the connection was lost meanwhile;
//   - ErrDown: there was none, the request was not sent; ErrBusy: too many are outstanding;
//   - an error of the codec: the request cannot be encoded for this version, or its
//     confirmation could not be decoded (*DecodeError).
func (c *Client) Do(ctx context.Context, r Request) (Confirm, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-c.opened:
	default:
		return nil, fmt.Errorf("%w: not open yet", ErrDown)
	}
	select {
	case <-c.maintain:
		return nil, fmt.Errorf("%w: %w", ErrDown, ErrMaintenance)
	default:
	}
	id, call, err := c.calls.add(r.Type())
	if err != nil {
		return nil, err
	}
	r.SetInvoke(id)
	start := time.Now()
	if err := c.out.put(ctx, r, false); err != nil {
		if _, answered := c.calls.drop(id, call, false); !answered {
			c.calls.release(call)
			return nil, err
		}
		c.calls.release(call)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.downError() // never sent
	}
	c.count.requests.Add(1)
	var expired <-chan time.Time
	if c.o.RequestTimeout > 0 {
		timer := time.NewTimer(c.o.RequestTimeout)
		defer timer.Stop()
		expired = timer.C
	}
	var a answer
	select {
	case a = <-call.answer:
	case <-ctx.Done():
		var answered bool
		if a, answered = c.calls.drop(id, call, true); !answered {
			c.calls.release(call)
			c.count.canceled.Add(1)
			return nil, fmt.Errorf("cti: %s: %w", r.Type(), ctx.Err())
		}
	case <-expired:
		var answered bool
		if a, answered = c.calls.drop(id, call, true); !answered {
			c.calls.release(call)
			c.count.timeouts.Add(1)
			return nil, fmt.Errorf("cti: %s after %v: %w", r.Type(), c.o.RequestTimeout, ErrRequestTimeout)
		}
	}
	c.calls.release(call)
	switch {
	case errors.Is(a.err, ErrInterrupted):
		c.count.interrupted.Add(1)
	case a.err != nil:
		c.count.requestErrors.Add(1)
		c.count.latency(time.Since(start))
	default:
		c.count.latency(time.Since(start))
	}
	return a.conf, a.err
}

// Send sends a message that has no confirmation, for example an indication of ARM. It returns
// when the message is queued for writing; ErrDown when there is no connection.
func (c *Client) Send(ctx context.Context, m Message) error {
	select {
	case <-c.opened:
	default:
		return fmt.Errorf("%w: not open yet", ErrDown)
	}
	return c.out.put(ctx, m, false)
}

// Version returns the protocol version of the session.
func (c *Client) Version() Version { return c.version }

// Conf returns the server's OPEN_CONF, or nil before the session is open.
func (c *Client) Conf() *OpenConf {
	select {
	case <-c.opened:
		return c.openReply
	default:
		return nil
	}
}

// Done is closed when the connection is over.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection is over, or nil while it is not. It wraps ErrClosed after Close.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stats returns the counters. Connections that [Dial] tried before are included.
func (c *Client) Stats() Stats {
	s := c.count.snapshot()
	s.QueueLen = int(c.queue.n.Load())
	return s
}

// Close ends the session with CLOSE_REQ, waits for CLOSE_CONF at most Options.CloseTimeout, and
// closes the connection. Events that the handler has not got yet are dropped. Close waits for a
// handler that is at work, at most Options.CloseTimeout more; it may be called more than once,
// but not by the handler.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.o.CloseTimeout)
	defer cancel()
	c.shutdown(ctx)
	if !c.handled.Load() {
		return nil
	}
	t := time.NewTimer(c.o.CloseTimeout)
	defer t.Stop()
	select {
	case <-c.handling:
		return nil
	case <-t.C:
		return errors.New("cti: Close: the handler does not return")
	}
}

// shutdown closes the session gracefully as long as ctx allows, then the connection.
func (c *Client) shutdown(ctx context.Context) {
	c.closeOnce.Do(func() {
		select {
		case <-c.opened:
			req := &CloseReq{InvokeID: c.calls.next(), Status: StatusCodeNoError}
			if c.out.put(ctx, req, true) == nil {
				select {
				case <-c.closeConf:
				case <-c.done:
				case <-ctx.Done():
				}
			}
		default:
		}
		c.fail(ErrClosed)
	})
	<-c.done
	c.work.Wait()
}

// fail ends the connection. Only the first call counts.
func (c *Client) fail(err error) {
	c.failOnce.Do(func() {
		c.err = err
		close(c.done)
		down := c.downError()
		interrupted := fmt.Errorf("%w: %w", ErrInterrupted, err)
		c.calls.fail(interrupted, down)
		c.config.fail(interrupted, down)
		c.out.fail(down)
		abort(c.conn)
	})
}

// abort closes a connection without saying goodbye: closing a TLS connection properly takes up to
// 5 s when the peer does not read.
func abort(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	conn.Close()
}

func (c *Client) downError() error { return fmt.Errorf("%w: %w", ErrDown, c.err) }

// graceful tells that the connection ended because the server goes away in an orderly way, so
// that the other side is the better one.
func (c *Client) graceful() bool {
	select {
	case <-c.maintain:
		return true
	default:
	}
	return errors.Is(c.err, ErrMaintenance) || errors.Is(c.err, StatusCodeCTIServerOffline) ||
		errors.Is(c.err, StatusCodeServerNotMaster) || errors.Is(c.err, StatusCodeServerInMaintenanceMode)
}
