package ds104

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/connects-go/connects/ds104/proto"
)

// reader returns the side to read from: the one that decides, else one that is level,
// else any. other is a level side beside it, or nil.
func (p *Pair) reader(not *side) (s, other *side, change <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, nil, ErrClosed
	}
	rank := func(x *side) int {
		switch {
		case !x.up || x == not:
			return 0
		case x == p.lead:
			return 3
		case x.level:
			return 2
		}
		return 1
	}
	a, b := p.sides[0], p.sides[1]
	if rank(b) > rank(a) {
		a, b = b, a
	}
	if rank(a) == 0 {
		return nil, nil, p.change, nil
	}
	if rank(b) >= 2 {
		other = b
	}
	return a, other, p.change, nil
}

// onRead does f on a side and, when that fails, on the other one.
func onRead[T any](ctx context.Context, p *Pair, f func(context.Context, *Client) (T, error)) (T, error) {
	var none T
	var failed *side
	deadline := time.Now().Add(max(p.opts.Client.Wait, 0))
	for {
		if err := ctx.Err(); err != nil {
			return none, err
		}
		s, other, change, err := p.reader(failed)
		switch {
		case err != nil:
			return none, err
		case s == nil && failed != nil:
			failed = nil // maybe it is back
			continue
		case s == nil:
			left := time.Until(deadline)
			if left <= 0 {
				return none, ErrDown
			}
			if err := p.await(ctx, change, left); err != nil {
				return none, err
			}
			continue
		}
		v, err := hedge(ctx, p, s, other, f)
		if !down(err) {
			return v, err
		}
		p.look()
		if failed != nil || other == nil { // both have failed now: take a breath
			if time.Now().After(deadline) {
				return none, ErrDown
			}
			_ = p.await(ctx, change, electionTick)
		}
		failed = s
	}
}

// hedge does f on a side; when no answer comes for a while, on the other one too. The
// first answer counts.
func hedge[T any](ctx context.Context, p *Pair, s, other *side, f func(context.Context, *Client) (T, error)) (T, error) {
	if other == nil || p.opts.HedgeAfter < 0 {
		return f(ctx, s.c)
	}
	type result struct {
		v   T
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.NewTimer(p.opts.HedgeAfter)
	defer timer.Stop()
	first := make(chan result, 2)
	ask := func(s *side) {
		v, err := f(ctx, s.c)
		first <- result{v, err}
	}
	go ask(s)
	asked := 1
	for {
		select {
		case r := <-first:
			if asked--; !down(r.err) || asked == 0 {
				return r.v, r.err
			}
		case <-timer.C:
			p.mu.Lock()
			p.stats.Hedged++
			p.mu.Unlock()
			go ask(other)
			asked++
		}
	}
}

// Get implements [Store].
func (p *Pair) Get(ctx context.Context, key string) (Entry, error) {
	return onRead(ctx, p, func(ctx context.Context, c *Client) (Entry, error) { return c.Get(ctx, key) })
}

// List implements [Store]. When a side fails on the way it goes on at the other.
func (p *Pair) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	type page struct {
		items []Entry
		more  bool
	}
	return func(yield func(Entry, error) bool) {
		if len(prefix) > MaxKey {
			return
		}
		for from := ""; ; {
			pg, err := onRead(ctx, p, func(ctx context.Context, c *Client) (page, error) {
				items, more, err := c.listPage(ctx, prefix, from)
				return page{items, more}, err
			})
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range pg.items {
				from = e.Key + "\x00"
				if !yield(e, nil) {
					return
				}
			}
			if !pg.more || len(pg.items) == 0 {
				return
			}
		}
	}
}

// Put implements [Store].
func (p *Pair) Put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error) {
	if err := checkPut(len(key), len(value), MaxMaxValue, &o); err != nil {
		return 0, err
	}
	return p.write(ctx, &pairWrite{
		key: key, conditional: o.IfAbsent || o.IfRevision != 0,
		do: func(c *Client, f proto.PutFlags, term uint64) (stamp, error) {
			return c.put(ctx, key, value, o, f, term)
		},
		item: func(s stamp) Item {
			return Item{Entry: Entry{Key: key, Value: value, Revision: s.rev, Origin: p.opts.Client.Name, Written: writtenOf(s.written)}, TTL: o.TTL}
		},
		ours: func(e Entry, err error) bool { return err == nil && bytes.Equal(e.Value, value) },
	})
}

// Delete implements [Store].
func (p *Pair) Delete(ctx context.Context, key string, at Revision) error {
	if key == "" || len(key) > MaxKey {
		return ErrInvalid
	}
	_, err := p.write(ctx, &pairWrite{
		key: key, conditional: at != 0,
		do: func(c *Client, f proto.PutFlags, term uint64) (stamp, error) {
			rev, err := c.remove(ctx, key, at, f, term)
			return stamp{rev: rev}, err
		},
		item: func(s stamp) Item { return Item{Entry: Entry{Key: key, Revision: s.rev}, Deleted: true} },
		ours: func(_ Entry, err error) bool { return errors.Is(err, ErrNotFound) },
	})
	return err
}

// pairWrite is a write on its way through a Pair.
type pairWrite struct {
	key         string
	conditional bool
	do          func(c *Client, f proto.PutFlags, term uint64) (stamp, error)
	item        func(stamp) Item
	ours        func(Entry, error) bool // whether what is there is what was written
}

// write does a write on the side that decides and brings it to the other one.
func (p *Pair) write(ctx context.Context, w *pairWrite) (Revision, error) {
	interrupted := false
	begin := time.Now()
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		p.mu.Lock()
		lead, term, change, closed, since := p.lead, p.term, p.change, p.closed, p.since
		p.mu.Unlock()
		if closed {
			return 0, ErrClosed
		}
		if lead == nil {
			if left := p.opts.DecideWait - time.Since(begin); left > 0 && (w.conditional || time.Since(since) < p.opts.DecideWait) {
				if err := p.await(ctx, change, left); err != nil && !errors.Is(err, ErrDown) {
					return 0, err
				}
				continue
			}
			return p.alone(ctx, w)
		}
		done, err := w.do(lead.c, proto.PutFlagsLead, term)
		switch {
		case err == nil:
			p.replicate(ctx, lead, w, done)
			return done.rev, nil
		case errors.Is(err, ErrRevision) && interrupted:
			// The write may be our own, from before the interruption.
			e, err := p.Get(ctx, w.key)
			if w.ours(e, err) {
				return e.Revision, nil
			}
			return 0, ErrRevision
		case errors.Is(err, ErrUndecided), errors.Is(err, ErrInternal), down(err):
			interrupted = interrupted || errors.Is(err, ErrInterrupted)
			if time.Since(begin) > p.opts.DecideWait+max(p.opts.Client.Wait, 0) {
				return 0, err
			}
			p.look()
			if err := p.await(ctx, change, electionTick); err != nil && !errors.Is(err, ErrDown) {
				return 0, err
			}
		default:
			return 0, err
		}
	}
}

// replicate brings a write to the other side, if that can be reached. When it fails
// there, the side has to be brought level again.
func (p *Pair) replicate(ctx context.Context, lead *side, w *pairWrite, done stamp) {
	other := p.sides[0]
	if lead == other {
		other = p.sides[1]
	}
	p.mu.Lock()
	up := other.up
	p.mu.Unlock()
	if done.rev == 0 || !up {
		return
	}
	if _, err := other.c.Apply(ctx, []Item{w.item(done)}); err != nil {
		p.mu.Lock()
		if other.level {
			other.level, other.since = false, time.Now()
		}
		p.mu.Unlock()
		p.look()
	}
}

// alone does an unconditional write on a side that does not decide.
func (p *Pair) alone(ctx context.Context, w *pairWrite) (Revision, error) {
	s, _, _, err := p.reader(nil)
	switch {
	case err != nil:
		return 0, err
	case s == nil:
		return 0, ErrDown
	case w.conditional:
		return 0, ErrUndecided
	}
	done, err := w.do(s.c, proto.PutFlagsAlone, 0)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	p.stats.Alone++
	p.mu.Unlock()
	p.replicate(ctx, s, w, done)
	return done.rev, nil
}

// Watch implements [Store]. It goes on at the other side when its own fails, with a gap.
func (p *Pair) Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		at := after
		var on *side
		for {
			if err := ctx.Err(); err != nil {
				yield(Event{}, err)
				return
			}
			s, _, change, err := p.reader(nil)
			if err != nil {
				yield(Event{}, err)
				return
			}
			if s == nil {
				if err := p.await(ctx, change, 0); err != nil {
					yield(Event{}, err)
					return
				}
				continue
			}
			if on != nil && on != s {
				at = never // the other side says with a gap where it is
			}
			on = s
			at, err = s.c.watchOnce(ctx, prefix, at, yield)
			switch {
			case err == nil:
				return
			case errors.Is(err, errLagging):
			case down(err) && !p.isClosed():
				p.look()
				_ = p.await(ctx, change, electionTick)
			default:
				if p.isClosed() && ctx.Err() == nil {
					err = ErrClosed
				}
				yield(Event{}, err)
				return
			}
		}
	}
}

// never is a revision that no store has.
const never = Revision(1<<64 - 1)

func (p *Pair) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}
