package ds104

import (
	"context"
	"crypto/cipher"
	stderrors "errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/errors"
)

// maxJournal is how many bytes of records may wait for a flush before writers wait.
const maxJournal = 32 << 20

// journal is the way of the changes of a Memory to the disk. Changes are made in memory
// and appended here at once, in one order; whoever saw a change waits for its flush
// before he tells anybody, so that nothing is known to the world that a crash undoes.
// One goroutine, run, writes what has come together; a few flushes are under way at once.
type journal struct {
	dir   *logDir
	seal  cipher.AEAD
	feed  *feed
	clock clock         // of the moments in the files
	kick  chan struct{} // capacity 1: something is to be flushed
	ended chan struct{} // closed when run has returned

	durable atomic.Uint64 // seq of the last record on the disk

	mu       sync.Mutex // guards what follows; taken with or without Memory.mu, never before it
	seq      uint64     // of the last record
	parts    []part     // of the next flush
	waiting  int        // bytes in parts
	changes  []change   // for watchers, of the next flush
	batch    *batch     // of the next flush
	flying   []*batch   // that are being flushed, in their order
	crowd    int        // records of the last one that took off
	flown    *segment   // that it was written to
	cur      *segment   // that takes records
	next     *segment   // that is ready to follow; nil: in the making, or see noRoom
	making   bool
	wanted   int64         // size that a record needs which waits for room
	noRoom   error         // why no segment could be made when one was needed,
	noRoomAt time.Time     // and when
	tired    bool          // one that was not yet needed could not be made
	full     []*segment    // that take no more records, until all of theirs are on the disk
	moved    chan struct{} // closed when next, noRoom or waiting has changed
	lag      bool          // the revision went on without a record
	err      error         // why the store has failed
	closing  bool
	spare    []byte // a buffer for parts
	scratch  []byte // for encryption; only run uses it
	flushes  int64
	logBytes int64  // of blocks since the last base
	rotated  func() // a segment is complete
	starved  func() // there is no room for another one
}

// part is what one flush brings to one segment.
type part struct {
	seg   *segment
	buf   []byte // room for the head of a block, then records
	seq   uint64
	count int
}

// batch is one flush and those that wait for it.
type batch struct {
	last     uint64        // seq of its last record; guarded by journal.mu
	done     chan struct{} // closed when it is on the disk, or has failed
	finished bool          // guarded by journal.mu
	outs     []*outbox     // that hold answers
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// put, remove, tomb and advance take a record over and return its seq. Room was asked
// for under the same Memory.mu. An expiry does not ask: where there is no room it is not
// written, because whoever reads the files later finds the same; only the revision is.

func (j *journal) put(it *item) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.begin(len(it.key) + len(it.value) + len(it.origin.Origin))
	return j.end(p, appendPut(p.buf, it, j.clock))
}

func (j *journal) remove(key string, rev Revision) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.roomFor(len(key)) != nil {
		j.lag = true
		return j.seq
	}
	p := j.begin(len(key))
	return j.end(p, appendRemove(p.buf, key, rev))
}

func (j *journal) tomb(key string, t tomb) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.begin(len(key))
	return j.end(p, appendTomb(p.buf, key, t, j.clock))
}

func (j *journal) advance(rev Revision) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.begin(0)
	return j.end(p, appendNumber(p.buf, recAdvance, uint64(rev)))
}

// begin returns where a record goes whose texts have n bytes. Caller holds mu.
func (j *journal) begin(n int) *part {
	if j.cur.left < int64(n+recordRoom+recordOverhead) && j.next != nil {
		j.full = append(j.full, j.cur)
		j.cur, j.next = j.next, nil
		j.cur.start = j.seq
	}
	return j.part()
}

// end takes over what was appended to a part. Caller holds mu.
func (j *journal) end(p *part, buf []byte) uint64 {
	size := len(buf) - len(p.buf)
	p.buf = buf
	j.cur.left -= int64(size + recordOverhead)
	j.waiting += size
	j.seq++
	p.seq, j.batch.last = j.seq, j.seq
	p.count++
	return j.seq
}

// last returns the seq of the last record.
func (j *journal) last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// part returns the part of the next flush that belongs to cur. Caller holds mu.
func (j *journal) part() *part {
	if n := len(j.parts); n > 0 && j.parts[n-1].seg == j.cur {
		return &j.parts[n-1]
	}
	buf := j.spare
	j.spare = nil
	if buf == nil {
		buf = make([]byte, 0, 64<<10)
	}
	j.parts = append(j.parts, part{seg: j.cur, buf: append(buf[:0], make([]byte, blockHead)...)})
	return &j.parts[len(j.parts)-1]
}

// change queues what watchers see after the next flush.
func (j *journal) change(c change) {
	j.mu.Lock()
	j.changes = append(j.changes, c)
	j.lag = j.lag || c.kind == 0 // a gap has a revision without a record
	j.mu.Unlock()
}

// flush has run look.
func (j *journal) flush() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// of returns the flush that a record belongs to; nil when it is on the disk.
func (j *journal) of(seq uint64) *batch {
	if seq <= j.durable.Load() {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if seq <= j.durable.Load() { // meanwhile
		return nil
	}
	for _, b := range j.flying {
		if seq <= b.last {
			return b
		}
	}
	return j.batch
}

// wait waits until a record is on the disk. When ctx ends before, it may or may not
// come there.
func (j *journal) wait(ctx context.Context, seq uint64) error {
	if seq <= j.durable.Load() {
		return nil
	}
	j.flush()
	select {
	case <-j.of(seq).orDone():
	case <-ctx.Done():
		return ctx.Err()
	}
	if seq <= j.durable.Load() {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (b *batch) orDone() <-chan struct{} {
	if b == nil {
		return closedChan
	}
	return b.done
}

// release has an outbox told of the end of a flush; nil is one that has ended.
func (j *journal) release(o *outbox, b *batch) {
	j.mu.Lock()
	if b == nil || b.finished {
		err := j.err
		j.mu.Unlock()
		o.release(j.durable.Load(), err)
		return
	}
	b.outs = append(b.outs, o)
	j.mu.Unlock()
}

// failed returns why the store has failed.
func (j *journal) failed() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// close flushes what was appended, and stops.
func (j *journal) close() error {
	j.mu.Lock()
	again := j.closing
	j.closing = true
	j.mu.Unlock()
	j.flush()
	<-j.ended
	if again {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.making {
		moved := j.moved
		j.mu.Unlock()
		<-moved
		j.mu.Lock()
	}
	err := j.err
	if j.err == nil {
		j.err = ErrClosed
	}
	if j.next != nil {
		j.dir.putSpare(j.next)
	}
	return stderrors.Join(err, errors.Wrap(j.cur.f.Close(), "ds104: close"))
}
