package ctitest

import (
	"strings"
	"time"

	"github.com/connects-go/connects/cti"
)

// agentBy finds an agent by id, extension or instrument.
func (m *model) agentBy(id, extension, instrument string) *agent {
	switch {
	case id != "":
		return m.agentByID[id]
	case extension != "":
		instrument = extension
	}
	d := m.devices[instrument]
	if d == nil {
		return nil
	}
	return d.agent
}

func (m *model) queryAgentState(s *session, r *cti.QueryAgentStateReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	a := m.agentBy(r.AgentID, r.AgentExtension, r.AgentInstrument)
	if r.AgentID == "" && r.AgentExtension == "" && r.AgentInstrument == "" {
		if r.MRDID != voiceMRD {
			return nil, status(cti.StatusCodeInvalidMRDomain)
		}
		a = m.byTarget[r.ICMAgentID]
	}
	if a == nil {
		return nil, status(cti.StatusCodeInvalidAgentData)
	}
	if !s.has(serviceAllEvents) && (s.dev == nil || s.dev != a.dev && s.agentID != a.id) {
		return nil, cfail(cti.ControlFailureCodePrivilegeViolationOnSpecifiedDevice)
	}
	conf := &cti.QueryAgentStateConf{AgentState: a.state, MRDID: voiceMRD, MaxTaskLimit: 1, ICMAgentID: a.target,
		AgentMode: cti.AgentModeRoutable, AgentID: a.id}
	if !a.loggedIn() {
		conf.AgentMode = cti.AgentModeNotRoutable
	}
	if a.inCall() {
		conf.NumTasks = 1
	}
	if a.state == cti.AgentStateAvailable {
		conf.AgentAvailabilityStatus = cti.AgentAvailabilityStatusICMAvailable
	}
	if a.dev != nil && a.loggedIn() {
		conf.AgentExtension, conf.AgentInstrument = a.dev.number, a.dev.number
	}
	for i, g := range a.groups {
		conf.SkillGroups = append(conf.SkillGroups, cti.AgentSkillGroup{SkillGroupNumber: g.number, SkillGroupID: g.id,
			SkillGroupState: a.groupState(g, i == 0)})
	}
	return conf, nil
}

func (m *model) setAgentState(s *session, r *cti.SetAgentStateReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	for _, g := range r.SkillGroups {
		if m.groupByNo[uint32(g.SkillGroupNumber)] == nil {
			return nil, cfail(cti.ControlFailureCodeInvalidSkillGroupSpecified)
		}
	}
	// A mobile agent names his phone behind the instrument.
	instrument, phone, mobile := strings.Cut(r.AgentInstrument, ";")
	d := m.devices[instrument]
	if r.AgentState == cti.AgentStateLogin {
		a := m.agentByID[r.AgentID]
		force := r.ForcedFlag == cti.ForcedFlagTrue
		if !s.has(serviceAllEvents) && (s.dev == nil || d != s.dev) {
			return nil, cfail(cti.ControlFailureCodePrivilegeViolationOnSpecifiedDevice)
		}
		if r.ForcedFlag == cti.ForcedFlagAgentAuthenticationOnly {
			switch {
			case a == nil:
				return nil, cfail(cti.ControlFailureCodeInvalidAgentIDSpecified)
			case a.locked:
				return nil, cfail(cti.ControlFailureCodeAgentAccountLockedOut)
			case a.password != r.AgentPassword:
				return nil, cfail(cti.ControlFailureCodeInvalidPasswordSpecified)
			}
			return &cti.SetAgentStateConf{}, nil
		}
		if mobile && phone == "" || r.AgentWorkMode > cti.AgentWorkModeRANailedConnection {
			return nil, cfail(cti.ControlFailureCodeInvalidAgentWorkmode)
		}
		if cf := m.checkLogin(a, d, r.AgentPassword, r.SSOEnabled == 1, force); cf != 0 {
			return nil, cfail(cf)
		}
		if a.loggedIn() {
			m.logout(a, reasonNotAnswered) // 32767 also tells of a login elsewhere
		}
		if o := d.agent; o != nil {
			m.logout(o, reasonDeviceConflict)
		}
		m.login1(a, d)
		return &cti.SetAgentStateConf{}, nil
	}
	var a *agent
	if d != nil {
		a = d.agent
	}
	switch {
	case d == nil:
		return nil, cfail(cti.ControlFailureCodeInvalidCSTADeviceIdentifier)
	case a == nil || r.AgentID != "" && r.AgentID != a.id:
		return nil, cfail(cti.ControlFailureCodeInvalidAgentIDSpecified)
	}
	if no := m.mayControl(s, d); no != nil {
		return nil, no
	}
	if r.AgentState == cti.AgentStateLogout && r.AgentPassword != "" && r.AgentPassword != a.password {
		return nil, cfail(cti.ControlFailureCodeInvalidPasswordSpecified)
	}
	if cf := m.requestState(a, r.AgentState, r.EventReasonCode, false); cf != 0 {
		return nil, cfail(cf)
	}
	return &cti.SetAgentStateConf{}, nil
}

func (m *model) queryDeviceInfo(s *session, r *cti.QueryDeviceInfoReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	if m.devices[r.AgentInstrument] == nil {
		return nil, cfail(cti.ControlFailureCodeInvalidCSTADeviceIdentifier)
	}
	setup := cti.AgentStateMaskNotReady
	if !m.cfg.Quirks.DialOnlyNotReady {
		setup |= cti.AgentStateMaskAvailable
	}
	return &cti.QueryDeviceInfoConf{PeripheralType: peripheralType, TypeOfDevice: cti.TypeOfDeviceStation,
		ClassOfDevice: cti.ClassOfDeviceVoice, MaxActiveCalls: 1, MaxHeldCalls: 1, MaxDevicesInConference: maxParties,
		MakeCallSetup:           setup,
		TransferConferenceSetup: cti.TransferConferenceSetupMaskConfSetupConsultSpecific | cti.TransferConferenceSetupMaskTransSetupAnySingleCall,
		CallEventsSupported:     callEventsSent,
		CallControlSupported: cti.CallControlMaskQueryAgentState | cti.CallControlMaskSetAgentState |
			cti.CallControlMaskAlternateCall | cti.CallControlMaskAnswerCall | cti.CallControlMaskClearConnection |
			cti.CallControlMaskConferenceCall | cti.CallControlMaskConsultationCall | cti.CallControlMaskDeflectCall |
			cti.CallControlMaskHoldCall | cti.CallControlMaskMakeCall | cti.CallControlMaskReconnectCall |
			cti.CallControlMaskRetrieveCall | cti.CallControlMaskTransferCall | cti.CallControlMaskQueryDeviceInfo |
			cti.CallControlMaskSnapshotCall | cti.CallControlMaskSnapshotDevice | cti.CallControlMaskSendDTMFSignal,
		OtherFeaturesSupported: cti.OtherFeatureMaskUniqueConsultCallID,
		Lines:                  []cti.DeviceLine{{LineHandle: 1, LineType: cti.LineTypeInboundACD}},
	}, nil
}

// callEventsSent are the call events that the simulator can send.
const callEventsSent = maskDelivered | maskQueued | maskEstablished | maskHeld | maskRetrieved | maskCleared |
	maskConnectionCleared | maskOriginated | maskConferenced | maskTransferred | maskDiverted | maskServiceInitiated |
	maskBeginCall | maskEndCall | maskCallDataUpdate | maskFailed | maskReachedNetwork | maskDequeued |
	maskAgentPreCall | maskAgentPreCallAbort | maskRTPStarted | maskRTPStopped

func (m *model) snapshotDevice(s *session, r *cti.SnapshotDeviceReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	var legs []*leg
	if d := m.devices[r.AgentInstrument]; d != nil {
		if no := m.mayControl(s, d); no != nil {
			return nil, no
		}
		legs = d.legs
	} else if g := m.groupByDN[r.AgentInstrument]; g != nil && s.has(serviceAllEvents) {
		legs = g.queue
	} else {
		return nil, cfail(cti.ControlFailureCodeInvalidCSTADeviceIdentifier)
	}
	conf := &cti.SnapshotDeviceConf{}
	for _, l := range legs[:min(len(legs), cti.MaxNumCalls)] {
		conf.Calls = append(conf.Calls, cti.DeviceCall{CallConnectionCallID: l.call.id, CallConnectionDeviceIDType: l.idType,
			CallConnectionDeviceID: l.id, CallState: l.state})
	}
	return conf, nil
}

func (m *model) snapshotCall(s *session, r *cti.SnapshotCallReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	l, cf := m.find(r.ConnectionCallID, r.ConnectionDeviceID)
	if cf != 0 || l.idType != r.ConnectionDeviceIDType {
		return nil, status(cti.StatusCodeInvalidCallID)
	}
	c := l.call
	if !s.has(serviceAllEvents) && (s.dev == nil || c.at(s.dev) == nil) {
		return nil, status(cti.StatusCodeNotCallParty)
	}
	conf := &cti.SnapshotCallConf{CallType: l.callType, CalledPartyDisposition: c.data.disposition,
		ANI: c.data.ani, UserToUserInfo: c.data.uui, DNIS: c.dnis, DialedNumber: c.to, CallerEnteredDigits: c.data.ced,
		RouterCallKeyDay: c.key.day, RouterCallKeyCallID: c.key.id, CallWrapupData: c.data.wrapup, CallReferenceID: c.reference()}
	d := s.visible(&c.data)
	conf.CallVariable1, conf.CallVariable2, conf.CallVariable3, conf.CallVariable4, conf.CallVariable5 = d.vars[0], d.vars[1], d.vars[2], d.vars[3], d.vars[4]
	conf.CallVariable6, conf.CallVariable7, conf.CallVariable8, conf.CallVariable9, conf.CallVariable10 = d.vars[5], d.vars[6], d.vars[7], d.vars[8], d.vars[9]
	conf.NamedVariables, conf.NamedArrays = d.named, d.arrays
	for _, o := range c.legs[:min(len(c.legs), cti.MaxNumDevices)] {
		conf.CallDevices = append(conf.CallDevices, cti.CallDevice{CallConnectionCallID: c.id, CallConnectionDeviceIDType: o.idType,
			CallConnectionDeviceID: o.id, CallDeviceType: m.deviceType(o), CallDeviceID: o.number, CallDeviceConnectionState: o.state})
	}
	if o := c.consultOf; o != nil && c.initiator != nil {
		if first := o.at(c.initiator); first != nil && s.version >= cti.Version14 {
			conf.COCConnectionCallID, conf.COCCallConnectionDeviceIDType, conf.COCCallConnectionDeviceID = o.id, first.idType, first.id
		}
	}
	return conf, nil
}

func (m *model) deskSettings(s *session, r *cti.AgentDeskSettingsReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	id := r.AgentID
	if id == "" {
		id = s.agentID
	}
	a := m.agentByID[id]
	if a == nil {
		return nil, status(cti.StatusCodeInvalidAgentData)
	}
	k := a.desk
	var mask cti.DeskSettingsMask
	if k.AutoAnswer {
		mask |= cti.DeskSettingsMaskAutoAnswerEnabled
	}
	if k.IdleReasonRequired {
		mask |= cti.DeskSettingsMaskIdleReasonRequired
	}
	if k.LogoutReasonRequired {
		mask |= cti.DeskSettingsMaskLogoutReasonRequired
	}
	return &cti.AgentDeskSettingsConf{PeripheralID: m.pid, DeskSettingsMask: mask,
		WrapupDataIncomingMode: cti.WrapupDataMode(k.WrapupIncoming), WrapupDataOutgoingMode: cti.WrapupDataMode(k.WrapupOutgoing),
		LogoutNonActivityTime: uint32(k.LogoutNonActivityTime / time.Second), RingNoAnswerTime: uint32(k.RingNoAnswerTime / time.Second),
		WorkModeTimer: uint32(k.WrapupTime / time.Second)}, nil
}
