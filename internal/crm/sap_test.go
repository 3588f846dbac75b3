package crm_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
	"github.com/connects-go/connects/internal/crm"
)

// site is everything over real sockets: a simulated gateway, the session, the
// connector, the ICI server and notifier, and a simulated SAP.
type site struct {
	t    testing.TB
	pg   *ctitest.PG
	c    *crm.Connector
	sap  *icitest.SAP
	n    *ici.Notifier
	sess *cti.Session
}

func newSite(t testing.TB, agents int, tune func(*crm.Config, *ctitest.Config, *ici.NotifierOptions)) *site {
	t.Helper()
	s := &site{t: t}
	pc := ctitest.DefaultConfig(agents)
	pc.External = map[string]ctitest.External{
		"+41315550150": {AnswerAfter: 50 * time.Millisecond}, "+41315550197": {Busy: true},
	}
	cfg := config()
	cfg.Dialing.InternalPrefix = "4132555"
	cfg.RequestConfiguration = true
	st := ds104.NewMemory(nil)
	cfg.Store = st
	var no ici.NotifierOptions
	no.Gone = func(sub ici.Subscription, err error) { s.c.SubscriptionGone(sub, err) }
	if tune != nil {
		tune(&cfg, pc, &no)
	}
	s.pg = ctitest.New(pc)
	for _, id := range []ctitest.SideID{ctitest.A, ctitest.B} {
		if err := s.pg.Side(id).Start(); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.c, err = crm.New(cfg)
	fatal(err)
	s.n, err = ici.NewNotifier(&no)
	fatal(err)
	s.c.BindNotifier(s.n)
	l := s.c.Link("pg")
	s.sess, err = cti.NewSession(&cti.SessionOptions{A: cti.Endpoint{Addr: s.pg.Side(ctitest.A).Addr()},
		B: cti.Endpoint{Addr: s.pg.Side(ctitest.B).Addr()}, ClientID: "connects", Handler: l, Resync: l.Resync,
		ConfigMsgMask: cti.ConfigMaskAgent | cti.ConfigMaskSkillGroup})
	fatal(err)
	l.Bind(s.sess)
	fatal(s.c.Start(t.Context()))
	fatal(s.sess.Start())
	srv, err := ici.NewServer(s.c, &ici.ServerOptions{FaultText: s.c.FaultText})
	fatal(err)
	hs := srv.HTTPServer()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(err)
	served := make(chan struct{})
	go func() { defer close(served); _ = hs.Serve(ln) }()
	s.sap, err = icitest.New(&icitest.Config{Connector: "http://" + ln.Addr().String() + "/"})
	fatal(err)
	t.Cleanup(func() {
		_ = s.sap.Close()
		_ = hs.Close()
		<-served
		if err := s.c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		_ = s.n.Close()
		_ = s.sess.Close()
		s.pg.Close()
		_ = st.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	s.eventually("link is ready", func() bool { return s.c.Links()[0].Ready })
	return s
}

func (s *site) eventually(what string, ok func() bool) {
	s.t.Helper()
	end := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			s.t.Fatalf("not in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (s *site) logOn(i int, ready bool) *icitest.Session {
	s.t.Helper()
	x, err := s.sap.Logon(s.ctx(), icitest.UserSpec{User: fmt.Sprintf("U%d", i), Language: "EN", Ready: ready,
		Workcenter: fmt.Sprintf("%d;pw%d;%d", 1000+i, 1000+i, 2000+i)})
	if err != nil {
		s.t.Fatal(err)
	}
	return x
}

func (s *site) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	s.t.Cleanup(cancel)
	return ctx
}

func (s *site) customer() uint32 {
	s.t.Helper()
	id, err := s.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: customer, To: "5001", Variables: map[string]string{"CV01": "vip"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *site) call(x *icitest.Session, id string, states ...ici.Code) ici.PhoneCall {
	s.t.Helper()
	c, err := x.WaitCall(s.ctx(), id, states...)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// canDial waits until the dial button is there.
func (s *site) canDial(x *icitest.Session) {
	s.t.Helper()
	s.ok(x.WaitFor(s.ctx(), "dial button", func(st icitest.State) bool { return len(st.User.CapabilityList) > 0 }))
}

func (s *site) noViolations() {
	s.t.Helper()
	for _, v := range s.sap.Violations() {
		s.t.Errorf("SAP objects: %v", v)
	}
	if st := s.c.Stats(); st.Defects > 0 {
		s.t.Errorf("%d defects", st.Defects)
	}
}

// Scenarios S01 to S11 and S14 over the real protocols, judged by the simulated SAP.
func TestScenariosOverHTTP(t *testing.T) {
	s := newSite(t, 4, nil)
	u1, u2 := s.logOn(1, true), s.logOn(2, false)
	ctx := s.ctx()

	// S04
	s.customer()
	a := s.call(u1, "", ici.PhoneCallStatusOffered)
	if a.RemoteNumbers[0] != customer || a.Queue != "Service" {
		t.Errorf("offered %+v", a)
	}
	s.ok(u1.AcceptCall(ctx, a.ID))
	s.call(u1, a.ID, ici.PhoneCallStatusConnected)
	s.ok(u1.SetAttachedData(ctx, a.ID, `<?xml version="1.0"?><ItemAttachedData><Application id="ERP"><Account>4711</Account></Application></ItemAttachedData>`))
	s.ok(u1.HoldCall(ctx, a.ID))
	s.call(u1, a.ID, ici.PhoneCallStatusHeld)
	s.ok(u1.RetrieveCall(ctx, a.ID))
	s.call(u1, a.ID, ici.PhoneCallStatusConnected)
	s.ok(u1.SendDTMF(ctx, a.ID, "12#"))
	// S07
	b, err := u1.Consult(ctx, a.ID, "2002")
	s.ok(err)
	b2 := s.call(u2, "", ici.PhoneCallStatusOffered)
	if !strings.Contains(b2.AttachedData, "4711") || !strings.Contains(b2.AttachedData, "vip") {
		t.Errorf("data at the second agent: %s", b2.AttachedData)
	}
	s.ok(u2.AcceptCall(ctx, b2.ID))
	s.call(u1, b.ID, ici.PhoneCallStatusConnected)
	s.ok(u1.ToggleCalls(ctx, b.ID, a.ID))
	s.call(u1, a.ID, ici.PhoneCallStatusConnected)
	s.call(u1, b.ID, ici.PhoneCallStatusHeld)
	s.ok(u1.ToggleCalls(ctx, a.ID, b.ID))
	s.call(u1, b.ID, ici.PhoneCallStatusConnected)
	// S10
	s.call(u1, a.ID, ici.PhoneCallStatusHeld)
	s.ok(u1.Conference(ctx, a.ID, b.ID))
	s.call(u1, a.ID, ici.PhoneCallStatusConference)
	s.call(u1, b.ID, ici.PhoneCallStatusEnded)
	s.call(u2, b2.ID, ici.PhoneCallStatusConference)
	s.ok(u1.LeaveConference(ctx, a.ID))
	s.call(u1, a.ID, ici.PhoneCallStatusEnded)
	b2 = s.call(u2, b2.ID, ici.PhoneCallStatusConnected)
	if len(b2.RemoteNumbers) != 1 || b2.RemoteNumbers[0] != customer {
		t.Errorf("after the conference: %v", b2.RemoteNumbers)
	}
	// S09
	s.ok(u2.BlindTransfer(ctx, b2.ID, "2001"))
	s.call(u2, b2.ID, ici.PhoneCallStatusEnded)
	c := s.call(u1, "", ici.PhoneCallStatusOffered)
	if !strings.Contains(c.AttachedData, "4711") || c.RemoteNumbers[0] != customer {
		t.Errorf("blindly transferred: %+v", c)
	}
	s.ok(u1.AcceptCall(ctx, c.ID))
	s.call(u1, c.ID, ici.PhoneCallStatusConnected)
	// S08
	d, err := u1.Consult(ctx, c.ID, "2002")
	s.ok(err)
	d2 := s.call(u2, "", ici.PhoneCallStatusOffered)
	s.ok(u2.AcceptCall(ctx, d2.ID))
	s.call(u1, d.ID, ici.PhoneCallStatusConnected)
	s.ok(u1.WarmTransfer(ctx, c.ID, d.ID))
	s.call(u1, c.ID, ici.PhoneCallStatusEnded)
	s.call(u1, d.ID, ici.PhoneCallStatusEnded)
	s.eventually("the customer is the other party", func() bool {
		p, ok := u2.Call(d2.ID)
		return ok && p.RemoteNumbers[0] == customer && strings.Contains(p.AttachedData, "4711")
	})
	s.ok(u2.DropCall(ctx, d2.ID))
	s.call(u2, d2.ID, ici.PhoneCallStatusEnded)
	// S06
	s.canDial(u2)
	e, err := u2.MakeCall(ctx, "+41315550150", "")
	s.ok(err)
	s.call(u2, e.ID, ici.PhoneCallStatusConnected)
	s.ok(u2.DropCall(ctx, e.ID))
	s.call(u2, e.ID, ici.PhoneCallStatusEnded)
	s.canDial(u2)
	f, err := u2.MakeCall(ctx, "+41315550197", "")
	s.ok(err)
	if p := s.call(u2, f.ID, ici.PhoneCallStatusFailed); p.ProcessingStatus.Description != "Busy" {
		t.Errorf("busy: %+v", p.ProcessingStatus)
	}
	s.eventually("the phone is free", func() bool { return len(s.pg.Calls()) == 0 })
	// S14: the simulator's configuration has been read.
	rows, err := u1.Presence(ctx, "")
	s.ok(err)
	if len(rows) != 2 {
		t.Errorf("presence: %+v", rows)
	}
	rows, err = u1.Presence(ctx, "Jür* Sch*")
	s.ok(err)
	if len(rows) != 1 || rows[0].UserID != "U2" || rows[0].Name != "Jürg Schäfer" {
		t.Errorf("presence by name: %+v", rows)
	}
	// S03
	s.ok(u1.SetWorkmode(ctx, ici.WorkmodeNotReady))
	s.ok(u1.WaitWorkmode(ctx, ici.WorkmodeNotReady))
	s.ok(u1.Logoff(ctx))
	s.ok(u2.Logoff(ctx))
	s.noViolations()
}

// Scenarios S16 and S17 over the real protocols.
func TestSAPRestartAndLoss(t *testing.T) {
	s := newSite(t, 3, func(cfg *crm.Config, _ *ctitest.Config, _ *ici.NotifierOptions) {
		cfg.Gone, cfg.GoneGrace = crm.GoneLogoff, 100*time.Millisecond
	})
	u1 := s.logOn(1, true)
	ctx := s.ctx()
	s.customer()
	a := s.call(u1, "", ici.PhoneCallStatusOffered)
	s.ok(u1.AcceptCall(ctx, a.ID))
	s.call(u1, a.ID, ici.PhoneCallStatusConnected)
	n, err := u1.Restart(ctx)
	s.ok(err)
	s.call(n, a.ID, ici.PhoneCallStatusConnected)
	s.ok(n.DropCall(ctx, a.ID))
	s.call(n, a.ID, ici.PhoneCallStatusEnded)
	n.Kill()
	s.ok(s.pg.SetAgentState("1001", cti.AgentStateNotReady, 1))
	s.eventually("the agent is logged off at the ACD", func() bool {
		i, _ := s.pg.Agent("1001")
		return i.State == "LOGOUT"
	})
	s.noViolations()
}
