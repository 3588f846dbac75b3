package nwrfc

import (
	"errors"
	"strings"
)

// Errors of the package. Compare with errors.Is.
var (
	// ErrNotBuilt: the program has no SDK in it.
	ErrNotBuilt = errors.New("nwrfc: built without the SAP NetWeaver RFC SDK; build with -tags nwrfc")
	// ErrRefused: the gateway does not permit the registration. The SDK has no code for it:
	// it is recognized by "not allowed" in the text of the gateway (assumed).
	ErrRefused = errors.New("nwrfc: refused by the gateway; look at reginfo")
)

// Error is what the SDK says about a failure (RFC_ERROR_INFO).
type Error struct {
	Func    string // of the SDK
	Code    int    // RFC_RC
	Group   int    // RFC_ERROR_GROUP
	Key     string // such as RFC_COMMUNICATION_FAILURE
	Message string // one line
}

func (e *Error) Error() string {
	s := "nwrfc: " + e.Func + ": " + e.Key
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Is(ErrRefused) {
		s += " (look at reginfo)"
	}
	return s
}

// Is reports a refusal by the gateway as ErrRefused.
func (e *Error) Is(target error) bool {
	return target == ErrRefused && e.Func == registerFunc && strings.Contains(e.Message, "not allowed")
}

// registerFunc is the function of the SDK that a gateway can refuse.
const registerFunc = "RfcRegisterServer"
