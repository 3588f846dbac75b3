package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// HeaderSize is the number of bytes before the body of a frame: the length of
// the body and the message type, four bytes each.
const HeaderSize = 8

// readAhead is how much a FrameReader asks for at once when it has room.
const readAhead = 16 << 10

// FrameError says why a stream can no longer be cut into frames. The stream is
// out of step or at its end; the connection has to be closed.
type FrameError struct {
	Type   uint32 // message type of the header, 0 when the header is not complete
	Length uint32 // length of the header, 0 when the header is not complete
	Got    int    // bytes of the frame that were read
	Err    error  // ErrTooLarge, io.ErrUnexpectedEOF or the error of the stream
}

// Error implements error.
func (e *FrameError) Error() string {
	return fmt.Sprintf("wire: frame type=%d length=%d got=%d: %v", e.Type, e.Length, e.Got, e.Err)
}

// Unwrap returns Err.
func (e *FrameError) Unwrap() error { return e.Err }

// FrameReader cuts a stream into frames, whatever the pieces are in which the
// stream arrives. It is for one goroutine.
type FrameReader struct {
	r   io.Reader
	max uint32
	buf []byte // grows to the largest frame seen, at most max and a header
	beg int
	end int
	err error

	ahead int  // largest buffer that is taken for reading ahead
	full  bool // the last Read filled the buffer: there is more
}

// NewFrameReader returns a reader of frames with bodies of at most maxBody
// bytes.
func NewFrameReader(r io.Reader, maxBody uint32) *FrameReader {
	return &FrameReader{r: r, max: maxBody}
}

// SetMax changes the largest body that is accepted from the next frame on.
func (f *FrameReader) SetMax(maxBody uint32) { f.max = maxBody }

// SetReadAhead lets the reader take a buffer of up to n bytes when the stream brings
// more than it has room for, so that a busy stream needs fewer reads.
func (f *FrameReader) SetReadAhead(n int) { f.ahead = n }

// Buffered returns the number of bytes that were read and not yet returned.
func (f *FrameReader) Buffered() int { return f.end - f.beg }

// Ready reports whether Next returns without reading: a whole frame stands in the
// buffer.
func (f *FrameReader) Ready() bool {
	n := f.end - f.beg
	return n >= HeaderSize && uint64(n-HeaderSize) >= uint64(binary.BigEndian.Uint32(f.buf[f.beg:]))
}

// Next returns the next frame. The body is valid until the next call.
//
// At the end of the stream between two frames the error is io.EOF. Every other
// error is a *FrameError, and the same error comes again: a length above the
// limit is found before any memory is taken for it.
func (f *FrameReader) Next() (typ uint32, body []byte, err error) {
	if f.err != nil {
		return 0, nil, f.err
	}
	if err := f.fill(HeaderSize); err != nil {
		if err == io.EOF && f.end == f.beg {
			return 0, nil, f.fail(io.EOF)
		}
		return 0, nil, f.fail(&FrameError{Got: f.end - f.beg, Err: unexpected(err)})
	}
	length := binary.BigEndian.Uint32(f.buf[f.beg:])
	typ = binary.BigEndian.Uint32(f.buf[f.beg+4:])
	if length > f.max {
		return 0, nil, f.fail(&FrameError{Type: typ, Length: length, Got: HeaderSize, Err: ErrTooLarge})
	}
	if err := f.fill(HeaderSize + int(length)); err != nil {
		return 0, nil, f.fail(&FrameError{Type: typ, Length: length, Got: f.end - f.beg, Err: unexpected(err)})
	}
	body = f.buf[f.beg+HeaderSize : f.beg+HeaderSize+int(length)]
	f.beg += HeaderSize + int(length)
	return typ, body, nil
}

func (f *FrameReader) fail(err error) error {
	f.err = err
	return err
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fill reads until n bytes stand in the buffer.
func (f *FrameReader) fill(n int) error {
	if f.end-f.beg >= n {
		return nil
	}
	if f.beg > 0 && (f.beg == f.end || f.beg+n > len(f.buf)) {
		f.end = copy(f.buf, f.buf[f.beg:f.end])
		f.beg = 0
	}
	more := 0
	if f.full && len(f.buf) < f.ahead {
		more = min(2*len(f.buf), f.ahead)
	}
	if f.full = false; n > len(f.buf) || more > 0 {
		grown := make([]byte, max(n, readAhead, more))
		f.end = copy(grown, f.buf[f.beg:f.end])
		f.beg, f.buf = 0, grown
	}
	for stuck := 0; f.end-f.beg < n; {
		m, err := f.r.Read(f.buf[f.end:])
		f.end += m
		f.full = f.end == len(f.buf)
		if f.end-f.beg >= n {
			return nil
		}
		if err != nil {
			return err
		}
		if m > 0 {
			stuck = 0
			continue
		}
		if stuck++; stuck == 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}
