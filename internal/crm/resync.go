package crm

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/connects-go/connects/cti"
)

// Resync reads the switch after a reconnection: the state of every agent, the
// calls at every phone and the data of every call, with as many requests on
// their way as the server bears. What differs from what was known is applied
// and told to SAP, and nothing else. The session calls it before it delivers
// the events that arrived meanwhile.
func (l *Link) Resync(ctx context.Context, up *cti.SessionUp) (cti.ResyncStats, error) {
	stats, _, err := l.readOnce(ctx, nil, nil, true)
	return stats, err
}

// rereads is how often a reading beside running events is repeated for agents
// to whom something happened meanwhile, and rereadAfter the pause before.
const (
	rereads     = 8
	rereadAfter = 150 * time.Millisecond
)

// read reads agents while events go on. What was read about an agent to whom
// something happened meanwhile may be out of date and is read again.
func (l *Link) read(ctx context.Context, p *peripheral, some []*agent) (cti.ResyncStats, error) {
	stats, again, err := l.readOnce(ctx, p, some, false)
	for n := 0; err == nil && len(again) > 0 && n < rereads; n++ {
		t := time.NewTimer(rereadAfter)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return stats, context.Cause(ctx)
		}
		_, again, err = l.readOnce(ctx, nil, again, false)
	}
	return stats, err
}

// snapshot is what was read about one agent.
type snapshot struct {
	a      *agent
	seq    uint64 // of the agent when it was asked for
	agent  string
	device string
	per    uint32

	state    *cti.QueryAgentStateConf
	stateErr error
	calls    []cti.DeviceCall
	callsErr error
}

// readOnce reads agents and their calls: all of the link, those of one
// peripheral, or some. quiet says that no events are applied meanwhile;
// otherwise it returns the agents to whom something happened since.
func (l *Link) readOnce(ctx context.Context, p *peripheral, some []*agent, quiet bool) (stats cti.ResyncStats, again []*agent, err error) {
	c := l.c
	var shots []*snapshot
	if err := c.st.do(ctx, func() {
		take := func(a *agent) {
			if a.per != nil && a.per.link == l && (p == nil || a.per == p) && a.rec.LoggedOn && !a.removed {
				shots = append(shots, &snapshot{a: a, seq: a.seq, agent: a.rec.AgentID, device: a.rec.Device, per: a.rec.Peripheral})
			}
		}
		if some != nil {
			for _, a := range some {
				take(a)
			}
			return
		}
		for _, a := range c.agents {
			take(a)
		}
	}); err != nil {
		return stats, nil, err
	}
	err = l.window.Each(ctx, 2*len(shots), func(ctx context.Context, i int) error {
		s := shots[i/2]
		if i%2 == 0 {
			s.state, s.stateErr = ask[*cti.QueryAgentStateConf](ctx, l, &cti.QueryAgentStateReq{PeripheralID: s.per, MRDID: voiceMRD, AgentID: s.agent})
			return s.stateErr
		}
		conf, err := ask[*cti.SnapshotDeviceConf](ctx, l, &cti.SnapshotDeviceReq{PeripheralID: s.per,
			SnapshotDeviceType: cti.DeviceIDTypeDeviceIdentifier, AgentInstrument: s.device})
		s.callsErr = err
		if err == nil {
			s.calls = conf.Calls
		}
		return err
	})
	if lost(err) {
		return stats, nil, err
	}
	conns := map[callKey]connection{}
	for _, s := range shots {
		for _, dc := range s.calls {
			k := callKey{s.per, dc.CallConnectionCallID}
			if _, ok := conns[k]; !ok {
				conns[k] = connection{dc.CallConnectionCallID, dc.CallConnectionDeviceIDType, dc.CallConnectionDeviceID}
			}
		}
	}
	keys := make([]callKey, 0, len(conns))
	for k := range conns {
		keys = append(keys, k)
	}
	details := make([]*cti.SnapshotCallConf, len(keys))
	err = l.window.Each(ctx, len(keys), func(ctx context.Context, i int) error {
		k := conns[keys[i]]
		conf, err := ask[*cti.SnapshotCallConf](ctx, l, &cti.SnapshotCallReq{PeripheralID: keys[i].peripheral,
			ConnectionCallID: k.Call, ConnectionDeviceIDType: k.Type, ConnectionDeviceID: k.Dev})
		details[i] = conf
		return err
	})
	if lost(err) {
		return stats, nil, err
	}
	calls := make(map[callKey]*cti.SnapshotCallConf, len(keys))
	for i, k := range keys {
		calls[k] = details[i]
		if details[i] == nil {
			stats.Failed++
		}
	}
	if err := c.applyWait(ctx, func() { again = l.compare(shots, calls, quiet, some == nil && p == nil, &stats) }); err != nil {
		return stats, nil, err
	}
	return stats, again, nil
}

// ask sends one request of a snapshot.
func ask[C cti.Confirm](ctx context.Context, l *Link, r cti.Request) (C, error) {
	var none C
	ctx, cancel := context.WithTimeout(ctx, l.c.cfg.RequestTimeout)
	defer cancel()
	conf, err := l.do(ctx, r)
	if err != nil {
		return none, err
	}
	v, ok := conf.(C)
	if !ok {
		return none, &cti.UnexpectedConfirmError{Request: r.Type(), Confirm: conf.Type()}
	}
	return v, nil
}

// lost tells whether reading has to be given up: the session went away.
func lost(err error) bool {
	return err != nil && (errors.Is(err, cti.ErrDown) || errors.Is(err, cti.ErrInterrupted) || errors.Is(err, context.Canceled))
}

// notLoggedOn tells whether the switch says that it does not know the agent as logged on.
func notLoggedOn(err error) bool {
	return errors.Is(err, cti.StatusCodeAgentNotLoggedOn) || errors.Is(err, cti.StatusCodeInvalidAgentData) ||
		errors.Is(err, cti.ControlFailureCodeInvalidAgentIDSpecified)
}

// compare applies what was read. It returns the agents of whom it was not
// applied, because something happened to them since.
func (l *Link) compare(shots []*snapshot, calls map[callKey]*cti.SnapshotCallConf, quiet, whole bool, stats *cti.ResyncStats) (again []*agent) {
	c := l.c
	before := map[*item]status{}
	seen := map[*call]bool{}
	for k, conf := range calls {
		if cl := c.callFor(k.peripheral, k.id); cl != nil {
			if conf != nil {
				c.applyCall(cl, conf)
			}
			cl.ended = false
			seen[cl] = true
			stats.Calls++
		}
	}
	for _, s := range shots {
		a := s.a
		if a.removed || !a.rec.LoggedOn || a.rec.AgentID != s.agent {
			continue
		}
		if s.stateErr != nil && !notLoggedOn(s.stateErr) {
			stats.Failed++
			continue
		}
		if !quiet && a.seq != s.seq {
			again = append(again, a)
			continue
		}
		stats.Agents++
		for _, it := range a.items {
			before[it] = it.status
		}
		mode := a.rec.Mode
		if s.stateErr != nil || s.state.AgentState == cti.AgentStateLogout {
			c.forgotten(a)
		} else {
			if s.state.AgentExtension != "" && s.state.AgentExtension != a.rec.Extension {
				c.setExtension(a, s.state.AgentExtension)
			}
			a.acd, a.acdKnown = s.state.AgentState, true
			a.stale = false
			if s.callsErr == nil {
				c.applyDevice(a, s, stats)
			}
			c.readState(a, s.state.AgentState)
		}
		if a.rec.Mode != mode {
			stats.Changed++
		}
		for _, it := range a.items {
			if b, ok := before[it]; !ok || b != it.status {
				stats.Changed++
			}
		}
		c.touch(a)
	}
	if !whole {
		return again
	}
	// Calls that nobody here is in any more are not known to the switch either.
	for _, cl := range c.calls {
		if cl.per.link == l && !seen[cl] {
			if cl.alive() == 0 {
				c.forgetCall(cl)
			}
		} else if seen[cl] {
			cl.begun = nil
		}
	}
	return again
}

// forgotten: the switch does not know the agent as logged on any more.
func (c *Connector) forgotten(a *agent) {
	c.log.Warn("crm: the switch has forgotten an agent", slog.String("user", a.key.user), slog.String("agent", a.rec.AgentID))
	a.stale = false
	if c.cfg.Lost == LostNotReady {
		a.acd, a.acdKnown = cti.AgentStateUnknown, false
		a.rec.Mode, a.rec.Reason, a.rec.Pending = modeNotReady, 0, 0
		for _, it := range append([]*item(nil), a.items...) {
			if it.status.alive() {
				it.established = false
				c.endItem(it, textWhileAway)
			} else if it.closing || it.status == statusWrapUp {
				c.finish(it, statusEnded)
			}
		}
		c.touch(a)
		return
	}
	a.acd, a.acdKnown = cti.AgentStateLogout, true
	c.loggedOff(a, 0)
}

// readState applies a state that was asked for. The answer has no reason code,
// so a not-ready mode stays what it was.
func (c *Connector) readState(a *agent, s cti.AgentState) {
	if s == cti.AgentStateNotReady && (a.rec.Mode == modeNotReady || a.rec.Mode > modeWrapUp) {
		if p := a.rec.Pending; p != 0 {
			// The call for which it waited ended meanwhile.
			if a.rec.Pending = 0; p != modeReady {
				a.rec.Mode = p
			}
			c.touch(a)
		}
		for _, it := range a.items {
			if it.closing || it.status == statusWrapUp {
				c.finish(it, statusEnded)
			}
		}
		return
	}
	pending := a.rec.Pending
	c.agentState(a, s, 0)
	if inCallState(s) {
		a.rec.Pending = pending
	}
}

// applyDevice compares the calls at an agent's phone with his items.
func (c *Connector) applyDevice(a *agent, s *snapshot, stats *cti.ResyncStats) {
	there := map[*call]bool{}
	for i := range s.calls {
		dc := &s.calls[i]
		cl := c.callFor(s.per, dc.CallConnectionCallID)
		if cl == nil {
			continue
		}
		there[cl] = true
		conn := connection{dc.CallConnectionCallID, dc.CallConnectionDeviceIDType, dc.CallConnectionDeviceID}
		it := a.item(cl)
		if it == nil {
			if it = c.readItem(a, cl, conn, dc.CallState); it == nil {
				continue
			}
		}
		it.conn = conn
		c.readConnection(it, dc.CallState)
		cl.addParty(a.rec.Device)
	}
	for _, it := range append([]*item(nil), a.items...) {
		switch {
		case it.call != nil && there[it.call]:
		case it.status.alive() && !it.closing:
			if it.call == nil && a.reqBusy {
				continue // the switch was just asked for it
			}
			stats.Ended++
			if it.call == nil {
				it.note = c.textFor(a, textWhileAway)
				c.unpair(it)
				c.setStatus(it, statusFailed)
				it.closing = false
				c.finish(it, statusFailed)
				continue
			}
			c.endItem(it, textWhileAway)
		case it.status == statusFailed && it.call != nil:
			it.call.ended = true
		}
	}
}

// readItem makes an item of a call that began while nothing was heard.
func (c *Connector) readItem(a *agent, cl *call, conn connection, s cti.LocalConnectionState) *item {
	if s == cti.LocalConnectionStateNull || s == cti.LocalConnectionStateNone || s == cti.LocalConnectionStateFail {
		return nil
	}
	own := cl.calling != "" && (cl.calling == a.rec.Device || cl.calling == a.rec.Extension)
	if s == cti.LocalConnectionStateInitiate || own || isOwnCall(cl.data.typ) && s != cti.LocalConnectionStateAlerting && cl.calling == "" {
		if it := a.unbound(); it != nil {
			c.bind(it, cl, conn)
			return it
		}
		return c.startedByPhone(a, cl, conn)
	}
	return c.offer(a, cl, conn)
}

// isOwnCall: call types that begin at the agent.
func isOwnCall(t cti.CallType) bool {
	return t == cti.CallTypeAgentOut || t == cti.CallTypeOut || t == cti.CallTypeAgentInside
}

// readConnection sets an item to the state of its connection.
func (c *Connector) readConnection(it *item, s cti.LocalConnectionState) {
	switch s {
	case cti.LocalConnectionStateAlerting:
		if !it.out {
			c.setStatus(it, statusOffered)
		} else if it.status == statusDialing {
			c.setStatus(it, statusRinging)
		}
	case cti.LocalConnectionStateHold:
		it.established = true
		c.setStatus(it, statusHeld)
	case cti.LocalConnectionStateConnect:
		if it.call.ringing {
			if it.out && (it.status == statusDialing || it.status == statusRinging) {
				c.setStatus(it, statusRinging)
				return
			}
		}
		if it.reason == reasonConference && len(it.call.parties) > 2 {
			c.setStatus(it, statusConference)
			return
		}
		c.setStatus(it, statusConnected)
	}
}

// applyCall takes over the data of a call that was read.
func (c *Connector) applyCall(cl *call, e *cti.SnapshotCallConf) {
	cl.data.typ = e.CallType
	c.fill(cl, &update{
		ani: e.ANI, dnis: e.DNIS, dialed: e.DialedNumber, ced: e.CallerEnteredDigits, wrapUp: e.CallWrapupData,
		vars: [10]string{e.CallVariable1, e.CallVariable2, e.CallVariable3, e.CallVariable4, e.CallVariable5,
			e.CallVariable6, e.CallVariable7, e.CallVariable8, e.CallVariable9, e.CallVariable10},
		named: e.NamedVariables, arrays: e.NamedArrays,
		router: routerKey{e.RouterCallKeyDay, e.RouterCallKeyCallID}, all: true,
	})
	if len(e.CallDevices) == 0 {
		return
	}
	cl.parties = cl.parties[:0]
	talking, alerting := 0, 0
	for i := range e.CallDevices {
		d := &e.CallDevices[i]
		switch d.CallDeviceConnectionState {
		case cti.LocalConnectionStateNull, cti.LocalConnectionStateFail, cti.LocalConnectionStateQueued:
			continue
		case cti.LocalConnectionStateAlerting:
			alerting++
		case cti.LocalConnectionStateConnect, cti.LocalConnectionStateHold:
			talking++
		}
		cl.addParty(firstOf(d.CallDeviceID, d.CallConnectionDeviceID))
	}
	cl.ringing = alerting > 0 && talking <= 1
	if cl.data.typ == cti.CallTypeConference && len(cl.parties) > 2 {
		for _, it := range cl.items {
			it.reason = reasonConference
		}
	}
}

// resynced: the state of the switch is known again.
func (l *Link) resynced() {
	c := l.c
	l.ready = true
	n := 0
	for _, a := range c.agents {
		if a.per == nil || a.per.link != l {
			continue
		}
		n++
		if a.rec.Pending != 0 && a.inCall() {
			// The switch forgets what was asked for during a call (CCE
			// reference, section 9.2).
			off := a.logoffAfter
			c.requestMode(a, a.rec.Pending)
			a.logoffAfter = off
		}
		if a.logoffAfter && a.living() == 0 {
			a.logoffAfter = false
			c.requestLogoff(a)
		}
	}
	c.log.Info("crm: switch has been read", slog.String("link", l.name), slog.Int("agents", n))
	l.requestConfiguration()
}

// readDevice reads one agent: after his log on, and after a take-over.
func (c *Connector) readDevice(a *agent) {
	l := a.per.link
	c.work.Go(func() {
		if _, err := l.read(c.ctx, nil, []*agent{a}); err != nil && c.ctx.Err() == nil {
			c.log.Debug("crm: agent could not be read", slog.String("err", err.Error()))
		}
	})
}
