package crm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
)

func (b *bench) want(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.sap.take()); diff != "" {
		b.t.Errorf("events to SAP (-want +got)\n%s", diff)
	}
}

// Scenario S02 of the ICI reference.
func TestLogOn(t *testing.T) {
	run(t, config(), func(b *bench) {
		var u ici.User
		u.DecodeICI(b.must("U1", ici.OpUserGetAttributes))
		if u.CurrentWorkmode.ID != "1" || len(u.WorkmodeList) < 2 {
			t.Errorf("before: %+v", u)
		}
		b.must("U1", ici.OpUserSubscribe, text(ici.ParamAppID, "A1"), text(ici.ParamAppURL, "http://sap/1"))
		u = ici.User{}
		u.DecodeICI(b.must("U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;pw1001;2001;p")))
		if u.CurrentWorkmode.ID != "3" || u.CurrentWorkcenter != "2001" {
			t.Errorf("after: %+v", u)
		}
		login := b.sw.got[0].(*cti.SetAgentStateReq)
		if login.AgentState != cti.AgentStateLogin || login.AgentID != "1001" || login.AgentPassword != "pw1001" || login.AgentInstrument != "2001" {
			t.Errorf("login %v", login)
		}
		b.want("A1: user 3")
		b.state("U1", cti.AgentStateNotReady, 0)
		b.want()
		b.must("U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "2"))
		b.want()
		b.state("U1", cti.AgentStateAvailable, 0)
		b.want("A1: user 2")
		b.must("U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "1007"))
		req := b.sw.take()
		if r := req[len(req)-1].(*cti.SetAgentStateReq); r.AgentState != cti.AgentStateNotReady || r.EventReasonCode != 7 {
			t.Errorf("not ready: %v", r)
		}
		b.state("U1", cti.AgentStateNotReady, 7)
		b.want("A1: user 1007")
		b.must("U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "1"))
		b.state("U1", cti.AgentStateLogout, 0)
		b.want("A1: user 1")
		b.must("U1", ici.OpUserUnsubscribe, text(ici.ParamAppID, "A1"))
	})
}

// Scenario S04.
func TestInboundCall(t *testing.T) {
	run(t, config(), func(b *bench) {
		b.logOn("U1")
		b.inbound("U1", 100)
		b.want("U1: offered [accept reject] "+customer, "U1: user 2")
		id := b.callID("U1", "offered")
		b.must("U1", ici.OpPhoneCallAccept, text(ici.ParamPhoneCallID, id))
		b.event(b.established(100, "2001", customer, "2001"))
		b.want("U1: connected [drop hold consult blindTransfer sendDtmf wrapUpRequired] " + customer)
		b.state("U1", cti.AgentStateTalking, 0)
		b.must("U1", ici.OpPhoneCallAccept, text(ici.ParamPhoneCallID, id)) // twice is fine
		b.must("U1", ici.OpPhoneCallHold, text(ici.ParamPhoneCallID, id))
		b.event(&cti.CallHeldEvent{PeripheralID: peripheral, ConnectionCallID: 100, ConnectionDeviceID: "2001", HoldingDeviceID: "2001"})
		b.state("U1", cti.AgentStateHold, 0)
		b.must("U1", ici.OpPhoneCallRetrieve, text(ici.ParamPhoneCallID, id))
		b.event(&cti.CallRetrievedEvent{PeripheralID: peripheral, ConnectionCallID: 100, ConnectionDeviceID: "2001", RetrievingDeviceID: "2001"})
		b.state("U1", cti.AgentStateTalking, 0)
		b.must("U1", ici.OpPhoneCallDrop, text(ici.ParamPhoneCallID, id))
		b.event(b.over(100, "2001")...)
		b.want("U1: held [drop retrieve wrapUpRequired] "+customer,
			"U1: connected [drop hold consult blindTransfer sendDtmf wrapUpRequired] "+customer)
		b.state("U1", cti.AgentStateWorkReady, 0)
		b.want("U1: wrapup [] "+customer, "U1: user 4")
		b.state("U1", cti.AgentStateAvailable, 0)
		b.want("U1: ended [] "+customer, "U1: user 2")
		b.must("U1", ici.OpPhoneCallDrop, text(ici.ParamPhoneCallID, id)) // gone, as wished
		var kinds []string
		for _, r := range b.sw.take() {
			kinds = append(kinds, r.Type().String())
		}
		if diff := cmp.Diff([]string{"ANSWER_CALL_REQ", "HOLD_CALL_REQ", "RETRIEVE_CALL_REQ", "CLEAR_CONNECTION_REQ"}, kinds); diff != "" {
			t.Error(diff)
		}
	})
}
