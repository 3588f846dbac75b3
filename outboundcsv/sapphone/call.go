package sapphone

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// Value is a parameter: bytes as the classic RFC protocol has them, or text as
// HTTP has it. Raw wins.
type Value struct {
	Raw  []byte // as on the wire; see Call.Big
	Text string // when Raw is nil
}

// Row is a row of a table: bytes, or fields by name. Raw wins.
type Row struct {
	Raw    []byte            `json:"raw,omitempty"`    // as on the wire; see Call.Big
	Fields map[string]string `json:"fields,omitempty"` // by name, when Raw is nil
}

// Table is a table of a call. Its rows may lie on disk; they can be read until the
// handler returns, any number of times.
type Table struct {
	Len   int // rows
	Width int // bytes of a row as announced; 0 when the transport has none
	Rows  iter.Seq2[Row, error]
}

// Caller is who called, as far as the transport knows.
type Caller struct {
	System  string // id of the SAP system, such as P01
	Client  string // of the system, three digits
	User    string
	Program string // ABAP program, or that of another caller
	Host    string
}

// Call is one call of a function, complete: a transport hands it over only when it
// has seen its end.
type Call struct {
	Func   string // name of the function
	Caller Caller
	Key    string           // of the delivery, when the transport has one
	In     map[string]Value // import parameters by name
	Tables map[string]Table // by name
	Wanted []string         // names that the caller wants back; nil = not told
	Big    bool             // raw values are big-endian
}

// Result answers a call.
type Result struct {
	Out    map[string]string              // export parameters by name
	Tables map[string][]map[string]string // rows by name of the table, fields by name
}

// Handler answers calls. It may be called from several goroutines. An
// *[ABAPException] becomes an exception of the function in SAP; every other error
// a system failure with its text.
type Handler func(ctx context.Context, c *Call) (*Result, error)

// Transport brings calls.
type Transport interface {
	// Name is short, for logs and status pages.
	Name() string
	// Serve hands calls to h until ctx ends, connecting again as often as needed,
	// and returns the error of ctx. Another error is one that no waiting mends.
	Serve(ctx context.Context, h Handler) error
	// Link says how the way to SAP is now.
	Link() Link
}

// LinkState is the state of a transport.
type LinkState int

// States of a transport.
const (
	Down        LinkState = iota // not reachable
	Registering                  // connecting or registering
	Registered                   // SAP can call
	InCall                       // SAP calls
)

// String returns the name in lower case.
func (s LinkState) String() string {
	switch s {
	case Down:
		return "down"
	case Registering:
		return "registering"
	case Registered:
		return "registered"
	case InCall:
		return "in call"
	}
	return "LinkState(" + strconv.Itoa(int(s)) + ")"
}

// Link is a snapshot of a transport.
type Link struct {
	State    LinkState
	Since    time.Time // of State
	LastCall time.Time // zero: none yet
	Calls    int64     // since the start
	Err      error     // why it is down; nil otherwise
	Detail   string    // address, for people; without secrets
}

// ABAPException is an exception that the function declares; SAP sees it as
// SY-SUBRC.
type ABAPException struct {
	Key  string // name of the exception, such as NOT_READY
	Text string // for people; may be empty
}

// Error names exception and text.
func (e *ABAPException) Error() string {
	if e.Text == "" {
		return "sapphone: exception " + e.Key
	}
	return "sapphone: exception " + e.Key + ": " + e.Text
}

// CallError is a call that does not fit the definitions.
type CallError struct {
	Func, Name string // function and parameter, table or field
	Err        error
}

// Error names function, place and reason.
func (e *CallError) Error() string {
	return fmt.Sprintf("sapphone: %s %s: %v", e.Func, e.Name, e.Err)
}

// Unwrap returns the reason.
func (e *CallError) Unwrap() error { return e.Err }

// Errors of handlers and transports. Compare with errors.Is.
var (
	// ErrUnknownFunction: the definitions do not have the function.
	ErrUnknownFunction = errors.New("sapphone: unknown function")
	// ErrNoMapping: the function is known, but not what it means.
	ErrNoMapping = errors.New("sapphone: the definition file does not say what the function means")
	// ErrBusy: the caller should try again later.
	ErrBusy = errors.New("sapphone: try again later")
	// ErrTooLarge: the call is larger than the limit.
	ErrTooLarge = errors.New("sapphone: call is too large")
)

// NotImplemented is the exception that answers calls in recorder mode.
const NotImplemented = "NOT_IMPLEMENTED"
