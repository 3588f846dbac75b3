package icitest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// The events below are written by hand after reference ICI 10.3 to 10.6. APPID stands for the application id.
const (
	envelopeOpen = `<?xml version="1.0" encoding="utf-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <SOAP-ENV:Header>
    <h:user xmlns:h="urn:IciItemInterface" SOAP-ENV:mustUnderstand="0" xsi:type="xsd:string">MEIER</h:user>
    <h:language xmlns:h="urn:IciItemInterface" SOAP-ENV:mustUnderstand="0" xsi:type="xsd:string">FR</h:language>
  </SOAP-ENV:Header>
  <SOAP-ENV:Body>`
	envelopeClose = `</SOAP-ENV:Body></SOAP-ENV:Envelope>`

	appIDs = `<appIds xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:string[1]"><item xsi:type="xsd:string">APPID</item></appIds>`

	callEvent = `<m:phoneCallChanged xmlns:m="urn:IciEventInterface">` + appIDs + `
    <phoneCall>
      <id xsi:type="xsd:string">call-815</id>
      <phoneCallId xsi:type="xsd:string">call-815</phoneCallId>
      <processingStatus><id xsi:type="xsd:string">1</id><description xsi:type="xsd:string">Appel entrant</description></processingStatus>
      <capabilityList xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:anyType[2]">
        <item><id xsi:type="xsd:string">accept</id><description xsi:type="xsd:string">Accepter</description></item>
        <item><id xsi:type="xsd:string">reject</id><description xsi:type="xsd:string">Refuser</description></item>
      </capabilityList>
      <remoteNumbers xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:string[1]"><item xsi:type="xsd:string">+41315551234</item></remoteNumbers>
      <dialedNumber xsi:type="xsd:string">+41800555000</dialedNumber>
      <direction xsi:type="xsd:string">IN</direction>
      <queue xsi:type="xsd:string">Sales_FR</queue>
      <attachedData xsi:type="xsd:string">&lt;?xml version="1.0" encoding="UTF-8"?&gt;&lt;ItemAttachedData&gt;&lt;Application id="SAP-IC"&gt;&lt;CV01&gt;4711&lt;/CV01&gt;&lt;MID&gt;200815&lt;/MID&gt;&lt;/Application&gt;&lt;/ItemAttachedData&gt;</attachedData>
    </phoneCall>
  </m:phoneCallChanged>`

	userEvent = `<m:userChanged xmlns:m="urn:IciEventInterface">` + appIDs + `
    <user><userId>MEIER</userId>
      <currentWorkmode><id>1002</id><description>Formation</description></currentWorkmode>
      <workmodeList><item><id>2</id><description>Prêt</description></item><item><id>1002</id><description>Formation</description></item></workmodeList>
      <capabilityList><item><id>makeCall</id></item></capabilityList>
    </user></m:userChanged>`

	endedEvent = `<m:subscriptionEnded xmlns:m="urn:IciEventInterface">` + appIDs +
		`<reason><id>NEW_SUBSCRIPTION</id><description>Logged on elsewhere</description></reason></m:subscriptionEnded>`

	chatEvent = `<m:chatChanged xmlns:m="urn:IciEventInterface">` + appIDs + `<chatSession><id>chat-9</id><chatSessionId>chat-9</chatSessionId>
    <chatStatus><id>2</id><description>offert</description></chatStatus><title>Aide</title>
    <capabilityList><item><id>accept</id></item></capabilityList></chatSession></m:chatChanged>`

	postingEvent = `<m:chatNewPosting xmlns:m="urn:IciEventInterface">` + appIDs + `<chatPosting><chatParticipant>anna@example.org</chatParticipant>
    <contentText>Bonjour</contentText><chatSessionId>chat-9</chatSessionId><systemMessage></systemMessage><postDate>20240131094500</postDate>
    </chatPosting></m:chatNewPosting>`

	itemEvent = `<m:actionItemChanged xmlns:m="urn:IciEventInterface">` + appIDs + `<actionItemId>005056A1B2C31ED9</actionItemId>
    <actionSession><id>act-33</id><actionSessionId>act-33</actionSessionId><title>Late delivery</title>
    <actionStatus><id>2</id><description>Offered</description></actionStatus><actionParticipants><item>MEIER</item></actionParticipants>
    <capabilityList><item><id>accept</id><description>Accept</description></item></capabilityList></actionSession>
    <itemData><objectType>ERMS_MAIL</objectType><title>Late delivery</title></itemData>
    <scenarioId><id>COMPLAINT</id></scenarioId><userIds xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:string[1]"><item>MEIER</item></userIds>
    </m:actionItemChanged>`

	monitorEvent = `<m:monitorDataChanged xmlns:m="urn:IciEventInterface">` + appIDs + `<dataForm>&lt;a&gt;1&lt;/a&gt;</dataForm></m:monitorDataChanged>`
)

// quietSAP makes a SAP system without end point, and a session of MEIER.
func quietSAP(t *testing.T) (*icitest.SAP, *icitest.Session) {
	t.Helper()
	sap := newSAP(t, &icitest.Config{Addr: "none", EventURL: "http://crm.example.org:8000"})
	m := got(sap.Open(icitest.UserSpec{User: "MEIER", Language: "FR"}))(t)
	return sap, m
}

// deliver hands an event over without a network and returns the answer.
func deliver(sap *icitest.SAP, m *icitest.Session, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	target := strings.TrimPrefix(m.URL, "http://crm.example.org:8000")
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.ReplaceAll(body, "APPID", m.AppID)))
	r.RequestURI = target
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	r.Header.Set("SOAPAction", `""`)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	sap.ServeHTTP(w, r)
	return w
}

func TestCorrectEventsAreTaken(t *testing.T) {
	sap, m := quietSAP(t)
	for _, body := range []string{callEvent, userEvent, chatEvent, postingEvent, itemEvent, monitorEvent, endedEvent} {
		w := deliver(sap, m, envelopeOpen+body+envelopeClose, nil)
		if w.Code != 200 || !strings.Contains(w.Body.String(), "Response xmlns:m=") {
			t.Errorf("answer %d %s", w.Code, w.Body)
		}
	}
	clean(t, sap)
	st := m.State()
	want := icitest.State{
		Ended:     true,
		EndReason: ici.TextElement{ID: "NEW_SUBSCRIPTION", Description: "Logged on elsewhere"},
		User: ici.User{
			UserID: "MEIER", CurrentWorkmode: ici.TextElement{ID: "1002", Description: "Formation"},
			WorkmodeList:   []ici.TextElement{{ID: "2", Description: "Prêt"}, {ID: "1002", Description: "Formation"}},
			CapabilityList: []ici.TextElement{{ID: "makeCall"}},
		},
		Calls: []ici.PhoneCall{{
			ID: "call-815", PhoneCallID: "call-815", ProcessingStatus: ici.TextElement{ID: "1", Description: "Appel entrant"},
			CapabilityList: []ici.TextElement{{ID: "accept", Description: "Accepter"}, {ID: "reject", Description: "Refuser"}},
			RemoteNumbers:  []string{"+41315551234"}, DialedNumber: "+41800555000", Direction: "IN", Queue: "Sales_FR",
			AttachedData: `<?xml version="1.0" encoding="UTF-8"?><ItemAttachedData><Application id="SAP-IC"><CV01>4711</CV01><MID>200815</MID></Application></ItemAttachedData>`,
		}},
		Chats: []ici.ChatSession{{
			ID: "chat-9", ChatSessionID: "chat-9", ChatStatus: ici.TextElement{ID: "2", Description: "offert"}, Title: "Aide",
			CapabilityList: []ici.TextElement{{ID: "accept"}},
		}},
		Postings: []ici.ChatPosting{{ChatParticipant: "anna@example.org", ContentText: "Bonjour", ChatSessionID: "chat-9", PostDate: "20240131094500"}},
		Items: []icitest.ActionItem{{
			ID: "005056A1B2C31ED9",
			Session: ici.ActionSession{
				ID: "act-33", ActionSessionID: "act-33", Title: "Late delivery", ActionStatus: ici.TextElement{ID: "2", Description: "Offered"},
				ActionParticipants: []string{"MEIER"}, CapabilityList: []ici.TextElement{{ID: "accept", Description: "Accept"}},
			},
			Data:     ici.ActionItem{ObjectType: "ERMS_MAIL", Title: "Late delivery"},
			Scenario: ici.TextElement{ID: "COMPLAINT"}, Users: []string{"MEIER"},
		}},
		DataForm: "<a>1</a>",
	}
	if d := cmp.Diff(want, st); d != "" {
		t.Errorf("state (-want +got):\n%s", d)
	}
}

// Each case spoils one correct event; the table says what SAP answers and what is recorded.
func TestWrongEventsAreFound(t *testing.T) {
	replace := func(body, old, with string) string {
		if !strings.Contains(body, old) {
			panic("nothing to replace: " + old)
		}
		return strings.Replace(body, old, with, 1)
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		name   string
		body   string
		change func(*http.Request)
		status int
		rule   icitest.Rule
		detail string
	}{
		{"GET", callEvent, func(r *http.Request) { r.Method = "GET" }, 405, icitest.RuleHTTP, "method GET"},
		{"Content-Type", callEvent, header("Content-Type", "application/soap+xml"), 200, icitest.RuleHTTP, "Content-Type"},
		{"charset", callEvent, header("Content-Type", "text/xml; charset=iso-8859-1"), 200, icitest.RuleHTTP, "Content-Type"},
		{"SOAPAction", callEvent, func(r *http.Request) { r.Header.Del("SOAPAction") }, 200, icitest.RuleHTTP, "SOAPAction"},
		{"not well-formed", replace(callEvent, "</phoneCall>", ""), nil, 500, icitest.RuleEnvelope, "syntax error"},
		{"not UTF-8", replace(callEvent, "Accepter", "Accept\xe9"), nil, 500, icitest.RuleEnvelope, "not UTF-8"},
		{"unknown operation", strings.ReplaceAll(callEvent, "phoneCallChanged", "callChanged"), nil, 500, icitest.RuleEnvelope, "callChanged is not understood"},
		{"operation of another service", strings.ReplaceAll(callEvent, "phoneCallChanged", "makeCall"), nil, 500, icitest.RuleEnvelope, "not understood"},
		{"namespace", replace(callEvent, "urn:IciEventInterface", "urn:IciItemInterface"), nil, 500, icitest.RuleEnvelope, "not understood"},
		{"two operations", userEvent + userEvent, nil, 500, icitest.RuleEnvelope, "one element"},
		{"application id", replace(callEvent, "APPID", "OTHER"), nil, 401, icitest.RuleAppID, "OTHER"},
		{"one application id too many", replace(replace(callEvent, "string[1]", "string[2]"), "</appIds>", "<item>OTHER</item></appIds>"), nil, 401, icitest.RuleAppID, "OTHER"},
		{"no application id", replace(callEvent, appIDs, ""), nil, 401, icitest.RuleContent, "parameter appIds is missing"},
		{"array size", replace(callEvent, "anyType[2]", "anyType[3]"), nil, 200, icitest.RuleContent, "with 2 rows"},
		{"array row", replace(callEvent, "<item><id xsi:type=\"xsd:string\">accept</id><description xsi:type=\"xsd:string\">Accepter</description></item>",
			"<row><id>accept</id></row>"), nil, 200, icitest.RuleContent, "row is called row"},
		{"unknown parameter", replace(callEvent, "<phoneCall>", "<extra/><phoneCall>"), nil, 200, icitest.RuleContent, "no parameter extra"},
		{"parameter missing", replace(itemEvent, "<actionItemId>005056A1B2C31ED9</actionItemId>", ""), nil, 200, icitest.RuleContent, "actionItemId is missing"},
		{"parameter twice", replace(monitorEvent, "<dataForm>", "<dataForm><!-- --></dataForm><dataForm>"), nil, 200, icitest.RuleContent, "dataForm occurs twice"},
		{"parameter in a namespace", replace(monitorEvent, "<dataForm>", `<dataForm xmlns="urn:x">`), nil, 200, icitest.RuleContent, "is in namespace"},
		{"unknown member", replace(callEvent, "<queue", "<colour>red</colour><queue"), nil, 200, icitest.RuleContent, "phoneCall/colour: PhoneCall has no such member"},
		{"member twice", replace(callEvent, "<queue", "<queue>x</queue><queue"), nil, 200, icitest.RuleContent, "occurs twice"},
		{"user in the header", callEvent, nil, 200, icitest.RuleEnvelope, "names user"},
		{"no id", replace(callEvent, ">call-815</id>", "></id>"), nil, 200, icitest.RuleContent, "id is empty"},
		{"second id", replace(callEvent, ">call-815</phoneCallId>", ">815</phoneCallId>"), nil, 200, icitest.RuleContent, `phoneCallId "815"`},
		{"status", replace(callEvent, ">1</id>", ">99</id>"), nil, 200, icitest.RuleContent, `status "99" is unknown`},
		{"status without text", replace(callEvent, ">Appel entrant<", "><"), nil, 200, icitest.RuleContent, "has no text"},
		{"capability", replace(callEvent, ">reject</id>", ">fly</id>"), nil, 200, icitest.RuleContent, `capability "fly"`},
		{"capability twice", replace(callEvent, ">reject</id>", ">accept</id>"), nil, 200, icitest.RuleContent, `"accept" occurs twice`},
		{"ended call with buttons", replace(callEvent, ">1</id>", ">8</id>"), nil, 200, icitest.RuleContent, "ended call has capabilities"},
		{"wrap-up with buttons", replace(callEvent, ">1</id>", ">7</id>"), nil, 200, icitest.RuleContent, "in wrap-up has capability"},
		{"number without plus", replace(callEvent, "+41315551234", "0315551234"), nil, 200, icitest.RuleContent, "not E.164"},
		{"number with delimiters", replace(callEvent, "+41315551234", "+41 31 555 12 34"), nil, 200, icitest.RuleContent, "not E.164"},
		{"direction", replace(callEvent, ">IN<", ">UP<"), nil, 200, icitest.RuleContent, "direction"},
		{"attached data is no XML", replace(callEvent, "&lt;/ItemAttachedData&gt;", ""), nil, 200, icitest.RuleContent, "attachedData:"},
		{"attached data has another root", strings.ReplaceAll(callEvent, "ItemAttachedData", "Data"), nil, 200, icitest.RuleContent, "root Data"},
		{"attached data without owner", replace(callEvent, ` id="SAP-IC"`, ""), nil, 200, icitest.RuleContent, "without id"},
		{"another user", replace(userEvent, "MEIER</userId>", "HUBER</userId>"), nil, 200, icitest.RuleContent, `userId "HUBER"`},
		{"work mode", replace(userEvent, "<id>1002</id>", "<id>busy</id>"), nil, 200, icitest.RuleContent, `work mode "busy"`},
		{"work mode without text", replace(userEvent, "<description>Formation</description>", ""), nil, 200, icitest.RuleContent, "has no text"},
		{"work mode twice", replace(userEvent, "<item><id>2<", "<item><id>1002<"), nil, 200, icitest.RuleContent, "twice in the list"},
		{"chat ids", replace(chatEvent, "<id>chat-9</id>", "<id>9</id>"), nil, 200, icitest.RuleContent, "chatSessionId"},
		{"posting date", replace(postingEvent, "20240131094500", "2024-01-31"), nil, 200, icitest.RuleContent, "postDate"},
		{"item id too long", replace(itemEvent, "005056A1B2C31ED9", strings.Repeat("x", 33)), nil, 200, icitest.RuleContent, "33 characters"},
		{"monitor form", replace(monitorEvent, "&lt;/a&gt;", ""), nil, 200, icitest.RuleContent, "dataForm"},
		{"reason", replace(endedEvent, "<id>NEW_SUBSCRIPTION</id>", ""), nil, 200, icitest.RuleContent, "reason/id is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sap, m := quietSAP(t)
			open := envelopeOpen
			if tt.name == "user in the header" {
				open = replace(open, ">MEIER<", ">HUBER<")
			}
			w := deliver(sap, m, open+tt.body+envelopeClose, tt.change)
			if w.Code != tt.status {
				t.Errorf("answer %d, want %d", w.Code, tt.status)
			}
			found := false
			for _, v := range sap.Violations() {
				found = found || v.Rule == tt.rule && strings.Contains(v.Detail, tt.detail) && v.User == "MEIER"
			}
			if !found {
				t.Errorf("violations %v, want %s: ...%s...", sap.Violations(), tt.rule, tt.detail)
			}
			if tt.status != 200 && len(m.Events()) != 0 {
				t.Error("the event was taken")
			}
		})
	}
}

func TestWholeMessagesThatAreNoEvents(t *testing.T) {
	for _, body := range []string{
		"", "hello", "<a/>", "<a/><b/>", envelopeOpen,
		`<!DOCTYPE x [<!ENTITY a "b">]>` + strings.TrimPrefix(envelopeOpen, `<?xml version="1.0" encoding="utf-8"?>`) + callEvent + envelopeClose,
		strings.Repeat("<a>", 10000),
		`<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Body><x/></Body></Envelope>`,
		`<?xml version="1.0" encoding="ISO-8859-1"?>` + strings.TrimPrefix(envelopeOpen, `<?xml version="1.0" encoding="utf-8"?>`) + callEvent + envelopeClose,
	} {
		sap, m := quietSAP(t)
		if w := deliver(sap, m, body, nil); w.Code != 500 || !strings.Contains(w.Body.String(), "Fault") {
			t.Errorf("%.40q is answered %d", body, w.Code)
		}
		if v := sap.Violations(); len(v) != 1 || v[0].Rule != icitest.RuleEnvelope {
			t.Errorf("%.40q: violations %v", body, v)
		}
	}
}

func TestCallDoesNotComeBack(t *testing.T) {
	sap, m := quietSAP(t)
	ended := strings.Replace(callEvent, ">1</id>", ">8</id>", 1)
	ended = ended[:strings.Index(ended, "<capabilityList")] + ended[strings.Index(ended, "</capabilityList>")+len("</capabilityList>"):]
	for _, body := range []string{callEvent, ended, ended} { // the repetition is harmless
		deliver(sap, m, envelopeOpen+body+envelopeClose, nil)
	}
	clean(t, sap)
	deliver(sap, m, envelopeOpen+callEvent+envelopeClose, nil)
	if v := sap.Violations(); len(v) != 1 || !strings.Contains(v[0].Detail, "comes back") {
		t.Errorf("violations %v, want one", v)
	}
}

func TestURLIsComparedByteForByte(t *testing.T) {
	sap, m := quietSAP(t)
	tidy := got(url.Parse(m.URL))(t)
	changed := tidy.Path + "?" + tidy.Query().Encode() + "&"
	if w := deliver(sap, m, envelopeOpen+callEvent+envelopeClose, func(r *http.Request) { r.RequestURI = changed }); w.Code != 404 {
		t.Errorf("a changed URL is answered %d, want 404", w.Code)
	}
	if v := sap.Violations(); len(v) != 1 || v[0].Rule != icitest.RuleURL {
		t.Errorf("violations %v, want one of the rule url", v)
	}
	part := m.URL[strings.IndexByte(m.URL, '(')+1 : strings.IndexByte(m.URL, ')')]
	if b := got(base64.StdEncoding.DecodeString(part))(t); string(b) != "s=SID%3aANON%3aCRM_00%3a00000001-ATT" {
		t.Errorf("the session part is %s", b)
	}
}

func TestDeadSessionAnswers400WithoutViolation(t *testing.T) {
	sap, m := quietSAP(t)
	m.Kill()
	w := deliver(sap, m, envelopeOpen+callEvent+envelopeClose, nil)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "Session not found") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	clean(t, sap)
}

func TestEventAuthentication(t *testing.T) {
	sap := newSAP(t, &icitest.Config{Addr: "none", EventURL: "http://crm.example.org:8000", EventUsername: "ICI", EventPassword: "secret"})
	m := got(sap.Open(icitest.UserSpec{User: "MEIER"}))(t)
	body := envelopeOpen + callEvent + envelopeClose
	if w := deliver(sap, m, body, nil); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("without logon: %d", w.Code)
	}
	if w := deliver(sap, m, body, func(r *http.Request) { r.SetBasicAuth("ICI", "wrong") }); w.Code != 401 {
		t.Errorf("with the wrong password: %d", w.Code)
	}
	if w := deliver(sap, m, body, func(r *http.Request) { r.SetBasicAuth("ICI", "secret") }); w.Code != 200 {
		t.Errorf("with the right password: %d", w.Code)
	}
}

// A connector that answers requests in a wrong way.
func TestWrongAnswersAreFound(t *testing.T) {
	const fault = `<SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>Numéro inconnu</faultstring><detail><errorCode>destinationInvalid</errorCode></detail></SOAP-ENV:Fault>`
	const answer = `<m:setCurrentWorkmodeResponse xmlns:m="urn:IciUserInterface"><response xsi:type="xsd:string"></response></m:setCurrentWorkmodeResponse>`
	tests := []struct {
		name, body, contentType string
		status                  int
		detail                  string // of the violation, "" = none
		fails                   bool
	}{
		{"correct", answer, "text/xml; charset=utf-8", 200, "", false},
		{"Fault", fault, "text/xml", 500, "", true},
		{"Fault with 200", fault, "text/xml", 200, "Fault with status 200", true},
		{"unknown fault code", strings.Replace(fault, "destinationInvalid", "oops", 1), "text/xml", 500, `fault code "oops"`, true},
		{"Fault without text", strings.Replace(fault, "Numéro inconnu", "", 1), "text/xml", 500, "without text", true},
		{"name", strings.ReplaceAll(answer, "setCurrentWorkmodeResponse", "setCurrentWorkmode"), "text/xml", 200, "answer element is", false},
		{"namespace", strings.Replace(answer, "IciUser", "IciItem", 1), "text/xml", 200, "answer element is", false},
		{"result in a namespace", strings.Replace(answer, "<response", `<response xmlns="urn:x"`, 1), "text/xml", 200, "unqualified child", true},
		{"no result", `<m:setCurrentWorkmodeResponse xmlns:m="urn:IciUserInterface"/>`, "text/xml", 200, "unqualified child", true},
		{"status", answer, "text/xml", 202, "status 202", true},
		{"HTML", "", "text/html", 502, "Content-Type", true},
		{"no XML", "<", "text/xml", 200, "syntax error", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(tt.status)
				_, _ = fmt.Fprint(w, envelopeOpen+tt.body+envelopeClose)
			}))
			defer srv.Close()
			sap, _ := quietSAP(t)
			sap.SetConnector(srv.URL)
			err := sap.Client("MEIER", "FR").SetWorkmodeID(t.Context(), "2")
			if (err != nil) != tt.fails {
				t.Errorf("error %v, want one: %v", err, tt.fails)
			}
			v := sap.Violations()
			switch {
			case tt.detail == "" && len(v) != 0, tt.detail != "" && (len(v) != 1 || !strings.Contains(v[0].Detail, tt.detail) || v[0].Rule != icitest.RuleAnswer):
				t.Errorf("violations %v, want %q", v, tt.detail)
			}
		})
	}
}
