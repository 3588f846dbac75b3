package ds104

import (
	"os"
	"runtime"
	"slices"

	"github.com/pkg/errors"
)

// Bounds of flushes that are under way together: while one waits for the disk, another
// one takes off when at least half as many records are there, so that two crowds of
// callers need not take turns.
const (
	maxFlights = 2
	minFlight  = 8
)

// run flushes until close, or until the disk fails: that is its error. It writes one flush
// after the other; a goroutine for each waits for the disk.
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
		over, err := len(j.flying) == 0 && (j.closing || j.err != nil), j.err
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
	if j.lag && j.cur.left > recordRoom+recordOverhead-segmentReserve { // from the reserve, if need be
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
	case len(j.flying) == 0:
	case len(j.flying) == maxFlights || n < max(minFlight, j.crowd/2):
		return nil
	case len(j.parts) != 1 || j.parts[0].seg != j.flown:
		return nil // a segment is complete before the next one begins
	}
	f := &flight{j.parts, j.changes, j.batch}
	f.batch.last = j.seq
	j.parts, j.changes, j.waiting = nil, nil, 0
	j.batch, j.flying = newBatch(), append(j.flying, f.batch)
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
		// In this order: whoever has an answer and watches from its revision on gets no gap.
		j.publish(f.changes)
		j.durable.Store(b.last)
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
	j.flushes++
	for i := range f.parts {
		j.logBytes += int64(len(f.parts[i].buf))
		if cap(f.parts[i].buf) <= keepJournal {
			j.spare = f.parts[i].buf
		}
	}
	var over []*segment
	j.full = slices.DeleteFunc(j.full, func(s *segment) bool {
		if len(j.flying) > 0 && s == j.flown || slices.ContainsFunc(j.parts, func(p part) bool { return p.seg == s }) {
			return false
		}
		over = append(over, s)
		return true
	})
	j.mu.Unlock()
	close(b.done)
	for _, o := range b.outs {
		o.release(j.durable.Load(), err) // after a failure no further than before it
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
