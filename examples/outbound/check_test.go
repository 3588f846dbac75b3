package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/outboundcsv/outboundtest"
	"github.com/connects-go/connects/outboundcsv/sapphone/gatewaytest"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln := listen(t)
	ln.Close()
	return ln.Addr().String()
}

// dumb accepts connections and says nothing.
func dumb(t *testing.T) string {
	t.Helper()
	ln := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			c, err := ln.Accept()
			if err != nil {
				break
			}
			open = append(open, c)
		}
		for _, c := range open {
			c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func gateway(t *testing.T) string {
	t.Helper()
	ln, gw := listen(t), gatewaytest.New(nil)
	go gw.Serve(ln)
	t.Cleanup(gw.Close)
	return ln.Addr().String()
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
	t.Cleanup(func() { s.Close(); m.Close() })
	return ln.Addr().String()
}

func outboundAPI(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(outboundtest.NewServer(&outboundtest.ServerOptions{User: "u", Password: "p"}))
	t.Cleanup(s.Close)
	return s.URL + "/unifiedconfig/config"
}

// checked runs serve -check with what is added to a configuration.
func checked(t *testing.T, ctx context.Context, text string) (code int, out, dir string) {
	t.Helper()
	dir, name := config(t, text)
	for file, secret := range map[string]string{"token": "open sesame", "pw": "p", "wrong": "x",
		"api.json": `{"header":true,"encoding":"utf-8","lineEnd":"lf","deletePolicy":"api"}`} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	code = run(ctx, []string{"serve", "-config", name, "-check"}, &b)
	return code, b.String(), dir
}

func TestCheckReachesTheNeighbours(t *testing.T) {
	head := "instance = \"ob1\"\nspool = \"DIR/spool\"\nconsole = \"127.0.0.1:0\"\npage = \"127.0.0.1:0\"\n"
	file := "[import]\ndirectory = \"DIR/import\"\nname = \"c.csv\"\n"
	door := "[http]\nlisten = \"127.0.0.1:0\"\n"
	way := "[gateway]\nexperimental = true\nprogram = \"connects.OB1\"\naddress = \""
	api := func(url, password string) string {
		return "[api]\nurl = \"" + url + "\"\nuser = \"u\"\npassword_file = \"DIR/" + password + "\"\n[api.campaigns]\nSpring = \"5000\"\n"
	}
	stores := func(a, b string) string {
		return "[store]\nside_a = \"" + a + "\"\nside_b = \"" + b + "\"\ntoken_file = \"DIR/token\"\n"
	}
	busy := listen(t).Addr().String()
	a, b := dataStore(t, ds104.SideA), dataStore(t, ds104.SideB)
	for _, tt := range []struct {
		name, text string
		code       int
		want       []string
	}{
		{"all is well", head + file + door + way + gateway(t) + "\"\n" + stores(a, b), exitOK, []string{
			"ok    configuration", "ok    page 127.0.0.1:0 ", "ok    console 127.0.0.1:0 ", "ok    http 127.0.0.1:0 ", "ok    spool", "import directory             DIR/import: files can be written",
			"ok    data store side A", "ok    data store side B", "TCP connection works", "ok    way to SAP cpic", "registration works", "warn  definition", "everything is fine"}},
		{"the API", head + door + api(outboundAPI(t), "pw"), exitOK, []string{"ok    outbound API", "ok    campaign 5000", "warn  data store "}},
		{"deletions at the API", "profile = \"DIR/api.json\"\n" + head + door + api(outboundAPI(t), "pw"), exitOK, []string{"warn  delete policy api            a deletion replaces all"}},
		{"deletions at the API, agreed", "profile = \"DIR/api.json\"\n" + head + door + api(outboundAPI(t), "pw") + stores(a, b), exitOK, []string{"ok    delete policy api"}},
		{"a wrong password", head + door + api(outboundAPI(t), "wrong"), exitFailed, []string{"FAIL  outbound API                 outboundcsv: API answers 401: Unauthorized", "1 problem(s)"}},
		{"no API", head + door + api("http://"+closedPort(t), "pw"), exitFailed, []string{"FAIL  outbound API", "connection refused"}},
		{"no gateway", head + file + way + closedPort(t) + "\"\n", exitFailed, []string{"FAIL  gateway", "no TCP connection", "FAIL  way to SAP cpic              connects.OB1 at 127.0.0.1:"}},
		{"sides crossed", head + file + door + stores(b, closedPort(t)), exitFailed, []string{"FAIL  data store side A            " + b + ": is side B", "FAIL  data store side B", "no TCP connection", "2 problem(s)"}},
		{"a port in use", strings.Replace(head, "console = \"127.0.0.1:0\"", "console = \""+busy+"\"", 1) + file + door, exitFailed, []string{"FAIL  console " + busy, "address already in use"}},
		{"no import directory", head + strings.Replace(file, "DIR/import", "DIR/none", 1) + door, exitFailed, []string{"FAIL  import directory", "no such file"}},
		{"a bad configuration", head + strings.Replace(file, "c.csv", "a/c.csv", 1) + door, exitUsage, []string{`FAIL  configuration                configuration: spool: File.Name="a/c.csv"`, "ok    http"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, dir := checked(t, t.Context(), tt.text)
			if code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if want = strings.ReplaceAll(want, "DIR", dir); !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			if strings.Contains(out, "open sesame") {
				t.Error("a secret is shown")
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "import", "*")); left != nil {
				t.Errorf("left in the import directory: %v", left)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "import", ".*")); left != nil {
				t.Errorf("left in the import directory: %v", left)
			}
		})
	}
	t.Run("neighbours that say nothing", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		addr := dumb(t)
		code, out, _ := checked(t, ctx, head+door+way+addr+"\"\n"+api("http://"+addr, "pw")+stores(addr, ""))
		for _, want := range []string{"FAIL  outbound API", "FAIL  data store side A", "FAIL  way to SAP cpic", "warn  data store side B", "4 problem(s)"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		if code != exitFailed {
			t.Errorf("exit %d", code)
		}
	})
	t.Run("a file that waits", func(t *testing.T) {
		dir, name := config(t, head+file+door)
		if err := os.WriteFile(filepath.Join(dir, "import", "c.csv"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if code := run(t.Context(), []string{"serve", "-config", name, "-check"}, &out); code != exitOK || !strings.Contains(out.String(), "the importer has not taken it") {
			t.Errorf("exit %d\n%s", code, out.String())
		}
	})
	t.Run("it runs already", func(t *testing.T) {
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<title>ob1 · outbound</title>"))
		}))
		defer page.Close()
		text := strings.Replace(head, "page = \"127.0.0.1:0\"", "page = \""+page.Listener.Addr().String()+"\"", 1)
		code, out, _ := checked(t, t.Context(), strings.Replace(text, "console = \"127.0.0.1:0\"", "console = \""+busy+"\"", 1)+file+way+gateway(t)+"\"\n")
		for _, want := range []string{"an outbound connector runs here", "in use by the connector that runs", "not tried"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		if code != exitOK {
			t.Errorf("exit %d", code)
		}
	})
}

func TestGatewayPorts(t *testing.T) {
	for addr, want := range map[string]string{
		"gw:sapgw00": "gw:3300", "gw:sapgw99": "gw:3399", "gw:sapgw01s": "gw:4801", "gw:3300": "gw:3300", "[::1]:sapgw07": "[::1]:3307",
		"gw:sapgw": "gw:sapgw", "gw:sapgw1": "gw:sapgw1", "gw:sapms00": "gw:sapms00", "gw": "gw",
	} {
		if got := gatewayPort(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
