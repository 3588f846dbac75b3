package cti

import (
	"fmt"
	"time"
)

// SessionPhase is what a [Session] is doing.
type SessionPhase int

// Phases of a [Session].
const (
	PhaseNew        SessionPhase = iota // not started
	PhaseConnecting                     // no session; attempts or pauses
	PhaseResyncing                      // open, the Resync function is at work or about to be
	PhaseUp                             // open and resynchronised
	PhaseClosed                         // after Close
)

// String returns new, connecting, resyncing, up or closed.
func (p SessionPhase) String() string {
	names := [...]string{"new", "connecting", "resyncing", "up", "closed"}
	if p < 0 || int(p) >= len(names) {
		return fmt.Sprintf("SessionPhase(%d)", int(p))
	}
	return names[p]
}

// SessionState is a snapshot of a [Session].
type SessionState struct {
	Phase      SessionPhase
	Since      time.Time // of the phase
	Side       Side      // connected to, else tried last
	Addr       string    // of that side
	Generation uint64    // of the last connection
	Version    Version   // of the open session, else 0
	Open       *OpenConf // of the open session, else nil
	// LastError is why the last attempt failed or the last connection was lost; kept while up.
	LastError error
	Sides     [2]SideState // A, B
}

// SideState is what a [Session] knows about one side.
type SideState struct {
	Side      Side
	Addr      string    // empty = not configured
	Connected bool      // the session is open on this side
	Standby   bool      // a session with it waits for it to become active
	Attempts  uint64    // connections tried
	Failures  uint64    // attempts that failed, and sessions lost
	LastTry   time.Time // zero = never
	LastError error
}
