package ctitest

import (
	"slices"
	"time"

	"github.com/connects-go/connects/cti"
)

// Reason codes that the gateway itself sets (Finesse administration guide, Database Schema Handbook).
const (
	reasonNotAnswered    = 32767
	reasonClientGone     = 50002
	reasonInactive       = 50004
	reasonOffHook        = 50006
	reasonNotArrived     = 50010
	reasonLogout         = 20002
	reasonForcedLogout   = 20003
	reasonSupervisor     = 999
	reasonDeviceConflict = 50030
	reasonPhoneInUse     = 51004
)

// agent is somebody who can log in.
type agent struct {
	id, first, last, login string
	password               string
	extension              string
	target                 int32
	groups                 []*group
	desk                   DeskSettings
	supervisor             bool
	locked, sso            bool
	ordinal                int

	dev    *device
	state  cti.AgentState
	reason uint16
	since  time.Time
	// base is the state outside calls that the agent returns to.
	base choice
	// pending is what was asked for during a call or wrap-up.
	pending *choice
	// wrapAsked is the work state asked for during a call.
	wrapAsked cti.AgentState
	offHook   bool // NOT_READY only for an own call
	reserved  *reservation
	turn      uint64 // grows with every change of state, so that the longest available is found
	untold    bool   // changed while nothing was told
	missed    int    // routed calls in a row that did not arrive
	active    *group
	lastLeg   *leg // the last conversation, for wrap-up
	lateEnds  []*leg
	wrapTimer *time.Timer
	idleTimer *time.Timer
	loggedOn  time.Time
	stats     agentStats
}

// choice is a state with its reason.
type choice struct {
	state  cti.AgentState
	reason uint16
}

func (a *agent) loggedIn() bool { return a.state != cti.AgentStateLogout }

func (a *agent) inWrapup() bool {
	return a.state == cti.AgentStateWorkReady || a.state == cti.AgentStateWorkNotReady
}

func (a *agent) inCall() bool {
	return a.state == cti.AgentStateTalking || a.state == cti.AgentStateHold || a.state == cti.AgentStateReserved
}

// setState changes the state and tells it. The same state again is told only when the reason differs.
func (m *model) setState(a *agent, st cti.AgentState, reason uint16) {
	if st != cti.AgentStateNotReady && st != cti.AgentStateLogout {
		reason = 0
	}
	if a.state == st && a.reason == reason {
		return
	}
	now := time.Now()
	a.stats.leave(a.state, now.Sub(a.since))
	a.state, a.reason, a.since = st, reason, now
	m.turns++
	a.turn = m.turns
	if a.idleTimer != nil {
		a.idleTimer.Stop()
		a.idleTimer = nil
	}
	if st == cti.AgentStateNotReady && a.desk.LogoutNonActivityTime > 0 {
		a.idleTimer = m.pg.afterFunc(a.desk.LogoutNonActivityTime, func() {
			if a.state == cti.AgentStateNotReady && len(a.dev.legs) == 0 {
				m.logout(a, reasonInactive)
			}
		})
	}
	m.agentEvent(a)
	if st == cti.AgentStateAvailable {
		m.atEnd(m.dispatch)
	}
}

// login puts an agent on a phone. The checks are done.
func (m *model) login1(a *agent, d *device) {
	now := time.Now()
	a.dev, d.agent = d, a
	a.loggedOn, a.since = now, now
	a.stats.session = statCounters{}
	a.pending, a.wrapAsked, a.missed = nil, 0, 0
	a.base = choice{cti.AgentStateNotReady, 0}
	if m.cfg.Quirks.LoginEvent {
		m.setState(a, cti.AgentStateLogin, 0)
	}
	if len(d.legs) > 0 {
		a.base.reason = reasonPhoneInUse
	}
	m.setState(a, cti.AgentStateNotReady, a.base.reason)
	m.refresh(a)
}

// checkLogin returns the failure code of a login, 0 when it may be done.
func (m *model) checkLogin(a *agent, d *device, password string, sso bool, force bool) cti.ControlFailureCode {
	switch {
	case a == nil:
		return cti.ControlFailureCodeInvalidAgentIDSpecified
	case a.locked:
		return cti.ControlFailureCodeAgentAccountLockedOut
	case sso && a.sso:
	case password != a.password:
		return cti.ControlFailureCodeInvalidPasswordSpecified
	}
	switch {
	case a.loggedIn() && !force:
		return cti.ControlFailureCodeSpecifiedAgentAlreadySignedOn
	case d == nil:
		return cti.ControlFailureCodeInvalidLogonDeviceSpecified
	case d.agent != nil && d.agent != a && !force:
		return cti.ControlFailureCodeSpecifiedExtensionAlreadyInUse
	}
	return 0
}

// logout takes an agent off his phone; his calls go on without him as far as agent states go.
func (m *model) logout(a *agent, reason uint16) {
	if !a.loggedIn() {
		return
	}
	m.stopWrapup(a)
	m.cancelReservation(a)
	a.pending, a.wrapAsked, a.offHook = nil, 0, false
	m.setState(a, cti.AgentStateLogout, reason)
	if a.dev != nil {
		a.dev.agent = nil
	}
}

// requestState is what SET_AGENT_STATE_REQ asks of somebody who is logged in. It returns 0 or why
// the state is refused.
func (m *model) requestState(a *agent, st cti.AgentState, reason uint16, supervisor bool) cti.ControlFailureCode {
	none := reason == 0 || reason == 0xffff
	switch st {
	case cti.AgentStateNotReady:
		if none && a.desk.IdleReasonRequired && !supervisor {
			return cti.ControlFailureCodeReasonCodeRequired
		}
	case cti.AgentStateLogout:
		if none && a.desk.LogoutReasonRequired && !supervisor {
			return cti.ControlFailureCodeReasonCodeRequired
		}
	case cti.AgentStateAvailable:
	case cti.AgentStateWorkReady, cti.AgentStateWorkNotReady:
		return m.requestWork(a, st)
	default:
		return cti.ControlFailureCodeValueOutOfRange
	}
	want := choice{st, reason}
	switch {
	case a.inCall() || a.dialing() || len(a.dev.legs) > 0 && st == cti.AgentStateLogout:
		a.pending = &want
		m.agentEvent(a)
		return 0
	case a.inWrapup():
		if m.wrapDataMissing(a) && !supervisor {
			return cti.ControlFailureCodeWrapupDataRequired
		}
		a.pending = &want
		m.endWrapup(a)
		return 0
	}
	m.apply(a, want)
	return 0
}

// requestWork asks for wrap-up, which exists only during and after a call.
func (m *model) requestWork(a *agent, st cti.AgentState) cti.ControlFailureCode {
	mode := a.desk.WrapupIncoming
	if l := m.currentLeg(a); l != nil && !l.called || l == nil && a.lastLeg != nil && !a.lastLeg.called {
		mode = a.desk.WrapupOutgoing
	}
	switch {
	case mode == WrapupNotAllowed:
		return cti.ControlFailureCodeInvalidAgentWorkmode
	case a.inWrapup():
		if a.state != st {
			a.base.state = cti.AgentStateNotReady
			if st == cti.AgentStateWorkReady {
				a.base = choice{state: cti.AgentStateAvailable}
			}
			a.pending = nil
			m.setState(a, st, 0)
		}
		return 0
	case a.state == cti.AgentStateTalking || a.state == cti.AgentStateHold:
		a.wrapAsked = st
		m.agentEvent(a)
		return 0
	}
	return cti.ControlFailureCodeGenericStateIncompatibility
}

// apply enters a state outside calls.
func (m *model) apply(a *agent, c choice) {
	a.pending = nil
	switch c.state {
	case cti.AgentStateLogout:
		reason := c.reason
		if a.state != cti.AgentStateNotReady {
			m.setState(a, cti.AgentStateNotReady, reasonForcedLogout)
			if reason == 0 {
				reason = reasonForcedLogout
			}
		}
		if reason == 0 {
			reason = reasonLogout
		}
		m.logout(a, reason)
		return
	case cti.AgentStateAvailable:
		c.reason = 0
	}
	a.base = c
	m.setState(a, c.state, c.reason)
}

// currentLeg is the conversation that counts for the agent: the connected one, else a held one.
func (m *model) currentLeg(a *agent) *leg {
	var held *leg
	for _, l := range a.dev.legs {
		switch {
		case l.state == cti.LocalConnectionStateConnect && l.answered:
			return l
		case l.state == cti.LocalConnectionStateHold && held == nil:
			held = l
		}
	}
	return held
}

// dialing says whether a call that the agent makes has not been answered yet.
func (a *agent) dialing() bool {
	return slices.ContainsFunc(a.dev.legs, func(l *leg) bool {
		return l.state == cti.LocalConnectionStateInitiate || l.state == cti.LocalConnectionStateFail ||
			l.state == cti.LocalConnectionStateConnect && !l.answered
	})
}

// refresh derives the agent's state from the connections of his phone.
func (m *model) refresh(a *agent) {
	if a == nil || !a.loggedIn() {
		return
	}
	cur := m.currentLeg(a)
	ringing := slices.ContainsFunc(a.dev.legs, func(l *leg) bool {
		return l.state == cti.LocalConnectionStateAlerting && l.routed != nil
	})
	switch {
	case cur != nil:
		m.stopWrapup(a)
		a.lastLeg, a.active = cur, cur.routed
		a.missed = 0
		if cur.state == cti.LocalConnectionStateHold {
			m.setState(a, cti.AgentStateHold, 0)
		} else {
			m.setState(a, cti.AgentStateTalking, 0)
		}
	case ringing || a.reserved != nil:
		m.setState(a, cti.AgentStateReserved, 0)
	case a.state == cti.AgentStateTalking || a.state == cti.AgentStateHold:
		m.afterCall(a)
	case a.dialing():
		if a.state == cti.AgentStateAvailable {
			a.offHook = true
			m.setState(a, cti.AgentStateNotReady, reasonOffHook)
		}
	case a.state == cti.AgentStateReserved, a.offHook:
		a.offHook = false
		m.enterNext(a)
	case !a.inWrapup() && a.pending != nil:
		m.enterNext(a)
	}
}

// afterCall decides between wrap-up and the next state when the last conversation has ended.
func (m *model) afterCall(a *agent) {
	a.offHook = false
	mode := a.desk.WrapupIncoming
	if a.lastLeg != nil && !a.lastLeg.called {
		mode = a.desk.WrapupOutgoing
	}
	asked := a.wrapAsked
	a.wrapAsked = 0
	if mode == WrapupNotAllowed || mode == WrapupOptional && asked == 0 {
		m.enterNext(a)
		return
	}
	next := a.next()
	st := asked
	if st == 0 {
		st = cti.AgentStateWorkNotReady
		if next.state == cti.AgentStateAvailable {
			st = cti.AgentStateWorkReady
		}
	} else if a.pending == nil {
		a.base = choice{state: cti.AgentStateNotReady}
		if st == cti.AgentStateWorkReady {
			a.base = choice{state: cti.AgentStateAvailable}
		}
	}
	m.setState(a, st, 0)
	if a.desk.WrapupTime > 0 {
		a.wrapTimer = m.pg.afterFunc(a.desk.WrapupTime, func() {
			if a.inWrapup() {
				m.endWrapup(a)
			}
		})
	}
}

func (a *agent) next() choice {
	if a.pending != nil {
		return *a.pending
	}
	return a.base
}

// enterNext enters the pending state or the one before the call.
func (m *model) enterNext(a *agent) {
	a.active = nil
	m.apply(a, a.next())
}

// endWrapup leaves the wrap-up.
func (m *model) endWrapup(a *agent) {
	m.stopWrapup(a)
	m.enterNext(a)
}

// stopWrapup stops the timer of a wrap-up and sends the ends of calls that waited for it.
func (m *model) stopWrapup(a *agent) {
	if a.wrapTimer != nil {
		a.wrapTimer.Stop()
		a.wrapTimer = nil
	}
	for _, l := range a.lateEnds {
		m.endCall(l)
	}
	a.lateEnds = nil
}

// wrapDataMissing says whether the desk settings want a wrap-up text that is not there.
func (m *model) wrapDataMissing(a *agent) bool {
	return a.desk.WrapupIncoming == WrapupRequiredWithData && a.lastLeg != nil && a.lastLeg.called &&
		a.lastLeg.call.data.wrapup == ""
}

// groupState is the agent's state in one of his groups: somebody who works for one group is
// BUSY_OTHER in the others.
func (a *agent) groupState(g *group, first bool) cti.AgentState {
	switch a.state {
	case cti.AgentStateTalking, cti.AgentStateHold, cti.AgentStateReserved, cti.AgentStateWorkReady, cti.AgentStateWorkNotReady:
		active := a.active
		if a.reserved != nil {
			active = a.reserved.group
		}
		if active == nil && first || active == g {
			return a.state
		}
		return cti.AgentStateBusyOther
	}
	return a.state
}
