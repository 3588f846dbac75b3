package ctitest

import (
	"github.com/connects-go/connects/cti"
)

// agentEvent tells the state of an agent to everybody whom it concerns.
func (m *model) agentEvent(a *agent) {
	a.untold = m.silent
	if m.silent {
		return
	}
	bit := agentMaskOf(a.state)
	for _, s := range m.sessions {
		if s.standby {
			continue
		}
		if s.agentMask&bit != 0 && (s.has(cti.CTIServiceMaskAllEvents) || s.dev != nil && (s.dev == a.dev || s.agentID == a.id)) {
			s.send(m.agentMessage(a, s, 0))
			if m.cfg.Quirks.DuplicateAgentStates && !s.has(cti.CTIServiceMaskIgnoreDuplicateAgentEvents) {
				s.send(m.agentMessage(a, s, 0))
			}
		}
		for _, mon := range s.monitors {
			if mon.agentMask&bit != 0 && mon.device != "" && a.dev != nil && mon.device == a.dev.number {
				s.send(m.agentMessage(a, s, mon.id))
			}
		}
	}
}

func (m *model) agentMessage(a *agent, s *session, mon uint32) cti.Message {
	e := &cti.AgentStateEvent{
		MonitorID: mon, PeripheralID: m.pid, PeripheralType: peripheralType,
		SkillGroupState: a.state, StateDuration: seconds(a.since),
		SkillGroupNumber: null32, SkillGroupID: null32,
		AgentState: a.state, EventReasonCode: a.reason, MRDID: voiceMRD, MaxTaskLimit: 1,
		AgentMode: cti.AgentModeRoutable, ICMAgentID: a.target,
		CTIClientSignature: m.signatureOf(a), AgentID: a.id,
	}
	if a.inCall() {
		e.NumTasks = 1
	}
	if a.state == cti.AgentStateAvailable {
		e.AgentAvailabilityStatus = cti.AgentAvailabilityStatusICMAvailable
	}
	if !a.loggedIn() {
		e.AgentMode = cti.AgentModeNotRoutable
	}
	if a.dev != nil {
		e.AgentExtension, e.AgentInstrument = a.dev.number, a.dev.number
	}
	if l := a.lastLeg; l != nil && a.inCall() && !l.gone {
		e.Direction = cti.CallDirectionOut
		if l.called {
			e.Direction = cti.CallDirectionIn
		}
	}
	if next, ok := a.announced(); ok {
		e.NextAgentState = next
	}
	for i, g := range a.groups {
		st := a.groupState(g, i == 0)
		if i == 0 {
			e.SkillGroupNumber, e.SkillGroupID, e.SkillGroupState = g.number, g.id, st
		}
		e.FltSkillGroups = append(e.FltSkillGroups, cti.FltSkillGroup{
			FltSkillGroupNumber: int32(g.number), FltSkillGroupID: g.id, FltSkillGroupState: st})
	}
	return e
}

// announced is the next state when it is known: what was asked for during a call, and what follows
// the wrap-up.
func (a *agent) announced() (cti.AgentState, bool) {
	switch {
	case a.inCall() && a.wrapAsked != 0:
		return a.wrapAsked, true
	case a.pending != nil:
		return a.pending.state, true
	case a.inWrapup():
		return a.base.state, true
	}
	return 0, false
}

// signatureOf is the signature of the client in whose client-mode session the agent works.
func (m *model) signatureOf(a *agent) string {
	for _, s := range m.sessions {
		if s.dev != nil && (s.dev == a.dev || s.agentID == a.id) {
			return s.signature
		}
	}
	return ""
}

// preCall announces a routed call.
func (m *model) preCall(r *reservation) {
	if m.cfg.Quirks.NoPreCall {
		return
	}
	c := r.call
	m.toAgent(r.agent, maskAgentPreCall, func(v view) cti.Message {
		e := &cti.AgentPreCallEvent{MonitorID: v.mon, ServiceNumber: null32, ServiceID: null32,
			SkillGroupNumber: r.group.number, SkillGroupID: r.group.id, MRDID: voiceMRD,
			AgentSkillTargetID: uint32(r.agent.target), AgentInstrument: r.agent.dev.number,
			RouterCallKeyDay: c.key.day, RouterCallKeyCallID: c.key.id, RouterCallKeySequenceNumber: c.key.seq,
			ANI: c.data.ani, UserToUserInfo: c.data.uui, DialedNumber: c.to, CallerEnteredDigits: c.data.ced,
			AgentID: r.agent.id}
		d := v.s.visible(&c.data)
		e.CallVariable1, e.CallVariable2, e.CallVariable3, e.CallVariable4, e.CallVariable5 = d.vars[0], d.vars[1], d.vars[2], d.vars[3], d.vars[4]
		e.CallVariable6, e.CallVariable7, e.CallVariable8, e.CallVariable9, e.CallVariable10 = d.vars[5], d.vars[6], d.vars[7], d.vars[8], d.vars[9]
		e.NamedVariables, e.NamedArrays = d.named, d.arrays
		return e
	})
}

func (m *model) preCallAbort(r *reservation) {
	if m.cfg.Quirks.NoPreCall {
		return
	}
	c := r.call
	m.toAgent(r.agent, maskAgentPreCallAbort, func(v view) cti.Message {
		return &cti.AgentPreCallAbortEvent{MonitorID: v.mon, MRDID: voiceMRD, AgentInstrument: r.agent.dev.number,
			RouterCallKeyDay: c.key.day, RouterCallKeyCallID: c.key.id, RouterCallKeySequenceNumber: c.key.seq}
	})
}

// toAgent sends a call event that concerns an agent who has no connection yet.
func (m *model) toAgent(a *agent, bit cti.CallEventMask, build func(v view) cti.Message) {
	if m.silent {
		return
	}
	for _, s := range m.sessions {
		if s.standby {
			continue
		}
		if s.callMask&bit != 0 && (s.has(cti.CTIServiceMaskAllEvents) || s.dev != nil && s.dev == a.dev) {
			s.send(build(view{s, 0}))
		}
		for _, mon := range s.monitors {
			if mon.callMask&bit != 0 && mon.device != "" && mon.device == a.dev.number {
				s.send(build(view{s, mon.id}))
			}
		}
	}
}

func (m *model) transferred(l *leg, active, held *leg, j *joint, list []party) {
	sgn, sgi, prio := skill(l)
	lh, lt := line(l)
	p, s := j.ends(l, held, active)
	to := j.added
	m.toCall(l, maskTransferred, func(v view) cti.Message {
		e := &cti.CallTransferredEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			PrimaryDeviceIDType: p.idType, PrimaryCallID: p.call, PrimaryDeviceID: p.id,
			LineHandle: lh, LineType: lt, SkillGroupNumber: sgn, SkillGroupID: sgi, SkillGroupPriority: prio,
			SecondaryDeviceIDType: s.idType, SecondaryCallID: s.call, SecondaryDeviceID: s.id,
			TransferringDeviceType: m.deviceType(held), TransferringDeviceID: held.number,
			TransferredDeviceType: m.deviceType(to), TransferredDeviceID: to.numberOf(),
			LocalConnectionState: localState(l), EventCause: cti.EventCauseTransfer}
		for _, x := range list {
			e.ConnectedParties = append(e.ConnectedParties, cti.ConnectedParty{ConnectedPartyCallID: x.call, ConnectedPartyDeviceIDType: x.idType, ConnectedPartyDeviceID: x.id})
		}
		return e
	})
}

// localState is the state of a connection in an event, null when it is gone.
func localState(l *leg) cti.LocalConnectionState {
	if l.gone {
		return cti.LocalConnectionStateNull
	}
	return l.state
}

// ends returns the primary and the secondary connection of a transfer or conference as the phone
// of l knows them: its own connections where it has them, else those of the phone that acted.
func (j *joint) ends(l, held, active *leg) (primary, secondary party) {
	primary = party{j.first.id, held.idType, held.id}
	secondary = party{j.second.id, active.idType, active.id}
	if l == held || l == active {
		return primary, secondary
	}
	was, moved := j.was[l]
	if !moved {
		was = l.key()
	}
	switch was.call {
	case j.first.id:
		primary.id, primary.idType = was.id, l.idType
	case j.second.id:
		secondary.id, secondary.idType = was.id, l.idType
	}
	return primary, secondary
}

func (m *model) conferenced(l *leg, active, held *leg, j *joint, list []party) {
	sgn, sgi, prio := skill(l)
	lh, lt := line(l)
	p, s := j.ends(l, held, active)
	if !held.gone && l == held || !active.gone && l == active {
		p, s = party{j.first.id, held.idType, held.id}, party{j.second.id, active.idType, active.id}
	}
	to := j.added
	controller := j.into.controller
	m.toCall(l, maskConferenced, func(v view) cti.Message {
		e := &cti.CallConferencedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			PrimaryDeviceIDType: p.idType, PrimaryCallID: p.call, PrimaryDeviceID: p.id,
			LineHandle: lh, LineType: lt, SkillGroupNumber: sgn, SkillGroupID: sgi, SkillGroupPriority: prio,
			SecondaryDeviceIDType: s.idType, SecondaryCallID: s.call, SecondaryDeviceID: s.id,
			ControllerDeviceType: cti.DeviceIDTypeAgentDevice, ControllerDeviceID: controller.number,
			AddedPartyDeviceType: m.deviceType(to), AddedPartyDeviceID: to.numberOf(),
			LocalConnectionState: localState(l), EventCause: cti.EventCauseNone}
		for _, x := range list {
			e.ConnectedParties = append(e.ConnectedParties, cti.ConnectedParty{ConnectedPartyCallID: x.call, ConnectedPartyDeviceIDType: x.idType, ConnectedPartyDeviceID: x.id})
		}
		return e
	})
}

// blindTransferred tells of a single step transfer, at the phone that made it and at the other
// phones of the call.
func (m *model) blindTransferred(by *leg, number string, list []party) {
	c := by.call
	for _, l := range append([]*leg{by}, c.legs...) {
		if l.kind != legPhone || !l.began {
			continue
		}
		sgn, sgi, prio := skill(l)
		lh, lt := line(l)
		m.toCall(l, maskTransferred, func(v view) cti.Message {
			e := &cti.CallTransferredEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
				PrimaryDeviceIDType: l.idType, PrimaryCallID: c.id, PrimaryDeviceID: l.id,
				LineHandle: lh, LineType: lt, SkillGroupNumber: sgn, SkillGroupID: sgi, SkillGroupPriority: prio,
				SecondaryDeviceIDType: cti.ConnectionDeviceIDTypeNone, SecondaryCallID: null32,
				TransferringDeviceType: m.deviceType(by), TransferringDeviceID: by.number,
				TransferredDeviceType: m.numberType(number), TransferredDeviceID: number,
				LocalConnectionState: localState(l), EventCause: cti.EventCauseTransfer}
			for _, x := range list {
				e.ConnectedParties = append(e.ConnectedParties, cti.ConnectedParty{ConnectedPartyCallID: x.call, ConnectedPartyDeviceIDType: x.idType, ConnectedPartyDeviceID: x.id})
			}
			return e
		})
	}
}
