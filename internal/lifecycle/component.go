package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// Component is one part of a node. It is started once and stopped once; a
// restart builds a new one.
type Component interface {
	// Start returns when the component is ready to serve; ctx covers the start
	// only and must not be used for background work. After an error nothing of
	// the component is left running and Stop is not called.
	Start(ctx context.Context) error
	// Stop ends the component and waits for its goroutines, at most as long as
	// ctx allows. It is idempotent and safe without Start.
	Stop(ctx context.Context) error
}

// Factory builds a component. It must not start anything or take anything that
// has to be released. A configuration error names every problem at once.
type Factory func(Host) (Component, error)

// Host is what a component may tell its node or ask it. All methods are safe for
// concurrent use and return at once. They may be called from the Factory on;
// what arrives after the component was stopped is ignored.
type Host interface {
	// Name returns the name under which the component was added.
	Name() string
	// Logger returns a logger, never nil, that already carries component=<name>.
	Logger() *slog.Logger
	// SetState reports StateActive, StateInactive or StateIdle. While the
	// component starts it is remembered and shows when the component runs; a
	// component that never calls it is ACTIVE. Other values are ignored.
	SetState(State)
	// SetCondition reports how well the component works, with the reason when it
	// is not ConditionOK. The reason is shown on status pages: no secrets, no
	// customer data. A repeated report of the same thing changes nothing.
	SetCondition(Condition, error)
	// Fail reports that the component cannot go on: the node stops, or breaks off
	// its start. The first Fail of a node wins, later ones are logged.
	Fail(error)
}

// PanicError is a panic that was caught at the boundary of a component.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // stack of the goroutine that panicked
}

// Error gives the value without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value when it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Recover turns a panic of the calling goroutine into h.Fail with a
// [*PanicError]. It has to be deferred directly: `defer lifecycle.Recover(h)`.
func Recover(h Host) {
	if v := recover(); v != nil {
		FailPanic(h, v)
	}
}

// FailPanic reports a recovered panic value with the stack of the caller.
func FailPanic(h Host, v any) { h.Fail(&PanicError{Value: v, Stack: debug.Stack()}) }

// Go runs f in a goroutine that wg counts; a panic of f becomes h.Fail.
func Go(h Host, wg *sync.WaitGroup, f func()) {
	wg.Go(func() {
		defer Recover(h)
		f()
	})
}
