package crm_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
)

// answered brings U1 into a conversation with a customer.
func (w *whole) answered() (id string, call uint32) {
	w.t.Helper()
	w.logOnAll(1, true)
	call = w.customerCall("5001")
	_, id = w.who("offered")
	w.op("U1", ici.OpPhoneCallAccept, id)
	w.sap.take()
	return id, call
}

func (w *whole) mode(user string, mode int) {
	w.t.Helper()
	w.must(user, ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, fmt.Sprint(mode)))
	time.Sleep(time.Second)
}

const talking = "[drop hold consult blindTransfer sendDtmf wrapUpRequired] " + customer

// Scenario S04, end; CCE reference, section 11.3.
func TestWrapUp(t *testing.T) {
	required := func(c *ctitest.Config) { c.Desk = ctitest.DeskSettings{WrapupTime: 10 * time.Second} }
	first := func(c *ctitest.Config) { required(c); c.Quirks.AgentStateFirst = true }
	late := func(c *ctitest.Config) { required(c); c.Quirks.LateEndCall = true }
	for name, tune := range map[string]func(*ctitest.Config){"plain": required, "agent state first": first, "late end": late} {
		t.Run(name+", ended by the timer", func(t *testing.T) {
			wholeRun(t, 2, config(), tune, func(w *whole) {
				id, _ := w.answered()
				w.op("U1", ici.OpPhoneCallDrop, id)
				w.wantWrapUp()
				time.Sleep(10 * time.Second)
				w.want("U1: ended [] "+customer, "U1: user 2")
			})
		})
		t.Run(name+", ended by the agent", func(t *testing.T) {
			wholeRun(t, 2, config(), tune, func(w *whole) {
				id, _ := w.answered()
				w.op("U1", ici.OpPhoneCallDrop, id)
				w.wantWrapUp()
				w.mode("U1", 1005)
				w.want("U1: ended [] "+customer, "U1: user 1005")
			})
		})
		t.Run(name+", wrapUpEnded", func(t *testing.T) {
			wholeRun(t, 2, config(), tune, func(w *whole) {
				id, _ := w.answered()
				w.op("U1", ici.OpPhoneCallDrop, id)
				w.sap.take()
				w.must("U1", ici.OpItemWrapUpEnded, text(ici.ParamItemID, id))
				w.want("U1: ended [] "+customer, "U1: user 2")
			})
		})
		t.Run(name+", pending mode", func(t *testing.T) {
			wholeRun(t, 2, config(), tune, func(w *whole) {
				id, _ := w.answered()
				w.mode("U1", 1005)
				w.want("U1: user 1005") // shown at once, as pending
				w.op("U1", ici.OpPhoneCallDrop, id)
				w.wantWrapUp()
				time.Sleep(10 * time.Second)
				w.want("U1: ended [] "+customer, "U1: user 1005")
			})
		})
	}
}

// wantWrapUp: the item and the agent are in wrap-up. When the ACD reports the
// agent first, SAP is told in that order.
func (w *whole) wantWrapUp() {
	w.t.Helper()
	got := w.sap.take()
	if len(got) == 2 && got[0] == "U1: user 4" {
		got[0], got[1] = got[1], got[0]
	}
	if diff := cmp.Diff([]string{"U1: wrapup [] " + customer, "U1: user 4"}, got); diff != "" {
		w.t.Errorf("events to SAP (-want +got)\n%s", diff)
	}
}

func TestOptionalWrapUp(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		id, _ := w.answered()
		w.must("U1", ici.OpItemWrapUpRequired, text(ici.ParamItemID, id))
		w.settle()
		w.want()
		w.op("U1", ici.OpPhoneCallDrop, id)
		w.want("U1: wrapup [] "+customer, "U1: user 4")
		w.mode("U1", 2)
		w.want("U1: ended [] "+customer, "U1: user 2")
		// The next call has none.
		w.customerCall("5001")
		_, id = w.who("offered")
		w.op("U1", ici.OpPhoneCallAccept, id)
		w.op("U1", ici.OpPhoneCallDrop, id)
		w.want("U1: offered [accept reject] "+customer, "U1: user 2", "U1: connected "+talking,
			"U1: ended [] "+customer, "U1: user 2")
	})
}

func TestPendingModes(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		id, _ := w.answered()
		w.mode("U1", 1002)
		if u := w.sap.last().User; u == nil || u.CurrentWorkmode.ID != "1002" || !strings.Contains(u.CurrentWorkmode.Description, "after the call") {
			t.Errorf("told %+v", w.sap.last())
		}
		w.mode("U1", 2) // changes his mind
		w.mode("U1", 3)
		w.want("U1: user 1002", "U1: user 2", "U1: user 3")
		w.op("U1", ici.OpPhoneCallDrop, id)
		w.want("U1: ended [] "+customer, "U1: user 3")
		w.mode("U1", 2)
		w.want("U1: user 2")
	})
}

// Log off during a call: the call goes on, then the agent is off.
func TestLogOffInCall(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		id, _ := w.answered()
		w.mode("U1", 1)
		w.wantStates("U1 connected " + customer)
		w.op("U1", ici.OpPhoneCallDrop, id)
		w.settle()
		w.wantStates()
		w.wantMode("U1", 1)
		if a, _ := w.pg.Agent("1001"); a.State != "LOGOUT" {
			t.Errorf("at the ACD: %+v", a)
		}
		w.fault(ici.FaultNotLoggedOn, "U1", ici.OpPhoneCallMakeCall, text(ici.ParamDestination, "2002"))
		w.must("U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "1"))
		w.fault(ici.FaultNotLoggedOn, "U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "2"))
	})
}

// Scenario S05 and the changes that the ACD makes by itself.
func TestNotAnswered(t *testing.T) {
	tune := func(c *ctitest.Config) { d := ctitest.DefaultDesk(); d.RingNoAnswerTime = 5 * time.Second; c.Desk = d }
	wholeRun(t, 2, config(), tune, func(w *whole) {
		w.logOnAll(1, true)
		w.customerCall("5001")
		w.want("U1: offered [accept reject] "+customer, "U1: user 2")
		time.Sleep(5 * time.Second)
		w.want("U1: ended [] "+customer, "U1: user 2", "U1: user 3")
		var u ici.User
		u.DecodeICI(w.must("U1", ici.OpUserGetAttributes))
		if u.CurrentWorkmode.Description != "Not ready (call not answered)" {
			t.Errorf("mode %+v", u.CurrentWorkmode)
		}
	})
	wholeRun2(t, "caller hangs up", func(w *whole) {
		w.logOnAll(1, true)
		call := w.customerCall("5001")
		if err := w.pg.CustomerHangUp(call); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want("U1: offered [accept reject] "+customer, "U1: user 2", "U1: ended [] "+customer, "U1: user 2")
	})
	wholeRun2(t, "rejected", func(w *whole) {
		w.logOnAll(1, true)
		w.customerCall("5001")
		_, id := w.who("offered")
		w.op("U1", ici.OpPhoneCallReject, id)
		w.wantStates()
	})
	wholeRun2(t, "supervisor", func(w *whole) {
		w.logOnAll(1, true)
		if err := w.pg.SetAgentState("1001", cti.AgentStateNotReady, 999); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want("U1: user 1999")
		if err := w.pg.ForceLogout("1001", 999); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want("U1: user 1")
	})
	wholeRun2(t, "RONA goes to the next agent", func(w *whole) {
		w.logOnAll(2, true)
		w.customerCall("5001")
		first, id := w.who("offered")
		w.must(first, ici.OpItemSetAttachedData, text(ici.ParamItemID, id),
			text(ici.ParamAttachedData, `<ItemAttachedData><Application id="ERP"><A>7</A></Application></ItemAttachedData>`))
		w.op(first, ici.OpPhoneCallReject, id)
		w.settle()
		for _, c := range w.c.Calls() {
			if c.User != first && c.Status == "offered" {
				if d := w.data(c.User, c.ID); !strings.Contains(d, "<A>7</A>") {
					t.Errorf("data at the next agent: %s", d)
				}
			}
		}
	})
}

func wholeRun2(t *testing.T, name string, f func(w *whole)) {
	t.Run(name, func(t *testing.T) { wholeRun(t, 3, config(), nil, f) })
}

// Anonymous callers have a neutral value.
func TestAnonymousCaller(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		w.logOnAll(1, true)
		if _, err := w.pg.CustomerCall(context.Background(), ctitest.CallSpec{To: "5001"}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.wantStates("U1 offered 0")
	})
}

// Scenario S16: a second session of the same user.
func TestSecondSession(t *testing.T) {
	wholeRun(t, 2, config(), nil, func(w *whole) {
		w.answered()
		w.must("U1", ici.OpUserGetAttributes)
		w.want("U1: subscriptionEnded NEW_SUBSCRIPTION")
		w.must("U1", ici.OpUserSubscribe, text(ici.ParamAppID, "NEW"), text(ici.ParamAppURL, "http://sap/new"))
		w.want("NEW: connected " + talking)
		// Without asking for the attributes first.
		w.must("U1", ici.OpUserSubscribe, text(ici.ParamAppID, "NEWER"), text(ici.ParamAppURL, "http://sap/newer"))
		w.want("NEW: subscriptionEnded NEW_SUBSCRIPTION", "NEWER: connected "+talking)
		// The work centre again: he is logged on, nothing is asked of the ACD.
		var u ici.User
		u.DecodeICI(w.must("U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;pw1001;2001")))
		if u.CurrentWorkmode.ID != "2" {
			t.Errorf("%+v", u)
		}
		w.must("U1", ici.OpUserUnsubscribe, text(ici.ParamAppID, "OLD")) // not ours: ignored
		w.mode("U1", 3)
		w.want("NEWER: user 2", "NEWER: user 3")
	})
}

func TestRefusedLogOns(t *testing.T) {
	wholeRun(t, 4, config(), func(c *ctitest.Config) { c.Agents[3].Locked = true }, func(w *whole) {
		w.logOnAll(1, false)
		on := func(user, wc string, code ici.FaultCode) {
			w.t.Helper()
			w.fault(code, user, ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, wc))
		}
		on("U2", "1002;wrong;2002", ici.FaultLogonFailed)
		on("U2", "1002;pw1002;9999", ici.FaultLogonFailed)
		on("U2", "9999;pw9999;2002", ici.FaultLogonFailed)
		on("U2", "1004;pw1004;2004", ici.FaultLogonFailed)
		on("U2", "1001;pw1001;2002", ici.FaultLogonFailed) // U1's agent
		on("U2", "1002;pw1002;2001", ici.FaultLogonFailed) // U1's phone
		on("U1", "1002;pw1002;2002", ici.FaultLogonFailed) // he is on elsewhere
		for _, wc := range []string{"", ";", "1002", "1002;pw", "1002;pw;2002;x", "1002;pw;2002;p;5", strings.Repeat("1", 600)} {
			on("U2", wc, ici.FaultWorkcenterInvalid)
		}
		on("", "1002;pw1002;2002", ici.FaultUserUnknown)
		// In German, the reason is in German where a file says so; the text is there anyway.
		w.must("U2", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1002;pw1002;2002"))
		if n := len(w.c.Agents()); n != 2 {
			t.Errorf("%d agents are known: %+v", n, w.c.Agents())
		}
	})
}

// An agent who is logged on at the ACD already, at the same phone, takes his
// session up again; at another one he is refused.
func TestAlreadyLoggedOnAtACD(t *testing.T) {
	wholeRun(t, 3, config(), nil, func(w *whole) {
		for _, a := range []string{"1001", "1002"} {
			if err := w.pg.LoginAgent(a, "200"+a[3:]); err != nil {
				t.Fatal(err)
			}
		}
		w.fault(ici.FaultLogonFailed, "U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;wrong;2001"))
		w.must("U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;pw1001;2001"))
		w.fault(ici.FaultLogonFailed, "U2", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1002;pw1002;2003"))
	})
}

func TestGonePolicies(t *testing.T) {
	for _, tt := range []struct {
		policy crm.GonePolicy
		state  string
	}{{crm.GoneKeep, "AVAILABLE"}, {crm.GoneNotReady, "NOT_READY"}, {crm.GoneLogoff, "LOGOUT"}} {
		t.Run(tt.policy.String(), func(t *testing.T) {
			cfg := config()
			cfg.Gone, cfg.GoneGrace = tt.policy, 10*time.Second
			wholeRun(t, 2, cfg, nil, func(w *whole) {
				w.logOnAll(1, true)
				// Away for less than the grace time: nothing happens.
				w.c.SubscriptionGone(ici.Subscription{AppURL: "http://sap/U1", AppID: "U1", User: "U1"}, context.DeadlineExceeded)
				time.Sleep(5 * time.Second)
				w.must("U1", ici.OpUserSubscribe, text(ici.ParamAppID, "U1"), text(ici.ParamAppURL, "http://sap/U1"))
				time.Sleep(20 * time.Second)
				if a, _ := w.pg.Agent("1001"); a.State != "AVAILABLE" {
					t.Errorf("before: %s", a.State)
				}
				w.c.SubscriptionGone(ici.Subscription{AppURL: "http://sap/U1", AppID: "U1", User: "U1"}, context.DeadlineExceeded)
				time.Sleep(20 * time.Second)
				if a, _ := w.pg.Agent("1001"); a.State != tt.state {
					t.Errorf("after: %s, want %s", a.State, tt.state)
				}
			})
		})
	}
}

// Scenario S18: the connector is started anew on the same store.
func TestRestart(t *testing.T) {
	wholeRun(t, 3, config(), nil, func(w *whole) {
		a, b, b2 := w.consulted()
		w.mode("U3", 1003)
		before := w.states()
		w.sap.take()
		w.close()
		cfg := config()
		cfg.Store = w.st
		n := connectTo(w.t, cfg, w.pg, w.net)
		n.settle()
		if diff := cmp.Diff(before, n.states()); diff != "" {
			t.Errorf("calls (-before +after)\n%s", diff)
		}
		if ev := n.sap.take(); len(ev) > 0 {
			t.Errorf("SAP was told %q", ev)
		}
		n.wantMode("U1", 2)
		n.wantMode("U3", 1003)
		if d := n.data("U2", b2); !strings.Contains(d, "4711") || !strings.Contains(d, "vip") {
			t.Errorf("data %s", d)
		}
		n.op("U1", ici.OpPhoneCallWarmTransfer, a, text(ici.ParamConsultPhoneCallID, b))
		n.wantStates("U2 connected " + customer)
		n.mode("U3", 2)
		n.wantMode("U3", 2)
		for _, c := range n.pg.Calls() {
			n.pg.EndCall(c.ID)
		}
		n.settle()
		n.wantStates()
		*w = *n // closed by the caller
	})
}

// Two SAP systems with the same user name.
func TestTwoSystems(t *testing.T) {
	cfg := config()
	cfg.Systems = []crm.SystemConfig{{Name: "P01"}, {Name: "P02"}}
	wholeRun(t, 3, cfg, nil, func(w *whole) {
		for i, sys := range []string{"P01", "P02"} {
			ask := func(op ici.Op, args ...ici.Arg) {
				w.t.Helper()
				if _, err := w.askIn("/"+sys, "MEIER", "EN", op, args...); err != nil {
					t.Fatal(err)
				}
			}
			n := i + 1
			ask(ici.OpUserGetAttributes)
			ask(ici.OpUserSubscribe, text(ici.ParamAppID, sys), text(ici.ParamAppURL, "http://sap/"+sys))
			ask(ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, fmt.Sprintf("%d;pw%d;%d", 1000+n, 1000+n, 2000+n)))
			ask(ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "2"))
		}
		w.settle()
		w.sap.take()
		w.customerCall("5001")
		_, id := w.who("offered")
		ev := w.sap.take()
		sys := ev[0][:3]
		other := "P01"
		if sys == other {
			other = "P02"
		}
		if _, err := w.askIn("/"+other, "MEIER", "EN", ici.OpPhoneCallAccept, text(ici.ParamPhoneCallID, id)); err == nil {
			t.Error("the other system can take the call")
		}
		if _, err := w.askIn("/"+sys, "MEIER", "EN", ici.OpPhoneCallAccept, text(ici.ParamPhoneCallID, id)); err != nil {
			t.Error(err)
		}
		var rows ici.PresenceInfoList
		e, err := w.askIn("/"+other, "MEIER", "EN", ici.OpUserGetPresence)
		if err != nil {
			t.Fatal(err)
		}
		rows.DecodeICI(e)
		users := 0
		for _, r := range rows {
			if r.UserID != "" {
				users++
			}
		}
		if len(rows) != 2 || users != 1 {
			t.Errorf("presence in %s: %+v", other, rows)
		}
	})
}

// Two connectors share a store: the second goes on with the agents of the first
// without a new log on, and no event reaches SAP twice.
func TestTakeOver(t *testing.T) {
	wholeRun(t, 3, config(), nil, func(w *whole) {
		id, _ := w.answered()
		w.logOnAs(2, true)
		w.settle()
		w.sap.take()
		cfg := config()
		cfg.Store, cfg.Instance = w.st, "second"
		n := connectTo(w.t, cfg, w.pg, w.net)
		defer n.close()
		n.settle()
		if a := n.c.Agents(); len(a) != 0 {
			t.Fatalf("second serves %+v already", a)
		}
		// SAP turns to the second for U1.
		n.op("U1", ici.OpPhoneCallHold, id)
		n.wantStates("U1 held " + customer)
		w.wantStates()
		if len(w.c.Agents()) != 1 || len(n.c.Agents()) != 1 {
			t.Errorf("first %+v, second %+v", w.c.Agents(), n.c.Agents())
		}
		n.want("U1: held [drop retrieve wrapUpRequired] " + customer)
		w.want()
		// The first dies; its lease passes.
		w.close()
		time.Sleep(2 * crm.DefaultOwnerLease)
		if a := n.c.Agents(); len(a) != 2 {
			t.Errorf("second serves %+v", a)
		}
		n.customerCall("5001")
		n.want("U2: offered [accept reject] "+customer, "U2: user 2")
		w2 := connectTo(w.t, config2(w.st), w.pg, w.net)
		*w = *w2
	})
}

// A call goes from an agent of one connector to an agent of another one, by
// consultation and by transfer: the customer and SAP's data go with it.
func TestTwoConnectorsOneCall(t *testing.T) {
	each(t, 3, func(w *whole) {
		cfg := config()
		cfg.Store, cfg.Instance = w.st, "second"
		n := connectTo(w.t, cfg, w.pg, w.net)
		defer n.close()
		n.settle()
		a, _ := w.answered()
		n.logOnAs(2, false)
		w.must("U1", ici.OpItemSetAttachedData, text(ici.ParamItemID, a),
			text(ici.ParamAttachedData, `<ItemAttachedData><Application id="ERP"><Account>4711</Account></Application></ItemAttachedData>`))
		var p ici.PhoneCall
		p.DecodeICI(w.must("U1", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, a), text(ici.ParamDestination, "2002")))
		n.settle()
		n.wantStates("U2 offered 2001," + customer)
		_, b2 := n.who("offered")
		if d := n.data("U2", b2); !strings.Contains(d, "4711") || !strings.Contains(d, "vip") {
			w.t.Errorf("data %s", d)
		}
		n.op("U2", ici.OpPhoneCallAccept, b2)
		w.wantStates("U1 connected 2002", "U1 held "+customer)
		w.op("U1", ici.OpPhoneCallWarmTransfer, a, text(ici.ParamConsultPhoneCallID, p.ID))
		w.wantStates()
		n.wantStates("U2 connected " + customer)
		if d := n.data("U2", b2); !strings.Contains(d, "4711") {
			w.t.Errorf("data after the transfer %s", d)
		}
		// And back, blindly.
		n.op("U2", ici.OpPhoneCallBlindTransfer, b2, text(ici.ParamDestination, "2001"))
		n.wantStates()
		w.wantStates("U1 offered " + customer)
		_, back := w.who("offered")
		if d := w.data("U1", back); !strings.Contains(d, "4711") {
			w.t.Errorf("data at the first agent again: %s", d)
		}
	})
}

func config2(st ds104.Store) crm.Config {
	cfg := config()
	cfg.Store = st
	return cfg
}

// Texts follow the language of the agent.
func TestLanguages(t *testing.T) {
	cfg := config()
	cfg.LanguageFiles = fstest.MapFS{
		"EN.lfg": {Data: []byte("[workModeSupplementary]\n1001=Lunch\n")},
		"DE.lfg": {Data: []byte("[workMode]\n2=Bereit\n[workModeSupplementary]\n1001=Mittag\n[callStatus]\n1=Anruf\n[fault]\nitemUnknown=Gibt es nicht\n[capability]\naccept=Annehmen\n")},
	}
	wholeRun(t, 2, cfg, nil, func(w *whole) {
		w.logOnAll(1, false)
		e, err := w.askIn("/", "U1", "DE", ici.OpUserGetAttributes)
		if err != nil {
			t.Fatal(err)
		}
		var u ici.User
		u.DecodeICI(e)
		want := []ici.TextElement{{ID: "2", Description: "Bereit"}, {ID: "3", Description: "Not ready"}, {ID: "1001", Description: "Mittag"}}
		if diff := cmp.Diff(want, u.WorkmodeList); diff != "" {
			t.Error(diff)
		}
		w.askIn("/", "U1", "DE", ici.OpUserSubscribe, text(ici.ParamAppID, "U1"), text(ici.ParamAppURL, "http://sap/U1"))
		w.askIn("/", "U1", "DE", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "2"))
		w.customerCall("5001")
		var offered *ici.PhoneCall
		for _, e := range w.sap.events {
			if e.Call != nil {
				offered = e.Call
			}
		}
		if offered == nil || offered.ProcessingStatus.Description != "Anruf" || offered.CapabilityList[0].Description != "Annehmen" {
			t.Errorf("offered %+v", offered)
		}
		_, err = w.askIn("/", "U1", "DE", ici.OpPhoneCallAccept, text(ici.ParamPhoneCallID, "call-0"))
		if err == nil || !strings.Contains(err.Error(), "Gibt es nicht") {
			t.Errorf("fault %v", err)
		}
		w.fault(ici.FaultWorkmodeInvalid, "U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "1002"))
	})
}
