package ds104

import (
	"context"
	stderrors "errors"
	"slices"
	"strings"
	"time"

	"github.com/pkg/errors"
)

// OpenLog opens the store in a directory, which it makes if need be; nobody else puts
// files there. nil options mean defaults. A crash may have cut the last change, which
// was not acknowledged then. Errors: ErrVersion, ErrLocked, ErrKey, ErrDamaged with the
// file and place, those of the file system, and a description of bad options.
func OpenLog(path string, o *LogOptions) (l *Log, err error) {
	var opts LogOptions
	if o != nil {
		opts = *o
	}
	mo := MemoryOptions{MaxValue: opts.MaxValue, Side: opts.Side, MaxEntries: opts.MaxEntries, MaxBytes: opts.MaxBytes,
		MaxOriginBytes: opts.MaxOriginBytes, History: opts.History, HistoryBytes: opts.HistoryBytes}
	if err := stderrors.Join(mo.validate(), opts.validate()); err != nil {
		return nil, err
	}
	seal, err := newSeal(opts.Key)
	if err != nil {
		return nil, err
	}
	d, logs, bases, err := openDir(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = d.close()
		}
	}()
	d.seal, d.max, d.size = seal, maxSegment, minSegment
	if opts.SegmentSize != 0 {
		d.max, d.size = opts.SegmentSize, max(opts.SegmentSize/32, 16<<10)
	}
	l = &Log{mem: NewMemory(&mo), dir: d, clock: newClock(time.Now(), 0), failed: make(chan struct{}), due: make(chan struct{}, 1)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	seq, logBytes, err := l.load(logs, bases)
	if err != nil {
		return nil, err
	}
	cur, err := d.newSegment(0, func() bool { return false })
	if err != nil {
		return nil, err
	}
	cur.start = seq
	l.start(cur, seq, logBytes)
	return l, nil
}

// start begins to take changes.
func (l *Log) start(cur *segment, seq uint64, logBytes int64) {
	m := l.mem
	l.j = &journal{
		dir: l.dir, seal: l.dir.seal, feed: &m.feed, clock: l.clock, kick: make(chan struct{}, 1), ended: make(chan struct{}), seq: seq, cur: cur,
		batch: newBatch(), moved: make(chan struct{}), logBytes: logBytes, rotated: l.rotated, starved: l.look,
	}
	l.j.durable.Store(seq)
	m.mu.Lock()
	m.journal, m.newest = l.j, m.rev
	m.feed.skip(m.rev)
	m.expire()
	m.setAlarm()
	m.mu.Unlock()
	go func() {
		if l.j.run() != nil {
			close(l.failed)
		}
	}()
	l.wg.Go(l.compactor)
	l.look()
	l.j.flush()
}

// load reads the newest base and the segments from it on.
func (l *Log) load(logs, bases []uint64) (seq uint64, logBytes int64, err error) {
	m := l.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loading = true
	defer func() { m.loading = false }()
	if len(bases) > 0 {
		l.base = bases[len(bases)-1]
		if seq, err = l.loadBase(l.base); err != nil {
			return 0, 0, err
		}
		if !slices.Contains(logs, l.base) {
			return 0, 0, errors.WithMessagef(ErrDamaged, "%s is missing", l.dir.file(l.base, extLog))
		}
	}
	for _, n := range logs {
		if n < l.base {
			continue
		}
		r, err := openSegment(l.dir.file(n, extLog), n, l.dir.seal)
		if errors.Is(err, errNoHead) {
			err = errors.WithMessage(ErrDamaged, err.Error())
		}
		if err != nil {
			return 0, 0, err
		}
		seq, err = r.replay(seq, l.redo)
		r.close()
		if err != nil {
			return 0, 0, err
		}
		l.seen = max(l.seen, r.seen)
		if logBytes += r.off; r.off == segmentHead && n != l.base {
			l.dir.recycle(n) // nothing was written
			continue
		}
		l.segments++
	}
	l.setClock()
	slices.SortFunc(m.tombs.order, func(a, b oldTomb) int { // a base has them in another order
		return m.tombs.byKey[a.key].at.Compare(m.tombs.byKey[b.key].at)
	})
	for _, n := range logs {
		if n < l.base {
			l.dir.recycle(n)
		}
	}
	for _, n := range bases {
		if n != l.base {
			l.dir.remove(n, extBase)
		}
	}
	return seq, logBytes, nil
}

// setClock sees to it that the clock does not fall behind what the files have seen. Caller
// holds mu of the Memory.
func (l *Log) setClock() {
	behind := time.Duration(l.seen - l.clock.nanos)
	if behind <= 0 {
		return
	}
	l.clock.nanos = l.seen
	for _, it := range l.mem.due { // all by the same, so that their order stays
		it.expires = it.expires.Add(-behind)
	}
	for key, t := range l.mem.tombs.byKey {
		t.at = t.at.Add(-behind)
		l.mem.tombs.byKey[key] = t
	}
}

// redo does what a record says. The records of one key come in their order.
func (l *Log) redo(r *record) error {
	m := l.mem
	key := string(r.key)
	old := m.items[key]
	switch r.kind {
	case recPut:
		o := PutOptions{Origin: string(r.origin), written: r.at}
		it, err := m.set(old, key, slices.Clone(r.value), r.rev, o)
		if err != nil {
			return err
		}
		if it.expires = l.clock.time(r.expires); !it.expires.IsZero() {
			m.due.set(it)
		}
	case recRemove:
		if old != nil {
			m.remove(old, r.rev)
		}
	case recTomb:
		m.addTomb(strings.Clone(key), r.rev, l.clock.time(r.at))
	case recAdvance:
	default:
		return errRecord
	}
	m.rev = max(m.rev, r.rev)
	return nil
}
