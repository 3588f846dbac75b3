package crm

import (
	"sync/atomic"
	"time"
)

// counters are the connector's numbers; any goroutine.
type counters struct {
	events, requests, requestErrors, served, faults, notified, notifyErrors atomic.Uint64
	linkLosses, gone, saves, saveErrors, saveConflicts, adopted, lost       atomic.Uint64
	callsRefused, dataRefused, panics, shareWrites, shareTaken              atomic.Uint64
	lastRequest                                                             atomic.Int64
}

// Stats is a snapshot of a connector's numbers. Counters run since New.
type Stats struct {
	Agents     int            // known: with a SAP session, or logged on
	LoggedOn   int            // at the ACD
	Subscribed int            // with a SAP session
	Stale      int            // whose state is the last known, because the switch is away
	Calls      int            // of the switch, with or without our agents
	Items      map[string]int // calls at agents' desktops, by state
	Modes      map[int]int    // agents by the work mode that SAP shows

	Events        uint64 // of the switch
	Requests      uint64 // to the switch
	RequestErrors uint64
	Served        uint64 // requests of SAP
	Faults        uint64 // of which were refused
	Notified      uint64 // events handed to the notifier
	NotifyErrors  uint64 // not taken by it
	LinkLosses    uint64
	SAPGone       uint64 // sessions of SAP that died
	Saves         uint64 // writes of session records
	SaveErrors    uint64
	SaveConflicts uint64
	Adopted       uint64 // agents taken over from other connectors
	Lost          uint64 // agents taken over by other connectors
	CallsRefused  uint64 // calls above MaxCalls
	DataRefused   uint64 // call data that the switch did not take
	Defects       uint64 // panics that were caught

	Shared       int    // router keys whose attached data are followed; 0 while the connector is alone
	SharedWrites uint64 // attached data written for other connectors
	SharedTaken  uint64 // attached data taken from them

	LastRequest time.Time // of SAP; zero: none yet
	Links       []LinkStats
}

// LinkStats is the state of a link.
type LinkStats struct {
	Name  string
	Side  string // of the session, or of the last one
	Up    bool   // a session is open
	Ready bool   // and the state of the switch has been read
	Err   string // why it is down
}

// AgentInfo is one agent, for consoles.
type AgentInfo struct {
	System, User        string
	AgentID, Device     string
	Peripheral          uint32
	Name                string
	Workmode, Pending   int
	ACDState            string // last reported, empty: none
	LoggedOn            bool
	Subscribed          bool
	Stale               bool
	Language            string
	Channels            []string
	Calls               []CallInfo
	WaitingForTheSwitch int // requests
}

// CallInfo is one call at an agent's desktop, for consoles.
type CallInfo struct {
	ID         string // item id
	CallID     uint32 // of the switch, 0: not told yet
	Peripheral uint32
	User       string
	Status     string
	Direction  string
	Remote     []string
	Dialed     string
	Queue      string
	Consult    string // item id of the other half of a consultation
	Since      time.Time
}

// Stats returns a snapshot. It waits for the strand for a moment.
func (c *Connector) Stats() Stats {
	s := Stats{
		Items: map[string]int{}, Modes: map[int]int{},
		Events: c.stats.events.Load(), Requests: c.stats.requests.Load(), RequestErrors: c.stats.requestErrors.Load(),
		Served: c.stats.served.Load(), Faults: c.stats.faults.Load(), Notified: c.stats.notified.Load(),
		NotifyErrors: c.stats.notifyErrors.Load(), LinkLosses: c.stats.linkLosses.Load(), SAPGone: c.stats.gone.Load(),
		Saves: c.stats.saves.Load(), SaveErrors: c.stats.saveErrors.Load(), SaveConflicts: c.stats.saveConflicts.Load(),
		Adopted: c.stats.adopted.Load(), Lost: c.stats.lost.Load(), CallsRefused: c.stats.callsRefused.Load(),
		DataRefused: c.stats.dataRefused.Load(), Defects: c.stats.panics.Load(),
		SharedWrites: c.stats.shareWrites.Load(), SharedTaken: c.stats.shareTaken.Load(),
	}
	if t := c.stats.lastRequest.Load(); t != 0 {
		s.LastRequest = time.Unix(0, t)
	}
	c.look(func() {
		s.Agents, s.Calls, s.Shared = len(c.agents), len(c.calls), len(c.shares.byKey)
		for _, a := range c.agents {
			if a.rec.LoggedOn {
				s.LoggedOn++
			}
			if a.subscribed {
				s.Subscribed++
			}
			if a.stale {
				s.Stale++
			}
			s.Modes[a.shownMode()]++
			for _, it := range a.items {
				s.Items[it.status.String()]++
			}
		}
		for _, l := range c.order {
			s.Links = append(s.Links, l.stats())
		}
	})
	return s
}

// look runs f on the strand and waits for it; after Stop it runs f at once,
// since nothing changes any more.
func (c *Connector) look(f func()) {
	if err := c.st.do(c.ctx, f); err != nil {
		c.st.mu.Lock()
		closed := c.st.closed && !c.st.running
		c.st.mu.Unlock()
		if closed {
			f()
		}
	}
}

func (l *Link) stats() LinkStats {
	s := LinkStats{Name: l.name, Side: l.side, Up: l.up, Ready: l.ready}
	if l.err != nil {
		s.Err = l.err.Error()
	}
	return s
}

// Links returns the state of the links, in the order of the configuration.
func (c *Connector) Links() []LinkStats {
	var out []LinkStats
	c.look(func() {
		for _, l := range c.order {
			out = append(out, l.stats())
		}
	})
	return out
}

// Agents returns all agents, in no order.
func (c *Connector) Agents() []AgentInfo {
	var out []AgentInfo
	c.look(func() {
		out = make([]AgentInfo, 0, len(c.agents))
		for _, a := range c.agents {
			i := AgentInfo{System: a.key.system, User: a.key.user, AgentID: a.rec.AgentID, Device: a.rec.Device,
				Peripheral: a.rec.Peripheral, Name: c.pres.name(a.rec.Peripheral, a.rec.AgentID),
				Workmode: a.shownMode(), Pending: a.rec.Pending, LoggedOn: a.rec.LoggedOn, Subscribed: a.subscribed,
				Stale: a.stale, Language: a.rec.Lang, Channels: a.rec.Channels, WaitingForTheSwitch: len(a.reqs)}
			if a.acdKnown {
				i.ACDState = a.acd.String()
			}
			for _, it := range a.items {
				i.Calls = append(i.Calls, it.info())
			}
			out = append(out, i)
		}
	})
	return out
}

// Calls returns all calls at agents' desktops, in no order.
func (c *Connector) Calls() []CallInfo {
	var out []CallInfo
	c.look(func() {
		out = make([]CallInfo, 0, len(c.items))
		for _, it := range c.items {
			out = append(out, it.info())
		}
	})
	return out
}

func (it *item) info() CallInfo {
	i := CallInfo{ID: it.id, User: it.ag.key.user, Peripheral: it.ag.rec.Peripheral, Status: it.status.String(),
		Direction: it.direction, Remote: append([]string(nil), it.remote...), Dialed: it.dialed, Queue: it.queue, Since: it.created}
	if it.call != nil {
		i.CallID = it.call.key.id
	}
	if it.partner != nil {
		i.Consult = it.partner.id
	}
	return i
}
