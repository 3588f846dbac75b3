package cti

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// Errors of clients, sessions and servers. They arrive wrapped: compare with errors.Is.
var (
	// ErrClosed says that Close or Shutdown was called on this side.
	ErrClosed = errors.New("cti: closed")
	// ErrDown says that there is no open session at the moment. The request was not sent.
	ErrDown = errors.New("cti: session down")
	// ErrInterrupted says that the connection was lost while a request was outstanding. The
	// request may have been carried out.
	ErrInterrupted = errors.New("cti: request interrupted by a lost connection")
	// ErrRequestTimeout says that no confirmation came in time. The request may have been
	// carried out; look at the state before repeating it (cti/README section 12).
	ErrRequestTimeout = errors.New("cti: no confirmation in time")
	// ErrBusy says that too many requests are outstanding. The request was not sent.
	ErrBusy = errors.New("cti: too many outstanding requests")
	// ErrSlowConsumer ended a connection because its queue was full: a client's handler did
	// not keep up with the events, or a server's peer did not read.
	ErrSlowConsumer = errors.New("cti: slow consumer")
	// ErrHeartbeat ended a connection because heartbeats were not confirmed.
	ErrHeartbeat = errors.New("cti: heartbeats not confirmed")
	// ErrMaintenance ended a connection because its server is being shut down gracefully.
	ErrMaintenance = errors.New("cti: server goes into maintenance")
	// ErrIdle ended a connection of a server whose client sent nothing for its idle timeout.
	ErrIdle = errors.New("cti: idle client")
	// ErrServerClosed is returned by Serve after Shutdown or Close.
	ErrServerClosed = errors.New("cti: server closed")
	// ErrServerFull says that a server has reached its limit of connections.
	ErrServerFull = errors.New("cti: too many connections")
)

// StatusError is a FAILURE_CONF in place of a confirmation, or a FAILURE_EVENT that ended a
// session. A handler of a [Server] returns one to refuse a request. errors.Is finds its Status:
//
//	errors.Is(err, cti.StatusCodeInvalidVersion)
type StatusError struct {
	Request             MessageType // what failed; 0 = the session itself (FAILURE_EVENT)
	InvokeID            uint32
	Status              StatusCode
	PeripheralErrorCode uint32 // detail of the peripheral, 0 = none or not sent
}

// Error returns the request and the specification's name of the status.
func (e *StatusError) Error() string {
	s := "cti: "
	if e.Request != 0 {
		s += e.Request.String() + " failed: "
	}
	s += e.Status.String()
	if e.PeripheralErrorCode != 0 {
		s += " (peripheral error " + strconv.FormatUint(uint64(e.PeripheralErrorCode), 10) + ")"
	}
	return s
}

// Unwrap returns the status, for errors.Is.
func (e *StatusError) Unwrap() error { return e.Status }

// ControlError is a CONTROL_FAILURE_CONF in place of a confirmation: the peripheral (the ACD)
// refused a control request. A handler of a [Server] returns one to do so. errors.Is finds its
// Code.
type ControlError struct {
	Request             MessageType // what failed
	InvokeID            uint32
	Code                ControlFailureCode
	PeripheralErrorCode uint32 // detail of the peripheral, 0 = none
}

// Error returns the request and the specification's name of the code.
func (e *ControlError) Error() string {
	s := "cti: "
	if e.Request != 0 {
		s += e.Request.String() + " failed: "
	}
	s += e.Code.String()
	if e.PeripheralErrorCode != 0 {
		s += " (peripheral error " + strconv.FormatUint(uint64(e.PeripheralErrorCode), 10) + ")"
	}
	return s
}

// Unwrap returns the code, for errors.Is.
func (e *ControlError) Unwrap() error { return e.Code }

// ConnectError says why a connection to a CTI server could not be opened. Err is the cause: an
// error of package net or crypto/tls, a *StatusError when the server refused OPEN_REQ, or a
// *ProtocolError.
type ConnectError struct {
	Side Side // 0 for a single [Client]
	Addr string
	Err  error
}

// Error names side, address and cause.
func (e *ConnectError) Error() string {
	if e.Side != 0 {
		return fmt.Sprintf("cti: connect side=%s addr=%s: %v", e.Side, e.Addr, e.Err)
	}
	return fmt.Sprintf("cti: connect addr=%s: %v", e.Addr, e.Err)
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// ProtocolError says that the peer broke the protocol in a way that makes the stream useless:
// a frame that is too long, a first message that is not OPEN_CONF, too much before OPEN_CONF.
// It ends the connection.
type ProtocolError struct {
	Text string
	Err  error // cause, may be nil
}

// Error describes what was wrong.
func (e *ProtocolError) Error() string {
	if e.Err != nil {
		return "cti: protocol error: " + e.Text + ": " + e.Err.Error()
	}
	return "cti: protocol error: " + e.Text
}

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

// IsTimeout reports whether err says that something took too long: a confirmation, a dial, a
// read, a context.
func IsTimeout(err error) bool {
	if errors.Is(err, ErrRequestTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// IsRetryable reports whether the same request may succeed later without a change of its
// contents and was certainly not carried out: the session was down or busy. Timeouts and interruptions
// are not retryable, because the request may have worked.
func IsRetryable(err error) bool {
	return (errors.Is(err, ErrDown) || errors.Is(err, ErrBusy)) && !errors.Is(err, ErrInterrupted)
}

// Error makes a status an error, so that errors.Is finds it in a [StatusError].
func (x StatusCode) Error() string { return x.String() }

// Error makes a code an error, so that errors.Is finds it in a [ControlError].
func (x ControlFailureCode) Error() string { return x.String() }

// statusError makes an error of FAILURE_CONF, whichever layout it came in.
func statusError(m *FailureConf) *StatusError {
	e := &StatusError{InvokeID: m.InvokeID, Status: m.Status, PeripheralErrorCode: m.PeripheralErrorCode}
	if m.Status == 0 {
		e.Status = m.FailureCode
	}
	return e
}

// failureConf makes a FAILURE_CONF; the version decides its layout.
func failureConf(id uint32, status StatusCode, peripheral uint32) *FailureConf {
	return &FailureConf{InvokeID: id, Status: status, PeripheralErrorCode: peripheral}
}
