package icitest

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/connects-go/connects/ici"
)

// TroubleKind is what the event end point does wrong.
type TroubleKind uint8

// The kinds of trouble.
const (
	Slow       TroubleKind = iota + 1 // takes the event and answers as usual, but only after Delay
	Hang                              // never answers; after Delay, if there is one, the connection is closed
	Answer                            // answers with Status, ContentType and Body
	SOAPFault                         // answers with a SOAP Fault and status 500
	Reset                             // resets the connection
	Garbage                           // answers with bytes that are not HTTP
	Redirect                          // answers 302 to another path of the same host
	LogonPage                         // answers 200 with an HTML page
	HalfAnswer                        // announces more bytes than it sends
)

// Trouble is a fault of the event end point.
type Trouble struct {
	Kind  TroubleKind
	Times int           // how many events it hits; 0 = until ClearTrouble
	Delay time.Duration // for Slow and Hang
	// Taken makes SAP take the event although the answer is bad, so that a repetition comes twice.
	Taken       bool
	Status      int // for Answer
	ContentType string
	Body        string
	Ops         []ici.Op // events it hits; empty = all
}

type activeTrouble struct {
	Trouble
	left int
}

// troubles is a list of faults that are still to happen, in their order.
type troubles struct {
	mu   sync.Mutex
	list []*activeTrouble
}

func (t *troubles) add(list []Trouble) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range list {
		t.list = append(t.list, &activeTrouble{x, x.Times})
	}
}

func (t *troubles) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = nil
}

// next returns the trouble that hits an event, or nil.
func (t *troubles) next(op ici.Op) *Trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, x := range t.list {
		if len(x.Ops) > 0 && !slices.Contains(x.Ops, op) {
			continue
		}
		if x.Times > 0 {
			if x.left--; x.left == 0 {
				t.list = slices.Delete(t.list, i, i+1)
			}
		}
		return &x.Trouble
	}
	return nil
}

// SetTrouble adds faults of the event end point for all sessions; they happen in the order given, after those of the
// session itself.
func (s *SAP) SetTrouble(list ...Trouble) { s.trouble.add(list) }

// ClearTrouble ends all faults that SetTrouble of the SAP added.
func (s *SAP) ClearTrouble() { s.trouble.clear() }

// SetTrouble adds faults of the event end point for the session; they happen in the order given.
func (x *Session) SetTrouble(list ...Trouble) { x.trouble.add(list) }

// ClearTrouble ends all faults that SetTrouble of the session added.
func (x *Session) ClearTrouble() { x.trouble.clear() }

// make does what the trouble is about, after the event was taken or not. It returns the status for the record.
func (t *Trouble) make(s *SAP, w http.ResponseWriter, r *http.Request, ok func(http.ResponseWriter)) int {
	switch t.Kind {
	case Slow:
		if !pause(s, r, t.Delay) {
			return 0
		}
		ok(w)
		return http.StatusOK
	case Hang:
		if pause(s, r, t.Delay) && t.Delay > 0 {
			hijack(w, "")
		}
		return 0
	case Answer:
		if t.ContentType != "" {
			w.Header().Set("Content-Type", t.ContentType)
		}
		w.WriteHeader(t.Status)
		_, _ = w.Write([]byte(t.Body))
		return t.Status
	case SOAPFault:
		s.fault(w, "Server", "simulated fault")
		return http.StatusInternalServerError
	case Garbage:
		hijack(w, "\x16\x03\x01 this is not HTTP\r\n\r\n")
	case Redirect:
		http.Redirect(w, r, "/sap/public/logon", http.StatusFound)
		return http.StatusFound
	case LogonPage:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!DOCTYPE html><html><title>Logon</title></html>"))
		return http.StatusOK
	case HalfAnswer:
		hijack(w, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 500\r\n\r\n<?xml")
		return http.StatusOK
	default: // Reset
		hijack(w, "")
	}
	return 0
}

// pause waits; it returns false when the client gave up or the SAP was closed before. No time means for ever.
func pause(s *SAP, r *http.Request, d time.Duration) bool {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

// hijack takes the connection over, writes and closes it; without text it is reset where the network can do that.
func hijack(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if text != "" {
		_, _ = conn.Write([]byte(text))
	} else if c, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}
