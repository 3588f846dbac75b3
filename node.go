package connects

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Node composes components into a service: it starts them in order, watches
// them, and stops them in reverse. A node lives once. All methods are safe for
// concurrent use.
type Node struct {
	opts     Options
	registry *prometheus.Registry
	failed   chan struct{} // closed by the first Fail
	done     chan struct{} // closed when the phase is final

	mu          sync.Mutex // guards what follows; nothing foreign is called with it held
	components  []*component
	phase       Phase
	since       time.Time
	last        Change // the node's own last change, without Seq and Time
	failure     reason
	stopErr     error
	stopAsked   bool
	cancelStart context.CancelCauseFunc
	changes     changeLog
}

// component is one registration. It is the Host of what its factory builds.
type component struct {
	node    *Node
	name    string
	factory Factory
	after   []string
	logger  *slog.Logger

	built Component // set once by Start before anything reads it; see Node.links

	// guarded by node.mu
	phase     Phase
	state     State // as reported; shown only while running
	condition Condition
	reason    reason
	since     time.Time
	last      Change
}

// reason is an error with its text, taken while no lock is held.
type reason struct {
	err  error
	text string
}

func because(err error) reason {
	if err == nil {
		return reason{}
	}
	return reason{err, err.Error()}
}

// NewNode returns a node without components. Nil options mean defaults; Start
// reports options that are out of range.
func NewNode(o *Options) *Node {
	n := &Node{
		opts:   o.withDefaults(),
		failed: make(chan struct{}),
		done:   make(chan struct{}),
		since:  time.Now(),
	}
	n.changes.wake = make(chan struct{})
	n.registry = newRegistry(n)
	return n
}

// Add registers a component under a name that is unique in the node. It is
// started after the components named, which may be added later; among
// components that are free to start, the one added first starts first. Errors:
// ErrDuplicate, ErrCycle (with the path), ErrNodeStarted, *ConfigError for an empty
// name or factory. A name in after that was never added is reported by Start.
func (n *Node) Add(name string, f Factory, after ...string) error {
	switch {
	case name == "":
		return &ConfigError{"name", `""`, "a component needs a name"}
	case f == nil:
		return &ConfigError{"factory of " + name, nil, "a component needs a factory"}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != PhaseNew {
		return ErrNodeStarted
	}
	if n.find(name) != nil {
		return fmt.Errorf("%w: %q", ErrDuplicate, name)
	}
	c := &component{
		node: n, name: name, factory: f, after: slices.Clone(after), since: time.Now(), state: StateActive,
		logger: n.opts.Logger.With(slog.String("component", name)),
	}
	n.components = append(n.components, c)
	if path := n.cycle(c); path != nil {
		n.components = n.components[:len(n.components)-1]
		return fmt.Errorf("%w: %s", ErrCycle, strings.Join(path, " -> "))
	}
	return nil
}

// find returns the component of that name or nil. Caller holds mu.
func (n *Node) find(name string) *component {
	for _, c := range n.components {
		if c.name == name {
			return c
		}
	}
	return nil
}

// cycle returns the names on a way from c back to c, or nil. Caller holds mu.
func (n *Node) cycle(c *component) []string {
	seen := map[*component]bool{}
	var walk func(at *component, path []string) []string
	walk = func(at *component, path []string) []string {
		for _, name := range at.after {
			if name == c.name {
				return append(path, name)
			}
			next := n.find(name)
			if next == nil || seen[next] {
				continue
			}
			seen[next] = true
			if found := walk(next, append(path, name)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(c, []string{c.name})
}

// order returns the components in start order. Caller holds mu.
func (n *Node) order() ([]*component, error) {
	var errs []error
	for _, c := range n.components {
		for _, name := range c.after {
			if n.find(name) == nil {
				errs = append(errs, fmt.Errorf("%w: %q, which %q is to start after", ErrUnknown, name, c.name))
			}
		}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	placed := map[string]bool{}
	var out []*component
	for len(out) < len(n.components) {
		for _, c := range n.components {
			free := !placed[c.name] && !slices.ContainsFunc(c.after, func(name string) bool { return !placed[name] })
			if free {
				placed[c.name] = true
				out = append(out, c)
				break // from the front again: ties go to the first added
			}
		}
	}
	return out, nil
}

// Done returns a channel that is closed when the node has ended: after Stop, or
// after it stopped itself because a component failed.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns why the node failed: the error of its start or the first Fail. It
// is nil for a node that did not fail.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failure.err
}

// update changes fields under the lock and publishes what became different.
func (n *Node) update(f func()) {
	n.mu.Lock()
	f()
	changed := n.settle()
	n.mu.Unlock()
	n.log(changed)
}

// Name, Logger, SetState, SetCondition and Fail make *component a Host.

func (c *component) Name() string         { return c.name }
func (c *component) Logger() *slog.Logger { return c.logger }

func (c *component) SetState(s State) {
	if s != StateActive && s != StateInactive && s != StateIdle {
		return
	}
	c.node.update(func() {
		if c.phase <= PhaseRunning {
			c.state = s
		}
	})
}

func (c *component) SetCondition(k Condition, err error) {
	if k < ConditionOK || k > ConditionFailing {
		return
	}
	if k == ConditionOK {
		err = nil
	}
	why := because(err)
	c.node.update(func() {
		if c.phase <= PhaseRunning && c.node.failure.err == nil {
			c.condition, c.reason = k, why
		}
	})
}

func (c *component) Fail(err error) {
	if err == nil {
		err = errors.New("failed without a reason")
	}
	n, why, failure := c.node, because(err), because(&ComponentError{c.name, "run", err})
	first := false
	var cancel context.CancelCauseFunc
	n.update(func() {
		if n.phase != PhaseStarting && n.phase != PhaseRunning || n.failure.err != nil {
			return
		}
		first = true
		n.failure = failure
		c.condition, c.reason = ConditionFailing, why
		cancel = n.cancelStart
		close(n.failed)
	})
	attrs := []any{slog.String("err", why.text), slog.Bool("first", first)}
	if p, ok := errors.AsType[*PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	c.logger.Error("component failed", attrs...)
	if cancel != nil {
		cancel(failure.err)
	}
}
