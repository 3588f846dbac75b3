package ctitest_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/internal/leaktest"
	"github.com/connects-go/connects/internal/testnet"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// world is a gateway in a bubble with a network in memory.
type world struct {
	t   *testing.T
	pg  *ctitest.PG
	net *testnet.Net
}

var addrs = map[ctitest.SideID]string{ctitest.A: "a:42027", ctitest.B: "b:43027"}

// play runs f against a gateway, in fake time. cfg may be nil: three agents with the defaults.
func play(t *testing.T, cfg *ctitest.Config, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: testnet.New()}
		if cfg == nil {
			cfg = ctitest.DefaultConfig(3)
		}
		c := *cfg
		c.Listen = func(s ctitest.SideID) (net.Listener, error) { return w.net.Listen(addrs[s]) }
		w.pg = ctitest.Start(t, &c)
		f(w)
		w.pg.Close()
	})
}

// client speaks the bytes of the protocol and does not think.
type client struct {
	w    *world
	nc   net.Conn
	v    cti.Version
	next uint32

	mu   sync.Mutex
	msgs []cti.Message
	end  error
}

func (w *world) dial(side ctitest.SideID, v cti.Version) *client {
	w.t.Helper()
	nc, err := w.net.DialContext(w.t.Context(), "tcp", addrs[side])
	if err != nil {
		w.t.Fatal(err)
	}
	c := &client{w: w, nc: nc, v: v, next: 100}
	w.t.Cleanup(func() { nc.Close() })
	go func() {
		fr := cti.NewFrameReader(nc, v)
		for {
			m, err := fr.ReadMessage()
			c.mu.Lock()
			if err != nil {
				c.end = err
				c.mu.Unlock()
				return
			}
			c.msgs = append(c.msgs, m)
			c.mu.Unlock()
		}
	}()
	return c
}

// services of a bridge.
const bridgeServices = cti.CTIServiceMaskAllEvents | cti.CTIServiceMaskClientControl | cti.CTIServiceMaskCallDataUpdate

func openReq(v cti.Version) *cti.OpenReq {
	return &cti.OpenReq{VersionNumber: uint32(v), IdleTimeout: 0xffffffff, PeripheralID: 0xffffffff,
		ServicesRequested: bridgeServices, CallMsgMask: 0xffffffff, AgentStateMask: 0x3fff, ConfigMsgMask: 0x3ff, ClientID: "test"}
}

// bridge opens an all-events session on the active side and drops the greeting.
func (w *world) bridge(v cti.Version) *client {
	w.t.Helper()
	side, _ := w.pg.Active()
	c := w.dial(side, v)
	got := c.do(openReq(v))
	if len(got) == 0 || got[0].Type() != cti.TypeOpenConf {
		w.t.Fatalf("open: %v", got)
	}
	return c
}

// send writes a message.
func (c *client) send(m cti.Message) {
	c.w.t.Helper()
	if r, ok := m.(cti.Request); ok && r.Invoke() == 0 {
		c.next++
		r.SetInvoke(c.next)
	}
	b, err := cti.AppendMessage(nil, m, c.v)
	if err != nil {
		c.w.t.Fatal(err)
	}
	c.raw(b)
}

func (c *client) raw(b []byte) {
	c.w.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.w.t.Logf("write: %v", err)
	}
}

// take waits until everything is quiet and returns what has come.
func (c *client) take() []cti.Message {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.msgs
	c.msgs = nil
	return out
}

// ended says how the connection ended, nil while it lives.
func (c *client) ended() error {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

func (c *client) do(m cti.Message) []cti.Message {
	c.w.t.Helper()
	c.send(m)
	return c.take()
}

// expect compares what came since the last look with lines of text.
func (c *client) expect(want string) {
	c.w.t.Helper()
	diff(c.w.t, want, c.take())
}

// request sends a request and compares everything that comes with lines of text.
func (c *client) request(m cti.Message, want string) {
	c.w.t.Helper()
	diff(c.w.t, want, c.do(m))
}

func diff(t *testing.T, want string, got []cti.Message) {
	t.Helper()
	var lines []string
	for _, l := range strings.Split(want, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	var have []string
	for _, m := range got {
		have = append(have, brief(m))
	}
	if d := cmp.Diff(lines, have); d != "" {
		t.Errorf("messages (-want +got):\n%s\nall:\n%s", d, strings.Join(have, "\n"))
	}
}

// only keeps the messages of some types.
func only(ms []cti.Message, types ...cti.MessageType) []cti.Message {
	var out []cti.Message
	for _, m := range ms {
		for _, t := range types {
			if m.Type() == t {
				out = append(out, m)
			}
		}
	}
	return out
}

// without drops the messages of some types.
func without(ms []cti.Message, types ...cti.MessageType) []cti.Message {
	var out []cti.Message
next:
	for _, m := range ms {
		for _, t := range types {
			if m.Type() == t {
				continue next
			}
		}
		out = append(out, m)
	}
	return out
}

func call(id uint32, dev string) string {
	if id >= firstCall {
		return fmt.Sprintf("#%d/%s", id-firstCall+1, dev)
	}
	return fmt.Sprintf("%d/%s", id, dev)
}

const firstCall = 16777217

func dev(t cti.DeviceIDType, id string) string {
	switch t {
	case cti.DeviceIDTypeNone:
		if id == "" {
			return "-"
		}
	case cti.DeviceIDTypeAgentDevice:
		return "agent:" + id
	case cti.DeviceIDTypeExternal:
		return "ext:" + id
	case cti.DeviceIDTypeQueue:
		return "queue:" + id
	case cti.DeviceIDTypeRoutePoint:
		return "rp:" + id
	case cti.DeviceIDTypeDeviceIdentifier:
		return "dev:" + id
	}
	return fmt.Sprintf("%v:%s", t, id)
}

func cause(c cti.EventCause) string {
	if c == cti.EventCauseNone {
		return ""
	}
	return " cause=" + strings.TrimPrefix(c.String(), "CEC_")
}

func lcs[T ~uint16](s T) string {
	return strings.TrimPrefix(cti.LocalConnectionState(s).String(), "LCS_")
}

func st(s cti.AgentState) string { return strings.TrimPrefix(s.String(), "AGENT_STATE_") }

func partyList(ps []cti.ConnectedParty) string {
	var out []string
	for _, p := range ps {
		out = append(out, call(p.ConnectedPartyCallID, p.ConnectedPartyDeviceID))
	}
	return strings.Join(out, ",")
}

// brief is a message in one short line with the fields that the scenarios are about. Calls are
// numbered from 1 in the order of their ids.
func brief(m cti.Message) string {
	name := m.Type().String()
	name = strings.TrimSuffix(name, "_EVENT")
	switch e := m.(type) {
	case *cti.AgentStateEvent:
		s := fmt.Sprintf("%s %s %s", name, e.AgentID, st(e.AgentState))
		if e.EventReasonCode != 0 {
			s += fmt.Sprintf(" reason=%d", e.EventReasonCode)
		}
		if e.NextAgentState != 0 {
			s += " next=" + st(e.NextAgentState)
		}
		for _, g := range e.FltSkillGroups {
			if g.FltSkillGroupState != e.AgentState {
				s += fmt.Sprintf(" group%d=%s", g.FltSkillGroupNumber, st(g.FltSkillGroupState))
			}
		}
		if e.MonitorID != 0 {
			s += fmt.Sprintf(" monitor=%d", e.MonitorID)
		}
		return s
	case *cti.BeginCallEvent:
		s := fmt.Sprintf("%s %s type=%d", name, call(e.ConnectionCallID, e.ConnectionDeviceID), e.CallType)
		if e.MonitorID != 0 {
			s += fmt.Sprintf(" monitor=%d", e.MonitorID)
		}
		return s + data(e.CallVariable1, e.CallVariable10, e.CallWrapupData, e.NamedVariables, e.NamedArrays)
	case *cti.CallDataUpdateEvent:
		s := name + " " + call(e.ConnectionCallID, e.ConnectionDeviceID)
		if e.NewConnectionCallID != e.ConnectionCallID || e.NewConnectionDeviceID != e.ConnectionDeviceID {
			s += " now " + call(e.NewConnectionCallID, e.NewConnectionDeviceID)
		}
		return s + fmt.Sprintf(" type=%d", e.CallType) + data(e.CallVariable1, e.CallVariable10, e.CallWrapupData, e.NamedVariables, e.NamedArrays)
	case *cti.EndCallEvent:
		return name + " " + call(e.ConnectionCallID, e.ConnectionDeviceID)
	case *cti.CallDeliveredEvent:
		return fmt.Sprintf("%s %s alerting=%s from=%s to=%s last=%s %s%s", name, call(e.ConnectionCallID, e.ConnectionDeviceID),
			dev(e.AlertingDeviceType, e.AlertingDeviceID), dev(e.CallingDeviceType, e.CallingDeviceID),
			dev(e.CalledDeviceType, e.CalledDeviceID), dev(e.LastRedirectDeviceType, e.LastRedirectDeviceID), lcs(e.LocalConnectionState), cause(e.EventCause))
	case *cti.CallEstablishedEvent:
		return fmt.Sprintf("%s %s answering=%s from=%s to=%s %s%s", name, call(e.ConnectionCallID, e.ConnectionDeviceID),
			dev(e.AnsweringDeviceType, e.AnsweringDeviceID), dev(e.CallingDeviceType, e.CallingDeviceID),
			dev(e.CalledDeviceType, e.CalledDeviceID), lcs(e.LocalConnectionState), cause(e.EventCause))
	case *cti.CallHeldEvent:
		return fmt.Sprintf("%s %s by=%s %s", name, call(e.ConnectionCallID, e.ConnectionDeviceID), dev(e.HoldingDeviceType, e.HoldingDeviceID), lcs(e.LocalConnectionState))
	case *cti.CallRetrievedEvent:
		return fmt.Sprintf("%s %s by=%s %s", name, call(e.ConnectionCallID, e.ConnectionDeviceID), dev(e.RetrievingDeviceType, e.RetrievingDeviceID), lcs(e.LocalConnectionState))
	case *cti.CallClearedEvent:
		return fmt.Sprintf("%s %s%s", name, call(e.ConnectionCallID, e.ConnectionDeviceID), cause(e.EventCause))
	case *cti.CallConnectionClearedEvent:
		return fmt.Sprintf("%s %s by=%s%s", name, call(e.ConnectionCallID, e.ConnectionDeviceID), dev(e.ReleasingDeviceType, e.ReleasingDeviceID), cause(e.EventCause))
	case *cti.CallServiceInitiatedEvent:
		s := name + " " + call(e.ConnectionCallID, e.ConnectionDeviceID) + " " + lcs(e.LocalConnectionState) + cause(e.EventCause)
		if e.COCConnectionCallID != 0 {
			s += " of " + call(e.COCConnectionCallID, e.COCCallConnectionDeviceID)
		}
		return s
	case *cti.CallOriginatedEvent:
		return fmt.Sprintf("%s %s from=%s to=%s %s", name, call(e.ConnectionCallID, e.ConnectionDeviceID),
			dev(e.CallingDeviceType, e.CallingDeviceID), dev(e.CalledDeviceType, e.CalledDeviceID), lcs(e.LocalConnectionState))
	case *cti.CallReachedNetworkEvent:
		return name + " " + call(e.ConnectionCallID, e.ConnectionDeviceID) + " to=" + dev(e.CalledDeviceType, e.CalledDeviceID)
	case *cti.CallFailedEvent:
		return name + " " + call(e.ConnectionCallID, e.ConnectionDeviceID) + " at=" + dev(e.FailingDeviceType, e.FailingDeviceID) + " " + lcs(e.LocalConnectionState) + cause(e.EventCause)
	case *cti.CallDivertedEvent:
		return name + " " + call(e.ConnectionCallID, e.ConnectionDeviceID) + " to=" + dev(e.CalledDeviceType, e.CalledDeviceID) + cause(e.EventCause)
	case *cti.CallQueuedEvent:
		s := fmt.Sprintf("%s %s in=%s queued=%d", name, call(e.ConnectionCallID, e.ConnectionDeviceID), dev(e.QueueDeviceType, e.QueueDeviceID), e.NumQueued)
		for _, g := range e.SkillGroups {
			s += fmt.Sprintf(" group=%d", g.SkillGroupNumber)
		}
		return s
	case *cti.CallDequeuedEvent:
		return fmt.Sprintf("%s %s queued=%d%s", name, call(e.ConnectionCallID, e.ConnectionDeviceID), e.NumQueued, cause(e.EventCause))
	case *cti.CallTransferredEvent:
		return fmt.Sprintf("%s %s %s by=%s to=%s parties=%s %s", name, call(e.PrimaryCallID, e.PrimaryDeviceID), second(e.SecondaryCallID, e.SecondaryDeviceID),
			dev(e.TransferringDeviceType, e.TransferringDeviceID), dev(e.TransferredDeviceType, e.TransferredDeviceID), partyList(e.ConnectedParties), lcs(e.LocalConnectionState))
	case *cti.CallConferencedEvent:
		return fmt.Sprintf("%s %s %s by=%s added=%s parties=%s %s", name, call(e.PrimaryCallID, e.PrimaryDeviceID), second(e.SecondaryCallID, e.SecondaryDeviceID),
			dev(e.ControllerDeviceType, e.ControllerDeviceID), dev(e.AddedPartyDeviceType, e.AddedPartyDeviceID), partyList(e.ConnectedParties), lcs(e.LocalConnectionState))
	case *cti.AgentPreCallEvent:
		return fmt.Sprintf("%s %s at=%s group=%d key=%d", name, e.AgentID, e.AgentInstrument, e.SkillGroupNumber, e.RouterCallKeyCallID)
	case *cti.AgentPreCallAbortEvent:
		return fmt.Sprintf("%s at=%s key=%d", name, e.AgentInstrument, e.RouterCallKeyCallID)
	case *cti.RTPStartedEvent:
		return fmt.Sprintf("%s %s %d", name, call(e.ConnectionCallID, e.ConnectionDeviceID), e.Direction)
	case *cti.RTPStoppedEvent:
		return fmt.Sprintf("%s %s %d", name, call(e.ConnectionCallID, e.ConnectionDeviceID), e.Direction)
	case *cti.FailureConf:
		return fmt.Sprintf("%s %v", name, max(e.Status, e.FailureCode))
	case *cti.ControlFailureConf:
		return fmt.Sprintf("%s %v", name, e.FailureCode)
	case *cti.FailureEvent:
		return fmt.Sprintf("%s %v", "FAILURE_EVENT", e.Status)
	case *cti.SystemEvent:
		return fmt.Sprintf("%s %v arg=%d", name, e.SystemEventID, e.SystemEventArg1)
	case *cti.MakeCallConf:
		return name + " " + call(e.NewConnectionCallID, e.NewConnectionDeviceID)
	case *cti.ConsultationCallConf:
		return name + " " + call(e.NewConnectionCallID, e.NewConnectionDeviceID)
	case *cti.TransferCallConf:
		return name + " " + call(e.NewConnectionCallID, e.NewConnectionDeviceID) + " parties=" + partyList(e.ConnectedParties)
	case *cti.ConferenceCallConf:
		return name + " " + call(e.NewConnectionCallID, e.NewConnectionDeviceID) + " parties=" + partyList(e.ConnectedParties)
	case *cti.SnapshotDeviceConf:
		s := name
		for _, c := range e.Calls {
			s += " " + call(c.CallConnectionCallID, c.CallConnectionDeviceID) + "=" + lcs(c.CallState)
		}
		return s
	case *cti.SnapshotCallConf:
		s := fmt.Sprintf("%s type=%d", name, e.CallType)
		for _, d := range e.CallDevices {
			s += " " + dev(d.CallDeviceType, d.CallDeviceID) + "=" + lcs(d.CallDeviceConnectionState)
		}
		return s + data(e.CallVariable1, e.CallVariable10, e.CallWrapupData, e.NamedVariables, e.NamedArrays)
	case *cti.QueryAgentStateConf:
		return name + " " + e.AgentID + " " + st(e.AgentState)
	case *cti.OpenConf:
		return fmt.Sprintf("%s services=%#x online=%v session=%v agent=%s %s", name, uint32(e.ServicesGranted), e.PeripheralOnline, e.SessionType, e.AgentID, st(e.AgentState))
	case *cti.MonitorStartConf:
		return fmt.Sprintf("%s monitor=%d", name, e.MonitorID)
	case *cti.UserMessageEvent:
		return name + " from=" + e.ClientID + " " + e.Text
	}
	return name
}

func second(id uint32, dev string) string {
	if id == 0xffffffff {
		return "-"
	}
	return call(id, dev)
}

func data(v1, v10, wrapup string, named []cti.NamedVar, arrays []cti.NamedArray) string {
	s := ""
	if v1 != "" {
		s += " CV01=" + v1
	}
	if v10 != "" {
		s += " CV10=" + v10
	}
	if wrapup != "" {
		s += " wrapup=" + wrapup
	}
	for _, v := range named {
		s += " " + v.Name + "=" + v.Value
	}
	for _, v := range arrays {
		s += fmt.Sprintf(" %s[%d]=%s", v.Name, v.Index, v.Value)
	}
	return s
}

// Requests.

const pid = ctitest.DefaultPeripheralID

func login(id, device string) *cti.SetAgentStateReq {
	return &cti.SetAgentStateReq{PeripheralID: pid, AgentState: cti.AgentStateLogin, AgentID: id, AgentInstrument: device, AgentPassword: "pw" + id}
}

func state(device string, s cti.AgentState, reason uint16) *cti.SetAgentStateReq {
	return &cti.SetAgentStateReq{PeripheralID: pid, AgentState: s, AgentInstrument: device, EventReasonCode: reason}
}

func answer(n uint32, device string) *cti.AnswerCallReq {
	return &cti.AnswerCallReq{PeripheralID: pid, ConnectionCallID: firstCall + n - 1, ConnectionDeviceID: device}
}

func hold(n uint32, device string) *cti.HoldCallReq {
	return &cti.HoldCallReq{PeripheralID: pid, ConnectionCallID: firstCall + n - 1, ConnectionDeviceID: device}
}

func retrieve(n uint32, device string) *cti.RetrieveCallReq {
	return &cti.RetrieveCallReq{PeripheralID: pid, HeldConnectionCallID: firstCall + n - 1, HeldConnectionDeviceID: device}
}

func clearConn(n uint32, device string) *cti.ClearConnectionReq {
	return &cti.ClearConnectionReq{PeripheralID: pid, ConnectionCallID: firstCall + n - 1, ConnectionDeviceID: device}
}

func consult(n uint32, device, to string) *cti.ConsultationCallReq {
	return &cti.ConsultationCallReq{PeripheralID: pid, ActiveConnectionCallID: firstCall + n - 1, ActiveConnectionDeviceID: device, DialedNumber: to, ConsultType: cti.ConsultTypeTransfer}
}

func transfer(active, held uint32, device string) *cti.TransferCallReq {
	return &cti.TransferCallReq{PeripheralID: pid, ActiveConnectionCallID: firstCall + active - 1, ActiveConnectionDeviceID: device,
		HeldConnectionCallID: firstCall + held - 1, HeldConnectionDeviceID: device}
}

func conference(active, held uint32, device string) *cti.ConferenceCallReq {
	return &cti.ConferenceCallReq{PeripheralID: pid, ActiveConnectionCallID: firstCall + active - 1, ActiveConnectionDeviceID: device,
		HeldConnectionCallID: firstCall + held - 1, HeldConnectionDeviceID: device}
}

func blind(n uint32, device, to string) *cti.TransferCallReq {
	return &cti.TransferCallReq{PeripheralID: pid, ActiveConnectionCallID: firstCall + n - 1, ActiveConnectionDeviceID: device,
		HeldConnectionCallID: 0xffffffff, HeldConnectionDeviceIDType: 0xffff, DialedNumber: to}
}

func makeCall(device, to string) *cti.MakeCallReq {
	return &cti.MakeCallReq{PeripheralID: pid, AgentInstrument: device, DialedNumber: to, SkillGroupNumber: 0xffffffff}
}

// ready logs an agent in and makes him available.
func (c *client) ready(id, device string) {
	c.w.t.Helper()
	c.do(login(id, device))
	c.do(state(device, cti.AgentStateAvailable, 0))
}

func (w *world) customer(from, to string) uint32 {
	w.t.Helper()
	id, err := w.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: from, To: to})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) wait(d time.Duration) {
	synctest.Wait()
	time.Sleep(d)
	synctest.Wait()
}

func newNet() *testnet.Net { return testnet.New() }
