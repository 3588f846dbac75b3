package ctitest

import (
	"slices"
	"time"

	"github.com/connects-go/connects/cti"
)

// monitor is a peripheral monitor of a session, on a device or on a call.
type monitor struct {
	id        uint32
	device    string
	call      uint32
	connID    string
	callMask  cti.CallEventMask
	agentMask cti.AgentStateMask
}

// matches says whether an event about a connection is for the monitor.
func (mon *monitor) matches(l *leg) bool {
	if mon.device != "" {
		return l.number == mon.device
	}
	return l.call.id == mon.call
}

func (m *model) monitorStart(s *session, r *cti.MonitorStartReq) (cti.Confirm, *refusal) {
	if !s.has(servicePeripheralMonitor) {
		return nil, status(cti.StatusCodeFunctionNotAvailable)
	}
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	call := r.ConnectionDeviceIDType != cti.ConnectionDeviceIDTypeNone
	device := r.MonitoredDeviceType != cti.DeviceIDTypeNone
	switch {
	case call && device:
		return nil, status(cti.StatusCodeMutuallyExclusDeviceIDTypes)
	case !call && !device:
		return nil, status(cti.StatusCodeRequiredDataMissing)
	case uint32(r.AgentStateMask)&^uint32(knownAgentStates) != 0:
		return nil, status(cti.StatusCodeInvalidAgentStateMask)
	case len(s.monitors) >= maxMonitors:
		return nil, cfail(cti.ControlFailureCodeOverallMonitorLimitExceeded)
	}
	mon := &monitor{callMask: r.CallMsgMask, agentMask: r.AgentStateMask}
	if device {
		if m.devices[r.MonitoredDeviceID] == nil && m.groupByDN[r.MonitoredDeviceID] == nil {
			return nil, status(cti.StatusCodeInvalidDevice)
		}
		mon.device = r.MonitoredDeviceID
	} else {
		l, cf := m.find(r.ConnectionCallID, r.ConnectionDeviceID)
		if cf != 0 || l.idType != r.ConnectionDeviceIDType {
			return nil, status(cti.StatusCodeInvalidCallID)
		}
		mon.call, mon.connID = r.ConnectionCallID, r.ConnectionDeviceID
	}
	for _, o := range s.monitors {
		if o.device == mon.device && o.call == mon.call && o.connID == mon.connID {
			return nil, status(cti.StatusCodeMonitorAlreadyExists)
		}
	}
	m.lastMonitor++
	mon.id = m.lastMonitor
	s.monitors = append(s.monitors, mon)
	return &cti.MonitorStartConf{MonitorID: mon.id}, nil
}

// maxMonitors bounds the monitors of one session (assumed).
const maxMonitors = 10000

func (s *session) monitor(id uint32) int {
	return slices.IndexFunc(s.monitors, func(m *monitor) bool { return m.id == id })
}

func (m *model) monitorStop(s *session, r *cti.MonitorStopReq) (cti.Confirm, *refusal) {
	i := s.monitor(r.MonitorID)
	if i < 0 {
		return nil, status(cti.StatusCodeInvalidMonitorid)
	}
	s.monitors = slices.Delete(s.monitors, i, i+1)
	return &cti.MonitorStopConf{}, nil
}

func (m *model) changeMask(s *session, r *cti.ChangeMonitorMaskReq) (cti.Confirm, *refusal) {
	if uint32(r.AgentStateMask)&^uint32(knownAgentStates) != 0 {
		return nil, status(cti.StatusCodeInvalidAgentStateMask)
	}
	i := s.monitor(r.MonitorID)
	if i < 0 {
		return nil, status(cti.StatusCodeInvalidMonitorid)
	}
	s.monitors[i].callMask, s.monitors[i].agentMask = r.CallMsgMask, r.AgentStateMask
	return &cti.ChangeMonitorMaskConf{}, nil
}

// dropCallMonitors ends the monitors of a call that is over.
func (m *model) dropCallMonitors(call uint32) {
	m.atEnd(func() {
		for _, s := range m.sessions {
			s.monitors = slices.DeleteFunc(s.monitors, func(mon *monitor) bool { return mon.device == "" && mon.call == call })
		}
	})
}

func (m *model) userMessage(s *session, r *cti.UserMessageReq) (cti.Confirm, *refusal) {
	e := &cti.UserMessageEvent{ICMCentralControllerTime: uint32(time.Now().Unix()), Distribution: r.Distribution,
		ClientID: s.client, Text: r.Text}
	switch r.Distribution {
	case cti.MessageDistributionAll:
		for _, o := range m.sessions {
			if o != s && !o.standby {
				o.send(e)
			}
		}
	case cti.MessageDistributionClient:
		found := false
		for _, o := range m.sessions {
			if !o.standby && (r.ClientID != "" && o.client == r.ClientID ||
				r.AgentID != "" && o.agentID == r.AgentID ||
				o.dev != nil && (r.AgentExtension == o.dev.number || r.AgentInstrument == o.dev.number)) {
				o.send(e)
				found = true
			}
		}
		if !found {
			return nil, status(cti.StatusCodeClientNotFound)
		}
	case cti.MessageDistributionSupervisor, cti.MessageDistributionTeam:
		return nil, status(cti.StatusCodeSupervisorNotFound)
	default:
		return nil, status(cti.StatusCodeInvalidDistributionType)
	}
	return &cti.UserMessageConf{}, nil
}
