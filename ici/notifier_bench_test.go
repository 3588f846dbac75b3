package ici_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects/ici"
)

// eventCall is a call as it goes to SAP, with 2 kB of attached data.
func eventCall() *ici.PhoneCall {
	p := ici.Default()
	plain, _ := attached2k()
	return &ici.PhoneCall{
		ID: "call-815", PhoneCallID: "call-815", AttachedData: plain, RemoteNumbers: []string{"+41315551234"}, LocalNumber: "2001",
		ProcessingStatus: p.Element(ici.PhoneCallStatusConnected, "Verbunden"), Direction: "IN", Queue: "Sales_FR", CreationDate: "20240131094500",
		CapabilityList: []ici.TextElement{p.Element(ici.CapabilityDrop, "Auflegen"), p.Element(ici.CapabilityHold, "Halten"),
			p.Element(ici.CapabilityConsult, "Rückfrage"), p.Element(ici.CapabilityBlindTransfer, "Übergeben")},
	}
}

// instant is a connection whose far end answers every write at once, without an operating system.
type instant struct {
	net.Conn
	answer bytes.Reader
	text   []byte
}

func (c *instant) Write(b []byte) (int, error) { c.answer.Reset(c.text); return len(b), nil }
func (c *instant) Read(b []byte) (int, error)  { return c.answer.Read(b) }
func (c *instant) Close() error                { return nil }
func (c *instant) SetDeadline(time.Time) error { return nil }
func (c *instant) RemoteAddr() net.Addr        { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

var instantAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: " + fmt.Sprint(len(okAnswer)) + "\r\n\r\n" + okAnswer)

// instantNotifier delivers to a far end that answers at once; delivered gets a value per event.
func instantNotifier(tb testing.TB) (n *ici.Notifier, key ici.SubscriptionKey, delivered chan error) {
	delivered = make(chan error, 1)
	n, err := ici.NewNotifier(&ici.NotifierOptions{
		Systems:     []ici.EventSystem{{AllowHosts: []string{"crm"}}},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return &instant{text: instantAnswer}, nil },
		Trace:       func(d *ici.Delivery) { delivered <- d.Err },
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = n.Close() })
	sub := ici.Subscription{AppURL: "http://crm:8000/sap/bc/soap/ici(cz1TSUQ=)?sap-client=100", AppID: "A", User: "MEIER", Language: "DE"}
	if err := n.Subscribe(sub); err != nil {
		tb.Fatal(err)
	}
	return n, sub.Key(), delivered
}

// BenchmarkNotifierEvent is one event of a 2 kB attached-data call from Notify to the judged answer, without a network.
func BenchmarkNotifierEvent(b *testing.B) {
	n, key, delivered := instantNotifier(b)
	ev := ici.Event{Op: ici.OpEventPhoneCallChanged, Item: "call-815", Params: []ici.EventParam{{Param: ici.ParamPhoneCall, Value: eventCall()}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := errors.Join(n.Notify(key, ev), <-delivered); err != nil {
			b.Fatal(err)
		}
	}
}

func TestNotifierAllocations(t *testing.T) {
	n, key, delivered := instantNotifier(t)
	ev := ici.Event{Op: ici.OpEventPhoneCallChanged, Params: []ici.EventParam{{Param: ici.ParamPhoneCall, Value: eventCall()}}}
	run := func() {
		if err := n.Notify(key, ev); err != nil {
			t.Fatal(err)
		}
		if err := <-delivered; err != nil {
			t.Fatal(err)
		}
	}
	run()
	// The parser of net/http takes 14 or so, the goroutine and the record for Trace the rest.
	if got := testing.AllocsPerRun(200, run); got > 30 {
		t.Errorf("%.0f allocations per event, want at most 30", got)
	}
}

// BenchmarkNotifierWire measures, on loopback TCP with 1,000 subscriptions, the time from Notify to the bytes being
// handed to the network, and the whole delivery.
func BenchmarkNotifierWire(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, okAnswer)
	}))
	defer srv.Close()
	var mu sync.Mutex
	var wire, whole []time.Duration
	done := make(chan struct{}, 1)
	n, err := ici.NewNotifier(&ici.NotifierOptions{Trace: func(d *ici.Delivery) {
		mu.Lock()
		wire = append(wire, d.Written.Sub(d.Time))
		whole = append(whole, d.Answered.Sub(d.Time))
		mu.Unlock()
		done <- struct{}{}
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	keys := make([]ici.SubscriptionKey, 1000)
	for i := range keys {
		sub := ici.Subscription{AppURL: srv.URL + fmt.Sprintf("/sap/bc/soap/ici(cz1TSUQ%d=)?sap-client=100", i), AppID: fmt.Sprint(i), User: "MEIER", Language: "DE"}
		if err := n.Subscribe(sub); err != nil {
			b.Fatal(err)
		}
		keys[i] = sub.Key()
	}
	ev := ici.Event{Op: ici.OpEventPhoneCallChanged, Item: "call-815", Params: []ici.EventParam{{Param: ici.ParamPhoneCall, Value: eventCall()}}}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := n.Notify(keys[i%len(keys)], ev); err != nil {
			b.Fatal(err)
		}
		<-done
		i++
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(wire)
	slices.Sort(whole)
	b.ReportMetric(float64(wire[len(wire)/2].Nanoseconds())/1000, "us-to-wire-median")
	b.ReportMetric(float64(wire[len(wire)*99/100].Nanoseconds())/1000, "us-to-wire-p99")
	b.ReportMetric(float64(whole[len(whole)/2].Nanoseconds())/1000, "us-answered-median")
}
