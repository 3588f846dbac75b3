package ds104

import (
	"context"
	stderrors "errors"
	"fmt"
	"iter"
	"sync"
)

// LogOptions configure a [Log]. Nil means the zero value, and the zero value means
// defaults.
type LogOptions struct {
	// MaxEntries and MaxBytes (of keys and values together) are where Put begins to
	// return ErrFull; 0 = DefaultMaxEntries and DefaultMaxBytes. All of it is in memory;
	// on the disk it takes up to three times as much, and twelve segments.
	MaxEntries int
	MaxBytes   int64
	// MaxOriginBytes is that of MemoryOptions.
	MaxOriginBytes int64
	// History and HistoryBytes bound the changes kept for watchers, in memory: a
	// watcher that resumes over a restart gets EventGap.
	// 0 = DefaultHistory and DefaultHistoryBytes.
	History      int
	HistoryBytes int64
	// MaxValue is the largest value in bytes, at most MaxMaxValue; 0 = MaxValue.
	MaxValue int
	// Side makes the store one side of a Pair: deletions are remembered, and its
	// revisions never equal those of the other side.
	Side Side
	// Key, when set, encrypts everything in the files, keys of entries included, with
	// AES-256 in GCM: 32 bytes. Files keep for ever what they were made with: OpenLog
	// returns ErrKey for another key, for one where none is needed and for none where
	// one is.
	Key []byte
	// SegmentSize is the size that files of changes grow to, in bytes, from one a
	// thirty-second of it; 64 kB to 1 GB, 0 = 32 MB.
	SegmentSize int64
}

func (o *LogOptions) validate() error {
	if o.SegmentSize != 0 && (o.SegmentSize < 64<<10 || o.SegmentSize > 1<<30) {
		return fmt.Errorf("ds104: option SegmentSize=%d: must be between 65536 and 1073741824", o.SegmentSize)
	}
	return nil
}

// LogStats is a snapshot of a [Log]. The counters of MemoryStats run since it was
// opened.
type LogStats struct {
	MemoryStats
	DiskSize int64 // of all files
	LogBytes int64 // of changes since the last base
	Flushes  int64 // the writers of one moment share one
	Bases    int64 // written since it was opened
}

// Log is a [Store] in memory that writes every change to files in a directory, and
// reads them when it is opened. What Put or Delete has acknowledged is on the disk and
// survives a crash of the process and of the machine; nobody, watchers included, learns
// of a change before it is. Writers that come while a flush is under way share the next
// one, and a flush costs the disk one write into a file whose room was taken before.
//
// From time to time it writes a base, which is everything that it holds, and uses the
// files of older changes again. That happens in the background.
//
// When the disk is full, writes are refused with the error of the file system and
// nothing has changed. When a write to the disk fails, nobody knows what the disk has:
// the store fails for good, every call returns the error, Done is closed, and a Server
// that offers it ends. OpenLog then finds what was acknowledged.
//
// [Bolt] is the other store in a file: slower by far, but it holds more than fits into
// memory.
type Log struct {
	mem    *Memory
	j      *journal
	dir    *logDir
	clock  clock // of the moments in the files; set by OpenLog
	seen   int64 // newest moment in the files; of OpenLog
	failed chan struct{}

	compacting sync.Mutex
	due        chan struct{} // capacity 1: look whether a base is due
	ctx        context.Context
	cancel     context.CancelFunc
	wg         sync.WaitGroup
	closeOnce  sync.Once
	closeErr   error

	mu       sync.Mutex
	bases    int64
	base     uint64 // the newest
	segments int    // that are complete, since the base
}

var _ Replica = (*Log)(nil)

// Get implements [Store].
func (l *Log) Get(ctx context.Context, key string) (Entry, error) {
	e, seq, err := l.mem.get(ctx, key)
	return e, l.settle(ctx, seq, err)
}

// settle waits until what an answer depends on is on the disk.
func (l *Log) settle(ctx context.Context, seq uint64, err error) error {
	if lost := l.j.wait(ctx, seq); lost != nil {
		return lost
	}
	return err
}

// Put implements [Store]. It returns when the value is on the disk. When ctx ends
// before, the value may or may not be written.
func (l *Log) Put(ctx context.Context, key string, value []byte, o PutOptions) (Revision, error) {
	if err := checkPut(len(key), len(value), l.mem.opts.MaxValue, &o); err != nil {
		return 0, err
	}
	rev, seq, err := l.mem.put(ctx, key, append(make([]byte, 0, len(value)), value...), o)
	if err := l.settle(ctx, seq, err); err != nil {
		return 0, err
	}
	return rev, nil
}

// Delete implements [Store].
func (l *Log) Delete(ctx context.Context, key string, at Revision) error {
	_, err := l.Remove(ctx, key, at)
	return err
}

// Remove implements [Replica].
func (l *Log) Remove(ctx context.Context, key string, at Revision) (Revision, error) {
	rev, seq, err := l.mem.delete(ctx, key, at)
	if err := l.settle(ctx, seq, err); err != nil {
		return 0, err
	}
	return rev, nil
}

// List implements [Store].
func (l *Log) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return l.mem.List(ctx, prefix)
}

func (l *Log) listFrom(ctx context.Context, prefix, from string) iter.Seq2[Entry, error] {
	return l.mem.listFrom(ctx, prefix, from)
}

// Watch implements [Store].
func (l *Log) Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Event, error] {
	return l.mem.Watch(ctx, prefix, after)
}

// Apply implements [Replica].
func (l *Log) Apply(ctx context.Context, items []Item) (int, error) {
	n, err := l.mem.Apply(ctx, items)
	return n, l.settle(ctx, l.j.last(), err)
}

// Digest implements [Replica].
func (l *Log) Digest(ctx context.Context) (Digest, error) {
	d, err := l.mem.Digest(ctx)
	return d, l.settle(ctx, l.j.last(), err)
}

// Scan implements [Replica].
func (l *Log) Scan(ctx context.Context, b *BucketSet, cursor string) ([]Item, string, error) {
	items, next, err := l.mem.Scan(ctx, b, cursor)
	return items, next, l.settle(ctx, l.j.last(), err)
}

// Advance makes the next revision one after rev.
func (l *Log) Advance(ctx context.Context, rev Revision) error {
	err := l.mem.Advance(ctx, rev)
	return l.settle(ctx, l.j.last(), err)
}

// Origins returns the n origins with the most bytes, the largest first.
func (l *Log) Origins(n int) []OriginUse { return l.mem.Origins(n) }

// Dir returns the directory.
func (l *Log) Dir() string { return l.dir.path }

// Done is closed when the store has failed for good. It still has to be closed.
func (l *Log) Done() <-chan struct{} { return l.failed }

// Err returns why the store has failed, nil while it has not.
func (l *Log) Err() error {
	select {
	case <-l.failed:
		return l.j.failed()
	default:
		return nil
	}
}

// Stats returns a snapshot.
func (l *Log) Stats() LogStats {
	s := LogStats{MemoryStats: l.mem.Stats(), DiskSize: l.dir.diskSize()}
	l.j.mu.Lock()
	s.LogBytes, s.Flushes = l.j.logBytes, l.j.flushes
	l.j.mu.Unlock()
	l.mu.Lock()
	s.Bases = l.bases
	l.mu.Unlock()
	return s
}

// Close writes what was accepted, ends all watchers with ErrClosed and closes the
// files. It may be called again.
func (l *Log) Close() error {
	l.closeOnce.Do(func() {
		l.mem.stop()
		l.cancel()
		l.wg.Wait()
		err := l.j.close()
		if cur := l.j.cur; cur.off == segmentHead && cur.number != l.base {
			l.dir.recycle(cur.number) // nothing was written
		}
		l.closeErr = stderrors.Join(err, l.mem.Close(), l.dir.close())
	})
	return l.closeErr
}
