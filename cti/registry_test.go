package cti_test

import (
	"testing"

	"github.com/connects-go/connects/cti"
)

func TestRegistryInvariants(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	numbers := map[cti.MessageType]bool{}
	answered := map[cti.MessageType]bool{}
	opaque := 0
	for i := range cti.Messages() {
		if names[i.Name] || numbers[i.Type] {
			t.Errorf("%s %d is there twice", i.Name, i.Type)
		}
		names[i.Name], numbers[i.Type] = true, true
		if n, ok := cti.ParseMessageType(i.Name); !ok || n != i.Type {
			t.Errorf("%s: ParseMessageType gives %d", i.Name, n)
		}
		m := cti.NewMessage(i.Type)
		_, isRequest := m.(cti.Request)
		_, isConfirm := m.(cti.Confirm)
		_, isEvent := m.(cti.Event)
		_, raw := cti.RawBody(m)
		if isRequest != (i.Role == cti.RoleRequest) || isConfirm != (i.Role == cti.RoleConfirm) {
			t.Errorf("%s: role %d, request %v, confirm %v", i.Name, i.Role, isRequest, isConfirm)
		}
		if want := i.Role == cti.RoleEvent || isRequest && i.Direction != cti.ToServer; isEvent != want {
			t.Errorf("%s: event %v, want %v", i.Name, isEvent, want)
		}
		if i.Status == cti.Opaque {
			opaque++
			if !raw {
				t.Errorf("%s has no raw body", i.Name)
			}
		}
		if isRequest {
			conf, ok := cti.NewMessage(i.Answer).(cti.Confirm)
			if !ok {
				t.Errorf("%s: its answer %v is no confirmation", i.Name, i.Answer)
				continue
			}
			answered[i.Answer] = true
			r := m.(cti.Request)
			r.SetInvoke(0xDEADBEEF)
			conf.SetInvoke(r.Invoke())
			b, err := conf.AppendTo(nil, cti.MaxVersion)
			if err != nil {
				t.Fatal(err)
			}
			back, err := cti.DecodeMessage(i.Answer, b, cti.MaxVersion)
			if err != nil || back.(cti.Confirm).Invoke() != 0xDEADBEEF {
				t.Errorf("%s: the invoke id of %v is lost", i.Name, i.Answer)
			}
		}
	}
	if opaque != 77 {
		t.Errorf("%d messages without a public layout", opaque)
	}
	for i := range cti.Messages() {
		failure := i.Type == cti.TypeFailureConf || i.Type == cti.TypeControlFailureConf || i.Type == cti.TypeFailureResp
		if i.Role == cti.RoleConfirm && !answered[i.Type] && !failure {
			t.Errorf("%s confirms no request", i.Name)
		}
	}
}

func TestUnknownNumbersAndNames(t *testing.T) {
	t.Parallel()
	for _, n := range []cti.MessageType{0, 66, 267, 285, 0x7FFFFFFF, 0xFFFFFFFF} {
		if i, ok := n.Info(); ok {
			t.Errorf("%d is %s", n, i.Name)
		}
		m, ok := cti.NewMessage(n).(*cti.Raw)
		if !ok || m.Type() != n {
			t.Errorf("%d: %v", n, m)
		}
	}
	if s := cti.MessageType(285).String(); s != "MessageType(285)" {
		t.Error(s)
	}
	if _, ok := cti.ParseMessageType("NO_SUCH_EVENT"); ok {
		t.Error("NO_SUCH_EVENT has a number")
	}
}

func TestNumberingOfNetworkRecording(t *testing.T) {
	t.Parallel()
	if got := cti.SummaryNumbers.FromWire(267); got != cti.TypeStartNetworkRecordingReq {
		t.Errorf("267 is %v", got)
	}
	if got := cti.SummaryNumbers.FromWire(268); got != cti.TypeStartNetworkRecordingConf {
		t.Errorf("268 is %v", got)
	}
	if got := cti.SectionNumbers.FromWire(268); got != cti.TypeStartNetworkRecordingReq {
		t.Errorf("268 is %v", got)
	}
	for i := range cti.Messages() {
		for _, n := range []cti.Numbering{cti.SectionNumbers, cti.SummaryNumbers} {
			if got := n.FromWire(n.ToWire(i.Type)); got != i.Type {
				t.Errorf("numbering %d: %v comes back as %v", n, i.Type, got)
			}
		}
	}
}

func TestNamesOfConstants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{cti.AgentStateAvailable.String(), "AGENT_STATE_AVAILABLE"},
		{cti.AgentState(99).String(), "AgentState(99)"},
		{cti.EventCauseNone.String(), "CEC_NONE"},
		{cti.StatusCodeDeviceInUse.String(), "E_CTI_DEVICE_IN_USE"},
		{(cti.CTIServiceMaskAllEvents | cti.CTIServiceMaskClientControl).String(), "CTI_SERVICE_CLIENT_CONTROL|CTI_SERVICE_ALL_EVENTS"},
		{(cti.PGStatusOPCDown | 0x100).String(), "PGS_OPC_DOWN|0x100"},
		{cti.PGStatus(0).String(), "PGStatus(0)"},
		{cti.TagConnectionDevID.String(), "CONNECTION_DEVID_TAG"},
		{cti.TypeAgentStateEvent.String(), "AGENT_STATE_EVENT"},
		{cti.Version24.String(), "24"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}
