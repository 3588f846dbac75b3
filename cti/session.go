package cti

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Session keeps one session to a CTI server open: to side A, else to side B, alternating without
// end (A, B, A, B, ...) from the start and after every loss, with pauses that grow to
// Options.MaxBackoff. It negotiates the protocol version, restores the connection by itself
// and tells the handler about it with [SessionUp], [Resynced] and [SessionDown]. Requests are never repeated on their own.
//
// Two goroutines belong to it besides those of the connection. All methods may be called from any
// goroutine, and by the handler unless said otherwise.
type Session struct {
	Requests

	o       *SessionOptions
	log     *slog.Logger
	count   counters
	current atomic.Pointer[Client] // where requests go; nil while down
	closing chan struct{}
	done    chan struct{}
	ctx     context.Context // of the handler; ends with the session
	cancel  context.CancelFunc
	once    sync.Once
	started atomic.Bool

	generation atomic.Uint64
	reserve    *reserve // nil = no standby session

	mu       sync.Mutex
	state    SessionState
	changed  chan struct{}    // closed with the next change of state
	versions map[Side]Version // what the side took last
}

// NewSession checks the options and returns a session that is not started. It does no I/O. The
// error names every option that is wrong.
func NewSession(o *SessionOptions) (*Session, error) {
	c, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Session{
		o:        c,
		log:      c.Logger,
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
		versions: map[Side]Version{},
		state: SessionState{Since: time.Now(), Sides: [2]SideState{
			{Side: SideA, Addr: c.A.Addr}, {Side: SideB, Addr: c.B.Addr}}},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.Requests = NewRequests(s)
	if c.Standby && c.A.Addr != "" && c.B.Addr != "" {
		s.reserve = newReserve(s)
	}
	return s, nil
}

// Start starts to connect and returns at once. Call it once.
func (s *Session) Start() error {
	select {
	case <-s.closing:
		return ErrClosed
	default:
	}
	if s.started.Swap(true) {
		return errors.New("cti: Start was called before")
	}
	s.setState(func(st *SessionState) { st.Phase = PhaseConnecting })
	opened := make(chan *Client)
	var work sync.WaitGroup
	work.Go(func() { s.deliver(opened) })
	if s.reserve != nil {
		work.Go(s.reserve.keep)
	}
	work.Go(func() {
		defer close(opened)
		s.connect(opened)
	})
	go func() {
		work.Wait()
		s.setState(func(st *SessionState) { st.Phase = PhaseClosed })
		close(s.done)
	}()
	return nil
}

// Do sends a request to the side that is connected; see [Client.Do] for the errors. It fails at
// once with ErrDown between [SessionDown] and the next [SessionUp].
func (s *Session) Do(ctx context.Context, r Request) (Confirm, error) {
	c := s.current.Load()
	if c == nil {
		return nil, s.downError()
	}
	return c.Do(ctx, r)
}

// Send sends a message that has no confirmation; see [Client.Send].
func (s *Session) Send(ctx context.Context, m Message) error {
	c := s.current.Load()
	if c == nil {
		return s.downError()
	}
	return c.Send(ctx, m)
}

func (s *Session) downError() error {
	select {
	case <-s.closing:
		return fmt.Errorf("%w: %w", ErrDown, ErrClosed)
	default:
		return ErrDown
	}
}

// State returns a snapshot.
func (s *Session) State() SessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Changed returns a channel that is closed with the next change of [Session.State]. Take the channel
// first and look at the state then, or a change in between is missed.
func (s *Session) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Session) setState(f func(*SessionState)) {
	s.mu.Lock()
	before := s.state.Phase
	f(&s.state)
	if s.state.Phase != before {
		s.state.Since = time.Now()
	}
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
}

// WaitUp waits until the session is open and resynchronised. It returns the error of ctx, or
// ErrClosed. The handler and the Resync function must not call it.
func (s *Session) WaitUp(ctx context.Context) error {
	for {
		s.mu.Lock()
		phase, changed := s.state.Phase, s.changed
		s.mu.Unlock()
		if phase == PhaseUp {
			return nil
		}
		select {
		case <-changed:
		case <-s.closing:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stats returns the counters, summed over all connections.
func (s *Session) Stats() Stats {
	st := s.count.snapshot()
	if c := s.current.Load(); c != nil {
		st.QueueLen = int(c.queue.n.Load())
	}
	return st
}

// Done is closed when Close has done its work.
func (s *Session) Done() <-chan struct{} { return s.done }

// Close ends the session: CLOSE_REQ, at most Options.CloseTimeout for its answer, then the
// connection is closed. The context of the handler ends; events that it has not got yet are
// dropped, and a last [SessionDown] is delivered if the session was open. Close waits for the
// handler at most Options.CloseTimeout more and returns an error if it does not return. It may
// be called more than once, but not by the handler.
func (s *Session) Close() error {
	s.once.Do(func() {
		close(s.closing)
		s.cancel()
		if !s.started.Swap(true) {
			s.setState(func(st *SessionState) { st.Phase = PhaseClosed })
			close(s.done)
		}
	})
	t := time.NewTimer(2*s.o.CloseTimeout + time.Second)
	defer t.Stop()
	select {
	case <-s.done:
		return nil
	case <-t.C:
		return errors.New("cti: Close: the handler does not return")
	}
}

func (s *Session) endpoint(side Side) Endpoint {
	if side == SideA {
		return s.o.A
	}
	return s.o.B
}

// connect is the goroutine that keeps a connection open. Opened ones go to deliver.
func (s *Session) connect(opened chan<- *Client) {
	order := newSideOrder(s.o)
	defer s.reserve.discard()
	for !s.isClosing() {
		c, ok := s.next(order)
		if !ok {
			return
		}
		if c == nil {
			continue
		}
		life := s.live(c, opened)
		if s.isClosing() {
			return
		}
		// Coming back at once would throw out whoever took our place.
		unwelcome := errors.Is(c.err, errResync) || errors.Is(c.err, StatusCodeNewSessionOpened)
		order.lost(life, c.graceful(), unwelcome)
		if s.reserve.holds(c.side.Other()) {
			order.grace = noticeGrace
		}
	}
}

// next makes one attempt to get a session with an active side, and returns nil when it failed. ok is
// false when the session is closed.
func (s *Session) next(order *sideOrder) (c *Client, ok bool) {
	side, pause := order.next()
	if c, ok := s.pause(pause); c != nil || !ok {
		return c, ok
	}
	ctx, done, ok := s.reserve.claim(s.ctx, side, time.Since(order.since) > promotionPatience)
	if !ok {
		order.failed()
		return nil, true
	}
	s.setState(func(st *SessionState) { st.Side, st.Addr = side, s.endpoint(side).Addr })
	c, err := s.dial(ctx, side, order.patience(s.o.OpenTimeout))
	interrupted := ctx.Err() != nil // a standby side became active, or the session is closed
	done()
	if s.isClosing() {
		if c != nil {
			s.shutdown(c)
		}
		return nil, false
	}
	if c != nil && c.standby() {
		if s.reserve == nil || !s.reserve.adopt(c) {
			s.shutdown(c)
		}
		c, err = nil, &ConnectError{Side: side, Addr: s.endpoint(side).Addr, Err: errStandby}
	}
	if err != nil {
		order.failed()
		if interrupted {
			return nil, true
		}
		s.logFailure(side, err)
		s.setState(func(st *SessionState) { s.sideFailed(st, side, err) })
		return nil, true
	}
	return c, true
}

// live lets the handler have a connection until it is lost, and returns how long it lived.
func (s *Session) live(c *Client, opened chan<- *Client) time.Duration {
	start := time.Now()
	c.generation.Store(s.generation.Add(1))
	s.count.connects.Add(1)
	s.logOpen(c)
	s.setState(func(st *SessionState) {
		st.Phase, st.Side, st.Addr, st.Generation = PhaseResyncing, c.side, c.addr, c.generation.Load()
		st.Version, st.Open = c.version, c.openReply
		st.Sides[c.side-SideA].Connected = true
	})
	if s.reserve != nil {
		if c.openReply.ServicesGranted&CTIServiceMaskActiveStandby != 0 {
			s.reserve.on(c.side.Other())
		} else {
			s.reserve.on(0)
		}
		defer s.reserve.pause()
	}
	var heir *Client
	for to := opened; heir == nil; to = nil {
		select {
		case to <- c:
			continue
		case heir = <-s.reserve.ready():
			c.replaced()
		case <-c.done: // perhaps before the handler had finished with the connection before
		case <-s.closing:
			s.shutdown(c)
		}
		break
	}
	c.work.Wait()
	life := time.Since(start)
	s.count.losses.Add(1)
	s.setState(func(st *SessionState) {
		st.Phase, st.Version, st.Open = PhaseConnecting, 0, nil
		s.sideFailed(st, c.side, c.err)
	})
	if heir != nil {
		s.reserve.promoted <- heir // next takes it
	}
	if !s.isClosing() {
		s.log.Warn("session lost", "side", c.side.String(), "addr", c.addr, "generation", c.generation.Load(), "after", life, "err", c.err.Error())
	}
	return life
}

// logFailure warns once per side and reason: an outage may last for hours.
func (s *Session) logFailure(side Side, err error) {
	level := slog.LevelWarn
	if last := s.State().Sides[side-SideA].LastError; last != nil && last.Error() == err.Error() {
		level = slog.LevelDebug
	}
	s.log.Log(s.ctx, level, "no session", "side", side.String(), "addr", s.endpoint(side).Addr, "err", err.Error())
}

func (s *Session) logOpen(c *Client) {
	s.log.Info("session open", "side", c.side.String(), "addr", c.addr, "version", int(c.version), "generation", c.generation.Load())
	if missing := c.o.Services &^ c.openReply.ServicesGranted; missing != 0 {
		s.log.Warn("services not granted", "side", c.side.String(), "services", missing.String())
	}
	if c.openReply.PGStatus != 0 {
		s.log.Warn("peripheral gateway is not whole", "side", c.side.String(), "pg_status", c.openReply.PGStatus.String())
	}
}

func (s *Session) sideFailed(st *SessionState, side Side, err error) {
	st.LastError = err
	sd := &st.Sides[side-SideA]
	sd.Connected, sd.LastError = false, err
	sd.Failures++
}

func (s *Session) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// pause waits. It returns early with the session whose side has become active, and ok is false
// when the session is closed.
func (s *Session) pause(d time.Duration) (c *Client, ok bool) {
	select {
	case c := <-s.reserve.ready():
		return c, true
	default:
	}
	if d <= 0 {
		return nil, true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil, true
	case c := <-s.reserve.ready():
		return c, true
	case <-s.closing:
		return nil, false
	}
}

func (s *Session) shutdown(c *Client) {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.CloseTimeout)
	defer cancel()
	c.shutdown(ctx)
}

// dial makes one attempt on a side: with the version that it took last, else with all of them
// from the newest down, each on a new connection. It waits for OPEN_CONF for patience.
func (s *Session) dial(ctx context.Context, side Side, patience time.Duration) (*Client, error) {
	ep := s.endpoint(side)
	o := s.o.client()
	o.OpenTimeout = patience
	o.standby = s.reserve != nil
	versions := o.Versions
	s.mu.Lock()
	last := s.versions[side]
	s.mu.Unlock()
	if last != 0 {
		versions = []Version{last}
		for _, v := range o.Versions {
			if v != last {
				versions = append(versions, v)
			}
		}
	}
	c, err := dialVersions(ctx, ep.Addr, o, ep.TLS, versions, s.attempt(side), func(conn net.Conn, v Version) *Client {
		c := newClient(conn, o, v, &s.count)
		c.side, c.addr = side, ep.Addr
		c.log = s.log.With("side", side.String(), "peer", ep.Addr)
		return c
	})
	if err != nil {
		return nil, &ConnectError{Side: side, Addr: ep.Addr, Err: err}
	}
	s.mu.Lock()
	s.versions[side] = c.version
	s.mu.Unlock()
	return c, nil
}

// attempt returns a function that counts one connection.
func (s *Session) attempt(side Side) func() {
	return func() {
		s.count.attempts.Add(1)
		s.setState(func(st *SessionState) {
			st.Sides[side-SideA].Attempts++
			st.Sides[side-SideA].LastTry = time.Now()
		})
	}
}

// errResync marks connections that ended because the Resync function failed.
var errResync = errors.New("cti: resync failed")

// deliver is the goroutine of the handler.
func (s *Session) deliver(opened <-chan *Client) {
	for c := range opened {
		s.deliverOne(c)
	}
}

// deliverOne delivers the events of one connection: SessionUp, then Resynced, then the others as
// they came, and at last SessionDown.
func (s *Session) deliverOne(c *Client) {
	s.current.Store(c)
	generation := c.generation.Load()
	up := &SessionUp{Side: c.side, Generation: generation, Addr: c.addr, Version: c.version, Open: c.openReply}
	s.handle(up)
	if s.resync(c, up) {
		c.queue.run(s.closing, s.handle)
	}
	<-c.done
	s.current.Store(nil)
	s.handle(&SessionDown{Side: c.side, Generation: generation, Err: c.err})
}

func (s *Session) handle(e Event) {
	if h := s.o.Handler; h != nil {
		h.HandleEvent(s.ctx, e)
	}
}

// resync calls the Resync function, and reports whether the session is up.
func (s *Session) resync(c *Client, up *SessionUp) bool {
	var stats ResyncStats
	if s.o.Resync != nil {
		start := time.Now()
		ctx, cancel := context.WithTimeout(s.ctx, s.o.ResyncTimeout)
		defer cancel()
		go func() {
			select {
			case <-c.done:
				cancel()
			case <-ctx.Done():
			}
		}()
		var err error
		if stats, err = s.o.Resync(ctx, up); err != nil {
			c.fail(fmt.Errorf("%w: %w", errResync, err))
			return false
		}
		stats.Took = time.Since(start)
	}
	select {
	case <-c.done: // lost meanwhile: what was read may be torn
		return false
	default:
	}
	s.setState(func(st *SessionState) {
		if st.Generation == up.Generation && st.Phase == PhaseResyncing {
			st.Phase = PhaseUp
		}
	})
	s.handle(&Resynced{Side: c.side, Generation: up.Generation, Stats: stats})
	return true
}
