package cti

import "time"

// TraceRecord is one message that passed a connection, for consoles and tests. Message belongs
// to the connection: do not change it, and do not keep it when Sent is true, because whoever
// sent it may use it again.
type TraceRecord struct {
	At         time.Time
	Sent       bool // by this end
	Side       Side
	Generation uint64 // of the session, 0 until it is up; or the number of the connection at a server
	Addr       string // of the peer
	Version    Version
	Message    Message
	Size       int // bytes on the wire, header included
}

// TraceFunc gets every message. It is called synchronously by the goroutine that sends or reads,
// by several at once: it must be quick, and must not call back into the session. Passwords are in
// the messages; [AppendText] shows them as asterisks.
type TraceFunc func(TraceRecord)
