package ds104

import (
	"bytes"
	"context"
	"encoding/binary"
	stderrors "errors"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

var _ Replica = (*Bolt)(nil)

// toggle is an item that comes into the sums or goes out of them.
type toggle struct {
	key     string
	rev     Revision
	deleted bool
}

func (t *batchTx) toggle(key []byte, rev Revision, deleted bool) {
	if t.b.opts.Side != Alone {
		t.toggles = append(t.toggles, toggle{string(key), rev, deleted})
	}
}

// publish makes a committed batch known.
func (b *Bolt) publish(t *batchTx) {
	b.mu.Lock()
	if b.sums != nil {
		for _, x := range t.toggles {
			b.sums.toggle(x.key, x.rev, x.deleted)
		}
	}
	b.mu.Unlock()
	if t.skip {
		b.feed.skip(t.stats.Revision)
		return
	}
	b.feed.publish(t.changes...)
}

// change notes what watchers are to see.
func (t *batchTx) change(c change) {
	t.skip = t.skip || c.rev <= t.newest
	t.newest = c.rev
	t.changes = append(t.changes, c)
}

// Remove implements [Replica].
func (b *Bolt) Remove(ctx context.Context, key string, at Revision) (Revision, error) {
	if key == "" {
		return 0, ErrInvalid
	}
	return b.do(ctx, &boltOp{kind: opDelete, key: []byte(key), o: PutOptions{IfRevision: at}, done: make(chan struct{})})
}

// Apply implements [Replica]. All items are written in one transaction.
func (b *Bolt) Apply(ctx context.Context, items []Item) (int, error) {
	for _, in := range items {
		if in.Key == "" || in.Revision == 0 {
			return 0, ErrInvalid
		}
		if len(in.Key) > MaxKey || len(in.Value) > b.opts.MaxValue {
			return 0, ErrTooLarge
		}
	}
	op := &boltOp{kind: opApply, items: slices.Clone(items), done: make(chan struct{})}
	for i := range op.items {
		op.items[i].Value = bytes.Clone(items[i].Value)
	}
	_, err := b.do(ctx, op)
	if err != nil {
		return 0, err
	}
	return op.count, nil
}

// Advance makes the next revision one after rev.
func (b *Bolt) Advance(ctx context.Context, rev Revision) error {
	_, err := b.do(ctx, &boltOp{kind: opAdvance, rev: rev, done: make(chan struct{})})
	return err
}

// replicate does what the other side of a pair asks for.
func (t *batchTx) replicate(op *boltOp) error {
	switch op.kind {
	case opAdvance:
		t.stats.Revision = max(t.stats.Revision, op.rev)
	case opApply:
		for i := range op.items {
			newer, err := t.replica(&op.items[i])
			switch {
			case stderrors.Is(err, ErrFull):
				op.err = err
				return nil
			case err != nil:
				return err
			case newer:
				op.count++
			}
		}
	}
	return nil
}

// replica takes one item over unless what is there is as new.
func (t *batchTx) replica(in *Item) (bool, error) {
	key := []byte(in.Key)
	old := bytes.Clone(t.data.Get(key))
	if old != nil {
		h, err := unpack(old)
		if err != nil {
			return false, err
		}
		if h.rev >= in.Revision {
			return false, nil
		}
	}
	if v := t.tombs.Get(key); len(v) == 16 && Revision(binary.BigEndian.Uint64(v)) >= in.Revision {
		return false, nil
	}
	if !in.Deleted {
		refused, err := t.set(key, in.Value, old, in.Revision, PutOptions{TTL: in.TTL, Origin: in.Origin, written: nanosOf(in.Written), applied: true})
		if err == nil {
			err = refused
		}
		if err != nil {
			return false, err
		}
	} else {
		if old != nil {
			if err := t.remove(key, old, in.Revision); err != nil {
				return false, err
			}
		}
		if err := t.addTomb(key, in.Revision); err != nil {
			return false, err
		}
	}
	t.stats.Revision = max(t.stats.Revision, in.Revision)
	return true, nil
}

// addTomb remembers a deletion, and forgets a few old ones.
func (t *batchTx) addTomb(key []byte, rev Revision) error {
	if t.b.opts.Side == Alone {
		return nil
	}
	if err := t.dropTomb(key); err != nil {
		return err
	}
	v := binary.BigEndian.AppendUint64(nil, uint64(rev))
	v = binary.BigEndian.AppendUint64(v, uint64(t.now))
	if err := t.tombs.Put(key, v); err != nil {
		return err
	}
	t.toggle(key, rev, true)
	if err := t.tombOrder.Put(expiryKey(t.now, key), nil); err != nil {
		return err
	}
	for range 4 {
		k, _ := t.tombOrder.Cursor().First()
		if len(k) <= 8 || t.now-int64(binary.BigEndian.Uint64(k)) < int64(TombAge) {
			break
		}
		if err := t.dropTomb(bytes.Clone(k[8:])); err != nil {
			return err
		}
	}
	return nil
}

func (t *batchTx) dropTomb(key []byte) error {
	v := t.tombs.Get(key)
	if len(v) != 16 {
		return nil
	}
	rev, at := Revision(binary.BigEndian.Uint64(v)), int64(binary.BigEndian.Uint64(v[8:]))
	t.toggle(key, rev, true)
	if err := t.tombOrder.Delete(expiryKey(at, key)); err != nil {
		return err
	}
	return t.tombs.Delete(key)
}

// buildSums computes the sums when a batch asks for them the first time. Only the
// writer changes the file, so nothing is missed.
func (b *Bolt) buildSums(batch []*boltOp) {
	wanted := false
	for _, op := range batch {
		wanted = wanted || op.kind == opSums
	}
	if !wanted || b.sums != nil {
		return
	}
	all := make(sums, Buckets)
	err := b.db.View(func(tx *bolt.Tx) error {
		err := tx.Bucket(bucketData).ForEach(func(k, v []byte) error {
			h, err := unpack(v)
			all.toggle(string(k), h.rev, false)
			return err
		})
		if err != nil {
			return err
		}
		return tx.Bucket(bucketTombs).ForEach(func(k, v []byte) error {
			if len(v) == 16 {
				all.toggle(string(k), Revision(binary.BigEndian.Uint64(v)), true)
			}
			return nil
		})
	})
	if err != nil {
		for _, op := range batch {
			if op.kind == opSums {
				op.err = err
			}
		}
		return
	}
	b.mu.Lock()
	b.sums = all
	b.mu.Unlock()
}

// Digest implements [Replica]. The first call reads all keys.
func (b *Bolt) Digest(ctx context.Context) (Digest, error) {
	if b.opts.Side == Alone {
		return Digest{}, ErrInvalid
	}
	if _, err := b.do(ctx, &boltOp{kind: opSums, done: make(chan struct{})}); err != nil {
		return Digest{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return Digest{Revision: b.stats.Revision, Sums: slices.Clone(b.sums)}, nil
}

// Scan implements [Replica].
func (b *Bolt) Scan(ctx context.Context, set *BucketSet, cursor string) ([]Item, string, error) {
	var out []Item
	seen, next := 0, ""
	page := func(bucket *bolt.Bucket, kind, from string, deleted bool) error {
		c := bucket.Cursor()
		for k, v := c.Seek([]byte(from)); k != nil; k, v = c.Next() {
			if seen == scanPage {
				next = kind + string(k)
				return nil
			}
			seen++
			if !set.Has(bucketOf(hashKey(string(k)))) || len(v) < 8 {
				continue
			}
			out = append(out, Item{Entry: Entry{Key: string(k), Revision: Revision(binary.BigEndian.Uint64(v))}, Deleted: deleted})
		}
		return nil
	}
	err := b.view(ctx, func(tx *bolt.Tx) error {
		from, tombs := strings.CutPrefix(cursor, cursorTomb)
		if !tombs {
			if err := page(tx.Bucket(bucketData), cursorEntry, strings.TrimPrefix(cursor, cursorEntry), false); err != nil {
				return err
			}
			from = ""
		}
		if next != "" {
			return nil
		}
		return page(tx.Bucket(bucketTombs), cursorTomb, from, true)
	})
	if err != nil {
		return nil, "", err
	}
	return out, next, nil
}
