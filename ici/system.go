package ici

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func sortedSystems(in []System) []System {
	out := slices.Clone(in)
	if len(out) == 0 {
		out = []System{{}}
	}
	for i := range out {
		out[i].PathPrefix = strings.TrimRight(out[i].PathPrefix, "/")
		out[i].Auth = out[i].Auth.clone()
		if out[i].Profile == nil {
			out[i].Profile = Default()
		}
	}
	slices.SortStableFunc(out, func(a, b System) int { return len(b.PathPrefix) - len(a.PathPrefix) })
	return out
}

// system finds the system with the longest prefix of a path.
func (s *Server) system(path string) *System {
	for i := range s.systems {
		p := s.systems[i].PathPrefix
		if p == "" || strings.HasPrefix(path, p) && (len(path) == len(p) || path[len(p)] == '/') {
			return &s.systems[i]
		}
	}
	return nil
}

// foreignOrigin reports whether a web page of another site sent the request: SAP and SOAP toolkits send no Origin, and no
// page may drive the connector from somebody's browser.
func foreignOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}
