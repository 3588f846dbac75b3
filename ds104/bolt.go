package ds104

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/binary"
	stderrors "errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
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
	// MaxOriginBytes (of keys and values together) is how much may be stored under one
	// origin, which on a Server is one name of a client, before its Put returns
	// ErrQuota; 0 = no limit. An entry counts for the origin that wrote it last. What
	// the other side of a pair or a snapshot brings is counted, but never refused.
	MaxOriginBytes int64
	// History and HistoryBytes bound the changes kept for watchers, in memory: a
	// watcher that resumes over a restart gets EventGap.
	// 0 = DefaultHistory and DefaultHistoryBytes.
	History      int
	HistoryBytes int64
	// LockTimeout is how long OpenBolt waits for another process to let go of the
	// file; 0 = one second.
	LockTimeout time.Duration
	// MaxValue is the largest value in bytes, at most MaxMaxValue; 0 = MaxValue.
	MaxValue int
	// Side makes the store one side of a Pair: deletions are remembered, and its
	// revisions never equal those of the other side.
	Side Side
	// Key, when set, encrypts the values in the file with AES-256 in GCM: 32 bytes.
	// Keys of entries, revisions and times stay readable. A file keeps for ever what
	// it was made with: OpenBolt returns ErrKey for another key, for one where none is
	// needed and for none where one is.
	Key []byte
}

// BoltStats is a snapshot of a [Bolt]. The counters run since it was opened.
type BoltStats struct {
	Entries  int      // now
	Bytes    int64    // of keys and values
	Revision Revision // of the last change
	FileSize int64    // bytes
	Puts     int64    // that changed something
	Deletes  int64    // that changed something, without Expired
	Expired  int64    // entries whose time to live passed
	Refused  int64    // ErrRevision
	Full     int64    // ErrFull, without Quota
	Quota    int64    // ErrQuota
	Commits  int64    // flushes to the disk; the writers of one moment share one
	Failed   int64    // commits that failed, for example because the disk is full
}

// Bolt is a [Store] in one file (go.etcd.io/bbolt). What Put or Delete has
// acknowledged is on the disk and survives a crash of the process and of the
// machine; nobody, watchers included, learns of a change before it is. Writers that come
// while a flush is under way share the next one.
//
// Times to live run by the time that passes while the file is open, and by the clock of
// the machine while it is not. When that went back meanwhile, the time in which the file
// was closed does not count; when it went ahead, entries end as if as much time had passed.
type Bolt struct {
	db    *bolt.DB
	opts  BoltOptions
	feed  feed
	seal  cipher.AEAD   // nil: values are in the file as they are; set once
	clock clock         // set once
	kick  chan struct{} // capacity 1: the writer has something to do
	done  chan struct{} // closed when the writer has ended
	known atomic.Uint64 // transaction that is on the disk, and told to watchers

	mu      sync.Mutex // guards what follows
	queue   []*boltOp
	closed  bool
	stats   BoltStats     // Entries, Bytes, Revision as of the last commit
	sums    sums          // nil until Digest is called
	landing chan struct{} // closed when the commit under way has ended; nil: there is none
	lost    error         // of the last commit; nil: it did not fail
}

var _ Store = (*Bolt)(nil)

var (
	bucketMeta   = []byte("meta")
	bucketData   = []byte("data")
	bucketExpiry = []byte("expiry")
	keyVersion   = []byte("version")
	keyCounts    = []byte("counts") // revision, entries, bytes
	keyClock     = []byte("clock")  // time of the last commit, or of Close
	keySealed    = []byte("sealed") // a known text, encrypted, when values are
	bucketTombs  = []byte("tombs")
	// bucketTombOrder has time and key of the deletions that are remembered.
	bucketTombOrder = []byte("tombOrder")
)

// boltVersion is the format of the file. In version 1 entries had no time of writing;
// those that are still in a file of version 2 are read as they are.
const boltVersion = 2

// maxBatch bounds how many operations share one commit, maxBatchBytes how much
// they write; an operation alone may be larger.
const (
	maxBatch      = 4096
	maxBatchBytes = 32 << 20
)

// opKind says what a boltOp does.
type opKind uint8

const (
	opPut opKind = iota
	opDelete
	opApply
	opAdvance
	opSums
)

// boltOp is a Put or Delete on its way to the writer.
type boltOp struct {
	kind  opKind
	items []Item // of opApply
	count int    // how many of items were newer
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
	m := MemoryOptions{MaxValue: b.opts.MaxValue, Side: b.opts.Side, MaxEntries: b.opts.MaxEntries, MaxBytes: b.opts.MaxBytes, MaxOriginBytes: b.opts.MaxOriginBytes, History: b.opts.History, HistoryBytes: b.opts.HistoryBytes}
	if err := m.validate(); err != nil {
		return nil, err
	}
	m.setDefaults()
	b.opts.MaxEntries, b.opts.MaxBytes, b.opts.MaxValue = m.MaxEntries, m.MaxBytes, m.MaxValue
	if b.opts.LockTimeout <= 0 {
		b.opts.LockTimeout = time.Second
	}
	if err := b.setKey(); err != nil {
		return nil, err
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
	for _, name := range [][]byte{bucketMeta, bucketData, bucketExpiry, bucketTombs, bucketTombOrder} {
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
	} else if v[0] < boltVersion {
		if err := meta.Put(keyVersion, []byte{boltVersion}); err != nil {
			return errors.Wrap(err, "upgrade")
		}
	}
	if err := b.checkKey(meta); err != nil {
		return err
	}
	if err := b.prepareOrigins(tx); err != nil {
		return errors.WithMessage(err, "count")
	}
	seen := int64(0)
	if c := meta.Get(keyClock); len(c) == 8 {
		seen = int64(binary.BigEndian.Uint64(c))
	}
	b.clock = newClock(time.Now(), seen)
	b.known.Store(uint64(tx.ID()))
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

func (b *Bolt) dead(expires int64) bool { return expires != 0 && expires <= b.clock.now() }

// view reads. It returns when what it has read is on the disk.
func (b *Bolt) view(ctx context.Context, f func(tx *bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	id := uint64(0)
	err := b.db.View(func(tx *bolt.Tx) error {
		id = uint64(tx.ID())
		return f(tx)
	})
	if err := b.settle(ctx, id); err != nil {
		return err
	}
	return b.closedErr(err)
}

func (b *Bolt) closedErr(err error) error {
	if stderrors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// Get implements [Store].
func (b *Bolt) Get(ctx context.Context, key string) (e Entry, err error) {
	err = b.view(ctx, func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketData).Get([]byte(key))
		if key == "" || v == nil {
			return ErrNotFound
		}
		var expires int64
		if e, expires, err = b.entry([]byte(key), v); err == nil && b.dead(expires) {
			e, err = Entry{}, ErrNotFound
		}
		return err
	})
	return e, err
}

// List implements [Store].
func (b *Bolt) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return b.listFrom(ctx, prefix, prefix)
}

func (b *Bolt) listFrom(ctx context.Context, prefix, begin string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		page := make([]Entry, 0, listPage)
		for from := []byte(max(begin, prefix)); from != nil; {
			page = page[:0]
			next := []byte(nil)
			err := b.view(ctx, func(tx *bolt.Tx) error {
				c := tx.Bucket(bucketData).Cursor()
				for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
					if len(page) == listPage {
						next = bytes.Clone(k)
						return nil
					}
					e, expires, err := b.entry(k, v)
					if err != nil {
						return err
					}
					if !b.dead(expires) {
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
	if err := checkPut(len(key), len(value), b.opts.MaxValue, &o); err != nil {
		return 0, err
	}
	return b.do(ctx, &boltOp{key: []byte(key), value: bytes.Clone(value), o: o, done: make(chan struct{})})
}

// Delete implements [Store].
func (b *Bolt) Delete(ctx context.Context, key string, at Revision) error {
	_, err := b.Remove(ctx, key, at)
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
	_ = b.db.Update(func(tx *bolt.Tx) error { // else the clock is that of the last commit
		return tx.Bucket(bucketMeta).Put(keyClock, binary.BigEndian.AppendUint64(nil, uint64(b.clock.now())))
	})
	return errors.Wrap(b.db.Close(), "ds104: close")
}

// Compact writes the file anew, without the room that deleted entries have left, to
// another file, which OpenBolt opens. The store can be used meanwhile.
func (b *Bolt) Compact(path string) error {
	to, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: b.opts.LockTimeout, NoSync: true})
	if err != nil {
		return errors.Wrap(err, "ds104: compact")
	}
	err = bolt.Compact(to, b.db, 4<<20)
	if err == nil {
		err = to.Sync()
	}
	return errors.Wrap(stderrors.Join(err, to.Close()), "ds104: compact")
}
