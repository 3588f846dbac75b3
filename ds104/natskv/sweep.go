package natskv

import (
	"container/heap"
	"context"
	stderrors "errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/connects-go/connects/ds104"
)

// MarkerAge is how long the bucket remembers a deletion, and what was before it, for
// watchers.
const MarkerAge = time.Hour

// due is an entry that ends, or a deletion that is forgotten, at a time.
type due struct {
	subject string
	seq     uint64
	at      time.Time
	marker  bool
}

type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = due{}
	*h = old[:len(old)-1]
	return x
}

// sweep deletes entries whose time has passed, and forgets old deletions: it follows the
// bucket and knows what ends when. Of several stores that do so one wins, because each
// names the sequence.
func (s *Store) sweep() {
	for s.ctx.Err() == nil {
		if err := s.sweepOnce(); s.ctx.Err() == nil {
			s.opts.Logger.Warn("natskv: entries are not deleted in time", "err", err)
			t := time.NewTimer(time.Second)
			select {
			case <-t.C:
			case <-s.ctx.Done():
			}
			t.Stop()
		}
	}
}

// sweepOnce works until following the bucket fails.
func (s *Store) sweepOnce() error {
	ctx, cancel := context.WithCancel(s.ctx)
	changes, failed := make(chan change), make(chan error, 1)
	go func() {
		failed <- s.follow(ctx, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubject: s.prefix + ">"},
			func(uint64) error { return nil },
			func(c change) error {
				select {
				case changes <- c:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
	}()
	defer func() { cancel(); <-failed }()
	var ends dueHeap
	current := map[string]uint64{} // what has an end, by subject
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		if len(ends) > 0 {
			t.Reset(max(time.Until(ends[0].at), 0))
		}
		select {
		case c := <-changes:
			d := due{c.subject, c.seq, c.at.Add(s.opts.markerAge), c.marker}
			if !c.marker {
				e, _ := entry("", c.seq, c.at, c.data)
				d.at = e.Expires
			}
			if d.at.IsZero() {
				delete(current, c.subject)
				continue
			}
			current[c.subject] = c.seq
			heap.Push(&ends, d)
		case <-t.C:
			if len(ends) == 0 {
				continue
			}
			d := heap.Pop(&ends).(due)
			if current[d.subject] != d.seq {
				continue // it has changed since
			}
			err := s.end(d)
			if err != nil && !stderrors.Is(err, ds104.ErrRevision) {
				d.at = time.Now().Add(time.Second)
				heap.Push(&ends, d)
				continue
			}
			delete(current, d.subject)
		case err := <-failed:
			failed <- err
			return err
		}
	}
}

// end deletes an entry, or forgets a deletion with all that was before it.
func (s *Store) end(d due) error {
	if !d.marker {
		_, err := s.write(s.ctx, write{subject: d.subject, marker: true}.at(d.seq))
		return err
	}
	return s.try(s.ctx, func(ctx context.Context) error {
		return s.stream.Purge(ctx, jetstream.WithPurgeSubject(s.prefix+d.subject), jetstream.WithPurgeSequence(d.seq+1))
	})
}
