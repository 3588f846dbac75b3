package sapphone_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// definition is the example of the reference; every name begins with Z_ and is
// invented, so that it cannot be mistaken for SAPphone.
const definition = `{"note":"shape only",
"types":{"Z_PDCALL":{"lengthChars":88,"fields":[
 {"name":"CALL_ID","abapType":"CHAR","length":32,"offsetChars":0},{"name":"TELNO","abapType":"CHAR","length":30,"offsetChars":32},
 {"name":"LASTNAME","abapType":"CHAR","length":20,"offsetChars":62},{"name":"NOT_BEFORE","abapType":"TIMS","length":6,"offsetChars":82}]},
 "Z_ERR":{"fields":[{"name":"ID","abapType":"CHAR","length":32},{"name":"CODE","abapType":"CHAR","length":10}]}},
"functions":{"Z_ADD_PDCALLS":{"import":[{"name":"CAMPAIGN","abapType":"CHAR","length":20}],"export":[{"name":"RETCODE","abapType":"NUMC","length":3}],
 "changing":[],"tables":[{"name":"CALLS","type":"Z_PDCALL"},{"name":"ERRORS","type":"Z_ERR"}],"exceptions":["NOT_READY"]},
 "Z_DEL_PDCALLS":{"import":[{"name":"CAMPAIGN","abapType":"CHAR","length":20},{"name":"ALL","abapType":"CHAR","length":1}],"export":[{"name":"RETCODE","abapType":"NUMC","length":3}],"tables":[{"name":"CALLS","type":"Z_PDCALL"}]},
 "Z_CAMPAIGNS":{"tables":[{"name":"LIST","type":"Z_ERR"}]},
 "Z_STAT":{"import":[{"name":"CAMPAIGN","abapType":"CHAR","length":20}],"export":[{"name":"SENT","abapType":"INT4"}]},
 "Z_NOTHING":{}},
"mapping":{"Z_ADD_PDCALLS":{"operation":"upload","campaign":"CAMPAIGN","rows":"CALLS",
 "row":{"id":"CALL_ID","phones":["TELNO"],"lastName":"LASTNAME","notBefore":"NOT_BEFORE"},"rejects":{"table":"ERRORS","id":"ID","code":"CODE"},
 "result":{"ok":{"RETCODE":"000"},"failed":{"RETCODE":"020"}},"exception":{"busy":"NOT_READY"}},
 "Z_DEL_PDCALLS":{"operation":"delete","campaign":"CAMPAIGN","all":"ALL","rows":"CALLS","row":{"id":"CALL_ID"},"result":{"ok":{"RETCODE":"000"},"failed":{"RETCODE":"020"},"late":{"RETCODE":"053"}}},
 "Z_CAMPAIGNS":{"operation":"campaigns","list":{"table":"LIST","id":"ID"}},
 "Z_STAT":{"operation":"statistics","campaign":"CAMPAIGN","numbers":{"written":"SENT"}}}}`

func definitions(t testing.TB) *sapphone.Definitions {
	t.Helper()
	d, err := sapphone.ParseDefinitions(strings.NewReader(definition))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// service remembers what it was told.
type service struct {
	mu    sync.Mutex
	got   []string
	rows  int
	err   error
	calls []outboundcsv.PlannedCall
}

func (s *service) say(format string, args ...any) {
	s.mu.Lock()
	s.got = append(s.got, fmt.Sprintf(format, args...))
	s.mu.Unlock()
}

func (s *service) Upload(_ context.Context, d sapphone.Delivery) (sapphone.Accepted, error) {
	a := sapphone.Accepted{ID: "1"}
	for c, err := range d.Rows {
		if err != nil {
			return a, err
		}
		a.Rows++
		if len(c.Phones) == 0 {
			a.Rejected++
			a.Rejects = append(a.Rejects, sapphone.Rejected{ID: c.ID, Codes: []outboundcsv.Code{outboundcsv.AccountTooLong}})
		}
		if a.Rows <= 3 {
			s.calls = append(s.calls, c)
		}
	}
	s.rows += a.Rows
	s.say("upload %s/%s/%s key %q: %d", d.System, d.Client, d.Campaign, d.Key, a.Rows)
	return a, s.err
}

func (s *service) Delete(_ context.Context, _, _, campaign string, ids []string) (sapphone.Deletion, error) {
	s.say("delete %s %q", campaign, ids)
	d := sapphone.Deletion{Removed: 1}
	if slices.Contains(ids, "late") {
		d.Late = 1
	}
	return d, s.err
}
func (s *service) Campaigns(context.Context) ([]string, error)        { return []string{"C1", "C2"}, s.err }
func (s *service) Assigned(context.Context, string) ([]string, error) { return nil, s.err }
func (s *service) Statistics(context.Context, string) (sapphone.Numbers, error) {
	return sapphone.Numbers{Written: 7}, s.err
}
func (s *service) Ping(context.Context) error { return s.err }

func handler(t testing.TB, s *service) sapphone.Handler {
	t.Helper()
	h, err := sapphone.NewHandler(&sapphone.HandlerOptions{Definitions: definitions(t), Service: s})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func table(rows ...sapphone.Row) sapphone.Table {
	return sapphone.Table{Len: len(rows), Rows: func(yield func(sapphone.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}}
}

// row is the wire form of a planned call, blanks cut after the last value.
func row(id, tel, last string) sapphone.Row {
	s := fmt.Sprintf("%-32s%-30s%s", id, tel, last)
	return sapphone.Row{Raw: sapphone.EncodeUTF16(s, false)}
}

func TestUploadOfRows(t *testing.T) {
	s := &service{}
	res, err := handler(t, s)(t.Context(), &sapphone.Call{Func: "Z_ADD_PDCALLS", Caller: sapphone.Caller{System: "P01", Client: "100"}, Key: "k",
		In:     map[string]sapphone.Value{"CAMPAIGN": {Raw: sapphone.EncodeUTF16("Spring", false)}},
		Tables: map[string]sapphone.Table{"CALLS": table(row("4711", "+49622774", "Müller"), row("4712", "", "山田"))}})
	if err != nil {
		t.Fatal(err)
	}
	want := []outboundcsv.PlannedCall{{ID: "4711", LastName: "Müller", Phones: []outboundcsv.Phone{{Number: "+49622774"}}}, {ID: "4712", LastName: "山田"}}
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Errorf("planned calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&sapphone.Result{Out: map[string]string{"RETCODE": "000"}, Tables: map[string][]map[string]string{"ERRORS": {{"ID": "4712", "CODE": "E_ACCOUNT_"}}}}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if s.got[0] != `upload P01/100/Spring key "k": 2` {
		t.Error(s.got)
	}
}

func TestWhatIsNotExplainedNeverLooksLikeASuccess(t *testing.T) {
	in := map[string]sapphone.Value{"CAMPAIGN": {Text: "C"}}
	long := sapphone.Row{Raw: make([]byte, 178)}
	for _, tt := range []struct {
		name   string
		call   sapphone.Call
		err    error  // of the service
		fails  string // part of the error; empty: an answer
		result string // RETCODE
	}{
		{"unknown function", sapphone.Call{Func: "SPS_ADD"}, nil, "recorder mode", ""},
		{"no mapping", sapphone.Call{Func: "Z_NOTHING"}, nil, "does not say what", ""},
		{"unknown parameter", sapphone.Call{Func: "Z_ADD_PDCALLS", In: map[string]sapphone.Value{"X": {}}}, nil, "X: unknown parameter", ""},
		{"unknown table", sapphone.Call{Func: "Z_ADD_PDCALLS", In: in, Tables: map[string]sapphone.Table{"ROWS": table()}}, nil, "ROWS: unknown table", ""},
		{"unknown field", sapphone.Call{Func: "Z_ADD_PDCALLS", In: in, Tables: map[string]sapphone.Table{"CALLS": table(sapphone.Row{Fields: map[string]string{"ID": "1"}})}}, nil, `unknown field "ID"`, ""},
		{"long row", sapphone.Call{Func: "Z_ADD_PDCALLS", In: in, Tables: map[string]sapphone.Table{"CALLS": table(long)}}, nil, "row of 178 bytes, the definition has 176", ""},
		{"odd row", sapphone.Call{Func: "Z_ADD_PDCALLS", In: in, Tables: map[string]sapphone.Table{"CALLS": table(sapphone.Row{Raw: []byte{65, 0, 66}})}}, nil, "CALL_ID", ""},
		{"long parameter", sapphone.Call{Func: "Z_ADD_PDCALLS", In: map[string]sapphone.Value{"CAMPAIGN": {Raw: make([]byte, 42)}}}, nil, "longer than its type", ""},
		{"every row rejected", sapphone.Call{Func: "Z_ADD_PDCALLS", In: in, Tables: map[string]sapphone.Table{"CALLS": table(row("1", "", ""))}}, nil, "", "020"},
		{"disk full", sapphone.Call{Func: "Z_ADD_PDCALLS", In: in}, os.ErrPermission, "permission", ""},
		{"busy", sapphone.Call{Func: "Z_ADD_PDCALLS", In: in}, sapphone.ErrBusy, "exception NOT_READY", ""},
		{"late deletion", sapphone.Call{Func: "Z_DEL_PDCALLS", In: in, Tables: map[string]sapphone.Table{"CALLS": table(row("late", "", ""))}}, nil, "", "053"},
		{"deletion of all or not", sapphone.Call{Func: "Z_DEL_PDCALLS", In: map[string]sapphone.Value{"CAMPAIGN": {Text: "C"}, "ALL": {Text: "N"}}}, nil, "ALL: want X or a blank", ""},
		{"deletion of nothing", sapphone.Call{Func: "Z_DEL_PDCALLS", In: in}, nil, "", "000"},
	} {
		s := &service{err: tt.err}
		res, err := handler(t, s)(t.Context(), &tt.call)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.fails)
			}
			continue
		}
		if err != nil || res.Out["RETCODE"] != tt.result {
			t.Errorf("%s: %v %v, want %s", tt.name, res, err, tt.result)
		}
		if tt.name == "deletion of nothing" && len(s.got) > 0 {
			t.Errorf("a deletion without ids was done: %v", s.got)
		}
	}
}

func TestOtherOperations(t *testing.T) {
	s := &service{}
	h := handler(t, s)
	ask := func(c sapphone.Call) *sapphone.Result {
		t.Helper()
		res, err := h(t.Context(), &c)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	ask(sapphone.Call{Func: "Z_DEL_PDCALLS", In: map[string]sapphone.Value{"CAMPAIGN": {Text: "C"}, "ALL": {Text: "X"}}})
	ask(sapphone.Call{Func: "Z_DEL_PDCALLS", In: map[string]sapphone.Value{"CAMPAIGN": {Text: "C"}, "ALL": {Text: "0"}}}) // a zero names nothing
	ask(sapphone.Call{Func: "Z_DEL_PDCALLS", In: map[string]sapphone.Value{"CAMPAIGN": {Text: "C"}}, Tables: map[string]sapphone.Table{"CALLS": table(row("7", "", ""))}})
	if diff := cmp.Diff([]string{`delete C []`, `delete C ["7"]`}, s.got); diff != "" {
		t.Error(diff)
	}
	if got := ask(sapphone.Call{Func: "Z_CAMPAIGNS"}).Tables["LIST"]; len(got) != 2 || got[1]["ID"] != "C2" {
		t.Errorf("campaigns %v", got)
	}
	if got := ask(sapphone.Call{Func: "Z_STAT"}).Out["SENT"]; got != "7" {
		t.Errorf("statistics %v", got)
	}
}

func TestDefinitionErrors(t *testing.T) {
	for _, tt := range []struct{ change, to, want string }{
		{`"offsetChars":32`, `"offsetChars":31`, "types.Z_PDCALL.TELNO: overlaps"},
		{`"lengthChars":88`, `"lengthChars":80`, "types.Z_PDCALL: length is 160 bytes, its fields need 176"},
		{`"abapType":"TIMS"`, `"abapType":"TIME"`, `unknown abapType "TIME"`},
		{`"campaign":"CAMPAIGN","rows":"CALLS"`, `"campaign":"CAMPAIGN","rows":"CALL"`, `"CALL" is no table`},
		{`"phones":["TELNO"]`, `"phones":["TEL"]`, "TEL is no field of Z_PDCALL"},
		{`"failed":{"RETCODE":"020"}},"exception"`, `"fail":{"RETCODE":"020"}},"exception"`, "ok and failed are needed"},
		{`"busy":"NOT_READY"`, `"busy":"LATER"`, "LATER is no exception"},
		{`"operation":"upload"`, `"operation":"up"`, "operation: upload, delete"},
		{`"type":"Z_PDCALL"},{"name":"ERRORS"`, `"type":"Z_X"},{"name":"ERRORS"`, "type Z_X is not defined"},
		{`"note":"shape only",`, `"notes":1,`, "unknown field"},
		{`"length":30`, `"length":-1`, "length -1"},
		{`"campaign":"CAMPAIGN","rows"`, `"campaign":"CAMP","rows"`, "CAMP is no import parameter"},
	} {
		if !strings.Contains(definition, tt.change) {
			t.Fatalf("no %s in the example", tt.change)
		}
		_, err := sapphone.ParseDefinitions(strings.NewReader(strings.Replace(definition, tt.change, tt.to, 1)))
		var de *sapphone.DefinitionError
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &de) {
			t.Errorf("%s: %v, want %q", tt.to, err, tt.want)
		}
	}
}

// Offsets of the captured structure RFCTEST, 264 bytes (RFC.md 3.1).
func TestAlignmentOfMixedStructures(t *testing.T) {
	def := `{"types":{"RFCTEST":{"fields":[{"name":"RFCFLOAT","abapType":"FLTP"},{"name":"RFCCHAR1","abapType":"CHAR","length":1},{"name":"RFCINT2","abapType":"INT2"},{"name":"RFCINT1","abapType":"INT1"},
 {"name":"RFCCHAR4","abapType":"CHAR","length":4},{"name":"RFCINT4","abapType":"INT4"},{"name":"RFCHEX3","abapType":"RAW","length":3},{"name":"RFCCHAR2","abapType":"CHAR","length":2},
 {"name":"RFCTIME","abapType":"TIMS"},{"name":"RFCDATE","abapType":"DATS"},{"name":"RFCDATA1","abapType":"CHAR","length":50},{"name":"RFCDATA2","abapType":"CHAR","length":50}]}},
 "functions":{"Z_F":{"tables":[{"name":"T","type":"RFCTEST"}],"export":[{"name":"R","abapType":"CHAR","length":1}]}},"mapping":{"Z_F":{"operation":"upload","rows":"T","row":{"id":"RFCCHAR4","phones":["RFCINT4"],"firstName":"RFCDATE","lastName":"RFCHEX3","timeZone":"RFCFLOAT","custom":{"a":"RFCDATA2","b":"RFCINT2","c":"RFCTIME"}},"result":{"ok":{"R":"A"},"failed":{"R":"B"}}}}}`
	d, err := sapphone.ParseDefinitions(strings.NewReader(def))
	if err != nil {
		t.Fatal(err)
	}
	if n := d.Types["RFCTEST"].LengthBytes; n != 264 {
		t.Errorf("RFCTEST has %d bytes, captured were 264", n)
	}
	b := make([]byte, 264)
	put := func(off int, v ...byte) { copy(b[off:], v) }
	put(0, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F) // 1.5
	put(8, 'X', 0)
	put(10, 0xFE, 0xFF) // -2
	put(12, 255)
	put(14, 'A', 0, 'B', 0, 'C', 0, ' ', 0)
	put(24, 0x39, 0x30, 0, 0) // 12345
	put(28, 1, 2, 0xFF)
	copy(b[36:], sapphone.EncodeUTF16("235959", false))
	copy(b[48:], sapphone.EncodeUTF16("20261123", false))
	copy(b[164:], sapphone.EncodeUTF16("tail", false))
	s := &service{}
	h, err := sapphone.NewHandler(&sapphone.HandlerOptions{Definitions: d, Service: s})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h(t.Context(), &sapphone.Call{Func: "Z_F", Tables: map[string]sapphone.Table{"T": table(sapphone.Row{Raw: b})}}); err != nil {
		t.Fatal(err)
	}
	want := []outboundcsv.PlannedCall{{ID: "ABC", FirstName: "20261123", LastName: "0102ff", TimeZone: "1.5", Phones: []outboundcsv.Phone{{Number: "12345"}}, Custom: map[string]string{"a": "tail", "b": "-2", "c": "235959"}}}
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUTF16(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		big  bool
		want string
	}{
		{"4100c4000320", false, "AÄ\u2003"}, {"004100c42003", true, "AÄ\u2003"}, {"3dd800de", false, "😀"},
		{"41003dd8", false, "A\uFFFD"}, // a pair that was cut at the end of a field
		{"", false, ""},
	} {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := sapphone.DecodeUTF16(b, tt.big); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.hex, got, tt.want)
		}
		if !strings.Contains(tt.want, "\uFFFD") {
			if got := hex.EncodeToString(sapphone.EncodeUTF16(tt.want, tt.big)); got != tt.hex {
				t.Errorf("%q: %s, want %s", tt.want, got, tt.hex)
			}
		}
	}
}

func TestRecordCheckReplay(t *testing.T) {
	dir := t.TempDir()
	call := &sapphone.Call{Func: "Z_ADD_PDCALLS", Caller: sapphone.Caller{System: "P01"}, Wanted: []string{"RETCODE"},
		In:     map[string]sapphone.Value{"CAMPAIGN": {Raw: sapphone.EncodeUTF16("Spring", false)}},
		Tables: map[string]sapphone.Table{"CALLS": table(row("4711", "+49 6227 1", "Müller"))}}
	rec := &sapphone.Recorder{Dir: dir}
	h, err := sapphone.NewHandler(&sapphone.HandlerOptions{Recorder: rec, RecordOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var ex *sapphone.ABAPException
	if _, err := h(t.Context(), call); !errors.As(err, &ex) || ex.Key != sapphone.NotImplemented {
		t.Errorf("answer in recorder mode: %v", err)
	}
	read := func() *sapphone.Recording {
		t.Helper()
		all, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		b, err := os.ReadFile(all[0])
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "+49 6227") && !rec.Full || strings.Contains(string(b), "Müller") && !rec.Full {
			t.Errorf("personal data in the recording:\n%s", b)
		}
		r, err := sapphone.ReadRecording(strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := read()
	if v := r.Parameters["CAMPAIGN"]; v.Bytes != 12 || v.Text != "Xxxxxx" || r.Tables["CALLS"].Rows != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := r.Call(); err == nil {
		t.Error("a masked recording was played")
	}
	if got := definitions(t).Check(r); got != nil {
		t.Errorf("check: %v", got)
	}
	other := *r
	other.Wanted = []string{"RC"}
	other.Parameters = map[string]sapphone.RecordedValue{"CAMP": {Bytes: 8}, "CAMPAIGN": {Bytes: 60}}
	other.Tables = map[string]sapphone.RecordedTable{"CALLS": {Width: 200}, "X": {Width: 4}}
	want := []string{"Z_ADD_PDCALLS: parameter CAMP of 8 bytes is not defined", "Z_ADD_PDCALLS: parameter CAMPAIGN has 60 bytes, the definition 40",
		"Z_ADD_PDCALLS: rows of CALLS have 200 bytes, type Z_PDCALL has 176", "Z_ADD_PDCALLS: table X with rows of 4 bytes is not defined", "Z_ADD_PDCALLS: RC is wanted back and not defined"}
	if diff := cmp.Diff(want, definitions(t).Check(&other)); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
	dir = t.TempDir()
	rec = &sapphone.Recorder{Dir: dir, Full: true}
	if err := rec.Record(call); err != nil {
		t.Fatal(err)
	}
	read()
	s := &service{}
	play := &sapphone.Replay{Dir: dir}
	if err := play.Once(t.Context(), handler(t, s)); err != nil {
		t.Fatal(err)
	}
	if len(s.calls) != 1 || s.calls[0].LastName != "Müller" || play.Link().Calls != 1 {
		t.Errorf("played: %+v", s.calls)
	}
	if done, _ := filepath.Glob(filepath.Join(dir, "*.done")); len(done) != 1 {
		t.Error("not marked as done")
	}
	if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := play.Once(t.Context(), handler(t, s)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a.json.failed")); err != nil {
		t.Error(err)
	}
}

// Whatever stands in a recording: it is refused, or makes a call that can be recorded and
// made again.
func FuzzRecording(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-01T00:00:00Z","function":"Z","parameters":{"S":{"bytes":3,"text":"abc","coding":"4110","hex":"616263"},"E":{"text":"","coding":"4103"},"T":{"text":"t"}},"tables":{"T":{"rows":2,"width":4,"sample":[{"row":{"text":"","coding":"4103"}},{"F":{"text":"x"}}]}}}`))
	f.Add([]byte(`{"function":"Z","bigEndian":true,"parameters":{"X":{"text":"","coding":"bytes","hex":"0"}},"tables":{}}`))
	f.Add([]byte(`{"masked":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := sapphone.ReadRecording(bytes.NewReader(b))
		if err != nil {
			return
		}
		c, err := r.Call()
		if err != nil {
			return
		}
		dir := t.TempDir()
		if err := (&sapphone.Recorder{Dir: dir, Full: true}).Record(c); err != nil {
			return // a time that JSON has not
		}
		all, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		stored, err := os.ReadFile(all[0])
		if err != nil {
			t.Fatal(err)
		}
		if r, err = sapphone.ReadRecording(bytes.NewReader(stored)); err != nil {
			t.Fatal(err)
		}
		again, err := r.Call()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.In, again.In); diff != "" {
			t.Errorf("parameters (-call +again):\n%s", diff)
		}
		for name, tab := range c.Tables {
			if again.Tables[name].Rows == nil {
				t.Fatalf("no table %q", name)
			}
			next, stop := iter.Pull2(again.Tables[name].Rows)
			for want, err := range tab.Rows {
				got, err2, _ := next()
				if err != nil || err2 != nil {
					t.Fatal(err, err2)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("row (-call +again):\n%s", diff)
				}
			}
			stop()
		}
	})
}
