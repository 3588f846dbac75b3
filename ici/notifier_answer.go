package ici

import (
	"bytes"
	"encoding/xml"
	"io"
	"mime"
	"net/http"
	"strings"
)

// verdict is what an attempt to deliver an event came to.
type verdict uint8

const (
	delivered verdict = iota
	refused           // answered, not wanted: never sent again
	failed            // not answered properly: sent again
	gone              // the session does not exist
)

// judge decides what the answer to an event means (reference ICI 4.1 "Event response", 4.7).
//
// A SOAP Fault means that SAP read the event and does not want it. The same bytes would be
// refused again, and the events behind would wait for nothing, so it is not repeated; this holds
// for status 500, which SOAP 1.1 prescribes for Faults, and for Faults with status 200 (assumed).
// An HTML page with status 200 is a logon or error page of something that is not SAP's event end
// point, so the event was not taken (assumed).
func judge(resp *http.Response, body []byte) (verdict, error) {
	switch status := resp.StatusCode; {
	case status >= 200 && status < 300:
		if f := faultIn(body); f != nil {
			return refused, f
		}
		if isHTML(resp.Header.Get("Content-Type"), body) {
			return failed, ErrGarbage
		}
		return delivered, nil
	case status >= 300 && status < 400:
		return failed, ErrRedirect
	case status == 400, status == 401, status == 403, status == 404, status == 410:
		return gone, ErrSubscriptionGone
	case status == 408, status == 425, status == 429:
		return failed, ErrEventStatus
	case status >= 400 && status < 500:
		return refused, ErrEventRefused
	default:
		if f := faultIn(body); f != nil && status == 500 {
			return refused, f
		}
		return failed, ErrEventStatus
	}
}

func isHTML(contentType string, body []byte) bool {
	if t, _, err := mime.ParseMediaType(contentType); err == nil {
		return t == "text/html" || t == "application/xhtml+xml"
	}
	if len(body) > 512 {
		body = body[:512]
	}
	low := bytes.ToLower(bytes.TrimSpace(body))
	return bytes.HasPrefix(low, []byte("<!doctype html")) || bytes.HasPrefix(low, []byte("<html"))
}

// faultIn finds a SOAP Fault in an answer: the element Fault directly below Body.
func faultIn(body []byte) *EventFault {
	if !bytes.Contains(body, []byte("Fault")) {
		return nil
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var f *EventFault
	var path []string
	for {
		tok, err := d.RawToken()
		if err != nil {
			return f
		}
		switch t := tok.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			if len(path) > 32 {
				return f
			}
			if f == nil && len(path) == 3 && path[1] == "Body" && path[2] == "Fault" {
				f = new(EventFault)
			}
		case xml.EndElement:
			if len(path) > 0 {
				path = path[:len(path)-1]
			}
		case xml.CharData:
			if f == nil || len(path) != 4 {
				continue
			}
			switch path[3] {
			case "faultcode":
				f.Code = clipText(f.Code+string(t), 100)
			case "faultstring":
				f.Text = clipText(f.Text+string(t), 500)
			}
		}
		if f != nil && len(path) < 3 {
			if _, local, ok := strings.Cut(f.Code, ":"); ok {
				f.Code = local
			}
			return f
		}
	}
}

// clipText makes s valid UTF-8 of at most n bytes.
func clipText(s string, n int) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	for len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}
