package cti

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Defaults of a [Window].
const (
	DefaultWindowStart  = 4
	DefaultWindowMax    = 64
	DefaultWindowTarget = 500 * time.Millisecond
)

// Window sends many requests with several outstanding at once, as many as the server takes
// without getting slow: the window grows by one for every full window of answers within Target,
// and shrinks by half when an answer takes longer, times out or is refused with a sign of
// overload. It is made for snapshots after a reconnect ("hundreds at once slow the server",
// GED-188 guide). The zero value is ready and uses the defaults; the size that was found is kept
// from one use to the next.
type Window struct {
	Start  int           // outstanding requests at the beginning; 0 = DefaultWindowStart
	Max    int           // most outstanding requests; 0 = DefaultWindowMax
	Target time.Duration // answers within this time are good; 0 = DefaultWindowTarget

	mu     sync.Mutex
	size   float64
	shrunk time.Time // answers to what was sent before do not shrink it again
	peak   int
}

// Size returns how many requests may be outstanding now.
func (w *Window) Size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(w.begin())
}

// Peak returns the largest number of calls that were at work at once.
func (w *Window) Peak() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peak
}

// begin sets the size on the first use; w.mu is held.
func (w *Window) begin() float64 {
	if w.size == 0 {
		w.size = DefaultWindowStart
		if w.Start > 0 {
			w.size = float64(w.Start)
		}
		w.size = min(w.size, w.most())
	}
	return w.size
}

func (w *Window) most() float64 {
	if w.Max > 0 {
		return float64(w.Max)
	}
	return DefaultWindowMax
}

// done notes an answer.
func (w *Window) done(sent time.Time, err error) {
	target := w.Target
	if target <= 0 {
		target = DefaultWindowTarget
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(sent) <= target && !overload(err) {
		w.size = min(w.size+1/w.size, w.most())
		return
	}
	if sent.Before(w.shrunk) {
		return
	}
	w.size = max(1, w.size/2)
	w.shrunk = now
}

// overload tells the errors that speak of a busy server and not of the request.
func overload(err error) bool {
	return err != nil && (IsTimeout(err) || errors.Is(err, ErrBusy) || errors.Is(err, ControlFailureCodeRequestTimeoutRejection) || errors.Is(err, StatusCodeTimeout))
}

// Each calls f for 0 to n-1, each call in a goroutine of its own, with as many at work as the
// window allows, and waits for all of them. A call should send one request and wait for its
// answer. When ctx ends or a call returns an error that says that the session is down or was
// interrupted, no more calls are started; Each returns that error. Other errors belong to their
// call: Each joins up to 16 of them, each with its index, and goes on.
func (w *Window) Each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		work    sync.WaitGroup
		mu      sync.Mutex
		errs    []error
		failed  int
		atWork  int
		release = make(chan struct{}, 1)
	)
	defer work.Wait()
	w.mu.Lock()
	w.begin()
	w.mu.Unlock()
	for i := range n {
		for {
			mu.Lock()
			free := atWork < w.Size()
			if free {
				atWork++
				w.note(atWork)
			}
			mu.Unlock()
			if free {
				break
			}
			select {
			case <-release:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				break
			}
		}
		if ctx.Err() != nil {
			break
		}
		work.Go(func() {
			sent := time.Now()
			err := f(ctx, i)
			w.done(sent, err)
			mu.Lock()
			atWork--
			if err != nil {
				failed++
				if len(errs) < 16 {
					errs = append(errs, fmt.Errorf("%d: %w", i, err))
				}
			}
			mu.Unlock()
			if errors.Is(err, ErrDown) || errors.Is(err, ErrInterrupted) {
				cancel(err)
			}
			select {
			case release <- struct{}{}:
			default:
			}
		})
	}
	work.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if failed > len(errs) {
		errs = append(errs, fmt.Errorf("and %d more", failed-len(errs)))
	}
	return errors.Join(errs...)
}

func (w *Window) note(n int) {
	w.mu.Lock()
	w.peak = max(w.peak, n)
	w.mu.Unlock()
}
