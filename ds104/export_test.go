package ds104

import (
	"bytes"
	"time"
)

// ElectionTick is how often a voter that sees no deciding side votes again.
const ElectionTick = electionTick

// LeaveTime is how long a Pair may take to tell a side that it leaves.
const LeaveTime = leaveTime

// HoldCommits lets no further commit of a Bolt land until release. held tells whether one
// is about to, and how many writes wait behind it.
func HoldCommits(b *Bolt) (held func() (bool, int), release func() error, err error) {
	tx, err := b.db.Begin(true)
	if err != nil {
		return nil, nil, err
	}
	return func() (bool, int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.landing != nil, len(b.queue)
	}, tx.Rollback, nil
}

// BreakDisk makes the next write of a Log to its disk fail.
func BreakDisk(l *Log) {
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	_ = l.j.cur.f.Close()
}

// CutRecords takes records off a block until one is damaged. It returns how many bytes
// they had, and them written again.
func CutRecords(b []byte) (used int, again []byte) {
	c := clock{base: time.Unix(0, 0)}
	for rest := b; ; {
		r, next, err := cutRecord(rest)
		if err != nil {
			return len(b) - len(rest), again
		}
		rest = next
		switch r.kind {
		case recPut:
			again = appendPut(again, &item{key: string(r.key), value: r.value, rev: r.rev, expires: c.time(r.expires), written: r.at, origin: &OriginUse{Origin: string(r.origin)}}, c)
		case recRemove:
			again = appendRemove(again, string(r.key), r.rev)
		case recTomb:
			again = appendTomb(again, string(r.key), tomb{r.rev, c.time(r.at)}, c)
		default:
			again = appendNumber(again, r.kind, uint64(r.rev))
		}
	}
}

// ReadSegment reads a file as segment 1 and returns the number of its records.
func ReadSegment(b []byte) (records int, err error) {
	r := newSegmentReader(bytes.NewReader(b), int64(len(b)), "f", 1, nil)
	if err := r.readHead(); err != nil {
		return 0, err
	}
	_, err = r.replay(0, func(*record) error { records++; return nil })
	return records, err
}
