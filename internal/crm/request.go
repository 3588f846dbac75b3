package crm

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/connects-go/connects/cti"
)

// maxRequests is how many requests of one agent may wait for the switch.
const maxRequests = 16

// send sends a request of an agent to his switch and hands the answer to done,
// on the strand. Requests of one agent are sent one after the other, so that
// the switch sees them in the agent's order; different agents are independent.
// done may be nil.
func (c *Connector) send(a *agent, r cti.Request, done func(cti.Confirm, error)) error {
	if a.per == nil || !a.per.up() {
		return ErrLinkDown
	}
	if len(a.reqs) >= maxRequests {
		return ErrBusy
	}
	l := a.per.link
	a.reqs = append(a.reqs, func() {
		c.work.Go(func() {
			ctx, cancel := context.WithTimeout(c.ctx, c.cfg.RequestTimeout)
			conf, err := l.do(ctx, r)
			cancel()
			c.stats.requests.Add(1)
			if err != nil {
				c.stats.requestErrors.Add(1)
			}
			c.apply(func() {
				if err != nil {
					c.log.Debug("crm: the switch refused", slog.String("request", r.Type().String()),
						slog.String("agent", a.rec.AgentID), slog.String("err", err.Error()))
				}
				a.reqBusy = false
				if done != nil {
					done(conf, err)
				}
				c.next(a)
			})
		})
	})
	c.next(a)
	return nil
}

// next starts the agent's next waiting request.
func (c *Connector) next(a *agent) {
	if a.reqBusy || len(a.reqs) == 0 || c.stopping {
		return
	}
	f := a.reqs[0]
	a.reqs[0] = nil
	a.reqs = a.reqs[1:]
	if len(a.reqs) == 0 {
		a.reqs = nil
	}
	a.reqBusy = true
	f()
}

// wait is something that has to become true before the next step of an
// operation, for example the swap of two calls before their transfer.
type wait struct {
	cond  func() bool
	then  func()
	fail  func()
	timer *time.Timer
}

// when runs then as soon as cond holds, or fail when d has passed first.
func (c *Connector) when(a *agent, d time.Duration, cond func() bool, then, fail func()) {
	if cond() {
		then()
		return
	}
	w := &wait{cond: cond, then: then, fail: fail}
	w.timer = c.after(d, func() {
		if a.dropWait(w) {
			w.fail()
			c.touch(a)
		}
	})
	a.waits = append(a.waits, w)
}

func (a *agent) dropWait(w *wait) bool {
	for i, o := range a.waits {
		if o == w {
			a.waits = append(a.waits[:i], a.waits[i+1:]...)
			return true
		}
	}
	return false
}

// checkWaits goes on with what has become true.
func (a *agent) checkWaits() {
	for i := 0; i < len(a.waits); {
		w := a.waits[i]
		if !w.cond() {
			i++
			continue
		}
		a.waits = append(a.waits[:i], a.waits[i+1:]...)
		w.timer.Stop()
		w.then()
		i = 0
	}
}

// failWaits gives up all waiting: the switch went away.
func (a *agent) failWaits() {
	ws := a.waits
	a.waits = nil
	for _, w := range ws {
		w.timer.Stop()
		w.fail()
	}
}

func (a *agent) stopTimers() {
	for _, w := range a.waits {
		w.timer.Stop()
	}
	if a.goneTimer != nil {
		a.goneTimer.Stop()
	}
	for _, it := range a.items {
		if it.timer != nil {
			it.timer.Stop()
		}
	}
}

// temporary tells whether the request may succeed a moment later: the link was
// lost, or the switch did not answer in time.
func temporary(err error) bool {
	return errors.Is(err, ErrLinkDown) || errors.Is(err, cti.ErrDown) || errors.Is(err, cti.ErrInterrupted) ||
		errors.Is(err, cti.ErrBusy) || cti.IsTimeout(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, ErrBusy)
}
