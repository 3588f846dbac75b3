package crm

import (
	"log/slog"
	"strings"
	"time"

	"github.com/connects-go/connects/ici"
)

// flush tells SAP what the functions before it changed, and marks what has to
// be saved. It runs on the strand, once behind every event, so several changes
// by one event reach SAP as one state.
func (c *Connector) flush() {
	if c.flushing {
		return
	}
	c.flushing = true
	defer func() { c.flushing = false }() // also after a defect
	for i := 0; i < len(c.touched); i++ { // telling may touch others
		a := c.touched[i]
		a.touched = false
		if a.removed {
			continue
		}
		a.checkWaits()
		a.touched = false
		c.tell(a)
		c.presence(a)
		c.persist(a)
	}
	for i := range c.touched {
		c.touched[i] = nil
	}
	c.touched = c.touched[:0]
}

// tell sends the changed items of an agent, the ended ones first, and then the agent himself.
func (c *Connector) tell(a *agent) {
	for _, it := range a.items {
		if it.status == statusEnded || it.status == statusFailed || it.status == statusWrapUp {
			c.tellItem(a, it)
		}
	}
	for _, it := range a.items {
		if it.status.alive() {
			c.tellItem(a, it)
		}
	}
	if a.logon != nil {
		return // the answer of the log on tells it
	}
	v := c.userView(a)
	if a.toldValid && v == a.told {
		return
	}
	first := !a.toldValid
	a.told, a.toldValid = v, true
	if !a.subscribed || first {
		return
	}
	c.notify(a, ici.OpEventUserChanged, ici.ParamUser, c.user(a), itemUser)
}

func (c *Connector) tellItem(a *agent, it *item) {
	if it.closing && it.toldValid {
		return
	}
	v := it.view(&c.cfg)
	if it.toldValid && v == it.told && !it.force {
		return
	}
	if !it.toldValid && (v.status == statusEnded) {
		// It came and went between two looks: nothing to tell.
		it.told, it.toldValid = v, true
		return
	}
	it.told, it.toldValid, it.force = v, true, false
	if a.subscribed {
		c.notify(a, ici.OpEventPhoneCallChanged, ici.ParamPhoneCall, c.phoneCall(it), it.id)
	}
	it.noteOnce = ""
}

// itemUser makes the agent's own state one item for the notifier: while SAP does
// not take events, only the newest one waits.
const itemUser = "user"

func (c *Connector) notify(a *agent, op ici.Op, p ici.Param, v ici.Value, item string) {
	a.rec.Event++
	c.stats.notified.Add(1)
	params := [1]ici.EventParam{{Param: p, Value: v}}
	err := c.notifier.Notify(a.sub, ici.Event{Op: op, Item: item, Params: params[:], Time: time.Now()})
	if err != nil {
		c.stats.notifyErrors.Add(1)
		c.log.Info("crm: event not taken", slog.String("user", a.key.user), slog.String("err", err.Error()))
	}
}

// userView is the state of the agent as SAP is told it.
func (c *Connector) userView(a *agent) userView {
	return userView{
		mode: a.shownMode(), note: a.rec.Reason, pending: a.rec.Pending != 0, caps: c.userCaps(a),
		wc:       a.rec.Workcenter,
		channels: strings.Join(a.rec.Channels, ","), queues: strings.Join(a.rec.Queues, ","),
	}
}

// userCaps: a call can be made when the agent is logged on, has no call, not even
// a held one, and is not in wrap-up: CCE takes MAKE_CALL_REQ from not ready and
// ready agents only (CCE reference, section 15, outgoing call).
func (c *Connector) userCaps(a *agent) capSet {
	if !a.rec.LoggedOn || a.rec.Shadow && a.per == nil {
		return 0
	}
	if a.rec.Mode == modeWrapUp || c.cfg.DenyMakeCallWhileReady && a.rec.Mode == modeReady {
		return 0
	}
	for _, it := range a.items {
		if it.status.alive() {
			return 0
		}
	}
	return capMakeCall
}

// shownMode is what SAP sees as the agent's work mode: what he asked for during
// a call counts at once, since the ACD keeps it (CCE reference, section 11.2).
func (a *agent) shownMode() int {
	if !a.rec.LoggedOn {
		return modeLoggedOff
	}
	if a.rec.Pending != 0 && a.rec.Mode != modeWrapUp {
		return a.rec.Pending
	}
	return a.rec.Mode
}

// user builds what SAP knows about the agent.
func (c *Connector) user(a *agent) *ici.User {
	lang := c.texts.of(a.rec.Lang)
	u := &ici.User{
		UserID: a.key.user, Name: c.pres.name(a.rec.Peripheral, a.rec.AgentID),
		CurrentWorkcenter: a.rec.Workcenter, WorkmodeList: lang.modes, QueueList: c.queueList(),
		CurrentChannels: a.rec.Channels, CapabilityList: lang.caps(c.userCaps(a)),
	}
	if u.Name == "" {
		u.Name = a.key.user
	}
	u.CurrentWorkmode = c.modeElement(lang, a)
	for _, id := range a.rec.Queues {
		if q, ok := c.queueByID(id); ok {
			u.CurrentQueues = append(u.CurrentQueues, q)
		}
	}
	if n := a.number(); n != "" && a.rec.LoggedOn {
		u.Addresses = []ici.Address{{Type: c.profile.Code(ici.AddressTypeTel), Value: c.dial.toSAP(n)}}
	}
	return u
}

// phoneCall builds what SAP knows about an item.
func (c *Connector) phoneCall(it *item) *ici.PhoneCall {
	lang := c.texts.of(it.ag.rec.Lang)
	p := &ici.PhoneCall{
		ID: it.id, PhoneCallID: it.id,
		ProcessingStatus: lang.status(it.status),
		CapabilityList:   lang.caps(it.told.caps),
		RemoteNumbers:    it.remote,
		DialedNumber:     it.dialed,
		CallReason:       lang.reason(it.reason),
		Queue:            it.queue,
		CreationDate:     it.created.Format("20060102150405"),
	}
	if n := it.ag.number(); n != "" {
		p.LocalNumber = c.dial.toSAP(n)
	}
	switch it.direction {
	case dirOut:
		p.Direction = c.profile.Code(ici.CallDirectionOut)
	case dirInternal:
		p.Direction = c.profile.Code(ici.CallDirectionInternal)
	default:
		p.Direction = c.profile.Code(ici.CallDirectionIn)
	}
	p.Description = firstOf(it.noteOnce, it.note)
	if it.note != "" && (it.status == statusEnded || it.status == statusFailed) {
		p.ProcessingStatus.Description = it.note
	}
	if it.partner != nil {
		p.ConsultationPhoneCallID = it.partner.id
	}
	if it.call == nil {
		p.UserIDs = []string{it.ag.key.user}
		p.AttachedData = it.wantData.String()
		return p
	}
	for _, o := range it.call.items {
		if o == it || o.status.alive() && !o.closing && o.ag.key.system == it.ag.key.system {
			p.UserIDs = append(p.UserIDs, o.ag.key.user)
		}
	}
	if len(p.UserIDs) == 0 {
		p.UserIDs = []string{it.ag.key.user}
	}
	p.AttachedData = c.attached(it.call)
	return p
}
