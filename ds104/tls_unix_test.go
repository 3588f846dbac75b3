//go:build unix

package ds104_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
)

// certificate returns a certificate that is its own authority.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "store"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestMutualTLSAndDSCP(t *testing.T) {
	cert, pool := certificate(t)
	s, err := ds104.NewServer(ds104.NewMemory(nil), &ds104.ServerOptions{
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	defer func() { _ = s.Close(); <-ended }()
	var raw net.Conn
	c, err := ds104.Dial(t.Context(), ln.Addr().String(), &ds104.ClientOptions{
		Conns: 1, DSCP: 26, TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}},
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var err error
			raw, err = (&net.Dialer{}).DialContext(ctx, network, addr)
			return raw, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mustPut(t, c, "k", "v")
	mustGet(t, c, "k", "v")
	sc, err := raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var tos int
	if err := sc.Control(func(fd uintptr) { tos, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TOS) }); err != nil || tos != 26<<2 {
		t.Errorf("type of service %#x, %v; want %#x", tos, err, 26<<2)
	}
	other, err := ds104.NewClient(ln.Addr().String(), &ds104.ClientOptions{Conns: 1, Wait: 300 * time.Millisecond, TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Get(t.Context(), "k"); !errors.Is(err, ds104.ErrDown) {
		t.Errorf("without a certificate: %v", err)
	}
}
