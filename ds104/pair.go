package ds104

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Defaults of [PairOptions].
const (
	DefaultDecideWait = 5 * time.Second // of a write for a side that decides
	DefaultHedgeAfter = time.Second     // of a read for its answer
)

// PairOptions configure a [Pair].
type PairOptions struct {
	// A and B are the addresses ("host:port") of the two servers; needed.
	A, B string
	// Client has what both connections share. Name is needed: it is the name of this
	// connector as a voter. While another one of that name is connected a side refuses
	// this one with ErrNameInUse, which Stats shows, and it is tried again. Wait is how
	// long a call waits when no side can be reached.
	Client ClientOptions
	// TokenA and TokenB replace Client.Token for one side when they are set.
	TokenA, TokenB Secret
	// DecideWait is how long a conditional write waits for a side that decides before
	// it returns ErrUndecided, and how long an unconditional one waits before it goes
	// to a side that does not; 0 = DefaultDecideWait.
	DecideWait time.Duration
	// HedgeAfter is when a read without an answer is sent to the other side too, if
	// that is level; 0 = DefaultHedgeAfter, negative = never.
	HedgeAfter time.Duration
	// Logger gets changes of sides; nil discards them.
	Logger *slog.Logger
}

func (o *PairOptions) validate() error {
	var errs []error
	if o.A == "" || o.B == "" || o.A == o.B {
		errs = append(errs, fmt.Errorf("ds104: options A=%q, B=%q: a pair needs two addresses", o.A, o.B))
	}
	if o.Client.Name == "" {
		errs = append(errs, errors.New("ds104: option Client.Name: a voter needs a name"))
	}
	if o.DecideWait < 0 {
		errs = append(errs, fmt.Errorf("ds104: option DecideWait=%v: must not be negative", o.DecideWait))
	}
	return errors.Join(append(errs, o.Client.validate())...)
}

// SideStats is one side as a [Pair] sees it.
type SideStats struct {
	Side     Side
	Addr     string
	Up       bool      // connected
	Level    bool      // holds everything, as far as this pair knows
	Wrong    bool      // the server belongs to no pair, or is the same side as the other one
	Deciding bool      // says that it decides
	Since    time.Time // of the last change of Up or Level
	Last     SyncStats // the last time it was brought level
	Client   ClientStats
}

// PairStats is a snapshot of a [Pair].
type PairStats struct {
	Term      uint64 // highest that this pair knows; it grows with every new lead
	Lead      Side   // that decides; Alone = none
	Sides     [2]SideStats
	Takeovers int64 // times that the lead changed
	Syncs     int64 // times that a side was brought level
	Alone     int64 // writes to a side that does not decide
	Hedged    int64 // reads that were sent to both sides
}

// side is one side of a Pair; its fields are guarded by Pair.mu.
type side struct {
	id      Side
	addr    string
	c       *Client
	up      bool
	level   bool
	syncing bool
	wrong   bool // the server belongs to no pair, or is the same side as the other one
	since   time.Time
	last    SyncStats
	retry   time.Time // not before: a sync has failed
	unfit   time.Time // until then nobody votes for it: it has refused to decide
}

// Pair is a [Store] on two servers, A and B, that hold the same.
//
// # Reads and writes
//
// At any time at most one side decides. A write goes to it first, which gives the
// revision, and then to the other side; it is acknowledged when both have it, or when
// the other side is down. Reads come from the side that decides, and from the other
// one while it cannot be reached. A call that runs into the end of a side goes on at
// the other. What was acknowledged is lost only when both sides are.
//
// A side that comes back is compared by sums with the one that decides and gets only
// what it lacks, in both directions, with deletions; until it is level nobody reads
// from it. It does not take the decision back.
//
// # Who decides
//
// Every Pair is a voter at both sides, under its Name. A pair that finds no deciding
// side votes for one: A when it is level, else B. The vote is for a term, a number that
// only grows; odd terms are A's, even ones B's. Whoever votes for a term uses no side
// that decides in a lower one. A side decides
//
//   - from when more than half of the voters that it knows have voted for it in a term,
//   - until it hears of a higher term,
//   - and only while at least half of the voters that it knows are connected,
//   - and while its store can write: a side whose disk is full gives the decision up,
//     and the write that found that out goes on at the other side.
//
// So with the voters cut in two parts, at most one side has a majority that wants it,
// and a side that has lost its majority stops by itself: a pair votes for the other
// side only when its connection is closed, or was silent for more than four heartbeats,
// and then the server has ended the session, which it does after three.
//
// # Network split
//
// The side that most voters reach decides; with equal parts the one that decided
// before goes on. On the other side conditional writes return [ErrUndecided] and
// change nothing. Unconditional writes and reads go on there, so that calls keep their
// data. When the split heals, of two values of a key the higher revision stays on both
// sides. Use either conditional or unconditional writes for a key, not both.
//
// # Layouts
//
// With two connectors, each on a machine with one side, the end of the machine that
// decides leaves one of two votes: no majority. A [Witness] on a third machine is the third
// vote. Or set ServerOptions.TieAfter and accept that a split of the machines for longer
// than that has two deciding sides, of which the later term wins on healing. Say A decides;
// "swap" is a conditional write, everything else goes on in every case:
//
//	layout             machine of A ends      machine of B ends  A and B split        witness ends
//	two machines       swaps stop             goes on            swaps stop at B
//	and a witness      B decides in 3 s       goes on            swaps stop at the    goes on, as two
//	                                                             side without it      machines
//	and TieAfter       B decides in 3 s       goes on            from then on both
//	                   and TieAfter                              decide: two owners
//
// The times are bounds for DefaultHeartbeatInterval. A machine that ends without a word is
// given up by connectors within five heartbeats and by the other server within three; then
// the vote takes at most two round trips and 20 ms. The end of a process is seen at once.
//
// A witness that reaches both sides of a split leaves the decision where it is. A witness
// that is stopped leaves for good, one that dies counts for VoterMemory. With three or
// more connectors on at least three machines none is needed.
//
// # Revisions and watches
//
// Both sides have the same revisions, the term in the upper 24 bits. A watch that goes
// on at the other side begins there with a gap. A conditional write that was
// interrupted and finds its own value in place has succeeded; values of rivals should
// differ, for example by the name of the connector.
type Pair struct {
	opts   PairOptions
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	kick   chan struct{} // capacity 1: look at the sides again

	mu      sync.Mutex
	sides   [2]*side
	term    uint64 // highest known
	lead    *side  // nil: none decides
	headed  *side  // the last that did
	since   time.Time
	change  chan struct{} // closed at the next change
	stats   PairStats
	closed  bool
	started time.Time
}

var _ Store = (*Pair)(nil)

// NewPair returns a store on two servers. It connects in the background. The error
// names every option that cannot be used.
func NewPair(o PairOptions) (*Pair, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.DecideWait == 0 {
		o.DecideWait = DefaultDecideWait
	}
	if o.HedgeAfter == 0 {
		o.HedgeAfter = DefaultHedgeAfter
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Client.Wait == 0 {
		o.Client.Wait = DefaultWait
	}
	p := &Pair{opts: o, kick: make(chan struct{}, 1), change: make(chan struct{}), started: time.Now(), since: time.Now()}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	instance := make([]byte, 16)
	_, _ = rand.Read(instance) // never fails
	for i, addr := range []string{o.A, o.B} {
		co := o.Client
		co.instance = instance
		co.voter, co.failFast, co.changed, co.term = true, true, p.look, p.knownTerm
		if t := []Secret{o.TokenA, o.TokenB}[i]; t != "" {
			co.Token = t
		}
		s := &side{id: SideA + Side(i), addr: addr, since: time.Now()}
		c, err := NewClient(addr, &co)
		if err != nil {
			p.cancel()
			for _, s := range p.sides[:i] {
				_ = s.c.Close()
			}
			return nil, err
		}
		p.mu.Lock() // the first client may be calling back
		s.c, p.sides[i] = c, s
		p.mu.Unlock()
	}
	p.wg.Go(p.steer)
	return p, nil
}

func (p *Pair) look() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

func (p *Pair) knownTerm() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.term
}

// electionTick is how often a pair without a deciding side looks and votes again.
const electionTick = 20 * time.Millisecond

// steer is the goroutine that follows the sides.
func (p *Pair) steer() {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.kick:
		case <-t.C:
		}
		if p.follow() {
			t.Reset(electionTick)
		} else {
			t.Reset(time.Second)
		}
	}
}

// follow looks at the sides, starts what has to be done, and reports whether it should
// look again soon.
func (p *Pair) follow() (soon bool) {
	p.mu.Lock()
	changed := false
	for i, s := range p.sides {
		st := s.c.Stats()
		p.term = max(p.term, st.Term)
		up := st.Conns > 0
		if up && s.id != st.Side {
			// The server knows best which side it is: the addresses may be swapped.
			p.opts.Logger.Info("side found", "addr", s.addr, "side", st.Side.String())
			s.id = st.Side
		}
		if other := p.sides[1-i]; up && (s.id == Alone || other.up && other.id == s.id) {
			if up = false; !s.wrong {
				p.opts.Logger.Error("server is not the other side of this pair", "addr", s.addr, "side", s.id.String())
			}
			s.wrong = true
		} else if up {
			s.wrong = false
		}
		if up != s.up {
			s.up, s.level, s.since = up, false, time.Now()
			changed = true
		}
	}
	var lead *side
	for _, s := range p.sides {
		if st := s.c.Stats(); s.up && st.Deciding && st.Term == p.term && p.term > 0 {
			lead = s
		}
	}
	if lead != p.lead {
		changed = true
		p.lead, p.since = lead, time.Now()
		if lead != nil && lead != p.headed {
			p.headed = lead
			p.stats.Takeovers++
			p.opts.Logger.Info("side decides", "side", lead.id.String(), "term", p.term)
		}
	}
	if lead != nil && !lead.level {
		lead.level, lead.since, changed = true, time.Now(), true
	}
	candidate, term := p.candidate()
	var behind *side
	a, b := p.sides[0], p.sides[1]
	if a.up && b.up && (!a.level || !b.level) && !a.syncing && !b.syncing {
		if behind = a; a.level {
			behind = b
		}
		if time.Now().Before(behind.retry) {
			behind, soon = nil, true
		} else {
			a.syncing, b.syncing = true, true
		}
	}
	if changed {
		close(p.change)
		p.change = make(chan struct{})
	}
	p.mu.Unlock()
	if behind != nil {
		p.wg.Go(func() { p.bringLevel(behind) })
	}
	if lead == nil && candidate != nil {
		p.vote(candidate, term)
	}
	return soon || lead == nil
}

// candidate returns the side to vote for when none decides. Caller holds mu.
func (p *Pair) candidate() (*side, uint64) {
	a, b := p.sides[0], p.sides[1]
	if a.id == SideB || b.id == SideA {
		a, b = b, a
	}
	known := func(s *side) bool {
		return s.up || s.c.Stats().LastError != nil || time.Since(p.started) > p.opts.Client.HeartbeatInterval+time.Second
	}
	for _, s := range []*side{a, b} {
		if s.up && !time.Now().Before(s.unfit) && (s.level || !a.level && !b.level) && known(a) && known(b) && (s.level || !a.syncing) {
			return s, termFor(s.id, p.term)
		}
	}
	return nil, 0
}

// vote asks a side to decide.
func (p *Pair) vote(s *side, term uint64) {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	a, err := s.c.vote(ctx, term)
	switch {
	case err == nil && a.Deciding:
		p.look()
	case errors.Is(err, ErrUndecided): // its store has failed
		p.mu.Lock()
		s.unfit = time.Now().Add(unfitFor)
		p.mu.Unlock()
		p.look()
	}
}

// bringLevel compares the sides and copies what one lacks.
func (p *Pair) bringLevel(behind *side) {
	a, b := p.sides[0], p.sides[1]
	lossA, lossB := a.c.Stats().Losses, b.c.Stats().Losses
	st, err := Sync(p.ctx, a.c, b.c)
	p.mu.Lock()
	a.syncing, b.syncing = false, false
	p.stats.Syncs++
	if err == nil && a.up && b.up && a.c.Stats().Losses == lossA && b.c.Stats().Losses == lossB {
		for _, s := range p.sides {
			if !s.level {
				s.level, s.since = true, time.Now()
			}
		}
		behind.last = st
		close(p.change)
		p.change = make(chan struct{})
	} else {
		behind.retry = time.Now().Add(200 * time.Millisecond)
	}
	p.mu.Unlock()
	if err == nil {
		p.opts.Logger.Info("side is level", "side", behind.id.String(), "buckets", st.Buckets, "to_a", st.ToA, "to_b", st.ToB)
	} else if p.ctx.Err() == nil {
		p.opts.Logger.Warn("side cannot be brought level", "side", behind.id.String(), "err", err)
	}
	p.look()
}

// Stats returns a snapshot.
func (p *Pair) Stats() PairStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stats
	st.Term = p.term
	if p.lead != nil {
		st.Lead = p.lead.id
	}
	for i, s := range p.sides {
		st.Sides[i] = SideStats{Side: s.id, Addr: s.addr, Up: s.up, Level: s.level, Wrong: s.wrong, Deciding: s == p.lead, Since: s.since, Last: s.last, Client: s.c.Stats()}
	}
	return st
}

// WaitReady waits until a side decides. Errors: that of ctx, ErrClosed.
func (p *Pair) WaitReady(ctx context.Context) error {
	for {
		p.mu.Lock()
		lead, change, closed := p.lead, p.change, p.closed
		p.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case lead != nil:
			return nil
		}
		if err := p.await(ctx, change, 0); err != nil {
			return err
		}
	}
}

// await waits for a change, for at most d unless that is zero. It returns ErrDown when
// the time is over.
func (p *Pair) await(ctx context.Context, change <-chan struct{}, d time.Duration) error {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-change:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ctx.Done():
		return ErrClosed
	case <-over:
		return ErrDown
	}
}

// Close leaves both sides, tells them that this voter does not come back, and ends
// calls and watches with ErrClosed. A side that does not take that within 200 ms counts
// the voter for VoterMemory. It may be called again and returns nil.
func (p *Pair) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	err := both(p.sides[0].c.leave, p.sides[1].c.leave)
	p.wg.Wait()
	return err
}

// down reports whether an error says that a side, and not the request, failed.
func down(err error) bool {
	return errors.Is(err, ErrDown) || errors.Is(err, ErrInterrupted) || errors.Is(err, ErrClosed) || errors.Is(err, ErrBusy)
}
