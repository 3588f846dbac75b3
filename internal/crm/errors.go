package crm

import "errors"

// Errors of a [Connector]. Compare with errors.Is.
var (
	// ErrStopped: the connector has been stopped.
	ErrStopped = errors.New("crm: connector is stopped")
	// ErrNotBound: Start was called before every link and the notifier were bound.
	ErrNotBound = errors.New("crm: link or notifier is not bound")
	// ErrLinkDown: the switch of the agent is not reachable or is being read again.
	ErrLinkDown = errors.New("crm: link to the switch is down")
	// ErrOwned: another connector serves the agent.
	ErrOwned = errors.New("crm: agent is served by another connector")
	// ErrBusy: too many requests of one agent wait for the switch.
	ErrBusy = errors.New("crm: too many requests are waiting for the switch")
	// ErrStarted: Start was called twice.
	ErrStarted = errors.New("crm: connector was started before")
)
