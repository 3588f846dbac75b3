package outboundcsv_test

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
)

// export runs a list through a profile and returns the file and the codes by id.
func export(t *testing.T, profile, calls string) (string, map[string][]outboundcsv.Code, outboundcsv.Result) {
	t.Helper()
	p, err := outboundcsv.ParseProfile([]byte(profile))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	codes := map[string][]outboundcsv.Code{}
	res, err := outboundcsv.Export(t.Context(), p, outboundcsv.ReadCalls(strings.NewReader(calls)), &out, &outboundcsv.Options{
		SpoolDir: t.TempDir(),
		Now:      func() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) },
		Row: func(id string, c []outboundcsv.Code, rejected bool) error {
			if rejected != slices.ContainsFunc(c, outboundcsv.Code.Rejects) {
				t.Errorf("id %s: rejected=%v with codes %v", id, rejected, c)
			}
			codes[id] = c
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), codes, res
}

type codes = []outboundcsv.Code

// TestRules has one or more lines for each rule; want is the file with | for
// the line end. The expected rows are written by hand from the rules.
func TestRules(t *testing.T) {
	acc := `"columns":[{"type":"AccountNumber"},{"type":"Phone01"}]`
	name := `"columns":[{"type":"AccountNumber"},{"type":"LastName"},{"type":"Phone01"}]`
	for _, tt := range []struct {
		name, profile, calls, want string
		codes                      map[string]codes
	}{
		{"1 order is kept", `{` + acc + `}`, `[{"id":"9","phones":[{"number":"1"}]},{"id":"1","phones":[{"number":"2"}]}]`, "9,1|1,2|", nil},
		{"2 later content wins at the first place", `{` + acc + `}`, `[{"id":"1","phones":[{"number":"11"}]},{"id":"2","phones":[{"number":"22"}]},{"id":"1","phones":[{"number":"33"}]}]`, "1,33|2,22|", map[string]codes{"1": {outboundcsv.DuplicateID}}},
		{"2 same number under two ids stays", `{` + acc + `}`, `[{"id":"1","phones":[{"number":"11"}]},{"id":"2","phones":[{"number":"11"}]}]`, "1,11|2,11|", nil},
		{"2 a deletion takes the row out", `{` + acc + `}`, `[{"id":"1","phones":[{"number":"11"}]},{"id":"2","phones":[{"number":"22"}]},{"id":"1","action":"delete"},{"id":"7","action":"delete"}]`, "2,22|", nil},
		{"3 id is trimmed, zeros kept", `{` + acc + `}`, `[{"id":"  007 ","phones":[{"number":"1"}]}]`, "007,1|", nil},
		{"3 empty id", `{` + acc + `}`, `[{"id":" ","phones":[{"number":"1"}]}]`, "", map[string]codes{"": {outboundcsv.AccountMissing}}},
		{"3 delimiter in the id", `{` + acc + `}`, `[{"id":"a,b","phones":[{"number":"1"}]}]`, "", map[string]codes{"a,b": {outboundcsv.AccountInvalid}}},
		{"3 comma in the id of a pipe file", `{"format":"pipe",` + acc + `}`, `[{"id":"a,b","phones":[{"number":"1"}]}]`, "a,b¦1|", nil},
		{"3 id of 31 characters", `{` + acc + `}`, `[{"id":"1234567890123456789012345678901","phones":[{"number":"1"}]}]`, "", map[string]codes{"1234567890123456789012345678901": {outboundcsv.AccountTooLong}}},
		{"4a full-width digits", `{` + acc + `}`, `[{"id":"1","phones":[{"number":"０４１"}]}]`, "1,041|", nil},
		{"4b (0) after a plus goes", `{"phone":{"countryCode":"41"},` + acc + `}`, `[{"id":"1","phones":[{"number":" +41 (0)31 555-12–34"}]}]`, "1,0315551234|", nil},
		{"4c parentheses without plus are only removed", `{` + acc + `}`, `[{"id":"1","phones":[{"number":"(031) 555.12/34"}]}]`, "1,0315551234|", nil},
		{"4d foreign number", `{"phone":{"countryCode":"41"},` + acc + `}`, `[{"id":"1","phones":[{"number":"+49 6227 747474"}]}]`, "1,00496227747474|", nil},
		{"4d no international prefix", `{"phone":{"internationalPrefix":""},` + acc + `}`, `[{"id":"1","phones":[{"number":"+49622774"}]}]`, "", map[string]codes{"1": {outboundcsv.NoPhone, outboundcsv.PhoneInvalid}}},
		{"4e letters are not translated", `{` + acc + `}`, `[{"id":"1","phones":[{"number":"0800FLOWERS"},{"number":"*12#"},{"number":""}]}]`, "1,*12#|", map[string]codes{"1": {outboundcsv.PhoneInvalid}}},
		{"4f long number is dropped", `{"phone":{"dialPrefix":"9"},` + acc + `}`, `[{"id":"1","phones":[{"number":"12345678901234567890"},{"number":"1234567890123456789"}]}]`, "1,91234567890123456789|", map[string]codes{"1": {outboundcsv.PhoneTooLong}}},
		{"4g number twice", `{}`, `[{"id":"1","phones":[{"number":"1"},{"number":" 1"},{"number":"2"}]}]`, "1,,,1,2,|", map[string]codes{"1": {outboundcsv.PhoneDuplicate}}},
		{"4h too many numbers", `{` + acc + `}`, `[{"id":"1","phones":[{"number":"1"},{"number":"2"}]}]`, "1,1|", map[string]codes{"1": {outboundcsv.PhonesDropped}}},
		{"4i no number", `{` + acc + `}`, `[{"id":"1"}]`, "", map[string]codes{"1": {outboundcsv.NoPhone}}},
		{"5 extension stays with its number", `{"columns":[{"type":"AccountNumber"},{"type":"Phone01"},{"type":"PhoneExt01"},{"type":"Phone02"},{"type":"PhoneExt02"}]}`, `[{"id":"1","phones":[{"number":"x"},{"number":"1","ext":"12"},{"number":"2","ext":"123456789"}]}]`, "1,1,12,2,|", map[string]codes{"1": {outboundcsv.ExtIgnored, outboundcsv.PhoneInvalid}}},
		{"5 no column for it", `{` + acc + `}`, `[{"id":"1","phones":[{"number":"1","ext":"12"}]}]`, "1,1|", map[string]codes{"1": {outboundcsv.ExtIgnored}}},
		{"6 delimiter, quote, control, runs", `{` + name + `}`, `[{"id":"1","lastName":"  Meier,\tJr. \u0022Bob\u0022\n ","phones":[{"number":"1"}]}]`, "1,Meier Jr. 'Bob',1|", map[string]codes{"1": {outboundcsv.Sanitized}}},
		{"6 only blanks are no replacement", `{` + name + `}`, `[{"id":"1","lastName":" a  b ","phones":[{"number":"1"}]}]`, "1,a b,1|", nil},
		{"6 composed", `{` + name + `}`, `[{"id":"1","lastName":"Mu\u0308ller","phones":[{"number":"1"}]}]`, "1,M\xfcller,1|", nil},
		{"7 replaced", `{` + name + `}`, `[{"id":"1","lastName":"Łuk𝄞","phones":[{"number":"1"}]}]`, "1,?uk?,1|", map[string]codes{"1": {outboundcsv.Charset}}},
		{"7 rejected", `{"onUnmappable":"reject",` + name + `}`, `[{"id":"1","lastName":"Ł","phones":[{"number":"1"}]}]`, "", map[string]codes{"1": {outboundcsv.Encoding}}},
		{"8 cut at 50, blanks removed", `{` + name + `}`, `[{"id":"1","lastName":"` + strings.Repeat("x", 49) + ` y","phones":[{"number":"1"}]}]`, "1," + strings.Repeat("x", 49) + ",1|", map[string]codes{"1": {outboundcsv.Truncated}}},
		{"8 a pair is not split", `{"encoding":"utf-8","columns":[{"type":"Custom","name":"C","width":2},{"type":"Phone01"}]}`, `[{"id":"1","custom":{"C":"a𝄞"},"phones":[{"number":"1"}]}]`, "a,1|", map[string]codes{"1": {outboundcsv.Truncated}}},
		{"9 zones", `{"columns":[{"type":"AccountNumber"},{"type":"Phone01"},{"type":"TimeZoneBias"},{"type":"DstObserved"}]}`,
			`[{"id":"1","timeZone":"Europe/Berlin","phones":[{"number":"1"}]},{"id":"2","timeZone":"America/New_York","phones":[{"number":"1"}]},{"id":"3","timeZone":"Europe/Dublin","phones":[{"number":"1"}]},{"id":"4","bias":300,"phones":[{"number":"1"}]},{"id":"5","timeZone":"Asia/Tokyo","bias":-60,"dst":true,"phones":[{"number":"1"}]},{"id":"6","phones":[{"number":"1"}]},{"id":"7","timeZone":"Nowhere/Land","phones":[{"number":"1"}]},{"id":"8","timeZone":"Pacific/Kiritimati","phones":[{"number":"1"}]},{"id":"9","dst":true,"phones":[{"number":"1"}]}]`,
			"1,1,-60,true|2,1,300,true|3,1,0,true|4,1,300,false|5,1,-60,true|6,1,,|", map[string]codes{"7": {outboundcsv.ZoneUnknown}, "8": {outboundcsv.ZoneRange}, "9": {outboundcsv.ZoneDST}}},
		{"9 zones without columns are not looked at", `{` + acc + `}`, `[{"id":"1","timeZone":"Nowhere","phones":[{"number":"1"}]}]`, "1,1|", nil},
		{"10 long row", `{"columns":[{"type":"AccountNumber"},{"type":"Phone01"},{"type":"Custom","name":"A","width":1024}]}`, `[{"id":"1","phones":[{"number":"1"}],"custom":{"A":"` + strings.Repeat("x", 1021) + `"}},{"id":"2","phones":[{"number":"1"}],"custom":{"A":"` + strings.Repeat("x", 1020) + `"}}]`, "2,1," + strings.Repeat("x", 1020) + "|", map[string]codes{"1": {outboundcsv.RowTooLong}}},
		{"11 without final line end", `{"finalLineEnd":false,` + acc + `}`, `[{"id":"1","phones":[{"number":"1"}]},{"id":"2","phones":[{"number":"2"}]}]`, "1,1|2,2", nil},
		{"11 header", `{"header":true,"columns":[{"type":"AccountNumber"},{"type":"Phone01"},{"type":"Custom","name":"Segment","width":3}]}`, `[{"id":"1","phones":[{"number":"1"}]}]`, "AccountNumber,Phone01,Segment|1,1,|", nil},
		{"12 bad rows do not stop the list", `{` + acc + `}`, `[{"id":"","phones":[{"number":"1"}]},{"id":"2","phones":[{"number":"2"}]}]`, "2,2|", map[string]codes{"": {outboundcsv.AccountMissing}}},
		{"14 formula characters stay", `{` + name + `}`, `[{"id":"1","lastName":"=SUM(A1)","phones":[{"number":"1"}]}]`, "1,=SUM(A1),1|", nil},
		{"fixed pads", `{"format":"fixed","columns":[{"type":"AccountNumber","width":4},{"type":"LastName","width":5},{"type":"Phone01","width":6}]}`, `[{"id":"1","lastName":"Müller, X","phones":[{"number":"123"}]},{"id":"12345","phones":[{"number":"1"}]},{"id":"3","phones":[{"number":"1234567"}]}]`, "1   M\xfclle123   |",
			map[string]codes{"1": {outboundcsv.Truncated}, "12345": {outboundcsv.AccountTooLong}, "3": {outboundcsv.NoPhone, outboundcsv.PhoneTooLong}}},
		{"utf-16le has a mark", `{"encoding":"utf-16le","lineEnd":"lf","columns":[{"type":"Phone01"}]}`, `[{"id":"1","phones":[{"number":"12"}]}]`, "\xff\xfe1\x002\x00\n\x00", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, codes, _ := export(t, tt.profile, tt.calls)
			want := tt.want
			if !strings.Contains(tt.profile, "utf-16le") {
				want = strings.ReplaceAll(strings.ReplaceAll(want, "|", "\r\n"), "¦", "|")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			if len(codes) == 0 {
				codes = nil
			}
			if diff := cmp.Diff(tt.codes, codes); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListCodes(t *testing.T) {
	for _, tt := range []struct {
		name, calls string
		want        outboundcsv.Result
	}{
		{"nothing came", `[]`, outboundcsv.Result{Codes: codes{outboundcsv.EmptyList}}},
		{"all rejected", `[{"id":"1"}]`, outboundcsv.Result{Received: 1, Rejected: 1, Codes: codes{outboundcsv.AllRejected, outboundcsv.EmptyList}}},
		{"all taken out", `[{"id":"1","phones":[{"number":"1"}]},{"id":"1","action":"delete"}]`, outboundcsv.Result{Received: 2, Deleted: 1, Codes: codes{outboundcsv.EmptyList}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, _, res := export(t, `{}`, tt.calls)
			if file != "" {
				t.Errorf("file %q, want none", file)
			}
			if diff := cmp.Diff(tt.want, res); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBrokenProfilesNameTheKey(t *testing.T) {
	for _, tt := range []struct{ profile, key string }{
		{`{"fromat":"comma"}`, "fromat"},
		{`{"format":"tab"}`, "format"},
		{`{"format":"custom","delimiter":"5"}`, "delimiter"},
		{`{"format":"custom","delimiter":";;"}`, "delimiter"},
		{`{"format":"custom","delimiter":"→"}`, "delimiter"},
		{`{"format":"custom","delimiter":"?"}`, "delimiter"},
		{`{"header":true,"columns":[{"type":"Phone01"},{"type":"Custom","name":"Ł","width":1}]}`, "columns[1].name"},
		{`{"format":"fixed"}`, "columns[0].width"},
		{`{"format":"fixed","encoding":"utf-8","columns":[{"type":"Phone01","width":5}]}`, "encoding"},
		{`{"columns":[{"type":"Phone11"}]}`, "columns[0].type"},
		{`{"columns":[{"type":"Phone01","width":-1}]}`, "columns[0].width"},
		{`{"columns":[{"type":"Phone01"},{"type":"Phone01"}]}`, "columns[1].type"},
		{`{"columns":[{"type":"AccountNumber"}]}`, "columns"},
		{`{"header":"yes"}`, "header"},
		{`{"phone":{"countryCode":"+41"}}`, "phone.countryCode"},
		{`{"encoding":"ebcdic"}`, "encoding"},
		{`{`, "byte 1"},
		{``, "byte 0"},
		{`{"header":true,"phone":}`, "byte 23"},
		{`{"header":true,`, "byte 15"},
		{`{} x`, "byte 3"},
	} {
		_, err := outboundcsv.ParseProfile([]byte(tt.profile))
		var pe *outboundcsv.ProfileError
		if !errors.As(err, &pe) || pe.Key != tt.key {
			t.Errorf("%s: error %v, want one for key %s", tt.profile, err, tt.key)
		}
	}
}

func TestBrokenListsSayWhere(t *testing.T) {
	whole := `[{"id":"1","phones":[{"number":"1"}]},{"id":"2"}]`
	for n := range len(whole) {
		var out bytes.Buffer
		_, err := outboundcsv.Export(t.Context(), outboundcsv.DefaultProfile(), outboundcsv.ReadCalls(strings.NewReader(whole[:n])), &out, &outboundcsv.Options{SpoolDir: t.TempDir()})
		var se *outboundcsv.SyntaxError
		if !errors.As(err, &se) {
			t.Fatalf("cut at byte %d: error %v", n, err)
		}
		if out.Len() > 0 {
			t.Fatalf("cut at byte %d: something was written: %q", n, out.String())
		}
	}
	for _, tt := range []struct {
		in  string
		row int
	}{
		{`{"id":"1"}`, 0}, {`[{"id":1}]`, 1}, {`[{"id":"1"},{"phone":"1"}]`, 2}, {`[{"id":"1","action":"drop"}]`, 1}, {`[] []`, 1},
		{`[{"id":"` + strings.Repeat("x", 600<<10) + `"}]`, 1},
	} {
		var err error
		for _, e := range outboundcsv.ReadCalls(strings.NewReader(tt.in)) {
			err = e
		}
		var se *outboundcsv.SyntaxError
		if !errors.As(err, &se) || se.Row != tt.row {
			t.Errorf("%.40s: error %v, want one for row %d", tt.in, err, tt.row)
		}
	}
}

func TestZoneBias(t *testing.T) {
	// outbound reference section 6
	for zone, want := range map[string]struct {
		bias int
		dst  bool
	}{
		"UTC": {0, false}, "Europe/London": {0, true}, "Europe/Zurich": {-60, true}, "Europe/Helsinki": {-120, true}, "Europe/Istanbul": {-180, false},
		"Asia/Dubai": {-240, false}, "Asia/Kolkata": {-330, false}, "Asia/Shanghai": {-480, false}, "Australia/Sydney": {-600, true}, "Pacific/Auckland": {-720, true},
		"Pacific/Tongatapu": {-780, false}, "America/Chicago": {360, true}, "America/Phoenix": {420, false}, "America/Los_Angeles": {480, true},
		"America/St_Johns": {210, true}, "America/Sao_Paulo": {180, false}, "America/Halifax": {240, true}, "Africa/Casablanca": {-60, false},
	} {
		bias, dst, err := outboundcsv.ZoneBias(zone, 2026)
		if err != nil || bias != want.bias || dst != want.dst {
			t.Errorf("%s: %d %v %v, want %+v", zone, bias, dst, err, want)
		}
	}
}

func FuzzExport(f *testing.F) {
	f.Add(`[{"id":"1","firstName":"Jürgen","lastName":"a,b","phones":[{"number":"+49 (0)6227 74","ext":"1"}],"timeZone":"Europe/Berlin"}]`, `{"format":"pipe"}`)
	f.Fuzz(func(t *testing.T, calls, profile string) {
		p, err := outboundcsv.ParseProfile([]byte(profile))
		if err != nil || p.Format == outboundcsv.Fixed || p.Encoding == "utf-16le" {
			return
		}
		var out bytes.Buffer
		res, err := outboundcsv.Export(t.Context(), p, outboundcsv.ReadCalls(strings.NewReader(calls)), &out, &outboundcsv.Options{SpoolDir: t.TempDir()})
		if err != nil || res.Written == 0 {
			return
		}
		eol, delim := "\r\n", map[outboundcsv.Format]string{outboundcsv.Comma: ",", outboundcsv.Pipe: "|", outboundcsv.Custom: p.Delimiter}[p.Format]
		if p.LineEnd == "lf" {
			eol = "\n"
		}
		rows := strings.Split(strings.TrimSuffix(out.String(), eol), eol)
		want := res.Written
		if p.Header {
			want++
		}
		if len(rows) != want {
			t.Fatalf("%d rows in the file, want %d", len(rows), want)
		}
		if delim[0] < 0x80 {
			for i, r := range rows {
				if n := strings.Count(r, delim); n != len(p.Columns)-1 {
					t.Fatalf("row %d has %d delimiters, want %d: %q", i, n, len(p.Columns)-1, r)
				}
			}
		}
	})
}

func BenchmarkExport(b *testing.B) {
	call := outboundcsv.PlannedCall{FirstName: "Jürgen", LastName: "Müller", Phones: []outboundcsv.Phone{{Number: "+49 6227 747474"}, {Number: "031 555 12 34"}, {Number: "079/5551234"}}}
	const rows = 100_000
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		seq := func(yield func(outboundcsv.PlannedCall, error) bool) {
			for ; n < rows; n++ {
				c := call
				c.ID = strconv.Itoa(n)
				if !yield(c, nil) {
					return
				}
			}
		}
		var out bytes.Buffer
		if _, err := outboundcsv.Export(b.Context(), outboundcsv.DefaultProfile(), seq, &out, &outboundcsv.Options{SpoolDir: b.TempDir()}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
