package ctitest

import (
	"slices"
	"time"

	"golang.org/x/text/encoding"

	"github.com/connects-go/connects/cti"
)

// Direction of a message.
type Direction int

// Directions, seen from the gateway.
const (
	// In is a message from a client.
	In Direction = iota
	// Out is a message to a client.
	Out
)

// String returns "in" or "out".
func (d Direction) String() string {
	if d == In {
		return "in"
	}
	return "out"
}

// Observation is one message that passed the wire of a side.
type Observation struct {
	// Seq counts the observations of the gateway from 1.
	Seq uint64
	// Time is when it was read or written.
	Time time.Time
	// Side and Direction say where.
	Side      SideID
	Direction Direction
	// Conn is the number of the connection, Client the client id of its session, "" before it is open.
	Conn   uint64
	Client string
	// Type of the message; 0 for raw bytes of a control function.
	Type cti.MessageType
	// Message is nil when it could not be decoded, with the reason in Err. It must not be changed.
	Message cti.Message
	Err     error
	// Bytes is the whole message with its header; it must not be changed. It may hold passwords,
	// which the text form of Message masks.
	Bytes []byte
}

type observer struct {
	id uint64
	f  func(Observation)
}

// Observe lets f see every message that passes the wire from now on, before control functions
// decide about a request, and after they have decided about what goes out. f is called from the
// goroutines of the connections, perhaps several at a time; Seq gives one order. It must not
// block. The returned function ends it.
func (pg *PG) Observe(f func(Observation)) (stop func()) {
	pg.obsMu.Lock()
	defer pg.obsMu.Unlock()
	id := uint64(1)
	if n := len(pg.obs); n > 0 {
		id = pg.obs[n-1].id + 1
	}
	pg.obs = append(slices.Clone(pg.obs), observer{id, f})
	list := pg.obs
	pg.observers.Store(&list)
	return func() {
		pg.obsMu.Lock()
		defer pg.obsMu.Unlock()
		pg.obs = slices.DeleteFunc(slices.Clone(pg.obs), func(o observer) bool { return o.id == id })
		list := pg.obs
		pg.observers.Store(&list)
	}
}

func (pg *PG) observe(c *conn, dir Direction, t cti.MessageType, m cti.Message, b []byte, err error) {
	list := pg.observers.Load()
	if list == nil || len(*list) == 0 {
		return
	}
	o := Observation{Seq: pg.obsSeq.Add(1), Time: time.Now(), Side: c.side.id, Direction: dir, Conn: c.id,
		Type: t, Message: m, Err: err, Bytes: b}
	if st := c.state.Load(); st != nil {
		o.Client = st.client
	}
	for _, f := range *list {
		f.f(o)
	}
}

func replaceUnsupported(e encoding.Encoding) *encoding.Encoder {
	return encoding.ReplaceUnsupported(e.NewEncoder())
}
