package ctitest

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Errors of a side.
var (
	// ErrSideStopped is returned by Serve after Stop, Shutdown or PG.Close.
	ErrSideStopped = errors.New("ctitest: side stopped")
	// ErrSideRunning is returned by Serve and Start when the side has a listener already.
	ErrSideRunning = errors.New("ctitest: side runs already")
	// ErrClosed is returned after PG.Close.
	ErrClosed = errors.New("ctitest: gateway closed")
)

// Side is one of the two CTI servers of a gateway. Its methods may be called from any goroutine.
type Side struct {
	pg *PG
	id SideID

	mu     sync.Mutex
	ln     net.Listener
	addr   net.Addr
	conns  map[uint64]*conn
	wg     sync.WaitGroup
	serves sync.WaitGroup
	open   chan struct{} // closed while the side is not stalled
	stall  bool
}

func newSide(pg *PG, id SideID) *Side {
	open := make(chan struct{})
	close(open)
	return &Side{pg: pg, id: id, conns: map[uint64]*conn{}, open: open}
}

// ID returns which side this is.
func (s *Side) ID() SideID { return s.id }

// Addr returns where the side listens or listened last, "" before the first time.
func (s *Side) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addr == nil {
		return ""
	}
	return s.addr.String()
}

// Serve accepts clients on ln until the side is stopped. It closes ln. It returns ErrSideStopped
// after Stop, ErrSideRunning when the side serves another listener, or the error of ln.
func (s *Side) Serve(ln net.Listener) error {
	if err := s.adopt(ln); err != nil {
		ln.Close()
		return err
	}
	defer s.serves.Done()
	return s.accept(ln)
}

// Start opens a listener, as Config.Listen says or on the address of the last time, and serves it
// in the background. When it returns nil, clients can connect.
func (s *Side) Start() error {
	ln, err := s.listen()
	if err != nil {
		return err
	}
	if err := s.adopt(ln); err != nil {
		ln.Close()
		return err
	}
	go func() {
		defer s.serves.Done()
		if err := s.accept(ln); !errors.Is(err, ErrSideStopped) {
			s.pg.log.Error("accept failed", slog.String("side", s.id.String()), slog.String("err", err.Error()))
		}
	}()
	return nil
}

func (s *Side) listen() (net.Listener, error) {
	s.mu.Lock()
	addr, running := s.addr, s.ln != nil
	s.mu.Unlock()
	switch {
	case running:
		return nil, ErrSideRunning
	case s.pg.cfg.Listen != nil:
		return s.pg.cfg.Listen(s.id)
	case addr != nil:
		return net.Listen(addr.Network(), addr.String())
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// adopt makes ln the listener of the side. The caller owes a serves.Done.
func (s *Side) adopt(ln net.Listener) error {
	s.mu.Lock()
	if s.pg.closed.Load() {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.ln != nil {
		s.mu.Unlock()
		return ErrSideRunning
	}
	s.ln, s.addr = ln, ln.Addr()
	s.serves.Add(1)
	s.mu.Unlock()
	s.pg.act(func() { s.pg.sideUp(s) })
	s.pg.log.Info("side up", slog.String("side", s.id.String()), slog.String("addr", ln.Addr().String()))
	return nil
}

func (s *Side) accept(ln net.Listener) error {
	for {
		nc, err := ln.Accept()
		if err != nil {
			s.mu.Lock()
			stopped := s.ln != ln
			s.mu.Unlock()
			if stopped {
				return ErrSideStopped
			}
			s.Stop()
			return err
		}
		if tc, ok := nc.(*net.TCPConn); ok {
			tc.SetLinger(0)
			tc.SetNoDelay(true)
		}
		if s.pg.cfg.TLS != nil {
			nc = tls.Server(nc, s.pg.cfg.TLS)
		}
		c := newConn(s, nc)
		s.mu.Lock()
		if s.ln != ln {
			s.mu.Unlock()
			nc.Close()
			return ErrSideStopped
		}
		s.conns[c.id] = c
		s.wg.Add(2)
		s.mu.Unlock()
		go c.read()
		go c.write()
	}
}

// Stop closes the listener and cuts every connection, as a crash does. The other side becomes
// active. Calls and agents live on. It returns when nothing of the side runs any more, and may be
// called again. It must not be called from a Control or Observe function.
func (s *Side) Stop() {
	s.stop()
	s.wg.Wait()
}

func (s *Side) stop() {
	s.mu.Lock()
	ln := s.ln
	s.ln = nil
	conns := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	if ln != nil {
		ln.Close()
	}
	for _, c := range conns {
		c.cut()
	}
	if ln != nil {
		s.pg.log.Info("side down", slog.String("side", s.id.String()))
		s.pg.act(func() { s.pg.sideDown(s) })
	}
}

// Shutdown ends the side as an operator does: every session gets FAILURE_EVENT with
// E_CTI_CTI_SERVER_OFFLINE, then its connection is closed and the side stops. Clients that do not
// read are cut off after patience.
func (s *Side) Shutdown(patience time.Duration) {
	s.pg.act(func() {
		for _, ses := range s.pg.m.sessionsOf(s) {
			ses.offline()
		}
	})
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	t := time.NewTimer(patience)
	defer t.Stop()
wait:
	for _, c := range conns {
		if c.state.Load() == nil {
			continue
		}
		select {
		case <-c.done:
		case <-t.C:
			break wait
		}
	}
	s.Stop()
}

// Stall keeps connections and the listener, but reads and writes nothing while on, as a hanging
// process does. What was held goes on its way afterwards.
func (s *Side) Stall(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on == s.stall {
		return
	}
	s.stall = on
	if on {
		s.open = make(chan struct{})
	} else {
		close(s.open)
	}
}

func (s *Side) stalled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stall
}

// Running says whether the side has a listener.
func (s *Side) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ln != nil
}

// Disconnect cuts one connection by its number and says whether it existed.
func (s *Side) Disconnect(conn uint64) bool {
	s.mu.Lock()
	c := s.conns[conn]
	s.mu.Unlock()
	if c == nil {
		return false
	}
	c.cut()
	return true
}

func (s *Side) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c.id)
	s.mu.Unlock()
}

// wait returns when the side is not stalled, or false when done is closed first.
func (s *Side) wait(done <-chan struct{}) bool {
	s.mu.Lock()
	open := s.open
	s.mu.Unlock()
	select {
	case <-open:
		return true
	default:
	}
	select {
	case <-open:
		return true
	case <-done:
		return false
	}
}
