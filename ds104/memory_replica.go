package ds104

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"
)

var _ Replica = (*Memory)(nil)

// tomb is a deletion that is remembered.
type tomb struct {
	rev Revision
	at  time.Time
}

// tombs are the deletions that a side of a pair remembers.
type tombs struct {
	byKey map[string]tomb
	keys  keyList
	order []oldTomb // by age; those that are no deletion any more are skipped
}

type oldTomb struct {
	key string
	rev Revision
}

// addTomb remembers a deletion. Caller holds mu.
func (m *Memory) addTomb(key string, rev Revision, at time.Time) {
	if m.opts.Side == Alone {
		return
	}
	if m.journal != nil {
		m.removed = m.journal.tomb(key, tomb{rev, at})
	}
	t := &m.tombs
	if t.byKey == nil {
		t.byKey = map[string]tomb{}
	}
	m.dropTomb(key)
	t.byKey[key] = tomb{rev, at}
	t.keys.insert(key)
	t.order = append(t.order, oldTomb{key, rev})
	m.sums.toggle(key, rev, true)
	for len(t.order) > 1 {
		first := t.order[0]
		if is := t.byKey[first.key]; is.rev == first.rev {
			if len(t.order) <= maxTombs && at.Sub(is.at) < TombAge {
				break
			}
			m.dropTomb(first.key)
		}
		t.order = t.order[1:]
	}
}

// dropTomb forgets a deletion. Caller holds mu.
func (m *Memory) dropTomb(key string) {
	if t, ok := m.tombs.byKey[key]; ok {
		delete(m.tombs.byKey, key)
		m.tombs.keys.remove(key)
		m.sums.toggle(key, t.rev, true)
	}
}

// publish hands a change to the watchers; one that belongs before what they have
// seen gives them a gap. Caller holds mu.
func (m *Memory) publish(c change) {
	switch {
	case m.loading:
	case m.journal != nil: // when it is on the disk
		if c.rev <= m.newest {
			m.rev = m.opts.Side.next(max(m.rev, c.rev))
			c = change{rev: m.rev} // a gap
		}
		m.newest = c.rev
		m.journal.change(c)
	case c.rev <= m.rev && c.rev <= m.feed.newest():
		m.rev = m.opts.Side.next(max(m.rev, c.rev))
		m.feed.skip(m.rev)
	default:
		m.feed.publish(c)
	}
}

func (f *feed) newest() Revision {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rev
}

// Apply implements [Replica].
func (m *Memory) Apply(ctx context.Context, items []Item) (int, error) {
	applied := 0
	for _, in := range items {
		ok, err := m.apply(ctx, in)
		if err != nil {
			return applied, err
		}
		if ok {
			applied++
		}
	}
	return applied, nil
}

func (m *Memory) apply(ctx context.Context, in Item) (bool, error) {
	if in.Key == "" || in.Revision == 0 {
		return false, ErrInvalid
	}
	if len(in.Key) > MaxKey || len(in.Value) > m.opts.MaxValue {
		return false, ErrTooLarge
	}
	value := bytes.Clone(in.Value)
	for {
		ok, err := m.tryApply(ctx, in, value)
		if err != errNoRoomYet {
			return ok, err
		}
		m.journal.await(ctx.Done())
	}
}

func (m *Memory) tryApply(ctx context.Context, in Item, value []byte) (bool, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return false, err
	}
	old := m.items[in.Key]
	if t, dead := m.tombs.byKey[in.Key]; dead && t.rev >= in.Revision || old != nil && old.rev >= in.Revision {
		return false, nil
	}
	if in.Deleted && m.journal != nil {
		if err := m.journal.room(2*len(in.Key) + recordRoom + recordOverhead); err != nil {
			return false, err
		}
	}
	switch {
	case !in.Deleted:
		if _, err := m.set(old, in.Key, value, in.Revision, PutOptions{TTL: in.TTL, Origin: in.Origin, written: nanosOf(in.Written), applied: true}); err != nil {
			return false, err
		}
	case old != nil:
		m.remove(old, in.Revision)
		m.setAlarm()
		m.addTomb(in.Key, in.Revision, time.Now())
	default:
		m.addTomb(strings.Clone(in.Key), in.Revision, time.Now())
	}
	m.rev = max(m.rev, in.Revision)
	return true, nil
}

// Digest implements [Replica]. A store without a side has none: ErrInvalid.
func (m *Memory) Digest(ctx context.Context) (Digest, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return Digest{}, err
	}
	if m.sums == nil {
		return Digest{}, ErrInvalid
	}
	return Digest{Revision: m.rev, Sums: slices.Clone(m.sums)}, nil
}

// A cursor of Scan is empty, or 'e' and a key for entries, or 't' and a key for
// deletions, which come after the entries.
const (
	cursorEntry = "e"
	cursorTomb  = "t"
)

// Scan implements [Replica].
func (m *Memory) Scan(ctx context.Context, b *BucketSet, cursor string) ([]Item, string, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	var out []Item
	seen, next := 0, ""
	page := func(kind string, keys *keyList, from string, deleted bool, rev func(string) Revision) {
		keys.ascend(from, func(key string) bool {
			if seen == scanPage {
				next = kind + key
				return false
			}
			seen++
			if b.Has(bucketOf(hashKey(key))) {
				out = append(out, Item{Entry: Entry{Key: key, Revision: rev(key)}, Deleted: deleted})
			}
			return true
		})
	}
	from, tombs := strings.CutPrefix(cursor, cursorTomb)
	if !tombs {
		page(cursorEntry, &m.keys, strings.TrimPrefix(cursor, cursorEntry), false, func(k string) Revision { return m.items[k].rev })
		from = ""
	}
	if next == "" {
		page(cursorTomb, &m.tombs.keys, from, true, func(k string) Revision { return m.tombs.byKey[k].rev })
	}
	return out, next, nil
}

// Advance makes the next revision one after rev.
func (m *Memory) Advance(ctx context.Context, rev Revision) error {
	for {
		err := m.tryAdvance(ctx, rev)
		if err != errNoRoomYet {
			return err
		}
		m.journal.await(ctx.Done())
	}
}

func (m *Memory) tryAdvance(ctx context.Context, rev Revision) error {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil || rev <= m.rev {
		return err
	}
	if m.journal != nil {
		if err := m.journal.room(0); err != nil {
			return err
		}
		m.journal.advance(rev)
	}
	m.rev = rev
	return nil
}
