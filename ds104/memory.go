package ds104

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"
)

// Defaults of [MemoryOptions].
const (
	DefaultMaxEntries   = 1_000_000
	DefaultMaxBytes     = 512 << 20 // of keys and values together
	DefaultHistory      = 4096      // changes
	DefaultHistoryBytes = 16 << 20  // of keys and values together
)

// MemoryOptions configure a [Memory]. Nil means the zero value, and the zero value
// means defaults.
type MemoryOptions struct {
	// MaxEntries and MaxBytes (of keys and values together) are where Put begins
	// to return ErrFull; 0 = DefaultMaxEntries and DefaultMaxBytes.
	MaxEntries int
	MaxBytes   int64
	// MaxOriginBytes (of keys and values together) is how much may be stored under one
	// origin, which on a Server is one name of a client, before its Put returns
	// ErrQuota; 0 = no limit. An entry counts for the origin that wrote it last. What
	// the other side of a pair or a snapshot brings is counted, but never refused.
	MaxOriginBytes int64
	// History and HistoryBytes bound the changes kept for watchers: a watcher that
	// is further behind gets EventGap; 0 = DefaultHistory and DefaultHistoryBytes.
	History      int
	HistoryBytes int64
	// MaxValue is the largest value in bytes, at most MaxMaxValue; 0 = MaxValue.
	MaxValue int
	// Side makes the store one side of a Pair: deletions are remembered, and its
	// revisions never equal those of the other side.
	Side Side
}

func (o *MemoryOptions) validate() error {
	var errs []error
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxEntries", int64(o.MaxEntries)}, {"MaxBytes", o.MaxBytes}, {"MaxOriginBytes", o.MaxOriginBytes},
		{"MaxValue", int64(o.MaxValue)}, {"History", int64(o.History)}, {"HistoryBytes", o.HistoryBytes},
	} {
		if f.value < 0 {
			errs = append(errs, fmt.Errorf("ds104: option %s=%d: must not be negative", f.name, f.value))
		}
	}
	if o.MaxValue > MaxMaxValue {
		errs = append(errs, fmt.Errorf("ds104: option MaxValue=%d: at most %d", o.MaxValue, MaxMaxValue))
	}
	if o.Side < Alone || o.Side > SideB {
		errs = append(errs, fmt.Errorf("ds104: option Side=%d: must be Alone, SideA or SideB", o.Side))
	}
	return errors.Join(errs...)
}

func (o *MemoryOptions) setDefaults() {
	if o.MaxEntries == 0 {
		o.MaxEntries = DefaultMaxEntries
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxValue == 0 {
		o.MaxValue = MaxValue
	}
	if o.History == 0 {
		o.History = DefaultHistory
	}
	if o.HistoryBytes == 0 {
		o.HistoryBytes = DefaultHistoryBytes
	}
}

// MemoryStats is a snapshot of a [Memory]. The counters run since it was made.
type MemoryStats struct {
	Entries  int      // now
	Bytes    int64    // of keys and values
	Revision Revision // of the last change
	Watchers int      // that wait for a change right now
	History  int      // changes kept for watchers
	Puts     int64    // that changed something
	Deletes  int64    // that changed something, without Expired
	Expired  int64    // entries whose time to live passed
	Refused  int64    // ErrRevision
	Full     int64    // ErrFull, without Quota
	Quota    int64    // ErrQuota
	Origins  int      // that have an entry
	Gaps     int64    // EventGap given to watchers
}

// Memory is a [Store] in the memory of this process. The end of the process is
// the end of its values.
type Memory struct {
	opts MemoryOptions
	feed feed

	mu      sync.Mutex // guards what follows; held for short, never while yielding
	items   map[string]*item
	origins map[string]*OriginUse // those that have an entry
	keys    keyList
	due     expiryHeap
	timer   *time.Timer // fires when due[0] expires; nil while nothing expires
	alarm   time.Time   // for which timer is set
	rev     Revision
	bytes   int64
	tombs   tombs
	sums    sums
	stats   MemoryStats
	closed  bool

	journal *journal // of a Log; else nil
	stopped bool     // a Log is being closed
	loading bool     // a Log reads its files: no limits, no history
	newest  Revision // of the last change that was queued for watchers, with a journal
	removed uint64   // seq of the last removal
}

var _ Store = (*Memory)(nil)

// item is one entry. Its value is never changed in place: history shares it.
type item struct {
	key     string
	value   []byte
	rev     Revision
	expires time.Time // zero: never
	origin  *OriginUse
	written int64  // nanoseconds since 1970, 0: not known
	seq     uint64 // of the record of a journal
	heap    int    // index in due, -1: not in it
}

func (it *item) entry() Entry {
	return Entry{Key: it.key, Value: bytes.Clone(it.value), Revision: it.rev, Expires: it.expires, Origin: it.origin.Origin, Written: writtenOf(it.written)}
}

func (it *item) size() int64 { return int64(len(it.key) + len(it.value)) }

// NewMemory returns an empty store; nil options mean defaults. A negative option
// is a mistake of the program and panics with every problem named.
func NewMemory(o *MemoryOptions) *Memory {
	m := &Memory{items: map[string]*item{}, origins: map[string]*OriginUse{}}
	if o != nil {
		m.opts = *o
	}
	if err := m.opts.validate(); err != nil {
		panic(err)
	}
	m.opts.setDefaults()
	if m.opts.Side != Alone {
		m.sums = make(sums, Buckets)
	}
	m.feed.history = history{max: m.opts.History, maxBytes: m.opts.HistoryBytes}
	return m
}

// lock takes the mutex for one operation: it reports a dead context or a closed
// store and lets entries expire that are due. The caller unlocks in every case.
func (m *Memory) lock(ctx context.Context) error {
	err := ctx.Err()
	m.mu.Lock()
	if err != nil {
		return err
	}
	if m.closed || m.stopped {
		return ErrClosed
	}
	if m.journal != nil {
		if err := m.journal.failed(); err != nil {
			return err
		}
	}
	m.expire()
	return nil
}

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, key string) (Entry, error) {
	e, _, err := m.get(ctx, key)
	return e, err
}

// get is Get that also returns what the answer depends on: the seq of a record of the
// journal, 0 without one.
func (m *Memory) get(ctx context.Context, key string) (Entry, uint64, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return Entry{}, 0, err
	}
	it := m.items[key]
	if it == nil {
		return Entry{}, m.removed, ErrNotFound
	}
	return it.entry(), it.seq, nil
}

// Put implements [Store].
func (m *Memory) Put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error) {
	if err := checkPut(len(key), len(value), m.opts.MaxValue, &o); err != nil {
		return 0, err
	}
	rev, _, err := m.put(ctx, key, bytes.Clone(value), o) // before the lock: it may be large
	return rev, err
}

// checkPut finds what is wrong with the arguments of a Put.
func checkPut(key, value, maxValue int, o *PutOptions) error {
	switch {
	case key == 0 || o.TTL < 0 || o.IfAbsent && o.IfRevision != 0:
		return ErrInvalid
	case key > MaxKey || value > maxValue:
		return ErrTooLarge
	}
	return nil
}

// peek is Get without a copy of the value, which the caller must not change.
func (m *Memory) peek(ctx context.Context, key []byte) (Entry, uint64, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return Entry{}, 0, err
	}
	it := m.items[string(key)]
	if it == nil {
		return Entry{}, m.removed, ErrNotFound
	}
	return Entry{Value: it.value, Revision: it.rev, Expires: it.expires, Origin: it.origin.Origin, Written: writtenOf(it.written)}, it.seq, nil
}

// put is Put of valid arguments that keeps value. See get for the seq.
func (m *Memory) put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, uint64, error) {
	for {
		rev, seq, err := m.tryPut(ctx, key, value, o)
		if err != errNoRoomYet {
			return rev, seq, err
		}
		m.journal.await(ctx.Done())
	}
}

func (m *Memory) tryPut(ctx context.Context, key string, value []byte, o PutOptions) (Revision, uint64, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return 0, 0, err
	}
	old := m.items[key]
	if o.IfAbsent && old != nil || o.IfRevision != 0 && (old == nil || old.rev != o.IfRevision) {
		m.stats.Refused++
		if old == nil {
			return 0, m.removed, ErrRevision
		}
		return 0, old.seq, ErrRevision
	}
	if o.written == 0 {
		o.written = time.Now().UnixNano()
	}
	rev := m.opts.Side.next(m.rev)
	it, err := m.set(old, key, value, rev, o)
	if err != nil {
		return 0, 0, err
	}
	m.rev = rev
	m.stats.Puts++
	return rev, it.seq, nil
}

// set writes an entry at a revision and publishes that; old is what the key has, or
// nil. A zero o.written is kept as not known. Caller holds mu.
func (m *Memory) set(old *item, key string, value []byte, rev Revision, o PutOptions) (*item, error) {
	size := int64(len(key) + len(value))
	grows, more := size, size // of the store, and of the origin
	origin := m.origin(old, cut(o.Origin, MaxOrigin))
	if old != nil {
		grows -= old.size()
		if old.origin == origin {
			more = grows
		}
	}
	switch full := old == nil && len(m.items) >= m.opts.MaxEntries || grows > 0 && m.bytes+grows > m.opts.MaxBytes; {
	case m.loading:
	case !o.applied && origin.quota(more, m.opts.MaxOriginBytes):
		m.stats.Quota++
		return nil, ErrQuota
	case full:
		m.stats.Full++
		return nil, ErrFull
	case m.journal != nil:
		if err := m.journal.room(len(key) + len(value) + len(origin.Origin)); err != nil {
			return nil, err
		}
	}
	it := old
	if it == nil {
		key = strings.Clone(key) // not to keep what it was cut from
		it = &item{key: key, heap: -1}
		m.items[key] = it
		m.keys.insert(key)
		m.dropTomb(key)
	} else {
		m.sums.toggle(key, it.rev, false)
	}
	m.charge(origin, size)
	if old != nil {
		m.discharge(old.origin, old.size())
	}
	m.sums.toggle(key, rev, false)
	m.bytes += grows
	it.value, it.rev, it.expires, it.origin, it.written = value, rev, time.Time{}, origin, o.written
	if o.TTL > 0 {
		it.expires = time.Now().Add(o.TTL)
	}
	if m.journal != nil {
		it.seq = m.journal.put(it)
	}
	m.due.set(it)
	m.setAlarm()
	m.publish(change{kind: EventPut, key: it.key, value: value, rev: rev, expires: it.expires, origin: origin.Origin, written: it.written})
	return it, nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, key string, at Revision) error {
	_, err := m.Remove(ctx, key, at)
	return err
}

// Remove implements [Replica].
func (m *Memory) Remove(ctx context.Context, key string, at Revision) (Revision, error) {
	rev, _, err := m.delete(ctx, key, at)
	return rev, err
}

// delete is Remove. See get for the seq.
func (m *Memory) delete(ctx context.Context, key string, at Revision) (Revision, uint64, error) {
	if key == "" {
		return 0, 0, ErrInvalid
	}
	for {
		rev, seq, err := m.tryDelete(ctx, key, at)
		if err != errNoRoomYet {
			return rev, seq, err
		}
		m.journal.await(ctx.Done())
	}
}

func (m *Memory) tryDelete(ctx context.Context, key string, at Revision) (Revision, uint64, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return 0, 0, err
	}
	it := m.items[key]
	if it == nil && at == 0 {
		return 0, m.removed, nil
	}
	if it == nil || at != 0 && it.rev != at {
		m.stats.Refused++
		if it == nil {
			return 0, m.removed, ErrRevision
		}
		return 0, it.seq, ErrRevision
	}
	if m.journal != nil {
		if err := m.journal.room(2*len(key) + recordRoom + recordOverhead); err != nil {
			return 0, 0, err
		}
	}
	m.rev = m.opts.Side.next(m.rev)
	m.remove(it, m.rev)
	m.addTomb(it.key, m.rev, time.Now())
	m.setAlarm()
	m.stats.Deletes++
	return m.rev, m.removed, nil
}

// remove takes an item out and publishes that. Caller holds mu.
func (m *Memory) remove(it *item, rev Revision) {
	if m.journal != nil {
		m.removed = m.journal.remove(it.key, rev)
	}
	delete(m.items, it.key)
	m.keys.remove(it.key)
	m.sums.toggle(it.key, it.rev, false)
	it.expires = time.Time{}
	m.due.set(it)
	m.bytes -= it.size()
	m.discharge(it.origin, it.size())
	m.publish(change{kind: EventDelete, key: it.key, rev: rev})
}

// listPage is how many entries List copies while it holds the lock.
const listPage = 64

// Watch implements [Store].
func (m *Memory) Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Event, error] {
	return m.feed.watch(ctx, prefix, after)
}

// List implements [Store].
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return m.listFrom(ctx, prefix, prefix)
}

func (m *Memory) listFrom(ctx context.Context, prefix, from string) iter.Seq2[Entry, error] {
	from = max(from, prefix)
	return func(yield func(Entry, error) bool) {
		page := make([]Entry, 0, listPage)
		for from := from; ; {
			err := m.lock(ctx)
			page = page[:0]
			more := false
			if err == nil {
				m.keys.ascend(from, func(key string) bool {
					if !strings.HasPrefix(key, prefix) {
						return false
					}
					if len(page) == listPage {
						more = true
						return false
					}
					page = append(page, m.items[key].entry())
					return true
				})
			}
			m.mu.Unlock()
			if err == nil && m.journal != nil {
				err = m.journal.wait(ctx, m.journal.last())
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if !more {
				return
			}
			from = page[len(page)-1].Key + "\x00" // the least key after it
		}
	}
}

// Stats returns a snapshot.
func (m *Memory) Stats() MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Entries, s.Bytes, s.Revision, s.Origins = len(m.items), m.bytes, m.rev, len(m.origins)
	m.feed.mu.Lock()
	defer m.feed.mu.Unlock()
	s.Watchers, s.History, s.Gaps = m.feed.waiting, m.feed.history.len(), m.feed.gaps
	return s
}

// stop lets no further operation begin.
func (m *Memory) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
}

// Close ends all watchers with ErrClosed and frees the values. It may be called
// again and returns nil.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.items, m.origins, m.keys, m.due, m.tombs = nil, nil, keyList{}, nil, tombs{}
	m.bytes = 0
	m.feed.close()
	return nil
}
