package icitest_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

var meier = icitest.UserSpec{User: "MEIER", Language: "DE", Workcenter: "1001;pw1001;2001", Ready: true}

func TestLogonAndLogoff(t *testing.T) { // S01, S02, S03
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		ctx := t.Context()
		m, err := sap.Logon(ctx, meier)
		must(t, err)
		if m.Workmode() != "2" {
			t.Errorf("work mode after the logon is %q, want 2", m.Workmode())
		}
		must(t, m.SetWorkmode(ctx, ici.WorkmodeNotReady))
		must(t, m.WaitWorkmode(ctx, ici.WorkmodeNotReady))
		must(t, m.Logoff(ctx))
		if d := cmp.Diff([]string{
			"IciSystem.exchangeProductInformation", "IciSystem.getWorkcenterCapability", "IciUser.getAttributes", "IciUser.subscribe",
			"IciUser.setCurrentWorkcenter", "IciUser.setCurrentWorkmode", "IciUser.setCurrentWorkmode", "IciUser.setCurrentWorkmode", "IciUser.unsubscribe",
		}, c.operations()); d != "" {
			t.Errorf("requests (-want +got):\n%s", d)
		}
		if len(sap.Sessions()) != 0 || !m.State().Ended {
			t.Error("the session is still there")
		}
		if err := m.SetWorkmode(ctx, ici.WorkmodeReady); !errors.Is(err, icitest.ErrSessionEnded) {
			t.Errorf("work mode after the logoff: %v", err)
		}
		clean(t, sap)
	})
}

func TestLogonFails(t *testing.T) {
	tests := []struct {
		name string
		spec icitest.UserSpec
		want *ici.Fault
		text string
	}{
		{"unknown user", icitest.UserSpec{User: "NOBODY", Language: "DE"}, &ici.Fault{Code: ici.FaultUserUnknown}, "Benutzer unbekannt"},
		{"bad work center", icitest.UserSpec{User: "MEIER", Language: "DE", Workcenter: "x"}, &ici.Fault{Code: ici.FaultWorkcenterInvalid}, "Arbeitsplatz ungültig"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, sap := pair(t, nil)
				_, err := sap.Logon(t.Context(), tt.spec)
				var f *ici.Fault
				if !errors.Is(err, tt.want) || !errors.As(err, &f) || f.Text != tt.text {
					t.Errorf("logon: %v", err)
				}
				if len(sap.Sessions()) != 0 || len(c.subs) != 0 {
					t.Errorf("left: %d sessions, %d subscriptions", len(sap.Sessions()), len(c.subs))
				}
				clean(t, sap)
			})
		})
	}
}

func TestInboundCall(t *testing.T) { // S04
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		ctx := t.Context()
		m := got(sap.Logon(ctx, meier))(t)
		id := c.offer("MEIER", "+41315550100")
		call, err := m.WaitCall(ctx, "", ici.PhoneCallStatusOffered)
		must(t, err)
		want := ici.PhoneCall{
			ID: id, PhoneCallID: id, RemoteNumbers: []string{"+41315550100"}, Direction: "IN", CreationDate: "20240131094500",
			ProcessingStatus: element(ici.PhoneCallStatusOffered), CapabilityList: elements(ici.CapabilityAccept, ici.CapabilityReject),
			AttachedData: `<?xml version="1.0" encoding="UTF-8"?><ItemAttachedData><Application id="SAP-IC"><CV01>4711 &amp; ü</CV01></Application></ItemAttachedData>`,
		}
		if d := cmp.Diff(want, call); d != "" {
			t.Errorf("call (-want +got):\n%s", d)
		}
		if err := m.HoldCall(ctx, id); !errors.Is(err, icitest.ErrNotOffered) {
			t.Errorf("hold while ringing: %v, want ErrNotOffered", err)
		}
		must(t, m.AcceptCall(ctx, id))
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusConnected))(t)
		if d := cmp.Diff([]string{"drop", "hold", "consult", "blindTransfer", "sendDtmf"}, m.Toolbar(id)); d != "" {
			t.Errorf("toolbar (-want +got):\n%s", d)
		}
		must(t, m.SetAttachedData(ctx, id, "<ItemAttachedData/>"))
		must(t, m.SendDTMF(ctx, id, "12#"))
		must(t, m.HoldCall(ctx, id))
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusHeld))(t)
		must(t, m.RetrieveCall(ctx, id))
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusConnected))(t)
		must(t, m.DropCall(ctx, id))
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusEnded))(t)
		if len(m.Calls()) != 0 || m.Busy() != 0 {
			t.Errorf("after the call: calls %v, %d business sessions", m.Calls(), m.Busy())
		}
		if err := m.DropCall(ctx, id); !errors.Is(err, icitest.ErrNotOffered) {
			t.Errorf("drop after the end: %v, want ErrNotOffered", err)
		}
		must(t, m.Client.DropCall(ctx, id)) // without toolbar
		clean(t, sap)
	})
}

func TestOutboundAndConsultation(t *testing.T) { // S06, S07, S08
	synctest.Test(t, func(t *testing.T) {
		_, sap := pair(t, nil)
		ctx := t.Context()
		m := got(sap.Logon(ctx, meier))(t)
		a := got(m.MakeCall(ctx, "+41315550199", ""))(t)
		got(m.WaitCall(ctx, a.ID, ici.PhoneCallStatusConnected))(t)
		b := got(m.Consult(ctx, a.ID, "+41315550198"))(t)
		if b.ConsultationPhoneCallID != a.ID {
			t.Errorf("consultation belongs to %q, want %q", b.ConsultationPhoneCallID, a.ID)
		}
		got(m.WaitCall(ctx, b.ID, ici.PhoneCallStatusConnected))(t)
		if m.Busy() != 1 {
			t.Errorf("a call and its consultation use %d business sessions, want 1", m.Busy())
		}
		must(t, m.WarmTransfer(ctx, a.ID, b.ID))
		got(m.WaitCall(ctx, a.ID, ici.PhoneCallStatusEnded))(t)
		got(m.WaitCall(ctx, b.ID, ici.PhoneCallStatusEnded))(t)
		clean(t, sap)
	})
}

func TestRestartReplaysTheCalls(t *testing.T) { // S16
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		ctx := t.Context()
		old := got(sap.Logon(ctx, meier))(t)
		id := c.offer("MEIER", "+41315550100")
		got(old.WaitCall(ctx, id, ici.PhoneCallStatusOffered))(t)
		m := got(old.Restart(ctx))(t)
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusOffered))(t)
		if m.Workmode() != "2" || m.URL == old.URL || m.AppID == old.AppID {
			t.Errorf("work mode %q, URLs %s %s", m.Workmode(), old.URL, m.URL)
		}
		must(t, m.AcceptCall(ctx, id))
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusConnected))(t)
		synctest.Wait()
		if st := sap.Stats(); st.Rejected != 1 { // subscriptionEnded to the dead session
			t.Errorf("%d events were rejected, want 1", st.Rejected)
		}
		clean(t, sap)
	})
}

func TestSecondLogonEndsTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, sap := pair(t, nil)
		ctx := t.Context()
		first := got(sap.Logon(ctx, meier))(t)
		second := got(sap.Logon(ctx, meier))(t)
		reason := got(first.WaitEnd(ctx))(t)
		if reason.ID != "NEW_SUBSCRIPTION" {
			t.Errorf("the first session ended with %+v", reason)
		}
		if sap.SessionOf("MEIER") != second || len(sap.Sessions()) != 1 {
			t.Error("the second session is not the one of the user")
		}
		clean(t, sap)
	})
}

func TestKilledSessionIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		m := got(sap.Logon(t.Context(), meier))(t)
		m.Kill()
		c.offer("MEIER", "+41315550100")
		synctest.Wait()
		if len(c.gone) != 1 || !errors.Is(c.gone[0], ici.ErrSubscriptionGone) {
			t.Errorf("the connector was told %v, want ErrSubscriptionGone", c.gone)
		}
		clean(t, sap)
	})
}

func TestSessionLimitRejectsByItself(t *testing.T) { // S20
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		ctx := t.Context()
		m := got(sap.Logon(ctx, meier))(t)
		m.OpenManual()
		for range 5 {
			c.offer("MEIER", "+41315550100")
		}
		synctest.Wait()
		if m.Busy() != 6 || sap.Stats().AutoRejected != 0 {
			t.Fatalf("%d business sessions, %d rejected", m.Busy(), sap.Stats().AutoRejected)
		}
		id := c.offer("MEIER", "+41315550101")
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusEnded))(t)
		m.CloseManual()
		id = c.offer("MEIER", "+41315550102")
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusOffered))(t)
		synctest.Wait()
		if m.Busy() != 6 || sap.Stats().AutoRejected != 1 {
			t.Errorf("%d business sessions, %d rejected; want 6 and 1", m.Busy(), sap.Stats().AutoRejected)
		}
		clean(t, sap)
	})
}

func TestTrouble(t *testing.T) { // S17
	tests := []struct {
		name     string
		trouble  icitest.Trouble
		retried  uint64
		refused  uint64
		gone     int
		arrivals int // events that the session took
	}{
		{"slow", icitest.Trouble{Kind: icitest.Slow, Delay: 29 * time.Second}, 0, 0, 0, 2},
		{"too slow", icitest.Trouble{Kind: icitest.Slow, Delay: 31 * time.Second}, 1, 0, 0, 3},
		{"hang", icitest.Trouble{Kind: icitest.Hang}, 1, 0, 0, 2},
		{"hang and close", icitest.Trouble{Kind: icitest.Hang, Delay: 3 * time.Second}, 1, 0, 0, 2},
		{"500", icitest.Trouble{Kind: icitest.Answer, Status: 500}, 1, 0, 0, 2},
		{"401", icitest.Trouble{Kind: icitest.Answer, Status: 401}, 0, 0, 1, 0},
		{"404", icitest.Trouble{Kind: icitest.Answer, Status: 404, ContentType: "text/html", Body: "<html>"}, 0, 0, 1, 0},
		{"Fault", icitest.Trouble{Kind: icitest.SOAPFault}, 0, 1, 0, 1},
		// on a connection that was kept open a reset passes for a stale connection and is repeated at once
		{"reset", icitest.Trouble{Kind: icitest.Reset, Taken: true}, 0, 0, 0, 3},
		{"garbage", icitest.Trouble{Kind: icitest.Garbage}, 1, 0, 0, 2},
		{"redirect", icitest.Trouble{Kind: icitest.Redirect}, 1, 0, 0, 2},
		{"logon page", icitest.Trouble{Kind: icitest.LogonPage}, 1, 0, 0, 2},
		{"half an answer", icitest.Trouble{Kind: icitest.HalfAnswer}, 1, 0, 0, 2},
		{"other operation", icitest.Trouble{Kind: icitest.Hang, Ops: []ici.Op{ici.OpEventUserChanged}}, 0, 0, 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, sap := pair(t, nil)
				m := got(sap.Logon(t.Context(), meier))(t)
				before := len(m.Events())
				tt.trouble.Times = 1
				if tt.gone > 0 {
					m.SetTrouble(tt.trouble)
				} else {
					sap.SetTrouble(tt.trouble)
				}
				c.offer("MEIER", "+41315550100")
				synctest.Wait()
				c.offer("MEIER", "+41315550101")
				<-time.After(2 * time.Minute)
				st := c.notifier.Stats()
				c.mu.Lock()
				gone := len(c.gone)
				c.mu.Unlock()
				if st.Retried != tt.retried || st.Refused != tt.refused || gone != tt.gone {
					t.Errorf("retried %d, refused %d, gone %d; want %d, %d, %d", st.Retried, st.Refused, gone, tt.retried, tt.refused, tt.gone)
				}
				if n := len(m.Events()) - before; n != tt.arrivals {
					t.Errorf("%d events arrived, want %d", n, tt.arrivals)
				}
				clean(t, sap)
			})
		})
	}
}

func TestTroubleUntilCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		ctx := t.Context()
		m := got(sap.Logon(ctx, meier))(t)
		m.SetTrouble(icitest.Trouble{Kind: icitest.Answer, Status: 503})
		c.offer("MEIER", "+41315550100")
		<-time.After(4 * time.Second) // attempts at 0, 1, 3 s
		if st := c.notifier.Stats(); st.Retried != 3 {
			t.Errorf("retried %d times, want 3", st.Retried)
		}
		m.ClearTrouble()
		got(m.WaitCall(ctx, "", ici.PhoneCallStatusOffered))(t)
	})
}

func TestDownAndUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		ctx := t.Context()
		m := got(sap.Logon(ctx, meier))(t)
		sap.Down()
		id := c.offer("MEIER", "+41315550100")
		<-time.After(2 * time.Second)
		if _, ok := m.Call(id); ok {
			t.Error("the event arrived although the end point is down")
		}
		must(t, sap.Up())
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusOffered))(t)
		clean(t, sap)
	})
}

func TestWaitTellsWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		m := got(sap.Logon(t.Context(), meier))(t)
		c.offer("MEIER", "+41315550100")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.WaitCall(ctx, "call-1", ici.PhoneCallStatusConnected)
		var w *icitest.WaitError
		if !errors.As(err, &w) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("wait: %v", err)
		}
		const want = "icitest: MEIER waited for call call-1 PhoneCallStatus.4: context deadline exceeded; shows " +
			`mode="2" events=2 call{call-1 status=1 can=accept reject}`
		if d := cmp.Diff(want, err.Error()); d != "" {
			t.Errorf("error (-want +got):\n%s", d)
		}
		go m.Kill()
		if _, err := m.WaitCall(t.Context(), "call-1", ici.PhoneCallStatusConnected); !errors.Is(err, icitest.ErrSessionEnded) {
			t.Errorf("wait in a killed session: %v", err)
		}
	})
}

func TestWaitEventAndWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, sap := pair(t, nil)
		ctx := t.Context()
		m := got(sap.Logon(ctx, meier))(t)
		id := c.offer("MEIER", "+41315550100")
		ev := got(m.WaitEvent(ctx, "a call", func(e *icitest.Event) bool { return e.Call != nil }))(t)
		if ev.Call.ID != id || ev.Op != ici.OpEventPhoneCallChanged || ev.Header.User != "MEIER" || ev.Header.Language != "DE" || len(ev.AppIDs) != 1 {
			t.Errorf("event %+v", ev)
		}
		must(t, m.WaitFor(ctx, "one call", func(s icitest.State) bool { return len(s.Calls) == 1 }))
	})
}

func TestTwoSystemsHaveTheSameUser(t *testing.T) { // S19
	c := newCMS(t, nil)
	ln := got(net.Listen("tcp", "127.0.0.1:0"))(t)
	serve(t, c, ln)
	url := "http://" + ln.Addr().String()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	prd := newSAP(t, &icitest.Config{Name: "PRD", Connector: url})
	tst := newSAP(t, &icitest.Config{Name: "TST", Connector: url, BarePath: true, NewConnections: true, Style: ici.Literal})
	a := got(prd.Logon(ctx, meier))(t)
	c.mu.Lock()
	delete(c.subs, "MEIER") // this connector knows one system only
	c.mu.Unlock()
	b := got(tst.Logon(ctx, meier))(t)
	if a.URL == b.URL || a.AppID == b.AppID {
		t.Errorf("both have %s and %s", a.URL, a.AppID)
	}
	id := c.offer("MEIER", "+41315550100")
	got(b.WaitCall(ctx, id, ici.PhoneCallStatusOffered))(t)
	if _, ok := a.Call(id); ok {
		t.Error("the call is in both systems")
	}
	clean(t, prd)
	clean(t, tst)
}

func TestPresence(t *testing.T) { // S14
	synctest.Test(t, func(t *testing.T) {
		_, sap := pair(t, nil)
		ctx := t.Context()
		m := got(sap.Logon(ctx, meier))(t)
		got(sap.Logon(ctx, icitest.UserSpec{User: "ZÜRCHER", Language: "FR"}))(t)
		rows := got(m.Presence(ctx, "*"))(t)
		want := []ici.PresenceInfo{
			{UserID: "MEIER", Name: "Müller <MEIER>", PresenceStatus: element(ici.PresenceStatusAvailable)},
			{UserID: "ZÜRCHER", Name: "Müller <ZÜRCHER>", PresenceStatus: element(ici.PresenceStatusAvailable)},
		}
		if d := cmp.Diff(want, rows); d != "" {
			t.Errorf("presence (-want +got):\n%s", d)
		}
		clean(t, sap)
	})
}

// A site with other names: nothing may be spelt anywhere but in the profile.
func TestRenamedProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := got(ici.Default().Override("site.txt", `
namespace IciEvent = urn:example:event
namespace IciUser = urn:example:user
op IciUser.setCurrentWorkcenter = logonWorkcenter
op IciEvent.phoneCallChanged = callChanged
result IciUser.getAttributes = agent
param IciEvent.phoneCallChanged.phoneCall = theCall
param appIds = applications
param IciUser.subscribe.appUrl = eventAddress
member PhoneCall.remoteNumbers = numbers
member TextElement.description = caption
fault itemUnknown = NOITEM
wire headerUser = agentName
wire responseSuffix = Answer
`))(t)
		c, sap := pair(t, func(cfg *icitest.Config) { cfg.Profile = p })
		ctx := t.Context()
		m := got(sap.Logon(ctx, meier))(t)
		id := c.offer("MEIER", "+41315550100")
		call := got(m.WaitCall(ctx, id, ici.PhoneCallStatusOffered))(t)
		if d := cmp.Diff([]string{"+41315550100"}, call.RemoteNumbers); d != "" {
			t.Errorf("numbers (-want +got):\n%s", d)
		}
		must(t, m.AcceptCall(ctx, id))
		got(m.WaitCall(ctx, id, ici.PhoneCallStatusConnected))(t)
		must(t, m.Logoff(ctx))
		clean(t, sap)
	})
}
