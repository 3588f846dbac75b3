package ds104

import (
	"context"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/connects-go/connects/ds104/proto"
)

// outbox collects the messages for one connection. Its only writer sends what came
// together while it sent the former ones, so many callers share few system calls.
type outbox struct {
	conn    net.Conn
	timeout time.Duration // of one write

	mu     sync.Mutex
	buf    []byte
	late   []byte // messages that wait for the disk, see holdUntil
	marks  []mark // ends of those in late that wait for one record
	spare  []byte
	room   chan struct{} // closed when buf was taken; nil while nobody waits
	err    error
	kick   chan struct{} // capacity 1
	ended  chan struct{} // closed with err set
	notify func(error)   // called once when writing fails
}

// sendSize is how much is worth a system call of its own: messages that are held
// leave when so much has come together.
const sendSize = 128 << 10

// keepBuffer is the largest buffer that an idle connection keeps.
const keepBuffer = 256 << 10

func newOutbox(conn net.Conn, timeout time.Duration, notify func(error)) *outbox {
	return &outbox{conn: conn, timeout: timeout, notify: notify, kick: make(chan struct{}, 1), ended: make(chan struct{})}
}

// add appends a message and has it sent. It never blocks; see waitRoom.
func (o *outbox) add(m proto.Message) error {
	err := o.hold(m)
	if err == nil {
		o.flush()
	}
	return err
}

// hold appends a message that may wait for the next one; the caller calls flush when
// none follows.
func (o *outbox) hold(m proto.Message) error {
	o.mu.Lock()
	if o.err != nil {
		o.mu.Unlock()
		return o.err
	}
	buf, err := proto.AppendMessage(o.buf, m)
	o.buf = buf
	enough := len(buf) >= sendSize
	o.mu.Unlock()
	if enough {
		o.flush()
	}
	return err
}

// mark says that the bytes before end may leave when a record of a journal is on the
// disk.
type mark struct {
	end int
	seq uint64
}

// holdUntil appends a message that may leave when a record is on the disk; release says
// so. Such messages keep their order, others overtake them.
func (o *outbox) holdUntil(m proto.Message, seq uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	late, err := proto.AppendMessage(o.late, m)
	o.late = late
	if n := len(o.marks); n > 0 && o.marks[n-1].seq >= seq {
		o.marks[n-1].end = len(late)
	} else {
		o.marks = append(o.marks, mark{len(late), seq})
	}
	return err
}

// release lets those messages leave that waited for a record, or for one before it. An
// error says that the others will never be on the disk: the connection ends.
func (o *outbox) release(seq uint64, err error) {
	o.mu.Lock()
	n, end := 0, 0
	for n < len(o.marks) && o.marks[n].seq <= seq {
		end = o.marks[n].end
		n++
	}
	if end == len(o.late) && len(o.buf) == 0 {
		o.buf, o.late = o.late, o.buf
	} else {
		o.buf = append(o.buf, o.late[:end]...)
		o.late = o.late[:copy(o.late, o.late[end:])]
	}
	o.marks = o.marks[:copy(o.marks, o.marks[n:])]
	for i := range o.marks {
		o.marks[i].end -= end
	}
	if err != nil {
		o.late, o.marks = nil, nil
	}
	o.mu.Unlock()
	if err != nil {
		o.close(err)
		o.notify(err)
		return
	}
	o.flush()
}

// flush has the writer send what is there.
func (o *outbox) flush() {
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// waitRoom waits until fewer than limit bytes are to be sent.
func (o *outbox) waitRoom(limit int) error { return o.wait(nil, limit) }

// waitRoomContext is waitRoom that also ends with ctx.
func (o *outbox) waitRoomContext(ctx context.Context, limit int) error {
	return o.wait(ctx.Done(), limit)
}

func (o *outbox) wait(quit <-chan struct{}, limit int) error {
	for {
		o.mu.Lock()
		if o.err != nil || len(o.buf)+len(o.late) < limit {
			defer o.mu.Unlock()
			return o.err
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-o.ended:
		case <-quit:
			return context.Canceled
		}
	}
}

// close makes further messages fail; what was added is still sent.
func (o *outbox) close(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
		close(o.ended)
	}
}

// run is the writer. It returns after close, or when writing fails.
func (o *outbox) run() {
	for closing := false; !closing; {
		select {
		case <-o.kick:
		case <-o.ended:
			closing = true
		}
		for {
			// Callers that can run now have something to add: one system call for all.
			runtime.Gosched()
			o.mu.Lock()
			out := o.buf
			o.buf, o.spare = o.spare[:0], nil
			if o.room != nil {
				close(o.room)
				o.room = nil
			}
			o.mu.Unlock()
			if len(out) == 0 {
				o.keep(out)
				break
			}
			if o.timeout > 0 {
				_ = o.conn.SetWriteDeadline(time.Now().Add(o.timeout))
			}
			if _, err := o.conn.Write(out); err != nil {
				o.close(err)
				o.notify(err)
				return
			}
			o.keep(out)
		}
	}
}

func (o *outbox) keep(b []byte) {
	if cap(b) > keepBuffer {
		return
	}
	o.mu.Lock()
	if o.spare == nil {
		o.spare = b[:0]
	}
	o.mu.Unlock()
}
