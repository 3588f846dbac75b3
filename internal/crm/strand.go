package crm

import (
	"context"
	"sync"
)

// strand runs functions one after the other in the order of their hand-over.
// The goroutine that finds the strand idle runs its function at once and then
// whatever others handed over meanwhile; so nothing is ever run by two
// goroutines at a time, and an idle strand costs no goroutine and no hop.
type strand struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	closed  bool
	idle    *sync.Cond // running became false; for close
	spare   []func()   // the other queue buffer, reused
	// caught is told of a panic in a function; the strand goes on with the next.
	caught func(any)
}

func newStrand(caught func(any)) *strand {
	s := &strand{caught: caught}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// post hands f over. It returns when f has run or when another goroutine is
// going to run it. After close it reports false and drops f.
func (s *strand) post(f func()) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	if s.running {
		s.queue = append(s.queue, f)
		s.mu.Unlock()
		return true
	}
	s.running = true
	s.mu.Unlock()
	s.run(f)
	return true
}

// run works off f and then the queue. The caller has set running.
func (s *strand) run(f func()) {
	s.call(f)
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.running = false
			s.idle.Broadcast()
			s.mu.Unlock()
			return
		}
		batch := s.queue
		s.queue, s.spare = s.spare[:0], nil
		s.mu.Unlock()
		for i, g := range batch {
			batch[i] = nil
			s.call(g)
		}
		s.mu.Lock()
		s.spare = batch[:0]
		s.mu.Unlock()
	}
}

// call runs f and keeps a panic in it from the functions behind it: a defect
// met by one agent must not stop the others.
func (s *strand) call(f func()) {
	defer func() {
		if v := recover(); v != nil && s.caught != nil {
			s.caught(v)
		}
	}()
	f()
}

// do hands f over and waits until it has run, or returns ctx's error: then f
// still runs later. It must not be called from the strand.
func (s *strand) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	if !s.post(func() { defer close(done); f() }) {
		return ErrStopped
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close refuses further functions and waits until those handed over have run.
func (s *strand) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for s.running {
		s.idle.Wait()
	}
}
