package cti_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/connects-go/connects/cti"
	"github.com/google/go-cmp/cmp"
)

func encode(t *testing.T, m cti.Message, v cti.Version) []byte {
	t.Helper()
	b, err := m.AppendTo(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode[M any, P interface {
	*M
	cti.Message
}](t *testing.T, b []byte, v cti.Version) P {
	t.Helper()
	m := P(new(M))
	if err := m.DecodeFrom(b, v); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLiteralsGiveTheVectorBytes encodes structs as a user writes them and
// compares with bytes written by hand from the field tables.
func TestLiteralsGiveTheVectorBytes(t *testing.T) {
	t.Parallel()
	byName := map[string][]byte{}
	for _, v := range readVectors(t) {
		byName[v.Name] = v.Bytes
	}
	for name, m := range map[string]cti.Message{
		"OPEN_REQ with an empty password": &cti.OpenReq{
			InvokeID: 7, VersionNumber: 24, IdleTimeout: 20, PeripheralID: cti.NullPeripheralID,
			ServicesRequested: cti.CTIServiceMaskAllEvents | cti.CTIServiceMaskClientControl |
				cti.CTIServiceMaskCallDataUpdate | cti.CTIServiceMaskActiveStandby,
			CallMsgMask: 0xFFFFFFFF, AgentStateMask: 0x3FFF, ClientID: "connects",
		},
		"a blind transfer has no id of the held call": &cti.TransferCallReq{
			InvokeID: 7, PeripheralID: 5000, ActiveConnectionCallID: 101, HeldConnectionCallID: cti.NullCallID,
			HeldConnectionDeviceIDType: cti.ConnectionDeviceIDTypeNone,
			ActiveConnectionDeviceID:   "2001/0", DialedNumber: "5002",
		},
		"FAILURE_CONF with 8 bytes in a session of version 24": &cti.FailureConf{
			InvokeID: 7, Status: cti.StatusCodeDeviceInUse, LayoutVersion: cti.Version23,
		},
		"FAILURE_CONF with 10 bytes in a session of version 24": &cti.FailureConf{
			InvokeID: 7, Status: cti.StatusCodeDeviceInUse, PeripheralErrorCode: 3000,
		},
		"list members that are missing do not shift the others": &cti.CallTransferredEvent{
			PeripheralID: 5000, PeripheralType: 17, PrimaryCallID: 101, LineHandle: 0xFFFF, LineType: 0xFFFF,
			SkillGroupNumber: cti.NullSkillGroup, SkillGroupID: cti.NullSkillGroup, SecondaryCallID: 102,
			LocalConnectionState: 3, EventCause: cti.EventCauseNone, PrimaryDeviceID: "A", SecondaryDeviceID: "B",
			ConnectedParties: []cti.ConnectedParty{
				{ConnectedPartyCallID: 101, ConnectedPartyDeviceID: "C"},
				{ConnectedPartyCallID: 102, ConnectedPartyDeviceIDType: cti.ConnectionDeviceIDTypeNone},
				{ConnectedPartyCallID: 103, ConnectedPartyDeviceID: "E", Presence: cti.Presence{Absent: 1 << 1}},
			},
		},
	} {
		want := byName[name]
		if want == nil {
			t.Errorf("no vector %q", name)
			continue
		}
		got, err := cti.AppendMessage([]byte("before"), m, cti.Version24)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := bytes.TrimPrefix(got, []byte("before")); !bytes.Equal(got, want) {
			t.Errorf("%s\n got %x\nwant %x", name, got, want)
		}
	}
}

func TestListEntriesKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	var in []byte
	for _, v := range readVectors(t) {
		if v.Name == "list members that are missing do not shift the others" {
			in = v.Bytes[cti.HeaderSize:]
		}
	}
	m := decode[cti.CallTransferredEvent](t, in, cti.Version24)
	want := []cti.ConnectedParty{
		{ConnectedPartyCallID: 101, ConnectedPartyDeviceID: "C"},
		{ConnectedPartyCallID: 102, ConnectedPartyDeviceIDType: cti.ConnectionDeviceIDTypeNone},
		{ConnectedPartyCallID: 103, ConnectedPartyDeviceID: "E", Presence: cti.Presence{Absent: 1 << 1}},
	}
	if d := cmp.Diff(want, m.ConnectedParties); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if m.Floating.Present|m.Floating.Absent != 0 || m.Order != nil || m.Extra != nil {
		t.Errorf("Floating is %+v for bytes as the specification wants them", m.Floating)
	}
}

func TestPresence(t *testing.T) {
	t.Parallel()
	m := &cti.SetCallDataReq{ConnectionDeviceID: "x", CallVariable2: "b"}
	if !m.Mark(cti.TagCallVar1, cti.TagCallOriginatedFrom) {
		t.Error("Mark knows neither CallVariable1 nor CallOriginatedFrom")
	}
	if m.Mark(cti.TagAgentPassword) || m.Mark(cti.TagNamedVariable) {
		t.Error("Mark takes a tag that is no field of its own")
	}
	back := decode[cti.SetCallDataReq](t, encode(t, m, cti.Version24), cti.Version24)
	if d := cmp.Diff(m, back); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var names []string
	back.VisitFields(cti.Version24, func(f cti.FieldValue) bool {
		if strings.HasPrefix(f.Name, "CallVar") || f.Name == "CallOriginatedFrom" {
			names = append(names, f.Name)
		}
		return true
	})
	if d := cmp.Diff([]string{"CallVariable1", "CallVariable2", "CallOriginatedFrom"}, names); d != "" {
		t.Errorf("visited (-want +got):\n%s", d)
	}
	// Version 13 has no CallOriginatedFrom.
	if b := encode(t, m, cti.Version13); bytes.Contains(b, []byte{byte(cti.TagCallOriginatedFrom), 1, 0}) {
		t.Errorf("CallOriginatedFrom in version 13: %x", b)
	}
}

func TestOrderSurvivesAndYieldsToChanges(t *testing.T) {
	t.Parallel()
	canonical := encode(t, &cti.CallHeldEvent{ConnectionDeviceID: "a", HoldingDeviceID: "b"}, cti.Version24)
	fixed := len(canonical) - 12
	swapped := append(bytes.Clone(canonical[:fixed]), append(bytes.Clone(canonical[fixed+6:]), canonical[fixed:fixed+6]...)...)
	m := decode[cti.CallHeldEvent](t, swapped, cti.Version24)
	if d := cmp.Diff([]cti.Tag{cti.TagHoldingDevID, cti.TagConnectionDevID}, m.Order); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := encode(t, m, cti.Version24); !bytes.Equal(got, swapped) {
		t.Errorf("\n got %x\nwant %x", got, swapped)
	}
	m.HoldingDeviceID = "longer"
	if got := encode(t, m, cti.Version24); got[fixed+1] != byte(cti.TagHoldingDevID) {
		t.Errorf("a new value changed the order: %x", got)
	}
	m.HoldingDeviceID = "b"
	m.Extra = []cti.Field{{Tag: 4000, Data: []byte{1}}}
	want := append(bytes.Clone(canonical), 0x0f, 0xa0, 0, 1, 1)
	if got := encode(t, m, cti.Version24); !bytes.Equal(got, want) {
		t.Errorf("a new field\n got %x\nwant %x", got, want)
	}
}

func TestDecodeFromForgetsWhatWasBefore(t *testing.T) {
	t.Parallel()
	full := &cti.AgentStateEvent{AgentID: "1001", DepartmentID: 4, NextAgentState: 3, NumFltSkillGroups: 2,
		FltSkillGroups: []cti.FltSkillGroup{{FltSkillGroupNumber: 1}, {FltSkillGroupNumber: 2}}}
	full.Extra = []cti.Field{{Tag: 999}}
	m := decode[cti.AgentStateEvent](t, encode(t, full, cti.Version24), cti.Version24)
	if d := cmp.Diff(full, m); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}
	empty := encode(t, &cti.AgentStateEvent{}, cti.Version13)
	if err := m.DecodeFrom(empty, cti.Version13); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&cti.AgentStateEvent{}, m); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestEncodeErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name    string
		m       cti.Message
		v       cti.Version
		field   string
		err     error
		message string
	}{
		{"a text above its maximum", &cti.SetAgentStateReq{AgentID: "123456789012"}, 24, "AgentID", cti.ErrTooLong, "SET_AGENT_STATE_REQ"},
		{"a text above the maximum of an old version", &cti.RTPStartedEvent{ClientAddress: strings.Repeat("1", 16)}, 18, "ClientAddress", cti.ErrTooLong, "RTP_STARTED_EVENT"},
		{"bytes above their maximum", &cti.OpenReq{ClientPassword: []byte(long)}, 24, "ClientPassword", cti.ErrTooLong, "OPEN_REQ"},
		{"a NUL in a text", &cti.UserMessageReq{Text: "a\x00b"}, 24, "Text", cti.ErrNUL, "USER_MESSAGE_REQ"},
		{"a NUL in an ECC name", &cti.RegisterVariablesReq{NamedVariables: []cti.NamedVar{{Name: "a\x00"}}}, 24, "NamedVariable", cti.ErrNUL, "REGISTER_VARIABLES_REQ"},
		{"an ECC value above 210 bytes", &cti.RegisterVariablesReq{NamedArrays: []cti.NamedArray{{Value: long[:211]}}}, 24, "NamedArray", cti.ErrTooLong, "REGISTER_VARIABLES_REQ"},
		{"an ECC name above 32 bytes", &cti.RegisterVariablesReq{NamedVariables: []cti.NamedVar{{Name: long[:33]}}}, 24, "NamedVariable", cti.ErrTooLong, "REGISTER_VARIABLES_REQ"},
		{"a number above its field", &cti.FailureConf{Status: 70000}, 24, "FailureCode", cti.ErrRange, "FAILURE_CONF"},
		{"an extra tag in one byte", &cti.HeartbeatReq{Floating: cti.Floating{Extra: []cti.Field{{Tag: 256}}}}, 19, "Extra", cti.ErrRange, "HEARTBEAT_REQ"},
		{"an extra field of 256 bytes in one byte", &cti.HeartbeatReq{Floating: cti.Floating{Extra: []cti.Field{{Tag: 1, Data: make([]byte, 256)}}}}, 19, "Extra", cti.ErrTooLong, "HEARTBEAT_REQ"},
		{"a field whose tag is not published", &cti.OpenReq{UniqueInstanceID: "a"}, 24, "UniqueInstanceID", cti.ErrNoTag, "OPEN_REQ"},
		{"a reserved field that is too long", &cti.TeamConfigReq{Reserved: make([]byte, 9)}, 24, "Reserved", cti.ErrTooLong, "TEAM_CONFIG_REQ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := []byte("before")
			out, err := c.m.AppendTo(dst, c.v)
			var ee *cti.EncodeError
			if !errors.As(err, &ee) || !errors.Is(err, c.err) || ee.Field != c.field || ee.Message != c.message {
				t.Errorf("error %v", err)
			}
			if string(out) != "before" {
				t.Errorf("dst is %q", out)
			}
			if err != nil && strings.Contains(err.Error(), "xx") {
				t.Errorf("the error shows content: %v", err)
			}
		})
	}
}

func TestAMessageAboveTheLimitIsNotWritten(t *testing.T) {
	t.Parallel()
	m := &cti.RegisterVariablesReq{NamedVariables: make([]cti.NamedVar, 60)}
	for i := range m.NamedVariables {
		m.NamedVariables[i] = cti.NamedVar{Name: fmt.Sprint("user.", i), Value: strings.Repeat("v", 100)}
	}
	if _, err := cti.AppendMessage(nil, m, cti.Version20); !errors.Is(err, cti.ErrTooLong) {
		t.Errorf("version 20: %v", err)
	}
	if _, err := cti.AppendMessage(nil, m, cti.Version23); err != nil {
		t.Errorf("version 23: %v", err)
	}
}

func TestVersionLimits(t *testing.T) {
	t.Parallel()
	for v, want := range map[cti.Version][2]int{13: {4329, 1}, 19: {4329, 1}, 20: {4329, 2}, 21: {12500, 2}, 25: {12500, 2}} {
		if got := [2]int{v.MaxMessageSize(), v.TagSize()}; got != want {
			t.Errorf("version %v: %v, want %v", v, got, want)
		}
	}
	if cti.Version(12).Valid() || cti.Version(26).Valid() || !cti.Version13.Valid() || !cti.Version25.Valid() {
		t.Error("Valid is wrong at the borders")
	}
}

func TestMapText(t *testing.T) {
	t.Parallel()
	m := &cti.ConfigAgentEvent{Records: []cti.ConfigAgentRecord{{LastName: "a", LoginID: ""}}}
	m.MapText(strings.ToUpper)
	b := &cti.BeginCallEvent{ANI: "a", UserToUserInfo: []byte("a"), NamedVariables: []cti.NamedVar{{Name: "n", Value: "v"}},
		NamedArrays: []cti.NamedArray{{Name: "n", Value: "v"}}, CTIClients: []cti.CTIClient{{CTIClientSignature: "s"}}}
	b.MapText(strings.ToUpper)
	got := []any{m.Records[0].LastName, b.ANI, string(b.UserToUserInfo), b.NamedVariables, b.NamedArrays, b.CTIClients[0].CTIClientSignature}
	want := []any{"A", "A", "a", []cti.NamedVar{{Name: "N", Value: "V"}}, []cti.NamedArray{{Name: "N", Value: "V"}}, "S"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTextsAndLogsShowNoPasswords(t *testing.T) {
	t.Parallel()
	for _, m := range []cti.Message{
		&cti.OpenReq{ClientID: "connects", ClientPassword: []byte("geheim")},
		&cti.SetAgentStateReq{AgentID: "connects", AgentPassword: "geheim"},
	} {
		for _, s := range []string{cti.Text(m), fmt.Sprint(m), fmt.Sprintf("%v %+v %s", m, m, m), m.(interface{ LogValue() slog.Value }).LogValue().String()} {
			if strings.Contains(s, "geheim") || strings.Contains(s, "67656865696d") || !strings.Contains(s, "****") {
				t.Errorf("%s", s)
			}
			if !strings.Contains(s, "connects") {
				t.Errorf("nothing of the message in %s", s)
			}
		}
	}
}

func TestTextOfAMessage(t *testing.T) {
	t.Parallel()
	m := &cti.AgentStateEvent{PeripheralID: 5000, AgentState: cti.AgentStateAvailable, AgentID: "1001",
		FltSkillGroups: []cti.FltSkillGroup{{FltSkillGroupNumber: 17}}}
	m.Extra = []cti.Field{{Tag: 999, Data: []byte{0xab}}}
	s := cti.Text(m)
	for _, want := range []string{"AGENT_STATE_EVENT ", " AgentState=3(AGENT_STATE_AVAILABLE)", ` AgentID="1001"`, " FltSkillGroupNumber[0]=17", " Tag(999)=0xab"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in %s", want, s)
		}
	}
}

func TestVisitStopsWhenTold(t *testing.T) {
	t.Parallel()
	n := 0
	(&cti.AgentStateEvent{}).VisitFields(cti.Version24, func(cti.FieldValue) bool { n++; return n < 3 })
	if n != 3 {
		t.Errorf("%d fields", n)
	}
}

func TestTypedRequests(t *testing.T) {
	t.Parallel()
	via := requesterFunc(func(r cti.Request) (cti.Confirm, error) {
		if r.Type() == cti.TypeHoldCallReq {
			return &cti.AnswerCallConf{}, nil
		}
		return &cti.AnswerCallConf{InvokeID: r.Invoke()}, nil
	})
	r := cti.NewRequests(via)
	conf, err := r.AnswerCall(t.Context(), &cti.AnswerCallReq{InvokeID: 3})
	if err != nil || conf.InvokeID != 3 {
		t.Errorf("%v %v", conf, err)
	}
	_, err = r.HoldCall(t.Context(), &cti.HoldCallReq{})
	var ue *cti.UnexpectedConfirmError
	if !errors.As(err, &ue) || ue.Confirm != cti.TypeAnswerCallConf || ue.Request != cti.TypeHoldCallReq {
		t.Errorf("%v", err)
	}
}

type requesterFunc func(cti.Request) (cti.Confirm, error)

func (f requesterFunc) Do(_ context.Context, r cti.Request) (cti.Confirm, error) { return f(r) }

func TestTaskID(t *testing.T) {
	t.Parallel()
	b := []byte{0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 1, 0, 0, 1, 0}
	id, ok := cti.ParseTaskID(b)
	if want := (cti.TaskID{TaskGroupHigh: -2, TaskGroupLow: 1, SequenceNumber: 256}); !ok || id != want {
		t.Errorf("%+v", id)
	}
	if id.Group() != 0xfffffffe00000001 || !bytes.Equal(id.AppendTo(nil), b) {
		t.Errorf("group %x, bytes %x", id.Group(), id.AppendTo(nil))
	}
	if _, ok := cti.ParseTaskID(b[:11]); ok {
		t.Error("11 bytes are an id")
	}
}

func TestRawKeepsItsBody(t *testing.T) {
	t.Parallel()
	m, err := cti.DecodeMessage(4095, []byte{1, 2}, cti.Version24)
	if err != nil {
		t.Fatal(err)
	}
	m.MapText(strings.ToUpper)
	raw := m.(*cti.Raw)
	if s := raw.String(); s != "MessageType(4095) Body=0x0102" || !strings.Contains(raw.LogValue().String(), "0x0102") {
		t.Errorf("%s, %v", s, raw.LogValue())
	}
	if _, ok := m.(cti.Event); !ok {
		t.Error("an unknown message is no event")
	}
	if b := encode(t, m, cti.Version24); !bytes.Equal(b, []byte{1, 2}) {
		t.Errorf("%x", b)
	}
}

// TestOpaqueRequestsCarryTheirInvokeIDFirst is the assumption that lets a session
// use the ARM requests, whose layouts are not public.
func TestOpaqueRequestsCarryTheirInvokeIDFirst(t *testing.T) {
	t.Parallel()
	m := &cti.MediaLoginReq{}
	if m.Invoke() != 0 {
		t.Errorf("%d", m.Invoke())
	}
	m.SetInvoke(0x01020304)
	m.Body = append(m.Body, 9)
	if got := encode(t, m, cti.Version24); !bytes.Equal(got, []byte{1, 2, 3, 4, 9}) || m.Invoke() != 0x01020304 {
		t.Errorf("%x", got)
	}
}

// TestCountsThatLieTakeLittleMemory decodes short messages whose counts are all
// 65535: room is made for what the bytes can hold, not for what a count says.
func TestCountsThatLieTakeLittleMemory(t *testing.T) {
	for i := range cti.Messages() {
		empty, err := cti.NewMessage(i.Type).AppendTo(nil, cti.Version25)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for tag := range 320 {
			b := append(bytes.Repeat([]byte{0xff}, len(empty)), byte(tag>>8), byte(tag), 0, 4, 0, 0, 0, 0)
			_, _ = cti.DecodeMessage(i.Type, b, cti.Version25)
		}
		runtime.ReadMemStats(&after)
		// One count that is believed takes 65535 entries of 16 bytes or more.
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes for 320 short messages", i.Name, n)
		}
	}
}
