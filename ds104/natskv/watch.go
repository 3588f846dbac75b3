package natskv

import (
	"container/heap"
	"context"
	stderrors "errors"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/connects-go/connects/ds104"
)

// from returns where a watch after a revision begins, and whether changes after it are
// gone.
func (s *Store) from(ctx context.Context, after ds104.Revision) (ds104.Revision, bool, error) {
	info, err := s.stream.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return 0, false, s.fault(ctx, err)
	}
	st := info.State
	gap := uint64(after) > st.LastSeq || uint64(after)+1 < st.FirstSeq
	for _, gone := range st.Deleted {
		gap = gap || gone > uint64(after)
	}
	if gap {
		return ds104.Revision(st.LastSeq), true, nil
	}
	return after, false, nil
}

// Watch implements ds104.Store.
func (s *Store) Watch(ctx context.Context, prefix string, after ds104.Revision) iter.Seq2[ds104.Event, error] {
	return func(yield func(ds104.Event, error) bool) {
		fail := func(err error) { yield(ds104.Event{}, err) }
		if err := s.ready(ctx); err != nil {
			fail(err)
			return
		}
		at, gap, err := s.from(ctx, after)
		if err != nil {
			fail(err)
			return
		}
		w, err := s.kv.Watch(ctx, filter(prefix), jetstream.IncludeHistory(), jetstream.ResumeFromRevision(uint64(at)+1))
		if err != nil {
			fail(s.fault(ctx, err))
			return
		}
		defer func() { _ = w.Stop() }()
		if gap && !yield(ds104.Event{Kind: ds104.EventGap, Entry: ds104.Entry{Revision: at}}, nil) {
			return
		}
		for {
			select {
			case e, ok := <-w.Updates():
				if !ok {
					if err := s.ready(ctx); err != nil {
						fail(err)
					} else {
						fail(ds104.ErrDown)
					}
					return
				}
				if e == nil {
					continue // all that was there has come
				}
				key, ours := decode(e.Key())
				if !ours || !strings.HasPrefix(key, prefix) || ds104.Revision(e.Revision()) <= at {
					continue
				}
				at = ds104.Revision(e.Revision())
				if ctx.Err() != nil {
					continue
				}
				if !yield(event(key, e), nil) {
					return
				}
			case <-ctx.Done():
				fail(ctx.Err())
				return
			case <-s.ctx.Done():
				fail(ds104.ErrClosed)
				return
			}
		}
	}
}

func event(key string, e jetstream.KeyValueEntry) ds104.Event {
	if e.Operation() != jetstream.KeyValuePut {
		return ds104.Event{Kind: ds104.EventDelete, Entry: ds104.Entry{Key: key, Revision: ds104.Revision(e.Revision())}}
	}
	out, _ := entry(key, e)
	return ds104.Event{Kind: ds104.EventPut, Entry: out}
}

// due is an entry that ends at a time.
type due struct {
	subject string
	rev     uint64
	at      time.Time
}

type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// sweep deletes entries whose time has passed: it follows the bucket and knows what ends
// when. Of several stores that do so one wins, because a deletion names the revision.
func (s *Store) sweep() {
	for s.ctx.Err() == nil {
		if err := s.sweepOnce(); err != nil && s.ctx.Err() == nil {
			s.log.Warn("natskv: entries are not deleted in time", "err", err)
			t := time.NewTimer(time.Second)
			select {
			case <-t.C:
			case <-s.ctx.Done():
			}
			t.Stop()
		}
	}
}

func (s *Store) sweepOnce() error {
	w, err := s.kv.WatchAll(s.ctx)
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()
	var ends dueHeap
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		if len(ends) > 0 {
			t.Reset(max(time.Until(ends[0].at), 0))
		}
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return ds104.ErrDown
			}
			if e == nil || e.Operation() != jetstream.KeyValuePut {
				continue
			}
			if x, _ := entry("", e); !x.Expires.IsZero() {
				heap.Push(&ends, due{e.Key(), e.Revision(), x.Expires})
			}
		case <-t.C:
			if len(ends) == 0 {
				continue
			}
			d := heap.Pop(&ends).(due)
			err := s.fault(s.ctx, s.kv.Delete(s.ctx, d.subject, jetstream.LastRevision(d.rev)))
			if err != nil && !stderrors.Is(err, ds104.ErrRevision) { // else it has changed since
				heap.Push(&ends, due{d.subject, d.rev, time.Now().Add(time.Second)})
			}
		case <-s.ctx.Done():
			return nil
		}
	}
}
