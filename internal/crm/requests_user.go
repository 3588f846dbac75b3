package crm

import (
	"log/slog"
	"strconv"
	"strings"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
)

func (c *Connector) userOp(op *operation) (ici.Value, error) {
	r := op.r
	if r.Op == ici.OpUserSubscribe {
		return c.subscribe(op)
	}
	a, err := c.requireAgent(r)
	if err != nil {
		return nil, err
	}
	switch r.Op {
	case ici.OpUserGetAttributes:
		// SAP starts this user's session anew: whoever listened before is gone
		// (ICI reference, scenario S16). A look at somebody else changes nothing.
		if r.HeaderUser != "" && fold(r.HeaderUser) != a.key.user {
			return c.user(a), nil
		}
		c.endSubscription(a, ici.EndReasonNewSubscription, "newSubscription")
		u := c.user(a)
		a.told, a.toldValid = c.userView(a), true
		return u, nil
	case ici.OpUserUnsubscribe:
		if id := r.Text(ici.ParamAppID); a.subscribed && (id == "" || id == a.rec.AppID) {
			c.dropSubscription(a)
			if err := c.notifier.End(a.sub, nil); err != nil {
				c.log.Debug("crm: subscription was gone", slog.String("user", a.key.user))
			}
			c.sapGone(a)
		}
		return ici.Text(""), nil
	case ici.OpUserSetCurrentWorkmode:
		return c.setWorkmode(op, a)
	case ici.OpUserSetCurrentQueues:
		return c.setQueues(op, a)
	case ici.OpUserSetCurrentChannels:
		return c.setChannels(op, a)
	}
	return nil, c.fault(r, ici.FaultNotSupported, nil)
}

// unknownUser is the answer to getAttributes for a user who never was here.
func (c *Connector) unknownUser(r *ici.Request) ici.Value {
	cat := c.texts.cat(r.Language)
	u := &ici.User{UserID: fold(r.User), Name: fold(r.User), QueueList: c.queueList()}
	u.CurrentWorkmode = c.profile.Element(ici.WorkmodeLoggedOff, cat.Mode(modeLoggedOff))
	for _, m := range []int{modeReady, modeNotReady} {
		u.WorkmodeList = append(u.WorkmodeList, ici.TextElement{ID: strconv.Itoa(m), Description: cat.Mode(m)})
	}
	for _, m := range cat.Reasons() {
		u.WorkmodeList = append(u.WorkmodeList, ici.TextElement{ID: strconv.Itoa(m.Mode), Description: m.Text})
	}
	return u
}

// Limits of what subscribe brings, in bytes (assumed).
const (
	maxAppID  = 255
	maxAppURL = 2048
)

func (c *Connector) subscribe(op *operation) (ici.Value, error) {
	r := op.r
	if r.User == "" {
		return nil, c.fault(r, ici.FaultUserUnknown, nil)
	}
	sub := ici.Subscription{System: r.System, AppURL: r.Text(ici.ParamAppURL), AppID: r.Text(ici.ParamAppID),
		User: fold(r.User), Language: r.Language}
	if sub.AppID == "" || sub.AppURL == "" || len(sub.AppID) > maxAppID || len(sub.AppURL) > maxAppURL {
		return nil, c.faultText(r, ici.FaultGeneric, "eventURL", nil)
	}
	key := agentKey{r.System, fold(r.User)}
	a := c.agents[key]
	if a == nil {
		if !op.asked {
			return nil, errUnknownAgent // the store first
		}
		if len(c.agents) >= c.cfg.MaxAgents {
			return nil, c.fault(r, ici.FaultGeneric, ErrBusy)
		}
	}
	if err := c.notifier.Subscribe(sub); err != nil {
		c.log.Warn("crm: subscription refused", slog.String("user", key.user), slog.String("err", err.Error()))
		return nil, c.faultText(r, ici.FaultGeneric, "eventURL", err)
	}
	if a == nil {
		a = c.newAgent(key)
	}
	if r.Language != "" {
		a.rec.Lang = r.Language
	}
	if a.subscribed && a.sub != sub.Key() {
		c.endSubscription(a, ici.EndReasonNewSubscription, "newSubscription")
	}
	a.sub, a.subscribed = sub.Key(), true
	a.rec.AppID, a.rec.AppURL = sub.AppID, sub.AppURL
	a.goneGen++
	if a.goneTimer != nil {
		a.goneTimer.Stop()
		a.goneTimer = nil
	}
	c.log.Info("crm: SAP user subscribed", slog.String("system", key.system), slog.String("user", key.user))
	op.later(func() {
		// The new session learns every item of the agent.
		for _, it := range a.items {
			if it.status.alive() || it.status == statusWrapUp {
				it.force = true
			}
		}
		c.touch(a)
	})
	c.persist(a)
	return ici.Text(""), nil
}

func (c *Connector) newAgent(key agentKey) *agent {
	a := &agent{key: key}
	a.rec = record{V: 1, System: key.system, User: key.user, Mode: modeLoggedOff}
	a.told, a.toldValid = c.userView(a), true
	c.agents[key] = a
	return a
}

// endSubscription tells the session that listened before that it is not the
// one any more. That the event cannot be delivered is normal.
func (c *Connector) endSubscription(a *agent, reason ici.Code, text string) {
	if !a.subscribed {
		return
	}
	ev := ici.Event{Op: ici.OpEventSubscriptionEnded, Params: []ici.EventParam{{
		Param: ici.ParamReason, Value: c.profile.Element(reason, c.textFor(a, text))}}}
	key := a.sub
	c.dropSubscription(a)
	if err := c.notifier.End(key, &ev); err != nil {
		c.log.Debug("crm: subscription was gone", slog.String("user", a.key.user))
	}
	c.sapGone(a)
}

func (c *Connector) dropSubscription(a *agent) {
	a.subscribed = false
	a.rec.AppID, a.rec.AppURL = "", ""
	c.persist(a)
}

func (c *Connector) setQueues(op *operation, a *agent) (ici.Value, error) {
	ids := op.r.List(ici.ParamQueueIDs)
	if len(ids) > 100 {
		return nil, c.fault(op.r, ici.FaultQueueUnknown, nil)
	}
	var list []string
	for _, id := range ids {
		if id == "" {
			continue
		}
		if _, ok := c.queueByID(id); !ok {
			return nil, c.fault(op.r, ici.FaultQueueUnknown, nil)
		}
		list = appendNew(list, id)
	}
	a.rec.Queues = list
	c.touch(a)
	return ici.Text(""), nil
}

func (c *Connector) setChannels(op *operation, a *agent) (ici.Value, error) {
	var list []string
	for _, ch := range op.r.List(ici.ParamChannels) {
		if ch == "" {
			continue
		}
		if c.profile.CodeOf(ici.EnumChannelType, ch) == ici.CodeUnknown {
			return nil, c.fault(op.r, ici.FaultNotSupported, nil)
		}
		list = appendNew(list, ch)
	}
	a.rec.Channels = list
	c.touch(a)
	return ici.Text(""), nil
}

func (c *Connector) setWorkmode(op *operation, a *agent) (ici.Value, error) {
	r := op.r
	mode, err := strconv.Atoi(strings.TrimSpace(r.Text(ici.ParamWorkmodeID)))
	if err != nil || !c.validMode(mode) {
		return nil, c.faultText(r, ici.FaultWorkmodeInvalid, "invalidWorkmode", err)
	}
	if !a.rec.LoggedOn {
		if mode == modeLoggedOff {
			return ici.Text(""), nil
		}
		return nil, c.fault(r, ici.FaultNotLoggedOn, nil)
	}
	if err := c.reachable(r, a); err != nil {
		return nil, err
	}
	if mode == modeLoggedOff {
		if a.inCall() {
			// The ACD refuses a log off in a call: no further call, then off.
			op.later(func() {
				a.logoffAfter = true
				c.requestState(a, cti.AgentStateNotReady, c.cfg.DefaultNotReadyReason, modeNotReady)
			})
			return ici.Text(""), nil
		}
		op.later(func() { c.requestLogoff(a) })
		return ici.Text(""), nil
	}
	op.later(func() { c.requestMode(a, mode) })
	return ici.Text(""), nil
}

// validMode: the fixed modes that an agent may choose, and not-ready reasons;
// when the language files name reasons, those only.
func (c *Connector) validMode(mode int) bool {
	switch mode {
	case modeLoggedOff, modeReady, modeNotReady:
		return true
	}
	reason := mode - c.cfg.NotReadyOffset
	if reason < 1 || reason > 65535 {
		return false
	}
	return !c.texts.hasModes() || c.texts.hasMode(mode)
}

// requestMode asks the ACD for a work mode. During a call the ACD keeps it and
// applies it afterwards; SAP sees it at once, as pending.
func (c *Connector) requestMode(a *agent, mode int) {
	a.logoffAfter = false
	state, reason := cti.AgentStateAvailable, uint16(0)
	if mode != modeReady {
		state, reason = cti.AgentStateNotReady, c.cfg.DefaultNotReadyReason
		if mode != modeNotReady {
			reason = uint16(mode - c.cfg.NotReadyOffset)
		}
	}
	pending := 0
	if a.inCall() && (!a.acdKnown || inCallState(a.acd)) {
		pending = mode
	}
	c.requestState(a, state, reason, pending)
	if a.wrapUpAsked && pending != 0 && c.cfg.ResendWrapUpAfterSetState {
		c.requestState(a, workState(mode), 0, pending)
	}
}

func workState(mode int) cti.AgentState {
	if mode == modeReady {
		return cti.AgentStateWorkReady
	}
	return cti.AgentStateWorkNotReady
}

// requestState sends a state to the ACD. The answer only says that it was
// passed on; the result comes as an event.
func (c *Connector) requestState(a *agent, s cti.AgentState, reason uint16, pending int) {
	before := a.rec.Pending
	if pending != 0 {
		a.rec.Pending = pending
		c.touch(a)
	}
	fail := func(err error) {
		if a.rec.Pending == pending && pending != 0 {
			a.rec.Pending = before
		}
		a.told.mode = -1 // tell SAP what is true
		c.touch(a)
	}
	err := c.send(a, &cti.SetAgentStateReq{PeripheralID: a.rec.Peripheral, AgentState: s, EventReasonCode: reason,
		AgentInstrument: a.rec.Device, AgentID: a.rec.AgentID},
		func(_ cti.Confirm, err error) {
			if err != nil {
				fail(err)
			}
		})
	if err != nil {
		fail(err)
	}
}

// requestLogoff logs the agent off. CCE accepts it from not ready only (CCE
// reference, section 11.1).
func (c *Connector) requestLogoff(a *agent) {
	if !a.rec.LoggedOn {
		return
	}
	if a.acd != cti.AgentStateNotReady || !a.acdKnown {
		c.requestState(a, cti.AgentStateNotReady, c.cfg.DefaultNotReadyReason, 0)
	}
	err := c.send(a, &cti.SetAgentStateReq{PeripheralID: a.rec.Peripheral, AgentState: cti.AgentStateLogout,
		EventReasonCode: c.cfg.LogoutReason, AgentInstrument: a.rec.Device, AgentID: a.rec.AgentID},
		func(_ cti.Confirm, err error) {
			if err != nil {
				c.log.Warn("crm: log off refused", slog.String("agent", a.rec.AgentID), slog.String("err", err.Error()))
				a.told.mode = -1
				c.touch(a)
			}
		})
	if err != nil {
		a.told.mode = -1
		c.touch(a)
	}
}
