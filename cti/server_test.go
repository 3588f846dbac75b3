package cti_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/testnet"
)

// office is a handler that accepts everybody and confirms ANSWER_CALL_REQ; call 1 is refused by
// the protocol, call 2 by the peripheral, call 3 in a way that the protocol does not know, and
// call 4 is answered later.
type office struct {
	mu     sync.Mutex
	log    []string
	refuse error
}

func (o *office) note(s string) {
	o.mu.Lock()
	o.log = append(o.log, s)
	o.mu.Unlock()
}

func (o *office) ServeOpen(_ context.Context, c *cti.ServerConn, r *cti.OpenReq) (*cti.OpenConf, error) {
	o.note("open " + r.ClientID)
	if o.refuse != nil {
		return nil, o.refuse
	}
	return &cti.OpenConf{ServicesGranted: r.ServicesRequested, PeripheralOnline: true}, nil
}

func (o *office) Opened(_ context.Context, c *cti.ServerConn) {
	c.Send(&cti.SystemEvent{SystemEventID: cti.SystemEventIDPeripheralOnline, SystemEventArg1: 5000})
}

func (o *office) ServeRequest(_ context.Context, c *cti.ServerConn, r cti.Request) (cti.Confirm, error) {
	a, ok := r.(*cti.AnswerCallReq)
	if !ok {
		return nil, &cti.StatusError{Status: cti.StatusCodeFunctionNotAvailable}
	}
	switch a.ConnectionCallID {
	case 1:
		return nil, &cti.StatusError{Status: cti.StatusCodeInvalidCallID, PeripheralErrorCode: 9}
	case 2:
		return nil, &cti.ControlError{Code: 13, PeripheralErrorCode: 10}
	case 3:
		return nil, errors.New("boom")
	case 4:
		conf := &cti.AnswerCallConf{InvokeID: r.Invoke()}
		go func() { c.Send(conf) }()
		return nil, nil
	}
	return &cti.AnswerCallConf{}, nil
}

func (o *office) ServeMessage(_ context.Context, _ *cti.ServerConn, m cti.Message) {
	o.note(m.Type().String())
}

func (o *office) Closed(_ *cti.ServerConn, err error) {
	if errors.Is(err, cti.ErrClosed) {
		o.note("closed properly")
	} else {
		o.note("closed")
	}
}

// serve starts a server on a:1 of a network of its own.
func serve(t *testing.T, h cti.ServerHandler, change func(*cti.ServerOptions)) (*testnet.Net, *cti.Server) {
	t.Helper()
	n := testnet.New()
	o := &cti.ServerOptions{Handler: h}
	if change != nil {
		change(o)
	}
	srv, err := cti.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := n.Listen("a:1")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		srv.Close()
		srv.Wait()
		if err := <-done; !errors.Is(err, cti.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return n, srv
}

func dialServer(t *testing.T, n *testnet.Net, o *cti.Options) *cti.Client {
	t.Helper()
	if o == nil {
		o = &cti.Options{}
	}
	o.Dial = n.DialContext
	c, err := cti.Dial(t.Context(), "a:1", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestServerSpeaksEveryVersion(t *testing.T) {
	for v := cti.MinVersion; v <= cti.MaxVersion; v++ {
		synctest.Test(t, func(t *testing.T) {
			o := &office{}
			n, srv := serve(t, o, nil)
			rec := &recorder{}
			c := dialServer(t, n, &cti.Options{Versions: []cti.Version{v}, ClientID: "x", Handler: rec})
			if _, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{ConnectionCallID: 7}); err != nil {
				t.Errorf("version %v: %v", v, err)
			}
			if _, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{ConnectionCallID: 4}); err != nil {
				t.Errorf("version %v: answered later: %v", v, err)
			}
			_, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{ConnectionCallID: 1})
			if !errors.Is(err, cti.StatusCodeInvalidCallID) {
				t.Errorf("version %v: %v", v, err)
			}
			_, err = c.AnswerCall(t.Context(), &cti.AnswerCallReq{ConnectionCallID: 2})
			var ce *cti.ControlError
			if !errors.As(err, &ce) || ce.Code != 13 || ce.PeripheralErrorCode != 10 {
				t.Errorf("version %v: %v", v, err)
			}
			_, err = c.AnswerCall(t.Context(), &cti.AnswerCallReq{ConnectionCallID: 3})
			if !errors.Is(err, cti.StatusCodeUnspecifiedFailure) {
				t.Errorf("version %v: %v", v, err)
			}
			if conns := srv.Conns(); len(conns) != 1 || conns[0].Version() != v || conns[0].OpenReq().ClientID != "x" {
				t.Errorf("version %v: conns %v", v, conns)
			}
			synctest.Wait()
			c.Close()
			synctest.Wait()
			want := []string{"open x", "closed properly"}
			if d := cmp.Diff(want, o.log); d != "" {
				t.Errorf("version %v: handler (-want +got):\n%s", v, d)
			}
			if d := cmp.Diff([]string{"fyi(5000)"}, rec.names()); d != "" {
				t.Errorf("version %v: events (-want +got):\n%s", v, d)
			}
		})
	}
}

// raw connects to the server of n without any client of ours.
func raw(t *testing.T, n *testnet.Net) *peerConn {
	t.Helper()
	conn, err := n.DialContext(t.Context(), "tcp", "a:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peerConn{Conn: conn, t: t}
}

// openReqV is OPEN_REQ (guide, OPEN_REQ) of a version with ClientID and ClientPassword.
func openReqV(version, idle uint32) []byte {
	fixed := []any{uint32(9), version, idle, uint32(0xFFFFFFFF), uint32(0x16), uint32(0), uint32(0), uint32(0), uint32(0), uint32(0), uint32(0)}
	if version < 20 {
		return frame(openReq, append(fixed, uint8(1), uint8(2), "x\x00", uint8(2), uint8(0))...)
	}
	return frame(openReq, append(fixed, uint16(1), uint16(2), "x\x00", uint16(2), uint16(0))...)
}

func TestServerRefusesWhatTheGuideForbids(t *testing.T) {
	for name, tt := range map[string]struct {
		first []byte
		want  []byte // FAILURE_CONF
	}{
		"version unknown":       {openReqV(12, 20), frame(failureConf, uint32(9), uint32(1))},
		"version from future":   {openReqV(1<<31, 20), frame(failureConf, uint32(9), uint32(1))},
		"idle timeout short":    {openReqV(23, 19), frame(failureConf, uint32(9), uint32(18))},
		"idle timeout, new":     {openReqV(25, 0), frame(failureConf, uint32(9), uint16(18), uint32(0))},
		"not OPEN_REQ":          {frame(answerCallReq, uint32(5), uint32(1)), frame(failureConf, uint32(5), uint32(4))},
		"heartbeat first":       {frame(heartbeatReq, uint32(6)), frame(failureConf, uint32(6), uint32(4))},
		"OPEN_REQ cut":          {frame(openReq, uint32(9), uint32(23), uint32(30)), frame(failureConf, uint32(9), uint32(25))},
		"OPEN_REQ almost empty": {frame(openReq, uint32(9)), frame(failureConf, uint32(9), uint32(25))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, srv := serve(t, &office{}, nil)
				c := raw(t, n)
				c.send(tt.first)
				typ, body, _ := c.next()
				if got := frame(typ, body); cmp.Diff(tt.want, got) != "" {
					t.Errorf("answer %x, want %x", got, tt.want)
				}
				if _, _, ok := c.next(); ok {
					t.Error("the connection stays open")
				}
				synctest.Wait()
				if s := srv.Stats(); s.Conns != 0 || s.Refused != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestServerRefusesByItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := serve(t, &office{refuse: &cti.StatusError{Status: cti.StatusCodeDeviceInUse}}, nil)
		_, err := cti.Dial(t.Context(), "a:1", &cti.Options{Dial: n.DialContext})
		var ce *cti.ConnectError
		if !errors.Is(err, cti.StatusCodeDeviceInUse) || !errors.As(err, &ce) || ce.Addr != "a:1" {
			t.Error(err)
		}
		if got := len(n.Dials()); got != 1 {
			t.Errorf("%d connections", got)
		}
	})
}

func TestServerEndsIdleAndMuteConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := serve(t, &office{}, nil)
		start := time.Now()
		mute := raw(t, n)
		if _, _, ok := mute.next(); ok || time.Since(start) != 30*time.Second {
			t.Errorf("without OPEN_REQ: ended after %v", time.Since(start))
		}
		idle := raw(t, n)
		idle.send(openReqV(25, 20))
		idle.want(openConf)
		idle.want(systemEvent)
		time.Sleep(15 * time.Second)
		idle.send(frame(heartbeatReq, uint32(10)))
		idle.want(heartbeatConf)
		start = time.Now()
		if _, _, ok := idle.next(); ok || time.Since(start) != 20*time.Second {
			t.Errorf("idle: ended after %v", time.Since(start))
		}
		never := raw(t, n)
		never.send(openReqV(25, 0xFFFFFFFF))
		never.want(openConf)
		time.Sleep(24 * time.Hour)
		never.send(frame(heartbeatReq, uint32(11)))
		never.want(systemEvent)
		never.want(heartbeatConf)
	})
}

func TestServerSurvivesBrokenClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{}
		n, srv := serve(t, o, nil)
		good := dialServer(t, n, &cti.Options{Versions: []cti.Version{cti.Version25}})
		for name, tt := range map[string]struct {
			bytes []byte
			ends  bool
		}{
			"4 GB":           {[]byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 42}, true},
			"over the limit": {[]byte{0, 0, 0x30, 0xCD, 0, 0, 0, 42}, true},
			"cut request":    {frame(answerCallReq, uint32(12)), false},
			"empty":          {frame(answerCallReq), false},
			"unknown":        {frame(60_000, uint32(12)), false},
			"second open":    {openReqV(25, 20), false},
			"an event":       {textFYI(1), false},
		} {
			c := raw(t, n)
			c.send(openReqV(25, 20))
			c.want(openConf)
			c.want(systemEvent)
			c.send(tt.bytes)
			switch name {
			case "cut request":
				if body := c.want(failureConf); cmp.Diff(frame(failureConf, uint32(12), uint16(25), uint32(0))[8:], body) != "" {
					t.Errorf("%s: %x", name, body)
				}
			case "second open":
				if body := c.want(failureConf); cmp.Diff(frame(failureConf, uint32(9), uint16(5), uint32(0))[8:], body) != "" {
					t.Errorf("%s: %x", name, body)
				}
			}
			if tt.ends {
				if _, _, ok := c.next(); ok {
					t.Errorf("%s: the connection goes on", name)
				}
			} else {
				c.send(frame(heartbeatReq, uint32(13)))
				c.want(heartbeatConf)
			}
			c.Close()
		}
		if _, err := good.AnswerCall(t.Context(), &cti.AnswerCallReq{}); err != nil {
			t.Errorf("another client: %v", err)
		}
		synctest.Wait()
		if got := len(srv.Conns()); got != 1 {
			t.Errorf("%d connections are left", got)
		}
	})
}

func TestServerEndsClientsThatDoNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, srv := serve(t, &office{}, func(o *cti.ServerOptions) { o.WriteLimit = 1000 })
		c := raw(t, n)
		c.send(openReqV(25, 20))
		synctest.Wait()
		conn := srv.Conns()[0]
		var err error
		for i := 0; err == nil && i < 100_000; i++ {
			err = conn.Send(&cti.SystemEvent{SystemEventArg1: uint32(i)})
			if i%10 == 0 {
				synctest.Wait() // the writer runs until the connection is full
			}
		}
		if !errors.Is(err, cti.ErrSlowConsumer) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if s := srv.Stats(); s.Conns != 0 || s.SlowPeers != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestServerShutdownTellsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{}
		n, srv := serve(t, o, nil)
		c := dialServer(t, n, nil)
		waiting := raw(t, n) // has not sent OPEN_REQ
		synctest.Wait()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-c.Done()
		if !errors.Is(c.Err(), cti.StatusCodeCTIServerOffline) {
			t.Error(c.Err())
		}
		if _, _, ok := waiting.next(); ok {
			t.Error("the other connection lives")
		}
		if _, err := n.DialContext(t.Context(), "tcp", "a:1"); err == nil {
			t.Error("it still listens")
		}
	})
}

func TestServerLimitsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, srv := serve(t, &office{}, func(o *cti.ServerOptions) { o.MaxConns = 1 })
		c := dialServer(t, n, nil)
		if _, err := cti.Dial(t.Context(), "a:1", &cti.Options{Dial: n.DialContext}); err == nil {
			t.Error("a second connection is accepted")
		}
		c.Close()
		synctest.Wait()
		dialServer(t, n, nil)
		if s := srv.Stats(); s.Refused != 1 || s.Accepted != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestInterceptKeepsMessagesFromTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := serve(t, &office{}, func(o *cti.ServerOptions) {
			o.Intercept = func(c *cti.ServerConn, m cti.Message) bool { return m.Type() == cti.TypeHeartbeatReq }
		})
		c := dialServer(t, n, nil)
		<-c.Done()
		if !errors.Is(c.Err(), cti.ErrHeartbeat) {
			t.Error(c.Err())
		}
	})
}

func TestMutualTLS(t *testing.T) {
	server, client, stranger := certificate(t, "pg-a"), certificate(t, "connector"), certificate(t, "stranger")
	pool := func(c tls.Certificate) *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(c.Leaf)
		return p
	}
	o := &office{}
	srv, err := cti.NewServer(&cti.ServerOptions{Handler: o, TLS: &tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(client),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(ln)
	defer srv.Wait()
	defer srv.Close()
	addr := ln.Addr().String()
	dial := func(change func(*tls.Config)) error {
		cfg := &tls.Config{ServerName: "pg-a", RootCAs: pool(server), Certificates: []tls.Certificate{client}}
		change(cfg)
		c, err := cti.Dial(t.Context(), addr, &cti.Options{Versions: []cti.Version{cti.Version25}, TLS: cfg})
		if err != nil {
			return err
		}
		if conns := srv.Conns(); len(conns) == 1 {
			if st := conns[0].TLS(); st == nil || st.Version < tls.VersionTLS12 || st.PeerCertificates[0].Subject.CommonName != "connector" {
				t.Errorf("TLS state %+v", st)
			}
		}
		if _, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{}); err != nil {
			t.Error(err)
		}
		return c.Close()
	}
	if err := dial(func(*tls.Config) {}); err != nil {
		t.Errorf("with both certificates: %v", err)
	}
	if err := dial(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	if err := dial(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	if err := dial(func(c *tls.Config) { c.Certificates = []tls.Certificate{stranger} }); err == nil {
		t.Error("a stranger's certificate is accepted")
	}
	if err := dial(func(c *tls.Config) { c.Certificates = nil }); err == nil {
		t.Error("no client certificate is accepted")
	}
	if err := dial(func(c *tls.Config) { c.RootCAs = pool(stranger) }); err == nil {
		t.Error("an unknown server is trusted")
	}
	if err := dial(func(c *tls.Config) { c.ServerName = "pg-b" }); err == nil {
		t.Error("a wrong server name is accepted")
	}
	if _, err := cti.Dial(t.Context(), addr, &cti.Options{Versions: []cti.Version{cti.Version25}, OpenTimeout: 2 * time.Second}); err == nil {
		t.Error("clear text is accepted")
	}
}

func TestOldTLSIsRefusedEvenWhenConfigured(t *testing.T) {
	cert := certificate(t, "pg-a")
	old := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", old)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	_, err = cti.Dial(t.Context(), ln.Addr().String(), &cti.Options{
		TLS: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10},
	})
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("client: %v", err)
	}
	srv, err := cti.NewServer(&cti.ServerOptions{Handler: &office{}, TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10}})
	if err != nil {
		t.Fatal(err)
	}
	near, far := testnet.Pipe()
	srv.ServeConn(far)
	if err := tls.Client(near, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake(); err == nil {
		t.Error("the server takes TLS 1.1")
	}
	near.Close()
	srv.Close()
	srv.Wait()
}

// certificate makes a self-signed certificate as CCE uses them.
func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestWindowGrowsWhileAnswersAreQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &cti.Window{Max: 32}
		var at, peak atomic.Int32
		err := w.Each(t.Context(), 2000, func(ctx context.Context, i int) error {
			n := at.Add(1)
			defer at.Add(-1)
			for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
			}
			time.Sleep(50 * time.Millisecond)
			return nil
		})
		if err != nil || peak.Load() != 32 || w.Size() != 32 || w.Peak() != 32 {
			t.Errorf("%v, peak %d, size %d", err, peak.Load(), w.Size())
		}
	})
}

func TestWindowShrinksWhenTheServerIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &cti.Window{Start: 32}
		// A server that works on one request at a time: 100 ms each.
		var mu = make(chan struct{}, 1)
		err := w.Each(t.Context(), 300, func(ctx context.Context, i int) error {
			mu <- struct{}{}
			time.Sleep(100 * time.Millisecond)
			<-mu
			return nil
		})
		if size := w.Size(); err != nil || size > 8 {
			t.Errorf("%v, size %d", err, size)
		}
	})
}

func TestWindowStopsWhenTheSessionIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &cti.Window{}
		var calls atomic.Int32
		err := w.Each(t.Context(), 1000, func(ctx context.Context, i int) error {
			time.Sleep(time.Millisecond)
			if calls.Add(1) == 100 {
				return fmt.Errorf("lost: %w", cti.ErrInterrupted)
			}
			return ctx.Err()
		})
		if !errors.Is(err, cti.ErrInterrupted) || calls.Load() > 200 {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
	})
}

func TestWindowReportsErrorsOfSingleCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &cti.Window{}
		var calls atomic.Int32
		err := w.Each(t.Context(), 100, func(ctx context.Context, i int) error {
			calls.Add(1)
			if i%2 == 0 {
				return &cti.StatusError{Status: cti.StatusCodeAgentNotLoggedOn}
			}
			return nil
		})
		if !errors.Is(err, cti.StatusCodeAgentNotLoggedOn) || calls.Load() != 100 {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Each(ctx, 5, func(context.Context, int) error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := w.Each(t.Context(), 0, nil); err != nil {
			t.Error(err)
		}
	})
}
