package cti

import (
	"sync/atomic"
	"time"
)

// Stats are counters since the start of a [Client], [Session] or [Server]; of a session they are
// the sums over all its connections.
type Stats struct {
	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64

	Requests      uint64 // sent and waited for
	RequestErrors uint64 // answered with a failure
	Timeouts      uint64 // requests without an answer in time
	Canceled      uint64 // requests given up by their caller
	Interrupted   uint64 // requests outstanding when the connection was lost
	LateAnswers   uint64 // confirmations of requests that had been given up
	Orphans       uint64 // confirmations that nobody had asked for
	Latency       LatencyStats

	Events         uint64 // put into the queue for the handler
	DecodeErrors   uint64 // messages whose body did not decode
	UnknownTypes   uint64 // messages whose type is not in the table
	Heartbeats     uint64 // sent
	HeartbeatsLost uint64 // intervals that ended with an unconfirmed heartbeat
	Unmappable     uint64 // characters sent as '?' because the charset lacks them

	QueueLen int // events waiting for the handler now
	QueueMax int // most events that ever waited

	// Of sessions only.
	Attempts uint64 // connections tried
	Connects uint64 // sessions opened
	Losses   uint64 // open sessions lost

	// Of servers only.
	Conns     int    // connections now
	Accepted  uint64 // connections accepted
	Refused   uint64 // OPEN_REQ refused, and connections over the limit
	SlowPeers uint64 // connections ended because the peer did not read
}

// latencyBounds is never written; arrays cannot be constants.
var latencyBounds = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second,
}

// LatencyBounds returns the upper bounds of the buckets of [LatencyStats], without the last
// bucket, which has none.
func LatencyBounds() []time.Duration { return append([]time.Duration(nil), latencyBounds[:]...) }

// LatencyStats is a histogram of the time from request to answer.
type LatencyStats struct {
	Count   uint64
	Sum     time.Duration
	Max     time.Duration
	Buckets [len(latencyBounds) + 1]uint64 // not cumulative, see LatencyBounds
}

// counters is the live form of Stats.
type counters struct {
	messagesIn, messagesOut, bytesIn, bytesOut                     atomic.Uint64
	requests, requestErrors, timeouts, canceled, interrupted       atomic.Uint64
	lateAnswers, orphans                                           atomic.Uint64
	events, decodeErrors, unknownTypes, heartbeats, heartbeatsLost atomic.Uint64
	unmappable                                                     atomic.Uint64
	attempts, connects, losses                                     atomic.Uint64
	accepted, refused, slowPeers                                   atomic.Uint64
	queueMax                                                       atomic.Int64
	latCount, latSum                                               atomic.Uint64
	latMax                                                         atomic.Int64
	latBuckets                                                     [len(latencyBounds) + 1]atomic.Uint64
}

func (c *counters) latency(d time.Duration) {
	i := 0
	for i < len(latencyBounds) && d > latencyBounds[i] {
		i++
	}
	c.latBuckets[i].Add(1)
	c.latCount.Add(1)
	c.latSum.Add(uint64(d))
	storeMax(&c.latMax, int64(d))
}

func storeMax(a *atomic.Int64, v int64) {
	for {
		old := a.Load()
		if v <= old || a.CompareAndSwap(old, v) {
			return
		}
	}
}

func (c *counters) snapshot() Stats {
	s := Stats{
		MessagesIn: c.messagesIn.Load(), MessagesOut: c.messagesOut.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Requests: c.requests.Load(), RequestErrors: c.requestErrors.Load(), Timeouts: c.timeouts.Load(),
		Canceled: c.canceled.Load(), Interrupted: c.interrupted.Load(),
		LateAnswers: c.lateAnswers.Load(), Orphans: c.orphans.Load(),
		Events: c.events.Load(), DecodeErrors: c.decodeErrors.Load(), UnknownTypes: c.unknownTypes.Load(),
		Heartbeats: c.heartbeats.Load(), HeartbeatsLost: c.heartbeatsLost.Load(), Unmappable: c.unmappable.Load(),
		QueueMax: int(c.queueMax.Load()),
		Attempts: c.attempts.Load(), Connects: c.connects.Load(), Losses: c.losses.Load(),
		Accepted: c.accepted.Load(), Refused: c.refused.Load(), SlowPeers: c.slowPeers.Load(),
		Latency: LatencyStats{Count: c.latCount.Load(), Sum: time.Duration(c.latSum.Load()), Max: time.Duration(c.latMax.Load())},
	}
	for i := range c.latBuckets {
		s.Latency.Buckets[i] = c.latBuckets[i].Load()
	}
	return s
}
