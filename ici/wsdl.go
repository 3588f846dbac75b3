package ici

import "net/http"

func (s *Server) serveWSDL(w http.ResponseWriter, r *http.Request, sys *System, svc Service) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	w.Header()["Content-Type"] = contentTypeXML
	_, _ = w.Write(sys.Profile.AppendWSDL(nil, svc, scheme+"://"+r.Host+sys.PathPrefix+sys.Profile.ServicePath(svc)+"?"+literalQuery))
}
