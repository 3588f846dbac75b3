package ds104

import (
	"bytes"
	"context"
	"encoding/binary"
	stderrors "errors"
	"time"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"
)

// write is the only goroutine that changes the file. It takes what has queued up
// meanwhile as one transaction, so that all of it shares one flush.
func (b *Bolt) write() {
	defer close(b.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-b.kick:
		case <-timer.C:
		}
		for {
			batch, closed := b.take()
			if len(batch) == 0 && closed {
				return
			}
			next := b.commit(batch)
			if next.IsZero() {
				timer.Reset(time.Hour) // nothing expires
			} else {
				timer.Reset(max(time.Until(next), 0))
			}
			if len(batch) == 0 {
				break
			}
		}
	}
}

// take removes the next batch from the queue.
func (b *Bolt) take() (batch []*boltOp, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, size := 0, 0
	for n < len(b.queue) && n < maxBatch && (n == 0 || size < maxBatchBytes) {
		size += len(b.queue[n].value)
		n++
	}
	batch = b.queue[:n:n]
	if b.queue = b.queue[n:]; len(b.queue) == 0 {
		b.queue = nil
	}
	return batch, b.closed
}

// batchTx is one transaction with the counts as they will be after it.
type batchTx struct {
	b            *Bolt
	data, expiry *bolt.Bucket
	now          int64 // by b.clock
	tombs        *bolt.Bucket
	tombOrder    *bolt.Bucket
	use          *bolt.Bucket          // of origins
	origins      map[string]*OriginUse // those that this batch touches
	stats        BoltStats
	changes      []change
	toggles      []toggle // of the sums, when it has them
	newest       Revision // that watchers have seen, or will
	skip         bool     // a change belongs before newest: watchers get a gap
}

// commit applies a batch, and lets entries expire that are due. It returns when
// the next one expires. When the transaction fails, every operation of the batch
// gets its error and nothing has changed.
func (b *Bolt) commit(batch []*boltOp) (next time.Time) {
	b.buildSums(batch)
	b.mu.Lock()
	t := batchTx{b: b, now: b.clock.now(), stats: b.stats, newest: b.feed.newest()}
	b.mu.Unlock()
	due, before := false, t.stats.Revision
	_ = b.db.View(func(tx *bolt.Tx) error {
		due, next = t.firstDue(tx.Bucket(bucketExpiry))
		return nil
	})
	if len(batch) == 0 && !due {
		return next
	}
	b.mu.Lock()
	b.landing = make(chan struct{})
	b.mu.Unlock()
	id := uint64(0)
	err := b.db.Update(func(tx *bolt.Tx) error {
		id = uint64(tx.ID())
		t.data, t.expiry = tx.Bucket(bucketData), tx.Bucket(bucketExpiry)
		t.tombs, t.tombOrder, t.use = tx.Bucket(bucketTombs), tx.Bucket(bucketTombOrder), tx.Bucket(bucketOrigins)
		if err := t.expire(); err != nil {
			return err
		}
		for _, op := range batch {
			if err := t.apply(op); err != nil {
				return err
			}
		}
		if len(t.changes) == 0 && t.stats.Revision == before {
			_, next = t.firstDue(t.expiry)
			return errNothing // no flush for refusals
		}
		if err := t.keepOrigins(); err != nil {
			return err
		}
		if t.skip {
			t.stats.Revision = b.opts.Side.next(t.stats.Revision)
		}
		var c [24]byte
		binary.BigEndian.PutUint64(c[:], uint64(t.stats.Revision))
		binary.BigEndian.PutUint64(c[8:], uint64(t.stats.Entries))
		binary.BigEndian.PutUint64(c[16:], uint64(t.stats.Bytes))
		_, next = t.firstDue(t.expiry)
		meta := tx.Bucket(bucketMeta)
		if err := meta.Put(keyClock, binary.BigEndian.AppendUint64(nil, uint64(t.now))); err != nil {
			return err
		}
		return meta.Put(keyCounts, c[:])
	})
	err = b.land(&t, id, err)
	if err != nil {
		next = b.clock.time(t.now).Add(time.Second) // for what is due; not at once again
	}
	for _, op := range batch {
		if err != nil {
			op.rev, op.err = 0, err
		}
		close(op.done)
	}
	return next
}

var errNothing = stderrors.New("ds104: nothing changed")

// land makes the end of a commit known: to watchers, and then to readers.
func (b *Bolt) land(t *batchTx, id uint64, err error) error {
	switch {
	case err == nil:
		t.stats.Commits++
	case err != errNothing:
		err = errors.Wrap(err, "ds104: commit")
		t.stats = b.stats // only this goroutine changes it
		t.stats.Failed++
	}
	b.mu.Lock()
	b.stats = t.stats
	b.mu.Unlock()
	if err == nil {
		b.publish(t)
	}
	b.mu.Lock()
	if err == nil {
		b.known.Store(id)
	}
	if err == errNothing {
		err = nil
	} else {
		b.lost = err
	}
	close(b.landing)
	b.landing = nil
	b.mu.Unlock()
	return err
}

// settle waits until what a transaction has read is on the disk and known to watchers:
// bbolt shows a commit before it is flushed.
func (b *Bolt) settle(ctx context.Context, id uint64) error {
	if id <= b.known.Load() {
		return nil
	}
	for {
		b.mu.Lock()
		known, landing, lost := id <= b.known.Load(), b.landing, b.lost
		b.mu.Unlock()
		switch {
		case known:
			return nil
		case landing == nil:
			return lost // nil: it read what Close has written
		}
		select {
		case <-landing:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// firstDue tells when the next entry expires and whether that is now.
func (t *batchTx) firstDue(expiry *bolt.Bucket) (bool, time.Time) {
	k, _ := expiry.Cursor().First()
	if len(k) < 8 {
		return false, time.Time{}
	}
	at := int64(binary.BigEndian.Uint64(k))
	return at <= t.now, t.b.clock.time(at)
}

// expire removes what is due; the expiry bucket is in the order of time.
func (t *batchTx) expire() error {
	for {
		due, _ := t.firstDue(t.expiry)
		if !due {
			return nil
		}
		k, _ := t.expiry.Cursor().First()
		key := bytes.Clone(k[8:])
		old := t.data.Get(key)
		if old == nil { // cannot be, but must not loop
			if err := t.expiry.Delete(bytes.Clone(k)); err != nil {
				return err
			}
			continue
		}
		t.stats.Revision = t.b.opts.Side.next(t.stats.Revision)
		if err := t.remove(key, bytes.Clone(old), t.stats.Revision); err != nil {
			return err
		}
		t.stats.Expired++
	}
}

// apply does one operation. A refusal is the operation's own error; the error
// returned is that of the file and ends the transaction.
func (t *batchTx) apply(op *boltOp) error {
	if op.kind == opApply || op.kind == opAdvance || op.kind == opSums {
		return t.replicate(op)
	}
	old := t.data.Get(op.key)
	var rev Revision
	if old != nil {
		old = bytes.Clone(old) // valid only until the bucket changes
		h, err := unpack(old)
		if err != nil {
			return err
		}
		rev = h.rev
	}
	if op.o.IfAbsent && old != nil || op.o.IfRevision != 0 && rev != op.o.IfRevision {
		t.stats.Refused++
		op.err = ErrRevision
		return nil
	}
	if op.kind == opDelete {
		if old == nil {
			return nil
		}
		t.stats.Deletes++
		op.rev = t.b.opts.Side.next(t.stats.Revision)
		t.stats.Revision = op.rev
		if err := t.remove(op.key, old, op.rev); err != nil {
			return err
		}
		return t.addTomb(op.key, op.rev)
	}
	if op.o.written == 0 {
		op.o.written = time.Now().UnixNano()
	}
	next := t.b.opts.Side.next(t.stats.Revision)
	refused, err := t.set(op.key, op.value, old, next, op.o)
	if err != nil {
		return err
	}
	if op.err = refused; refused != nil {
		return nil
	}
	op.rev, t.stats.Revision = next, next
	t.stats.Puts++
	return nil
}

// set writes an entry at a revision, unless there is no room; old is what stands
// there, or nil.
func (t *batchTx) set(key, value, old []byte, rev Revision, o PutOptions) (refused, err error) {
	size := int64(len(key) + len(value))
	grows, more := size, size // of the store, and of the origin
	origin := cut(o.Origin, MaxOrigin)
	var was boltEntry
	if old != nil {
		if was, err = unpack(old); err != nil {
			return nil, err
		}
		grows -= int64(len(key) + t.b.plainSize(was.value))
		if was.origin == origin {
			more = grows
		}
	}
	switch {
	case !o.applied && t.origin(origin).quota(more, t.b.opts.MaxOriginBytes):
		t.stats.Quota++
		return ErrQuota, nil
	case old == nil && t.stats.Entries >= t.b.opts.MaxEntries || grows > 0 && t.stats.Bytes+grows > t.b.opts.MaxBytes:
		t.stats.Full++
		return ErrFull, nil
	case old != nil:
		t.toggle(key, was.rev, false)
		t.charge(was.origin, -1, grows-size)
	default:
		if err := t.dropTomb(key); err != nil {
			return nil, err
		}
	}
	t.charge(origin, 1, size)
	if err := t.forgetExpiry(key, old); err != nil {
		return nil, err
	}
	var expires int64
	if o.TTL > 0 {
		expires = t.b.clock.in(t.now, o.TTL)
		if err := t.expiry.Put(expiryKey(expires, key), nil); err != nil {
			return nil, err
		}
	}
	t.stats.Bytes += grows
	if old == nil {
		t.stats.Entries++
	}
	h := boltEntry{rev: rev, expires: expires, origin: origin, written: o.written, value: value}
	t.toggle(key, rev, false)
	t.change(change{kind: EventPut, key: string(key), value: value, rev: rev, expires: t.b.clock.time(expires), origin: h.origin, written: h.written})
	return nil, t.data.Put(key, t.b.pack(key, h))
}

// remove takes an entry out.
func (t *batchTx) remove(key, old []byte, rev Revision) error {
	if err := t.forgetExpiry(key, old); err != nil {
		return err
	}
	h, err := unpack(old)
	if err != nil {
		return err
	}
	t.toggle(key, h.rev, false)
	size := int64(len(key) + t.b.plainSize(h.value))
	t.stats.Entries--
	t.stats.Bytes -= size
	t.charge(h.origin, -1, -size)
	t.change(change{kind: EventDelete, key: string(key), rev: rev})
	return t.data.Delete(key)
}

func (t *batchTx) forgetExpiry(key, old []byte) error {
	if old == nil {
		return nil
	}
	h, err := unpack(old)
	if err != nil || h.expires == 0 {
		return err
	}
	return t.expiry.Delete(expiryKey(h.expires, key))
}

func expiryKey(expires int64, key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), uint64(expires)), key...)
}
