package ctitest

import (
	"slices"
	"time"

	"github.com/connects-go/connects/cti"
)

// both runs the part of an action that concerns calls and the part that concerns agents in the
// order that the quirks ask for.
func (m *model) both(calls, agents func()) {
	if m.cfg.Quirks.AgentStateFirst {
		agents()
		calls()
		return
	}
	calls()
	agents()
}

// ring lets a phone ring for a call that is on its way to it.
func (m *model) ring(c *call, number string, routed *group, ct cti.CallType) *leg {
	l := m.addLeg(c, legPhone, number, cti.LocalConnectionStateAlerting)
	l.called, l.routed, l.callType = true, routed, ct
	m.both(func() {
		m.beginCall(l)
		if routed != nil {
			m.dataUpdate(l, l.key(), nil)
		}
		m.delivered(l, l, 0)
		for _, o := range l.others() {
			if o.kind == legPhone && o.state == cti.LocalConnectionStateConnect {
				m.delivered(o, l, 0)
			}
		}
	}, func() { m.refresh(l.agent()) })
	a := l.agent()
	if routed == nil || a == nil {
		return l
	}
	if a.desk.AutoAnswer {
		m.atEnd(func() {
			if !l.gone && l.state == cti.LocalConnectionStateAlerting {
				m.answer(l)
			}
		})
	} else if t := a.desk.RingNoAnswerTime; t > 0 {
		m.later(l, t, func() { m.ringNoAnswer(l) })
	}
	return l
}

// answer connects a ringing phone.
func (m *model) answer(l *leg) {
	l.stopTimers()
	for _, o := range l.dev.legs {
		if o != l && o.state == cti.LocalConnectionStateConnect {
			m.hold(o)
		}
	}
	m.established(l)
}

// established connects l with the other parties of its call and tells it at all their phones.
func (m *model) established(l *leg) {
	l.state, l.answered, l.since = cti.LocalConnectionStateConnect, true, time.Now()
	var tell []*leg
	for _, o := range l.call.legs {
		if o == l || o.state == cti.LocalConnectionStateConnect {
			o.answered = true
			if o.kind == legPhone {
				tell = append(tell, o)
			}
		}
	}
	if m.cfg.Quirks.RTPFirst {
		m.startAudio(tell)
	}
	m.both(func() {
		for _, o := range tell {
			m.establishedEvent(o, l)
		}
	}, func() { m.refreshAll(tell) })
	m.startAudio(tell)
}

func (m *model) refreshAll(legs []*leg) {
	for _, l := range legs {
		m.refresh(l.agent())
	}
}

// startAudio tells that audio flows at the phones where it did not yet.
func (m *model) startAudio(legs []*leg) {
	for _, l := range legs {
		if l.kind == legPhone && !l.audio && l.agent() != nil {
			l.audio = true
			m.rtpStarted(l, cti.RTPDirectionInput)
			m.rtpStarted(l, cti.RTPDirectionOutput)
		}
	}
}

func (m *model) stopAudio(l *leg) {
	if l.audio {
		l.audio = false
		m.rtpStopped(l, cti.RTPDirectionInput)
		m.rtpStopped(l, cti.RTPDirectionOutput)
	}
}

// hold puts a conversation on hold.
func (m *model) hold(l *leg) {
	l.state, l.since = cti.LocalConnectionStateHold, time.Now()
	if a := l.agent(); a != nil {
		a.stats.held(l)
	}
	m.both(func() { m.heldEvent(l) }, func() { m.refresh(l.agent()) })
	m.stopAudio(l)
}

// retrieve takes a conversation back.
func (m *model) retrieve(l *leg) {
	l.state, l.since = cti.LocalConnectionStateConnect, time.Now()
	if m.cfg.Quirks.RTPFirst {
		m.startAudio([]*leg{l})
	}
	m.both(func() { m.retrievedEvent(l) }, func() { m.refresh(l.agent()) })
	m.startAudio([]*leg{l})
}

// alternate swaps the active and the held call of a phone.
func (m *model) alternate(active, held *leg) {
	active.state, held.state = cti.LocalConnectionStateHold, cti.LocalConnectionStateConnect
	active.since, held.since = time.Now(), time.Now()
	m.both(func() {
		m.heldEvent(active)
		m.stopAudio(active)
		m.retrievedEvent(held)
	}, func() { m.refresh(active.agent()) })
	m.startAudio([]*leg{held})
}

// drop ends a connection, and the whole call when less than two parties are left.
func (m *model) drop(l *leg, cause cti.EventCause) {
	c := l.call
	if l.gone {
		return
	}
	gone := []*leg{l}
	m.detach(l)
	rest := slices.Clone(c.legs)
	over := !c.lives()
	if over {
		if c.pending != nil {
			m.abortPreCall(c.pending)
		}
		for _, r := range rest {
			m.detach(r)
			gone = append(gone, r)
		}
		m.forget(c)
	}
	m.both(func() {
		for _, g := range gone {
			if g.kind == legQueue && g.began {
				m.dequeuedEvent(g, cti.EventCauseCallCancelled)
			}
			m.clearedConnection(g, cause)
			m.stopAudio(g)
		}
		if over {
			for _, g := range gone {
				if g.local() && g.began {
					m.clearedCall(g, cause)
				}
			}
		}
	}, func() {
		for _, g := range gone {
			m.refresh(g.agent())
		}
	})
	for _, g := range gone {
		m.finish(g)
	}
}

// queued says whether a party is a queue.
func (c *call) queued() bool {
	return slices.ContainsFunc(c.legs, func(l *leg) bool { return l.kind == legQueue })
}

// waits says whether the call has still to come to an agent.
func (c *call) waits() bool { return c.pending != nil || c.queued() }

// lives says whether enough parties are left for a call that the switch can see: two of them, or
// one and a queue or an agent who waits for the call.
func (c *call) lives() bool {
	var parties, phones int
	target := c.pending != nil
	for _, l := range c.legs {
		switch l.kind {
		case legQueue:
			target = true
		case legPhone:
			phones++
			parties++
		case legExternal:
			parties++
		}
	}
	return parties > 1 && phones > 0 || parties > 0 && target
}

// detach takes a connection out of its call, phone and queue without a word.
func (m *model) detach(l *leg) {
	l.gone = true
	l.stopTimers()
	for _, o := range l.call.legs {
		if o.dev != nil {
			l.with = append(l.with, o.dev)
		}
	}
	drop := func(list []*leg) []*leg {
		if i := slices.Index(list, l); i >= 0 {
			return slices.Delete(list, i, i+1)
		}
		return list
	}
	l.call.legs = drop(l.call.legs)
	if l.dev != nil {
		l.dev.legs = drop(l.dev.legs)
	}
	if l.group != nil {
		l.group.queue = drop(l.group.queue)
	}
	if a := l.agent(); a != nil && l.answered {
		a.stats.ended(l)
	}
}

// forget removes a call that has no parties left.
func (m *model) forget(c *call) {
	delete(m.calls, c.id)
	for _, o := range m.calls {
		if o.consultOf == c {
			o.consultOf = nil
		}
	}
	m.dropCallMonitors(c.id)
}

// finish sends END_CALL_EVENT for a connection, or leaves it to the end of the agent's wrap-up, and
// keeps the call data writable for a while.
func (m *model) finish(l *leg) {
	if !l.began {
		return
	}
	key := l.key()
	m.ended[key] = l
	m.pg.afterFunc(m.cfg.CallDataHold, func() {
		if m.ended[key] == l {
			delete(m.ended, key)
		}
	})
	if a := l.agent(); a != nil && a.inWrapup() && a.lastLeg == l && m.cfg.Quirks.LateEndCall {
		a.lateEnds = append(a.lateEnds, l)
		return
	}
	m.endCall(l)
}

// dial lets a phone call a number. The checks are done.
func (m *model) dial(d *device, number string, ct cti.CallType, consultOf *call, data callData) *leg {
	c := m.newCall(d.number, number)
	c.data, c.consultOf, c.initiator = data, consultOf, d
	c.data.ani = d.number
	l := m.addLeg(c, legPhone, d.number, cti.LocalConnectionStateInitiate)
	l.callType = ct
	m.both(func() {
		m.beginCall(l)
		m.serviceInitiated(l)
		l.state = cti.LocalConnectionStateConnect
		m.originated(l)
	}, func() { m.refresh(l.agent()) })
	m.connectTo(c, l, number)
	return l
}

// connectTo brings a call to the number that l dialled.
func (m *model) connectTo(c *call, l *leg, number string) {
	if g := m.groupByDN[number]; g != nil {
		m.enqueue(c, g, false)
		return
	}
	if d := m.devices[number]; d != nil {
		if len(d.legs) > 0 {
			m.fail(l, cti.EventCauseBusy)
			return
		}
		m.ring(c, number, nil, calledType(l.callType))
		return
	}
	x := m.external(number)
	if x.Routed {
		m.keyed(c)
		m.dataUpdate(l, l.key(), nil)
	}
	m.reachedNetwork(l)
	if x.Unreachable {
		m.failAfter(l, x, cti.EventCauseDestNotObtainable)
		return
	}
	if x.Busy {
		m.failAfter(l, x, cti.EventCauseBusy)
		return
	}
	far := m.addLeg(c, legExternal, number, cti.LocalConnectionStateAlerting)
	far.called = true
	m.answerOutside(far, x)
}

// calledType is the call type at the called phone of a call with type ct at the caller's.
func calledType(ct cti.CallType) cti.CallType {
	if ct == cti.CallTypeConsult {
		return cti.CallTypeConsultOfferred
	}
	return cti.CallTypeOtherIn
}

// answerOutside lets an outside party answer, and perhaps hang up, when its time has come.
func (m *model) answerOutside(far *leg, x External) {
	if x.AnswerAfter < 0 {
		return
	}
	m.later(far, x.AnswerAfter, func() {
		m.established(far)
		if x.HangUpAfter > 0 {
			m.later(far, x.HangUpAfter, func() { m.drop(far, cti.EventCauseNone) })
		}
	})
}

func (m *model) failAfter(l *leg, x External, cause cti.EventCause) {
	if x.AnswerAfter > 0 {
		m.later(l, x.AnswerAfter, func() { m.fail(l, cause) })
		return
	}
	m.fail(l, cause)
}

// fail leaves a caller with the busy tone until he hangs up.
func (m *model) fail(l *leg, cause cti.EventCause) {
	l.state = cti.LocalConnectionStateFail
	m.both(func() { m.failedEvent(l, cause) }, func() { m.refresh(l.agent()) })
}

// external returns how an outside number behaves.
func (m *model) external(number string) External {
	x, ok := m.cfg.External[number]
	if !ok && m.cfg.DefaultExternal != nil {
		x = *m.cfg.DefaultExternal
	}
	if x.AnswerAfter == 0 && !x.Busy && !x.Unreachable {
		x.AnswerAfter = DefaultExternalAnswer
	}
	return x
}

// diallable says whether a number leads anywhere at all.
func (m *model) diallable(number string) bool {
	if m.devices[number] != nil || m.groupByDN[number] != nil {
		return true
	}
	if number == "" {
		return false
	}
	for i := range len(number) {
		c := number[i]
		if (c < '0' || c > '9') && c != '*' && c != '#' && (c != '+' || i > 0) {
			return false
		}
	}
	return true
}

// deflect sends a ringing call on to another number.
func (m *model) deflect(l *leg, number string, cause cti.EventCause) {
	c := l.call
	m.detach(l)
	c.lastRedirect = l
	m.both(func() {
		m.diverted(l, number, cause)
		m.clearedConnection(l, cti.EventCauseRedirected)
	}, func() { m.refresh(l.agent()) })
	m.finish(l)
	m.bring(c, number, false)
}

// bring takes a call that has lost a party to another number; when that fails the call ends.
func (m *model) bring(c *call, number string, front bool) {
	if g := m.groupByDN[number]; g != nil {
		m.enqueue(c, g, front)
		return
	}
	if d := m.devices[number]; d != nil {
		if len(d.legs) == 0 {
			m.ring(c, number, nil, cti.CallTypeTransferIn)
		} else if len(c.legs) > 0 {
			m.drop(c.legs[0], cti.EventCauseBusy)
		}
		return
	}
	x := m.external(number)
	if x.Routed {
		m.keyed(c)
	}
	far := m.addLeg(c, legExternal, number, cti.LocalConnectionStateAlerting)
	far.called = true
	if x.Busy || x.Unreachable {
		m.drop(far, cti.EventCauseBusy)
		return
	}
	if !slices.ContainsFunc(c.legs, (*leg).local) {
		// Only outside parties are left: the call goes on without the switch's telling.
		for _, l := range slices.Clone(c.legs) {
			m.detach(l)
		}
		m.forget(c)
		return
	}
	m.answerOutside(far, x)
}
