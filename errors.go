package connects

import (
	"errors"
	"fmt"
)

// Errors of [Node]. Compare with errors.Is.
var (
	// ErrNodeStarted: Add or Start came after the first Start or Stop. A node
	// lives once; build a new one.
	ErrNodeStarted = errors.New("connects: node was started or stopped before")
	// ErrNodeStopped: Stop was called while the node started.
	ErrNodeStopped = errors.New("connects: node was stopped")
	// ErrStopTimeout: a component did not return from Start or Stop in its time.
	ErrStopTimeout = errors.New("connects: component ignores its time budget")
	// ErrDuplicate: Add was given a name twice.
	ErrDuplicate = errors.New("connects: duplicate component name")
	// ErrCycle: Add would make components wait for each other.
	ErrCycle = errors.New("connects: components depend on each other")
	// ErrUnknown: a component is to start after one that was never added.
	ErrUnknown = errors.New("connects: unknown component")
)

// ComponentError is what went wrong with one component.
type ComponentError struct {
	Component string // name given to Add
	Op        string // "build", "start", "run" or "stop"
	Err       error
}

// Error names component, operation and reason.
func (e *ComponentError) Error() string {
	return fmt.Sprintf("connects: component %q: %s: %v", e.Component, e.Op, e.Err)
}

// Unwrap returns the reason.
func (e *ComponentError) Unwrap() error { return e.Err }

// ConfigError is one setting that cannot be used. Functions that check a
// configuration join one of these for every problem.
type ConfigError struct {
	Field  string // name of the field, for example "StopTimeout" or "CTI.A.Addr"
	Value  any    // the offending value; never a secret
	Reason string // what would be right
}

// Error names field, value and reason.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("connects: config %s=%v: %s", e.Field, e.Value, e.Reason)
}
