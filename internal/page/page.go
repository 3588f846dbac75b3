// Package page has what the web pages for operators share: a guard, so that no foreign
// page can use them from an operator's browser, and one look without any file from
// elsewhere.
package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
)

//go:embed page.css
var css string

//go:embed page.html
var shell string

// Guard lets requests through whose Host is a loopback name, an IP address or one of
// hosts (without port), and whose Origin, if there is one, is the page itself; others
// get 403. It sets the headers that keep a browser from loading or framing anything.
func Guard(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !hostAllowed(r.Host, hosts) || !originAllowed(r) {
			http.Error(w, "this page is not for that host or origin", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostAllowed refuses names that a foreign DNS server may have pointed here.
func hostAllowed(hostport string, hosts []string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil {
		return true
	}
	for _, h := range hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

func originAllowed(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" && r.Method != http.MethodGet {
		return false
	}
	o := r.Header.Get("Origin")
	if o == "" {
		return true
	}
	u, err := url.Parse(o)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// grouped writes a number with a comma before every three digits.
func grouped(n any) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Template returns a template whose content is the given text, a template "content",
// inside the common page. Data needs a field or method Title. The function n writes a
// large whole number so that it can be read.
func Template(content string) (*template.Template, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"css": func() template.CSS { return template.CSS(css) },
		"n":   grouped,
	}).Parse(shell)
	if err != nil {
		return nil, err
	}
	if _, err := t.New("content of the page").Parse(content); err != nil {
		return nil, err
	}
	return t, nil
}
