package cti_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/connects-go/connects/cti"
	"github.com/google/go-cmp/cmp"
)

// FuzzFrame feeds any bytes, in pieces of any size, to a FrameReader: the frames
// and the end are the same as for the bytes in one piece, and every error has a
// place.
func FuzzFrame(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.Bytes, uint8(v.Version), uint8(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, version, piece uint8) {
		v := cti.Version(version)
		whole := cti.NewFrameReader(bytes.NewReader(b), v)
		parts := cti.NewFrameReader(&pieces{b, int(piece)%64 + 1}, v)
		for {
			t1, b1, err1 := whole.Next()
			t2, b2, err2 := parts.Next()
			if t1 != t2 || !bytes.Equal(b1, b2) || (err1 == nil) != (err2 == nil) {
				t.Fatalf("%v %x %v, in pieces %v %x %v", t1, b1, err1, t2, b2, err2)
			}
			if len(b1) > v.MaxBodySize() {
				t.Fatalf("a body of %d bytes", len(b1))
			}
			if err1 == nil {
				continue
			}
			var de *cti.DecodeError
			if !errors.Is(err1, io.EOF) && !errors.As(err1, &de) {
				t.Fatalf("%T %v", err1, err1)
			}
			return
		}
	})
}

// fuzzDecode decodes bodies as the messages of some categories. What can be
// decoded can be encoded again, unless a value is longer than a field may be, and
// then gives the same message.
func fuzzDecode(f *testing.F, categories ...string) {
	var types []cti.MessageType
	for i := range cti.Messages() {
		if slices.Contains(categories, i.Category) {
			types = append(types, i.Type)
		}
	}
	if len(types) == 0 {
		f.Fatalf("no messages in %v", categories)
	}
	for _, v := range readVectors(f) {
		if len(v.Bytes) < cti.HeaderSize {
			continue
		}
		number := cti.MessageType(uint32(v.Bytes[6])<<8 | uint32(v.Bytes[7]))
		if i := slices.Index(types, number); i >= 0 {
			f.Add(uint16(i), uint8(v.Version), v.Bytes[cti.HeaderSize:])
		}
	}
	f.Fuzz(func(t *testing.T, which uint16, version uint8, body []byte) {
		v := cti.MinVersion + cti.Version(version)%(cti.MaxVersion-cti.MinVersion+1)
		if len(body) > v.MaxBodySize() {
			return
		}
		checkBody(t, types[int(which)%len(types)], body, v)
	})
}

func checkBody(t *testing.T, number cti.MessageType, body []byte, v cti.Version) {
	t.Helper()
	m, err := cti.DecodeMessage(number, body, v)
	if err != nil {
		var de *cti.DecodeError
		if !errors.As(err, &de) || de.Message != number.String() || de.Field == "" || de.Offset < 0 || de.Offset > len(body) {
			t.Fatalf("%#v", err)
		}
		return
	}
	m.VisitFields(v, func(cti.FieldValue) bool { return true })
	cti.Text(m)
	b1, err := m.AppendTo(nil, v)
	if err != nil {
		if !errors.Is(err, cti.ErrTooLong) {
			t.Fatalf("encode: %v", err)
		}
		return
	}
	back, err := cti.DecodeMessage(number, b1, v)
	if err != nil {
		t.Fatalf("decode again: %v", err)
	}
	b2, err := back.AppendTo(nil, v)
	if err != nil {
		t.Fatalf("encode again: %v", err)
	}
	if !bytes.Equal(b1, b2) {
		t.Fatalf("%v version %v\n in %x\n b1 %x\n b2 %x", number, v, body, b1, b2)
	}
	if d := cmp.Diff(asJSON(m, v), asJSON(back, v)); d != "" && !countsLie(m) {
		t.Fatalf("%v: decoded again (-want +got):\n%s", number, d)
	}
}

// countsLie reports whether a message has a list: its count may have been
// another number than that of the entries, which encoding corrects.
func countsLie(m cti.Message) bool {
	lists := false
	m.VisitFields(0, func(f cti.FieldValue) bool { lists = lists || f.List; return true })
	return lists
}

func FuzzDecodeSession(f *testing.F)    { fuzzDecode(f, "session", "maintenance") }
func FuzzDecodeControl(f *testing.F)    { fuzzDecode(f, "client_control", "agent_services") }
func FuzzDecodeCallEvent(f *testing.F)  { fuzzDecode(f, "call_event") }
func FuzzDecodeAgentEvent(f *testing.F) { fuzzDecode(f, "agent_event") }
func FuzzDecodeCallData(f *testing.F)   { fuzzDecode(f, "call_data_update") }
func FuzzDecodeMisc(f *testing.F)       { fuzzDecode(f, "miscellaneous", "server_service") }
func FuzzDecodeMonitor(f *testing.F)    { fuzzDecode(f, "peripheral_monitor", "client_monitor") }
func FuzzDecodeSupervisor(f *testing.F) { fuzzDecode(f, "supervisor") }
func FuzzDecodeConfig(f *testing.F)     { fuzzDecode(f, "config") }
func FuzzDecodeRecording(f *testing.F)  { fuzzDecode(f, "network_recording") }
func FuzzDecodeOpaqueBody(f *testing.F) { fuzzDecode(f, "arm", "task_event", "route") }

// TestEveryGroupHasAFuzzTarget keeps the list above complete.
func TestEveryGroupHasAFuzzTarget(t *testing.T) {
	t.Parallel()
	covered := []string{"session", "maintenance", "client_control", "agent_services", "call_event", "agent_event",
		"call_data_update", "miscellaneous", "server_service", "peripheral_monitor", "client_monitor", "supervisor",
		"config", "network_recording", "arm", "task_event", "route"}
	for i := range cti.Messages() {
		if !slices.Contains(covered, i.Category) {
			t.Errorf("%s: no fuzz target for %s", i.Name, i.Category)
		}
	}
}

// FuzzRoundTrip reorders and repeats the floating fields of good messages: what
// was decoded comes back byte for byte as long as every field keeps the rules.
func FuzzRoundTrip(f *testing.F) {
	var seeds [][]byte
	var versions []cti.Version
	for _, v := range readVectors(f) {
		if v.Error == nil && bytes.Equal(v.Bytes, v.Again) {
			f.Add(uint16(len(seeds)), uint64(1))
			seeds = append(seeds, v.Bytes)
			versions = append(versions, cti.Version(v.Version))
		}
	}
	fixed := fixedSizes(f)
	f.Fuzz(func(t *testing.T, which uint16, seed uint64) {
		i := int(which) % len(seeds)
		v := versions[i]
		m, err := cti.ParseMessage(seeds[i], v)
		if err != nil {
			t.Fatal(err)
		}
		if _, raw := cti.RawBody(m); raw {
			return
		}
		start := floatingStart(fixed, m, v)
		shuffled := shuffleFields(seeds[i], start, v, seed)
		m2, err := cti.ParseMessage(shuffled, v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := cti.AppendMessage(nil, m2, v)
		if err != nil {
			t.Fatal(err)
		}
		if countsLie(m2) {
			return // another order makes other entries
		}
		if !bytes.Equal(again, shuffled) {
			t.Fatalf("%v\n in %x\nout %x", m.Type(), shuffled, again)
		}
	})
}

// floatingStart returns the offset of the floating part of a message.
func floatingStart(fixed map[string][]fixedField, m cti.Message, v cti.Version) int {
	n := cti.HeaderSize
	if f, ok := m.(*cti.FailureConf); ok {
		if f.LayoutVersion != 0 {
			v = f.LayoutVersion
		}
		if v < 24 {
			return n + 8
		}
		return n + 10
	}
	for _, f := range fixed[m.Type().String()] {
		if int(v) >= f.since {
			n += f.size
		}
	}
	return n
}

// shuffleFields returns the message with its floating fields in another order.
func shuffleFields(b []byte, start int, v cti.Version, seed uint64) []byte {
	w := v.TagSize()
	var fields [][]byte
	for at := start; at < len(b); {
		n := int(b[at+w])
		if w == 2 {
			n = n<<8 | int(b[at+3])
		}
		fields = append(fields, b[at:at+2*w+n])
		at += 2*w + n
	}
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return append(bytes.Clone(b[:start]), bytes.Join(fields, nil)...)
}

type fixedField struct{ size, since int }

// fixedSizes returns the sizes of the fixed fields by message, from the
// specification.
func fixedSizes(tb testing.TB) map[string][]fixedField {
	out := map[string][]fixedField{}
	for _, r := range readSpec(tb, "fields") {
		if r["part"] == "fixed" {
			out[r["message"]] = append(out[r["message"]], fixedField{atoi(tb, r["size"]), atoi(tb, r["since"])})
		}
	}
	return out
}
