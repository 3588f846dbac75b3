package crm_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/ds104"
)

// distant is a store behind a line: what is asked arrives after way, and the
// answer takes as long again. It is in order.
type distant struct {
	ds104.Store
	way time.Duration
	// puts are the writes of shared data that arrived.
	puts atomic.Int64

	mu    sync.Mutex
	deaf  bool // changes of shared data are not told
	broke chan struct{}
	down  error // of reads and writes of shared data; ErrUndecided: of conditional writes
	lost  int   // answers of writes of shared data that do not come back
}

const sharedKeys = "crm/calls/"

func newDistant(s ds104.Store, way time.Duration) *distant {
	return &distant{Store: s, way: way, broke: make(chan struct{})}
}

// setDeaf breaks the watches of shared data, and lets them begin again only later.
func (d *distant) setDeaf(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deaf = on; on {
		close(d.broke)
		d.broke = make(chan struct{})
	}
}

func (d *distant) setDown(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = err
}

// lose lets the answers of the next n writes of shared data get lost.
func (d *distant) lose(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = n
}

func (d *distant) travel(ctx context.Context, until time.Time) error {
	left := time.Until(until)
	if left <= 0 { // a timer for each of thousands of changes is too much for the race detector
		return ctx.Err()
	}
	select {
	case <-time.After(left):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// there is one way; it fails where the store would.
func (d *distant) there(ctx context.Context, key string) error {
	if err := d.travel(ctx, time.Now().Add(d.way)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down != nil && strings.HasPrefix(key, sharedKeys) {
		return d.down
	}
	return nil
}

func (d *distant) Get(ctx context.Context, key string) (ds104.Entry, error) {
	if err := d.there(ctx, key); err != nil && !errors.Is(err, ds104.ErrUndecided) {
		return ds104.Entry{}, err
	}
	e, err := d.Store.Get(ctx, key)
	if back := d.travel(ctx, time.Now().Add(d.way)); back != nil {
		return ds104.Entry{}, back
	}
	return e, err
}

func (d *distant) Put(ctx context.Context, key string, value []byte, o ds104.PutOptions) (ds104.Revision, error) {
	bound := o.IfAbsent || o.IfRevision != 0
	if err := d.there(ctx, key); err != nil && (bound || !errors.Is(err, ds104.ErrUndecided)) {
		return 0, err
	}
	rev, err := d.Store.Put(ctx, key, value, o)
	lost := false
	if err == nil && strings.HasPrefix(key, sharedKeys) {
		d.puts.Add(1)
		d.mu.Lock()
		if lost = d.lost > 0; lost {
			d.lost--
		}
		d.mu.Unlock()
	}
	way := d.way
	if lost {
		way += 5 * time.Second // until somebody notices
	}
	if back := d.travel(ctx, time.Now().Add(way)); back != nil || lost {
		return 0, ds104.ErrInterrupted
	}
	return rev, err
}

func (d *distant) Watch(ctx context.Context, prefix string, after ds104.Revision) iter.Seq2[ds104.Event, error] {
	type parcel struct {
		at  time.Time
		e   ds104.Event
		err error
	}
	return func(yield func(ds104.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		d.mu.Lock()
		broke, deaf := d.broke, d.deaf
		d.mu.Unlock()
		if !strings.HasPrefix(prefix, sharedKeys) {
			broke, deaf = nil, false
		}
		if err := d.travel(ctx, time.Now().Add(d.way)); err != nil || deaf {
			if err == nil {
				err = ds104.ErrDown
			}
			yield(ds104.Event{}, err)
			return
		}
		line := make(chan parcel, 1<<13)
		go func() {
			for e, err := range d.Store.Watch(ctx, prefix, after) {
				select {
				case line <- parcel{time.Now().Add(d.way), e, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		for {
			var p parcel
			select {
			case <-broke:
				yield(ds104.Event{}, ds104.ErrInterrupted)
				return
			case <-ctx.Done():
				yield(ds104.Event{}, ctx.Err())
				return
			case p = <-line:
			}
			if err := d.travel(ctx, p.at); err != nil {
				yield(ds104.Event{}, err)
				return
			}
			if !yield(p.e, p.err) || p.err != nil {
				return
			}
		}
	}
}
