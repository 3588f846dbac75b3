package ctitest_test

import (
	"testing"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

const customer = "+41315550100"

func TestLoginReadyNotReadyLogout(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(cti.Version24)
		c.request(login("1001", "2001"), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 NOT_READY`)
		c.request(state("2001", cti.AgentStateAvailable, 0), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 AVAILABLE`)
		c.request(state("2001", cti.AgentStateNotReady, 7), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 NOT_READY reason=7`)
		c.request(state("2001", cti.AgentStateAvailable, 0), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 AVAILABLE`)
		// CCE sets NOT_READY first when somebody leaves from another state.
		c.request(state("2001", cti.AgentStateLogout, 0), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 NOT_READY reason=20003
			AGENT_STATE 1001 LOGOUT reason=20003`)
	})
}

func TestInboundCallAnsweredHeldAndEnded(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(cti.Version24)
		c.ready("1002", "2002")
		c.take()
		w.customer(customer, "5001")
		c.expect(`
			AGENT_STATE 1002 RESERVED group2=BUSY_OTHER
			AGENT_PRE_CALL 1002 at=2002 group=1 key=1
			BEGIN_CALL #1/2002 type=2
			CALL_DATA_UPDATE #1/2002 type=2
			CALL_DELIVERED #1/2002 alerting=agent:2002 from=ext:+41315550100 to=rp:5001 last=- ALERTING`)
		c.request(answer(1, "2002"), `
			ANSWER_CALL_CONF
			CALL_ESTABLISHED #1/2002 answering=agent:2002 from=ext:+41315550100 to=rp:5001 CONNECT
			AGENT_STATE 1002 TALKING group2=BUSY_OTHER
			RTP_STARTED #1/2002 0
			RTP_STARTED #1/2002 1`)
		c.request(hold(1, "2002"), `
			HOLD_CALL_CONF
			CALL_HELD #1/2002 by=agent:2002 HOLD
			AGENT_STATE 1002 HOLD group2=BUSY_OTHER
			RTP_STOPPED #1/2002 0
			RTP_STOPPED #1/2002 1`)
		c.request(retrieve(1, "2002"), `
			RETRIEVE_CALL_CONF
			CALL_RETRIEVED #1/2002 by=agent:2002 CONNECT
			AGENT_STATE 1002 TALKING group2=BUSY_OTHER
			RTP_STARTED #1/2002 0
			RTP_STARTED #1/2002 1`)
		c.request(clearConn(1, "2002"), `
			CLEAR_CONNECTION_CONF
			CALL_CONNECTION_CLEARED #1/2002 by=agent:2002
			RTP_STOPPED #1/2002 0
			RTP_STOPPED #1/2002 1
			CALL_CONNECTION_CLEARED #1/E1 by=ext:+41315550100
			CALL_CLEARED #1/2002
			AGENT_STATE 1002 AVAILABLE
			END_CALL #1/2002`)
		if calls := w.pg.Calls(); len(calls) != 0 {
			t.Errorf("calls left: %+v", calls)
		}
	})
}

func TestCallWaitsForAnAgent(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(cti.Version24)
		w.customer(customer, "5001")
		w.customer("+41315550101", "5001")
		c.expect(`
			BEGIN_CALL #1/5001 type=1
			CALL_QUEUED #1/5001 in=queue:5001 queued=1 group=1
			BEGIN_CALL #2/5001 type=1
			CALL_QUEUED #2/5001 in=queue:5001 queued=2 group=1`)
		c.do(login("1001", "2001"))
		c.request(state("2001", cti.AgentStateAvailable, 0), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 AVAILABLE
			AGENT_STATE 1001 RESERVED
			AGENT_PRE_CALL 1001 at=2001 group=1 key=1
			CALL_DEQUEUED #1/5001 queued=1
			CALL_CONNECTION_CLEARED #1/5001 by=queue:5001 cause=REDIRECTED
			END_CALL #1/5001
			BEGIN_CALL #1/2001 type=2
			CALL_DATA_UPDATE #1/2001 type=2
			CALL_DELIVERED #1/2001 alerting=agent:2001 from=ext:+41315550100 to=rp:5001 last=queue:5001 ALERTING`)
		if g := w.pg.SkillGroups()[0]; len(g.Queued) != 1 || g.Queued[0] != firstCall+1 {
			t.Errorf("queue: %+v", g)
		}
	})
}

func TestCustomerHangsUp(t *testing.T) {
	tests := []struct {
		name  string
		until func(c *client, w *world) uint32
		want  string
	}{
		{"while queued", func(c *client, w *world) uint32 { return w.customer(customer, "5001") }, `
			CALL_DEQUEUED #1/5001 queued=0 cause=CALL_CANCELLED
			CALL_CONNECTION_CLEARED #1/5001 by=queue:5001
			CALL_CLEARED #1/5001
			END_CALL #1/5001`},
		{"while it rings", func(c *client, w *world) uint32 {
			c.ready("1001", "2001")
			return w.customer(customer, "5001")
		}, `
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
			CALL_CLEARED #1/2001
			AGENT_STATE 1001 AVAILABLE
			END_CALL #1/2001`},
		{"while talking", func(c *client, w *world) uint32 {
			c.ready("1001", "2001")
			id := w.customer(customer, "5001")
			c.do(answer(1, "2001"))
			return id
		}, `
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
			CALL_CLEARED #1/2001
			AGENT_STATE 1001 AVAILABLE
			END_CALL #1/2001`},
		{"while held", func(c *client, w *world) uint32 {
			c.ready("1001", "2001")
			id := w.customer(customer, "5001")
			c.do(answer(1, "2001"))
			c.do(hold(1, "2001"))
			return id
		}, `
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
			CALL_CLEARED #1/2001
			AGENT_STATE 1001 AVAILABLE
			END_CALL #1/2001`},
		{"while his agent consults", func(c *client, w *world) uint32 {
			c.ready("1001", "2001")
			id := w.customer(customer, "5001")
			c.do(login("1002", "2002"))
			c.do(answer(1, "2001"))
			c.do(consult(1, "2001", "2002"))
			c.do(answer(2, "2002"))
			return id
		}, `
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
			CALL_CLEARED #1/2001
			END_CALL #1/2001`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				c := w.bridge(cti.Version24)
				id := tt.until(c, w)
				c.take()
				if err := w.pg.CustomerHangUp(id); err != nil {
					t.Fatal(err)
				}
				got := without(c.take(), cti.TypeRTPStoppedEvent)
				// The first event is the customer's own connection.
				if e, ok := got[0].(*cti.CallConnectionClearedEvent); tt.name != "while queued" && (!ok || e.ReleasingDeviceID != customer) {
					t.Errorf("first event: %v", got[0])
				}
				var rest []cti.Message
				for _, m := range got {
					if e, ok := m.(*cti.CallConnectionClearedEvent); ok && e.ReleasingDeviceID == customer {
						continue
					}
					rest = append(rest, m)
				}
				diff(t, tt.want, rest)
				if err := w.pg.CustomerHangUp(id); err == nil {
					t.Error("hung up twice")
				}
			})
		})
	}
}

// talking brings a call of a customer to agent 1001, who answers; 1002 and 1003 are logged in.
func talking(w *world) *client {
	c := w.bridge(cti.Version24)
	c.ready("1001", "2001")
	c.do(login("1002", "2002"))
	c.do(login("1003", "2003"))
	w.customer(customer, "5001")
	c.do(answer(1, "2001"))
	c.take()
	return c
}

func TestConsultAndWarmTransfer(t *testing.T) {
	play(t, nil, func(w *world) {
		c := talking(w)
		diff(t, `
			CONSULTATION_CALL_CONF #2/2001
			CALL_HELD #1/2001 by=agent:2001 HOLD
			AGENT_STATE 1001 HOLD
			BEGIN_CALL #2/2001 type=12
			CALL_SERVICE_INITIATED #2/2001 INITIATE cause=CONSULT of #1/2001
			CALL_ORIGINATED #2/2001 from=agent:2001 to=agent:2002 CONNECT
			BEGIN_CALL #2/2002 type=13
			CALL_DELIVERED #2/2002 alerting=agent:2002 from=agent:2001 to=agent:2002 last=- ALERTING
			CALL_DELIVERED #2/2001 alerting=agent:2002 from=agent:2001 to=agent:2002 last=- CONNECT`,
			without(c.do(consult(1, "2001", "2002")), cti.TypeRTPStoppedEvent))
		diff(t, `
			ANSWER_CALL_CONF
			CALL_ESTABLISHED #2/2001 answering=agent:2002 from=agent:2001 to=agent:2002 CONNECT
			CALL_ESTABLISHED #2/2002 answering=agent:2002 from=agent:2001 to=agent:2002 CONNECT
			AGENT_STATE 1001 TALKING
			AGENT_STATE 1002 TALKING group2=BUSY_OTHER`,
			without(c.do(answer(2, "2002")), cti.TypeRTPStartedEvent))
		diff(t, `
			CALL_TRANSFERRED #1/2001 #2/2001 by=agent:2001 to=agent:2002 parties=#1/E1,#1/2002 NULL
			CALL_TRANSFERRED #1/2001 #2/2002 by=agent:2001 to=agent:2002 parties=#1/E1,#1/2002 CONNECT
			AGENT_STATE 1001 AVAILABLE
			CALL_DATA_UPDATE #2/2002 now #1/2002 type=4
			END_CALL #1/2001
			END_CALL #2/2001
			TRANSFER_CALL_CONF #1/2002 parties=#1/E1,#1/2002`,
			without(c.do(transfer(2, 1, "2001")), cti.TypeRTPStoppedEvent))
		// The new connection is the one that requests have to name from now on.
		diff(t, `
			CLEAR_CONNECTION_CONF
			CALL_CONNECTION_CLEARED #1/2002 by=agent:2002
			CALL_CONNECTION_CLEARED #1/E1 by=ext:+41315550100
			CALL_CLEARED #1/2002
			AGENT_STATE 1002 NOT_READY
			END_CALL #1/2002`, without(c.do(clearConn(1, "2002")), cti.TypeRTPStoppedEvent))
	})
}

func TestTwoCallsInQueueAreNotJoined(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(cti.Version24)
		c.do(login("1003", "2003"))
		c.do(makeCall("2003", "5002"))
		c.do(consult(1, "2003", "5002"))
		c.request(transfer(2, 1, "2003"), `CONTROL_FAILURE_CONF CF_INVALID_OBJECT_STATE`)
		c.request(conference(2, 1, "2003"), `CONTROL_FAILURE_CONF CF_INVALID_OBJECT_STATE`)
		if n := len(w.pg.Calls()); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestConferenceAndLeaving(t *testing.T) {
	play(t, nil, func(w *world) {
		c := talking(w)
		c.do(consult(1, "2001", "2002"))
		c.do(answer(2, "2002"))
		diff(t, `
			CALL_CONFERENCED #1/2001 #2/2001 by=agent:2001 added=agent:2002 parties=#1/E1,#1/2001,#1/2002 CONNECT
			CALL_CONFERENCED #1/2001 #2/2002 by=agent:2001 added=agent:2002 parties=#1/E1,#1/2001,#1/2002 CONNECT
			CALL_DATA_UPDATE #1/2001 type=15
			CALL_DATA_UPDATE #2/2002 now #1/2002 type=15
			END_CALL #2/2001
			CONFERENCE_CALL_CONF #1/2001 parties=#1/E1,#1/2001,#1/2002`,
			without(c.do(conference(2, 1, "2001")), cti.TypeRTPStoppedEvent, cti.TypeRTPStartedEvent))
		// Only the controller adds parties.
		c.request(consult(1, "2002", "2003"), `CONTROL_FAILURE_CONF CF_PRIVILEGE_VIOLATION_ON_SPECIFIED_DEVICE`)
		diff(t, `
			CLEAR_CONNECTION_CONF
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
			AGENT_STATE 1001 AVAILABLE
			END_CALL #1/2001`, without(c.do(clearConn(1, "2001")), cti.TypeRTPStoppedEvent))
		if info, _ := w.pg.Call(firstCall); len(info.Parties) != 2 || info.State != "ANSWERED" {
			t.Errorf("call: %+v", info)
		}
		w.pg.CustomerHangUp(firstCall)
		if n := len(w.pg.Calls()); n != 0 {
			t.Errorf("%d calls left", n)
		}
	})
}

func TestAlternateAndReconnect(t *testing.T) {
	play(t, nil, func(w *world) {
		c := talking(w)
		c.do(consult(1, "2001", "2002"))
		c.do(answer(2, "2002"))
		alt := &cti.AlternateCallReq{PeripheralID: pid, ActiveConnectionCallID: firstCall + 1, ActiveConnectionDeviceID: "2001",
			OtherConnectionCallID: firstCall, OtherConnectionDeviceID: "2001"}
		diff(t, `
			ALTERNATE_CALL_CONF
			CALL_HELD #2/2001 by=agent:2001 HOLD
			CALL_RETRIEVED #1/2001 by=agent:2001 CONNECT`,
			without(c.do(alt), cti.TypeRTPStoppedEvent, cti.TypeRTPStartedEvent))
		// The first call must be held and the consultation talking.
		c.request(transfer(2, 1, "2001"), `CONTROL_FAILURE_CONF CF_NO_HELD_CALL`)
		c.request(transfer(1, 2, "2001"), `CONTROL_FAILURE_CONF CF_INVALID_OBJECT_STATE`)
		back := *alt
		back.InvokeID = 0
		back.ActiveConnectionCallID, back.OtherConnectionCallID = firstCall, firstCall+1
		c.do(&back)
		diff(t, `
			RECONNECT_CALL_CONF
			CALL_CONNECTION_CLEARED #2/2001 by=agent:2001
			CALL_CONNECTION_CLEARED #2/2002 by=agent:2002
			CALL_CLEARED #2/2001
			CALL_CLEARED #2/2002
			AGENT_STATE 1001 HOLD
			AGENT_STATE 1002 NOT_READY
			END_CALL #2/2001
			END_CALL #2/2002
			CALL_RETRIEVED #1/2001 by=agent:2001 CONNECT
			AGENT_STATE 1001 TALKING`,
			without(c.do(&cti.ReconnectCallReq{PeripheralID: pid, ActiveConnectionCallID: firstCall + 1, ActiveConnectionDeviceID: "2001",
				HeldConnectionCallID: firstCall, HeldConnectionDeviceID: "2001"}), cti.TypeRTPStoppedEvent, cti.TypeRTPStartedEvent))
	})
}

func TestBlindTransfer(t *testing.T) {
	noAudio := []cti.MessageType{cti.TypeRTPStoppedEvent, cti.TypeRTPStartedEvent}
	t.Run("to an agent who is not ready", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := talking(w)
			diff(t, `
				CALL_TRANSFERRED #1/2001 - by=agent:2001 to=agent:2002 parties=#1/E1 NULL
				AGENT_STATE 1001 AVAILABLE
				END_CALL #1/2001
				BEGIN_CALL #1/2002 type=4
				CALL_DELIVERED #1/2002 alerting=agent:2002 from=ext:+41315550100 to=rp:5001 last=agent:2001 ALERTING
				TRANSFER_CALL_CONF #1/2002 parties=#1/E1`, without(c.do(blind(1, "2001", "2002")), noAudio...))
		})
	})
	t.Run("to a skill group where somebody is available", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := talking(w)
			c.do(state("2003", cti.AgentStateAvailable, 0))
			diff(t, `
				CALL_TRANSFERRED #1/2001 - by=agent:2001 to=rp:5001 parties=#1/E1 NULL
				AGENT_STATE 1001 AVAILABLE
				END_CALL #1/2001
				AGENT_STATE 1003 RESERVED
				AGENT_PRE_CALL 1003 at=2003 group=1 key=1
				BEGIN_CALL #1/2003 type=2
				CALL_DATA_UPDATE #1/2003 type=2
				CALL_DELIVERED #1/2003 alerting=agent:2003 from=ext:+41315550100 to=rp:5001 last=agent:2001 ALERTING
				TRANSFER_CALL_CONF #1/2003 parties=#1/E1`, without(c.do(blind(1, "2001", "5001")), noAudio...))
		})
	})
	t.Run("to a skill group where nobody is", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := talking(w)
			diff(t, `
				CALL_TRANSFERRED #1/2001 - by=agent:2001 to=rp:5002 parties=#1/E1 NULL
				AGENT_STATE 1001 AVAILABLE
				END_CALL #1/2001
				BEGIN_CALL #1/5002 type=1
				CALL_QUEUED #1/5002 in=queue:5002 queued=1 group=2
				TRANSFER_CALL_CONF #1/5002 parties=#1/E1`, without(c.do(blind(1, "2001", "5002")), noAudio...))
		})
	})
	t.Run("to an outside number", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := talking(w)
			diff(t, `
				CALL_TRANSFERRED #1/2001 - by=agent:2001 to=ext:0315550123 parties=#1/E1 NULL
				AGENT_STATE 1001 AVAILABLE
				END_CALL #1/2001
				TRANSFER_CALL_CONF #1/0315550123 parties=#1/E1`, without(c.do(blind(1, "2001", "0315550123")), noAudio...))
			if n := len(w.pg.Calls()); n != 0 {
				t.Errorf("%d calls left; the switch sees none of their phones", n)
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := talking(w)
			c.request(blind(1, "2001", "+41315550197"), `CONTROL_FAILURE_CONF CF_RESOURCE_BUSY`)
			c.request(blind(1, "2001", "+41315550199"), `CONTROL_FAILURE_CONF CF_INVALID_DESTINATION`)
			c.request(blind(1, "2001", "abc"), `CONTROL_FAILURE_CONF CF_INVALID_DESTINATION`)
			c.request(blind(1, "2001", "2001"), `CONTROL_FAILURE_CONF CF_INVALID_DESTINATION`)
			c.request(blind(1, "2001", ""), `FAILURE_CONF E_CTI_REQUIRED_DATA_MISSING`)
			if _, err := w.pg.PhoneDial("2002", "4001"); err != nil {
				t.Fatal(err)
			}
			c.take()
			c.request(blind(1, "2001", "2002"), `CONTROL_FAILURE_CONF CF_RESOURCE_BUSY`)
		})
	})
}

func TestCallsThatAgentsMake(t *testing.T) {
	t.Run("to a colleague", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := w.bridge(cti.Version24)
			c.ready("1001", "2001")
			c.do(login("1003", "2003"))
			c.request(makeCall("2001", "2003"), `
				MAKE_CALL_CONF #1/2001
				BEGIN_CALL #1/2001 type=10
				CALL_SERVICE_INITIATED #1/2001 INITIATE
				CALL_ORIGINATED #1/2001 from=agent:2001 to=agent:2003 CONNECT
				AGENT_STATE 1001 NOT_READY reason=50006
				BEGIN_CALL #1/2003 type=6
				CALL_DELIVERED #1/2003 alerting=agent:2003 from=agent:2001 to=agent:2003 last=- ALERTING
				CALL_DELIVERED #1/2001 alerting=agent:2003 from=agent:2001 to=agent:2003 last=- CONNECT`)
			diff(t, `
				ANSWER_CALL_CONF
				CALL_ESTABLISHED #1/2001 answering=agent:2003 from=agent:2001 to=agent:2003 CONNECT
				CALL_ESTABLISHED #1/2003 answering=agent:2003 from=agent:2001 to=agent:2003 CONNECT
				AGENT_STATE 1001 TALKING
				AGENT_STATE 1003 TALKING`, without(c.do(answer(1, "2003")), cti.TypeRTPStartedEvent))
			diff(t, `
				CLEAR_CONNECTION_CONF
				CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
				CALL_CONNECTION_CLEARED #1/2003 by=agent:2003
				CALL_CLEARED #1/2001
				CALL_CLEARED #1/2003
				AGENT_STATE 1001 AVAILABLE
				AGENT_STATE 1003 NOT_READY
				END_CALL #1/2001
				END_CALL #1/2003`, without(c.do(clearConn(1, "2001")), cti.TypeRTPStoppedEvent))
		})
	})
	t.Run("outside, answered after a while", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := w.bridge(cti.Version24)
			c.do(login("1001", "2001"))
			c.request(makeCall("2001", "0315550123"), `
				MAKE_CALL_CONF #1/2001
				BEGIN_CALL #1/2001 type=9
				CALL_SERVICE_INITIATED #1/2001 INITIATE
				CALL_ORIGINATED #1/2001 from=agent:2001 to=ext:0315550123 CONNECT
				CALL_REACHED_NETWORK #1/2001 to=ext:0315550123`)
			w.wait(2*time.Second - time.Millisecond)
			c.expect(``)
			w.wait(time.Millisecond)
			c.expect(`
				CALL_ESTABLISHED #1/2001 answering=ext:0315550123 from=agent:2001 to=ext:0315550123 CONNECT
				AGENT_STATE 1001 TALKING
				RTP_STARTED #1/2001 0
				RTP_STARTED #1/2001 1`)
		})
	})
	t.Run("outside, busy", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := w.bridge(cti.Version24)
			c.ready("1001", "2001")
			c.request(makeCall("2001", "+41315550197"), `
				MAKE_CALL_CONF #1/2001
				BEGIN_CALL #1/2001 type=9
				CALL_SERVICE_INITIATED #1/2001 INITIATE
				CALL_ORIGINATED #1/2001 from=agent:2001 to=ext:+41315550197 CONNECT
				AGENT_STATE 1001 NOT_READY reason=50006
				CALL_REACHED_NETWORK #1/2001 to=ext:+41315550197
				CALL_FAILED #1/2001 at=ext:+41315550197 FAIL cause=BUSY`)
			c.request(clearConn(1, "2001"), `
				CLEAR_CONNECTION_CONF
				CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
				CALL_CLEARED #1/2001
				AGENT_STATE 1001 AVAILABLE
				END_CALL #1/2001`)
		})
	})
	t.Run("to a queue", func(t *testing.T) {
		play(t, nil, func(w *world) {
			c := w.bridge(cti.Version24)
			c.do(login("1001", "2001"))
			diff(t, `
				MAKE_CALL_CONF #1/2001
				BEGIN_CALL #1/2001 type=10
				CALL_SERVICE_INITIATED #1/2001 INITIATE
				CALL_ORIGINATED #1/2001 from=agent:2001 to=rp:5001 CONNECT
				BEGIN_CALL #1/5001 type=1
				CALL_QUEUED #1/5001 in=queue:5001 queued=1 group=1
				CALL_ESTABLISHED #1/2001 answering=queue:5001 from=agent:2001 to=rp:5001 CONNECT
				AGENT_STATE 1001 TALKING`, without(c.do(makeCall("2001", "5001")), cti.TypeRTPStartedEvent))
			c.do(login("1003", "2003"))
			c.do(state("2003", cti.AgentStateAvailable, 0))
			diff(t, `
				ANSWER_CALL_CONF
				CALL_ESTABLISHED #1/2001 answering=agent:2003 from=agent:2001 to=rp:5001 CONNECT
				CALL_ESTABLISHED #1/2003 answering=agent:2003 from=agent:2001 to=rp:5001 CONNECT
				AGENT_STATE 1003 TALKING`, without(c.do(answer(1, "2003")), cti.TypeRTPStartedEvent))
		})
	})
}

func TestDeflect(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(cti.Version24)
		c.ready("1001", "2001")
		c.do(login("1002", "2002"))
		w.customer(customer, "5001")
		c.take()
		c.request(&cti.DeflectCallReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "2001", CalledDeviceID: "2002"}, `
			DEFLECT_CALL_CONF
			CALL_DIVERTED #1/2001 to=agent:2002 cause=CALL_FORWARD
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001 cause=REDIRECTED
			AGENT_STATE 1001 AVAILABLE
			END_CALL #1/2001
			BEGIN_CALL #1/2002 type=4
			CALL_DELIVERED #1/2002 alerting=agent:2002 from=ext:+41315550100 to=rp:5001 last=agent:2001 ALERTING`)
	})
}

func TestNobodyAnswers(t *testing.T) {
	cfg := ctitest.DefaultConfig(3)
	cfg.Desk.RingNoAnswerTime = 12 * time.Second
	play(t, cfg, func(w *world) {
		c := w.bridge(cti.Version24)
		c.ready("1001", "2001")
		w.wait(time.Second)
		c.ready("1003", "2003")
		w.customer(customer, "5001")
		c.take()
		w.wait(12 * time.Second)
		c.expect(`
			CALL_DIVERTED #1/2001 to=rp:5001 cause=CALL_NOT_ANSWERED
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001 cause=REDIRECTED
			AGENT_STATE 1001 NOT_READY reason=32767
			END_CALL #1/2001
			AGENT_STATE 1003 RESERVED
			AGENT_PRE_CALL 1003 at=2003 group=1 key=1
			BEGIN_CALL #1/2003 type=2
			CALL_DATA_UPDATE #1/2003 type=2
			CALL_DELIVERED #1/2003 alerting=agent:2003 from=ext:+41315550100 to=rp:5001 last=agent:2001 ALERTING`)
		w.wait(12 * time.Second)
		c.expect(`
			CALL_DIVERTED #1/2003 to=rp:5001 cause=CALL_NOT_ANSWERED
			CALL_CONNECTION_CLEARED #1/2003 by=agent:2003 cause=REDIRECTED
			AGENT_STATE 1003 NOT_READY reason=32767
			END_CALL #1/2003
			BEGIN_CALL #1/5001 type=1
			CALL_QUEUED #1/5001 in=queue:5001 queued=1 group=1`)
	})
}

func TestRoutedCallThatDoesNotArrive(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(cti.Version24)
		c.ready("1001", "2001")
		for i, want := range []string{`
			AGENT_PRE_CALL_ABORT at=2001 key=1
			AGENT_STATE 1001 AVAILABLE`, `
			AGENT_PRE_CALL_ABORT at=2001 key=2
			AGENT_STATE 1001 NOT_READY reason=50010`} {
			if _, err := w.pg.CustomerCall(w.t.Context(), ctitest.CallSpec{From: customer, To: "5001", NeverArrives: true}); err != nil {
				t.Fatal(i, err)
			}
			c.take()
			w.wait(ctitest.DefaultReservation)
			c.expect(want)
		}
	})
}

func TestCustomerHangsUpOnTheWayToTheAgent(t *testing.T) {
	cfg := ctitest.DefaultConfig(3)
	cfg.RouteDelay = time.Second
	play(t, cfg, func(w *world) {
		c := w.bridge(cti.Version24)
		c.ready("1001", "2001")
		id := w.customer(customer, "5001")
		c.expect(`
			AGENT_STATE 1001 RESERVED
			AGENT_PRE_CALL 1001 at=2001 group=1 key=1`)
		w.pg.CustomerHangUp(id)
		c.expect(`
			AGENT_PRE_CALL_ABORT at=2001 key=1
			CALL_CONNECTION_CLEARED #1/E1 by=ext:+41315550100
			AGENT_STATE 1001 AVAILABLE`)
		w.wait(5 * time.Second)
		c.expect(``)
	})
}
