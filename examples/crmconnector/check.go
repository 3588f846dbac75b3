package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/findings"
)

// checkTimeout bounds one look at a neighbour.
const checkTimeout = 10 * time.Second

// healthTimeout bounds the question whether a connector runs here already.
const healthTimeout = 2 * time.Second

// storeTimeout bounds the look at one data store.
const storeTimeout = 3 * time.Second

// check looks at everything the connector needs, whether or not the rest is good.
func check(ctx context.Context, f *file, s *settings, out io.Writer) int {
	r := findings.New(out)
	code := exitOK
	if err := s.crm.Validate(); err != nil {
		r.FailEach("configuration", err)
		code = exitUsage
	} else {
		r.OK("configuration", "%d link(s), %d SAP system(s)", len(f.Links), len(f.Systems))
	}
	crm := *s.crm
	if f.Store.SideA != "" {
		crm.Instances = 1 // they share the data stores, which are not open here
	}
	for _, w := range crm.Warnings() {
		r.Warn("configuration", "%s", w)
	}
	checkCertificates(r, s)
	running := checkListener(ctx, r, s)
	checkStore(ctx, r, &f.Store, s, running)
	checkLanguages(r, f.Languages.Directory)
	for i := range s.crm.Links {
		checkLink(ctx, r, &s.crm.Links[i])
	}
	for _, system := range f.Systems {
		for _, host := range system.EventHosts {
			checkHost(ctx, r, strings.TrimSpace("event host of SAP "+system.Name), host)
		}
	}
	if !r.End() && code == exitOK {
		code = exitFailed
	}
	return code
}

func checkCertificates(r *findings.Report, s *settings) {
	for _, c := range s.certs {
		r.Certificate("certificate of "+c.use, c.leaf, time.Now())
	}
}

// checkListener reports whether the connector runs already.
func checkListener(ctx context.Context, r *findings.Report, s *settings) bool {
	what := "listen " + s.crm.Listen
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.crm.Listen)
	if err == nil {
		ln.Close()
		r.OK(what, "address is free")
		checkConsole(ctx, r, s.crm.Console)
		return false
	}
	if state := runningState(ctx, s); state != "" {
		r.OK(what, "a connector runs here, it is %s", state)
		return true
	}
	r.Fail(what, "%v", err)
	return false
}

func checkConsole(ctx context.Context, r *findings.Report, addr string) {
	if addr == "" {
		return
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		r.Fail("console "+addr, "%v", err)
		return
	}
	ln.Close()
	r.OK("console "+addr, "address is free")
}

// runningState asks the health page of a connector at our own address; empty when
// there is none.
func runningState(ctx context.Context, s *settings) string {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(s.crm.Listen)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	// The certificate is ours and was looked at already; its name need not be localhost.
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if s.crm.TLS != nil {
		scheme = "https"
		tr.TLSClientConfig.Certificates = s.crm.TLS.Certificates
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/health", nil)
	if err != nil {
		return ""
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var h struct{ Phase, State, Condition string }
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&h) != nil || h.Phase == "" {
		return ""
	}
	return fmt.Sprintf("%s, %s and %s", h.Phase, h.State, h.Condition)
}

// checkKey is written to the store and removed again.
const checkKey = "check/crmconnector"

func checkStore(ctx context.Context, r *findings.Report, f *storeSection, s *settings, running bool) {
	if f.SideA != "" {
		checkDataStore(ctx, r, "data store side A", f.SideA, s)
		if f.SideB == "" {
			r.Warn("data store side B", "not configured: nothing takes over when side A fails")
			return
		}
		checkDataStore(ctx, r, "data store side B", f.SideB, s)
		return
	}
	if f.File == "" {
		r.Warn("store", "in memory: a restart forgets who is logged on; set store.file, or store.side_a and side_b")
		return
	}
	switch err := s.openStore(f, nil); {
	case running && errors.Is(err, ds104.ErrLocked):
		r.OK("store", "in use by the connector that runs")
		return
	case err != nil:
		r.Fail("store", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	st := s.crm.Store
	_, err := st.Put(ctx, checkKey, []byte("x"), ds104.PutOptions{TTL: time.Minute})
	if err == nil {
		err = st.Delete(ctx, checkKey, 0)
	}
	if err != nil {
		r.Fail("store", "%v", err)
		return
	}
	n := 0
	for _, err := range st.List(ctx, "") {
		if err != nil {
			r.Fail("store", "%v", err)
			return
		}
		n++
	}
	r.OK("store", "can be written, has %d entries", n)
}

// checkDataStore connects to one side. It writes nothing: that is for whoever
// decides.
func checkDataStore(ctx context.Context, r *findings.Report, what, addr string, s *settings) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		r.Fail(what, "no TCP connection: %v", err)
		return
	}
	conn.Close()
	o := s.storeClient
	o.Name += " (check)" // another voter than the connector
	c, err := ds104.Dial(ctx, addr, &o)
	if err != nil {
		r.Fail(what, "%s: %v", addr, err)
		return
	}
	defer c.Close()
	if _, err := c.Get(ctx, checkKey); err != nil && !errors.Is(err, ds104.ErrNotFound) {
		r.Fail(what, "%s: %v", addr, err)
		return
	}
	st := c.Stats()
	text := "answers"
	if st.Side == ds104.Alone {
		text = "answers, belongs to no pair"
	}
	if want := strings.TrimPrefix(what, "data store side "); st.Side != ds104.Alone && st.Side.String() != want {
		r.Fail(what, "%s: is side %v", addr, st.Side)
		return
	}
	r.OK(what, "%s: %s", addr, text)
}

func checkLanguages(r *findings.Report, dir string) {
	if dir == "" {
		r.OK("languages", "built-in English, without not-ready reasons")
		return
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		r.Fail("languages", "%s is no directory that can be read", dir)
		return
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.lfg"))
	if err != nil || len(names) == 0 {
		r.Fail("languages", "%s has no language file (*.lfg)", dir)
		return
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	r.OK("languages", "%s", strings.Join(names, " "))
}

// checkLink opens a session on each side, as the connector would, and closes it.
// Of a pair only one side serves at a time: the other one says that it is offline.
func checkLink(ctx context.Context, r *findings.Report, l *connects.CRMLink) {
	sides := []cti.Endpoint{l.Session.A, l.Session.B}
	var texts [2]string
	var errs [2]error
	for i, e := range sides {
		if e.Addr != "" {
			texts[i], errs[i] = tryCTI(ctx, &l.Session, e)
		}
	}
	for i, e := range sides {
		what := fmt.Sprintf("link %s side %c", l.Name, 'A'+i)
		standby := (errors.Is(errs[i], cti.StatusCodeCTIServerOffline) || errors.Is(errs[i], cti.StatusCodeServerNotMaster)) &&
			sides[1-i].Addr != "" && errs[1-i] == nil
		switch {
		case e.Addr == "":
			r.Warn(what, "not configured: nothing takes over when the other side fails")
		case standby:
			r.OK(what, "%s: stands by, the other side serves", e.Addr)
		case errors.Is(errs[i], syscall.ECONNREFUSED) && sides[1-i].Addr != "" && errs[1-i] == nil:
			// A standby CTI server refuses sessions or does not listen at all
			// (CTI reference, section 9).
			r.Warn(what, "%s: nobody listens; so does a standby, but nothing takes over unless it is one", e.Addr)
		case errs[i] != nil:
			r.Fail(what, "%v", errs[i])
		default:
			r.OK(what, "%s: %s", e.Addr, texts[i])
		}
	}
}

func tryCTI(ctx context.Context, o *cti.SessionOptions, e cti.Endpoint) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", e.Addr)
	if err != nil {
		return "", fmt.Errorf("no TCP connection: %w", err)
	}
	conn.Close()
	c, err := cti.Dial(ctx, e.Addr, &cti.Options{
		Versions: o.Versions, ClientID: o.ClientID, Password: o.Password, TLS: e.TLS, Charset: o.Charset, OpenTimeout: checkTimeout,
	})
	if err != nil {
		return "", fmt.Errorf("TCP works, but no session: %w", err)
	}
	text := fmt.Sprintf("session opened with protocol version %d", c.Version())
	if err := c.Close(); err != nil {
		text += fmt.Sprintf(", not closed cleanly: %v", err)
	}
	return text, nil
}

// checkHost resolves an entry of the allow-list; with a port it also connects.
func checkHost(ctx context.Context, r *findings.Report, what, entry string) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(entry)
	if err != nil {
		host, port = strings.Trim(entry, "[]"), ""
	}
	switch {
	case entry == "*":
		r.Warn(what, "* lets a request name any host of the network")
	case strings.HasPrefix(host, "*.") || strings.Contains(host, "/"):
		r.OK(what, "%s: a pattern, not looked up", entry)
	default:
		addrs, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
				err = errors.New("no such host")
			}
			r.Fail(what, "%s: %v", entry, err)
			return
		}
		if port == "" {
			r.OK(what, "%s is %s", entry, strings.Join(addrs, " "))
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", entry)
		if err != nil {
			r.Fail(what, "no TCP connection: %v", err)
			return
		}
		conn.Close()
		r.OK(what, "%s: TCP connection works", entry)
	}
}
