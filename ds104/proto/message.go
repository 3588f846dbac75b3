package proto

//go:generate go run github.com/connects-go/connects/internal/wiregen/cmd -package proto

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strconv"
)

// Version is a version of the protocol.
type Version uint32

// CurrentVersion is the version that this package speaks.
const CurrentVersion Version = 1

// Reasons of a *DecodeError, beside those of the bytes, and of an *EncodeError.
var (
	// ErrTooLong says that a value has more bytes than its field may carry.
	ErrTooLong = errors.New("proto: too long")
	// ErrNUL says that a text holds a NUL, which would end it early.
	ErrNUL = errors.New("proto: text holds a NUL")
	// ErrAnswer says that a request was answered by a message of another kind.
	ErrAnswer = errors.New("proto: answer of another kind")
)

// DecodeError says why bytes are no message: where and what.
type DecodeError struct {
	Message string // name of the message
	Field   string // name of the field; "Tag" when not even tag and length are whole
	Offset  int    // in the body
	Err     error
}

// Error implements error. The text holds no content of the message.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("decode %s: field=%s offset=%d: %v", e.Message, e.Field, e.Offset, e.Err)
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

// EncodeError says why a message cannot be written.
type EncodeError struct {
	Message string // name of the message
	Field   string // name of the field
	Err     error  // ErrTooLong or ErrNUL
}

// Error implements error. The text holds no content of the message.
func (e *EncodeError) Error() string {
	return fmt.Sprintf("encode %s: field=%s: %v", e.Message, e.Field, e.Err)
}

// Unwrap returns Err.
func (e *EncodeError) Unwrap() error { return e.Err }

// Message is a message of the protocol: one Go type for each, named after the
// specification, PUT_REQ is *PutReq. A message whose number is not known is a *Raw.
type Message interface {
	// Type returns the number of the message.
	Type() MessageType
	// AppendTo appends the body, without header. On error, an *EncodeError, it
	// returns dst as it was.
	AppendTo(dst []byte, v Version) ([]byte, error)
	// DecodeFrom sets the message from a body and keeps no part of it. On error, a
	// *DecodeError, the content of the message is not defined.
	DecodeFrom(body []byte, v Version) error
	// VisitFields calls f for every field that is set until f returns false.
	VisitFields(v Version, f func(FieldValue) bool)
	// MapText replaces every text by what f makes of it.
	MapText(f func(string) string)
}

// Request is a message that is answered by one Confirm with its invoke id.
type Request interface {
	Message
	Invoke() uint32
	SetInvoke(id uint32)
	request()
}

// Confirm is the answer to a Request: its confirmation or a *FailureConf.
type Confirm interface {
	Message
	Invoke() uint32
	SetInvoke(id uint32)
	confirm()
}

// Requester sends a request and waits for its answer. A *FailureConf is an answer.
type Requester interface {
	Do(ctx context.Context, m Request) (Confirm, error)
}

// Requests has a method for every request.
type Requests struct{ Requester Requester }

func (r Requests) do(ctx context.Context, m Request) (Confirm, error) { return r.Requester.Do(ctx, m) }

// Failure is a *FailureConf as an error.
type Failure struct{ Conf *FailureConf }

// Error implements error.
func (f *Failure) Error() string {
	if f.Conf.Text != "" {
		return "ds104: " + f.Conf.Text
	}
	return "ds104: " + f.Conf.Status.String()
}

func do[C Confirm](ctx context.Context, send func(context.Context, Request) (Confirm, error), m Request) (C, error) {
	var none C
	a, err := send(ctx, m)
	if err != nil {
		return none, err
	}
	if c, ok := a.(C); ok {
		return c, nil
	}
	if f, ok := a.(*FailureConf); ok {
		return none, &Failure{f}
	}
	return none, ErrAnswer
}

// MessageType is the number of a message.
type MessageType uint32

// String returns the name of the message, or MessageType(n).
func (t MessageType) String() string {
	i, ok := sort.Find(len(messageTable), func(i int) int { return int(t) - int(messageTable[i].Type) })
	if ok {
		return messageTable[i].Name
	}
	return "MessageType(" + strconv.FormatUint(uint64(t), 10) + ")"
}

// MessageInfo describes a message.
type MessageInfo struct {
	Type      MessageType
	Name      string
	Category  string
	Direction Direction
	Status    LayoutStatus
	Role      Role
	Answer    MessageType // message that answers it; 0 when none does
	Purpose   string
}

// Messages returns what is known of all messages, by number.
func Messages() []MessageInfo { return append([]MessageInfo(nil), messageTable[:]...) }

// Direction says who sends a message.
type Direction uint8

// The directions.
const (
	ToServer Direction = iota + 1
	ToClient
	ToBoth
)

// LayoutStatus says how sure the layout of a message is; here all are Verified,
// because the protocol is our own.
type LayoutStatus uint8

// Verified is the only LayoutStatus.
const Verified LayoutStatus = 1

// Role says what part a message plays.
type Role uint8

// The roles.
const (
	RoleRequest Role = iota + 1 // answered by a Confirm
	RoleConfirm
	RoleEvent
	RoleSend
)

// Tag is the number of a tagged field.
type Tag uint16

// String returns the name of the tag, or Tag(n).
func (t Tag) String() string { return constString(t.name(), "Tag", uint64(t)) }

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

// Text returns a message in one line. Tokens and values are shown as ****.
func Text(m Message) string {
	dst := []byte(m.Type().String())
	m.VisitFields(0, func(f FieldValue) bool {
		dst = append(append(dst, ' '), f.Name...)
		if f.List {
			dst = append(dst, '[')
			dst = strconv.AppendInt(dst, int64(f.Entry), 10)
			dst = append(dst, ']')
		}
		dst = append(append(dst, '='), f.String()...)
		return true
	})
	return string(dst)
}

func logValue(m Message) slog.Value { return slog.StringValue(Text(m)) }
