package ds104

import (
	"context"
	stderrors "errors"
	"os"
	"time"

	"github.com/pkg/errors"
)

// maxSegments is how many segments are read at most when the store is opened often and
// little is written.
const maxSegments = 16

// compactWait is how long a base that could not be written waits for the next attempt.
const compactWait = time.Minute

// Compact writes a base and takes older files out of use. The store does so by itself;
// it can be used meanwhile. Only one base is written at a time.
func (l *Log) Compact(ctx context.Context) error {
	l.compacting.Lock()
	defer l.compacting.Unlock()
	if l.ctx.Err() != nil {
		return ErrClosed
	}
	return l.writeBase(ctx)
}

// look has the compactor see whether a base is due.
func (l *Log) look() {
	select {
	case l.due <- struct{}{}:
	default:
	}
}

// rotated is called when a segment is complete.
func (l *Log) rotated() {
	l.mu.Lock()
	l.segments++
	l.mu.Unlock()
	l.look()
}

// compactor writes a base when the changes since the last one are more than what there
// is, and more than four segments, or when they are in many segments, or when the disk
// is full and less is needed.
func (l *Log) compactor() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.due:
		}
		l.j.mu.Lock()
		changes, full := l.j.logBytes, l.j.noRoom != nil
		l.j.mu.Unlock()
		l.mu.Lock()
		segments := l.segments
		l.mu.Unlock()
		if held := l.mem.Stats().Bytes; changes < max(4*l.dir.max, held) && segments < maxSegments && !(full && changes > held) {
			continue
		}
		if l.Compact(l.ctx) != nil {
			// A full disk, most likely: the changes stay where they are.
			t := time.NewTimer(compactWait)
			select {
			case <-l.ctx.Done():
			case <-t.C:
				l.look()
			}
			t.Stop()
		}
	}
}

// baseWriter writes the blocks of a base.
type baseWriter struct {
	seg     *segment
	buf     []byte
	scratch []byte
	count   int
	total   uint64
}

// baseBlock is how large the blocks of a base become.
const baseBlock = 256 << 10

func (w *baseWriter) reset() { w.buf, w.count = append(w.buf[:0], make([]byte, blockHead)...), 0 }

func (w *baseWriter) add(f func([]byte) []byte) {
	w.buf = f(w.buf)
	w.count++
	w.total++
}

func (w *baseWriter) write(l *Log) error {
	if w.count == 0 {
		return nil
	}
	block, buf := w.seg.block(w.buf, w.scratch, w.total, w.count, 0, l.clock.now(), l.dir.seal)
	if l.dir.seal != nil {
		w.scratch = buf
	}
	err := w.seg.write(block)
	w.reset()
	return err
}

// writeBase writes what the store holds now. Every key is as it was at some moment since
// the segment began that the base stands before; the records of that segment and of
// those after it tell the rest again. It is complete when all that it may have seen is on
// the disk.
func (l *Log) writeBase(ctx context.Context) (err error) {
	l.j.mu.Lock()
	n, start := l.j.cur.number, l.j.cur.start
	l.j.mu.Unlock()
	l.mu.Lock()
	again := n == l.base
	l.mu.Unlock()
	if again {
		return nil // it would free nothing
	}
	fresh := l.dir.file(n, extBase+extNew)
	f, err := os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return errors.Wrap(err, "ds104: base")
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(fresh)
			err = errors.Wrap(err, "ds104: base")
		}
	}()
	w := &baseWriter{seg: &segment{f: f, number: n}}
	if err := w.seg.writeHead(l.dir.seal); err != nil {
		return err
	}
	w.reset()
	if err := l.copyAll(ctx, w); err != nil {
		return err
	}
	w.add(func(b []byte) []byte { return appendNumber(b, recEnd, start) })
	if err := w.write(l); err != nil {
		return err
	}
	if err := l.j.wait(ctx, l.j.last()); err != nil {
		return err
	}
	if err := stderrors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := stderrors.Join(os.Rename(fresh, l.dir.file(n, extBase)), syncDir(l.dir.path)); err != nil {
		return err
	}
	l.retire(n)
	return nil
}

// copyAll writes the entries and the deletions that are remembered, page by page.
func (l *Log) copyAll(ctx context.Context, w *baseWriter) error {
	m := l.mem
	m.mu.Lock()
	w.add(func(b []byte) []byte { return appendNumber(b, recAdvance, uint64(m.rev)) })
	m.mu.Unlock()
	page := func(keys func() *keyList, add func(key string)) error {
		for from, more := "", true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			if l.ctx.Err() != nil {
				return ErrClosed
			}
			more = false
			seen := 0
			m.mu.Lock()
			keys().ascend(from, func(key string) bool {
				if len(w.buf) > baseBlock || seen == scanPage {
					from, more = key, true
					return false
				}
				seen++
				add(key)
				return true
			})
			m.mu.Unlock()
			if err := w.write(l); err != nil {
				return err
			}
		}
		return nil
	}
	err := page(func() *keyList { return &m.keys }, func(key string) {
		w.add(func(b []byte) []byte { return appendPut(b, m.items[key], l.clock) })
	})
	if err != nil {
		return err
	}
	return page(func() *keyList { return &m.tombs.keys }, func(key string) {
		w.add(func(b []byte) []byte { return appendTomb(b, key, m.tombs.byKey[key], l.clock) })
	})
}

// retire makes a base the newest: what is before it goes.
func (l *Log) retire(n uint64) {
	l.mu.Lock()
	old := l.base
	l.base = n
	l.bases++
	l.segments = 0
	l.mu.Unlock()
	l.j.mu.Lock()
	l.j.logBytes = l.j.cur.size - l.j.cur.left
	l.j.mu.Unlock()
	if old != 0 {
		l.dir.remove(old, extBase)
	}
	l.dir.recycleBefore(n)
}

// loadBase reads a base, which has to be whole, and returns the seq before the segment
// that it stands before.
func (l *Log) loadBase(n uint64) (seq uint64, err error) {
	r, err := openSegment(l.dir.file(n, extBase), n, l.dir.seal)
	if errors.Is(err, errNoHead) {
		err = errors.WithMessage(ErrDamaged, err.Error())
	}
	if err != nil {
		return 0, err
	}
	defer r.close()
	whole := false
	_, err = r.replay(0, func(rec *record) error {
		if whole {
			return errRecord
		}
		if rec.kind == recEnd {
			whole, seq = true, uint64(rec.rev)
			return nil
		}
		return l.redo(rec)
	})
	if err == nil && !whole {
		err = errors.WithMessagef(ErrDamaged, "%s has no end", r.path)
	}
	l.seen = max(l.seen, r.seen)
	return seq, err
}
