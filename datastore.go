package connects

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/console"
	"github.com/connects-go/connects/internal/datastore"
)

// Defaults of [DataStoreConfig]. The ports are those of the product.
const (
	DefaultDataStoreListen  = "127.0.0.1:42029" // of connectors and the partner
	DefaultDataStorePage    = "127.0.0.1:42028" // of the web page
	DefaultDataStoreConsole = "127.0.0.1:42030" // of the console
	DefaultCompareInterval  = 30 * time.Second  // between two comparisons of the sides
)

// Off, as an address of a [DataStoreConfig], leaves that listener away.
const Off = "off"

// DataStoreConfig configures a [DataStore]. Nil means the zero value, and the zero
// value means defaults: a store in memory that stands alone and that only this machine
// can reach.
type DataStoreConfig struct {
	// Name is shown to people; empty = "data store", with the side.
	Name string
	// Side and Partner (an address) make it one side of a pair.
	Side    ds104.Side
	Partner string
	// PartnerTLS is for the connection to the partner; nil = none.
	PartnerTLS *tls.Config
	// Dir or File keep the entries over a restart; both empty = in memory only. Dir is a
	// directory for a ds104.Log, which has the entries in memory too and writes changes
	// fast; File is a file for a ds104.Bolt, which may hold more than the memory.
	Dir  string
	File string
	// KeyFile has the key that encrypts what Dir holds, or the values in File: 32 bytes
	// or 64 hexadecimal digits; empty = not encrypted.
	KeyFile string
	// Restore is a snapshot that is read at the start, if the file is there.
	Restore string
	// SnapshotDir is where the console writes files; empty = it may not.
	SnapshotDir string
	// MaxEntries, MaxBytes and MaxValue are the limits of the store; 0 = those of
	// ds104.MemoryOptions. When it is full, writes are refused; nothing is evicted.
	MaxEntries int
	MaxBytes   int64
	MaxValue   int
	// MaxOriginBytes is how many bytes of keys and values one connector may store, by its
	// name, before its writes are refused; 0 = no limit of its own.
	MaxOriginBytes int64
	// Listen is the address for connectors, Page that of the web page, Console that of
	// the console; empty = the defaults, Off = none. Other machines reach the store only
	// when Listen says so; then set Server.Token or Server.TLS too. Page and console
	// belong on a loopback address; the console refuses other machines in any case.
	Listen, Page, Console string
	// PageHosts are the host names under which the page may be opened, beside loopback
	// names and IP addresses.
	PageHosts []string
	// Operator is the password that lets a reader of the page see values; empty =
	// values are shown to nobody.
	Operator ds104.Secret
	// Server has token, TLS, limits and times of the listener for connectors; its Side,
	// Name and Logger are set by the component.
	Server ds104.ServerOptions
	// CompareInterval is how often the sides are compared, beside what the connectors
	// do; 0 = DefaultCompareInterval.
	CompareInterval time.Duration
	// Listener replaces net.Listen for all three listeners.
	Listener func(ctx context.Context, network, addr string) (net.Listener, error)
}

func (c *DataStoreConfig) withDefaults() DataStoreConfig {
	var d DataStoreConfig
	if c != nil {
		d = *c
	}
	if d.Name == "" {
		d.Name = "data store"
		if d.Side != ds104.Alone {
			d.Name += " " + d.Side.String()
		}
	}
	for p, v := range map[*string]string{&d.Listen: DefaultDataStoreListen, &d.Page: DefaultDataStorePage, &d.Console: DefaultDataStoreConsole} {
		if *p == "" {
			*p = v
		}
	}
	if d.CompareInterval == 0 {
		d.CompareInterval = DefaultCompareInterval
	}
	if d.Listener == nil {
		d.Listener = (&net.ListenConfig{}).Listen
	}
	return d
}

// Validate reports every problem, joined, each a [*ConfigError].
func (c *DataStoreConfig) Validate() error {
	d := c.withDefaults()
	var errs []error
	bad := func(field string, v any, reason string) {
		errs = append(errs, &ConfigError{"DataStore." + field, v, reason})
	}
	if d.Side < ds104.Alone || d.Side > ds104.SideB {
		bad("Side", int(d.Side), "must be Alone, SideA or SideB")
	}
	if (d.Partner != "") && d.Side == ds104.Alone {
		bad("Partner", d.Partner, "a store that stands alone has none; set Side")
	}
	for name, addr := range map[string]string{"Listen": d.Listen, "Page": d.Page, "Console": d.Console, "Partner": d.Partner} {
		if addr == "" || addr == Off && name != "Partner" && name != "Listen" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad(name, addr, "must be host:port")
		}
	}
	if host, _, err := net.SplitHostPort(d.Console); err == nil && !loopback(host) {
		bad("Console", d.Console, "must be a loopback address")
	}
	if d.Dir != "" && d.File != "" {
		bad("Dir", d.Dir, "excludes File")
	}
	if d.KeyFile != "" && d.File == "" && d.Dir == "" {
		bad("KeyFile", d.KeyFile, "encrypts files; set Dir or File")
	}
	for name, v := range map[string]int64{"MaxEntries": int64(d.MaxEntries), "MaxBytes": d.MaxBytes, "MaxOriginBytes": d.MaxOriginBytes, "MaxValue": int64(d.MaxValue), "CompareInterval": int64(d.CompareInterval)} {
		if v < 0 {
			bad(name, v, "must not be negative")
		}
	}
	if d.MaxValue > ds104.MaxMaxValue {
		bad("MaxValue", d.MaxValue, fmt.Sprintf("at most %d", ds104.MaxMaxValue))
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// DataStore returns a component that keeps data for connectors: attached data that
// does not fit into call variables, and what a restart must not forget. It listens for
// connectors (DS104, port 42029), serves a web page (42028) and a console (42030).
//
// When the disk of a store in Dir fails, the component does: the Node ends, or runs on
// without it, as its options say, and connectors use the other side.
//
// Alone it is ACTIVE. As a side of a pair it is ACTIVE while it decides and IDLE while
// the other one does; it is degraded while its partner cannot be reached.
func DataStore(cfg *DataStoreConfig) Factory {
	c := cfg.withDefaults()
	return func(h Host) (Component, error) {
		if err := c.Validate(); err != nil {
			return nil, err
		}
		return &dataStore{cfg: c, host: h, metrics: newDataStoreMetrics(), soon: make(chan struct{}, 1)}, nil
	}
}

// dataStore is the component.
type dataStore struct {
	cfg     DataStoreConfig
	host    Host
	metrics []metric[dataStoreStats]

	cancel  context.CancelFunc
	wg      sync.WaitGroup
	closers []func(context.Context) error // in the order of Start
	server  *ds104.Server
	store   ds104.Store

	mu      sync.Mutex
	partner datastore.Partner

	soon chan struct{} // capacity 1: compare the sides now
}

// Start implements Component.
func (d *dataStore) Start(ctx context.Context) error {
	if err := d.start(ctx); err != nil {
		return errors.Join(err, d.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (d *dataStore) start(ctx context.Context) error {
	c := &d.cfg
	if err := d.open(ctx); err != nil {
		return err
	}
	so := c.Server
	so.Side, so.Name, so.Logger = c.Side, c.Name, d.host.Logger()
	var err error
	if d.server, err = ds104.NewServer(d.store, &so); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	view := &datastore.View{
		Name: c.Name, Store: d.store, Server: d.server, Operator: c.Operator, TieAfter: c.Server.TieAfter,
		SnapshotDir: c.SnapshotDir, Started: time.Now(),
		Partner: func() (datastore.Partner, bool) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.partner, c.Partner != ""
		},
	}
	client, err := d.connect()
	if err != nil {
		return err
	}
	if client != nil {
		view.Apply = client.Apply
		view.Compare = func() {
			select {
			case d.soon <- struct{}{}:
			default:
			}
		}
	}
	handler, err := view.Handler(c.PageHosts)
	if err != nil {
		return err
	}
	page := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	cons := console.New(c.Name, view.Commands(), d.host.Logger())
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && !loopback(host) && c.Server.Token == "" && (c.Server.TLS == nil || c.Server.TLS.ClientAuth != tls.RequireAndVerifyClientCert) {
		d.host.Logger().Warn("every machine that reaches the store may read and write; set a token, or ask for certificates", "listen", c.Listen)
	}
	for _, l := range []struct {
		name  string
		addr  string
		serve func(net.Listener) error
		over  error
		stop  func(context.Context) error
	}{
		{"web page", c.Page, page.Serve, http.ErrServerClosed, page.Shutdown},
		{"console", c.Console, cons.Serve, console.ErrClosed, func(context.Context) error { return cons.Close() }},
		{"connectors", c.Listen, d.server.Serve, ds104.ErrServerClosed, d.server.Shutdown}, // the door opens last
	} {
		if l.addr == Off {
			continue
		}
		ln, err := c.Listener(ctx, "tcp", l.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		d.closers = append(d.closers, l.stop)
		Go(d.host, &d.wg, func() {
			if err := l.serve(ln); !errors.Is(err, l.over) {
				d.host.Fail(err)
			}
		})
	}
	if c.Side == ds104.Alone {
		d.host.SetState(StateActive)
	} else {
		d.host.SetState(StateIdle)
	}
	if client != nil {
		d.host.SetCondition(ConditionDegraded, errors.New("partner is not yet connected"))
	}
	if c.Side != ds104.Alone {
		Go(d.host, &d.wg, func() { d.watch(run, client, view) })
	}
	return nil
}

// open opens the store and reads the snapshot.
func (d *dataStore) open(ctx context.Context) error {
	c := &d.cfg
	var key []byte
	var err error
	if c.KeyFile != "" {
		if key, err = ds104.ReadKeyFile(c.KeyFile); err != nil {
			return fmt.Errorf("%s: %w", c.KeyFile, err)
		}
	}
	var st interface {
		ds104.Store
		Close() error
	}
	switch {
	case c.Dir != "":
		st, err = ds104.OpenLog(filepath.Clean(c.Dir), &ds104.LogOptions{
			Side: c.Side, MaxEntries: c.MaxEntries, MaxBytes: c.MaxBytes, MaxOriginBytes: c.MaxOriginBytes, MaxValue: c.MaxValue, Key: key})
	case c.File != "":
		st, err = ds104.OpenBolt(filepath.Clean(c.File), &ds104.BoltOptions{
			Side: c.Side, MaxEntries: c.MaxEntries, MaxBytes: c.MaxBytes, MaxOriginBytes: c.MaxOriginBytes, MaxValue: c.MaxValue, Key: key})
	default:
		st = ds104.NewMemory(&ds104.MemoryOptions{
			Side: c.Side, MaxEntries: c.MaxEntries, MaxBytes: c.MaxBytes, MaxOriginBytes: c.MaxOriginBytes, MaxValue: c.MaxValue})
	}
	if err != nil {
		return fmt.Errorf("%s%s: %w", c.Dir, c.File, err) // one of them is empty
	}
	d.store = st
	d.closers = append(d.closers, func(context.Context) error { return st.Close() })
	if c.Restore == "" {
		return nil
	}
	if _, err := os.Stat(c.Restore); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	n, err := ds104.LoadSnapshot(ctx, d.store, c.Restore, nil)
	if err == nil {
		d.host.Logger().Info("snapshot read", "taken", n.Taken, "written", n.Written, "newer", n.Newer, "expired", n.Expired)
	}
	return err
}

// connect begins to connect to the partner, if there is one.
func (d *dataStore) connect() (*ds104.Client, error) {
	c := &d.cfg
	if c.Partner == "" {
		return nil, nil
	}
	client, err := ds104.NewClient(c.Partner, &ds104.ClientOptions{
		Name: c.Name, Token: c.Server.Token, TLS: c.PartnerTLS, Conns: 1, Wait: -1, Logger: d.host.Logger(),
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.partner = datastore.Partner{Addr: c.Partner, Since: time.Now(), Err: "not yet connected"}
	d.mu.Unlock()
	d.closers = append(d.closers, func(context.Context) error { return client.Close() })
	return client, nil
}

// warnAfter is how many looks a warning holds before it is logged, once: voters come one
// after the other.
const warnAfter = 10

// watch looks at the partner and at the own part every second, and compares the sides.
func (d *dataStore) watch(ctx context.Context, client *ds104.Client, view *datastore.View) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var compared time.Time
	held, logged := 0, false
	for {
		if warning := view.Warning(); warning == "" {
			held = 0
		} else if held++; held >= warnAfter && !logged {
			logged = true
			d.host.Logger().Warn(warning)
		}
		if st := d.server.Stats().Council; st.Deciding {
			d.host.SetState(StateActive)
		} else {
			d.host.SetState(StateIdle)
		}
		if client != nil && d.lookAt(ctx, client) && time.Since(compared) >= d.cfg.CompareInterval {
			compared = time.Now()
			d.compare(ctx, client)
		}
		select {
		case <-ctx.Done():
			return
		case <-d.soon:
			compared = time.Time{}
		case <-t.C:
		}
	}
}

// lookAt reports whether the partner is there.
func (d *dataStore) lookAt(ctx context.Context, client *ds104.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	figures, err := client.Figures(ctx)
	st := client.Stats()
	d.mu.Lock()
	p := &d.partner
	changed := p.Up != (err == nil)
	if changed {
		p.Up, p.Since = err == nil, time.Now()
	}
	if p.Err = ""; err != nil {
		if p.Err = err.Error(); st.LastError != nil {
			p.Err = st.LastError.Error()
		}
	} else {
		p.Figures, p.Term, p.Decides = figures, st.Term, st.Deciding
	}
	d.mu.Unlock()
	d.server.HearTerm(st.Term)
	switch {
	case !changed || ctx.Err() != nil && err != nil:
	case err == nil:
		d.host.SetCondition(ConditionOK, nil)
	default:
		d.host.SetCondition(ConditionDegraded, errors.New("partner cannot be reached"))
	}
	return err == nil
}

// compare brings both sides level, whichever of them lacks something.
func (d *dataStore) compare(ctx context.Context, client *ds104.Client) {
	local, ok := d.store.(ds104.Replica)
	if !ok {
		return
	}
	st, err := ds104.Sync(ctx, local, client)
	if err != nil {
		if ctx.Err() == nil {
			d.host.Logger().Warn("sides cannot be compared", "err", err)
		}
		return
	}
	d.mu.Lock()
	d.partner.Synced, d.partner.Sync = time.Now(), st
	d.mu.Unlock()
}

// Stop implements Component.
func (d *dataStore) Stop(ctx context.Context) error {
	if d.cancel != nil {
		d.cancel()
	}
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i](ctx))
	}
	d.closers = nil
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	d.wg.Wait()
	return errors.Join(errs...)
}

// Links implements LinkReporter.
func (d *dataStore) Links() []Link {
	if d.cfg.Partner == "" {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := Link{Name: "partner", Side: "B", State: "down", Since: d.partner.Since, Detail: d.partner.Err}
	if d.cfg.Side == ds104.SideB {
		l.Side = "A"
	}
	if d.partner.Up {
		l.State = "up"
	}
	return []Link{l}
}

// dataStoreStats is what the metrics are made from.
type dataStoreStats struct {
	server  ds104.ServerStats
	figures map[string]float64
}

func newDataStoreMetrics() []metric[dataStoreStats] {
	figure := func(name string) func(*dataStoreStats) float64 {
		return func(s *dataStoreStats) float64 { return s.figures[name] }
	}
	return []metric[dataStoreStats]{
		gauge("datastore_entries", "Entries in the store.", figure("entries")),
		gauge("datastore_bytes", "Bytes of keys and values in the store.", figure("bytes")),
		gauge("datastore_connections", "Connections of connectors.", figure("connections")),
		gauge("datastore_watches", "Open watches.", figure("watches")),
		gauge("datastore_deciding", "1 while this side of a pair decides.", func(s *dataStoreStats) float64 { return one(s.server.Council.Deciding) }),
		gauge("datastore_term", "Term of the pair that this side knows.", func(s *dataStoreStats) float64 { return float64(s.server.Council.Term) }),
		gauge("datastore_voters_connected", "Connectors of the pair that are connected.", figure("voters connected")),
		counter("datastore_requests_total", "Requests of connectors.", figure("requests")),
		counter("datastore_failures_total", "Requests that failed.", figure("failures")),
		counter("datastore_full_total", "Writes refused because the store is full.", figure("refused as full")),
		counter("datastore_quota_total", "Writes refused because the connector has stored its share.", figure("refused for the share of a client")),
		counter("datastore_expired_total", "Entries whose time to live passed.", figure("expired")),
		counter("datastore_conflicts_total", "Conditional writes that found another revision.", figure("revision conflicts")),
	}
}

// Describe implements prometheus.Collector.
func (d *dataStore) Describe(ch chan<- *prometheus.Desc) { describe(ch, d.metrics) }

// Collect implements prometheus.Collector.
func (d *dataStore) Collect(ch chan<- prometheus.Metric) {
	if d.server == nil {
		return
	}
	s := dataStoreStats{server: d.server.Stats(), figures: map[string]float64{}}
	for _, f := range d.server.Figures() {
		s.figures[f.Name] = float64(f.Number)
	}
	collect(ch, d.metrics, &s)
}
