package cti_test

import (
	"bytes"
	"testing"

	"github.com/connects-go/connects/cti"
)

// benchMessage is a message that occurs often.
type benchMessage struct {
	name         string
	m            cti.Message
	body         []byte
	fresh        func(body []byte) error // decodes into a new message
	decodeAllocs float64
}

// benchMessages are what a bridge gets most: a call with five variables and
// three ECC variables, an agent in three skill groups, the same agent asked for.
func benchMessages(tb testing.TB) []benchMessage {
	tb.Helper()
	all := []benchMessage{
		{
			name: "CALL_DELIVERED_EVENT",
			m: &cti.CallDeliveredEvent{
				PeripheralID: 5000, PeripheralType: cti.PeripheralTypeEnterpriseAgent, ConnectionCallID: 16777217,
				LineHandle: 0xFFFF, LineType: 0xFFFF, ServiceNumber: cti.NullService, ServiceID: cti.NullService,
				SkillGroupNumber: 17, SkillGroupID: 5017, LocalConnectionState: 2, EventCause: cti.EventCauseNone,
				ConnectionDeviceID: "2001", AlertingDeviceID: "2001", CallingDeviceID: "+41315550100",
				CalledDeviceID: "5001", ANI: "+41315550100", DNIS: "5001", DialedNumber: "5001",
				CallVariable1: "4711", CallVariable2: "Müller", CallVariable3: "gold", CallVariable9: "de", CallVariable10: "x",
				NumNamedVariables: 3,
				NamedVariables: []cti.NamedVar{{Name: "user.ced", Value: "42"}, {Name: "user.order", Value: "20260817-4711"},
					{Name: "user.media.id", Value: "0123456789abcdef0123456789abcdef"}},
			},
			fresh: func(b []byte) error {
				var m cti.CallDeliveredEvent
				return m.DecodeFrom(b, cti.Version24)
			},
			decodeAllocs: 2,
		},
		{
			name: "AGENT_STATE_EVENT",
			m: &cti.AgentStateEvent{
				PeripheralID: 5000, PeripheralType: cti.PeripheralTypeEnterpriseAgent, SkillGroupState: cti.AgentStateAvailable,
				SkillGroupNumber: 17, SkillGroupID: 5017, AgentState: cti.AgentStateAvailable, MRDID: 1, AgentMode: 1,
				MaxTaskLimit: 1, ICMAgentID: 5001, AgentAvailabilityStatus: 1, NumFltSkillGroups: 3, DepartmentID: 0,
				AgentID: "1001", AgentExtension: "2001", AgentInstrument: "2001",
				FltSkillGroups: []cti.FltSkillGroup{{FltSkillGroupNumber: 17, FltSkillGroupID: 5017, FltSkillGroupState: 3},
					{FltSkillGroupNumber: 18, FltSkillGroupID: 5018, FltSkillGroupState: 3}, {FltSkillGroupNumber: 19, FltSkillGroupID: 5019, FltSkillGroupState: 3}},
			},
			fresh: func(b []byte) error {
				var m cti.AgentStateEvent
				return m.DecodeFrom(b, cti.Version24)
			},
			decodeAllocs: 2,
		},
		{
			name: "QUERY_AGENT_STATE_CONF",
			m: &cti.QueryAgentStateConf{
				InvokeID: 7, AgentState: cti.AgentStateAvailable, NumSkillGroups: 3, MRDID: 1, AgentMode: 1, MaxTaskLimit: 1,
				ICMAgentID: 5001, AgentAvailabilityStatus: 1, AgentID: "1001", AgentExtension: "2001", AgentInstrument: "2001",
				SkillGroups: []cti.AgentSkillGroup{{SkillGroupNumber: 17, SkillGroupID: 5017, SkillGroupState: 3},
					{SkillGroupNumber: 18, SkillGroupID: 5018, SkillGroupState: 3}, {SkillGroupNumber: 19, SkillGroupID: 5019, SkillGroupState: 3}},
			},
			fresh: func(b []byte) error {
				var m cti.QueryAgentStateConf
				return m.DecodeFrom(b, cti.Version24)
			},
			decodeAllocs: 2,
		},
	}
	for i := range all {
		b, err := all[i].m.AppendTo(nil, cti.Version24)
		if err != nil {
			tb.Fatal(err)
		}
		all[i].body = b
	}
	return all
}

// BenchmarkDecode decodes into a new message each time.
func BenchmarkDecode(b *testing.B) {
	for _, c := range benchMessages(b) {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body) + cti.HeaderSize))
			for b.Loop() {
				if err := c.fresh(c.body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeMessage decodes through the registry, as a session does.
func BenchmarkDecodeMessage(b *testing.B) {
	for _, c := range benchMessages(b) {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body) + cti.HeaderSize))
			for b.Loop() {
				if _, err := cti.DecodeMessage(c.m.Type(), c.body, cti.Version24); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppend writes header and body into a buffer that is used again.
func BenchmarkAppend(b *testing.B) {
	for _, c := range benchMessages(b) {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body) + cti.HeaderSize))
			var buf []byte
			var err error
			for b.Loop() {
				if buf, err = cti.AppendMessage(buf[:0], c.m, cti.Version24); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFrameReader cuts a stream of the three messages that arrives in
// pieces of 1,400 bytes, without decoding them.
func BenchmarkFrameReader(b *testing.B) {
	var stream []byte
	n := 0
	for len(stream) < 1<<20 {
		for _, c := range benchMessages(b) {
			var err error
			if stream, err = cti.AppendMessage(stream, c.m, cti.Version24); err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		r := cti.NewFrameReader(&pieces{b: stream, n: 1400}, cti.Version24)
		got := 0
		for {
			if _, _, err := r.Next(); err != nil {
				break
			}
			got++
		}
		if got != n {
			b.Fatalf("%d messages, want %d", got, n)
		}
	}
}

// pieces is a reader that gives at most n bytes at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(dst []byte) (int, error) {
	if len(dst) > p.n {
		dst = dst[:p.n]
	}
	n, err := bytes.NewReader(p.b).Read(dst)
	p.b = p.b[n:]
	return n, err
}
