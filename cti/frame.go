package cti

import (
	"errors"
	"io"

	"github.com/connects-go/connects/internal/wire"
)

// FrameReader cuts a byte stream into messages, whatever the pieces are in
// which it arrives. Use it from one goroutine.
type FrameReader struct {
	fr *wire.FrameReader
	v  Version
}

// NewFrameReader returns a reader of the messages of r in a version, which may
// be changed later with SetVersion.
func NewFrameReader(r io.Reader, v Version) *FrameReader {
	return &FrameReader{fr: wire.NewFrameReader(r, uint32(v.MaxBodySize())), v: v}
}

// SetVersion changes the version from the next message on.
func (f *FrameReader) SetVersion(v Version) {
	f.v = v
	f.fr.SetMax(uint32(v.MaxBodySize()))
}

// Next returns the type and the body of the next message. The body is valid
// until the next call.
//
// At the end of the stream between two messages the error is io.EOF. What the
// bytes are to blame for is a *DecodeError: a header that announces more than
// the version allows (ErrTooLarge, found before any memory is taken), or a
// stream that ends within a message (io.ErrUnexpectedEOF). Any other error is
// that of the stream. After an error the stream is out of step and the
// connection has to be closed; Next goes on to return the error.
func (f *FrameReader) Next() (MessageType, []byte, error) {
	t, body, err := f.fr.Next()
	if err == nil {
		return MessageType(t), body, nil
	}
	var fe *wire.FrameError
	if !errors.As(err, &fe) {
		return 0, nil, err
	}
	if !errors.Is(fe.Err, wire.ErrTooLarge) && !errors.Is(fe.Err, io.ErrUnexpectedEOF) {
		return 0, nil, fe.Err // of the network
	}
	de := &DecodeError{Field: "MessageLength", Offset: fe.Got, Err: fromWire(fe.Err)}
	if fe.Got >= HeaderSize {
		de.Message = MessageType(fe.Type).String()
	}
	if errors.Is(fe.Err, wire.ErrTooLarge) {
		de.Offset = 0
	}
	return 0, nil, de
}

// ReadMessage returns the next message, decoded. An error that leaves the
// stream in step is a *DecodeError of the message; the next call goes on with
// the message after it.
func (f *FrameReader) ReadMessage() (Message, error) {
	t, body, err := f.Next()
	if err != nil {
		return nil, err
	}
	return DecodeMessage(t, body, f.v)
}

// Buffered returns the number of bytes that were read from the stream and
// belong to messages that Next has not returned.
func (f *FrameReader) Buffered() int { return f.fr.Buffered() }
