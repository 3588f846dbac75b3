package cti

import (
	"errors"
	"fmt"

	"github.com/connects-go/connects/internal/wire"
)

// Reasons of a DecodeError or an EncodeError. Compare with errors.Is.
var (
	// ErrTruncated says that a value or a field ends after the message does.
	ErrTruncated = errors.New("cti: runs past the end of the message")
	// ErrTrailing says that bytes follow the message.
	ErrTrailing = errors.New("cti: bytes after the end of the message")
	// ErrFieldLength says that a field has another length than its type.
	ErrFieldLength = errors.New("cti: length does not fit the type of the field")
	// ErrTooLarge says that a header announces more than the largest message.
	ErrTooLarge = errors.New("cti: message length above the limit")
	// ErrTooLong says that a value has more bytes than the field may carry, or
	// a message more than the version allows.
	ErrTooLong = errors.New("cti: too long")
	// ErrNUL says that a text holds a NUL, which would end it early.
	ErrNUL = errors.New("cti: text holds a NUL")
	// ErrRange says that a number is too large for the field.
	ErrRange = errors.New("cti: number too large for the field")
	// ErrNoTag says that no guide prints the tag number of the field for this
	// version. Who knows the number can send the field in Extra.
	ErrNoTag = errors.New("cti: tag number of the field is not published")
)

// DecodeError says why bytes are no message: where and what.
type DecodeError struct {
	// Message is the name of the message; empty when the header is not whole.
	Message string
	// Field is the name of the field; for a tag that the message does not
	// define, the name or the number of the tag.
	Field string
	// Offset is the place in the body; in errors of ParseMessage and of a
	// FrameReader it counts from the header.
	Offset int
	// Err is the reason: ErrTruncated, ErrFieldLength, ErrTooLarge,
	// ErrTrailing, or the error of the stream.
	Err error
}

// Error implements error. The text holds no content of the message.
func (e *DecodeError) Error() string {
	m := e.Message
	if m == "" {
		m = "message"
	}
	return fmt.Sprintf("decode %s: field=%s offset=%d: %v", m, e.Field, e.Offset, e.Err)
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

// EncodeError says why a message cannot be written.
type EncodeError struct {
	Message string // name of the message
	Field   string // name of the field
	Err     error  // ErrTooLong, ErrNUL, ErrRange or ErrNoTag
}

// Error implements error. The text holds no content of the message.
func (e *EncodeError) Error() string {
	return fmt.Sprintf("encode %s: field=%s: %v", e.Message, e.Field, e.Err)
}

// Unwrap returns Err.
func (e *EncodeError) Unwrap() error { return e.Err }

func fromWire(err error) error {
	switch {
	case errors.Is(err, wire.ErrShort):
		return ErrTruncated
	case errors.Is(err, wire.ErrLength):
		return ErrFieldLength
	case errors.Is(err, wire.ErrTooLarge):
		return ErrTooLarge
	}
	return err
}
