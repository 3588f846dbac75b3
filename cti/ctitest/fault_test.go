package ctitest_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

func TestControlOfRequests(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		pg := w.pg
		pg.Control(cti.TypeSetAgentStateReq, func(k *ctitest.Call) ctitest.Action {
			return k.ControlFail(cti.ControlFailureCodeResourceBusy, 7)
		})
		pg.Control(cti.TypeSetAgentStateReq, func(k *ctitest.Call) ctitest.Action { return k.Fail(cti.StatusCodeTimeout) })
		pg.Control(cti.TypeSetAgentStateReq, func(k *ctitest.Call) ctitest.Action {
			if k.Client != "test" || k.Side != ctitest.A || k.Direction != ctitest.In || k.Version != 24 {
				t.Errorf("call: %+v", k)
			}
			return k.Reply(&cti.SetAgentStateConf{})
		})
		// First in, first out, each once; then the gateway answers by itself.
		c.request(login("1001", "2001"), "CONTROL_FAILURE_CONF CF_RESOURCE_BUSY")
		c.request(login("1001", "2001"), "FAILURE_CONF E_CTI_TIMEOUT")
		c.request(login("1001", "2001"), "SET_AGENT_STATE_CONF")
		c.request(login("1001", "2001"), "SET_AGENT_STATE_CONF\nAGENT_STATE 1001 NOT_READY")

		remove := pg.Control(cti.TypeHeartbeatReq, func(k *ctitest.Call) ctitest.Action { return k.Drop().Keep() })
		c.request(&cti.HeartbeatReq{}, "")
		c.request(&cti.HeartbeatReq{}, "")
		remove()
		c.request(&cti.HeartbeatReq{}, "HEARTBEAT_CONF")

		pg.Control(cti.TypeHeartbeatReq, func(k *ctitest.Call) ctitest.Action { return k.Delay(3 * time.Second) })
		c.request(&cti.HeartbeatReq{}, "")
		c.request(&cti.HeartbeatReq{}, "HEARTBEAT_CONF")
		w.wait(3 * time.Second)
		c.expect("HEARTBEAT_CONF")

		// Skip leaves the function for the message it is meant for.
		pg.Control(cti.TypeSetAgentStateReq, func(k *ctitest.Call) ctitest.Action {
			if k.Message.(*cti.SetAgentStateReq).AgentID != "1002" {
				return k.Skip()
			}
			return k.ControlFail(cti.ControlFailureCodeGenericOperation, 0)
		})
		c.request(login("1003", "2003"), "SET_AGENT_STATE_CONF\nAGENT_STATE 1003 NOT_READY")
		c.request(login("1002", "2002"), "CONTROL_FAILURE_CONF CF_GENERIC_OPERATION")

		pg.Control(cti.TypeHeartbeatReq, func(k *ctitest.Call) ctitest.Action {
			return k.Raw([]byte{0, 0, 0, 0, 0, 0, 0x12, 0x34})
		})
		got := c.do(&cti.HeartbeatReq{})
		if len(got) != 1 || got[0].Type() != 0x1234 {
			t.Errorf("raw: %v", got)
		}
		pg.Control(cti.TypeHeartbeatReq, func(k *ctitest.Call) ctitest.Action { return k.Close() })
		c.request(&cti.HeartbeatReq{}, "")
		if c.ended() == nil {
			t.Error("connection lives")
		}
	})
}

func TestControlOfEvents(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		c.do(login("1001", "2001"))
		w.pg.Control(cti.TypeAgentStateEvent, func(k *ctitest.Call) ctitest.Action { return k.Drop() })
		c.request(state("2001", cti.AgentStateAvailable, 0), "SET_AGENT_STATE_CONF")
		w.pg.Control(cti.TypeAgentStateEvent, func(k *ctitest.Call) ctitest.Action { return k.Delay(time.Second) })
		w.pg.Control(cti.TypeBeginCallEvent, func(k *ctitest.Call) ctitest.Action {
			return k.Reply(k.Message, k.Message)
		})
		w.pg.Control(cti.TypeSetAgentStateConf, func(k *ctitest.Call) ctitest.Action { return k.Fail(cti.StatusCodeUnspecifiedFailure) })
		w.customer(customer, "2001")
		diff(t, "BEGIN_CALL #1/2001 type=6\nBEGIN_CALL #1/2001 type=6", only(c.take(), cti.TypeBeginCallEvent))
		c.request(state("2001", cti.AgentStateNotReady, 4), "FAILURE_CONF E_CTI_UNSPECIFIED_FAILURE")
		w.wait(time.Second)
		c.expect("AGENT_STATE 1001 NOT_READY reason=4")
	})
}

func TestObserve(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	cfg := ctitest.DefaultConfig(1)
	cfg.Observe = func(o ctitest.Observation) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%d %v %v %v %s %d", o.Seq, o.Side, o.Direction, o.Type, o.Client, len(o.Bytes)))
	}
	play(t, cfg, func(w *world) {
		c := w.dial(ctitest.A, 13)
		c.do(openReq(13))
		c.do(&cti.HeartbeatReq{})
		mu.Lock()
		defer mu.Unlock()
		want := []string{"1 A in OPEN_REQ  61", "2 A out OPEN_CONF test 34", "3 A out SYSTEM_EVENT test 34", "4 A in HEARTBEAT_REQ test 12", "5 A out HEARTBEAT_CONF test 12"}
		if d := cmp.Diff(want, seen); d != "" {
			t.Error(d)
		}
	})
}

// A client that applies what arrives ends in the same state whatever the guides leave open. This
// runs one scenario with many combinations and compares what is left, and that the rules of the
// guide about the order of events hold.
func TestQuirksKeepTheRules(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		bit := func() bool { return rnd.IntN(2) == 1 }
		cfg := ctitest.DefaultConfig(3)
		cfg.Desk.WrapupIncoming = ctitest.WrapupRequired
		cfg.Quirks = ctitest.Quirks{Confirm: ctitest.ConfirmOrder(rnd.IntN(3)), AgentStateFirst: bit(), RTPFirst: bit(), LoginEvent: bit(),
			DuplicateAgentStates: bit(), OpaqueConnectionIDs: bit(), LateEndCall: bit(), TransferKeepsConsultID: bit(),
			ShortFailureConf: bit(), NoPreCall: bit(), PartialECC: bit(), NoReject: bit()}
		if i == 0 {
			cfg.Quirks = ctitest.Quirks{}
		}
		play(t, cfg, func(w *world) {
			c := w.bridge(24)
			var all []cti.Message
			do := func(m cti.Message) {
				got := c.do(m)
				for _, g := range got {
					switch g.Type() {
					case cti.TypeFailureConf, cti.TypeControlFailureConf:
						t.Fatalf("%+v: %v: %v", cfg.Quirks, m, g)
					}
				}
				all = append(all, got...)
			}
			// The connection of a phone as the events name it.
			conn := func(device string, last bool) (uint32, string) {
				var id uint32
				var name string
				for _, g := range c.do(&cti.SnapshotDeviceReq{PeripheralID: pid, AgentInstrument: device}) {
					for _, x := range g.(*cti.SnapshotDeviceConf).Calls {
						if id == 0 || last {
							id, name = x.CallConnectionCallID, x.CallConnectionDeviceID
						}
					}
				}
				return id, name
			}
			do(login("1001", "2001"))
			do(state("2001", cti.AgentStateAvailable, 0))
			do(login("1002", "2002"))
			w.customer(customer, "5001")
			all = append(all, c.take()...)
			id, name := conn("2001", false)
			do(&cti.AnswerCallReq{PeripheralID: pid, ConnectionCallID: id, ConnectionDeviceID: name})
			do(&cti.ConsultationCallReq{PeripheralID: pid, ActiveConnectionCallID: id, ActiveConnectionDeviceID: name, DialedNumber: "2002"})
			id2, name2 := conn("2002", false)
			do(&cti.AnswerCallReq{PeripheralID: pid, ConnectionCallID: id2, ConnectionDeviceID: name2})
			cid, cname := conn("2001", true)
			do(&cti.TransferCallReq{PeripheralID: pid, ActiveConnectionCallID: cid, ActiveConnectionDeviceID: cname, HeldConnectionCallID: id, HeldConnectionDeviceID: name})
			id2, name2 = conn("2002", false)
			do(&cti.ClearConnectionReq{PeripheralID: pid, ConnectionCallID: id2, ConnectionDeviceID: name2})
			do(state("2001", cti.AgentStateNotReady, 1))
			do(state("2002", cti.AgentStateNotReady, 1))
			checkOrder(t, all)
			for _, a := range w.pg.Agents()[:2] {
				if a.State != "NOT_READY" || len(a.Calls) != 0 {
					t.Errorf("%+v: %+v", cfg.Quirks, a)
				}
			}
			if n := len(w.pg.Calls()); n != 0 {
				t.Errorf("%+v: %d calls left", cfg.Quirks, n)
			}
		})
	}
}

// connectionOf is the connection that an event is about. Outside parties are left out: their
// connections have no beginning and end.
func connectionOf(m cti.Message) (string, bool) {
	var id uint32
	var name string
	outside := true
	m.VisitFields(24, func(f cti.FieldValue) bool {
		switch f.Name {
		case "ConnectionCallID":
			id = uint32(f.Number)
		case "ConnectionDeviceID":
			name = f.Text
		case "ConnectionDeviceIDType":
			outside = cti.ConnectionDeviceIDType(f.Number) == cti.ConnectionDeviceIDTypeDynamic
		}
		return true
	})
	return call(id, name), name != "" && !outside
}

// checkOrder: BEGIN_CALL_EVENT comes before any other event of a connection, END_CALL_EVENT ends it,
// and every connection that began ends.
func checkOrder(t *testing.T, all []cti.Message) {
	t.Helper()
	open := map[string]bool{}
	for _, m := range all {
		switch e := m.(type) {
		case *cti.BeginCallEvent:
			k := call(e.ConnectionCallID, e.ConnectionDeviceID)
			if open[k] {
				t.Errorf("%s begins twice", k)
			}
			open[k] = true
		case *cti.EndCallEvent:
			k := call(e.ConnectionCallID, e.ConnectionDeviceID)
			if !open[k] {
				t.Errorf("%s ends without a beginning", k)
			}
			delete(open, k)
		case *cti.CallDataUpdateEvent:
			k, n := call(e.ConnectionCallID, e.ConnectionDeviceID), call(e.NewConnectionCallID, e.NewConnectionDeviceID)
			if !open[k] {
				t.Errorf("data of %s outside its life", k)
			}
			delete(open, k)
			open[n] = true
		default:
			if k, ok := connectionOf(m); ok && !open[k] {
				t.Errorf("%s outside the life of %s", m.Type(), k)
			}
		}
	}
	for k := range open {
		t.Errorf("%s never ends", k)
	}
}

func TestAThousandAgents(t *testing.T) {
	play(t, ctitest.DefaultConfig(1000), func(w *world) {
		c := w.bridge(24)
		got := c.do(&cti.ConfigRequestEvent{ConfigInformation: cti.ConfigMaskAgent | cti.ConfigMaskSkillGroup | cti.ConfigMaskDevice, PeripheralID: pid})
		n := 0
		for _, m := range got {
			if e, ok := m.(*cti.ConfigAgentEvent); ok {
				n += len(e.Records)
			}
		}
		if n != 1000 || got[0].Type() != cti.TypeConfigBeginEvent || got[len(got)-1].Type() != cti.TypeConfigEndEvent {
			t.Errorf("%d agents in %d messages", n, len(got))
		}
		for i := range 1000 {
			c.send(login(fmt.Sprint(1001+i), fmt.Sprint(2001+i)))
			c.send(state(fmt.Sprint(2001+i), cti.AgentStateAvailable, 0))
		}
		if n := len(only(c.take(), cti.TypeAgentStateEvent)); n != 2000 {
			t.Errorf("%d agent states", n)
		}
		for range 1005 {
			w.customer(customer, "5001")
		}
		if n := len(only(c.take(), cti.TypeCallDeliveredEvent)); n != 1000 {
			t.Errorf("%d calls delivered", n)
		}
		if n := len(w.pg.SkillGroups()[0].Queued); n != 5 {
			t.Errorf("%d calls wait", n)
		}
	})
}

func TestConfigurationEvents(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		keys := c.do(&cti.ConfigRequestKeyEvent{PeripheralID: pid})[0].(*cti.ConfigKeyEvent)
		c.request(&cti.ConfigRequestEvent{PeripheralID: pid}, "CONFIG_BEGIN\nCONFIG_END")
		if err := w.pg.RenameAgent("1001", "Ana", "Šimić"); err != nil {
			t.Fatal(err)
		}
		if err := w.pg.AddAgent(ctitest.AgentConfig{ID: "1099", Extension: "2099", LastName: "Neu", SkillGroups: []uint32{1}, Password: "pw1099"}); err != nil {
			t.Fatal(err)
		}
		got := c.take()
		if len(got) != 2 {
			t.Fatalf("events: %v", got)
		}
		if r := got[0].(*cti.ConfigAgentEvent).Records[0]; r.RecordType != cti.ConfigRecordTypeChange || r.LastName != "Šimić" || r.LoginID != "1001" {
			t.Errorf("change: %+v", r)
		}
		if r := got[1].(*cti.ConfigAgentEvent).Records[0]; r.RecordType != cti.ConfigRecordTypeAdd || r.LoginID != "1099" {
			t.Errorf("add: %+v", r)
		}
		c.ready("1099", "2099")
		after := c.do(&cti.ConfigRequestKeyEvent{PeripheralID: pid})[0].(*cti.ConfigKeyEvent)
		if bytes.Equal(keys.AgentConfigKey, after.AgentConfigKey) || len(after.AgentConfigKey) != 8 {
			t.Errorf("keys: %x %x", keys.AgentConfigKey, after.AgentConfigKey)
		}
		if err := w.pg.AddAgent(ctitest.AgentConfig{ID: "1099", Extension: "2100"}); err == nil {
			t.Error("added twice")
		}
	})
}

// Garbage from one client neither panics nor hangs, and other sessions go on.
func FuzzServerInput(f *testing.F) {
	add := func(ms ...cti.Message) {
		var b []byte
		for i, m := range ms {
			if r, ok := m.(cti.Request); ok {
				r.SetInvoke(uint32(i + 1))
			}
			b, _ = cti.AppendMessage(b, m, 24)
		}
		f.Add(b)
	}
	add(openReq(24), login("1001", "2001"), state("2001", cti.AgentStateAvailable, 0), makeCall("2001", "2002"), clearConn(1, "2001"))
	add(openReq(24), login("1001", "2001"), makeCall("2001", "5001"), transfer(2, 1, "2001"), &cti.CloseReq{})
	add(openReq(24), &cti.ConfigRequestEvent{ConfigInformation: 0x3ff, PeripheralID: pid}, &cti.SnapshotDeviceReq{PeripheralID: pid, AgentInstrument: "2003"})
	add(openReq(24), answer(1, "2003"), consult(1, "2003", "2002"), conference(2, 1, "2003"), blind(1, "2003", "5001"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 3})
	f.Fuzz(func(t *testing.T, in []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t}
			w.net = newNet()
			cfg := ctitest.DefaultConfig(3)
			cfg.Listen = func(s ctitest.SideID) (net.Listener, error) { return w.net.Listen(addrs[s]) }
			w.pg = ctitest.Start(t, cfg)
			good := w.bridge(24)
			good.ready("1003", "2003")
			w.customer(customer, "5001")
			good.take()
			bad := w.dial(ctitest.A, 24)
			bad.raw(in)
			synctest.Wait()
			time.Sleep(time.Minute)
			good.take()
			good.request(&cti.HeartbeatReq{}, "HEARTBEAT_CONF")
			w.pg.Calls()
			w.pg.Agents()
			w.pg.Close()
			for _, i := range w.pg.Calls() {
				w.pg.EndCall(i.ID)
			}
		})
	})
}
