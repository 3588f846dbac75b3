package ici

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The event client speaks HTTP itself instead of using net/http's: the request target must go out
// byte for byte, an idle connection must not cost goroutines, and head and body leave with one
// write. Answers are read with net/http's parser.

// eventSystem is a compiled EventSystem.
type eventSystem struct {
	name    string
	allow   *allowList
	auth    string // value of the Authorization header, "" = none
	tls     *tls.Config
	style   Style
	profile *Profile
}

func newEventSystem(s *EventSystem, p *Profile) (*eventSystem, error) {
	allow, err := newAllowList(s.AllowHosts, s.AllowNetworks)
	if err != nil {
		return nil, err
	}
	e := &eventSystem{name: s.Name, allow: allow, style: s.Style, profile: s.Profile}
	if e.profile == nil {
		e.profile = p
	}
	if s.Username != "" {
		e.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(s.Username+":"+string(s.Password)))
	}
	if s.TLS != nil {
		e.tls = s.TLS.Clone()
	} else {
		e.tls = new(tls.Config)
	}
	e.tls.NextProtos = []string{"http/1.1"}
	if e.tls.ClientSessionCache == nil {
		e.tls.ClientSessionCache = tls.NewLRUClientSessionCache(256)
	}
	return e, nil
}

// hostKey names a pool of connections. Systems do not share connections, because they may differ
// in client certificates.
type hostKey struct {
	system *eventSystem
	https  bool
	addr   string
}

// eventHost holds the idle connections to one host.
type eventHost struct {
	key  hostKey
	url  eventURL // of the first subscription; only host and port are used
	tls  *tls.Config
	refs int          // subscriptions, guarded by the pool
	idle []*eventConn // newest last, guarded by the pool
}

// eventConn is one connection, used by one delivery at a time.
type eventConn struct {
	net.Conn
	raw    syscall.RawConn // to look for an end or stray bytes while idle, may be nil
	used   time.Time
	budget int64 // bytes that may still be read for the current answer
	read   int64 // bytes read for the current answer
}

// Read reads within the budget of the current answer.
func (c *eventConn) Read(p []byte) (int, error) {
	if c.budget <= 0 {
		return 0, ErrGarbage
	}
	if int64(len(p)) > c.budget {
		p = p[:c.budget]
	}
	n, err := c.Conn.Read(p)
	c.budget -= int64(n)
	c.read += int64(n)
	return n, err
}

// eventPool makes and keeps connections. Its lock is a leaf.
type eventPool struct {
	opts    *NotifierOptions
	ctx     context.Context // ends with the notifier
	cancel  context.CancelFunc
	slots   chan struct{} // one per exchange
	readers sync.Pool     // *bufio.Reader

	dials, resumed, reused atomic.Uint64

	mu     sync.Mutex
	hosts  map[hostKey]*eventHost
	open   map[*eventConn]struct{}
	timer  *time.Timer // closes what is idle for too long, nil when nothing is idle
	idle   int
	closed bool
}

func newEventPool(o *NotifierOptions) *eventPool {
	ctx, cancel := context.WithCancel(context.Background())
	return &eventPool{
		opts:    o,
		ctx:     ctx,
		cancel:  cancel,
		slots:   make(chan struct{}, o.MaxConns),
		readers: sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 2048) }},
		hosts:   map[hostKey]*eventHost{},
		open:    map[*eventConn]struct{}{},
	}
}

// acquire returns the host of a URL, for one more subscription.
func (p *eventPool) acquire(sys *eventSystem, u *eventURL) *eventHost {
	key := hostKey{system: sys, https: u.https, addr: u.dial()}
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[key]
	if h == nil {
		h = &eventHost{key: key, url: *u}
		h.url.target = ""
		if u.https {
			h.tls = sys.tls
			if h.tls.ServerName == "" {
				h.tls = sys.tls.Clone()
				h.tls.ServerName = u.host
			}
		}
		p.hosts[key] = h
	}
	h.refs++
	return h
}

// release gives up what acquire returned.
func (p *eventPool) release(h *eventHost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.refs--
	p.forget(h)
}

// forget drops a host that nobody uses. The lock is held.
func (p *eventPool) forget(h *eventHost) {
	if h.refs == 0 && len(h.idle) == 0 && p.hosts[h.key] == h {
		delete(p.hosts, h.key)
	}
}

// take returns the idle connection that was used last, or nil.
func (p *eventPool) take(h *eventHost) *eventConn {
	for {
		p.mu.Lock()
		n := len(h.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		c := h.idle[n-1]
		h.idle[n-1] = nil
		h.idle = h.idle[:n-1]
		p.idle--
		p.mu.Unlock()
		if c.raw == nil || quiet(c.raw) {
			return c
		}
		p.drop(c)
	}
}

// put keeps a connection for the next event, or closes it.
func (p *eventPool) put(h *eventHost, c *eventConn) {
	if c.SetDeadline(time.Time{}) != nil {
		p.drop(c)
		return
	}
	p.mu.Lock()
	if p.closed || len(h.idle) >= p.opts.MaxIdlePerHost {
		p.mu.Unlock()
		p.drop(c)
		return
	}
	c.used = time.Now()
	h.idle = append(h.idle, c)
	p.idle++
	if p.timer == nil {
		p.timer = time.AfterFunc(p.opts.IdleTimeout, p.reap)
	}
	p.mu.Unlock()
}

// reap closes connections that were idle for too long.
func (p *eventPool) reap() {
	var old []*eventConn
	p.mu.Lock()
	limit := time.Now().Add(-p.opts.IdleTimeout)
	next := time.Time{}
	for _, h := range p.hosts {
		n := 0
		for n < len(h.idle) && !h.idle[n].used.After(limit) {
			n++
		}
		old = append(old, h.idle[:n]...)
		h.idle = append(h.idle[:0:0], h.idle[n:]...)
		if len(h.idle) > 0 && (next.IsZero() || h.idle[0].used.Before(next)) {
			next = h.idle[0].used
		}
		p.forget(h)
	}
	p.idle -= len(old)
	p.timer = nil
	if !next.IsZero() && !p.closed {
		p.timer = time.AfterFunc(max(next.Sub(limit), time.Second), p.reap)
	}
	p.mu.Unlock()
	for _, c := range old {
		p.drop(c)
	}
}

// drop closes a connection.
func (p *eventPool) drop(c *eventConn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
	_ = c.Close()
}

// close ends all connections and dials.
func (p *eventPool) close() {
	p.cancel()
	p.mu.Lock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	open := make([]*eventConn, 0, len(p.open))
	for c := range p.open {
		open = append(open, c)
	}
	clear(p.open)
	for _, h := range p.hosts {
		h.idle = nil
	}
	p.idle = 0
	p.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

// dial makes a connection and checks where it leads.
func (p *eventPool) dial(h *eventHost, deadline time.Time) (*eventConn, error) {
	ctx, cancel := context.WithDeadline(p.ctx, deadline)
	defer cancel()
	p.dials.Add(1)
	allow := h.key.system.allow
	var conn net.Conn
	var err error
	if p.opts.DialContext != nil {
		conn, err = p.opts.DialContext(ctx, "tcp", h.key.addr)
		if err == nil {
			if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
				if err = allow.reaches(&h.url, a.AddrPort().Addr()); err != nil {
					_ = conn.Close()
				}
			}
		}
	} else {
		d := net.Dialer{KeepAlive: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return &EventURLError{Host: h.url.host, Reason: "resolves to no IP address", Err: ErrHostNotAllowed}
			}
			return allow.reaches(&h.url, ap.Addr())
		}}
		conn, err = d.DialContext(ctx, "tcp", h.key.addr)
	}
	if err != nil {
		return nil, err
	}
	c := &eventConn{Conn: conn}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	if h.tls != nil {
		t := tls.Client(conn, h.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		if t.ConnectionState().DidResume {
			p.resumed.Add(1)
		}
		c.Conn = t
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return nil, ErrNotifierClosed
	}
	p.open[c] = struct{}{}
	return c, nil
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
}

// postRequest tells the parser of answers what was asked.
var postRequest = &http.Request{Method: http.MethodPost}

// staleLimit is how fast a connection that was closed while it was idle shows that: the answer to
// the first bytes is a reset, so one round trip with a good margin.
const staleLimit = time.Second

// exchange sends one finished request and judges the answer. An idle connection that turns out to
// be closed by the far end, without a byte of an answer, is replaced once without counting as a
// failure.
func (p *eventPool) exchange(h *eventHost, request []byte, d *Delivery) (verdict, answer, error) {
	select {
	case p.slots <- struct{}{}:
	case <-p.ctx.Done():
		return failed, answer{}, ErrNotifierClosed
	}
	defer func() { <-p.slots }()
	d.Started = time.Now()
	deadline := d.Started.Add(p.opts.Timeout)
	if c := p.take(h); c != nil {
		v, a, err := p.roundTrip(h, c, request, deadline, d)
		var nerr net.Error
		if err == nil || c.read > 0 || (errors.As(err, &nerr) && nerr.Timeout()) || time.Since(d.Started) > staleLimit || p.ctx.Err() != nil {
			p.reused.Add(1)
			return v, a, err
		}
	}
	c, err := p.dial(h, deadline)
	switch {
	case errors.Is(err, ErrHostNotAllowed): // never try again what is forbidden
		return gone, answer{}, err
	case err != nil:
		return failed, answer{}, err
	}
	return p.roundTrip(h, c, request, deadline, d)
}

func (p *eventPool) roundTrip(h *eventHost, c *eventConn, request []byte, deadline time.Time, d *Delivery) (verdict, answer, error) {
	var a answer
	keep := false
	br := p.readers.Get().(*bufio.Reader)
	br.Reset(c)
	defer func() {
		if keep && br.Buffered() == 0 {
			p.put(h, c)
		} else {
			p.drop(c)
		}
		br.Reset(nil)
		p.readers.Put(br)
	}()
	c.read = 0
	c.budget = int64(p.opts.MaxAnswer)
	if err := c.SetDeadline(deadline); err != nil {
		return failed, a, err
	}
	if _, err := c.Write(request); err != nil {
		return failed, a, err
	}
	d.Written = time.Now()
	var resp *http.Response
	var err error
	for range 5 { // 1xx answers are skipped
		resp, err = http.ReadResponse(br, postRequest)
		if err != nil || resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == 101 {
			break
		}
	}
	if err != nil {
		switch {
		case isNetError(err):
		case c.read > 0:
			err = ErrGarbage
		default:
			err = ErrNoAnswer
		}
		return failed, a, err
	}
	a.status = resp.StatusCode
	if a.status < 200 {
		return failed, a, ErrGarbage
	}
	c.budget = int64(p.opts.MaxAnswer)
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, int64(p.opts.MaxAnswer)+1))
	v, verr := judge(resp, a.body)
	switch {
	case v == gone: // the status alone decides
	case len(a.body) > p.opts.MaxAnswer, err != nil && !isNetError(err):
		v, verr = failed, ErrGarbage
	case err != nil:
		v, verr = failed, err
	default:
		keep = !resp.Close
	}
	return v, a, verr
}

// isNetError reports whether err comes from the network and not from a parser.
func isNetError(err error) bool {
	var nerr net.Error
	return errors.As(err, &nerr) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}
