package cti

import (
	"context"
	"sync"
	"time"
)

// maintenanceGrace is how long requests may stay outstanding after the server announced its
// shut-down: the guide expects STOPPING_REQUESTS_TO_THIS_SIDE_IND within 5 s.
const (
	maintenanceGrace = 3 * time.Second
	maintenanceTick  = 100 * time.Millisecond
	maintenanceEnd   = time.Second // for the server to close the socket after the indication
)

// heartbeats are the heartbeats that were not confirmed.
type heartbeats struct {
	mu   sync.Mutex
	ids  []uint32 // outstanding
	last time.Duration
}

// confirm takes a HEARTBEAT_CONF; it confirms all that are outstanding.
func (h *heartbeats) confirm() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ids) == 0 {
		return false
	}
	h.ids = h.ids[:0]
	return true
}

// sent tells whether id is that of an outstanding heartbeat.
func (h *heartbeats) sent(id uint32) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.ids {
		if x == id {
			return true
		}
	}
	return false
}

// keep is the timer goroutine: heartbeats, and the end of a server in maintenance.
//
// A heartbeat is due when nothing was sent for an interval, and also when nothing was received
// for an interval: a peer that is gone must be noticed while requests still go out.
func (c *Client) keep() {
	interval := c.o.HeartbeatInterval
	var tick <-chan time.Time
	var timer *time.Timer
	if interval > 0 {
		timer = time.NewTimer(interval)
		defer timer.Stop()
		tick = timer.C
	}
	for {
		select {
		case <-c.done:
			return
		case <-c.maintain:
			c.leave()
			return
		case <-tick:
		}
		now := time.Since(c.start)
		due, lost := c.heartbeatDue(interval)
		if wait := due - now; wait > 0 {
			timer.Reset(wait)
			continue
		}
		if lost > 0 {
			c.count.heartbeatsLost.Add(1)
			if lost >= HeartbeatsToDeath {
				c.log.Warn("server does not confirm heartbeats", "heartbeats", lost)
				c.fail(ErrHeartbeat)
				return
			}
		}
		id := c.calls.next()
		c.beats.mu.Lock()
		c.beats.ids = append(c.beats.ids, id)
		c.beats.last = now
		c.beats.mu.Unlock()
		c.count.heartbeats.Add(1)
		if err := c.out.put(context.Background(), &HeartbeatReq{InvokeID: id}, true); err != nil {
			return // the connection is over
		}
		timer.Reset(interval)
	}
}

// heartbeatDue returns when the next heartbeat is due, and how many are unconfirmed.
func (c *Client) heartbeatDue(interval time.Duration) (due time.Duration, lost int) {
	c.beats.mu.Lock()
	lost, last := len(c.beats.ids), c.beats.last
	c.beats.mu.Unlock()
	if lost > 0 {
		return last + interval, lost
	}
	sent := time.Duration(c.out.lastSent.Load()) + c.out.start.Sub(c.start)
	return min(sent, time.Duration(c.lastRecv.Load())) + interval, 0
}

// leave ends a connection whose server goes into maintenance: outstanding requests get a
// moment, then the server is told that no more come, and then it closes the connection.
func (c *Client) leave() {
	deadline := time.NewTimer(maintenanceGrace)
	defer deadline.Stop()
	tick := time.NewTicker(maintenanceTick)
	defer tick.Stop()
	for waiting := true; waiting && c.calls.len() > 0; {
		select {
		case <-c.done:
			return
		case <-deadline.C:
			waiting = false
		case <-tick.C:
		}
	}
	if err := c.out.put(context.Background(), &StoppingRequestsToThisSideInd{}, true); err != nil {
		return
	}
	end := time.NewTimer(maintenanceEnd)
	defer end.Stop()
	select {
	case <-c.done:
	case <-end.C:
		c.fail(ErrMaintenance)
	}
}
