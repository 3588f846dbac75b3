package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
)

// openOnly is a CTI server that opens sessions.
type openOnly struct{}

func (openOnly) ServeOpen(context.Context, *cti.ServerConn, *cti.OpenReq) (*cti.OpenConf, error) {
	return &cti.OpenConf{}, nil
}

func (openOnly) ServeRequest(context.Context, *cti.ServerConn, cti.Request) (cti.Confirm, error) {
	return nil, errors.New("refused")
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// standby is the side of a pair that does not serve.
type standby struct{ openOnly }

func (standby) ServeOpen(context.Context, *cti.ServerConn, *cti.OpenReq) (*cti.OpenConf, error) {
	return nil, &cti.StatusError{Status: cti.StatusCodeCTIServerOffline}
}

func ctiServer(t *testing.T, h cti.ServerHandler) string {
	t.Helper()
	s, err := cti.NewServer(&cti.ServerOptions{Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	return ln.Addr().String()
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln := listen(t)
	addr := ln.Addr().String()
	ln.Close()
	return addr
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// pemFile makes a certificate with its key that ends at a time.
func pemFile(t *testing.T, end time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "connector"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: end,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	return write(t, filepath.Join(t.TempDir(), "cert.pem"), string(text))
}

func runCheck(t *testing.T, config string) (int, string) {
	t.Helper()
	name := write(t, filepath.Join(t.TempDir(), "connector.toml"), config)
	var out, stderr bytes.Buffer
	code := run(t.Context(), []string{"-config", name, "-check"}, &out, &stderr)
	return code, out.String() + stderr.String()
}

func wantAll(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		line, rest, _ := strings.Cut(w, " ... ")
		found := false
		for l := range strings.SplitSeq(got, "\n") {
			if strings.HasPrefix(strings.Join(strings.Fields(l), " "), line) && strings.Contains(l, rest) {
				found = true
			}
		}
		if !found {
			t.Errorf("no line %q with %q in\n%s", line, rest, got)
		}
	}
}

func TestCheckOfAGoodConfiguration(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "languages", "EN.lfg"), "[workModeSupplementary]\n1001=Lunch\n")
	code, out := runCheck(t, fmt.Sprintf(`
[listen]
address = "127.0.0.1:0"
console = "off"
certificate = %q
[store]
file = %q
[languages]
directory = %q
[[system]]
event_hosts = ["127.0.0.1", "*.example.com", %q]
[[system.login]]
user = "ICI"
password = "x"
[[link]]
name = "pg1"
side_a = %q
side_b = %q
[[link.peripheral]]
id = 5000
`, pemFile(t, time.Now().Add(90*24*time.Hour)), filepath.Join(dir, "store.db"), filepath.Join(dir, "languages"),
		listen(t).Addr().String(), ctiServer(t, openOnly{}), ctiServer(t, standby{})))
	if code != exitOK || !strings.Contains(out, "everything is fine") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	wantAll(t, out, "ok configuration", "ok certificate of listen ... valid until", "ok listen 127.0.0.1:0", "ok store ... can be written",
		"ok languages ... EN.lfg", "ok link pg1 side A ... session opened with protocol version 25", "ok link pg1 side B ... stands by",
		"ok event host of SAP ... TCP connection works")
	if strings.Contains(out, "FAIL") || strings.Contains(out, "warn") {
		t.Errorf("complaints in\n%s", out)
	}
}

// The standby side of a healthy pair need not listen.
func TestCheckOfASilentStandby(t *testing.T) {
	code, out := runCheck(t, fmt.Sprintf(`
[listen]
address = "127.0.0.1:0"
console = "off"
[[system]]
event_hosts = ["127.0.0.1"]
[[link]]
name = "pg1"
side_a = %q
side_b = %q
[[link.peripheral]]
id = 5000
`, ctiServer(t, openOnly{}), closedPort(t)))
	if code != exitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}
	wantAll(t, out, "ok link pg1 side A ... session opened", "warn link pg1 side B ... nobody listens")
}

func TestCheckSaysEverythingThatIsWrong(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store.db")
	running, err := ds104.OpenBolt(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	mute := listen(t) // accepts and says nothing that is CTI
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	code, out := runCheck(t, fmt.Sprintf(`
instances = 2
[listen]
address = %q
console = "off"
certificate = %q
[store]
file = %q
[languages]
directory = %q
[[system]]
event_hosts = ["no-such-host.invalid", %q]
[[link]]
name = "pg1"
side_a = %q
side_b = %q
[[link.peripheral]]
id = 5000
`, mute.Addr().String(), pemFile(t, time.Now().Add(-time.Hour)), store, filepath.Join(dir, "none"), closedPort(t),
		closedPort(t), mute.Addr().String()))
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	wantAll(t, out, "FAIL certificate of listen ... expired", "FAIL listen 127.0.0.1", "FAIL store ... in use", "FAIL languages ... none",
		"FAIL link pg1 side A ... no TCP connection", "FAIL link pg1 side B ... TCP works, but no session",
		"FAIL event host of SAP no-such-host.invalid", "FAIL event host of SAP no TCP connection",
		"warn configuration 2 connectors without a shared store", "warn configuration ... no authentication")
}

func dataStore(t *testing.T, side ds104.Side) string {
	t.Helper()
	m := ds104.NewMemory(&ds104.MemoryOptions{Side: side})
	s, err := ds104.NewServer(m, &ds104.ServerOptions{Side: side, Token: "open sesame"})
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	go s.Serve(ln)
	t.Cleanup(func() {
		s.Close()
		m.Close()
	})
	return ln.Addr().String()
}

func TestCheckOfDataStores(t *testing.T) {
	a, b := dataStore(t, ds104.SideA), dataStore(t, ds104.SideB)
	config := func(sideA, sideB, token string) string {
		return fmt.Sprintf(`
instances = 2
[listen]
address = "127.0.0.1:0"
console = "off"
[store]
side_a = %q
side_b = %q
token = %q
[[link]]
name = "pg1"
side_a = %q
[[link.peripheral]]
id = 5000
`, sideA, sideB, token, ctiServer(t, openOnly{}))
	}
	code, out := runCheck(t, config(a, b, "open sesame"))
	if code != exitOK || strings.Contains(out, "shared store") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	wantAll(t, out, "ok data store side A ... answers", "ok data store side B ... answers")
	code, out = runCheck(t, config(b, a, "open sesame"))
	if code != exitFailed {
		t.Errorf("sides exchanged: exit code %d", code)
	}
	wantAll(t, out, "FAIL data store side A ... is side B", "FAIL data store side B ... is side A")
	code, out = runCheck(t, config(a, closedPort(t), "guess"))
	if code != exitFailed {
		t.Errorf("wrong token: exit code %d", code)
	}
	wantAll(t, out, "FAIL data store side A ... wrong token", "FAIL data store side B ... refused")
}

func TestCheckOfAPairThatIsOffline(t *testing.T) {
	code, out := runCheck(t, fmt.Sprintf(`
[listen]
address = "127.0.0.1:0"
console = "off"
[[link]]
name = "pg1"
side_a = %q
side_b = %q
[[link.peripheral]]
id = 5000
`, ctiServer(t, standby{}), ctiServer(t, standby{})))
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	wantAll(t, out, "FAIL link pg1 side A ... E_CTI_CTI_SERVER_OFFLINE", "FAIL link pg1 side B ... E_CTI_CTI_SERVER_OFFLINE")
}

func TestBadConfigurationsExitWith2(t *testing.T) {
	good := "[[link]]\nname = \"pg1\"\nside_a = \"" + closedPort(t) + "\"\n[[link.peripheral]]\nid = 1\n"
	for name, tc := range map[string]struct{ config, want string }{
		"unknown key":      {"instanze = 1\n" + good, `connector.toml:1: unknown key "instanze"; did you mean "instance"?`},
		"no link":          {"", "at least one is required"},
		"login type":       {"[agent]\nlogin_type = 9\n" + good, "AgentLoginType=9"},
		"policy":           {"[agent]\nwhen_sap_is_gone = \"sleep\"\n" + good, `agent.when_sap_is_gone: "sleep" is none of ["keep" "notready" "logoff"]`},
		"charset":          {strings.Replace(good, "side_a", "charset = \"klingon\"\nside_a", 1), `charset "klingon" is unknown`},
		"no such file":     {"[listen]\ncertificate = \"/none.pem\"\n" + good, "listen: open /none.pem"},
		"tls keys, no tls": {strings.Replace(good, "side_a", "ca = \"/x.pem\"\nside_a", 1), "need tls = true"},
		"network":          {"[[system]]\nevent_networks = [\"10.0.0.0\"]\n" + good, "event_networks"},
		"store both":       {"[store]\nfile = \"x\"\nside_a = \"y\"\n" + good, "store: either file, or side_a and side_b"},
		"store side b":     {"[store]\nside_b = \"y\"\n" + good, "store: side_b without side_a"},
		"store key":        {"[store]\nkey_file = \"y\"\n" + good, "store: key_file is for file"},
		"log format":       {"[log]\nformat = \"xml\"\n" + good, "log.format"},
	} {
		file := write(t, filepath.Join(t.TempDir(), "connector.toml"), tc.config)
		var out, stderr bytes.Buffer
		if code := run(t.Context(), []string{"-config", file}, &out, &stderr); code != exitUsage || !strings.Contains(stderr.String(), tc.want) {
			t.Errorf("%s: exit code %d, want %q in\n%s", name, code, tc.want, &stderr)
		}
	}
	for _, args := range [][]string{{}, {"-config"}, {"-config", "/no/such/file"}, {"-config", "x", "y"}, {"-chekc"}} {
		var out, stderr bytes.Buffer
		if code := run(t.Context(), args, &out, &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%q: exit code %d, said %q", args, code, &stderr)
		}
	}
}
