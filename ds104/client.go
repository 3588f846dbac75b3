package ds104

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/puddle/v2"
	pkgerrors "github.com/pkg/errors"

	"github.com/connects-go/connects/ds104/proto"
	"github.com/connects-go/connects/internal/backoff"
)

// Defaults of [ClientOptions].
const (
	DefaultConns             = 2                // connections to one server
	DefaultDialTimeout       = 5 * time.Second  // of one attempt, TLS included
	DefaultWait              = 10 * time.Second // of a call for a connection
	DefaultHeartbeatInterval = 500 * time.Millisecond
	minHeartbeat             = 10 * time.Millisecond
)

// ClientOptions configure a [Client]. Nil means the zero value, and the zero value
// means defaults.
type ClientOptions struct {
	// Name tells the server who this is; entries written show it as their origin. At
	// most 128 bytes. Connectors of one installation have different names.
	Name string
	// Token is the server's.
	Token Secret
	// TLS, when set, is used for the connections; with Certificates for mutual TLS. An
	// empty ServerName is taken from the address.
	TLS *tls.Config
	// Conns is how many connections are held, 1 to 64. All callers share them, so few
	// are enough. 0 = DefaultConns.
	Conns int
	// DialTimeout is how long connecting and opening may take; 0 = DefaultDialTimeout.
	DialTimeout time.Duration
	// Wait is how long a request waits for a connection when there is none before it
	// returns ErrDown; 0 = DefaultWait, negative = not at all.
	Wait time.Duration
	// HeartbeatInterval is how often a sign of life is sent and expected, and looked for:
	// a server that was silent for more than four of them is given up, which is at most
	// five after its last byte. It gives up the client after three. At least 10 ms, 0 =
	// DefaultHeartbeatInterval. Choose it not below the longest round trip of the network.
	HeartbeatInterval time.Duration
	// DSCP marks the packets for the network's priority queues, 0 to 63; for example 26
	// (AF31). 0 = as the system does. Only on TCP connections of Unix systems.
	DSCP int
	// Dial replaces the dialler of TCP connections.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Backoff bounds the waiting time between attempts to connect: it grows from
	// MinBackoff to MaxBackoff. 0 = 50 ms and 2 s.
	MinBackoff, MaxBackoff time.Duration
	// Logger gets connections and losses; nil discards them.
	Logger *slog.Logger

	voter    bool   // of a Pair
	instance []byte // of the voter
	failFast bool   // ErrDown and ErrInterrupted at once, no repetition
	changed  func()
	term     func() uint64
}

func (o *ClientOptions) validate() error {
	var errs []error
	bad := func(name string, v any, why string) {
		errs = append(errs, fmt.Errorf("ds104: option %s=%v: %s", name, v, why))
	}
	if len(o.Name) > MaxOrigin {
		bad("Name", "...", "at most 128 bytes")
	}
	if o.Conns < 0 || o.Conns > 64 {
		bad("Conns", o.Conns, "must be between 1 and 64")
	}
	if o.DialTimeout < 0 {
		bad("DialTimeout", o.DialTimeout, "must not be negative")
	}
	if o.HeartbeatInterval != 0 && (o.HeartbeatInterval < minHeartbeat || o.HeartbeatInterval > time.Hour) {
		bad("HeartbeatInterval", o.HeartbeatInterval, "must be between 10ms and 1h")
	}
	if o.DSCP < 0 || o.DSCP > 63 {
		bad("DSCP", o.DSCP, "must be between 0 and 63")
	}
	return errors.Join(errs...)
}

func (o *ClientOptions) setDefaults() {
	if o.Conns == 0 {
		o.Conns = DefaultConns
	}
	for p, d := range map[*time.Duration]time.Duration{
		&o.DialTimeout: DefaultDialTimeout, &o.Wait: DefaultWait, &o.HeartbeatInterval: DefaultHeartbeatInterval,
		&o.MinBackoff: 50 * time.Millisecond, &o.MaxBackoff: 2 * time.Second,
	} {
		if *p == 0 {
			*p = d
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// dial connects, marks the packets and does the TLS handshake.
func (o *ClientOptions) dial(ctx context.Context, addr string) (net.Conn, error) {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if o.DSCP != 0 {
		if err := setDSCP(conn, o.DSCP); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	if o.TLS == nil {
		return conn, nil
	}
	conf := o.TLS
	if conf.ServerName == "" && !conf.InsecureSkipVerify {
		conf = conf.Clone()
		if conf.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			conf.ServerName = addr
		}
	}
	t := tls.Client(conn, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return t, nil
}

// ClientStats is a snapshot of a [Client].
type ClientStats struct {
	Conns      int   // up now
	Connects   int64 // connections that were opened
	Losses     int64 // connections that were lost
	LastError  error // why the last one was lost or could not be opened
	Side       Side  // of the server, as it said last
	Term       uint64
	Deciding   bool // the server said that it decides in Term
	Reconnects int64
}

// Client is a [Store] on a server. It holds a few connections and opens them again
// for ever when they break; the requests of many callers travel together. Reads are
// repeated when a connection is lost; a write whose answer is lost returns
// ErrInterrupted, because it may have happened.
type Client struct {
	addr   string
	opts   ClientOptions
	pool   *puddle.Pool[*link]
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	slots  []atomic.Pointer[link]
	turn   atomic.Uint32

	leaving atomic.Bool // a voter does not come back; see leave

	mu       sync.Mutex
	up       chan struct{} // closed while a link is up
	ups      int
	closed   bool
	stats    ClientStats
	term     uint64
	deciding bool
}

var _ Replica = (*Client)(nil)

// NewClient returns a client that connects in the background. nil options mean
// defaults. The error names every option that cannot be used.
func NewClient(addr string, o *ClientOptions) (*Client, error) {
	c := &Client{addr: addr, up: make(chan struct{})}
	if o != nil {
		c.opts = *o
	}
	if err := c.opts.validate(); err != nil {
		return nil, err
	}
	c.opts.setDefaults()
	c.ctx, c.cancel = context.WithCancel(context.Background())
	pool, err := puddle.NewPool(&puddle.Config[*link]{
		Constructor: func(ctx context.Context) (*link, error) { return dialLink(ctx, c) },
		Destructor: func(l *link) {
			l.part()
			l.wg.Wait()
		},
		MaxSize: int32(c.opts.Conns),
	})
	if err != nil {
		return nil, pkgerrors.Wrap(err, "ds104: pool")
	}
	c.pool = pool
	c.slots = make([]atomic.Pointer[link], c.opts.Conns)
	for i := range c.slots {
		c.wg.Go(func() { c.keep(i) })
	}
	return c, nil
}

// Dial returns a client that is connected. When ctx ends before, it returns the
// reason of the last attempt.
func Dial(ctx context.Context, addr string, o *ClientOptions) (*Client, error) {
	c, err := NewClient(addr, o)
	if err != nil {
		return nil, err
	}
	if err := c.WaitUp(ctx); err != nil {
		_ = c.Close()
		return nil, errors.Join(err, c.Stats().LastError)
	}
	return c, nil
}

// keep holds one connection.
func (c *Client) keep(slot int) {
	wait := backoff.Backoff{Min: c.opts.MinBackoff, Max: c.opts.MaxBackoff}
	for {
		res, err := c.pool.Acquire(c.ctx)
		if err != nil {
			if c.ctx.Err() != nil {
				return
			}
			c.note(err)
			c.opts.Logger.Debug("cannot connect", "addr", c.addr, "err", err)
			if wait.Wait(c.ctx) != nil {
				return
			}
			continue
		}
		l := res.Value()
		begin := time.Now()
		c.slots[slot].Store(l)
		c.setUp(1, nil)
		select {
		case <-l.done:
		case <-c.ctx.Done():
			l.part()
		}
		c.slots[slot].Store(nil)
		c.setUp(-1, l.err)
		res.Destroy()
		if c.ctx.Err() != nil {
			return
		}
		c.opts.Logger.Info("connection lost", "addr", c.addr, "err", l.err)
		if time.Since(begin) > c.opts.MaxBackoff {
			wait.Reset()
		} else if wait.Wait(c.ctx) != nil {
			return
		}
	}
}

func (c *Client) note(err error) {
	c.mu.Lock()
	c.stats.LastError = err
	c.mu.Unlock()
	c.tell()
}

func (c *Client) tell() {
	if c.opts.changed != nil {
		c.opts.changed()
	}
}

func (c *Client) setUp(n int, err error) {
	c.mu.Lock()
	c.ups += n
	switch {
	case n > 0:
		c.stats.Connects++
		if c.ups == 1 {
			close(c.up)
		}
	default:
		c.stats.Losses++
		c.stats.LastError = err
		if c.ups == 0 {
			c.up = make(chan struct{})
		}
	}
	c.mu.Unlock()
	c.tell()
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// met notes which side the server is.
func (c *Client) met(s Side) {
	c.mu.Lock()
	c.stats.Side = s
	c.mu.Unlock()
}

// heard notes what the server says about the deciding side.
func (c *Client) heard(term uint64, deciding bool) {
	c.mu.Lock()
	changed := term > c.term
	if term >= c.term {
		changed = changed || deciding != c.deciding
		c.term, c.deciding = term, deciding
	}
	c.mu.Unlock()
	if changed {
		c.tell()
	}
}

func (c *Client) knownTerm() uint64 {
	if c.opts.term != nil {
		return c.opts.term()
	}
	return 0
}

// WaitUp waits until a connection is open. Errors: that of ctx, ErrClosed.
func (c *Client) WaitUp(ctx context.Context) error {
	for {
		c.mu.Lock()
		up, closed, is := c.up, c.closed, c.ups > 0
		c.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case is:
			return nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ctx.Done():
		}
	}
}

// Up reports whether a connection is open.
func (c *Client) Up() bool { return c.pick() != nil }

func (c *Client) pick() *link {
	n := uint32(len(c.slots))
	turn := c.turn.Add(1)
	for i := range n {
		if l := c.slots[(turn+i)%n].Load(); l != nil {
			return l
		}
	}
	return nil
}

// link returns an open connection, and waits for one.
func (c *Client) link(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l := c.pick(); l != nil {
		return l, nil
	}
	if c.isClosed() {
		return nil, ErrClosed
	}
	if c.opts.failFast || c.opts.Wait < 0 {
		return nil, ErrDown
	}
	ctx2, cancel := context.WithTimeout(ctx, c.opts.Wait)
	defer cancel()
	for {
		if err := c.WaitUp(ctx2); err != nil {
			if ctx.Err() != nil || errors.Is(err, ErrClosed) {
				return nil, err
			}
			return nil, ErrDown
		}
		if l := c.pick(); l != nil {
			return l, nil
		}
	}
}

// do sends a request; again says that it may be sent twice.
func (c *Client) do(ctx context.Context, m proto.Request, again bool) (proto.Confirm, error) {
	for {
		l, err := c.link(ctx)
		if err != nil {
			return nil, err
		}
		if err := l.out.waitRoomContext(ctx, maxQueue); err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		a, err := l.Do(ctx, m)
		switch {
		case err == nil:
			if f, ok := a.(*proto.FailureConf); ok {
				return nil, errorOf(f.Status)
			}
			return a, nil
		case c.isClosed():
			return nil, ErrClosed
		case c.opts.failFast:
			return nil, err
		case errors.Is(err, ErrDown), again && errors.Is(err, ErrInterrupted):
			continue // another link, or the next one
		}
		return nil, err
	}
}

func ask[C proto.Confirm](ctx context.Context, c *Client, m proto.Request, again bool) (C, error) {
	var none C
	a, err := c.do(ctx, m, again)
	if err != nil {
		return none, err
	}
	if conf, ok := a.(C); ok {
		return conf, nil
	}
	return none, ErrProtocol
}

// Get implements [Store].
func (c *Client) Get(ctx context.Context, key string) (Entry, error) {
	if len(key) > MaxKey {
		return Entry{}, errors.Join(ErrNotFound, ctx.Err())
	}
	a, err := ask[*proto.GetConf](ctx, c, &proto.GetReq{Key: []byte(key)}, true)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Key: key, Value: a.Value, Revision: Revision(a.Revision), Origin: a.Origin, Written: writtenOf(int64(a.Written))}
	if a.TTL > 0 {
		e.Expires = time.Now().Add(time.Duration(a.TTL))
	}
	return e, nil
}

// Put implements [Store]. See Client for ErrInterrupted.
func (c *Client) Put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error) {
	a, err := c.put(ctx, key, value, o, 0, 0)
	return a.rev, err
}

// stamp is what the server gives to a write.
type stamp struct {
	rev     Revision
	written int64 // of a Put of a Pair; see Entry.Written
}

func (c *Client) put(ctx context.Context, key string, value []byte, o PutOptions, f proto.PutFlags, term uint64) (stamp, error) {
	if err := checkPut(len(key), len(value), MaxMaxValue, &o); err != nil {
		return stamp{}, err
	}
	if o.IfAbsent {
		f |= proto.PutFlagsIfAbsent
	}
	m := &proto.PutReq{Key: []byte(key), Value: value, Flags: f, Term: term, IfRevision: uint64(o.IfRevision), TTL: uint64(o.TTL)}
	l, err := c.link(ctx)
	if err != nil {
		return stamp{}, err
	}
	if len(value) > l.max { // the server would end the connection over a giant frame
		return stamp{}, ErrTooLarge
	}
	a, err := ask[*proto.PutConf](ctx, c, m, false)
	if err != nil {
		return stamp{}, err
	}
	return stamp{Revision(a.Revision), int64(a.Written)}, nil
}

// Delete implements [Store]. See Client for ErrInterrupted.
func (c *Client) Delete(ctx context.Context, key string, at Revision) error {
	_, err := c.remove(ctx, key, at, 0, 0)
	return err
}

// Remove implements [Replica].
func (c *Client) Remove(ctx context.Context, key string, at Revision) (Revision, error) {
	return c.remove(ctx, key, at, 0, 0)
}

func (c *Client) remove(ctx context.Context, key string, at Revision, f proto.PutFlags, term uint64) (Revision, error) {
	if key == "" || len(key) > MaxKey {
		return 0, ErrInvalid
	}
	a, err := ask[*proto.DeleteConf](ctx, c, &proto.DeleteReq{Key: []byte(key), IfRevision: uint64(at), Flags: f, Term: term}, false)
	if err != nil {
		return 0, err
	}
	return Revision(a.Revision), nil
}

// List implements [Store]. It fetches pages.
func (c *Client) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if len(prefix) > MaxKey {
			return
		}
		for from := ""; ; {
			page, more, err := c.listPage(ctx, prefix, from)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page {
				from = e.Key + "\x00"
				if !yield(e, nil) {
					return
				}
			}
			if !more || len(page) == 0 {
				return
			}
		}
	}
}

// listPage fetches a page of entries from a key on.
func (c *Client) listPage(ctx context.Context, prefix, from string) (page []Entry, more bool, err error) {
	a, err := ask[*proto.ListConf](ctx, c, &proto.ListReq{Prefix: []byte(prefix), From: []byte(from)}, true)
	if err != nil {
		return nil, false, err
	}
	items := fromWire(a.Items)
	page = make([]Entry, len(items))
	for i := range items {
		page[i] = items[i].Entry
		if ttl := items[i].TTL; ttl > 0 {
			page[i].Expires = time.Now().Add(ttl)
		}
	}
	return page, a.More, nil
}

// Stats returns a snapshot.
func (c *Client) Stats() ClientStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Conns, s.Term, s.Deciding = c.ups, c.term, c.deciding
	s.Reconnects = max(s.Connects-int64(len(c.slots)), 0)
	return s
}

// Close ends the connections; requests and watches under way return ErrClosed. It
// may be called again and returns nil.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		c.wg.Wait()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.pool.Close()
	c.wg.Wait()
	return nil
}
