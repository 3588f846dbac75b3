package ici

import (
	"sync"
	"time"
)

// Lines about unreadable requests in a minute. Anybody who reaches the port can
// cause them, so they must not fill a disk.
const (
	sparingLines = 20
	sparingSpan  = time.Minute
)

// sparing limits how many lines of one kind are logged.
type sparing struct {
	mu      sync.Mutex
	since   time.Time
	lines   int
	dropped int
}

// allow reports whether one more line may be logged, and how many were not since
// the last one that was.
func (s *sparing) allow(now time.Time) (ok bool, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.since) >= sparingSpan {
		s.since, s.lines = now, 0
	}
	if s.lines == sparingLines {
		s.dropped++
		return false, 0
	}
	s.lines++
	dropped, s.dropped = s.dropped, 0
	return true, dropped
}
