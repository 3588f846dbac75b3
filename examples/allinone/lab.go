package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/encoding/unicode"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/examples/allinone/desk"
	"github.com/connects-go/connects/ici/icitest"
	"github.com/connects-go/connects/languages"
)

// labConfig says what is started and where. Ports are texts, "0" is any.
type labConfig struct {
	Host         string
	Agents       int
	NoSAP, NoPG  bool
	SideA, SideB string
	// StoreA and StoreB are the ports of the data store pair.
	StoreA, StoreB string
	ICI, Desk      string
	Logger         *slog.Logger
}

// lab is everything that runs.
type lab struct {
	cfg    labConfig
	pg     *ctitest.PG  // nil: somebody else's
	sap    *icitest.SAP // nil: somebody else's
	stores [2]*storeSide
	pair   *ds104.Pair // the connector's way to both
	node   *connects.Node
	addrs  map[string]string
	desk   *desk.Desk
	page   *http.Server
	ended  chan error // from the node and the page
}

// startLab starts the parts in the order in which they need each other and
// returns when all listeners are up. On an error everything is stopped again.
func startLab(ctx context.Context, cfg labConfig) (_ *lab, err error) {
	l := &lab{cfg: cfg, addrs: map[string]string{}, ended: make(chan error, 2)}
	defer func() {
		if err != nil {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
			defer cancel()
			err = errors.Join(err, l.stop(end))
		}
	}()
	d := desk.New(&desk.Options{Host: cfg.Host})
	l.desk = d
	sideA, sideB := net.JoinHostPort(cfg.Host, cfg.SideA), net.JoinHostPort(cfg.Host, cfg.SideB)
	if !cfg.NoPG {
		c := ctitest.DefaultConfig(cfg.Agents)
		c.Observe, c.Logger = d.ObserveCTI, cfg.Logger.With("component", "pg")
		c.Listen = func(side ctitest.SideID) (net.Listener, error) {
			return net.Listen("tcp", []string{sideA, sideB}[side]) // again on the same port after a stop
		}
		l.pg = ctitest.New(c)
		for side, addr := range []*string{&sideA, &sideB} { // the first that starts is the active one
			id := ctitest.SideID(side)
			if err := l.pg.Side(id).Start(); err != nil {
				return nil, fmt.Errorf("CTI side %v: %w", id, err)
			}
			*addr = l.pg.Side(id).Addr()
		}
	}
	l.addrs["CTI A"], l.addrs["CTI B"] = sideA, sideB

	if err := l.startStores(ctx); err != nil {
		return nil, err
	}

	ln, err := net.Listen("tcp", net.JoinHostPort(cfg.Host, cfg.ICI))
	if err != nil {
		return nil, fmt.Errorf("ICI service: %w", err)
	}
	l.addrs["ICI"] = ln.Addr().String()
	l.node = connects.NewNode(&connects.Options{Logger: cfg.Logger})
	if err := l.node.Add("crmconnector", connects.CRMConnector(l.connector(ln, sideA, sideB))); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	if err := l.node.Start(ctx); err != nil {
		return nil, err
	}
	if l.pg != nil {
		l.awaitLink(ctx)
	}

	if !cfg.NoSAP {
		l.sap, err = icitest.New(&icitest.Config{
			Name: "CRM", Connector: "http://" + l.addrs["ICI"] + "/", Addr: net.JoinHostPort(cfg.Host, "0"),
			Observe: d.ObserveICI, Logger: cfg.Logger.With("component", "sap"),
		})
		if err != nil {
			return nil, fmt.Errorf("simulated SAP: %w", err)
		}
	}

	page, err := net.Listen("tcp", net.JoinHostPort(cfg.Host, cfg.Desk))
	if err != nil {
		return nil, fmt.Errorf("desk: %w", err)
	}
	l.addrs["desk"] = page.Addr().String()
	d.Attach(desk.Parts{PG: l.pg, SAP: l.sap, Node: l.node,
		Stores: &desk.Stores{Sides: [2]desk.StoreSide{l.stores[0], l.stores[1]}, Pair: l.pair}})
	l.page = &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
	go func() {
		if err := l.page.Serve(page); !errors.Is(err, http.ErrServerClosed) {
			l.ended <- fmt.Errorf("desk: %w", err)
		}
	}()
	return l, nil
}

// linkWithin is how long the start waits for the connector's CTI session; the
// connector itself would go on trying for ever.
const linkWithin = 10 * time.Second

// awaitLink waits until the connector has read the switch, so that who reads
// "ready" can log agents in.
func (l *lab) awaitLink(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, linkWithin)
	defer cancel()
	changes := l.node.Watch(ctx)
	up := func() bool { return l.node.Health().Condition == connects.ConditionOK }
	if up() {
		return
	}
	for range changes {
		if up() {
			return
		}
	}
}

// connector is the configuration that a real installation has in a file.
func (l *lab) connector(ln net.Listener, sideA, sideB string) *connects.CRMConfig {
	return &connects.CRMConfig{
		Listener: ln,
		Store:    l.pair,
		Links: []connects.CRMLink{{
			Name: "pg1",
			Session: cti.SessionOptions{
				A: cti.Endpoint{Addr: sideA}, B: cti.Endpoint{Addr: sideB},
				CloseTimeout: stopWithin / 5, // a stalled side does not say good-bye
				Charset:      unicode.UTF8,   // what the simulator speaks; a real gateway has a Windows code page
			},
			Peripherals: []connects.CRMPeripheral{{ID: ctitest.DefaultPeripheralID}},
		}},
		ECC:                  []string{"ECC.user.ced", "ECC.user.customer", "ECC.user.note", "ECCA.user.items"},
		LanguageFiles:        languages.FS(),
		RequestConfiguration: true,
		Dialing:              connects.CRMDialing{InternalLength: 5, InternalPrefix: "4143888", National: "0,41", International: "00,", DialPlus: true},
		AttachedRules:        attachedRules(),
		Version:              "allinone",
	}
}

// attachedRules let SAP write the call variables under their own names, and the
// wrap-up data as element wrapup.
func attachedRules() []connects.CRMAttachedRule {
	rules := []connects.CRMAttachedRule{{Application: "SAP-IC", Element: "wrapup", Target: "WrapUpData"}}
	for i := range 10 {
		name := fmt.Sprintf("CV%02d", i+1)
		rules = append(rules, connects.CRMAttachedRule{Application: "SAP-IC", Element: name, Target: name})
	}
	return rules
}

// ready is the line that tells that all listeners are up, and where.
func (l *lab) ready() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ready  desk http://%s", l.addrs["desk"])
	fmt.Fprintf(&b, "  ICI http://%s", l.addrs["ICI"])
	fmt.Fprintf(&b, "  CTI A %s  CTI B %s", l.addrs["CTI A"], l.addrs["CTI B"])
	if l.cfg.NoPG {
		b.WriteString(" (yours)")
	}
	fmt.Fprintf(&b, "  store A %s  store B %s", l.addrs["store A"], l.addrs["store B"])
	if l.sap != nil {
		fmt.Fprintf(&b, "  SAP events %s", l.sap.EventURL())
	}
	return b.String()
}

// wait returns when ctx ends or a part fails.
func (l *lab) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-l.ended:
		return err
	}
}

// stop ends the parts: first the page, then the connector, which still says
// good-bye to its neighbours, then these.
func (l *lab) stop(ctx context.Context) error {
	var errs []error
	if l.page != nil {
		errs = append(errs, l.page.Close())
	}
	if l.node != nil {
		errs = append(errs, l.node.Stop(ctx))
	}
	errs = append(errs, l.stopStores())
	if l.sap != nil {
		errs = append(errs, l.sap.Close())
	}
	if l.pg != nil {
		l.pg.Close()
	}
	return errors.Join(append(errs, l.desk.Close())...)
}
