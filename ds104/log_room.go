package ds104

import (
	stderrors "errors"
	"time"
)

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
