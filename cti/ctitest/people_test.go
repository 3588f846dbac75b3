package ctitest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

func TestPeopleWithoutAClient(t *testing.T) {
	play(t, nil, func(w *world) {
		pg := w.pg
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		must(pg.LoginAgent("1001", ""))
		must(pg.LoginAgent("1002", "4001"))
		must(pg.SetAgentState("1001", cti.AgentStateAvailable, 0))
		id := w.customer(customer, "5001")
		must(pg.PhoneAnswer("2001", id))
		must(pg.PhoneHold("2001", id))
		if c, _ := pg.Call(id); c.State != "HELD" {
			t.Errorf("held: %+v", c)
		}
		must(pg.PhoneHold("2001", id))
		must(pg.SetCallData(id, ctitest.CallSpec{Variables: map[string]string{"CV02": "zwei"}}))
		c, ok := pg.Call(id)
		want := ctitest.CallInfo{ID: firstCall, From: customer, To: "5001", State: "ANSWERED", Since: c.Since, RouterKey: c.RouterKey,
			Parties: []ctitest.PartyInfo{{Device: customer, Kind: "external", State: "CONNECT"},
				{Device: "2001", Kind: "agent", Agent: "1001", State: "CONNECT"}},
			Variables: map[string]string{"CV02": "zwei"}, ECC: map[string]string{}}
		if d := cmp.Diff(want, c); d != "" || !ok {
			t.Error(d)
		}
		must(pg.SetAgentState("1001", cti.AgentStateNotReady, 999))
		a, _ := pg.Agent("1001")
		wantA := ctitest.AgentInfo{ID: "1001", FirstName: "Zoë", LastName: "Müller", Device: "2001", State: "TALKING", Pending: "NOT_READY",
			Since: a.Since, SkillGroups: []uint32{1}, Calls: []uint32{id}}
		if d := cmp.Diff(wantA, a); d != "" {
			t.Error(d)
		}
		must(pg.PhoneHangUp("2001", id))
		if a, _ := pg.Agent("1001"); a.State != "NOT_READY" || a.Reason != 999 {
			t.Errorf("after the call: %+v", a)
		}
		out, err := pg.PhoneDial("4001", "0315550123")
		must(err)
		must(pg.OutsideAnswer(out))
		must(pg.OutsideHangUp(out, "0315550123"))
		if _, ok := pg.Call(out); ok {
			t.Error("the call lives")
		}
		must(pg.ForceLogout("1002", 999))
		if a, _ := pg.Agent("1002"); a.State != "LOGOUT" || a.Reason != 999 || a.Device != "2002" {
			t.Errorf("forced out: %+v", a)
		}
		for name, err := range map[string]error{
			"agent":     pg.LoginAgent("9", ""),
			"twice":     pg.LoginAgent("1001", ""),
			"out":       pg.ForceLogout("1002", 0),
			"call":      pg.PhoneAnswer("2001", 7),
			"phone":     pg.PhoneHangUp("9", 7),
			"data":      pg.SetCallData(7, ctitest.CallSpec{}),
			"outside":   pg.OutsideAnswer(7),
			"hang up":   pg.OutsideHangUp(7, "1"),
			"end":       pg.EndCall(7),
			"state":     pg.SetAgentState("1002", cti.AgentStateAvailable, 0),
			"unknown":   pg.SetAgentState("9", cti.AgentStateAvailable, 0),
			"nonsense":  pg.SetAgentState("1001", cti.AgentStateTalking, 0),
			"desk of 9": pg.SetDesk("9", ctitest.DefaultDesk()),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		var refused *ctitest.RefusedError
		if err := pg.SetAgentState("1001", cti.AgentStateTalking, 0); !errors.As(err, &refused) || refused.Code != cti.ControlFailureCodeValueOutOfRange || !errors.Is(err, ctitest.ErrWrongState) {
			t.Errorf("refused: %v", err)
		}
		if _, err := pg.PhoneDial("2001", "2001"); !errors.Is(err, ctitest.ErrUnknownNumber) {
			t.Errorf("dial itself: %v", err)
		}
		b, err := json.Marshal(struct {
			A []ctitest.AgentInfo
			S []ctitest.SideInfo
			G []ctitest.SkillGroupInfo
		}{pg.Agents(), pg.Sides(), pg.SkillGroups()})
		must(err)
		if !strings.Contains(string(b), `"state":"NOT_READY"`) || strings.Contains(string(b), "null") {
			t.Errorf("%s", b)
		}
	})
}

func TestOutsidePartiesThatHangUpAndDoNotAnswer(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.External["1"] = ctitest.External{AnswerAfter: time.Second, HangUpAfter: time.Second}
	cfg.External["2"] = ctitest.External{AnswerAfter: time.Second, Busy: true}
	cfg.DefaultExternal = &ctitest.External{AnswerAfter: -1}
	play(t, cfg, func(w *world) {
		c := w.bridge(24)
		c.do(login("1001", "2001"))
		c.do(makeCall("2001", "1"))
		w.wait(2 * time.Second)
		diff(t, `
			CALL_ESTABLISHED #1/2001 answering=ext:1 from=agent:2001 to=ext:1 CONNECT
			AGENT_STATE 1001 TALKING
			CALL_CONNECTION_CLEARED #1/E2 by=ext:1
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
			CALL_CLEARED #1/2001
			AGENT_STATE 1001 NOT_READY
			END_CALL #1/2001`, without(c.take(), cti.TypeRTPStartedEvent, cti.TypeRTPStoppedEvent))
		c.do(makeCall("2001", "2"))
		w.wait(time.Second)
		c.expect("CALL_FAILED #2/2001 at=ext:2 FAIL cause=BUSY")
		// A state asked for while a call is being made waits for its end.
		c.request(state("2001", cti.AgentStateAvailable, 0), "SET_AGENT_STATE_CONF\nAGENT_STATE 1001 NOT_READY next=AVAILABLE")
		diff(t, "AGENT_STATE 1001 AVAILABLE", only(c.do(clearConn(2, "2001")), cti.TypeAgentStateEvent))
		c.do(makeCall("2001", "3"))
		w.wait(time.Hour)
		c.expect("")
	})
}

func TestDeviceInfoAndDeskSettings(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.Desk = ctitest.DeskSettings{WrapupIncoming: ctitest.WrapupRequiredWithData, WrapupOutgoing: ctitest.WrapupNotAllowed, WrapupTime: 30 * time.Second,
		RingNoAnswerTime: 20 * time.Second, IdleReasonRequired: true, LogoutReasonRequired: true, AutoAnswer: true}
	play(t, cfg, func(w *world) {
		c := w.bridge(24)
		i := c.do(&cti.QueryDeviceInfoReq{PeripheralID: pid, AgentInstrument: "2001"})[0].(*cti.QueryDeviceInfoConf)
		if i.MakeCallSetup != cti.AgentStateMaskNotReady|cti.AgentStateMaskAvailable || i.CallControlSupported&cti.CallControlMaskClearCall != 0 || len(i.Lines) != 1 {
			t.Errorf("device: %v", i)
		}
		d := c.do(&cti.AgentDeskSettingsReq{PeripheralID: pid, AgentID: "1001"})[0].(*cti.AgentDeskSettingsConf)
		if d.WrapupDataIncomingMode != cti.WrapupDataModeRequiredWithWrapupData || d.WrapupDataOutgoingMode != cti.WrapupDataModeNotAllowed ||
			d.WorkModeTimer != 30 || d.RingNoAnswerTime != 20 || d.DeskSettingsMask != 0x1c {
			t.Errorf("desk settings: %v", d)
		}
		// Auto-answer: the call is answered without a request.
		c.do(login("1001", "2001"))
		c.do(state("2001", cti.AgentStateAvailable, 0))
		w.customer(customer, "5001")
		if got := only(c.take(), cti.TypeCallEstablishedEvent); len(got) != 1 {
			t.Errorf("auto-answer: %v", got)
		}
	})
}

func TestServerWithoutCallControl(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.NoCallControl = true
	play(t, cfg, func(w *world) {
		c := w.dial(ctitest.A, 24)
		c.request(openReq(24), `
			OPEN_CONF services=0x2012 online=true session=UNKNOWN agent= LOGOUT
			SYSTEM SYS_PERIPHERAL_ONLINE arg=5000`)
		c.request(login("1001", "2001"), "SET_AGENT_STATE_CONF\nAGENT_STATE 1001 NOT_READY")
		c.request(makeCall("2001", "5001"), "FAILURE_CONF E_CTI_FUNCTION_NOT_AVAILABLE")
	})
}

func TestSlowClientIsCut(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.MaxQueuedBytes = 4096
	play(t, cfg, func(w *world) {
		c := w.bridge(24)
		w.pg.Side(ctitest.A).Stall(true)
		for range 100 {
			w.customer(customer, "5001")
		}
		if c.ended() == nil {
			t.Error("output without end waits for a client that does not read")
		}
		w.pg.Side(ctitest.A).Stall(false)
		w.bridge(24).request(&cti.HeartbeatReq{}, "HEARTBEAT_CONF")
	})
}

func TestDisconnect(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		n := w.pg.Sides()[0].Sessions[0].Conn
		if !w.pg.Side(ctitest.A).Disconnect(n) || c.ended() == nil {
			t.Error("not cut")
		}
		if w.pg.Side(ctitest.A).Disconnect(n) {
			t.Error("cut twice")
		}
	})
}

func TestFailureConfLayouts(t *testing.T) {
	// FAILURE_CONF has 8 bytes up to the guide for version 23 and 10 in those for 24 and 25.
	for _, tt := range []struct {
		v     cti.Version
		short bool
		want  cti.Version
	}{{20, false, 0}, {24, false, 0}, {24, true, 23}} {
		cfg := ctitest.DefaultConfig(1)
		cfg.Quirks.ShortFailureConf = tt.short
		play(t, cfg, func(w *world) {
			c := w.bridge(tt.v)
			f := c.do(&cti.SetAppDataReq{})[0].(*cti.FailureConf)
			if f.LayoutVersion != tt.want || max(f.Status, f.FailureCode) != cti.StatusCodeFunctionNotAvailable {
				t.Errorf("%+v: %v layout %v", tt, f, f.LayoutVersion)
			}
		})
	}
}

func TestQueriesRefused(t *testing.T) {
	cfg := ctitest.DefaultConfig(2)
	cfg.Quirks.DialOnlyNotReady = true
	play(t, cfg, func(w *world) {
		c := w.bridge(24)
		c.ready("1001", "2001")
		w.customer(customer, "4001")
		c.take()
		c.request(&cti.QueryAgentStateReq{PeripheralID: pid, MRDID: 1, ICMAgentID: 200000}, "QUERY_AGENT_STATE_CONF 1001 AVAILABLE")
		c.request(&cti.QueryAgentStateReq{PeripheralID: pid, AgentInstrument: "2001"}, "QUERY_AGENT_STATE_CONF 1001 AVAILABLE")
		c.request(&cti.QueryAgentStateReq{PeripheralID: pid, AgentID: "1002"}, "QUERY_AGENT_STATE_CONF 1002 LOGOUT")
		c.request(&cti.QueryAgentStateReq{PeripheralID: pid, MRDID: 5, ICMAgentID: 200000}, "FAILURE_CONF E_CTI_INVALID_MR_DOMAIN")
		c.request(&cti.QueryAgentStateReq{PeripheralID: pid, AgentID: "9"}, "FAILURE_CONF E_CTI_INVALID_AGENT_DATA")
		c.request(&cti.QueryAgentStateReq{AgentID: "1001"}, "FAILURE_CONF E_CTI_INVALID_PERIPHERAL_ID")
		c.request(&cti.SnapshotCallReq{PeripheralID: pid, ConnectionCallID: 9, ConnectionDeviceID: "4001"}, "FAILURE_CONF E_CTI_INVALID_CALLID")
		c.request(&cti.SnapshotCallReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "2001"}, "FAILURE_CONF E_CTI_INVALID_CALLID")
		c.request(&cti.SnapshotCallReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "4001"},
			"SNAPSHOT_CALL_CONF type=6 ext:+41315550100=CONNECT dev:4001=ALERTING")
		c.request(&cti.SnapshotDeviceReq{PeripheralID: pid, AgentInstrument: "9"}, "CONTROL_FAILURE_CONF CF_INVALID_CSTA_DEVICE_IDENTIFIER")
		c.request(&cti.SnapshotDeviceReq{PeripheralID: pid, AgentInstrument: "2001"}, "SNAPSHOT_DEVICE_CONF")
		c.request(makeCall("2001", "2002"), "CONTROL_FAILURE_CONF CF_GENERIC_STATE_INCOMPATIBILITY")
	})
}
