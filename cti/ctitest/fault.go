package ctitest

import (
	"slices"
	"sync"
	"time"

	"github.com/connects-go/connects/cti"
)

// Call is one message on its way, shown to a control function.
type Call struct {
	// Message is decoded; it must not be changed.
	Message cti.Message
	// Bytes is the whole message; it must not be changed.
	Bytes []byte
	// Side, Direction, Conn, Client and Version say where it is; Client is "" before the session is open.
	Side      SideID
	Direction Direction
	Conn      uint64
	Client    string
	Version   cti.Version
}

type actionKind int

const (
	actPass actionKind = iota
	actSkip
	actReply
	actDelay
	actDrop
	actClose
	actRaw
)

// Action is what happens to a message. The methods of Call make actions.
type Action struct {
	kind    actionKind
	replies []cti.Message
	delay   time.Duration
	raw     []byte
	keep    bool
}

// Keep lets the control function stay registered; without it a function is used once.
func (a Action) Keep() Action {
	a.keep = true
	return a
}

// Pass lets the message go its ordinary way.
func (c *Call) Pass() Action { return Action{kind: actPass} }

// Skip says that the function is not meant for this message: it stays registered, and the next
// function for the type is asked.
func (c *Call) Skip() Action { return Action{kind: actSkip} }

// Reply answers a request with other messages than the gateway would, and the gateway does not
// learn of the request. A message on its way to the client is replaced by them. Confirmations with
// invoke id 0 get the invoke id of the request.
func (c *Call) Reply(m ...cti.Message) Action { return Action{kind: actReply, replies: m} }

// Fail answers a request with FAILURE_CONF, or replaces a confirmation by it.
func (c *Call) Fail(code cti.StatusCode) Action { return c.Reply(failureConf(code, 0)) }

// ControlFail answers a request with CONTROL_FAILURE_CONF, or replaces a confirmation by it.
func (c *Call) ControlFail(code cti.ControlFailureCode, peripheralError uint32) Action {
	return c.Reply(&cti.ControlFailureConf{FailureCode: code, PeripheralErrorCode: peripheralError})
}

// Delay lets the message go its ordinary way later. Messages behind it overtake it; use Side.Stall
// to hold up everything.
func (c *Call) Delay(d time.Duration) Action { return Action{kind: actDelay, delay: d} }

// Drop lets the message vanish.
func (c *Call) Drop() Action { return Action{kind: actDrop} }

// Close cuts the connection instead.
func (c *Call) Close() Action { return Action{kind: actClose} }

// Raw sends bytes to the client as they are: instead of an answer, or instead of the message.
func (c *Call) Raw(b []byte) Action { return Action{kind: actRaw, raw: slices.Clone(b)} }

// controls are the control functions by message type, in the order of their registration.
type controls struct {
	calling sync.Mutex // held while functions are asked, so that each sees its messages one at a time
	mu      sync.Mutex
	next    uint64
	list    map[cti.MessageType][]control
}

type control struct {
	id uint64
	f  func(*Call) Action
}

// Control lets f decide what happens to the next message of a type, from a client or to a client.
// f is used once unless its action says Keep or it skips the message; functions of one type are
// asked in the order of their registration. f is called from the goroutine of a connection, one call
// at a time. It must not block; it may call methods of PG except Close, and of Side except Stop and
// Shutdown. Messages that cannot be decoded are not shown.
// The returned function takes f away again.
func (pg *PG) Control(t cti.MessageType, f func(*Call) Action) (remove func()) {
	cs := &pg.controls
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.list == nil {
		cs.list = map[cti.MessageType][]control{}
	}
	cs.next++
	id := cs.next
	cs.list[t] = append(cs.list[t], control{id, f})
	return func() { cs.take(t, id) }
}

// take removes a control function and says whether it was there.
func (cs *controls) take(t cti.MessageType, id uint64) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	i := slices.IndexFunc(cs.list[t], func(c control) bool { return c.id == id })
	if i < 0 {
		return false
	}
	cs.list[t] = slices.Delete(slices.Clone(cs.list[t]), i, i+1)
	return true
}

// controlled asks the control functions. hit is false when the message goes its ordinary way.
func (pg *PG) controlled(c *conn, dir Direction, m cti.Message, raw []byte, v cti.Version) (a Action, hit bool) {
	cs := &pg.controls
	cs.mu.Lock()
	list := cs.list[m.Type()]
	cs.mu.Unlock()
	if len(list) == 0 {
		return Action{}, false
	}
	cs.calling.Lock()
	defer cs.calling.Unlock()
	cs.mu.Lock()
	list = cs.list[m.Type()]
	cs.mu.Unlock()
	call := &Call{Message: m, Bytes: raw, Side: c.side.id, Direction: dir, Conn: c.id, Version: v}
	if st := c.state.Load(); st != nil {
		call.Client = st.client
	}
	for _, f := range list {
		a := f.f(call)
		if a.kind == actSkip {
			continue
		}
		if !a.keep && !cs.take(m.Type(), f.id) {
			continue // somebody else used it up meanwhile
		}
		return a, a.kind != actPass
	}
	return Action{}, false
}

func failureConf(code cti.StatusCode, invoke uint32) *cti.FailureConf {
	return &cti.FailureConf{InvokeID: invoke, Status: code, FailureCode: code}
}
