package icitest

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/connects-go/connects/ici"
)

// maxEvent is the largest event that is read, in bytes.
const maxEvent = 4 << 20

// ServeHTTP is the event end point: it takes one event.
func (s *SAP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEvent+1))
	if err != nil {
		return // the client went away
	}
	m := &Message{Time: start, Event: true, System: s.cfg.Name, Op: "unknown", URL: r.RequestURI, Request: body}
	rec := &recorder{ResponseWriter: w}
	reject := s.serve(rec, r, body, m)
	if s.cfg.Observe != nil {
		m.Status, m.Response, m.Duration = rec.status, rec.body.Bytes(), time.Since(start)
		s.cfg.Observe(m)
	}
	if reject != nil {
		s.autoReject(m.User, reject)
	}
}

// recorder keeps what is answered, for Observe.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// serve answers one event. It returns the request by which SAP rejects the item, if it has no room for it.
func (s *SAP) serve(w *recorder, r *http.Request, body []byte, m *Message) func(context.Context) error {
	x, dead := s.find(r.RequestURI)
	if x == nil {
		s.stats.rejected.Add(1)
		if !dead {
			s.violate("", "", RuleURL, "nobody handed out the URL "+r.RequestURI, body)
			http.Error(w, "not found", http.StatusNotFound)
			return nil
		}
		// SAP Note 1301591: the session of a stateful URL is gone.
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "<html><title>400 Session not found</title></html>")
		return nil
	}
	m.User = x.User
	ev, problems, err := s.readEvent(x, body)
	if ev != nil {
		m.Op = s.profile.OpFullName(ev.Op)
	}
	for _, p := range append(s.checkHTTP(r, body), problems...) {
		s.violate(x.User, m.Op, p.rule, p.detail, body)
	}
	if s.cfg.EventUsername != "" {
		user, pass, _ := r.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(user+":"+pass), []byte(s.cfg.EventUsername+":"+string(s.cfg.EventPassword))) != 1 {
			s.stats.rejected.Add(1)
			w.Header().Set("WWW-Authenticate", `Basic realm="SAP"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return nil
		}
	}
	op := ici.OpUnknown
	if ev != nil {
		op = ev.Op
	}
	trouble := x.trouble.next(op)
	if trouble == nil {
		trouble = s.trouble.next(op)
	}
	if trouble != nil && trouble.Kind != Slow && !trouble.Taken {
		s.stats.rejected.Add(1)
		trouble.make(s, w, r, nil)
		return nil
	}
	switch {
	case r.Method != http.MethodPost:
		s.stats.rejected.Add(1)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return nil
	case err != nil:
		s.stats.rejected.Add(1)
		s.fault(w, "Client", err.Error())
		return nil
	case !x.owns(ev.AppIDs):
		s.stats.rejected.Add(1)
		s.violate(x.User, m.Op, RuleAppID, fmt.Sprintf("application ids %q do not all belong to the URL", ev.AppIDs), body)
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return nil
	}
	if x.inFlight.Add(1) > 1 {
		s.violate(x.User, m.Op, RuleOrder, "two events of one session at the same time", body)
	}
	defer x.inFlight.Add(-1)
	for _, detail := range s.checkEvent(x, ev) {
		s.violate(x.User, m.Op, RuleContent, detail, body)
	}
	s.stats.events.Add(1)
	reject := x.apply(ev)
	answer := func(w http.ResponseWriter) { s.answer(w, ev.Op) }
	if trouble != nil {
		trouble.make(s, w, r, answer)
	} else {
		answer(w)
	}
	if ev.Reason != nil {
		s.forget(x)
	}
	return reject
}

// owns reports whether all application ids belong to the session; there must be one.
func (x *Session) owns(appIDs []string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range appIDs {
		if !x.appIDs[id] {
			return false
		}
	}
	return len(appIDs) > 0
}

// autoReject sends the rejection of an item for which SAP has no free session (reference S20).
func (s *SAP) autoReject(user string, reject func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.stats.autoRejected.Add(1)
	s.wg.Go(func() {
		if err := reject(s.ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.log.Warn("automatic reject failed", slog.String("user", user), slog.String("err", err.Error()))
		}
	})
}

// checkHTTP checks what reference 4.1 and 4.5 say about the HTTP request.
func (s *SAP) checkHTTP(r *http.Request, body []byte) []finding {
	var out []finding
	bad := func(format string, args ...any) { out = append(out, finding{RuleHTTP, fmt.Sprintf(format, args...)}) }
	if r.Method != http.MethodPost {
		bad("method %s", r.Method)
	}
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || t != "text/xml" || !strings.EqualFold(params["charset"], "utf-8") {
		bad("Content-Type %q", r.Header.Get("Content-Type"))
	}
	if v := r.Header.Values("SOAPAction"); len(v) != 1 || v[0] != `""` {
		bad("SOAPAction %q", v)
	}
	if r.ContentLength >= 0 && r.ContentLength != int64(len(body)) {
		bad("Content-Length %d with %d bytes", r.ContentLength, len(body))
	}
	if len(body) > maxEvent {
		bad("more than %d bytes", maxEvent)
	}
	return out
}

// answer writes the usual answer: a string without content (reference 4.1).
func (s *SAP) answer(w http.ResponseWriter, op ici.Op) {
	p := s.profile
	name := p.OpName(op) + p.Wire(ici.WireResponseSuffix)
	s.envelope(w, http.StatusOK, `<m:`+name+` xmlns:m="`+p.Namespace(ici.ServiceEvent)+`" SOAP-ENV:encodingStyle="`+p.Wire(ici.WireEncoding)+`">`+
		`<`+p.OpResultName(op)+` xsi:type="xsd:string"></`+p.OpResultName(op)+`></m:`+name+`>`)
}

// fault answers that an event was not understood (message CM_ICI_CCS 008).
func (s *SAP) fault(w http.ResponseWriter, code, text string) {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text))
	s.envelope(w, http.StatusInternalServerError, `<SOAP-ENV:Fault><faultcode>SOAP-ENV:`+code+`</faultcode><faultstring>`+b.String()+
		`</faultstring></SOAP-ENV:Fault>`)
}

func (s *SAP) envelope(w http.ResponseWriter, status int, body string) {
	p := s.profile
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="utf-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="`+p.Wire(ici.WireEnvelope)+
		`" xmlns:xsi="`+p.Wire(ici.WireInstance)+`" xmlns:xsd="`+p.Wire(ici.WireSchema)+`"><SOAP-ENV:Body>`+body+
		`</SOAP-ENV:Body></SOAP-ENV:Envelope>`)
}
