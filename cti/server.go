package cti

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/text/encoding"
)

// Defaults of [ServerOptions].
const (
	// DefaultMaxConns bounds the connections of a server.
	DefaultMaxConns = 256
	// DefaultServerWriteLimit is the number of bytes that may wait for a client that reads slowly.
	DefaultServerWriteLimit = 4 << 20
	// MinIdleTimeout is the shortest idle timeout that OPEN_REQ may ask for (guide, OPEN_REQ).
	MinIdleTimeout = 20 * time.Second

	drainTime = 2 * time.Second // for the last bytes to leave before a connection is closed
)

// ServerHandler decides what a [Server] answers. The methods are called by the reader goroutine
// of the connection, one at a time per connection and in wire order; ctx ends with the
// connection.
//
// A handler may also have these methods:
//
//	Opened(ctx context.Context, c *ServerConn)             // after OPEN_CONF, e.g. to send SYSTEM_EVENT
//	ServeMessage(ctx context.Context, c *ServerConn, m Message) // what is no Request: indications, configuration requests
//	Closed(c *ServerConn, err error)                       // after an opened connection is over
type ServerHandler interface {
	// ServeOpen accepts or refuses OPEN_REQ. The invoke id of the answer is set by the server. A
	// *StatusError refuses with its Status, any other error with E_CTI_UNSPECIFIED_FAILURE.
	ServeOpen(ctx context.Context, c *ServerConn, r *OpenReq) (*OpenConf, error)
	// ServeRequest answers a request: with a confirmation, with *StatusError (FAILURE_CONF) or
	// *ControlError (CONTROL_FAILURE_CONF), or with nil, nil when the confirmation follows
	// later by [ServerConn.Send]. The invoke id of what it returns is set by the server.
	ServeRequest(ctx context.Context, c *ServerConn, r Request) (Confirm, error)
}

type serverOpened interface {
	Opened(ctx context.Context, c *ServerConn)
}

type serverMessages interface {
	ServeMessage(ctx context.Context, c *ServerConn, m Message)
}

type serverClosed interface {
	Closed(c *ServerConn, err error)
}

// ServerOptions of a [Server]. Handler is required; the zero value of every other field means
// the default.
type ServerOptions struct {
	Handler ServerHandler

	Versions []Version // accepted; nil = all
	// TLS, when set, secures all connections; TLS 1.2 is the minimum. CCE asks for a client
	// certificate: set ClientAuth and ClientCAs.
	TLS     *tls.Config
	Charset encoding.Encoding // of the wire; nil = strings are bytes as they are

	MaxConns     int           // connections at once; more are closed at once
	OpenTimeout  time.Duration // for TLS and OPEN_REQ after the connection was accepted
	WriteTimeout time.Duration // for one write
	WriteLimit   int           // bytes waiting for a slow client; more ends its connection

	// Intercept, when set, sees every message before the server does, HEARTBEAT_REQ and OPEN_REQ
	// included, and returns true to keep it from the server. For simulators.
	Intercept func(c *ServerConn, m Message) bool

	Logger *slog.Logger // nil = silent
	Trace  TraceFunc    // nil = no cost
}

// Server is the server's half of the protocol: it opens sessions, answers heartbeats and closes,
// enforces idle timeouts and limits, and leaves the rest to its handler. It is made for
// simulators, proxies and tests. All methods may be called from any goroutine.
type Server struct {
	o     ServerOptions
	log   *slog.Logger
	count counters

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*ServerConn]struct{}
	last      uint64
	closed    bool
	work      sync.WaitGroup
}

// NewServer checks the options and returns a server that listens nowhere yet. The error names
// every option that is wrong.
func NewServer(o *ServerOptions) (*Server, error) {
	if o == nil {
		return nil, errors.New("cti: ServerOptions with a Handler are required")
	}
	c := *o
	var problems []error
	if c.Handler == nil {
		problems = append(problems, errors.New("cti: option Handler is missing"))
	}
	for _, v := range c.Versions {
		if !v.Valid() {
			problems = append(problems, fmt.Errorf("cti: option Versions=%d is not between %d and %d", v, MinVersion, MaxVersion))
		}
	}
	c.Versions = slices.Clone(c.Versions)
	for _, n := range []struct {
		name string
		v    *int
		def  int
	}{{"MaxConns", &c.MaxConns, DefaultMaxConns}, {"WriteLimit", &c.WriteLimit, DefaultServerWriteLimit}} {
		if *n.v == 0 {
			*n.v = n.def
		} else if *n.v < 0 {
			problems = append(problems, fmt.Errorf("cti: option %s=%d is negative", n.name, *n.v))
		}
	}
	for _, d := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{{"OpenTimeout", &c.OpenTimeout, DefaultOpenTimeout}, {"WriteTimeout", &c.WriteTimeout, DefaultWriteTimeout}} {
		if *d.v == 0 {
			*d.v = d.def
		} else if *d.v < 0 {
			problems = append(problems, fmt.Errorf("cti: option %s=%v is negative", d.name, *d.v))
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.TLS != nil {
		c.TLS = c.TLS.Clone()
		if c.TLS.MinVersion < tls.VersionTLS12 {
			c.TLS.MinVersion = tls.VersionTLS12
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &Server{
		o: c, log: c.Logger,
		listeners: map[net.Listener]struct{}{}, conns: map[*ServerConn]struct{}{},
	}, nil
}

// Serve accepts connections on ln until Shutdown or Close, and returns ErrServerClosed then. It
// closes ln. Several listeners may be served at once.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[ln] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, ln)
		s.mu.Unlock()
	}()
	for pause := 5 * time.Millisecond; ; {
		conn, err := ln.Accept()
		if err != nil {
			s.mu.Lock()
			closed := s.closed
			s.mu.Unlock()
			if closed {
				return ErrServerClosed
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				t := time.NewTimer(pause)
				<-t.C
				pause = min(2*pause, time.Second)
				continue
			}
			return err
		}
		pause = 5 * time.Millisecond
		s.ServeConn(conn)
	}
}

// ServeConn serves one connection in goroutines of its own and returns at once. The server owns
// conn from now on.
func (s *Server) ServeConn(conn net.Conn) {
	s.count.accepted.Add(1)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true)
	}
	s.mu.Lock()
	if s.closed || len(s.conns) >= s.o.MaxConns {
		full := !s.closed
		s.mu.Unlock()
		conn.Close()
		if full {
			s.count.refused.Add(1)
			s.log.Warn("connection refused", "err", ErrServerFull.Error())
		}
		return
	}
	s.last++
	c := newServerConn(s, conn, s.last)
	s.conns[c] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.work.Done()
		c.serve()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// Conns returns the connections whose session is open.
func (s *Server) Conns() []*ServerConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*ServerConn
	for c := range s.conns {
		if c.isOpen.Load() {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *ServerConn) int { return int(a.id) - int(b.id) })
	return out
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	st := s.count.snapshot()
	s.mu.Lock()
	st.Conns = len(s.conns)
	s.mu.Unlock()
	return st
}

// Shutdown stops listening, tells every client that the server goes off line (FAILURE_EVENT
// E_CTI_CTI_SERVER_OFFLINE), closes the connections after the last byte was sent, and waits
// for all of them and their handlers. When ctx ends first it closes what is left and returns
// the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.stop() {
		c.Fail(StatusCodeCTIServerOffline)
	}
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.Close()
		return ctx.Err()
	}
}

// Close stops listening and closes all connections at once. It does not wait for handlers.
func (s *Server) Close() error {
	for _, c := range s.stop() {
		c.end(ErrServerClosed)
	}
	return nil
}

// Wait waits until all connections and their handlers are over, after Close.
func (s *Server) Wait() { s.work.Wait() }

func (s *Server) stop() []*ServerConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for ln := range s.listeners {
		ln.Close()
	}
	var out []*ServerConn
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// accepts tells whether the server speaks a version.
func (s *Server) accepts(v uint32) bool {
	return v <= uint32(MaxVersion) && Version(v).Valid() && (len(s.o.Versions) == 0 || slices.Contains(s.o.Versions, Version(v)))
}
