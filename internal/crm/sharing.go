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
	"github.com/connects-go/connects/internal/backoff"
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

func (k routerKey) path() string {
	return keyCalls + strconv.FormatUint(uint64(k.day), 10) + "-" + strconv.FormatUint(uint64(k.call), 10)
}

func parseRouterKey(path string) (routerKey, bool) {
	day, call, ok := strings.Cut(strings.TrimPrefix(path, keyCalls), "-")
	d, err1 := strconv.ParseUint(day, 10, 32)
	n, err2 := strconv.ParseUint(call, 10, 32)
	k := routerKey{uint32(d), uint32(n)}
	return k, ok && err1 == nil && err2 == nil && k.valid()
}

// look has a key read.
func (s *sharing) look(e *sharedCall) {
	e.read = true
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

// clean forgets own parts that the store has.
func (s *sharing) clean(e *sharedCall) {
	if e.own != nil && e.sent == nil && e.base.rev != 0 && sameDoc(s.c.view(e), e.base.doc) {
		e.own = nil
	}
	s.count(e)
}

// tidy forgets a key that no call has and that nothing waits for.
func (s *sharing) tidy(e *sharedCall) {
	if len(e.calls) == 0 && !e.busy && !e.queued && e.timer == nil && e.own == nil && s.byKey[e.key] == e {
		delete(s.byKey, e.key)
	}
}

func (s *sharing) enqueue(e *sharedCall) {
	if e.queued || e.busy || e.timer != nil || e.own == nil && !e.read {
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
		case e.read && (len(e.calls) > 0 || e.own != nil) && !s.c.stopping, e.conflict:
			e.read, e.busy = false, true
			s.busy++
			s.c.work.Go(func() { s.get(e) })
		case e.own != nil:
			e.busy = true
			s.busy++
			s.write(e)
		default:
			e.read = false
			s.tidy(e)
		}
	}
}

// write begins a write of the document with all own parts.
func (s *sharing) write(e *sharedCall) {
	e.sent, e.own = e.own, nil
	next := sharedDoc{doc: s.c.merged(e.base.doc, e.sent), customer: e.base.customer}
	for _, cl := range e.calls {
		next.customer = firstOf(next.customer, cl.data.customer)
	}
	at := e.base.rev
	opt := ds104.PutOptions{TTL: sharedFor, IfRevision: at, IfAbsent: at == 0}
	if e.force {
		opt.IfRevision, opt.IfAbsent = 0, false
	}
	s.c.work.Go(func() {
		b, err := json.Marshal(sharedData{Doc: next.doc.String(), Customer: next.customer})
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
	e.sent = nil
	switch {
	case err == nil:
		if wrote.rev > e.base.rev {
			e.base = wrote
		}
		e.force, e.clashes = false, 0
		c.stats.shareWrites.Add(1)
		e.wait.Reset()
	case sent == nil:
		// The watch has shown that it arrived.
	case errors.Is(err, ds104.ErrTooLarge), errors.Is(err, ds104.ErrInvalid):
		// It will not fit the next time either; it stays here.
		c.stats.saveErrors.Add(1)
		c.log.Error("crm: attached data are too large for the store")
		e.base.doc = wrote.doc
	default:
		e.own = c.merged(sent, e.own)
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
	over := len(e.calls) == 0 && time.Since(e.since) > shareAfterEnd
	if e.wait.Attempts() == 0 || over {
		c.log.Warn("crm: attached data not shared", slog.String("err", err.Error()), slog.Bool("again", !over && !c.stopping))
	}
	if over || c.stopping {
		e.own, e.read, e.conflict = nil, false, false
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
	s.count(e)
	e.busy = false
	s.busy--
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
		got, readable = s.c.decodeShared(v)
	}
	s.c.apply(func() {
		switch {
		case err == nil && readable:
			s.c.take(e, got)
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
	switch {
	case e.conflict:
		e.base.rev, e.conflict = 0, false // it has expired since; the next write brings all of it
	case !e.known():
		for _, cl := range e.calls {
			if cl.data.doc.Len() > 0 {
				s.c.share(cl, cl.data.doc)
				return
			}
		}
	}
}

// decodeShared reads an entry of the store.
func (c *Connector) decodeShared(v ds104.Entry) (got sharedDoc, ok bool) {
	var d sharedData
	got.rev = v.Revision
	if err := json.Unmarshal(v.Value, &d); err != nil {
		c.log.Warn("crm: shared attached data cannot be read", slog.String("key", v.Key))
		return got, false
	}
	got.doc, got.customer = c.savedDoc(d.Doc), d.Customer
	return got, got.doc.Len() > 0
}

// flush begins again what waits for its next attempt, and returns how many calls
// are not written yet; for Stop.
func (s *sharing) flush() (left int) {
	for _, e := range s.byKey {
		if e.timer != nil { // does nothing any more, also when it has just fired
			e.timer.Stop()
			e.timer = nil
			s.enqueue(e)
		}
		if e.own != nil || e.sent != nil {
			left++
		}
	}
	return left
}

// withOthers begins to share: another connector uses the store.
func (c *Connector) withOthers() {
	if c.store.others.Swap(true) {
		return
	}
	c.apply(func() {
		for _, cl := range c.calls {
			c.enlist(cl)
		}
		for _, it := range c.items {
			if it.call != nil {
				c.enlist(it.call)
			}
		}
	})
	c.work.Go(c.watchShared)
}

// watchShared follows what other connectors attach to the calls that are here.
func (c *Connector) watchShared() {
	var wait backoff.Backoff
	// No store has this revision: the watch begins with a gap, and the calls that
	// are here are read instead of a history that is not about them.
	at := ^ds104.Revision(0)
	for {
		var err error
		var e ds104.Event
		for e, err = range c.store.s.Watch(c.ctx, keyCalls, at) {
			if err != nil {
				break
			}
			at = e.Entry.Revision
			wait.Reset()
			switch e.Kind {
			case ds104.EventGap:
				c.apply(c.shares.lookAll)
			case ds104.EventPut:
				c.sharedPut(e.Entry)
			}
		}
		if c.ctx.Err() != nil || errors.Is(err, ds104.ErrClosed) {
			return
		}
		c.log.Warn("crm: shared attached data are not watched, trying again", slog.Any("err", err))
		if wait.Wait(c.ctx) != nil {
			return
		}
	}
}

// lookAll has the keys of living calls read.
func (s *sharing) lookAll() {
	for _, e := range s.byKey {
		for _, cl := range e.calls {
			if cl.alive() > 0 {
				s.look(e)
				break
			}
		}
	}
}

// sharedPut takes a change of the store when a call here has the key. The watch
// waits until it is taken, so that no queue of changes grows here.
func (c *Connector) sharedPut(v ds104.Entry) {
	k, ok := parseRouterKey(v.Key)
	if !ok {
		return
	}
	news := false
	if err := c.st.do(c.ctx, func() {
		e := c.shares.byKey[k]
		news = e != nil && v.Revision > e.base.rev
	}); err != nil || !news {
		return
	}
	got, ok := c.decodeShared(v)
	if !ok {
		return
	}
	_ = c.applyWait(c.ctx, func() {
		if e := c.shares.byKey[k]; e != nil {
			c.take(e, got)
			c.shares.tidy(e)
		}
	})
}
