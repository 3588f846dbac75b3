package ici_test

import (
	"os"
	"strings"
	"testing"

	"github.com/connects-go/connects/ici"
	"github.com/google/go-cmp/cmp"
)

func vector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/envelopes/" + name + ".xml")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseVector(t *testing.T, name string, events bool) *ici.Request {
	t.Helper()
	r, err := ici.Default().ParseRequest(vector(t, name), &ici.ParseOptions{Events: events})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if r.Language != "FR" || r.HeaderUser != "MEIER" {
		t.Errorf("%s: header user %q language %q", name, r.HeaderUser, r.Language)
	}
	return r
}

// The envelopes are the examples of section 10 of the protocol reference.
func TestReferenceRequests(t *testing.T) {
	for _, c := range []struct {
		file   string
		op     ici.Op
		params map[ici.Param]string
	}{
		{"10.1-setCurrentWorkmode", ici.OpUserSetCurrentWorkmode, map[ici.Param]string{ici.ParamUserID: "MEIER", ici.ParamWorkmodeID: "1002"}},
		{"10.2-getAttributes", ici.OpUserGetAttributes, map[ici.Param]string{ici.ParamUserID: "MEIER"}},
		{"10.2-subscribe", ici.OpUserSubscribe, map[ici.Param]string{
			ici.ParamAppID: "0A1B2C3D4E5F", ici.ParamAppURL: "http://crm.example.org:8000/sap/bc/soap/ici(cz1TSUQ=)?sap-client=100", ici.ParamUserID: "MEIER"}},
		{"10.2-setCurrentWorkcenter", ici.OpUserSetCurrentWorkcenter, map[ici.Param]string{ici.ParamWorkcenterID: "7001;pw;3005;pm2c2"}},
		{"10.4-setAttachedData", ici.OpItemSetAttachedData, map[ici.Param]string{ici.ParamItemID: "call-815", ici.ParamAttachedData: "...escaped ItemAttachedData document..."}},
		{"10.4-wrapUpRequired", ici.OpItemWrapUpRequired, map[ici.Param]string{ici.ParamItemID: "call-815", ici.ParamRequired: "true"}},
		{"10.5-route", ici.OpActionItemRoute, map[ici.Param]string{ici.ParamActionItemID: "005056A1B2C31ED9", ici.ParamAppID: "ERMS-1",
			ici.ParamAppURL: "http://crm.example.org:8000/sap/bc/soap/ici?sap-client=100"}},
	} {
		r := parseVector(t, c.file, false)
		if r.Op != c.op || r.User != "MEIER" || r.Style != ici.Encoded {
			t.Errorf("%s: op %v user %q style %v", c.file, r.Op, r.User, r.Style)
		}
		for p, want := range c.params {
			if got := r.Text(p); got != want {
				t.Errorf("%s: %v = %q, want %q", c.file, p, got, want)
			}
		}
	}
	r := parseVector(t, "10.4-wrapUpRequired", false)
	if !r.Bool(ici.ParamRequired, false) {
		t.Error("required is not true")
	}
	r = parseVector(t, "10.5-route", false)
	var item ici.ActionItem
	item.DecodeICI(r.Element(ici.ParamItemData))
	if d := cmp.Diff(ici.ActionItem{ObjectType: "ERMS_MAIL", Title: "Late delivery"}, item); d != "" {
		t.Error(d)
	}
	var scenario ici.TextElement
	scenario.DecodeICI(r.Element(ici.ParamScenarioID))
	if d := cmp.Diff(ici.TextElement{ID: "COMPLAINT", Description: "Complaint"}, scenario); d != "" {
		t.Error(d)
	}
	if got := r.List(ici.ParamUserIDs); len(got) != 0 {
		t.Errorf("userIds = %q, want none", got)
	}
}

var offeredCall = ici.PhoneCall{
	ID: "call-815", PhoneCallID: "call-815",
	ProcessingStatus: ici.TextElement{ID: "1", Description: "Appel entrant"},
	CapabilityList:   []ici.TextElement{{ID: "accept", Description: "Accepter"}, {ID: "reject", Description: "Refuser"}},
	RemoteNumbers:    []string{"+41315551234"},
	DialedNumber:     "+41800555000",
	Direction:        "IN",
	Queue:            "Sales_FR",
	AttachedData:     `<?xml version="1.0" encoding="UTF-8"?><ItemAttachedData><Application id="SAP-IC"><CV01>4711</CV01><MID>200815</MID></Application></ItemAttachedData>`,
}

func TestReferenceEvents(t *testing.T) {
	r := parseVector(t, "10.3-phoneCallChanged", true)
	if r.Op != ici.OpEventPhoneCallChanged {
		t.Fatalf("op %v", r.Op)
	}
	if d := cmp.Diff([]string{"0A1B2C3D4E5F"}, r.List(ici.ParamAppIDs)); d != "" {
		t.Error(d)
	}
	var call ici.PhoneCall
	call.DecodeICI(r.Element(ici.ParamPhoneCall))
	if d := cmp.Diff(offeredCall, call); d != "" {
		t.Error(d)
	}

	r = parseVector(t, "10.5-actionItemChanged", true)
	var act ici.ActionSession
	act.DecodeICI(r.Element(ici.ParamActionSession))
	want := ici.ActionSession{
		ID: "act-33", ActionSessionID: "act-33", Title: "Late delivery", ActionStatus: ici.TextElement{ID: "2", Description: "Offered"},
		ActionParticipants: []string{"MEIER"}, CapabilityList: []ici.TextElement{{ID: "accept", Description: "Accept"}},
	}
	if d := cmp.Diff(want, act); d != "" || r.Op != ici.OpEventActionItemChanged {
		t.Error(r.Op, d)
	}

	r = parseVector(t, "10.6-chatNewPosting", true)
	var post ici.ChatPosting
	post.DecodeICI(r.Element(ici.ParamChatPosting))
	if d := cmp.Diff(ici.ChatPosting{ChatParticipant: "anna@example.org", ContentText: "Bonjour", ChatSessionID: "chat-9", PostDate: "20240131094500"}, post); d != "" {
		t.Error(d)
	}

	r = parseVector(t, "10.6-subscriptionEnded", true)
	var reason ici.TextElement
	reason.DecodeICI(r.Element(ici.ParamReason))
	if reason.ID != ici.Default().Code(ici.EndReasonNewSubscription) || r.Op != ici.OpEventSubscriptionEnded {
		t.Errorf("%v %+v", r.Op, reason)
	}
	if r = parseVector(t, "10.6-monitorDataChanged", true); r.Op != ici.OpEventMonitorDataChanged {
		t.Errorf("op %v", r.Op)
	}
	// What SAP serves is unknown to the connector's side, and the other way round.
	if r = parseVector(t, "10.3-phoneCallChanged", false); r.Op != ici.OpUnknown {
		t.Errorf("event read as request: %v", r.Op)
	}
	if r = parseVector(t, "10.4-setAttachedData", true); r.Op != ici.OpUnknown {
		t.Errorf("request read as event: %v", r.Op)
	}
}

// squeeze removes comments and white space between tags, and our XML declaration.
func squeeze(s string) string {
	for {
		i := strings.Index(s, "<!--")
		if i < 0 {
			break
		}
		s = s[:i] + s[i+strings.Index(s[i:], "-->")+3:]
	}
	s = strings.TrimPrefix(s, `<?xml version="1.0" encoding="utf-8"?>`)
	var b strings.Builder
	for part := range strings.SplitSeq(s, ">") {
		b.WriteString(strings.TrimSpace(strings.Join(strings.Fields(part), " ")) + ">")
	}
	return strings.TrimSuffix(strings.ReplaceAll(b.String(), "> <", "><"), ">")
}

// What we write must be what the reference shows, byte for byte but for comments and blanks.
func TestWritesLikeReference(t *testing.T) {
	p := ici.Default()
	h := ici.Header{User: "MEIER", Language: "FR"}
	want := squeeze(string(vector(t, "10.3-phoneCallChanged")))
	want = want[strings.Index(want, "<SOAP-ENV:Body>"):]
	want = strings.Replace(want, `xmlns:m="urn:IciEventInterface">`, `xmlns:m="urn:IciEventInterface" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">`, 1)
	got := squeeze(string(p.AppendRequest(nil, h, ici.OpEventPhoneCallChanged,
		ici.Arg{Param: ici.ParamAppIDs, Value: ici.Texts{"0A1B2C3D4E5F"}}, ici.Arg{Param: ici.ParamPhoneCall, Value: offeredCall})))
	got = got[strings.Index(got, "<SOAP-ENV:Body>"):]
	if d := cmp.Diff(sorted(want), sorted(got)); d != "" {
		t.Errorf("event differs (-reference +ours):\n%s", d)
	}

	r, err := p.ParseRequest(vector(t, "10.1-setCurrentWorkmode"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want = squeeze(string(vector(t, "10.1-setCurrentWorkmodeResponse")))
	got = squeeze(strings.Replace(string(p.AppendResponse(nil, r, ici.Text(""))), ` xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/"`, "", 1))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("answer differs (-reference +ours):\n%s", d)
	}
}

// sorted splits into tags with their text; the order of members is the profile's, that of the example is another.
func sorted(s string) []string {
	parts := strings.Split(s, "<")
	for i := range parts {
		for j := i + 1; j < len(parts); j++ {
			if parts[j] < parts[i] {
				parts[i], parts[j] = parts[j], parts[i]
			}
		}
	}
	return parts
}

func TestReferenceFault(t *testing.T) {
	_, err := ici.Default().ParseResponse(vector(t, "10.7-Fault"), "text/xml", nil)
	f, ok := err.(*ici.Fault)
	if !ok {
		t.Fatalf("%v is no fault", err)
	}
	want := ici.Fault{Code: ici.FaultDestinationInvalid, Text: "Numéro inconnu", WireCode: "destinationInvalid", Actor: "SOAP-ENV:Client"}
	if d := cmp.Diff(&want, f); d != "" {
		t.Error(d)
	}
	got := squeeze(string(ici.Default().AppendFault(nil, &ici.Fault{Code: ici.FaultDestinationInvalid, Text: "Numéro inconnu"})))
	ref := squeeze(string(vector(t, "10.7-Fault")))
	ref = ref[strings.Index(ref, "<SOAP-ENV:Fault>"):]
	if !strings.HasSuffix(got, ref) {
		t.Errorf("fault %s\nwant end %s", got, ref)
	}
}

func TestResponseResult(t *testing.T) {
	e, err := ici.Default().ParseResponse(vector(t, "10.1-setCurrentWorkmodeResponse"), "", nil)
	if err != nil || !e.Exists() || e.Text() != "" || e.Name() != "response" {
		t.Errorf("%v %q %v", e.Exists(), e.Name(), err)
	}
	e, err = ici.Default().ParseResponse([]byte(`<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"><E:Body><x/></E:Body></E:Envelope>`), "", nil)
	if err != nil || e.Exists() {
		t.Errorf("empty answer: %v %v", e.Exists(), err)
	}
}

func TestResponseUnderTheCallersName(t *testing.T) {
	p := ici.Default()
	for _, c := range []struct{ ns, op, want string }{
		{"urn:IciUserInterface", "logon", `<m:logonResponse xmlns:m="urn:IciUserInterface" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><response xsi:type="xsd:string">x&amp;y</response></m:logonResponse>`},
		{"urn:other&amp;", "getAttributes", `<m:getAttributesResponse xmlns:m="urn:other&amp;" SOAP-ENV:encodingStyle`},
		{"", "somethingNew", `<somethingNewResponse SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><response xsi:type="xsd:string">x&amp;y</response></somethingNewResponse></SOAP-ENV:Body>`},
	} {
		r, err := p.ParseRequest(call(c.ns, c.op, `<a xsi:type="xsd:string">1</a>`), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.AppendResponse(nil, r, ici.Text("x&y"))); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\nis not in %s", c.op, c.want, got)
		}
	}
}

func TestLiteralAnswer(t *testing.T) {
	p := ici.Default()
	r, err := p.ParseRequest(call("urn:IciUserInterface", "getPresence", `<searchTerm>*</searchTerm>`), nil)
	if err != nil || r.Style != ici.Literal {
		t.Fatalf("style %v, %v", r.Style, err)
	}
	rows := ici.Rows{p.EncodeRow(&ici.PresenceInfo{UserID: "A", Name: "Zoë <Ä>"}), p.EncodeRow(ici.PresenceInfo{UserID: "B"})}
	got := string(p.AppendResponse(nil, r, rows))
	want := `<response><item><userId>A</userId><name>Zoë &lt;Ä&gt;</name></item><item><userId>B</userId></item></response>`
	if !strings.Contains(got, want) || strings.Contains(got, "xsi") {
		t.Errorf("got %s", got)
	}
	r.Style = ici.Encoded
	got = string(p.AppendResponse(nil, r, rows))
	want = `<response xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:anyType[2]"><item><userId xsi:type="xsd:string">A</userId>`
	if !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
}

func TestEveryTypeSurvives(t *testing.T) {
	te := func(n string) ici.TextElement { return ici.TextElement{ID: n, Description: "text <" + n + "> & ü"} }
	call := offeredCall
	call.Description, call.LocalNumber, call.CallReason, call.ConsultationPhoneCallID = "d", "l", te("2"), "c"
	call.UserIDs, call.CreationDate = []string{"A", "", "B"}, "20240131094500"
	user := ici.User{
		UserID: "MEIER", Name: "Jürgen Meier", CurrentWorkcenter: "w", CurrentWorkmode: te("2"), WorkmodeList: []ici.TextElement{te("1"), te("2")},
		CurrentQueues: []ici.Queue{{ID: "q", Description: "d", Channel: "TELEPHONY", Address: "5001"}}, QueueList: []ici.Queue{{ID: "r"}, {ID: "s"}},
		CurrentChannels: []string{"TELEPHONY"}, Addresses: []ici.Address{{Type: "TEL", Value: "+41"}}, CapabilityList: []ici.TextElement{te("makeCall")},
	}
	p := ici.Default()
	for _, style := range []ici.Style{ici.Encoded, ici.Literal} {
		round := func(v ici.Value) ici.Element {
			t.Helper()
			r, err := p.ParseRequest(p.AppendRequestStyle(nil, style, ici.Header{}, ici.OpEventUserChanged, ici.Arg{Param: ici.ParamUser, Value: v}), &ici.ParseOptions{Events: true})
			if err != nil {
				t.Fatal(err)
			}
			return r.Element(ici.ParamUser)
		}
		var gotCall ici.PhoneCall
		gotCall.DecodeICI(round(&call))
		if d := cmp.Diff(call, gotCall); d != "" {
			t.Error(d)
		}
		var gotUser ici.User
		gotUser.DecodeICI(round(user))
		if d := cmp.Diff(user, gotUser); d != "" {
			t.Error(d)
		}
		var list ici.PresenceInfoList
		rows := ici.Rows{p.EncodeRow(ici.PresenceInfo{UserID: "A", PresenceStatus: te("1")}), p.EncodeRow(ici.PresenceInfo{UserID: "B"})}
		list.DecodeICI(round(rows))
		if d := cmp.Diff(ici.PresenceInfoList{{UserID: "A", PresenceStatus: te("1")}, {UserID: "B"}}, list); d != "" {
			t.Error(d)
		}
		var cap ici.WorkcenterCapability
		cap.DecodeICI(round(ici.WorkcenterCapability{FreeSeating: true, Description: "x"}))
		if !cap.FreeSeating || cap.Description != "x" {
			t.Errorf("%+v", cap)
		}
	}
}

func TestTextThatXMLCannotCarry(t *testing.T) {
	p := ici.Default()
	out := p.AppendRequest(nil, ici.Header{}, ici.OpChatPost, ici.Arg{Param: ici.ParamContentText, Value: ici.Text("a\x00b\xffc\rd\r\ne]]>f\uFFFEg\t\n\uFFFDh")})
	r, err := p.ParseRequest(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Text(ici.ParamContentText), "a\uFFFDb\uFFFDc\rd\r\ne]]>f\uFFFDg\t\n\uFFFDh"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
