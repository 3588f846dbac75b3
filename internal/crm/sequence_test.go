package crm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
)

// The tests of this file feed hand-written sequences of the CTI reference,
// section 15, as a session for all devices may get them: each event once, named
// after the acting party, in different orders.

func (b *bench) data(user, id string) string {
	b.t.Helper()
	return b.must(user, ici.OpItemGetAttachedData, text(ici.ParamItemID, id)).Text()
}

func (b *bench) calls(want ...string) {
	b.t.Helper()
	w := whole{bench: b}
	if diff := cmp.Diff(want, w.states()); diff != "" {
		b.t.Errorf("calls (-want +got)\n%s", diff)
	}
}

// talk connects a customer's call to a user.
func (b *bench) talk(user string, id uint32) string {
	b.t.Helper()
	_, dev := number(user)
	b.inbound(user, id)
	b.event(b.established(id, dev, customer, dev))
	b.state(user, cti.AgentStateTalking, 0)
	return b.callID(user, "connected")
}

func originated(id uint32, dev, to string) cti.Event {
	return &cti.CallOriginatedEvent{PeripheralID: peripheral, ConnectionCallID: id, ConnectionDeviceID: dev, CallingDeviceID: dev, CalledDeviceID: to}
}

func held(id uint32, dev string) cti.Event {
	return &cti.CallHeldEvent{PeripheralID: peripheral, ConnectionCallID: id, ConnectionDeviceID: dev, HoldingDeviceID: dev}
}

func transferred(p, s uint32, actor, other string, result uint32, parties ...string) *cti.CallTransferredEvent {
	e := &cti.CallTransferredEvent{PeripheralID: peripheral, PrimaryCallID: p, PrimaryDeviceID: actor, SecondaryCallID: s, SecondaryDeviceID: actor,
		TransferringDeviceID: actor, TransferredDeviceID: other}
	for _, d := range parties {
		e.ConnectedParties = append(e.ConnectedParties, cti.ConnectedParty{ConnectedPartyCallID: result, ConnectedPartyDeviceID: d})
	}
	return e
}

// consultConf lets the switch confirm a consultation with a call id.
func (b *bench) consultConf(id uint32) {
	b.sw.setOn(cti.TypeConsultationCallReq, func(cti.Request) (cti.Confirm, error) {
		return &cti.ConsultationCallConf{NewConnectionCallID: id, NewConnectionDeviceID: "2001"}, nil
	})
}

// A consultation: confirmation, events of the caller, delivery to the other
// agent, in every order that the reference allows.
func TestConsultInAnyOrder(t *testing.T) {
	for name, order := range map[string]string{
		"confirmation first": "cod", "origin first": "ocd", "delivery before all": "dco", "confirmation last": "odc",
		"delivery before confirmation": "doc", "no origin": "cd", "no confirmation in time": "od",
	} {
		t.Run(name, func(t *testing.T) {
			run(t, config(), func(b *bench) {
				b.logOn("U1")
				b.logOn("U2")
				a := b.talk("U1", 100)
				b.must("U1", ici.OpItemSetAttachedData, text(ici.ParamItemID, a),
					text(ici.ParamAttachedData, `<ItemAttachedData><Application id="X"><V>9</V></Application></ItemAttachedData>`))
				hold := make(chan struct{})
				b.sw.mu.Lock()
				b.sw.hold = hold
				b.sw.mu.Unlock()
				b.consultConf(200)
				b.must("U1", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, a), text(ici.ParamDestination, "2002"))
				b.event(held(100, "2001"))
				for _, step := range order {
					switch step {
					case 'c':
						close(hold)
						hold = nil
						b.sw.mu.Lock()
						b.sw.hold = nil
						b.sw.mu.Unlock()
						b.event()
					case 'o':
						b.event(originated(200, "2001", "2002"))
					case 'd':
						b.event(b.delivered(200, "2002", "2001", "2002", cti.LocalConnectionStateAlerting))
					}
				}
				b.calls("U1 held "+customer, "U1 ringing 2002", "U2 offered 2001,"+customer)
				b.event(b.established(200, "2002", "2001", "2002"))
				b.calls("U1 connected 2002", "U1 held "+customer, "U2 connected 2001,"+customer)
				if d := b.data("U2", b.callID("U2", "connected")); !strings.Contains(d, "<V>9</V>") {
					t.Errorf("data %s", d)
				}
				if hold != nil {
					close(hold)
					b.event()
				}
				b.calls("U1 connected 2002", "U1 held "+customer, "U2 connected 2001,"+customer)
			})
		})
	}
}

// A warm transfer whose result has the first id, the second, or a new one; the
// events of the end in any order, and twice.
func TestTransferResults(t *testing.T) {
	for name, result := range map[string]uint32{"first id": 100, "second id": 200, "new id": 300} {
		t.Run(name, func(t *testing.T) {
			run(t, config(), func(b *bench) {
				b.logOn("U1")
				b.logOn("U2")
				a := b.talk("U1", 100)
				b.consultConf(200)
				b.must("U1", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, a), text(ici.ParamDestination, "2002"))
				b.event(held(100, "2001"), originated(200, "2001", "2002"),
					b.delivered(200, "2002", "2001", "2002", cti.LocalConnectionStateAlerting),
					b.established(200, "2002", "2001", "2002"))
				consult := b.callID("U1", "connected")
				b.sap.take()
				b.must("U1", ici.OpPhoneCallWarmTransfer, text(ici.ParamPhoneCallID, a), text(ici.ParamConsultPhoneCallID, consult))
				tr := transferred(100, 200, "2001", "2002", result, customer, "2002")
				end := func(id uint32) cti.Event {
					return &cti.EndCallEvent{PeripheralID: peripheral, ConnectionCallID: id, ConnectionDeviceID: "2001"}
				}
				b.event(tr, end(100), end(200), tr)
				b.state("U1", cti.AgentStateAvailable, 0)
				b.calls("U2 connected " + customer)
				got := b.sap.take()
				for _, want := range []string{"U1: ended [] " + customer, "U1: ended [] 2002", "U2: connected " + talking} {
					n := 0
					for _, g := range got {
						if g == want {
							n++
						}
					}
					if n != 1 {
						t.Errorf("told %d times %q: %q", n, want, got)
					}
				}
				id := b.callID("U2", "connected")
				b.must("U2", ici.OpPhoneCallDrop, text(ici.ParamPhoneCallID, id))
				req := b.sw.take()
				if r := req[len(req)-1].(*cti.ClearConnectionReq); r.ConnectionCallID != result || r.ConnectionDeviceID != "2002" {
					t.Errorf("dropped %v", r)
				}
				b.event(b.over(result, "2002")...)
				b.calls()
			})
		})
	}
}

// The parties of a conference leave one after the other.
func TestConferencePartiesLeave(t *testing.T) {
	run(t, config(), func(b *bench) {
		for _, u := range []string{"U1", "U2", "U3"} {
			b.logOn(u)
		}
		a := b.talk("U1", 100)
		join := func(second uint32, dev string, parties ...string) {
			b.consultConf(second)
			b.must("U1", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, a), text(ici.ParamDestination, dev))
			b.event(held(100, "2001"), originated(second, "2001", dev),
				b.delivered(second, dev, "2001", dev, cti.LocalConnectionStateAlerting), b.established(second, dev, "2001", dev))
			b.must("U1", ici.OpPhoneCallConference, text(ici.ParamPhoneCallID, a))
			e := &cti.CallConferencedEvent{PeripheralID: peripheral, PrimaryCallID: 100, PrimaryDeviceID: "2001", SecondaryCallID: second,
				SecondaryDeviceID: "2001", ControllerDeviceID: "2001", AddedPartyDeviceID: dev}
			for _, d := range parties {
				e.ConnectedParties = append(e.ConnectedParties, cti.ConnectedParty{ConnectedPartyCallID: 100, ConnectedPartyDeviceID: d})
			}
			b.event(e, &cti.EndCallEvent{PeripheralID: peripheral, ConnectionCallID: second, ConnectionDeviceID: "2001"})
		}
		join(200, "2002", customer, "2001", "2002")
		b.calls("U1 conference "+customer+",2002", "U2 conference "+customer+",2001")
		join(201, "2003", customer, "2001", "2002", "2003")
		b.calls("U1 conference "+customer+",2002,2003", "U2 conference "+customer+",2001,2003", "U3 conference "+customer+",2002,2001")
		gone := func(dev string) {
			b.event(&cti.CallConnectionClearedEvent{PeripheralID: peripheral, ConnectionCallID: 100, ConnectionDeviceID: dev, ReleasingDeviceID: dev, EventCause: cti.EventCauseNone})
		}
		gone("2002")
		b.calls("U1 conference "+customer+",2003", "U3 conference "+customer+",2001")
		gone("2001")
		b.state("U1", cti.AgentStateAvailable, 0)
		b.calls("U3 connected " + customer)
		gone("2003")
		b.state("U3", cti.AgentStateAvailable, 0)
		b.calls()
	})
}

// Taken at another phone: the first desktop loses the item with a word.
func TestTakenElsewhere(t *testing.T) {
	run(t, config(), func(b *bench) {
		b.logOn("U1")
		b.logOn("U2")
		b.inbound("U1", 100)
		b.sap.take()
		b.event(&cti.CallDivertedEvent{PeripheralID: peripheral, ConnectionCallID: 100, ConnectionDeviceID: "2001", DivertingDeviceID: "2001", CalledDeviceID: "2002", EventCause: cti.EventCauseRedirected})
		if c := b.sap.events[0].Call; c.ProcessingStatus.ID != "8" || c.Description != "Taken elsewhere" {
			t.Errorf("told %+v", c)
		}
		b.sap.take()
		b.event(b.delivered(100, "2002", customer, "2002", cti.LocalConnectionStateAlerting))
		b.want("U2: offered [accept reject] "+customer, "U2: user 2")
		// Picked up by U1 after all.
		e := b.established(100, "2001", customer, "2001").(*cti.CallEstablishedEvent)
		e.EventCause = cti.EventCauseCallPickup
		b.event(e)
		b.calls("U1 connected " + customer)
	})
}

// After a graceful change of side the switch tells every call again.
func TestPartyUpdateIsNoNewCall(t *testing.T) {
	run(t, config(), func(b *bench) {
		b.logOn("U1")
		b.talk("U1", 100)
		b.event(held(100, "2001"))
		b.sap.take()
		d := b.delivered(100, "2001", customer, "2001", cti.LocalConnectionStateAlerting).(*cti.CallDeliveredEvent)
		d.EventCause = cti.EventCauseCallPartyUpdateInd
		e := b.established(100, "2001", customer, "2001").(*cti.CallEstablishedEvent)
		e.EventCause = cti.EventCauseCallPartyUpdateInd
		b.event(d, e)
		b.want()
		b.calls("U1 held " + customer)
	})
}

// What the switch refuses leaves the item as it was, and SAP hears why.
func TestRefusedByTheSwitch(t *testing.T) {
	run(t, config(), func(b *bench) {
		b.logOn("U1")
		a := b.talk("U1", 100)
		b.sap.take()
		b.sw.setFail(cti.TypeHoldCallReq, &cti.ControlError{Code: cti.ControlFailureCodeInvalidObjectState})
		b.must("U1", ici.OpPhoneCallHold, text(ici.ParamPhoneCallID, a))
		if c := b.sap.last().Call; c == nil || c.ProcessingStatus.ID != "4" || c.Description != "The contact center refused this" {
			t.Errorf("told %+v", c)
		}
		b.sap.take()
		b.sw.setFail(cti.TypeConsultationCallReq, &cti.ControlError{Code: cti.ControlFailureCodeInvalidDestination})
		b.must("U1", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, a), text(ici.ParamDestination, "2009"))
		b.want("U1: connected [drop hold blindTransfer sendDtmf wrapUpRequired] "+customer, "U1: failed [] 2009", "U1: connected "+talking)
		b.sw.setFail(cti.TypeSetAgentStateReq, &cti.ControlError{Code: cti.ControlFailureCodeReasonCodeRequired})
		b.must("U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "3"))
		b.want("U1: user 3", "U1: user 2")
	})
}
