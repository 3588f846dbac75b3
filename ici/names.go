package ici

// Service numbers one of the services of the interface. The constants are generated from the profile.
type Service uint8

// Op numbers one operation of one service. The constants are generated from the profile. It is safe to store an Op
// only within one program: its number changes when the profile grows.
type Op uint16

// Param numbers one parameter name. The same name used by several operations is one Param.
type Param uint8

// Enum numbers one set of codes.
type Enum uint8

// Code numbers one code of one set, for example WorkmodeReady.
type Code uint16

// FaultCode numbers one fault code.
type FaultCode uint8

// Wire numbers one name or number of the envelope.
type Wire uint8

// typeID numbers one struct type of the profile.
type typeID uint8

// Status says how sure a name of the profile is.
type Status string

// The four grades.
const (
	Verified         Status = "verified"          // a public source names it in wire form
	VerifiedIndirect Status = "verified-indirect" // a public source names it, but not in wire form
	Derived          Status = "derived"           // follows from a verified fact by a stated rule
	Assumed          Status = "assumed"           // a coherent proposal; may be wrong on the wire
)

// String gives the name in the built-in profile, for logs: "IciUser".
func (s Service) String() string { return Default().ServiceName(s) }

// String gives service and name in the built-in profile, for logs: "IciUser.getAttributes".
func (o Op) String() string { return Default().OpFullName(o) }

// String gives the name in the built-in profile, for logs: "userId".
func (p Param) String() string { return Default().ParamName(p) }

// String gives the code in the built-in profile, for logs.
func (c FaultCode) String() string { return Default().FaultName(c) }

// String gives set and code in the built-in profile, for logs: "Workmode.2".
func (c Code) String() string {
	p := Default()
	if int(c) >= len(p.codes) || c == CodeUnknown {
		return "unknown"
	}
	return p.enums[p.codes[c].enum] + "." + p.codes[c].id
}
