package ctitest_test

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

// FuzzActions lets agents, customers and hands on phones do anything in any order and checks what
// has to hold whatever they do: every request gets one answer, the events of a connection stay
// within its life, and when all calls have ended nobody is left in one.
func FuzzActions(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24})
	f.Add([]byte{0, 0, 0, 1, 0, 0, 2, 0, 0, 16, 0, 0, 5, 0, 0, 9, 0, 1, 5, 1, 0, 10, 0, 0, 12, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) { walk(t, in) })
}

// TestRandomWalks runs the same with a fixed set of long walks.
func TestRandomWalks(t *testing.T) {
	for seed := range uint32(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			x := seed*2654435761 + 1
			in := make([]byte, 600)
			for i := range in {
				x ^= x << 13
				x ^= x >> 17
				x ^= x << 5
				in[i] = byte(x >> 11)
			}
			walk(t, in)
		})
	}
}

func walk(t *testing.T, in []byte) {
	if len(in) > 900 {
		in = in[:900]
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		w.net = newNet()
		cfg := ctitest.DefaultConfig(4)
		if len(in) > 0 {
			b := in[0]
			cfg.Quirks = ctitest.Quirks{Confirm: ctitest.ConfirmOrder(b % 3), AgentStateFirst: b&4 != 0, LateEndCall: b&8 != 0,
				TransferKeepsConsultID: b&16 != 0, OpaqueConnectionIDs: b&32 != 0}
			cfg.Desk.WrapupIncoming = ctitest.WrapupMode(b >> 6)
			if cfg.Desk.WrapupIncoming == ctitest.WrapupRequiredWithData {
				cfg.Desk.RingNoAnswerTime, cfg.RouteDelay = 3*time.Second, time.Second
			}
		}
		cfg.Listen = func(s ctitest.SideID) (net.Listener, error) { return w.net.Listen(addrs[s]) }
		w.pg = ctitest.Start(t, cfg)
		c := w.bridge(24)
		var all []cti.Message
		step := func() {
			got := c.take()
			for _, m := range got {
				if _, ok := m.(cti.Confirm); !ok {
					all = append(all, m)
				}
			}
		}
		ask := func(r cti.Request) {
			got := c.do(r)
			n := 0
			for _, m := range got {
				if conf, ok := m.(cti.Confirm); ok && conf.Invoke() == r.Invoke() {
					n++
					continue
				}
				all = append(all, m)
			}
			if n != 1 {
				t.Fatalf("%v: %d answers", r, n)
			}
		}
		devices := []string{"2001", "2002", "2003", "2004"}
		numbers := append(devices[:4:4], "5001", "5002", "4001", "0315550123", "+41315550197", "+41315550199")
		for i := 0; i+2 < len(in); i += 3 {
			d := devices[in[i+1]%4]
			number := numbers[int(in[i+2])%len(numbers)]
			// The calls of the phone as the gateway names them.
			type ref struct {
				id   uint32
				name string
			}
			var refs []ref
			for _, m := range c.do(&cti.SnapshotDeviceReq{PeripheralID: pid, AgentInstrument: d}) {
				if s, ok := m.(*cti.SnapshotDeviceConf); ok {
					for _, x := range s.Calls {
						refs = append(refs, ref{x.CallConnectionCallID, x.CallConnectionDeviceID})
					}
				} else {
					all = append(all, m)
				}
			}
			one, two := ref{firstCall, d}, ref{firstCall + 1, d}
			if len(refs) > 0 {
				one = refs[int(in[i+2])%len(refs)]
				two = refs[(int(in[i+2])+1)%len(refs)]
			}
			switch in[i] % 23 {
			case 0:
				ask(login(fmt.Sprint(1001+int(in[i+1]%4)), d))
			case 1, 2:
				ask(state(d, cti.AgentStateAvailable, 0))
			case 3:
				ask(state(d, cti.AgentState(in[i+2]%11), uint16(in[i+2])))
			case 4, 5, 6:
				ask(&cti.AnswerCallReq{PeripheralID: pid, ConnectionCallID: one.id, ConnectionDeviceID: one.name})
			case 7:
				ask(&cti.HoldCallReq{PeripheralID: pid, ConnectionCallID: one.id, ConnectionDeviceID: one.name})
			case 8:
				ask(&cti.RetrieveCallReq{PeripheralID: pid, HeldConnectionCallID: one.id, HeldConnectionDeviceID: one.name})
			case 9, 10:
				ask(&cti.ConsultationCallReq{PeripheralID: pid, ActiveConnectionCallID: one.id, ActiveConnectionDeviceID: one.name, DialedNumber: number})
			case 11:
				ask(&cti.TransferCallReq{PeripheralID: pid, ActiveConnectionCallID: one.id, ActiveConnectionDeviceID: one.name, HeldConnectionCallID: two.id, HeldConnectionDeviceID: two.name})
			case 12:
				ask(&cti.ConferenceCallReq{PeripheralID: pid, ActiveConnectionCallID: one.id, ActiveConnectionDeviceID: one.name, HeldConnectionCallID: two.id, HeldConnectionDeviceID: two.name})
			case 13:
				r := blind(1, d, number)
				r.ActiveConnectionCallID, r.ActiveConnectionDeviceID = one.id, one.name
				ask(r)
			case 14:
				ask(makeCall(d, number))
			case 15:
				ask(&cti.ClearConnectionReq{PeripheralID: pid, ConnectionCallID: one.id, ConnectionDeviceID: one.name})
			case 16, 17:
				w.pg.CustomerCall(w.t.Context(), ctitest.CallSpec{From: customer, To: number, NeverArrives: in[i+2]%16 == 15})
			case 18:
				if calls := w.pg.Calls(); len(calls) > 0 {
					w.pg.CustomerHangUp(calls[int(in[i+1])%len(calls)].ID)
				}
			case 19:
				ask(&cti.AlternateCallReq{PeripheralID: pid, ActiveConnectionCallID: one.id, ActiveConnectionDeviceID: one.name, OtherConnectionCallID: two.id, OtherConnectionDeviceID: two.name})
			case 20:
				ask(&cti.ReconnectCallReq{PeripheralID: pid, ActiveConnectionCallID: one.id, ActiveConnectionDeviceID: one.name, HeldConnectionCallID: two.id, HeldConnectionDeviceID: two.name})
			case 21:
				ask(&cti.DeflectCallReq{PeripheralID: pid, ConnectionCallID: one.id, ConnectionDeviceID: one.name, CalledDeviceID: number})
			case 22:
				synctest.Wait()
				time.Sleep(time.Duration(in[i+1]) * 100 * time.Millisecond)
			}
			step()
		}
		for _, k := range w.pg.Calls() {
			if len(k.Parties) == 0 && k.State != "ROUTED" {
				t.Errorf("call without parties: %+v", k)
			}
		}
		for range len(in) { // a step is three bytes and makes at most two calls
			calls := w.pg.Calls()
			if len(calls) == 0 {
				break
			}
			w.pg.EndCall(calls[0].ID)
			step()
		}
		time.Sleep(time.Hour)
		step()
		if left := w.pg.Calls(); len(left) > 0 {
			t.Errorf("calls left: %+v", left)
		}
		for _, a := range w.pg.Agents() {
			switch a.State {
			case "TALKING", "HOLD", "RESERVED":
				t.Errorf("without calls: %+v", a)
			case "WORK_READY", "WORK_NOT_READY":
				w.pg.SetAgentState(a.ID, cti.AgentStateNotReady, 0)
			}
			if len(a.Calls) > 0 {
				t.Errorf("without calls: %+v", a)
			}
		}
		step()
		for _, g := range w.pg.SkillGroups() {
			if len(g.Queued) > 0 {
				t.Errorf("without calls: %+v", g)
			}
		}
		checkOrder(t, all)
		w.pg.Close()
	})
}
