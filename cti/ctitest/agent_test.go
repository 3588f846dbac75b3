package ctitest_test

import (
	"testing"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

func TestLoginRefused(t *testing.T) {
	cfg := ctitest.DefaultConfig(4)
	cfg.Agents[3].Locked = true
	tests := []struct {
		name string
		edit func(r *cti.SetAgentStateReq)
		want string
	}{
		{"unknown agent", func(r *cti.SetAgentStateReq) { r.AgentID = "77" }, "CONTROL_FAILURE_CONF CF_INVALID_AGENT_ID_SPECIFIED"},
		{"wrong password", func(r *cti.SetAgentStateReq) { r.AgentPassword = "x" }, "CONTROL_FAILURE_CONF CF_INVALID_PASSWORD_SPECIFIED"},
		{"no password", func(r *cti.SetAgentStateReq) { r.AgentPassword = "" }, "CONTROL_FAILURE_CONF CF_INVALID_PASSWORD_SPECIFIED"},
		{"unknown phone", func(r *cti.SetAgentStateReq) { r.AgentInstrument = "9" }, "CONTROL_FAILURE_CONF CF_INVALID_LOGON_DEVICE_SPECIFIED"},
		{"phone of somebody who is logged in", func(r *cti.SetAgentStateReq) { r.AgentInstrument = "2001" }, "CONTROL_FAILURE_CONF CF_SPECIFIED_EXTENSION_ALREADY_IN_USE"},
		{"twice", func(r *cti.SetAgentStateReq) {
			r.AgentID, r.AgentPassword, r.AgentInstrument = "1001", "pw1001", "2003"
		}, "CONTROL_FAILURE_CONF CF_SPECIFIED_AGENT_ALREADY_SIGNED_ON"},
		{"locked", func(r *cti.SetAgentStateReq) { r.AgentID, r.AgentPassword = "1004", "pw1004" }, "CONTROL_FAILURE_CONF CF_AGENT_ACCOUNT_LOCKED_OUT"},
		{"skill group", func(r *cti.SetAgentStateReq) { r.SkillGroups = []cti.LoginSkillGroup{{SkillGroupNumber: 9}} }, "CONTROL_FAILURE_CONF CF_INVALID_SKILL_GROUP_SPECIFIED"},
		{"work mode", func(r *cti.SetAgentStateReq) { r.AgentWorkMode = 9 }, "CONTROL_FAILURE_CONF CF_INVALID_AGENT_WORKMODE"},
		{"peripheral", func(r *cti.SetAgentStateReq) { r.PeripheralID = 9 }, "FAILURE_CONF E_CTI_INVALID_PERIPHERAL_ID"},
		{"password check only, wrong", func(r *cti.SetAgentStateReq) { r.ForcedFlag, r.AgentPassword = 2, "x" }, "CONTROL_FAILURE_CONF CF_INVALID_PASSWORD_SPECIFIED"},
		{"password check only", func(r *cti.SetAgentStateReq) { r.ForcedFlag = 2 }, "SET_AGENT_STATE_CONF"},
		{"single sign-on without password", func(r *cti.SetAgentStateReq) { r.SSOEnabled, r.AgentPassword = 1, "" }, "CONTROL_FAILURE_CONF CF_INVALID_PASSWORD_SPECIFIED"},
		{"forced, at another phone", func(r *cti.SetAgentStateReq) {
			r.AgentID, r.AgentPassword, r.AgentInstrument, r.ForcedFlag = "1001", "pw1001", "2003", 1
		}, `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 LOGOUT reason=32767
			AGENT_STATE 1001 NOT_READY`},
		{"mobile agent", func(r *cti.SetAgentStateReq) {
			r.AgentWorkMode, r.AgentInstrument = cti.AgentWorkModeRACallByCall, "2002;+41315550111"
		}, `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1002 NOT_READY`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, cfg, func(w *world) {
				c := w.bridge(24)
				c.do(login("1001", "2001"))
				r := login("1002", "2002")
				tt.edit(r)
				c.request(r, tt.want)
			})
		})
	}
}

func TestReasonsRequired(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.Desk.IdleReasonRequired, cfg.Desk.LogoutReasonRequired = true, true
	play(t, cfg, func(w *world) {
		c := w.bridge(24)
		c.ready("1001", "2001")
		c.request(state("2001", cti.AgentStateNotReady, 0), "CONTROL_FAILURE_CONF CF_REASON_CODE_REQUIRED")
		c.request(state("2001", cti.AgentStateNotReady, 0xffff), "CONTROL_FAILURE_CONF CF_REASON_CODE_REQUIRED")
		c.request(state("2001", cti.AgentStateNotReady, 3), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 NOT_READY reason=3`)
		c.request(state("2001", cti.AgentStateLogout, 0), "CONTROL_FAILURE_CONF CF_REASON_CODE_REQUIRED")
		c.request(state("2001", cti.AgentStateLogout, 4), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 LOGOUT reason=4`)
		c.request(state("2001", cti.AgentStateAvailable, 0), "CONTROL_FAILURE_CONF CF_INVALID_AGENT_ID_SPECIFIED")
	})
}

func TestPendingStateAndWrapup(t *testing.T) {
	tests := []struct {
		name string
		desk ctitest.DeskSettings
		// asked for while talking
		ask  *cti.SetAgentStateReq
		told string
		// after the call
		end  string
		then func(c *client)
	}{
		{name: "no wrap-up, pending NOT_READY", desk: ctitest.DefaultDesk(),
			ask: state("2001", cti.AgentStateNotReady, 5), told: "AGENT_STATE 1001 TALKING next=NOT_READY",
			end: "AGENT_STATE 1001 NOT_READY reason=5"},
		{name: "no wrap-up, pending LOGOUT", desk: ctitest.DefaultDesk(),
			ask: state("2001", cti.AgentStateLogout, 5), told: "AGENT_STATE 1001 TALKING next=LOGOUT",
			end: `AGENT_STATE 1001 NOT_READY reason=20003
				AGENT_STATE 1001 LOGOUT reason=5`},
		{name: "optional wrap-up, asked for", desk: ctitest.DefaultDesk(),
			ask: state("2001", cti.AgentStateWorkNotReady, 0), told: "AGENT_STATE 1001 TALKING next=WORK_NOT_READY",
			end: "AGENT_STATE 1001 WORK_NOT_READY next=NOT_READY",
			then: func(c *client) {
				c.request(state("2001", cti.AgentStateAvailable, 0), `
					SET_AGENT_STATE_CONF
					AGENT_STATE 1001 AVAILABLE`)
			}},
		{name: "wrap-up not allowed", desk: ctitest.DeskSettings{WrapupIncoming: ctitest.WrapupNotAllowed},
			ask: state("2001", cti.AgentStateWorkReady, 0), told: "CONTROL_FAILURE_CONF CF_INVALID_AGENT_WORKMODE",
			end: "AGENT_STATE 1001 AVAILABLE"},
		{name: "wrap-up required, ended by the timer", desk: ctitest.DeskSettings{WrapupTime: 30 * time.Second},
			ask: state("2001", cti.AgentStateNotReady, 5), told: "AGENT_STATE 1001 TALKING next=NOT_READY",
			end: "AGENT_STATE 1001 WORK_NOT_READY next=NOT_READY",
			then: func(c *client) {
				c.w.wait(30 * time.Second)
				c.expect("AGENT_STATE 1001 NOT_READY reason=5")
			}},
		{name: "a choice in wrap-up replaces the pending one", desk: ctitest.DeskSettings{},
			ask: state("2001", cti.AgentStateNotReady, 5), told: "AGENT_STATE 1001 TALKING next=NOT_READY",
			end: "AGENT_STATE 1001 WORK_NOT_READY next=NOT_READY",
			then: func(c *client) {
				c.request(state("2001", cti.AgentStateAvailable, 0), `
					SET_AGENT_STATE_CONF
					AGENT_STATE 1001 AVAILABLE`)
			}},
		{name: "wrap-up with data", desk: ctitest.DeskSettings{WrapupIncoming: ctitest.WrapupRequiredWithData},
			end: "AGENT_STATE 1001 WORK_READY next=AVAILABLE",
			then: func(c *client) {
				c.request(state("2001", cti.AgentStateAvailable, 0), "CONTROL_FAILURE_CONF CF_WRAPUP_DATA_REQUIRED")
				c.request(setData(1, "2001", func(r *cti.SetCallDataReq) { r.CallWrapupData = "erledigt" }), "SET_CALL_DATA_CONF")
				c.request(state("2001", cti.AgentStateAvailable, 0), `
					SET_AGENT_STATE_CONF
					AGENT_STATE 1001 AVAILABLE`)
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := ctitest.DefaultConfig(2)
			cfg.Desk = tt.desk
			play(t, cfg, func(w *world) {
				c := w.bridge(24)
				c.ready("1001", "2001")
				w.customer(customer, "5001")
				c.do(answer(1, "2001"))
				if tt.ask != nil {
					diff(t, tt.told, without(c.do(tt.ask), cti.TypeSetAgentStateConf))
				}
				if err := w.pg.CustomerHangUp(firstCall); err != nil {
					t.Fatal(err)
				}
				diff(t, tt.end, only(c.take(), cti.TypeAgentStateEvent))
				if tt.then != nil {
					tt.then(c)
				}
			})
		})
	}
}

func TestStatesThatAreRefused(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		c.do(login("1001", "2001"))
		c.request(state("2001", cti.AgentStateWorkReady, 0), "CONTROL_FAILURE_CONF CF_GENERIC_STATE_INCOMPATIBILITY")
		c.request(state("2001", cti.AgentStateTalking, 0), "CONTROL_FAILURE_CONF CF_VALUE_OUT_OF_RANGE")
		c.request(state("9", cti.AgentStateAvailable, 0), "CONTROL_FAILURE_CONF CF_INVALID_CSTA_DEVICE_IDENTIFIER")
		c.request(makeCall("2002", "2001"), "CONTROL_FAILURE_CONF CF_INVALID_CALLING_DEVICE")
		c.request(makeCall("2001", "2001"), "CONTROL_FAILURE_CONF CF_INVALID_DESTINATION")
		c.request(makeCall("2001", "12ab"), "CONTROL_FAILURE_CONF CF_INVALID_DESTINATION")
		c.request(answer(1, "2001"), "CONTROL_FAILURE_CONF CF_INVALID_CSTA_CALL_IDENTIFIER")
		w.customer(customer, "2001")
		c.take()
		c.request(hold(1, "2001"), "CONTROL_FAILURE_CONF CF_NO_ACTIVE_CALL")
		c.request(retrieve(1, "2001"), "CONTROL_FAILURE_CONF CF_NO_HELD_CALL")
		c.request(answer(1, "2002"), "CONTROL_FAILURE_CONF CF_INVALID_CSTA_CONNECTION_IDENTIFIER")
		c.do(answer(1, "2001"))
		c.request(answer(1, "2001"), "CONTROL_FAILURE_CONF CF_NO_CALL_TO_ANSWER")
		c.request(clearConn(1, "E1"), "CONTROL_FAILURE_CONF CF_DROP_ANY_PARTY_NOT_ENABLED_CTI")
		c.request(&cti.ClearCallReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "2001"}, "CONTROL_FAILURE_CONF CF_INVALID_FEATURE")
		c.request(makeCall("2001", "2002"), "CONTROL_FAILURE_CONF CF_INVALID_OBJECT_STATE")
		c.request(&cti.SendDTMFSignalReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "2001", DTMFString: "12x"}, "FAILURE_CONF E_CTI_INVALID_DIGITS")
		c.request(&cti.SendDTMFSignalReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "2001", DTMFString: "12#"}, "SEND_DTMF_SIGNAL_CONF")
		if info, _ := w.pg.Call(firstCall); info.DTMF != "12#" {
			t.Errorf("tones: %q", info.DTMF)
		}
	})
}

func TestInactivityLogsOut(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.Desk.LogoutNonActivityTime = 10 * time.Minute
	play(t, cfg, func(w *world) {
		c := w.bridge(24)
		c.do(login("1001", "2001"))
		w.wait(10 * time.Minute)
		c.expect("AGENT_STATE 1001 LOGOUT reason=50004")
	})
}

func TestRejectGoesBackToTheQueue(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		c.ready("1001", "2001")
		w.customer(customer, "5001")
		c.take()
		c.request(clearConn(1, "2001"), `
			CLEAR_CONNECTION_CONF
			CALL_DIVERTED #1/2001 to=rp:5001 cause=CALL_NOT_ANSWERED
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001 cause=REDIRECTED
			AGENT_STATE 1001 NOT_READY reason=32767
			END_CALL #1/2001
			BEGIN_CALL #1/5001 type=1
			CALL_QUEUED #1/5001 in=queue:5001 queued=1 group=1`)
	})
}

func TestStatistics(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		c.ready("1001", "2001")
		w.wait(time.Minute)
		w.customer(customer, "5001")
		c.do(answer(1, "2001"))
		w.wait(30 * time.Second)
		c.do(clearConn(1, "2001"))
		w.customer("1", "5002")
		c.take()
		a := c.do(&cti.QueryAgentStatisticsReq{PeripheralID: pid, AgentID: "1001"})[0].(*cti.QueryAgentStatisticsConf)
		if a.AvailTimeSession != 60 || a.HandledCallsSession != 1 || a.HandledCallsTalkTimeSession != 30 || a.LoggedOnTimeSession != 90 {
			t.Errorf("agent: avail %d handled %d talk %d logged on %d", a.AvailTimeSession, a.HandledCallsSession, a.HandledCallsTalkTimeSession, a.LoggedOnTimeSession)
		}
		g := c.do(&cti.QuerySkillGroupStatisticsReq{PeripheralID: pid, SkillGroupNumber: 1, SkillGroupID: 0xffffffff})[0].(*cti.QuerySkillGroupStatisticsConf)
		if g.AgentsLoggedOn != 1 || g.AgentsAvail != 1 || g.CallsQNow != 0 {
			t.Errorf("group 1: %v", g)
		}
		g = c.do(&cti.QuerySkillGroupStatisticsReq{PeripheralID: pid, SkillGroupNumber: 0xffffffff, SkillGroupID: 100002})[0].(*cti.QuerySkillGroupStatisticsConf)
		if g.CallsQNow != 1 || g.AgentsLoggedOn != 0 {
			t.Errorf("group 2: %v", g)
		}
		c.request(&cti.QuerySkillGroupStatisticsReq{PeripheralID: pid, SkillGroupNumber: 9}, "FAILURE_CONF E_CTI_INVALID_SKILL_GROUP")
		c.request(&cti.QueryAgentStatisticsReq{PeripheralID: pid, AgentID: "1002"}, "FAILURE_CONF E_CTI_AGENT_NOT_LOGGED_ON")
	})
}
