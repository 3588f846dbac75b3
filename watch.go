package connects

import (
	"context"
	"iter"
	"log/slog"
	"time"
)

// Change is one change of a node or of one of its components, as it was after it.
type Change struct {
	// Seq counts the changes of a node from 1 without holes. A jump seen by a
	// watcher means that it was too slow and lost changes: call Health.
	Seq  uint64
	Time time.Time
	// Component is empty for the node itself, whose state and condition sum up
	// its components.
	Component string
	Phase     Phase
	State     State
	Condition Condition
	// Err is the reason of a condition or a failure, or nil.
	Err error

	text string // of Err
}

// changeLog keeps the last changes for all watchers together. Node.mu guards it.
type changeLog struct {
	seq  uint64        // of the newest change
	kept []Change      // ring: Seq s stands at (s-1) % len
	wake chan struct{} // closed and replaced at every change
}

// Watch yields the changes that come after the call, in order, until ctx ends or
// the node has ended and everything was yielded. Nobody waits for a watcher: the
// node keeps the last Options.WatchBuffer changes, and a watcher that falls behind
// further goes on with the oldest one kept, visible as a jump of Seq.
func (n *Node) Watch(ctx context.Context) iter.Seq[Change] {
	n.mu.Lock()
	first := n.changes.seq + 1
	n.mu.Unlock()
	return func(yield func(Change) bool) {
		next := first
		for ctx.Err() == nil {
			n.mu.Lock()
			c, ok := n.changes.at(next)
			wake, final := n.changes.wake, n.phase.Final()
			n.mu.Unlock()
			switch {
			case ok:
				if !yield(c) {
					return
				}
				next = c.Seq + 1
			case final:
				return
			default:
				select {
				case <-wake:
				case <-ctx.Done():
				}
			}
		}
	}
}

// at returns the change with that number, or the oldest kept after it.
func (l *changeLog) at(seq uint64) (Change, bool) {
	if seq > l.seq {
		return Change{}, false
	}
	if oldest := l.seq - uint64(len(l.kept)) + 1; seq < oldest {
		seq = oldest
	}
	return l.kept[(seq-1)%uint64(cap(l.kept))], true
}

func (l *changeLog) add(c Change, size int) Change {
	if l.kept == nil {
		l.kept = make([]Change, 0, size)
	}
	l.seq++
	c.Seq, c.Time = l.seq, time.Now()
	if len(l.kept) < cap(l.kept) {
		l.kept = append(l.kept, c)
	} else {
		l.kept[(c.Seq-1)%uint64(cap(l.kept))] = c
	}
	return c
}

// settle records everything that differs from what was published last, the
// components first. Caller holds mu.
func (n *Node) settle() []Change {
	var out []Change
	publish := func(now Change, last *Change, since *time.Time) {
		if same(now, *last) {
			return
		}
		*last = now
		now = n.changes.add(now, max(n.opts.WatchBuffer, 1))
		*since = now.Time
		out = append(out, now)
	}
	sum := Change{Phase: n.phase, Err: n.failure.err, text: n.failure.text}
	for _, c := range n.components {
		now := Change{Component: c.name, Phase: c.phase, Condition: c.condition,
			Err: c.reason.err, text: c.reason.text}
		if c.phase == PhaseRunning {
			now.State = c.state
		}
		sum.Condition = max(sum.Condition, now.Condition)
		sum.State = max(sum.State, now.State)
		publish(now, &c.last, &c.since)
	}
	switch {
	case n.phase != PhaseRunning:
		sum.State = StateStopped
	case sum.State == StateStopped:
		sum.State = StateIdle
	}
	publish(sum, &n.last, &n.since)
	if out != nil {
		close(n.changes.wake)
		n.changes.wake = make(chan struct{})
	}
	return out
}

func same(a, b Change) bool {
	return a.Phase == b.Phase && a.State == b.State && a.Condition == b.Condition && a.text == b.text
}

// log writes published changes; called without the lock.
func (n *Node) log(changes []Change) {
	for _, c := range changes {
		write := n.opts.Logger.Info
		switch {
		case c.Component == "" && !c.Phase.Final():
			write = n.opts.Logger.Debug
		case c.Phase == PhaseFailed || c.Phase <= PhaseRunning && c.Condition == ConditionFailing:
			write = n.opts.Logger.Error
		case c.Phase <= PhaseRunning && c.Condition == ConditionDegraded:
			write = n.opts.Logger.Warn
		}
		attrs := []any{
			slog.String("phase", c.Phase.String()),
			slog.String("state", c.State.String()),
			slog.String("condition", c.Condition.String()),
		}
		if c.Err != nil {
			attrs = append(attrs, slog.String("err", c.text))
		}
		msg := "node changed"
		if c.Component != "" {
			msg = "component changed"
			attrs = append(attrs, slog.String("component", c.Component))
		}
		write(msg, attrs...)
	}
}
