package crm

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
)

// silent is a notifier that checks what no event may say.
type silent struct {
	t     *testing.T
	ended map[string]bool
}

func (silent) Subscribe(ici.Subscription) error          { return nil }
func (silent) End(ici.SubscriptionKey, *ici.Event) error { return nil }
func (s silent) Notify(_ ici.SubscriptionKey, e ici.Event) error {
	for _, p := range e.Params {
		c, ok := p.Value.(*ici.PhoneCall)
		if !ok {
			continue
		}
		final := c.ProcessingStatus.ID == "8" || c.ProcessingStatus.ID == "9"
		if s.ended[c.ID] && !final {
			s.t.Errorf("call %s comes back as %s", c.ID, c.ProcessingStatus.ID)
		}
		if final && len(c.CapabilityList) > 0 {
			s.t.Errorf("call %s has ended and can be %v", c.ID, c.CapabilityList)
		}
		s.ended[c.ID] = final
	}
	return nil
}

// deaf is a switch that is never asked.
type deaf struct{}

func (deaf) Do(context.Context, cti.Request) (cti.Confirm, error) { return nil, cti.ErrDown }

// check verifies that the tables fit together.
func (c *Connector) check(t *testing.T) {
	t.Helper()
	for id, it := range c.items {
		if it.id != id || it.ag == nil || it.ag.removed {
			t.Errorf("item %s of a removed agent", id)
		}
		found := false
		for _, o := range it.ag.items {
			found = found || o == it
		}
		if !found {
			t.Errorf("item %s is not with its agent", id)
		}
		if it.status.alive() && !it.closing && it.call != nil {
			in := false
			for _, o := range it.call.items {
				in = in || o == it
			}
			if !in {
				t.Errorf("item %s is not with its call", id)
			}
			if c.calls[it.call.key] != it.call {
				t.Errorf("item %s lives in a call that is forgotten", id)
			}
			if it.conn.Call != it.call.key.id {
				t.Errorf("item %s has connection %+v in call %+v", id, it.conn, it.call.key)
			}
		}
		if p := it.partner; p != nil && (p.partner != it || p.isConsult == it.isConsult || p.ag != it.ag) {
			t.Errorf("item %s and its partner do not fit", id)
		}
	}
	for k, cl := range c.calls {
		if cl.key != k {
			t.Errorf("call %+v under %+v", cl.key, k)
		}
		for _, it := range cl.items {
			if c.items[it.id] != it {
				t.Errorf("call %+v has the forgotten item %s", k, it.id)
			}
		}
	}
	for k, a := range c.byDevice {
		if a.removed || !a.rec.LoggedOn {
			t.Errorf("device %v of an agent who is off", k)
		}
	}
	if len(c.touched) > 0 {
		t.Error("something touched was not told")
	}
}

// FuzzEvents feeds events in any order, with ids and devices that repeat: the
// connector's tables stay consistent, and no call comes back after its end.
func FuzzEvents(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 1, 1, 2, 3, 2, 1, 2, 3, 5, 1, 2, 0, 9, 1, 2, 3})
	f.Add([]byte("the quick brown fox jumps over the lazy dog and the agents answer the calls of the customers"))
	f.Fuzz(func(t *testing.T, b []byte) { feed(t, b) })
}

// TestRandomEvents is the same with longer sequences than a fuzzer finds soon.
func TestRandomEvents(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		b := make([]byte, 1200)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		feed(t, b)
	}
}

func feed(t *testing.T, b []byte) {
	t.Helper()
	c, err := New(Config{Store: ds104.NewMemory(nil), MaxCalls: 8, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
		Links: []LinkConfig{{Name: "l", Peripherals: []PeripheralConfig{{ID: 1}}}}})
	if err != nil {
		t.Error(err)
	}
	l := c.Link("l")
	l.Bind(deaf{})
	c.BindNotifier(silent{t, map[string]bool{}})
	for i := range 3 {
		a := c.newAgent(agentKey{"", fmt.Sprint("U", i)})
		a.per = c.pers[1]
		a.rec.Peripheral, a.rec.AgentID, a.rec.Device, a.rec.LoggedOn = 1, fmt.Sprint(1000+i), fmt.Sprint(2000+i), true
		a.subscribed = true
		c.index(a)
	}
	l.up, l.ready = true, true
	for len(b) >= 4 && !t.Failed() {
		ev := fuzzEvent(b[0], uint32(b[1]%4)+1, uint32(b[2]%4)+1, b[3])
		b = b[4:]
		l.HandleEvent(context.Background(), ev)
		if err := c.st.do(t.Context(), func() { c.check(t) }); err != nil {
			t.Error(err)
		}
	}
	if n := c.stats.panics.Load(); n > 0 {
		t.Errorf("%d panics", n)
	}
	if err := c.st.do(t.Context(), func() {
		c.stopping = true
		for _, a := range c.agents {
			a.stopTimers()
		}
		if c.sweep != nil {
			c.sweep.Stop()
		}
	}); err != nil {
		t.Error(err)
	}
	c.cancel(ErrStopped)
	c.work.Wait()
	c.st.close()
}

func fuzzEvent(kind byte, id, id2 uint32, d byte) cti.Event {
	devs := [...]string{"2000", "2001", "2002", "5001", "+4131", "", "c#1", "c#2"}
	dev, dev2 := devs[d%8], devs[(d/8)%8]
	cause := cti.EventCause([]uint16{0xffff, 3, 11, 28, 32, 50, 61}[int(d)%7])
	const p = 1
	switch kind % 18 {
	case 0:
		return &cti.BeginCallEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, CallType: cti.CallType(id2 * 4), ANI: dev2, RouterCallKeyDay: id2, RouterCallKeyCallID: uint32(d % 3)}
	case 1:
		return &cti.EndCallEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev}
	case 2, 3:
		return &cti.CallDeliveredEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, AlertingDeviceID: dev, CallingDeviceID: dev2,
			LocalConnectionState: cti.LocalConnectionState(id2), EventCause: cause, SkillGroupNumber: 1}
	case 4, 5:
		return &cti.CallEstablishedEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, AnsweringDeviceID: dev, CallingDeviceID: dev2, EventCause: cause}
	case 6:
		return &cti.CallHeldEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, HoldingDeviceID: dev}
	case 7:
		return &cti.CallRetrievedEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, RetrievingDeviceID: dev}
	case 8:
		return &cti.CallClearedEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, EventCause: cause}
	case 9:
		return &cti.CallConnectionClearedEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, ReleasingDeviceID: dev2, EventCause: cause}
	case 10:
		return &cti.CallServiceInitiatedEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, CallingDeviceID: dev2, COCConnectionCallID: id2}
	case 11:
		return &cti.CallOriginatedEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, CallingDeviceID: dev, CalledDeviceID: dev2}
	case 12:
		e := &cti.CallTransferredEvent{PeripheralID: p, PrimaryCallID: id, SecondaryCallID: id2, TransferringDeviceID: dev, TransferredDeviceID: dev2}
		if d&1 == 0 {
			e.ConnectedParties = []cti.ConnectedParty{{ConnectedPartyCallID: uint32(d%5) + 1, ConnectedPartyDeviceID: dev2}, {ConnectedPartyCallID: uint32(d%5) + 1, ConnectedPartyDeviceID: "+4131"}}
		}
		return e
	case 13:
		return &cti.CallConferencedEvent{PeripheralID: p, PrimaryCallID: id, SecondaryCallID: id2, ControllerDeviceID: dev, AddedPartyDeviceID: dev2,
			ConnectedParties: []cti.ConnectedParty{{ConnectedPartyCallID: id, ConnectedPartyDeviceID: dev}, {ConnectedPartyCallID: id, ConnectedPartyDeviceID: dev2}, {ConnectedPartyCallID: id, ConnectedPartyDeviceID: "+4131"}}}
	case 14:
		return &cti.CallDataUpdateEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, NewConnectionCallID: id2, NewConnectionDeviceID: dev2}
	case 15:
		return &cti.CallFailedEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, EventCause: cause}
	case 16:
		return &cti.CallDivertedEvent{PeripheralID: p, ConnectionCallID: id, ConnectionDeviceID: dev, DivertingDeviceID: dev}
	}
	return &cti.AgentStateEvent{PeripheralID: p, MRDID: 1, AgentID: fmt.Sprint(1000 + int(d)%3), AgentState: cti.AgentState(2 + id2*id%9), EventReasonCode: uint16(d)}
}
