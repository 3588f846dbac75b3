package icitest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// withCapabilities replaces the capability list of an event by the given ids.
func withCapabilities(event string, list ...string) string {
	const end = "</capabilityList>"
	var rows strings.Builder
	for _, id := range list {
		fmt.Fprintf(&rows, "<item><id>%s</id><description>x</description></item>", id)
	}
	a, b := strings.Index(event, "<capabilityList"), strings.Index(event, end)+len(end)
	return event[:a] + "<capabilityList>" + rows.String() + end + event[b:]
}

// Each button is refused without its capability and sent with it; the embedded client sends in any case.
func TestEveryButtonFollowsTheCapabilityList(t *testing.T) {
	rec := new(recorder)
	srv := httptest.NewServer(rec)
	defer srv.Close()
	sap, m := quietSAP(t)
	sap.SetConnector(srv.URL)
	const call, chat, item = "call-815", "chat-9", "act-33"
	ignore := func(_ any, err error) error { return err }
	type buttons interface {
		MakeCall(ctx context.Context, destination, attachedData string) (ici.PhoneCall, error)
		AcceptCall(ctx context.Context, id string) error
		RejectCall(ctx context.Context, id string) error
		DropCall(ctx context.Context, id string) error
		HoldCall(ctx context.Context, id string) error
		RetrieveCall(ctx context.Context, id string) error
		ToggleCalls(ctx context.Context, activeID, heldID string) error
		Consult(ctx context.Context, id, destination string) (ici.PhoneCall, error)
		WarmTransfer(ctx context.Context, id, consultID string) error
		BlindTransfer(ctx context.Context, id, destination string) error
		Conference(ctx context.Context, id, consultID string) error
		LeaveConference(ctx context.Context, id string) error
		SendDTMF(ctx context.Context, id, digits string) error
		AcceptChat(ctx context.Context, id string) error
		RejectChat(ctx context.Context, id string) error
		PostChat(ctx context.Context, id, text string) error
		TransferChat(ctx context.Context, id, destination string) error
		InviteChat(ctx context.Context, id, destination string) error
		LeaveChat(ctx context.Context, id string) error
		EndChat(ctx context.Context, id string) error
		AcceptItem(ctx context.Context, id string) error
		RejectItem(ctx context.Context, id string) error
		RerouteItem(ctx context.Context, id, destination string) error
		CompleteItem(ctx context.Context, id string) error
	}
	tests := []struct {
		capability, event string
		press             func(context.Context, buttons) error
	}{
		{"makeCall", userEvent, func(ctx context.Context, b buttons) error { return ignore(b.MakeCall(ctx, "1", "")) }},
		{"accept", callEvent, func(ctx context.Context, b buttons) error { return b.AcceptCall(ctx, call) }},
		{"reject", callEvent, func(ctx context.Context, b buttons) error { return b.RejectCall(ctx, call) }},
		{"drop", callEvent, func(ctx context.Context, b buttons) error { return b.DropCall(ctx, call) }},
		{"hold", callEvent, func(ctx context.Context, b buttons) error { return b.HoldCall(ctx, call) }},
		{"retrieve", callEvent, func(ctx context.Context, b buttons) error { return b.RetrieveCall(ctx, call) }},
		{"toggle", callEvent, func(ctx context.Context, b buttons) error { return b.ToggleCalls(ctx, "call-1", call) }},
		{"consult", callEvent, func(ctx context.Context, b buttons) error { return ignore(b.Consult(ctx, call, "1")) }},
		{"warmTransfer", callEvent, func(ctx context.Context, b buttons) error { return b.WarmTransfer(ctx, "call-1", call) }},
		{"blindTransfer", callEvent, func(ctx context.Context, b buttons) error { return b.BlindTransfer(ctx, call, "1") }},
		{"conference", callEvent, func(ctx context.Context, b buttons) error { return b.Conference(ctx, "call-1", call) }},
		{"leaveConference", callEvent, func(ctx context.Context, b buttons) error { return b.LeaveConference(ctx, call) }},
		{"sendDtmf", callEvent, func(ctx context.Context, b buttons) error { return b.SendDTMF(ctx, call, "1") }},
		{"accept", chatEvent, func(ctx context.Context, b buttons) error { return b.AcceptChat(ctx, chat) }},
		{"reject", chatEvent, func(ctx context.Context, b buttons) error { return b.RejectChat(ctx, chat) }},
		{"post", chatEvent, func(ctx context.Context, b buttons) error { return b.PostChat(ctx, chat, "x") }},
		{"transfer", chatEvent, func(ctx context.Context, b buttons) error { return b.TransferChat(ctx, chat, "x") }},
		{"invite", chatEvent, func(ctx context.Context, b buttons) error { return b.InviteChat(ctx, chat, "x") }},
		{"leave", chatEvent, func(ctx context.Context, b buttons) error { return b.LeaveChat(ctx, chat) }},
		{"end", chatEvent, func(ctx context.Context, b buttons) error { return b.EndChat(ctx, chat) }},
		{"accept", itemEvent, func(ctx context.Context, b buttons) error { return b.AcceptItem(ctx, item) }},
		{"reject", itemEvent, func(ctx context.Context, b buttons) error { return b.RejectItem(ctx, item) }},
		{"reroute", itemEvent, func(ctx context.Context, b buttons) error { return b.RerouteItem(ctx, item, "x") }},
		{"complete", itemEvent, func(ctx context.Context, b buttons) error { return b.CompleteItem(ctx, item) }},
	}
	sent := func() uint64 { return sap.Stats().Requests }
	for _, tt := range tests {
		t.Run(tt.capability, func(t *testing.T) {
			deliver(sap, m, envelopeOpen+withCapabilities(tt.event)+envelopeClose, nil)
			before := sent()
			err := tt.press(t.Context(), m)
			var e *icitest.ToolbarError
			if !errors.Is(err, icitest.ErrNotOffered) || !errors.As(err, &e) || e.Button != tt.capability {
				t.Errorf("without the capability: %v, want a *ToolbarError", err)
			}
			if sent() != before {
				t.Error("the request was sent without the capability")
			}
			must(t, tt.press(t.Context(), m.Client))
			deliver(sap, m, envelopeOpen+withCapabilities(tt.event, tt.capability)+envelopeClose, nil)
			must(t, tt.press(t.Context(), m))
			if sent() != before+2 {
				t.Errorf("%d requests, want 2", sent()-before)
			}
		})
	}
}

func TestWorkmodeMustBeInTheList(t *testing.T) {
	rec := new(recorder)
	srv := httptest.NewServer(rec)
	defer srv.Close()
	sap, m := quietSAP(t)
	sap.SetConnector(srv.URL)
	deliver(sap, m, envelopeOpen+userEvent+envelopeClose, nil)
	must(t, m.SetWorkmodeID(t.Context(), "1002"))
	must(t, m.SetWorkmode(t.Context(), ici.WorkmodeReady))
	if err := m.SetWorkmodeID(t.Context(), "1003"); !errors.Is(err, icitest.ErrNotOffered) {
		t.Errorf("a work mode that is not in the list: %v", err)
	}
}

func TestSessionLimitHoldsForEveryKindOfItem(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := new(recorder)
		rec.ServeHTTP(w, r)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(rec.body))
	}))
	defer srv.Close()
	sap := newSAP(t, &icitest.Config{Addr: "none", EventURL: "http://crm.example.org:8000", Connector: srv.URL, SessionLimit: 1})
	m := got(sap.Open(icitest.UserSpec{User: "MEIER"}))(t)
	m.OpenManual()
	for _, body := range []string{callEvent, chatEvent, itemEvent} {
		deliver(sap, m, envelopeOpen+body+envelopeClose, nil)
		deliver(sap, m, envelopeOpen+body+envelopeClose, nil) // a repetition is not rejected again
	}
	must(t, sap.Close()) // waits for the rejections
	srv.Close()          // and for what was noted of them
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(bodies, "")
	for _, want := range []string{"<m:reject xmlns:m=\"urn:IciPhoneCallInterface\"", "<m:reject xmlns:m=\"urn:IciChatInterface\"", "<m:reject xmlns:m=\"urn:IciActionItemInterface\""} {
		if strings.Count(all, want) > 1 {
			t.Errorf("%s was sent twice", want)
		}
	}
	if got := sap.Stats().AutoRejected; got != 3 {
		t.Errorf("%d items were rejected, want 3", got)
	}
}

func TestParallelEventsAreAViolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sap, m := quietSAP(t)
		m.SetTrouble(icitest.Trouble{Kind: icitest.Slow, Delay: time.Second, Times: 1})
		go deliver(sap, m, envelopeOpen+callEvent+envelopeClose, nil)
		synctest.Wait()
		deliver(sap, m, envelopeOpen+callEvent+envelopeClose, nil)
		if v := sap.Violations(); len(v) != 1 || v[0].Rule != icitest.RuleOrder {
			t.Errorf("violations %v, want one of the rule order", v)
		}
		<-time.After(2 * time.Second)
	})
}

func TestSessionForgetsOldEventsAndEndedCalls(t *testing.T) {
	sap := newSAP(t, &icitest.Config{Addr: "none", EventURL: "http://crm.example.org:8000", KeepEvents: 10})
	m := got(sap.Open(icitest.UserSpec{User: "MEIER"}))(t)
	ended := withCapabilities(strings.Replace(callEvent, ">1</id>", ">8</id>", 1))
	deliver(sap, m, envelopeOpen+callEvent+envelopeClose, nil) // rings all the time
	for i := range 100 {
		deliver(sap, m, envelopeOpen+strings.ReplaceAll(ended, "call-815", fmt.Sprint("call-", i))+envelopeClose, nil)
	}
	clean(t, sap)
	events, calls := m.Events(), m.State().Calls
	if len(events) != 10 || events[9].Seq != 101 || events[9].Call.ID != "call-99" {
		t.Errorf("%d events, the last is %+v", len(events), events[len(events)-1])
	}
	if len(calls) != 33 || calls[0].ID != "call-815" || calls[32].ID != "call-99" || len(m.Calls()) != 1 {
		t.Errorf("%d calls", len(calls))
	}
}

func TestEventEndPointWithTLS(t *testing.T) {
	donor := httptest.NewTLSServer(nil) // for its certificate
	defer donor.Close()
	var seen []icitest.Message
	sap := newSAP(t, &icitest.Config{EventTLS: donor.TLS, EventUsername: "ICI", EventPassword: "pw", Observe: func(m *icitest.Message) { seen = append(seen, *m) }})
	m := got(sap.Open(icitest.UserSpec{User: "MEIER"}))(t)
	if !strings.HasPrefix(m.URL, "https://127.0.0.1:") {
		t.Fatalf("event URL %s", m.URL)
	}
	done := make(chan *ici.Delivery, 1)
	n := got(ici.NewNotifier(&ici.NotifierOptions{
		Systems: []ici.EventSystem{{Username: "ICI", Password: "pw", TLS: donor.Client().Transport.(*http.Transport).TLSClientConfig}},
		Trace:   func(d *ici.Delivery) { done <- d },
	}))(t)
	defer n.Close()
	sub := ici.Subscription{AppURL: m.URL, AppID: m.AppID, User: "MEIER"}
	must(t, n.Subscribe(sub))
	for range 5 {
		must(t, n.Notify(sub.Key(), ici.Event{Op: ici.OpEventUserChanged, Params: []ici.EventParam{{Param: ici.ParamUser, Value: &ici.User{
			UserID: "MEIER", CurrentWorkmode: ici.TextElement{ID: "2", Description: "Ready"}}}}}))
		if d := <-done; d.Err != nil {
			t.Fatal(d.Err)
		}
	}
	clean(t, sap)
	must(t, n.Close())
	must(t, sap.Close())
	if st := n.Stats(); st.Dials != 1 || st.Reused != 4 {
		t.Errorf("%d connections for 5 events, %d reused", st.Dials, st.Reused)
	}
	if len(seen) != 5 || !seen[0].Event || seen[0].Op != "IciEvent.userChanged" || seen[0].User != "MEIER" || seen[0].Status != 200 || len(seen[0].Request) == 0 || len(seen[0].Response) == 0 {
		t.Errorf("observed %d messages, the first is %+v", len(seen), seen)
	}
}
