package testnet

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Net is a network in memory. Its methods may be called from any goroutine.
type Net struct {
	mu        sync.Mutex
	listeners map[string]*listener
	rules     map[string]*rule
	conns     map[*Conn]*state // by the client's end, until both ends are closed
	dials     []Dial
	port      int
	client    int
}

// Dial is one attempt to connect.
type Dial struct {
	Addr string
	At   time.Time
}

// state is what is known of one connection.
type state struct {
	addr                   string // that was dialled
	clientGone, serverGone bool
}

type rule struct {
	refuse, blackhole, stall bool
	changed                  chan struct{}
	chunk                    int
	toClient, toServer       int64 // bytes until the cut, -1 = never
}

// New returns an empty network.
func New() *Net {
	return &Net{
		listeners: map[string]*listener{},
		rules:     map[string]*rule{},
		conns:     map[*Conn]*state{},
		port:      40000,
	}
}

type listener struct {
	n      *Net
	addr   addr
	queue  chan *Conn
	closed chan struct{}
	once   sync.Once
}

// Listen opens a listener at addr ("host:port"). Port 0 stands for a free port. Listening twice
// at the same address fails with EADDRINUSE.
func (n *Net) Listen(address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if host, ok := strings.CutSuffix(address, ":0"); ok {
		n.port++
		address = fmt.Sprintf("%s:%d", host, n.port)
	}
	if n.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr(address), Err: syscall.EADDRINUSE}
	}
	l := &listener{n: n, addr: addr(address), queue: make(chan *Conn, 128), closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
	default:
		select {
		case c := <-l.queue:
			return c, nil
		case <-l.closed:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.n.mu.Lock()
		if l.n.listeners[string(l.addr)] == l {
			delete(l.n.listeners, string(l.addr))
		}
		close(l.closed)
		var waiting []*Conn
		for len(l.queue) > 0 {
			waiting = append(waiting, <-l.queue)
		}
		l.n.mu.Unlock()
		for _, c := range waiting {
			c.Cut()
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

func (n *Net) rule(address string) *rule {
	r := n.rules[address]
	if r == nil {
		r = &rule{changed: make(chan struct{}), toClient: -1, toServer: -1}
		n.rules[address] = r
	}
	return r
}

// DialContext connects to a listener. It fails at once when nobody listens, like a machine that
// is up and refuses. The network name is not looked at.
func (n *Net) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: addr(address), Err: err}
	}
	n.mu.Lock()
	n.dials = append(n.dials, Dial{Addr: address, At: time.Now()})
	for n.rule(address).blackhole {
		changed := n.rule(address).changed
		n.mu.Unlock()
		select {
		case <-ctx.Done():
			return fail(ctx.Err())
		case <-changed:
		}
		n.mu.Lock()
	}
	defer n.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	r, l := n.rule(address), n.listeners[address]
	if r.refuse || l == nil {
		return fail(syscall.ECONNREFUSED)
	}
	if len(l.queue) == cap(l.queue) { // only filled here, under n.mu
		return fail(syscall.ECONNREFUSED)
	}
	n.client++
	c, s := pipe(addr(fmt.Sprintf("client:%d", n.client)), addr(address))
	c.Chunk(r.chunk)
	c.Stall(r.stall)
	if r.toClient >= 0 {
		s.CutAfter(r.toClient)
	}
	if r.toServer >= 0 {
		c.CutAfter(r.toServer)
	}
	st := &state{addr: address}
	n.conns[c] = st
	closed := func(gone *bool) func() {
		return func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			if *gone = true; st.clientGone && st.serverGone {
				delete(n.conns, c)
			}
		}
	}
	c.onClose, s.onClose = closed(&st.clientGone), closed(&st.serverGone)
	l.queue <- s
	return c, nil
}

// Refuse makes dialling address fail at once (true), whether or not somebody listens.
func (n *Net) Refuse(address string, on bool) {
	n.mu.Lock()
	n.rule(address).refuse = on
	n.mu.Unlock()
}

// Blackhole makes dialling address hang until the dialler's context ends or the switch is off.
func (n *Net) Blackhole(address string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.rule(address)
	r.blackhole = on
	close(r.changed)
	r.changed = make(chan struct{})
}

// Stall stops or lets through the bytes of all present and later connections to address.
func (n *Net) Stall(address string, on bool) {
	n.mu.Lock()
	n.rule(address).stall = on
	n.mu.Unlock()
	for _, c := range n.to(address) {
		c.Stall(on)
	}
}

// Cut resets all connections to address and returns how many there were, those included whose
// client end is closed already.
func (n *Net) Cut(address string) int {
	conns := n.to(address)
	for _, c := range conns {
		c.Cut()
	}
	return len(conns)
}

// CutAfter makes every later connection to address end after so many bytes to the client or to
// the server; a negative number = never.
func (n *Net) CutAfter(address string, toClient, toServer int64) {
	n.mu.Lock()
	r := n.rule(address)
	r.toClient, r.toServer = toClient, toServer
	n.mu.Unlock()
}

// Chunk limits every Read of later connections to address to size bytes, at both ends; 0 = any.
func (n *Net) Chunk(address string, size int) {
	n.mu.Lock()
	n.rule(address).chunk = size
	n.mu.Unlock()
}

// Conns returns how many connections to address are open at the client's end.
func (n *Net) Conns(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, st := range n.conns {
		if st.addr == address && !st.clientGone {
			count++
		}
	}
	return count
}

// Dials returns all attempts to connect so far, in order.
func (n *Net) Dials() []Dial {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Dial(nil), n.dials...)
}

func (n *Net) to(address string) []*Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*Conn
	for c, st := range n.conns {
		if st.addr == address {
			out = append(out, c)
		}
	}
	return out
}
