package crm

import (
	"time"

	"github.com/connects-go/connects/cti"
)

// Reasons for which an ended item is shown with a text of its own. They are
// keys of the language texts.
const (
	textElsewhere   = "takenElsewhere"
	textTransferred = "transferred"
	textBusy        = "busy"
	textUnreachable = "unreachable"
	textNoAnswer    = "noAnswer"
	textFailed      = "failed"
	textWhileAway   = "endedWhileAway"
)

// keepEnded is how long an ended item answers requests: SAP may press a button
// twice, or send its last attached data late.
const keepEnded = 60 * time.Second

// keepIdle is how long a call without our agents, and without a word of the
// switch, is kept: longer than anybody waits in a queue.
const keepIdle = 4 * time.Hour

// maxEnded is how many ended items one agent keeps.
const maxEnded = 8

// newItem makes an item of an agent and puts it into the tables.
func (c *Connector) newItem(a *agent) *item {
	it := &item{id: c.newID(), ag: a, created: time.Now().UTC()}
	a.items = append(a.items, it)
	c.items[it.id] = it
	c.touch(a)
	return it
}

// attach puts an item into a call.
func (c *Connector) attach(it *item, cl *call, conn connection) {
	it.call, it.conn = cl, conn
	cl.items = append(cl.items, it)
	cl.ended = false
}

// detach takes an item out of its call's list; the item still knows the call.
func (c *Connector) detach(it *item) {
	cl := it.call
	if cl == nil {
		return
	}
	for i, o := range cl.items {
		if o == it {
			cl.items = append(cl.items[:i], cl.items[i+1:]...)
			c.left(cl)
			return
		}
	}
}

// offer makes the item of an agent whose phone a call reached.
func (c *Connector) offer(a *agent, cl *call, conn connection) *item {
	if !a.loggedOn() || a.living() >= c.cfg.MaxItems {
		return nil
	}
	it := c.newItem(a)
	it.status = statusOffered
	c.attach(it, cl, conn)
	c.fetchShared(cl)
	c.setRemote(it)
	it.queue = cl.data.queue
	it.dialed = c.dial.toSAP(firstOf(cl.data.dnis, cl.data.dialed, cl.called))
	it.direction = dirIn
	caller := c.agentAt(cl.key.peripheral, cl.calling)
	internal := caller != nil || c.dial.internal(cl.calling)
	switch {
	case cl.parent != nil || cl.data.typ == cti.CallTypeConsult || cl.data.typ == cti.CallTypeConsultOfferred:
		it.reason = reasonConsult
	case cl.data.typ == cti.CallTypeTransferIn:
		it.reason = reasonTransferred
	case isOutbound(cl.data.typ):
		it.reason = reasonCallback
	case cl.data.queue != "" || cl.data.router.valid():
		it.reason = reasonQueue
	default:
		it.reason = reasonDirect
	}
	if internal && cl.parent == nil && it.reason != reasonQueue && it.reason != reasonTransferred {
		it.direction = dirInternal
	}
	if it.reason == reasonConsult {
		it.direction = dirInternal
	}
	return it
}

// isOutbound: reservation and customer calls of Outbound Option (GED-188, CallType 27 to 37).
func isOutbound(t cti.CallType) bool { return t >= 27 && t <= 37 }

// setRemote computes who is at the other end for a called agent: the caller,
// and for a consultation also the customer for whom it is made.
func (c *Connector) setRemote(it *item) {
	cl := it.call
	d := &cl.data
	callerAgent := c.agentAt(cl.key.peripheral, cl.calling)
	caller := ""
	switch {
	case callerAgent != nil:
		caller = c.dial.toSAP(callerAgent.number())
	case d.ani != "" && (cl.calling == "" || !c.dial.internal(cl.calling)):
		caller = c.dial.toSAP(d.ani)
	case cl.calling != "" && c.dial.internal(cl.calling):
		caller = c.dial.toSAP(cl.calling)
	default:
		if caller = c.dial.toSAP(firstOf(d.ani, cl.calling)); caller == "" {
			caller = c.dial.anonymous()
		}
	}
	consult := cl.parent != nil || d.typ == cti.CallTypeConsult || d.typ == cti.CallTypeConsultOfferred
	if d.customer == "" {
		switch {
		case cl.parent != nil && c.customerOf(cl.parent) != "":
			d.customer = c.customerOf(cl.parent)
		case callerAgent != nil && d.ani != "" && d.ani != cl.calling && !c.dial.internal(d.ani):
			// A colleague calls, but the call's data name somebody outside.
			d.customer = c.dial.toSAP(d.ani)
		case !consult:
			d.customer = caller
		}
	}
	it.remote = it.remote[:0]
	if consult || callerAgent == nil || d.customer == "" || d.customer == caller {
		it.remote = appendNew(it.remote, caller)
		it.remote = appendNew(it.remote, d.customer)
		return
	}
	// Blindly transferred by a colleague: the customer is the other party.
	it.remote = appendNew(it.remote, d.customer)
}

// customerOf is the number of the party outside of a call; empty: not known.
func (c *Connector) customerOf(cl *call) string {
	d := &cl.data
	if d.customer == "" && d.ani != "" && !c.dial.internal(d.ani) {
		d.customer = c.dial.toSAP(d.ani)
	}
	return d.customer
}

// number is what others dial to reach the agent.
func (a *agent) number() string { return firstOf(a.rec.Extension, a.rec.Device) }

// started makes the item of a call that the agent asked for.
func (c *Connector) started(a *agent, number string) *item {
	it := c.newItem(a)
	it.status, it.out = statusDialing, true
	it.direction, it.reason = dirOut, reasonDirect
	it.setDest(c, number)
	return it
}

func (it *item) setDest(c *Connector, number string) {
	if c.dial.internal(number) {
		it.direction = dirInternal
	}
	n := c.dial.dialed(number)
	it.dialed = n
	it.remote = appendNew(it.remote[:0], n)
}

// startedByPhone makes the item of a call that the agent dialled at the phone.
func (c *Connector) startedByPhone(a *agent, cl *call, conn connection) *item {
	if a.living() >= c.cfg.MaxItems {
		return nil
	}
	it := c.newItem(a)
	it.status, it.out = statusDialing, true
	it.direction, it.reason = dirOut, reasonDirect
	c.attach(it, cl, conn)
	if dest := firstOf(cl.called, cl.data.dialed); dest != "" {
		it.setDest(c, dest)
	}
	if cl.data.typ == cti.CallTypeConsult {
		c.pairByPhone(it)
	}
	return it
}

// pairByPhone ties a consultation started at the phone to the call on hold.
func (c *Connector) pairByPhone(it *item) {
	it.reason = reasonConsult
	for _, o := range it.ag.items {
		if o != it && o.partner == nil && o.call != nil && (o.status == statusHeld || o.status == statusConnected) {
			c.pair(o, it)
			return
		}
	}
}

// pair ties a call and its consultation together, and copies what has to travel.
func (c *Connector) pair(orig, consult *item) {
	orig.partner, consult.partner = consult, orig
	consult.isConsult, orig.isConsult = true, false
	consult.reason = reasonConsult
	c.linkParent(consult)
}

// linkParent hands the data of the original call to the consultation call.
func (c *Connector) linkParent(consult *item) {
	orig := consult.partner
	if consult.call == nil || orig == nil || orig.call == nil || consult.call == orig.call {
		return
	}
	cl := consult.call
	cl.parent = orig.call
	if orig.call.data.customer == "" && len(orig.remote) > 0 {
		orig.call.data.customer = orig.remote[0]
	}
	cl.data.inherit(&orig.call.data)
	cl.version++
	c.follow(cl)
	for _, it := range cl.items {
		if it != consult && it.ag != consult.ag {
			// The other side was offered before the switch told which call it is.
			it.reason, it.direction = reasonConsult, dirInternal
			c.setRemote(it)
		}
	}
	c.changed(cl)
}

// bind ties an item that the agent started to the call that the switch made of it.
func (c *Connector) bind(it *item, cl *call, conn connection) {
	if it.call == cl {
		if conn.Dev != "" {
			it.conn, it.guessed = conn, false
		}
		return
	}
	if it.call != nil {
		c.detach(it)
	}
	c.attach(it, cl, conn)
	if it.wantData != nil {
		cl.data.doc = it.wantData
		cl.version++
		c.share(cl, it.wantData)
		it.wantData = nil
	}
	if it.isConsult {
		c.linkParent(it)
	}
	if it.dialed == "" {
		c.setDialed(it, cl.called)
	}
	c.touch(it.ag)
}

func (c *Connector) setDialed(it *item, dev string) {
	if dev == "" || it.dialed != "" || !it.out {
		return
	}
	it.setDest(c, dev)
	c.touch(it.ag)
}

// setStatus moves an item to a state.
func (c *Connector) setStatus(it *item, s status) {
	if it.status == s || it.status.final() || it.closing {
		return
	}
	it.status = s
	if s.talking() {
		it.established = true
	}
	if s == statusFailed {
		it.gone(c)
	}
	c.touch(it.ag)
}

// move puts an item into another call: transfers and conferences end with a
// call whose id may be new.
func (c *Connector) move(it *item, cl *call, conn connection) {
	if it.call != cl {
		c.detach(it)
		it.call = cl
		cl.items = append(cl.items, it)
		cl.ended = false
	}
	if conn.Dev == "" {
		conn.Dev, conn.Type = it.conn.Dev, it.conn.Type
	}
	it.conn = conn
	c.touch(it.ag)
}

// takenElsewhere ends an item because the call goes on at another place.
// After the agent's own refusal it is simply over.
func (c *Connector) takenElsewhere(it *item) {
	if it.rejected {
		c.endItem(it, "")
		return
	}
	c.endItem(it, textElsewhere)
}

// endItem ends the agent's part of a call. When it was a conversation and the
// agent's last call, the ACD decides whether he goes to wrap-up; its word may
// come before or after the end of the call, so the item waits for it a moment.
func (c *Connector) endItem(it *item, text string) {
	if it.closing || it.status.final() {
		return
	}
	a := it.ag
	c.touch(a)
	if it.partner != nil {
		p := it.partner
		p.partner, it.partner = nil, nil
		p.isConsult = false
		if it.isConsult {
			it.isConsult = false
		}
	}
	it.closeText = text
	if !it.established || a.otherCalls(it) {
		c.finish(it, statusEnded)
		return
	}
	switch {
	case a.acdKnown && isWork(a.acd):
		c.finish(it, statusWrapUp)
	case a.acdKnown && inCallState(a.acd) && !a.stale:
		it.closing = true
		it.timer = c.after(c.cfg.WrapUpWait, func() {
			if it.closing {
				c.finish(it, statusEnded)
				c.touch(a)
			}
		})
	default:
		c.finish(it, statusEnded)
	}
}

// otherCalls tells whether the agent has another living call.
func (a *agent) otherCalls(it *item) bool {
	for _, o := range a.items {
		if o != it && o.status.alive() && o.status != statusOffered && !o.closing {
			return true
		}
	}
	return false
}

// finish moves an item to a final state, or to wrap-up.
func (c *Connector) finish(it *item, s status) {
	it.closing = false
	if it.timer != nil {
		it.timer.Stop()
		it.timer = nil
	}
	if s != statusWrapUp && it.note == "" && it.closeText != "" {
		it.note = c.textFor(it.ag, it.closeText)
	}
	it.status = s
	if s.final() {
		it.gone(c)
	}
	a := it.ag
	if s == statusEnded {
		a.trimEnded(c)
	}
	c.touch(a)
}

// gone notes that an item has reached its end.
func (it *item) gone(c *Connector) {
	it.endedAt = time.Now()
	if cl := it.call; cl != nil && len(cl.left) < 16 {
		cl.left = appendNew(cl.left, it.ag.rec.Device)
	}
	c.armSweep()
}

// trimEnded keeps the newest ended items only.
func (a *agent) trimEnded(c *Connector) {
	n := 0
	for i := len(a.items) - 1; i >= 0; i-- {
		it := a.items[i]
		if it.status != statusEnded {
			continue
		}
		if n++; n > maxEnded && it.toldValid && it.told.status == statusEnded {
			c.dropItem(it)
		}
	}
}

// dropItem forgets an ended item.
func (c *Connector) dropItem(it *item) {
	a := it.ag
	for i, o := range a.items {
		if o == it {
			a.items = append(a.items[:i], a.items[i+1:]...)
			break
		}
	}
	if it.timer != nil {
		it.timer.Stop()
	}
	c.detach(it)
	delete(c.items, it.id)
}

// armSweep makes sure that what is kept for a while goes some time.
func (c *Connector) armSweep() {
	if c.sweep != nil || c.stopping {
		return
	}
	c.sweep = c.after(keepEnded/2, func() {
		c.sweep = nil
		now := time.Now()
		for _, cl := range c.calls {
			if idle := now.Sub(cl.seen); cl.alive() == 0 && (idle >= keepIdle || len(cl.begun) == 0 && idle >= keepEnded) {
				c.forgetCall(cl)
			}
		}
		left := len(c.recent)+len(c.calls) > 0
		for k, r := range c.recent {
			if now.After(r.until) {
				delete(c.recent, k)
			}
		}
		for _, it := range c.items {
			if !it.status.final() {
				continue
			}
			if now.Sub(it.endedAt) >= keepEnded {
				c.dropItem(it)
				c.persist(it.ag)
			} else {
				left = true
			}
		}
		if left {
			c.armSweep()
		}
	})
}

// isWork: the agent is in wrap-up.
func isWork(s cti.AgentState) bool {
	return s == cti.AgentStateWorkReady || s == cti.AgentStateWorkNotReady
}

// inCallState: the ACD will tell another state when the call has ended.
func inCallState(s cti.AgentState) bool {
	switch s {
	case cti.AgentStateTalking, cti.AgentStateHold, cti.AgentStateReserved, cti.AgentStateBusyOther, cti.AgentStateActive:
		return true
	}
	return false
}

func firstOf(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

func appendNew(list []string, s string) []string {
	if s == "" {
		return list
	}
	for _, v := range list {
		if v == s {
			return list
		}
	}
	return append(list, s)
}

func (it *item) dropRemote(number string) {
	for i, r := range it.remote {
		if r == number {
			it.remote = append(it.remote[:i:i], it.remote[i+1:]...)
			return
		}
	}
}

// numberOf is a party's number as SAP sees it; empty when it is not known.
func (c *Connector) numberOf(cl *call, dev string) string {
	if a := c.agentAt(cl.key.peripheral, dev); a != nil {
		return c.dial.toSAP(a.number())
	}
	if dev == cl.calling && cl.data.customer != "" {
		return cl.data.customer
	}
	if dev == "" || !c.dial.number(dev) {
		return ""
	}
	return c.dial.toSAP(dev)
}

// causeText is the text key of why a call ended or failed; empty: no special text.
func (c *Connector) causeText(e cti.EventCause) string {
	switch e {
	case cti.EventCauseBusy:
		return textBusy
	case cti.EventCauseDestNotObtainable, cti.EventCauseNetworkNotObtainable, cti.EventCauseIncompatibleDestination,
		cti.EventCauseTrunksBusy, cti.EventCauseNetworkCongestion, cti.EventCauseReorderTone,
		cti.EventCauseResourcesNotAvailable:
		return textUnreachable
	case cti.EventCauseCallNotAnswered, cti.EventCauseTimeOut:
		return textNoAnswer
	case cti.EventCauseTransfer:
		return textTransferred
	}
	return ""
}
