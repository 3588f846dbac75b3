package ctitest

import (
	"log/slog"

	"github.com/connects-go/connects/cti"
)

// refusal is why a request is not confirmed: with FAILURE_CONF, or with CONTROL_FAILURE_CONF.
type refusal struct {
	status  cti.StatusCode
	control cti.ControlFailureCode
	isCF    bool
}

func status(code cti.StatusCode) *refusal { return &refusal{status: code} }

func cfail(code cti.ControlFailureCode) *refusal { return &refusal{control: code, isCF: true} }

// acceptable returns why a decoded message may not come in an open session.
func (m *model) acceptable(s *session, t cti.MessageType, msg cti.Message) cti.StatusCode {
	info, known := t.Info()
	switch {
	case !known, info.Direction == cti.ToClient:
		return cti.StatusCodeInvalidRequestType
	case s.version < info.Since:
		return cti.StatusCodeInvalidMsgTypeForVersion
	case s.standby && !standbyTakes(t):
		return cti.StatusCodeServerNotMaster
	}
	return floatingStatus(msg, false)
}

func standbyTakes(t cti.MessageType) bool {
	switch t {
	case cti.TypeHeartbeatReq, cti.TypeCloseReq, cti.TypeActiveMaintenanceResp, cti.TypeStoppingRequestsToThisSideInd:
		return true
	}
	return false
}

// serve works on a request and sends its confirmation in its place among the events.
func (m *model) serve(s *session, msg cti.Message, raw []byte) {
	switch r := msg.(type) {
	case *cti.HeartbeatReq:
		s.put(&cti.HeartbeatConf{InvokeID: r.InvokeID})
		return
	case *cti.CloseReq:
		s.put(&cti.CloseConf{InvokeID: r.InvokeID})
		s.conn.end()
		m.endSession(s, true)
		return
	case *cti.ActiveMaintenanceResp:
		m.pg.maintenanceAnswer(s, r.MaintenanceModeAccepted)
		return
	case *cti.StoppingRequestsToThisSideInd:
		m.pg.stopping(s)
		return
	case *cti.ConfigRequestKeyEvent:
		m.configKeys(s, r)
		return
	case *cti.ConfigRequestEvent:
		m.configRequest(s, r)
		return
	}
	req, ok := msg.(cti.Request)
	if !ok {
		m.failRaw(s.conn, cti.StatusCodeInvalidRequestType, raw, s.version)
		return
	}
	s.staging = true
	conf, no := m.request(s, req)
	m.settle()
	s.staging = false
	stage := s.stage
	s.stage = nil
	if no != nil {
		conf = m.refused(s, req, no)
	}
	conf.SetInvoke(req.Invoke())
	last := m.cfg.Quirks.Confirm == ConfirmLast
	if m.cfg.Quirks.Confirm == ConfirmAsListed {
		switch req.(type) {
		case *cti.TransferCallReq, *cti.ConferenceCallReq:
			last = true
		}
	}
	if no == nil && s.has(serviceIgnoreConf) && isControl(req) {
		conf = nil
	}
	if conf != nil && !last {
		s.put(conf)
	}
	for _, e := range stage {
		s.put(e)
	}
	if conf != nil && last {
		s.put(conf)
	}
}

func (m *model) refused(s *session, req cti.Request, no *refusal) cti.Confirm {
	if no.isCF {
		m.pg.log.Debug("request refused", slog.String("msg_type", req.Type().String()), slog.String("client", s.client), slog.String("code", no.control.String()))
		return &cti.ControlFailureConf{FailureCode: no.control}
	}
	m.pg.log.Debug("request refused", slog.String("msg_type", req.Type().String()), slog.String("client", s.client), slog.String("code", no.status.String()))
	return failureConf(no.status, 0)
}

// isControl says whether a request belongs to the client control service.
func isControl(r cti.Request) bool {
	switch r.(type) {
	case *cti.QueryAgentStateReq, *cti.SetAgentStateReq, *cti.AlternateCallReq, *cti.AnswerCallReq, *cti.ClearCallReq,
		*cti.ClearConnectionReq, *cti.ConferenceCallReq, *cti.ConsultationCallReq, *cti.DeflectCallReq, *cti.HoldCallReq,
		*cti.MakeCallReq, *cti.MakePredictiveCallReq, *cti.ReconnectCallReq, *cti.RetrieveCallReq, *cti.TransferCallReq,
		*cti.QueryDeviceInfoReq, *cti.SnapshotCallReq, *cti.SnapshotDeviceReq, *cti.SendDTMFSignalReq,
		*cti.SuperviseCallReq, *cti.SupervisorAssistReq, *cti.EmergencyCallReq:
		return true
	}
	return false
}

// request works on a request that the session may send.
func (m *model) request(s *session, req cti.Request) (cti.Confirm, *refusal) {
	if isControl(req) && !s.has(serviceClientControl) {
		switch req.(type) {
		case *cti.SetAgentStateReq, *cti.QueryAgentStateReq:
			if !s.has(agentStateControlOnly) {
				return nil, status(cti.StatusCodeFunctionNotAvailable)
			}
		default:
			return nil, status(cti.StatusCodeFunctionNotAvailable)
		}
	}
	if isControl(req) && !m.online {
		return nil, cfail(cti.ControlFailureCodeResourceOutOfService)
	}
	switch r := req.(type) {
	case *cti.QueryAgentStateReq:
		return m.queryAgentState(s, r)
	case *cti.SetAgentStateReq:
		return m.setAgentState(s, r)
	case *cti.AlternateCallReq:
		return m.reqAlternate(s, r)
	case *cti.AnswerCallReq:
		return m.reqAnswer(s, r)
	case *cti.ClearCallReq:
		// CTI OS calls CLEAR_CALL unsupported on CCE.
		return nil, cfail(cti.ControlFailureCodeInvalidFeature)
	case *cti.ClearConnectionReq:
		return m.reqClear(s, r)
	case *cti.ConferenceCallReq:
		return m.reqConference(s, r)
	case *cti.ConsultationCallReq:
		return m.reqConsult(s, r)
	case *cti.DeflectCallReq:
		return m.reqDeflect(s, r)
	case *cti.HoldCallReq:
		return m.reqHold(s, r)
	case *cti.MakeCallReq:
		return m.reqMakeCall(s, r)
	case *cti.ReconnectCallReq:
		return m.reqReconnect(s, r)
	case *cti.RetrieveCallReq:
		return m.reqRetrieve(s, r)
	case *cti.TransferCallReq:
		return m.reqTransfer(s, r)
	case *cti.SendDTMFSignalReq:
		return m.reqDTMF(s, r)
	case *cti.QueryDeviceInfoReq:
		return m.queryDeviceInfo(s, r)
	case *cti.SnapshotCallReq:
		return m.snapshotCall(s, r)
	case *cti.SnapshotDeviceReq:
		return m.snapshotDevice(s, r)
	case *cti.SetCallDataReq:
		return m.setCallData(s, r)
	case *cti.ReleaseCallReq:
		return m.releaseCall(s, r)
	case *cti.RegisterVariablesReq:
		reg, code := m.register(r)
		if code != 0 {
			return nil, status(code)
		}
		s.registered = reg
		return &cti.RegisterVariablesConf{}, nil
	case *cti.MonitorStartReq:
		return m.monitorStart(s, r)
	case *cti.MonitorStopReq:
		return m.monitorStop(s, r)
	case *cti.ChangeMonitorMaskReq:
		return m.changeMask(s, r)
	case *cti.ClientEventReportReq:
		return &cti.ClientEventReportConf{}, nil
	case *cti.UserMessageReq:
		return m.userMessage(s, r)
	case *cti.QueryAgentStatisticsReq:
		return m.agentStatistics(s, r)
	case *cti.QuerySkillGroupStatisticsReq:
		return m.groupStatistics(s, r)
	case *cti.AgentDeskSettingsReq:
		return m.deskSettings(s, r)
	case *cti.BadCallReq:
		if _, no := m.target(s, r.PeripheralID, r.ConnectionCallID, r.ConnectionDeviceIDType, r.ConnectionDeviceID, ""); no != nil {
			return nil, status(cti.StatusCodeInvalidCallID)
		}
		return &cti.BadCallConf{}, nil
	case *cti.SupervisorAssistReq, *cti.EmergencyCallReq:
		return nil, status(cti.StatusCodeSupervisorNotFound)
	}
	return nil, status(cti.StatusCodeFunctionNotAvailable)
}
