package ctitest

import "sync"

// owner runs functions one after the other in the order of their arrival. What they touch has one
// owner at any time, so it needs no locks of its own. There is no goroutine behind it: whoever
// brings a function while nothing runs, runs it and what arrives meanwhile. Functions must not
// block and must not call do.
type owner struct {
	mu      sync.Mutex
	queue   []func()
	running bool
}

// post hands a function over and may return before it has run.
func (o *owner) post(f func()) {
	o.mu.Lock()
	o.queue = append(o.queue, f)
	if o.running {
		o.mu.Unlock()
		return
	}
	o.running = true
	for len(o.queue) > 0 {
		next := o.queue
		o.queue = nil
		o.mu.Unlock()
		for _, f := range next {
			f()
		}
		o.mu.Lock()
	}
	o.running = false
	o.mu.Unlock()
}

// do hands a function over and returns when it has run.
func (o *owner) do(f func()) {
	done := make(chan struct{})
	o.post(func() { f(); close(done) })
	<-done
}
