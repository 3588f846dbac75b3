package ctitest

import (
	"fmt"
	"strings"

	"github.com/connects-go/connects/cti"
)

// stateName is the name of a state without its prefix.
func stateName(s fmt.Stringer) string {
	n := s.String()
	for _, p := range []string{"AGENT_STATE_", "LCS_"} {
		if rest, ok := strings.CutPrefix(n, p); ok {
			return rest
		}
	}
	return n
}

// Agents returns all agents in the order of the configuration.
func (pg *PG) Agents() []AgentInfo {
	var out []AgentInfo
	pg.act(func() {
		out = make([]AgentInfo, 0, len(pg.m.agents))
		for _, a := range pg.m.agents {
			out = append(out, pg.agentInfo(a))
		}
	})
	return out
}

// Agent returns one agent.
func (pg *PG) Agent(id string) (info AgentInfo, ok bool) {
	pg.act(func() {
		if a := pg.m.agentByID[id]; a != nil {
			info, ok = pg.agentInfo(a), true
		}
	})
	return info, ok
}

func (pg *PG) agentInfo(a *agent) AgentInfo {
	info := AgentInfo{ID: a.id, FirstName: pg.decode(a.first), LastName: pg.decode(a.last), Device: a.extension,
		State: stateName(a.state), Reason: a.reason, Since: a.since, SkillGroups: []uint32{}, Calls: []uint32{}}
	if next, ok := a.announced(); ok && (a.pending != nil || a.inCall()) {
		info.Pending = stateName(next)
	}
	for _, g := range a.groups {
		info.SkillGroups = append(info.SkillGroups, g.number)
	}
	if a.loggedIn() {
		info.Device = a.dev.number
		for _, l := range a.dev.legs {
			info.Calls = append(info.Calls, l.call.id)
		}
	}
	return info
}

// Calls returns all calls by id.
func (pg *PG) Calls() []CallInfo {
	out := []CallInfo{}
	pg.act(func() {
		for _, c := range pg.m.sortedCalls() {
			out = append(out, pg.callInfo(c))
		}
	})
	return out
}

// Call returns one call.
func (pg *PG) Call(id uint32) (info CallInfo, ok bool) {
	pg.act(func() {
		if c := pg.m.calls[id]; c != nil {
			info, ok = pg.callInfo(c), true
		}
	})
	return info, ok
}

func (pg *PG) callInfo(c *call) CallInfo {
	d := &c.data
	info := CallInfo{ID: c.id, From: pg.decode(c.from), To: c.to, State: "ROUTED", Since: c.since, Parties: []PartyInfo{},
		Variables: map[string]string{}, ECC: map[string]string{}, Wrapup: pg.decode(d.wrapup), DTMF: c.dtmf}
	if c.consultOf != nil {
		info.ConsultOf = c.consultOf.id
	}
	if c.key != (routerKey{}) {
		info.RouterKey = c.key.String()
	}
	for i, v := range d.vars {
		if v != "" {
			info.Variables[fmt.Sprintf("CV%02d", i+1)] = pg.decode(v)
		}
	}
	for n, v := range d.ecc {
		info.ECC[n] = pg.decode(v)
	}
	for n, a := range d.arrays {
		if info.ECCArrays == nil {
			info.ECCArrays = map[string][]string{}
		}
		list := []string{}
		for i := range pg.m.ecc[n].size {
			if v, ok := a[uint8(i)]; ok {
				for len(list) < i {
					list = append(list, "")
				}
				list = append(list, pg.decode(v))
			}
		}
		info.ECCArrays[n] = list
	}
	var queued, alerting, held, talking int
	phones := 0
	for _, l := range c.legs {
		p := PartyInfo{Device: pg.decode(l.number), State: stateName(l.state)}
		switch l.kind {
		case legQueue:
			p.Kind = "queue"
			queued++
		case legExternal:
			p.Kind = "external"
		case legPhone:
			p.Kind = "phone"
			phones++
			if a := l.agent(); a != nil {
				p.Kind, p.Agent = "agent", a.id
			}
		}
		switch {
		case l.state == cti.LocalConnectionStateAlerting:
			alerting++
		case l.state == cti.LocalConnectionStateHold:
			held++
		case l.kind == legPhone && l.talking():
			talking++
		}
		info.Parties = append(info.Parties, p)
	}
	switch {
	case held > 0 && talking < phones:
		info.State = "HELD"
	case alerting > 0:
		info.State = "RINGING"
	case queued > 0:
		info.State = "QUEUED"
	case talking > 0:
		info.State = "ANSWERED"
	case phones > 0:
		info.State = "DIALING"
	}
	return info
}

// SkillGroups returns the skill groups in the order of the configuration.
func (pg *PG) SkillGroups() []SkillGroupInfo {
	var out []SkillGroupInfo
	pg.act(func() {
		for _, g := range pg.m.groups {
			info := SkillGroupInfo{Number: g.number, Name: pg.decode(g.name), DialedNumber: g.dn, Queued: []uint32{}}
			for _, a := range g.agents {
				if a.loggedIn() {
					info.LoggedOn++
				}
				if a.state == cti.AgentStateAvailable {
					info.Available++
				}
			}
			for _, l := range g.queue {
				info.Queued = append(info.Queued, l.call.id)
			}
			out = append(out, info)
		}
	})
	return out
}

// Sides returns both sides with their sessions.
func (pg *PG) Sides() []SideInfo {
	var out []SideInfo
	pg.act(func() {
		for _, s := range pg.sides {
			s.mu.Lock()
			info := SideInfo{Side: s.id.String(), Running: s.ln != nil, Stalled: s.stall,
				Active: pg.accepts(s) && s.ln != nil, Sessions: []SessionInfo{}}
			if s.addr != nil {
				info.Addr = s.addr.String()
			}
			s.mu.Unlock()
			for _, ses := range pg.m.sessionsOf(s) {
				i := SessionInfo{Conn: ses.conn.id, ID: ses.id, Remote: ses.conn.nc.RemoteAddr().String(), Client: ses.client,
					Version: int(ses.version), Services: uint32(ses.services), Monitors: len(ses.monitors)}
				if ses.dev != nil {
					i.Device = ses.dev.number
				}
				info.Sessions = append(info.Sessions, i)
			}
			out = append(out, info)
		}
	})
	return out
}
