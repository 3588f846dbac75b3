package ctitest

import (
	"encoding/binary"

	"github.com/connects-go/connects/cti"
)

// maxRecords is how many records one configuration message takes.
const maxRecords = 10

func (m *model) key(kind byte) []byte {
	k := binary.BigEndian.AppendUint64(nil, m.configKey)
	k[0] = kind
	return k
}

func (m *model) configKeys(s *session, r *cti.ConfigRequestKeyEvent) {
	e := &cti.ConfigKeyEvent{ServiceConfigKey: m.key(1), SkillGroupConfigKey: m.key(2), AgentConfigKey: m.key(3),
		DeviceConfigKey: m.key(4), CallTypeConfigKey: m.key(5)}
	if s.version >= cti.Version22 {
		e.PeripheralConfigKey, e.AgentDeskSettingsConfigKey = m.key(6), m.key(7)
	}
	if r.PeripheralID != m.pid && r.PeripheralID != null32 {
		e = &cti.ConfigKeyEvent{ConfigKeyStatus: cti.ConfigKeyStatusUnknownCustomer}
	}
	s.put(e)
}

// configRequest answers with BEGIN, the records and END, also when nothing is wanted: the request
// says that the client is ready for updates.
func (m *model) configRequest(s *session, r *cti.ConfigRequestEvent) {
	want := r.ConfigInformation
	if uint32(want|r.ConfigMsgMask)&^uint32(knownConfig) != 0 {
		s.put(failureConf(cti.StatusCodeInvalidConfigMsgMask, 0))
		return
	}
	if r.PeripheralID != m.pid && r.PeripheralID != null32 {
		s.put(&cti.ConfigEndEvent{ConfigEndStatus: cti.ConfigEndStatusInvalid})
		return
	}
	s.configOpen = true
	if r.ConfigMsgMask != 0 {
		s.configMask = r.ConfigMsgMask
	}
	b := &cti.ConfigBeginEvent{ConfigInformation: want, ServiceConfigKey: m.key(1), SkillGroupConfigKey: m.key(2),
		AgentConfigKey: m.key(3), DeviceConfigKey: m.key(4), CallTypeConfigKey: m.key(5)}
	if s.version >= cti.Version22 {
		b.PeripheralConfigKey, b.AgentDeskSettingsConfigKey = m.key(6), m.key(7)
	}
	s.put(b)
	if want&cti.ConfigMaskSkillGroup != 0 {
		for part := range chunks(len(m.groups)) {
			e := &cti.ConfigSkillGroupEvent{}
			for _, g := range m.groups[part[0]:part[1]] {
				e.Records = append(e.Records, cti.ConfigSkillGroupRecord{FltPeripheralID: m.pid, PeripheralNumber: g.number,
					SkillGroupSkillTargetID: g.id, Extension: g.dn, PeripheralName: g.name, FltMRDomainID: voiceMRD})
			}
			s.put(e)
		}
	}
	if want&cti.ConfigMaskAgent != 0 {
		for part := range chunks(len(m.agents)) {
			e := &cti.ConfigAgentEvent{}
			for _, a := range m.agents[part[0]:part[1]] {
				e.Records = append(e.Records, m.agentRecord(a, s.version, cti.ConfigRecordTypeAdd))
			}
			s.put(e)
		}
	}
	if want&cti.ConfigMaskDevice != 0 {
		list := m.deviceRecords()
		for part := range chunks(len(list)) {
			s.put(&cti.ConfigDeviceEvent{Records: list[part[0]:part[1]]})
		}
	}
	if want&cti.ConfigMaskMRD != 0 && s.version >= cti.Version20 {
		s.put(&cti.ConfigMRDEvent{Records: []cti.ConfigMRDRecord{{FltMRDomainID: voiceMRD, FltEnterpriseName: "Cisco_Voice",
			FltMaxTaskDuration: 28800}}})
	}
	if want&cti.ConfigMaskPeripheral != 0 && s.version >= cti.Version22 {
		s.put(&cti.ConfigPeripheralEvent{Records: []cti.ConfigPeripheralRecord{{ConfigPeripheralID: m.pid, DefaultAgentDeskSettingsID: deskSettingsID}}})
	}
	s.put(&cti.ConfigEndEvent{})
}

// deskSettingsID is the id of Config.Desk; agents with settings of their own have 6000 + ordinal.
const deskSettingsID = 5000

// chunks yields the bounds of the records of each message.
func chunks(n int) func(yield func([2]int) bool) {
	return func(yield func([2]int) bool) {
		for i := 0; i < n; i += maxRecords {
			if !yield([2]int{i, min(i+maxRecords, n)}) {
				return
			}
		}
	}
}

func (m *model) agentRecord(a *agent, v cti.Version, t cti.ConfigRecordType) cti.ConfigAgentRecord {
	r := cti.ConfigAgentRecord{RecordType: t, FltPeripheralID: m.pid, AgentType: cti.AgentTypeAgent,
		LoginID: a.id, LoginName: a.login, LastName: a.last, FirstName: a.first, Extension: a.extension,
		AgentSkillTargetID: uint32(a.target)}
	if a.supervisor {
		r.AgentType = cti.AgentTypeSupervisor
	}
	if v >= cti.Version22 {
		r.AgentDeskSettingsID = deskSettingsID
	}
	if v >= cti.Version20 && a.sso {
		r.SSOEnabled = 1
	}
	for _, g := range a.groups {
		r.Skills = append(r.Skills, cti.ConfigAgentSkill{FltSkillGroupNumber: g.number})
	}
	if v >= cti.Version21 {
		r.MRDs = []cti.ConfigAgentMRD{{FltAgentMRDID: voiceMRD}}
	}
	return r
}

// deviceRecords lists the phones and the numbers of the queues.
func (m *model) deviceRecords() []cti.ConfigDeviceRecord {
	var out []cti.ConfigDeviceRecord
	n := uint32(1)
	for _, g := range m.groups {
		out = append(out, cti.ConfigDeviceRecord{FltPeripheralID: m.pid, PeripheralNumber: n, DeviceType: cti.ConfigDeviceTypeRoutePoint,
			DialedNumber: g.dn, Extension: g.dn, Description: g.name})
		n++
	}
	for _, a := range m.agents {
		out = append(out, cti.ConfigDeviceRecord{FltPeripheralID: m.pid, PeripheralNumber: n,
			DeviceType: cti.ConfigDeviceTypeAgentDeviceExtension, Extension: a.extension})
		n++
	}
	for _, d := range m.cfg.Devices {
		out = append(out, cti.ConfigDeviceRecord{FltPeripheralID: m.pid, PeripheralNumber: n,
			DeviceType: cti.ConfigDeviceTypeUnknown, Extension: d.Extension, Description: m.devices[d.Extension].name})
		n++
	}
	return out
}

// agentChanged tells a changed configuration record to clients that asked for configuration.
func (m *model) agentChanged(a *agent, t cti.ConfigRecordType) {
	m.configKey++
	for _, s := range m.sessions {
		if s.configOpen && !s.standby && s.configMask&cti.ConfigMaskAgent != 0 && s.version >= cti.Version19 {
			s.send(&cti.ConfigAgentEvent{Records: []cti.ConfigAgentRecord{m.agentRecord(a, s.version, t)}})
		}
	}
}
