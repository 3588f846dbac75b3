package crm

import (
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/crm/attached"
)

// callData is what travels with a call.
type callData struct {
	ani, dnis, dialed, ced string
	// vars are the call variables, the expanded ones and the wrap-up data.
	vars   attached.Variables
	router routerKey
	// doc is what SAP attached: the parts of other applications and its own
	// elements in the part of the connector. It never changes and may be shared.
	doc *attached.Document
	// customer is the original caller's number towards SAP, kept over
	// consultation, transfer and conference; empty: not known.
	customer string
	// queue is the name of the skill group that delivered the call.
	queue string
	typ   cti.CallType
}

// update is the call data of one message; absent strings are empty.
type update struct {
	ani, dnis, dialed, ced, wrapUp string
	vars                           [10]string
	named                          []cti.NamedVar
	arrays                         []cti.NamedArray
	router                         routerKey
	// cleared has a bit for each call variable that the message empties.
	cleared uint16
	// all: the expanded variables are the complete set, not the changed ones.
	all bool
}

// merge takes over what a message carries and reports whether anything changed
// that SAP is shown.
func (d *callData) merge(u *update) bool {
	changed := false
	set := func(dst *string, v string) {
		if v != "" && *dst != v {
			*dst = v
			changed = true
		}
	}
	set(&d.ani, u.ani)
	set(&d.dnis, u.dnis)
	set(&d.dialed, u.dialed)
	set(&d.ced, u.ced)
	set(&d.vars.WrapUp, u.wrapUp)
	for i := range u.vars {
		set(&d.vars.Call[i], u.vars[i])
		if u.cleared&(1<<i) != 0 && u.vars[i] == "" && d.vars.Call[i] != "" {
			d.vars.Call[i] = ""
			changed = true
		}
	}
	if u.router.valid() {
		d.router = u.router
	}
	if len(u.named)+len(u.arrays) > 0 {
		if u.all && d.differs(u) {
			d.vars.ECC = d.vars.ECC[:0]
			changed = true
		}
		for _, n := range u.named {
			changed = d.setECC(n.Name, attached.Scalar, n.Value) || changed
		}
		for _, n := range u.arrays {
			changed = d.setECC(n.Name, int(n.Index), n.Value) || changed
		}
	}
	return changed
}

// differs tells whether the stored set has a variable that u lacks.
func (d *callData) differs(u *update) bool {
	if len(d.vars.ECC) > len(u.named)+len(u.arrays) {
		return true
	}
next:
	for _, s := range d.vars.ECC {
		for _, n := range u.named {
			if s.Index < 0 && n.Name == s.Name {
				continue next
			}
		}
		for _, n := range u.arrays {
			if s.Index == int(n.Index) && n.Name == s.Name {
				continue next
			}
		}
		return true
	}
	return false
}

// maxECC bounds the expanded variables of one call: CCE sends at most 2500
// bytes of them to a client (CTI reference, section 16), and an element takes 8.
const maxECC = 512

func (d *callData) setECC(name string, index int, value string) bool {
	for i := range d.vars.ECC {
		if e := &d.vars.ECC[i]; e.Index == index && e.Name == name {
			if e.Value == value {
				return false
			}
			e.Value = value
			return true
		}
	}
	if len(d.vars.ECC) >= maxECC {
		return false
	}
	d.vars.ECC = append(d.vars.ECC, attached.ECC{Name: name, Index: index, Value: value})
	return true
}

// inherit takes over from the original call what the new one does not bring
// itself: consultation, transfer and redirection must not lose what the caller
// and SAP gave.
func (d *callData) inherit(o *callData) {
	if d.customer == "" {
		d.customer = o.customer
	}
	if d.doc == nil {
		d.doc = o.doc
	}
	for i := range d.vars.Call {
		if d.vars.Call[i] == "" {
			d.vars.Call[i] = o.vars.Call[i]
		}
	}
	for _, e := range o.vars.ECC {
		if !d.hasECC(e.Name, e.Index) {
			d.setECC(e.Name, e.Index, e.Value)
		}
	}
	if d.ced == "" {
		d.ced = o.ced
	}
	if !d.router.valid() {
		d.router = o.router
	}
}

func (d *callData) hasECC(name string, index int) bool {
	for i := range d.vars.ECC {
		if d.vars.ECC[i].Index == index && d.vars.ECC[i].Name == name {
			return true
		}
	}
	return false
}

// clone copies what would otherwise be shared.
func (d *callData) clone() callData {
	n := *d
	n.vars.ECC = append([]attached.ECC(nil), d.vars.ECC...)
	return n
}

// remembered is the data of a call, kept under its router key for the call that
// follows it: a pre-call message comes before the call, and a redirected call
// is a new call for a CTI client (CTI reference, sections 13 and 15; CCE
// reference, section 11.4).
type remembered struct {
	data  callData
	until time.Time
}

// rememberFor is how long the data of a gone call wait for the call that
// follows: the reservation of an agent takes at most 30 s (CCE reference, 11.5).
const rememberFor = 60 * time.Second

// maxRemembered bounds the number of them.
const maxRemembered = 20000

func (c *Connector) remember(k routerKey, d *callData) {
	if !k.valid() {
		return
	}
	if len(c.recent) >= maxRemembered {
		now := time.Now()
		for k, r := range c.recent {
			if now.After(r.until) {
				delete(c.recent, k)
			}
		}
		if len(c.recent) >= maxRemembered {
			return
		}
	}
	c.recent[k] = &remembered{d.clone(), time.Now().Add(rememberFor)}
	c.armSweep()
}

// recall fills the data of a new call with those of the call before it.
func (c *Connector) recall(d *callData) {
	if r := c.recent[d.router]; r != nil && d.router.valid() {
		d.inherit(&r.data)
		if d.queue == "" {
			d.queue = r.data.queue
		}
	}
}
