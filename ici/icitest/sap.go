package icitest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/ici"
)

// Errors of this package. Compare with errors.Is.
var (
	// ErrClosed: the SAP was closed.
	ErrClosed = errors.New("icitest: closed")
	// ErrNoConnector: no address of a connector is configured.
	ErrNoConnector = errors.New("icitest: no connector")
	// ErrSessionEnded: the session was ended by the connector, by a logoff or by Kill.
	ErrSessionEnded = errors.New("icitest: session ended")
)

// maxForgotten is how many URLs of dead sessions are remembered, to tell a dead session from a URL that never was.
const maxForgotten = 100000

// SAP is one simulated SAP system. Its methods may be called from any goroutine.
type SAP struct {
	cfg     Config
	profile *ici.Profile
	names   *names
	log     *slog.Logger
	http    *http.Client
	base    string // event URL without path
	started time.Time

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	stats  counters

	mu         sync.Mutex
	connector  string
	server     *http.Server // nil while down
	addr       string
	sessions   map[string]*Session // by request target of the event URL
	order      []*Session
	dead       map[string]bool
	deadOrder  []string
	violations []Violation
	trouble    troubles
	seq        int
	closed     bool
}

type counters struct {
	requests, faults, events, rejected, autoRejected, violations atomic.Uint64
}

// Stats are counters of a [SAP].
type Stats struct {
	Sessions     int    // alive now
	Requests     uint64 // sent
	Faults       uint64 // answered with a SOAP Fault
	Events       uint64 // taken
	Rejected     uint64 // events not taken: dead session, Fault, trouble
	AutoRejected uint64 // items rejected because no business session was free
	Violations   uint64 // also those that are not remembered any more
}

// New makes a SAP system and starts its event end point. Nothing is sent until a method is called. Errors: all problems
// of the configuration, or the address cannot be listened on.
func New(cfg *Config) (*SAP, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &SAP{
		cfg:       c,
		profile:   c.Profile,
		names:     newNames(c.Profile),
		log:       c.Logger.With(slog.String("system", c.Name)),
		base:      strings.TrimRight(c.EventURL, "/"),
		started:   time.Now(),
		connector: c.Connector,
		addr:      c.Addr,
		sessions:  map[string]*Session{},
		dead:      map[string]bool{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = &http.Client{
		Transport: &http.Transport{
			DialContext:         c.DialContext,
			TLSClientConfig:     c.TLS,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     30 * time.Second,
			DisableKeepAlives:   c.NewConnections,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.Addr != "none" {
		if err := s.Up(); err != nil {
			s.cancel()
			return nil, err
		}
	}
	return s, nil
}

// Name returns the name of the system.
func (s *SAP) Name() string { return s.cfg.Name }

// EventURL returns the address of the event end point, without path.
func (s *SAP) EventURL() string { return s.base }

// SetConnector sets the address of the connector's ICI service.
func (s *SAP) SetConnector(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connector = url
}

// Up starts the event end point again after Down, at the same address.
func (s *SAP) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.server != nil || s.cfg.Addr == "none" {
		return nil
	}
	ln, err := s.cfg.Listen(s.addr)
	if err != nil {
		return fmt.Errorf("icitest: event end point: %w", err)
	}
	s.addr = ln.Addr().String()
	if s.base == "" {
		s.base = "http://" + s.addr
		if s.cfg.EventTLS != nil {
			s.base = "https://" + s.addr
		}
	}
	if s.cfg.EventTLS != nil {
		ln = tls.NewListener(ln, s.cfg.EventTLS)
	}
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
	}
	s.server = srv
	s.wg.Go(func() { _ = srv.Serve(ln) })
	return nil
}

// Down stops the event end point: connections are closed, new ones are refused. Sessions live on.
func (s *SAP) Down() {
	s.mu.Lock()
	srv := s.server
	s.server = nil
	s.mu.Unlock()
	if srv != nil {
		_ = srv.Close()
	}
}

// Close ends all sessions without a word to the connector, stops the event end point and waits for everything that runs.
func (s *SAP) Close() error {
	s.mu.Lock()
	s.closed = true
	all := s.order
	s.mu.Unlock()
	s.cancel()
	s.Down()
	for _, x := range all {
		x.die(ici.TextElement{})
	}
	s.wg.Wait()
	s.http.CloseIdleConnections()
	return nil
}

// Sessions returns the sessions that are alive, in the order in which they were opened.
func (s *SAP) Sessions() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Session(nil), s.order...)
}

// SessionOf returns the newest session of a user that is alive, or nil.
func (s *SAP) SessionOf(user string) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.order) - 1; i >= 0; i-- {
		if s.order[i].Client.User == user {
			return s.order[i]
		}
	}
	return nil
}

// Client returns a request client for a user without a session, for background jobs.
func (s *SAP) Client(user, language string) *Client {
	return &Client{sap: s, User: user, Language: language}
}

// Stats returns a snapshot of the counters.
func (s *SAP) Stats() Stats {
	s.mu.Lock()
	n := len(s.order)
	s.mu.Unlock()
	return Stats{
		Sessions:     n,
		Requests:     s.stats.requests.Load(),
		Faults:       s.stats.faults.Load(),
		Events:       s.stats.events.Load(),
		Rejected:     s.stats.rejected.Load(),
		AutoRejected: s.stats.autoRejected.Load(),
		Violations:   s.stats.violations.Load(),
	}
}

// open makes a communication session with an event URL of its own. The URL has a session part as the ABAP server makes
// them: base64 in parentheses.
func (s *SAP) open(spec UserSpec) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.seq++
	part := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "s=SID%%3aANON%%3a%s_00%%3a%08d-ATT", s.cfg.Name, s.seq))
	target := s.profile.Wire(ici.WireEventPath) + "(" + part + ")?sap-client=" + s.cfg.Client
	x := &Session{
		Client:  &Client{sap: s, User: spec.User, Language: spec.Language},
		AppID:   fmt.Sprintf("%X%08X", s.cfg.Name, s.seq),
		URL:     s.base + target,
		target:  target,
		spec:    spec,
		changed: make(chan struct{}),
	}
	x.appIDs = map[string]bool{x.AppID: true}
	s.sessions[target] = x
	s.order = append(s.order, x)
	return x, nil
}

// forget takes a session out of the table; its URL is dead from now on.
func (s *SAP) forget(x *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[x.target] != x {
		return
	}
	delete(s.sessions, x.target)
	for i, y := range s.order {
		if y == x {
			s.order = append(s.order[:i:i], s.order[i+1:]...)
			break
		}
	}
	s.dead[x.target] = true
	s.deadOrder = append(s.deadOrder, x.target)
	if len(s.deadOrder) > maxForgotten {
		delete(s.dead, s.deadOrder[0])
		s.deadOrder = s.deadOrder[1:]
	}
}

// find returns the session of a request target, and whether there was one that is dead.
func (s *SAP) find(target string) (x *Session, dead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[target], s.dead[target]
}
