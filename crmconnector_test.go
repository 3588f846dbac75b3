package connects_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
	"github.com/connects-go/connects/internal/testnet"
)

// getAttributes is a call of SAP as the reference shows it (ICI section 10.2).
const getAttributes = `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
<SOAP-ENV:Header><h:user xmlns:h="urn:IciUserInterface" xsi:type="xsd:string">MEIER</h:user></SOAP-ENV:Header>
<SOAP-ENV:Body><m:getAttributes xmlns:m="urn:IciUserInterface"><userId xsi:type="xsd:string">MEIER</userId></m:getAttributes>
</SOAP-ENV:Body></SOAP-ENV:Envelope>`

// voice is a node with one connector in a network in memory.
type voice struct {
	t      *testing.T
	net    *testnet.Net
	node   *connects.Node
	client *http.Client
}

func crmConfig(n *testnet.Net) *connects.CRMConfig {
	return &connects.CRMConfig{
		Links: []connects.CRMLink{{
			Name: "pg1",
			Session: cti.SessionOptions{
				A: cti.Endpoint{Addr: "pg-a:42027"}, B: cti.Endpoint{Addr: "pg-b:43027"}, Dial: n.DialContext,
			},
			Peripherals: []connects.CRMPeripheral{{ID: 5000}},
		}},
	}
}

func newVoice(t *testing.T, change func(*connects.CRMConfig)) *voice {
	t.Helper()
	v := &voice{t: t, net: testnet.New(), node: connects.NewNode(nil)}
	ln, err := v.net.Listen("connector:8080")
	if err != nil {
		t.Fatal(err)
	}
	cfg := crmConfig(v.net)
	cfg.Listener = ln
	if change != nil {
		change(cfg)
	}
	add(t, v.node, "crm", connects.CRMConnector(cfg))
	tr := &http.Transport{DialContext: v.net.DialContext, DisableKeepAlives: true}
	v.client = &http.Client{Transport: tr, Timeout: time.Minute}
	return v
}

func (v *voice) start() {
	v.t.Helper()
	if err := v.node.Start(v.t.Context()); err != nil {
		v.t.Fatal(err)
	}
}

func (v *voice) stop() {
	v.t.Helper()
	if err := v.node.Stop(v.t.Context()); err != nil {
		v.t.Error(err)
	}
}

func (v *voice) do(method, path, body string) (int, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, "http://connector:8080"+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (v *voice) want(state connects.State, cond connects.Condition, reason string) {
	v.t.Helper()
	synctest.Wait()
	h := v.node.Health()
	if h.State != state || h.Condition != cond || h.Components[0].Reason != reason {
		v.t.Errorf("%v %v %q, want %v %v %q", h.State, h.Condition, h.Components[0].Reason, state, cond, reason)
	}
}

// openOnly is a CTI server that opens sessions and refuses everything else.
type openOnly struct{}

func (openOnly) ServeOpen(context.Context, *cti.ServerConn, *cti.OpenReq) (*cti.OpenConf, error) {
	return &cti.OpenConf{}, nil
}

func (openOnly) ServeRequest(context.Context, *cti.ServerConn, cti.Request) (cti.Confirm, error) {
	return nil, errors.New("refused")
}

func (v *voice) ctiServer(addr string) *cti.Server {
	v.t.Helper()
	s, err := cti.NewServer(&cti.ServerOptions{Handler: openOnly{}})
	if err != nil {
		v.t.Fatal(err)
	}
	ln, err := v.net.Listen(addr)
	if err != nil {
		v.t.Fatal(err)
	}
	go s.Serve(ln)
	v.t.Cleanup(func() { s.Close() })
	return s
}

func TestCRMConnectorIsInactiveUntilSAPCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVoice(t, func(c *connects.CRMConfig) { c.InactiveAfter = 10 * time.Minute })
		v.start()
		v.want(connects.StateInactive, connects.ConditionDegraded, "link pg1: down")
		if code, body := v.do("GET", "/health", ""); code != 200 || !strings.Contains(body, `"INACTIVE"`) ||
			!strings.Contains(body, `{"name":"cti pg1","side":"B","state":"down"`) {
			t.Errorf("health of an instance that SAP does not use: %d %s", code, body)
		}
		if code, _ := v.do("POST", "/", getAttributes); code >= 600 || code < 200 {
			t.Errorf("POST: %d", code)
		}
		v.want(connects.StateActive, connects.ConditionDegraded, "link pg1: down")
		<-time.After(6 * time.Minute)
		v.do("POST", "/", getAttributes)
		<-time.After(6 * time.Minute)
		v.want(connects.StateActive, connects.ConditionDegraded, "link pg1: down")
		<-time.After(5 * time.Minute)
		v.want(connects.StateInactive, connects.ConditionDegraded, "link pg1: down")
		v.do("POST", "/", getAttributes)
		v.want(connects.StateActive, connects.ConditionDegraded, "link pg1: down")
		v.stop()
		if _, err := v.net.DialContext(t.Context(), "tcp", "connector:8080"); err == nil {
			t.Error("the listener is open after Stop")
		}
	})
}

func TestCRMConnectorIsDegradedWhileALinkIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVoice(t, nil)
		b := v.ctiServer("pg-b:43027")
		v.start()
		<-time.After(time.Minute)
		v.want(connects.StateInactive, connects.ConditionOK, "")
		h := v.node.Health()
		states := map[string]string{}
		for _, l := range h.Components[0].Links {
			states[l.Name+l.Side] = l.State
		}
		if states["cti pg1A"] != "idle" || states["cti pg1B"] != "up" || states["sap"] != "silent" {
			t.Errorf("links %v", states)
		}
		_, metrics := v.do("GET", "/metrics", "")
		for _, want := range []string{
			`connects_cti_up{component="crm",link="pg1"} 1`, `connects_cti_side_b{component="crm",link="pg1"} 1`,
			`connects_ici_calls_total{component="crm"} 0`, `connects_event_subscriptions{component="crm"} 0`,
			`connects_crm_agents{component="crm"} 0`, `connects_crm_defects_total{component="crm"} 0`,
			`connects_ici_call_duration_seconds_count{component="crm"} 0`,
		} {
			if !strings.Contains(metrics, want+"\n") {
				t.Errorf("no line %q in\n%s", want, metrics)
			}
		}
		b.Close()
		v.want(connects.StateInactive, connects.ConditionDegraded, "link pg1: down")
		v.ctiServer("pg-a:42027")
		<-time.After(time.Minute)
		v.want(connects.StateInactive, connects.ConditionOK, "")
		v.stop()
	})
}

// R33: more than one connector needs a store that they share.
func TestCRMConnectorWarnsWithoutASharedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVoice(t, func(c *connects.CRMConfig) { c.Instances = 2 })
		v.ctiServer("pg-a:42027")
		v.start()
		<-time.After(time.Minute)
		v.want(connects.StateInactive, connects.ConditionDegraded, "2 connectors without a shared store")
		v.stop()
	})
	has := func(c *connects.CRMConfig) bool {
		return slices.ContainsFunc(c.Warnings(), func(w string) bool { return strings.Contains(w, "shared store") })
	}
	if c := (&connects.CRMConfig{Instances: 2}); !has(c) {
		t.Error("no warning for two instances and no store")
	}
	if c := (&connects.CRMConfig{Instances: 2, Store: ds104.NewMemory(nil)}); !has(c) {
		t.Error("no warning for two instances and a store in memory")
	}
	if c := (&connects.CRMConfig{Instances: 2, Store: foreignStore{}}); has(c) {
		t.Error("warning although the store is shared")
	}
	if c := (&connects.CRMConfig{}); has(c) {
		t.Error("warning for a single connector")
	}
}

type foreignStore struct{ ds104.Store }

func TestCRMConfigReportsEveryProblem(t *testing.T) {
	err := (&connects.CRMConfig{
		Listen:         "8080",
		AgentLoginType: 7,
		NotReadyOffset: 5,
		Server:         ici.ServerOptions{MaxConcurrent: -1, FaultText: func(string, ici.FaultCode) string { return "" }},
		Notifier:       ici.NotifierOptions{MaxConns: -1, Gone: func(ici.Subscription, error) {}},
		Systems:        []connects.CRMSystem{{Name: "P01"}, {Name: "P01"}},
		Links: []connects.CRMLink{
			{Name: "pg1", Session: cti.SessionOptions{Handler: cti.HandlerFunc(func(context.Context, cti.Event) {})}},
			{Name: "pg1", Session: cti.SessionOptions{A: cti.Endpoint{Addr: "a:1"}, QueueLimit: -5}},
		},
	}).Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"Listen=8080", "AgentLoginType=7", "NotReadyOffset=5", "MaxConcurrent=-1", "config Server", "MaxConns=-1", "config Notifier",
		"P01", "Links[0].Session", "Links.Name=pg1", "Links.Peripherals", "QueueLimit=-5",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if err := crmConfig(testnet.New()).Validate(); err != nil {
		t.Errorf("a good configuration: %v", err)
	}
}

func TestCRMConnectorReportsATakenPort(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := crmConfig(testnet.New())
	cfg.Listen = ln.Addr().String()
	n := connects.NewNode(nil)
	add(t, n, "crm", connects.CRMConnector(cfg))
	err = n.Start(t.Context())
	if _, ok := errors.AsType[*net.OpError](err); !ok {
		t.Errorf("Start: %v, want the error of the network", err)
	}
}

// Every setting of the domain is reachable, so that none is forgotten here.
func TestCRMConfigHasEverySetting(t *testing.T) {
	outer := reflect.TypeFor[connects.CRMConfig]()
	elsewhere := map[string]string{"Attached": "ECC", "Logger": "Instance"} // Logger is the node's
	for f := range reflect.TypeFor[crm.Config]().Fields() {
		name := f.Name
		if e, ok := elsewhere[name]; ok {
			name = e
		}
		if _, ok := outer.FieldByName(name); !ok {
			t.Errorf("crm.Config.%s has no counterpart in CRMConfig", f.Name)
		}
	}
}
