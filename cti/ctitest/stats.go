package ctitest

import (
	"time"

	"github.com/connects-go/connects/cti"
)

// statCounters count what an agent did.
type statCounters struct {
	times                            [16]time.Duration // by state
	in, out, inside, heldIn, heldOut uint32
	talkIn, talkOut, work            time.Duration
}

// agentStats are the counters since the login and since the start of the gateway, which stands
// for "today".
type agentStats struct {
	session, today statCounters
}

func (s *agentStats) each(f func(c *statCounters)) {
	f(&s.session)
	f(&s.today)
}

// leave counts time spent in a state.
func (s *agentStats) leave(st cti.AgentState, d time.Duration) {
	s.each(func(c *statCounters) {
		if int(st) < len(c.times) {
			c.times[st] += d
		}
		if st == cti.AgentStateWorkReady || st == cti.AgentStateWorkNotReady {
			c.work += d
		}
	})
}

// held counts a call put on hold.
func (s *agentStats) held(l *leg) {
	s.each(func(c *statCounters) {
		if l.called {
			c.heldIn++
		} else {
			c.heldOut++
		}
	})
}

// ended counts a conversation.
func (s *agentStats) ended(l *leg) {
	d := time.Since(l.call.since)
	s.each(func(c *statCounters) {
		switch {
		case !l.called:
			c.out++
			c.talkOut += d
		case l.routed == nil:
			c.inside++
			fallthrough
		default:
			c.in++
			c.talkIn += d
		}
	})
}

func secs(d time.Duration) uint32 { return uint32(d / time.Second) }

func (m *model) agentStatistics(s *session, r *cti.QueryAgentStatisticsReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	a := m.agentBy(r.AgentID, r.AgentExtension, r.AgentInstrument)
	if a == nil {
		return nil, status(cti.StatusCodeInvalidAgentData)
	}
	if !a.loggedIn() {
		return nil, status(cti.StatusCodeAgentNotLoggedOn)
	}
	st := a.stats
	st.leave(a.state, time.Since(a.since)) // a copy: what is not counted yet
	x, y := &st.session, &st.today
	on := secs(time.Since(a.loggedOn))
	onToday := uint32(0)
	for i, t := range y.times {
		if cti.AgentState(i) != cti.AgentStateLogout {
			onToday += secs(t)
		}
	}
	avail, notReady := cti.AgentStateAvailable, cti.AgentStateNotReady
	return &cti.QueryAgentStatisticsConf{PeripheralID: m.pid, AgentID: a.id, AgentExtension: a.dev.number, AgentInstrument: a.dev.number,
		AvailTimeSession: secs(x.times[avail]), LoggedOnTimeSession: on, NotReadyTimeSession: secs(x.times[notReady]),
		ICMAvailableTimeSession: secs(x.times[avail]), RoutableTimeSession: on,
		AgentOutCallsSession: x.out, AgentOutCallsTalkTimeSession: secs(x.talkOut), AgentOutCallsTimeSession: secs(x.talkOut),
		AgentOutCallsHeldSession: x.heldOut, HandledCallsSession: x.in, HandledCallsTalkTimeSession: secs(x.talkIn),
		HandledCallsAfterCallTimeSession: secs(x.work), HandledCallsTimeSession: secs(x.talkIn + x.work),
		IncomingCallsHeldSession: x.heldIn, InternalCallsRcvdSession: x.inside,
		AvailTimeToday: secs(y.times[avail]), LoggedOnTimeToday: onToday, NotReadyTimeToday: secs(y.times[notReady]),
		ICMAvailableTimeToday: secs(y.times[avail]), RoutableTimeToday: onToday,
		AgentOutCallsToday: y.out, AgentOutCallsTalkTimeToday: secs(y.talkOut), AgentOutCallsTimeToday: secs(y.talkOut),
		AgentOutCallsHeldToday: y.heldOut, HandledCallsToday: y.in, HandledCallsTalkTimeToday: secs(y.talkIn),
		HandledCallsAfterCallTimeToday: secs(y.work), HandledCallsTimeToday: secs(y.talkIn + y.work),
		IncomingCallsHeldToday: y.heldIn, InternalCallsRcvdToday: y.inside,
	}, nil
}

func (m *model) groupStatistics(s *session, r *cti.QuerySkillGroupStatisticsReq) (cti.Confirm, *refusal) {
	if r.PeripheralID != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	g := m.groupByNo[r.SkillGroupNumber]
	if r.SkillGroupNumber == null32 {
		for _, o := range m.groups {
			if o.id == r.SkillGroupID {
				g = o
			}
		}
	}
	if g == nil {
		return nil, status(cti.StatusCodeInvalidSkillGroup)
	}
	c := &cti.QuerySkillGroupStatisticsConf{PeripheralID: m.pid, SkillGroupNumber: g.number, SkillGroupID: g.id}
	for _, a := range g.agents {
		if !a.loggedIn() {
			continue
		}
		c.AgentsLoggedOn++
		switch a.groupState(g, len(a.groups) > 0 && a.groups[0] == g) {
		case cti.AgentStateAvailable:
			c.AgentsAvail++
			c.AgentsReady++
			c.AgentsICMAvailable++
		case cti.AgentStateNotReady:
			c.AgentsNotReady++
		case cti.AgentStateTalking:
			if a.lastLeg != nil && !a.lastLeg.called {
				c.AgentsTalkingOut++
			} else {
				c.AgentsTalkingIn++
			}
		case cti.AgentStateHold:
			c.AgentsHold++
		case cti.AgentStateReserved:
			c.AgentsReserved++
		case cti.AgentStateWorkReady:
			c.AgentsWorkReady++
		case cti.AgentStateWorkNotReady:
			c.AgentsWorkNotReady++
		case cti.AgentStateBusyOther:
			c.AgentsBusyOther++
		}
		c.HandledCallsTo5 += a.stats.session.in
		c.AgentOutCallsTo5 += a.stats.session.out
	}
	c.RouterCallsQNow, c.CallsQNow = uint32(len(g.queue)), uint32(len(g.queue))
	for _, l := range g.queue {
		n := seconds(l.since)
		c.CallsQTimeNow += n
		c.LongestCallQNow = max(c.LongestCallQNow, n)
	}
	c.LongestRouterCallQNow = c.LongestCallQNow
	return c, nil
}
