package cti

import (
	"context"
	"fmt"
)

// Requester sends a request and waits for its confirmation. A failure
// confirmation of the peer is an error, not a Confirm. Client and Session are
// Requesters; wrap one to measure, to trace or to fake.
type Requester interface {
	Do(ctx context.Context, r Request) (Confirm, error)
}

// Requests has a typed method for every request of the protocol. Embed it; the
// methods are as safe for concurrent use as the Requester is.
type Requests struct {
	do Requester
}

// NewRequests returns the methods on top of a Requester.
func NewRequests(r Requester) Requests { return Requests{do: r} }

// UnexpectedConfirmError says that a request was confirmed by a message of
// another type than its own confirmation.
type UnexpectedConfirmError struct {
	Request MessageType
	Confirm MessageType
}

// Error implements error.
func (e *UnexpectedConfirmError) Error() string {
	return fmt.Sprintf("cti: %v answered by %v", e.Request, e.Confirm)
}

// do sends r and returns its confirmation as the type that belongs to it.
func do[C Confirm](ctx context.Context, via Requester, r Request) (C, error) {
	var none C
	c, err := via.Do(ctx, r)
	if err != nil {
		return none, err
	}
	conf, ok := c.(C)
	if !ok {
		return none, &UnexpectedConfirmError{Request: r.Type(), Confirm: c.Type()}
	}
	return conf, nil
}
