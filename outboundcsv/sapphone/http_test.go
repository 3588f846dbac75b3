package sapphone_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/testnet"
	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// web is an HTTP transport in a network in memory.
type web struct {
	t      *testing.T
	s      *service
	tr     *sapphone.HTTP
	client *http.Client
}

func serveHTTP(t *testing.T, change func(*sapphone.HTTPOptions)) *web {
	t.Helper()
	n := testnet.New()
	ln, err := n.Listen("connector:8443")
	if err != nil {
		t.Fatal(err)
	}
	w := &web{t: t, s: &service{}}
	o := &sapphone.HTTPOptions{Listener: ln, Definitions: definitions(t), Service: w.s, SpillDir: t.TempDir(), Logins: []sapphone.Login{{User: "sap", Password: "secret"}}}
	if change != nil {
		change(o)
	}
	if w.tr, err = sapphone.NewHTTP(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	if err := w.tr.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(done); _ = w.tr.Serve(ctx, handler(t, w.s)) }()
	w.client = &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w *web) do(method, path, kind string, body io.Reader, header ...string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://connector:8443"+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.SetBasicAuth("sap", "secret")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

const soapCall = `<?xml version="1.0" encoding="iso-8859-1"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Header><x/></SOAP-ENV:Header><SOAP-ENV:Body>
<rfc:Z_ADD_PDCALLS xmlns:rfc="urn:sap-com:document:sap:rfc:functions"><CALLS><item><CALL_ID>4711</CALL_ID><TELNO>+4962277</TELNO><LASTNAME>M` + "\xfc" + `ller &amp; S</LASTNAME></item><item><CALL_ID>4712</CALL_ID></item></CALLS><CAMPAIGN>Spring</CAMPAIGN></rfc:Z_ADD_PDCALLS>
</SOAP-ENV:Body></SOAP-ENV:Envelope>`

func TestSOAP(t *testing.T) {
	w := serveHTTP(t, nil)
	code, body := w.do("POST", "/", "text/xml", strings.NewReader(soapCall), "Idempotency-Key", "k1")
	want := `<rfc:Z_ADD_PDCALLS.Response xmlns:rfc="urn:sap-com:document:sap:rfc:functions"><RETCODE>000</RETCODE><ERRORS><item><CODE>E_ACCOUNT_</CODE><ID>4712</ID></item></ERRORS></rfc:Z_ADD_PDCALLS.Response>`
	if code != 200 || !strings.Contains(body, want) {
		t.Errorf("%d %s", code, body)
	}
	if len(w.s.calls) != 2 || w.s.calls[0].LastName != "Müller & S" || w.s.got[0] != `upload //Spring key "k1": 2` {
		t.Errorf("%+v %v", w.s.calls, w.s.got)
	}
	w.s.err = sapphone.ErrBusy
	if code, body := w.do("POST", "/", "text/xml", strings.NewReader(soapCall)); code != 500 || !strings.Contains(body, "<faultstring>NOT_READY</faultstring>") || !strings.Contains(body, "<Name>NOT_READY</Name>") {
		t.Errorf("exception: %d %s", code, body)
	}
	if l := w.tr.Link(); l.State != sapphone.Registered || l.Calls != 2 || l.LastCall.IsZero() {
		t.Errorf("%+v", l)
	}
}

func TestCutSOAPIsNoList(t *testing.T) {
	w := serveHTTP(t, func(o *sapphone.HTTPOptions) { o.MaxRequests = 1 })
	for n := 0; n < len(soapCall); n += 7 {
		if code, body := w.do("POST", "/", "text/xml", strings.NewReader(soapCall[:n])); code != 500 || !strings.Contains(body, "SOAP-ENV:Client") {
			t.Fatalf("cut at byte %d: %d %s", n, code, body)
		}
	}
	for name, body := range map[string]string{
		"document type": strings.Replace(soapCall, "<SOAP-ENV:Envelope", `<!DOCTYPE x [<!ENTITY a "b">]><SOAP-ENV:Envelope`, 1),
		"two calls":     strings.Replace(soapCall, "</SOAP-ENV:Body>", "<x/></SOAP-ENV:Body>", 1),
		"twice":         strings.Replace(soapCall, "<CAMPAIGN>", "<CAMPAIGN>x</CAMPAIGN><CAMPAIGN>", 1),
		"structure":     strings.Replace(soapCall, "Spring", "<A>1</A>", 1),
		"entity":        strings.Replace(soapCall, "Spring", "&evil;", 1),
		"long value":    strings.Replace(soapCall, "Spring", strings.Repeat("x", 300<<10), 1),
		"rest":          soapCall + "<x/>",
	} {
		if code, b := w.do("POST", "/", "text/xml", strings.NewReader(body)); code < 400 {
			t.Errorf("%s: %d %s", name, code, b)
		}
	}
	if w.s.got != nil {
		t.Errorf("the service was called: %v", w.s.got)
	}
}

func TestJSON(t *testing.T) {
	w := serveHTTP(t, func(o *sapphone.HTTPOptions) { o.BodyLimit = 4096 })
	good := `{"system":"A4H","client":"001","tables":{"CALLS":[{"CALL_ID":"4711","TELNO":"062277","LASTNAME":null}]},"parameters":{"CAMPAIGN":"C"}}`
	for _, tt := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"/rfc/Z_ADD_PDCALLS", good, 200, `{"parameters":{"RETCODE":"000"},"tables":{}}`},
		{"/rfc/SPS_UNKNOWN", good, 404, "recorder mode"},
		{"/rfc/Z_ADD_PDCALLS", good[:50], 400, "byte"},
		{"/rfc/Z_ADD_PDCALLS", good + "x", 400, "byte"},
		{"/rfc/Z_ADD_PDCALLS", `{"params":{}}`, 400, `unknown key`},
		{"/rfc/Z_ADD_PDCALLS", `{"tables":{"CALLS":[{"CALL_ID":[1]}]}}`, 400, "plain value"},
		{"/rfc/Z_ADD_PDCALLS", `{"parameters":{"CAMPAIGN":"` + strings.Repeat("x", 5000) + `"}}`, 413, "large"},
	} {
		if code, body := w.do("POST", tt.path, "application/json", strings.NewReader(tt.body)); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %.60s: %d %s, want %d %s", tt.path, tt.body, code, body, tt.code, tt.want)
		}
	}
	if len(w.s.got) != 1 || w.s.got[0] != `upload A4H/001/C key "": 1` {
		t.Error(w.s.got)
	}
	w.s.err = sapphone.ErrBusy
	if code, body := w.do("POST", "/rfc/Z_ADD_PDCALLS", "application/json", strings.NewReader(good)); code != 422 || !strings.Contains(body, `"exception":"NOT_READY"`) {
		t.Errorf("exception: %d %s", code, body)
	}
}

func TestListsWithoutDefinition(t *testing.T) {
	w := serveHTTP(t, nil)
	code, body := w.do("POST", "/lists/Spring?system=P01&client=100", "application/json", strings.NewReader(`[{"id":"1","phones":[{"number":"1"}]},{"id":"2"}]`), "Idempotency-Key", "g")
	if code != 200 || body != `{"list":"1","rejected":1,"rejects":[{"codes":["E_ACCOUNT_TOO_LONG"],"id":"2"}],"repeated":false,"rows":2}`+"\n" || w.s.got[0] != `upload P01/100/Spring key "g": 2` {
		t.Errorf("%d %s %v", code, body, w.s.got)
	}
	if code, _ := w.do("POST", "/lists/Spring", "application/json", strings.NewReader(`[{"id":"2"}]`)); code != 422 {
		t.Errorf("every row rejected: %d", code)
	}
	if code, body := w.do("POST", "/lists/Spring", "application/json", strings.NewReader(`[{"id":"2"`)); code != 400 || !strings.Contains(body, "planned call 1, byte") {
		t.Errorf("broken: %d %s", code, body)
	}
	w.s.got = nil
	w.do("DELETE", "/lists/Spring", "application/json", strings.NewReader(`{"ids":["1"]}`))
	w.do("DELETE", "/lists/Spring", "application/json", nil)
	if fmt.Sprint(w.s.got) != `[delete Spring ["1"] delete Spring []]` {
		t.Errorf("%v", w.s.got)
	}
	if code, _ := w.do("DELETE", "/lists/Spring", "application/json", strings.NewReader(`{"ids":[]}`)); code != 400 {
		t.Errorf("no ids must not mean all: %d", code)
	}
}

func TestWhoMayCall(t *testing.T) {
	w := serveHTTP(t, nil)
	for _, tt := range []struct {
		header []string
		code   int
	}{
		{nil, 200}, {[]string{"Authorization", ""}, 401}, {[]string{"Authorization", "Basic c2FwOndyb25n"}, 401},
		{[]string{"Origin", "https://evil.example"}, 403}, {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		if code, _ := w.do("GET", "/ping", "", nil, tt.header...); code != tt.code {
			t.Errorf("%v: %d, want %d", tt.header, code, tt.code)
		}
	}
	if _, err := sapphone.NewHTTP(&sapphone.HTTPOptions{Addr: "0.0.0.0:8443"}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("open to everybody: %v", err)
	}
	if _, err := sapphone.NewHTTP(&sapphone.HTTPOptions{Addr: "127.0.0.1:0"}); err != nil {
		t.Error(err)
	}
	if _, err := sapphone.NewHTTP(&sapphone.HTTPOptions{Addr: "x", BodyLimit: -1, Certificates: []string{"a"}, Logins: []sapphone.Login{{}}}); err == nil || len(strings.Split(err.Error(), "\n")) != 4 {
		t.Errorf("every problem: %v", err)
	}
}

func FuzzSOAP(f *testing.F) {
	f.Add(soapCall)
	h, err := sapphone.NewHandler(&sapphone.HandlerOptions{Definitions: definitions(f), Service: &service{}})
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, body string) {
		c, closeCall, err := sapphone.ReadSOAP(strings.NewReader(body), dir)
		defer closeCall()
		if err == nil {
			_, _ = h(t.Context(), c)
		}
	})
}
