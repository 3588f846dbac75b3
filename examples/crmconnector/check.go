package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
)

// checkTimeout bounds one look at a neighbour.
const checkTimeout = 10 * time.Second

// soon is when the end of a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// report prints one line per thing that was looked at.
type report struct {
	out    io.Writer
	failed int
}

func (r *report) line(mark, what, format string, args ...any) {
	fmt.Fprintf(r.out, "%-5s %-28s %s\n", mark, what, fmt.Sprintf(format, args...))
}

func (r *report) ok(what, format string, args ...any)   { r.line("ok", what, format, args...) }
func (r *report) warn(what, format string, args ...any) { r.line("warn", what, format, args...) }
func (r *report) fail(what, format string, args ...any) {
	r.failed++
	r.line("FAIL", what, format, args...)
}

// check looks at everything the connector needs, whether or not the rest is good.
func check(ctx context.Context, f *file, s *settings, out io.Writer) int {
	r := &report{out: out}
	code := exitOK
	if err := s.crm.Validate(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			r.fail("configuration", "%s", line)
		}
		code = exitUsage
	} else {
		r.ok("configuration", "%d link(s), %d SAP system(s)", len(f.Links), len(f.Systems))
	}
	for _, w := range s.crm.Warnings() {
		r.warn("configuration", "%s", w)
	}
	checkCertificates(r, s)
	checkListener(ctx, r, s)
	checkStore(ctx, r, f.Store.File, s)
	checkLanguages(r, f.Languages.Directory)
	for i := range s.crm.Links {
		o := &s.crm.Links[i].Session
		checkCTI(ctx, r, fmt.Sprintf("link %s side A", s.crm.Links[i].Name), o, o.A)
		checkCTI(ctx, r, fmt.Sprintf("link %s side B", s.crm.Links[i].Name), o, o.B)
	}
	for _, system := range f.Systems {
		for _, host := range system.EventHosts {
			checkHost(ctx, r, fmt.Sprintf("SAP %s event host", system.Name), host)
		}
	}
	switch {
	case r.failed == 0:
		fmt.Fprintln(out, "everything is fine")
	case code == exitOK:
		code = exitFailed
	}
	if r.failed > 0 {
		fmt.Fprintf(out, "%d problem(s)\n", r.failed)
	}
	return code
}

func checkCertificates(r *report, s *settings) {
	now := time.Now()
	for _, c := range s.certs {
		what := "certificate of " + c.use
		switch left := c.expiry(now); {
		case left <= 0:
			r.fail(what, "expired on %s: %s", c.leaf.NotAfter.Format(time.DateOnly), c.leaf.Subject)
		case now.Before(c.leaf.NotBefore):
			r.fail(what, "not valid before %s: %s", c.leaf.NotBefore.Format(time.DateOnly), c.leaf.Subject)
		case left < soon:
			r.warn(what, "expires on %s: %s", c.leaf.NotAfter.Format(time.DateOnly), c.leaf.Subject)
		default:
			r.ok(what, "valid until %s: %s", c.leaf.NotAfter.Format(time.DateOnly), c.leaf.Subject)
		}
	}
}

func checkListener(ctx context.Context, r *report, s *settings) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.crm.Listen)
	if err != nil {
		r.fail("listen "+s.crm.Listen, "%v (does the connector run already?)", err)
		return
	}
	ln.Close()
	r.ok("listen "+s.crm.Listen, "address is free")
}

// checkKey is written to the store and removed again.
const checkKey = "check/crmconnector"

func checkStore(ctx context.Context, r *report, name string, s *settings) {
	if name == "" {
		r.warn("store", "in memory: a restart forgets who is logged on; set store.file")
		return
	}
	if err := s.openStore(name); err != nil {
		r.fail("store", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err := s.store.Put(ctx, checkKey, []byte("x"), ds104.PutOptions{TTL: time.Minute})
	if err == nil {
		err = s.store.Delete(ctx, checkKey, 0)
	}
	if err != nil {
		r.fail("store", "%v", err)
		return
	}
	n := 0
	for _, err := range s.store.List(ctx, "") {
		if err != nil {
			r.fail("store", "%v", err)
			return
		}
		n++
	}
	r.ok("store", "can be written, has %d entries", n)
}

func checkLanguages(r *report, dir string) {
	if dir == "" {
		r.ok("languages", "built-in English, without not-ready reasons")
		return
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		r.fail("languages", "%s is no directory that can be read", dir)
		return
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.lfg"))
	if err != nil || len(names) == 0 {
		r.fail("languages", "%s has no language file (*.lfg)", dir)
		return
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	r.ok("languages", "%s", strings.Join(names, " "))
}

// checkCTI opens a session on one side, as the connector would, and closes it.
func checkCTI(ctx context.Context, r *report, what string, o *cti.SessionOptions, e cti.Endpoint) {
	if e.Addr == "" {
		r.warn(what, "not configured: nothing takes over when the other side fails")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", e.Addr)
	if err != nil {
		r.fail(what, "no TCP connection: %v", err)
		return
	}
	conn.Close()
	c, err := cti.Dial(ctx, e.Addr, &cti.Options{
		Versions: o.Versions, ClientID: o.ClientID, Password: o.Password, TLS: e.TLS, Charset: o.Charset, OpenTimeout: checkTimeout,
	})
	if err != nil {
		r.fail(what, "TCP works, but no session: %v", err)
		return
	}
	v := c.Version()
	if err := c.Close(); err != nil {
		r.warn(what, "session opened with version %d, but not closed: %v", v, err)
		return
	}
	r.ok(what, "%s: session opened with protocol version %d", e.Addr, v)
}

// checkHost resolves an entry of the allow-list; with a port it also connects.
func checkHost(ctx context.Context, r *report, what, entry string) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(entry)
	if err != nil {
		host, port = strings.Trim(entry, "[]"), ""
	}
	switch {
	case entry == "*":
		r.warn(what, "* lets a request name any host of the network")
	case strings.HasPrefix(host, "*.") || strings.Contains(host, "/"):
		r.ok(what, "%s: a pattern, not looked up", entry)
	default:
		addrs, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
				err = errors.New("no such host")
			}
			r.fail(what, "%s: %v", entry, err)
			return
		}
		if port == "" {
			r.ok(what, "%s is %s", entry, strings.Join(addrs, " "))
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", entry)
		if err != nil {
			r.fail(what, "no TCP connection: %v", err)
			return
		}
		conn.Close()
		r.ok(what, "%s: TCP connection works", entry)
	}
}
