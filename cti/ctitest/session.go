package ctitest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/connects-go/connects/cti"
)

// session is an open session of a client. Only the owner touches it.
type session struct {
	m       *model
	conn    *conn
	id      uint32
	version cti.Version

	services   cti.CTIServiceMask
	callMask   cti.CallEventMask
	agentMask  cti.AgentStateMask
	configMask cti.ConfigMask
	client     string
	signature  string
	instance   string
	standby    bool
	dev        *device // client mode
	agentID    string  // client mode
	monitors   []*monitor
	registered *registration
	configOpen bool
	maintain   bool // takes part in graceful changes
	closed     bool

	idleAfter time.Duration
	idle      *time.Timer
	idleDue   time.Time

	staging bool
	stage   []cti.Message
}

func (s *session) has(bit cti.CTIServiceMask) bool { return s.services&bit != 0 }

// send queues a message for the client. While one of its requests is worked on, messages wait for
// the place of the confirmation among them.
func (s *session) send(m cti.Message) {
	switch {
	case s.closed:
	case s.staging:
		s.stage = append(s.stage, m)
	default:
		s.put(m)
	}
}

func (s *session) put(m cti.Message) {
	v := s.version
	if _, ok := m.(*cti.FailureConf); ok && s.m.cfg.Quirks.ShortFailureConf && v >= cti.Version24 {
		v = cti.Version23
	}
	s.conn.send(m, v)
}

// offline tells the client that this server goes away, and closes the connection.
func (s *session) offline() {
	s.send(&cti.FailureEvent{Status: cti.StatusCodeCTIServerOffline})
	s.conn.end()
}

// touch notes that the client has sent something.
func (s *session) touch() {
	if s.idleAfter > 0 {
		s.idleDue = time.Now().Add(s.idleAfter)
	}
}

// watchIdle cuts the connection when the client was silent for too long.
func (s *session) watchIdle() {
	s.idle = s.m.pg.afterFunc(time.Until(s.idleDue), func() {
		if s.closed {
			return
		}
		if s.conn.side.stalled() {
			s.touch()
		}
		if time.Until(s.idleDue) > 0 {
			s.watchIdle()
			return
		}
		s.m.pg.log.Warn("session idle", slog.String("client", s.client))
		s.conn.cut()
	})
}

// handle treats one message of a client.
func (m *model) handle(c *conn, t cti.MessageType, msg cti.Message, err error, raw []byte, v cti.Version) {
	select {
	case <-c.done:
		return
	default:
	}
	if t == cti.TypeOpenReq {
		m.open(c, msg, err, raw, v)
		return
	}
	s := c.s
	if s == nil {
		m.failRaw(c, cti.StatusCodeSessionNotOpen, raw, cti.Version23)
		return
	}
	s.touch()
	if err != nil {
		m.failRaw(c, decodeStatus(err), raw, v)
		return
	}
	if code := m.acceptable(s, t, msg); code != 0 {
		m.failRaw(c, code, raw, v)
		return
	}
	m.serve(s, msg, raw)
}

// failRaw answers a message with FAILURE_CONF; the invoke id is where requests have it.
func (m *model) failRaw(c *conn, code cti.StatusCode, raw []byte, v cti.Version) {
	var invoke uint32
	if len(raw) >= 12 {
		invoke = binary.BigEndian.Uint32(raw[8:])
	}
	if m.cfg.Quirks.ShortFailureConf && v >= cti.Version24 {
		v = cti.Version23
	}
	c.send(failureConf(code, invoke), v)
}

// decodeStatus is the status for a message that could not be decoded.
func decodeStatus(err error) cti.StatusCode {
	var de *cti.DecodeError
	switch {
	case errors.As(err, &de) && errors.Is(de.Err, cti.ErrFieldLength):
		return cti.StatusCodeInvalidFieldLength
	case errors.Is(err, cti.ErrTruncated):
		return cti.StatusCodeInvalidMessageLength
	}
	return cti.StatusCodeBadMessageFormat
}

// open answers OPEN_REQ.
func (m *model) open(c *conn, msg cti.Message, err error, raw []byte, v cti.Version) {
	refuse := func(code cti.StatusCode) {
		c.refused = true
		m.pg.log.Info("session refused", slog.String("side", c.side.id.String()), slog.Uint64("conn", c.id), slog.String("status", code.String()))
		m.failRaw(c, code, raw, v)
	}
	switch {
	case c.s != nil:
		m.failRaw(c, cti.StatusCodeSessionAlreadyOpen, raw, v)
		return
	case c.refused:
		m.failRaw(c, cti.StatusCodeSessionNotOpen, raw, v)
		return
	}
	if len(raw) >= 16 {
		if n := binary.BigEndian.Uint32(raw[12:]); n < uint32(m.cfg.MinVersion) || n > uint32(m.cfg.MaxVersion) {
			if n < 24 {
				v = cti.Version23
			} else {
				v = cti.MaxVersion
			}
			refuse(cti.StatusCodeInvalidVersion)
			return
		}
	}
	if err != nil {
		refuse(decodeStatus(err))
		return
	}
	r := msg.(*cti.OpenReq)
	s := &session{m: m, conn: c, version: v, services: r.ServicesRequested, callMask: r.CallMsgMask,
		agentMask: r.AgentStateMask, configMask: r.ConfigMsgMask, client: r.ClientID, signature: r.ClientSignature,
		instance: r.UniqueInstanceID}
	if s.signature == "" {
		s.signature = s.client
	}
	if code := m.checkOpen(s, r); code != 0 {
		refuse(code)
		return
	}
	if !m.pg.accepts(c.side) {
		switch {
		case m.cfg.Duplex == ActiveStandby && v >= cti.Version24 && s.has(serviceActiveStandby):
			s.standby = true
		case m.cfg.Standby == RefuseClose:
			c.cut()
			return
		case m.cfg.Standby == RefuseNotMaster:
			refuse(cti.StatusCodeServerNotMaster)
			return
		default:
			refuse(cti.StatusCodeCTIServerOffline)
			return
		}
	}
	if code := m.bindDevice(s, r); code != 0 {
		refuse(code)
		return
	}
	m.lastSession++
	s.id = m.lastSession
	s.maintain = v >= cti.Version24 && s.has(serviceActiveStandby) && m.cfg.Duplex == ActiveStandby
	c.s = s
	m.sessions = append(m.sessions, s)
	c.state.Store(&connState{version: v, client: s.client})
	if r.IdleTimeout != null32 {
		s.idleAfter = time.Duration(r.IdleTimeout) * time.Second
		s.touch()
		s.watchIdle()
	}
	m.pg.log.Info("session open", slog.String("side", c.side.id.String()), slog.Uint64("conn", c.id),
		slog.String("client", s.client), slog.Int("version", int(v)), slog.Bool("standby", s.standby))
	s.put(m.openConf(s, r))
	m.afterOpen(s)
}

// checkOpen looks at the fields of OPEN_REQ that do not depend on the state of the gateway.
func (m *model) checkOpen(s *session, r *cti.OpenReq) cti.StatusCode {
	// The tag of UniqueInstanceID is not published, so unknown tags have to pass from version 24 on;
	// the first of them is taken for it.
	if code := floatingStatus(r, s.version >= cti.Version24); code != 0 {
		return code
	}
	if s.instance == "" && len(r.Extra) > 0 {
		s.instance = string(bytes.TrimRight(r.Extra[0].Data, "\x00"))
	}
	switch {
	case r.Reserved1 != 0 || r.Reserved2 != 0 || r.Reserved3 != 0:
		return cti.StatusCodeInvalidReservedField
	case uint32(r.ServicesRequested)&^uint32(knownServices) != 0:
		return cti.StatusCodeInvalidServiceMask
	case uint32(r.AgentStateMask)&^uint32(knownAgentStates) != 0:
		return cti.StatusCodeInvalidAgentStateMask
	case uint32(r.ConfigMsgMask)&^uint32(knownConfig) != 0:
		return cti.StatusCodeInvalidConfigMsgMask
	case r.IdleTimeout < 20:
		return cti.StatusCodeInvalidTimeout
	}
	if m.cfg.Clients != nil {
		if want, ok := m.cfg.Clients[r.ClientID]; !ok || want != string(r.ClientPassword) {
			return cti.StatusCodeInvalidPassword
		}
	}
	if s.has(serviceSupervisor) && !s.has(serviceClientEvents) {
		return cti.StatusCodeInvalidServiceMask
	}
	if s.has(serviceAllEvents) && m.cfg.AllEventsLimit > 0 {
		n := 0
		for _, o := range m.sessions {
			if o.has(serviceAllEvents) && !o.standby {
				n++
			}
		}
		if n >= m.cfg.AllEventsLimit {
			return cti.StatusCodeFunctionNotAvailable
		}
	}
	if s.instance != "" {
		for _, o := range m.sessions {
			if o.instance == s.instance && o.conn.side == s.conn.side {
				return cti.StatusCodeDuplicateUniqueInstanceID
			}
		}
	}
	return 0
}

// bindDevice ties a client-mode session to its phone and agent.
func (m *model) bindDevice(s *session, r *cti.OpenReq) cti.StatusCode {
	if !s.has(serviceClientEvents) {
		return 0
	}
	if r.PeripheralID != m.pid {
		return cti.StatusCodeInvalidPeripheralID
	}
	if r.AgentExtension == "" && r.AgentID == "" && r.AgentInstrument == "" {
		return cti.StatusCodeRequiredDataMissing
	}
	var d *device
	for _, n := range []string{r.AgentExtension, r.AgentInstrument} {
		switch x := m.devices[n]; {
		case n == "":
		case x == nil:
			return cti.StatusCodeInvalidAgentData
		case d != nil && d != x:
			return cti.StatusCodeInconsistentAgentData
		default:
			d = x
		}
	}
	if r.AgentID != "" {
		a := m.agentByID[r.AgentID]
		switch {
		case a == nil:
			return cti.StatusCodeInvalidAgentData
		case a.loggedIn() && d != nil && a.dev != d, d != nil && d.agent != nil && d.agent != a:
			return cti.StatusCodeInconsistentAgentData
		case d == nil && a.loggedIn():
			d = a.dev
		case d == nil:
			d = m.devices[a.extension]
		}
		if s.has(serviceSupervisor) && !a.supervisor {
			return cti.StatusCodeFunctionNotAvailable
		}
	}
	for _, o := range slices.Clone(m.sessions) {
		if o.dev != d || o.standby != s.standby {
			continue
		}
		if o.client != s.client {
			return cti.StatusCodeDeviceInUse
		}
		o.send(&cti.FailureEvent{Status: cti.StatusCodeNewSessionOpened})
		o.conn.end()
		m.endSession(o, true)
	}
	s.dev, s.agentID = d, r.AgentID
	return 0
}

// openConf is the confirmation of a session.
func (m *model) openConf(s *session, r *cti.OpenReq) *cti.OpenConf {
	granted := s.services &^ unsupportedServices
	if m.cfg.Duplex != ActiveStandby || s.version < cti.Version24 {
		granted &^= serviceActiveStandby
	}
	if m.cfg.NoCallControl && granted&serviceClientControl != 0 {
		granted = granted&^serviceClientControl | agentStateControlOnly
	}
	s.services = granted
	conf := &cti.OpenConf{InvokeID: r.InvokeID, ServicesGranted: granted, PGStatus: m.pgStatus(),
		ICMCentralControllerTime: uint32(time.Now().Unix()), PeripheralOnline: m.online,
		PeripheralType: peripheralType, AgentState: cti.AgentStateLogout}
	switch {
	case s.standby:
		conf.SessionType = cti.SessionTypeStandby
	case m.cfg.Duplex == ActiveStandby:
		conf.SessionType = cti.SessionTypeActive
	}
	if s.dev != nil {
		conf.AgentExtension, conf.AgentInstrument = s.dev.number, s.dev.number
		if a := s.dev.agent; a != nil {
			conf.AgentID, conf.AgentState = a.id, a.state
			s.agentID = a.id
		}
	}
	if s.version >= cti.Version14 {
		conf.Peripherals = []cti.OpenPeripheral{{FltPeripheralID: m.pid}}
	}
	return conf
}

func (m *model) pgStatus() cti.PGStatus {
	var st cti.PGStatus
	if !m.online {
		st |= cti.PGStatusPeripheralOffline
	}
	if !m.controller {
		st |= cti.PGStatusCCDown
	}
	return st
}

// afterOpen sends what a client gets unasked when its session opens.
func (m *model) afterOpen(s *session) {
	if s.has(serviceAllEvents) {
		s.put(m.peripheralStatus())
	}
	if s.standby {
		return
	}
	if s.dev != nil {
		for _, l := range s.dev.legs {
			if s.callMask&maskBeginCall != 0 && l.began {
				s.put(m.beginMessage(l, view{s, 0}))
			}
		}
	}
	if s.has(serviceClientMonitor) {
		for _, o := range m.sessions {
			if o != s {
				s.put(m.openedEvent(o))
			}
		}
	}
	for _, o := range m.sessions {
		if o != s && o.has(serviceClientMonitor) {
			o.send(m.openedEvent(s))
		}
	}
}

func (m *model) openedEvent(s *session) cti.Message {
	e := &cti.ClientSessionOpenedEvent{SessionID: s.id, PeripheralID: null32, ServicesGranted: s.services,
		CallMsgMask: s.callMask, AgentStateMask: s.agentMask, ClientAddress: s.conn.host(), ClientPort: s.conn.port(),
		ClientID: s.client, ClientSignature: s.signature, AgentID: s.agentID}
	if s.dev != nil {
		e.PeripheralID, e.AgentExtension, e.AgentInstrument = m.pid, s.dev.number, s.dev.number
	}
	return e
}

func (m *model) peripheralStatus() *cti.SystemEvent {
	e := m.system(cti.SystemEventIDPeripheralOnline)
	if !m.online {
		e.SystemEventID = cti.SystemEventIDPeripheralOffline
	}
	e.SystemEventArg1 = m.pid
	return e
}

func (m *model) system(id cti.SystemEventID) *cti.SystemEvent {
	return &cti.SystemEvent{PGStatus: m.pgStatus(), ICMCentralControllerTime: uint32(time.Now().Unix()),
		SystemEventID: id, EventDeviceType: cti.DeviceIDTypeNone}
}

// connClosed notes the end of a connection.
func (m *model) connClosed(c *conn) {
	if c.s != nil && !c.s.closed {
		m.endSession(c.s, false)
	}
}

// endSession forgets a session. clean is false when the client went without CLOSE_REQ.
func (m *model) endSession(s *session, clean bool) {
	s.closed = true
	if s.idle != nil {
		s.idle.Stop()
	}
	m.sessions = slices.DeleteFunc(m.sessions, func(o *session) bool { return o == s })
	m.pg.log.Info("session closed", slog.String("client", s.client), slog.Bool("clean", clean))
	status := cti.StatusCodeNoError
	if !clean {
		status = cti.StatusCodeClientDisconnected
	}
	for _, o := range m.sessions {
		if o.has(serviceClientMonitor) {
			e := &cti.ClientSessionClosedEvent{SessionID: s.id, PeripheralID: null32, Status: status,
				ClientAddress: s.conn.host(), ClientPort: s.conn.port(), ClientID: s.client, ClientSignature: s.signature, AgentID: s.agentID}
			if s.dev != nil {
				e.PeripheralID, e.AgentExtension, e.AgentInstrument = m.pid, s.dev.number, s.dev.number
			}
			o.send(e)
		}
	}
	// The agent of a client-mode session that is lost does not get further calls.
	if !clean && s.dev != nil && !s.standby && s.dev.agent != nil && s.dev.agent.state == cti.AgentStateAvailable {
		m.apply(s.dev.agent, choice{cti.AgentStateNotReady, reasonClientGone})
	}
	m.pg.sessionGone(s)
}

func (m *model) sessionsOf(side *Side) []*session {
	var out []*session
	for _, s := range m.sessions {
		if s.conn.side == side {
			out = append(out, s)
		}
	}
	return out
}
