package outboundcsv_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
)

// collect reads all calls; the last one says how it ended.
func collect(calls iter.Seq2[outboundcsv.PlannedCall, error]) (out []outboundcsv.PlannedCall, end string) {
	for c, err := range calls {
		if err != nil {
			return out, fmt.Sprintf("%T: %v", err, err)
		}
		out = append(out, c)
	}
	return out, ""
}

var lists = []string{
	"", " ", "[", "[]", " [ ] ", "[] x", "{}", "[{}]", "[{},{}]", "[{},]", "[,{}]", "[{} {}]", "[{}}", "[{},{}}", "[}", "}", " :", "null", "[null]", "[[]]", "[1]", `["a"]`,
	`[{"id":"1","action":"add","firstName":"Jürgen","lastName":"Müller","phones":[{"number":"+49 6227 747474","ext":""},{"ext":"1"},{}],"timeZone":"Europe/Berlin","bias":-60,"dst":true,"custom":{"A":"b","C":"d"}}, {"id" : "2" , "phones" : [ ] , "custom" : { } }` + "\r\n\t ]\n ",
	`[{"id":"\u0041\n\"\\\/\b\f\r\té"}]`, `[{"id":"\ud834\udd1e"}]`, `[{"id":"\ud834"}]`, `[{"id":"\u00zz"}]`, `[{"id":"\x"}]`, `[{"id":"` + "\xff" + `"}]`, "[{\"id\":\"a\tb\"}]",
	`[{"ID":"1"}]`, `[{"\u0069d":"1"}]`, `[{"id":"1","id":"2"}]`, `[{"phones":[{"number":"1"}],"phones":[{"ext":"2"}]}]`, `[{"phones":[{"number":"1","number":"2"}]}]`, `[{"id":null}]`, `[{"phones":null,"custom":null,"bias":null,"dst":null}]`,
	`[{"id":"1"},{"id":"2","action":"delete"},{"id":"3","action":"drop"}]`, `[{"id":"1"},{"id":2}]`, `[{"id":"1"}, {"id":"2","phones":[{"number":7}]}]`, `[{"id":"1"},{"id":"2"},{"id":x}]`, `[{"id":"1"},{"other":"2"}]`,
	`[{"bias":0},{"bias":-0},{"bias":720}]`, `[{"bias":01}]`, `[{"bias":1.5}]`, `[{"bias":1e2}]`, `[{"bias":99999999999999999999}]`, `[{"bias":1234567}]`, `[{"bias":-}]`, `[{"dst":false},{"dst":tru}]`, `[{"dst":1}]`,
	`[{"custom":{"a":"1","a":"2"}}]`, `[{"custom":{"a":1}}]`, `[{"id":"1"}] []`, `[{"id":"1"}`, `[{"id":"1"},`, `[{"id":"1`, `[{"id":"1"},{"id":"2\`, `[{"id":"1"}]` + "\x00", "\ufeff[]",
	`[{"id":"1"},{"id":"` + strings.Repeat("x", 70<<10) + `"},{"id":"3"},{"id":4}]`, `[` + strings.Repeat(" ", 70<<10) + `{"id":"1"}]`, `[{"id":"` + strings.Repeat("x", 300<<10) + `"}]`,
	`[` + strings.Repeat(`{"id":"4711","firstName":"J","phones":[{"number":"1"}]},`, 1500) + `{"id":"last"},{"ID":"other"}]`,
	`[` + strings.Repeat(`{"id":"4711","firstName":"J","phones":[{"number":"1"}]},`, 1500) + `{"id":"last",}]`,
}

// TestReadCallsIsWhatJSONSays compares the short way with encoding/json, for lists that come at
// once, a byte at a time, and with an error in the end.
func TestReadCallsIsWhatJSONSays(t *testing.T) {
	broken := errors.New("line is cut")
	for _, in := range lists {
		for name, reader := range map[string]func() io.Reader{
			"whole":          func() io.Reader { return strings.NewReader(in) },
			"bytes":          func() io.Reader { return iotest.OneByteReader(strings.NewReader(in)) },
			"data and error": func() io.Reader { return iotest.DataErrReader(strings.NewReader(in)) },
			"cut":            func() io.Reader { return io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)) },
		} {
			if name == "bytes" && len(in) > 10_000 {
				continue // takes long
			}
			want, wantEnd := collect(outboundcsv.DecodeCalls(reader()))
			got, end := collect(outboundcsv.ReadCalls(reader()))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %.100q: calls (-want +got):\n%s", name, in, diff)
			}
			if end != wantEnd {
				t.Errorf("%s %.100q: ends with %s, want %s", name, in, end, wantEnd)
			}
		}
	}
}

func FuzzReadCalls(f *testing.F) {
	for _, in := range lists {
		if len(in) < 1000 {
			f.Add(in)
		}
	}
	f.Fuzz(func(t *testing.T, in string) {
		want, wantEnd := collect(outboundcsv.DecodeCalls(strings.NewReader(in)))
		got, end := collect(outboundcsv.ReadCalls(iotest.HalfReader(strings.NewReader(in))))
		if diff := cmp.Diff(want, got); diff != "" || end != wantEnd {
			t.Errorf("%q ends with %s, want %s; calls (-want +got):\n%s", in, end, wantEnd, diff)
		}
		var whole *json.SyntaxError
		_, err := collectErr(outboundcsv.ReadCalls(strings.NewReader(in)))
		if se, ok := err.(*outboundcsv.SyntaxError); ok && strings.HasPrefix(se.Msg, "invalid character ") &&
			errors.As(json.Unmarshal([]byte(in), new(any)), &whole) && se.Offset != whole.Offset-1 {
			t.Errorf("%q: %v; of the whole input encoding/json says byte %d", in, err, whole.Offset-1)
		}
	})
}

// TestSyntaxErrorsNameTheByte: counted by hand.
func TestSyntaxErrorsNameTheByte(t *testing.T) {
	for _, tt := range []struct {
		in   string
		row  int
		from int64 // the error is at one of these bytes
		to   int64
	}{
		{`[{"id":x}]`, 1, 7, 7},
		{`[{"id":"1"},{"id":"2"},{"id":x}]`, 3, 29, 29},
		{`[{"id":"1"},{"id":"2"},` + "\n" + ` {"id":x}]`, 3, 31, 31},
		{`[{"ID":"1"},{"ID":"2"} ,` + "\n" + ` {"id":x}]`, 3, 32, 32},
		{`[{"id":"1"} {"id":"2"}]`, 2, 12, 12},
		{`x`, 0, 0, 0},
		{` }`, 0, 1, 1},
		{"\r\n nulx", 0, 3, 6},
		{`[{},{}}`, 3, 6, 6},
		{`[}`, 1, 1, 1},
		{`[,`, 1, 1, 1},
		{`[{} }`, 2, 4, 4},
		{` [ {} , } ]`, 2, 8, 8},
		{"[{}] \n x", 2, 5, 7},
		{`[{"id":"1"},{"id":"2"},{"id":3}]`, 3, 28, 30},
		{`[{"id":1}]`, 1, 6, 8},
		{`[{"ID":"1"},{"id":"2"},{"id":"3","bias":"4"}]`, 3, 39, 43},
		{`[{"id":"1"},{"id":"2"`, 2, 21, 21},
		{`[{"id":"1"}, `, 2, 13, 13},
		{` [`, 1, 2, 2},
		{"  ", 0, 2, 2},
		{`[` + strings.Repeat(`{"id":"4711"},`, 10_000) + `{"id":"x`, 10_001, 140_009, 140_009},
		{`[` + strings.Repeat(`{"id":"4711"},`, 10_000) + `{"id":x}]`, 10_001, 140_007, 140_007},
	} {
		_, err := collectErr(outboundcsv.ReadCalls(strings.NewReader(tt.in)))
		var se *outboundcsv.SyntaxError
		if !errors.As(err, &se) || se.Row != tt.row || se.Offset < tt.from || se.Offset > tt.to {
			t.Errorf("%.60s: error %v, want one in planned call %d at byte %d to %d", tt.in, err, tt.row, tt.from, tt.to)
		}
	}
}

func collectErr(calls iter.Seq2[outboundcsv.PlannedCall, error]) (n int, last error) {
	for _, err := range calls {
		if last = err; err == nil {
			n++
		}
	}
	return n, last
}
