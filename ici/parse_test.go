package ici_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/connects-go/connects/ici"
	"github.com/google/go-cmp/cmp"
)

const (
	openEnv  = `<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><E:Body>`
	closeEnv = `</E:Body></E:Envelope>`
)

// chatPost wraps a ChatPost call whose contentText is given as XML.
func chatPost(content string) string {
	return openEnv + `<m:post xmlns:m="urn:IciChatInterface"><contentText>` + content + `</contentText></m:post>` + closeEnv
}

// The expected texts follow from XML 1.0, sections 2.4, 2.7, 2.11, 4.1 and 4.6.
func TestText(t *testing.T) {
	for _, c := range []struct{ xml, want string }{
		{"", ""},
		{"plain", "plain"},
		{" blanks stay ", " blanks stay "},
		{"&lt;&gt;&amp;&quot;&apos;", `<>&"'`},
		{"a&lt;b", "a<b"},
		{"&#65;&#x42;&#x1F600;&#xe9;", "AB😀é"},
		{"&#9;&#10;&#13;", "\t\n\r"},
		{"a\r\nb\rc\nd", "a\nb\nc\nd"},
		{"\r\n", "\n"},
		{"<![CDATA[<a>&amp;]]>", "<a>&amp;"},
		{"a<![CDATA[b]]>c", "abc"},
		{"<![CDATA[]]>", ""},
		{"<![CDATA[a]]]]><![CDATA[>b]]>", "a]]>b"},
		{"<![CDATA[x\r\ny]]>", "x\ny"},
		{"a<!-- no -->b<?pi no?>c", "abc"},
		{"a&amp;<!-- -->b&amp;<![CDATA[&]]>c", "a&b&&c"},
		{"a]]b]>c", "a]]b]>c"},
		{"a>b", "a>b"},
		{"Zürich 東京 𝄞", "Zürich 東京 𝄞"},
		{"\uFEFF", "\uFEFF"},
	} {
		r, err := ici.Default().ParseRequest([]byte(chatPost(c.xml)), nil)
		if err != nil {
			t.Errorf("%q: %v", c.xml, err)
			continue
		}
		if got := r.Text(ici.ParamContentText); got != c.want {
			t.Errorf("%q: got %q, want %q", c.xml, got, c.want)
		}
	}
}

func TestUnescapedDocumentIsKept(t *testing.T) {
	doc := `<ItemAttachedData><Application id="SAP-IC"><CV01>a&amp;b</CV01></Application></ItemAttachedData>`
	r, err := ici.Default().ParseRequest([]byte(chatPost(doc)), nil)
	if err != nil || r.Text(ici.ParamContentText) != doc {
		t.Errorf("got %q, %v", r.Text(ici.ParamContentText), err)
	}
}

func TestMalformed(t *testing.T) {
	deep := strings.Repeat("<a>", 10000) + strings.Repeat("</a>", 10000)
	many := strings.Repeat("<a/>", 30000)
	attrs := ""
	for i := range 100 {
		attrs += " a" + strconv.Itoa(i) + `="x"`
	}
	for _, c := range []struct {
		name, xml string
		err       error
		want      string
	}{
		{"empty", "", ici.ErrSyntax, "empty"},
		{"no XML", "hello", ici.ErrSyntax, "line 1 column 1"},
		{"blank", " \n ", ici.ErrSyntax, "no element"},
		{"truncated", openEnv, ici.ErrSyntax, "text ends before </E:Body>"},
		{"truncated tag", "<a", ici.ErrSyntax, "inside a tag"},
		{"lone less", "<", ici.ErrSyntax, "inside a tag"},
		{"truncated attribute", `<a b="c`, ici.ErrSyntax, "not closed"},
		{"wrong end", "<a></b>", ici.ErrSyntax, "line 1 column 4: </a> expected"},
		{"end prefix", "<ab></abc>", ici.ErrSyntax, "</ab> expected"},
		{"second root", "<a/><b/>", ici.ErrSyntax, "second root"},
		{"text after root", "<a/>x", ici.ErrSyntax, "outside the root"},
		{"reference after root", "<a/>&amp;", ici.ErrSyntax, "outside the root"},
		{"CDATA after root", "<a/><![CDATA[x]]>", ici.ErrSyntax, "outside the root"},
		{"end alone", "</a>", ici.ErrSyntax, "without a start tag"},
		{"declaration inside", `<a><?xml version="1.0"?></a>`, ici.ErrSyntax, "not at the start"},
		{"declaration open", `<?xml version="1.0"`, ici.ErrSyntax, "not closed"},
		{"DTD", `<!DOCTYPE a [<!ENTITY x "y">]><a/>`, ici.ErrSyntax, "document type declarations are not allowed"},
		{"DTD in Envelope", openEnv + `<!DOCTYPE a>` + closeEnv, ici.ErrSyntax, "not allowed"},
		{"entity", chatPost("&x;"), ici.ErrSyntax, "entity"},
		{"entity open", chatPost("&lt"), ici.ErrSyntax, "entity"},
		{"bare ampersand", chatPost("a & b"), ici.ErrSyntax, "entity"},
		{"reference to NUL", chatPost("&#0;"), ici.ErrSyntax, "entity"},
		{"reference to surrogate", chatPost("&#xD800;"), ici.ErrSyntax, "entity"},
		{"reference too big", chatPost("&#x110000;"), ici.ErrSyntax, "entity"},
		{"reference overflow", chatPost("&#99999999999999;"), ici.ErrSyntax, "entity"},
		{"reference sign", chatPost("&#+65;"), ici.ErrSyntax, "entity"},
		{"upper X", chatPost("&#X41;"), ici.ErrSyntax, "entity"},
		{"control", chatPost("a\x01"), ici.ErrSyntax, "control character"},
		{"control in CDATA", chatPost("<![CDATA[\x02]]>"), ici.ErrSyntax, "control character"},
		{"U+FFFF", chatPost("\uFFFF"), ici.ErrSyntax, "not allow"},
		{"]]>", chatPost("a]]>b"), ici.ErrSyntax, "]]>"},
		{"bad UTF-8", chatPost("\xff"), ici.ErrSyntax, "not UTF-8"},
		{"truncated UTF-8", "<a>\xc3", ici.ErrSyntax, "not UTF-8"},
		{"comment", "<a><!-- -- --></a>", ici.ErrSyntax, "comment"},
		{"comment open", "<a><!-- ", ici.ErrSyntax, "comment"},
		{"CDATA open", "<a><![CDATA[ ]]", ici.ErrSyntax, "CDATA"},
		{"PI open", "<a><?x ", ici.ErrSyntax, "instruction"},
		{"no name", "< a/>", ici.ErrSyntax, "name expected"},
		{"digit name", "<1a/>", ici.ErrSyntax, "name expected"},
		{"two colons", "<a:b:c/>", ici.ErrSyntax, "malformed element name"},
		{"colon end", "<a:/>", ici.ErrSyntax, "malformed element name"},
		{"no value", "<a b/>", ici.ErrSyntax, "= expected"},
		{"no quotes", "<a b=c/>", ici.ErrSyntax, "quotes"},
		{"no blank", `<a b="1"c="2"/>`, ici.ErrSyntax, "blank expected"},
		{"less in value", `<a b="<"/>`, ici.ErrSyntax, "< in an attribute"},
		{"entity in value", `<a b="&x;"/>`, ici.ErrSyntax, "entity"},
		{"twice", `<a b="1" b="2"/>`, ici.ErrSyntax, "twice"},
		{"namespace twice", `<a xmlns:b="1" xmlns:b="2"/>`, ici.ErrSyntax, "twice"},
		{"slash", "<a/ >", ici.ErrSyntax, "> expected"},
		{"10,000 nested elements", chatPost(deep), ici.ErrTooLarge, "too deep"},
		{"many elements", chatPost(many), ici.ErrTooLarge, "too many elements"},
		{"many attributes", chatPost("<a" + attrs + "/>"), ici.ErrTooLarge, "too many attributes"},
		{"many namespaces", chatPost("<a " + strings.ReplaceAll(attrs, " a", " xmlns:a") + "/>"), ici.ErrTooLarge, "too many attributes"},
		{"long name", chatPost("<" + strings.Repeat("a", 300) + "/>"), ici.ErrTooLarge, "name is too long"},
		{"long attribute name", chatPost("<a " + strings.Repeat("b", 300) + `=""/>`), ici.ErrTooLarge, "name is too long"},
		{"long body", chatPost(strings.Repeat("x", 5<<20)), ici.ErrTooLarge, "too large"},
		{"not SOAP", "<html/>", ici.ErrEnvelope, `root element is "html"`},
		{"SOAP 1.2", `<E:Envelope xmlns:E="http://www.w3.org/2003/05/soap-envelope"><E:Body><a/></E:Body></E:Envelope>`, ici.ErrVersion, "2003/05"},
		{"no Body", `<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"></E:Envelope>`, ici.ErrEnvelope, "Body is missing"},
		{"empty Body", openEnv + closeEnv, ici.ErrEnvelope, "Body is empty"},
		{"two Bodies", openEnv + `<a/></E:Body><E:Body><b/>` + closeEnv, ici.ErrEnvelope, "more than one"},
	} {
		_, err := ici.Default().ParseRequest([]byte(c.xml), nil)
		var pe *ici.ParseError
		if !errors.Is(err, c.err) || !errors.As(err, &pe) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the error text has %d bytes", c.name, len(err.Error()))
		}
	}
}

func TestErrorPosition(t *testing.T) {
	_, err := ici.Default().ParseRequest([]byte("<a>\n <b>\n  <c></d>\n</b></a>"), nil)
	var pe *ici.ParseError
	if !errors.As(err, &pe) {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int{3, 6, 14}, []int{pe.Line, pe.Column, pe.Offset}); d != "" {
		t.Error(d)
	}
}

// Arrays, references and nil values in the forms that SOAP 1.1 section 5 and the reference allow.
func TestArraysAndReferences(t *testing.T) {
	set := func(params, after string) string {
		return openEnv + `<m:setCurrentQueues xmlns:m="urn:IciUserInterface">` + params + `</m:setCurrentQueues>` + after + closeEnv
	}
	for _, c := range []struct {
		name, xml string
		want      []string
	}{
		{"items", set(`<queueIds><item>a</item><item>b</item></queueIds>`, ""), []string{"a", "b"}},
		{"any item name", set(`<queueIds><x:q xmlns:x="y">a</x:q><anything>b</anything></queueIds>`, ""), []string{"a", "b"}},
		{"repeated", set(`<queueIds>a</queueIds><queueIds>b</queueIds>`, ""), []string{"a", "b"}},
		{"one text", set(`<queueIds>a</queueIds>`, ""), []string{"a"}},
		{"empty row", set(`<queueIds><item>a</item><item/></queueIds>`, ""), []string{"a", ""}},
		{"empty", set(`<queueIds/>`, ""), nil},
		{"blank", set("<queueIds>\n </queueIds>", ""), nil},
		{"nil", set(`<queueIds i:nil="true"/>`, ""), nil},
		{"absent", set(``, ""), nil},
		{"other case", set(`<QUEUEIDS><item>a</item></QUEUEIDS>`, ""), []string{"a"}},
		{"array by reference", set(`<queueIds href="#1"/>`, `<multiRef id="1"><item>a</item><item>b</item></multiRef>`), []string{"a", "b"}},
		{"rows by reference", set(`<queueIds><item href="#x"/><item href="#y"/></queueIds>`, `<r id="x">a</r><r id="y">b&amp;c</r>`), []string{"a", "b&c"}},
		{"same row twice", set(`<queueIds><item href="#x"/><item href="#x"/></queueIds>`, `<r id="x">a</r>`), []string{"a", "a"}},
		{"chain", set(`<queueIds href="#1"/>`, `<r id="1" href="#2"/><r id="2"><item href="#3"/></r><r id="3">a</r>`), []string{"a"}},
		{"to nothing", set(`<queueIds href="#9"/>`, ""), nil},
		{"outside", set(`<queueIds href="http://example.org/x"/>`, ""), nil},
		{"reference to nil", set(`<queueIds href="#1"/>`, `<r id="1" i:nil="1"/>`), nil},
	} {
		r, err := ici.Default().ParseRequest([]byte(c.xml), nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d := cmp.Diff(c.want, r.List(ici.ParamQueueIDs)); d != "" || r.Op != ici.OpUserSetCurrentQueues {
			t.Errorf("%s: %v %s", c.name, r.Op, d)
		}
	}
	bomb := ""
	for i := range 30 { // 10^30 rows when unfolded
		bomb += `<r id="` + strconv.Itoa(i) + `">` + strings.Repeat(`<item href="#`+strconv.Itoa(i+1)+`"/>`, 10) + `</r>`
	}
	for _, c := range []struct{ name, xml string }{
		{"self", set(`<queueIds href="#1"/>`, `<r id="1" href="#1"/>`)},
		{"circle", set(`<queueIds href="#1"/>`, `<r id="1"><item href="#2"/></r><r id="2"><item href="#1"/></r>`)},
		{"to its parent", set(`<queueIds id="q"><item href="#q"/></queueIds>`, "")},
		{"unfolds without end", set(`<queueIds href="#0"/>`, bomb+`<r id="30">x</r>`)},
	} {
		if _, err := ici.Default().ParseRequest([]byte(c.xml), nil); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

func TestBodyBeginsWithReferencedValues(t *testing.T) {
	xml := openEnv + `<r id="1">a</r><m:setCurrentQueues xmlns:m="urn:IciUserInterface"><queueIds href="#1"/></m:setCurrentQueues>` + closeEnv
	r, err := ici.Default().ParseRequest([]byte(xml), nil)
	if err != nil || r.Op != ici.OpUserSetCurrentQueues {
		t.Fatalf("%v %v", r, err)
	}
	if d := cmp.Diff([]string{"a"}, r.List(ici.ParamQueueIDs)); d != "" {
		t.Error(d)
	}
}

func TestBool(t *testing.T) {
	for _, c := range []struct {
		xml string
		def bool
		has bool
		val bool
	}{
		{`<required>true</required>`, false, true, true},
		{`<required>TRUE</required>`, false, true, true},
		{`<required>1</required>`, false, true, true},
		{`<required>X</required>`, false, true, true},
		{`<required> x </required>`, false, true, true},
		{`<required>false</required>`, true, true, false},
		{`<required>0</required>`, true, true, false},
		{`<required></required>`, true, true, false},
		{`<required/>`, true, true, false},
		{`<required> </required>`, true, true, false},
		{`<required>perhaps</required>`, true, true, true},
		{`<required>perhaps</required>`, false, true, false},
		{`<required i:nil="true"/>`, true, false, true},
		{``, true, false, true},
		{``, false, false, false},
	} {
		r, err := ici.Default().ParseRequest([]byte(openEnv+`<wrapUpRequired xmlns="urn:IciItemInterface">`+c.xml+`</wrapUpRequired>`+closeEnv), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Bool(ici.ParamRequired, c.def); got != c.val || r.Has(ici.ParamRequired) != c.has {
			t.Errorf("%s with default %v: got %v, has %v", c.xml, c.def, got, r.Has(ici.ParamRequired))
		}
	}
}

// A list of structs comes with or without a wrapper, with rows of any name.
func TestListOfStructs(t *testing.T) {
	for _, c := range []struct {
		name, xml string
		want      []ici.TextElement
	}{
		{"wrapped", `<capabilityList><item><id>a</id></item><x><id>b</id></x></capabilityList>`, []ici.TextElement{{ID: "a"}, {ID: "b"}}},
		{"repeated", `<capabilityList><id>a</id></capabilityList><capabilityList><id>b</id><description>B</description></capabilityList>`, []ici.TextElement{{ID: "a"}, {ID: "b", Description: "B"}}},
		{"other member name", `<capabilityList><item><id>a</id><text>A</text></item></capabilityList>`, []ici.TextElement{{ID: "a", Description: "A"}}},
		{"empty", `<capabilityList/>`, nil},
		{"nil row", `<capabilityList><item i:nil="true"/><item><id>b</id></item></capabilityList>`, []ici.TextElement{{}, {ID: "b"}}},
	} {
		r, err := ici.Default().ParseRequest([]byte(openEnv+`<phoneCallChanged><phoneCall>`+c.xml+`</phoneCall></phoneCallChanged>`+closeEnv), &ici.ParseOptions{Events: true})
		if err != nil {
			t.Fatal(err)
		}
		var call ici.PhoneCall
		call.DecodeICI(r.Element(ici.ParamPhoneCall))
		if d := cmp.Diff(c.want, call.CapabilityList); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// Parameter types are mostly assumed: a code may come with its description where one text is expected, and one text where
// a code with its description is.
func TestTextForStructAndBack(t *testing.T) {
	parse := func(op, params string) *ici.Request {
		t.Helper()
		r, err := ici.Default().ParseRequest(call("", op, params), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := parse("setCurrentWorkmode", `<workmodeId><id>1001</id><description>Pause</description></workmodeId>`)
	if got := r.Text(ici.ParamWorkmodeID); got != "1001" {
		t.Errorf("got %q", got)
	}
	r = parse("setCurrentQueues", `<queueIds><item><id>q1</id><channel>TELEPHONY</channel></item><item>q2</item></queueIds>`)
	if d := cmp.Diff([]string{"q1", "q2"}, r.List(ici.ParamQueueIDs)); d != "" {
		t.Error(d)
	}
	r = parse("route", `<scenarioId>COMPLAINT</scenarioId>`)
	var s ici.TextElement
	s.DecodeICI(r.Element(ici.ParamScenarioID))
	if d := cmp.Diff(ici.TextElement{ID: "COMPLAINT"}, s); d != "" {
		t.Error(d)
	}
}

func TestOwnLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		l    ici.Limits
	}{
		{"body", ici.Limits{Body: 100}}, {"depth", ici.Limits{Depth: 3}}, {"elements", ici.Limits{Elements: 3}},
		{"attributes", ici.Limits{Attributes: 1}}, {"name", ici.Limits{Name: 5}},
	} {
		_, err := ici.Default().ParseRequest([]byte(chatPost("x")), &ici.ParseOptions{Limits: &c.l})
		if !errors.Is(err, ici.ErrTooLarge) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A Request must not change when the buffer that it was read from is used again.
func TestRequestKeepsNothing(t *testing.T) {
	body := []byte(chatPost("first &amp; text"))
	r, err := ici.Default().ParseRequest(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	for range 10 {
		if _, err := ici.Default().ParseRequest([]byte(chatPost("other &lt; text that is longer")), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Text(ici.ParamContentText); got != "first & text" || r.Name != "post" {
		t.Errorf("got %q", got)
	}
}
