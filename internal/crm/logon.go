package crm

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm/workcenter"
)

// logon is a log on whose answer from the ACD is still on its way.
type logon struct {
	seen bool       // the ACD reported a state meanwhile
	done chan error // gets the outcome, once
	// abandoned: nobody waits any more; the outcome is told by event.
	abandoned bool
}

// loginParsers are the readers of work-centre texts by SAP system.
type loginParsers map[string]*workcenter.Parser

func (c *Connector) newParsers() (loginParsers, error) {
	out := loginParsers{}
	for name, sys := range c.systems {
		users := map[string]string{}
		for u, id := range sys.Users {
			users[fold(u)] = id
		}
		p, err := workcenter.New(&workcenter.Config{
			Type:            workcenter.LoginType(c.cfg.AgentLoginType),
			DefaultPassword: workcenter.Secret(c.cfg.AgentDefaultPassword),
			AllowShadow:     c.cfg.AllowShadowLogin,
			AgentByUser: func(_ context.Context, user string) (string, error) {
				if id := users[fold(user)]; id != "" {
					return id, nil
				}
				if len(users) > 0 {
					return "", workcenter.ErrNoAgent
				}
				return fold(user), nil
			},
			AgentByName: func(_ context.Context, name string) (string, error) {
				if id := c.pres.byLoginName(name); id != "" {
					return id, nil
				}
				return "", workcenter.ErrNoAgent
			},
		})
		if err != nil {
			return nil, err
		}
		out[name] = p
	}
	return out, nil
}

// workcenterForm is the label of SAP's input field.
func (c *Connector) workcenterForm(r *ici.Request) string {
	if p := c.logons[r.System]; p != nil {
		return p.Form()
	}
	return ""
}

// logOn is setCurrentWorkcenter. It waits for the ACD, so that a refusal with
// its reason is the answer.
func (c *Connector) logOn(ctx context.Context, r *ici.Request) (ici.Value, error) {
	if r.User == "" {
		return nil, c.fault(r, ici.FaultUserUnknown, nil)
	}
	key := agentKey{r.System, fold(r.User)}
	login, err := c.logons[r.System].Parse(ctx, key.user, r.Text(ici.ParamWorkcenterID))
	if err != nil {
		return nil, c.badWorkcenter(r, err)
	}
	if !login.Media.Phone {
		return nil, c.faultText(r, ici.FaultNotSupported, "noTelephone", nil)
	}
	c.adopt(ctx, key) // his session may be in the store; he then goes on with it
	ctx, cancel := context.WithTimeout(ctx, c.cfg.LogonTimeout)
	defer cancel()
	rev, err := c.claim(ctx, key, true)
	if err != nil {
		return nil, c.fault(r, ici.FaultTimeout, err)
	}
	var lo *logon
	var v ici.Value
	var outcome error
	err = c.applyWait(ctx, func() { v, lo, outcome = c.beginLogon(r, key, login, rev) })
	if err != nil {
		return nil, c.fault(r, ici.FaultTimeout, err)
	}
	if outcome != nil || lo == nil {
		return v, outcome
	}
	select {
	case outcome = <-lo.done:
	case <-ctx.Done():
		c.apply(func() { lo.abandoned = true })
		return nil, c.fault(r, ici.FaultTimeout, context.Cause(ctx))
	}
	if outcome != nil {
		return nil, c.logonFault(r, outcome)
	}
	err = c.st.do(ctx, func() {
		if a := c.agents[key]; a != nil {
			v = c.user(a)
			a.told, a.toldValid = c.userView(a), true
		}
	})
	if err != nil {
		return nil, c.fault(r, ici.FaultTimeout, err)
	}
	r.After(func() {
		c.apply(func() {
			if a := c.agents[key]; a != nil {
				// S02: the work mode is told by event, too.
				a.told.mode = -1
				c.touch(a)
			}
		})
	})
	return v, nil
}

// badWorkcenter is the refusal of a text that cannot be understood.
func (c *Connector) badWorkcenter(r *ici.Request, err error) error {
	if errors.Is(err, workcenter.ErrNoAgent) {
		return c.fault(r, ici.FaultUserUnknown, err)
	}
	f := c.fault(r, ici.FaultWorkcenterInvalid, err)
	var we *workcenter.Error
	var fault *ici.Fault
	if errors.As(err, &we) && errors.As(f, &fault) && we.Want != "" {
		fault.Text += " " + we.Want
	}
	return f
}

// beginLogon checks and starts a log on, on the strand. It returns a value when
// the agent is logged on there already, or a logon to wait for.
func (c *Connector) beginLogon(r *ici.Request, key agentKey, l *workcenter.Login, rev ownership) (ici.Value, *logon, error) {
	a := c.agents[key]
	if a == nil {
		if len(c.agents) >= c.cfg.MaxAgents {
			return nil, nil, c.fault(r, ici.FaultGeneric, ErrBusy)
		}
		a = c.newAgent(key)
	}
	c.owned(a, rev)
	if r.Language != "" {
		a.rec.Lang = r.Language
	}
	per := c.choosePeripheral(l)
	if per == nil {
		return nil, nil, c.faultText(r, ici.FaultWorkcenterInvalid, "device", nil)
	}
	if a.logon != nil {
		return nil, nil, c.illegal(r)
	}
	if a.rec.LoggedOn {
		if a.rec.AgentID == l.AgentID && a.rec.Device == l.Device && a.rec.Peripheral == per.cfg.ID {
			// His session goes on: a new window of the same user (S16).
			a.rec.Channels = c.channels(l.Media)
			u := c.user(a)
			a.told, a.toldValid = c.userView(a), true
			r.After(func() {
				c.apply(func() { a.told.mode = -1; c.touch(a) })
			})
			return u, nil, nil
		}
		return nil, nil, c.faultText(r, ici.FaultLogonFailed, "otherDevice", nil)
	}
	id := per.cfg.ID
	if o := c.byAgent[acdKey{id, l.AgentID}]; o != nil && o != a {
		return nil, nil, c.faultText(r, ici.FaultLogonFailed, "otherUser", nil)
	}
	if o := c.byDevice[acdKey{id, l.Device}]; o != nil && o != a {
		return nil, nil, c.faultText(r, ici.FaultLogonFailed, "device", nil)
	}
	if !per.up() {
		return nil, nil, c.faultText(r, ici.FaultTimeout, "linkDown", ErrLinkDown)
	}
	c.unindex(a)
	a.per = per
	a.rec.Peripheral, a.rec.AgentID, a.rec.Device, a.rec.Extension = id, l.AgentID, l.Device, ""
	a.rec.Shadow = l.Media.Shadow
	a.rec.Channels = c.channels(l.Media)
	a.rec.Workcenter = l.Device
	a.rec.Pending, a.rec.Reason = 0, 0
	a.acdKnown, a.stale = false, false
	c.index(a)
	lo := &logon{done: make(chan error, 1)}
	a.logon = lo
	if l.Media.Shadow {
		c.shadowLogon(a, lo)
		return nil, lo, nil
	}
	password := l.Password.Reveal()
	c.loginRequest(a, password, 0, func(err error) {
		var ce *cti.ControlError
		if errors.As(err, &ce) && ce.Code == cti.ControlFailureCodeSpecifiedAgentAlreadySignedOn {
			c.attachLogon(a, lo, password, err)
			return
		}
		c.endLogon(a, lo, err)
	})
	return nil, lo, nil
}

func (c *Connector) loginRequest(a *agent, password string, forced uint8, done func(error)) {
	req := &cti.SetAgentStateReq{PeripheralID: a.rec.Peripheral, AgentState: cti.AgentStateLogin,
		AgentInstrument: a.rec.Device, AgentID: a.rec.AgentID, AgentPassword: password, ForcedFlag: cti.ForcedFlag(forced)}
	if err := c.send(a, req, func(_ cti.Confirm, err error) { done(err) }); err != nil {
		done(err)
	}
}

// attachLogon goes on when the ACD says that the agent is signed on already: if
// he is so at the very telephone that he named, and his password is right, he
// takes his own session up again. That happens when a connector without a store
// was started anew.
func (c *Connector) attachLogon(a *agent, lo *logon, password string, refusal error) {
	c.queryAgent(a, func(conf *cti.QueryAgentStateConf, err error) {
		if err != nil || conf == nil || conf.AgentState == cti.AgentStateLogout ||
			conf.AgentInstrument != a.rec.Device && conf.AgentExtension != a.rec.Device {
			c.endLogon(a, lo, refusal)
			return
		}
		state := conf.AgentState
		c.loginRequest(a, password, 2, func(err error) {
			if err == nil {
				lo.seen = true
				a.acd, a.acdKnown = state, true
				a.rec.Mode = modeNotReady
				if m, _ := c.modeOf(state, 0); m != 0 {
					a.rec.Mode = m
				}
			} else {
				var ce *cti.ControlError
				if !errors.As(err, &ce) || ce.Code == cti.ControlFailureCodeSpecifiedAgentAlreadySignedOn {
					err = refusal
				}
			}
			c.endLogon(a, lo, err)
		})
	})
}

// shadowLogon serves an agent who is logged on at the ACD by other means.
func (c *Connector) shadowLogon(a *agent, lo *logon) {
	c.queryAgent(a, func(conf *cti.QueryAgentStateConf, err error) {
		if err == nil && (conf.AgentState == cti.AgentStateLogout || conf.AgentState == cti.AgentStateUnknown) {
			err = errNotAtACD
		}
		if err == nil {
			lo.seen = true
			a.acd, a.acdKnown = conf.AgentState, true
			a.rec.Mode = modeNotReady
			if m, _ := c.modeOf(conf.AgentState, 0); m != 0 {
				a.rec.Mode = m
			}
			if conf.AgentExtension != "" {
				c.setExtension(a, conf.AgentExtension)
			}
		}
		c.endLogon(a, lo, err)
	})
}

var errNotAtACD = errors.New("crm: agent is not logged on at the ACD")

func (c *Connector) queryAgent(a *agent, done func(*cti.QueryAgentStateConf, error)) {
	req := &cti.QueryAgentStateReq{PeripheralID: a.rec.Peripheral, MRDID: voiceMRD, AgentID: a.rec.AgentID}
	err := c.send(a, req, func(conf cti.Confirm, err error) {
		q, ok := conf.(*cti.QueryAgentStateConf)
		if err == nil && !ok {
			err = &cti.UnexpectedConfirmError{Request: req.Type(), Confirm: conf.Type()}
		}
		done(q, err)
	})
	if err != nil {
		done(nil, err)
	}
}

// endLogon settles a log on.
func (c *Connector) endLogon(a *agent, lo *logon, err error) {
	if a.logon != lo {
		return
	}
	a.logon = nil
	if err != nil {
		c.unindex(a)
		a.rec.LoggedOn = false
		a.rec.Mode, a.rec.Workcenter = modeLoggedOff, ""
		a.told, a.toldValid = c.userView(a), true
		c.log.Info("crm: log on refused", slog.String("user", a.key.user), slog.String("agent", a.rec.AgentID),
			slog.String("err", err.Error()))
		c.touch(a)
		lo.done <- err
		if !a.subscribed {
			c.removeAgent(a)
		}
		return
	}
	a.rec.LoggedOn = true
	if a.acdKnown && a.acd != cti.AgentStateLogout {
		if m, note := c.modeOf(a.acd, a.reason); m != 0 {
			a.rec.Mode, a.rec.Reason = m, note
		} else if a.rec.Mode == modeLoggedOff {
			a.rec.Mode = modeNotReady
		}
	} else {
		a.rec.Mode = modeNotReady
	}
	c.log.Info("crm: agent is logged on", slog.String("user", a.key.user), slog.String("agent", a.rec.AgentID),
		slog.String("device", a.rec.Device))
	c.pres.owner(a.rec.Peripheral, a.rec.AgentID, a)
	if !lo.abandoned {
		a.told, a.toldValid = c.userView(a), true // it is the answer
	}
	c.touch(a)
	c.readDevice(a)
	lo.done <- nil
	if !a.subscribed {
		c.sapGone(a)
	}
}

// logonFault is the answer to a log on that failed.
func (c *Connector) logonFault(r *ici.Request, err error) error {
	if errors.Is(err, errNotAtACD) {
		return c.faultText(r, ici.FaultLogonFailed, "notLoggedOnAtACD", err)
	}
	code := ici.FaultLogonFailed
	if temporary(err) {
		code = ici.FaultTimeout
	}
	return c.faultText(r, code, refusalKey(err), err)
}

// choosePeripheral finds the ACD of an agent by the configured prefixes.
func (c *Connector) choosePeripheral(l *workcenter.Login) *peripheral {
	for _, p := range c.perList {
		if len(p.cfg.DevicePrefixes)+len(p.cfg.AgentPrefixes) == 0 ||
			hasPrefix(p.cfg.DevicePrefixes, l.Device) || hasPrefix(p.cfg.AgentPrefixes, l.AgentID) {
			return p
		}
	}
	return nil
}

func hasPrefix(list []string, s string) bool {
	for _, p := range list {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// channels are SAP's names of the media.
func (c *Connector) channels(m workcenter.Media) []string {
	var list []string
	add := func(on bool, code ici.Code) {
		if on {
			list = append(list, c.profile.Code(code))
		}
	}
	add(m.Phone, ici.ChannelTypeTelephony)
	add(m.Chats > 0, ici.ChannelTypeChat)
	add(m.ActionItems > 0, ici.ChannelTypeAction)
	return list
}

// sapGone starts the grace time of an agent who is logged on without a session
// of SAP.
func (c *Connector) sapGone(a *agent) {
	if a.subscribed {
		return
	}
	if !a.rec.LoggedOn {
		if a.logon == nil && a.living() == 0 {
			c.removeAgentIfIdle(a)
		}
		return
	}
	if c.cfg.Gone == GoneKeep {
		return
	}
	a.goneGen++
	gen := a.goneGen
	if a.goneTimer != nil {
		a.goneTimer.Stop()
	}
	a.goneTimer = c.after(c.cfg.GoneGrace, func() {
		if a.goneGen == gen && !a.subscribed && a.rec.LoggedOn && !a.removed {
			c.applyGone(a)
		}
	})
}

// removeAgentIfIdle forgets a logged-off agent without a session a little
// later: SAP subscribes right after it asked for the attributes.
func (c *Connector) removeAgentIfIdle(a *agent) {
	a.goneGen++
	gen := a.goneGen
	if a.goneTimer != nil {
		a.goneTimer.Stop()
	}
	a.goneTimer = c.after(keepEnded, func() {
		if a.goneGen == gen && !a.subscribed && !a.rec.LoggedOn && a.logon == nil {
			c.removeAgent(a)
		}
	})
}

func (c *Connector) applyGone(a *agent) {
	c.log.Info("crm: SAP has been away, acting as configured", slog.String("user", a.key.user),
		slog.String("policy", c.cfg.Gone.String()))
	retry := func() {
		gen := a.goneGen
		a.goneTimer = c.after(10*time.Second, func() {
			if a.goneGen == gen && !a.subscribed && a.rec.LoggedOn && !a.removed {
				c.applyGone(a)
			}
		})
	}
	if a.per == nil || !a.per.up() {
		retry()
		return
	}
	switch c.cfg.Gone {
	case GoneNotReady:
		if a.shownMode() == modeReady || a.acd == cti.AgentStateWorkReady {
			c.requestMode(a, modeNotReady)
		}
	case GoneLogoff:
		if a.inCall() {
			a.logoffAfter = true
			c.requestState(a, cti.AgentStateNotReady, c.cfg.DefaultNotReadyReason, 0)
			return
		}
		c.requestLogoff(a)
	}
}

// SubscriptionGone is the notifier's callback: SAP's session does not exist any
// more, or SAP did not take events for too long.
func (c *Connector) SubscriptionGone(sub ici.Subscription, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	c.apply(func() {
		a := c.agents[agentKey{sub.System, fold(sub.User)}]
		if a == nil || !a.subscribed || a.sub != sub.Key() {
			return
		}
		c.stats.gone.Add(1)
		c.log.Info("crm: SAP session is gone", slog.String("user", a.key.user), slog.String("err", text))
		c.dropSubscription(a)
		c.sapGone(a)
	})
}
