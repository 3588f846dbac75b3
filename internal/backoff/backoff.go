// Package backoff computes waiting times between attempts: they grow by a factor up to a limit
// and are spread at random, so that many clients of one server do not come back in step.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Defaults of a [Backoff] with zero fields.
const (
	DefaultMin    = 200 * time.Millisecond
	DefaultMax    = 10 * time.Second
	DefaultFactor = 2.0
	DefaultJitter = 0.5
)

// Backoff is a sequence of waiting times. The zero value is ready and uses the defaults. It
// belongs to one goroutine.
type Backoff struct {
	Min    time.Duration // first waiting time; 0 = DefaultMin
	Max    time.Duration // limit of every waiting time; 0 = DefaultMax
	Factor float64       // growth; below 1 = DefaultFactor
	// Jitter is the part of a waiting time that is random: a time t becomes one between
	// t*(1-Jitter) and t. 0 = DefaultJitter, negative = none; at most 1.
	Jitter float64

	n int
}

// Next returns the next waiting time, never more than Max.
func (b *Backoff) Next() time.Duration {
	lo, hi, f, j := b.Min, b.Max, b.Factor, b.Jitter
	if lo <= 0 {
		lo = DefaultMin
	}
	if hi <= 0 {
		hi = DefaultMax
	}
	if f < 1 {
		f = DefaultFactor
	}
	switch {
	case j == 0:
		j = DefaultJitter
	case j < 0:
		j = 0
	case j > 1:
		j = 1
	}
	d := float64(lo)
	for i := 0; i < b.n && d < float64(hi); i++ {
		d *= f
	}
	b.n++
	d = min(d, float64(hi))
	return time.Duration(d - d*j*rand.Float64())
}

// Attempts returns how often Next was called since the start or the last Reset.
func (b *Backoff) Attempts() int { return b.n }

// Reset starts again with Min.
func (b *Backoff) Reset() { b.n = 0 }

// Wait waits for the next time, or until ctx ends and returns its error.
func (b *Backoff) Wait(ctx context.Context) error {
	t := time.NewTimer(b.Next())
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
