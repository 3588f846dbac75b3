package outboundcsv_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"

	"github.com/connects-go/connects/outboundcsv"
)

// reference applies the rules one after the other, a character at a time and without
// regard to speed. It shares nothing with the package but the profile and the codes.
type reference struct {
	p     outboundcsv.Profile
	delim string
	codes map[outboundcsv.Code]bool // of the row under work
}

func (x *reference) code(c outboundcsv.Code) { x.codes[c] = true }

func units(s string) int { return len(utf16.Encode([]rune(s))) }

// has reports whether the encoding has the character.
func (x *reference) has(r rune) bool {
	var c *charmap.Charmap
	switch x.p.Encoding {
	case "ascii":
		return r < 128
	case "windows-1252":
		c = charmap.Windows1252
	case "iso-8859-1":
		c = charmap.ISO8859_1
	default:
		return true
	}
	_, ok := c.EncodeRune(r)
	return ok
}

func (x *reference) text(s string, limit int) string {
	var b []string
	for _, r := range norm.NFC.String(s) { // 6
		switch {
		case r < 0x20, r >= 0x7F && r <= 0x9F, r == 0x2028, r == 0x2029, x.delim != "" && string(r) == x.delim:
			x.code(outboundcsv.Sanitized)
			r = ' '
		case r == '"':
			x.code(outboundcsv.Sanitized)
			r = '\''
		}
		b = append(b, string(r))
	}
	s = strings.Trim(strings.Join(b, ""), " ")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	var out string
	for _, r := range s { // 7
		if x.has(r) {
			out += string(r)
		} else if x.p.Unmappable == "reject" {
			x.code(outboundcsv.Encoding)
			out += string(r)
		} else {
			x.code(outboundcsv.Charset)
			out += "?"
		}
	}
	if units(out) <= limit { // 8
		return out
	}
	x.code(outboundcsv.Truncated)
	cut := ""
	for _, r := range out {
		if limit -= units(string(r)); limit < 0 {
			break
		}
		cut += string(r)
	}
	return strings.TrimRight(cut, " ")
}

// number is rules 4a to 4f; "" is a number that is skipped or dropped.
func (x *reference) number(s string, limit int) string {
	in := strings.NewReplacer("０", "0", "１", "1", "２", "2", "３", "3", "４", "4", "５", "5", "６", "6", "７", "7", "８", "8", "９", "9", "＋", "+").Replace(s)
	const blanks = " \t\u00A0\u2007\u202F\u3000"
	if strings.HasPrefix(strings.TrimLeft(in, blanks), "+") {
		in = strings.Replace(in, "(0)", "", 1)
	}
	for _, r := range blanks + "().-/\uFF08\uFF09\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uFF0D" {
		in = strings.ReplaceAll(in, string(r), "")
	}
	if in == "" {
		return ""
	}
	r := x.p.Phone
	switch {
	case !strings.HasPrefix(in, "+"):
	case r.CountryCode != "" && strings.HasPrefix(in, "+"+r.CountryCode):
		in = r.TrunkPrefix + strings.TrimPrefix(in, "+"+r.CountryCode)
	case r.InternationalPrefix == "":
		x.code(outboundcsv.PhoneInvalid)
		return ""
	default:
		in = r.InternationalPrefix + in[1:]
	}
	if in == "" || strings.Trim(in, "0123456789*#") != "" {
		x.code(outboundcsv.PhoneInvalid)
		return ""
	}
	if in = r.DialPrefix + in; len(in) > limit {
		x.code(outboundcsv.PhoneTooLong)
		return ""
	}
	return in
}

// values are the values of a row by column type, Custom ones by name.
func (x *reference) row(c outboundcsv.PlannedCall) (id string, values []string) {
	x.codes = map[outboundcsv.Code]bool{}
	width := func(typ string, limit int) int {
		for _, col := range x.p.Columns {
			if col.Type == typ && x.p.Format == outboundcsv.Fixed {
				return min(limit, col.Width)
			}
		}
		return limit
	}
	id = strings.Trim(c.ID, " ")
	if id == "" {
		x.code(outboundcsv.AccountMissing)
	}
	for _, r := range id {
		if r < 0x20 || r > 0x7E || r == '"' || string(r) == x.delim {
			x.code(outboundcsv.AccountInvalid)
		}
	}
	if units(id) > width("AccountNumber", 30) {
		x.code(outboundcsv.AccountTooLong)
	}
	limit := 20
	var phoneColumns []string // in order
	for n := 1; n <= 10; n++ {
		typ := fmt.Sprintf("Phone%02d", n)
		if slices.ContainsFunc(x.p.Columns, func(c outboundcsv.Column) bool { return c.Type == typ }) {
			phoneColumns = append(phoneColumns, typ)
			limit = min(limit, width(typ, 20))
		}
	}
	byType := map[string]string{}
	var numbers []string
	for _, ph := range c.Phones {
		n := x.number(ph.Number, limit)
		switch {
		case n == "":
			continue
		case slices.Contains(numbers, n):
			x.code(outboundcsv.PhoneDuplicate)
			continue
		case len(numbers) == len(phoneColumns):
			x.code(outboundcsv.PhonesDropped)
			continue
		}
		col := phoneColumns[len(numbers)]
		numbers = append(numbers, n)
		byType[col] = n
		ext := strings.Replace(col, "Phone", "PhoneExt", 1)
		has := slices.ContainsFunc(x.p.Columns, func(c outboundcsv.Column) bool { return c.Type == ext })
		if good := has && len(ph.Ext) <= width(ext, 8) && strings.Trim(ph.Ext, "0123456789") == ""; good {
			byType[ext] = ph.Ext
		} else if ph.Ext != "" {
			x.code(outboundcsv.ExtIgnored)
		}
	}
	if numbers == nil {
		x.code(outboundcsv.NoPhone)
	}
	if slices.ContainsFunc(x.p.Columns, func(c outboundcsv.Column) bool { return c.Type == "TimeZoneBias" || c.Type == "DstObserved" }) {
		bias, dst, given := 0, false, true
		switch {
		case c.Bias != nil:
			bias, dst = *c.Bias, c.DST != nil && *c.DST
		case c.TimeZone == "Europe/Berlin": // section 6
			bias, dst = -60, true
		case c.TimeZone == "Pacific/Kiritimati":
			bias = -840
		case c.TimeZone != "":
			x.code(outboundcsv.ZoneUnknown)
			given = false
		case c.DST != nil:
			x.code(outboundcsv.ZoneDST)
			given = false
		default:
			given = false
		}
		if given && (bias < -780 || bias > 720) {
			x.code(outboundcsv.ZoneRange)
		} else if given {
			byType["TimeZoneBias"], byType["DstObserved"] = strconv.Itoa(bias), strconv.FormatBool(dst)
		}
	}
	length := 0
	for i, col := range x.p.Columns {
		v := byType[col.Type]
		switch col.Type {
		case "AccountNumber":
			v = id
		case "FirstName":
			v = x.text(c.FirstName, width("FirstName", 50))
		case "LastName":
			v = x.text(c.LastName, width("LastName", 50))
		case "Custom":
			v = x.text(c.Custom[col.Name], col.Width)
		}
		if x.p.Format == outboundcsv.Fixed {
			if units(v) > col.Width && (col.Type == "TimeZoneBias" || col.Type == "DstObserved") {
				x.code(outboundcsv.RowTooLong)
			}
			v += strings.Repeat(" ", max(0, col.Width-units(v)))
		} else if i > 0 {
			length += units(x.delim)
		}
		length += units(v)
		values = append(values, v)
	}
	if length > 1024 {
		x.code(outboundcsv.RowTooLong)
	}
	return id, values
}

func (x *reference) encode(s string) string {
	var e *encoding.Encoder
	switch x.p.Encoding {
	case "windows-1252":
		e = charmap.Windows1252.NewEncoder()
	case "iso-8859-1":
		e = charmap.ISO8859_1.NewEncoder()
	case "utf-16le":
		var out []byte
		for _, u := range utf16.Encode([]rune(s)) {
			out = append(out, byte(u), byte(u>>8))
		}
		return string(out)
	default:
		return s
	}
	out, err := e.String(s)
	if err != nil {
		panic(err) // rule 7 left something
	}
	return out
}

// told is what an export says of one row.
type told struct {
	ID       string
	Codes    []outboundcsv.Code
	Rejected bool
}

// list is the whole export of a list.
func (x *reference) list(calls []outboundcsv.PlannedCall) (file string, rows []told, res outboundcsv.Result) {
	res.Received = len(calls)
	last, times, adds := map[string]int{}, map[string]int{}, map[string]int{}
	for i, c := range calls {
		id := strings.Trim(c.ID, " ")
		last[id] = i
		times[id]++
		if c.Action != outboundcsv.ActionDelete {
			adds[id]++
		}
	}
	eol := "\r\n"
	if x.p.LineEnd == "lf" {
		eol = "\n"
	}
	var lines []string
	placed := map[string]bool{}
	for _, c := range calls {
		id := strings.Trim(c.ID, " ")
		if id != "" {
			if placed[id] {
				continue
			}
			placed[id] = true
			c = calls[last[id]]
		}
		if c.Action == outboundcsv.ActionDelete {
			if id != "" && adds[id] > 0 {
				res.Deleted++
			}
			continue
		}
		_, values := x.row(c)
		if id != "" && times[id] > 1 {
			x.code(outboundcsv.DuplicateID)
		}
		t := told{ID: id, Codes: slices.Sorted(maps.Keys(x.codes))}
		t.Rejected = slices.ContainsFunc(t.Codes, func(c outboundcsv.Code) bool { return strings.HasPrefix(string(c), "E_") })
		if len(t.Codes) > 0 {
			rows = append(rows, t)
		}
		if t.Rejected {
			res.Rejected++
			continue
		}
		res.Written++
		lines = append(lines, strings.Join(values, x.delim))
	}
	if res.Written == 0 {
		if res.Rejected > 0 {
			res.Codes = append(res.Codes, outboundcsv.AllRejected)
		}
		res.Codes = append(res.Codes, outboundcsv.EmptyList)
		return "", rows, res
	}
	if file = strings.Join(lines, eol); x.p.FinalLineEnd {
		file += eol
	}
	file = x.encode(file)
	if x.p.Encoding == "utf-16le" {
		file = "\xFF\xFE" + file
	}
	return file, rows, res
}

// profiles has each format, encoding and rule that a profile can change.
func profiles(t testing.TB) []outboundcsv.Profile {
	fixed := `"columns":[{"type":"AccountNumber","width":8},{"type":"FirstName","width":6},{"type":"LastName","width":9},{"type":"Phone01","width":12},{"type":"PhoneExt01","width":3},{"type":"Phone02","width":14},{"type":"TimeZoneBias","width":3},{"type":"DstObserved","width":5},{"type":"Custom","name":"C","width":4}]`
	all := `"columns":[{"type":"LastName"},{"type":"AccountNumber"},{"type":"Phone02"},{"type":"PhoneExt02"},{"type":"Custom","name":"C","width":1000},{"type":"Phone01"},{"type":"TimeZoneBias"},{"type":"DstObserved"},{"type":"FirstName"}]`
	var out []outboundcsv.Profile
	for _, s := range []string{
		`{}`,
		`{"format":"pipe","encoding":"iso-8859-1","lineEnd":"lf","phone":{"countryCode":"49","dialPrefix":"9"},` + all + `}`,
		`{"format":"custom","delimiter":"\t","encoding":"utf-8","finalLineEnd":false}`,
		`{"format":"custom","delimiter":"§","encoding":"windows-1252","onUnmappable":"reject","phone":{"internationalPrefix":"","countryCode":"1"},` + all + `}`,
		`{"format":"custom","delimiter":"😀","encoding":"utf-16le",` + all + `}`,
		`{"encoding":"ascii","columns":[{"type":"Phone01"},{"type":"FirstName"}]}`,
		`{"format":"fixed",` + fixed + `}`,
		`{"format":"fixed","encoding":"utf-16le","lineEnd":"lf",` + fixed + `}`,
	} {
		p, err := outboundcsv.ParseProfile([]byte(s))
		if err != nil {
			t.Fatal(s, err)
		}
		out = append(out, p)
	}
	return out
}

// compare exports the calls with every profile and compares file, codes and result with
// the reference.
func compare(t *testing.T, calls []outboundcsv.PlannedCall, l outboundcsv.SpoolLimits) {
	t.Helper()
	for i, p := range profiles(t) {
		x := &reference{p: p, delim: p.DelimiterOf()}
		wantFile, wantRows, want := x.list(calls)
		var out bytes.Buffer
		var rows []told
		o := &outboundcsv.Options{SpoolDir: t.TempDir(),
			Now: func() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) },
			Row: func(id string, codes []outboundcsv.Code, rejected bool) error {
				rows = append(rows, told{id, codes, rejected})
				return nil
			}}
		o.SetLimits(l)
		res, err := outboundcsv.Export(t.Context(), p, seq(calls), &out, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantFile, out.String()); diff != "" {
			t.Errorf("profile %d: file (-want +got):\n%s", i, diff)
		}
		if diff := cmp.Diff(wantRows, rows); diff != "" {
			t.Errorf("profile %d: codes (-want +got):\n%s", i, diff)
		}
		if diff := cmp.Diff(want, res); diff != "" {
			t.Errorf("profile %d: result (-want +got):\n%s", i, diff)
		}
	}
}

func seq(calls []outboundcsv.PlannedCall) func(func(outboundcsv.PlannedCall, error) bool) {
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for _, c := range calls {
			if !yield(c, nil) {
				return
			}
		}
	}
}
