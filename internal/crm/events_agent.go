package crm

import (
	"log/slog"
	"time"

	"github.com/connects-go/connects/cti"
)

// voiceMRD is the media routing domain of calls ("normally 1", CTI reference, section 18).
const voiceMRD = 1

func (c *Connector) onAgentState(e *cti.AgentStateEvent) {
	if e.MRDID > voiceMRD {
		return // of another medium
	}
	p := c.pers[e.PeripheralID]
	if p == nil {
		return
	}
	c.pres.state(e.PeripheralID, e.AgentID, e.AgentExtension, e.AgentState)
	a := c.byAgent[acdKey{e.PeripheralID, e.AgentID}]
	if a == nil && e.AgentID == "" {
		a = c.agentAt(e.PeripheralID, firstOf(e.AgentInstrument, e.AgentExtension))
	}
	if a == nil {
		return
	}
	if ext := e.AgentExtension; ext != "" && ext != a.rec.Extension {
		c.setExtension(a, ext)
	}
	c.agentState(a, e.AgentState, e.EventReasonCode)
}

// setExtension notes the number of the agent's phone; calls may be reported
// under it as well as under the instrument.
func (c *Connector) setExtension(a *agent, ext string) {
	if old := a.rec.Extension; old != "" && old != a.rec.Device && c.byDevice[acdKey{a.rec.Peripheral, old}] == a {
		delete(c.byDevice, acdKey{a.rec.Peripheral, old})
	}
	a.rec.Extension = ext
	if k := (acdKey{a.rec.Peripheral, ext}); c.byDevice[k] == nil {
		c.byDevice[k] = a
	}
	c.touch(a)
}

// agentState applies a state that the ACD reports. Whoever made the change, SAP
// is told by userChanged only.
func (c *Connector) agentState(a *agent, s cti.AgentState, reason uint16) {
	a.acd, a.reason, a.acdKnown = s, reason, true
	if a.per != nil && a.per.up() {
		a.stale = false
	}
	c.touch(a)
	if s == cti.AgentStateLogout {
		if a.logon == nil {
			c.loggedOff(a, reason)
		}
		return
	}
	if !a.rec.LoggedOn {
		// The ACD logged him on: by our request, of which the answer is still on
		// its way, or at another desktop.
		if a.logon == nil {
			return
		}
		a.logon.seen = true
	}
	mode, note := c.modeOf(s, reason)
	if mode == modeNotReady && note == reasonOffHook || s == cti.AgentStateNotReady && reason == reasonOffHook {
		// He dials from ready; the ACD brings him back by itself.
		if a.rec.Mode == modeReady {
			mode = 0
		}
	}
	if mode != 0 {
		a.rec.Mode, a.rec.Reason = mode, note
		if mode != modeWrapUp {
			a.rec.Pending = 0
			a.wrapUpAsked = false
		}
	}
	switch {
	case isWork(s):
		for _, it := range a.items {
			if it.closing {
				c.finish(it, statusWrapUp)
			}
		}
	case !inCallState(s):
		for _, it := range a.items {
			if it.closing || it.status == statusWrapUp {
				c.finish(it, statusEnded)
			}
		}
	default:
		// A new call during wrap-up ends the wrap-up (ICI reference, section 14).
		for _, it := range a.items {
			if it.status == statusWrapUp && s != cti.AgentStateBusyOther {
				c.finish(it, statusEnded)
			}
		}
	}
	if a.logoffAfter && a.living() == 0 && a.per != nil && a.per.up() && (s == cti.AgentStateNotReady || s == cti.AgentStateAvailable || isWork(s)) {
		a.logoffAfter = false
		c.requestLogoff(a)
	}
}

// loggedOff takes note that the agent is off at the ACD.
func (c *Connector) loggedOff(a *agent, reason uint16) {
	if !a.rec.LoggedOn && a.rec.Mode == modeLoggedOff {
		return
	}
	c.log.Info("crm: agent is logged off", slog.String("user", a.key.user), slog.String("agent", a.rec.AgentID),
		slog.Int("reason", int(reason)))
	a.rec.LoggedOn = false
	c.pres.owner(a.rec.Peripheral, a.rec.AgentID, nil)
	a.rec.Mode, a.rec.Reason, a.rec.Pending = modeLoggedOff, 0, 0
	a.logoffAfter, a.wrapUpAsked = false, false
	for _, it := range append([]*item(nil), a.items...) {
		switch {
		case it.closing || it.status == statusWrapUp:
			c.finish(it, statusEnded)
		case it.status.alive():
			// The phone may go on talking, but nobody controls it any more.
			it.established = false
			c.endItem(it, "")
		}
	}
	c.unindex(a)
	c.touch(a)
	if !a.subscribed {
		c.removeAgent(a)
	}
}

// letGo takes an agent out of what others see.
func (c *Connector) letGo(a *agent) {
	if s := c.pres.people[acdKey{a.rec.Peripheral, a.rec.AgentID}]; s != nil && s.owner == a {
		c.pres.owner(a.rec.Peripheral, a.rec.AgentID, nil)
	}
}

// index puts a logged-on agent into the tables of ACD ids and devices.
func (c *Connector) index(a *agent) {
	p := a.rec.Peripheral
	c.byAgent[acdKey{p, a.rec.AgentID}] = a
	c.byDevice[acdKey{p, a.rec.Device}] = a
	if a.rec.Extension != "" {
		c.byDevice[acdKey{p, a.rec.Extension}] = a
	}
}

func (c *Connector) unindex(a *agent) {
	p := a.rec.Peripheral
	if k := (acdKey{p, a.rec.AgentID}); c.byAgent[k] == a {
		delete(c.byAgent, k)
	}
	for _, d := range []string{a.rec.Device, a.rec.Extension} {
		if k := (acdKey{p, d}); c.byDevice[k] == a {
			delete(c.byDevice, k)
		}
	}
}

// removeAgent forgets an agent of whom nothing has to be known any more.
func (c *Connector) removeAgent(a *agent) {
	if a.removed {
		return
	}
	a.removed = true
	a.stopTimers()
	c.letGo(a)
	c.unindex(a)
	for _, it := range append([]*item(nil), a.items...) {
		c.dropItem(it)
	}
	if c.agents[a.key] == a {
		delete(c.agents, a.key)
	}
	c.persist(a)
}

func (c *Connector) onPreCall(l *Link, e *cti.AgentPreCallEvent) {
	k := routerKey{e.RouterCallKeyDay, e.RouterCallKeyCallID}
	if !k.valid() {
		return
	}
	var d callData
	if r := c.recent[k]; r != nil {
		d = r.data
	}
	d.merge(&update{
		ani: e.ANI, dialed: e.DialedNumber, ced: e.CallerEnteredDigits,
		vars: [10]string{e.CallVariable1, e.CallVariable2, e.CallVariable3, e.CallVariable4, e.CallVariable5,
			e.CallVariable6, e.CallVariable7, e.CallVariable8, e.CallVariable9, e.CallVariable10},
		named: e.NamedVariables, arrays: e.NamedArrays, router: k,
	})
	for _, p := range l.pers {
		if n := c.queueName(p.cfg.ID, e.SkillGroupNumber); n != "" {
			d.queue = n
			break
		}
	}
	delete(c.recent, k)
	c.remember(k, &d)
}

func (c *Connector) onSystem(l *Link, e *cti.SystemEvent) {
	switch e.SystemEventID {
	case cti.SystemEventIDPeripheralOffline:
		for _, p := range l.pers {
			if p.cfg.ID == e.SystemEventArg1 && !p.offline {
				p.offline = true
				c.log.Warn("crm: peripheral is off line", slog.Uint64("peripheral", uint64(p.cfg.ID)))
				for _, a := range c.agents {
					if a.per == p {
						a.stale = true
					}
				}
			}
		}
	case cti.SystemEventIDPeripheralOnline:
		for _, p := range l.pers {
			if p.cfg.ID == e.SystemEventArg1 && p.offline {
				p.offline = false
				c.log.Info("crm: peripheral is on line", slog.Uint64("peripheral", uint64(p.cfg.ID)))
				if l.ready {
					c.rereadPeripheral(l, p)
				}
			}
		}
	case cti.SystemEventIDCentralControllerOffline:
		c.log.Warn("crm: central controller is off line, calls are not routed", slog.String("link", l.name))
	case cti.SystemEventIDInstrumentOutOfService:
		c.log.Info("crm: phone is out of service", slog.String("link", l.name))
	}
}

// rereadPeripheral reads agents and calls again after the ACD was away while
// the CTI session stayed.
func (c *Connector) rereadPeripheral(l *Link, p *peripheral) {
	c.work.Go(func() {
		start := time.Now()
		stats, err := l.read(c.ctx, p, nil)
		if err != nil {
			c.log.Warn("crm: peripheral could not be read again", slog.String("err", err.Error()))
			return
		}
		c.log.Info("crm: peripheral read again", slog.Int("agents", stats.Agents), slog.Int("calls", stats.Calls),
			slog.Duration("took", time.Since(start)))
	})
}
