package crm

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/connects-go/connects/ds104"
)

// startOwnership renews this instance's record, and watches who owns which agent.
func (c *Connector) startOwnership() {
	c.work.Go(func() {
		t := time.NewTicker(c.cfg.OwnerLease / 3)
		defer t.Stop()
		for {
			select {
			case <-t.C:
			case <-c.ctx.Done():
				return
			}
			ctx, cancel := context.WithTimeout(c.ctx, c.cfg.OwnerLease/3)
			err := c.store.beat(ctx)
			cancel()
			if err != nil && c.ctx.Err() == nil {
				c.stats.saveErrors.Add(1)
				c.log.Warn("crm: store not reachable, ownership not renewed", slog.String("err", err.Error()))
			}
		}
	})
	c.work.Go(c.watchStore)
}

// storeAway reports whether an error of the store may pass by itself.
func storeAway(err error) bool {
	return errors.Is(err, ds104.ErrDown) || errors.Is(err, ds104.ErrUndecided) || errors.Is(err, ds104.ErrInterrupted) || errors.Is(err, ds104.ErrBusy)
}

// restoreLater restores the agents of the last run when the store can be reached.
func (c *Connector) restoreLater() {
	for c.ctx.Err() == nil {
		n, err := c.restore(c.ctx)
		if err == nil {
			c.log.Info("crm: the store is there", slog.Int("agents_restored", n))
			return
		}
		t := time.NewTimer(time.Second)
		select {
		case <-t.C:
		case <-c.ctx.Done():
			t.Stop()
		}
	}
}

// watchStore follows the owner records, to let go of agents that others took,
// and the records of living instances, to take over the agents of one that died.
func (c *Connector) watchStore() {
	for c.ctx.Err() == nil {
		from := c.sweepOwners()
		for e, err := range c.store.s.Watch(c.ctx, "crm/", from) {
			if err != nil || e.Kind == ds104.EventGap {
				break
			}
			c.stored(e)
		}
		t := time.NewTimer(time.Second)
		select {
		case <-t.C:
		case <-c.ctx.Done():
			t.Stop()
		}
	}
}

func (c *Connector) stored(e ds104.Event) {
	if e.Kind == ds104.EventPut && strings.HasPrefix(e.Entry.Key, keyLive) &&
		e.Entry.Key != keyLive+url.PathEscape(c.cfg.Instance) {
		c.withOthers()
	}
	switch {
	case e.Kind == ds104.EventPut && strings.HasPrefix(e.Entry.Key, keyOwners):
		key, ok := parseKey(strings.TrimPrefix(e.Entry.Key, keyOwners))
		var o ownership
		if ok && json.Unmarshal(e.Entry.Value, &o) == nil && o.Instance != c.cfg.Instance {
			c.apply(func() {
				if a := c.agents[key]; a != nil && e.Entry.Revision > a.ownRev {
					c.lostAgent(a)
				}
			})
		}
	case e.Kind == ds104.EventPut && e.Entry.Key == keyLive+url.PathEscape(c.cfg.Instance):
		var o ownership
		if json.Unmarshal(e.Entry.Value, &o) == nil && o.Run != c.store.run {
			c.log.Error("crm: another connector runs under the same instance name", slog.String("instance", c.cfg.Instance))
		}
	case e.Kind == ds104.EventDelete && strings.HasPrefix(e.Entry.Key, keyLive):
		instance, err := url.PathUnescape(strings.TrimPrefix(e.Entry.Key, keyLive))
		if err != nil || instance == c.cfg.Instance {
			return
		}
		// Several may be left: not all at the same moment.
		t := time.NewTimer(rand.N(c.cfg.OwnerLease/10 + 1))
		select {
		case <-t.C:
			c.inherit(instance)
		case <-c.ctx.Done():
			t.Stop()
		}
	}
}

// inherit takes over the agents of an instance that does not live any more.
func (c *Connector) inherit(instance string) {
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	n := 0
	for e, err := range c.store.s.List(ctx, keyOwners) {
		if err != nil {
			c.log.Warn("crm: owners cannot be listed", slog.String("err", err.Error()))
			return
		}
		var o ownership
		key, ok := parseKey(strings.TrimPrefix(e.Key, keyOwners))
		if !ok || json.Unmarshal(e.Value, &o) != nil || o.Instance != instance {
			continue
		}
		own, err := c.claim(ctx, key, false)
		if err != nil {
			continue
		}
		s, err := c.store.s.Get(ctx, keyAgents+key.path())
		if errors.Is(err, ds104.ErrNotFound) {
			c.store.s.Delete(ctx, e.Key, own.rev)
			continue
		}
		if err == nil && c.takeIn(ctx, key, s, own) {
			n++
			c.stats.adopted.Add(1)
		}
	}
	c.log.Info("crm: agents of a lost connector taken over", slog.String("instance", instance), slog.Int("agents", n))
}

// sweepOwners compares the owner records with what is served here, and returns
// the revision from which to watch.
func (c *Connector) sweepOwners() ds104.Revision {
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	var last ds104.Revision
	for e, err := range c.store.s.List(ctx, keyOwners) {
		if err != nil {
			break
		}
		last = max(last, e.Revision)
		c.stored(ds104.Event{Kind: ds104.EventPut, Entry: e})
	}
	for e, err := range c.store.s.List(ctx, keyLive) {
		if err != nil {
			break
		}
		c.stored(ds104.Event{Kind: ds104.EventPut, Entry: e})
	}
	return last
}
