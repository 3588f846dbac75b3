package ctitest

import (
	"github.com/connects-go/connects/cti"
)

// target finds the connection that a control request names. The three parts of its name have to be
// repeated exactly; instrument, when given, has to be the phone of the connection.
func (m *model) target(s *session, pid uint32, callID uint32, t cti.ConnectionDeviceIDType, id, instrument string) (*leg, *refusal) {
	if pid != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	l, cf := m.find(callID, id)
	if cf != 0 {
		return nil, cfail(cf)
	}
	if l.idType != t {
		return nil, cfail(cti.ControlFailureCodeInvalidCSTAConnectionIdentifier)
	}
	if l.kind != legPhone {
		return nil, cfail(cti.ControlFailureCodeInvalidCSTADeviceIdentifier)
	}
	if instrument != "" && instrument != l.number {
		return nil, cfail(cti.ControlFailureCodeInvalidCSTADeviceIdentifier)
	}
	if no := m.mayControl(s, l.dev); no != nil {
		return nil, no
	}
	return l, nil
}

// mayControl says whether a client may act for a phone: a bridge for all, others for their own.
func (m *model) mayControl(s *session, d *device) *refusal {
	if s.has(serviceAllEvents) || s.dev == d && d != nil {
		return nil
	}
	return cfail(cti.ControlFailureCodePrivilegeViolationOnSpecifiedDevice)
}

func (m *model) reqAnswer(s *session, r *cti.AnswerCallReq) (cti.Confirm, *refusal) {
	l, no := m.target(s, r.PeripheralID, r.ConnectionCallID, r.ConnectionDeviceIDType, r.ConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	if l.state != cti.LocalConnectionStateAlerting {
		return nil, cfail(cti.ControlFailureCodeNoCallToAnswer)
	}
	m.answer(l)
	return &cti.AnswerCallConf{}, nil
}

func (m *model) reqHold(s *session, r *cti.HoldCallReq) (cti.Confirm, *refusal) {
	l, no := m.target(s, r.PeripheralID, r.ConnectionCallID, r.ConnectionDeviceIDType, r.ConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	if !l.talking() {
		return nil, cfail(cti.ControlFailureCodeNoActiveCall)
	}
	m.hold(l)
	return &cti.HoldCallConf{}, nil
}

func (l *leg) talking() bool { return l.state == cti.LocalConnectionStateConnect && l.answered }

// busyElsewhere says whether the phone has a connected call besides l.
func (l *leg) busyElsewhere() bool {
	for _, o := range l.dev.legs {
		if o != l && (o.state == cti.LocalConnectionStateConnect || o.state == cti.LocalConnectionStateInitiate) {
			return true
		}
	}
	return false
}

func (m *model) reqRetrieve(s *session, r *cti.RetrieveCallReq) (cti.Confirm, *refusal) {
	l, no := m.target(s, r.PeripheralID, r.HeldConnectionCallID, r.HeldConnectionDeviceIDType, r.HeldConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	switch {
	case l.state != cti.LocalConnectionStateHold:
		return nil, cfail(cti.ControlFailureCodeNoHeldCall)
	case l.busyElsewhere():
		return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	}
	m.retrieve(l)
	return &cti.RetrieveCallConf{}, nil
}

// pair finds an active and a held connection of one phone.
func (m *model) pair(s *session, pid uint32, activeCall uint32, activeType cti.ConnectionDeviceIDType, activeID string,
	heldCall uint32, heldType cti.ConnectionDeviceIDType, heldID, instrument string) (active, held *leg, no *refusal) {
	if active, no = m.target(s, pid, activeCall, activeType, activeID, instrument); no != nil {
		return nil, nil, no
	}
	if held, no = m.target(s, pid, heldCall, heldType, heldID, instrument); no != nil {
		return nil, nil, no
	}
	switch {
	case active.dev != held.dev || active == held:
		return nil, nil, cfail(cti.ControlFailureCodeInvalidCSTAConnectionIdentifier)
	case held.state != cti.LocalConnectionStateHold:
		return nil, nil, cfail(cti.ControlFailureCodeNoHeldCall)
	}
	return active, held, nil
}

func (m *model) reqAlternate(s *session, r *cti.AlternateCallReq) (cti.Confirm, *refusal) {
	active, held, no := m.pair(s, r.PeripheralID, r.ActiveConnectionCallID, r.ActiveConnectionDeviceIDType, r.ActiveConnectionDeviceID,
		r.OtherConnectionCallID, r.OtherConnectionDeviceIDType, r.OtherConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	if !active.talking() {
		return nil, cfail(cti.ControlFailureCodeNoActiveCall)
	}
	m.alternate(active, held)
	return &cti.AlternateCallConf{}, nil
}

func (m *model) reqReconnect(s *session, r *cti.ReconnectCallReq) (cti.Confirm, *refusal) {
	active, held, no := m.pair(s, r.PeripheralID, r.ActiveConnectionCallID, r.ActiveConnectionDeviceIDType, r.ActiveConnectionDeviceID,
		r.HeldConnectionCallID, r.HeldConnectionDeviceIDType, r.HeldConnectionDeviceID, "")
	if no != nil {
		return nil, no
	}
	if active.state == cti.LocalConnectionStateAlerting || active.state == cti.LocalConnectionStateHold {
		return nil, cfail(cti.ControlFailureCodeNoActiveCall)
	}
	m.drop(active, cti.EventCauseNone)
	if !held.gone {
		m.retrieve(held)
	}
	return &cti.ReconnectCallConf{}, nil
}

func (m *model) reqClear(s *session, r *cti.ClearConnectionReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	if l, cf := m.find(r.ConnectionCallID, r.ConnectionDeviceID); cf == 0 && l.kind != legPhone {
		return nil, cfail(cti.ControlFailureCodeDropAnyPartyNotEnabledCTI)
	}
	l, no := m.target(s, r.PeripheralID, r.ConnectionCallID, r.ConnectionDeviceIDType, r.ConnectionDeviceID, "")
	if no != nil {
		return nil, no
	}
	if by := r.AgentInstrument; by != "" && by != l.number || r.RequestingDeviceID != "" && r.RequestingDeviceID != l.number {
		return nil, cfail(cti.ControlFailureCodeDropAnyPartyNotEnabledCTI)
	}
	if l.state == cti.LocalConnectionStateAlerting {
		if m.cfg.Quirks.NoReject {
			return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
		}
		if l.routed != nil {
			// The router looks for another agent; this one is taken out of routing.
			m.ringNoAnswer(l)
			return &cti.ClearConnectionConf{}, nil
		}
	}
	m.drop(l, cti.EventCauseNone)
	return &cti.ClearConnectionConf{}, nil
}

func (m *model) reqDTMF(s *session, r *cti.SendDTMFSignalReq) (cti.Confirm, *refusal) {
	l, no := m.target(s, r.PeripheralID, r.ConnectionCallID, r.ConnectionDeviceIDType, r.ConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	if !l.talking() {
		return nil, cfail(cti.ControlFailureCodeNoActiveCall)
	}
	for i := range len(r.DTMFString) {
		switch c := r.DTMFString[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'D', c == '*', c == '#', c == ',':
		default:
			return nil, status(cti.StatusCodeInvalidDigits)
		}
	}
	if len(l.call.dtmf)+len(r.DTMFString) <= 1024 {
		l.call.dtmf += r.DTMFString
	}
	return &cti.SendDTMFSignalConf{}, nil
}

// room says whether another call may be made.
func (m *model) room() *refusal {
	if len(m.calls) >= m.cfg.MaxCalls {
		return cfail(cti.ControlFailureCodeGenericSystemResourceAvailability)
	}
	return nil
}

func (m *model) reqMakeCall(s *session, r *cti.MakeCallReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	d := m.devices[r.AgentInstrument]
	if d == nil {
		return nil, cfail(cti.ControlFailureCodeInvalidCallingDevice)
	}
	if no := m.mayControl(s, d); no != nil {
		return nil, no
	}
	in := dataFields(r, r.NumNamedVariables, r.NumNamedArrays)
	if code := m.check(in); code != 0 {
		return nil, status(code)
	}
	if no := m.mayDial(d, r.DialedNumber); no != nil {
		return nil, no
	}
	var data callData
	data.apply(in)
	l := m.dial(d, r.DialedNumber, m.outgoingType(r.DialedNumber), nil, data)
	lh, lt := line(l)
	return &cti.MakeCallConf{NewConnectionCallID: l.call.id, NewConnectionDeviceIDType: l.idType, NewConnectionDeviceID: l.id,
		LineHandle: lh, LineType: lt}, nil
}

// mayDial says whether a phone may make a call of its own.
func (m *model) mayDial(d *device, number string) *refusal {
	a := d.agent
	switch {
	case a == nil:
		return cfail(cti.ControlFailureCodeInvalidCallingDevice)
	case len(d.legs) > 0:
		return cfail(cti.ControlFailureCodeInvalidObjectState)
	case a.state != cti.AgentStateNotReady && a.state != cti.AgentStateAvailable || a.reserved != nil:
		return cfail(cti.ControlFailureCodeGenericStateIncompatibility)
	case a.state == cti.AgentStateAvailable && m.cfg.Quirks.DialOnlyNotReady:
		return cfail(cti.ControlFailureCodeGenericStateIncompatibility)
	case number == d.number || !m.diallable(number):
		return cfail(cti.ControlFailureCodeInvalidDestination)
	}
	return m.room()
}

func (m *model) outgoingType(number string) cti.CallType {
	if m.devices[number] != nil || m.groupByDN[number] != nil {
		return cti.CallTypeAgentInside
	}
	return cti.CallTypeOut
}

func (m *model) reqConsult(s *session, r *cti.ConsultationCallReq) (cti.Confirm, *refusal) {
	l, no := m.target(s, r.PeripheralID, r.ActiveConnectionCallID, r.ActiveConnectionDeviceIDType, r.ActiveConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	if code := r.ConsultType; code > cti.ConsultTypeConference {
		return nil, status(cti.StatusCodeInvalidConsultType)
	}
	in := dataFields(r, r.NumNamedVariables, r.NumNamedArrays)
	if code := m.check(in); code != 0 {
		return nil, status(code)
	}
	data := l.call.data.clone()
	if !data.fits(in) {
		return nil, status(cti.StatusCodeTooMuchData)
	}
	switch {
	case !l.talking():
		return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	case l.call.controller != nil && l.call.controller != l.dev:
		// Only the controller of a conference may add parties.
		return nil, cfail(cti.ControlFailureCodePrivilegeViolationOnSpecifiedDevice)
	case len(l.dev.legs) > 1:
		return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	case r.DialedNumber == l.number || !m.diallable(r.DialedNumber):
		return nil, cfail(cti.ControlFailureCodeInvalidDestination)
	}
	if no := m.room(); no != nil {
		return nil, no
	}
	data.apply(in)
	n := m.consult(l, r.DialedNumber, data)
	lh, lt := line(n)
	return &cti.ConsultationCallConf{NewConnectionCallID: n.call.id, NewConnectionDeviceIDType: n.idType, NewConnectionDeviceID: n.id,
		LineHandle: lh, LineType: lt}, nil
}

func (m *model) reqDeflect(s *session, r *cti.DeflectCallReq) (cti.Confirm, *refusal) {
	l, no := m.target(s, r.PeripheralID, r.ConnectionCallID, r.ConnectionDeviceIDType, r.ConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	if l.state != cti.LocalConnectionStateAlerting {
		return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	}
	if r.CalledDeviceID == l.number {
		return nil, cfail(cti.ControlFailureCodeInvalidDestination)
	}
	if cf := m.reachable(r.CalledDeviceID); cf != 0 {
		return nil, cfail(cf)
	}
	m.deflect(l, r.CalledDeviceID, cti.EventCauseCallForward)
	return &cti.DeflectCallConf{}, nil
}

func (m *model) reqTransfer(s *session, r *cti.TransferCallReq) (cti.Confirm, *refusal) {
	in := dataFields(r, r.NumNamedVariables, r.NumNamedArrays)
	if code := m.check(in); code != 0 {
		return nil, status(code)
	}
	if r.HeldConnectionCallID == null32 && r.HeldConnectionDeviceIDType == null16 {
		return m.reqBlind(s, r, in)
	}
	active, held, no := m.joinable(s, r.PeripheralID, r.ActiveConnectionCallID, r.ActiveConnectionDeviceIDType, r.ActiveConnectionDeviceID,
		r.HeldConnectionCallID, cti.ConnectionDeviceIDType(r.HeldConnectionDeviceIDType), r.HeldConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	if !held.call.data.fits(in) {
		return nil, status(cti.StatusCodeTooMuchData)
	}
	held.call.data.apply(in)
	to := active.peer()
	c := m.transfer(held, active)
	conf := &cti.TransferCallConf{NewConnectionCallID: c.id, NewConnectionDeviceIDType: to.idType, NewConnectionDeviceID: to.id,
		LineHandle: null16, LineType: null16, ConnectedParties: connected(parties(c))}
	return conf, nil
}

func connected(list []party) []cti.ConnectedParty {
	var out []cti.ConnectedParty
	for _, x := range list {
		out = append(out, cti.ConnectedParty{ConnectedPartyCallID: x.call, ConnectedPartyDeviceIDType: x.idType, ConnectedPartyDeviceID: x.id})
	}
	return out
}

// joinable finds the two calls of a transfer or conference: the first held, the second talking and
// made from the first.
func (m *model) joinable(s *session, pid uint32, activeCall uint32, activeType cti.ConnectionDeviceIDType, activeID string,
	heldCall uint32, heldType cti.ConnectionDeviceIDType, heldID, instrument string) (active, held *leg, no *refusal) {
	active, held, no = m.pair(s, pid, activeCall, activeType, activeID, heldCall, heldType, heldID, instrument)
	if no != nil {
		return nil, nil, no
	}
	switch {
	case !active.talking():
		return nil, nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	case active.call.consultOf != held.call || active.call.initiator != active.dev:
		return nil, nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	case held.call.waits() && active.call.waits():
		// Assumed: one call does not wait in two places.
		return nil, nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	}
	return active, held, nil
}

func (m *model) reqBlind(s *session, r *cti.TransferCallReq, in *dataIn) (cti.Confirm, *refusal) {
	l, no := m.target(s, r.PeripheralID, r.ActiveConnectionCallID, r.ActiveConnectionDeviceIDType, r.ActiveConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	switch {
	case !l.talking():
		return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	case len(l.call.legs) != 2 || l.peer().kind == legQueue:
		return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	case l.busyElsewhere():
		return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	case r.DialedNumber == "":
		return nil, status(cti.StatusCodeRequiredDataMissing)
	case r.DialedNumber == l.number || r.DialedNumber == l.peer().number:
		return nil, cfail(cti.ControlFailureCodeInvalidDestination)
	}
	if cf := m.reachable(r.DialedNumber); cf != 0 {
		return nil, cfail(cf)
	}
	if !l.call.data.fits(in) {
		return nil, status(cti.StatusCodeTooMuchData)
	}
	l.call.data.apply(in)
	c := l.call
	list := m.blind(l, r.DialedNumber)
	conf := &cti.TransferCallConf{NewConnectionCallID: c.id, NewConnectionDeviceIDType: cti.ConnectionDeviceIDTypeStatic,
		NewConnectionDeviceID: r.DialedNumber, LineHandle: null16, LineType: null16, ConnectedParties: connected(list)}
	for _, o := range c.legs {
		if o.number == r.DialedNumber || o.routed != nil {
			conf.NewConnectionDeviceID, conf.NewConnectionDeviceIDType = o.id, o.idType
		}
	}
	return conf, nil
}

func (m *model) reqConference(s *session, r *cti.ConferenceCallReq) (cti.Confirm, *refusal) {
	in := dataFields(r, r.NumNamedVariables, r.NumNamedArrays)
	if code := m.check(in); code != 0 {
		return nil, status(code)
	}
	if r.DialedNumber != "" && r.HeldConnectionCallID == null32 {
		// The single step conference exists in the message; CCE does not support it.
		return nil, cfail(cti.ControlFailureCodeInvalidFeature)
	}
	active, held, no := m.joinable(s, r.PeripheralID, r.ActiveConnectionCallID, r.ActiveConnectionDeviceIDType, r.ActiveConnectionDeviceID,
		r.HeldConnectionCallID, r.HeldConnectionDeviceIDType, r.HeldConnectionDeviceID, r.AgentInstrument)
	if no != nil {
		return nil, no
	}
	switch {
	case held.call.controller != nil && held.call.controller != held.dev:
		return nil, cfail(cti.ControlFailureCodePrivilegeViolationOnSpecifiedDevice)
	case active.peer() == nil || active.peer().kind == legQueue:
		return nil, cfail(cti.ControlFailureCodeInvalidObjectState)
	case len(held.call.legs)+len(active.call.legs)-1 > maxParties:
		return nil, cfail(cti.ControlFailureCodeConferenceMemberLimitExceeded)
	case !held.call.data.fits(in):
		return nil, status(cti.StatusCodeTooMuchData)
	}
	held.call.data.apply(in)
	c := m.conference(held, active)
	l := c.at(held.dev)
	lh, lt := line(l)
	return &cti.ConferenceCallConf{NewConnectionCallID: c.id, NewConnectionDeviceIDType: l.idType, NewConnectionDeviceID: l.id,
		LineHandle: lh, LineType: lt, ConnectedParties: connected(parties(c))}, nil
}
