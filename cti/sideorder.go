package cti

import (
	"time"

	"github.com/connects-go/connects/internal/backoff"
)

// sideOrder decides which side comes next and how long to wait before.
//
// Without a loss: A, B, pause, A, B, pause, ... A loss starts again at A without a pause, an
// announced shut-down at the other side. Connections that die young count like failed attempts
// from the second one on: a side that accepts and drops must not keep the other from its turn.
type sideOrder struct {
	sides  []Side
	at     int // index of the next side
	tries  int // attempts that failed in a row
	young  int // losses in a row of connections that died young
	stable time.Duration
	wait   bool // before the next attempt
	pause  backoff.Backoff
	grace  time.Duration // before the next attempt, when there is no pause
	since  time.Time     // of the last loss, or of the start
}

func newSideOrder(o *SessionOptions) *sideOrder {
	s := &sideOrder{since: time.Now(), stable: o.StableAfter, pause: backoff.Backoff{Max: o.MaxBackoff}}
	if o.A.Addr != "" {
		s.sides = append(s.sides, SideA)
	}
	if o.B.Addr != "" {
		s.sides = append(s.sides, SideB)
	}
	return s
}

// next returns the side of the next attempt and the pause before it.
func (s *sideOrder) next() (Side, time.Duration) {
	d := s.grace
	s.grace = 0
	if s.wait {
		d = s.pause.Next()
		s.wait = false
	}
	return s.sides[s.at], d
}

func (s *sideOrder) advance() { s.at = (s.at + 1) % len(s.sides) }

// firstPatience is how long the first attempt on a side waits for OPEN_CONF while there is another
// side to try. The guide expects the answer within 5 seconds; a server that hangs, the likely
// reason for having lost it, would keep the session from the other side for the whole timeout.
const firstPatience = 10 * time.Second

// patience returns how long the next attempt waits for OPEN_CONF: it doubles with each round up to
// the whole timeout, for gateways that are slow and not dead.
func (s *sideOrder) patience(whole time.Duration) time.Duration {
	d := firstPatience
	for range s.tries / len(s.sides) {
		if d < whole {
			d *= 2
		}
	}
	if len(s.sides) == 1 || d > whole {
		return whole
	}
	return d
}

// failed says that the attempt failed. There is a pause after each round.
func (s *sideOrder) failed() {
	s.advance()
	s.tries++
	s.wait = s.tries%len(s.sides) == 0
}

// lost says that the session was open for a time and is lost; gracefully when the server announced
// it. An unwelcome one counts as if it had died young.
func (s *sideOrder) lost(life time.Duration, graceful, unwelcome bool) {
	s.tries, s.since = 0, time.Now()
	if life >= s.stable && !unwelcome {
		s.young = 0
		s.pause.Reset()
	} else {
		s.young++
	}
	switch {
	case graceful || s.young > 1:
		s.advance()
	default:
		s.at = 0
	}
	s.wait = s.young > 1
}
