package ctitest

import (
	"fmt"
	"slices"
	"time"

	"github.com/connects-go/connects/cti"
)

// enqueue brings a call to a skill group: to an agent at once when one is available, else into the
// queue. front puts it before the calls that wait already.
func (m *model) enqueue(c *call, g *group, front bool) {
	m.keyed(c)
	if c.lost {
		if a := m.choose(g); a != nil {
			m.reserve(c, g, a)
			return
		}
	}
	if m.controller && len(g.queue) == 0 {
		if a := m.choose(g); a != nil {
			m.reserve(c, g, a)
			return
		}
	}
	q := m.addLeg(c, legQueue, g.dn, cti.LocalConnectionStateQueued)
	q.callType = cti.CallTypeACDIn
	m.turns++
	q.turn = m.turns
	if front {
		q.turn = 0
	}
	if front {
		g.queue = slices.Insert(g.queue, 0, q)
	} else {
		g.queue = append(g.queue, q)
	}
	m.beginCall(q)
	m.queuedEvent(q)
	// The queue answers: a colleague who called it hears music.
	var tell []*leg
	for _, o := range c.legs {
		if o.kind == legPhone && o.state == cti.LocalConnectionStateConnect && !o.answered {
			o.answered = true
			tell = append(tell, o)
		}
	}
	if len(tell) > 0 {
		m.both(func() {
			for _, o := range tell {
				m.establishedEvent(o, q)
			}
		}, func() { m.refreshAll(tell) })
		m.startAudio(tell)
	}
	m.atEnd(m.dispatch)
}

// keyed gives a call that comes to the router its key, or the next target of that key.
func (m *model) keyed(c *call) {
	if c.key == (routerKey{}) {
		c.key = m.routerKey()
	} else {
		c.key.seq++
	}
}

func (m *model) routerKey() routerKey {
	m.lastRouted++
	return routerKey{day: uint32(time.Now().Unix()/86400) + 2440588, id: m.lastRouted}
}

// parseRouterKey reads the key of a call that another peripheral had; "" is none.
func parseRouterKey(s string) (k routerKey, err error) {
	if s == "" {
		return k, nil
	}
	if n, err := fmt.Sscanf(s, "%d-%d-%d", &k.day, &k.id, &k.seq); n != 3 || err != nil || k.String() != s || k.day == 0 {
		return routerKey{}, fmt.Errorf("%w: %q is not a router key", ErrBadData, s)
	}
	return k, nil
}

func (k routerKey) String() string { return fmt.Sprintf("%d-%d-%d", k.day, k.id, k.seq) }

// choose returns the agent of a group who has been available longest.
func (m *model) choose(g *group) *agent {
	var best *agent
	for _, a := range g.agents {
		if a.state != cti.AgentStateAvailable || a.reserved != nil || len(a.dev.legs) > 0 {
			continue
		}
		if best == nil || a.turn < best.turn {
			best = a
		}
	}
	return best
}

// dispatch gives waiting calls to available agents.
func (m *model) dispatch() {
	if !m.controller || !m.online {
		return
	}
	for {
		var q *leg
		for _, g := range m.groups {
			for _, l := range g.queue {
				if l.call.pending == nil {
					if q == nil || l.turn < q.turn {
						if m.choose(g) != nil {
							q = l
						}
					}
					break
				}
			}
		}
		if q == nil {
			return
		}
		m.reserve(q.call, q.group, m.choose(q.group))
	}
}

// reserve keeps an agent for a call and sends the call to his phone.
func (m *model) reserve(c *call, g *group, a *agent) {
	r := &reservation{agent: a, group: g, call: c}
	a.reserved, c.pending = r, r
	m.setState(a, cti.AgentStateReserved, 0)
	m.preCall(r)
	switch {
	case c.lost:
		r.timer = m.pg.afterFunc(m.cfg.Reservation, func() { m.notArrived(r) })
	case m.cfg.RouteDelay > 0:
		r.timer = m.pg.afterFunc(m.cfg.RouteDelay, func() { m.arrive(r) })
	default:
		m.arrive(r)
	}
}

// arrive lets the routed call ring at the agent's phone.
func (m *model) arrive(r *reservation) {
	c, a := r.call, r.agent
	if c.pending != r {
		return
	}
	c.pending, a.reserved = nil, nil
	if len(a.dev.legs) > 0 {
		// The phone was taken meanwhile: the call goes back to the queue.
		m.abortPreCall(r)
		m.refresh(a)
		if !c.queued() {
			m.enqueue(c, r.group, true)
		}
		return
	}
	for _, l := range slices.Clone(c.legs) {
		if l.kind != legQueue {
			continue
		}
		m.detach(l)
		c.lastRedirect = l
		m.dequeuedEvent(l, cti.EventCauseNone)
		m.clearedConnection(l, cti.EventCauseRedirected)
		m.finish(l)
	}
	m.ring(c, a.dev.number, r.group, cti.CallTypePrerouteACDIn)
}

// notArrived frees an agent whose routed call got lost; after the second one in a row he is taken
// out of routing.
func (m *model) notArrived(r *reservation) {
	a, c := r.agent, r.call
	if a.reserved != r {
		return
	}
	m.abortPreCall(r)
	a.reserved, c.pending = nil, nil
	if a.missed++; a.missed >= 2 {
		a.missed = 0
		a.base = choice{cti.AgentStateNotReady, reasonNotArrived}
	}
	for _, l := range slices.Clone(c.legs) {
		m.detach(l)
		m.finish(l)
	}
	m.forget(c)
	m.refresh(a)
}

// cancelReservation frees a call whose agent went away before it arrived.
func (m *model) cancelReservation(a *agent) {
	r := a.reserved
	if r == nil {
		return
	}
	m.abortPreCall(r)
	a.reserved, r.call.pending = nil, nil
	c := r.call
	if !c.queued() {
		m.enqueue(c, r.group, true)
	}
}

// abortPreCall tells that an announced call does not come.
func (m *model) abortPreCall(r *reservation) {
	if r.timer != nil {
		r.timer.Stop()
	}
	m.preCallAbort(r)
	if r.agent.reserved == r {
		r.agent.reserved = nil
		m.atEnd(func() { m.refresh(r.agent) })
	}
}

// ringNoAnswer takes a routed call away from an agent who does not answer.
func (m *model) ringNoAnswer(l *leg) {
	if l.state != cti.LocalConnectionStateAlerting {
		return
	}
	c, a, g := l.call, l.agent(), l.routed
	if a != nil && !a.desk.AvailableAfterRNA {
		a.base = choice{cti.AgentStateNotReady, reasonNotAnswered}
	}
	m.detach(l)
	c.lastRedirect = l
	m.both(func() {
		m.diverted(l, g.dn, cti.EventCauseCallNotAnswered)
		m.clearedConnection(l, cti.EventCauseRedirected)
	}, func() { m.refresh(a) })
	m.finish(l)
	m.enqueue(c, g, true)
}
