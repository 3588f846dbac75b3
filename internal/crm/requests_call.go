package crm

import (
	"context"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
)

// findItem returns the item that a request names. Items of other users and of
// other systems do not exist for the caller.
func (c *Connector) findItem(r *ici.Request, p ici.Param) (*item, error) {
	it := c.items[r.Text(p)]
	if it == nil && r.User != "" && c.agents[agentKey{r.System, fold(r.User)}] == nil {
		return nil, errUnknownAgent
	}
	if it == nil || it.ag.key.system != r.System || r.User != "" && it.ag.key.user != fold(r.User) {
		return nil, c.fault(r, ici.FaultItemUnknown, nil)
	}
	return it, nil
}

// livingItem is findItem for an operation that needs a connection, or nil and
// no error when the item has ended and done says that this is fine.
func (c *Connector) livingItem(r *ici.Request, p ici.Param) (*item, error) {
	it, err := c.findItem(r, p)
	if err != nil {
		return nil, err
	}
	if !it.ag.rec.LoggedOn {
		return nil, c.fault(r, ici.FaultNotLoggedOn, nil)
	}
	return it, nil
}

// reachable refuses a request that needs the switch while it cannot be asked.
func (c *Connector) reachable(r *ici.Request, a *agent) error {
	if a.per == nil || !a.per.up() {
		return c.faultText(r, ici.FaultTimeout, "linkDown", ErrLinkDown)
	}
	return nil
}

// control sends a call control request for an item once SAP has its answer.
// When the switch refuses, SAP gets the item's true state again with the reason.
func (c *Connector) control(op *operation, it *item, req cti.Request) {
	op.later(func() { c.controlNow(it, req) })
}

func (c *Connector) controlNow(it *item, req cti.Request) {
	a := it.ag
	err := c.send(a, req, func(_ cti.Confirm, err error) {
		if err != nil {
			c.refused(it, err)
		}
	})
	if err != nil {
		c.refused(it, err)
	}
}

// refused tells SAP the item's state again: the button that the agent pressed
// had no effect.
func (c *Connector) refused(it *item, err error) {
	it.force, it.rejected = true, false
	it.noteOnce = c.refusal(it.ag.rec.Lang, err)
	c.touch(it.ag)
}

// illegal is the fault for an operation that the state does not allow.
func (c *Connector) illegal(r *ici.Request) error { return c.fault(r, ici.FaultIllegalState, nil) }

func (c *Connector) phoneCallOp(op *operation) (ici.Value, error) {
	r := op.r
	switch r.Op {
	case ici.OpPhoneCallMakeCall:
		return c.makeCall(op)
	case ici.OpPhoneCallGetPhoneCalls:
		a, err := c.requireAgent(r)
		if err != nil {
			return nil, err
		}
		list := ici.PhoneCalls{}
		for _, it := range a.items {
			if it.status.alive() || it.status == statusWrapUp {
				it.told.caps = it.view(&c.cfg).caps
				list = append(list, *c.phoneCall(it))
			}
		}
		return list, nil
	case ici.OpPhoneCallGetAttributes:
		it, err := c.findItem(r, ici.ParamPhoneCallID)
		if err != nil {
			return nil, err
		}
		it.told.caps = it.view(&c.cfg).caps
		return c.phoneCall(it), nil
	}
	it, err := c.livingItem(r, ici.ParamPhoneCallID)
	if err != nil {
		return nil, err
	}
	switch r.Op {
	case ici.OpPhoneCallAccept:
		if it.status.talking() || it.status == statusHeld {
			return ici.Text(""), nil // pressed twice
		}
		if it.status != statusOffered {
			return nil, c.illegal(r)
		}
	case ici.OpPhoneCallDrop, ici.OpPhoneCallReject, ici.OpPhoneCallLeaveConference:
		if it.status == statusEnded || it.status == statusWrapUp || it.closing {
			return ici.Text(""), nil // it is gone, as the agent wishes
		}
	default:
		if !it.status.alive() {
			return nil, c.illegal(r)
		}
	}
	if err := c.reachable(r, it.ag); err != nil {
		return nil, err
	}
	if it.call == nil {
		return c.unboundOp(op, it)
	}
	return c.connectedOp(op, it)
}

// unboundOp: the switch has not told the id of the call yet. Only hanging up
// makes sense; it is done as soon as the id is known.
func (c *Connector) unboundOp(op *operation, it *item) (ici.Value, error) {
	if op.r.Op != ici.OpPhoneCallDrop {
		return nil, c.illegal(op.r)
	}
	op.later(func() {
		c.when(it.ag, c.cfg.RequestTimeout, func() bool { return it.call != nil || !it.status.alive() }, func() {
			if it.call != nil && it.status.alive() {
				c.controlNow(it, c.clearReq(it))
			}
		}, func() { c.endItem(it, textFailed) })
	})
	return ici.Text(""), nil
}

func (c *Connector) connectedOp(op *operation, it *item) (ici.Value, error) {
	r, a, per := op.r, it.ag, it.call.key.peripheral
	caps := itemCaps(it.status, it.situation(&c.cfg))
	can := func(w capSet) error {
		if caps&w == 0 {
			return c.illegal(r)
		}
		return nil
	}
	switch r.Op {
	case ici.OpPhoneCallAccept:
		c.control(op, it, &cti.AnswerCallReq{PeripheralID: per, ConnectionCallID: it.conn.Call,
			ConnectionDeviceIDType: it.conn.Type, ConnectionDeviceID: it.conn.Dev, AgentInstrument: a.rec.Device})
	case ici.OpPhoneCallReject:
		if it.status != statusOffered {
			return nil, c.illegal(r)
		}
		it.rejected = true
		if to := c.cfg.RejectTo; to != "" {
			c.control(op, it, &cti.DeflectCallReq{PeripheralID: per, ConnectionCallID: it.conn.Call,
				ConnectionDeviceIDType: it.conn.Type, ConnectionDeviceID: it.conn.Dev,
				CalledDeviceType: cti.DeviceIDTypeDeviceIdentifier, CalledDeviceID: to, AgentInstrument: a.rec.Device})
		} else {
			c.control(op, it, c.clearReq(it))
		}
	case ici.OpPhoneCallDrop:
		c.control(op, it, c.clearReq(it))
	case ici.OpPhoneCallLeaveConference:
		if it.status != statusConference && !(it.status == statusHeld && it.reason == reasonConference) {
			return nil, c.illegal(r)
		}
		c.control(op, it, c.clearReq(it))
	case ici.OpPhoneCallHold:
		if it.status == statusHeld {
			return ici.Text(""), nil
		}
		if err := can(capHold); err != nil {
			return nil, err
		}
		c.control(op, it, &cti.HoldCallReq{PeripheralID: per, ConnectionCallID: it.conn.Call,
			ConnectionDeviceIDType: it.conn.Type, ConnectionDeviceID: it.conn.Dev, AgentInstrument: a.rec.Device})
	case ici.OpPhoneCallRetrieve:
		if it.status.talking() {
			return ici.Text(""), nil
		}
		if err := can(capRetrieve); err != nil {
			return nil, err
		}
		c.control(op, it, &cti.RetrieveCallReq{PeripheralID: per, HeldConnectionCallID: it.conn.Call,
			HeldConnectionDeviceIDType: it.conn.Type, HeldConnectionDeviceID: it.conn.Dev, AgentInstrument: a.rec.Device})
	case ici.OpPhoneCallToggle:
		return c.toggle(op, it)
	case ici.OpPhoneCallConsult:
		return c.consult(op, it, can)
	case ici.OpPhoneCallWarmTransfer:
		return c.joinOp(op, it, false)
	case ici.OpPhoneCallConference:
		if c.cfg.NoConference {
			return nil, c.fault(r, ici.FaultNotSupported, nil)
		}
		return c.joinOp(op, it, true)
	case ici.OpPhoneCallBlindTransfer:
		return c.blindTransfer(op, it, can)
	case ici.OpPhoneCallSendDTMF:
		digits := r.Text(ici.ParamDigits)
		if err := checkDTMF(digits); err != nil {
			return nil, c.faultText(r, ici.FaultIllegalState, "invalidNumber", err)
		}
		if err := can(capSendDTMF); err != nil {
			return nil, err
		}
		c.control(op, it, &cti.SendDTMFSignalReq{PeripheralID: per, ConnectionCallID: it.conn.Call,
			ConnectionDeviceIDType: it.conn.Type, ConnectionDeviceID: it.conn.Dev, DTMFString: digits, AgentInstrument: a.rec.Device})
	default:
		return nil, c.fault(r, ici.FaultNotSupported, nil)
	}
	return ici.Text(""), nil
}

func (c *Connector) clearReq(it *item) cti.Request {
	return &cti.ClearConnectionReq{PeripheralID: it.call.key.peripheral, ConnectionCallID: it.conn.Call,
		ConnectionDeviceIDType: it.conn.Type, ConnectionDeviceID: it.conn.Dev, AgentInstrument: it.ag.rec.Device}
}

// other returns the agent's other call for toggle, transfer and conference: the
// one that the request names, else the partner, else the only other one.
func (c *Connector) other(r *ici.Request, it *item, p ici.Param) (*item, error) {
	if r.Has(p) && r.Text(p) != "" {
		o, err := c.findItem(r, p)
		if err != nil {
			return nil, err
		}
		if o == it || o.ag != it.ag || !o.status.alive() || o.call == nil {
			return nil, c.illegal(r)
		}
		return o, nil
	}
	if o := it.partner; o != nil && o.status.alive() && o.call != nil {
		return o, nil
	}
	var found *item
	for _, o := range it.ag.items {
		if o != it && o.call != nil && (o.status.talking() || o.status == statusHeld) {
			if found != nil {
				return nil, c.illegal(r)
			}
			found = o
		}
	}
	if found == nil {
		return nil, c.illegal(r)
	}
	return found, nil
}

func (c *Connector) toggle(op *operation, it *item) (ici.Value, error) {
	o, err := c.other(op.r, it, ici.ParamHeldPhoneCallID)
	if err != nil {
		return nil, err
	}
	active, held := it, o
	if active.status == statusHeld {
		active, held = held, active
	}
	if !active.status.talking() || held.status != statusHeld {
		return nil, c.illegal(op.r)
	}
	c.control(op, it, alternateReq(active, held))
	return ici.Text(""), nil
}

func alternateReq(active, held *item) cti.Request {
	return &cti.AlternateCallReq{PeripheralID: active.call.key.peripheral,
		ActiveConnectionCallID: active.conn.Call, ActiveConnectionDeviceIDType: active.conn.Type, ActiveConnectionDeviceID: active.conn.Dev,
		OtherConnectionCallID: held.conn.Call, OtherConnectionDeviceIDType: held.conn.Type, OtherConnectionDeviceID: held.conn.Dev,
		AgentInstrument: active.ag.rec.Device}
}

// joinOp is warm transfer and conference: the original call has to be held and
// the consultation has to talk; when it is the other way round, the calls are
// swapped first (CTI reference, section 15).
func (c *Connector) joinOp(op *operation, it *item, conference bool) (ici.Value, error) {
	o, err := c.other(op.r, it, ici.ParamConsultPhoneCallID)
	if err != nil {
		return nil, err
	}
	orig, cons := it, o
	if orig.isConsult {
		orig, cons = cons, orig
	}
	if orig.partner != cons && !c.cfg.ArbitraryTransfer {
		return nil, c.illegal(op.r)
	}
	a := it.ag
	ready := func() bool { return orig.status == statusHeld && cons.status.talking() }
	switch {
	case ready():
		op.later(func() { c.join(orig, cons, conference) })
	case orig.status.talking() && cons.status == statusHeld:
		op.later(func() {
			err := c.send(a, alternateReq(orig, cons), func(_ cti.Confirm, err error) {
				if err != nil {
					c.refused(it, err)
					return
				}
				c.when(a, c.cfg.RequestTimeout, ready, func() { c.join(orig, cons, conference) },
					func() { c.refused(it, context.DeadlineExceeded) })
			})
			if err != nil {
				c.refused(it, err)
			}
		})
	default:
		return nil, c.illegal(op.r)
	}
	return ici.Text(""), nil
}

func (c *Connector) join(held, active *item, conference bool) {
	if held.call == nil || active.call == nil {
		c.refused(held, ErrLinkDown)
		return
	}
	per := held.call.key.peripheral
	if conference {
		c.controlNow(held, &cti.ConferenceCallReq{PeripheralID: per,
			HeldConnectionCallID: held.conn.Call, HeldConnectionDeviceIDType: held.conn.Type, HeldConnectionDeviceID: held.conn.Dev,
			ActiveConnectionCallID: active.conn.Call, ActiveConnectionDeviceIDType: active.conn.Type, ActiveConnectionDeviceID: active.conn.Dev,
			AgentInstrument: held.ag.rec.Device})
		return
	}
	c.controlNow(held, &cti.TransferCallReq{PeripheralID: per,
		HeldConnectionCallID: held.conn.Call, HeldConnectionDeviceIDType: held.conn.Type, HeldConnectionDeviceID: held.conn.Dev,
		ActiveConnectionCallID: active.conn.Call, ActiveConnectionDeviceIDType: active.conn.Type, ActiveConnectionDeviceID: active.conn.Dev,
		AgentInstrument: held.ag.rec.Device})
}

func (c *Connector) blindTransfer(op *operation, it *item, can func(capSet) error) (ici.Value, error) {
	dest, err := c.destination(op.r)
	if err != nil {
		return nil, err
	}
	if err := can(capBlindTransfer); err != nil {
		return nil, err
	}
	c.remember(it.call.data.router, &it.call.data)
	c.shareAgain(it.call)
	c.control(op, it, &cti.TransferCallReq{PeripheralID: it.call.key.peripheral,
		ActiveConnectionCallID: it.conn.Call, ActiveConnectionDeviceIDType: it.conn.Type, ActiveConnectionDeviceID: it.conn.Dev,
		HeldConnectionCallID: nullCall, HeldConnectionDeviceIDType: cti.ConnectionDeviceIDTypeNone,
		DialedNumber: dest, AgentInstrument: it.ag.rec.Device})
	return ici.Text(""), nil
}

// consult holds the call and calls somebody else. The new item is returned at
// once; the switch tells its id later.
func (c *Connector) consult(op *operation, it *item, can func(capSet) error) (ici.Value, error) {
	dest, err := c.destination(op.r)
	if err != nil {
		return nil, err
	}
	if err := can(capConsult); err != nil {
		return nil, err
	}
	a := it.ag
	if a.living() >= c.cfg.MaxItems {
		return nil, c.illegal(op.r)
	}
	n := c.started(a, dest)
	c.pair(it, n)
	kind := cti.ConsultTypeTransfer
	req := &cti.ConsultationCallReq{PeripheralID: it.call.key.peripheral,
		ActiveConnectionCallID: it.conn.Call, ActiveConnectionDeviceIDType: it.conn.Type, ActiveConnectionDeviceID: it.conn.Dev,
		ConsultType: kind, DialedNumber: dest, AgentInstrument: a.rec.Device}
	op.later(func() {
		c.startCall(n, req, func(conf cti.Confirm) (connection, bool) {
			cc, ok := conf.(*cti.ConsultationCallConf)
			if !ok {
				return connection{}, false
			}
			return connection{cc.NewConnectionCallID, cc.NewConnectionDeviceIDType, cc.NewConnectionDeviceID}, true
		})
	})
	return c.shown(n), nil
}

// shown is the item as the answer of the request that made it; the event
// follows only when something changes.
func (c *Connector) shown(n *item) ici.Value {
	n.told, n.toldValid = n.view(&c.cfg), true
	return c.phoneCall(n)
}

func (c *Connector) makeCall(op *operation) (ici.Value, error) {
	r := op.r
	a, err := c.requireAgent(r)
	if err != nil {
		return nil, err
	}
	if !a.rec.LoggedOn {
		return nil, c.fault(r, ici.FaultNotLoggedOn, nil)
	}
	dest, err := c.destination(r)
	if err != nil {
		return nil, err
	}
	if c.userCaps(a)&capMakeCall == 0 || a.living() >= c.cfg.MaxItems {
		return nil, c.illegal(r)
	}
	if err := c.reachable(r, a); err != nil {
		return nil, err
	}
	doc, err := c.parseDoc(r)
	if err != nil {
		return nil, err
	}
	n := c.started(a, dest)
	n.wantData = doc
	req := &cti.MakeCallReq{PeripheralID: a.rec.Peripheral, AgentInstrument: a.rec.Device, DialedNumber: dest,
		SkillGroupNumber: nullCall}
	c.fillMakeCall(req, doc)
	op.later(func() {
		c.startCall(n, req, func(conf cti.Confirm) (connection, bool) {
			mc, ok := conf.(*cti.MakeCallConf)
			if !ok {
				return connection{}, false
			}
			return connection{mc.NewConnectionCallID, mc.NewConnectionDeviceIDType, mc.NewConnectionDeviceID}, true
		})
	})
	return c.shown(n), nil
}

// startCall asks the switch for a new call and ties its id to the item. Events
// of the call may come before the confirmation and have tied it already.
func (c *Connector) startCall(n *item, req cti.Request, id func(cti.Confirm) (connection, bool)) {
	fail := func(err error) {
		if n.call != nil && temporary(err) {
			return // it may have worked: the events decide
		}
		n.note = c.refusal(n.ag.rec.Lang, err)
		c.unpair(n)
		c.setStatus(n, statusFailed)
		c.endItem(n, "")
	}
	err := c.send(n.ag, req, func(conf cti.Confirm, err error) {
		if err != nil {
			fail(err)
			return
		}
		conn, ok := id(conf)
		if !ok || n.status.final() || conn.Call == nullCall {
			return
		}
		cl := c.callFor(n.ag.rec.Peripheral, conn.Call)
		if cl == nil || cl == n.call {
			if cl != nil {
				c.bind(n, cl, conn)
			}
			return
		}
		if cl.ended {
			return
		}
		if o := n.ag.item(cl); o != nil && o != n {
			// The events made an item of their own, and ours took another call
			// of the same phone: ours is the one of the request.
			c.swapCalls(n, o)
			return
		}
		c.bind(n, cl, conn)
	})
	if err != nil {
		fail(err)
	}
}

// swapCalls exchanges the calls of two items of one agent.
func (c *Connector) swapCalls(n, o *item) {
	ncl, nconn, ncons := n.call, n.conn, n.status
	ocl, oconn, ocons := o.call, o.conn, o.status
	c.detach(n)
	c.detach(o)
	n.call, o.call = nil, nil
	c.bind(n, ocl, oconn)
	n.status = ocons
	if ncl != nil {
		c.attach(o, ncl, nconn)
		o.status = ncons
	} else {
		c.finish(o, statusEnded)
	}
	c.touch(n.ag)
}

func (c *Connector) unpair(it *item) {
	if p := it.partner; p != nil {
		p.partner, it.partner = nil, nil
		p.isConsult, it.isConsult = false, false
		p.force = true
		c.touch(p.ag)
	}
}
