package crm_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
	"github.com/connects-go/connects/internal/testnet"
)

// whole is a connector on a simulated peripheral gateway, over the real
// protocol in a network of memory.
type whole struct {
	*bench
	pg   *ctitest.PG
	sess *cti.Session
	net  *testnet.Net
}

// wholeRun starts everything with n agents in a bubble and runs f.
func wholeRun(t *testing.T, n int, cfg crm.Config, tune func(*ctitest.Config), f func(w *whole)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if cfg.Store == nil {
			st := ds104.NewMemory(nil)
			defer st.Close()
			cfg.Store = st
		}
		nw := testnet.New()
		pc := ctitest.DefaultConfig(n)
		pc.Listen = func(side ctitest.SideID) (net.Listener, error) { return nw.Listen("pg-" + side.String() + ":42027") }
		if tune != nil {
			tune(pc)
		}
		pg := ctitest.New(pc)
		for _, s := range []ctitest.SideID{ctitest.A, ctitest.B} {
			if err := pg.Side(s).Start(); err != nil {
				t.Fatal(err)
			}
		}
		defer pg.Close()
		w := connectTo(t, cfg, pg, nw)
		defer w.close()
		f(w)
	})
}

func connectTo(t testing.TB, cfg crm.Config, pg *ctitest.PG, nw *testnet.Net) *whole {
	t.Helper()
	w := &whole{bench: &bench{t: t, sap: &fakeSAP{}, st: cfg.Store}, pg: pg, net: nw}
	var err error
	if w.c, err = crm.New(cfg); err != nil {
		t.Fatal(err)
	}
	w.l = w.c.Link("pg")
	w.sess, err = cti.NewSession(&cti.SessionOptions{A: cti.Endpoint{Addr: "pg-A:42027"}, B: cti.Endpoint{Addr: "pg-B:42027"},
		Dial: nw.DialContext, ClientID: "connects", Handler: w.l, Resync: w.l.Resync, ConfigMsgMask: 6})
	if err != nil {
		t.Fatal(err)
	}
	w.l.Bind(w.sess)
	w.c.BindNotifier(w.sap)
	w.serve(cfg)
	if err := w.c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.sess.Start(); err != nil {
		t.Fatal(err)
	}
	w.ready()
	return w
}

// ready waits until the switch has been read.
func (w *whole) ready() {
	w.t.Helper()
	for range 600 {
		synctest.Wait()
		if l := w.c.Links(); l[0].Ready {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("link is not ready: %+v", w.c.Links())
}

func (w *whole) close() {
	w.stop()
	if err := w.sess.Close(); err != nil {
		w.t.Error(err)
	}
}

// settle lets a moment pass and everything come to rest.
func (w *whole) settle() {
	time.Sleep(3 * time.Second)
	synctest.Wait()
}

// logOnAll brings users U1 to Un to work.
func (w *whole) logOnAll(n int, ready bool) {
	w.t.Helper()
	for i := 1; i <= n; i++ {
		w.logOnAs(i, ready)
	}
	w.settle()
	w.sap.take()
}

func (w *whole) logOnAs(i int, ready bool) {
	w.t.Helper()
	user := fmt.Sprintf("U%d", i)
	w.must(user, ici.OpUserGetAttributes)
	w.must(user, ici.OpUserSubscribe, text(ici.ParamAppID, user), text(ici.ParamAppURL, "http://sap/"+user))
	w.must(user, ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, fmt.Sprintf("%d;pw%d;%d", 1000+i, 1000+i, 2000+i)))
	if ready {
		w.must(user, ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "2"))
	}
}

func (w *whole) customerCall(to string) uint32 {
	w.t.Helper()
	id, err := w.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: customer, To: to,
		Variables: map[string]string{"CV01": "vip"}, ECC: map[string]string{"user.ced": "42"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return id
}

func (w *whole) op(user string, op ici.Op, id string, more ...ici.Arg) {
	w.t.Helper()
	w.must(user, op, append([]ici.Arg{text(ici.ParamPhoneCallID, id)}, more...)...)
	w.settle()
}

// who returns the user who has a living call in a state, and its id.
func (w *whole) who(status string) (user, id string) {
	w.t.Helper()
	for _, c := range w.c.Calls() {
		if c.Status == status {
			return c.User, c.ID
		}
	}
	w.t.Fatalf("nobody has a call that is %s: %+v", status, w.c.Calls())
	return
}

// states are the living calls as "user status remote", sorted.
func (w *whole) states() []string {
	var out []string
	for _, c := range w.c.Calls() {
		if c.Status != "ended" && c.Status != "failed" {
			out = append(out, c.User+" "+c.Status+" "+strings.Join(c.Remote, ","))
		}
	}
	slices.Sort(out)
	return out
}

func (w *whole) wantStates(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.states()); diff != "" {
		w.t.Errorf("calls (-want +got)\n%s", diff)
	}
}

// mode is the work mode that SAP sees.
func (w *whole) wantMode(user string, mode int) {
	w.t.Helper()
	for _, a := range w.c.Agents() {
		if a.User == user && a.Workmode != mode {
			w.t.Errorf("%s is in mode %d (%s), want %d", user, a.Workmode, a.ACDState, mode)
		}
	}
}

func (w *whole) data(user, id string) string {
	w.t.Helper()
	return w.must(user, ici.OpItemGetAttachedData, text(ici.ParamItemID, id)).Text()
}

// quirks are all the ways in which peripherals differ.
func quirks() map[string]func(*ctitest.Config) {
	q := func(f func(*ctitest.Quirks)) func(*ctitest.Config) { return func(c *ctitest.Config) { f(&c.Quirks) } }
	return map[string]func(*ctitest.Config){
		"plain":              nil,
		"confirm first":      q(func(q *ctitest.Quirks) { q.Confirm = ctitest.ConfirmFirst }),
		"confirm last":       q(func(q *ctitest.Quirks) { q.Confirm = ctitest.ConfirmLast }),
		"agent state first":  q(func(q *ctitest.Quirks) { q.AgentStateFirst = true }),
		"opaque ids":         q(func(q *ctitest.Quirks) { q.OpaqueConnectionIDs = true }),
		"late end":           q(func(q *ctitest.Quirks) { q.LateEndCall = true }),
		"consult id":         q(func(q *ctitest.Quirks) { q.TransferKeepsConsultID = true }),
		"opaque, consult id": q(func(q *ctitest.Quirks) { q.TransferKeepsConsultID, q.OpaqueConnectionIDs = true, true }),
		"no pre-call":        q(func(q *ctitest.Quirks) { q.NoPreCall = true }),
		"partial ECC":        q(func(q *ctitest.Quirks) { q.PartialECC = true }),
		"old version":        func(c *ctitest.Config) { c.MaxVersion = 14 },
		"route delay":        func(c *ctitest.Config) { c.RouteDelay = 500 * time.Millisecond },
		"wrap-up required":   func(c *ctitest.Config) { c.Desk = ctitest.DeskSettings{WrapupTime: 2 * time.Second} },
		"no wrap-up":         func(c *ctitest.Config) { c.Desk = ctitest.DeskSettings{WrapupIncoming: 2, WrapupOutgoing: 2} },
		"everything unusual": q(func(q *ctitest.Quirks) {
			*q = ctitest.Quirks{Confirm: ctitest.ConfirmLast, AgentStateFirst: true, RTPFirst: true, LoginEvent: true, OpaqueConnectionIDs: true, LateEndCall: true, TransferKeepsConsultID: true, NoPreCall: true, PartialECC: true}
		}),
	}
}

// each runs a scenario with every quirk.
func each(t *testing.T, n int, f func(w *whole)) {
	for name, tune := range quirks() {
		t.Run(name, func(t *testing.T) { wholeRun(t, n, config(), tune, f) })
	}
}

// Scenarios S04, S05.
func TestWholeInbound(t *testing.T) {
	each(t, 2, func(w *whole) {
		w.logOnAll(1, true)
		w.customerCall("5001")
		w.wantStates("U1 offered " + customer)
		_, id := w.who("offered")
		if d := w.data("U1", id); !strings.Contains(d, "<CV01>vip</CV01>") {
			w.t.Errorf("data %s", d)
		}
		w.op("U1", ici.OpPhoneCallAccept, id)
		w.wantStates("U1 connected " + customer)
		w.op("U1", ici.OpPhoneCallHold, id)
		w.wantStates("U1 held " + customer)
		w.op("U1", ici.OpPhoneCallRetrieve, id)
		w.wantStates("U1 connected " + customer)
		w.op("U1", ici.OpPhoneCallSendDTMF, id, text(ici.ParamDigits, "12#"))
		if c := w.pg.Calls()[0]; c.DTMF != "12#" {
			w.t.Errorf("tones %q", c.DTMF)
		}
		w.op("U1", ici.OpPhoneCallDrop, id)
		w.wantStates()
		w.wantMode("U1", 2)
		if n := len(w.pg.Calls()); n != 0 {
			w.t.Errorf("%d calls are left", n)
		}
	})
}

// Scenario S06.
func TestWholeOutbound(t *testing.T) {
	each(t, 2, func(w *whole) {
		w.logOnAll(2, false)
		var p ici.PhoneCall
		p.DecodeICI(w.must("U1", ici.OpPhoneCallMakeCall, text(ici.ParamDestination, "+41315550150")))
		if p.ProcessingStatus.ID != "2" || p.Direction != "OUT" || p.RemoteNumbers[0] != "+41315550150" {
			w.t.Errorf("answer %+v", p)
		}
		time.Sleep(time.Second)
		w.wantStates("U1 ringing +41315550150")
		w.settle()
		w.wantStates("U1 connected +41315550150")
		w.op("U1", ici.OpPhoneCallDrop, p.ID)
		w.wantStates()
		// Internal, to a colleague.
		p = ici.PhoneCall{}
		p.DecodeICI(w.must("U1", ici.OpPhoneCallMakeCall, text(ici.ParamDestination, "2002")))
		if p.Direction != "INT" {
			w.t.Errorf("answer %+v", p)
		}
		w.settle()
		w.wantStates("U1 ringing 2002", "U2 offered 2001")
		_, other := w.who("offered")
		w.op("U2", ici.OpPhoneCallAccept, other)
		w.wantStates("U1 connected 2002", "U2 connected 2001")
		w.op("U2", ici.OpPhoneCallDrop, other)
		w.wantStates()
		// Busy.
		w.sap.take()
		w.must("U1", ici.OpPhoneCallMakeCall, text(ici.ParamDestination, "+41315550197"))
		w.settle()
		if ev := w.sap.take(); !slices.ContainsFunc(ev, func(s string) bool { return strings.HasPrefix(s, "U1: failed") }) {
			w.t.Errorf("busy number: %q", ev)
		}
	})
}

// consulted brings U1 into a consultation with U2 about a customer's call.
func (w *whole) consulted() (a, b, b2 string) {
	w.t.Helper()
	w.logOnAll(1, true)
	w.logOnAs(2, false)
	w.logOnAs(3, false)
	w.customerCall("5001")
	_, a = w.who("offered")
	w.op("U1", ici.OpPhoneCallAccept, a)
	w.must("U1", ici.OpItemSetAttachedData, text(ici.ParamItemID, a),
		text(ici.ParamAttachedData, `<ItemAttachedData><Application id="ERP"><Account>4711</Account></Application></ItemAttachedData>`))
	var p ici.PhoneCall
	p.DecodeICI(w.must("U1", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, a), text(ici.ParamDestination, "2002")))
	b = p.ID
	if p.ConsultationPhoneCallID != a {
		w.t.Errorf("consultation of %q, want %q", p.ConsultationPhoneCallID, a)
	}
	w.settle()
	w.wantStates("U1 held "+customer, "U1 ringing 2002", "U2 offered 2001,"+customer)
	_, b2 = w.who("offered")
	if d := w.data("U2", b2); !strings.Contains(d, "<Account>4711</Account>") || !strings.Contains(d, "<CV01>vip</CV01>") {
		w.t.Errorf("data at the second agent: %s", d)
	}
	w.op("U2", ici.OpPhoneCallAccept, b2)
	w.wantStates("U1 connected 2002", "U1 held "+customer, "U2 connected 2001,"+customer)
	return a, b, b2
}

// Scenario S07.
func TestWholeConsult(t *testing.T) {
	each(t, 3, func(w *whole) {
		a, b, _ := w.consulted()
		w.op("U1", ici.OpPhoneCallToggle, b, text(ici.ParamHeldPhoneCallID, a))
		w.wantStates("U1 connected "+customer, "U1 held 2002", "U2 connected 2001,"+customer)
		w.op("U1", ici.OpPhoneCallToggle, a)
		w.wantStates("U1 connected 2002", "U1 held "+customer, "U2 connected 2001,"+customer)
		w.op("U1", ici.OpPhoneCallDrop, b)
		w.wantStates("U1 held " + customer)
		w.op("U1", ici.OpPhoneCallRetrieve, a)
		w.wantStates("U1 connected " + customer)
		w.op("U1", ici.OpPhoneCallDrop, a)
		w.wantStates()
	})
}

// Scenario S08, also with the original call active.
func TestWholeWarmTransfer(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		t.Run(fmt.Sprintf("swapped=%v", swapped), func(t *testing.T) {
			each(t, 3, func(w *whole) {
				a, b, b2 := w.consulted()
				if swapped {
					w.op("U1", ici.OpPhoneCallToggle, b, text(ici.ParamHeldPhoneCallID, a))
				}
				w.op("U1", ici.OpPhoneCallWarmTransfer, a, text(ici.ParamConsultPhoneCallID, b))
				w.wantStates("U2 connected " + customer)
				if d := w.data("U2", b2); !strings.Contains(d, "<Account>4711</Account>") {
					w.t.Errorf("data after the transfer: %s", d)
				}
				var p ici.PhoneCall
				p.DecodeICI(w.must("U2", ici.OpPhoneCallGetAttributes, text(ici.ParamPhoneCallID, b2)))
				if p.CallReason.ID != "4" || p.Direction != "IN" {
					w.t.Errorf("after the transfer: %+v", p)
				}
				w.settle()
				w.wantMode("U1", 2)
				// The second agent has full control.
				w.op("U2", ici.OpPhoneCallHold, b2)
				w.wantStates("U2 held " + customer)
				w.op("U2", ici.OpPhoneCallRetrieve, b2)
				w.op("U2", ici.OpPhoneCallDrop, b2)
				w.wantStates()
				if n := len(w.pg.Calls()); n != 0 {
					w.t.Errorf("%d calls are left", n)
				}
			})
		})
	}
}

// Scenario S09.
func TestWholeBlindTransfer(t *testing.T) {
	each(t, 2, func(w *whole) {
		w.logOnAll(1, true)
		w.logOnAs(2, false)
		w.customerCall("5001")
		_, a := w.who("offered")
		w.op("U1", ici.OpPhoneCallAccept, a)
		w.must("U1", ici.OpItemSetAttachedData, text(ici.ParamItemID, a),
			text(ici.ParamAttachedData, `<ItemAttachedData><Application id="ERP"><Account>4711</Account></Application></ItemAttachedData>`))
		w.op("U1", ici.OpPhoneCallBlindTransfer, a, text(ici.ParamDestination, "2002"))
		w.wantStates("U2 offered " + customer)
		_, id := w.who("offered")
		if d := w.data("U2", id); !strings.Contains(d, "4711") || !strings.Contains(d, "vip") {
			w.t.Errorf("data %s", d)
		}
		w.op("U2", ici.OpPhoneCallAccept, id)
		w.op("U2", ici.OpPhoneCallDrop, id)
		w.wantStates()
	})
}

// Scenario S10.
func TestWholeConference(t *testing.T) {
	each(t, 3, func(w *whole) {
		a, b, b2 := w.consulted()
		w.op("U1", ici.OpPhoneCallConference, a, text(ici.ParamConsultPhoneCallID, b))
		w.wantStates("U1 conference "+customer+",2002", "U2 conference "+customer+",2001")
		if d := w.data("U2", b2); !strings.Contains(d, "4711") {
			w.t.Errorf("data %s", d)
		}
		w.op("U1", ici.OpPhoneCallLeaveConference, a)
		w.wantStates("U2 connected " + customer)
		w.op("U2", ici.OpPhoneCallDrop, b2)
		w.wantStates()
	})
}
