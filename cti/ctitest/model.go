package ctitest

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/connects-go/connects/cti"
)

// model is the switch with its agents, phones, queues and calls. Only functions that run on the
// owner touch it. Text in it is as on the wire, in the gateway's character set.
type model struct {
	pg  *PG
	cfg *Config
	pid uint32

	agents    []*agent
	agentByID map[string]*agent
	byTarget  map[int32]*agent
	devices   map[string]*device
	groups    []*group
	groupByNo map[uint32]*group
	groupByDN map[string]*group
	eccOrder  []*eccDef
	ecc       map[string]*eccDef

	calls      map[uint32]*call
	ended      map[connKey]*leg // call data may still be written
	lastCall   uint32
	lastRouted uint32
	legSeq     uint32
	turns      uint64

	sessions    []*session
	lastSession uint32
	lastMonitor uint32
	configKey   uint64

	online     bool // link to the switch
	controller bool // link to the central controller
	silent     bool // nothing that happens is told, because the link to the switch is down

	// after holds work that has to wait until the events of the running action are out.
	after []func()
}

// connKey names a connection of a call.
type connKey struct {
	call uint32
	id   string
}

type eccDef struct {
	name    string
	max     int
	size    int // 0 = scalar
	ordinal int
}

type group struct {
	number, id uint32
	name, dn   string
	agents     []*agent
	queue      []*leg // queue legs, the longest waiting first
}

// device is a phone.
type device struct {
	number string
	name   string
	owner  *agent // usual user, nil for other phones
	agent  *agent // logged in now
	legs   []*leg
	config bool // has a configuration record of its own
}

type legKind int

const (
	legPhone legKind = iota
	legExternal
	legQueue
)

// leg is a connection of a call: one device's part in it.
type leg struct {
	call   *call
	kind   legKind
	dev    *device // phones
	group  *group  // queues
	number string
	id     string // ConnectionDeviceID
	idType cti.ConnectionDeviceIDType
	state  cti.LocalConnectionState

	callType cti.CallType
	began    bool   // BEGIN_CALL_EVENT sent, END_CALL_EVENT not yet
	called   bool   // the call came to this device
	answered bool   // was connected to somebody
	routed   *group // brought here by the router
	audio    bool   // RTP runs
	since    time.Time
	turn     uint64 // order of waiting
	timers   []*time.Timer
	gone     bool
	with     []*device // phones that were in the call when the connection ended
}

// call is a call with all its connections.
type call struct {
	id           uint32
	legs         []*leg
	from, to     string
	dnis         string
	lastRedirect *leg
	data         callData
	key          routerKey
	consultOf    *call
	initiator    *device // who made the consultation call
	controller   *device // of the conference
	since        time.Time
	dtmf         string
	lost         bool // the routed call never arrives
	pending      *reservation
	inbound      bool
}

type routerKey struct {
	day, id, seq uint32
}

// reservation is an agent who waits for a routed call.
type reservation struct {
	agent *agent
	group *group
	call  *call
	timer *time.Timer
}

func newModel(pg *PG, cfg *Config) *model {
	m := &model{
		pg: pg, cfg: cfg, pid: cfg.PeripheralID,
		agentByID: map[string]*agent{}, byTarget: map[int32]*agent{},
		devices: map[string]*device{}, groupByNo: map[uint32]*group{}, groupByDN: map[string]*group{},
		ecc: map[string]*eccDef{}, calls: map[uint32]*call{}, ended: map[connKey]*leg{},
		lastCall: 16777216, lastRouted: max(cfg.FirstRouterKey, 1) - 1, online: true, controller: true, configKey: 1,
	}
	for _, g := range cfg.SkillGroups {
		gr := &group{number: g.Number, id: g.ID, name: pg.encode(g.Name), dn: g.DialedNumber}
		if gr.id == 0 {
			gr.id = 100000 + g.Number
		}
		m.groups = append(m.groups, gr)
		m.groupByNo[gr.number], m.groupByDN[gr.dn] = gr, gr
	}
	for i, e := range cfg.ECC {
		d := &eccDef{name: e.Name, max: e.MaxLength, size: e.Size, ordinal: i}
		m.eccOrder = append(m.eccOrder, d)
		m.ecc[e.Name] = d
	}
	for _, d := range cfg.Devices {
		m.devices[d.Extension] = &device{number: d.Extension, name: pg.encode(d.Name), config: true}
	}
	now := time.Now()
	for i := range cfg.Agents {
		m.addAgent(&cfg.Agents[i], now)
	}
	return m
}

func (m *model) addAgent(c *AgentConfig, now time.Time) *agent {
	a := &agent{
		id: c.ID, first: m.pg.encode(c.FirstName), last: m.pg.encode(c.LastName), login: m.pg.encode(c.LoginName),
		password: string(c.Password), extension: c.Extension, target: c.SkillTargetID,
		desk: m.cfg.Desk, supervisor: c.Supervisor, locked: c.Locked, sso: c.SSO,
		state: cti.AgentStateLogout, since: now, ordinal: len(m.agents),
	}
	if a.login == "" {
		a.login = a.id
	}
	if c.Desk != nil {
		a.desk = *c.Desk
	}
	if a.target == 0 {
		a.target = int32(200000 + len(m.agents))
	}
	for _, n := range c.SkillGroups {
		g := m.groupByNo[n]
		a.groups = append(a.groups, g)
		g.agents = append(g.agents, a)
	}
	d := m.devices[c.Extension]
	if d == nil {
		d = &device{number: c.Extension}
		m.devices[c.Extension] = d
	}
	d.owner = a
	m.agents = append(m.agents, a)
	m.agentByID[a.id], m.byTarget[a.target] = a, a
	return a
}

// newCall makes a call without connections.
func (m *model) newCall(from, to string) *call {
	m.lastCall++
	c := &call{id: m.lastCall, from: from, to: to, since: time.Now()}
	m.calls[c.id] = c
	return c
}

// addLeg adds a connection to a call.
func (m *model) addLeg(c *call, kind legKind, number string, state cti.LocalConnectionState) *leg {
	m.legSeq++
	l := &leg{call: c, kind: kind, number: number, state: state, since: time.Now(), id: number,
		idType: cti.ConnectionDeviceIDTypeStatic}
	switch kind {
	case legPhone:
		l.dev = m.devices[number]
		l.dev.legs = append(l.dev.legs, l)
	case legExternal:
		l.idType = cti.ConnectionDeviceIDTypeDynamic
		l.id = "E" + strconv.FormatUint(uint64(m.legSeq), 10)
	case legQueue:
		l.group = m.groupByDN[number]
	}
	if m.cfg.Quirks.OpaqueConnectionIDs {
		l.id = "c" + strconv.FormatUint(uint64(m.legSeq)*2654435761%1000003, 36) + "." + strconv.FormatUint(uint64(m.legSeq), 36)
	}
	c.legs = append(c.legs, l)
	return l
}

func (l *leg) key() connKey { return connKey{l.call.id, l.id} }

// local says whether events tell of this connection.
func (l *leg) local() bool { return l.kind != legExternal }

// agent returns who is logged in at the connection's phone.
func (l *leg) agent() *agent {
	if l == nil || l.dev == nil {
		return nil
	}
	return l.dev.agent
}

func (l *leg) stopTimers() {
	for _, t := range l.timers {
		t.Stop()
	}
	l.timers = nil
}

// later runs f on the owner after d unless the connection is gone by then.
func (m *model) later(l *leg, d time.Duration, f func()) {
	l.timers = append(l.timers, m.pg.afterFunc(d, func() {
		if !l.gone {
			f()
		}
	}))
}

// find returns a connection of a living call.
func (m *model) find(callID uint32, id string) (*leg, cti.ControlFailureCode) {
	c := m.calls[callID]
	if c == nil {
		return nil, cti.ControlFailureCodeInvalidCSTACallIdentifier
	}
	for _, l := range c.legs {
		if l.id == id {
			return l, 0
		}
	}
	return nil, cti.ControlFailureCodeInvalidCSTAConnectionIdentifier
}

// others returns the connections of the call but for l.
func (l *leg) others() []*leg {
	var out []*leg
	for _, o := range l.call.legs {
		if o != l {
			out = append(out, o)
		}
	}
	return out
}

// peer returns the first connection of the call that is not l, nil when there is none.
func (l *leg) peer() *leg {
	for _, o := range l.call.legs {
		if o != l {
			return o
		}
	}
	return nil
}

// sortedCalls returns the calls by id.
func (m *model) sortedCalls() []*call {
	out := make([]*call, 0, len(m.calls))
	for _, c := range m.calls {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *call) int { return cmp.Compare(a.id, b.id) })
	return out
}

// atEnd runs f when the events of the running action are out.
func (m *model) atEnd(f func()) { m.after = append(m.after, f) }

// settle runs what atEnd collected.
func (m *model) settle() {
	for len(m.after) > 0 {
		f := m.after[0]
		m.after = m.after[1:]
		f()
	}
}
