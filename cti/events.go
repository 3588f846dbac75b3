package cti

import (
	"context"
	"fmt"
	"reflect"
	"time"
)

// SessionUp is delivered to the handler of a [Session] when a connection was opened, before
// any event of this connection. Requests work from now on. Everything known about agents and
// calls is out of date until [Resynced].
type SessionUp struct {
	Side       Side
	Generation uint64 // number of the connection, from 1; grows, gaps are possible
	Addr       string // address of the server
	Version    Version
	Open       *OpenConf // the server's answer: granted services, status of the PG
}

// SessionDown is delivered after the last event of a connection. Requests fail with [ErrDown]
// until the next SessionUp.
type SessionDown struct {
	Side       Side
	Generation uint64
	Err        error // why; wraps ErrClosed after Close
}

// Resynced is delivered when the Resync function of a [Session] has returned without an error,
// before the events that arrived meanwhile.
type Resynced struct {
	Side       Side
	Generation uint64
	Stats      ResyncStats
}

// ResyncStats is what a Resync function found.
type ResyncStats struct {
	Agents  int           // agents whose state was read
	Calls   int           // calls that were read
	Changed int           // of both: differ from what was known, so events were missed
	Ended   int           // calls that were known before and are gone
	Failed  int           // could not be read
	Took    time.Duration // set by the session
}

func (*SessionUp) event()   {}
func (*SessionDown) event() {}
func (*Resynced) event()    {}

// Handler receives the events of a [Client] or [Session]: in wire order, one at a time, from
// one goroutine that is never the reader of the connection. It may therefore send requests on
// the same session and wait for their confirmations; a handler that takes long only fills the
// queue. ctx ends when the session is closed, not when a connection is lost: what was received
// before the loss is still delivered, and then [SessionDown].
//
// Messages that the session answers itself (ACTIVE_MAINTENANCE_REQ) and messages of unknown
// type (*Raw) are delivered too. A message whose body does not decode is delivered as *Raw.
type Handler interface {
	HandleEvent(ctx context.Context, e Event)
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, e Event)

// HandleEvent calls f.
func (f HandlerFunc) HandleEvent(ctx context.Context, e Event) { f(ctx, e) }

// Mux is a [Handler] that passes every event to the function registered for its type:
//
//	var mux cti.Mux
//	cti.Handle(&mux, func(ctx context.Context, e *cti.AgentStateEvent) { ... })
//
// Register everything before the session starts. The zero value is ready.
type Mux struct {
	// Default gets the events without a function of their own; nil = they are ignored.
	Default Handler

	byType map[reflect.Type]func(context.Context, Event)
}

// Handle registers f for events of type E, a pointer to a message or to a boundary event.
// Registering a type twice panics.
func Handle[E Event](m *Mux, f func(context.Context, E)) {
	t := reflect.TypeFor[E]()
	if _, dup := m.byType[t]; dup {
		panic(fmt.Sprintf("cti: Handle: second function for %v", t))
	}
	if m.byType == nil {
		m.byType = map[reflect.Type]func(context.Context, Event){}
	}
	m.byType[t] = func(ctx context.Context, e Event) { f(ctx, e.(E)) }
}

// HandleEvent calls the function registered for the type of e.
func (m *Mux) HandleEvent(ctx context.Context, e Event) {
	if f := m.byType[reflect.TypeOf(e)]; f != nil {
		f(ctx, e)
	} else if m.Default != nil {
		m.Default.HandleEvent(ctx, e)
	}
}
