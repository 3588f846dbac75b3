package ds104

import (
	"context"
	"errors"
	"time"

	"github.com/connects-go/connects/ds104/proto"
)

// Limits of an answer with many entries.
const (
	maxPageBytes = 256 << 10
	maxPageItems = 4096
)

// serve does a request that may wait.
func (c *serverConn) serve(m proto.Request) (proto.Confirm, error) {
	switch m := m.(type) {
	case *proto.GetReq:
		e, err := c.s.store.Get(c.ctx, string(m.Key))
		return &proto.GetConf{
			Revision: uint64(e.Revision), TTL: uint64(until(e.Expires)), Value: e.Value, Origin: e.Origin, Written: uint64(nanosOf(e.Written)),
		}, err
	case *proto.PutReq:
		if err := c.checkWrite(m.Flags, m.Term); err != nil {
			return nil, err
		}
		o := c.putOptions(m)
		rev, err := c.s.store.Put(c.ctx, string(m.Key), m.Value, o)
		return &proto.PutConf{Revision: uint64(rev), Written: uint64(o.written)}, err
	case *proto.DeleteReq:
		if err := c.checkWrite(m.Flags, m.Term); err != nil {
			return nil, err
		}
		r, ok := c.s.store.(Replica)
		if !ok {
			return &proto.DeleteConf{}, c.s.store.Delete(c.ctx, string(m.Key), Revision(m.IfRevision))
		}
		rev, err := r.Remove(c.ctx, string(m.Key), Revision(m.IfRevision))
		return &proto.DeleteConf{Revision: uint64(rev)}, err
	case *proto.ListReq:
		return c.list(m)
	case *proto.StatusReq:
		return c.status()
	case *proto.VoteReq:
		return c.vote(m)
	case *proto.ApplyReq, *proto.DigestReq, *proto.ScanReq:
		r, ok := c.s.store.(Replica)
		if !ok {
			return nil, ErrUnsupported
		}
		return c.replicate(r, m)
	}
	return nil, ErrUnsupported
}

func (c *serverConn) replicate(r Replica, m proto.Request) (proto.Confirm, error) {
	switch m := m.(type) {
	case *proto.ApplyReq:
		items := fromWire(m.Items)
		term := uint64(0)
		for i := range items {
			term = max(term, TermOf(items[i].Revision))
		}
		c.s.council.hear(term) // the other side has decided in it
		n, err := r.Apply(c.ctx, items)
		return &proto.ApplyConf{Applied: uint32(n)}, err
	case *proto.DigestReq:
		d, err := r.Digest(c.ctx)
		conf := &proto.DigestConf{Revision: uint64(d.Revision), Sums: make([]byte, 0, 8*len(d.Sums))}
		for _, sum := range d.Sums {
			conf.Sums = appendUint64(conf.Sums, sum)
		}
		return conf, err
	case *proto.ScanReq:
		var set BucketSet
		if len(m.Buckets) != len(set) {
			return nil, ErrInvalid
		}
		copy(set[:], m.Buckets)
		items, next, err := r.Scan(c.ctx, &set, string(m.From))
		return &proto.ScanConf{Items: toWire(items), Next: []byte(next)}, err
	}
	return nil, ErrUnsupported
}

// putOptions returns the options of a write. One of a pair is stamped here, because the
// other side is to have the same time.
func (c *serverConn) putOptions(m *proto.PutReq) PutOptions {
	o := PutOptions{TTL: time.Duration(m.TTL), IfRevision: Revision(m.IfRevision), IfAbsent: m.Flags&proto.PutFlagsIfAbsent != 0, Origin: c.name}
	if m.Flags&(proto.PutFlagsLead|proto.PutFlagsAlone) != 0 {
		o.written = time.Now().UnixNano()
	}
	return o
}

func fromWire(in []proto.Item) []Item {
	out := make([]Item, len(in))
	for i := range in {
		x := &in[i]
		out[i] = Item{
			Entry:   Entry{Key: string(x.Key), Value: x.Value, Revision: Revision(x.Revision), Origin: x.Origin, Written: writtenOf(int64(x.Written))},
			TTL:     time.Duration(x.TTL),
			Deleted: x.Flags&proto.ItemFlagsDeleted != 0,
		}
	}
	return out
}

func toWire(in []Item) []proto.Item {
	out := make([]proto.Item, len(in))
	for i := range in {
		x := &in[i]
		out[i] = proto.Item{
			Key: []byte(x.Key), Value: x.Value, Revision: uint64(x.Revision), TTL: uint64(x.TTL), Origin: x.Origin, Written: uint64(nanosOf(x.Written)),
		}
		if x.Deleted {
			out[i].Flags = proto.ItemFlagsDeleted
		}
	}
	return out
}

func (c *serverConn) list(m *proto.ListReq) (proto.Confirm, error) {
	conf := &proto.ListConf{}
	limit := maxPageBytes
	if m.MaxBytes > 0 {
		limit = min(limit, int(min(m.MaxBytes, 1<<30)))
	}
	size := 0
	for e, err := range listFrom(c.ctx, c.s.store, string(m.Prefix), string(m.From)) {
		if err != nil {
			return nil, err
		}
		size += len(e.Key) + len(e.Value) + 64
		if len(conf.Items) > 0 && (size > limit || len(conf.Items) == maxPageItems) {
			conf.More = true
			break
		}
		conf.Items = append(conf.Items, proto.Item{
			Key: []byte(e.Key), Value: e.Value, Revision: uint64(e.Revision), TTL: uint64(until(e.Expires)), Origin: e.Origin,
			Written: uint64(nanosOf(e.Written)),
		})
	}
	return conf, nil
}

func (c *serverConn) status() (proto.Confirm, error) {
	st := c.s.Stats()
	conf := &proto.StatusConf{Term: st.Council.Term, Deciding: st.Council.Deciding}
	for _, f := range c.s.Figures() {
		conf.Figures = append(conf.Figures, proto.Figure{Name: f.Name, Number: uint64(f.Number)})
	}
	return conf, nil
}

func (c *serverConn) vote(m *proto.VoteReq) (proto.Confirm, error) {
	if c.voter == nil || c.s.local == nil {
		return nil, ErrInvalid
	}
	votes, st, err := c.s.council.vote(c.voter, m.Term, func() error {
		// What is decided from now on is newer than everything before.
		return c.s.local.Advance(c.ctx, Revision(m.Term<<termShift))
	})
	if st.Deciding && st.Term == m.Term {
		c.s.opts.Logger.Debug("this side decides", "side", c.s.opts.Side.String(), "term", st.Term)
	}
	return &proto.VoteConf{Term: st.Term, Deciding: st.Deciding, Votes: uint32(votes), Voters: uint32(st.Voters)}, err
}

// watch starts a watch; its events follow the confirmation.
func (c *serverConn) watch(m *proto.WatchReq) error {
	c.mu.Lock()
	if c.watches[m.InvokeID] != nil || len(c.watches) >= c.s.opts.MaxWatches {
		c.mu.Unlock()
		c.fail(m.InvokeID, ErrBusy)
		return nil
	}
	ctx, stop := context.WithCancel(c.ctx)
	c.watches[m.InvokeID] = stop
	c.mu.Unlock()
	if err := c.out.add(&proto.WatchConf{InvokeID: m.InvokeID}); err != nil {
		stop()
		return err
	}
	c.s.watches.Add(1)
	c.workers.Go(func() {
		err := c.push(ctx, m)
		c.s.watches.Add(-1)
		c.mu.Lock()
		delete(c.watches, m.InvokeID)
		c.mu.Unlock()
		stop()
		if !errors.Is(err, context.Canceled) {
			_ = c.out.add(&proto.WatchEndEvent{WatchID: m.InvokeID, Status: statusOf(err)})
		}
	})
	return nil
}

// push sends changes until the watch ends.
func (c *serverConn) push(ctx context.Context, m *proto.WatchReq) error {
	ev := &proto.ChangeEvent{WatchID: m.InvokeID}
	for e, err := range c.s.store.Watch(ctx, string(m.Prefix), Revision(m.After)) {
		if err != nil {
			return err
		}
		ev.Change, ev.Revision, ev.TTL = proto.Change(e.Kind), uint64(e.Entry.Revision), uint64(until(e.Entry.Expires))
		ev.Key, ev.Value, ev.Origin, ev.Written = []byte(e.Entry.Key), e.Entry.Value, e.Entry.Origin, uint64(nanosOf(e.Entry.Written))
		if err := c.out.add(ev); err != nil {
			return context.Canceled
		}
		if err := c.out.waitRoom(c.s.opts.MaxClientBytes); err != nil {
			return context.Canceled
		}
	}
	return context.Canceled
}

func (c *serverConn) unwatch(m *proto.UnwatchReq) error {
	c.mu.Lock()
	stop := c.watches[m.WatchID]
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
	return c.out.add(&proto.UnwatchConf{InvokeID: m.InvokeID})
}
