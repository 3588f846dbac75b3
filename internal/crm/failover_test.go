package crm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
)

// modes are "user mode" of all agents, sorted.
func (w *whole) modes() []string {
	var out []string
	for _, a := range w.c.Agents() {
		out = append(out, fmt.Sprintf("%s %d on=%v sub=%v stale=%v", a.User, a.Workmode, a.LoggedOn, a.Subscribed, a.Stale))
	}
	slices.Sort(out)
	return out
}

// Both sides of the gateway go and come back under 200 agents and 50 calls:
// nobody is logged off, everything is as before, and SAP hears nothing.
func TestFailover(t *testing.T) {
	const agents, calls = 200, 50
	for _, opaque := range []bool{false, true} {
		t.Run(fmt.Sprintf("opaque=%v", opaque), func(t *testing.T) {
			wholeRun(t, agents, config(), func(c *ctitest.Config) { c.Quirks.OpaqueConnectionIDs = opaque }, func(w *whole) {
				w.logOnAll(agents, true)
				for i := range calls {
					w.customerCall("5001")
					user, id := w.who("offered")
					if i%5 == 4 {
						continue // stays ringing
					}
					w.op(user, ici.OpPhoneCallAccept, id)
					if i%5 == 3 {
						w.op(user, ici.OpPhoneCallHold, id)
					}
				}
				// A consultation, a conference and an outgoing call are under way, too.
				user, id := w.who("connected")
				var p ici.PhoneCall
				p.DecodeICI(w.must(user, ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, id), text(ici.ParamDestination, "2200")))
				w.settle()
				for _, c := range w.c.Calls() {
					if c.User == "U200" {
						w.op("U200", ici.OpPhoneCallAccept, c.ID)
					}
				}
				w.must("U199", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "1004"))
				w.settle()
				w.sap.take()
				before, modes := w.states(), w.modes()
				if len(before) != calls+2 {
					t.Fatalf("%d calls are up", len(before))
				}
				check := func(what string) {
					w.t.Helper()
					if diff := cmp.Diff(before, w.states()); diff != "" {
						w.t.Errorf("%s: calls (-before +after)\n%s", what, diff)
					}
					if diff := cmp.Diff(modes, w.modes()); diff != "" {
						w.t.Errorf("%s: agents (-before +after)\n%s", what, diff)
					}
					if ev := w.sap.take(); len(ev) > 0 {
						w.t.Errorf("%s: SAP was told %q", what, ev)
					}
				}
				w.pg.Side(ctitest.A).Stop()
				synctest.Wait()
				w.ready()
				w.settle()
				check("A gone")
				if got := w.c.Links()[0].Side; got != "B" {
					w.t.Errorf("on side %s", got)
				}
				if err := w.pg.Side(ctitest.A).Start(); err != nil {
					t.Fatal(err)
				}
				w.pg.Side(ctitest.B).Stop()
				w.ready()
				w.settle()
				check("B gone, A back")
				// Everything can still be controlled.
				user, _ = w.who("held")
				if user == "" {
					t.Fatal("no held call")
				}
				user, id = w.who("offered")
				w.op(user, ici.OpPhoneCallAccept, id)
				w.op(user, ici.OpPhoneCallDrop, id)
				for _, c := range w.c.Calls() {
					if c.ID == id && c.Status != "ended" {
						w.t.Errorf("call is %s", c.Status)
					}
				}
			})
		})
	}
}

// What happened while nothing was heard is told afterwards, and nothing else.
func TestChangesWhileAway(t *testing.T) {
	wholeRun(t, 5, config(), nil, func(w *whole) {
		w.logOnAll(5, true)
		var ids []uint32
		for range 3 {
			ids = append(ids, w.customerCall("5001"))
			user, id := w.who("offered")
			w.op(user, ici.OpPhoneCallAccept, id)
		}
		users := map[uint32]string{}
		for _, c := range w.c.Calls() {
			users[c.CallID] = c.User
		}
		w.sap.take()
		w.pg.Side(ctitest.B).Stop()
		w.pg.Side(ctitest.A).Stop()
		w.settle()
		w.wantAnswersWhileDown(users[ids[1]])
		// The first call ends, the second is put on hold at the phone, the third
		// goes on, a fourth comes; one agent goes not ready.
		if err := w.pg.CustomerHangUp(ids[0]); err != nil {
			t.Fatal(err)
		}
		for _, p := range w.mustCall(ids[1]).Parties {
			if p.Kind == "agent" {
				if err := w.pg.PhoneHold(p.Device, ids[1]); err != nil {
					t.Fatal(err)
				}
			}
		}
		fourth := w.customerCall("5001")
		for _, a := range w.pg.Agents() {
			if a.State == "AVAILABLE" && len(a.Calls) == 0 && a.ID != agentOf(users[ids[0]]) {
				if err := w.pg.SetAgentState(a.ID, cti.AgentStateNotReady, 5); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		if ev := w.sap.take(); len(ev) > 0 {
			t.Errorf("SAP was told %q while the switch was away", ev)
		}
		if err := w.pg.Side(ctitest.A).Start(); err != nil {
			t.Fatal(err)
		}
		w.ready()
		w.settle()
		got := w.sap.take()
		slices.Sort(got)
		at := agentOfCall(w, fourth)
		want := []string{
			users[ids[0]] + ": ended [] " + customer,
			users[ids[0]] + ": user 2",
			users[ids[1]] + ": held [drop retrieve wrapUpRequired] " + customer,
			at + ": offered [accept reject] " + customer,
			at + ": user 2",
		}
		var off string
		for _, a := range w.c.Agents() {
			if a.Workmode == 3 {
				off = a.User
			}
		}
		if off != "" {
			want = append(want, off+": user 3")
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("told after the outage (-want +got)\n%s", diff)
		}
	})
}

func agentOf(user string) string { return "100" + user[1:] }

func agentOfCall(w *whole, id uint32) string {
	for _, c := range w.c.Calls() {
		if c.CallID == id {
			return c.User
		}
	}
	return "nobody"
}

func (w *whole) mustCall(id uint32) ctitest.CallInfo {
	w.t.Helper()
	c, ok := w.pg.Call(id)
	if !ok {
		w.t.Fatalf("no call %d", id)
	}
	return c
}

// While the switch is away SAP gets answers, and what needs the switch is
// refused as temporary.
func (w *whole) wantAnswersWhileDown(user string) {
	w.t.Helper()
	var list ici.PhoneCalls
	list.DecodeICI(w.must(user, ici.OpPhoneCallGetPhoneCalls))
	if len(list) != 1 || list[0].ProcessingStatus.ID != "4" {
		w.t.Fatalf("calls while the switch is away: %+v", list)
	}
	w.must(user, ici.OpPhoneCallGetAttributes, text(ici.ParamPhoneCallID, list[0].ID))
	w.fault(ici.FaultTimeout, user, ici.OpPhoneCallHold, text(ici.ParamPhoneCallID, list[0].ID))
	w.fault(ici.FaultTimeout, user, ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "3"))
	w.fault(ici.FaultTimeout, "U9", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1006;pw1006;2006"))
	var rows ici.PresenceInfoList
	rows.DecodeICI(w.must(user, ici.OpUserGetPresence, text(ici.ParamSearchTerm, "*")))
	if len(rows) != 5 {
		w.t.Errorf("presence while the switch is away: %d rows", len(rows))
	}
	for _, a := range w.c.Agents() {
		if a.User == user && !a.Stale {
			w.t.Error("agent is not marked as stale")
		}
	}
}

// An agent whom the switch has logged out meanwhile is shown as configured.
func TestForgottenAgent(t *testing.T) {
	for policy, want := range map[int]string{0: "U1: user 1", 1: "U1: user 3"} {
		t.Run(want, func(t *testing.T) {
			cfg := config()
			cfg.Lost = crm.LostPolicy(policy)
			wholeRun(t, 2, cfg, nil, func(w *whole) {
				w.logOnAll(1, true)
				w.pg.Side(ctitest.B).Stop()
				w.pg.Side(ctitest.A).Stop()
				w.settle()
				if err := w.pg.ForceLogout("1001", 50002); err != nil {
					t.Fatal(err)
				}
				if err := w.pg.Side(ctitest.B).Start(); err != nil {
					t.Fatal(err)
				}
				w.ready()
				w.settle()
				if diff := cmp.Diff([]string{want}, w.sap.take()); diff != "" {
					t.Error(diff)
				}
				if policy == 0 {
					// He logs on again.
					w.must("U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;pw1001;2001"))
				}
			})
		})
	}
}

// The mode asked for during a call is forgotten by the switch over a failover,
// but not by the connector.
func TestPendingModeSurvivesFailover(t *testing.T) {
	wholeRun(t, 2, config(), func(c *ctitest.Config) { c.Quirks.FailoverResetsAgents = true }, func(w *whole) {
		w.logOnAll(1, true)
		w.customerCall("5001")
		_, id := w.who("offered")
		w.op("U1", ici.OpPhoneCallAccept, id)
		w.must("U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "1003"))
		w.settle()
		w.wantMode("U1", 1003)
		w.pg.Side(ctitest.A).Stop()
		w.ready()
		w.settle()
		w.wantMode("U1", 1003)
		w.op("U1", ici.OpPhoneCallDrop, id)
		w.wantMode("U1", 1003)
		if a, _ := w.pg.Agent("1001"); a.State != "NOT_READY" || a.Reason != 3 {
			t.Errorf("at the ACD: %+v", a)
		}
	})
}

// The ACD goes while the CTI server stays.
func TestPeripheralOffline(t *testing.T) {
	for _, linger := range []bool{false, true} {
		t.Run(fmt.Sprintf("linger=%v", linger), func(t *testing.T) {
			wholeRun(t, 2, config(), func(c *ctitest.Config) { c.Quirks.LingerOffline = linger }, func(w *whole) {
				w.logOnAll(1, true)
				w.customerCall("5001")
				_, id := w.who("offered")
				w.op("U1", ici.OpPhoneCallAccept, id)
				w.pg.SetPeripheral(false)
				w.settle()
				w.fault(ici.FaultTimeout, "U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "3"))
				w.pg.SetPeripheral(true)
				w.settle()
				w.wantStates("U1 connected " + customer)
				for _, a := range w.c.Agents() {
					if a.Stale || !a.LoggedOn {
						t.Errorf("%+v", a)
					}
				}
			})
		})
	}
}

// A session that is cut in the middle of everything, again and again.
func TestFlappingLink(t *testing.T) {
	wholeRun(t, 10, config(), nil, func(w *whole) {
		w.logOnAll(10, true)
		for range 4 {
			w.customerCall("5001")
			user, id := w.who("offered")
			w.op(user, ici.OpPhoneCallAccept, id)
		}
		before := w.states()
		w.sap.take()
		for range 20 {
			w.net.Cut("pg-A:42027")
			w.net.Cut("pg-B:42027")
			time.Sleep(700 * time.Millisecond)
		}
		w.ready()
		w.settle()
		if diff := cmp.Diff(before, w.states()); diff != "" {
			t.Error(diff)
		}
		if ev := w.sap.take(); len(ev) > 0 {
			t.Errorf("SAP was told %q", strings.Join(ev, "; "))
		}
		if s := w.c.Stats(); s.Defects > 0 || s.LinkLosses == 0 {
			t.Errorf("%+v", s)
		}
	})
}
