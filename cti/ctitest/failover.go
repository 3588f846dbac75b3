package ctitest

import (
	"context"
	"errors"
	"time"

	"github.com/connects-go/connects/cti"
)

// Errors of a planned change of side.
var (
	// ErrSimplex says that the other side does not run.
	ErrSimplex = errors.New("ctitest: the other side does not run")
	// ErrMaintenanceRefused says that a client said no or nothing within five seconds.
	ErrMaintenanceRefused = errors.New("ctitest: a client refused the maintenance")
	// ErrMaintenanceRunning says that a planned change is under way already.
	ErrMaintenanceRunning = errors.New("ctitest: maintenance is under way")
	// ErrNotActiveStandby says that the gateway is not of the kind that changes sides gracefully.
	ErrNotActiveStandby = errors.New("ctitest: gateway is not in active/standby mode")
)

// maintenancePatience is how long clients may take for an answer, and to stop their requests.
const maintenancePatience = 5 * time.Second

// accepts says whether a side takes ordinary sessions.
func (pg *PG) accepts(s *Side) bool { return pg.cfg.Duplex == BothActive || pg.active == int(s.id) }

// sideUp notes that a side runs; without an active side it becomes active.
func (pg *PG) sideUp(s *Side) {
	if pg.active < 0 && pg.takeover == nil {
		pg.active = int(s.id)
	}
}

// sideDown notes that a side has stopped; the other one takes over.
func (pg *PG) sideDown(s *Side) {
	if u := pg.upkeeping; u != nil {
		u.finish(pg, ErrSimplex)
	}
	if pg.active != int(s.id) {
		return
	}
	pg.active = -1
	take := func() {
		pg.takeover = nil
		for _, o := range []*Side{pg.sides[s.id.Other()], s} {
			if pg.active < 0 && o.Running() {
				pg.activate(o)
			}
		}
	}
	if pg.cfg.FailoverDelay > 0 && !pg.closed.Load() {
		pg.takeover = pg.afterFunc(pg.cfg.FailoverDelay, take)
		return
	}
	take()
}

// activate makes a side the active one. Pending states are lost in every change of side.
func (pg *PG) activate(s *Side) {
	pg.active = int(s.id)
	m := pg.m
	for _, a := range m.agents {
		a.pending, a.wrapAsked = nil, 0
		if pg.cfg.Quirks.FailoverResetsAgents {
			switch {
			case a.reserved != nil:
			case a.inWrapup():
				m.endWrapup(a)
			}
		}
	}
	for _, ses := range m.sessionsOf(s) {
		if !ses.standby {
			continue
		}
		ses.standby = false
		ses.send(&cti.StandbyActiveEvent{})
		m.rebuild(ses)
	}
}

// rebuild sends the events with cause 50 by which an all-events client rebuilds its calls.
func (m *model) rebuild(s *session) {
	if !s.has(serviceAllEvents) {
		return
	}
	for _, c := range m.sortedCalls() {
		for _, l := range c.legs {
			if l.kind != legPhone || !l.began {
				continue
			}
			if s.callMask&maskDelivered != 0 {
				s.send(m.deliveredMessage(c, l, l, cti.EventCauseCallPartyUpdateInd, view{s, 0}))
			}
			if s.callMask&maskEstablished != 0 && l.answered {
				s.send(m.establishedMessage(c, l, l, cti.EventCauseCallPartyUpdateInd, view{s, 0}))
			}
		}
	}
}

// Active returns which side is active; ok is false when none is.
func (pg *PG) Active() (id SideID, ok bool) {
	pg.act(func() { id, ok = SideID(pg.active), pg.active >= 0 })
	return id, ok
}

// Switch makes the other side active at once, as after a failure inside the gateway: sessions of the
// old side get FAILURE_EVENT and lose their connection, its listener stays open as the standby. It
// returns ErrSimplex when the other side does not run.
func (pg *PG) Switch() (err error) {
	pg.act(func() {
		if pg.active < 0 || !pg.sides[SideID(pg.active).Other()].Running() {
			err = ErrSimplex
			return
		}
		pg.change()
	})
	return err
}

// change moves the work to the other side and closes the sessions of the old one.
func (pg *PG) change() {
	old := pg.sides[pg.active]
	sessions := pg.m.sessionsOf(old)
	pg.activate(pg.sides[old.id.Other()])
	for _, s := range sessions {
		s.offline()
		pg.m.endSession(s, true)
	}
}

// maintenance is a planned change of side under way.
type maintenance struct {
	waiting map[*session]bool // have to answer
	leaving map[*session]bool // have to stop their requests
	timer   *time.Timer
	done    chan error
	old     *Side
}

func (u *maintenance) finish(pg *PG, err error) {
	if pg.upkeeping != u {
		return
	}
	pg.upkeeping = nil
	u.timer.Stop()
	u.done <- err
}

// Maintain changes sides as an operator's graceful shutdown of the active side does (protocol version
// 24): every client that keeps sessions to both sides is asked and has to agree within five seconds;
// then the standby side becomes active, and the old sessions end when their clients say that they
// stop their requests, or five seconds later. Other clients lose their connection. It returns
// ErrMaintenanceRefused when a client did not agree; nothing has changed then. The old side goes on
// as the standby.
func (pg *PG) Maintain(ctx context.Context) error {
	u := &maintenance{waiting: map[*session]bool{}, leaving: map[*session]bool{}, done: make(chan error, 1)}
	var err error
	pg.act(func() {
		switch {
		case pg.cfg.Duplex != ActiveStandby:
			err = ErrNotActiveStandby
		case pg.upkeeping != nil:
			err = ErrMaintenanceRunning
		case pg.active < 0 || !pg.sides[SideID(pg.active).Other()].Running():
			err = ErrSimplex
		default:
			pg.askClients(u)
		}
	})
	if err != nil {
		return err
	}
	select {
	case err := <-u.done:
		return err
	case <-ctx.Done():
		pg.act(func() { u.finish(pg, ctx.Err()) })
		return ctx.Err()
	}
}

func (pg *PG) askClients(u *maintenance) {
	pg.upkeeping = u
	u.old = pg.sides[pg.active]
	for _, s := range pg.m.sessionsOf(u.old) {
		if s.maintain && !s.standby {
			u.waiting[s] = true
			s.send(&cti.ActiveMaintenanceReq{InvokeID: s.id})
		}
	}
	u.timer = pg.afterFunc(maintenancePatience, func() {
		if pg.upkeeping == u && len(u.waiting) > 0 {
			pg.cancelMaintenance(u)
		}
	})
	if len(u.waiting) == 0 {
		pg.proceed(u)
	}
}

func (pg *PG) cancelMaintenance(u *maintenance) {
	for _, s := range pg.m.sessionsOf(u.old) {
		if s.maintain && !s.standby {
			s.send(&cti.ActiveMaintenanceEvent{MaintenanceModeStatus: false})
		}
	}
	u.finish(pg, ErrMaintenanceRefused)
}

// maintenanceAnswer takes a client's answer; one no cancels for all.
func (pg *PG) maintenanceAnswer(s *session, yes bool) {
	u := pg.upkeeping
	if u == nil || !u.waiting[s] {
		return
	}
	delete(u.waiting, s)
	switch {
	case !yes:
		pg.cancelMaintenance(u)
	case len(u.waiting) == 0:
		pg.proceed(u)
	}
}

// proceed makes the standby side active.
func (pg *PG) proceed(u *maintenance) {
	sessions := pg.m.sessionsOf(u.old)
	for _, s := range sessions {
		if s.maintain {
			u.leaving[s] = true
			s.send(&cti.ActiveMaintenanceEvent{MaintenanceModeStatus: true})
		}
	}
	pg.activate(pg.sides[u.old.id.Other()])
	for _, s := range sessions {
		if s.maintain {
			s.standby = true // no more events and requests on this side
			continue
		}
		s.offline()
		pg.m.endSession(s, true)
	}
	u.timer.Stop()
	u.timer = pg.afterFunc(maintenancePatience, func() { pg.endLeaving(u) })
	if len(u.leaving) == 0 {
		pg.endLeaving(u)
	}
}

// stopping notes that a client has moved to the other side.
func (pg *PG) stopping(s *session) {
	u := pg.upkeeping
	if u == nil || !u.leaving[s] {
		return
	}
	delete(u.leaving, s)
	s.conn.end()
	pg.m.endSession(s, true)
	if len(u.leaving) == 0 {
		pg.endLeaving(u)
	}
}

func (pg *PG) endLeaving(u *maintenance) {
	if pg.upkeeping != u {
		return
	}
	for s := range u.leaving {
		s.conn.end()
		pg.m.endSession(s, true)
	}
	u.finish(pg, nil)
}

// sessionGone lets a planned change go on without a client that has left.
func (pg *PG) sessionGone(s *session) {
	u := pg.upkeeping
	switch {
	case u == nil:
	case u.waiting[s]:
		delete(u.waiting, s)
		if len(u.waiting) == 0 {
			pg.proceed(u)
		}
	case u.leaving[s]:
		delete(u.leaving, s)
		if len(u.leaving) == 0 {
			pg.m.atEnd(func() { pg.endLeaving(u) })
		}
	}
}

// SetPeripheral takes the link between the gateway and the switch down or up. While it is down,
// control requests fail, and unless the quirk LingerOffline is set every call ends for the clients;
// the voice calls go on and begin anew for the clients when the link is back.
func (pg *PG) SetPeripheral(online bool) {
	pg.act(func() {
		m := pg.m
		if m.online == online {
			return
		}
		m.online = online
		if online {
			m.silent = false
		}
		for _, s := range m.sessions {
			s.send(m.peripheralStatus())
		}
		if !m.cfg.Quirks.LingerOffline {
			for _, c := range m.sortedCalls() {
				for _, l := range c.legs {
					switch {
					case l.kind == legExternal:
					case !online:
						m.endCall(l)
					case !l.began:
						m.beginCall(l)
					}
				}
			}
		}
		if !online {
			m.silent = true
			return
		}
		for _, a := range m.agents {
			if a.untold {
				m.agentEvent(a)
			}
		}
		m.atEnd(m.dispatch)
	})
}

// SetController takes the link to the central controller down or up. Without it nothing is routed:
// calls to a skill group wait.
func (pg *PG) SetController(online bool) {
	pg.act(func() {
		m := pg.m
		if m.controller == online {
			return
		}
		m.controller = online
		id := cti.SystemEventIDCentralControllerOffline
		if online {
			id = cti.SystemEventIDCentralControllerOnline
			m.atEnd(m.dispatch)
		}
		for _, s := range m.sessions {
			s.send(m.system(id))
		}
	})
}
