package cti

//go:generate go run github.com/connects-go/connects/internal/wiregen/cmd -package cti

import (
	"fmt"
	"iter"
	"sort"
	"strconv"
)

// MessageType is the number of a message.
type MessageType uint32

// String returns the name that the specification gives to the message, for
// example AGENT_STATE_EVENT, or MessageType(n) for an unknown number.
func (t MessageType) String() string {
	if i, ok := t.index(); ok {
		return messageTable[i].Name
	}
	return "MessageType(" + strconv.FormatUint(uint64(t), 10) + ")"
}

// Info returns what is known of the message, false for an unknown number.
func (t MessageType) Info() (MessageInfo, bool) {
	if i, ok := t.index(); ok {
		return messageTable[i], true
	}
	return MessageInfo{Type: t}, false
}

func (t MessageType) index() (int, bool) {
	return sort.Find(len(messageTable), func(i int) int { return int(t) - int(messageTable[i].Type) })
}

// ParseMessageType returns the number of the message that the specification
// names so, and false for an unknown name.
func ParseMessageType(name string) (MessageType, bool) {
	for i := range messageTable {
		if messageTable[i].Name == name {
			return messageTable[i].Type, true
		}
	}
	return 0, false
}

// Messages yields all known messages by number.
func Messages() iter.Seq[MessageInfo] {
	return func(yield func(MessageInfo) bool) {
		for _, i := range messageTable {
			if !yield(i) {
				return
			}
		}
	}
}

// MessageInfo describes a message.
type MessageInfo struct {
	Type      MessageType
	Name      string // in the specification
	Category  string // group of messages, for example call_event
	Purpose   string // what it is for
	Direction Direction
	Status    Status
	Role      Role
	// Answer is the message that answers it; 0 when none does.
	Answer MessageType
	// Since is the version that brought the message; 0 when it is older than
	// the oldest list of changes.
	Since Version
	// Alternative is another number that a part of the guides prints for the
	// message; 0 when there is none. See Numbering.
	Alternative MessageType
}

// Direction says who sends a message.
type Direction uint8

// The directions.
const (
	ToServer Direction = iota + 1 // from the client to the server
	ToClient                      // from the server to the client
	ToBoth                        // from either
)

// Status says how sure the layout of a message is.
type Status uint8

// The values of Status.
const (
	Verified Status = iota + 1 // as printed in the guides
	Assumed                    // a weak source, or a conclusion
	Opaque                     // not public, the body is kept as it is
)

// String returns "verified", "assumed" or "opaque".
func (s Status) String() string {
	switch s {
	case Verified:
		return "verified"
	case Assumed:
		return "assumed"
	case Opaque:
		return "opaque"
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// Role says what part a message plays between client and server.
type Role uint8

// The roles.
const (
	RoleRequest Role = iota + 1 // has an invoke id and is answered by a Confirm
	RoleConfirm                 // answers a request
	RoleEvent                   // comes from the server unasked
	RoleSend                    // comes from the client and has no Confirm
)

// Numbering says which numbers the network recording messages have. The guides
// contradict themselves: their sections print 268 to 275, the summaries of the
// guides for versions 24 and 25 one less each.
type Numbering uint8

// The numberings.
const (
	// SectionNumbers are 268 to 275.
	SectionNumbers Numbering = iota
	// SummaryNumbers are 267 to 274.
	SummaryNumbers
)

// FromWire returns the type that a number on the wire means.
func (n Numbering) FromWire(t MessageType) MessageType {
	if n == SummaryNumbers {
		for i := range messageTable {
			if messageTable[i].Alternative == t {
				return messageTable[i].Type
			}
		}
	}
	return t
}

// ToWire returns the number on the wire of a type.
func (n Numbering) ToWire(t MessageType) MessageType {
	if n == SummaryNumbers {
		if i, ok := t.Info(); ok && i.Alternative != 0 {
			return i.Alternative
		}
	}
	return t
}

// Tag is the number of a floating field.
type Tag uint16

// String returns the name of the specification, or Tag(n) for an unknown number.
func (t Tag) String() string { return constString(t.name(), "Tag", uint64(t)) }

// constString returns name, or group(n) when there is none.
func constString(name, group string, n uint64) string {
	if name != "" {
		return name
	}
	return group + "(" + strconv.FormatUint(n, 10) + ")"
}

type maskBit struct {
	bit  uint64
	name string
}

// maskName joins the names of the bits of n; bits without a name follow in hex.
func maskName(n uint64, bits []maskBit) string {
	var b []byte
	for _, x := range bits {
		if n&x.bit == 0 {
			continue
		}
		n &^= x.bit
		if len(b) > 0 {
			b = append(b, '|')
		}
		b = append(b, x.name...)
	}
	if len(b) > 0 && n != 0 {
		b = append(b, "|0x"...)
		b = strconv.AppendUint(b, n, 16)
	}
	return string(b)
}
