package ctitest

import (
	"slices"
	"time"

	"github.com/connects-go/connects/cti"
)

// view is who an event is made for.
type view struct {
	s   *session
	mon uint32 // monitor that asked for the event, 0 = the session's own masks
}

// toCall sends an event about a connection to everybody whom it concerns. build is called once per
// copy, because copies differ by monitor, version and registered variables.
func (m *model) toCall(l *leg, bit cti.CallEventMask, build func(v view) cti.Message) {
	if m.silent {
		return
	}
	for _, s := range m.sessions {
		if s.standby {
			continue
		}
		if s.callMask&bit != 0 {
			switch {
			case s.has(cti.CTIServiceMaskAllEvents):
				if !(s.has(cti.CTIServiceMaskACDLineOnly) && l.dev != nil && l.dev.owner == nil) {
					s.send(build(view{s, 0}))
				}
			case s.dev != nil && l.concerns(s.dev, bit):
				s.send(build(view{s, 0}))
			}
		}
		for _, mon := range s.monitors {
			if mon.callMask&bit != 0 && mon.matches(l) {
				s.send(build(view{s, mon.id}))
			}
		}
	}
}

// concerns says whether a client of the device gets an event about the connection: about its own
// connections, and about parties that leave its calls.
func (l *leg) concerns(d *device, bit cti.CallEventMask) bool {
	if l.dev == d {
		return true
	}
	return bit == maskConnectionCleared && slices.Contains(l.with, d)
}

func (m *model) deviceType(l *leg) cti.DeviceIDType {
	switch {
	case l == nil:
		return cti.DeviceIDTypeNone
	case l.kind == legExternal:
		return cti.DeviceIDTypeExternal
	case l.kind == legQueue:
		return cti.DeviceIDTypeQueue
	case l.dev.agent != nil:
		return cti.DeviceIDTypeAgentDevice
	}
	return cti.DeviceIDTypeDeviceIdentifier
}

// numberType is the device type of a dialled number.
func (m *model) numberType(number string) cti.DeviceIDType {
	switch {
	case number == "":
		return cti.DeviceIDTypeNone
	case m.groupByDN[number] != nil:
		return cti.DeviceIDTypeRoutePoint
	case m.devices[number] == nil:
		return cti.DeviceIDTypeExternal
	case m.devices[number].agent != nil:
		return cti.DeviceIDTypeAgentDevice
	}
	return cti.DeviceIDTypeDeviceIdentifier
}

func (l *leg) numberOf() string {
	if l == nil {
		return ""
	}
	return l.number
}

// skill returns the skill group fields of an event at a connection.
func skill(l *leg) (number, id uint32, prio uint16) {
	g := l.routed
	if l.kind == legQueue {
		g = l.group
	}
	if g == nil {
		if a := l.agent(); a != nil && len(a.groups) > 0 {
			g = a.groups[0]
		}
	}
	if g == nil {
		return null32, null32, 0
	}
	return g.number, g.id, 0
}

// line returns the line fields of an event at a connection.
func line(l *leg) (uint16, cti.LineType) {
	if l.kind != legPhone {
		return null16, cti.LineType(null16)
	}
	switch {
	case l.routed != nil:
		return 1, cti.LineTypeInboundACD
	case l.called:
		return 1, cti.LineTypeInside
	}
	return 1, cti.LineTypeOutbound
}

func (m *model) beginCall(l *leg) {
	l.began = !m.silent
	m.toCall(l, maskBeginCall, func(v view) cti.Message { return m.beginMessage(l, v) })
}

func (m *model) beginMessage(l *leg, v view) cti.Message {
	c := l.call
	e := &cti.BeginCallEvent{
		MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
		CallType: l.callType, ConnectionDeviceIDType: l.idType, ConnectionCallID: c.id, ConnectionDeviceID: l.id,
		ANI: c.data.ani, UserToUserInfo: c.data.uui, DNIS: c.dnis, DialedNumber: c.to, CallerEnteredDigits: c.data.ced,
		RouterCallKeyDay: c.key.day, RouterCallKeyCallID: c.key.id, RouterCallKeySequenceNumber: c.key.seq,
		CallReferenceID: c.reference(),
	}
	d := v.s.visible(&c.data)
	e.CallVariable1, e.CallVariable2, e.CallVariable3, e.CallVariable4, e.CallVariable5 = d.vars[0], d.vars[1], d.vars[2], d.vars[3], d.vars[4]
	e.CallVariable6, e.CallVariable7, e.CallVariable8, e.CallVariable9, e.CallVariable10 = d.vars[5], d.vars[6], d.vars[7], d.vars[8], d.vars[9]
	e.CallWrapupData = c.data.wrapup
	e.NamedVariables, e.NamedArrays = d.named, d.arrays
	return e
}

// reference is the CallReferenceID: opaque bytes.
func (c *call) reference() []byte {
	return []byte{0x00, 0x00, 0x00, 0x00, 0x00, 0x00, byte(c.id >> 24), byte(c.id >> 16), byte(c.id >> 8), byte(c.id)}
}

func (m *model) endCall(l *leg) {
	if !l.began {
		return
	}
	l.began = false
	m.toCall(l, maskEndCall, func(v view) cti.Message {
		return &cti.EndCallEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id}
	})
}

// dataUpdate sends CALL_DATA_UPDATE_EVENT. was is the connection before the change, changed what
// changed of the data; nil = nothing.
func (m *model) dataUpdate(l *leg, was connKey, changed *change) {
	c := l.call
	m.toCall(l, maskCallDataUpdate, func(v view) cti.Message {
		e := &cti.CallDataUpdateEvent{
			MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			CallType: l.callType, ConnectionDeviceIDType: l.idType, ConnectionCallID: was.call, ConnectionDeviceID: was.id,
			NewConnectionDeviceIDType: l.idType, NewConnectionCallID: c.id, NewConnectionDeviceID: l.id,
			ANI: c.data.ani, DNIS: c.dnis, DialedNumber: c.to, CallerEnteredDigits: c.data.ced,
			RouterCallKeyDay: c.key.day, RouterCallKeyCallID: c.key.id, RouterCallKeySequenceNumber: c.key.seq,
			CallReferenceID: c.reference(),
		}
		v.s.changed(m, &c.data, changed).into(e)
		return e
	})
}

func (m *model) delivered(l, alerting *leg, cause cti.EventCause) {
	c := l.call
	if cause == 0 {
		cause = cti.EventCauseNone
	}
	m.toCall(l, maskDelivered, func(v view) cti.Message { return m.deliveredMessage(c, l, alerting, cause, v) })
}

func (m *model) deliveredMessage(c *call, l, alerting *leg, cause cti.EventCause, v view) cti.Message {
	sgn, sgi, prio := skill(l)
	lh, lt := line(l)
	caller := c.caller()
	e := &cti.CallDeliveredEvent{
		MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
		ConnectionDeviceIDType: l.idType, ConnectionCallID: c.id, ConnectionDeviceID: l.id,
		LineHandle: lh, LineType: lt, ServiceNumber: null32, ServiceID: null32,
		SkillGroupNumber: sgn, SkillGroupID: sgi, SkillGroupPriority: prio,
		AlertingDeviceType: m.deviceType(alerting), AlertingDeviceID: alerting.numberOf(),
		CallingDeviceType: m.callingType(c, caller), CallingDeviceID: c.from,
		CalledDeviceType: m.numberType(c.to), CalledDeviceID: c.to,
		LastRedirectDeviceType: m.deviceType(c.lastRedirect), LastRedirectDeviceID: c.lastRedirect.numberOf(),
		LocalConnectionState: l.state, EventCause: cause,
		ANI: c.data.ani, UserToUserInfo: c.data.uui, DNIS: c.dnis, DialedNumber: c.to, CallerEnteredDigits: c.data.ced,
		CallWrapupData: c.data.wrapup,
	}
	d := v.s.visible(&c.data)
	e.CallVariable1, e.CallVariable2, e.CallVariable3, e.CallVariable4, e.CallVariable5 = d.vars[0], d.vars[1], d.vars[2], d.vars[3], d.vars[4]
	e.CallVariable6, e.CallVariable7, e.CallVariable8, e.CallVariable9, e.CallVariable10 = d.vars[5], d.vars[6], d.vars[7], d.vars[8], d.vars[9]
	e.NamedVariables, e.NamedArrays = d.named, d.arrays
	return e
}

// caller is the connection of the party that made the call, nil when it has left.
func (c *call) caller() *leg {
	for _, l := range c.legs {
		if !l.called && l.number == c.from && l.kind != legQueue {
			return l
		}
	}
	return nil
}

// callingType is the device type of the caller; a withheld number has none.
func (m *model) callingType(c *call, caller *leg) cti.DeviceIDType {
	if c.from == "" {
		return cti.DeviceIDTypeNone
	}
	if caller != nil {
		return m.deviceType(caller)
	}
	return m.numberType(c.from)
}

func (m *model) establishedEvent(l, answering *leg) {
	c := l.call
	m.toCall(l, maskEstablished, func(v view) cti.Message {
		return m.establishedMessage(c, l, answering, cti.EventCauseNone, v)
	})
}

func (m *model) establishedMessage(c *call, l, answering *leg, cause cti.EventCause, v view) cti.Message {
	sgn, sgi, prio := skill(l)
	lh, lt := line(l)
	return &cti.CallEstablishedEvent{
		MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
		ConnectionDeviceIDType: l.idType, ConnectionCallID: c.id, ConnectionDeviceID: l.id,
		LineHandle: lh, LineType: lt, ServiceNumber: null32, ServiceID: null32,
		SkillGroupNumber: sgn, SkillGroupID: sgi, SkillGroupPriority: prio,
		AnsweringDeviceType: m.deviceType(answering), AnsweringDeviceID: answering.numberOf(),
		CallingDeviceType: m.callingType(c, c.caller()), CallingDeviceID: c.from,
		CalledDeviceType: m.numberType(c.to), CalledDeviceID: c.to,
		LastRedirectDeviceType: m.deviceType(c.lastRedirect), LastRedirectDeviceID: c.lastRedirect.numberOf(),
		LocalConnectionState: l.state, EventCause: cause,
	}
}

func (m *model) heldEvent(l *leg) {
	m.toCall(l, maskHeld, func(v view) cti.Message {
		return &cti.CallHeldEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			HoldingDeviceType: m.deviceType(l), HoldingDeviceID: l.number,
			LocalConnectionState: cti.LocalConnectionStateHold, EventCause: cti.EventCauseNone}
	})
}

func (m *model) retrievedEvent(l *leg) {
	m.toCall(l, maskRetrieved, func(v view) cti.Message {
		return &cti.CallRetrievedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			RetrievingDeviceType: m.deviceType(l), RetrievingDeviceID: l.number,
			LocalConnectionState: cti.LocalConnectionStateConnect, EventCause: cti.EventCauseNone}
	})
}

func (m *model) clearedConnection(l *leg, cause cti.EventCause) {
	m.toCall(l, maskConnectionCleared, func(v view) cti.Message {
		return &cti.CallConnectionClearedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			ReleasingDeviceType: m.deviceType(l), ReleasingDeviceID: l.number,
			LocalConnectionState: cti.LocalConnectionStateNull, EventCause: cause}
	})
}

func (m *model) clearedCall(l *leg, cause cti.EventCause) {
	m.toCall(l, maskCleared, func(v view) cti.Message {
		return &cti.CallClearedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			LocalConnectionState: cti.LocalConnectionStateNull, EventCause: cause}
	})
}

func (m *model) serviceInitiated(l *leg) {
	sgn, sgi, prio := skill(l)
	lh, lt := line(l)
	m.toCall(l, maskServiceInitiated, func(v view) cti.Message {
		e := &cti.CallServiceInitiatedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			LineHandle: lh, LineType: lt, ServiceNumber: null32, ServiceID: null32,
			SkillGroupNumber: sgn, SkillGroupID: sgi, SkillGroupPriority: prio,
			CallingDeviceType: m.deviceType(l), CallingDeviceID: l.number,
			LocalConnectionState: cti.LocalConnectionStateInitiate, EventCause: cti.EventCauseNone,
			CallReferenceID: l.call.reference()}
		if o := l.call.consultOf; o != nil {
			if first := o.at(l.dev); first != nil {
				e.EventCause = cti.EventCauseConsult
				e.COCConnectionCallID, e.COCCallConnectionDeviceIDType, e.COCCallConnectionDeviceID = o.id, first.idType, first.id
			}
		}
		return e
	})
}

// at returns the connection of the call at a phone.
func (c *call) at(d *device) *leg {
	for _, l := range c.legs {
		if l.dev == d && d != nil {
			return l
		}
	}
	return nil
}

func (m *model) originated(l *leg) {
	sgn, sgi, prio := skill(l)
	lh, lt := line(l)
	m.toCall(l, maskOriginated, func(v view) cti.Message {
		return &cti.CallOriginatedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			LineHandle: lh, LineType: lt, ServiceNumber: null32, ServiceID: null32,
			SkillGroupNumber: sgn, SkillGroupID: sgi, SkillGroupPriority: prio,
			CallingDeviceType: m.deviceType(l), CallingDeviceID: l.number,
			CalledDeviceType: m.numberType(l.call.to), CalledDeviceID: l.call.to,
			LocalConnectionState: cti.LocalConnectionStateConnect, EventCause: cti.EventCauseNone}
	})
}

func (m *model) reachedNetwork(l *leg) {
	lh, lt := line(l)
	m.toCall(l, maskReachedNetwork, func(v view) cti.Message {
		return &cti.CallReachedNetworkEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			LineHandle: lh, LineType: lt, TrunkUsedDeviceType: cti.DeviceIDTypeNone,
			CalledDeviceType: cti.DeviceIDTypeExternal, CalledDeviceID: l.call.to,
			LocalConnectionState: cti.LocalConnectionStateConnect, EventCause: cti.EventCauseNone}
	})
}

func (m *model) failedEvent(l *leg, cause cti.EventCause) {
	to := l.call.to
	m.toCall(l, maskFailed, func(v view) cti.Message {
		return &cti.CallFailedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			FailingDeviceType: m.numberType(to), FailingDeviceID: to, CalledDeviceType: m.numberType(to), CalledDeviceID: to,
			LocalConnectionState: cti.LocalConnectionStateFail, EventCause: cause}
	})
}

func (m *model) diverted(l *leg, to string, cause cti.EventCause) {
	m.toCall(l, maskDiverted, func(v view) cti.Message {
		return &cti.CallDivertedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			ServiceNumber: null32, ServiceID: null32,
			DivertingDeviceType: m.deviceType(l), DivertingDeviceID: l.number,
			CalledDeviceType: m.numberType(to), CalledDeviceID: to,
			LocalConnectionState: cti.LocalConnectionStateNull, EventCause: cause}
	})
}

func (m *model) queuedEvent(l *leg) {
	c, g := l.call, l.group
	n := uint16(len(g.queue))
	m.toCall(l, maskQueued, func(v view) cti.Message {
		return &cti.CallQueuedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: c.id, ConnectionDeviceID: l.id,
			ServiceNumber: null32, ServiceID: null32,
			QueueDeviceType: cti.DeviceIDTypeQueue, QueueDeviceID: g.dn,
			CallingDeviceType: m.callingType(c, c.caller()), CallingDeviceID: c.from,
			CalledDeviceType: m.numberType(c.to), CalledDeviceID: c.to,
			LastRedirectDeviceType: m.deviceType(c.lastRedirect), LastRedirectDeviceID: c.lastRedirect.numberOf(),
			NumQueued:            n,
			LocalConnectionState: cti.LocalConnectionStateQueued, EventCause: cti.EventCauseNone,
			SkillGroups: []cti.QueuedSkillGroup{{SkillGroupNumber: int32(g.number), SkillGroupID: g.id}}}
	})
}

func (m *model) dequeuedEvent(l *leg, cause cti.EventCause) {
	g := l.group
	n := uint16(len(g.queue))
	m.toCall(l, maskDequeued, func(v view) cti.Message {
		return &cti.CallDequeuedEvent{MonitorID: v.mon, PeripheralID: m.pid, PeripheralType: peripheralType,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			QueueDeviceType: cti.DeviceIDTypeQueue, ServiceNumber: null32, ServiceID: null32, NumQueued: n,
			LocalConnectionState: cti.LocalConnectionStateQueued, EventCause: cause,
			SkillGroups: []cti.DequeuedSkillGroup{{SkillGroupNumber: g.number, SkillGroupID: g.id}}}
	})
}

func (m *model) rtpStarted(l *leg, dir cti.RTPDirection) {
	a := l.agent()
	m.toCall(l, maskRTPStarted, func(v view) cti.Message {
		return &cti.RTPStartedEvent{MonitorID: v.mon, PeripheralID: m.pid, ClientPort: 20000 + uint32(a.ordinal)*2,
			Direction: dir, RTPType: cti.RTPTypeAudio, PacketSize: 20, PayloadType: 4,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			ClientAddress: "192.0.2.1", AgentID: a.id, AgentExtension: l.number, AgentInstrument: l.number,
			SendingAddress: "192.0.2.2", SendingPort: 30000}
	})
}

func (m *model) rtpStopped(l *leg, dir cti.RTPDirection) {
	var id string
	var port uint32
	if a := l.agent(); a != nil {
		id, port = a.id, 20000+uint32(a.ordinal)*2
	}
	m.toCall(l, maskRTPStopped, func(v view) cti.Message {
		return &cti.RTPStoppedEvent{MonitorID: v.mon, PeripheralID: m.pid, ClientPort: port, Direction: dir,
			ConnectionDeviceIDType: l.idType, ConnectionCallID: l.call.id, ConnectionDeviceID: l.id,
			ClientAddress: "192.0.2.1", AgentID: id, AgentExtension: l.number, AgentInstrument: l.number,
			SendingAddress: "192.0.2.2", SendingPort: 30000}
	})
}

// seconds counts whole seconds since t.
func seconds(t time.Time) uint32 { return uint32(max(0, time.Since(t)/time.Second)) }
