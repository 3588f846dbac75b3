package testnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// bufferSize is how many bytes one direction of a connection holds before Write blocks.
const bufferSize = 64 << 10

// half is one direction of a connection. All its waiting is done on channels, never on the
// mutex, so that a synctest bubble sees a waiting goroutine as durably blocked.
type half struct {
	mu       sync.Mutex
	buf      []byte
	eof      bool  // the writing end was closed
	gone     bool  // the reading end was closed
	reset    bool  // the connection was cut
	stalled  bool  // nothing arrives
	chunk    int   // largest Read, 0 = any
	left     int64 // bytes until the cut, -1 = never
	rdl, wdl time.Time
	rclosed  bool // local close of the reader
	wclosed  bool // local close of the writer
	wake     chan struct{}
	waiting  int
	onCut    func()
}

func newHalf() *half { return &half{left: -1, wake: make(chan struct{})} }

// changed wakes everybody who waits; h.mu is held.
func (h *half) changed() {
	if h.waiting > 0 {
		close(h.wake)
		h.wake = make(chan struct{})
		h.waiting = 0
	}
}

// wait releases h.mu until something changes or the deadline passes, and takes it again.
func (h *half) wait(deadline time.Time) {
	wake := h.wake
	h.waiting++
	h.mu.Unlock()
	if deadline.IsZero() {
		<-wake
	} else {
		t := time.NewTimer(time.Until(deadline))
		select {
		case <-wake:
		case <-t.C:
		}
		t.Stop()
	}
	h.mu.Lock()
}

func expired(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.rclosed:
			return 0, net.ErrClosed
		case expired(h.rdl):
			return 0, os.ErrDeadlineExceeded
		case h.stalled:
		case len(h.buf) > 0 && !h.reset:
			if len(p) == 0 {
				return 0, nil
			}
			if h.chunk > 0 && len(p) > h.chunk {
				p = p[:h.chunk]
			}
			n := copy(p, h.buf)
			h.buf = append(h.buf[:0], h.buf[n:]...)
			h.changed()
			return n, nil
		case h.reset:
			return 0, syscall.ECONNRESET
		case h.eof:
			return 0, io.EOF
		}
		h.wait(h.rdl)
	}
}

func (h *half) write(p []byte) (int, error) {
	n, cut, err := h.writeLocked(p)
	if cut != nil {
		cut()
	}
	return n, err
}

func (h *half) writeLocked(p []byte) (n int, cut func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.wclosed:
			return n, nil, net.ErrClosed
		case expired(h.wdl):
			return n, nil, os.ErrDeadlineExceeded
		case h.reset:
			return n, nil, syscall.ECONNRESET
		case h.gone && !h.stalled:
			return n, nil, syscall.EPIPE
		case len(p) == 0:
			return n, nil, nil
		}
		if room := bufferSize - len(h.buf); room > 0 {
			room = min(room, len(p))
			if h.left >= 0 && int64(room) >= h.left {
				h.buf = append(h.buf, p[:h.left]...)
				n += int(h.left)
				h.left = -1
				h.changed()
				return n, h.onCut, nil
			}
			if h.left >= 0 {
				h.left -= int64(room)
			}
			h.buf = append(h.buf, p[:room]...)
			n += room
			p = p[room:]
			h.changed()
			continue
		}
		h.wait(h.wdl)
	}
}

// set changes h under its lock and wakes everybody who waits.
func (h *half) set(f func(*half)) {
	h.mu.Lock()
	f(h)
	h.changed()
	h.mu.Unlock()
}

// Conn is one end of a connection in memory. All methods may be called from any goroutine.
type Conn struct {
	in, out       *half
	local, remote addr
	once          sync.Once
	onClose       func()
}

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// Pipe returns the two ends of a new buffered connection.
func Pipe() (*Conn, *Conn) { return pipe("pipe-a", "pipe-b") }

func pipe(la, ra addr) (*Conn, *Conn) {
	x, y := newHalf(), newHalf()
	return &Conn{in: x, out: y, local: la, remote: ra}, &Conn{in: y, out: x, local: ra, remote: la}
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Read reads what has arrived, and waits for at least one byte.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write puts p into the buffer of the connection and blocks only when that is full (64 KiB).
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close ends the connection. The other end reads what is buffered and then gets io.EOF.
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = nil
		c.in.set(func(h *half) { h.rclosed, h.gone = true, true })
		c.out.set(func(h *half) { h.wclosed, h.eof = true, true })
		if c.onClose != nil {
			c.onClose()
		}
	})
	if err != nil {
		return c.wrap("close", err)
	}
	return nil
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time after which Read fails with os.ErrDeadlineExceeded.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.set(func(h *half) { h.rdl = t })
	return nil
}

// SetWriteDeadline sets the time after which Write fails with os.ErrDeadlineExceeded.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.set(func(h *half) { h.wdl = t })
	return nil
}

// Stall stops (true) or lets through (false) the bytes of both directions.
func (c *Conn) Stall(on bool) {
	c.in.set(func(h *half) { h.stalled = on })
	c.out.set(func(h *half) { h.stalled = on })
}

// Cut resets the connection: reads and writes of both ends fail with ECONNRESET at once.
func (c *Conn) Cut() {
	c.in.set(func(h *half) { h.reset = true })
	c.out.set(func(h *half) { h.reset = true })
}

// Chunk limits every Read of both ends to n bytes; 0 = no limit.
func (c *Conn) Chunk(n int) {
	c.in.set(func(h *half) { h.chunk = n })
	c.out.set(func(h *half) { h.chunk = n })
}

// CutAfter ends the connection after n more bytes written by this end: the other end reads them
// and then finds the end of the stream, this end's next Write fails with ECONNRESET.
func (c *Conn) CutAfter(n int64) {
	c.out.set(func(h *half) {
		h.left = max(n, 0)
		h.onCut = func() {
			c.out.set(func(h *half) { h.eof, h.gone = true, true })
			c.in.set(func(h *half) { h.reset = true })
		}
	})
}
