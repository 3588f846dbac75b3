package cpic_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/sapphone/cpic"
)

// A call by hand from the layouts of the reference on the RFC transport (sections 2.3 and
// 3.1): function Z_S; S a STRING of 7 bytes in UTF-8 (Grüße with a blank at the end), E an
// empty one, C CHAR 2 = `Ä `, I INT4 = 258, X XSTRING 00FF41; table T of CHAR 2 with three
// rows, the last of which lost all of its trailing blanks. L is for code page 4103, B 4102.
const (
	vectorStringL = `050200000502 0102 0006 5a005f005300 0102 051200000512
0201 0002 5300 0201 0203 0008 4772c3bcc39f6520 0203
0201 0002 4500 0201 0203 0000 0203
0201 0002 4300 0201 0203 0004 c4002000 0203
0201 0002 4900 0201 0203 0004 02010000 0203
0201 0002 5800 0201 0203 0003 00ff41 0203
0301 0002 5400 0301 0330 0004 00000001 0330 0302 0008 00000004 00000003 0302
0304 0004 44004500 0304 0304 0002 4400 0304 0304 0000 0304 ffff0000ffff`
	vectorStringB = `050200000502 0102 0006 005a005f0053 0102 051200000512
0201 0002 0053 0201 0203 0008 4772c3bcc39f6520 0203
0201 0002 0045 0201 0203 0000 0203
0201 0002 0043 0201 0203 0004 00c40020 0203
0201 0002 0049 0201 0203 0004 00000102 0203
0201 0002 0058 0201 0203 0003 00ff41 0203
0301 0002 0054 0301 0330 0004 00000001 0330 0302 0008 00000004 00000003 0302
0304 0004 00440045 0304 0304 0002 0044 0304 0304 0000 0304 ffff0000ffff`
)

const stringDefinition = `{"types":{"Z_R":{"lengthChars":2,"fields":[{"name":"A","abapType":"CHAR","length":2}]}},
"functions":{"Z_S":{"import":[{"name":"S","abapType":"STRING"},{"name":"E","abapType":"STRING"},{"name":"C","abapType":"CHAR","length":2},{"name":"I","abapType":"INT4"},{"name":"X","abapType":"XSTRING"}],"tables":[{"name":"T","type":"Z_R"}]}}}`

// played is what a handler gets of a call.
type played struct {
	In   map[string]sapphone.Value
	Rows map[string][]sapphone.Row
	Big  bool
	Func string
}

func play(t *testing.T, c *sapphone.Call) played {
	t.Helper()
	p := played{c.In, map[string][]sapphone.Row{}, c.Big, c.Func}
	for name, tab := range c.Tables {
		for r, err := range tab.Rows {
			if err != nil {
				t.Fatal(err)
			}
			p.Rows[name] = append(p.Rows[name], r)
		}
	}
	return p
}

func recordingIn(t *testing.T, dir string) *sapphone.Recording {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	b, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := sapphone.ReadRecording(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRecordedCallsAreTheSame(t *testing.T) {
	defs, err := sapphone.ParseDefinitions(strings.NewReader(stringDefinition))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		vector string
		big    bool
		defs   *sapphone.Definitions
		page   string
		number sapphone.RecordedValue
	}{
		"4103, unknown function": {vectorStringL, false, nil, "4103", sapphone.RecordedValue{Bytes: 4, Text: "02010000", Coding: "bytes", Hex: "02010000"}},
		"4103, defined":          {vectorStringL, false, defs, "4103", sapphone.RecordedValue{Bytes: 4, Text: "258", Coding: "bytes", Hex: "02010000"}},
		"4102, unknown function": {vectorStringB, true, nil, "4102", sapphone.RecordedValue{Bytes: 4, Text: "00000102", Coding: "bytes", Hex: "00000102"}},
		"4102, defined":          {vectorStringB, true, defs, "4102", sapphone.RecordedValue{Bytes: 4, Text: "258", Coding: "bytes", Hex: "00000102"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := cpic.ReadCall(bytes.NewReader(unhex(t, tt.vector)), tt.big, t.TempDir(), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			rec := &sapphone.Recorder{Dir: t.TempDir(), Full: true}
			h, err := sapphone.NewHandler(&sapphone.HandlerOptions{Definitions: tt.defs, Recorder: rec, RecordOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = h(t.Context(), r.Call()) // refused: it only records
			stored := recordingIn(t, rec.Dir)
			text := hex.EncodeToString([]byte("Grüße "))
			char := map[string]string{"4103": "c4002000", "4102": "00c40020"}[tt.page]
			empty := sapphone.RecordedValue{Coding: tt.page}
			if tt.defs != nil {
				empty.Coding = "4110"
			}
			want := map[string]sapphone.RecordedValue{
				"S": {Bytes: 8, Text: "Grüße ", Coding: "4110", Hex: text}, "E": empty, "C": {Bytes: 4, Text: "Ä", Coding: tt.page, Hex: char},
				"I": tt.number, "X": {Bytes: 3, Text: "00ff41", Coding: "bytes", Hex: "00ff41"},
			}
			if diff := cmp.Diff(want, stored.Parameters); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
			again, err := stored.Call()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(play(t, r.Call()), play(t, again)); diff != "" {
				t.Errorf("played again (-as it came +played):\n%s", diff)
			}
		})
	}
}

// A recording of a version that did not write codings is played as before.
func TestOldRecordings(t *testing.T) {
	r, err := sapphone.ReadRecording(strings.NewReader(`{"time":"2026-01-01T00:00:00Z","function":"Z","parameters":{"A":{"bytes":2,"text":"x","hex":"7800"},"B":{"text":"y"}},
		"tables":{"T":{"rows":2,"sample":[{"row":{"bytes":2,"text":"x","hex":"7800"}},{"F":{"text":"z"}}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Call()
	if err != nil {
		t.Fatal(err)
	}
	want := played{map[string]sapphone.Value{"A": {Raw: []byte("x\x00")}, "B": {Text: "y"}},
		map[string][]sapphone.Row{"T": {{Raw: []byte("x\x00")}, {Fields: map[string]string{"F": "z"}}}}, false, "Z"}
	if diff := cmp.Diff(want, play(t, c)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
