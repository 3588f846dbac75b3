package ici_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/connects-go/connects/ici"
)

// attached2k is an attached-data document of 2 kB, escaped once as it stands in a call.
func attached2k() (plain, escaped string) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><ItemAttachedData><Application id="SAP-IC">`)
	for i := 1; b.Len() < 1960; i++ {
		n := "CV" + strconv.Itoa(100 + i)[1:]
		b.WriteString("<" + n + ">Kunde Zürich 4711-" + strconv.Itoa(i) + " offene Bestellungen</" + n + ">")
	}
	b.WriteString(`</Application></ItemAttachedData>`)
	plain = b.String()
	return plain, strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(plain)
}

// bodyAttached is a SetAttachedData call of SAP with 2 kB of attached data.
func bodyAttached() []byte {
	_, esc := attached2k()
	return call("urn:IciItemInterface", "setAttachedData", `<itemId xsi:type="xsd:string">call-815</itemId><attachedData xsi:type="xsd:string">`+esc+`</attachedData>`)
}

// xmlRequest is what encoding/xml needs to do the same work as ParseRequest.
type xmlRequest struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Header  struct {
		User     string `xml:"user"`
		Language string `xml:"language"`
	} `xml:"Header"`
	Body struct {
		Call struct {
			XMLName xml.Name
			Params  []struct {
				XMLName xml.Name
				Text    string `xml:",chardata"`
			} `xml:",any"`
		} `xml:",any"`
	} `xml:"Body"`
}

func BenchmarkRequestDecode(b *testing.B) {
	body := bodyAttached()
	plain, _ := attached2k()
	b.Run("ici", func(b *testing.B) {
		p := ici.Default()
		o := &ici.ParseOptions{ContentType: "text/xml; charset=utf-8", Path: "/"}
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			r, err := p.ParseRequest(body, o)
			if err != nil || r.Op != ici.OpItemSetAttachedData || r.Text(ici.ParamAttachedData) != plain || r.Language != "DE" {
				b.Fatal(err, r.Op)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var r xmlRequest
			if err := xml.Unmarshal(body, &r); err != nil {
				b.Fatal(err)
			}
			if c := r.Body.Call; c.XMLName.Local != "setAttachedData" || c.Params[1].Text != plain || r.Header.Language != "DE" {
				b.Fatal(c)
			}
		}
	})
}

// xmlEvent is what encoding/xml needs to do the same work as AppendRequest.
type xmlEvent struct {
	XMLName xml.Name `xml:"SOAP-ENV:Envelope"`
	NS1     string   `xml:"xmlns:SOAP-ENV,attr"`
	NS2     string   `xml:"xmlns:SOAP-ENC,attr"`
	NS3     string   `xml:"xmlns:xsi,attr"`
	NS4     string   `xml:"xmlns:xsd,attr"`
	Header  struct {
		User     xmlHeader `xml:"h:user"`
		Language xmlHeader `xml:"h:language"`
	} `xml:"SOAP-ENV:Header"`
	Body struct {
		Call struct {
			NS     string   `xml:"xmlns:m,attr"`
			Enc    string   `xml:"SOAP-ENV:encodingStyle,attr"`
			AppIDs xmlTexts `xml:"appIds"`
			Call   xmlCall  `xml:"phoneCall"`
		} `xml:"m:phoneCallChanged"`
	} `xml:"SOAP-ENV:Body"`
}

type xmlHeader struct {
	NS   string `xml:"xmlns:h,attr"`
	Must string `xml:"SOAP-ENV:mustUnderstand,attr"`
	Type string `xml:"xsi:type,attr"`
	Text string `xml:",chardata"`
}

type xmlText struct {
	Type string `xml:"xsi:type,attr"`
	Text string `xml:",chardata"`
}

type xmlTexts struct {
	Type  string    `xml:"xsi:type,attr"`
	Array string    `xml:"SOAP-ENC:arrayType,attr"`
	Item  []xmlText `xml:"item"`
}

type xmlElement struct {
	ID          xmlText `xml:"id"`
	Description xmlText `xml:"description"`
}

type xmlElements struct {
	Type  string       `xml:"xsi:type,attr"`
	Array string       `xml:"SOAP-ENC:arrayType,attr"`
	Item  []xmlElement `xml:"item"`
}

type xmlCall struct {
	ID               xmlText     `xml:"id"`
	PhoneCallID      xmlText     `xml:"phoneCallId"`
	ProcessingStatus xmlElement  `xml:"processingStatus"`
	CapabilityList   xmlElements `xml:"capabilityList"`
	AttachedData     xmlText     `xml:"attachedData"`
	RemoteNumbers    xmlTexts    `xml:"remoteNumbers"`
	DialedNumber     xmlText     `xml:"dialedNumber"`
	Direction        xmlText     `xml:"direction"`
	Queue            xmlText     `xml:"queue"`
}

func call2k() ici.PhoneCall {
	c := offeredCall
	c.AttachedData, _ = attached2k()
	return c
}

func xmlEventOf(c *ici.PhoneCall) *xmlEvent {
	str := func(s string) xmlText { return xmlText{"xsd:string", s} }
	hdr := func(s string) xmlHeader { return xmlHeader{"urn:IciItemInterface", "0", "xsd:string", s} }
	var e xmlEvent
	e.NS1, e.NS2 = "http://schemas.xmlsoap.org/soap/envelope/", "http://schemas.xmlsoap.org/soap/encoding/"
	e.NS3, e.NS4 = "http://www.w3.org/2001/XMLSchema-instance", "http://www.w3.org/2001/XMLSchema"
	e.Header.User, e.Header.Language = hdr("MEIER"), hdr("FR")
	x := &e.Body.Call
	x.NS, x.Enc = "urn:IciEventInterface", "http://schemas.xmlsoap.org/soap/encoding/"
	x.AppIDs = xmlTexts{"SOAP-ENC:Array", "xsd:string[1]", []xmlText{str("0A1B2C3D4E5F")}}
	x.Call = xmlCall{
		ID: str(c.ID), PhoneCallID: str(c.PhoneCallID),
		ProcessingStatus: xmlElement{str(c.ProcessingStatus.ID), str(c.ProcessingStatus.Description)},
		CapabilityList:   xmlElements{Type: "SOAP-ENC:Array", Array: "xsd:anyType[" + strconv.Itoa(len(c.CapabilityList)) + "]"},
		AttachedData:     str(c.AttachedData), RemoteNumbers: xmlTexts{"SOAP-ENC:Array", "xsd:string[1]", []xmlText{str(c.RemoteNumbers[0])}},
		DialedNumber: str(c.DialedNumber), Direction: str(c.Direction), Queue: str(c.Queue),
	}
	for _, t := range c.CapabilityList {
		x.Call.CapabilityList.Item = append(x.Call.CapabilityList.Item, xmlElement{str(t.ID), str(t.Description)})
	}
	return &e
}

func BenchmarkEventEncode(b *testing.B) {
	c := call2k()
	b.Run("ici", func(b *testing.B) {
		p := ici.Default()
		h := ici.Header{User: "MEIER", Language: "FR"}
		appIDs := &ici.Texts{"0A1B2C3D4E5F"}
		buf := make([]byte, 0, 16<<10)
		b.ReportAllocs()
		for b.Loop() {
			buf = p.AppendRequest(buf[:0], h, ici.OpEventPhoneCallChanged,
				ici.Arg{Param: ici.ParamAppIDs, Value: appIDs}, ici.Arg{Param: ici.ParamPhoneCall, Value: &c})
		}
		b.SetBytes(int64(len(buf)))
	})
	b.Run("encoding-xml", func(b *testing.B) {
		var buf bytes.Buffer
		b.ReportAllocs()
		for b.Loop() {
			buf.Reset()
			if err := xml.NewEncoder(&buf).Encode(xmlEventOf(&c)); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(buf.Len()))
	})
}

// The comparison is fair only if both write the same event.
func TestBenchmarkWritesTheSameEvent(t *testing.T) {
	c := call2k()
	theirs, err := xml.Marshal(xmlEventOf(&c))
	if err != nil {
		t.Fatal(err)
	}
	p := ici.Default()
	for _, body := range [][]byte{theirs, p.AppendRequest(nil, ici.Header{User: "MEIER", Language: "FR"}, ici.OpEventPhoneCallChanged,
		ici.Arg{Param: ici.ParamAppIDs, Value: ici.Texts{"0A1B2C3D4E5F"}}, ici.Arg{Param: ici.ParamPhoneCall, Value: &c})} {
		r, err := p.ParseRequest(body, &ici.ParseOptions{Events: true})
		if err != nil {
			t.Fatal(err)
		}
		var got ici.PhoneCall
		got.DecodeICI(r.Element(ici.ParamPhoneCall))
		if got.AttachedData != c.AttachedData || got.ID != c.ID || len(got.CapabilityList) != 2 || r.User != "MEIER" {
			t.Errorf("event differs: %+v", got)
		}
	}
}

func BenchmarkPresenceAnswer(b *testing.B) {
	p := ici.Default()
	var rows ici.Rows
	for i := range 1000 {
		rows = append(rows, p.EncodeRow(&ici.PresenceInfo{UserID: "USER" + strconv.Itoa(i), Name: "Jürgen Meier", PresenceStatus: ici.TextElement{ID: "1", Description: "Available"}, Address: "2001"}))
	}
	r, err := p.ParseRequest(call("urn:IciUserInterface", "getPresence", `<searchTerm xsi:type="xsd:string">*</searchTerm>`), nil)
	if err != nil {
		b.Fatal(err)
	}
	buf := p.AppendResponse(nil, r, rows)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = p.AppendResponse(buf[:0], r, rows)
	}
}

func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("SKIPPED: allocations cannot be counted under the race detector; run without -race")
	}
	p := ici.Default()
	c := call2k()
	h := ici.Header{User: "MEIER", Language: "FR"}
	appIDs := &ici.Texts{"0A1B2C3D4E5F"}
	buf := make([]byte, 0, 16<<10)
	if n := testing.AllocsPerRun(100, func() {
		buf = p.AppendRequest(buf[:0], h, ici.OpEventPhoneCallChanged,
			ici.Arg{Param: ici.ParamAppIDs, Value: appIDs}, ici.Arg{Param: ici.ParamPhoneCall, Value: &c})
	}); n != 0 {
		t.Errorf("writing an event allocates %v times, want 0", n)
	}
	body := bodyAttached()
	o := &ici.ParseOptions{ContentType: "text/xml; charset=utf-8", Path: "/"}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.ParseRequest(body, o); err != nil {
			t.Fatal(err)
		}
	}); n > 8 {
		t.Errorf("reading a request allocates %v times, want at most 8", n)
	}
	r, err := p.ParseRequest(body, o)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { buf = p.AppendResponse(buf[:0], r, nil) }); n != 0 {
		t.Errorf("writing an answer allocates %v times, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if r.Text(ici.ParamItemID) == "" || !r.Has(ici.ParamAttachedData) {
			t.Fatal("parameter is lost")
		}
	}); n != 0 {
		t.Errorf("reading parameters allocates %v times, want 0", n)
	}
}

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Flush()                      {}

// BenchmarkServer is a whole call from the body to the answer, without the network.
func BenchmarkServer(b *testing.B) {
	s, err := ici.NewServer(ici.HandlerFunc(func(_ context.Context, r *ici.Request) (ici.Value, error) {
		if r.Text(ici.ParamAttachedData) == "" {
			return nil, &ici.Fault{Code: ici.FaultGeneric}
		}
		return nil, nil
	}), nil)
	if err != nil {
		b.Fatal(err)
	}
	body := bodyAttached()
	rd := bytes.NewReader(body)
	r, err := http.NewRequest(http.MethodPost, "/", io.NopCloser(rd))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	w := &nowhere{h: http.Header{}}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		rd.Reset(body)
		s.ServeHTTP(w, r)
	}
	if s.Stats().Faults != 0 || s.Stats().Unreadable != 0 {
		b.Fatalf("%+v", s.Stats())
	}
}
