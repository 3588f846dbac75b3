package ici

import (
	"fmt"
	"html"
	"net/http"
	"strings"
)

// literalQuery marks the address in our WSDL: callers generated from it get document/literal answers.
const literalQuery = "literal"

func (s *Server) serveGet(w http.ResponseWriter, r *http.Request, sys *System) {
	rest := strings.Trim(strings.TrimPrefix(r.URL.Path, sys.PathPrefix), "/")
	svc := sys.Profile.serviceByPath(r.URL.Path, false)
	if r.URL.Query().Has("wsdl") || r.URL.Query().Has("WSDL") {
		if svc == ServiceUnknown {
			s.refuse(w, r, http.StatusNotFound, "no service at this path")
			return
		}
		s.serveWSDL(w, r, sys, svc)
		return
	}
	if rest != "" && svc == ServiceUnknown {
		s.refuse(w, r, http.StatusNotFound, "nothing at this path")
		return
	}
	if s.opts.StatusPage != nil {
		s.opts.StatusPage.ServeHTTP(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	st := s.Stats()
	fmt.Fprintf(w, "<!doctype html><html lang=en><meta charset=utf-8><title>SAP ICI</title>"+
		"<style>body{font:16px/1.5 system-ui;margin:2rem;max-width:40rem}td{padding:.1rem 1rem .1rem 0}</style>"+
		"<h1>SAP ICI</h1><p>The service is running.</p><table><tr><td>Calls<td>%d<tr><td>Faults<td>%d<tr><td>Unknown operations<td>%d"+
		"<tr><td>Unreadable<td>%d</table><h2>Services</h2><ul>", st.Calls, st.Faults, st.Unknown, st.Unreadable)
	for i := 1; i < len(sys.Profile.services); i++ {
		if svc := &sys.Profile.services[i]; svc.inbound {
			fmt.Fprintf(w, "<li><a href=\"%s?wsdl\">%s</a>", html.EscapeString(sys.PathPrefix+svc.path), html.EscapeString(svc.name))
		}
	}
	fmt.Fprint(w, "</ul></html>\n")
}
