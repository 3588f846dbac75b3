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
	Entries  int
	Bytes    int64 // of keys and values
	Revision Revision
	Watchers int   // that wait for a change right now
	History  int   // changes kept for watchers
	Puts     int64 // that changed something
	Deletes  int64 // that changed something, without Expired
	Expired  int64 // entries whose time to live passed
	Refused  int64 // ErrRevision
	Full     int64 // ErrFull, without Quota
	Quota    int64 // ErrQuota
	Origins  int   // that have an entry
	Gaps     int64 // EventGap given to watchers
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
}

var _ Store = (*Memory)(nil)

// item is one entry. Its value is never changed in place: history shares it.
type item struct {
	key     string
	value   []byte
	rev     Revision
	expires time.Time // zero: never
	origin  *OriginUse
	written int64 // nanoseconds since 1970, 0: not known
	heap    int   // index in due, -1: not in it
}

func (it *item) entry() Entry {
	return Entry{Key: it.key, Value: bytes.Clone(it.value), Revision: it.rev, Expires: it.expires.Round(0), Origin: it.origin.Origin, Written: writtenOf(it.written)}
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
	if m.closed {
		return ErrClosed
	}
	m.expire()
	return nil
}

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, key string) (Entry, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return Entry{}, err
	}
	it := m.items[key]
	if it == nil {
		return Entry{}, ErrNotFound
	}
	return it.entry(), nil
}

// Put implements [Store].
func (m *Memory) Put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error) {
	if err := checkPut(len(key), len(value), m.opts.MaxValue, &o); err != nil {
		return 0, err
	}
	return m.put(ctx, key, bytes.Clone(value), o) // before the lock: it may be large
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
func (m *Memory) peek(ctx context.Context, key []byte) (Entry, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return Entry{}, err
	}
	it := m.items[string(key)]
	if it == nil {
		return Entry{}, ErrNotFound
	}
	return Entry{Value: it.value, Revision: it.rev, Expires: it.expires, Origin: it.origin.Origin, Written: writtenOf(it.written)}, nil
}

// put is Put of valid arguments that keeps value.
func (m *Memory) put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error) {
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	old := m.items[key]
	if o.IfAbsent && old != nil || o.IfRevision != 0 && (old == nil || old.rev != o.IfRevision) {
		m.stats.Refused++
		return 0, ErrRevision
	}
	if o.written == 0 {
		o.written = time.Now().UnixNano()
	}
	rev := m.opts.Side.next(m.rev)
	if err := m.set(old, key, value, rev, o); err != nil {
		return 0, err
	}
	m.rev = rev
	m.stats.Puts++
	return rev, nil
}

// set writes an entry at a revision and publishes that; old is what the key has, or
// nil. A zero o.written is kept as not known. Caller holds mu.
func (m *Memory) set(old *item, key string, value []byte, rev Revision, o PutOptions) error {
	size := int64(len(key) + len(value))
	grows, more := size, size // of the store, and of the origin
	origin := m.origin(old, cut(o.Origin, MaxOrigin))
	if old != nil {
		grows -= old.size()
		if old.origin == origin {
			more = grows
		}
	}
	if !o.applied && origin.quota(more, m.opts.MaxOriginBytes) {
		m.stats.Quota++
		return ErrQuota
	}
	if old == nil && len(m.items) >= m.opts.MaxEntries || grows > 0 && m.bytes+grows > m.opts.MaxBytes {
		m.stats.Full++
		return ErrFull
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
	m.due.set(it)
	m.setAlarm()
	m.publish(change{kind: EventPut, key: it.key, value: value, rev: rev, expires: it.expires, origin: origin.Origin, written: it.written})
	return nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, key string, at Revision) error {
	_, err := m.Remove(ctx, key, at)
	return err
}

// Remove implements [Replica].
func (m *Memory) Remove(ctx context.Context, key string, at Revision) (Revision, error) {
	if key == "" {
		return 0, ErrInvalid
	}
	err := m.lock(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	it := m.items[key]
	if it == nil && at == 0 {
		return 0, nil
	}
	if it == nil || at != 0 && it.rev != at {
		m.stats.Refused++
		return 0, ErrRevision
	}
	m.rev = m.opts.Side.next(m.rev)
	m.remove(it, m.rev)
	m.addTomb(it.key, m.rev)
	m.setAlarm()
	m.stats.Deletes++
	return m.rev, nil
}

// remove takes an item out and publishes that. Caller holds mu.
func (m *Memory) remove(it *item, rev Revision) {
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
