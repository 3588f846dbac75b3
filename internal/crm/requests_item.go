package crm

import (
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
)

func (c *Connector) itemOp(op *operation) (ici.Value, error) {
	r := op.r
	it, err := c.findItem(r, ici.ParamItemID)
	if err != nil {
		return nil, err
	}
	switch r.Op {
	case ici.OpItemGetAttachedData:
		if it.call == nil {
			return ici.Text(it.wantData.String()), nil
		}
		return ici.Text(c.attached(it.call)), nil
	case ici.OpItemSetAttachedData:
		return c.setAttached(op, it)
	case ici.OpItemWrapUpRequired:
		return c.wrapUpRequired(op, it)
	case ici.OpItemWrapUpEnded:
		return c.wrapUpEnded(op, it)
	}
	return nil, c.fault(r, ici.FaultNotSupported, nil)
}

// wrapUpRequired asks for wrap-up after the call, or takes the wish back.
func (c *Connector) wrapUpRequired(op *operation, it *item) (ici.Value, error) {
	a, r := it.ag, op.r
	want := r.Bool(ici.ParamRequired, true)
	if !a.rec.LoggedOn {
		return nil, c.fault(r, ici.FaultNotLoggedOn, nil)
	}
	if it.status == statusWrapUp || it.status == statusEnded {
		return ici.Text(""), nil
	}
	if !it.status.talking() && it.status != statusHeld {
		return nil, c.illegal(r)
	}
	if err := c.reachable(r, a); err != nil {
		return nil, err
	}
	it.wrapUp = want
	op.later(func() {
		a.wrapUpAsked = want
		mode := a.shownMode()
		if want {
			c.requestState(a, workState(mode), 0, 0)
			return
		}
		c.requestMode(a, mode)
	})
	return ici.Text(""), nil
}

// wrapUpEnded ends wrap-up before its time; the agent goes where the ACD would
// have put him.
func (c *Connector) wrapUpEnded(op *operation, it *item) (ici.Value, error) {
	a := it.ag
	if !a.rec.LoggedOn || !isWork(a.acd) || !a.acdKnown {
		return ici.Text(""), nil
	}
	if err := c.reachable(op.r, a); err != nil {
		return nil, err
	}
	op.later(func() {
		mode := a.rec.Pending
		if mode == 0 {
			mode = modeNotReady
			if a.acd == cti.AgentStateWorkReady {
				mode = modeReady
			}
		}
		c.requestMode(a, mode)
	})
	return ici.Text(""), nil
}
