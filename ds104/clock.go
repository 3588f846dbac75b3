package ds104

import (
	"math"
	"time"
)

// clock tells the time of a file: nanoseconds since 1970 by the clock of the machine when
// the file was opened, and from then on by the time that passes, whatever becomes of the
// clock of the machine. It never falls behind a moment that the file has seen.
type clock struct {
	base  time.Time // with a monotonic reading
	nanos int64     // what the file calls base
}

// newClock returns a clock; seen is the newest moment of the file, 0 = none.
func newClock(now time.Time, seen int64) clock { return clock{now, max(now.UnixNano(), seen)} }

func (c clock) now() int64 { return c.nanos + int64(time.Since(c.base)) }

// time returns a moment of the file as one that time.Until and time.Since understand, also
// after the clock of the machine has jumped; zero for 0.
func (c clock) time(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return c.base.Add(time.Duration(nanos - c.nanos))
}

// of is the reverse of time.
func (c clock) of(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return c.in(c.nanos, t.Sub(c.base))
}

// in returns the moment after a time, not beyond what the file can hold.
func (c clock) in(now int64, d time.Duration) int64 {
	return now + min(int64(d), math.MaxInt64-now)
}
