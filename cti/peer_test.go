package cti_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/testnet"
)

// Message numbers as the message reference guide prints them.
const (
	failureConf        = 1
	failureEvent       = 2
	openReq            = 3
	openConf           = 4
	heartbeatReq       = 5
	heartbeatConf      = 6
	closeReq           = 7
	closeConf          = 8
	agentStateEvent    = 30
	systemEvent        = 31
	controlFailureConf = 35
	queryAgentReq      = 36
	setAgentStateReq   = 38
	setAgentStateConf  = 39
	answerCallReq      = 42
	answerCallConf     = 43
	standbyActive      = 277
	maintenanceReq     = 278
	maintenanceResp    = 279
	maintenanceEvent   = 280
	stoppingInd        = 281
)

// frame makes a message by hand: length, number, body (guide, Message Formats: MHDR).
func frame(t uint32, parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case uint8:
			b = append(b, p)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, p)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		default:
			panic(p)
		}
	}
	h := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	h = binary.BigEndian.AppendUint32(h, t)
	return append(h, b...)
}

// openConfV25 is OPEN_CONF of versions 24 and 25 without floating fields (guide 15.0, OPEN_CONF):
// InvokeID, ServicesGranted, MonitorID, PGStatus, ICMCentralControllerTime, PeripheralOnline,
// PeripheralType, AgentState, DepartmentID, SessionType.
func openConfV25(id uint32) []byte {
	return frame(openConf, id, uint32(0x100016), uint32(0), uint32(0), uint32(1_700_000_000), uint16(1), uint16(17), uint16(0), uint32(0), uint16(1))
}

// textFYI is a SYSTEM_EVENT SYS_TEXT_FYI with a number in Arg1 (guide, SYSTEM_EVENT: PGStatus,
// time, SystemEventID, three arguments, EventDeviceType).
func textFYI(n uint32) []byte {
	return frame(systemEvent, uint32(0), uint32(1_700_000_000), uint32(5), n, uint32(0), uint32(0), uint16(0xFFFF))
}

// peer is a CTI server of a test that reads and writes bytes, not messages: nothing of our
// encoder is in what it sends.
type peer struct {
	t  *testing.T
	ln net.Listener
}

func newPeer(t *testing.T, n *testnet.Net, addr string) *peer {
	t.Helper()
	ln, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &peer{t: t, ln: ln}
}

// accept waits for the next connection.
func (p *peer) accept() *peerConn {
	p.t.Helper()
	conn, err := p.ln.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	return &peerConn{Conn: conn, t: p.t}
}

// open waits for the next connection and opens the session with version 25.
func (p *peer) open() *peerConn {
	p.t.Helper()
	c := p.accept()
	c.open()
	return c
}

type peerConn struct {
	net.Conn
	t *testing.T
}

// next reads one message; ok is false at the end of the connection.
func (c *peerConn) next() (t uint32, body []byte, ok bool) {
	c.t.Helper()
	var h [8]byte
	if _, err := io.ReadFull(c, h[:]); err != nil {
		return 0, nil, false
	}
	body = make([]byte, binary.BigEndian.Uint32(h[:]))
	if _, err := io.ReadFull(c, body); err != nil {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(h[4:]), body, true
}

// want reads one message of a type and returns its body.
func (c *peerConn) want(t uint32) []byte {
	c.t.Helper()
	got, body, ok := c.next()
	if !ok {
		c.t.Fatalf("connection over, want message %d", t)
	}
	if got != t {
		c.t.Fatalf("got message %d, want %d", got, t)
	}
	return body
}

func (c *peerConn) send(b ...[]byte) {
	c.t.Helper()
	for _, x := range b {
		if _, err := c.Write(x); err != nil {
			c.t.Fatalf("peer writes: %v", err)
		}
	}
}

func (c *peerConn) open() []byte {
	c.t.Helper()
	body := c.want(openReq)
	c.send(openConfV25(id(body)))
	return body
}

// serve answers heartbeats and closes, and everything else as answer says, until the connection ends.
func (c *peerConn) serve(answer func(t uint32, body []byte) []byte) {
	for {
		t, body, ok := c.next()
		if !ok || t == stoppingInd { // after which a server closes the connection
			return
		}
		var out []byte
		switch {
		case t == heartbeatReq:
			out = frame(heartbeatConf, id(body))
		case t == closeReq:
			out = frame(closeConf, id(body))
		case answer != nil:
			out = answer(t, body)
		}
		if out != nil {
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}

// id returns the invoke id of a body.
func id(body []byte) uint32 { return binary.BigEndian.Uint32(body) }

// recorder is a handler that keeps the events.
type recorder struct {
	mu     sync.Mutex
	events []cti.Event
	times  []time.Time
}

func (r *recorder) HandleEvent(_ context.Context, e cti.Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.times = append(r.times, time.Now())
	r.mu.Unlock()
}

func (r *recorder) all() []cti.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]cti.Event(nil), r.events...)
}

// names lists the events in short form: up(A1), down(A1), resynced(A1), fyi(3), or the type.
func (r *recorder) names() []string {
	var out []string
	for _, e := range r.all() {
		out = append(out, eventName(e))
	}
	return out
}
