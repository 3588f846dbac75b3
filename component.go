package connects

import (
	"sync"

	"github.com/connects-go/connects/internal/lifecycle"
)

// The words of the life cycle; see package documentation, "Life cycle".
type (
	// Component is one part of a [Node]: Start and Stop.
	Component = lifecycle.Component
	// Factory builds a [Component] when the node starts.
	Factory = lifecycle.Factory
	// Host is what a component may tell its node or ask it.
	Host = lifecycle.Host
	// Phase is the life cycle of a node or component.
	Phase = lifecycle.Phase
	// State is what a service does in its redundancy group.
	State = lifecycle.State
	// Condition is how well a component works.
	Condition = lifecycle.Condition
	// PanicError is a panic that was caught at the boundary of a component.
	PanicError = lifecycle.PanicError
)

// Values of [Phase].
const (
	PhaseNew      = lifecycle.PhaseNew      // added; next starting or stopped
	PhaseStarting = lifecycle.PhaseStarting // Start runs; next running, failed or stopping
	PhaseRunning  = lifecycle.PhaseRunning  // Start returned nil; next stopping
	PhaseStopping = lifecycle.PhaseStopping // Stop runs; next stopped or failed
	PhaseStopped  = lifecycle.PhaseStopped  // final: ended without error
	PhaseFailed   = lifecycle.PhaseFailed   // final: ended by an error
)

// Values of [State].
const (
	StateStopped  = lifecycle.StateStopped  // in any phase but running; components do not report it
	StateIdle     = lifecycle.StateIdle     // runs and waits to take over from the active instance
	StateInactive = lifecycle.StateInactive // runs and is healthy, but the peer uses the other instance
	StateActive   = lifecycle.StateActive   // runs and processes requests
)

// Values of [Condition].
const (
	ConditionOK       = lifecycle.ConditionOK       // everything works
	ConditionDegraded = lifecycle.ConditionDegraded // serves, with something missing
	ConditionFailing  = lifecycle.ConditionFailing  // runs but cannot serve; health probes turn to 503
)

// Recover turns a panic of the calling goroutine into h.Fail with a
// [*PanicError]. Defer it directly, first thing in every goroutine of a
// component: `defer connects.Recover(h)`.
func Recover(h Host) {
	if v := recover(); v != nil {
		lifecycle.FailPanic(h, v)
	}
}

// Go runs f in a goroutine that wg counts; a panic of f becomes h.Fail.
func Go(h Host, wg *sync.WaitGroup, f func()) { lifecycle.Go(h, wg, f) }
