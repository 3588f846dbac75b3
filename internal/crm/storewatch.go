package crm

import (
	"errors"
	"log/slog"
	"strings"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/backoff"
)

// watch hands the changes of keys that begin with prefix to f, in order and one at a
// time, until the connector stops. The first one is a gap, and there is one whenever
// changes were missed: f reads what is there. When f or the watch fails, all begins
// again after a while, after f with a gap.
func (c *Connector) watch(prefix, about string, f func(ds104.Event) error) {
	// No store has this revision, so what comes first is a gap and not a history.
	const gap = ^ds104.Revision(0)
	var wait backoff.Backoff
	at := gap
	for {
		var err error
		var e ds104.Event
		for e, err = range c.store.s.Watch(c.ctx, prefix, at) {
			if err != nil {
				break
			}
			if err = f(e); err != nil {
				at = gap
				break
			}
			at = e.Entry.Revision
			wait.Reset()
		}
		if c.ctx.Err() != nil || errors.Is(err, ds104.ErrClosed) {
			return
		}
		c.log.Warn("crm: "+about+" are not watched, trying again", slog.Any("err", err))
		if wait.Wait(c.ctx) != nil {
			return
		}
	}
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
	c.work.Go(func() { c.watch(keyCalls, "shared attached data", c.sharedChange) })
}

// sharedChange follows what other connectors attach to the calls that are here. A put
// waits until it is taken, so that no queue of changes grows here.
func (c *Connector) sharedChange(e ds104.Event) error {
	switch e.Kind {
	case ds104.EventGap:
		c.apply(c.shares.lookAll)
		return nil
	case ds104.EventDelete:
		return nil
	}
	k, ok := parseRouterKey(strings.TrimPrefix(e.Entry.Key, keyCalls))
	if !ok {
		return nil
	}
	news := false
	if err := c.st.do(c.ctx, func() {
		s := c.shares.byKey[k]
		news = s != nil && e.Entry.Revision > s.base.rev
	}); err != nil || !news {
		return err
	}
	got, ok := c.decodeShared(k, e.Entry)
	if !ok {
		return nil
	}
	return c.applyWait(c.ctx, func() {
		if s := c.shares.byKey[k]; s != nil {
			c.take(s, got)
			c.shares.tidy(s)
		}
	})
}

// lookAll has the keys of living calls read, their aliases too.
func (s *sharing) lookAll() {
	for _, e := range s.byKey {
		for _, cl := range e.main().calls {
			if cl.alive() > 0 {
				s.look(e)
				break
			}
		}
	}
}
