package page_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/page"
)

func TestGuard(t *testing.T) {
	g := page.Guard([]string{"store.example.com"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, tc := range []struct {
		method, host, origin, site string
		want                       int
	}{
		{"GET", "127.0.0.1:42028", "", "", 204},
		{"GET", "localhost:42028", "", "none", 204},
		{"GET", "[::1]:42028", "", "", 204},
		{"GET", "10.0.0.5", "", "", 204},
		{"GET", "store.example.com:42028", "", "", 204},
		{"GET", "Store.Example.com", "", "", 204},
		{"GET", "evil.example.com:42028", "", "", 403}, // DNS rebinding
		{"GET", "", "", "", 403},
		{"POST", "localhost:42028", "http://localhost:42028", "same-origin", 204},
		{"POST", "localhost:42028", "http://evil.example.com", "", 403},
		{"POST", "localhost:42028", "http://localhost:9999", "", 403},
		{"POST", "localhost:42028", "null", "", 403},
		{"POST", "localhost:42028", "", "cross-site", 403},
		{"GET", "localhost:42028", "", "cross-site", 204}, // a link somewhere
	} {
		r := httptest.NewRequestWithContext(t.Context(), tc.method, "/", nil)
		r.Host = tc.host
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		if tc.site != "" {
			r.Header.Set("Sec-Fetch-Site", tc.site)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%+v: %d", tc, w.Code)
		}
		if w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%+v: headers are missing", tc)
		}
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	tpl, err := page.Template(`{{define "content"}}{{range .N}}{{n .}} {{end}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := tpl.ExecuteTemplate(&out, "content", map[string]any{"N": []any{0, 12, 999, 1000, int64(1234567), -123456, "100000"}}); err != nil {
		t.Fatal(err)
	}
	if want := "0 12 999 1,000 1,234,567 -123,456 100,000 "; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
