package connects

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/console"
	"github.com/connects-go/connects/internal/crm"
)

// What a stopping connector waits for: callDrain for calls of SAP under way,
// eventDrain for events not delivered yet.
const (
	callDrain  = 5 * time.Second
	eventDrain = time.Second
)

// CRMConnector returns a component that serves voice agents of SAP CRM: it
// listens for SAP's requests, keeps one CTI session per link, and tells SAP what
// happens to calls and agents.
//
// Start returns when the listener is bound and the agents are restored from the
// store; the CTI sessions come up in the background. The component is INACTIVE
// until SAP calls, then ACTIVE; it is degraded while a link is down or read anew, and
// goes on answering SAP from the last known state. A data store that cannot be reached
// degrades it too: agents of the last run then come back when the store does.
//
// On the listener, the node's health is at /health, /live and /ready and its
// metrics at /metrics; everything else is ICI. A configuration error names every
// problem, see also [CRMConfig.Validate].
func CRMConnector(cfg *CRMConfig) Factory {
	c := cfg.withDefaults()
	return func(h Host) (Component, error) { return newCRM(c, h) }
}

// crmParts are what a connector is wired from; none of them runs yet.
type crmParts struct {
	domain   *crm.Connector
	sessions []*cti.Session
	notifier *ici.Notifier
	server   *ici.Server
	ownStore *ds104.Memory
}

// newCRMParts builds the parts and binds them to each other, and reports the
// problems of all of them. called is told about every request of SAP, linked about
// every change of a link after the domain has taken it; either may be nil.
func newCRMParts(cfg CRMConfig, logger *slog.Logger, called, linked func()) (*crmParts, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	p := &crmParts{}
	errs := []error{cfg.validate()}
	if cfg.Store == nil {
		p.ownStore = ds104.NewMemory(nil)
		cfg.Store = p.ownStore
	}
	d := cfg.domain()
	d.Logger = logger
	var err error
	if p.domain, err = crm.New(d); err != nil {
		errs = append(errs, err)
	}

	server, notifier := cfg.Server, cfg.Notifier
	server.Logger, notifier.Logger = logger, logger
	notifier.Profile = cfg.Profile
	for _, s := range cfg.Systems {
		server.Systems = append(server.Systems, ici.System{
			Name: s.Name, PathPrefix: s.PathPrefix, Profile: cfg.Profile, Auth: s.Auth,
		})
		s.Events.Name = s.Name
		notifier.Systems = append(notifier.Systems, s.Events)
	}
	if p.domain != nil {
		notifier.Gone, server.FaultText = p.domain.SubscriptionGone, p.domain.FaultText
	}
	if p.notifier, err = ici.NewNotifier(&notifier); err != nil {
		errs = append(errs, err)
	}
	handler := ici.HandlerFunc(func(ctx context.Context, r *ici.Request) (ici.Value, error) {
		if called != nil {
			called()
		}
		return p.domain.ServeICI(ctx, r)
	})
	if p.server, err = ici.NewServer(handler, &server); err != nil {
		errs = append(errs, err)
	}
	for _, l := range cfg.Links {
		o := l.Session
		o.Logger = logger.With(slog.String("link", l.Name))
		if cfg.RequestConfiguration {
			o.ConfigMsgMask |= cti.ConfigMaskAgent | cti.ConfigMaskSkillGroup
		}
		var link *crm.Link
		if p.domain != nil {
			link = p.domain.Link(l.Name)
			o.Handler, o.Resync = linkHandler(link, linked), link.Resync
		}
		s, err := cti.NewSession(&o)
		if err != nil {
			errs = append(errs, fmt.Errorf("link %q: %w", l.Name, err))
			continue
		}
		if link != nil {
			link.Bind(s)
		}
		p.sessions = append(p.sessions, s)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.domain.BindNotifier(p.notifier)
	return p, nil
}

// linkHandler is the link with somebody who is told about the session's boundaries.
func linkHandler(l *crm.Link, linked func()) cti.Handler {
	return cti.HandlerFunc(func(ctx context.Context, e cti.Event) {
		l.HandleEvent(ctx, e)
		switch e.(type) {
		case *cti.SessionUp, *cti.SessionDown, *cti.Resynced:
			if linked != nil {
				linked()
			}
		}
	})
}

// crmComponent runs the parts.
type crmComponent struct {
	crmParts
	cfg     CRMConfig
	host    Host
	log     *slog.Logger
	health  http.Handler // of the node; nil when the host is not a node of this package
	metrics http.Handler
	http    *http.Server
	figures *crmMetrics
	console *console.Console // nil: none

	quit     chan struct{}
	stopOnce sync.Once
	wg       sync.WaitGroup
	stopErr  error

	lastCall atomic.Int64 // of SAP, Unix nanoseconds
	active   atomic.Bool
	stateMu  sync.Mutex // keeps the order of SetState
	condMu   sync.Mutex // keeps the order of SetCondition
}

func newCRM(cfg CRMConfig, h Host) (Component, error) {
	c := &crmComponent{cfg: cfg, host: h, log: h.Logger(), quit: make(chan struct{}), figures: newCRMMetrics()}
	parts, err := newCRMParts(cfg, h.Logger(), c.called, c.refresh)
	if err != nil {
		return nil, err
	}
	c.crmParts = *parts
	if n, ok := h.(*component); ok {
		c.health, c.metrics = n.node.Handler(), n.node.MetricsHandler()
	}
	c.http = c.server.HTTPServer()
	c.http.Handler = http.HandlerFunc(c.serve)
	return c, nil
}

// Start implements [Component]: the door to SAP is bound first, so that a taken
// port shows before anything else happens, and opened last.
func (c *crmComponent) Start(ctx context.Context) error {
	ln := c.cfg.Listener
	if ln == nil {
		var err error
		if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", c.cfg.Listen); err != nil {
			return err
		}
	}
	if c.cfg.TLS != nil {
		ln = tls.NewListener(ln, c.cfg.TLS)
	}
	for _, w := range c.cfg.Warnings() {
		c.log.Warn("configuration", slog.String("warning", w))
	}
	c.host.SetState(StateInactive)
	c.refresh()
	if err := c.serveConsole(ctx); err != nil {
		return errors.Join(err, ln.Close(), c.shutdown(ctx))
	}
	if err := c.domain.Start(ctx); err != nil {
		return errors.Join(err, ln.Close(), c.shutdown(ctx))
	}
	for _, s := range c.sessions {
		if err := s.Start(); err != nil {
			return errors.Join(err, ln.Close(), c.shutdown(ctx))
		}
	}
	if links, _ := storeLinks(c.cfg.Store); links != nil {
		Go(c.host, &c.wg, c.watchStore)
	}
	if c.cfg.Reload != nil {
		Go(c.host, &c.wg, c.reload)
	}
	if c.cfg.InactiveAfter > 0 {
		Go(c.host, &c.wg, c.watchSilence)
	}
	Go(c.host, &c.wg, func() {
		if err := c.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			c.host.Fail(err)
		}
	})
	c.log.Info("listening for SAP", slog.String("addr", ln.Addr().String()), slog.Bool("tls", c.cfg.TLS != nil))
	return nil
}

// Stop implements [Component].
func (c *crmComponent) Stop(ctx context.Context) error {
	c.stopOnce.Do(func() { c.stopErr = c.shutdown(ctx) })
	return c.stopErr
}

// shutdown closes the door, lets the domain write what it knows, delivers waiting
// events for a moment, and closes the links.
func (c *crmComponent) shutdown(ctx context.Context) error {
	close(c.quit)
	var errs []error
	calls, cancel := third(ctx, callDrain)
	if err := c.http.Shutdown(calls); err != nil {
		c.log.Warn("calls of SAP were cut off", slog.String("err", err.Error()))
		errs = append(errs, c.http.Close())
	}
	cancel()
	errs = append(errs, c.domain.Stop(ctx))
	drain, cancel := third(ctx, eventDrain)
	if err := c.notifier.Shutdown(drain); err != nil {
		c.log.Warn("events were dropped", slog.String("err", err.Error()))
	}
	cancel()
	if c.cfg.Listener != nil {
		_ = c.cfg.Listener.Close() // of a connector that never served; else it is closed already
	}
	closed := make(chan error, len(c.sessions))
	for _, s := range c.sessions {
		go func() { closed <- s.Close() }()
	}
	for range c.sessions {
		select {
		case err := <-closed:
			errs = append(errs, err)
		case <-ctx.Done():
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
	}
	if c.console != nil {
		errs = append(errs, c.console.Close())
	}
	c.wg.Wait() // everything it waits for has been ended above
	if c.ownStore != nil {
		errs = append(errs, c.ownStore.Close())
	}
	return errors.Join(errs...)
}

// third returns a context that ends after most, or earlier when that were more
// than a third of the time left: a slow caller must not use up what the parts
// after it need.
func third(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(end)/3)
	}
	return context.WithTimeout(ctx, most)
}

// serve divides the listener between the node's pages and ICI.
func (c *crmComponent) serve(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case c.health != nil && (path == "/health" || path == "/live" || path == "/ready"):
		c.health.ServeHTTP(w, r)
	case c.metrics != nil && path == "/metrics":
		c.metrics.ServeHTTP(w, r)
	default:
		c.server.ServeHTTP(w, r)
	}
}

// called notes a request of SAP: the first one makes the connector ACTIVE.
func (c *crmComponent) called() {
	c.lastCall.Store(time.Now().UnixNano())
	if c.active.Load() {
		return
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	c.active.Store(true)
	c.host.SetState(StateActive)
}

// watchSilence makes the connector INACTIVE again when SAP has been silent.
func (c *crmComponent) watchSilence() {
	t := time.NewTimer(c.cfg.InactiveAfter)
	defer t.Stop()
	for {
		select {
		case <-c.quit:
			return
		case <-t.C:
		}
		t.Reset(c.checkSilence())
	}
}

// checkSilence returns when to look again.
func (c *crmComponent) checkSilence() time.Duration {
	silent := func() time.Duration { return time.Since(time.Unix(0, c.lastCall.Load())) }
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	if !c.active.Load() {
		return c.cfg.InactiveAfter
	}
	if left := c.cfg.InactiveAfter - silent(); left > 0 {
		return left
	}
	c.active.Store(false) // from here on a call waits for stateMu to set it again
	if silent() < c.cfg.InactiveAfter {
		c.active.Store(true)
	} else {
		c.host.SetState(StateInactive)
	}
	return c.cfg.InactiveAfter
}

// reload reads the language files when it is told to.
func (c *crmComponent) reload() {
	for {
		select {
		case <-c.quit:
			return
		case _, open := <-c.cfg.Reload:
			if !open {
				return
			}
			if err := c.domain.ReloadLanguages(); err != nil {
				c.log.Warn("languages not read, keeping the old ones", slog.String("err", err.Error()))
				continue
			}
			c.log.Info("languages read")
		}
	}
}

// refresh reports the condition that the links make.
func (c *crmComponent) refresh() {
	c.condMu.Lock()
	defer c.condMu.Unlock()
	var why []string
	for _, l := range c.domain.Links() {
		switch {
		case l.Ready:
		case l.Up:
			why = append(why, fmt.Sprintf("link %s: reading the state of the switch", l.Name))
		default:
			why = append(why, fmt.Sprintf("link %s: down", l.Name))
		}
	}
	if c.cfg.Instances > 1 && !c.cfg.shared() {
		why = append(why, fmt.Sprintf("%d connectors without a shared store", c.cfg.Instances))
	}
	if _, wrong := storeLinks(c.cfg.Store); wrong != "" {
		why = append(why, wrong)
	}
	if why == nil {
		c.host.SetCondition(ConditionOK, nil)
		return
	}
	c.host.SetCondition(ConditionDegraded, errors.New(strings.Join(why, "; ")))
}

// Links implements [LinkReporter].
func (c *crmComponent) Links() []Link {
	var out []Link
	for i, s := range c.sessions {
		st := s.State()
		for _, side := range st.Sides {
			if side.Addr == "" {
				continue
			}
			l := Link{Name: "cti " + c.cfg.Links[i].Name, Side: side.Side.String(), State: "down", Since: side.LastTry.UTC(), Detail: side.Addr}
			switch {
			case side.Connected:
				l.State, l.Since = st.Phase.String(), st.Since.UTC()
			case st.Phase == cti.PhaseUp || st.Phase == cti.PhaseResyncing:
				l.State = "idle" // the session is on the other side
			}
			if side.LastError != nil && !side.Connected {
				l.Detail += ": " + side.LastError.Error()
			}
			out = append(out, l)
		}
	}
	store, _ := storeLinks(c.cfg.Store)
	out = append(out, store...)
	sap := Link{Name: "sap", State: "silent"}
	if last := c.lastCall.Load(); last != 0 {
		sap.Since = time.Unix(0, last).UTC()
		if c.active.Load() {
			sap.State = "calls"
		}
	}
	return append(out, sap)
}
