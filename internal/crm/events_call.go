package crm

import (
	"log/slog"
	"time"

	"github.com/connects-go/connects/cti"
)

// event applies one event of the switch. It runs on the strand. Nothing here
// waits for another event: events of one action may come in any order (CTI
// reference, section 14), so each is applied to whatever is known.
func (c *Connector) event(l *Link, e cti.Event) {
	switch e := e.(type) {
	case *cti.AgentStateEvent:
		c.onAgentState(e)
	case *cti.BeginCallEvent:
		c.onBegin(e)
	case *cti.EndCallEvent:
		c.onEnd(e)
	case *cti.CallDataUpdateEvent:
		c.onDataUpdate(l, e)
	case *cti.CallDeliveredEvent:
		c.onDelivered(e)
	case *cti.CallEstablishedEvent:
		c.onEstablished(e)
	case *cti.CallHeldEvent:
		c.onHeld(e)
	case *cti.CallRetrievedEvent:
		c.onRetrieved(e)
	case *cti.CallClearedEvent:
		if k := c.lookup(e.PeripheralID, e.ConnectionCallID); k != nil {
			c.clearCall(k, c.causeText(e.EventCause))
		}
	case *cti.CallConnectionClearedEvent:
		c.onConnectionCleared(e)
	case *cti.CallServiceInitiatedEvent:
		c.consultOf(e.PeripheralID, e.ConnectionCallID, e.COCConnectionCallID)
		c.onOrigin(e.PeripheralID, connection{e.ConnectionCallID, e.ConnectionDeviceIDType, e.ConnectionDeviceID}, e.CallingDeviceID, "")
	case *cti.CallOriginatedEvent:
		c.onOrigin(e.PeripheralID, connection{e.ConnectionCallID, e.ConnectionDeviceIDType, e.ConnectionDeviceID}, e.CallingDeviceID, e.CalledDeviceID)
	case *cti.CallReachedNetworkEvent:
		c.onReachedNetwork(e)
	case *cti.CallFailedEvent:
		c.onFailed(e)
	case *cti.CallDivertedEvent:
		c.onDiverted(e)
	case *cti.CallTransferredEvent:
		c.onTransferred(e)
	case *cti.CallConferencedEvent:
		c.onConferenced(e)
	case *cti.CallQueuedEvent:
		if k := c.callFor(e.PeripheralID, e.ConnectionCallID); k != nil {
			for i := range e.SkillGroups {
				c.setQueue(k, uint32(e.SkillGroups[i].SkillGroupNumber))
				break
			}
		}
	case *cti.AgentPreCallEvent:
		c.onPreCall(l, e)
	case *cti.SystemEvent:
		c.onSystem(l, e)
	case *cti.ConfigAgentEvent:
		c.onConfigAgents(e)
	case *cti.ConfigSkillGroupEvent:
		c.onConfigSkillGroups(e)
	}
}

// lookup returns a known call, or nil.
func (c *Connector) lookup(per, id uint32) *call { return c.calls[callKey{per, id}] }

// callFor returns the call, making it when it is new. It returns nil for a
// peripheral that is not configured, for the null id, and when there are too
// many calls.
func (c *Connector) callFor(per, id uint32) *call {
	k := callKey{per, id}
	if cl := c.calls[k]; cl != nil {
		cl.seen = time.Now()
		return cl
	}
	p := c.pers[per]
	if p == nil || id == nullCall {
		return nil
	}
	if len(c.calls) >= c.cfg.MaxCalls {
		if c.stats.callsRefused.Add(1) == 1 {
			c.log.Error("crm: too many calls, further ones are not shown to SAP", slog.Int("max", c.cfg.MaxCalls))
		}
		return nil
	}
	cl := &call{key: k, per: p, seen: time.Now()}
	c.calls[k] = cl
	c.armSweep()
	return cl
}

// agentAt returns the agent at a device, or nil.
func (c *Connector) agentAt(per uint32, dev string) *agent {
	if dev == "" {
		return nil
	}
	return c.byDevice[acdKey{per, dev}]
}

// changed marks everybody in a call: its attached data, or its parties, changed.
func (c *Connector) changed(cl *call) {
	for _, it := range cl.items {
		c.touch(it.ag)
	}
}

// fill merges call data into a call.
func (c *Connector) fill(cl *call, u *update) {
	was := routerOf(cl)
	fresh := !cl.data.router.valid() && u.router.valid()
	if cl.data.merge(u) {
		cl.version++
		c.changed(cl)
	}
	if fresh {
		c.recall(&cl.data)
	}
	if routerOf(cl) != was {
		c.follow(cl)
	}
}

func (c *Connector) onBegin(e *cti.BeginCallEvent) {
	cl := c.callFor(e.PeripheralID, e.ConnectionCallID)
	if cl == nil {
		return
	}
	if cl.ended {
		// The switch uses the id again.
		c.forgetCall(cl)
		if cl = c.callFor(e.PeripheralID, e.ConnectionCallID); cl == nil {
			return
		}
	}
	cl.addBegun(e.ConnectionDeviceID)
	if len(cl.begun) > 1 {
		cl.per.link.perParty = true
	}
	cl.data.typ = e.CallType
	c.fill(cl, &update{
		ani: e.ANI, dnis: e.DNIS, dialed: e.DialedNumber, ced: e.CallerEnteredDigits, wrapUp: e.CallWrapupData,
		vars: [10]string{e.CallVariable1, e.CallVariable2, e.CallVariable3, e.CallVariable4, e.CallVariable5,
			e.CallVariable6, e.CallVariable7, e.CallVariable8, e.CallVariable9, e.CallVariable10},
		named: e.NamedVariables, arrays: e.NamedArrays,
		router: routerKey{e.RouterCallKeyDay, e.RouterCallKeyCallID}, all: true,
	})
}

func (cl *call) addBegun(dev string) {
	for _, d := range cl.begun {
		if d == dev {
			return
		}
	}
	if len(cl.begun) < 16 {
		cl.begun = append(cl.begun, dev)
	}
}

// onEnd ends one end of a call, or the call. A session for one device gets one
// end per connection, a session for all devices may get one for the call.
func (c *Connector) onEnd(e *cti.EndCallEvent) {
	cl := c.lookup(e.PeripheralID, e.ConnectionCallID)
	if cl == nil {
		return
	}
	for i, d := range cl.begun {
		if d == e.ConnectionDeviceID {
			cl.begun = append(cl.begun[:i], cl.begun[i+1:]...)
			break
		}
	}
	var own *item
	others, left := 0, false
	for _, it := range cl.items {
		switch {
		case it.conn.Dev == e.ConnectionDeviceID && it.status.alive():
			own = it
		case it.conn.Dev == e.ConnectionDeviceID:
			left = true // an agent who has left the call already
		case it.status.alive():
			others++
		}
	}
	if others > 0 && (own != nil || left || len(cl.begun) > 0 || cl.per.link.perParty && !cl.ended) {
		if own != nil {
			c.endItem(own, "")
		}
		return
	}
	if !cl.ended && cl.alive() == 0 && len(cl.parties) > 0 {
		// Our agents are out, the others may go on, for example to the next
		// agent: the data stay for a while.
		cl.seen = time.Now()
		c.remember(cl.data.router, &cl.data)
		return
	}
	c.clearCall(cl, "")
	c.forgetCall(cl)
}

func (c *Connector) onDataUpdate(l *Link, e *cti.CallDataUpdateEvent) {
	cl := c.callFor(e.PeripheralID, e.ConnectionCallID)
	if cl == nil {
		return
	}
	cl = c.renamed(cl, connection{e.ConnectionCallID, e.ConnectionDeviceIDType, e.ConnectionDeviceID},
		connection{e.NewConnectionCallID, e.NewConnectionDeviceIDType, e.NewConnectionDeviceID})
	if cl == nil {
		return
	}
	cl.data.typ = e.CallType
	c.fill(cl, &update{
		ani: e.ANI, dnis: e.DNIS, dialed: e.DialedNumber, ced: e.CallerEnteredDigits, wrapUp: e.CallWrapupData,
		vars: [10]string{e.CallVariable1, e.CallVariable2, e.CallVariable3, e.CallVariable4, e.CallVariable5,
			e.CallVariable6, e.CallVariable7, e.CallVariable8, e.CallVariable9, e.CallVariable10},
		named: e.NamedVariables, arrays: e.NamedArrays,
		router: routerKey{e.RouterCallKeyDay, e.RouterCallKeyCallID}, cleared: cleared(e),
		// From version 22 on the event carries all expanded variables.
		all: l.version >= 22,
	})
}

// renamed applies the new name of a connection, and returns the call in which it
// is now. When nobody's connection has the old name, it is the call that is named
// anew.
func (c *Connector) renamed(cl *call, was, now connection) *call {
	if now.Call == nullCall || now.Call == 0 || now.Call == was.Call && (now.Dev == "" || now.Dev == was.Dev) {
		return cl
	}
	for _, it := range cl.items {
		if it.status.alive() && it.conn.Dev == was.Dev {
			to := cl
			if now.Call != was.Call {
				if to = c.callFor(cl.key.peripheral, now.Call); to == nil {
					return nil
				}
				c.moveOver(to, cl)
			}
			c.move(it, to, now)
			if to != cl && cl.alive() == 0 {
				c.forgetCall(cl)
			}
			return to
		}
	}
	if now.Call == was.Call {
		return cl
	}
	if to := c.lookup(cl.key.peripheral, now.Call); to != nil {
		if cl.alive() == 0 {
			c.forgetCall(cl)
		}
		return to
	}
	return c.rename(cl, now)
}

// rename gives a call the id that the switch names from now on.
func (c *Connector) rename(cl *call, n connection) *call {
	k := callKey{cl.key.peripheral, n.Call}
	delete(c.calls, cl.key)
	cl.key = k
	c.calls[k] = cl
	for _, it := range cl.items {
		it.conn.Call = n.Call
		c.touch(it.ag)
	}
	return cl
}

func (c *Connector) onDelivered(e *cti.CallDeliveredEvent) {
	cl := c.callFor(e.PeripheralID, e.ConnectionCallID)
	if cl == nil {
		return
	}
	c.fill(cl, &update{
		ani: e.ANI, dnis: e.DNIS, dialed: e.DialedNumber, ced: e.CallerEnteredDigits, wrapUp: e.CallWrapupData,
		vars: [10]string{e.CallVariable1, e.CallVariable2, e.CallVariable3, e.CallVariable4, e.CallVariable5,
			e.CallVariable6, e.CallVariable7, e.CallVariable8, e.CallVariable9, e.CallVariable10},
		named: e.NamedVariables, arrays: e.NamedArrays,
	})
	if e.CallingDeviceID != "" {
		cl.calling = e.CallingDeviceID
	}
	if e.CalledDeviceID != "" {
		cl.called = e.CalledDeviceID
	}
	c.routedTo(cl, e.SkillGroupNumber)
	cl.addParty(e.CallingDeviceID)
	cl.joined = joinKey{}
	// After a graceful change of side deliveries come again for every call, to
	// be taken as a snapshot (CTI reference, section 10).
	snapshot := e.EventCause == cti.EventCauseCallPartyUpdateInd || e.EventCause == cti.EventCauseSnapshot
	conn := connection{e.ConnectionCallID, e.ConnectionDeviceIDType, e.ConnectionDeviceID}
	lcs := e.LocalConnectionState

	// The event is about one connection: that of the phone that rings, or that of
	// the caller. A session may get one of them, or both.
	ringing := lcs == cti.LocalConnectionStateAlerting
	// The caller first: a consultation has to be known before its other side
	// is offered, so that the attached data are there.
	callee := c.agentAt(e.PeripheralID, e.AlertingDeviceID)
	if callee == nil && ringing {
		callee = c.agentAt(e.PeripheralID, e.ConnectionDeviceID)
	}
	if caller := c.agentAt(e.PeripheralID, e.CallingDeviceID); caller != nil && caller != callee {
		own, sure := conn, true
		if ringing || lcs == cti.LocalConnectionStateNone {
			own.Dev, sure = e.CallingDeviceID, false
		}
		if it := c.originator(caller, cl, own, sure); it != nil && it.status == statusDialing && !snapshot {
			c.setStatus(it, statusRinging)
			c.setDialed(it, e.CalledDeviceID)
		}
	}
	if callee == nil {
		return
	}
	if it := callee.item(cl); it != nil {
		if ringing && it.status == statusOffered {
			it.conn, it.guessed = conn, false
		}
		return
	}
	if snapshot && callee.everIn(cl) {
		return
	}
	if !ringing {
		conn.Dev = e.AlertingDeviceID
	}
	if it := c.offer(callee, cl, conn); it != nil {
		it.guessed = !ringing
	}
}

// originator returns the item of the agent who started the call, making it or
// binding the one that waits for its id. It returns nil when the agent has left
// this call already.
//
// sure says that conn is known to be his connection, and not only likely.
func (c *Connector) originator(a *agent, cl *call, conn connection, sure bool) *item {
	it := a.item(cl)
	switch {
	case it != nil:
		if sure && it.guessed && it.out {
			it.conn, it.guessed = conn, false
		}
		return it
	case a.everIn(cl) || !a.loggedOn():
		return nil
	case a.unbound() != nil:
		it = a.unbound()
		c.bind(it, cl, conn)
	case !sure:
		return nil // his own events make the item
	default:
		it = c.startedByPhone(a, cl, conn)
	}
	if it != nil {
		it.guessed = !sure
	}
	return it
}

func (c *Connector) onOrigin(per uint32, conn connection, calling, called string) {
	a := c.agentAt(per, calling)
	if a == nil && calling == "" {
		a = c.agentAt(per, conn.Dev)
	}
	cl := c.callFor(per, conn.Call)
	if a == nil || cl == nil {
		return
	}
	cl.addParty(calling)
	it := c.originator(a, cl, conn, true)
	if it == nil {
		return
	}
	c.setDialed(it, called)
	c.touch(a)
}

func (c *Connector) onReachedNetwork(e *cti.CallReachedNetworkEvent) {
	cl := c.lookup(e.PeripheralID, e.ConnectionCallID)
	if cl == nil {
		return
	}
	for _, it := range cl.items {
		if it.out && it.status == statusDialing {
			c.setStatus(it, statusRinging)
			c.setDialed(it, e.CalledDeviceID)
		}
	}
}

func (c *Connector) onEstablished(e *cti.CallEstablishedEvent) {
	cl := c.callFor(e.PeripheralID, e.ConnectionCallID)
	if cl == nil {
		return
	}
	if e.CallingDeviceID != "" {
		cl.calling = e.CallingDeviceID
	}
	c.routedTo(cl, e.SkillGroupNumber)
	cl.addParty(e.CallingDeviceID)
	cl.addParty(e.AnsweringDeviceID)
	cl.joined = joinKey{}
	conn := connection{e.ConnectionCallID, e.ConnectionDeviceIDType, e.ConnectionDeviceID}
	snapshot := e.EventCause == cti.EventCauseCallPartyUpdateInd || e.EventCause == cti.EventCauseSnapshot
	answering := c.agentAt(e.PeripheralID, e.AnsweringDeviceID)
	if caller := c.agentAt(e.PeripheralID, e.CallingDeviceID); caller != nil && caller != answering {
		it := c.originator(caller, cl, connection{conn.Call, conn.Type, e.CallingDeviceID}, false)
		if it != nil && (it.status == statusDialing || it.status == statusRinging) {
			c.setStatus(it, statusConnected)
		}
	}
	if answering != nil {
		it := answering.item(cl)
		if it == nil && !(snapshot && answering.everIn(cl)) {
			if it = c.offer(answering, cl, conn); it != nil {
				it.guessed = true
			}
		}
		if it != nil {
			if it.guessed && !cl.names(conn.Dev, it) {
				it.conn, it.guessed = conn, conn.Dev != e.AnsweringDeviceID
			}
			switch {
			case it.status == statusOffered, !snapshot && it.status != statusHeld && it.status != statusConference:
				c.setStatus(it, statusConnected)
			}
		}
	}
	if snapshot {
		return
	}
	// Whoever else was offered the same connection lost it.
	for _, it := range cl.items {
		if it.status == statusOffered && it.ag != answering &&
			(e.EventCause == cti.EventCauseCallPickup || answering != nil && it.conn.Dev == conn.Dev) {
			c.takenElsewhere(it)
		}
	}
}

// names tells whether a connection id is that of another item of the call.
func (cl *call) names(dev string, not *item) bool {
	for _, it := range cl.items {
		if it != not && it.conn.Dev == dev && it.status.alive() {
			return true
		}
	}
	return false
}

func (c *Connector) onHeld(e *cti.CallHeldEvent) {
	if it := c.itemAt(e.PeripheralID, e.ConnectionCallID, e.HoldingDeviceID, e.ConnectionDeviceID); it != nil && it.status != statusOffered {
		c.setStatus(it, statusHeld)
	}
}

func (c *Connector) onRetrieved(e *cti.CallRetrievedEvent) {
	it := c.itemAt(e.PeripheralID, e.ConnectionCallID, e.RetrievingDeviceID, e.ConnectionDeviceID)
	if it == nil {
		return
	}
	if it.reason == reasonConference && len(it.call.parties) > 2 {
		c.setStatus(it, statusConference)
	} else {
		c.setStatus(it, statusConnected)
	}
}

// itemAt returns the living item of the agent at a device in a call, or nil.
func (c *Connector) itemAt(per, id uint32, devs ...string) *item {
	cl := c.lookup(per, id)
	if cl == nil {
		return nil
	}
	for _, d := range devs {
		if a := c.agentAt(per, d); a != nil {
			if it := a.item(cl); it != nil {
				return it
			}
		}
	}
	return nil
}

func (c *Connector) onConnectionCleared(e *cti.CallConnectionClearedEvent) {
	cl := c.lookup(e.PeripheralID, e.ConnectionCallID)
	if cl == nil {
		return
	}
	gone := e.ReleasingDeviceID
	if gone == "" {
		gone = e.ConnectionDeviceID
	}
	cl.dropParty(gone)
	cl.dropParty(e.ConnectionDeviceID)
	it := c.itemAt(e.PeripheralID, e.ConnectionCallID, e.ReleasingDeviceID)
	if it == nil && e.ReleasingDeviceID == "" {
		it = c.itemAt(e.PeripheralID, e.ConnectionCallID, e.ConnectionDeviceID)
	}
	if it != nil {
		if elsewhere(e.EventCause) && it.status == statusOffered {
			c.takenElsewhere(it)
		} else {
			c.endItem(it, c.causeText(e.EventCause))
		}
	}
	c.partyLeft(cl, gone)
}

// partyLeft tells those who stay in a conference who is left.
func (c *Connector) partyLeft(cl *call, dev string) {
	number := c.numberOf(cl, dev)
	for _, it := range cl.items {
		if !it.status.alive() || it.closing || it.reason != reasonConference {
			continue
		}
		if len(it.remote) > 1 && number != "" {
			it.dropRemote(number)
		}
		if len(cl.parties) <= 2 && it.status == statusConference {
			it.controller = false
			c.setStatus(it, statusConnected)
		}
		c.touch(it.ag)
	}
}

func (c *Connector) onDiverted(e *cti.CallDivertedEvent) {
	if it := c.itemAt(e.PeripheralID, e.ConnectionCallID, e.DivertingDeviceID); it != nil {
		it.call.dropParty(e.DivertingDeviceID)
		c.takenElsewhere(it)
	}
}

func (c *Connector) onFailed(e *cti.CallFailedEvent) {
	cl := c.lookup(e.PeripheralID, e.ConnectionCallID)
	if cl == nil {
		return
	}
	for _, it := range cl.items {
		if it.out && (it.status == statusDialing || it.status == statusRinging) {
			it.note = c.textFor(it.ag, firstOf(c.causeText(e.EventCause), textFailed))
			c.unpair(it)
			c.setStatus(it, statusFailed)
			// For SAP the call is over; the phone must not stay in the busy tone.
			if err := c.send(it.ag, c.clearReq(it), nil); err != nil {
				c.log.Debug("crm: failed call not cleared", slog.String("err", err.Error()))
			}
		}
	}
}

// clearCall ends all ends of a call.
func (c *Connector) clearCall(cl *call, text string) {
	cl.ended = true
	cl.parties = nil
	for _, it := range append([]*item(nil), cl.items...) {
		if it.status.alive() {
			c.endItem(it, text)
		} else if it.status == statusFailed {
			c.touch(it.ag)
		}
	}
}

// forgetCall takes a call out of the tables. Its items keep pointing at it, so
// that the attached data stay readable until wrap-up has ended.
func (c *Connector) forgetCall(cl *call) {
	cl.ended = true
	if c.calls[cl.key] == cl {
		delete(c.calls, cl.key)
	}
	c.left(cl)
	c.remember(cl.data.router, &cl.data)
}

// elsewhere: the connection ended because the call went to another place.
func elsewhere(e cti.EventCause) bool {
	switch e {
	case cti.EventCauseRedirected, cti.EventCauseCallForward, cti.EventCauseCallForwardAlways,
		cti.EventCauseCallForwardBusy, cti.EventCauseCallForwardNoAnswer, cti.EventCauseCallPickup,
		cti.EventCauseRouterRequeryBeforeAnswer:
		return true
	}
	return false
}
