package ctitest

import "time"

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
	// Conn is the number of the connection.
	Conn uint64
	// Bytes is the whole message with its header; it must not be changed.
	Bytes []byte
}
