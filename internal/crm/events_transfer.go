package crm

import "github.com/connects-go/connects/cti"

// joinKey tells transfers and conferences apart.
type joinKey struct {
	primary, secondary uint32
	actor              string
	conference         bool
}

// join is what a transfer and a conference have in common.
type join struct {
	per        uint32
	primary    connection
	secondary  connection
	actor      string // device that transferred, or the conference controller
	other      string // transferred or added device
	parties    []connection
	conference bool
}

func (j *join) list(ps []cti.ConnectedParty) {
	for i := range ps {
		j.parties = append(j.parties, connection{ps[i].ConnectedPartyCallID, ps[i].ConnectedPartyDeviceIDType, ps[i].ConnectedPartyDeviceID})
	}
}

func (c *Connector) onTransferred(e *cti.CallTransferredEvent) {
	j := &join{
		per:       e.PeripheralID,
		primary:   connection{e.PrimaryCallID, e.PrimaryDeviceIDType, e.PrimaryDeviceID},
		secondary: connection{e.SecondaryCallID, e.SecondaryDeviceIDType, e.SecondaryDeviceID},
		actor:     e.TransferringDeviceID, other: e.TransferredDeviceID,
	}
	j.list(e.ConnectedParties)
	c.joined(j)
}

func (c *Connector) onConferenced(e *cti.CallConferencedEvent) {
	j := &join{
		per:       e.PeripheralID,
		primary:   connection{e.PrimaryCallID, e.PrimaryDeviceIDType, e.PrimaryDeviceID},
		secondary: connection{e.SecondaryCallID, e.SecondaryDeviceIDType, e.SecondaryDeviceID},
		actor:     e.ControllerDeviceID, other: e.AddedPartyDeviceID, conference: true,
	}
	j.list(e.ConnectedParties)
	c.joined(j)
}

// joined applies a transfer or a conference: the parties of two calls are one
// call from now on, whose id the party list names.
func (c *Connector) joined(j *join) {
	p, s := c.lookup(j.per, j.primary.Call), c.lookup(j.per, j.secondary.Call)
	newID := uint32(nullCall)
	for _, pt := range j.parties {
		if pt.Call != nullCall && pt.Call != 0 {
			newID = pt.Call
			break
		}
	}
	if newID == nullCall {
		newID = j.primary.Call
		if s != nil && p == nil {
			newID = j.secondary.Call
		}
	}
	to := c.callFor(j.per, newID)
	if to == nil {
		return
	}
	to.ended = false
	if k := (joinKey{j.primary.Call, j.secondary.Call, j.actor, j.conference}); to.joined == k {
		return
	} else {
		to.joined = k
	}
	// Who the parties of each call talk to from now on.
	actor := c.agentAt(j.per, j.actor)
	var held, consult *item // of the actor
	if actor != nil {
		if p != nil {
			held = actor.item(p)
		}
		if s != nil {
			consult = actor.item(s)
		}
		if held != nil && consult != nil && held.isConsult {
			held, consult = consult, held
		}
	}
	orig, second := p, s
	if held != nil && held.call == s {
		orig, second = s, p
	}
	// The original call's data win: the customer's context goes with the call. Of the
	// attached data nothing is lost.
	doc := c.oneCall(orig, second)
	if to != orig && to != second {
		doc = c.merged(doc, to.data.doc) // a connection is there already, see renamed
	}
	if orig != nil && orig != to {
		keep := to.data
		to.data = orig.data.clone()
		to.data.inherit(&keep)
		to.calling, to.called = orig.calling, orig.called
	}
	if second != nil && second != to {
		to.data.inherit(&second.data)
	}
	to.data.doc = doc
	c.follow(to)
	if to.data.customer == "" && held != nil && len(held.remote) > 0 {
		to.data.customer = held.remote[0]
	}
	to.version++
	var far, near []string // numbers behind the original call, and behind the consultation
	if held != nil {
		far = held.remote
	} else if n := c.customerOf(to); n != "" {
		far = []string{n}
	}
	if consult != nil {
		near = consult.remote
	} else if n := c.numberOf(to, j.other); n != "" {
		near = []string{n}
	}
	var all []*item
	for _, cl := range []*call{p, s, to} {
		if cl == nil {
			continue
		}
		for _, it := range cl.items {
			if !contains(all, it) && (it.status.alive()) {
				all = append(all, it)
			}
		}
	}
	to.parties = to.parties[:0]
	for _, pt := range j.parties {
		to.addParty(c.partyDevice(j.per, all, pt))
	}
	for _, it := range all {
		conn, in := c.partyConn(j, it)
		if it == held && !in && consult != nil {
			// The controller is in the list with the connection of his consultation.
			conn, in = c.partyConn(j, consult)
		}
		switch {
		case in && it == consult && held != nil:
			// A conference: the controller keeps the original item.
			c.endItem(it, "")
		case !in && (it == held || it == consult):
			c.endItem(it, textTransferred)
		case !in && len(j.parties) > 0 && it.ag != actor:
			c.endItem(it, "")
		case !in && len(j.parties) == 0 && j.actor != "" && it.ag == actor && !j.conference:
			c.endItem(it, textTransferred)
		default:
			wasConsulted := second != nil && it.call == second || it.reason == reasonConsult
			if !in {
				conn = connection{Call: newID, Type: it.conn.Type, Dev: it.conn.Dev}
			}
			if it.partner != nil {
				it.partner.partner, it.partner = nil, nil
			}
			it.isConsult = false
			c.move(it, to, conn)
			it.guessed = it.guessed && !in
			c.joinedItem(j, it, to, wasConsulted, far, near)
		}
	}
	for _, cl := range []*call{p, s} {
		if cl != nil && cl != to && cl.alive() == 0 {
			c.forgetCall(cl)
		}
	}
	c.changed(to)
}

// joinedItem gives an item of the joined call its new state and other party.
func (c *Connector) joinedItem(j *join, it *item, to *call, consulted bool, far, near []string) {
	// Who held the call himself, or still waits for an answer, goes on so.
	if !j.conference {
		if it.status == statusConference {
			if len(to.parties) <= 2 {
				c.setStatus(it, statusConnected)
			}
			return
		}
		if consulted {
			it.reason = reasonTransferred
			it.remote = appendAll(nil, far)
			if it.direction == dirInternal && len(far) > 0 && !c.dial.internalSAP(far[0]) {
				it.direction = dirIn
			}
			it.queue = firstOf(it.queue, to.data.queue)
		} else {
			it.remote = appendAll(nil, near)
		}
		return
	}
	if it.status.talking() || it.status == statusHeld && c.agentAt(j.per, j.actor) == it.ag {
		c.setStatus(it, statusConference)
	}
	it.reason = reasonConference
	own := c.dial.toSAP(it.ag.number())
	remote := appendAll(nil, far)
	for _, dev := range to.parties {
		remote = appendNew(remote, c.numberOf(to, dev))
	}
	remote = appendAll(remote, near)
	remote = appendNew(remote, c.actorNumber(j, to))
	it.remote = nil
	for _, r := range remote {
		if r != own {
			it.remote = append(it.remote, r)
		}
	}
	it.controller = j.actor != "" && c.agentAt(j.per, j.actor) == it.ag
}

func (c *Connector) actorNumber(j *join, cl *call) string {
	if j.actor == "" {
		return ""
	}
	return c.numberOf(cl, j.actor)
}

// partyConn finds the connection of an item in the party list of a join. The
// list names connections; their device id may be the phone's number or may
// mean nothing, so both are tried.
func (c *Connector) partyConn(j *join, it *item) (connection, bool) {
	for _, p := range j.parties {
		if p.Dev != "" && p.Dev == it.conn.Dev {
			return p, true
		}
	}
	for _, p := range j.parties {
		if p.Dev != "" && (p.Dev == it.ag.rec.Device || p.Dev == it.ag.rec.Extension) {
			return p, true
		}
	}
	return connection{}, false
}

// partyDevice is the device of a connection: the agent's phone when it is one
// of ours, else what the switch says.
func (c *Connector) partyDevice(per uint32, items []*item, p connection) string {
	for _, it := range items {
		if it.conn.Dev == p.Dev {
			return firstOf(it.ag.rec.Device, p.Dev)
		}
	}
	return p.Dev
}

func contains(list []*item, it *item) bool {
	for _, o := range list {
		if o == it {
			return true
		}
	}
	return false
}

func appendAll(list, more []string) []string {
	for _, s := range more {
		list = appendNew(list, s)
	}
	return list
}
