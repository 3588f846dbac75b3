package crm

import (
	"strconv"
	"strings"
	"sync"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm/lang"
	"github.com/connects-go/connects/internal/crm/presence"
)

// presenceIndex holds what other agents see of an agent. Searches read an
// immutable index of written rows and never enter the strand.
type presenceIndex struct {
	c     *Connector
	index *presence.Index[ici.Row]
	// logins leads from a login name in small letters to an agent id; any goroutine.
	logins sync.Map

	// people belongs to the strand: everybody known at an ACD.
	people map[acdKey]*somebody
}

// somebody is an agent of an ACD, whether or not he works with SAP.
type somebody struct {
	Person
	owner    *agent // who is logged on as this agent, nil: nobody of ours
	known    bool   // the ACD reported a state
	acd      cti.AgentState
	reported string // extension that the ACD reported
}

// maxPeople bounds the agents that are known: those of ten of the largest peripherals.
const maxPeople = 120000

func newPresence(c *Connector) *presenceIndex {
	p := &presenceIndex{c: c, people: map[acdKey]*somebody{}}
	p.index = presence.New(p.encode)
	return p
}

// systemUser carries the SAP system beside the user, since users are unique
// within one system only.
func systemUser(k agentKey) string { return k.system + "\x00" + k.user }

// view names the rows of one SAP system in one language.
func view(system, code string) string { return system + "\x00" + code }

// encode writes the row of an agent for a system and a language.
func (p *presenceIndex) encode(e *presence.Entry, v string) ici.Row {
	system, code, _ := strings.Cut(v, "\x00")
	info := p.info(e, system, code)
	return p.c.profile.EncodeRow(&info)
}

func (p *presenceIndex) info(e *presence.Entry, system, code string) ici.PresenceInfo {
	c, cat := p.c, p.c.texts.cat(code)
	info := ici.PresenceInfo{Name: e.Name(), Channel: c.profile.Code(ici.ChannelTypeTelephony), Address: e.Address}
	if s, u, ok := strings.Cut(e.UserID, "\x00"); ok && s == system {
		info.UserID = u
	}
	if info.Name == "" {
		info.Name = firstOf(info.UserID, e.AgentID)
	}
	st := ici.PresenceStatusLoggedOff
	switch e.Status {
	case presence.Available:
		st = ici.PresenceStatusAvailable
	case presence.Busy:
		st = ici.PresenceStatusBusy
	}
	info.PresenceStatus = c.profile.Element(st, cat.Text(lang.PresenceStatus, strconv.Itoa(int(e.Status))))
	if e.Status == presence.Available && e.Address != "" {
		// What SAP offers for an available user (SAP Help, Presence Status).
		for _, code := range []ici.Code{ici.CapabilityMakeCall, ici.CapabilityBlindTransfer, ici.CapabilityWarmTransfer} {
			id := c.profile.Code(code)
			info.CapabilityList = append(info.CapabilityList, ici.TextElement{ID: id, Description: cat.Text(lang.Capability, id)})
		}
	}
	return info
}

func (p *presenceIndex) get(per uint32, id string) *somebody {
	k := acdKey{per, id}
	s := p.people[k]
	if s == nil && id != "" && len(p.people) < maxPeople {
		s = &somebody{Person: Person{Peripheral: per, AgentID: id}}
		p.people[k] = s
	}
	return s
}

// person takes over what a configuration says.
func (p *presenceIndex) person(n Person) {
	s := p.get(n.Peripheral, n.AgentID)
	if s == nil {
		return
	}
	if s.LoginName != "" && s.LoginName != n.LoginName {
		p.logins.Delete(strings.ToLower(s.LoginName))
	}
	s.Person = Person{Peripheral: n.Peripheral, AgentID: n.AgentID,
		FirstName: firstOf(n.FirstName, s.FirstName), LastName: firstOf(n.LastName, s.LastName),
		LoginName: firstOf(n.LoginName, s.LoginName), Extension: firstOf(n.Extension, s.Extension)}
	if s.LoginName != "" {
		p.logins.Store(strings.ToLower(s.LoginName), s.AgentID)
	}
	p.put(s)
}

// forget takes out an agent whom the configuration does not have any more.
func (p *presenceIndex) forget(per uint32, id string) {
	k := acdKey{per, id}
	if s := p.people[k]; s != nil && s.owner == nil {
		p.logins.Delete(strings.ToLower(s.LoginName))
		delete(p.people, k)
		p.index.Remove(s.key())
	}
}

// state takes over a state that the ACD reports.
func (p *presenceIndex) state(per uint32, id, ext string, st cti.AgentState) {
	s := p.get(per, id)
	if s == nil {
		return
	}
	s.known, s.acd = true, st
	if ext != "" {
		s.reported = ext
	}
	if st == cti.AgentStateLogout {
		s.reported = ""
	}
	if s.owner == nil {
		p.put(s)
	}
}

// owner notes which of our agents is logged on with an agent id; nil: none.
func (p *presenceIndex) owner(per uint32, id string, a *agent) {
	if s := p.get(per, id); s != nil {
		s.owner = a
		p.put(s)
	}
}

// changed takes over the state of one of our agents.
func (p *presenceIndex) changed(a *agent) {
	if a.rec.AgentID == "" {
		return
	}
	if s := p.people[acdKey{a.rec.Peripheral, a.rec.AgentID}]; s != nil && s.owner == a {
		p.put(s)
	}
}

func (s *somebody) key() string {
	return strconv.FormatUint(uint64(s.Peripheral), 10) + "/" + s.AgentID
}

// put writes somebody into the index; without a change that costs next to nothing.
func (p *presenceIndex) put(s *somebody) {
	e := presence.Entry{Key: s.key(), AgentID: s.AgentID, FirstName: s.FirstName, LastName: s.LastName,
		Address: p.c.dial.toSAP(firstOf(s.reported, s.Extension)), Status: presence.LoggedOff}
	if a := s.owner; a != nil && a.rec.LoggedOn {
		e.UserID = systemUser(a.key)
		e.Address = p.c.dial.toSAP(firstOf(a.rec.Extension, a.rec.Device))
		e.Status = presence.Available
		if !a.subscribed || a.inCall() || a.busy() {
			// In a call, or logged off from SAP only.
			e.Status = presence.Busy
		}
	} else if s.known && s.acd != cti.AgentStateLogout && s.acd != cti.AgentStateUnknown {
		e.Status = presence.Busy // at the telephone, not in SAP
	}
	if e.FirstName == "" && e.LastName == "" && s.owner != nil {
		e.LastName = s.owner.key.user
	}
	p.index.Put(e)
}

// busy: a call is being offered, or the ACD says that the agent is occupied.
func (a *agent) busy() bool {
	for _, it := range a.items {
		if it.status == statusOffered {
			return true
		}
	}
	return a.acdKnown && inCallState(a.acd)
}

// name is the agent's name, or empty. It is for the strand.
func (p *presenceIndex) name(per uint32, id string) string {
	s := p.people[acdKey{per, id}]
	switch {
	case s == nil:
		return ""
	case s.FirstName == "":
		return s.LastName
	case s.LastName == "":
		return s.FirstName
	}
	return s.FirstName + " " + s.LastName
}

// byLoginName finds an agent id; any goroutine.
func (p *presenceIndex) byLoginName(name string) string {
	if id, ok := p.logins.Load(strings.ToLower(strings.TrimSpace(name))); ok {
		return id.(string)
	}
	return ""
}

// relabel has all rows written anew: texts changed.
func (p *presenceIndex) relabel() { p.index.Invalidate() }

// getPresence answers a search. Any number of them run at a time, beside the
// strand.
func (c *Connector) getPresence(r *ici.Request) (ici.Value, error) {
	code := c.texts.cat(r.Language).Code()
	if ch := strings.TrimSpace(r.Text(ici.ParamChannel)); ch != "" && c.profile.CodeOf(ici.EnumChannelType, ch) != ici.ChannelTypeTelephony {
		return ici.Rows{}, nil
	}
	term := r.Text(ici.ParamSearchTerm)
	if ids := r.List(ici.ParamUserIDs); term == "" && len(ids) > 0 {
		return c.presenceOf(r.System, code, ids), nil
	}
	q, err := presence.ParseQuery(term)
	if err != nil {
		return nil, c.faultText(r, ici.FaultGeneric, "searchTerm", err)
	}
	return ici.Rows(c.pres.index.Rows(q, view(r.System, code))), nil
}

// maxPresenceIDs bounds a request for certain users.
const maxPresenceIDs = 1000

// presenceOf answers for certain users; one who is not here is logged off.
func (c *Connector) presenceOf(system, code string, ids []string) ici.Value {
	want := map[string]int{}
	list := make(ici.PresenceInfoList, 0, len(ids))
	off := presence.Entry{Status: presence.LoggedOff}
	for _, id := range ids {
		if id = fold(id); id == "" || len(list) >= maxPresenceIDs {
			continue
		}
		if _, twice := want[id]; twice {
			continue
		}
		want[id] = len(list)
		info := c.pres.info(&off, system, code)
		info.UserID, info.Name = id, id
		list = append(list, info)
	}
	for e := range c.pres.index.Entries(presence.Query{}) {
		if s, u, ok := strings.Cut(e.UserID, "\x00"); ok && s == system {
			if i, ok := want[u]; ok {
				list[i] = c.pres.info(e, system, code)
			}
		}
	}
	return list
}

// presence shows a changed agent to the others.
func (c *Connector) presence(a *agent) { c.pres.changed(a) }
