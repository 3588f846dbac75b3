package crm

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm/attached"
)

// Notifier tells SAP. *ici.Notifier is one; none of its methods may wait for SAP.
type Notifier interface {
	Subscribe(ici.Subscription) error
	Notify(ici.SubscriptionKey, ici.Event) error
	End(ici.SubscriptionKey, *ici.Event) error
}

// Switch takes requests to a peripheral. *cti.Session is one. Do may be called
// from any number of goroutines.
type Switch interface {
	Do(ctx context.Context, r cti.Request) (cti.Confirm, error)
}

// Connector is the domain of voice agents: it answers SAP's requests
// ([Connector.ServeICI]), takes the events of CTI sessions ([Link]) and tells
// SAP what changed. All methods are safe for concurrent use.
type Connector struct {
	cfg     Config
	log     *slog.Logger
	profile *ici.Profile
	texts   *texts
	st      *strand
	pres    *presenceIndex
	logons  loginParsers
	dial    *numbers
	layout  *attached.Layout
	mapping *attached.Mapping
	docBuf  []byte // of the strand

	queues      atomic.Pointer[map[queueKey]ici.Queue]
	queueSorted atomic.Pointer[[]ici.Queue]

	links   map[string]*Link
	order   []*Link
	pers    map[uint32]*peripheral
	perList []*peripheral
	systems map[string]*SystemConfig

	// ctx ends with Stop; everything that outlives a call hangs on it.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	work    sync.WaitGroup // goroutines of requests and of the store
	running atomic.Bool

	notifier Notifier
	store    *store

	// The following belong to the strand.
	agents   map[agentKey]*agent
	byAgent  map[acdKey]*agent
	byDevice map[acdKey]*agent
	calls    map[callKey]*call
	items    map[string]*item
	// answering are requests whose answers are on their way to SAP, by user.
	answering map[agentKey][]*operation
	recent    map[routerKey]*remembered
	shares    *sharing
	touched   []*agent
	flushing  bool
	idBase    string
	idSeq     uint64
	sweep     *time.Timer
	stopping  bool

	stats counters
}

// New makes a connector. Its links and its notifier have to be bound before
// Start: see [Link.Bind] and [Connector.BindNotifier].
func New(cfg Config) (*Connector, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Connector{
		cfg: cfg, log: cfg.Logger,
		links: map[string]*Link{}, pers: map[uint32]*peripheral{}, systems: map[string]*SystemConfig{},
		answering: map[agentKey][]*operation{},
		agents:    map[agentKey]*agent{}, byAgent: map[acdKey]*agent{}, byDevice: map[acdKey]*agent{},
		calls: map[callKey]*call{}, items: map[string]*item{}, recent: map[routerKey]*remembered{},
	}
	c.shares = &sharing{c: c, byKey: map[routerKey]*sharedCall{}}
	c.st = newStrand(func(v any) {
		c.stats.panics.Add(1)
		c.log.Error("crm: defect met, going on", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	})
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.idBase = idBase(cfg.Instance, time.Now())
	for i := range cfg.Systems {
		c.systems[cfg.Systems[i].Name] = &cfg.Systems[i]
	}
	for _, lc := range cfg.Links {
		l := &Link{c: c, name: lc.Name}
		c.links[lc.Name], c.order = l, append(c.order, l)
		for _, pc := range lc.Peripherals {
			p := &peripheral{cfg: pc, link: l}
			c.pers[pc.ID] = p
			c.perList = append(c.perList, p)
			l.pers = append(l.pers, p)
		}
	}
	if err := c.build(); err != nil {
		c.cancel(ErrStopped)
		return nil, err
	}
	return c, nil
}

// idBase makes the part of item ids that differs between connectors and
// between the runs of one.
func idBase(instance string, now time.Time) string {
	h := fnv.New32a()
	h.Write([]byte(instance))
	return strconv.FormatUint(uint64(h.Sum32()&0xFFFFF), 36) + strconv.FormatInt(now.UnixMilli()&0xFFFFFFFFFF, 36)
}

// Link returns the link of that name, or nil.
func (c *Connector) Link(name string) *Link { return c.links[name] }

// BindNotifier sets who tells SAP. Call it once, before Start.
func (c *Connector) BindNotifier(n Notifier) { c.notifier = n }

// Start restores the agents that this instance owned, or that nobody owns, from
// the store and begins to work. A store that cannot be reached is no error: they are
// restored as soon as it can. ctx covers the start only.
func (c *Connector) Start(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return ErrStarted
	}
	if c.notifier == nil {
		return ErrNotBound
	}
	for _, l := range c.order {
		if l.sw.Load() == nil {
			return fmt.Errorf("%w: link %q", ErrNotBound, l.name)
		}
	}
	switch n, err := c.restore(ctx); {
	case err == nil:
		c.log.Info("crm: started", slog.Int("agents_restored", n))
	case storeAway(err):
		c.log.Warn("crm: started without the store, agents are restored when it is there", slog.String("err", err.Error()))
		c.work.Go(c.restoreLater)
	default:
		return err
	}
	c.startOwnership()
	return nil
}

// Stop writes what has not been written yet and ends. Agents stay logged on at
// the ACD and owned until the lease passes: the next start, or another
// connector, goes on with them. ctx bounds the writing. It is idempotent.
func (c *Connector) Stop(ctx context.Context) error {
	if !c.running.Load() || c.ctx.Err() != nil {
		c.cancel(ErrStopped)
		return nil
	}
	c.st.post(func() {
		c.stopping = true
		for _, a := range c.agents {
			a.stopTimers()
		}
		if c.sweep != nil {
			c.sweep.Stop()
		}
	})
	err := c.flushStore(ctx)
	c.cancel(ErrStopped)
	done := make(chan struct{})
	go func() { c.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.st.close()
	return err
}

// apply runs f on the strand, then tells SAP what f changed.
func (c *Connector) apply(f func()) bool {
	return c.st.post(func() { f(); c.flush() })
}

// applyWait is apply for a caller that needs the outcome.
func (c *Connector) applyWait(ctx context.Context, f func()) error {
	return c.st.do(ctx, func() { f(); c.flush() })
}

// touch marks an agent whose items or state may have changed.
func (c *Connector) touch(a *agent) {
	if a == nil {
		return
	}
	a.seq++
	if !a.touched {
		a.touched = true
		c.touched = append(c.touched, a)
	}
}

// after runs f on the strand when d has passed, unless the connector stops.
func (c *Connector) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		c.apply(func() {
			if !c.stopping {
				f()
			}
		})
	})
}

// newID makes an item id.
func (c *Connector) newID() string {
	c.idSeq++
	return "call-" + c.idBase + "-" + strconv.FormatUint(c.idSeq, 36)
}
