package crm

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
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
	c.watchOwners()
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
		c.pause(time.Second)
	}
}

// watchOwners follows the owner records, to let go of agents that others took, and
// the records of living instances, to take over the agents of one that died. Sessions
// and attached data, which are most of what changes, are not asked for. One change at
// a time is handled: who takes over agents hears only afterwards who took them from him.
func (c *Connector) watchOwners() {
	turn := make(chan struct{}, 1)
	follow := func(prefix, about string, sweep func() error) {
		c.watch(prefix, about, func(e ds104.Event) error {
			select {
			case turn <- struct{}{}:
				defer func() { <-turn }()
			case <-c.ctx.Done():
				return context.Cause(c.ctx)
			}
			if e.Kind == ds104.EventGap {
				return sweep()
			}
			c.stored(e)
			return nil
		})
	}
	c.work.Go(func() { follow(keyOwners, "owners of agents", c.sweepOwners) })
	c.work.Go(func() { follow(keyLive, "other connectors", c.sweepLive) })
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
		c.inherit(instance)
	}
}

// inherit takes over the agents of an instance that does not live any more.
func (c *Connector) inherit(instance string) {
	// When the store was away, the record of one that lives may have ended as well.
	for d := c.store.renewal.settles(c.cfg.OwnerLease); d > 0; d = c.store.renewal.settles(c.cfg.OwnerLease) {
		if !c.pause(d) {
			return
		}
	}
	// Several may be left: not all at the same moment.
	if !c.pause(rand.N(c.cfg.OwnerLease/10 + 1)) {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	if lives, err := c.store.alive(ctx, instance); lives || err != nil {
		c.log.Info("crm: a connector that was believed lost lives, or the store is away again", slog.String("instance", instance))
		return
	}
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

// pause reports whether the connector still works after a while.
func (c *Connector) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// renewal knows since when the record of this instance is renewed without a break.
type renewal struct {
	mu      sync.Mutex
	last    time.Time // success
	back    time.Time // first success after a failure
	failing bool
}

// done notes an attempt.
func (r *renewal) done(err error, lease time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failing = true
		return
	}
	now := time.Now()
	if r.failing || !r.last.IsZero() && now.Sub(r.last) > lease/2 {
		r.back = now
	}
	r.last, r.failing = now, false
}

// settles returns how long others, when the store was away from them too, may still need
// to renew their records; not positive: they had the time.
func (r *renewal) settles(lease time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failing:
		return lease / 10
	case r.back.IsZero():
		return 0
	}
	return time.Until(r.back.Add(lease/3 + lease/10)) // every third of a lease they try
}

// sweepOwners compares the owner records with what is served here.
func (c *Connector) sweepOwners() error {
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	for e, err := range c.store.s.List(ctx, keyOwners) {
		if err != nil {
			return err
		}
		c.stored(ds104.Event{Kind: ds104.EventPut, Entry: e})
	}
	return nil
}

// sweepLive compares the records of living instances with the owners: the end of one
// may have been missed.
func (c *Connector) sweepLive() error {
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	known := map[string]bool{c.cfg.Instance: true}
	for e, err := range c.store.s.List(ctx, keyLive) {
		if err != nil {
			return err
		}
		c.stored(ds104.Event{Kind: ds104.EventPut, Entry: e})
		if name, err := url.PathUnescape(strings.TrimPrefix(e.Key, keyLive)); err == nil {
			known[name] = true
		}
	}
	var dead []string
	for e, err := range c.store.s.List(ctx, keyOwners) {
		if err != nil {
			return err
		}
		var o ownership
		if json.Unmarshal(e.Value, &o) == nil && !known[o.Instance] {
			known[o.Instance] = true
			dead = append(dead, o.Instance)
		}
	}
	for _, name := range dead {
		c.inherit(name)
	}
	return nil
}
