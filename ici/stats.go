package ici

import (
	"sync/atomic"
	"time"
)

// ServerStats is a snapshot of the counters of a [Server].
type ServerStats struct {
	Calls      int64 // POST requests that got a slot
	Active     int64 // of these, being served now
	Faults     int64 // refused by the handler
	Unknown    int64 // operation unknown to the profile
	Unreadable int64 // no SOAP call could be read
	Refused    int64 // wrong path, method, origin or login, or too many at once
	Panics     int64 // handler panicked
	// Latency counts calls by the time from the first byte of the body to the last of the answer; LatencyBuckets are the
	// upper bounds, the last count is for everything slower.
	Latency [len(LatencyBuckets) + 1]int64
	// LatencySum is the total of these times.
	LatencySum time.Duration
}

// LatencyBuckets are the upper bounds of ServerStats.Latency.
var LatencyBuckets = [...]time.Duration{
	100 * time.Microsecond, 300 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond,
	30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second,
}

type stats struct {
	calls, active, faults, unknown, unreadable, refused, panics atomic.Int64
	latency                                                     [len(LatencyBuckets) + 1]atomic.Int64
	sum                                                         atomic.Int64
}

func (s *stats) observe(d time.Duration) {
	i := 0
	for i < len(LatencyBuckets) && d > LatencyBuckets[i] {
		i++
	}
	s.latency[i].Add(1)
	s.sum.Add(int64(d))
}

// Stats returns a snapshot of the counters.
func (s *Server) Stats() ServerStats {
	out := ServerStats{
		Calls: s.stats.calls.Load(), Active: s.stats.active.Load(), Faults: s.stats.faults.Load(), Unknown: s.stats.unknown.Load(),
		Unreadable: s.stats.unreadable.Load(), Refused: s.stats.refused.Load(), Panics: s.stats.panics.Load(),
		LatencySum: time.Duration(s.stats.sum.Load()),
	}
	for i := range s.stats.latency {
		out.Latency[i] = s.stats.latency[i].Load()
	}
	return out
}
