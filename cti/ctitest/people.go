package ctitest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connects-go/connects/cti"
)

// Errors of the control methods for people and scripts. Compare with errors.Is.
var (
	// ErrUnknownCall says that no such call exists, or that the phone has no part in it.
	ErrUnknownCall = errors.New("ctitest: no such call")
	// ErrUnknownAgent says that no agent has this id.
	ErrUnknownAgent = errors.New("ctitest: no such agent")
	// ErrUnknownNumber says that nobody has this number.
	ErrUnknownNumber = errors.New("ctitest: no such number")
	// ErrBusy says that the phone called has a call already, or that there are too many calls.
	ErrBusy = errors.New("ctitest: busy")
	// ErrWrongState says that the call or agent is not in a state for this.
	ErrWrongState = errors.New("ctitest: not possible in this state")
	// ErrBadData says that call data is not configured or too long.
	ErrBadData = errors.New("ctitest: call data refused")
)

// RefusedError says why the gateway refuses what a control method asks for, in the terms of the
// protocol. It is the error of the agent methods, together with one of the sentinels.
type RefusedError struct {
	Code cti.ControlFailureCode
	Err  error
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("%v: %v", e.Err, e.Code) }

// Unwrap returns the sentinel.
func (e *RefusedError) Unwrap() error { return e.Err }

// CustomerCall lets a customer call from outside: a skill group's number, where the call is routed
// to an available agent or waits, or a phone, which rings whether its agent is ready or not. It
// returns the call's id as soon as the call is on its way.
func (pg *PG) CustomerCall(ctx context.Context, spec CallSpec) (callID uint32, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	pg.act(func() { callID, err = pg.m.customerCall(pg, spec) })
	return callID, err
}

func (m *model) customerCall(pg *PG, spec CallSpec) (uint32, error) {
	in, err := m.specData(pg, spec)
	if err != nil {
		return 0, err
	}
	key, err := parseRouterKey(spec.RouterKey)
	if err != nil {
		return 0, err
	}
	g, d := m.groupByDN[spec.To], m.devices[spec.To]
	switch {
	case g == nil && d == nil:
		return 0, ErrUnknownNumber
	case len(m.calls) >= m.cfg.MaxCalls, d != nil && len(d.legs) > 0:
		return 0, ErrBusy
	}
	c := m.newCall(pg.encode(spec.From), spec.To)
	c.inbound, c.lost, c.key = true, spec.NeverArrives, key
	c.data.apply(in)
	c.data.ani = c.from
	c.data.ced = pg.encode(spec.CallerEnteredDigits)
	c.dnis = pg.encode(spec.DNIS)
	if c.dnis == "" {
		c.dnis = spec.To
	}
	l := m.addLeg(c, legExternal, c.from, cti.LocalConnectionStateConnect)
	l.callType = cti.CallTypeOtherIn
	if g != nil {
		m.enqueue(c, g, false)
	} else {
		m.ring(c, d.number, nil, cti.CallTypeOtherIn)
	}
	return c.id, nil
}

// specData turns the call data of a CallSpec into what the wire would bring.
func (m *model) specData(pg *PG, spec CallSpec) (*dataIn, error) {
	in := &dataIn{uui: spec.UserToUserInfo}
	if len(spec.From) > maxDigits || len(spec.CallerEnteredDigits) > maxDigits || len(spec.DNIS) > 31 {
		return nil, fmt.Errorf("%w: number too long", ErrBadData)
	}
	for name, v := range spec.Variables {
		i := variableNumber(name)
		if i < 0 {
			return nil, fmt.Errorf("%w: %q is not CV01 to CV10", ErrBadData, name)
		}
		text := pg.encode(v)
		in.vars[i] = &text
	}
	for name, v := range spec.ECC {
		in.named = append(in.named, cti.NamedVar{Name: name, Value: pg.encode(v)})
	}
	for name, list := range spec.ECCArrays {
		if len(list) > 255 {
			return nil, fmt.Errorf("%w: array %q is too long", ErrBadData, name)
		}
		for i, v := range list {
			in.arrays = append(in.arrays, cti.NamedArray{Index: uint8(i), Name: name, Value: pg.encode(v)})
		}
	}
	in.numNamed, in.numArrays = uint16(len(in.named)), uint16(len(in.arrays))
	writable := m.cfg.WritableVariables
	m.cfg.WritableVariables = "" // the network may set what clients may not
	code := m.check(in)
	m.cfg.WritableVariables = writable
	if code != 0 {
		return nil, fmt.Errorf("%w: %v", ErrBadData, code)
	}
	return in, nil
}

// CustomerHangUp lets the outside party of a call hang up, whatever the state of the call is. It
// returns ErrUnknownCall when there is no such call or no such party.
func (pg *PG) CustomerHangUp(callID uint32) error {
	err := ErrUnknownCall
	pg.act(func() {
		c := pg.m.calls[callID]
		if c == nil {
			return
		}
		for _, l := range c.legs {
			if l.kind == legExternal {
				pg.m.drop(l, cti.EventCauseNone)
				err = nil
				return
			}
		}
	})
	return err
}

// EndCall ends a call for all its parties, for clean-up.
func (pg *PG) EndCall(callID uint32) error {
	err := ErrUnknownCall
	pg.act(func() {
		if c := pg.m.calls[callID]; c != nil {
			err = nil
			for pg.m.calls[callID] == c && len(c.legs) > 0 {
				pg.m.drop(c.legs[0], cti.EventCauseNone)
			}
		}
	})
	return err
}

// withAgent runs f for an agent.
func (pg *PG) withAgent(id string, f func(m *model, a *agent) error) (err error) {
	pg.act(func() {
		a := pg.m.agentByID[id]
		if a == nil {
			err = ErrUnknownAgent
			return
		}
		err = f(pg.m, a)
	})
	return err
}

func refusedAs(code cti.ControlFailureCode, err error) error {
	if code == 0 {
		return nil
	}
	return &RefusedError{Code: code, Err: err}
}

// LoginAgent logs an agent in at a phone without a client; device "" = his usual one. He is
// NOT_READY then.
func (pg *PG) LoginAgent(id, device string) error {
	return pg.withAgent(id, func(m *model, a *agent) error {
		if device == "" {
			device = a.extension
		}
		d := m.devices[device]
		if cf := m.checkLogin(a, d, a.password, false, false); cf != 0 {
			return refusedAs(cf, ErrWrongState)
		}
		m.login1(a, d)
		return nil
	})
}

// SetAgentState sets the state of an agent as a supervisor can: AVAILABLE, NOT_READY or LOGOUT with
// a reason, and in a conversation WORK_READY or WORK_NOT_READY. During a call it becomes effective
// afterwards. Compulsory reasons are not asked for.
func (pg *PG) SetAgentState(id string, state cti.AgentState, reason uint16) error {
	return pg.withAgent(id, func(m *model, a *agent) error {
		if !a.loggedIn() {
			return ErrWrongState
		}
		return refusedAs(m.requestState(a, state, reason, true), ErrWrongState)
	})
}

// ForceLogout logs an agent out at once with a reason, whatever he does; 999 is what CCE uses for a
// supervisor.
func (pg *PG) ForceLogout(id string, reason uint16) error {
	return pg.withAgent(id, func(m *model, a *agent) error {
		if !a.loggedIn() {
			return ErrWrongState
		}
		m.logout(a, reason)
		return nil
	})
}

// RenameAgent changes an agent's names, as an administrator does. Clients that asked for
// configuration get a CONFIG_AGENT_EVENT.
func (pg *PG) RenameAgent(id, firstName, lastName string) error {
	return pg.withAgent(id, func(m *model, a *agent) error {
		a.first, a.last = pg.encode(firstName), pg.encode(lastName)
		m.agentChanged(a, cti.ConfigRecordTypeChange)
		return nil
	})
}

// AddAgent adds an agent while the gateway runs. Clients that asked for configuration get a
// CONFIG_AGENT_EVENT.
func (pg *PG) AddAgent(c AgentConfig) (err error) {
	pg.act(func() {
		check := pg.cfg
		check.Agents = []AgentConfig{c}
		if err = check.Validate(); err != nil {
			return
		}
		m := pg.m
		if m.agentByID[c.ID] != nil || m.devices[c.Extension] != nil && m.devices[c.Extension].owner != nil {
			err = fmt.Errorf("ctitest: agent %s or phone %s exists", c.ID, c.Extension)
			return
		}
		m.agentChanged(m.addAgent(&c, time.Now()), cti.ConfigRecordTypeAdd)
	})
	return err
}

// SetDesk changes an agent's desk settings at once. (In CCE they reach him at his next login.)
func (pg *PG) SetDesk(id string, desk DeskSettings) error {
	return pg.withAgent(id, func(_ *model, a *agent) error {
		a.desk = desk
		return nil
	})
}

// withLeg runs f for the part that a phone has in a call.
func (pg *PG) withLeg(device string, callID uint32, f func(m *model, l *leg) error) (err error) {
	pg.act(func() {
		c, d := pg.m.calls[callID], pg.m.devices[device]
		switch {
		case d == nil:
			err = ErrUnknownNumber
			return
		case c == nil || c.at(d) == nil:
			err = ErrUnknownCall
			return
		}
		err = f(pg.m, c.at(d))
	})
	return err
}

// PhoneAnswer lifts the receiver of a ringing phone, as its user does by hand.
func (pg *PG) PhoneAnswer(device string, callID uint32) error {
	return pg.withLeg(device, callID, func(m *model, l *leg) error {
		if l.state != cti.LocalConnectionStateAlerting {
			return ErrWrongState
		}
		m.answer(l)
		return nil
	})
}

// PhoneHangUp ends a phone's part in a call by hand.
func (pg *PG) PhoneHangUp(device string, callID uint32) error {
	return pg.withLeg(device, callID, func(m *model, l *leg) error {
		m.drop(l, cti.EventCauseNone)
		return nil
	})
}

// PhoneHold presses the hold key; a held call is taken back.
func (pg *PG) PhoneHold(device string, callID uint32) error {
	return pg.withLeg(device, callID, func(m *model, l *leg) error {
		switch {
		case l.talking():
			m.hold(l)
		case l.state == cti.LocalConnectionStateHold && !l.busyElsewhere():
			m.retrieve(l)
		default:
			return ErrWrongState
		}
		return nil
	})
}

// PhoneDial dials a number on a phone by hand. Phones without an agent may do so too.
func (pg *PG) PhoneDial(device, number string) (callID uint32, err error) {
	pg.act(func() {
		m, d := pg.m, pg.m.devices[device]
		switch {
		case d == nil || number == device || !pg.m.diallable(number):
			err = ErrUnknownNumber
		case len(d.legs) > 0 || m.room() != nil:
			err = ErrBusy
		case d.agent != nil && m.mayDial(d, number) != nil:
			err = ErrWrongState
		default:
			callID = m.dial(d, number, m.outgoingType(number), nil, callData{}).call.id
		}
	})
	return callID, err
}

// OutsideAnswer lets an outside party that is being called answer now.
func (pg *PG) OutsideAnswer(callID uint32) error {
	err := ErrUnknownCall
	pg.act(func() {
		c := pg.m.calls[callID]
		if c == nil {
			return
		}
		err = ErrWrongState
		for _, l := range c.legs {
			if l.kind == legExternal && l.state == cti.LocalConnectionStateAlerting {
				l.stopTimers()
				pg.m.established(l)
				err = nil
				return
			}
		}
	})
	return err
}

// OutsideHangUp lets one outside party of a call hang up, for calls with several of them.
func (pg *PG) OutsideHangUp(callID uint32, number string) error {
	err := ErrUnknownCall
	pg.act(func() {
		c := pg.m.calls[callID]
		if c == nil {
			return
		}
		for _, l := range c.legs {
			if l.kind == legExternal && l.number == number {
				pg.m.drop(l, cti.EventCauseNone)
				err = nil
				return
			}
		}
	})
	return err
}

// SetCallData changes call data as a routing script or another client does; only what spec names is
// changed. Clients get CALL_DATA_UPDATE_EVENT.
func (pg *PG) SetCallData(callID uint32, spec CallSpec) (err error) {
	pg.act(func() {
		c := pg.m.calls[callID]
		if c == nil {
			err = ErrUnknownCall
			return
		}
		var in *dataIn
		if in, err = pg.m.specData(pg, spec); err != nil {
			return
		}
		if !c.data.fits(in) {
			err = fmt.Errorf("%w: too much ECC data", ErrBadData)
			return
		}
		ch := c.data.apply(in)
		if len(c.legs) > 0 {
			pg.m.dataChanged(c.legs[0], ch)
		}
	})
	return err
}
