package crm

import (
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/backoff"
	"github.com/connects-go/connects/internal/crm/attached"
)

// keyCalls is where connectors that share a store leave what SAP attached to a
// call, under the router key that the call keeps across the enterprise: another
// agent of the call may be served by another connector. It is not used while a
// connector is alone.
const keyCalls = "crm/calls/"

// sharedFor is how long shared data and aliases are kept; CCE closes a call after
// 8 h (CCE reference, section 11.5).
const sharedFor = 8 * time.Hour

// maxSharedBytes bounds what waits to be written: what is above it stays here.
const maxSharedBytes = 64 << 20

// sharedOverhead is what one key that waits takes beside its document.
const sharedOverhead = 512

// sharedDoc is what the store has under a key; revision zero: nothing, or not
// known. With to it is an alias: the data are under that key.
type sharedDoc struct {
	rev      ds104.Revision
	doc      *attached.Document
	customer string
	to       routerKey
}

// sharedCall is the calls of one router key, here and at other connectors. All of
// them show the document of the store and, over it, the parts that SAP attached
// here and that are not in the store yet. A write is bound to the revision that it
// was made from, so two connectors that attach at once both keep their parts; of
// one part the later write stays. It belongs to the strand.
type sharedCall struct {
	key   routerKey
	calls []*call
	base  sharedDoc
	// own are the parts that wait to be written, sent those on their way.
	own, sent *attached.Document
	since     time.Time // of the newest own part, or of the alias
	held      int       // bytes counted for own and sent

	// root has the calls and the data when this key is an alias, aliases are the
	// other keys of a root. linked: the store says so of the alias, or it was tried
	// for long enough.
	root    *sharedCall
	aliases []*sharedCall
	linked  bool
	// wrote counts the writes of a root; an alias waits until it is after, when all
	// is in the store that it had.
	wrote, after uint64

	read     bool // the store has to be read
	conflict bool // because a write met another revision
	force    bool // write without a condition: no side of the store decides
	clashes  int  // writes in a row that met another revision
	queued   bool
	busy     bool // a read or a write is under way
	timer    *time.Timer
	wait     backoff.Backoff
}

// known tells whether there is a document for the key.
func (e *sharedCall) known() bool { return e.base.doc != nil || e.own != nil || e.sent != nil }

// main is the entry that has the calls and the data.
func (e *sharedCall) main() *sharedCall {
	if e.root != nil {
		return e.root
	}
	return e
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

// enlist puts a call into the table of its router key, and gives it what is known
// there. It returns nil when the connector is alone or the call has no key.
func (c *Connector) enlist(cl *call) *sharedCall {
	if !c.store.others.Load() {
		return nil
	}
	k := routerOf(cl)
	if e := c.shares.byKey[k]; e != nil && cl.shared == e.main() {
		return cl.shared
	}
	c.unlist(cl)
	if !k.valid() {
		return nil
	}
	e := c.shares.entry(k).main()
	e.calls = append(e.calls, cl)
	cl.shared = e
	c.show(e)
	return e
}

func (c *Connector) unlist(cl *call) {
	e := cl.shared
	if e == nil {
		return
	}
	cl.shared = nil
	for i, o := range e.calls {
		if o == cl {
			e.calls = append(e.calls[:i], e.calls[i+1:]...)
			break
		}
	}
	c.shares.tidy(e)
}

// left unlists a call that is in no table and that no item shows.
func (c *Connector) left(cl *call) {
	if c.calls[cl.key] != cl && len(cl.items) == 0 {
		c.unlist(cl)
	}
}

// follow has the store read for a call that has a document from elsewhere, such
// as the call before it, when the connectors have none in common: parts that the
// store has count, the others are shared.
func (c *Connector) follow(cl *call) {
	if e := c.enlist(cl); e != nil && !e.known() && cl.data.doc != nil {
		c.shares.look(e)
	}
}

// fetchShared looks for what another connector left for a call that has just
// been offered. What is found is told as a change of the call.
func (c *Connector) fetchShared(cl *call) {
	if e := c.enlist(cl); e != nil && !cl.asked {
		cl.asked = true
		c.shares.look(e)
	}
}

// share leaves parts that SAP attached to a call, which shows them already, for
// other connectors. Nothing waits for it.
func (c *Connector) share(cl *call, parts *attached.Document) {
	e := c.enlist(cl)
	if e == nil {
		return
	}
	if parts.Len() > 0 && !e.known() {
		parts = cl.data.doc
	}
	c.shares.add(e, parts)
}

// shareAgain leaves what a call has when it is about to go to another place.
func (c *Connector) shareAgain(cl *call) {
	if e := c.enlist(cl); e != nil && !e.known() {
		c.share(cl, cl.data.doc)
	}
}

// merged puts parts over a document. Together above the limits, which each of
// them keeps, the newer one stays alone.
func (c *Connector) merged(d, over *attached.Document) *attached.Document {
	m, err := d.Merge(over, c.limits())
	if err != nil {
		return over
	}
	return m
}

// view is the document that the calls of a key show.
func (c *Connector) view(e *sharedCall) *attached.Document {
	return c.merged(c.merged(e.base.doc, e.sent), e.own)
}

func sameDoc(a, b *attached.Document) bool {
	return a == b || a.Len() == b.Len() && a.String() == b.String()
}

// show gives the calls of a key its document, and tells the agents where it is new.
func (c *Connector) show(e *sharedCall) {
	if !e.known() {
		return
	}
	v := c.view(e)
	for _, cl := range e.calls {
		cl.data.customer = firstOf(cl.data.customer, e.base.customer)
		before := cl.data.doc
		if sameDoc(before, v) {
			continue
		}
		cl.data.doc = v
		cl.version++
		for _, it := range cl.items {
			if it.status.final() {
				it.told.version = cl.version // over for him, but a late reason goes on from here
				continue
			}
			c.touch(it.ag)
		}
		c.toConsult(cl, v.Changed(before))
	}
}

// take applies what the store has under a key. What is older than what is known,
// such as our own write that comes back, changes nothing.
func (c *Connector) take(e *sharedCall, got sharedDoc) {
	if got.rev <= e.base.rev && !e.conflict {
		return
	}
	if got.to.valid() {
		c.takeAlias(e, got)
		return
	}
	ours := e.sent != nil && sameDoc(got.doc, c.merged(e.base.doc, e.sent))
	if ours {
		e.sent = nil // our write has arrived before its answer
	} else {
		c.stats.shareTaken.Add(1)
	}
	if e.root != nil {
		c.takeUnaware(e, got, ours)
		return
	}
	var brought *attached.Document // by calls that had a document before they had the key
	if e.base.rev == 0 {
		for _, cl := range e.calls {
			brought = c.merged(brought, cl.data.doc.Missing(got.doc))
		}
	}
	e.base, e.conflict = got, false
	c.shares.add(e, brought)
	c.shares.clean(e)
	c.show(e)
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
	c.follow(cl)
}

// toConsult gives parts that are new in a call to its consultations, which began
// with a copy of it. So a consultation has the newer one of each part until both
// are joined.
func (c *Connector) toConsult(cl *call, parts *attached.Document) {
	if parts.Len() == 0 {
		return
	}
	for _, it := range cl.items {
		if it.partner == nil || !it.partner.isConsult {
			continue
		}
		x := it.partner.call
		if x == nil || x == cl || x.shared != nil && x.shared == cl.shared {
			continue
		}
		doc, err := x.data.doc.Merge(parts, c.limits())
		if err != nil || sameDoc(doc, x.data.doc) {
			continue
		}
		x.data.doc = doc
		x.version++
		c.changed(x)
		c.share(x, parts)
	}
}
