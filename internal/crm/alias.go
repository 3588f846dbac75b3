package crm

import (
	"log/slog"
	"time"

	"github.com/connects-go/connects/internal/crm/attached"
)

// maxAliases bounds the keys of one call: 16 parties (GED-188) may have come by a
// consultation each, at two levels.
const maxAliases = 32

// less orders router keys as the router gave them.
func (k routerKey) less(o routerKey) bool {
	return k.day < o.day || k.day == o.day && k.call < o.call
}

// oneCall makes one of the router keys of two calls that a transfer or a conference
// made one, and returns the document of both, for the call that goes on. One of them
// may be nil.
func (c *Connector) oneCall(orig, second *call) *attached.Document {
	doc := c.joinedDoc(orig, second)
	var e *sharedCall
	for _, cl := range []*call{orig, second} {
		if cl == nil {
			continue
		}
		if o := c.enlist(cl); e == nil {
			e = o
		} else if o != nil {
			c.unite(e, o, doc, false)
			e = e.main()
		}
	}
	if e == nil || !e.known() {
		return doc
	}
	c.shares.add(e, doc.Changed(c.view(e)))
	return c.view(e)
}

// moveOver gives a call the data of another one whose connection moves to it: they
// are one call, be it told as a conference or not.
func (c *Connector) moveOver(to, from *call) {
	orig, second := to, from
	if to.parent == from {
		orig, second = from, to
	}
	doc := c.oneCall(orig, second)
	to.data.inherit(&from.data)
	to.data.doc = doc
	c.follow(to)
}

// joinedDoc is the document of two calls that become one. A consultation has the
// newer one of each part (see toConsult). Of calls that had nothing to do with each
// other, the parts of the original one count.
func (c *Connector) joinedDoc(orig, second *call) *attached.Document {
	switch {
	case orig == nil && second == nil:
		return nil
	case orig == nil || orig.data.doc.Len() == 0 && second != nil:
		return second.data.doc
	case second == nil:
		return orig.data.doc
	}
	under, over := second.data.doc, orig.data.doc
	if second.parent == orig {
		under, over = over, under
	}
	doc, err := under.Merge(over, c.limits())
	if err != nil {
		c.log.Warn("crm: attached data of two calls do not fit into one document, those of the original call stay", slog.String("err", err.Error()))
		return orig.data.doc
	}
	return doc
}

// unite makes one call of two keys: the smaller one, which is that of the older
// call, is the root and the other one its alias. So a cycle cannot come about, and
// connectors that unite at the same moment end at the same root.
//
// The alias is written when the root has everything (see alias), so whoever follows it
// misses nothing. doc is that of both, if the caller knows it. stored says that another
// connector has done all this.
func (c *Connector) unite(a, b *sharedCall, doc *attached.Document, stored bool) {
	a, b = a.main(), b.main()
	if a == b {
		return
	}
	if b.key.less(a.key) {
		a, b = b, a
	}
	s := c.shares
	if len(a.aliases)+len(b.aliases)+1 > maxAliases {
		c.log.Warn("crm: too many router keys are one call, attached data not shared between them", slog.Int("max", maxAliases))
		s.tidy(a)
		s.tidy(b)
		return
	}
	fresh := c.merged(b.sent, b.own)
	switch {
	case !a.known(): // shown until the root has been read
		a.base.doc, a.base.customer = c.view(b), b.base.customer
	case !stored:
		fresh = c.merged(c.view(b).Missing(c.view(a)), fresh)
	}
	if doc != nil {
		fresh = doc.Changed(c.view(a))
	}
	for _, cl := range b.calls {
		cl.shared = a
	}
	a.calls = append(a.calls, b.calls...)
	for _, n := range b.aliases {
		n.root = a
		n.behind()
	}
	a.aliases = append(append(a.aliases, b), b.aliases...)
	b.calls, b.aliases, b.own, b.root, b.linked, b.since = nil, nil, nil, a, stored, time.Now()
	b.behind()
	s.clean(b)
	if a.base.rev == 0 {
		s.look(a)
	}
	s.add(a, fresh)
	c.show(a)
	s.enqueue(b)
}

// takeAlias applies that the store has an alias under a key.
func (c *Connector) takeAlias(e *sharedCall, got sharedDoc) {
	e.base.rev, e.conflict, e.linked = got.rev, false, true
	to := c.shares.entry(got.to)
	// What e has now belongs to the other root: that link is still to be written.
	c.unite(e, to, nil, e.root == nil)
	c.shares.tidy(to)
}

// takeUnaware applies a document under a key that is an alias: whoever wrote it did
// not know that. What is new in it goes to the root, and the alias is written again.
func (c *Connector) takeUnaware(e *sharedCall, got sharedDoc, ours bool) {
	var news *attached.Document
	switch {
	case ours: // the root got it from here
	case e.base.doc != nil:
		news = got.doc.Changed(e.base.doc)
	default:
		news = got.doc.Missing(c.view(e.root))
	}
	e.base, e.conflict, e.linked, e.since = got, false, false, time.Now()
	e.behind()
	c.shares.add(e.root, news)
	c.shares.clean(e)
	c.shares.enqueue(e)
}

// behind lets an alias wait until the store has what its root has, and what is added
// to it next. Later parts do not hold it up.
func (e *sharedCall) behind() {
	e.after = e.root.wrote + 1
	if e.root.sent != nil {
		e.after++ // the write under way lacks them
	}
}

// alias tells whether the key is an alias that has to be written, and can be.
func (e *sharedCall) alias() bool {
	r := e.root
	return r != nil && !e.linked && !r.unread() && (r.own == nil && r.sent == nil || r.wrote >= e.after)
}

// unread: what the calls show comes from an alias, and may be older than the store.
func (e *sharedCall) unread() bool { return e.base.rev == 0 && e.base.doc != nil }
