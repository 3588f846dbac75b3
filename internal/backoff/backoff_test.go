package backoff_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/internal/backoff"
)

func TestWaitingTimesGrowToTheLimit(t *testing.T) {
	b := backoff.Backoff{Min: time.Second, Max: 5 * time.Second, Jitter: -1}
	for i, want := range []time.Duration{1, 2, 4, 5, 5} {
		if got := b.Next(); got != want*time.Second {
			t.Errorf("time %d: %v, want %v", i, got, want*time.Second)
		}
	}
	b.Reset()
	if got := b.Next(); got != time.Second {
		t.Errorf("after Reset: %v", got)
	}
}

func TestJitterStaysInItsRangeAndDiffers(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 200 {
		b := backoff.Backoff{Min: 10 * time.Second}
		d := b.Next()
		if d < 5*time.Second || d > 10*time.Second {
			t.Fatalf("%v is out of range", d)
		}
		seen[d] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d different times in 200", len(seen))
	}
	var b backoff.Backoff
	for range 1000 {
		if d := b.Next(); d > backoff.DefaultMax {
			t.Fatalf("%v is over the limit", d)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff.Backoff{Min: time.Hour, Max: time.Hour, Jitter: -1}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := b.Wait(ctx); err != context.DeadlineExceeded || time.Since(start) != time.Minute {
			t.Errorf("Wait: %v after %v", err, time.Since(start))
		}
		if err := b.Wait(t.Context()); err != nil || time.Since(start) != time.Hour+time.Minute {
			t.Errorf("Wait: %v after %v", err, time.Since(start))
		}
	})
}
