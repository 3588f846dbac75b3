package ici

import (
	"errors"
	"fmt"
)

// Errors of the [Notifier]. Compare with errors.Is.
var (
	// ErrNoSubscription: the key is not, or no longer, subscribed.
	ErrNoSubscription = errors.New("ici: no such subscription")
	// ErrNotifierClosed: the notifier was shut down.
	ErrNotifierClosed = errors.New("ici: notifier closed")
	// ErrQueueFull: more events wait than the limits allow; the subscription has ended.
	ErrQueueFull = errors.New("ici: event queue full")
	// ErrNotAnEvent: the operation does not belong to the service IciEvent.
	ErrNotAnEvent = errors.New("ici: operation is not an event")
	// ErrEventTooLarge: one event is larger than the whole queue may be.
	ErrEventTooLarge = errors.New("ici: event too large")
	// ErrTooManySubscriptions: the limit of subscriptions is reached.
	ErrTooManySubscriptions = errors.New("ici: too many subscriptions")
	// ErrUnknownSystem: no SAP system of this name is configured.
	ErrUnknownSystem = errors.New("ici: unknown SAP system")
	// ErrEventURL: the event URL cannot be used.
	ErrEventURL = errors.New("ici: bad event URL")
	// ErrHostNotAllowed: the event URL names, or resolves to, a place that is not allowed.
	ErrHostNotAllowed = errors.New("ici: event host not allowed")
	// ErrSubscriptionGone: SAP answered that the session of the subscription does not exist
	// (400, 401, 403, 404, 410).
	ErrSubscriptionGone = errors.New("ici: subscription gone")
	// ErrUndeliverable: SAP did not take an event, and the retries are used up.
	ErrUndeliverable = errors.New("ici: event undeliverable")
	// ErrEventRefused: SAP answered, but does not want the event (a SOAP Fault, or a 4xx status
	// that says nothing about the session).
	ErrEventRefused = errors.New("ici: event refused")
	// ErrGarbage: what came back is not an answer to an event.
	ErrGarbage = errors.New("ici: garbage instead of an answer")
	// ErrEventStatus: the answer has a status that says "not now" (5xx, 408, 425, 429).
	ErrEventStatus = errors.New("ici: event not processed")
	// ErrNoAnswer: the connection was closed before an answer came.
	ErrNoAnswer = errors.New("ici: connection closed without an answer")
	// ErrRedirect: the event end point answered with a redirect, which is never followed.
	ErrRedirect = errors.New("ici: redirect not followed")
)

// EventURLError says why an event URL is refused. It carries the host only: the rest of an event
// URL may hold a session id.
type EventURLError struct {
	Host   string // "" when the URL is too broken to have one
	Reason string
	Err    error // ErrEventURL or ErrHostNotAllowed
}

// Error names the host only: the rest of the URL may identify a session of SAP.
func (e *EventURLError) Error() string {
	return fmt.Sprintf("%v: host=%q: %s", e.Err, e.Host, e.Reason)
}

// Unwrap returns ErrEventURL or ErrHostNotAllowed.
func (e *EventURLError) Unwrap() error { return e.Err }

// EventFault is a SOAP Fault with which SAP answered an event.
type EventFault struct {
	Code string // faultcode without prefix, for example "Server"
	Text string // faultstring, at most 500 bytes
}

// Error has the fault code and text of SAP.
func (e *EventFault) Error() string { return fmt.Sprintf("ici: fault code=%q text=%q", e.Code, e.Text) }

// DeliveryError is the failure of one attempt, or of the last one.
type DeliveryError struct {
	Op     string // wire name of the event
	Host   string
	Status int   // HTTP status, 0 when there was none
	Err    error // ErrSubscriptionGone, ErrEventStatus, ErrNoAnswer ... , an *EventFault or a network error
}

// Error names event, host, status and cause.
func (e *DeliveryError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("ici: event %s to %s: %v", e.Op, e.Host, e.Err)
	}
	return fmt.Sprintf("ici: event %s to %s: status %d: %v", e.Op, e.Host, e.Status, e.Err)
}

// Unwrap returns what went wrong.
func (e *DeliveryError) Unwrap() error { return e.Err }

// GoneError says how a subscription ended without the connector's wish.
type GoneError struct {
	Failures int   // failed attempts in a row
	Unsent   int   // events that SAP did not get
	Err      error // wraps ErrSubscriptionGone, ErrUndeliverable or ErrQueueFull
}

// Error has the reason, and how many events are not sent.
func (e *GoneError) Error() string {
	return fmt.Sprintf("%v (failures=%d unsent=%d)", e.Err, e.Failures, e.Unsent)
}

// Unwrap returns the reason.
func (e *GoneError) Unwrap() error { return e.Err }
