package icitest_test

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// recorder is a connector that keeps the last request and answers nothing useful.
type recorder struct {
	mu   sync.Mutex
	path string
	body []byte
	head http.Header
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.path, r.body, r.head = req.URL.Path, body, req.Header
	r.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	_, _ = io.WriteString(w, envelopeOpen+`<a><response/></a>`+envelopeClose)
}

// Compared with an envelope written by hand after reference ICI 10.1 and 10.2.
func TestRequestEnvelope(t *testing.T) {
	const encoded = `<?xml version="1.0" encoding="utf-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
 <SOAP-ENV:Header>
  <h:user xmlns:h="urn:IciUserInterface" SOAP-ENV:mustUnderstand="0" xsi:type="xsd:string">MÜLLER</h:user>
  <h:language xmlns:h="urn:IciUserInterface" SOAP-ENV:mustUnderstand="0" xsi:type="xsd:string">FR</h:language>
 </SOAP-ENV:Header>
 <SOAP-ENV:Body>
  <m:setCurrentQueues xmlns:m="urn:IciUserInterface" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">
   <userId xsi:type="xsd:string">MÜLLER</userId>
   <queueIds xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:string[2]"><item xsi:type="xsd:string">a&lt;b</item><item xsi:type="xsd:string">c</item></queueIds>
  </m:setCurrentQueues>
 </SOAP-ENV:Body>
</SOAP-ENV:Envelope>
`
	const literal = `<?xml version="1.0" encoding="utf-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/">
 <SOAP-ENV:Header>
  <h:user xmlns:h="urn:IciUserInterface" SOAP-ENV:mustUnderstand="0">MÜLLER</h:user>
  <h:language xmlns:h="urn:IciUserInterface" SOAP-ENV:mustUnderstand="0">FR</h:language>
 </SOAP-ENV:Header>
 <SOAP-ENV:Body>
  <m:setCurrentQueues xmlns:m="urn:IciUserInterface">
   <userId>MÜLLER</userId>
   <queueIds><item>a&lt;b</item><item>c</item></queueIds>
  </m:setCurrentQueues>
 </SOAP-ENV:Body>
</SOAP-ENV:Envelope>
`
	for _, tt := range []struct {
		style ici.Style
		want  string
	}{{ici.Encoded, encoded}, {ici.Literal, literal}} {
		rec := new(recorder)
		srv := httptest.NewServer(rec)
		defer srv.Close()
		sap := newSAP(t, &icitest.Config{Addr: "none", EventURL: "http://x", Connector: srv.URL + "/prefix/", Style: tt.style, Username: "SAP", Password: "pw"})
		must(t, sap.Client("MÜLLER", "FR").SetQueues(t.Context(), "a<b", "c"))
		if d := cmp.Diff(tt.want, string(rec.body)); d != "" {
			t.Errorf("request (-want +got):\n%s", d)
		}
		if rec.path != "/prefix/IciUserService/IciUserConf" || rec.head.Get("SOAPAction") != `""` || rec.head.Get("Content-Type") != "text/xml; charset=utf-8" || rec.head.Get("Authorization") != "Basic U0FQOnB3" {
			t.Errorf("path %s, header %v", rec.path, rec.head)
		}
	}
}

// Every operation of the profile that SAP calls has a method, which sends all its parameters.
func TestEveryOperationHasAMethod(t *testing.T) {
	rec := new(recorder)
	srv := httptest.NewServer(rec)
	defer srv.Close()
	sap := newSAP(t, &icitest.Config{Addr: "none", EventURL: "http://x", Connector: srv.URL})
	c := sap.Client("MEIER", "DE")
	ignore := func(_ any, err error) error { return err }
	methods := map[ici.Op]func(context.Context) error{
		ici.OpSystemExchangeProductInformation: func(ctx context.Context) error { return ignore(c.ExchangeProductInformation(ctx)) },
		ici.OpSystemGetWorkcenterCapability:    func(ctx context.Context) error { return ignore(c.WorkcenterCapability(ctx)) },
		ici.OpSystemGetPresenceQueueInfo:       func(ctx context.Context) error { return ignore(c.PresenceQueues(ctx, ici.ChannelTypeChat)) },
		ici.OpUserGetAttributes:                func(ctx context.Context) error { return ignore(c.Attributes(ctx)) },
		ici.OpUserSubscribe:                    func(ctx context.Context) error { return c.SubscribeURL(ctx, "A", "http://x/") },
		ici.OpUserUnsubscribe:                  func(ctx context.Context) error { return c.UnsubscribeID(ctx, "A") },
		ici.OpUserSetCurrentWorkcenter:         func(ctx context.Context) error { return ignore(c.SetWorkcenter(ctx, "1;2;3")) },
		ici.OpUserSetCurrentWorkmode:           func(ctx context.Context) error { return c.SetWorkmode(ctx, ici.WorkmodeReady) },
		ici.OpUserSetCurrentQueues:             func(ctx context.Context) error { return c.SetQueues(ctx) },
		ici.OpUserSetCurrentChannels:           func(ctx context.Context) error { return c.SetChannels(ctx, ici.ChannelTypeChat) },
		ici.OpUserGetPresence:                  func(ctx context.Context) error { return ignore(c.Presence(ctx, "*")) },
		ici.OpItemSetAttachedData:              func(ctx context.Context) error { return c.SetAttachedData(ctx, "call-1", "<a/>") },
		ici.OpItemGetAttachedData:              func(ctx context.Context) error { return ignore(c.GetAttachedData(ctx, "call-1")) },
		ici.OpItemWrapUpRequired:               func(ctx context.Context) error { return c.RequireWrapUp(ctx, "call-1", true) },
		ici.OpItemWrapUpEnded:                  func(ctx context.Context) error { return c.EndWrapUp(ctx, "call-1") },
		ici.OpPhoneCallMakeCall:                func(ctx context.Context) error { return ignore(c.MakeCall(ctx, "1", "<a/>")) },
		ici.OpPhoneCallAccept:                  func(ctx context.Context) error { return c.AcceptCall(ctx, "call-1") },
		ici.OpPhoneCallReject:                  func(ctx context.Context) error { return c.RejectCall(ctx, "call-1") },
		ici.OpPhoneCallDrop:                    func(ctx context.Context) error { return c.DropCall(ctx, "call-1") },
		ici.OpPhoneCallHold:                    func(ctx context.Context) error { return c.HoldCall(ctx, "call-1") },
		ici.OpPhoneCallRetrieve:                func(ctx context.Context) error { return c.RetrieveCall(ctx, "call-1") },
		ici.OpPhoneCallToggle:                  func(ctx context.Context) error { return c.ToggleCalls(ctx, "call-1", "call-2") },
		ici.OpPhoneCallConsult:                 func(ctx context.Context) error { return ignore(c.Consult(ctx, "call-1", "2")) },
		ici.OpPhoneCallWarmTransfer:            func(ctx context.Context) error { return c.WarmTransfer(ctx, "call-1", "call-2") },
		ici.OpPhoneCallBlindTransfer:           func(ctx context.Context) error { return c.BlindTransfer(ctx, "call-1", "2") },
		ici.OpPhoneCallConference:              func(ctx context.Context) error { return c.Conference(ctx, "call-1", "call-2") },
		ici.OpPhoneCallLeaveConference:         func(ctx context.Context) error { return c.LeaveConference(ctx, "call-1") },
		ici.OpPhoneCallSendDTMF:                func(ctx context.Context) error { return c.SendDTMF(ctx, "call-1", "1#") },
		ici.OpPhoneCallGetAttributes:           func(ctx context.Context) error { return ignore(c.CallAttributes(ctx, "call-1")) },
		ici.OpPhoneCallGetPhoneCalls:           func(ctx context.Context) error { return ignore(c.PhoneCalls(ctx)) },
		ici.OpMessageAccept:                    func(ctx context.Context) error { return c.AcceptMessage(ctx, "msg-1") },
		ici.OpMessageReject:                    func(ctx context.Context) error { return c.RejectMessage(ctx, "msg-1") },
		ici.OpMessageForward:                   func(ctx context.Context) error { return c.ForwardMessage(ctx, "msg-1", "x") },
		ici.OpMessageComplete:                  func(ctx context.Context) error { return c.CompleteMessage(ctx, "msg-1") },
		ici.OpMessageDelete:                    func(ctx context.Context) error { return c.DeleteMessage(ctx, "msg-1") },
		ici.OpMessageGetAttributes:             func(ctx context.Context) error { return ignore(c.MessageAttributes(ctx, "msg-1")) },
		ici.OpFolderGetMessages:                func(ctx context.Context) error { return ignore(c.FolderMessages(ctx, "in")) },
		ici.OpFolderGetFolders:                 func(ctx context.Context) error { return ignore(c.Folders(ctx)) },
		ici.OpChatAccept:                       func(ctx context.Context) error { return c.AcceptChat(ctx, "chat-1") },
		ici.OpChatReject:                       func(ctx context.Context) error { return c.RejectChat(ctx, "chat-1") },
		ici.OpChatPost:                         func(ctx context.Context) error { return c.PostChat(ctx, "chat-1", "hello") },
		ici.OpChatTyping:                       func(ctx context.Context) error { return c.TypingChat(ctx, "chat-1", true) },
		ici.OpChatTransfer:                     func(ctx context.Context) error { return c.TransferChat(ctx, "chat-1", "x") },
		ici.OpChatInvite:                       func(ctx context.Context) error { return c.InviteChat(ctx, "chat-1", "x") },
		ici.OpChatLeave:                        func(ctx context.Context) error { return c.LeaveChat(ctx, "chat-1") },
		ici.OpChatEnd:                          func(ctx context.Context) error { return c.EndChat(ctx, "chat-1") },
		ici.OpChatGetPostings:                  func(ctx context.Context) error { return ignore(c.ChatPostings(ctx, "chat-1")) },
		ici.OpChatGetAttributes:                func(ctx context.Context) error { return ignore(c.ChatAttributes(ctx, "chat-1")) },
		ici.OpChatLineGetAttributes:            func(ctx context.Context) error { return ignore(c.ChatSessions(ctx)) },
		ici.OpActionItemRoute: func(ctx context.Context) error {
			return c.RouteItem(ctx, icitest.RouteSpec{ID: "1", Data: ici.ActionItem{Title: "x"}, Users: []string{"A"}})
		},
		ici.OpActionItemCancel:        func(ctx context.Context) error { return c.CancelItem(ctx, "1") },
		ici.OpActionItemAccept:        func(ctx context.Context) error { return c.AcceptItem(ctx, "act-1") },
		ici.OpActionItemReject:        func(ctx context.Context) error { return c.RejectItem(ctx, "act-1") },
		ici.OpActionItemReroute:       func(ctx context.Context) error { return c.RerouteItem(ctx, "act-1", "") },
		ici.OpActionItemComplete:      func(ctx context.Context) error { return c.CompleteItem(ctx, "act-1") },
		ici.OpActionItemGetAttributes: func(ctx context.Context) error { return ignore(c.ItemAttributes(ctx, "1")) },
		ici.OpMonitorSubscribe:        func(ctx context.Context) error { return c.SubscribeMonitor(ctx, "A", "http://x/", "<f/>") },
		ici.OpMonitorUnsubscribe:      func(ctx context.Context) error { return c.UnsubscribeMonitor(ctx, "A") },
		ici.OpMonitorGetStructure:     func(ctx context.Context) error { return ignore(c.MonitorStructure(ctx)) },
		ici.OpMonitorGetData:          func(ctx context.Context) error { return ignore(c.MonitorData(ctx, "<f/>")) },
	}
	// Optional by the reference, and left out by the methods above.
	left := map[ici.Op][]ici.Param{
		ici.OpUserGetPresence:   {ici.ParamUserIDs, ici.ParamChannel},
		ici.OpActionItemReroute: {ici.ParamScenarioID},
	}
	p := ici.Default()
	inbound := 0
	for op := ici.OpUnknown + 1; p.OpName(op) != "unknown"; op++ {
		if p.OpService(op) == ici.ServiceEvent {
			continue
		}
		inbound++
		if methods[op] == nil {
			t.Errorf("%v has no method", op)
			continue
		}
		must(t, methods[op](t.Context()))
		name, space, params := firstOfBody(t, rec.body)
		if name != p.OpName(op) || space != p.Namespace(p.OpService(op)) {
			t.Errorf("%v is sent as {%s}%s", op, space, name)
		}
		var want []string
		for _, x := range p.OpParams(op) {
			if !slices.Contains(left[op], x) {
				want = append(want, p.ParamName(x))
			}
		}
		slices.Sort(want)
		slices.Sort(params)
		if d := cmp.Diff(want, params); d != "" {
			t.Errorf("%v: parameters (-want +got):\n%s", op, d)
		}
	}
	if inbound != len(methods) || inbound < 55 {
		t.Errorf("%d operations, %d methods", inbound, len(methods))
	}
	must(t, ignore(c.PresenceOf(t.Context(), "A", "B")))
	if !strings.Contains(string(rec.body), `arrayType="xsd:string[2]"><item xsi:type="xsd:string">A</item>`) {
		t.Errorf("presence of users: %s", rec.body)
	}
}

// firstOfBody returns name, namespace and the names of the children of the operation element.
func firstOfBody(t *testing.T, body []byte) (name, space string, params []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(body)))
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return name, space, params
		}
		must(t, err)
		switch e := tok.(type) {
		case xml.StartElement:
			depth++
			switch {
			case depth == 3 && e.Name.Local != "user" && e.Name.Local != "language": // not a header entry
				name, space = e.Name.Local, e.Name.Space
			case depth == 4:
				params = append(params, e.Name.Local)
			}
		case xml.EndElement:
			depth--
		}
	}
}

func TestPostSendsAnything(t *testing.T) {
	rec := new(recorder)
	srv := httptest.NewServer(rec)
	defer srv.Close()
	sap := newSAP(t, &icitest.Config{Addr: "none", EventURL: "http://x", Connector: srv.URL})
	status, _, err := sap.Client("MEIER", "DE").Post(t.Context(), "/x", "text/xml; charset=shift_jis", []byte("\x83\x65"))
	must(t, err)
	if status != 200 || rec.path != "/x" || string(rec.body) != "\x83\x65" || rec.head.Get("Content-Type") != "text/xml; charset=shift_jis" {
		t.Errorf("status %d, path %s, body %q", status, rec.path, rec.body)
	}
}

func TestConfigReportsAllProblems(t *testing.T) {
	_, err := icitest.New(&icitest.Config{Connector: "cms:8080", EventURL: "ftp://x", Addr: "none", KeepEvents: -1, SessionLimit: -2, Style: 7})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Connector", "EventURL", "KeepEvents=-1", "SessionLimit=-2", "Style=7"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
	if _, err := icitest.New(&icitest.Config{Addr: "none"}); err == nil || !strings.Contains(err.Error(), "EventURL is needed") {
		t.Errorf("without end point: %v", err)
	}
	if _, err := icitest.New(&icitest.Config{Addr: "256.0.0.1:0"}); err == nil {
		t.Error("a wrong address was listened on")
	}
}

func TestAfterClose(t *testing.T) {
	sap := got(icitest.New(&icitest.Config{Connector: "http://127.0.0.1:1"}))(t)
	m := got(sap.Open(icitest.UserSpec{User: "MEIER"}))(t)
	must(t, sap.Close())
	must(t, sap.Close())
	if _, err := sap.Open(icitest.UserSpec{}); err == nil {
		t.Error("a session was opened after Close")
	}
	if err := m.Client.SetWorkmodeID(t.Context(), "2"); err == nil || !m.State().Ended {
		t.Error("the session lives after Close")
	}
	if err := sap.Up(); err == nil {
		t.Error("Up after Close worked")
	}
}
