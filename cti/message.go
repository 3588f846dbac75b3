package cti

import (
	"log/slog"
	"slices"

	"github.com/connects-go/connects/internal/wire"
)

// HeaderSize is the number of bytes before the body of a message:
// MessageLength (the bytes of the body) and MessageType, four bytes each.
const HeaderSize = wire.HeaderSize

// Message is a message of the protocol. Every message has a type of its own,
// named after the specification: AGENT_STATE_EVENT is *AgentStateEvent. A
// message whose number is not known is a *Raw.
//
// A message belongs to whoever made or decoded it; it has no lock.
type Message interface {
	// Type returns the number of the message.
	Type() MessageType
	// AppendTo appends the body, without header, in the layout of a version
	// and returns the extended slice. Fields that the version lacks are left
	// out. On error, an *EncodeError, it returns dst as it was.
	AppendTo(dst []byte, v Version) ([]byte, error)
	// DecodeFrom sets the message from a body, without header, in the layout
	// of a version. It keeps no part of body. Lists reuse the memory of the
	// lists that the message held before. On error, a *DecodeError, the
	// content of the message is not defined.
	DecodeFrom(body []byte, v Version) error
	// VisitFields calls f for every field that the message has on the wire of
	// a version, in the order of the specification, until f returns false.
	// Version 0 means any version: fixed fields that only some versions have
	// are then visited when they are not zero.
	VisitFields(v Version, f func(FieldValue) bool)
	// MapText replaces every text of the message, names and values of ECC
	// variables included, by what f makes of it. f is not called for empty
	// texts. Fields of type UNSPEC are no text.
	MapText(f func(string) string)
}

// Request is a message that is answered by one Confirm with the same invoke
// id. Its implementations are the generated ones, and no others.
type Request interface {
	Message
	// Invoke returns the invoke id.
	Invoke() uint32
	// SetInvoke sets the invoke id.
	SetInvoke(id uint32)
	request()
}

// Confirm is the answer to a Request: its confirmation, or FAILURE_CONF,
// CONTROL_FAILURE_CONF or FAILURE_RESP. Its implementations are the generated
// ones, and no others.
type Confirm interface {
	Message
	// Invoke returns the invoke id of the request that is answered.
	Invoke() uint32
	// SetInvoke sets the invoke id.
	SetInvoke(id uint32)
	confirm()
}

// Event is what arrives without having been asked for: the events of the
// server, the few requests that a server sends to its clients, messages of
// unknown type, and the boundary events of a session (SessionUp and others),
// which are no messages.
type Event interface {
	event()
}

// Raw is a message whose number this package does not know. Its body is kept
// as it came and written as it is.
type Raw struct {
	MessageType MessageType // number of the message
	Body        []byte      // the bytes after the header
}

// Type returns m.MessageType.
func (m *Raw) Type() MessageType { return m.MessageType }

// AppendTo appends the body as it is.
func (m *Raw) AppendTo(dst []byte, _ Version) ([]byte, error) { return append(dst, m.Body...), nil }

// DecodeFrom copies the body.
func (m *Raw) DecodeFrom(body []byte, _ Version) error {
	m.Body = slices.Clone(body)
	return nil
}

// VisitFields visits the body as one field of bytes.
func (m *Raw) VisitFields(_ Version, f func(FieldValue) bool) { visitBody(m.Body, f) }

// MapText does nothing: where text stands in the body is not known.
func (m *Raw) MapText(func(string) string) {}

// String returns the message in one line.
func (m *Raw) String() string { return Text(m) }

// LogValue implements slog.LogValuer.
func (m *Raw) LogValue() slog.Value { return logValue(m) }

func (m *Raw) event() {}

func (m *Raw) bytes() []byte { return m.Body }

// ExtraFields returns the fields of m that the message does not define, in wire
// order: m.Extra of whatever type m is.
func ExtraFields(m Message) []Field {
	if f, ok := m.(interface{ rest() *Floating }); ok {
		return f.rest().Extra
	}
	return nil
}

// RawBody returns the body of a message that is kept as it came, and false for
// a message with fields: true for a *Raw and for messages without a public
// layout.
func RawBody(m Message) ([]byte, bool) {
	if b, ok := m.(interface{ bytes() []byte }); ok {
		return b.bytes(), true
	}
	return nil, false
}

// AppendMessage appends the header and the body of m in the layout of a
// version and returns the extended slice. On error it returns dst as it was.
// The error is an *EncodeError, with ErrTooLong when the message is larger than
// v.MaxMessageSize.
func AppendMessage(dst []byte, m Message, v Version) ([]byte, error) {
	start := len(dst)
	out, err := m.AppendTo(wire.AppendHeader(dst, 0, uint32(m.Type())), v)
	if err != nil {
		return dst, err
	}
	n := len(out) - start - HeaderSize
	if n > v.MaxBodySize() {
		return dst, &EncodeError{Message: m.Type().String(), Field: "MessageLength", Err: ErrTooLong}
	}
	wire.AppendHeader(out[start:start], uint32(n), uint32(m.Type()))
	return out, nil
}

// DecodeMessage returns the message of a type with the fields of a body, given
// without header. A type that is not known gives a *Raw, never an error. The
// error is a *DecodeError.
func DecodeMessage(t MessageType, body []byte, v Version) (Message, error) {
	m := newDecoded(t)
	if err := m.DecodeFrom(body, v); err != nil {
		return nil, err
	}
	return m, nil
}

// ParseMessage decodes one whole message, header included. The header's
// MessageLength has to be the number of bytes that follow, and within the
// limit of the version. The error is a *DecodeError whose offset counts from
// the first byte of the header.
func ParseMessage(b []byte, v Version) (Message, error) {
	if len(b) < HeaderSize {
		return nil, &DecodeError{Field: "MessageLength", Offset: len(b), Err: ErrTruncated}
	}
	r := wire.NewReader(b)
	length, t := r.Uint32("MessageLength"), MessageType(r.Uint32("MessageType"))
	switch {
	case uint64(length) > uint64(v.MaxBodySize()):
		return nil, &DecodeError{Message: t.String(), Field: "MessageLength", Err: ErrTooLarge}
	case int(length) > r.Len():
		return nil, &DecodeError{Message: t.String(), Field: "MessageLength", Offset: len(b), Err: ErrTruncated}
	case int(length) < r.Len():
		return nil, &DecodeError{Message: t.String(), Field: "MessageLength", Offset: HeaderSize + int(length), Err: ErrTrailing}
	}
	m, err := DecodeMessage(t, b[HeaderSize:], v)
	if err != nil {
		if e, ok := err.(*DecodeError); ok {
			e.Offset += HeaderSize
		}
		return nil, err
	}
	return m, nil
}
