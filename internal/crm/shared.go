package crm

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"github.com/connects-go/connects/ds104"
)

// keyCalls is where connectors that share a store leave what SAP attached to a
// call, under the router key that the call keeps across the enterprise: the next
// agent of the call may be served by another connector. It is not used while a
// connector is alone.
const keyCalls = "crm/calls/"

// sharedFor is how long shared data are kept; CCE closes a call after 8 h
// (CCE reference, section 11.5).
const sharedFor = 8 * time.Hour

// sharedData is the saved form.
type sharedData struct {
	Doc      string `json:"doc,omitempty"`
	Customer string `json:"cust,omitempty"`
}

// routerOf is the router key by which the data of a call are shared: its own, or
// that of the call for which it is a consultation.
func routerOf(cl *call) routerKey {
	for n := 0; cl != nil && n < 4; n++ {
		if cl.data.router.valid() {
			return cl.data.router
		}
		cl = cl.parent
	}
	return routerKey{}
}

func (k routerKey) path() string {
	return keyCalls + strconv.FormatUint(uint64(k.day), 10) + "-" + strconv.FormatUint(uint64(k.call), 10)
}

// share leaves the data of a call for other connectors. Nothing waits for it.
func (c *Connector) share(cl *call) {
	k := routerOf(cl)
	if !c.store.others.Load() || !k.valid() || cl.data.doc == nil {
		return
	}
	b, err := json.Marshal(sharedData{Doc: cl.data.doc.String(), Customer: cl.data.customer})
	if err != nil {
		return
	}
	c.work.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.cfg.RequestTimeout)
		defer cancel()
		if _, err := c.store.s.Put(ctx, k.path(), b, ds104.PutOptions{TTL: sharedFor}); err != nil {
			c.stats.saveErrors.Add(1)
			c.log.Warn("crm: attached data not shared", slog.String("err", err.Error()))
		}
	})
}

// fetchShared looks for what another connector left for a call that has just
// been offered. What is found is told as a change of the call.
func (c *Connector) fetchShared(cl *call) {
	k := routerOf(cl)
	if cl.asked || !c.store.others.Load() || !k.valid() || cl.data.doc != nil {
		return
	}
	cl.asked = true
	c.work.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.cfg.RequestTimeout)
		defer cancel()
		e, err := c.store.s.Get(ctx, k.path())
		var d sharedData
		if err != nil || json.Unmarshal(e.Value, &d) != nil {
			return
		}
		c.apply(func() {
			if cl.data.doc != nil {
				return
			}
			cl.data.doc = c.savedDoc(d.Doc)
			cl.data.customer = firstOf(cl.data.customer, d.Customer)
			cl.version++
			c.changed(cl)
		})
	})
}

// consultOf ties a consultation call to its original call by what the switch
// says; the consulting agent may be served by another connector.
func (c *Connector) consultOf(per, id, original uint32) {
	if original == 0 || original == nullCall || original == id {
		return
	}
	from := c.lookup(per, original)
	cl := c.callFor(per, id)
	if from == nil || cl == nil || cl.parent != nil {
		return
	}
	cl.parent = from
	c.customerOf(from)
	cl.data.inherit(&from.data)
	cl.version++
	c.changed(cl)
}
