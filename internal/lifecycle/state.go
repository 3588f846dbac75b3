package lifecycle

import "strconv"

// Phase is the life cycle of a node or a component.
type Phase int

// Phases and what may follow each.
const (
	PhaseNew      Phase = iota // added; next Starting or Stopped
	PhaseStarting              // Start runs; next Running, Failed or Stopping
	PhaseRunning               // Start returned nil; next Stopping
	PhaseStopping              // Stop runs; next Stopped or Failed
	PhaseStopped               // final: ended without error
	PhaseFailed                // final: ended by an error
)

// String returns the name in lower case, for example "running".
func (p Phase) String() string {
	return name(int(p), "Phase", "new", "starting", "running", "stopping", "stopped", "failed")
}

// MarshalText returns String.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Final reports whether nothing can follow: PhaseStopped or PhaseFailed.
func (p Phase) Final() bool { return p == PhaseStopped || p == PhaseFailed }

// State is what a service does in its redundancy group. The peers decide it: the
// first request of SAP makes a connector ACTIVE, nothing in a node elects.
type State int

// States of a service (b+s Connects for SAP 2.4, Overview, "Service State
// Definitions").
const (
	// StateStopped: in any phase but running. Components do not report it.
	StateStopped State = iota
	// StateIdle: runs and waits to take over from the active instance.
	StateIdle
	// StateInactive: runs and is healthy, but the peer uses the other instance.
	StateInactive
	// StateActive: runs and processes requests.
	StateActive
)

// String returns the name as the product's manual writes it, for example "ACTIVE".
func (s State) String() string {
	return name(int(s), "State", "STOPPED", "IDLE", "INACTIVE", "ACTIVE")
}

// MarshalText returns String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Condition is how well a component works. It never changes the [State].
type Condition int

// Conditions, from good to bad.
const (
	// ConditionOK: everything works.
	ConditionOK Condition = iota
	// ConditionDegraded: it serves, with something missing, for example one of
	// two links down.
	ConditionDegraded
	// ConditionFailing: it runs but cannot serve; health probes turn to 503.
	ConditionFailing
)

// String returns "ok", "degraded" or "failing".
func (c Condition) String() string {
	return name(int(c), "Condition", "ok", "degraded", "failing")
}

// MarshalText returns String.
func (c Condition) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func name(v int, kind string, names ...string) string {
	if v >= 0 && v < len(names) {
		return names[v]
	}
	return kind + "(" + strconv.Itoa(v) + ")"
}
