package cti

import (
	"sync"
)

// call is one request that waits for its answer.
type call struct {
	request MessageType
	answer  chan answer // capacity 1
}

type answer struct {
	conf Confirm
	err  error
}

// maxFree is how many used calls a connection keeps. A sync.Pool would carry channels from one
// synctest bubble to another.
const maxFree = 64

// lateMemory is how many requests that were given up are remembered, to tell their late answers
// from answers that nobody asked for.
const lateMemory = 1024

// pending is the table of outstanding requests of one connection.
type pending struct {
	mu    sync.Mutex
	calls map[uint32]*call
	last  uint32
	free  []*call
	max   int
	err   error // set = the connection is over
	late  map[uint32]struct{}
	ring  []uint32 // ids in late, oldest at pos when full
	pos   int
}

// add makes a new invoke id.
func (p *pending) add(t MessageType) (uint32, *call, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, nil, p.err
	}
	if len(p.calls) >= p.max {
		return 0, nil, ErrBusy
	}
	id := p.nextLocked()
	var c *call
	if n := len(p.free); n > 0 {
		c, p.free = p.free[n-1], p.free[:n-1]
	} else {
		c = &call{answer: make(chan answer, 1)}
	}
	c.request = t
	if p.calls == nil {
		p.calls = map[uint32]*call{}
	}
	p.calls[id] = c
	return id, c, nil
}

// next makes an invoke id for a message whose answer is not waited for in the table.
func (p *pending) next() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nextLocked()
}

func (p *pending) nextLocked() uint32 {
	for {
		p.last++
		if p.last == 0 || p.last == 0xFFFFFFFF {
			continue
		}
		if _, used := p.calls[p.last]; !used {
			return p.last
		}
	}
}

// drop forgets a request that is given up. When the answer came at the same moment, drop
// returns it.
func (p *pending) drop(id uint32, c *call, sent bool) (answer, bool) {
	p.mu.Lock()
	if p.calls[id] != c {
		p.mu.Unlock()
		a := <-c.answer // whoever removed it sends, or has sent
		return a, true
	}
	delete(p.calls, id)
	if sent {
		if p.late == nil {
			p.late = map[uint32]struct{}{}
		}
		if len(p.ring) < lateMemory {
			p.ring = append(p.ring, id)
		} else {
			delete(p.late, p.ring[p.pos])
			p.ring[p.pos] = id
			p.pos = (p.pos + 1) % lateMemory
		}
		p.late[id] = struct{}{}
	}
	p.mu.Unlock()
	return answer{}, false
}

// take removes the request that id belongs to. late tells that it was given up before.
func (p *pending) take(id uint32) (c *call, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c = p.calls[id]; c != nil {
		delete(p.calls, id)
		return c, false
	}
	_, late = p.late[id]
	return nil, late
}

// release takes back a call whose answer was received or never comes.
func (p *pending) release(c *call) {
	p.mu.Lock()
	if len(p.free) < maxFree {
		p.free = append(p.free, c)
	}
	p.mu.Unlock()
}

// waits tells whether a request with this id is outstanding.
func (p *pending) waits(id uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[id] != nil
}

// len returns the number of outstanding requests.
func (p *pending) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// fail answers every outstanding request with inFlight and every later one with later.
func (p *pending) fail(inFlight, later error) int {
	p.mu.Lock()
	if p.err == nil {
		p.err = later
	}
	calls := p.calls
	p.calls = nil
	p.mu.Unlock()
	for _, c := range calls {
		c.answer <- answer{err: inFlight}
	}
	return len(calls)
}
