package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/connects-go/connects/cti"
)

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type desk struct{}

func (desk) ServeOpen(_ context.Context, _ *cti.ServerConn, r *cti.OpenReq) (*cti.OpenConf, error) {
	if string(r.ClientPassword) != "hush" {
		return nil, &cti.StatusError{Status: cti.StatusCodeInvalidPassword}
	}
	return &cti.OpenConf{ServicesGranted: r.ServicesRequested}, nil
}

func (desk) ServeRequest(context.Context, *cti.ServerConn, cti.Request) (cti.Confirm, error) {
	return &cti.AnswerCallConf{}, nil
}

// startProxy starts a proxy to an address and returns its own and what it prints. The proxy ends
// with the test.
func startProxy(t *testing.T, to string, args ...string) (addr string, out *lines, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out = &lines{}
	bound, done := make(chan string, 1), make(chan int, 1)
	go func() {
		args := append([]string{"-listen", ":0", "-to", to}, args...)
		done <- runProxy(ctx, args, out, io.Discard, func(a net.Addr) { bound <- a.String() })
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Cleanup(stop)
	return <-bound, out, stop
}

func TestProxyPrintsOneLinePerMessage(t *testing.T) {
	for _, v := range []cti.Version{cti.Version15, cti.Version25} {
		srv, err := cti.NewServer(&cti.ServerOptions{Handler: desk{}})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go srv.Serve(ln)
		addr, out, stop := startProxy(t, ln.Addr().String())
		if !strings.HasPrefix(addr, "127.0.0.1:") {
			t.Errorf("listens on %s", addr)
		}
		c, err := cti.Dial(t.Context(), addr, &cti.Options{Versions: []cti.Version{v}, ClientID: "x", Password: "hush"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{ConnectionCallID: 42, ConnectionDeviceID: "1001"}); err != nil {
			t.Error(err)
		}
		c.Close()
		stop()
		srv.Close()
		srv.Wait()
		got := out.String()
		for _, want := range []string{
			`#1 - connected `, `#1 > OPEN_REQ .*ClientID="x".*ClientPassword=\*\*\*\*`, `#1 < OPEN_CONF `,
			`#1 > ANSWER_CALL_REQ .*ConnectionCallID=42.*"1001"`, `#1 < ANSWER_CALL_CONF`, `#1 > CLOSE_REQ`, `#1 < CLOSE_CONF`, `#1 - closed`,
		} {
			if !regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{6} ` + want).MatchString(got) {
				t.Errorf("version %v: no line %q in\n%s", v, want, got)
			}
		}
		if strings.Contains(got, "hush") || strings.Contains(got, "68757368") {
			t.Errorf("the password is shown:\n%s", got)
		}
	}
}

func TestProxyPassesOnWhatItDoesNotUnderstand(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan []byte)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		got <- b
	}()
	addr, out, stop := startProxy(t, ln.Addr().String())
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	// An event before OPEN_REQ, then HTTP.
	sent := "\x00\x00\x00\x04\x00\x00\x00\x02\x00\x00\x00\x0fGET / HTTP/1.1\r\n\r\n"
	io.WriteString(c, sent)
	c.Close()
	if b := <-got; string(b) != sent {
		t.Errorf("arrived: %q", b)
	}
	stop()
	for _, want := range []string{"> FAILURE_EVENT of 12 bytes, version not known", "> not understood from here on"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestProxySaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
		code int
	}{
		{nil, "-to is missing", 2},
		{[]string{"-to", "x:1", "-protocol", "mri"}, `unknown protocol "mri"`, 2},
		{[]string{"-to", "x:1", "-version", "12"}, "version 12", 2},
		{[]string{"-to", "x:1", "-listen", "nonsense"}, "missing port", 2},
		{[]string{"-to", "x:1", "-listen", "127.0.0.1:99999"}, "invalid port", 1},
	} {
		var errs bytes.Buffer
		if code := runProxy(t.Context(), tt.args, io.Discard, &errs, nil); code != tt.code || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%v: exit code %d, %q", tt.args, code, errs.String())
		}
	}
}
