package crm_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ici"
)

func (w *whole) call(user, id string) ici.PhoneCall {
	w.t.Helper()
	var p ici.PhoneCall
	p.DecodeICI(w.must(user, ici.OpPhoneCallGetAttributes, text(ici.ParamPhoneCallID, id)))
	return p
}

func (w *whole) user(user string) ici.User {
	w.t.Helper()
	var u ici.User
	w.sap.mu.Lock()
	defer w.sap.mu.Unlock()
	for _, e := range w.sap.events {
		if e.AppID == user && e.User != nil {
			u = *e.User
		}
	}
	if u.UserID == "" {
		w.t.Fatalf("no event about %s", user)
	}
	return u
}

// The button and what it does agree: the ACD takes a new call from an agent who
// has none and is not in wrap-up.
func TestDialButton(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		id, _ := w.answered()
		dial := text(ici.ParamDestination, "+41315550150")
		w.op("U1", ici.OpPhoneCallHold, id)
		w.want("U1: held [drop retrieve wrapUpRequired] " + customer)
		w.fault(ici.FaultIllegalState, "U1", ici.OpPhoneCallMakeCall, dial)
		w.must("U1", ici.OpItemWrapUpRequired, text(ici.ParamItemID, id))
		w.op("U1", ici.OpPhoneCallDrop, id)
		if c := w.user("U1").CapabilityList; len(c) != 0 {
			t.Errorf("in wrap-up he may %v", c)
		}
		w.fault(ici.FaultIllegalState, "U1", ici.OpPhoneCallMakeCall, dial)
		w.mode("U1", 2)
		if c := w.user("U1").CapabilityList; len(c) != 1 || c[0].ID != "makeCall" {
			t.Errorf("ready, he may %v", c)
		}
		w.must("U1", ici.OpPhoneCallMakeCall, dial)
	})
}

// A colleague's call has not waited in a queue, although the ACD counts it on a
// skill group (CCE reference, section 11.1).
func TestDirectCallHasNoQueue(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		w.logOnAll(2, false)
		w.must("U1", ici.OpPhoneCallMakeCall, text(ici.ParamDestination, "2002"))
		w.settle()
		_, id := w.who("offered")
		p := w.call("U2", id)
		got := []string{p.Direction, p.CallReason.ID, p.Queue}
		if diff := cmp.Diff([]string{"INT", "1", ""}, got); diff != "" {
			t.Errorf("direction, reason, queue (-want +got)\n%s", diff)
		}
	})
}

// A call that the customer made to the agent's own number.
func TestDirectCallFromOutside(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		w.logOnAll(1, false)
		w.customerCall("2001")
		_, id := w.who("offered")
		p := w.call("U1", id)
		got := []string{p.Direction, p.CallReason.ID, p.Queue}
		if diff := cmp.Diff([]string{"IN", "1", ""}, got); diff != "" {
			t.Errorf("direction, reason, queue (-want +got)\n%s", diff)
		}
	})
}

// Log off during a call: SAP sees what comes of it.
func TestLogOffButtonInCall(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		id, _ := w.answered()
		w.mode("U1", 1)
		if m := w.user("U1").CurrentWorkmode; m.ID != "3" || m.Description != "Not ready (after the call)" {
			t.Errorf("log off asked for in the call: %+v", m)
		}
		w.op("U1", ici.OpPhoneCallDrop, id)
		w.wantMode("U1", 1)
	})
}

// An agent who rejects is not told that somebody else has the call.
func TestRejectButton(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		w.logOnAll(1, true)
		w.customerCall("5001")
		_, id := w.who("offered")
		w.op("U1", ici.OpPhoneCallReject, id)
		p := w.call("U1", id)
		if p.ProcessingStatus.ID != "8" || strings.Contains(p.ProcessingStatus.Description, "elsewhere") || p.Description != "" {
			t.Errorf("after his own reject: %+v %q", p.ProcessingStatus, p.Description)
		}
	})
}

// Who has left a conference is not among its agents any more.
func TestConferenceAgents(t *testing.T) {
	wholeRun(t, 3, config(), nil, func(w *whole) {
		a, b, b2 := w.consulted()
		w.op("U1", ici.OpPhoneCallConference, a, text(ici.ParamConsultPhoneCallID, b))
		w.sap.take()
		w.op("U1", ici.OpPhoneCallLeaveConference, a)
		w.settle()
		w.sap.mu.Lock()
		defer w.sap.mu.Unlock()
		told := false
		for _, e := range w.sap.events {
			if e.Call != nil && e.Call.ID == b2 {
				told = true
				if slices.Contains(e.Call.UserIDs, "U1") {
					t.Errorf("agents of the call: %v", e.Call.UserIDs)
				}
			}
		}
		if !told {
			t.Error("the second agent was told nothing")
		}
	})
}

// While SAP takes no events, newer states replace older ones, so every state has
// a key: that of its call, or the agent's.
func TestStatesCollapse(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		w.logOnAll(1, true)
		w.sap.take()
		w.customerCall("5001")
		_, id := w.who("offered")
		w.sap.mu.Lock()
		var got []string
		for _, e := range w.sap.events {
			got = append(got, e.Item)
		}
		w.sap.mu.Unlock()
		if diff := cmp.Diff([]string{id, "user"}, got); diff != "" {
			t.Errorf("keys (-want +got)\n%s", diff)
		}
	})
}

func TestSearchTermRefused(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		w.logOnAll(1, true)
		_, err := w.ask("U1", ici.OpUserGetPresence, text(ici.ParamSearchTerm, "*m"))
		var f *ici.Fault
		if !errors.As(err, &f) || !strings.Contains(f.Text, "*") {
			t.Errorf("got %v", err)
		}
	})
}

// outage takes the switch away while f runs.
func (w *whole) outage(f func()) {
	w.t.Helper()
	for _, s := range []ctitest.SideID{ctitest.B, ctitest.A} {
		w.pg.Side(s).Stop()
	}
	w.settle()
	f()
	if err := w.pg.Side(ctitest.A).Start(); err != nil {
		w.t.Fatal(err)
	}
	w.ready()
	w.settle()
}

// What was to happen after the call happens also when the call ends while the
// switch is away, and nothing is pending any more.
func TestPendingModeAfterOutage(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		w.logOnAll(1, false)
		call := w.customerCall("2001")
		_, id := w.who("offered")
		w.op("U1", ici.OpPhoneCallAccept, id)
		w.mode("U1", 1005)
		if m := w.user("U1").CurrentWorkmode; m.ID != "1005" || !strings.Contains(m.Description, "after the call") {
			t.Errorf("in the call: %+v", m)
		}
		w.sap.take()
		w.outage(func() {
			if err := w.pg.CustomerHangUp(call); err != nil {
				t.Fatal(err)
			}
		})
		if m := w.user("U1").CurrentWorkmode; m.ID != "1005" || strings.Contains(m.Description, "after the call") {
			t.Errorf("after the call: %+v", m)
		}
		if p := w.c.Agents()[0].Pending; p != 0 {
			t.Errorf("pending %d", p)
		}
	})
}

func TestLogOffAfterOutage(t *testing.T) {
	for name, during := range map[string]bool{"call ends during": true, "call ends after": false} {
		t.Run(name, func(t *testing.T) {
			wholeRun(t, 2, config(), nil, func(w *whole) {
				id, call := w.answered()
				w.mode("U1", 1)
				w.outage(func() {
					w.fault(ici.FaultTimeout, "U1", ici.OpPhoneCallHold, text(ici.ParamPhoneCallID, id))
					if !during {
						return
					}
					if err := w.pg.CustomerHangUp(call); err != nil {
						t.Fatal(err)
					}
				})
				if !during {
					w.op("U1", ici.OpPhoneCallDrop, id)
				}
				w.wantMode("U1", 1)
			})
		})
	}
}

// eager is a client that has the answer, and asks again, before the server's
// goroutine has come back from writing it.
type eager struct {
	*httptest.ResponseRecorder
	next func()
}

func (e *eager) Write(p []byte) (int, error) {
	n, err := e.ResponseRecorder.Write(p)
	if f := e.next; f != nil {
		e.next = nil
		f()
	}
	return n, err
}

func TestRequestsKeepTheirOrder(t *testing.T) {
	run(t, config(), func(b *bench) {
		b.logOn("U1")
		b.inbound("U1", 100)
		id := b.callID("U1", "offered")
		b.event(b.established(100, "2001", customer, "2001"))
		b.state("U1", cti.AgentStateTalking, 0)
		b.sw.take()
		body := ici.Default().AppendRequest(nil, ici.Header{User: "U1", Language: "EN"}, ici.OpItemWrapUpRequired, text(ici.ParamItemID, id))
		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		req.Header.Set("Content-Type", "text/xml; charset=utf-8")
		b.srv.ServeHTTP(&eager{httptest.NewRecorder(), func() {
			b.must("U1", ici.OpPhoneCallDrop, text(ici.ParamPhoneCallID, id))
		}}, req)
		var got []string
		for _, r := range b.sw.take() {
			got = append(got, r.Type().String())
		}
		if diff := cmp.Diff([]string{"SET_AGENT_STATE_REQ", "CLEAR_CONNECTION_REQ"}, got); diff != "" {
			t.Errorf("requests to the switch (-want +got)\n%s", diff)
		}
	})
}
