package ctitest

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/cti"
)

// conn is a connection of a client: one reader, one writer, and a session on the owner once open.
type conn struct {
	side *Side
	id   uint64
	nc   net.Conn
	done chan struct{}
	once sync.Once
	// state is what the reader needs to know of the session; nil = not open.
	state atomic.Pointer[connState]

	mu     sync.Mutex
	out    []outgoing
	size   int
	ending bool // nothing more may be queued
	wake   chan struct{}
	timer  *time.Timer // until OPEN_REQ

	refused bool     // on the owner: OPEN_REQ was refused
	s       *session // on the owner
}

type connState struct {
	version cti.Version
	client  string
}

type outgoing struct {
	m     cti.Message // nil for raw bytes
	b     []byte
	v     cti.Version
	close bool // close the connection afterwards
	// passed says that the control functions have seen the message already.
	passed bool
}

func newConn(s *Side, nc net.Conn) *conn {
	return &conn{side: s, id: s.pg.lastConn.Add(1), nc: nc, done: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// cut ends the connection at once.
func (c *conn) cut() {
	c.once.Do(func() {
		close(c.done)
		c.nc.Close()
	})
}

// read decodes what the client sends and hands it to the owner, one message after the other.
func (c *conn) read() {
	defer c.side.wg.Done()
	pg := c.side.pg
	defer c.limitOpening().Stop()
	fr := cti.NewFrameReader(c.nc, cti.MaxVersion)
	var err error
	for {
		var t cti.MessageType
		var body []byte
		if t, body, err = fr.Next(); err != nil {
			break
		}
		if !c.side.wait(c.done) {
			break
		}
		if st := c.state.Load(); st != nil {
			if len(body) > st.version.MaxBodySize() {
				err = errors.New("message longer than the version allows")
				break
			}
		}
		c.received(t, body)
		if st := c.state.Load(); st != nil {
			fr.SetVersion(st.version)
		}
	}
	c.cut()
	pg.log.Debug("connection ended", slog.String("side", c.side.id.String()), slog.Uint64("conn", c.id), slog.String("err", err2str(err)))
	pg.act(func() { pg.m.connClosed(c) })
	c.side.remove(c)
}

// limitOpening cuts the connection when no session is open in time. A stalled side does not look
// at its clock.
func (c *conn) limitOpening() *time.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.side.pg.cfg.OpenTimeout, func() {
		switch {
		case c.state.Load() != nil:
		case c.side.stalled():
			c.mu.Lock()
			c.timer.Reset(c.side.pg.cfg.OpenTimeout)
			c.mu.Unlock()
		default:
			c.cut()
		}
	})
	return c.timer
}

func err2str(err error) string {
	if err == nil {
		return "cut"
	}
	return err.Error()
}

// received decodes one message, asks the control functions and hands it on.
func (c *conn) received(t cti.MessageType, body []byte) {
	pg := c.side.pg
	v := c.versionOf(t, body)
	raw := binary.BigEndian.AppendUint32(make([]byte, 0, len(body)+8), uint32(len(body)))
	raw = binary.BigEndian.AppendUint32(raw, uint32(t))
	raw = append(raw, body...)
	m, err := cti.DecodeMessage(t, body, v)
	if err != nil {
		m = nil
	}
	pg.observe(c, In, t, m, raw, err)
	if m != nil {
		if act, hit := pg.controlled(c, In, m, raw, v); hit {
			c.actIn(act, m, raw, v)
			return
		}
	}
	pg.act(func() { pg.m.handle(c, t, m, err, raw, v) })
}

// versionOf is the version whose layout a message has: that of the session, and for OPEN_REQ the
// one that it names.
func (c *conn) versionOf(t cti.MessageType, body []byte) cti.Version {
	if st := c.state.Load(); st != nil {
		return st.version
	}
	if t == cti.TypeOpenReq && len(body) >= 8 {
		if n := binary.BigEndian.Uint32(body[4:]); n >= MinVersion && n <= MaxVersion {
			return cti.Version(n)
		}
	}
	return cti.MaxVersion
}

// actIn does what a control function wants instead of the ordinary treatment of a request.
func (c *conn) actIn(a Action, m cti.Message, raw []byte, v cti.Version) {
	pg := c.side.pg
	pass := func() { pg.act(func() { pg.m.handle(c, m.Type(), m, nil, raw, v) }) }
	switch a.kind {
	case actDelay:
		time.AfterFunc(a.delay, func() {
			select {
			case <-c.done:
			default:
				pass()
			}
		})
	case actDrop:
	case actClose:
		c.cut()
	case actRaw:
		c.enqueue(outgoing{b: a.raw, passed: true})
	case actReply:
		for _, r := range a.replies {
			if conf, ok := r.(cti.Confirm); ok {
				if req, ok := m.(cti.Request); ok && conf.Invoke() == 0 {
					conf.SetInvoke(req.Invoke())
				}
			}
			c.send(r, v)
		}
	default:
		pass()
	}
}

// send queues a message in the layout of a version.
func (c *conn) send(m cti.Message, v cti.Version) { c.enqueue(encode(c, m, v)) }

func encode(c *conn, m cti.Message, v cti.Version) outgoing {
	b, err := cti.AppendMessage(nil, m, v)
	if err != nil {
		c.side.pg.log.Error("message cannot be sent", slog.String("msg_type", m.Type().String()), slog.String("err", err.Error()))
		return outgoing{}
	}
	return outgoing{m: m, b: b, v: v}
}

// enqueue queues output for the writer; a client that does not read is cut off.
func (c *conn) enqueue(o outgoing) {
	if o.b == nil && !o.close {
		return
	}
	c.mu.Lock()
	if c.ending {
		c.mu.Unlock()
		return
	}
	c.out = append(c.out, o)
	c.size += len(o.b)
	c.ending = o.close
	over := c.size > c.side.pg.cfg.MaxQueuedBytes
	c.mu.Unlock()
	if over {
		c.side.pg.log.Warn("client does not read", slog.String("side", c.side.id.String()), slog.Uint64("conn", c.id))
		c.cut()
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// end closes the connection when everything queued has been written.
func (c *conn) end() { c.enqueue(outgoing{close: true}) }

// write sends what is queued.
func (c *conn) write() {
	defer c.side.wg.Done()
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		for {
			c.mu.Lock()
			batch := c.out
			c.out = nil
			c.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			for _, o := range batch {
				if !c.put(o) {
					c.cut()
					return
				}
				c.mu.Lock()
				c.size -= len(o.b)
				c.mu.Unlock()
			}
		}
	}
}

// put writes one message and says whether the connection lives on.
func (c *conn) put(o outgoing) bool {
	if !c.side.wait(c.done) {
		return false
	}
	if o.close {
		return false
	}
	pg := c.side.pg
	if o.m != nil && !o.passed {
		act, hit := pg.controlled(c, Out, o.m, o.b, o.v)
		if hit {
			switch act.kind {
			case actDrop:
				return true
			case actClose:
				return false
			case actRaw:
				o = outgoing{b: act.raw}
			case actDelay:
				o.passed = true
				time.AfterFunc(act.delay, func() { c.enqueue(o) })
				return true
			case actReply:
				for _, r := range act.replies {
					if conf, ok := r.(cti.Confirm); ok && conf.Invoke() == 0 {
						if was, ok := o.m.(cti.Confirm); ok {
							conf.SetInvoke(was.Invoke())
						}
					}
					if e := encode(c, r, o.v); e.b != nil && !c.putBytes(e) {
						return false
					}
				}
				return true
			}
		}
	}
	return c.putBytes(o)
}

func (c *conn) putBytes(o outgoing) bool {
	t := cti.MessageType(0)
	if o.m != nil {
		t = o.m.Type()
	}
	c.side.pg.observe(c, Out, t, o.m, o.b, nil)
	_, err := c.nc.Write(o.b)
	return err == nil
}

func (c *conn) host() string {
	host, _, err := net.SplitHostPort(c.nc.RemoteAddr().String())
	if err != nil {
		return c.nc.RemoteAddr().String()
	}
	return host
}

func (c *conn) port() uint32 {
	_, port, err := net.SplitHostPort(c.nc.RemoteAddr().String())
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint32(n)
}
