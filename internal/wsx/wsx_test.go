package wsx_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/wsx"
)

func feed(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := wsx.Accept(w, r)
		if err != nil {
			return
		}
		defer c.Close()
		if err := c.Write(r.Context(), []byte("hello")); err != nil {
			t.Error(err)
		}
		<-c.Done()
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestFeedReachesViewerAndNoticesItsEnd(t *testing.T) {
	srv := feed(t)
	c, err := wsx.Dial(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Read(t.Context())
	if err != nil || string(b) != "hello" {
		t.Fatalf("read %q, %v", b, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	srv.Close() // hangs when the handler does not notice the viewer's end
}

func TestForeignOriginIsRefused(t *testing.T) {
	srv := feed(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") // RFC 6455 section 1.3
	req.Header.Set("Origin", "http://evil.example")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Fatalf("status %d, want 403", resp.StatusCode)
	}
}
