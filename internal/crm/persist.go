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
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
)

// Keys in the store. Below agents/ is one session record per agent, below
// owners/ who serves him, below live/ one record per connector that lives as
// long as it is renewed. Names are escaped, so that none can hold a slash.
const (
	keyAgents = "crm/agents/"
	keyOwners = "crm/owners/"
	keyLive   = "crm/live/"
)

// saveDelay gathers the changes of one moment into one write.
const saveDelay = 40 * time.Millisecond

// savers is how many writes to the store may be on their way.
const savers = 8

// ownership is the record that says who serves an agent.
type ownership struct {
	Instance string `json:"i"`
	Run      uint64 `json:"r"`
	rev      ds104.Revision
}

func (k agentKey) path() string { return url.PathEscape(k.system) + "/" + url.PathEscape(k.user) }

func parseKey(path string) (agentKey, bool) {
	s, u, ok := strings.Cut(path, "/")
	system, err1 := url.PathUnescape(s)
	user, err2 := url.PathUnescape(u)
	return agentKey{system, user}, ok && err1 == nil && err2 == nil
}

// store is the connector's side of the store.
type store struct {
	c    *Connector
	s    ds104.Store
	run  uint64 // tells the runs of one instance apart
	mu   sync.Mutex
	live ds104.Revision
	// renewal guards the agents of others when the store was away.
	renewal renewal
	// others: another connector shares the store, or did.
	others atomic.Bool

	// The following belong to the strand.
	queue   []*agent
	writing int
	timer   *time.Timer
}

func (c *Connector) newStore() *store {
	return &store{c: c, s: c.cfg.Store, run: rand.Uint64() | 1}
}

// beat writes the record that says that this instance lives.
func (s *store) beat(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, _ := json.Marshal(ownership{Instance: s.c.cfg.Instance, Run: s.run})
	rev, err := s.s.Put(ctx, keyLive+url.PathEscape(s.c.cfg.Instance), b, ds104.PutOptions{TTL: s.c.cfg.OwnerLease})
	s.renewal.done(err, s.c.cfg.OwnerLease)
	if err == nil {
		s.live = rev
	}
	return err
}

// alive tells whether another instance renews its record.
func (s *store) alive(ctx context.Context, instance string) (bool, error) {
	_, err := s.s.Get(ctx, keyLive+url.PathEscape(instance))
	if errors.Is(err, ds104.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// claim makes this instance the owner of an agent. An agent whose owner does not
// live any more can always be claimed; one with a living owner only with steal,
// which is right when SAP itself turned to us. It returns ErrOwned otherwise.
func (c *Connector) claim(ctx context.Context, key agentKey, steal bool) (ownership, error) {
	s := c.store
	own := ownership{Instance: c.cfg.Instance, Run: s.run}
	b, _ := json.Marshal(own)
	k := keyOwners + key.path()
	for {
		opt := ds104.PutOptions{}
		e, err := s.s.Get(ctx, k)
		switch {
		case errors.Is(err, ds104.ErrNotFound):
			opt.IfAbsent = true
		case err != nil:
			return own, err
		default:
			var was ownership
			if json.Unmarshal(e.Value, &was) == nil && was.Instance != c.cfg.Instance && !steal {
				alive, err := s.alive(ctx, was.Instance)
				if err != nil {
					return own, err
				}
				if alive {
					return own, ErrOwned
				}
			}
			if was.Instance == own.Instance && was.Run == own.Run {
				own.rev = e.Revision
				return own, nil
			}
			opt.IfRevision = e.Revision
		}
		own.rev, err = s.s.Put(ctx, k, b, opt)
		if !errors.Is(err, ds104.ErrRevision) {
			return own, err
		}
		if ctx.Err() != nil {
			return own, context.Cause(ctx)
		}
	}
}

// owned notes that the agent is ours.
func (c *Connector) owned(a *agent, o ownership) { a.ownRev = o.rev }

// persist marks an agent whose session has to be written. The write happens
// behind; a later change before it is written with it.
func (c *Connector) persist(a *agent) {
	if a.dirty || a.lost {
		return
	}
	a.dirty = true
	s := c.store
	s.queue = append(s.queue, a)
	if s.timer == nil && !c.stopping {
		s.timer = time.AfterFunc(saveDelay, func() {
			c.st.post(func() { s.timer = nil; s.start() })
		})
	}
}

// start gives waiting sessions to writers. It runs on the strand.
func (s *store) start() {
	for len(s.queue) > 0 && s.writing < savers {
		a := s.next()
		if a == nil {
			return
		}
		s.writing++
		s.c.work.Go(func() { s.write(a) })
	}
}

// next takes the first waiting agent that is not being written already.
func (s *store) next() *agent {
	for i, a := range s.queue {
		if a.saving {
			continue
		}
		s.queue = append(s.queue[:i], s.queue[i+1:]...)
		a.saving = true
		return a
	}
	return nil
}

// write writes sessions until none waits.
func (s *store) write(a *agent) {
	bg := context.WithoutCancel(s.c.ctx)
	for a != nil {
		var value []byte
		var rev, own ds104.Revision
		var gone, lost bool
		s.c.st.do(bg, func() {
			a.dirty = false
			lost, rev, own = a.lost, a.rev, a.ownRev
			gone = a.removed || !a.subscribed && !a.rec.LoggedOn && a.living() == 0
			if !gone && !lost {
				value = a.encode()
			}
		})
		var err error
		path := a.key.path()
		ctx, cancel := context.WithTimeout(bg, s.c.cfg.RequestTimeout)
		switch {
		case lost:
		case gone:
			if rev != 0 || own != 0 {
				err = errors.Join(s.s.Delete(ctx, keyAgents+path, rev), s.s.Delete(ctx, keyOwners+path, own))
			}
		default:
			rev, err = s.s.Put(ctx, keyAgents+path, value, ds104.PutOptions{IfRevision: rev, IfAbsent: rev == 0})
		}
		cancel()
		var next *agent
		if e := s.c.st.do(bg, func() {
			if next = s.written(a, rev, gone, err); next == nil {
				s.writing--
			}
		}); e != nil {
			return // stopped
		}
		a = next
	}
}

// written notes the outcome of a write and picks the next one.
func (s *store) written(a *agent, rev ds104.Revision, gone bool, err error) *agent {
	c := s.c
	a.saving = false
	c.stats.saves.Add(1)
	switch {
	case errors.Is(err, ds104.ErrRevision):
		// Somebody else wrote: either he owns the agent now, or it was an
		// earlier write of ours whose answer was lost.
		c.stats.saveConflicts.Add(1)
		c.work.Go(func() { c.recheck(a) })
	case errors.Is(err, ds104.ErrTooLarge):
		// It will not fit the next time either; the next change tries again.
		c.stats.saveErrors.Add(1)
		c.log.Error("crm: session is too large for the store", slog.String("user", a.key.user))
	case err != nil:
		c.stats.saveErrors.Add(1)
		c.log.Warn("crm: session not written, trying again", slog.String("user", a.key.user), slog.String("err", err.Error()))
		if !c.stopping {
			c.after(time.Second, func() { c.persist(a) })
		}
	case gone:
		a.rev, a.ownRev = 0, 0
		if a.removed {
			a.lost = true // nothing of it is written any more
		}
	default:
		a.rev = rev
	}
	return s.next()
}

// recheck finds out after a conflict who owns an agent.
func (c *Connector) recheck(a *agent) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.RequestTimeout)
	defer cancel()
	own, err := c.claim(ctx, a.key, false)
	if errors.Is(err, ErrOwned) {
		c.apply(func() { c.lostAgent(a) })
		return
	}
	e, gerr := c.store.s.Get(ctx, keyAgents+a.key.path())
	if gerr != nil && !errors.Is(gerr, ds104.ErrNotFound) || err != nil {
		c.apply(func() { c.after(time.Second, func() { c.persist(a) }) })
		return
	}
	c.apply(func() {
		a.ownRev, a.rev = own.rev, e.Revision
		c.persist(a)
	})
}

// flushStore writes everything that is not written yet.
func (c *Connector) flushStore(ctx context.Context) error {
	s := c.store
	for {
		var left int
		if err := c.st.do(ctx, func() {
			if s.timer != nil {
				s.timer.Stop()
				s.timer = nil
			}
			s.start()
			left = len(s.queue) + s.writing + c.shares.flush()
		}); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		t := time.NewTimer(5 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
	}
}

// encode makes the session record.
func (a *agent) encode() []byte {
	r := a.rec
	r.Items = nil
	for _, it := range a.items {
		if it.status == statusEnded || it.status == statusFailed {
			continue
		}
		ir := itemRecord{
			ID: it.id, Conn: it.conn, Status: it.status, Out: it.out, Est: it.established, Ctl: it.controller,
			Direction: it.direction, Reason: it.reason, Remote: it.remote, Dialed: it.dialed, Queue: it.queue,
			Consult: it.isConsult, WrapUp: it.wrapUp, Created: it.created.Unix(),
		}
		if it.partner != nil {
			ir.Partner = it.partner.id
		}
		if it.call != nil {
			ir.Doc, ir.Customer = it.call.data.doc.String(), it.call.data.customer
			ir.Router = [2]uint32{it.call.data.router.day, it.call.data.router.call}
			ir.Calling, ir.Called = it.call.calling, it.call.called
			it.call.save(&ir)
			ir.ANI, ir.DNIS, ir.Vars = it.call.data.ani, it.call.data.dnis, trimVars(it.call.data.vars.Call[:])
		} else {
			ir.Doc = it.wantData.String()
		}
		r.Items = append(r.Items, ir)
	}
	b, err := json.Marshal(&r)
	if err != nil {
		return nil // cannot happen: the record holds texts and numbers only
	}
	return b
}

// save puts the rest of the call's data into the record of an item.
func (c *call) save(r *itemRecord) {
	for _, e := range c.data.vars.ECC {
		r.ECC = append(r.ECC, savedECC{e.Name, e.Index, e.Value})
	}
	r.WrapUpData, r.CED, r.DialedDN, r.Type = c.data.vars.WrapUp, c.data.ced, c.data.dialed, c.data.typ
	r.Parties = c.parties
}

// load is the other direction; what another agent's record brought stays.
func (c *call) load(r *itemRecord) {
	d := &c.data
	for _, e := range r.ECC {
		if !d.hasECC(e.Name, e.Index) {
			d.setECC(e.Name, e.Index, e.Value)
		}
	}
	d.vars.WrapUp, d.ced, d.dialed = firstOf(d.vars.WrapUp, r.WrapUpData), firstOf(d.ced, r.CED), firstOf(d.dialed, r.DialedDN)
	if d.typ == 0 {
		d.typ = r.Type
	}
	d.queue = firstOf(d.queue, r.Queue)
	for _, p := range r.Parties {
		c.addParty(p)
	}
}

func trimVars(v []string) []string {
	for len(v) > 0 && v[len(v)-1] == "" {
		v = v[:len(v)-1]
	}
	return v
}

// restore takes over every agent in the store who is ours or nobody's.
func (c *Connector) restore(ctx context.Context) (int, error) {
	if err := c.store.beat(ctx); err != nil {
		return 0, err
	}
	n := 0
	for e, err := range c.store.s.List(ctx, keyAgents) {
		if err != nil {
			return n, err
		}
		key, ok := parseKey(strings.TrimPrefix(e.Key, keyAgents))
		if !ok {
			continue
		}
		own, err := c.claim(ctx, key, false)
		if errors.Is(err, ErrOwned) {
			continue
		}
		if err != nil {
			return n, err
		}
		if c.takeIn(ctx, key, e, own) {
			n++
		}
	}
	return n, nil
}

// adopt takes over an agent whose session is in the store, because SAP asks us
// about him. It reports whether he is ours now and was not before.
func (c *Connector) adopt(ctx context.Context, key agentKey) bool {
	known := false
	if err := c.st.do(ctx, func() { known = c.agents[key] != nil }); err != nil || known {
		return known && err == nil
	}
	if _, err := c.store.s.Get(ctx, keyAgents+key.path()); err != nil {
		return false // nothing to take over
	}
	own, err := c.claim(ctx, key, true)
	if err != nil {
		return false
	}
	// What the former owner wrote last counts.
	e, err := c.store.s.Get(ctx, keyAgents+key.path())
	if err != nil {
		return false
	}
	if !c.takeIn(ctx, key, e, own) {
		return false
	}
	c.stats.adopted.Add(1)
	c.log.Info("crm: agent taken over", slog.String("system", key.system), slog.String("user", key.user))
	return true
}

// takeIn makes an agent of his session record.
func (c *Connector) takeIn(ctx context.Context, key agentKey, e ds104.Entry, own ownership) bool {
	var r record
	if err := json.Unmarshal(e.Value, &r); err != nil || r.V != 1 {
		c.log.Warn("crm: session record cannot be read", slog.String("key", e.Key))
		return false
	}
	taken := false
	c.applyWait(ctx, func() {
		if c.agents[key] != nil {
			return
		}
		a := c.revive(key, &r)
		a.rev, a.ownRev = e.Revision, own.rev
		taken = true
		if a.per != nil && a.per.up() && a.rec.LoggedOn {
			c.readDevice(a)
		}
	})
	return taken
}

// revive builds an agent from his record. What it says is the last known state
// and stays stale until the switch has been read.
func (c *Connector) revive(key agentKey, r *record) *agent {
	a := &agent{key: key, rec: *r, stale: true}
	a.rec.System, a.rec.User = key.system, key.user
	a.rec.Items = nil
	c.agents[key] = a
	a.per = c.pers[r.Peripheral]
	if r.LoggedOn && (a.per == nil || c.byAgent[acdKey{r.Peripheral, r.AgentID}] != nil) {
		a.rec.LoggedOn, a.rec.Mode = false, modeLoggedOff
	}
	if a.rec.LoggedOn {
		c.index(a)
		c.pres.owner(r.Peripheral, r.AgentID, a)
		byID := map[string]*item{}
		for i := range r.Items {
			byID[r.Items[i].ID] = c.reviveItem(a, &r.Items[i])
		}
		for i := range r.Items {
			it, p := byID[r.Items[i].ID], byID[r.Items[i].Partner]
			if it != nil && p != nil && it != p {
				it.partner, it.isConsult = p, r.Items[i].Consult
				if it.isConsult && it.call != nil && p.call != nil && it.call != p.call {
					it.call.parent = p.call
				}
			}
		}
	}
	if r.AppURL != "" {
		sub := ici.Subscription{System: key.system, AppURL: r.AppURL, AppID: r.AppID, User: key.user, Language: r.Lang}
		if err := c.notifier.Subscribe(sub); err != nil {
			c.log.Warn("crm: restored subscription refused", slog.String("user", key.user), slog.String("err", err.Error()))
			a.rec.AppID, a.rec.AppURL = "", ""
		} else {
			a.sub, a.subscribed = sub.Key(), true
		}
	}
	// SAP knows all this; only changes are told.
	for _, it := range a.items {
		it.told, it.toldValid = it.view(&c.cfg), true
	}
	a.told, a.toldValid = c.userView(a), true
	if !a.subscribed {
		c.sapGone(a)
	}
	return a
}

func (c *Connector) reviveItem(a *agent, r *itemRecord) *item {
	if c.items[r.ID] != nil || len(a.items) >= c.cfg.MaxItems {
		return nil
	}
	it := &item{id: r.ID, ag: a, status: r.Status, out: r.Out, established: r.Est, controller: r.Ctl,
		direction: r.Direction, reason: r.Reason, remote: r.Remote, dialed: r.Dialed, queue: r.Queue,
		wrapUp: r.WrapUp, created: time.Unix(r.Created, 0).UTC()}
	a.items = append(a.items, it)
	c.items[it.id] = it
	if r.Conn.Call == 0 && r.Conn.Dev == "" {
		it.wantData = c.savedDoc(r.Doc)
		return it
	}
	cl := c.callFor(a.rec.Peripheral, r.Conn.Call)
	if cl == nil {
		return it
	}
	c.attach(it, cl, r.Conn)
	cl.addParty(a.rec.Device)
	cl.load(r)
	d := &cl.data
	if d.doc == nil {
		d.doc = c.savedDoc(r.Doc)
	}
	d.customer = firstOf(d.customer, r.Customer)
	d.router = routerKey{r.Router[0], r.Router[1]}
	c.fetchShared(cl)
	d.ani, d.dnis = firstOf(d.ani, r.ANI), firstOf(d.dnis, r.DNIS)
	cl.calling, cl.called = firstOf(cl.calling, r.Calling), firstOf(cl.called, r.Called)
	for i, v := range r.Vars {
		if i < len(d.vars.Call) && d.vars.Call[i] == "" {
			d.vars.Call[i] = v
		}
	}
	return it
}

// lostAgent lets go of an agent whom another connector serves now. Nothing is
// said to SAP or to the switch: the other one does.
func (c *Connector) lostAgent(a *agent) {
	if a.removed {
		return
	}
	c.log.Info("crm: agent is served by another connector now", slog.String("user", a.key.user))
	c.stats.lost.Add(1)
	a.lost, a.removed = true, true
	a.stopTimers()
	if a.subscribed {
		c.notifier.End(a.sub, nil)
		a.subscribed = false
	}
	if a.logon != nil {
		lo := a.logon
		a.logon = nil
		lo.done <- ErrOwned
	}
	c.letGo(a)
	c.unindex(a)
	for _, it := range append([]*item(nil), a.items...) {
		c.dropItem(it)
	}
	if c.agents[a.key] == a {
		delete(c.agents, a.key)
	}
}
