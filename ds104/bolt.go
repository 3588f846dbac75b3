package ds104

import (
	"bytes"
	"context"
	"encoding/binary"
	stderrors "errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrVersion: the file was written by a newer version of this package.
var ErrVersion = stderrors.New("ds104: file of a newer version")

// ErrLocked: another process has the file open.
var ErrLocked = stderrors.New("ds104: file is in use by another process")

// BoltOptions configure a [Bolt]. Nil means the zero value, and the zero value
// means defaults.
type BoltOptions struct {
	// MaxEntries and MaxBytes (of keys and values together) are where Put begins
	// to return ErrFull; 0 = DefaultMaxEntries and DefaultMaxBytes.
	MaxEntries int
	MaxBytes   int64
	// History and HistoryBytes bound the changes kept for watchers, in memory: a
	// watcher that resumes over a restart gets EventGap.
	// 0 = DefaultHistory and DefaultHistoryBytes.
	History      int
	HistoryBytes int64
	// LockTimeout is how long OpenBolt waits for another process to let go of the
	// file; 0 = one second.
	LockTimeout time.Duration
}

// BoltStats is a snapshot of a [Bolt]. The counters run since it was opened.
type BoltStats struct {
	Entries  int
	Bytes    int64 // of keys and values
	Revision Revision
	FileSize int64
	Puts     int64
	Deletes  int64
	Expired  int64
	Refused  int64 // ErrRevision
	Full     int64 // ErrFull
	Commits  int64 // flushes to the disk; the writers of one moment share one
	Failed   int64 // commits that failed, for example because the disk is full
}

// Bolt is a [Store] in one file (go.etcd.io/bbolt). What Put or Delete has
// acknowledged is on the disk and survives a crash of the process and of the
// machine. Writers that come while a flush is under way share the next one.
type Bolt struct {
	db   *bolt.DB
	opts BoltOptions
	feed feed

	mu     sync.Mutex // guards what follows
	queue  []*boltOp
	closed bool
	kick   chan struct{} // capacity 1: the writer has something to do
	stats  BoltStats     // Entries, Bytes, Revision as of the last commit
	done   chan struct{} // closed when the writer has ended
}

var _ Store = (*Bolt)(nil)

var (
	bucketMeta   = []byte("meta")
	bucketData   = []byte("data")
	bucketExpiry = []byte("expiry")
	keyVersion   = []byte("version")
	keyCounts    = []byte("counts") // revision, entries, bytes
)

const boltVersion = 1

// maxBatch bounds how many operations share one commit, maxBatchBytes how much
// they write; an operation alone may be larger.
const (
	maxBatch      = 4096
	maxBatchBytes = 32 << 20
)

// boltOp is a Put or Delete on its way to the writer.
type boltOp struct {
	del   bool
	key   []byte
	value []byte
	o     PutOptions // IfRevision also for Delete
	rev   Revision
	err   error
	done  chan struct{}
}

// OpenBolt opens or creates the file. nil options mean defaults. Errors:
// ErrVersion, ErrLocked, those of the file system, and a description of what is
// broken in a damaged file.
func OpenBolt(path string, o *BoltOptions) (*Bolt, error) {
	b := &Bolt{kick: make(chan struct{}, 1), done: make(chan struct{})}
	if o != nil {
		b.opts = *o
	}
	m := MemoryOptions{MaxEntries: b.opts.MaxEntries, MaxBytes: b.opts.MaxBytes, History: b.opts.History, HistoryBytes: b.opts.HistoryBytes}
	if err := m.validate(); err != nil {
		return nil, err
	}
	m.setDefaults()
	b.opts.MaxEntries, b.opts.MaxBytes = m.MaxEntries, m.MaxBytes
	if b.opts.LockTimeout <= 0 {
		b.opts.LockTimeout = time.Second
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: b.opts.LockTimeout, FreelistType: bolt.FreelistMapType})
	if stderrors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, errors.Wrapf(err, "ds104: open %s", path)
	}
	b.db = db
	if err := db.Update(b.prepare); err != nil {
		db.Close()
		return nil, errors.WithMessagef(err, "ds104: open %s", path)
	}
	b.feed.history = history{max: m.History, maxBytes: m.HistoryBytes, lost: b.stats.Revision}
	b.feed.rev = b.stats.Revision
	go b.write()
	return b, nil
}

// prepare makes the buckets of a new file and reads the counts of an old one.
func (b *Bolt) prepare(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketData, bucketExpiry} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return errors.Wrap(err, "create")
		}
	}
	meta := tx.Bucket(bucketMeta)
	if v := meta.Get(keyVersion); v == nil {
		if err := meta.Put(keyVersion, []byte{boltVersion}); err != nil {
			return errors.Wrap(err, "create")
		}
	} else if len(v) != 1 || v[0] > boltVersion {
		return ErrVersion
	}
	c := meta.Get(keyCounts)
	if c == nil {
		return nil
	}
	if len(c) != 24 {
		return fmt.Errorf("counts have %d bytes, want 24", len(c))
	}
	b.stats.Revision = Revision(binary.BigEndian.Uint64(c))
	b.stats.Entries = int(binary.BigEndian.Uint64(c[8:]))
	b.stats.Bytes = int64(binary.BigEndian.Uint64(c[16:]))
	return nil
}

// A stored value begins with its revision and expiry (nanoseconds, 0 = never).
const boltHead = 16

func unpack(v []byte) (rev Revision, expires int64, value []byte, err error) {
	if len(v) < boltHead {
		return 0, 0, nil, stderrors.New("ds104: damaged entry")
	}
	return Revision(binary.BigEndian.Uint64(v)), int64(binary.BigEndian.Uint64(v[8:])), v[boltHead:], nil
}

func dead(expires, now int64) bool { return expires != 0 && expires <= now }

func expiryOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}

// entryOf copies a stored value out of the mapped file.
func entryOf(key, v []byte) (Entry, int64, error) {
	rev, expires, value, err := unpack(v)
	if err != nil {
		return Entry{}, 0, err
	}
	return Entry{Key: string(key), Value: bytes.Clone(value), Revision: rev, Expires: expiryOf(expires)}, expires, nil
}

func (b *Bolt) view(ctx context.Context, f func(data *bolt.Bucket, now int64) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := b.db.View(func(tx *bolt.Tx) error { return f(tx.Bucket(bucketData), time.Now().UnixNano()) })
	if stderrors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// Get implements [Store].
func (b *Bolt) Get(ctx context.Context, key string) (e Entry, err error) {
	err = b.view(ctx, func(data *bolt.Bucket, now int64) error {
		v := data.Get([]byte(key))
		if key == "" || v == nil {
			return ErrNotFound
		}
		var expires int64
		if e, expires, err = entryOf([]byte(key), v); err == nil && dead(expires, now) {
			e, err = Entry{}, ErrNotFound
		}
		return err
	})
	return e, err
}

// List implements [Store].
func (b *Bolt) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		page := make([]Entry, 0, listPage)
		for from := []byte(prefix); from != nil; {
			page = page[:0]
			next := []byte(nil)
			err := b.view(ctx, func(data *bolt.Bucket, now int64) error {
				c := data.Cursor()
				for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
					if len(page) == listPage {
						next = bytes.Clone(k)
						return nil
					}
					e, expires, err := entryOf(k, v)
					if err != nil {
						return err
					}
					if !dead(expires, now) {
						page = append(page, e)
					}
				}
				return nil
			})
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			from = next
		}
	}
}

// Put implements [Store]. It returns when the value is on the disk. When ctx ends
// before, the value may or may not be written.
func (b *Bolt) Put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error) {
	switch {
	case key == "" || o.TTL < 0 || o.IfAbsent && o.IfRevision != 0:
		return 0, ErrInvalid
	case len(key) > MaxKey || len(value) > MaxValue:
		return 0, ErrTooLarge
	}
	return b.do(ctx, &boltOp{key: []byte(key), value: bytes.Clone(value), o: o, done: make(chan struct{})})
}

// Delete implements [Store].
func (b *Bolt) Delete(ctx context.Context, key string, at Revision) error {
	if key == "" {
		return ErrInvalid
	}
	_, err := b.do(ctx, &boltOp{del: true, key: []byte(key), o: PutOptions{IfRevision: at}, done: make(chan struct{})})
	return err
}

func (b *Bolt) do(ctx context.Context, op *boltOp) (Revision, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return 0, ErrClosed
	}
	b.queue = append(b.queue, op)
	b.mu.Unlock()
	b.wakeWriter()
	select {
	case <-op.done:
		return op.rev, op.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (b *Bolt) wakeWriter() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// Watch implements [Store].
func (b *Bolt) Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Event, error] {
	return b.feed.watch(ctx, prefix, after)
}

// Stats returns a snapshot.
func (b *Bolt) Stats() BoltStats {
	b.mu.Lock()
	s := b.stats
	b.mu.Unlock()
	_ = b.db.View(func(tx *bolt.Tx) error { s.FileSize = tx.Size(); return nil })
	return s
}

// Close writes what was accepted, ends all watchers with ErrClosed and closes the
// file. It may be called again.
func (b *Bolt) Close() error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	b.wakeWriter()
	<-b.done
	if again {
		return nil
	}
	b.feed.close()
	return errors.Wrap(b.db.Close(), "ds104: close")
}
