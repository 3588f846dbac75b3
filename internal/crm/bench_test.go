package crm_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
)

const benchAgents = 1000

// BenchmarkEventToSAP is the way of an event of the switch to the bytes that
// leave for SAP, through the real session, connector and notifier over loopback
// sockets, with 1,000 agents logged on: from before the simulated gateway changes
// an agent's state, and so encodes and writes AGENT_STATE_EVENT, to the moment
// when the request of userChanged has been handed to the socket of SAP. ns/op
// counts SAP's answer, too.
func BenchmarkEventToSAP(b *testing.B) {
	var mu sync.Mutex
	var sent time.Time
	var took []time.Duration
	done := make(chan struct{}, 1)
	s := newSite(b, benchAgents, func(_ *crm.Config, _ *ctitest.Config, no *ici.NotifierOptions) {
		no.Trace = func(d *ici.Delivery) {
			if d.Op != ici.OpEventUserChanged {
				return
			}
			mu.Lock()
			if !sent.IsZero() {
				took = append(took, d.Written.Sub(sent))
				sent = time.Time{}
			}
			mu.Unlock()
			select {
			case done <- struct{}{}:
			default:
			}
		}
	})
	for i := 1; i <= benchAgents; i++ {
		s.logOn(i, false)
	}
	time.Sleep(200 * time.Millisecond)
	select {
	case <-done:
	default:
	}
	mu.Lock()
	took = took[:0]
	mu.Unlock()
	i := 0
	for b.Loop() {
		id := fmt.Sprint(1001 + i%benchAgents)
		state := cti.AgentStateAvailable
		if (i/benchAgents)%2 == 1 {
			state = cti.AgentStateNotReady
		}
		i++
		mu.Lock()
		sent = time.Now()
		mu.Unlock()
		if err := s.pg.SetAgentState(id, state, 7); err != nil {
			b.Fatal(err)
		}
		<-done
	}
	b.StopTimer()
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(took)
	if n := len(took); n > 0 {
		b.ReportMetric(float64(took[n/2].Nanoseconds())/1000, "median-µs")
		b.ReportMetric(float64(took[n*99/100].Nanoseconds())/1000, "p99-µs")
	}
}

// BenchmarkEvent is what the connector itself does with an event: from the call
// of the session's handler to the hand-over to the notifier.
func BenchmarkEvent(b *testing.B) {
	c, l := quiet(b, benchAgents, drop{}, "http://127.0.0.1")
	defer c.Stop(context.Background())
	ev := [2]*cti.AgentStateEvent{}
	for i, st := range []cti.AgentState{cti.AgentStateAvailable, cti.AgentStateNotReady} {
		ev[i] = &cti.AgentStateEvent{PeripheralID: peripheral, MRDID: 1, AgentState: st, AgentID: "1500", AgentExtension: "2500", AgentInstrument: "2500"}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.HandleEvent(context.Background(), ev[i&1])
		i++
	}
}

// BenchmarkCall is one inbound call: begin, delivered, established, cleared, end.
func BenchmarkCall(b *testing.B) {
	c, l := quiet(b, benchAgents, drop{}, "http://127.0.0.1")
	defer c.Stop(context.Background())
	h := bench{t: b}
	b.ReportAllocs()
	id := uint32(0)
	for b.Loop() {
		id++
		dev := "2500"
		begin := &cti.BeginCallEvent{PeripheralID: peripheral, CallType: cti.CallTypePrerouteACDIn, ConnectionCallID: id,
			ConnectionDeviceID: dev, ANI: customer, DNIS: "5001", CallVariable1: "x"}
		for _, e := range append([]cti.Event{begin, h.delivered(id, dev, customer, dev, cti.LocalConnectionStateAlerting),
			h.established(id, dev, customer, dev)}, h.over(id, dev)...) {
			l.HandleEvent(context.Background(), e)
		}
	}
}

// drop is a notifier that takes everything.
type drop struct{}

func (drop) Subscribe(ici.Subscription) error            { return nil }
func (drop) Notify(ici.SubscriptionKey, ici.Event) error { return nil }
func (drop) End(ici.SubscriptionKey, *ici.Event) error   { return nil }

// quiet is a connector with n agents logged on, without network.
func quiet(t testing.TB, n int, sap crm.Notifier, url string) (*crm.Connector, *crm.Link) {
	t.Helper()
	cfg := config()
	cfg.Store = ds104.NewMemory(nil)
	c, err := crm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l := c.Link("pg")
	l.Bind(&fakeSwitch{quiet: true})
	c.BindNotifier(sap)
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	up := &cti.SessionUp{Side: cti.SideA, Generation: 1, Version: 24}
	l.HandleEvent(context.Background(), up)
	if _, err := l.Resync(context.Background(), up); err != nil {
		t.Fatal(err)
	}
	l.HandleEvent(context.Background(), &cti.Resynced{})
	srv, err := ici.NewServer(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, c: c, l: l, srv: srv, still: true}
	for i := range n {
		user := fmt.Sprintf("USER%d", i)
		b.must(user, ici.OpUserGetAttributes)
		b.must(user, ici.OpUserSubscribe, text(ici.ParamAppID, user), text(ici.ParamAppURL, url+"/"+user))
		b.must(user, ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, fmt.Sprintf("%d;pw;%d", 1000+i, 2000+i)))
	}
	return c, l
}

// TestMemoryPerAgent measures what a logged-on agent costs in the connector:
// heap, and goroutines with their stacks. The notifier and the store's copy of
// the session are counted, too, and so are the connections to SAP that are kept.
func TestMemoryPerAgent(t *testing.T) {
	const n = 2000
	measure := func() (heap, stacks uint64, goroutines int) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, m.StackInuse, runtime.NumGoroutine()
	}
	// SAP answers every event.
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><userChangedResponse><response/></userChangedResponse></e:Body></e:Envelope>`)
	}))
	defer hs.Close()
	h0, s0, g0 := measure()
	nt, err := ici.NewNotifier(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := quiet(t, n, nt, hs.URL)
	end := time.Now().Add(5 * time.Second)
	for c.Stats().Saves < n && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	for nt.Stats().Waiting > 0 && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	if d := nt.Stats().Delivered; d < n {
		t.Errorf("%d events delivered", d)
	}
	h1, s1, g1 := measure()
	perAgent := (float64(h1) - float64(h0) + float64(s1) - float64(s0)) / n
	t.Logf("%d agents: %.0f bytes per agent, %d goroutines more", n, perAgent, g1-g0)
	if perAgent > 20<<10 {
		t.Errorf("%.0f bytes per agent, the target is below 20 kB", perAgent)
	}
	if g1-g0 > n/10 {
		t.Errorf("%d goroutines more", g1-g0)
	}
	if err := nt.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}
