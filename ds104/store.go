package ds104

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"
)

// Errors of a [Store]. Compare with errors.Is.
var (
	// ErrNotFound: the key has no value, or its time to live has passed.
	ErrNotFound = errors.New("ds104: not found")
	// ErrRevision: a conditional Put or Delete found another revision. Nothing was changed.
	ErrRevision = errors.New("ds104: revision does not match")
	// ErrFull: the store is at a configured limit. Nothing was changed.
	ErrFull = errors.New("ds104: store is full")
	// ErrTooLarge: the key or the value is above the store's limit.
	ErrTooLarge = errors.New("ds104: key or value too large")
	// ErrInvalid: an empty key, a negative TTL, or IfRevision together with IfAbsent.
	ErrInvalid = errors.New("ds104: invalid key or options")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("ds104: store is closed")
)

// Limits that every store keeps. A store may have further ones, see ErrFull.
const (
	// MaxKey is the longest key in bytes. A key is any text of at least one byte.
	MaxKey = 512
	// MaxValue is the longest value in bytes, unless a store has another limit.
	MaxValue = 1 << 20
	// MaxMaxValue is the highest limit that a store can be given.
	MaxMaxValue = 64 << 20
	// MaxOrigin is how much of an origin is kept, in bytes.
	MaxOrigin = 128
)

// Revision numbers the changes of a store. It grows with every change, also when
// an entry expires; a key's revision is that of its last change. Revisions need
// not be consecutive. Zero is no revision.
type Revision uint64

// Entry is one key with its value. The value belongs to the caller.
type Entry struct {
	// Key has 1 to MaxKey bytes; Value may be empty.
	Key   string
	Value []byte
	// Revision is that of its last change.
	Revision Revision
	// Expires is when the entry vanishes; zero means never. time.Until tells how long
	// that is, also after the clock of the machine has jumped.
	Expires time.Time
	// Origin is who wrote the entry; see PutOptions.
	Origin string
	// Written is when the entry was last written, in UTC by the clock of the store that
	// took the write: of a pair the side that decided. It is for people and never
	// compared; zero when it is not known, as of entries of an older version, and of
	// deletions.
	Written time.Time
}

// PutOptions qualify [Store.Put]. The zero value writes unconditionally and for ever.
type PutOptions struct {
	// TTL is how long the entry lives, counted from the Put; zero means for ever.
	TTL time.Duration
	// IfRevision writes only when the key is at this revision; see also IfAbsent.
	IfRevision Revision
	// IfAbsent writes only when the key has no value. It excludes IfRevision.
	IfAbsent bool
	// Origin says who writes, for people who look at the entry: at most MaxOrigin
	// bytes, cut off. A Server puts the name of its client here.
	Origin string

	written int64 // Entry.Written in nanoseconds since 1970; 0 = now
	applied bool  // from the other side or a snapshot: MaxOriginBytes counts it and does not refuse it
}

// writtenOf returns an Entry.Written from nanoseconds since 1970, 0 = not known.
func writtenOf(nanos int64) time.Time {
	if nanos <= 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// nanosOf is the reverse of writtenOf. A moment that does not fit is not known.
func nanosOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixNano(), 0)
}

// EventKind says what a watched change is.
type EventKind int

// Kinds of [Event].
const (
	// EventPut: the entry was written.
	EventPut EventKind = iota + 1
	// EventDelete: the entry was deleted or expired; Entry has key and revision.
	EventDelete
	// EventGap: changes that were asked for are lost; the watcher has to List
	// again. Entry.Revision is where it goes on: every change after it follows.
	EventGap
)

// String returns "put", "delete" or "gap".
func (k EventKind) String() string {
	switch k {
	case EventPut:
		return "put"
	case EventDelete:
		return "delete"
	case EventGap:
		return "gap"
	}
	return "EventKind(" + strconv.Itoa(int(k)) + ")"
}

// Event is one change seen by [Store.Watch].
type Event struct {
	Kind EventKind
	// Entry is the one that changed; see the kinds for what of it is set.
	Entry Entry
}

// Store keeps values under keys. All methods are safe for concurrent use. They
// return the error of a context that has ended and ErrClosed after the store was
// closed; a single operation is atomic, and once it returned every caller sees it.
type Store interface {
	// Get returns the value of key. Errors: ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes a copy of value and returns its revision. A refused Put changes
	// nothing. Errors: ErrInvalid, ErrTooLarge, ErrRevision, ErrFull.
	Put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error)
	// Delete removes the key, only at the given revision unless that is zero.
	// Deleting an absent key is no error when the revision is zero and
	// ErrRevision otherwise.
	Delete(ctx context.Context, key string, at Revision) error
	// List yields the entries whose keys begin with prefix, in the byte order of
	// the keys. An entry that exists all the time is yielded exactly once; one that
	// is written or deleted meanwhile may or may not be seen. The loop body may use
	// the store. The sequence ends after the first error.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// Watch yields the changes of keys that begin with prefix after the given
	// revision, in order and each once, and waits for further ones. It ends with one
	// error: that of ctx, or ErrClosed. What the store does not remember any more,
	// or a revision that it never had, is reported as EventGap. Start with revision
	// zero: either everything is replayed, or a gap tells to List.
	Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Event, error]
}
