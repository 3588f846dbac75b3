// Package ds104 is the data store: what must survive a restart or a change of
// instance goes through a [Store] and nothing else remembers it.
package ds104

import (
	"context"
	"errors"
	"iter"
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
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("ds104: store is closed")
)

// Revision numbers the changes of a store. It grows with every change; a key's
// revision is that of its last change. Zero is no revision.
type Revision uint64

// Entry is one key with its value. The value belongs to the caller.
type Entry struct {
	Key      string
	Value    []byte
	Revision Revision
	// Expires is when the entry vanishes; zero means never.
	Expires time.Time
}

// PutOptions qualify [Store.Put]. The zero value writes unconditionally and for ever.
type PutOptions struct {
	// TTL is how long the entry lives, counted from the Put; zero means for ever.
	TTL time.Duration
	// IfRevision writes only when the key is at this revision; see also IfAbsent.
	IfRevision Revision
	// IfAbsent writes only when the key has no value. It excludes IfRevision.
	IfAbsent bool
}

// EventKind says what a watched change is.
type EventKind int

// Kinds of [Event].
const (
	// EventPut: the entry was written.
	EventPut EventKind = iota + 1
	// EventDelete: the entry was deleted or expired; Entry has key and revision.
	EventDelete
	// EventGap: changes between the requested and the first known revision are
	// lost; the watcher has to List again. Entry.Revision is where it goes on.
	EventGap
)

// Event is one change seen by [Store.Watch].
type Event struct {
	Kind  EventKind
	Entry Entry
}

// Store keeps values under keys. All methods are safe for concurrent use and
// honour their context.
type Store interface {
	// Get returns the value of key, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes the value and returns its revision. Errors: ErrRevision,
	// ErrFull, ErrTooLarge.
	Put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error)
	// Delete removes the key, only at the given revision unless that is zero.
	// Deleting an absent key is no error when the revision is zero.
	Delete(ctx context.Context, key string, at Revision) error
	// List yields the entries whose keys begin with prefix, in key order. The
	// sequence ends after the first error.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// Watch yields the changes of keys that begin with prefix after the given
	// revision, in order, until ctx ends or the store closes.
	Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Event, error]
}
