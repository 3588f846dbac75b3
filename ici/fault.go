package ici

import "errors"

// Errors of this package.
var (
	// ErrTooLarge is the reason when a message exceeds one of the [Limits].
	ErrTooLarge = errors.New("ici: message exceeds a limit")
	// ErrCharset is the reason when the character set of a message is unknown.
	ErrCharset = errors.New("ici: unknown character set")
	// ErrSyntax is the reason when a message is not well-formed XML.
	ErrSyntax = errors.New("ici: not well-formed")
	// ErrVersion is the reason when a message is an envelope of another SOAP version.
	ErrVersion = errors.New("ici: not SOAP 1.1")
	// ErrEnvelope is the reason when a message is XML but no SOAP 1.1 envelope.
	ErrEnvelope = errors.New("ici: not a SOAP 1.1 envelope")
)

// Fault is a SOAP fault: what a [Handler] returns to refuse a request, and what [Profile.ParseResponse] returns when
// the far end refused.
type Fault struct {
	Code FaultCode // FaultUnknown on a fault that was received with another code
	Text string    // faultstring in the language of the agent; "" = the server's text for Code
	Err  error     // reason for the log, never sent

	WireCode string // detail/errorCode as received, only on received faults
	Actor    string // faultcode as received, for example SOAP-ENV:Client, only on received faults
	Status   int    // HTTP status to send, 0 = 500 as SOAP 1.1 wants
}

// Error names code, text and cause.
func (f *Fault) Error() string {
	s := "ici: fault " + f.WireCode
	if f.WireCode == "" {
		s += f.Code.String()
	}
	if f.Text != "" {
		s += ": " + f.Text
	}
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap gives the reason.
func (f *Fault) Unwrap() error { return f.Err }

// Is reports whether target is a *Fault with the same code, so that errors.Is(err, &Fault{Code: c}) works.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code && t.Text == "" && t.Err == nil
}
