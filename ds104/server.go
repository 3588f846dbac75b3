package ds104

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

// DefaultPort is the port of the product's data store.
const DefaultPort = 42029

// Defaults of [ServerOptions].
const (
	DefaultMaxConns         = 1024     // of all clients
	DefaultMaxClientBytes   = 16 << 20 // that wait to be sent on one connection
	DefaultMaxRequests      = 1024     // at once on one connection
	DefaultMaxWatches       = 256      // on one connection
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultWriteTimeout     = 10 * time.Second
	DefaultIdleTimeout      = 60 * time.Second
	DefaultVoterMemory      = 10 * time.Minute
)

// ServerOptions configure a [Server]. Nil means the zero value, and the zero value
// means defaults: no authentication, no TLS.
type ServerOptions struct {
	// Side makes the server one side of a Pair; its store is then a Replica with the
	// same side.
	Side Side
	// Name is shown to clients, for people; at most 128 bytes.
	Name string
	// Token is what clients have to send; empty = none.
	Token Secret
	// TLS, when set, is used by Serve and ListenAndServe; with ClientAuth
	// RequireAndVerifyClientCert for mutual TLS.
	TLS *tls.Config
	// MaxConns is how many connections are open at once; more are refused with
	// ErrBusy. 0 = DefaultMaxConns.
	MaxConns int
	// MaxClientBytes is how much may wait to be sent on one connection; a client that
	// reads too slowly is then not listened to, and after WriteTimeout dropped.
	// 0 = DefaultMaxClientBytes.
	MaxClientBytes int
	// MaxRequests is how many requests of one connection are worked on at once, and
	// MaxWatches how many watches it has; 0 = DefaultMaxRequests, DefaultMaxWatches.
	MaxRequests int
	MaxWatches  int
	// HandshakeTimeout is how long a new connection may take to open (TLS and first
	// message), WriteTimeout how long one write may take, IdleTimeout how long a
	// client that promised no heartbeats may be silent. A client that did is dropped
	// after three of its intervals. 0 = the defaults.
	HandshakeTimeout time.Duration
	WriteTimeout     time.Duration
	IdleTimeout      time.Duration
	// VoterMemory is how long a connector that is away counts as a voter while most
	// of the others are there; 0 = DefaultVoterMemory.
	VoterMemory time.Duration
	// TieAfter lets this side decide with the votes of exactly half of the connectors
	// when the others have been away for so long. 0 = never: with two connectors on
	// two machines, the machine that is left cannot tell the end of the other from a
	// broken network, and two sides might decide. A Witness can: see Pair, Layouts.
	TieAfter time.Duration
	// Logger gets connections and failures; nil discards them.
	Logger *slog.Logger
}

func (o *ServerOptions) validate(st Store) error {
	var errs []error
	for name, v := range map[string]int64{
		"MaxConns": int64(o.MaxConns), "MaxClientBytes": int64(o.MaxClientBytes), "MaxRequests": int64(o.MaxRequests),
		"MaxWatches": int64(o.MaxWatches), "HandshakeTimeout": int64(o.HandshakeTimeout), "WriteTimeout": int64(o.WriteTimeout),
		"IdleTimeout": int64(o.IdleTimeout), "VoterMemory": int64(o.VoterMemory), "TieAfter": int64(o.TieAfter),
	} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("ds104: option %s=%d: must not be negative", name, v))
		}
	}
	if len(o.Name) > MaxOrigin {
		errs = append(errs, fmt.Errorf("ds104: option Name: at most %d bytes", MaxOrigin))
	}
	if st == nil {
		errs = append(errs, errors.New("ds104: a server needs a store"))
	}
	if _, ok := st.(sided); o.Side != Alone && !ok {
		errs = append(errs, fmt.Errorf("ds104: option Side=%v: %T cannot be a side of a pair", o.Side, st))
	} else if ok && st.(sided).side() != o.Side {
		errs = append(errs, fmt.Errorf("ds104: option Side=%v: the store has Side=%v", o.Side, st.(sided).side()))
	}
	return errors.Join(errs...)
}

func (o *ServerOptions) setDefaults() {
	for p, d := range map[*int]int{
		&o.MaxConns: DefaultMaxConns, &o.MaxClientBytes: DefaultMaxClientBytes,
		&o.MaxRequests: DefaultMaxRequests, &o.MaxWatches: DefaultMaxWatches,
	} {
		if *p == 0 {
			*p = d
		}
	}
	for p, d := range map[*time.Duration]time.Duration{
		&o.HandshakeTimeout: DefaultHandshakeTimeout, &o.WriteTimeout: DefaultWriteTimeout,
		&o.IdleTimeout: DefaultIdleTimeout, &o.VoterMemory: DefaultVoterMemory,
	} {
		if *p == 0 {
			*p = d
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// sided is a Replica of this process.
type sided interface {
	Replica
	side() Side
	limit() int
	revision() Revision
	Advance(context.Context, Revision) error
}

func (m *Memory) side() Side { return m.opts.Side }
func (m *Memory) limit() int { return m.opts.MaxValue }
func (m *Memory) revision() Revision {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rev
}
func (l *Log) side() Side         { return l.mem.side() }
func (l *Log) limit() int         { return l.mem.limit() }
func (l *Log) revision() Revision { return l.mem.revision() }

func (b *Bolt) side() Side { return b.opts.Side }
func (b *Bolt) limit() int { return b.opts.MaxValue }
func (b *Bolt) revision() Revision {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats.Revision
}

// ServerStats is a snapshot of a [Server]. The counters run since it was made.
type ServerStats struct {
	Side     Side
	Council  CouncilStats // of a side of a pair
	Conns    int          // open
	Accepted int64        // connections
	Refused  int64        // connections over MaxConns, or with a wrong token
	Dropped  int64        // connections ended for silence, slowness or a broken protocol
	Requests int64        // that came
	Failures int64        // requests that failed
	Watches  int64        // open
}

// Server offers a [Store] to clients. It is made by NewServer.
type Server struct {
	store   Store
	local   sided // the store, when it is one of this process; else nil
	opts    ServerOptions
	council *council
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu        sync.Mutex
	listeners map[net.Listener]bool
	conns     map[*serverConn]bool
	closed    bool
	failure   error // of the store

	accepted, refused, dropped, requests, failures, watches atomic.Int64
}

// NewServer returns a server for a store. nil options mean defaults. The error
// names every option that cannot be used. The store is not closed by the server.
func NewServer(st Store, o *ServerOptions) (*Server, error) {
	s := &Server{store: st, listeners: map[net.Listener]bool{}, conns: map[*serverConn]bool{}}
	if o != nil {
		s.opts = *o
	}
	if err := s.opts.validate(st); err != nil {
		return nil, err
	}
	s.opts.setDefaults()
	s.local, _ = st.(sided)
	term := uint64(0)
	if s.local != nil {
		term = TermOf(s.local.revision())
	}
	s.council = newCouncil(s.opts.Side, term, s.opts.VoterMemory, s.opts.TieAfter)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// ListenAndServe listens on a TCP address ("host:port") and serves.
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(ln)
}

// Serve accepts connections until the server is closed or the listener fails, and
// closes the listener. It returns ErrServerClosed after Shutdown or Close, and the error
// of the store when that has failed for good. Several listeners may be served at once.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = ln.Close()
		return ErrServerClosed
	}
	s.listeners[ln] = true
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	defer func() {
		_ = ln.Close()
		s.mu.Lock()
		delete(s.listeners, ln)
		s.mu.Unlock()
	}()
	if st, ok := s.store.(fallible); ok {
		over := make(chan struct{})
		defer close(over)
		s.wg.Go(func() {
			select {
			case <-st.Done():
				s.fail(st.Err())
			case <-over:
			}
		})
	}
	for failures := 0; ; {
		conn, err := ln.Accept()
		if err == nil {
			failures = 0
			s.accept(conn)
			continue
		}
		if s.ctx.Err() != nil || s.isClosed() {
			return s.ended()
		}
		var temporary interface{ Temporary() bool } // too many open files
		if !errors.As(err, &temporary) || !temporary.Temporary() || failures == 100 {
			return err
		}
		failures++
		s.opts.Logger.Warn("accept failed", "err", err)
		t := time.NewTimer(50 * time.Millisecond)
		select {
		case <-t.C:
		case <-s.ctx.Done():
		}
		t.Stop()
	}
}

// fallible is a store that can fail for good, as a Log does.
type fallible interface {
	Done() <-chan struct{}
	Err() error
}

// fail ends the server because its store has failed: clients go to the other side.
func (s *Server) fail(err error) {
	s.mu.Lock()
	if s.failure == nil && !s.closed {
		s.failure = err
		s.opts.Logger.Error("store failed", "err", err)
	}
	s.mu.Unlock()
	s.cancel()
	s.stop((*serverConn).abort)
}

// ended returns why the server has ended.
func (s *Server) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return s.failure
	}
	return ErrServerClosed
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// accept starts a connection.
func (s *Server) accept(conn net.Conn) {
	s.accepted.Add(1)
	if s.opts.TLS != nil {
		conn = tls.Server(conn, s.opts.TLS)
	}
	c := newServerConn(s, conn)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = conn.Close()
		return
	}
	// A few beyond the limit live for a moment, to be told; the others are cut.
	c.busy = len(s.conns) >= s.opts.MaxConns
	if len(s.conns) >= s.opts.MaxConns+64 {
		s.mu.Unlock()
		s.refused.Add(1)
		_ = conn.Close()
		return
	}
	s.conns[c] = true
	s.wg.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.wg.Done()
		c.run()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// HearTerm takes over the term of the other side of the pair, of a [Client.Stats]: a side
// that decides in a lower one no longer does. Voters bring terms too; this is for sides
// that have no voter in common.
func (s *Server) HearTerm(term uint64) { s.council.hear(term) }

// Stats returns a snapshot.
func (s *Server) Stats() ServerStats {
	s.mu.Lock()
	conns := len(s.conns)
	s.mu.Unlock()
	return ServerStats{
		Side: s.opts.Side, Council: s.council.stats(), Conns: conns, Accepted: s.accepted.Load(), Refused: s.refused.Load(),
		Dropped: s.dropped.Load(), Requests: s.requests.Load(), Failures: s.failures.Load(), Watches: s.watches.Load(),
	}
}

// ForgetVoter removes a connector that is not connected from the voters, for an
// operator who knows that it will not come back. It reports whether there was one.
func (s *Server) ForgetVoter(name string) bool { return s.council.forget(name) }

// Shutdown stops listening, lets requests that have arrived be answered and closes
// the connections. When ctx ends before, it closes them hard and returns its error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop((*serverConn).drain)
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
		_ = s.Close()
		return ctx.Err()
	}
}

// Close stops listening, breaks all connections and waits for their goroutines. It
// may be called again.
func (s *Server) Close() error {
	s.cancel()
	s.stop((*serverConn).abort)
	s.wg.Wait()
	return nil
}

func (s *Server) stop(end func(*serverConn)) {
	s.mu.Lock()
	s.closed = true
	var conns []*serverConn
	for c := range s.conns {
		conns = append(conns, c)
	}
	for ln := range s.listeners {
		_ = ln.Close()
	}
	s.mu.Unlock()
	for _, c := range conns {
		end(c)
	}
}
