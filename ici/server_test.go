package ici_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects/ici"
	"github.com/google/go-cmp/cmp"
)

// records collects log records as maps.
type records struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *records) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// take returns the records since the last call.
func (r *records) take(t *testing.T) []map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []map[string]any
	for line := range bytes.Lines(r.buf.Bytes()) {
		m := map[string]any{}
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	r.buf.Reset()
	return out
}

func (r *records) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// echo answers with what it was asked.
var echo = ici.HandlerFunc(func(_ context.Context, r *ici.Request) (ici.Value, error) {
	return ici.Text(r.System + "|" + r.User + "|" + r.Language + "|" + r.Op.String()), nil
})

func newServer(t *testing.T, h ici.Handler, o *ici.ServerOptions) *ici.Server {
	t.Helper()
	s, err := ici.NewServer(h, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// send posts a body and returns status, answer and headers.
func send(t *testing.T, h http.Handler, path string, body []byte, header ...string) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

func TestServerAnswers(t *testing.T) {
	s := newServer(t, echo, nil)
	status, body, h := send(t, s, "/", vector(t, "10.1-setCurrentWorkmode"))
	if status != 200 || h.Get("Content-Type") != "text/xml; charset=utf-8" {
		t.Errorf("status %d, %v", status, h)
	}
	want := `<m:setCurrentWorkmodeResponse xmlns:m="urn:IciUserInterface" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">` +
		`<response xsi:type="xsd:string">|MEIER|FR|IciUser.setCurrentWorkmode</response></m:setCurrentWorkmodeResponse>`
	if !strings.Contains(body, want) {
		t.Errorf("got %s", body)
	}
	if st := s.Stats(); st.Calls != 1 || st.Active != 0 || st.Faults != 0 {
		t.Errorf("%+v", st)
	}
}

func TestServerFaults(t *testing.T) {
	var give error
	var rec records
	s := newServer(t, ici.HandlerFunc(func(context.Context, *ici.Request) (ici.Value, error) { return nil, give }), &ici.ServerOptions{
		Logger: rec.logger(),
		FaultText: func(lang string, c ici.FaultCode) string {
			if lang == "DE" && c == ici.FaultNotLoggedOn {
				return "Agent ist nicht angemeldet"
			}
			return ""
		},
	})
	for _, c := range []struct {
		name             string
		err              error
		code, text, kind string
		status           int
	}{
		{"own text", &ici.Fault{Code: ici.FaultWorkcenterInvalid, Text: "Ungültig <7001>"}, "workcenterInvalid", "Ungültig &lt;7001&gt;", "Client", 500},
		{"text by language", &ici.Fault{Code: ici.FaultNotLoggedOn}, "notLoggedOn", "Agent ist nicht angemeldet", "Client", 500},
		{"English", &ici.Fault{Code: ici.FaultItemUnknown, Err: errors.New("inside")}, "itemUnknown", "Contact is not known or has ended", "Client", 500},
		{"server's", &ici.Fault{Code: ici.FaultNotSupported}, "notSupported", "Function is not supported", "Server", 500},
		{"other error", errors.New("database password is x"), "generic", "Unexpected error", "Server", 500},
		{"deadline", context.DeadlineExceeded, "timeout", "Contact center did not answer in time", "Server", 500},
		{"own status", &ici.Fault{Code: ici.FaultGeneric, Status: 503}, "generic", "Unexpected error", "Server", 503},
	} {
		give = c.err
		status, body, _ := send(t, s, "/", call("urn:IciUserInterface", "getAttributes", ""))
		want := "<SOAP-ENV:Fault><faultcode>SOAP-ENV:" + c.kind + "</faultcode><faultstring>" + c.text + "</faultstring><detail><errorCode>" + c.code + "</errorCode></detail></SOAP-ENV:Fault>"
		if status != c.status || !strings.Contains(body, want) {
			t.Errorf("%s: status %d\n got %s\nwant %s", c.name, status, body, want)
		}
		if l := rec.take(t); len(l) != 1 || l[0]["msg"] != "ici fault" || l[0]["code"] != c.code || l[0]["user"] != "MEIER" {
			t.Errorf("%s: logged %v", c.name, l)
		}
	}
}

func TestServerPanic(t *testing.T) {
	var rec records
	s := newServer(t, ici.HandlerFunc(func(_ context.Context, r *ici.Request) (ici.Value, error) {
		if r.Op == ici.OpUserSubscribe {
			r.After(func() { panic("later") })
			return nil, nil
		}
		panic("boom")
	}), &ici.ServerOptions{Logger: rec.logger()})
	status, body, _ := send(t, s, "/", call("urn:IciUserInterface", "getAttributes", ""))
	if status != 500 || !strings.Contains(body, "<errorCode>generic</errorCode>") || strings.Contains(body, "boom") {
		t.Errorf("%d %s", status, body)
	}
	if l := rec.take(t); len(l) != 2 || l[1]["msg"] != "ici fault" || l[0]["panic"] != "boom" || l[0]["level"] != "ERROR" || !strings.Contains(l[0]["stack"].(string), "server_test.go") {
		t.Errorf("%v", l)
	}
	if status, _, _ = send(t, s, "/", call("urn:IciUserInterface", "subscribe", "")); status != 200 {
		t.Errorf("status %d", status)
	}
	if l := rec.take(t); len(l) != 1 || l[0]["panic"] != "later" {
		t.Errorf("%v", l)
	}
	if s.Stats().Panics != 2 {
		t.Errorf("%+v", s.Stats())
	}
}

// flushed tells whether the answer was pushed out before it is asked.
type flushed struct {
	*httptest.ResponseRecorder
	order *[]string
}

func (f flushed) Flush() { *f.order = append(*f.order, "answer") }

func TestAfterComesAfterTheAnswer(t *testing.T) {
	var order []string
	s := newServer(t, ici.HandlerFunc(func(_ context.Context, r *ici.Request) (ici.Value, error) {
		r.After(func() { order = append(order, "event 1") })
		r.After(func() {
			order = append(order, "event 2")
			r.After(func() { order = append(order, "event 3") })
		})
		order = append(order, "handler")
		return nil, nil
	}), nil)
	s.ServeHTTP(flushed{httptest.NewRecorder(), &order}, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(call("urn:IciUserInterface", "getAttributes", ""))))
	if d := cmp.Diff([]string{"handler", "answer", "event 1", "event 2", "event 3"}, order); d != "" {
		t.Error(d)
	}
}

// On a real connection the caller must have the whole answer while After still runs.
func TestAfterDoesNotHoldTheAnswer(t *testing.T) {
	release := make(chan struct{})
	ran := make(chan struct{})
	s := newServer(t, ici.HandlerFunc(func(_ context.Context, r *ici.Request) (ici.Value, error) {
		r.After(func() { <-release; close(ran) })
		return ici.Text("done"), nil
	}), nil)
	srv := httptest.NewServer(s)
	defer srv.Close()
	resp, err := srv.Client().Post(srv.URL, "text/xml", bytes.NewReader(call("urn:IciUserInterface", "getAttributes", "")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), "done") {
		t.Errorf("%s %v", body, err)
	}
	close(release)
	<-ran
}

func TestUnknownOperationIsLearned(t *testing.T) {
	var rec records
	called := 0
	s := newServer(t, ici.HandlerFunc(func(context.Context, *ici.Request) (ici.Value, error) { called++; return nil, nil }), &ici.ServerOptions{Logger: rec.logger(), LearnNames: 2})
	fly := call("urn:IciUserInterface", "fly", `<where>Zürich &lt;1&gt;</where><list><item>a</item></list><password>geheim1</password><newPwd>geheim2</newPwd>`+
		`<workcenterId>7001;geheim3;3005;pm</workcenterId><x>7002;geheim4;3006</x><currentWorkCenter><id>geheim5</id></currentWorkCenter><authToken>geheim6</authToken>`)
	status, body, _ := send(t, s, "/", fly, "SOAPAction", `"urn:fly"`)
	if status != 200 || !strings.Contains(body, `<m:flyResponse xmlns:m="urn:IciUserInterface"`) || !strings.Contains(body, `<response></response>`) {
		t.Errorf("%d %s", status, body)
	}
	if strings.Contains(rec.text(), "geheim") {
		t.Errorf("a secret is logged: %s", rec.text())
	}
	l := rec.take(t)
	want := `<fly><where>Zürich &lt;1&gt;</where><list><item>a</item></list><password>****</password><newPwd>****</newPwd><workcenterId>****</workcenterId><x>****</x><currentWorkCenter>****</currentWorkCenter><authToken>****</authToken></fly>`
	if len(l) != 1 || l[0]["body"] != want || l[0]["level"] != "WARN" || l[0]["soapaction"] != `"urn:fly"` || l[0]["operation"] != "fly" {
		t.Errorf("%v", l)
	}
	for range 3 {
		send(t, s, "/", fly)
	}
	for _, r := range rec.take(t) {
		if r["body"] != nil || r["level"] != "DEBUG" {
			t.Errorf("logged whole again: %v", r)
		}
	}
	send(t, s, "/", call("", "swim", ""))
	if l := rec.take(t); len(l) != 1 || l[0]["body"] == nil {
		t.Errorf("second name: %v", l)
	}
	send(t, s, "/", call("", "dive", ""))
	if l := rec.take(t); len(l) != 1 || l[0]["body"] != nil {
		t.Errorf("beyond the limit of names: %v", l)
	}
	send(t, s, "/", call("", "big", "<x>"+strings.Repeat("ü", 100000)+"</x>"))
	if n := len(rec.text()); n > 40000 {
		t.Errorf("%d bytes logged", n)
	}
	if called != 0 || s.Stats().Unknown != 7 {
		t.Errorf("handler called %d times, %+v", called, s.Stats())
	}
}

// Most parameter names are assumed, so a call of a known operation with unknown elements is logged whole once as well.
func TestUnknownParameterIsLearned(t *testing.T) {
	var rec records
	s := newServer(t, echo, &ici.ServerOptions{Logger: rec.logger()})
	strange := call("urn:IciUserInterface", "setCurrentWorkmode", "<userId>M</userId><workmodeCode>2</workmodeCode>")
	if status, body, _ := send(t, s, "/", strange); status != 200 || !strings.Contains(body, "|M|") {
		t.Errorf("%d %s", status, body)
	}
	l := rec.take(t)
	if len(l) != 1 || l[0]["body"] != "<setCurrentWorkmode><userId>M</userId><workmodeCode>2</workmodeCode></setCurrentWorkmode>" || l[0]["msg"] != "ici unknown parameter ignored" {
		t.Errorf("%v", l)
	}
	send(t, s, "/", strange)
	if l := rec.take(t); len(l) != 1 || l[0]["body"] != nil {
		t.Errorf("%v", l)
	}
	send(t, s, "/", call("urn:IciUserInterface", "setCurrentWorkmode", "<userId>M</userId><workmodeId>2</workmodeId><channel>x</channel>"))
	if l := rec.take(t); len(l) != 0 {
		t.Errorf("known names are logged: %v", l)
	}
}

// A value that cannot be written is the handler's mistake, not the caller's.
func TestNilPointerValue(t *testing.T) {
	s := newServer(t, ici.HandlerFunc(func(context.Context, *ici.Request) (ici.Value, error) { return (*ici.User)(nil), nil }), nil)
	status, body, _ := send(t, s, "/", call("urn:IciUserInterface", "getAttributes", ""))
	if status != 500 || !strings.Contains(body, "<errorCode>generic</errorCode>") {
		t.Errorf("%d %s", status, body)
	}
}

func TestSystems(t *testing.T) {
	other, err := ici.Default().Override("x", "namespace IciUser = urn:other")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, echo, &ici.ServerOptions{Systems: []ici.System{
		{Name: "A", PathPrefix: "/a"}, {Name: "AB", PathPrefix: "/a/b/", Profile: other}, {Name: "B", PathPrefix: "/b"},
	}})
	for _, c := range []struct {
		path, ns string
		status   int
		want     string
	}{
		{"/a", "urn:IciUserInterface", 200, "A|"},
		{"/a/", "urn:IciUserInterface", 200, "A|"},
		{"/a/IciUserService/IciUserConf", "", 200, "A|MEIER|DE|IciUser.getAttributes"},
		{"/a/anything?x=y", "urn:IciUserInterface", 200, "A|"},
		{"/a/b", "urn:other", 200, "AB|MEIER|DE|IciUser.getAttributes"},
		{"/b/c", "urn:IciUserInterface", 200, "B|"},
		{"/", "urn:IciUserInterface", 404, "no system"},
		{"/ab", "urn:IciUserInterface", 404, "no system"},
	} {
		status, body, _ := send(t, s, c.path, call(c.ns, "getAttributes", ""))
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", c.path, status, body)
		}
	}
}

func TestGzip(t *testing.T) {
	big := strings.Repeat("answer ", 1000)
	s := newServer(t, ici.HandlerFunc(func(_ context.Context, r *ici.Request) (ici.Value, error) {
		if r.Op == ici.OpUserGetPresence {
			return ici.Text(big), nil
		}
		return ici.Text(r.Text(ici.ParamUserID)), nil
	}), nil)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(call("urn:IciUserInterface", "getAttributes", "<userId>zipped</userId>")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second call uses the buffers of the first
		if status, body, _ := send(t, s, "/", z.Bytes(), "Content-Encoding", "gzip"); status != 200 || !strings.Contains(body, "zipped") {
			t.Errorf("%d %s", status, body)
		}
	}
	search := call("urn:IciUserInterface", "getPresence", "")
	for _, c := range []struct {
		accept string
		zipped bool
	}{
		{"", false}, {"gzip", true}, {"deflate, GZIP;q=0.5", true}, {"gzip;q=0", false}, {"gzip; q=0.000", false}, {"br", false},
	} {
		status, body, h := send(t, s, "/", search, "Accept-Encoding", c.accept)
		if got := h.Get("Content-Encoding") == "gzip"; got != c.zipped || status != 200 {
			t.Errorf("accept %q: %d, gzip %v", c.accept, status, got)
			continue
		}
		if c.zipped {
			zr, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(zr)
			if err != nil {
				t.Fatal(err)
			}
			body = string(plain)
		}
		if !strings.Contains(body, big) {
			t.Errorf("accept %q: answer has %d bytes", c.accept, len(body))
		}
	}
	// A short answer is not worth it.
	if _, _, h := send(t, s, "/", call("urn:IciUserInterface", "getAttributes", ""), "Accept-Encoding", "gzip"); h.Get("Content-Encoding") != "" {
		t.Error("a short answer is compressed")
	}
}

func TestHandlerTimeout(t *testing.T) {
	s := newServer(t, ici.HandlerFunc(func(ctx context.Context, r *ici.Request) (ici.Value, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}), &ici.ServerOptions{HandlerTimeout: time.Millisecond})
	status, body, _ := send(t, s, "/", call("urn:IciUserInterface", "getAttributes", ""))
	if status != 500 || !strings.Contains(body, "<errorCode>timeout</errorCode>") {
		t.Errorf("%d %s", status, body)
	}
}

func TestTooManyCalls(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := newServer(t, ici.HandlerFunc(func(context.Context, *ici.Request) (ici.Value, error) {
		entered <- struct{}{}
		<-release
		return nil, nil
	}), &ici.ServerOptions{MaxConcurrent: 1})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(call("urn:IciUserInterface", "getAttributes", ""))))
	}()
	<-entered
	status, _, h := send(t, s, "/", call("urn:IciUserInterface", "getAttributes", ""))
	if status != 503 || h.Get("Retry-After") == "" {
		t.Errorf("status %d %v", status, h)
	}
	if st := s.Stats(); st.Active != 1 || st.Refused != 1 {
		t.Errorf("%+v", st)
	}
	close(release)
	<-done
}

func TestStatusPage(t *testing.T) {
	get := func(h http.Handler, method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	s := newServer(t, echo, &ici.ServerOptions{Systems: []ici.System{{Name: "P", PathPrefix: "/sap", Auth: ici.Auth{Basic: []ici.Login{{User: "u", Password: "geheim"}}}}}})
	for _, path := range []string{"/sap", "/sap/", "/sap/IciUserService/IciUserConf"} {
		w := get(s, "GET", path)
		if w.Code != 200 || !strings.Contains(w.Body.String(), `href="/sap/IciUserService/IciUserConf?wsdl"`) || strings.Contains(w.Body.String(), "geheim") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Error("no content security policy")
		}
	}
	for _, path := range []string{"/", "/sap/nothing", "/sap/x?wsdl", "/sap?wsdl"} {
		if w := get(s, "GET", path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	own := newServer(t, echo, &ici.ServerOptions{StatusPage: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "mine") })})
	if w := get(own, "GET", "/"); w.Body.String() != "mine" {
		t.Errorf("%s", w.Body)
	}
}

func TestServerOptionErrors(t *testing.T) {
	_, err := ici.NewServer(echo, &ici.ServerOptions{
		Systems: []ici.System{
			{Name: "A", PathPrefix: "a"}, {Name: "A", PathPrefix: "/b", Auth: ici.Auth{Basic: []ici.Login{{User: "a:b"}}}}, {Name: "C", PathPrefix: "/b/", Auth: ici.Auth{Both: true, Certificates: []string{""}}},
		},
		ReadTimeout: -1, MaxConcurrent: -2, LearnNames: -3, Limits: &ici.Limits{Depth: -4, Body: 2 << 30},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`Systems[0].PathPrefix="a" does not begin with /`, `Systems[1].Name="A" stands twice`, `Systems[2].PathPrefix="/b/" stands twice`,
		`Basic[0].User="a:b"`, `Basic[0].Password is empty`, `Certificates[0] is empty`, `Both is set`, `ReadTimeout=-1ns`, `MaxConcurrent=-2`, `LearnNames=-3`, `Limits.Depth=-4`, `Limits.Body=2147483648`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if _, err := ici.NewServer(nil, nil); err == nil {
		t.Error("nil handler is accepted")
	}
}

func TestTrace(t *testing.T) {
	var got []string
	s := newServer(t, echo, &ici.ServerOptions{Trace: func(r *ici.Request, in, out []byte, _ time.Duration) {
		got = append(got, r.Op.String(), string(in), string(out))
	}})
	body := call("urn:IciUserInterface", "getAttributes", "")
	_, answer, _ := send(t, s, "/", body)
	if d := cmp.Diff([]string{"IciUser.getAttributes", string(body), answer}, got); d != "" {
		t.Error(d)
	}
}
