package outboundcsv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
)

func TestReaderReadsWhatTheExporterWrites(t *testing.T) {
	calls := `[{"id":"007","firstName":"Zoë","lastName":"Müller","phones":[{"number":"+41 31 555 12 34"},{"number":"1"}]},{"id":"8","lastName":"Ö","phones":[{"number":"2"}]}]`
	want := [][]string{{"007", "Zoë", "Müller", "0041315551234", "1", ""}, {"8", "", "Ö", "2", "", ""}}
	fixed := `"columns":[{"type":"AccountNumber","width":10},{"type":"FirstName","width":10},{"type":"LastName","width":10},{"type":"Phone01","width":20},{"type":"Phone02","width":20},{"type":"Phone03","width":20}]`
	for _, profile := range []string{
		`{}`, `{"format":"pipe","header":true,"lineEnd":"lf"}`, `{"format":"custom","delimiter":";","encoding":"utf-8","finalLineEnd":false}`,
		`{"encoding":"utf-16le","header":true}`, `{"encoding":"iso-8859-1"}`, `{"format":"fixed",` + fixed + `}`, `{"format":"fixed","encoding":"utf-16le","header":true,` + fixed + `}`,
	} {
		file, _, _ := export(t, profile, calls)
		p, err := outboundcsv.ParseProfile([]byte(profile))
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for row, err := range outboundcsv.ReadRows(p, strings.NewReader(file)) {
			if err != nil {
				t.Fatalf("%s: %v", profile, err)
			}
			got = append(got, row)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", profile, diff)
		}
	}
}

func TestReaderNamesTheRow(t *testing.T) {
	for _, tt := range []struct {
		profile, file string
		row           int
	}{
		{`{}`, "1,2,3,4,5,6\r\n1,2\r\n", 2},
		{`{"header":true}`, "a,b\r\n", 1},
		{`{"encoding":"utf-16le"}`, "1,2\r\n", 1},
		{`{"encoding":"ascii"}`, "1,2,3,4,5,\xfc\r\n", 1},
		{`{"format":"fixed","columns":[{"type":"Phone01","width":5}]}`, "12345\r\n1234\r\n", 2},
		{`{"format":"fixed","columns":[{"type":"Phone01","width":5}]}`, "123456\r\n", 1},
		{`{}`, "1,2,3,4,5,6\r\n" + strings.Repeat("x", 20<<10), 2},
	} {
		p, err := outboundcsv.ParseProfile([]byte(tt.profile))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range outboundcsv.ReadRows(p, strings.NewReader(tt.file)) {
			err = e
		}
		var fe *outboundcsv.FormatError
		if !errors.As(err, &fe) || fe.Row != tt.row {
			t.Errorf("%.30q: error %v, want one for row %d", tt.file, err, tt.row)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add("1,2,3,4,5,6\r\n")
	f.Fuzz(func(t *testing.T, file string) {
		for _, err := range outboundcsv.ReadRows(outboundcsv.DefaultProfile(), strings.NewReader(file)) {
			if err != nil {
				return
			}
		}
	})
}

func ExampleWriteDoNotCall() {
	var out bytes.Buffer
	n, err := outboundcsv.WriteDoNotCall(&out, outboundcsv.DefaultProfile(), slices.Values([]string{"+41 31 555 12 34", "0800-FLOWERS"}),
		func(number string, c outboundcsv.Code) { fmt.Println(c) })
	fmt.Printf("%d %v %q\n", n, err, out.String())
	// Output:
	// W_PHONE_INVALID
	// 1 <nil> "0041315551234\r\n"
}

func ExampleExport() {
	calls := `[{"id":"4711","firstName":"Jürgen","lastName":"Müller","phones":[{"number":"+49 6227 747474"}],"timeZone":"Europe/Berlin"}]`
	p, err := outboundcsv.ParseProfile([]byte(`{"format":"pipe","encoding":"utf-8","columns":[{"type":"AccountNumber"},{"type":"LastName"},{"type":"Phone01"},{"type":"TimeZoneBias"},{"type":"DstObserved"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var out bytes.Buffer
	res, err := outboundcsv.Export(context.Background(), p, outboundcsv.ReadCalls(strings.NewReader(calls)), &out, nil)
	fmt.Printf("%d %v %q\n", res.Written, err, out.String())
	// Output:
	// 1 <nil> "4711|Müller|00496227747474|-60|true\r\n"
}
