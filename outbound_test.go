package connects_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/testnet"
	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/sapphone/cpic"
	"github.com/connects-go/connects/outboundcsv/sapphone/gatewaytest"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// outboundDefinition names everything with Z_: invented, like no function of SAP.
const outboundDefinition = `{"types":{"Z_PDCALL":{"lengthChars":112,"fields":[{"name":"CALL_ID","abapType":"CHAR","length":32},{"name":"TEL1","abapType":"CHAR","length":20},{"name":"TEL2","abapType":"CHAR","length":20},{"name":"TEL3","abapType":"CHAR","length":20},{"name":"LASTNAME","abapType":"CHAR","length":20}]}},
"functions":{"Z_ADD_PDCALLS":{"import":[{"name":"CAMPAIGN","abapType":"CHAR","length":20}],"export":[{"name":"RETCODE","abapType":"NUMC","length":3}],"tables":[{"name":"CALLS","type":"Z_PDCALL"}],"exceptions":["NOT_READY"]}},
"mapping":{"Z_ADD_PDCALLS":{"operation":"upload","campaign":"CAMPAIGN","rows":"CALLS","row":{"id":"CALL_ID","phones":["TEL1","TEL2","TEL3"],"lastName":"LASTNAME"},"result":{"ok":{"RETCODE":"000"},"failed":{"RETCODE":"020"}},"exception":{"busy":"NOT_READY"}}}}`

// dialer is a node with an outbound connector.
type dialer struct {
	t     *testing.T
	net   *testnet.Net
	dir   string
	node  *connects.Node
	mu    sync.Mutex
	addrs map[string]string
}

func startOutbound(t *testing.T, name string, n *testnet.Net, change func(*connects.OutboundConfig)) *dialer {
	t.Helper()
	d := &dialer{t: t, net: n, dir: t.TempDir(), node: connects.NewNode(nil), addrs: map[string]string{}}
	if err := os.Mkdir(filepath.Join(d.dir, "import"), 0o700); err != nil {
		t.Fatal(err)
	}
	defs, err := sapphone.ParseDefinitions(strings.NewReader(outboundDefinition))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &connects.OutboundConfig{
		Root: filepath.Join(d.dir, "spool"), Definitions: defs, ResultDir: d.dir,
		Queue: spool.Options{Instance: name, File: spool.File{Dir: filepath.Join(d.dir, "import"), Name: "c.csv"}, Poll: 5 * time.Millisecond},
		Listener: func(ctx context.Context, network, addr string) (net.Listener, error) {
			ln, err := new(net.ListenConfig).Listen(ctx, network, "127.0.0.1:0") // no fixed ports in tests
			if err == nil {
				d.mu.Lock()
				d.addrs[addr] = ln.Addr().String()
				d.mu.Unlock()
			}
			return ln, err
		},
		NewTransports: func(s sapphone.Service) ([]sapphone.Transport, error) {
			ln, err := n.Listen(name + ":8443")
			if err != nil {
				return nil, err
			}
			h, err := sapphone.NewHTTP(&sapphone.HTTPOptions{Listener: ln, Definitions: defs, Service: s, Logins: []sapphone.Login{{User: "sap", Password: "pw"}}, SpillDir: d.dir})
			return []sapphone.Transport{h}, err
		},
	}
	if change != nil {
		change(cfg)
	}
	add(t, d.node, "outbound", connects.Outbound(cfg))
	if err := d.node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.node.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *dialer) post(host, path, kind string, body io.Reader) (int, string) {
	d.t.Helper()
	return d.send(http.MethodPost, host, path, kind, body)
}

func (d *dialer) send(method, host, path, kind string, body io.Reader) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, "http://"+host+":8443"+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.SetBasicAuth("sap", "pw")
	tr := &http.Transport{DialContext: d.net.DialContext, DisableKeepAlives: true}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (d *dialer) wait(what string, ok func() bool) {
	d.t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("waited in vain until %s: %+v", what, d.node.Health())
		}
	}
}

func (d *dialer) file() string {
	b, _ := os.ReadFile(filepath.Join(d.dir, "import", "c.csv"))
	return string(b)
}

func (d *dialer) get(path string) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://"+d.addrs[connects.DefaultOutboundPage]+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// console gives commands to the console and returns everything it said.
func (d *dialer) console(commands ...string) string {
	d.t.Helper()
	c, err := new(net.Dialer).DialContext(d.t.Context(), "tcp", d.addrs[connects.DefaultOutboundConsole])
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.Join(commands, "\n")+"\nquit\n"); err != nil {
		d.t.Fatal(err)
	}
	b, err := io.ReadAll(bufio.NewReader(c))
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

func TestOutboundTakesAListAndShowsIt(t *testing.T) {
	d := startOutbound(t, "ob1", testnet.New(), nil)
	if h := d.node.Health(); h.State != connects.StateInactive || h.Condition != connects.ConditionOK {
		t.Errorf("registered and unused: %v %v", h.State, h.Condition)
	}
	if code, body := d.post("ob1", "/lists/Spring", "application/json", strings.NewReader(`[{"id":"4711","lastName":"Müller","phones":[{"number":"+49 6227 1"}]},{"id":"=4712"}]`)); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	d.wait("the file is there", func() bool { return d.file() != "" })
	if got := d.file(); got != "4711,,M\xfcller,004962271,,\r\n" {
		t.Errorf("file %q", got)
	}
	d.wait("it is active", func() bool { return d.node.Health().State == connects.StateActive })
	d.wait("the journal has it", func() bool { return strings.Contains(d.console("list 1"), "\nplaced") })
	if err := os.WriteFile(filepath.Join(d.dir, "0000000001.csv"), []byte("AccountNumber,CallResult\n4711,10\nother,8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := d.console("status", "lists", "list 1", "rejects 1", "results 1", "hold 1", "list 9", "rejects", "nonsense")
	for _, want := range []string{
		"outbound: ACTIVE, ok", "http     registered", "waiting  1 lists, 2 rows", "1 lists accepted", "0000000001  Spring    placed  2     1        1",
		`list 0000000001, campaign "Spring"`, "2 rows received, 1 written, 1 rejected, 0 left out as repeated, 0 deleted", "rejected '=4712 [E_NO_PHONE]",
		"1 rows of the list have a result, 0 are closed; 1 rows of other lists", "1  connected to agent",
		"error: placed: spool: not possible", "error: spool: no such list", "error: want the id", "no command",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the console does not say %q:\n%s", want, got)
		}
	}
	for path, want := range map[string]string{"/": `<a href="/list/0000000001">0000000001</a>`, "/list/0000000001": "E_NO_PHONE", "/list/77": "There is no such list"} {
		if code, body := d.get(path); !strings.Contains(body, want) || (code == 404) != (path == "/list/77") {
			t.Errorf("page %s: %d, no %q in\n%s", path, code, want, body)
		}
	}
	tr := &http.Transport{DisableKeepAlives: true}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.addrs[connects.DefaultOutboundPage]+"/", nil)
	r.Host = "evil.example"
	if resp, err := tr.RoundTrip(r); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("foreign host: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if err := os.RemoveAll(filepath.Join(d.dir, "import")); err != nil {
		t.Fatal(err)
	}
	d.wait("it is degraded", func() bool {
		h := d.node.Health()
		return h.Condition == connects.ConditionDegraded && strings.Contains(h.Components[0].Reason, "lists wait: spool: import directory")
	})
}

// A disk that cannot take a list: the sender may repeat it, an operator sees why.
func TestOutboundRefusesListsWithoutADisk(t *testing.T) {
	d := startOutbound(t, "ob1", testnet.New(), nil)
	lists := filepath.Join(d.dir, "spool", "ob1", "lists")
	if err := os.Rename(lists, lists+".gone"); err != nil {
		t.Fatal(err)
	}
	list := `[{"id":"4711","phones":[{"number":"1"}]}]`
	if code, body := d.post("ob1", "/lists/Spring", "application/json", strings.NewReader(list)); code != http.StatusServiceUnavailable || !strings.Contains(body, "try again") {
		t.Errorf("%d %s", code, body)
	}
	d.wait("it is degraded", func() bool {
		h := d.node.Health()
		return h.Condition == connects.ConditionDegraded && strings.Contains(h.Components[0].Reason, "lists are refused: spool: its disk cannot be written")
	})
	if got := d.console("status"); !strings.Contains(got, "refusing lists: spool: its disk") {
		t.Errorf("console:\n%s", got)
	}
	if err := os.Rename(lists+".gone", lists); err != nil {
		t.Fatal(err)
	}
	if code, body := d.post("ob1", "/lists/Spring", "application/json", strings.NewReader(list)); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	d.wait("the file is there", func() bool { return d.file() == "4711,,,1,,\r\n" })
	d.wait("all is well", func() bool { return d.node.Health().Condition == connects.ConditionOK })
}

func TestOutboundInstancesShareAStore(t *testing.T) {
	n, store := testnet.New(), ds104.NewMemory(nil)
	defer store.Close()
	share := func(c *connects.OutboundConfig) { c.Store = store }
	a, b := startOutbound(t, "a", n, share), startOutbound(t, "b", n, share)
	list := func() io.Reader { return strings.NewReader(`[{"id":"1","phones":[{"number":"1"}]}]`) }
	if code, body := a.post("a", "/lists/C", "application/json", list()); code != 200 || !strings.Contains(body, `"repeated":false`) {
		t.Fatalf("%d %s", code, body)
	}
	if code, body := a.post("b", "/lists/C", "application/json", list()); code != 200 || !strings.Contains(body, `"repeated":true`) {
		t.Fatalf("the same list at the other instance: %d %s", code, body)
	}
	a.wait("a is active", func() bool { return a.node.Health().State == connects.StateActive })
	if b.node.Health().State != connects.StateInactive {
		t.Error("b got no list and is not INACTIVE")
	}
	// The administrator picks the other dialer entry.
	if code, _ := a.post("b", "/lists/D", "application/json", list()); code != 200 {
		t.Fatal(code)
	}
	a.wait("b is active and a is not", func() bool {
		return b.node.Health().State == connects.StateActive && a.node.Health().State == connects.StateInactive
	})
}

// SAP deletes at b what it sent to a.
func TestOutboundDeletesAtTheOtherInstance(t *testing.T) {
	n, store := testnet.New(), ds104.NewMemory(nil)
	defer store.Close()
	share := func(c *connects.OutboundConfig) {
		c.Store, c.Lease, c.Queue.AnswerWait = store, time.Second, 3*time.Second
	}
	a, b := startOutbound(t, "a", n, share), startOutbound(t, "b", n, share)
	if code, body := a.post("a", "/lists/C", "application/json", strings.NewReader(`[{"id":"1","phones":[{"number":"1"}]},{"id":"2","phones":[{"number":"2"}]},{"id":"3","phones":[{"number":"3"}]}]`)); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	a.wait("a has placed the list", func() bool { return a.file() != "" })
	del := func(what, ids, want string, code int) {
		t.Helper()
		if c, body := b.send(http.MethodDelete, "b", "/lists/C", "application/json", strings.NewReader(ids)); c != code || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %d %s", what, c, body, code, want)
		}
	}
	del("placed and not imported", `{"ids":["1","never"]}`, `{"notFound":1,"removed":1,"tooLate":0}`, 200)
	a.wait("the file has the rest", func() bool { return a.file() == "2,,,2,,\r\n3,,,3,,\r\n" })
	if err := os.Remove(filepath.Join(a.dir, "import", "c.csv")); err != nil {
		t.Fatal(err)
	}
	del("imported", `{"ids":["2"]}`, `{"notFound":0,"removed":0,"tooLate":1}`, 200)
	if got := a.console("rejects 1"); !strings.Contains(got, "2 [E_DELETE_TOO_LATE]") {
		t.Errorf("the report does not say it:\n%s", got)
	}
	if err := a.node.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	del("the owner is dead, and its disk is its own", `{"ids":["3"]}`, "waits for another instance", http.StatusServiceUnavailable)
}

func TestOutboundReportsEveryProblem(t *testing.T) {
	err := (&connects.OutboundConfig{Console: "0.0.0.0:9015", Page: "x", RecordOnly: true, Lease: -1}).Validate()
	for _, want := range []string{"Outbound.Root", "Outbound.Transports", "Outbound.Console", "Outbound.Page", "Outbound.RecordOnly", "Outbound.Lease", "File or API"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
}

// A gateway that closes in the middle of a list leaves nothing of it, and the list that
// SAP sends again is placed once.
func TestOutboundGatewayClosesInTheMiddleOfAList(t *testing.T) {
	n := testnet.New()
	ln, err := n.Listen("gw:3300")
	if err != nil {
		t.Fatal(err)
	}
	gw := gatewaytest.New(nil)
	go gw.Serve(ln)
	d := startOutbound(t, "ob1", n, func(c *connects.OutboundConfig) {
		s, err := cpic.New(&cpic.Options{Gateway: "gw:3300", Program: "connects.OB1", Definitions: c.Definitions, Dial: n.DialContext, SpillDir: c.ResultDir, Strategy: cpic.Reconnect})
		if err != nil {
			t.Fatal(err)
		}
		c.Transports = []sapphone.Transport{s}
	})
	t.Cleanup(gw.Close)
	const rows = 2_000
	call := func() *gatewaytest.Call {
		c := &gatewaytest.Call{Func: "Z_ADD_PDCALLS", Wanted: []string{"RETCODE"}, TrimRows: true, Import: []gatewaytest.Param{{Name: "CAMPAIGN", Value: gatewaytest.Chars("C", 20)}}}
		tab := gatewaytest.Table{Name: "CALLS", Width: 224}
		for i := range rows {
			tab.Rows = append(tab.Rows, gatewaytest.Chars(fmt.Sprintf("%-32d%-20d", i, 1000+i), 112))
		}
		c.Tables = []gatewaytest.Table{tab}
		return c
	}
	length := len(call().Stream())
	for _, at := range []int{length / 2, length - 1} {
		c := call()
		c.CutAfter = at
		if _, err := gw.Call(t.Context(), "connects.OB1", c); !errors.Is(err, gatewaytest.ErrLost) {
			t.Fatalf("cut after %d of %d bytes: %v", at, length, err)
		}
	}
	if a, err := gw.Call(t.Context(), "connects.OB1", call()); err != nil || sapphone.DecodeUTF16(a.Values["RETCODE"], false) != "000" {
		t.Fatalf("%+v %v", a, err)
	}
	d.wait("the list is placed", func() bool { return d.file() != "" })
	if got := strings.Count(d.file(), "\r\n"); got != rows {
		t.Errorf("%d rows in the file, want %d", got, rows)
	}
	if got := d.console("lists"); !strings.Contains(got, "0000000001  C ") || strings.Contains(got, "0000000002") {
		t.Errorf("more than one list:\n%s", got)
	}
	left, err := filepath.Glob(filepath.Join(d.dir, "spool", "ob1", "lists", "*"))
	if err != nil || len(left) != 2 { // rows and index
		t.Errorf("left in the spool: %v %v", left, err)
	}
}

// bigList is how many calls the lists of TestBigLists have.
const bigList = 100_000

// A list of 100,000 calls over the simulated gateway, and the same over HTTP as
// RFC-SOAP and as planned calls: three files of the same rows.
func TestBigLists(t *testing.T) {
	rows := bigList
	if testing.Short() {
		rows = 5_000
	}
	n := testnet.New()
	ln, err := n.Listen("gw:3300")
	if err != nil {
		t.Fatal(err)
	}
	gw := gatewaytest.New(nil)
	go gw.Serve(ln)
	d := startOutbound(t, "ob1", n, func(c *connects.OutboundConfig) {
		s, err := cpic.New(&cpic.Options{Gateway: "gw:3300", Program: "connects.OB1", Definitions: c.Definitions, Dial: n.DialContext, SpillDir: c.ResultDir})
		if err != nil {
			t.Fatal(err)
		}
		c.Transports = []sapphone.Transport{s}
	})
	t.Cleanup(gw.Close)
	id := func(i int) string { return fmt.Sprintf("%010d", i) }
	tel := func(i, k int) string { return fmt.Sprintf("0%d%06d", k, i) }
	take := func(what string) string {
		t.Helper()
		d.wait(what+" is placed", func() bool { return d.file() != "" })
		s := d.file()
		if err := os.Remove(filepath.Join(d.dir, "import", "c.csv")); err != nil {
			t.Fatal(err)
		}
		return s
	}
	call := &gatewaytest.Call{Func: "Z_ADD_PDCALLS", Wanted: []string{"RETCODE"}, TrimRows: true, Import: []gatewaytest.Param{{Name: "CAMPAIGN", Value: gatewaytest.Chars("R", 20)}}}
	tab := gatewaytest.Table{Name: "CALLS", Width: 224}
	for i := range rows {
		tab.Rows = append(tab.Rows, gatewaytest.Chars(fmt.Sprintf("%-32s%-20s%-20s%-20s%s", id(i), tel(i, 1), tel(i, 2), tel(i, 3), "Müller"), 112))
	}
	call.Tables = []gatewaytest.Table{tab}
	a, err := gw.Call(t.Context(), "connects.OB1", call)
	if err != nil || sapphone.DecodeUTF16(a.Values["RETCODE"], false) != "000" {
		t.Fatalf("%+v %v", a, err)
	}
	want := take("the list of the gateway")
	if c := strings.Count(want, "\r\n"); c != rows || !strings.HasPrefix(want, "0000000000,,M\xfcller,01000000,02000000,03000000\r\n") {
		t.Fatalf("%d rows, %.60q", c, want)
	}

	soap, w := io.Pipe()
	go func() {
		b := bufio.NewWriter(w)
		b.WriteString(`<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"><E:Body><Z_ADD_PDCALLS xmlns="urn:sap-com:document:sap:rfc:functions"><CAMPAIGN>S</CAMPAIGN><CALLS>`)
		for i := range rows {
			fmt.Fprintf(b, "<item><CALL_ID>%s</CALL_ID><TEL1>%s</TEL1><TEL2>%s</TEL2><TEL3>%s</TEL3><LASTNAME>Müller</LASTNAME></item>", id(i), tel(i, 1), tel(i, 2), tel(i, 3))
		}
		b.WriteString("</CALLS></Z_ADD_PDCALLS></E:Body></E:Envelope>")
		w.CloseWithError(b.Flush())
	}()
	if code, body := d.post("ob1", "/", "text/xml; charset=utf-8", soap); code != 200 || !strings.Contains(body, "<RETCODE>000</RETCODE>") {
		t.Fatalf("%d %s", code, body)
	}
	if got := take("the list over SOAP"); got != want {
		t.Errorf("the file over SOAP differs: %d bytes, want %d", len(got), len(want))
	}

	plain, w2 := io.Pipe()
	go func() {
		b := bufio.NewWriter(w2)
		b.WriteByte('[')
		e := json.NewEncoder(b)
		for i := range rows {
			if i > 0 {
				b.WriteByte(',')
			}
			_ = e.Encode(outboundcsv.PlannedCall{ID: id(i), LastName: "Müller", Phones: []outboundcsv.Phone{{Number: tel(i, 1)}, {Number: tel(i, 2)}, {Number: tel(i, 3)}}})
		}
		b.WriteByte(']')
		w2.CloseWithError(b.Flush())
	}()
	if code, body := d.post("ob1", "/lists/L", "application/json", plain); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if got := take("the list over JSON"); got != want {
		t.Errorf("the file over JSON differs: %d bytes, want %d", len(got), len(want))
	}
	if p := gw.Problems(); p != nil {
		t.Errorf("against the protocol: %v", p)
	}
}
