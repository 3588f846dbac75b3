//go:build nwrfc && nwrfcstub && cgo

package nwrfc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/sapphone/nwrfc"
	"github.com/connects-go/connects/outboundcsv/sapphone/nwrfc/stubtest"
)

// recordings reads what a recorder wrote.
func recordings(t *testing.T, dir string) (all []*sapphone.Recording) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		f, err := os.Open(n)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sapphone.ReadRecording(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

const everyType = `[{"name":"C","abapType":"CHAR","length":3},{"name":"N","abapType":"NUMC","length":4},{"name":"D","abapType":"DATS"},
	{"name":"T","abapType":"TIMS"},{"name":"I1","abapType":"INT1"},{"name":"I2","abapType":"INT2"},{"name":"I4","abapType":"INT4"},
	{"name":"I8","abapType":"INT8"},{"name":"F","abapType":"FLTP"},{"name":"P","abapType":"DEC","length":3,"decimals":2},{"name":"X","abapType":"RAW","length":3}]`

// everyRow is a row of that type on a Unicode system: places counted by hand.
func everyRow() []byte {
	b := make([]byte, 80)
	copy(b, chars("aÄ😀"[:3], 3))
	copy(b[6:], chars("0042", 4))
	copy(b[14:], chars("20261128", 8))
	copy(b[30:], chars("073800", 6))
	b[42] = 200
	binary.NativeEndian.PutUint16(b[44:], uint16(0xFFFF)) // -1
	binary.NativeEndian.PutUint32(b[48:], 0x80000000)
	binary.NativeEndian.PutUint64(b[56:], 1<<62)
	binary.NativeEndian.PutUint64(b[64:], math.Float64bits(-0.5))
	copy(b[72:], []byte{0x12, 0x34, 0x5d}) // -123.45
	copy(b[75:], []byte{0xde, 0xad, 0x00})
	return b
}

var everyText = map[string]string{"C": "aÄ", "N": "0042", "D": "20261128", "T": "073800", "I1": "200", "I2": "-1", "I4": "-2147483648",
	"I8": "4611686018427387904", "F": "-0.5", "P": "-123.45", "X": "dead00"}

// Every type goes in and out, as a parameter, in a structure and in a row.
func TestEveryType(t *testing.T) {
	fresh(t)
	d, err := sapphone.ParseDefinitions(strings.NewReader(`{"types":{"T":{"fields":` + everyType + `}},"functions":{"Z_ALL":{
		"import":[{"name":"S","type":"T"}],
		"changing":` + strings.TrimSuffix(everyType, "]") + `,{"name":"STR","abapType":"STRING"},{"name":"XSTR","abapType":"XSTRING"}],
		"tables":[{"name":"ROWS","type":"T"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	calls := make(chan *sapphone.Call, 1)
	rows := make(chan map[string]string, 1)
	start(t, func(o *nwrfc.Options) { o.Definitions = d }, func(_ context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		res := &sapphone.Result{Out: map[string]string{}, Tables: map[string][]map[string]string{}}
		for r, err := range c.Tables["ROWS"].Rows {
			if err != nil {
				return nil, err
			}
			rows <- r.Fields
			res.Tables["ROWS"] = append(res.Tables["ROWS"], r.Fields, map[string]string{})
		}
		for n, v := range c.In {
			if n != "S" {
				res.Out[n] = v.Text
			}
		}
		res.Out["STR"] += "€"
		calls <- c
		return res, nil
	})
	c := stubtest.NewCall(program, "Z_ALL")
	t.Cleanup(c.Free)
	b := everyRow()
	c.Import("S", b)
	c.Row("ROWS", b)
	at := map[string][2]int{"C": {0, 6}, "N": {6, 14}, "D": {14, 30}, "T": {30, 42}, "I1": {42, 43}, "I2": {44, 46}, "I4": {48, 52}, "I8": {56, 64}, "F": {64, 72}, "P": {72, 75}, "X": {75, 78}}
	for n, p := range at {
		c.Import(n, b[p[0]:p[1]])
	}
	c.Import("STR", chars("Grüße 😀 ", 0))
	c.Import("XSTR", []byte{1, 0, 255})
	if err := c.Run(within); err != nil {
		t.Fatal(err)
	}
	want := map[string]sapphone.Value{"S": {Raw: b}, "STR": {Text: "Grüße 😀 "}, "XSTR": {Text: "0100ff"}}
	for n, s := range everyText {
		want[n] = sapphone.Value{Text: s}
	}
	if diff := cmp.Diff(want, (<-calls).In); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(everyText, <-rows); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	for n, p := range at {
		if diff := cmp.Diff(b[p[0]:p[1]], c.Export(n)); diff != "" {
			t.Errorf("%s comes back (-want +got):\n%s", n, diff)
		}
	}
	if diff := cmp.Diff([][]byte{chars("Grüße 😀 €", 0), {1, 0, 255}}, [][]byte{c.Export("STR"), c.Export("XSTR")}); diff != "" {
		t.Errorf("strings come back (-want +got):\n%s", diff)
	}
	empty := make([]byte, 80)
	copy(empty, chars("", 3))
	copy(empty[6:], chars("0000", 4))
	copy(empty[14:], chars("", 14))
	empty[74] = 0x0c
	if diff := cmp.Diff([][]byte{b, empty}, c.Rows("ROWS")); diff != "" {
		t.Errorf("rows come back (-want +got):\n%s", diff)
	}
}

// What the SDK cannot describe or convert is an error with the name of the field.
func TestDefinitionThatTheSDKRefuses(t *testing.T) {
	for _, tt := range []struct{ defs, want string }{
		{`{"types":{"T":{"fields":[{"name":"A234567890123456789012345678901","abapType":"CHAR","length":1}]}}}`, "types.T: A234567890123456789012345678901: nwrfc: a name has"},
		{`{"types":{"T":{"fields":[{"name":"P","abapType":"DEC","length":17}]}},"functions":{"F":{"tables":[{"name":"R","type":"T"}]}}}`, "types.T: P: nwrfc: RfcAddTypeField"},
	} {
		stubtest.Reset()
		d, err := sapphone.ParseDefinitions(strings.NewReader(tt.defs))
		if err != nil {
			t.Fatal(err)
		}
		s, err := nwrfc.New(&nwrfc.Options{Gateway: "gw:sapgw00", Program: program, Definitions: d})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(t.Context(), echo); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
		if l := s.Link(); l.State != sapphone.Down || l.Err == nil {
			t.Errorf("%+v", l)
		}
		if live := stubtest.Alive(); live != (stubtest.Live{}) {
			t.Errorf("left: %+v", live)
		}
	}
	stubtest.Reset()
}

// Whatever function of the SDK fails, the call fails with it in SAP, nothing is left, and the
// next call is served.
func TestFunctionsThatFail(t *testing.T) {
	d, err := sapphone.ParseDefinitions(strings.NewReader(`{"types":{"T":{"fields":` + everyType + `}},"functions":{"Z_ALL":{
		"import":[{"name":"S","type":"T"}],"changing":` + strings.TrimSuffix(everyType, "]") + `,{"name":"STR","abapType":"STRING"},{"name":"XSTR","abapType":"XSTRING"}],
		"tables":[{"name":"ROWS","type":"T"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	fresh(t)
	start(t, func(o *nwrfc.Options) { o.Definitions = d }, func(_ context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		res := &sapphone.Result{Out: map[string]string{}, Tables: map[string][]map[string]string{}}
		for r, err := range c.Tables["ROWS"].Rows {
			if err != nil {
				return nil, err
			}
			res.Tables["ROWS"] = append(res.Tables["ROWS"], r.Fields)
		}
		for n, v := range c.In {
			if n != "S" {
				res.Out[n] = v.Text
			}
		}
		return res, nil
	})
	for _, name := range strings.Fields(`RfcGetChars RfcGetNum RfcGetDate RfcGetTime RfcGetInt1 RfcGetInt2 RfcGetInt RfcGetInt8 RfcGetFloat RfcGetString
		RfcGetBytes RfcGetStringLength RfcGetXString RfcGetStructure RfcGetTable RfcGetRowCount RfcMoveTo RfcGetCurrentRow RfcSetChars RfcSetNum RfcSetDate
		RfcSetTime RfcSetInt RfcSetInt8 RfcSetFloat RfcSetString RfcSetBytes RfcSetXString RfcAppendNewRow RfcDeleteAllRows`) {
		call := func() error {
			c := stubtest.NewCall(program, "Z_ALL")
			defer c.Free()
			c.Row("ROWS", everyRow())
			return c.Run(within)
		}
		stubtest.Fault(name)
		var f *stubtest.Failure
		if err := call(); !errors.As(err, &f) || !strings.HasSuffix(f.Text, ": "+name) {
			t.Errorf("%s: %v", name, err)
		}
		stubtest.Fault("")
		if err := call(); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	stubtest.Fault("RfcGetConnectionAttributes") // who calls is good to know, not more
	c := stubtest.NewCall(program, "Z_ALL")
	defer c.Free()
	if err := c.Run(within); err != nil {
		t.Error(err)
	}
}

// lists keeps the lists that are uploaded.
type lists struct {
	sapphone.Service
	got chan sapphone.Delivery
	ids chan []outboundcsv.PlannedCall
}

func (l *lists) Upload(_ context.Context, d sapphone.Delivery) (sapphone.Accepted, error) {
	var all []outboundcsv.PlannedCall
	for c, err := range d.Rows {
		if err != nil {
			return sapphone.Accepted{}, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return sapphone.Accepted{}, sapphone.ErrBusy
	}
	d.Rows = nil
	l.got <- d
	l.ids <- all
	return sapphone.Accepted{Rows: len(all), Rejected: 1, Rejects: []sapphone.Rejected{{ID: all[0].ID, Codes: []outboundcsv.Code{"E_PHONE"}}}}, nil
}

const uploadDefinitions = `{"types":{
	"Z_PDCALL":{"lengthChars":34,"fields":[{"name":"ID","abapType":"CHAR","length":10},{"name":"LAST","abapType":"CHAR","length":12},{"name":"TELNO","abapType":"CHAR","length":12}]},
	"Z_REJECT":{"fields":[{"name":"ID","abapType":"CHAR","length":10},{"name":"CODE","abapType":"CHAR","length":7}]}},
	"functions":{"Z_UPLOAD":{"import":[{"name":"CAMPAIGN","abapType":"CHAR","length":10}],"export":[{"name":"RC","abapType":"NUMC","length":3}],
		"tables":[{"name":"CALLS","type":"Z_PDCALL"},{"name":"BAD","type":"Z_REJECT"}],"exceptions":["TRY_AGAIN"]}},
	"mapping":{"Z_UPLOAD":{"operation":"upload","campaign":"CAMPAIGN","rows":"CALLS","row":{"id":"ID","lastName":"LAST","phones":["TELNO"]},
		"result":{"ok":{"RC":"0"},"failed":{"RC":"20"}},"exception":{"busy":"TRY_AGAIN"},"rejects":{"table":"BAD","id":"ID","code":"CODE"}}}}`

// The definition-driven handler and the recorder work as with every transport, and the
// recording can be played.
func TestUploadThroughDefinitions(t *testing.T) {
	fresh(t)
	d, err := sapphone.ParseDefinitions(strings.NewReader(uploadDefinitions))
	if err != nil {
		t.Fatal(err)
	}
	l := &lists{got: make(chan sapphone.Delivery, 2), ids: make(chan []outboundcsv.PlannedCall, 2)}
	rec := &sapphone.Recorder{Dir: t.TempDir(), Full: true}
	h, err := sapphone.NewHandler(&sapphone.HandlerOptions{Definitions: d, Service: l, Recorder: rec})
	if err != nil {
		t.Fatal(err)
	}
	start(t, func(o *nwrfc.Options) { o.Definitions = d }, h)
	upload := func(rows ...[]byte) *stubtest.Call {
		c := stubtest.NewCall(program, "Z_UPLOAD")
		t.Cleanup(c.Free)
		c.Import("CAMPAIGN", chars("Spring", 10))
		for _, r := range rows {
			c.Row("CALLS", r)
		}
		return c
	}
	c := upload(join(chars("0000000001", 10), chars("Müller", 12), chars("+4930123456", 12)), join(chars("2", 10), chars("", 12), chars("+4930654321", 12)))
	if err := c.Run(within); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]byte{chars("000", 3), join(chars("0000000001", 10), chars("E_PHONE", 7))}, append([][]byte{c.Export("RC")}, c.Rows("BAD")...)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sapphone.Delivery{System: "A4H", Client: "001", Campaign: "Spring"}, <-l.got); diff != "" {
		t.Errorf("delivery (-want +got):\n%s", diff)
	}
	want := []outboundcsv.PlannedCall{{ID: "0000000001", LastName: "Müller", Phones: []outboundcsv.Phone{{Number: "+4930123456"}}}, {ID: "2", Phones: []outboundcsv.Phone{{Number: "+4930654321"}}}}
	if diff := cmp.Diff(want, <-l.ids); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	var ex *stubtest.Exception
	if err := upload().Run(within); !errors.As(err, &ex) || ex.Key != "TRY_AGAIN" {
		t.Errorf("%v", err)
	}
	all := recordings(t, rec.Dir)
	if len(all) != 2 {
		t.Fatalf("%d recordings", len(all))
	}
	if diff := cmp.Diff([]string(nil), d.Check(all...)); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
	again, err := all[0].Call()
	if err != nil {
		t.Fatal(err)
	}
	if res, err := h(t.Context(), again); err != nil || res.Out["RC"] != "0" {
		t.Errorf("played again: %+v %v", res, err)
	}
	if diff := cmp.Diff(want, <-l.ids); diff != "" {
		t.Errorf("rows, played again (-want +got):\n%s", diff)
	}
}
