package crm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
	"github.com/connects-go/connects/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const peripheral = 5000

// fakeSwitch answers requests as a test says; without a word, by a plain confirmation.
type fakeSwitch struct {
	mu   sync.Mutex
	got  []cti.Request
	fail map[cti.MessageType]error
	on   map[cti.MessageType]func(cti.Request) (cti.Confirm, error)
	hold chan struct{} // not nil: answers wait
	down bool
	// quiet keeps nothing of what was asked.
	quiet bool
}

func (f *fakeSwitch) Do(ctx context.Context, r cti.Request) (cti.Confirm, error) {
	f.mu.Lock()
	if f.down {
		f.mu.Unlock()
		return nil, cti.ErrDown
	}
	if !f.quiet {
		f.got = append(f.got, r)
	}
	err, on, hold := f.fail[r.Type()], f.on[r.Type()], f.hold
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	if on != nil {
		return on(r)
	}
	switch r.(type) {
	case *cti.QueryAgentStateReq:
		return &cti.QueryAgentStateConf{AgentState: cti.AgentStateNotReady}, nil
	case *cti.SnapshotDeviceReq:
		return &cti.SnapshotDeviceConf{}, nil
	case *cti.SnapshotCallReq:
		return &cti.SnapshotCallConf{}, nil
	case *cti.MakeCallReq:
		return &cti.MakeCallConf{NewConnectionCallID: 0xFFFFFFFF}, nil
	case *cti.ConsultationCallReq:
		return &cti.ConsultationCallConf{NewConnectionCallID: 0xFFFFFFFF}, nil
	}
	return &cti.SetAgentStateConf{}, nil
}

func (f *fakeSwitch) setFail(t cti.MessageType, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		f.fail = map[cti.MessageType]error{}
	}
	f.fail[t] = err
}

func (f *fakeSwitch) setOn(t cti.MessageType, h func(cti.Request) (cti.Confirm, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.on == nil {
		f.on = map[cti.MessageType]func(cti.Request) (cti.Confirm, error){}
	}
	f.on[t] = h
}

// take returns the requests since the last call, logins and snapshots left out.
func (f *fakeSwitch) take() []cti.Request {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []cti.Request
	for _, r := range f.got {
		switch r := r.(type) {
		case *cti.QueryAgentStateReq, *cti.SnapshotDeviceReq, *cti.SnapshotCallReq:
			continue
		case *cti.SetAgentStateReq:
			if r.AgentState == cti.AgentStateLogin {
				continue
			}
		}
		out = append(out, r)
	}
	f.got = nil
	return out
}

// fakeSAP is the notifier.
type fakeSAP struct {
	mu     sync.Mutex
	subs   map[ici.SubscriptionKey]ici.Subscription
	events []sapEvent
	refuse error
}

// sapEvent is one event in a form that tests read.
type sapEvent struct {
	AppID string
	Op    ici.Op
	Item  string
	Call  *ici.PhoneCall
	User  *ici.User
	End   *ici.TextElement
	At    time.Time
}

func (f *fakeSAP) Subscribe(s ici.Subscription) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return f.refuse
	}
	if f.subs == nil {
		f.subs = map[ici.SubscriptionKey]ici.Subscription{}
	}
	f.subs[s.Key()] = s
	return nil
}

func (f *fakeSAP) Notify(k ici.SubscriptionKey, e ici.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.subs[k]; !ok {
		return ici.ErrNoSubscription
	}
	f.add(k, &e)
	return nil
}

func (f *fakeSAP) add(k ici.SubscriptionKey, e *ici.Event) {
	ev := sapEvent{AppID: k.AppID, Op: e.Op, Item: e.Item, At: time.Now()}
	for _, p := range e.Params {
		switch v := p.Value.(type) {
		case *ici.PhoneCall:
			c := *v
			ev.Call = &c
		case *ici.User:
			u := *v
			ev.User = &u
		case ici.TextElement:
			ev.End = &v
		}
	}
	f.events = append(f.events, ev)
}

func (f *fakeSAP) End(k ici.SubscriptionKey, last *ici.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.subs[k]; !ok {
		return ici.ErrNoSubscription
	}
	delete(f.subs, k)
	if last != nil {
		f.add(k, last)
	}
	return nil
}

// take returns the events since the last call, one line each.
func (f *fakeSAP) take() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, e := range f.events {
		out = append(out, e.line())
	}
	f.events = nil
	return out
}

func (f *fakeSAP) last() sapEvent {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) == 0 {
		return sapEvent{}
	}
	return f.events[len(f.events)-1]
}

// line is app: op state caps remote.
func (e sapEvent) line() string {
	switch {
	case e.Call != nil:
		var caps []string
		for _, c := range e.Call.CapabilityList {
			caps = append(caps, c.ID)
		}
		return fmt.Sprintf("%s: %s [%s] %s", e.AppID, statusName[e.Call.ProcessingStatus.ID], strings.Join(caps, " "),
			strings.Join(e.Call.RemoteNumbers, ","))
	case e.User != nil:
		return fmt.Sprintf("%s: user %s", e.AppID, e.User.CurrentWorkmode.ID)
	case e.End != nil:
		return fmt.Sprintf("%s: subscriptionEnded %s", e.AppID, e.End.ID)
	}
	return "?"
}

var statusName = map[string]string{"1": "offered", "2": "dialing", "3": "ringing", "4": "connected", "5": "held",
	"6": "conference", "7": "wrapup", "8": "ended", "9": "failed"}

// bench is one connector with a fake switch and a fake SAP.
type bench struct {
	t   testing.TB
	c   *crm.Connector
	l   *crm.Link
	sw  *fakeSwitch
	sap *fakeSAP
	st  ds104.Store
	srv *ici.Server
	// still: not in a bubble of its own time.
	still bool
}

func config() crm.Config {
	return crm.Config{
		Instance: "test",
		Links:    []crm.LinkConfig{{Name: "pg", Peripherals: []crm.PeripheralConfig{{ID: peripheral}}}},
		Dialing:  crm.DialingConfig{DialPlus: true},
		Queues:   []crm.QueueConfig{{ID: 1, Name: "Service", Number: "5001"}},
	}
}

// run makes a connector in a bubble of its own time and runs f.
func run(t *testing.T, cfg crm.Config, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st := ds104.NewMemory(nil)
		defer st.Close()
		if cfg.Store == nil {
			cfg.Store = st
		}
		b := start(t, cfg)
		defer b.stop()
		f(b)
	})
}

func start(t testing.TB, cfg crm.Config) *bench {
	t.Helper()
	b := &bench{t: t, sw: &fakeSwitch{}, sap: &fakeSAP{}, st: cfg.Store}
	var err error
	if b.c, err = crm.New(cfg); err != nil {
		t.Fatal(err)
	}
	b.l = b.c.Link("pg")
	b.l.Bind(b.sw)
	b.c.BindNotifier(b.sap)
	b.serve(cfg)
	if err := b.c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.up()
	return b
}

func (b *bench) stop() {
	b.t.Helper()
	if err := b.c.Stop(context.Background()); err != nil {
		b.t.Error(err)
	}
}

// up is a connection to the switch with everything that belongs to it.
func (b *bench) up() {
	b.t.Helper()
	up := &cti.SessionUp{Side: cti.SideA, Generation: 1, Version: 24}
	b.event(up)
	stats, err := b.l.Resync(b.t.Context(), up)
	if err != nil {
		b.t.Fatal(err)
	}
	b.event(&cti.Resynced{Side: cti.SideA, Generation: 1, Stats: stats})
}

func (b *bench) event(events ...cti.Event) {
	for _, e := range events {
		b.l.HandleEvent(context.Background(), e)
	}
	synctest.Wait()
}

// ask sends a request of a user through the real server and returns the answer.
func (b *bench) ask(user string, op ici.Op, args ...ici.Arg) (ici.Element, error) {
	b.t.Helper()
	return b.askIn("/", user, "EN", op, args...)
}

func (b *bench) askIn(path, user, language string, op ici.Op, args ...ici.Arg) (ici.Element, error) {
	b.t.Helper()
	p := ici.Default()
	body := p.AppendRequest(nil, ici.Header{User: user, Language: language}, op, args...)
	req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	rec := httptest.NewRecorder()
	b.srv.ServeHTTP(rec, req)
	if !b.still {
		synctest.Wait()
	}
	return p.ParseResponse(rec.Body.Bytes(), rec.Header().Get("Content-Type"), nil)
}

func text(p ici.Param, s string) ici.Arg { return ici.Arg{Param: p, Value: ici.Text(s)} }

// must fails the test on a fault.
func (b *bench) must(user string, op ici.Op, args ...ici.Arg) ici.Element {
	b.t.Helper()
	v, err := b.ask(user, op, args...)
	if err != nil {
		b.t.Fatalf("%s: %v", ici.Default().OpFullName(op), err)
	}
	return v
}

// fault fails the test unless the request is refused with the code.
func (b *bench) fault(code ici.FaultCode, user string, op ici.Op, args ...ici.Arg) {
	b.t.Helper()
	_, err := b.ask(user, op, args...)
	var f *ici.Fault
	if !errors.As(err, &f) || f.WireCode != ici.Default().FaultName(code) || f.Text == "" {
		b.t.Errorf("%s: got %v, want fault %s with a text", ici.Default().OpFullName(op), err, ici.Default().FaultName(code))
	}
}

// logOn brings user N to the ACD as agent 1001+n at phone 2001+n.
func (b *bench) logOn(user string) {
	b.t.Helper()
	n := int(user[len(user)-1] - '1')
	agent, dev := fmt.Sprint(1001+n), fmt.Sprint(2001+n)
	b.must(user, ici.OpUserGetAttributes)
	b.must(user, ici.OpUserSubscribe, text(ici.ParamAppID, user), text(ici.ParamAppURL, "http://sap/"+user))
	b.must(user, ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, agent+";pw"+agent+";"+dev))
	b.state(user, cti.AgentStateNotReady, 0)
	b.must(user, ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "2"))
	b.state(user, cti.AgentStateAvailable, 0)
	b.sap.take()
	b.sw.take()
}

func number(user string) (agent, dev string) {
	n := int(user[len(user)-1] - '1')
	return fmt.Sprint(1001 + n), fmt.Sprint(2001 + n)
}

func (b *bench) state(user string, s cti.AgentState, reason uint16) {
	agent, dev := number(user)
	b.event(&cti.AgentStateEvent{PeripheralID: peripheral, MRDID: 1, AgentState: s, EventReasonCode: reason,
		AgentID: agent, AgentExtension: dev, AgentInstrument: dev})
}

const customer = "+41315550100"

// inbound is a queue call that reaches the phone of a user.
func (b *bench) inbound(user string, id uint32) {
	_, dev := number(user)
	b.state(user, cti.AgentStateReserved, 0)
	b.event(
		&cti.BeginCallEvent{PeripheralID: peripheral, CallType: cti.CallTypePrerouteACDIn, ConnectionCallID: id,
			ConnectionDeviceID: dev, ANI: customer, DNIS: "5001", DialedNumber: "5001", CallVariable1: "x",
			RouterCallKeyDay: 1, RouterCallKeyCallID: id},
		b.delivered(id, dev, customer, dev, cti.LocalConnectionStateAlerting))
}

func (b *bench) delivered(id uint32, conn, from, at string, s cti.LocalConnectionState) cti.Event {
	return &cti.CallDeliveredEvent{PeripheralID: peripheral, ConnectionCallID: id, ConnectionDeviceID: conn,
		CallingDeviceID: from, CalledDeviceID: at, AlertingDeviceID: at, LocalConnectionState: s,
		SkillGroupNumber: 1, EventCause: cti.EventCauseNone}
}

func (b *bench) established(id uint32, conn, from, at string) cti.Event {
	return &cti.CallEstablishedEvent{PeripheralID: peripheral, ConnectionCallID: id, ConnectionDeviceID: conn,
		CallingDeviceID: from, CalledDeviceID: at, AnsweringDeviceID: at, SkillGroupNumber: 0xFFFFFFFF,
		LocalConnectionState: cti.LocalConnectionStateConnect, EventCause: cti.EventCauseNone}
}

// over ends a call at a phone as the switch does.
func (b *bench) over(id uint32, dev string) []cti.Event {
	return []cti.Event{
		&cti.CallConnectionClearedEvent{PeripheralID: peripheral, ConnectionCallID: id, ConnectionDeviceID: dev, ReleasingDeviceID: dev, EventCause: cti.EventCauseNone},
		&cti.CallClearedEvent{PeripheralID: peripheral, ConnectionCallID: id, ConnectionDeviceID: dev, EventCause: cti.EventCauseNone},
		&cti.EndCallEvent{PeripheralID: peripheral, ConnectionCallID: id, ConnectionDeviceID: dev},
	}
}

// callID is the id of the only living call of a user.
func (b *bench) callID(user string, status string) string {
	b.t.Helper()
	for _, c := range b.c.Calls() {
		if c.User == user && c.Status == status {
			return c.ID
		}
	}
	b.t.Fatalf("%s has no call that is %s: %+v", user, status, b.c.Calls())
	return ""
}

// serve puts the real ICI server in front of the connector.
func (b *bench) serve(cfg crm.Config) {
	b.t.Helper()
	systems := []ici.System{{Name: "", PathPrefix: "/"}}
	for _, sys := range cfg.Systems {
		if sys.Name != "" {
			systems = append(systems, ici.System{Name: sys.Name, PathPrefix: "/" + sys.Name})
		}
	}
	var err error
	if b.srv, err = ici.NewServer(b.c, &ici.ServerOptions{Systems: systems, FaultText: b.c.FaultText}); err != nil {
		b.t.Fatal(err)
	}
}
