package connects

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stopGrace is how long the node waits for a component that was told by its
// context to give up. A component that heeds it needs microseconds.
const stopGrace = 250 * time.Millisecond

// Start builds every component, then starts one after the other; it returns when
// all are ready to serve. ctx covers the start only.
//
// When a factory reports an error nothing is started. When a start fails, a
// component calls Fail, ctx ends, or Stop is called meanwhile, the components that
// had started are stopped in reverse, and the returned error joins the reason with
// what stopping reported. Errors: ErrNodeStarted, ErrUnknown, *ConfigError (these two
// leave the node as it was), *ComponentError, ErrNodeStopped, the error of ctx.
func (n *Node) Start(ctx context.Context) error {
	err, stopErr := n.start(ctx)
	return errors.Join(err, stopErr)
}

// Run starts the node, waits until ctx ends, a component fails or Stop is called,
// and stops it. The end of ctx is the normal end, also during the start: Run then
// returns what stopping reported, or nil. Otherwise it returns the error of the
// start or of Fail, joined with that.
func (n *Node) Run(ctx context.Context) error {
	err, stopErr := n.start(ctx)
	if err != nil {
		if errors.Is(err, errInterrupted) && ctx.Err() != nil {
			return stopErr
		}
		return errors.Join(err, stopErr)
	}
	select {
	case <-ctx.Done():
	case <-n.done:
	}
	stopErr = n.Stop(context.WithoutCancel(ctx))
	return errors.Join(n.Err(), stopErr)
}

// errInterrupted marks a start that was broken off from outside.
var errInterrupted = errors.New("connects: start interrupted")

func (n *Node) start(ctx context.Context) (err, stopErr error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	order, err := n.begin(cancel)
	if err != nil {
		return err, nil
	}
	if err := n.build(order); err != nil {
		return err, n.finish(ctx, nil, err, PhaseFailed)
	}
	for i, c := range order {
		if ctx.Err() != nil {
			return n.broken(ctx, nil, order[:i], nil)
		}
		n.update(func() { c.phase = PhaseStarting })
		err := n.startOne(ctx, c)
		if err == nil && ctx.Err() == nil {
			n.update(func() { c.phase = PhaseRunning })
			continue
		}
		started := order[:i]
		if err == nil {
			started = order[:i+1] // it came up although it was told to give up
		} else {
			n.fail(c, err)
		}
		return n.broken(ctx, c, started, err)
	}
	if !n.running() {
		return n.broken(ctx, nil, order, nil)
	}
	base := context.WithoutCancel(ctx)
	go func() { // ends with the node: done is always closed
		select {
		case <-n.failed:
			n.halt(base, 0)
		case <-n.done:
		}
	}()
	return nil, nil
}

// begin moves New to Starting and returns the start order.
func (n *Node) begin(cancel context.CancelCauseFunc) (order []*component, err error) {
	n.update(func() {
		if n.phase != PhaseNew {
			err = ErrNodeStarted
			return
		}
		if err = n.opts.validate(); err != nil {
			return
		}
		if order, err = n.order(); err != nil {
			return
		}
		n.components = order
		n.phase = PhaseStarting
		n.cancelStart = cancel
	})
	return order, err
}

// fail gives a component that could not be built or started its final phase.
func (n *Node) fail(c *component, err error) {
	why := because(err)
	n.update(func() { c.phase, c.reason = PhaseFailed, why })
}

// running moves Starting to Running unless something came in between.
func (n *Node) running() (ok bool) {
	n.update(func() {
		if ok = n.failure.err == nil && !n.stopAsked; ok {
			n.phase = PhaseRunning
		}
		n.cancelStart = nil
	})
	return ok
}

// build calls every factory, so that all configuration errors show at once.
func (n *Node) build(order []*component) error {
	var errs []error
	for _, c := range order {
		var built Component
		err := guard(func() (err error) {
			built, err = c.factory(c)
			return err
		})
		if err == nil && built == nil {
			err = errors.New("factory returned no component")
		}
		if err == nil {
			if m, ok := built.(prometheus.Collector); ok {
				err = prometheus.WrapRegistererWith(prometheus.Labels{"component": c.name}, n.registry).Register(m)
			}
		}
		if err != nil {
			n.fail(c, err)
			errs = append(errs, &ComponentError{c.name, "build", err})
			continue
		}
		n.update(func() { c.built = built })
	}
	return errors.Join(errs...)
}

// broken ends a start that did not succeed. at is the component whose start
// returned err, or nil.
func (n *Node) broken(ctx context.Context, at *component, started []*component, err error) (error, error) {
	n.mu.Lock()
	reason, asked := n.failure.err, n.stopAsked
	n.mu.Unlock()
	final := PhaseFailed
	own := error(nil) // what the component said, unless it only repeats that it was told to stop
	if err != nil && (ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)) && !errors.Is(err, ctx.Err())) {
		own = &ComponentError{at.name, "start", err}
	}
	if reason == nil && own == nil {
		cause := context.Cause(ctx)
		if asked {
			cause = ErrNodeStopped
		}
		reason = fmt.Errorf("%w: %w", errInterrupted, cause)
		if asked || errors.Is(ctx.Err(), context.Canceled) {
			final = PhaseStopped
		}
	}
	reason = errors.Join(reason, own)
	return reason, n.finish(ctx, started, reason, final)
}

// Stop ends the node: health turns to 503, then the components stop in the
// reverse order of their start, each within Options.StopTimeout and ctx. It goes
// on after errors and returns all of them joined, as *ComponentError; a component
// that ignores its budget is left behind and reported with ErrStopTimeout.
//
// Stop may be called at any time, any number of times: during a start it breaks
// that off, and every call waits for the end and returns the same error. A call
// whose ctx ends earlier returns that error while the node goes on stopping.
func (n *Node) Stop(ctx context.Context) error {
	var phase Phase
	var cancel context.CancelCauseFunc
	n.update(func() {
		phase = n.phase
		switch phase {
		case PhaseNew:
			for _, c := range n.components {
				c.phase = PhaseStopped
			}
			n.phase = PhaseStopped
		case PhaseStarting:
			n.stopAsked = true
			cancel = n.cancelStart
		}
	})
	switch phase {
	case PhaseNew:
		close(n.done)
	case PhaseRunning:
		n.halt(ctx, n.opts.DrainDelay)
	}
	if cancel != nil {
		cancel(ErrNodeStopped)
	}
	select {
	case <-n.done:
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.stopErr
	case <-ctx.Done():
		return fmt.Errorf("connects: node is still stopping: %w", context.Cause(ctx))
	}
}

// halt stops a running node; only the first caller gets to do it. Health says
// 503 from the beginning, the components go on serving for the delay.
func (n *Node) halt(ctx context.Context, drain time.Duration) {
	var order []*component
	n.update(func() {
		if n.phase == PhaseRunning {
			n.phase = PhaseStopping
			order = n.components
			if order == nil {
				order = []*component{}
			}
		}
	})
	if order == nil {
		return
	}
	if drain > 0 {
		t := time.NewTimer(drain)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
	n.finish(ctx, order, nil, PhaseStopped)
}

// finish stops the started components in reverse and gives the node its final
// phase. failure is the reason when a start ends this way.
func (n *Node) finish(ctx context.Context, started []*component, failure error, final Phase) error {
	n.update(func() { n.phase = PhaseStopping })
	if failure != nil { // a broken start gets fresh time to clean up
		ctx = context.WithoutCancel(ctx)
	}
	var errs []error
	for _, c := range slices.Backward(started) {
		n.update(func() { c.phase = PhaseStopping })
		err := n.stopOne(ctx, c)
		why := because(err)
		if err != nil {
			errs = append(errs, &ComponentError{c.name, "stop", err})
		}
		n.update(func() {
			c.phase = PhaseStopped
			if err != nil {
				c.phase, c.reason = PhaseFailed, why
			}
			if f, ok := errors.AsType[*ComponentError](n.failure.err); ok && f.Component == c.name {
				c.phase = PhaseFailed
			}
		})
	}
	stopErr, why := errors.Join(errs...), because(failure)
	n.update(func() {
		n.stopErr = stopErr
		if n.failure.err == nil && final == PhaseFailed {
			n.failure = why
		}
		n.phase = final
		if n.failure.err != nil || stopErr != nil {
			n.phase = PhaseFailed
		}
		for _, c := range n.components {
			if !c.phase.Final() {
				c.phase = PhaseStopped
			}
		}
	})
	close(n.done) // after the last line was logged
	return stopErr
}

// startOne runs Start. A component that does not come back after ctx ended is
// left behind, and stopped should it come up later.
func (n *Node) startOne(ctx context.Context, c *component) error {
	done := attempt(func() error { return c.built.Start(ctx) })
	err, ok := await(ctx, done, n.opts.StopTimeout)
	if !ok {
		base := context.WithoutCancel(ctx)
		go func() {
			if err := <-done; err == nil {
				err = n.stopOne(base, c)
				c.logger.Warn("stopped a component that started too late", "err", fmt.Sprint(err))
			}
		}()
	}
	return err
}

// stopOne runs Stop within the component's budget.
func (n *Node) stopOne(ctx context.Context, c *component) error {
	ctx, cancel := context.WithTimeout(ctx, n.opts.StopTimeout)
	defer cancel()
	err, _ := await(ctx, attempt(func() error { return c.built.Stop(ctx) }), stopGrace)
	return err
}

// attempt runs f in a goroutine of its own, so that a panic or a call that never
// returns harms nobody else.
func attempt(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("goroutine ended without returning")
		defer func() { done <- err }() // also when f calls runtime.Goexit
		err = guard(f)
	}()
	return done
}

// guard turns a panic of f into a [*PanicError].
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// await returns what done delivers; false when it delivers nothing until ctx has
// ended and the grace has passed.
func await(ctx context.Context, done <-chan error, grace time.Duration) (error, bool) {
	select {
	case err := <-done:
		return err, true
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case err := <-done:
		return err, true
	case <-t.C:
		return ErrStopTimeout, false
	}
}
