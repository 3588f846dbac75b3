package crm_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
	"github.com/connects-go/connects/internal/testnet"
)

// sitePair is two data store servers in a network of their own.
type sitePair struct {
	t      *testing.T
	net    *testnet.Net
	stores [2]*ds104.Memory
	srv    [2]*ds104.Server
	ended  [2]chan error
}

var storeAddrs = [2]string{"store-a:42029", "store-b:42029"}

func newSitePair(t *testing.T) *sitePair {
	t.Helper()
	p := &sitePair{t: t, net: testnet.New()}
	for i := range p.srv {
		p.stores[i] = ds104.NewMemory(&ds104.MemoryOptions{Side: ds104.SideA + ds104.Side(i)})
		p.start(i)
	}
	return p
}

func (p *sitePair) start(i int) {
	p.t.Helper()
	var err error
	if p.srv[i], err = ds104.NewServer(p.stores[i], &ds104.ServerOptions{Side: ds104.SideA + ds104.Side(i)}); err != nil {
		p.t.Fatal(err)
	}
	ln, err := p.net.Listen(storeAddrs[i])
	if err != nil {
		p.t.Fatal(err)
	}
	srv, ended := p.srv[i], make(chan error, 1)
	p.ended[i] = ended
	go func() { ended <- srv.Serve(ln) }()
}

// kill ends a side as the end of its process does: connections break, nobody is told.
func (p *sitePair) kill(i int) {
	p.t.Helper()
	if p.srv[i] == nil {
		return
	}
	p.net.Cut(storeAddrs[i])
	if err := p.srv[i].Close(); err != nil {
		p.t.Error(err)
	}
	<-p.ended[i]
	p.srv[i] = nil
}

func (p *sitePair) close() {
	for i := range p.srv {
		p.kill(i)
		if err := p.stores[i].Close(); err != nil {
			p.t.Error(err)
		}
	}
}

func (p *sitePair) connect(name string) *ds104.Pair {
	p.t.Helper()
	c, err := ds104.NewPair(ds104.PairOptions{A: storeAddrs[0], B: storeAddrs[1],
		Client: ds104.ClientOptions{Name: name, Dial: p.net.DialContext}})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// two connects two connectors and waits until both sides serve both.
func (p *sitePair) two() (first, second *ds104.Pair, end func()) {
	p.t.Helper()
	first, second = p.connect("first"), p.connect("second")
	p.levelled(first, second)
	return first, second, func() {
		first.Close()
		second.Close()
	}
}

// levelled waits until both sides serve both connectors.
func (p *sitePair) levelled(pairs ...*ds104.Pair) {
	p.t.Helper()
	for range 600 {
		ok := true
		for _, c := range pairs {
			st := c.Stats()
			ok = ok && st.Lead != ds104.Alone && st.Sides[0].Level && st.Sides[1].Level
		}
		if ok {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatal("the pair is not level")
}

// startSite is a peripheral gateway of its own with a connector.
func startSite(t *testing.T, name string, peripheral uint32, st ds104.Store, log *slog.Logger, tune ...func(*ctitest.Config)) (w *whole, end func()) {
	t.Helper()
	nw := testnet.New()
	pc := ctitest.DefaultConfig(3)
	pc.PeripheralID = peripheral
	for _, f := range tune {
		f(pc)
	}
	pc.Listen = func(side ctitest.SideID) (net.Listener, error) { return nw.Listen("pg-" + side.String() + ":42027") }
	pg := ctitest.New(pc)
	for _, s := range []ctitest.SideID{ctitest.A, ctitest.B} {
		if err := pg.Side(s).Start(); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config()
	cfg.Instance, cfg.Store, cfg.Logger = name, st, log
	cfg.Attached.ECC = []string{"ECC.user.ced"}
	cfg.Links = []crm.LinkConfig{{Name: "pg", Peripherals: []crm.PeripheralConfig{{ID: peripheral}}}}
	w = connectTo(t, cfg, pg, nw)
	return w, func() { w.close(); pg.Close() }
}

// routed is what the router does with a call that an agent of the first site
// sends to a number of the second: the call comes there with its key and with
// the variables, and ends here.
func routed(from, to *whole, dialled, agent string) {
	from.t.Helper()
	calls := from.pg.Calls()
	if len(calls) != 1 || calls[0].RouterKey == "" {
		from.t.Fatalf("calls at the first site: %+v", calls)
	}
	c := calls[0]
	_, id := from.who("connected")
	from.op("U1", ici.OpPhoneCallBlindTransfer, id, text(ici.ParamDestination, dialled))
	from.wantStates()
	if _, err := to.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: customer, To: agent,
		Variables: c.Variables, ECC: c.ECC, RouterKey: c.RouterKey}); err != nil {
		from.t.Fatal(err)
	}
	to.settle()
}

// bigDocument is longer than everything that call variables and ECC variables
// hold together (10 times 40 and 2000 bytes), and in many scripts.
func bigDocument() string {
	var b strings.Builder
	b.WriteString(`<Application id="ERP"><Account>4711</Account><Customer>Zoë Müller-Łukasiewicz, Zürich</Customer>`)
	for _, text := range []string{"Grüezi, é, ß, €", "Příliš žluťoučký kůň", "Ελληνικά", "Українська", "עברית", "日本語の顧客", "한국어", "😀 𝄞", "a &amp; b &lt; c"} {
		b.WriteString("<Note>" + strings.Repeat(text+" ", 60) + "</Note>")
	}
	b.WriteString(`</Application>`)
	return b.String()
}

// mid is the element with the peripheral's id of the call.
var mid = regexp.MustCompile(`<MID>[0-9]+</MID>`)

// part is the part of a document that belongs to an application, as it is.
func part(t *testing.T, doc, app string) string {
	t.Helper()
	from := strings.Index(doc, `<Application id="`+app+`">`)
	if from < 0 {
		return ""
	}
	end := strings.Index(doc[from:], "</Application>")
	if end < 0 {
		t.Fatalf("document %s", doc)
	}
	return doc[from : from+end+len("</Application>")]
}

// transferAcross lets U1 at the first site attach the document and transfer the
// call to U2 at the second one. It returns the documents that both agents see.
func transferAcross(first, second *whole, between func()) (before, after string) {
	t := first.t
	t.Helper()
	a, _ := first.answered()
	second.logOnAs(2, false)
	// The ids of calls are the peripheral's own.
	if err := second.pg.CustomerHangUp(second.customerCall("2001")); err != nil {
		t.Fatal(err)
	}
	second.settle()
	second.sap.take()
	first.must("U1", ici.OpItemSetAttachedData, text(ici.ParamItemID, a),
		text(ici.ParamAttachedData, "<ItemAttachedData>"+bigDocument()+"</ItemAttachedData>"))
	before = first.data("U1", a)
	between()
	routed(first, second, "7002", "2002")
	second.wantStates("U2 offered " + customer)
	_, b := second.who("offered")
	after = second.data("U2", b)
	second.op("U2", ici.OpPhoneCallAccept, b)
	second.wantStates("U2 connected " + customer)
	if again := second.data("U2", b); again != after {
		t.Errorf("document changed when the call was answered (-before +after)\n%s", cmp.Diff(after, again))
	}
	second.op("U2", ici.OpPhoneCallDrop, b)
	second.wantStates()
	return before, after
}

// A call is transferred to an agent of another peripheral, who is served by
// another connector: he sees the document byte for byte, whatever happens to one
// side of the data store meanwhile, and nothing fails.
func TestTransferAcrossPeripherals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		between func(p *sitePair)
		lead    ds104.Side // that decides in the end
		silent  bool       // also in the log
	}{
		{"both sides", func(*sitePair) {}, ds104.SideA, true},
		{"A killed at once", func(p *sitePair) { p.kill(0) }, ds104.SideB, true},
		{"A killed later", func(p *sitePair) { time.Sleep(3 * time.Second); p.kill(0) }, ds104.SideB, true},
		{"B killed", func(p *sitePair) { p.kill(1) }, ds104.SideA, true},
		{"A hangs", func(p *sitePair) { p.net.Stall(storeAddrs[0], true) }, ds104.SideB, false},
		{"A killed, then back, then B", func(p *sitePair) {
			p.kill(0)
			time.Sleep(5 * time.Second)
			p.start(0)
			time.Sleep(30 * time.Second)
			p.kill(1)
		}, ds104.SideA, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
				p := newSitePair(t)
				defer p.close()
				c1, c2, end := p.two()
				defer end()
				if lead := c1.Stats().Lead; lead != ds104.SideA {
					t.Fatalf("side %v decides at first", lead)
				}
				first, end := startSite(t, "first", peripheral, c1, log)
				defer end()
				second, end := startSite(t, "second", peripheral+1, c2, log)
				defer end()
				first.settle()
				before, after := transferAcross(first, second, func() { tt.between(p) })
				if got := part(t, before, "ERP"); got != bigDocument() {
					t.Errorf("document at the first agent (-want +got)\n%s", cmp.Diff(bigDocument(), got))
				}
				if got := part(t, after, "ERP"); got != bigDocument() {
					t.Errorf("document at the second agent (-want +got)\n%s", cmp.Diff(bigDocument(), got))
				}
				if before == after {
					t.Error("MID, the call's id, is the same at both peripherals")
				}
				if diff := cmp.Diff(mid.ReplaceAllString(before, ""), mid.ReplaceAllString(after, "")); diff != "" {
					t.Errorf("whole document but MID (-first +second)\n%s", diff)
				}
				for _, c := range []*ds104.Pair{c1, c2} {
					if lead := c.Stats().Lead; lead != tt.lead {
						t.Errorf("side %v decides in the end, want %v", lead, tt.lead)
					}
				}
				for name, w := range map[string]*whole{"first": first, "second": second} {
					if st := w.c.Stats(); st.Faults != 0 || st.Defects != 0 || st.SAPGone != 0 || tt.silent && (st.SaveErrors != 0 || st.Lost != 0 || st.Adopted != 0) {
						t.Errorf("%s: %+v", name, st)
					}
				}
				if tt.silent && logged.Len() > 0 {
					t.Errorf("logged:\n%s", logged.String())
				}
			})
		})
	}
}

// Without a store that both connectors share, the call and its variables go to
// the other peripheral and what SAP attached stays behind; nothing fails.
func TestTransferAcrossPeripheralsWithoutSharedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
		m1, m2 := ds104.NewMemory(nil), ds104.NewMemory(nil)
		defer m1.Close()
		defer m2.Close()
		first, end := startSite(t, "first", peripheral, m1, log)
		defer end()
		second, end := startSite(t, "second", peripheral+1, m2, log)
		defer end()
		before, after := transferAcross(first, second, func() {})
		if part(t, before, "ERP") != bigDocument() || part(t, after, "ERP") != "" {
			t.Errorf("document at the first agent %s, at the second %s", before, after)
		}
		if !strings.Contains(after, "<CV01>vip</CV01>") {
			t.Errorf("the variables did not come along: %s", after)
		}
		for _, w := range []*whole{first, second} {
			if st := w.c.Stats(); st.Faults+st.Defects+st.SaveErrors != 0 {
				t.Errorf("%+v", st)
			}
		}
		if logged.Len() > 0 {
			t.Errorf("logged:\n%s", logged.String())
		}
	})
}
