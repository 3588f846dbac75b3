package ctitest

import (
	"slices"

	"github.com/connects-go/connects/cti"
)

// maxParties is how many parties a conference takes (MAX_NUM_PARTIES).
const maxParties = 16

// party is an entry of a connected-party list.
type party struct {
	call   uint32
	idType cti.ConnectionDeviceIDType
	id     string
}

func parties(c *call) []party {
	out := make([]party, 0, len(c.legs))
	for _, l := range c.legs {
		out = append(out, party{c.id, l.idType, l.id})
	}
	return out[:min(len(out), maxParties)]
}

// consult holds a conversation and calls a second number with a copy of the call data.
func (m *model) consult(active *leg, number string, data callData) *leg {
	m.hold(active)
	return m.dial(active.dev, number, cti.CallTypeConsult, active.call, data)
}

// transfer joins the call held at a phone with its consultation call and takes the phone out.
func (m *model) transfer(held, active *leg) *call {
	first, second := held.call, active.call
	j := m.join(held, active)
	by := held.agent()
	m.detach(held)
	m.detach(active)
	m.merge(j)
	list := parties(j.into)
	m.both(func() {
		m.transferred(held, active, held, j, list)
		for _, l := range j.into.legs {
			if l.kind == legPhone && l.began {
				m.transferred(l, active, held, j, list)
			}
		}
		m.stopAudio(held)
		m.stopAudio(active)
	}, func() {
		m.refresh(by)
		m.refreshAll(j.into.legs)
	})
	m.tellMoved(j, cti.CallTypeTransferIn)
	m.finishAs(held, first)
	m.finishAs(active, second)
	m.dropIfDead(j.into)
	return j.into
}

// conference joins the call held at a phone with its consultation call; the phone stays in.
func (m *model) conference(held, active *leg) *call {
	second := active.call
	j := m.join(held, active)
	keep, lose := held, active
	if j.into == second {
		keep, lose = active, held
	}
	loseCall := lose.call
	m.detach(lose)
	m.merge(j)
	keep.state = cti.LocalConnectionStateConnect
	if j.into.controller == nil {
		j.into.controller = keep.dev
	}
	list := parties(j.into)
	m.both(func() {
		m.conferenced(keep, active, held, j, list)
		for _, l := range j.into.legs {
			if l != keep && l.kind == legPhone && l.began {
				m.conferenced(l, active, held, j, list)
			}
		}
		m.stopAudio(lose)
		m.startAudio([]*leg{keep})
	}, func() { m.refreshAll(j.into.legs) })
	m.tellMoved(j, cti.CallTypeConference)
	m.finishAs(lose, loseCall)
	return j.into
}

// joint is two calls that become one.
type joint struct {
	first, second *call
	into, from    *call
	moved         []*leg
	was           map[*leg]connKey
	added         *leg
}

func (m *model) join(held, active *leg) *joint {
	j := &joint{first: held.call, second: active.call, into: held.call, from: active.call, was: map[*leg]connKey{}}
	if m.cfg.Quirks.TransferKeepsConsultID {
		j.into, j.from = j.from, j.into
	}
	for _, l := range active.others() {
		j.added = l
	}
	return j
}

// merge moves the connections that are left of one call to the other.
func (m *model) merge(j *joint) {
	for _, l := range j.from.legs {
		j.was[l] = l.key()
		j.moved = append(j.moved, l)
	}
	j.from.legs = nil
	for _, l := range j.moved {
		l.call = j.into
		j.into.legs = append(j.into.legs, l)
	}
	if j.into != j.first {
		// The customer's data belongs to the first call, whatever the id of the result is.
		j.into.data, j.into.key, j.into.from, j.into.to = j.first.data, j.first.key, j.first.from, j.first.to
		j.into.dnis, j.into.inbound, j.into.controller = j.first.dnis, j.first.inbound, j.first.controller
	}
	if j.from.pending != nil && j.into.pending == nil {
		j.into.pending = j.from.pending
		j.into.pending.call = j.into
		j.from.pending = nil
	}
	j.into.consultOf, j.into.initiator = nil, nil
	for _, o := range m.calls {
		if o.consultOf == j.from {
			o.consultOf = j.into
		}
	}
	delete(m.calls, j.from.id)
	m.dropCallMonitors(j.from.id)
}

// tellMoved tells the phones whose call has changed its id or its data.
func (m *model) tellMoved(j *joint, ct cti.CallType) {
	for _, l := range j.into.legs {
		if l.kind == legExternal {
			continue
		}
		l.callType = ct
		was, moved := j.was[l]
		if !moved {
			was = l.key()
		}
		m.dataUpdate(l, was, allData(&j.into.data))
	}
}

// finishAs ends the connection l under the call that it had.
func (m *model) finishAs(l *leg, c *call) {
	l.call = c
	m.finish(l)
}

// dropIfDead ends a call that a transfer has left with too few parties that the switch can see.
func (m *model) dropIfDead(c *call) {
	if c.lives() {
		return
	}
	for _, l := range slices.Clone(c.legs) {
		m.detach(l)
		m.finish(l)
	}
	m.forget(c)
}

// blind sends the call of a phone to another number and takes the phone out.
func (m *model) blind(l *leg, number string) []party {
	c := l.call
	m.detach(l)
	c.lastRedirect = l
	list := parties(c)
	m.both(func() {
		m.blindTransferred(l, number, list)
		m.stopAudio(l)
	}, func() { m.refresh(l.agent()) })
	m.finish(l)
	m.bring(c, number, false)
	return list
}

// reachable says whether a blind transfer or deflection to the number can work.
func (m *model) reachable(number string) cti.ControlFailureCode {
	if !m.diallable(number) {
		return cti.ControlFailureCodeInvalidDestination
	}
	if d := m.devices[number]; d != nil {
		if len(d.legs) > 0 {
			return cti.ControlFailureCodeResourceBusy
		}
		return 0
	}
	if m.groupByDN[number] != nil {
		return 0
	}
	x := m.external(number)
	switch {
	case x.Unreachable:
		return cti.ControlFailureCodeInvalidDestination
	case x.Busy:
		return cti.ControlFailureCodeResourceBusy
	}
	return 0
}
