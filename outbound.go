package connects

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/console"
	"github.com/connects-go/connects/internal/outbound"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// Addresses of the outbound connector. The console port is the product's (R151).
const (
	DefaultOutboundConsole = "127.0.0.1:9015" // of the console
	DefaultOutboundPage    = "127.0.0.1:9016" // of the web page
)

// OutboundConfig configures [Outbound].
type OutboundConfig struct {
	// Root is where lists wait on disk, in a directory named like Queue.Instance.
	// Instances that are to finish each other's lists share it.
	Root string
	// Queue says where lists go (import file or API), and how. Its Ledger, Changed
	// and Logger are set by the component.
	Queue spool.Options
	// Store is shared with the other instances: a list is accepted by one of them
	// only. Nil: there is one instance.
	Store ds104.Store
	// Lease is how long another instance may be silent before its lists are
	// finished here; 0 = spool.DefaultLease.
	Lease time.Duration
	// Transports bring the calls of SAP. A transport that implements
	// Listen(context.Context) error is bound before Start returns.
	Transports []sapphone.Transport
	// NewTransports makes further ones that need the service.
	NewTransports func(sapphone.Service) ([]sapphone.Transport, error)
	// Definitions explain the functions that SAP calls; nil = none.
	Definitions *sapphone.Definitions
	// Recorder stores calls; with RecordOnly they are refused afterwards.
	Recorder   *sapphone.Recorder
	RecordOnly bool
	// Campaigns are reported to SAP beside those that have lists.
	Campaigns []string
	// ResultDir has results of the dialer, <list id>.csv; empty = none.
	ResultDir string
	// Console and Page are addresses of this machine; empty = the defaults, Off = none.
	Console, Page string
	PageHosts     []string
	// Listener replaces net.Listen for console and page.
	Listener func(ctx context.Context, network, addr string) (net.Listener, error)
}

func (c *OutboundConfig) withDefaults() OutboundConfig {
	var d OutboundConfig
	if c != nil {
		d = *c
	}
	if d.Console == "" {
		d.Console = DefaultOutboundConsole
	}
	if d.Page == "" {
		d.Page = DefaultOutboundPage
	}
	if d.Queue.Instance == "" {
		d.Queue.Instance = "outbound"
	}
	if d.Listener == nil {
		d.Listener = new(net.ListenConfig).Listen
	}
	return d
}

// Validate reports every problem, joined.
func (c *OutboundConfig) Validate() error {
	d := c.withDefaults()
	var errs []error
	bad := func(field string, v any, reason string) {
		errs = append(errs, &ConfigError{"Outbound." + field, v, reason})
	}
	if d.Root == "" {
		bad("Root", `""`, "where lists wait on disk")
	}
	if err := d.Queue.Validate(); err != nil {
		errs = append(errs, err)
	}
	if len(d.Transports) == 0 && d.NewTransports == nil {
		bad("Transports", 0, "at least one way for lists to come")
	}
	if d.RecordOnly && d.Recorder == nil {
		bad("RecordOnly", true, "needs Recorder")
	}
	if d.Lease < 0 || d.Lease > time.Hour {
		bad("Lease", d.Lease, "must be between 0 and 1h")
	}
	for name, addr := range map[string]string{"Console": d.Console, "Page": d.Page} {
		if addr == Off {
			continue
		}
		if host, _, err := net.SplitHostPort(addr); err != nil || !loopback(host) {
			bad(name, addr, "must be host:port with a loopback address, or Off")
		}
	}
	return errors.Join(errs...)
}

// Outbound returns a component that takes call lists from SAP and places them for
// Cisco Outbound Option, exactly once. It is INACTIVE until a list comes, then ACTIVE,
// until another instance that shares the store gets one. It is degraded, with the
// reason, while a way to SAP is down, lists are refused because the disk of the spool is
// full, or lists wait for a fault (disk full, directory gone, API away); a file that waits for its importer is no fault.
func Outbound(cfg *OutboundConfig) Factory {
	c := cfg.withDefaults()
	return func(h Host) (Component, error) { return newOutbound(c, h) }
}

// outboundComponent is the component.
type outboundComponent struct {
	cfg        OutboundConfig
	host       Host
	group      *spool.Group
	service    *outbound.Service
	handler    sapphone.Handler
	transports []sapphone.Transport
	metrics    []metric[spool.Status]

	run     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	closers []func(context.Context) error
	changed chan struct{}
	stop    sync.Once
	stopErr error

	mu        sync.Mutex
	state     State
	condition Condition
	reason    string
}

func newOutbound(c OutboundConfig, h Host) (Component, error) {
	o := &outboundComponent{cfg: c, host: h, changed: make(chan struct{}, 1), state: StateInactive, metrics: outboundMetrics()}
	q := c.Queue
	q.Logger, q.Changed = h.Logger(), o.poke
	if c.Store != nil {
		q.Ledger = outbound.Ledger{Store: c.Store}
	}
	errs := []error{c.Validate()}
	var err error
	if errs[0] == nil {
		if o.group, err = spool.NewGroup(c.Root, c.Lease, &q); err != nil {
			errs = append(errs, err)
		}
	}
	o.service = &outbound.Service{Known: c.Campaigns, Accepted: o.chosen, Queue: func() (*spool.Queue, error) { return o.group.Own() }}
	o.transports = slices.Clone(c.Transports)
	if c.NewTransports != nil {
		more, err := c.NewTransports(o.service)
		if err != nil {
			errs = append(errs, err)
		}
		o.transports = append(o.transports, more...)
	}
	if o.handler, err = sapphone.NewHandler(&sapphone.HandlerOptions{Definitions: c.Definitions, Service: o.service, Recorder: c.Recorder, RecordOnly: c.RecordOnly, Logger: h.Logger()}); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return o, nil
}

// listener is a transport that listens.
type listener interface {
	Listen(ctx context.Context) error
	Close() error
}

// Start implements [Component].
func (o *outboundComponent) Start(ctx context.Context) error {
	if err := o.start(ctx); err != nil {
		return errors.Join(err, o.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (o *outboundComponent) start(ctx context.Context) error {
	o.host.SetState(StateInactive)
	o.run, o.cancel = context.WithCancel(context.Background())
	if err := o.group.Start(); err != nil {
		return err
	}
	Go(o.host, &o.wg, func() { _ = o.group.Run(o.run) }) // ends with run, and closes the spool
	if err := o.pages(ctx); err != nil {
		return err
	}
	for _, t := range o.transports { // the doors to SAP open last
		if l, ok := t.(listener); ok {
			if err := l.Listen(ctx); err != nil {
				return err
			}
			o.closers = append(o.closers, func(context.Context) error { return l.Close() })
		}
	}
	for _, t := range o.transports {
		Go(o.host, &o.wg, func() {
			if err := t.Serve(o.run, o.handler); o.run.Err() == nil {
				o.host.Fail(err)
			}
		})
	}
	Go(o.host, &o.wg, o.watch)
	return nil
}

// pages starts console and status page.
func (o *outboundComponent) pages(ctx context.Context) error {
	view := &outbound.View{Name: o.host.Name(), Queue: o.group.Own, Adopted: o.group.Adopted, Links: o.ways, ResultDir: o.cfg.ResultDir,
		State: func() (string, string, string) {
			o.mu.Lock()
			defer o.mu.Unlock()
			return o.state.String(), o.condition.String(), o.reason
		}}
	handler, err := view.Handler(o.cfg.PageHosts)
	if err != nil {
		return err
	}
	page := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	cons := console.New(o.host.Name(), view.Commands(), o.host.Logger())
	for _, l := range []struct {
		addr  string
		serve func(net.Listener) error
		over  error
		stop  func(context.Context) error
	}{
		{o.cfg.Page, page.Serve, http.ErrServerClosed, page.Shutdown},
		{o.cfg.Console, cons.Serve, console.ErrClosed, func(context.Context) error { return cons.Close() }},
	} {
		if l.addr == Off {
			continue
		}
		ln, err := o.cfg.Listener(ctx, "tcp", l.addr)
		if err != nil {
			return err
		}
		o.closers = append(o.closers, l.stop)
		Go(o.host, &o.wg, func() {
			if err := l.serve(ln); !errors.Is(err, l.over) {
				o.host.Fail(err)
			}
		})
	}
	return nil
}

// Stop implements [Component]: no more calls, then what runs ends; lists that wait
// stay on disk.
func (o *outboundComponent) Stop(ctx context.Context) error {
	o.stop.Do(func() { o.stopErr = o.shutdown(ctx) })
	return o.stopErr
}

func (o *outboundComponent) shutdown(ctx context.Context) error {
	if o.cancel == nil {
		return nil
	}
	o.cancel()
	var errs []error
	for _, f := range slices.Backward(o.closers) {
		if err := f(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	done := make(chan struct{})
	go func() { o.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		errs = append(errs, context.Cause(ctx))
	}
	return errors.Join(errs...)
}

func (o *outboundComponent) poke() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// lastKey says which instance got the last list.
const lastKey = "outbound/last"

// chosen is called when SAP has sent a list here.
func (o *outboundComponent) chosen() {
	if o.cfg.Store != nil {
		ctx, cancel := context.WithTimeout(o.run, 5*time.Second)
		defer cancel()
		if _, err := o.cfg.Store.Put(ctx, lastKey, []byte(o.cfg.Queue.Instance), ds104.PutOptions{}); err != nil {
			o.host.Logger().Warn("the other instance is not told", "err", err.Error())
		}
	}
	o.setState(StateActive)
}

func (o *outboundComponent) setState(s State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = s
	o.host.SetState(s)
}

// outboundCheckInterval is how often ways to SAP and the other instance are looked at.
const outboundCheckInterval = 2 * time.Second

// watch keeps state and condition up to date.
func (o *outboundComponent) watch() {
	t := time.NewTicker(outboundCheckInterval)
	defer t.Stop()
	for {
		o.refresh()
		select {
		case <-o.run.Done():
			return
		case <-o.changed:
		case <-t.C:
			o.other()
		}
	}
}

// other looks whether SAP uses the other instance now.
func (o *outboundComponent) other() {
	if o.cfg.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(o.run, outboundCheckInterval)
	defer cancel()
	if e, err := o.cfg.Store.Get(ctx, lastKey); err == nil && string(e.Value) != o.cfg.Queue.Instance {
		o.setState(StateInactive)
	}
}

func (o *outboundComponent) ways() map[string]sapphone.Link {
	out := map[string]sapphone.Link{}
	for _, t := range o.transports {
		out[t.Name()] = t.Link()
	}
	return out
}

func (o *outboundComponent) refresh() {
	var why []string
	for _, t := range o.transports {
		if l := t.Link(); l.Err != nil {
			why = append(why, t.Name()+": "+l.Err.Error())
		}
	}
	if q, err := o.group.Own(); err != nil {
		why = append(why, err.Error())
	} else {
		s := q.Status()
		if s.Refusing != nil {
			why = append(why, "lists are refused: "+s.Refusing.Error())
		}
		if s.Problem != nil {
			why = append(why, "lists wait: "+s.Problem.Error())
		}
	}
	reason := strings.Join(why, "; ")
	condition := ConditionOK
	var err error
	if why != nil {
		condition, err = ConditionDegraded, errors.New(reason)
	}
	o.mu.Lock()
	o.condition, o.reason = condition, reason
	o.host.SetCondition(condition, err)
	o.mu.Unlock()
}

// Links implements [LinkReporter].
func (o *outboundComponent) Links() []Link {
	var out []Link
	for _, t := range o.transports {
		l := t.Link()
		state := l.State.String()
		if l.Err != nil {
			l.Detail += ": " + l.Err.Error()
		}
		out = append(out, Link{Name: "sap " + t.Name(), State: state, Since: l.Since, Detail: l.Detail})
	}
	return out
}
