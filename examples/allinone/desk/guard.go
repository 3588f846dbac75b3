package desk

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guard lets only the desk's own page and scripts on this machine through: the
// Host header must name where the desk listens, so that a foreign name that
// resolves to this address (DNS rebinding) gets nowhere, and a request that a
// browser made for another page (Origin) is refused.
func guard(host string, next http.Handler) http.Handler {
	bound, _ := netip.ParseAddr(host)
	open := bound.IsValid() && !bound.IsLoopback() // the operator opened the desk to the network
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Host
		if h, _, err := net.SplitHostPort(name); err == nil {
			name = h
		}
		name = strings.Trim(name, "[]")
		addr, err := netip.ParseAddr(name)
		local := strings.EqualFold(name, "localhost") || strings.EqualFold(name, host) || (err == nil && (addr.IsLoopback() || open))
		if !local {
			fail(w, http.StatusForbidden, "host "+name+" is not where the desk listens")
			return
		}
		if o := r.Header.Get("Origin"); o != "" {
			if u, err := url.Parse(o); err != nil || !strings.EqualFold(u.Host, r.Host) {
				fail(w, http.StatusForbidden, "request of a foreign page")
				return
			}
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
