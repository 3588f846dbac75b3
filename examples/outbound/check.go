package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/findings"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/spool"
)

const (
	// checkTimeout bounds one look at a neighbour, storeTimeout at one data store,
	// runningTimeout the question whether a connector runs here already.
	checkTimeout   = 10 * time.Second
	storeTimeout   = 3 * time.Second
	runningTimeout = 2 * time.Second
	// registerPoll is how often a registration is looked at.
	registerPoll = 20 * time.Millisecond
	// maxCampaigns is how many campaigns of the API are looked at.
	maxCampaigns = 10
)

// checkAll looks at everything the connector needs, whether or not the rest is good. bad
// is what is wrong with the configuration.
func checkAll(ctx context.Context, f *file, c *connects.OutboundConfig, bad error, out io.Writer) int {
	r := findings.New(out)
	code := exitOK
	if bad != nil {
		r.FailEach("configuration", bad)
		code = exitUsage
	} else {
		r.OK("configuration", "instance %s", c.Queue.Instance)
	}
	checkCertificate(r, f.HTTP.Certificate, f.HTTP.Key)
	running := checkListeners(ctx, r, f, c)
	checkDirectories(r, f, c)
	if f.API.URL != "" {
		checkAPI(ctx, r, f, c)
	}
	checkStores(ctx, r, f)
	checkGateway(ctx, r, &f.Gateway)
	for _, t := range c.Transports {
		if _, ok := t.(*sapphone.Replay); !ok && t != nil && bad == nil {
			checkTransport(ctx, r, t, running)
		}
	}
	if f.Definition.File == "" && (len(c.Transports) > 0 || f.HTTP.Listen != "") {
		r.Warn("definition", "none: only planned calls as JSON are understood, no function of SAP")
	}
	if !r.End() && code == exitOK {
		code = exitFailed
	}
	return code
}

func checkCertificate(r *findings.Report, name, key string) {
	if name == "" {
		return
	}
	if key == "" {
		key = name
	}
	pair, err := tls.LoadX509KeyPair(name, key)
	if err != nil {
		return // the configuration says so already
	}
	r.Certificate("certificate of http", pair.Leaf, time.Now())
}

// checkListeners reports whether the connector runs already.
func checkListeners(ctx context.Context, r *findings.Report, f *file, c *connects.OutboundConfig) (running bool) {
	or := func(addr, standard string) string {
		if addr == "" {
			return standard
		}
		return addr
	}
	page := or(c.Page, connects.DefaultOutboundPage)
	type door struct{ what, addr string }
	for _, d := range []door{{"page", page}, {"console", or(c.Console, connects.DefaultOutboundConsole)}, {"http", f.HTTP.Listen}} {
		if d.addr == "" || d.addr == connects.Off {
			continue
		}
		what := d.what + " " + d.addr
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", d.addr)
		switch {
		case err == nil:
			ln.Close()
			r.OK(what, "address is free")
		case d.what == "page" && isOutbound(ctx, d.addr):
			running = true
			r.OK(what, "an outbound connector runs here")
		case running:
			r.OK(what, "in use by the connector that runs")
		default:
			r.Fail(what, "%v", err)
		}
	}
	return running
}

// isOutbound reports whether the page of an outbound connector answers there.
func isOutbound(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, runningTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return err == nil && strings.Contains(string(b), "· outbound</title>")
}

// checkDirectories writes into every directory what the connector would.
func checkDirectories(r *findings.Report, f *file, c *connects.OutboundConfig) {
	if c.Root != "" {
		err := os.MkdirAll(c.Root, 0o700)
		if err == nil {
			err = writable(c.Root)
		}
		if err != nil {
			r.Fail("spool", "%v", err)
		} else {
			r.OK("spool", "%s can be written", c.Root)
		}
	}
	if dir := f.Import.Directory; dir != "" && f.API.URL == "" {
		checkImport(r, c)
	}
	for _, d := range []struct{ what, dir string }{{"recordings", f.Definition.Record}, {"replay", f.Replay.Directory}} {
		if d.dir == "" {
			continue
		}
		if err := writable(d.dir); err != nil {
			r.Fail(d.what, "%v", err)
		} else {
			r.OK(d.what, "%s can be written", d.dir)
		}
	}
	if f.Results != "" {
		if st, err := os.Stat(f.Results); err != nil || !st.IsDir() {
			r.Fail("results", "%s is no directory that can be read", f.Results)
		} else {
			r.OK("results", "%s", f.Results)
		}
	}
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".check-*.part")
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func checkImport(r *findings.Report, c *connects.OutboundConfig) {
	const what = "import directory"
	file := c.Queue.File
	oneStep, err := spool.CheckFile(file)
	if err != nil {
		r.Fail(what, "%v", err)
		return
	}
	if oneStep {
		r.OK(what, "%s: files can be written and get their name in one step", file.Dir)
	} else {
		r.Warn(what, "%s: files can be written, but the file system cannot rename without replacing; nobody else may write %s", file.Dir, file.Name)
	}
	if same, known := sameVolume(c.Root, file.Dir); known && !same {
		r.OK(what, "on another volume than the spool; files are written there under a hidden name")
	}
	if st, err := os.Stat(filepath.Join(file.Dir, file.Name)); err == nil {
		r.Warn(what, "%s is there since %s: the importer has not taken it", file.Name, st.ModTime().UTC().Format(time.RFC3339))
	}
}

func checkAPI(ctx context.Context, r *findings.Report, f *file, c *connects.OutboundConfig) {
	api := c.Queue.API
	if api == nil {
		return // the configuration says why
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := api.Check(ctx); err != nil {
		r.Fail("outbound API", "%v", err)
		return
	}
	r.OK("outbound API", "answers, and the login is good")
	if c.Queue.Profile.Delete == "api" {
		if f.Store.SideA == "" {
			r.Warn("delete policy api", "a deletion replaces all of its campaign: without [store] nobody else may have rows there, they would be lost")
		} else {
			r.OK("delete policy api", "a deletion replaces all of its campaign; the instances of the store send their rows there again")
		}
	}
	var ids []string
	for _, id := range c.Queue.Campaigns {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids[:min(len(ids), maxCampaigns)] {
		what := "campaign " + id
		var err error
		for _, err = range api.Accounts(ctx, id) {
			break // one is enough
		}
		if err != nil {
			r.Fail(what, "%v", err)
			continue
		}
		r.OK(what, "can be read")
	}
}

// checkKey is read from the store; it is never there.
const checkKey = "check/outbound"

// checkStores connects to each side. It writes nothing: that is for whoever decides.
func checkStores(ctx context.Context, r *findings.Report, f *file) {
	if f.Store.SideA == "" {
		r.Warn("data store", "not configured: another instance may place the same list, and cannot delete in the lists of this one")
		return
	}
	o, err := f.storeClient(slog.New(slog.DiscardHandler))
	if err != nil {
		return // the configuration says so already
	}
	o.Name += " (check)" // another voter than the connector
	for i, addr := range []string{f.Store.SideA, f.Store.SideB} {
		what := fmt.Sprintf("data store side %c", 'A'+i)
		if addr == "" {
			r.Warn(what, "not configured: nothing takes over when side A fails")
			continue
		}
		side, err := askStore(ctx, addr, o)
		switch {
		case err != nil:
			r.Fail(what, "%s: %v", addr, err)
		case side == ds104.Alone && f.Store.SideB != "":
			r.Fail(what, "%s: answers, but belongs to no pair", addr)
		case side != ds104.Alone && side.String() != string(rune('A'+i)):
			r.Fail(what, "%s: is side %v", addr, side)
		default:
			r.OK(what, "%s: answers", addr)
		}
	}
}

func askStore(ctx context.Context, addr string, o ds104.ClientOptions) (ds104.Side, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := connect(ctx, addr); err != nil {
		return ds104.Alone, err
	}
	c, err := ds104.Dial(ctx, addr, &o)
	if err != nil {
		return ds104.Alone, err
	}
	defer c.Close()
	if _, err := c.Get(ctx, checkKey); err != nil && !errors.Is(err, ds104.ErrNotFound) {
		return ds104.Alone, err
	}
	return c.Stats().Side, nil
}

func connect(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("no TCP connection: %w", err)
	}
	return conn.Close()
}

// checkGateway reaches the gateway; behind a saprouter only registering does.
func checkGateway(ctx context.Context, r *findings.Report, g *gatewaySection) {
	if g.Address == "" || g.Router != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := connect(ctx, gatewayPort(g.Address)); err != nil {
		r.Fail("gateway "+g.Address, "%v", err)
		return
	}
	r.OK("gateway "+g.Address, "TCP connection works")
}

// gatewayPort returns an address with the port in place of the service that SAP names:
// sapgwNN is 33NN, and sapgwNNs, with SNC, 48NN.
func gatewayPort(addr string) string {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	number, snc := strings.CutSuffix(strings.TrimPrefix(service, "sapgw"), "s")
	if n, err := strconv.Atoi(number); err != nil || n < 0 || n > 99 || len(number) != 2 || !strings.HasPrefix(service, "sapgw") {
		return addr
	}
	if snc {
		return net.JoinHostPort(host, "48"+number)
	}
	return net.JoinHostPort(host, "33"+number)
}

// checkTransport registers as the connector would, for a moment. A call that comes just
// then is asked to come again.
func checkTransport(ctx context.Context, r *findings.Report, t sapphone.Transport, running bool) {
	what := "way to SAP " + t.Name()
	if running {
		r.OK(what, "not tried: the connector that runs uses it")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- t.Serve(ctx, func(context.Context, *sapphone.Call) (*sapphone.Result, error) { return nil, sapphone.ErrBusy })
	}()
	look := time.NewTicker(registerPoll)
	defer look.Stop()
	for {
		select {
		case err := <-done:
			if ctx.Err() != nil {
				err = errors.New("no registration within " + checkTimeout.String())
			}
			r.Fail(what, "%v", err)
			return
		case <-look.C:
		}
		l := t.Link()
		switch {
		case l.Err != nil:
			r.Fail(what, "%s: %v", l.Detail, l.Err)
		case l.State == sapphone.Registered || l.State == sapphone.InCall:
			r.OK(what, "%s: registration works", l.Detail)
		default:
			continue
		}
		cancel()
		<-done
		return
	}
}
