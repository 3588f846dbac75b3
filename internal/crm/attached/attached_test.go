package attached_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"

	"github.com/connects-go/connects/internal/crm/attached"
)

const (
	prolog = `<?xml version="1.0" encoding="UTF-8"?>`
	// emptyCV are the ten variables without a value, as the references have them: always sent.
	emptyCV = `<CV01></CV01><CV02></CV02><CV03></CV03><CV04></CV04><CV05></CV05><CV06></CV06><CV07></CV07><CV08></CV08><CV09></CV09><CV10></CV10>`
)

func parse(t testing.TB, s string) *attached.Document {
	t.Helper()
	d, err := attached.Parse(s, nil)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

func layout(t testing.TB, ecc ...string) *attached.Layout {
	t.Helper()
	l, err := attached.NewLayout(&attached.Config{ECC: ecc})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func root(parts ...string) string {
	return "<ItemAttachedData>" + strings.Join(parts, "") + "</ItemAttachedData>"
}

func app(id, content string) string {
	return `<Application id="` + id + `">` + content + `</Application>`
}

func TestLayoutAppend(t *testing.T) {
	t.Parallel()
	var full attached.Variables
	for i := range full.Call {
		full.Call[i] = fmt.Sprint("v", i+1)
	}
	full.MID = "M<&>\"'\r\n\tM"
	full.ECC = []attached.ECC{
		{"user.arr", 0, "a"}, {"user.ced", attached.Scalar, "Zoë"}, {"user.arr", 2, "c"}, {"user.hidden", attached.Scalar, "x"},
		{"user.ced", 0, "array of that name"}, {"user.arr", attached.Scalar, "scalar of that name"},
	}
	filled := `<CV01>v1</CV01><CV02>v2</CV02><CV03>v3</CV03><CV04>v4</CV04><CV05>v5</CV05><CV06>v6</CV06><CV07>v7</CV07><CV08>v8</CV08><CV09>v9</CV09><CV10>v10</CV10>` +
		`<MID>M&lt;&amp;&gt;&quot;'&#13;&#10;&#9;M</MID>`
	tests := []struct {
		name string
		ecc  []string
		v    attached.Variables
		doc  string
		want string
	}{
		{"nothing at all", nil, attached.Variables{}, "", root(app("SAP-IC", emptyCV+`<MID></MID><ECC></ECC>`))},
		{"configured variables without value", []string{"ECC.user.ced", "ECCA.user.arr"}, attached.Variables{}, "",
			root(app("SAP-IC", emptyCV+`<MID></MID><ECC><user.ced/></ECC>`))},
		{"everything", []string{"ECCA.user.arr", "ECC.user.ced"}, full, "",
			root(app("SAP-IC", filled+`<ECC><user.arr index="0">a</user.arr><user.arr index="2">c</user.arr><user.ced>Zoë</user.ced></ECC>`))},
		{"control bytes and broken text", nil, attached.Variables{MID: "a\x00b\xffc\x7f\ufffe"}, "",
			root(app("SAP-IC", emptyCV+"<MID>a\uFFFDb\uFFFDc&#127;\uFFFD</MID><ECC></ECC>"))},
		{"what SAP wrote comes behind the variables", nil, attached.Variables{MID: "1"},
			root("\n  " + app("SAP-IC", "\n <Account a='1'>4712</Account><!-- note -->") + app("X", "<y/>")),
			root(app("SAP-IC", emptyCV+"<MID>1</MID><ECC></ECC>\n <Account a='1'>4712</Account><!-- note -->"), app("X", "<y/>"))},
		{"variables that SAP sent back are ours", nil, attached.Variables{MID: "1"},
			root(app("SAP-IC", "<CV01>old</CV01><A/><MID>old</MID><ECC><x>old</x></ECC><CV11>theirs</CV11><CV1/><CV00/>")),
			root(app("SAP-IC", emptyCV+"<MID>1</MID><ECC></ECC><A/><CV11>theirs</CV11><CV1/><CV00/>"))},
		{"our part is first", nil, attached.Variables{},
			root(app("B", "b"), app("SAP-IC", "<A/>"), app("C", "")),
			root(app("SAP-IC", emptyCV+"<MID></MID><ECC></ECC><A/>"), app("B", "b"), app("C", ""))},
		{"our part was empty", nil, attached.Variables{},
			root(`<Application id="SAP-IC" v="1" />`),
			root(`<Application id="SAP-IC" v="1" >` + emptyCV + "<MID></MID><ECC></ECC></Application>")},
		{"our part has a prefix", nil, attached.Variables{},
			`<i:ItemAttachedData xmlns:i="urn:x"><i:Application id="SAP-IC"/></i:ItemAttachedData>`,
			root(`<i:Application xmlns:i="urn:x" id="SAP-IC">` + emptyCV + "<MID></MID><ECC></ECC></i:Application>")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := string(layout(t, tt.ecc...).Append([]byte("x"), &tt.v, parse(t, tt.doc)))
			if diff := cmp.Diff("x"+prolog+tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, err := attached.Parse(got[1:], nil); err != nil {
				t.Errorf("we do not read it ourselves: %v", err)
			}
			wellFormed(t, got[1:])
		})
	}
}

// wellFormed asks a parser that is not ours.
func wellFormed(t *testing.T, s string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestOtherApplicationAndEscapedNames(t *testing.T) {
	t.Parallel()
	l, err := attached.NewLayout(&attached.Config{Application: `A&"<B`, ECC: []string{"ECC.9user:ü", "ECCA._x0041_"}})
	if err != nil {
		t.Fatal(err)
	}
	v := attached.Variables{ECC: []attached.ECC{{"9user:ü", attached.Scalar, "1"}, {"_x0041_", 3, "2"}}}
	got := string(l.Append(nil, &v, nil))
	want := prolog + root(`<Application id="A&amp;&quot;&lt;B">`+emptyCV+
		`<MID></MID><ECC><_x0039_user_x003A_ü>1</_x0039_user_x003A_ü><_x005F_x0041_ index="3">2</_x005F_x0041_></ECC></Application>`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(v, l.Read(parse(t, got))); diff != "" {
		t.Errorf("read (-want +got)\n%s", diff)
	}
}

func TestDocumentKeepsEveryByte(t *testing.T) {
	t.Parallel()
	odd := "<Application  id = 'A' x=\"&#65;\"\t>\r\n a &amp; b <![CDATA[<x>]]> <?pi y?><!-- c --><e  /> ]] \U0001F600</Application >"
	in := "\ufeff" + prolog + "\n<!-- hello --><?pi?><ItemAttachedData v='1'>\n" + odd + app("SAP-IC", "<A/>") + "<Other>1</Other>\n</ItemAttachedData>\n<!-- end -->\n"
	d := parse(t, in)
	if diff := cmp.Diff(prolog+root(odd, app("SAP-IC", "<A/>"), "<Other>1</Other>"), d.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if d.Len() != len(d.String()) {
		t.Errorf("Len is %d, the text has %d bytes", d.Len(), len(d.String()))
	}
	if diff := cmp.Diff(d.String(), parse(t, d.String()).String()); diff != "" {
		t.Errorf("second time (-want +got)\n%s", diff)
	}
	var keys []string
	for _, p := range d.Parts() {
		keys = append(keys, p.Name+"/"+p.ID)
	}
	if diff := cmp.Diff([]string{"Application/A", "Application/SAP-IC", "Other/"}, keys); diff != "" {
		t.Errorf("parts (-want +got)\n%s", diff)
	}
	if p, ok := d.Application("A"); !ok || p.XML != odd {
		t.Errorf("part A is %q", p.XML)
	}
	if _, ok := d.Application("B"); ok {
		t.Error("part B is there")
	}
}

func TestParseForms(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"empty text":           {"", ""},
		"blank text":           {" \r\n", ""},
		"no parts":             {"<ItemAttachedData/>", ""},
		"no parts, open":       {"<ItemAttachedData> </ItemAttachedData>", ""},
		"in its element":       {"<attachedData>\n" + root(app("A", "1")) + "</attachedData>", prolog + root(app("A", "1"))},
		"prefix":               {"<x:ItemAttachedData>" + app("A", "1") + "</x:ItemAttachedData>", prolog + root(app("A", "1"))},
		"same part twice":      {root(app("A", "1"), app("B", "2"), app("A", "3")), prolog + root(app("B", "2"), app("A", "3"))},
		"no id":                {root("<Application>1</Application>"), prolog + root("<Application>1</Application>")},
		"escaped id":           {root(`<Application id="A&amp;B">1</Application>`), prolog + root(`<Application id="A&amp;B">1</Application>`)},
		"blanks before prolog": {"\n " + prolog + root(app("A", "1")), prolog + root(app("A", "1"))},
		"other declaration":    {`<?xml version='1.0' encoding="iso-8859-1" standalone="yes"?>` + root(app("A", "ü")), prolog + root(app("A", "ü"))},
		"name spaces of the root": {`<ItemAttachedData xmlns="urn:d" xmlns:x='urn:"x"' v="1"><Application id="A"/><x:Application xmlns:x = "urn:y" id="B"><c/></x:Application></ItemAttachedData>`,
			prolog + root(`<Application xmlns="urn:d" xmlns:x="urn:&quot;x&quot;" id="A"/>`, `<x:Application xmlns="urn:d" xmlns:x = "urn:y" id="B"><c/></x:Application>`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, parse(t, tt.in).String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<a>", 10000)
	attrs := ""
	for i := range 33 {
		attrs += fmt.Sprintf(" a%d=''", i)
	}
	tests := []struct {
		name, in string
		is       error
		line     int
	}{
		{"text", "hello", attached.ErrNotXML, 1},
		{"other root", "<a/>", attached.ErrRoot, 1},
		{"other root around ours", "<a>" + root() + "</a>", attached.ErrRoot, 1},
		{"element without the document", "<attachedData></attachedData>", attached.ErrRoot, 1},
		{"empty element without the document", "<attachedData/>", attached.ErrRoot, 1},
		{"two documents in the element", "<attachedData>" + root() + root() + "</attachedData>", attached.ErrRoot, 1},
		{"two roots", root() + root(), attached.ErrNotXML, 1},
		{"text behind the root", root() + "x", attached.ErrNotXML, 1},
		{"text below the root", "<ItemAttachedData>\nx</ItemAttachedData>", attached.ErrNotXML, 1},
		{"character data below the root", root("<![CDATA[x]]>"), attached.ErrNotXML, 1},
		{"no end", "<ItemAttachedData>\n<Application>", attached.ErrNotXML, 2},
		{"wrong end tag", root("<a>\n</b>"), attached.ErrNotXML, 2},
		{"end tag too many", root() + "</a>", attached.ErrNotXML, 1},
		{"open tag", "<ItemAttachedData", attached.ErrNotXML, 1},
		{"open attribute", `<ItemAttachedData a="`, attached.ErrNotXML, 1},
		{"attribute without quotes", `<ItemAttachedData a=1/>`, attached.ErrNotXML, 1},
		{"attribute without value", `<ItemAttachedData a/>`, attached.ErrNotXML, 1},
		{"attribute twice", root(`<a b="1" b="2"/>`), attached.ErrNotXML, 1},
		{"attributes without blank", root(`<a b="1"c="2"/>`), attached.ErrNotXML, 1},
		{"less than in an attribute", root(`<a b="<"/>`), attached.ErrNotXML, 1},
		{"too many attributes", root("<a" + attrs + "/>"), attached.ErrTooDeep, 1},
		{"bare ampersand", root(app("A", "a & b")), attached.ErrNotXML, 1},
		{"own entity", root(app("A", "&x;")), attached.ErrNotXML, 1},
		{"character not allowed by number", root(app("A", "&#0;")), attached.ErrNotXML, 1},
		{"surrogate by number", root(app("A", "&#xD800;")), attached.ErrNotXML, 1},
		{"number above Unicode", root(app("A", "&#x110000;")), attached.ErrNotXML, 1},
		{"control character", root(app("A", "\x01")), attached.ErrNotXML, 1},
		{"not UTF-8", root(app("A", "\xe4")), attached.ErrNotXML, 1},
		{"end of CDATA in text", root(app("A", "]]>")), attached.ErrNotXML, 1},
		{"open CDATA", root("<a><![CDATA[x</a>"), attached.ErrNotXML, 1},
		{"open comment", root("<!-- x"), attached.ErrNotXML, 1},
		{"comment with dashes", root("<!-- x -- -->"), attached.ErrNotXML, 1},
		{"comment with three dashes", root("<!-- x --->"), attached.ErrNotXML, 1},
		{"open instruction", root("<?x"), attached.ErrNotXML, 1},
		{"declaration inside", root(prolog), attached.ErrNotXML, 1},
		{"bad name", root("<1/>"), attached.ErrNotXML, 1},
		{"two colons", root("<a:b:c/>"), attached.ErrNotXML, 1},
		{"colon at the end", root("<a:/>"), attached.ErrNotXML, 1},
		{"document type", `<!DOCTYPE x [<!ENTITY a "b">]>` + root(), attached.ErrDTD, 1},
		{"document type behind a prolog", prolog + "\n<!DOCTYPE x>" + root(), attached.ErrDTD, 2},
		{"ten thousand nested elements", root(deep), attached.ErrTooDeep, 1},
		{"too many parts", root(strings.Repeat("<a/>", 65)), attached.ErrTooDeep, 1},
		{"too long", root(app("A", strings.Repeat("x", 64<<10))), attached.ErrTooLong, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := attached.Parse(tt.in, nil)
			var e *attached.DocumentError
			if !errors.As(err, &e) || !errors.Is(err, tt.is) {
				t.Fatalf("error %v, want %v", err, tt.is)
			}
			if e.Line != tt.line || e.Offset > len(tt.in) {
				t.Errorf("place of %v, want line %d", err, tt.line)
			}
		})
	}
}

func TestErrorHoldsNothingOfTheDocument(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"SECRET", root("<SECRET>"), root("<a SECRET>"), root(app("A", "SECRET &SECRET;")), "<SECRET/>", root("<a></SECRET>")} {
		if _, err := attached.Parse(s, nil); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestOwnLimits(t *testing.T) {
	t.Parallel()
	l := &attached.Limits{MaxBytes: 200, MaxDepth: 3, MaxParts: 2}
	ok := root(app("A", "<b/>"), app("B", ""))
	a, err := attached.Parse(ok, l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attached.Parse(root(app("A", "<b><c/></b>")), l); !errors.Is(err, attached.ErrTooDeep) {
		t.Errorf("depth: %v", err)
	}
	if _, err := a.Merge(parse(t, root(app("C", ""))), l); !errors.Is(err, attached.ErrTooDeep) {
		t.Errorf("parts: %v", err)
	}
	if _, err := a.Merge(parse(t, root(app("B", strings.Repeat("x", 200)))), l); !errors.Is(err, attached.ErrTooLong) {
		t.Errorf("bytes: %v", err)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, old, in, want string }{
		{"new part", root(app("A", "1")), root(app("B", "2")), prolog + root(app("A", "1"), app("B", "2"))},
		{"same part in its place", root(app("A", "1"), app("B", "2")), root(app("A", "3")), prolog + root(app("A", "3"), app("B", "2"))},
		{"empty part replaces too", root(app("A", "1")), root(`<Application id="A"/>`), prolog + root(`<Application id="A"/>`)},
		{"nothing new", root(app("A", "1")), "", prolog + root(app("A", "1"))},
		{"nothing before", "", root(app("A", "1")), prolog + root(app("A", "1"))},
		{"other elements by their names", root("<x>1</x><y>2</y>"), root("<x>3</x>"), prolog + root("<x>3</x><y>2</y>")},
		{"mixed", root(app("A", "1"), app("B", "2")), root(app("C", "c"), app("B", "b")), prolog + root(app("A", "1"), app("B", "b"), app("C", "c"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old, in := parse(t, tt.old), parse(t, tt.in)
			before := old.String()
			got, err := old.Merge(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.Len() != len(got.String()) {
				t.Errorf("Len is %d, the text has %d bytes", got.Len(), len(got.String()))
			}
			if old.String() != before {
				t.Error("the old document has changed")
			}
		})
	}
	var none *attached.Document
	if got, err := none.Merge(nil, nil); err != nil || got.String() != "" || got.Len() != 0 || len(got.Parts()) != 0 {
		t.Errorf("nil with nil is %q, %v", got, err)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	d := parse(t, root(
		app("SAP-IC", `<A>a &amp; <!-- x -->b<i>no</i>`+"\r\n"+`<![CDATA[<c>]]></A><x:P>p</x:P><C><D/><D><E>e1</E></D></C><C><D><E>e2</E><F/></D></C><G/>`),
		app("X", "<A>other</A>")))
	for _, tt := range []struct {
		app, path, want string
		ok              bool
	}{
		{"SAP-IC", "A", "a & b\n<c>", true},
		{"SAP-IC", "P", "p", true},
		{"SAP-IC", "C/D/E", "e1", true},
		{"SAP-IC", "C/D/F", "", true},
		{"SAP-IC", "C/D", "", true},
		{"SAP-IC", "G", "", true},
		{"SAP-IC", "G/H", "", false},
		{"SAP-IC", "E", "", false},
		{"SAP-IC", "A/i", "no", true},
		{"SAP-IC", "C/E", "", false},
		{"X", "A", "other", true},
		{"Y", "A", "", false},
	} {
		got, ok := d.Value(tt.app, tt.path)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s %s: %q %v, want %q %v", tt.app, tt.path, got, ok, tt.want, tt.ok)
		}
	}
	if _, ok := (*attached.Document)(nil).Value("A", "B"); ok {
		t.Error("a nil document has values")
	}
}

func TestReadVariables(t *testing.T) {
	t.Parallel()
	l := layout(t, "ECC.user.a", "ECCA.user.arr")
	v := attached.Variables{MID: "m & m", ECC: []attached.ECC{
		{"user.a", attached.Scalar, "ä\n<"}, {"user.arr", 0, "x"}, {"user.arr", 7, ""},
	}}
	v.Call[0], v.Call[9] = "one", " ten "
	if diff := cmp.Diff(v, l.Read(parse(t, string(l.Append(nil, &v, parse(t, root(app("SAP-IC", "<Z/>")))))))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(attached.Variables{}, l.Read(parse(t, root(app("B", "<CV01>x</CV01>"))))); diff != "" {
		t.Errorf("part of another owner (-want +got)\n%s", diff)
	}
	if got := l.Read(parse(t, root(app("SAP-IC", "<ECC/>")))); len(got.ECC) != 0 {
		t.Errorf("empty container: %v", got)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	_, err := attached.NewLayout(&attached.Config{ECC: []string{"user.x", "ECC.", "ECC.a", "ECCA.a", "ECCA.b[1]", "ECC." + strings.Repeat("x", 33), "ECC.a b"}, Application: "\xff"})
	for _, part := range []string{`"user.x" is not`, `"ECC." has no name`, `"ECCA.a" is named twice`, `"ECCA.b[1]" names one`, "more than 32", `"ECC.a b" has a character`, "not UTF-8"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nmisses %s", err, part)
		}
	}
	_, err = attached.NewMapping([]attached.Rule{
		{Element: "a", Target: "CV11"}, {Element: "a", Target: "ECCA.x"}, {Element: "a", Target: "ECCA.x[255]"},
		{Element: "", Target: "CV01"}, {Element: "a//b", Target: "CV01"}, {Element: "x:y", Target: "CV01"},
		{Element: "a", Target: "CV01", MaxBytes: 41}, {Element: "a", Target: "ECC.x", MaxBytes: -1},
	}, nil)
	for i, part := range []string{`"CV11" is not`, `"ECCA.x" needs an index`, "no index from 0 to 254", `Element ""`, `Element "a//b"`, `Element "x:y"`, "MaxBytes=41", "MaxBytes=-1"} {
		if err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), fmt.Sprintf("rule %d: ", i+1)) {
			t.Errorf("%v\nmisses rule %d: %s", err, i+1, part)
		}
	}
	if _, err := attached.NewLayout(nil); err != nil {
		t.Error(err)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]attached.Target{
		"CV01":           {Kind: attached.CallVariable, Number: 1},
		"CV10":           {Kind: attached.CallVariable, Number: 10},
		"ECC.user.ced":   {Kind: attached.ECCVariable, Name: "user.ced"},
		"ECCA.user.x[0]": {Kind: attached.ECCElement, Name: "user.x"},
		"ECCA.x[254]":    {Kind: attached.ECCElement, Name: "x", Index: 254},
		"WrapUpData":     {Kind: attached.WrapUpData},
	} {
		got, err := attached.ParseTarget(s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("%s: %+v (%v), %v", s, got, got, err)
		}
	}
	if s := (attached.Target{}).String(); s != "Kind(0)" {
		t.Error(s)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	m, err := attached.NewMapping([]attached.Rule{
		{Element: "Confirmed", Target: "CV01"},
		{Element: "Account", Target: "CV01"},
		{Element: "Contact/Number", Target: "ECC.user.number"},
		{Element: "Step", Target: "ECCA.user.steps[1]"},
		{Application: "WRAP", Element: "Reason", Target: "WrapUpData"},
		{Element: "Short", Target: "ECC.user.short", MaxBytes: 3},
		{Element: "Note", Target: "CV10"},
	}, charmap.Windows1252)
	if err != nil {
		t.Fatal(err)
	}
	now := attached.Variables{WrapUp: "old", ECC: []attached.ECC{
		{"user.steps", 0, "zero"}, {"user.steps", 1, "one"}, {"user.number", attached.Scalar, "1"}, {"user.steps", attached.Scalar, "no"},
	}}
	now.Call[0], now.Call[9] = "4711", "note"
	target := func(s string) attached.Target {
		t.Helper()
		tg, err := attached.ParseTarget(s)
		if err != nil {
			t.Fatal(err)
		}
		return tg
	}
	tests := []struct {
		name string
		doc  string
		want []attached.Change
	}{
		{"nothing there", root(app("X", "<Account>1</Account>")), nil},
		{"nothing changed", root(app("SAP-IC", "<Account>4711</Account><Contact><Number>1</Number></Contact>")), nil},
		{"changed", root(app("SAP-IC", "<Account>4712</Account>")), []attached.Change{{Target: target("CV01"), Value: "4712", Rule: 1}}},
		{"first rule wins", root(app("SAP-IC", "<Account>4712</Account><Confirmed>4713</Confirmed>")), []attached.Change{{Target: target("CV01"), Value: "4713", Rule: 0}}},
		{"empty element clears", root(app("SAP-IC", "<Account/>")), []attached.Change{{Target: target("CV01"), Value: "", Rule: 1}}},
		{"empty element of an unknown variable", root(app("SAP-IC", "<Short/>")), nil},
		{"arrays are whole", root(app("SAP-IC", "<Step>eins</Step>")), []attached.Change{
			{Target: target("ECCA.user.steps[1]"), Value: "eins", Rule: 3},
			{Target: target("ECCA.user.steps[0]"), Value: "zero", Rule: -1},
		}},
		{"wrap-up data of another owner", root(app("WRAP", "<Reason>Kündigung</Reason>")), []attached.Change{{Target: target("WrapUpData"), Value: "Kündigung", Rule: 4}}},
		{"cut in the code page, where ü has one byte", root(app("SAP-IC", "<Note>"+strings.Repeat("ü", 41)+"</Note><Short>äöüß</Short>")), []attached.Change{
			{Target: target("ECC.user.short"), Value: "äöü", Truncated: true, Rule: 5},
			{Target: target("CV10"), Value: strings.Repeat("ü", 40), Truncated: true, Rule: 6},
		}},
		{"characters that the code page lacks", root(app("SAP-IC", "<Note>Łódź\nß</Note>")), []attached.Change{{Target: target("CV10"), Value: "?ód? ß", Replaced: true, Rule: 6}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, m.Apply(parse(t, tt.doc), &now)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if got := m.Apply(nil, nil); len(got) != 0 {
		t.Errorf("nil document: %v", got)
	}
}

func TestManyRules(t *testing.T) {
	t.Parallel()
	var rules []attached.Rule
	var doc strings.Builder
	for i := range 200 {
		rules = append(rules, attached.Rule{Element: fmt.Sprint("e", i), Target: fmt.Sprint("ECC.v", i)})
		fmt.Fprintf(&doc, "<e%d>%d</e%d>", i, i, i)
	}
	m, err := attached.NewMapping(rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	var v attached.Variables
	changes := m.Apply(parse(t, root(app("SAP-IC", doc.String()))), &v)
	for _, c := range changes {
		v.Set(c.Target, c.Value)
	}
	if len(changes) != 200 || len(m.Apply(parse(t, root(app("SAP-IC", doc.String()))), &v)) != 0 {
		t.Errorf("%d changes", len(changes))
	}
}

func TestVariablesSetGet(t *testing.T) {
	t.Parallel()
	var v attached.Variables
	for _, s := range []string{"CV01", "CV10", "ECC.a", "ECCA.a[0]", "ECCA.a[1]", "WrapUpData"} {
		tg, err := attached.ParseTarget(s)
		if err != nil {
			t.Fatal(err)
		}
		v.Set(tg, "first")
		v.Set(tg, s)
		if got, ok := v.Get(tg); got != s || !ok {
			t.Errorf("%s: %q %v", s, got, ok)
		}
	}
	if len(v.ECC) != 3 || v.WrapUp != "WrapUpData" || v.Call[0] != "CV01" || v.Call[9] != "CV10" {
		t.Errorf("%+v", v)
	}
	for _, tg := range []attached.Target{{}, {Kind: attached.CallVariable}, {Kind: attached.CallVariable, Number: 11}} {
		v.Set(tg, "x")
		if _, ok := v.Get(tg); ok {
			t.Errorf("%+v has a value", tg)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		in       string
		max      int
		charset  encoding.Encoding
		want     string
		cut, rep bool
	}{
		{"fits", "abc", 3, nil, "abc", false, false},
		{"ASCII", "abcd", 3, charmap.Windows1252, "abc", true, false},
		{"UTF-8 border", "aäb", 2, nil, "a", true, false},
		{"UTF-8 four bytes", "\U0001F600", 3, nil, "", true, false},
		{"one byte each", "äöü", 3, charmap.Windows1252, "äöü", false, false},
		{"Cyrillic", "Привет", 4, charmap.Windows1251, "Прив", true, false},
		{"two bytes each", "日本語", 5, japanese.ShiftJIS, "日本", true, false},
		{"not in the code page", "日本", 3, charmap.Windows1252, "??", false, true},
		{"not UTF-8", "a\xffb", 3, nil, "a?b", false, true},
		{"control characters", "a\x00\tb\x7f", 9, nil, "a  b ", false, false},
		{"nothing", "", 0, charmap.Windows1252, "", false, false},
		{"no room", "ä", 0, charmap.Windows1252, "", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, cut, rep := attached.Cut(tt.in, tt.max, tt.charset)
			if got != tt.want || cut != tt.cut || rep != tt.rep {
				t.Errorf("%q %v %v, want %q %v %v", got, cut, rep, tt.want, tt.cut, tt.rep)
			}
		})
	}
}

func TestChangedAndMissing(t *testing.T) {
	t.Parallel()
	a := parse(t, root(app("A", "1"), app("B", "ž"), "<x>1</x>"))
	b := parse(t, root(app("A", "2"), "<x>1</x>", app("C", "3")))
	for _, tt := range []struct {
		name string
		got  *attached.Document
		want string
	}{
		{"changed", a.Changed(b), prolog + root(app("A", "1"), app("B", "ž"))},
		{"missing", a.Missing(b), prolog + root(app("B", "ž"))},
		{"changed from itself", a.Changed(parse(t, a.String())), ""},
		{"changed from nothing", a.Changed(nil), a.String()},
		{"missing in nothing", a.Missing(nil), a.String()},
		{"nothing changed", (*attached.Document)(nil).Changed(a), ""},
		{"nothing missing", (*attached.Document)(nil).Missing(nil), ""},
	} {
		if diff := cmp.Diff(tt.want, tt.got.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
		if tt.got.Len() != len(tt.got.String()) {
			t.Errorf("%s: Len is %d, the text has %d bytes", tt.name, tt.got.Len(), len(tt.got.String()))
		}
	}
}
