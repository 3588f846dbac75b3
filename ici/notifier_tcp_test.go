package ici_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects/ici"
)

func TestNotifierTLS(t *testing.T) {
	var mu sync.Mutex
	var auth, client []string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		auth = append(auth, r.Header.Get("Authorization"))
		if len(r.TLS.PeerCertificates) > 0 {
			client = append(client, r.TLS.PeerCertificates[0].Subject.Organization[0])
		}
		w.Header().Set("Connection", "close") // makes every event a new connection
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) // it tells about the refused handshakes
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	url := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)

	deliver := func(t *testing.T, cfg *tls.Config, events int) (ici.NotifierStats, error) {
		t.Helper()
		results := make(chan error, 100)
		n, err := ici.NewNotifier(&ici.NotifierOptions{
			Systems: []ici.EventSystem{{Name: "PRD", Username: "ICIUSER", Password: "päss:word", TLS: cfg}},
			Trace:   func(d *ici.Delivery) { results <- d.Err },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		sub := ici.Subscription{System: "PRD", AppURL: url + "/x", AppID: "A"}
		if err := n.Subscribe(sub); err != nil {
			t.Fatal(err)
		}
		var last error
		for range events {
			notify(t, n, sub.Key(), state("", "x"))
			last = <-results
		}
		return n.Stats(), last
	}

	t.Run("client certificate, Basic, resumed sessions", func(t *testing.T) {
		cfg := &tls.Config{RootCAs: roots, ServerName: "example.com", Certificates: srv.TLS.Certificates}
		st, err := deliver(t, cfg, 5)
		if err != nil {
			t.Fatal(err)
		}
		if st.Dials != 5 || st.Resumed < 3 {
			t.Errorf("%d connections, %d resumed; want 5 and at least 3", st.Dials, st.Resumed)
		}
		if cfg.ClientSessionCache != nil || cfg.NextProtos != nil {
			t.Error("the configuration of the caller was changed")
		}
		mu.Lock()
		defer mu.Unlock()
		if auth[0] != "Basic SUNJVVNFUjpww6Rzczp3b3Jk" { // RFC 7617, UTF-8, by hand with base64(1)
			t.Errorf("Authorization is %q", auth[0])
		}
		if len(client) != 5 {
			t.Errorf("%d requests with a client certificate, want 5", len(client))
		}
	})
	t.Run("a certificate of somebody else is a failure", func(t *testing.T) {
		if _, err := deliver(t, &tls.Config{RootCAs: roots, Certificates: srv.TLS.Certificates}, 1); err == nil {
			t.Error("the certificate has no name localhost, but the event was sent")
		}
		if _, err := deliver(t, nil, 1); err == nil {
			t.Error("the root is unknown, but the event was sent")
		}
	})
}

// A proxy says "408" on an idle connection and closes it. That is not the answer to the next event.
func TestNotifierUnaskedAnswerIsNotTaken(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: idle connections are not looked into on this system; run on Linux")
	}
	conns := make(chan net.Conn, 10)
	addr := rawServer(t, func(conn net.Conn) {
		br := bufio.NewReader(conn)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			conns <- conn
		}
	})
	results := make(chan ici.Delivery, 10)
	n, err := ici.NewNotifier(&ici.NotifierOptions{Trace: func(d *ici.Delivery) { results <- *d }})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	sub := ici.Subscription{AppURL: "http://" + addr + "/", AppID: "A"}
	if err := n.Subscribe(sub); err != nil {
		t.Fatal(err)
	}
	notify(t, n, sub.Key(), state("", "1"))
	<-results
	first := <-conns
	for n.Stats().IdleConns == 0 { // the connection is given back after the hook
		runtime.Gosched()
	}
	_, _ = io.WriteString(first, "HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\n\r\n")
	notify(t, n, sub.Key(), state("", "2"))
	if d := <-results; d.Err != nil || d.Status != 200 {
		t.Errorf("status %d, error %v", d.Status, d.Err)
	}
	<-conns
	if got := n.Stats().Dials; got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}

func TestNotifierIdleSubscriptionsCostNoGoroutine(t *testing.T) {
	n, err := ici.NewNotifier(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	before := runtime.NumGoroutine()
	var m0, m1 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m0)
	const count = 5000
	for i := range count {
		sub := ici.Subscription{AppURL: "http://127.0.0.1:1/sap/bc/soap/ici(cz1TSUQlM2FBTk9O)?sap-client=100", AppID: strings.Repeat("0", 28) + string(rune('A'+i%26)) + time.Duration(i).String()}
		if err := n.Subscribe(sub); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&m1)
	if got := runtime.NumGoroutine() - before; got > 0 {
		t.Errorf("%d goroutines for %d idle subscriptions", got, count)
	}
	per := int64(m1.HeapAlloc-m0.HeapAlloc) / count
	t.Logf("%d bytes per idle subscription", per)
	if per > 3000 {
		t.Errorf("%d bytes per idle subscription, want at most 3000", per)
	}
	runtime.KeepAlive(n)
}
