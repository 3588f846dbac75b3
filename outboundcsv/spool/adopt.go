package spool

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// DefaultLease is how long an instance may be silent before another adopts its lists.
const DefaultLease = 30 * time.Second

// settingsFile is how another instance learns where the lists of this one go.
const settingsFile = "settings.json"

// settings are what a survivor needs of a dead instance. No passwords.
type settings struct {
	Profile   outboundcsv.Profile `json:"profile"`
	File      File                `json:"file,omitzero"`
	Campaigns map[string]string   `json:"campaigns,omitempty"`
	API       bool                `json:"api,omitempty"`
}

// Group is one of several instances whose spools lie side by side in a shared
// directory: Root/<Instance>. It runs its own queue, and those of instances that
// have died and have lists that wait, deletions to answer, or rows to send again after a
// deletion of another, until they come back.
//
// The operating system lets one process open a journal (a lock that ends with the
// process), so an instance that lives cannot be robbed even when the ledger does
// not know it. On a network disk that does not pass locks on, the lease in the
// ledger is all there is; there, prefer a disk that does.
type Group struct {
	root string
	o    Options
	life time.Duration

	mu      sync.Mutex
	own     *Queue
	err     error // why there is no own queue yet
	adopted map[string]*Queue
	wake    chan struct{}
}

// NewGroup checks the options; Options.Instance names the own spool. lease 0 is
// DefaultLease. Nothing is opened before Run or Start.
func NewGroup(root string, lease time.Duration, o *Options) (*Group, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	g := &Group{root: root, o: o.withDefaults(), life: lease, adopted: map[string]*Queue{}, wake: make(chan struct{}, 1)}
	if lease == 0 {
		g.life = DefaultLease
	}
	g.o.asked = func() { // a deletion for a dead instance shall not wait for the next look
		select {
		case g.wake <- struct{}{}:
		default:
		}
	}
	return g, nil
}

// Own returns the queue of this instance; nil with the reason while another
// instance still runs it.
func (g *Group) Own() (*Queue, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.own == nil && g.err == nil {
		return nil, ErrClosed
	}
	return g.own, g.err
}

// Adopted returns the names of the instances whose lists are being finished here.
func (g *Group) Adopted() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for name := range g.adopted {
		out = append(out, name)
	}
	return out
}

// Start opens the own spool. ErrLocked is no failure: another instance finishes
// our lists; Run asks it to let go. Every other error is one.
func (g *Group) Start() error {
	if err := g.open(); err != nil && !stderrors.Is(err, ErrLocked) {
		return err
	}
	return nil
}

func (g *Group) open() error {
	dir := filepath.Join(g.root, g.o.Instance)
	q, err := Open(dir, &g.o)
	if err == nil {
		err = g.publish(dir)
		if err != nil {
			err = stderrors.Join(err, q.Close())
			q = nil
		}
	}
	g.mu.Lock()
	g.own, g.err = q, err
	g.mu.Unlock()
	g.o.Changed()
	return err
}

func (g *Group) publish(dir string) error {
	b, err := json.MarshalIndent(settings{g.o.Profile, g.o.File, g.o.Campaigns, g.o.API != nil}, "", "\t")
	if err != nil {
		return errors.Wrap(err, "spool: settings")
	}
	name := filepath.Join(dir, settingsFile)
	if err := os.WriteFile(name+".part", b, 0o600); err != nil {
		return errors.Wrap(err, "spool: settings")
	}
	return errors.Wrap(os.Rename(name+".part", name), "spool: settings")
}

// Run runs the own queue and looks after the others until ctx ends; then it closes
// everything.
func (g *Group) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer g.close()
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running := false
	for {
		if own, _ := g.Own(); own == nil {
			_ = g.open() // Own has the reason
		}
		if own, _ := g.Own(); own != nil && !running {
			running = true
			wg.Go(func() { _ = own.Run(ctx) }) // ends with ctx
		}
		g.beat(ctx, running)
		if g.o.Ledger != nil {
			g.look(ctx, &wg)
		}
		t := time.NewTimer(g.life / 3)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-g.wake:
			t.Stop()
		case <-t.C:
		}
	}
}

func (g *Group) close() {
	g.mu.Lock()
	own := g.own
	g.own, g.err = nil, ErrClosed
	g.mu.Unlock()
	if own != nil {
		if err := own.Close(); err != nil {
			g.o.Logger.Warn("spool not closed", slog.String("err", err.Error()))
		}
	}
}

// beat tells the others that this instance lives, or wants its spool back.
func (g *Group) beat(ctx context.Context, alive bool) {
	if g.o.Ledger == nil {
		return
	}
	what := "wants"
	if alive {
		what = "alive"
	}
	key := "outbound/" + what + "/" + g.o.Instance
	_, rev, err := g.o.Ledger.Get(ctx, key)
	if err == nil {
		_, err = g.o.Ledger.Put(ctx, key, []byte(time.Now().UTC().Format(time.RFC3339)), rev, g.life)
	}
	if err != nil && ctx.Err() == nil && !stderrors.Is(err, ErrConflict) {
		g.o.Logger.Warn("the ledger does not answer", slog.String("err", err.Error()))
	}
}

// known reports whether the ledger has a sign of an instance. When the ledger does
// not answer, nobody is taken for dead.
func (g *Group) known(ctx context.Context, what, instance string) bool {
	_, rev, err := g.o.Ledger.Get(ctx, "outbound/"+what+"/"+instance)
	return err != nil || rev != 0
}

// look adopts the spools of dead instances.
func (g *Group) look(ctx context.Context, wg *sync.WaitGroup) {
	es, err := os.ReadDir(g.root)
	if err != nil {
		return // the own queue reports a disk that is gone
	}
	for _, e := range es {
		name := e.Name()
		g.mu.Lock()
		_, busy := g.adopted[name]
		g.mu.Unlock()
		if !e.IsDir() || name == g.o.Instance || busy || g.known(ctx, "alive", name) || g.known(ctx, "wants", name) {
			continue
		}
		q, err := g.adopt(name)
		switch {
		case stderrors.Is(err, fs.ErrNotExist) || stderrors.Is(err, ErrLocked):
			continue // no spool, or it lives and the ledger does not know it
		case err != nil:
			g.o.Logger.Warn("lists of a dead instance cannot be adopted", slog.String("instance", name), slog.String("err", err.Error()))
			continue
		}
		if !g.due(ctx, name, q) {
			_ = q.present(ctx, max(hereLife, g.life)) // it would be done here; a ledger that is away tells nobody
			_ = q.Close()
			continue
		}
		g.o.Logger.Info("finishing the lists of a dead instance", slog.String("instance", name), slog.Int("lists", q.Status().Waiting))
		g.mu.Lock()
		g.adopted[name] = q
		g.mu.Unlock()
		wg.Go(func() { g.finish(ctx, name, q) })
	}
}

// adopt opens the spool of another instance with the settings it left.
func (g *Group) adopt(name string) (*Queue, error) {
	dir := filepath.Join(g.root, name)
	b, err := os.ReadFile(filepath.Join(dir, settingsFile))
	if err != nil {
		return nil, errors.Wrap(err, "spool: adopt")
	}
	var s settings
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, errors.Wrap(err, "spool: adopt")
	}
	o := g.o
	o.Instance, o.Profile, o.File, o.Campaigns, o.LockWait = name, s.Profile, s.File, s.Campaigns, time.Millisecond
	if !s.API {
		o.API = nil
	}
	return Open(dir, &o)
}

// finish runs an adopted queue until its lists are done, or its owner is back.
func (g *Group) finish(ctx context.Context, name string, q *Queue) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = q.Run(ctx) }) // ends with ctx
	for ctx.Err() == nil && g.due(ctx, name, q) && !g.wanted(ctx, name) {
		t := time.NewTimer(min(g.life/10, time.Second))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
	cancel()
	wg.Wait()
	err := q.Close()
	g.mu.Lock()
	delete(g.adopted, name)
	g.mu.Unlock()
	g.o.Logger.Info("spool given back", slog.String("instance", name), slog.Any("err", err))
	g.o.Changed()
}

// due reports whether there is something to do for another instance.
func (g *Group) due(ctx context.Context, name string, q *Queue) bool {
	if q.Status().Waiting > 0 || g.asked(ctx, name) {
		return true
	}
	again, err := q.behind(ctx)
	return err == nil && len(again) > 0
}

func (g *Group) wanted(ctx context.Context, name string) bool {
	_, rev, err := g.o.Ledger.Get(ctx, "outbound/wants/"+name)
	return err == nil && rev != 0
}

// asked reports whether deletions wait for an instance.
func (g *Group) asked(ctx context.Context, name string) bool {
	v, rev, err := g.o.Ledger.Get(ctx, mailbox(name))
	box, bad := readMailbox(v)
	return err == nil && rev != 0 && bad == nil && len(box) > 0
}
