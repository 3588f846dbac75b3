package ds104

import (
	"context"
	"crypto/cipher"
	stderrors "errors"
	"os"
	"runtime"
	"slices"
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
// One goroutine, run, writes and flushes what has come together.
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
	flights  int        // how many they are
	crowd    int        // records of the last of them
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
	scratch  []byte // for encryption; of run
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

// errNoRoomYet: a segment is being made, or much waits for the disk; see await.
var errNoRoomYet = stderrors.New("ds104: no room yet")

// room tells whether a record of n bytes can be appended. The error is errNoRoomYet, or
// why there is no room on the disk, or why the store has failed. Caller holds
// Memory.mu, so that the room is still there when it appends.
func (j *journal) room(n int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.roomFor(n)
}

func (j *journal) roomFor(n int) error {
	need := int64(n + recordRoom + recordOverhead)
	switch {
	case j.err != nil:
		return j.err
	case j.waiting > maxJournal:
		return errNoRoomYet
	case need <= j.cur.left:
		if j.next == nil && !j.tired && j.cur.left < j.cur.size/2 {
			j.make(0)
		}
		return nil
	case j.next != nil && need <= j.next.left:
		return nil
	case j.noRoom != nil && time.Since(j.noRoomAt) < noRoomPause:
		return j.noRoom
	}
	if j.next != nil { // too small for this one
		j.dir.putSpare(j.next)
		j.next = nil
	}
	j.make(need)
	return errNoRoomYet
}

// noRoomPause is how long a full disk is believed to be full.
const noRoomPause = 100 * time.Millisecond

// make has the next segment made. Caller holds mu.
func (j *journal) make(need int64) {
	j.wanted = max(j.wanted, need)
	if j.making || j.closing {
		return
	}
	j.making = true
	go func() {
		for {
			j.mu.Lock()
			need := j.wanted
			j.mu.Unlock()
			s, err := j.dir.newSegment(need, func() bool {
				j.mu.Lock()
				defer j.mu.Unlock()
				return j.wanted > 0 || j.closing
			})
			j.mu.Lock()
			if err == nil && s.left < j.wanted && !j.closing {
				j.dir.putSpare(s)
				j.mu.Unlock()
				continue
			}
			j.next, j.tired, j.noRoom = s, err != nil, nil
			if err != nil && j.wanted > 0 {
				j.noRoom, j.noRoomAt = err, time.Now()
				j.starved()
			}
			j.making, j.wanted = false, 0
			j.stir()
			j.mu.Unlock()
			return
		}
	}()
}

// stir wakes those that wait for room. Caller holds mu.
func (j *journal) stir() {
	close(j.moved)
	j.moved = make(chan struct{})
}

// await waits until room may have another answer. quit may be nil.
func (j *journal) await(quit <-chan struct{}) {
	j.mu.Lock()
	moved := j.moved
	again := j.err != nil || !j.making && j.waiting <= maxJournal
	j.mu.Unlock()
	if again {
		return
	}
	j.flush()
	select {
	case <-moved:
	case <-quit:
	}
}

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

// Bounds of flushes that are under way together: while one waits for the disk, another
// one takes off when at least half as many records are there, so that two crowds of
// callers need not take turns.
const (
	maxFlights = 2
	minFlight  = 8
)

// run flushes until close, or until the disk fails: that is its error.
func (j *journal) run() error {
	defer close(j.ended)
	before := closedChan
	for range j.kick {
		for {
			runtime.Gosched() // who can run now may have something to add
			f := j.take()
			if f == nil {
				break
			}
			err := j.write(f.parts)
			after := before
			before = f.batch.done
			go func() {
				if err == nil {
					err = errors.Wrap(flushFile(f.last()), "ds104: flush")
				}
				<-after // in their order
				j.finish(f, err)
				j.flush() // what waited may take off
			}()
		}
		j.mu.Lock()
		over, err := j.flights == 0 && (j.closing || j.err != nil), j.err
		j.mu.Unlock()
		if over {
			return err
		}
	}
	return nil
}

// flight is a flush that is under way.
type flight struct {
	parts   []part
	changes []change
	batch   *batch
}

// last returns the file of the last part; nil when there are only changes.
func (f *flight) last() *os.File {
	if len(f.parts) == 0 {
		return nil
	}
	return f.parts[len(f.parts)-1].seg.f
}

// take begins a flush; nil when there is nothing to do, or not yet.
func (j *journal) take() *flight {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lag && j.cur.left > recordRoom+recordOverhead-segmentReserve {
		j.lag = false
		p := j.part()
		j.end(p, appendNumber(p.buf, recAdvance, uint64(j.feedEnd())))
	}
	n := 0
	for _, p := range j.parts {
		n += p.count
	}
	switch {
	case len(j.parts) == 0 && len(j.changes) == 0 || j.err != nil:
		return nil
	case j.flights == 0:
	case j.flights == maxFlights || n < max(minFlight, j.crowd/2):
		return nil
	case len(j.parts) != 1 || j.parts[0].seg != j.flown:
		return nil // a segment is complete before the next one begins
	}
	f := &flight{j.parts, j.changes, j.batch}
	f.batch.last = j.seq
	j.parts, j.changes, j.waiting = nil, nil, 0
	j.batch, j.flying = newBatch(), append(j.flying, f.batch)
	j.flights++
	if j.crowd = n; n > 0 {
		j.flown = f.parts[len(f.parts)-1].seg
	}
	j.stir()
	return f
}

// feedEnd is the revision of the last change that is queued. Caller holds mu.
func (j *journal) feedEnd() (rev Revision) {
	for _, c := range j.changes {
		rev = max(rev, c.rev)
	}
	return rev
}

// write hands parts to the disk, and waits for all but the last.
func (j *journal) write(parts []part) error {
	for i := range parts {
		p := &parts[i]
		pending := p.seq - uint64(p.count) - j.durable.Load()
		block, buf := p.seg.block(p.buf, j.scratch, p.seq, p.count, pending, j.clock.now(), j.seal)
		if j.seal != nil {
			j.scratch = buf
		}
		if err := p.seg.write(block); err != nil {
			return errors.Wrap(err, "ds104: write")
		}
		if i == len(parts)-1 {
			break
		}
		if err := flushFile(p.seg.f); err != nil {
			return errors.Wrap(err, "ds104: flush")
		}
	}
	return nil
}

// finish makes a flush known. After one that has failed all do.
func (j *journal) finish(f *flight, err error) {
	b := f.batch
	if failed := j.failed(); failed != nil {
		err = failed
	}
	if err == nil {
		j.durable.Store(b.last)
		j.publish(f.changes)
	}
	j.mu.Lock()
	if err != nil && j.err == nil {
		j.err = err
		j.batch.finished = true
		close(j.batch.done)
		b.outs = append(b.outs, j.batch.outs...)
		j.stir()
	}
	b.finished, j.flying = true, j.flying[1:]
	j.flights--
	j.flushes++
	for i := range f.parts {
		j.logBytes += int64(len(f.parts[i].buf))
		if cap(f.parts[i].buf) <= keepJournal {
			j.spare = f.parts[i].buf
		}
	}
	var over []*segment
	j.full = slices.DeleteFunc(j.full, func(s *segment) bool {
		if j.flights > 0 && s == j.flown || slices.ContainsFunc(j.parts, func(p part) bool { return p.seg == s }) {
			return false
		}
		over = append(over, s)
		return true
	})
	j.mu.Unlock()
	close(b.done)
	for _, o := range b.outs {
		o.release(b.last, err)
	}
	for _, s := range over {
		_ = s.f.Close() // its blocks are on the disk
		j.rotated()
	}
}

// publish gives changes to the watchers: runs of changes, and gaps between them.
func (j *journal) publish(changes []change) {
	for len(changes) > 0 {
		n := 0
		for n < len(changes) && changes[n].kind != 0 {
			n++
		}
		j.feed.publish(changes[:n]...)
		if n < len(changes) {
			j.feed.skip(changes[n].rev)
			n++
		}
		changes = changes[n:]
	}
}

// keepJournal is the largest buffer that is kept for further use.
const keepJournal = 4 << 20

// of returns the flush that a record belongs to; nil when it is on the disk.
func (j *journal) of(seq uint64) *batch {
	if seq <= j.durable.Load() {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case seq <= j.durable.Load(): // meanwhile
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
