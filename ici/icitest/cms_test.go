package icitest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
	"github.com/connects-go/connects/internal/testnet"
)

// cms is a connector of a few lines: it believes every request at once. Agents' devices are invented, calls have no
// other end.
type cms struct {
	notifier *ici.Notifier
	profile  *ici.Profile // nil = default

	mu    sync.Mutex
	subs  map[string]ici.Subscription // by user
	modes map[string]ici.Code
	calls map[string]*ici.PhoneCall
	owner map[string]string // user by call
	seq   int
	gone  []error
	seen  []string // operations in order
	last  *ici.Request
}

// texts are needed for the codes that the connector sends.
var texts = map[ici.Code]string{
	ici.WorkmodeLoggedOff: "Abgemeldet", ici.WorkmodeReady: "Bereit", ici.WorkmodeNotReady: "Nicht bereit", ici.WorkmodeWrapUp: "Nachbearbeitung",
}

func element(c ici.Code) ici.TextElement {
	text := texts[c]
	if text == "" {
		text = c.String()
	}
	return ici.Default().Element(c, text)
}

func elements(list ...ici.Code) (out []ici.TextElement) {
	for _, c := range list {
		out = append(out, element(c))
	}
	return out
}

func (c *cms) user(name string) *ici.User {
	mode := c.modes[name]
	if mode == ici.CodeUnknown {
		mode = ici.WorkmodeLoggedOff
	}
	return &ici.User{
		UserID:          name,
		Name:            "Müller, " + name,
		CurrentWorkmode: element(mode),
		WorkmodeList:    append(elements(ici.WorkmodeReady, ici.WorkmodeNotReady), ici.TextElement{ID: "1001", Description: "Pause"}),
		CapabilityList:  elements(ici.CapabilityMakeCall),
	}
}

// tell sends the state of a user.
func (c *cms) tell(name string) {
	sub := c.subs[name]
	_ = c.notifier.Notify(sub.Key(), ici.Event{Op: ici.OpEventUserChanged, Item: name, Params: []ici.EventParam{{Param: ici.ParamUser, Value: c.user(name)}}})
}

// set changes the state of a call and tells its owner.
func (c *cms) set(call *ici.PhoneCall, status ici.Code, can ...ici.Code) {
	call.ProcessingStatus = element(status)
	call.CapabilityList = elements(can...)
	sub := c.subs[c.owner[call.ID]]
	_ = c.notifier.Notify(sub.Key(), ici.Event{Op: ici.OpEventPhoneCallChanged, Item: call.ID, Params: []ici.EventParam{{Param: ici.ParamPhoneCall, Value: call}}})
}

var whenConnected = []ici.Code{ici.CapabilityDrop, ici.CapabilityHold, ici.CapabilityConsult, ici.CapabilityBlindTransfer, ici.CapabilitySendDTMF}

// newCall makes a call of a user.
func (c *cms) newCall(user, remote string) *ici.PhoneCall {
	c.seq++
	id := fmt.Sprint("call-", c.seq)
	call := &ici.PhoneCall{
		ID: id, PhoneCallID: id, RemoteNumbers: []string{remote}, Direction: "IN", CreationDate: "20240131094500",
		AttachedData: `<?xml version="1.0" encoding="UTF-8"?><ItemAttachedData><Application id="SAP-IC"><CV01>4711 &amp; ü</CV01></Application></ItemAttachedData>`,
	}
	c.calls[id], c.owner[id] = call, user
	return call
}

// offer makes an inbound call ring.
func (c *cms) offer(user, remote string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.newCall(user, remote)
	c.set(call, ici.PhoneCallStatusOffered, ici.CapabilityAccept, ici.CapabilityReject)
	return call.ID
}

// ServeICI answers a request; events follow the answer.
func (c *cms) ServeICI(_ context.Context, r *ici.Request) (ici.Value, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, r.Op.String())
	c.last = r
	after := func(f func()) {
		r.After(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			f()
		})
	}
	switch r.Op {
	case ici.OpSystemExchangeProductInformation:
		return &ici.ProductInformation{Vendor: "connects", Product: "test", ICIVersion: "3.06"}, nil
	case ici.OpSystemGetWorkcenterCapability:
		return &ici.WorkcenterCapability{FreeSeating: true}, nil
	case ici.OpUserGetAttributes:
		if r.User == "NOBODY" {
			return nil, &ici.Fault{Code: ici.FaultUserUnknown, Text: "Benutzer unbekannt"}
		}
		if old, ok := c.subs[r.User]; ok {
			delete(c.subs, r.User)
			after(func() {
				_ = c.notifier.End(old.Key(), &ici.Event{Op: ici.OpEventSubscriptionEnded, Params: []ici.EventParam{
					{Param: ici.ParamReason, Value: element(ici.EndReasonNewSubscription)}}})
			})
		}
		return c.user(r.User), nil
	case ici.OpUserSubscribe:
		sub := ici.Subscription{AppURL: r.Text(ici.ParamAppURL), AppID: r.Text(ici.ParamAppID), User: r.User, Language: r.Language}
		if err := c.notifier.Subscribe(sub); err != nil {
			return nil, &ici.Fault{Code: ici.FaultGeneric, Text: err.Error()}
		}
		c.subs[r.User] = sub
		after(func() {
			for id, call := range c.calls {
				if c.owner[id] == r.User {
					_ = c.notifier.Notify(sub.Key(), ici.Event{Op: ici.OpEventPhoneCallChanged, Item: id, Params: []ici.EventParam{{Param: ici.ParamPhoneCall, Value: call}}})
				}
			}
		})
		return nil, nil
	case ici.OpUserUnsubscribe:
		sub := c.subs[r.User]
		delete(c.subs, r.User)
		return nil, c.notifier.End(sub.Key(), nil)
	case ici.OpUserSetCurrentWorkcenter:
		if !strings.Contains(r.Text(ici.ParamWorkcenterID), ";") {
			return nil, &ici.Fault{Code: ici.FaultWorkcenterInvalid, Text: "Arbeitsplatz ungültig"}
		}
		c.modes[r.User] = ici.WorkmodeNotReady
		return c.user(r.User), nil
	case ici.OpUserSetCurrentWorkmode:
		mode := ici.Default().CodeOf(ici.EnumWorkmode, r.Text(ici.ParamWorkmodeID))
		if mode == ici.CodeUnknown {
			return nil, &ici.Fault{Code: ici.FaultWorkmodeInvalid}
		}
		c.modes[r.User] = mode
		after(func() { c.tell(r.User) })
		return nil, nil
	case ici.OpPhoneCallMakeCall:
		call := c.newCall(r.User, r.Text(ici.ParamDestination))
		call.Direction = "OUT"
		call.ProcessingStatus = element(ici.PhoneCallStatusDialing)
		call.CapabilityList = elements(ici.CapabilityDrop)
		out := *call
		after(func() { c.set(call, ici.PhoneCallStatusConnected, whenConnected...) })
		return &out, nil
	case ici.OpPhoneCallConsult:
		a := c.calls[r.Text(ici.ParamPhoneCallID)]
		b := c.newCall(r.User, r.Text(ici.ParamDestination))
		b.ConsultationPhoneCallID = a.ID
		b.ProcessingStatus = element(ici.PhoneCallStatusDialing)
		out := *b
		after(func() {
			c.set(a, ici.PhoneCallStatusHeld, ici.CapabilityRetrieve, ici.CapabilityDrop)
			c.set(b, ici.PhoneCallStatusConnected, ici.CapabilityWarmTransfer, ici.CapabilityConference, ici.CapabilityToggle, ici.CapabilityDrop)
		})
		return &out, nil
	case ici.OpPhoneCallGetPhoneCalls:
		var out ici.PhoneCalls
		for id, call := range c.calls {
			if c.owner[id] == r.User {
				out = append(out, *call)
			}
		}
		return out, nil
	case ici.OpUserGetPresence:
		var out ici.PresenceInfoList
		for user := range c.subs {
			out = append(out, ici.PresenceInfo{UserID: user, Name: "Müller <" + user + ">", PresenceStatus: element(ici.PresenceStatusAvailable)})
		}
		slices.SortFunc(out, func(a, b ici.PresenceInfo) int { return strings.Compare(a.UserID, b.UserID) })
		return out, nil
	}
	call := c.calls[r.Text(ici.ParamPhoneCallID)]
	if call == nil {
		return nil, nil
	}
	switch r.Op {
	case ici.OpPhoneCallAccept, ici.OpPhoneCallRetrieve:
		after(func() { c.set(call, ici.PhoneCallStatusConnected, whenConnected...) })
	case ici.OpPhoneCallHold:
		after(func() { c.set(call, ici.PhoneCallStatusHeld, ici.CapabilityRetrieve, ici.CapabilityDrop) })
	case ici.OpPhoneCallDrop, ici.OpPhoneCallReject, ici.OpPhoneCallBlindTransfer:
		after(func() { c.set(call, ici.PhoneCallStatusEnded) })
	case ici.OpPhoneCallWarmTransfer:
		b := c.calls[r.Text(ici.ParamConsultPhoneCallID)]
		after(func() {
			c.set(call, ici.PhoneCallStatusEnded)
			c.set(b, ici.PhoneCallStatusEnded)
		})
	}
	return nil, nil
}

func (c *cms) operations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.seen...)
}

// pair starts a connector at cms:8080 and a SAP system that calls it, in one network in memory.
func pair(t *testing.T, change func(*icitest.Config)) (*cms, *icitest.SAP) {
	t.Helper()
	n := testnet.New()
	cfg := &icitest.Config{
		Connector:   "http://cms:8080/",
		DialContext: n.DialContext,
		Addr:        "crm:8000",
		Listen:      func(addr string) (net.Listener, error) { return n.Listen(addr) },
	}
	if change != nil {
		change(cfg)
	}
	c := newCMS(t, &ici.NotifierOptions{Systems: []ici.EventSystem{{AllowHosts: []string{"crm"}}}, DialContext: n.DialContext, Profile: cfg.Profile})
	ln, err := n.Listen("cms:8080")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, c, ln)
	return c, newSAP(t, cfg)
}

func newCMS(t testing.TB, opts *ici.NotifierOptions) *cms {
	t.Helper()
	c := &cms{subs: map[string]ici.Subscription{}, modes: map[string]ici.Code{}, calls: map[string]*ici.PhoneCall{}, owner: map[string]string{}}
	if opts == nil {
		opts = &ici.NotifierOptions{}
	}
	opts.Gone = func(_ ici.Subscription, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.gone = append(c.gone, err)
	}
	n, err := ici.NewNotifier(opts)
	if err != nil {
		t.Fatal(err)
	}
	c.notifier, c.profile = n, opts.Profile
	t.Cleanup(func() { _ = n.Close() })
	return c
}

// serve runs the connector's ICI service on a listener.
func serve(t testing.TB, c *cms, ln net.Listener) {
	t.Helper()
	h, err := ici.NewServer(c, &ici.ServerOptions{Systems: []ici.System{{Profile: c.profile}}})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
}

func newSAP(t testing.TB, cfg *icitest.Config) *icitest.SAP {
	t.Helper()
	sap, err := icitest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sap.Close() })
	return sap
}

// clean fails the test when the connector violated a rule.
func clean(t testing.TB, sap *icitest.SAP) {
	t.Helper()
	for _, v := range sap.Violations() {
		t.Errorf("violation: %v\n%s", v, v.Body)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got is for calls with a result and an error: got(f())(t).
func got[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}
