package crm

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/crm/attached"
)

// sharers is how many reads and writes of shared data may be on their way. At
// 500 ms round trip one takes up to a second.
const sharers = 256

// shareAfterEnd is how long a write that fails is tried again when the call has
// ended here: it may go on at another connector.
const shareAfterEnd = 60 * time.Second

// maxClashes is how often a write that met another revision is repeated at once.
const maxClashes = 4

// sharing is the calls by router key, and their way to the store and back. Of one
// key one read or write is under way at a time. It belongs to the strand.
type sharing struct {
	c     *Connector
	byKey map[routerKey]*sharedCall
	queue []*sharedCall
	busy  int
	bytes int
}

// sharedData is the saved form.
type sharedData struct {
	Doc      string `json:"doc,omitempty"`
	Customer string `json:"cust,omitempty"`
	// To is the smaller router key under which the data are, as in the path; the
	// rest is empty then.
	To string `json:"to,omitempty"`
}

// String is the key as in the path; "" for none.
func (k routerKey) String() string {
	if !k.valid() {
		return ""
	}
	return strconv.FormatUint(uint64(k.day), 10) + "-" + strconv.FormatUint(uint64(k.call), 10)
}

func (k routerKey) path() string { return keyCalls + k.String() }

// parseRouterKey reads what String wrote.
func parseRouterKey(s string) (routerKey, bool) {
	day, call, ok := strings.Cut(s, "-")
	d, err1 := strconv.ParseUint(day, 10, 32)
	n, err2 := strconv.ParseUint(call, 10, 32)
	k := routerKey{uint32(d), uint32(n)}
	return k, ok && err1 == nil && err2 == nil && k.valid()
}

// entry is that of a key, made when there is none.
func (s *sharing) entry(k routerKey) *sharedCall {
	e := s.byKey[k]
	if e == nil {
		e = &sharedCall{key: k}
		s.byKey[k] = e
	}
	return e
}

// look has a key read.
func (s *sharing) look(e *sharedCall) {
	e.read = true
	s.enqueue(e)
}

// add puts parts over the document of a key; they wait to be written. Parts that
// do not fit are dropped.
func (s *sharing) add(e *sharedCall, parts *attached.Document) {
	if parts.Len() == 0 {
		return
	}
	_, err := s.c.view(e).Merge(parts, s.c.limits())
	if err != nil || s.bytes+parts.Len()+sharedOverhead > maxSharedBytes {
		s.c.stats.saveErrors.Add(1)
		s.c.log.Error("crm: attached data not shared, too much waits for the store or is in one call", slog.Any("err", err))
		return
	}
	e.own, e.since = s.c.merged(e.own, parts), time.Now()
	s.clean(e)
	s.c.show(e)
	s.enqueue(e)
}

// count keeps the sum of what waits.
func (s *sharing) count(e *sharedCall) {
	held := e.own.Len() + e.sent.Len()
	if held > 0 {
		held += sharedOverhead
	}
	s.bytes += held - e.held
	e.held = held
}

// clean forgets own parts that the store has. What waited for that goes on.
func (s *sharing) clean(e *sharedCall) {
	if e.own != nil && e.sent == nil && e.base.rev != 0 && sameDoc(s.c.view(e), e.base.doc) {
		e.own = nil
	}
	s.count(e)
	for _, n := range e.aliases {
		s.enqueue(n)
	}
}

// tidy forgets keys that no call has and for which nothing waits: a root and its
// aliases together.
func (s *sharing) tidy(e *sharedCall) {
	e = e.main()
	if len(e.calls) > 0 || s.waits(e) {
		return
	}
	for _, n := range e.aliases {
		if s.waits(n) {
			return
		}
	}
	delete(s.byKey, e.key)
	for _, n := range e.aliases {
		delete(s.byKey, n.key)
	}
}

func (s *sharing) waits(e *sharedCall) bool {
	return e.busy || e.queued || e.timer != nil || e.own != nil || e.alias() || s.byKey[e.key] != e
}

func (s *sharing) enqueue(e *sharedCall) {
	if e.queued || e.busy || e.timer != nil || e.own == nil && !e.read && !e.alias() {
		return
	}
	e.queued = true
	s.queue = append(s.queue, e)
	s.start()
}

// start begins what waits.
func (s *sharing) start() {
	for s.busy < sharers && len(s.queue) > 0 && s.c.ctx.Err() == nil {
		e := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		e.queued = false
		switch {
		case e.read && (len(e.main().calls) > 0 || e.own != nil) && !s.c.stopping, e.conflict:
			e.read, e.busy = false, true
			s.busy++
			s.c.work.Go(func() { s.get(e) })
		case e.own != nil || e.alias():
			e.busy = true
			s.busy++
			s.write(e)
		default:
			e.read = false
			s.tidy(e)
		}
	}
}

// write begins a write of the document with all own parts, or of an alias.
func (s *sharing) write(e *sharedCall) {
	var next sharedDoc
	if e.root != nil {
		next = sharedDoc{doc: e.base.doc, to: e.root.key} // the document stays known, see takeUnaware
	} else {
		e.sent, e.own = e.own, nil
		next = sharedDoc{doc: s.c.merged(e.base.doc, e.sent), customer: e.base.customer}
		for _, cl := range e.calls {
			next.customer = firstOf(next.customer, cl.data.customer)
		}
	}
	at := e.base.rev
	opt := ds104.PutOptions{TTL: sharedFor, IfRevision: at, IfAbsent: at == 0}
	if e.force {
		opt.IfRevision, opt.IfAbsent = 0, false
	}
	s.c.work.Go(func() {
		d := sharedData{To: next.to.String()}
		if d.To == "" {
			d.Doc, d.Customer = next.doc.String(), next.customer
		}
		b, err := json.Marshal(d)
		if err == nil {
			ctx, cancel := context.WithTimeout(s.c.ctx, s.c.cfg.RequestTimeout)
			next.rev, err = s.c.store.s.Put(ctx, e.key.path(), b, opt)
			cancel()
		}
		s.c.apply(func() { s.written(e, at, next, err) })
	})
}

// written notes the outcome of a write made from the revision at.
func (s *sharing) written(e *sharedCall, at ds104.Revision, wrote sharedDoc, err error) {
	c := s.c
	sent := e.sent
	if !wrote.to.valid() {
		e.sent = nil
	}
	switch {
	case err == nil:
		if wrote.rev > e.base.rev {
			e.base, e.linked = wrote, wrote.to.valid()
		}
		e.force, e.clashes = false, 0
		e.wrote++
		c.stats.shareWrites.Add(1)
		e.wait.Reset()
	case sent == nil && !wrote.to.valid():
		// The watch has shown that it arrived.
	case errors.Is(err, ds104.ErrTooLarge), errors.Is(err, ds104.ErrInvalid):
		// It will not fit the next time either; it stays here.
		c.stats.saveErrors.Add(1)
		c.log.Error("crm: attached data are too large for the store")
		e.base.doc = wrote.doc
	default:
		if e.root == nil { // else the root has them, see unite
			e.own = c.merged(sent, e.own)
		}
		if errors.Is(err, ds104.ErrRevision) {
			// Another connector was first; without news from the watch the store says what it wrote.
			e.read, e.conflict = e.read || e.base.rev == at, e.base.rev == at
			if e.clashes++; e.clashes <= maxClashes {
				break
			}
		}
		e.force = errors.Is(err, ds104.ErrUndecided)
		s.failed(e, err)
	}
	s.clean(e)
	c.show(e)
	s.done(e)
}

// failed counts an error and tries again later, as long as that is of use.
func (s *sharing) failed(e *sharedCall, err error) {
	c := s.c
	if c.ctx.Err() != nil {
		return
	}
	c.stats.saveErrors.Add(1)
	over := len(e.main().calls) == 0 && time.Since(e.since) > shareAfterEnd
	if e.wait.Attempts() == 0 || over {
		c.log.Warn("crm: attached data not shared", slog.String("err", err.Error()), slog.Bool("again", !over && !c.stopping))
	}
	if over || c.stopping {
		e.own, e.read, e.conflict, e.linked = nil, false, false, true
		return
	}
	e.timer = c.after(e.wait.Next(), func() {
		e.timer = nil
		s.enqueue(e)
		s.tidy(e)
	})
}

// done ends a read or a write and goes on with what waits.
func (s *sharing) done(e *sharedCall) {
	e.busy = false
	s.busy--
	s.clean(e)
	s.enqueue(e)
	s.tidy(e)
	s.start()
}

// get reads a key.
func (s *sharing) get(e *sharedCall) {
	ctx, cancel := context.WithTimeout(s.c.ctx, s.c.cfg.RequestTimeout)
	v, err := s.c.store.s.Get(ctx, e.key.path())
	cancel()
	var got sharedDoc
	readable := false
	if err == nil {
		got, readable = s.c.decodeShared(e.key, v)
	}
	s.c.apply(func() {
		switch {
		case err == nil && readable:
			s.c.take(e, got)
			if e.root != nil { // it may have changed before the alias was there
				s.look(e.root)
			}
		case err == nil:
			if e.conflict {
				e.base.rev, e.conflict = got.rev, false // the next write replaces it
			}
		case errors.Is(err, ds104.ErrNotFound):
			s.absent(e)
		default:
			e.read = true
			s.failed(e, err)
		}
		if err == nil || errors.Is(err, ds104.ErrNotFound) {
			e.wait.Reset()
		}
		s.done(e)
	})
}

// absent notes that the store has nothing under a key. What is known of it stays.
func (s *sharing) absent(e *sharedCall) {
	c := s.c
	switch {
	case e.root != nil: // the alias is still to be written, or has expired
		e.base.rev, e.conflict, e.linked = 0, false, false
	case e.conflict:
		e.base.rev, e.conflict = 0, false // it has expired since; the next write brings all of it
	case e.unread():
		doc := e.base.doc
		e.base.doc = nil
		s.add(e, c.merged(doc, e.own))
	case !e.known():
		for _, cl := range e.calls {
			if cl.data.doc.Len() > 0 {
				c.share(cl, cl.data.doc)
				return
			}
		}
	}
}

// decodeShared reads an entry of the store. An alias has to name a smaller key.
func (c *Connector) decodeShared(k routerKey, v ds104.Entry) (got sharedDoc, ok bool) {
	var d sharedData
	got.rev = v.Revision
	err := json.Unmarshal(v.Value, &d)
	if err == nil && d.To != "" {
		to, valid := parseRouterKey(d.To)
		if valid && to.less(k) {
			got.to = to
			return got, true
		}
		err = errors.New("no alias of a smaller key")
	}
	if err != nil {
		c.log.Warn("crm: shared attached data cannot be read", slog.String("key", v.Key))
		return got, false
	}
	got.doc, got.customer = c.savedDoc(d.Doc), d.Customer
	return got, got.doc.Len() > 0
}

// flush begins again what waits for its next attempt, and returns how many keys
// are not written yet; for Stop.
func (s *sharing) flush() (left int) {
	for _, e := range s.byKey {
		if e.timer != nil { // does nothing any more, also when it has just fired
			e.timer.Stop()
			e.timer = nil
			s.enqueue(e)
		}
		if e.own != nil || e.sent != nil || e.alias() {
			left++
		}
	}
	return left
}
