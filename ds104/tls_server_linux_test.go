package ds104_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
)

// TLS that proves the server alone, over IPv6, and marked packets there.
func TestServerTLSAndDSCPOverIPv6(t *testing.T) {
	cert, pool := certificate(t)
	s, err := ds104.NewServer(ds104.NewMemory(nil), &ds104.ServerOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("SKIPPED: no IPv6, enable it on the loopback interface: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	defer func() { _ = s.Close(); <-ended }()
	var raw net.Conn
	good := ds104.ClientOptions{
		Conns: 1, DSCP: 46, Wait: 300 * time.Millisecond, TLS: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"},
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var err error
			raw, err = (&net.Dialer{}).DialContext(ctx, network, addr)
			return raw, err
		},
	}
	c, err := ds104.Dial(t.Context(), ln.Addr().String(), &good)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mustPut(t, c, "k", "v")
	sc, err := raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	class := 0
	if e := sc.Control(func(fd uintptr) {
		class, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS)
	}); e != nil || err != nil || class != 46<<2 {
		t.Errorf("traffic class %#x, %v %v; want %#x", class, e, err, 46<<2)
	}
	for name, change := range map[string]func(*ds104.ClientOptions){
		"an unknown root":      func(o *ds104.ClientOptions) { o.TLS = &tls.Config{ServerName: "127.0.0.1"} },
		"another name":         func(o *ds104.ClientOptions) { o.TLS = &tls.Config{RootCAs: pool, ServerName: "elsewhere"} },
		"the address as name":  func(o *ds104.ClientOptions) { o.TLS = &tls.Config{RootCAs: pool} }, // ::1 is not in it
		"no TLS at the client": func(o *ds104.ClientOptions) { o.TLS = nil },
	} {
		o := good
		change(&o)
		other, err := ds104.NewClient(ln.Addr().String(), &o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Get(t.Context(), "k"); !errors.Is(err, ds104.ErrDown) {
			t.Errorf("%s: %v, want no connection", name, err)
		}
		_ = other.Close()
	}
	mustGet(t, c, "k", "v")
}
