package natskv

import (
	"context"
	stderrors "errors"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/backoff"
)

// heartbeat is how often the servers show a watcher that they are there; after two that
// are missing it asks anew.
const heartbeat = time.Second

// change is a message of the bucket.
type change struct {
	seq     uint64
	subject string
	marker  bool
	at      time.Time // of the server
	data    []byte
}

// follow calls f with messages of the bucket in their order until something fails, or f
// does. ready is called before with how many there are. Messages may be left out: the
// numbers tell.
func (s *Store) follow(ctx context.Context, c jetstream.ConsumerConfig, ready func(n uint64) error, f func(change) error) error {
	c.AckPolicy, c.MemoryStorage, c.InactiveThreshold, c.Replicas = jetstream.AckNonePolicy, true, 10*time.Second, 1
	create, cancel := context.WithTimeout(ctx, nextTry)
	consumer, err := s.stream.CreateConsumer(create, c)
	cancel()
	if err != nil {
		return err
	}
	if err := ready(consumer.CachedInfo().NumPending); err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(256, 8<<20),
		jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(heartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		err = f(change{meta.Sequence.Stream, strings.TrimPrefix(m.Subject(), s.prefix), isMarker(m.Headers()), meta.Timestamp, m.Data()})
		if err != nil {
			return err
		}
	}
}

// watcher is one Watch.
type watcher struct {
	s      *Store
	prefix string
	at     uint64 // up to here everything was yielded, or was not asked for
	fresh  bool   // the next message is the first of a consumer
	hole   bool   // a first message was not the next one: what is between is gone
	yield  func(ds104.Event, error) bool
}

var (
	errStopped = stderrors.New("natskv: the loop ended")
	errHole    = stderrors.New("natskv: messages are missing")
)

// Watch implements ds104.Store.
func (s *Store) Watch(ctx context.Context, prefix string, after ds104.Revision) iter.Seq2[ds104.Event, error] {
	return func(yield func(ds104.Event, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(s.ctx, func() { cancel(ds104.ErrClosed) })()
		w := &watcher{s: s, prefix: prefix, at: uint64(after), yield: yield}
		wait := backoff.Backoff{Min: 50 * time.Millisecond, Max: time.Second}
		for {
			at := w.at
			err := w.once(ctx)
			switch {
			case stderrors.Is(err, errStopped):
				return
			case s.ctx.Err() != nil:
				yield(ds104.Event{}, ds104.ErrClosed)
				return
			case ctx.Err() != nil:
				yield(ds104.Event{}, ctx.Err())
				return
			case stderrors.Is(err, errHole):
				continue
			case w.at != at:
				wait.Reset()
			}
			s.opts.Logger.Debug("natskv: watch begins again", "prefix", prefix, "after", w.at, "err", err)
			_ = wait.Wait(ctx) // the next turn sees that it ended
		}
	}
}

// once follows the bucket until something fails.
func (w *watcher) once(ctx context.Context) error {
	var info *jetstream.StreamInfo
	err := w.s.try(ctx, func(ctx context.Context) (err error) {
		info, err = w.s.stream.Info(ctx)
		return err
	})
	if err != nil {
		return err
	}
	last := info.State.LastSeq
	if w.at > last || w.hole {
		if err := w.gap(last); err != nil {
			return err
		}
	}
	w.fresh = true
	c := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: w.at + 1}
	return w.s.follow(ctx, c, func(n uint64) error {
		if w.at+n < last { // some that were there are not any more
			w.hole = true
			return errHole
		}
		return nil
	}, func(c change) error { return w.take(ctx, c) })
}

// gap tells the watcher that it goes on after a revision.
func (w *watcher) gap(at uint64) error {
	w.at, w.hole = at, false
	if !w.yield(ds104.Event{Kind: ds104.EventGap, Entry: ds104.Entry{Revision: ds104.Revision(at)}}, nil) {
		return errStopped
	}
	return nil
}

// take yields a change.
func (w *watcher) take(ctx context.Context, c change) error {
	fresh := w.fresh
	w.fresh = false
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.seq <= w.at:
		return nil
	case c.seq != w.at+1: // ask again; what is missing then as well is gone
		w.hole = fresh
		return errHole
	}
	w.at = c.seq
	key, ours := decode(c.subject)
	if !ours || !strings.HasPrefix(key, w.prefix) {
		return nil
	}
	ev := ds104.Event{Kind: ds104.EventDelete, Entry: ds104.Entry{Key: key, Revision: ds104.Revision(c.seq)}}
	if !c.marker {
		ev.Kind = ds104.EventPut
		ev.Entry, _ = entry(key, c.seq, c.at, c.data)
	}
	if !w.yield(ev, nil) {
		return errStopped
	}
	return nil
}
