package ds104

import (
	"bytes"
	"context"
	"iter"
	"sort"
	"strings"
	"sync"
	"time"
)

// change is one event as the history keeps it; value is shared with the item.
type change struct {
	kind    EventKind
	key     string
	value   []byte
	rev     Revision
	expires time.Time
	origin  string
	written int64 // nanoseconds since 1970, 0: not known
}

func (c *change) size() int64 { return int64(len(c.key) + len(c.value)) }

// history keeps the last changes, bounded by number and bytes, by rising revision.
type history struct {
	max      int
	maxBytes int64
	ring     []change
	first    int // index of the oldest
	count    int
	bytes    int64
	lost     Revision // the newest change that is not kept any more
}

func (h *history) len() int { return h.count }

func (h *history) add(c change) {
	for h.count > 0 && (h.count == h.max || h.bytes+c.size() > h.maxBytes) {
		h.drop()
	}
	if h.count == len(h.ring) {
		grown := make([]change, min(max(2*h.count, 16), h.max))
		n := copy(grown, h.ring[h.first:])
		copy(grown[n:], h.ring[:h.first])
		h.ring, h.first = grown, 0
	}
	h.ring[(h.first+h.count)%len(h.ring)] = c
	h.count++
	h.bytes += c.size()
	if h.bytes > h.maxBytes { // alone too large to keep
		h.drop()
	}
}

func (h *history) drop() {
	old := &h.ring[h.first]
	h.lost = old.rev
	h.bytes -= old.size()
	*old = change{}
	h.first = (h.first + 1) % len(h.ring)
	h.count--
}

// after returns the first change with a higher revision.
func (h *history) after(rev Revision) (change, bool) {
	i := sort.Search(h.count, func(i int) bool { return h.ring[(h.first+i)%len(h.ring)].rev > rev })
	if i == h.count {
		return change{}, false
	}
	return h.ring[(h.first+i)%len(h.ring)], true
}

// feed hands the changes of a store to its watchers. It has its own lock, so that
// watchers never wait for an operation of the store.
type feed struct {
	mu      sync.Mutex
	history history
	rev     Revision      // of the newest change
	wake    chan struct{} // closed at the next change; nil while no watcher waits
	waiting int
	gaps    int64
	closed  bool
}

// publish records changes and wakes the watchers.
func (f *feed) publish(cs ...change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range cs {
		f.history.add(c)
		f.rev = c.rev
	}
	f.wakeUp()
}

func (f *feed) wakeUp() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// skip forgets the changes so far, because one came that belongs before them, and
// goes on at a revision: every watcher gets a gap.
func (f *feed) skip(rev Revision) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.history = history{max: f.history.max, maxBytes: f.history.maxBytes, lost: rev}
	f.rev = rev
	f.wakeUp()
}

// close ends the watchers and frees the history.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed, f.history = true, history{}
	f.wakeUp()
}

// watchScan is how many changes of other prefixes a watcher skips before it lets
// go of the lock.
const watchScan = 256

// watch is [Store.Watch].
func (f *feed) watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for at := after; ; {
			ev, next, wake, err := f.next(ctx, prefix, at)
			at = next
			switch {
			case err != nil:
				yield(Event{}, err)
				return
			case ev.Kind != 0:
				if !yield(ev, nil) {
					return
				}
			case wake != nil:
				select {
				case <-wake:
				case <-ctx.Done():
				}
				f.mu.Lock()
				f.waiting--
				f.mu.Unlock()
			}
		}
	}
}

// next returns the next event of prefix after a revision, or a channel to wait
// for, or neither when there is more to skip; and the revision to go on from.
func (f *feed) next(ctx context.Context, prefix string, at Revision) (Event, Revision, <-chan struct{}, error) {
	if err := ctx.Err(); err != nil {
		return Event{}, at, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return Event{}, at, nil, ErrClosed
	}
	if at < f.history.lost || at > f.rev {
		f.gaps++
		at = f.rev // the watcher lists now, older changes would tell it nothing
		return Event{Kind: EventGap, Entry: Entry{Revision: at}}, at, nil, nil
	}
	for range watchScan {
		c, ok := f.history.after(at)
		if !ok {
			if f.wake == nil {
				f.wake = make(chan struct{})
			}
			f.waiting++
			return Event{}, at, f.wake, nil
		}
		at = c.rev
		if strings.HasPrefix(c.key, prefix) {
			return Event{Kind: c.kind, Entry: Entry{
				Key: c.key, Value: bytes.Clone(c.value), Revision: c.rev, Expires: c.expires, Origin: c.origin, Written: writtenOf(c.written),
			}}, at, nil, nil
		}
	}
	return Event{}, at, nil, nil
}
