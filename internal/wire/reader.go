package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// Reasons why a body or a frame cannot be read.
var (
	// ErrShort says that a value or a tagged field ends after the body does.
	ErrShort = errors.New("wire: runs past the end of the body")
	// ErrLength says that a field has another length than its type asks for.
	ErrLength = errors.New("wire: length does not fit the type")
	// ErrTooLarge says that a length is above the limit of the protocol.
	ErrTooLarge = errors.New("wire: length above the limit")
)

// Reader reads one message body. The first error sticks: what is read later
// is zero, and Err says what was wrong, in which field and at which offset.
//
// Text and Bytes copy the body once, on first use, and hand out parts of the
// copy, so the body may be overwritten when reading is done. A part keeps the
// whole copy alive.
type Reader struct {
	buf   []byte
	off   int
	err   error
	field string
	at    int

	tag  uint16
	val  int // offset of the current field's data
	text string
	raw  []byte
}

// NewReader returns a reader of body.
func NewReader(body []byte) Reader { return Reader{buf: body} }

// Err returns the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Where returns the field and the offset of the first error. The field is
// empty when the error lies in the tagged part; Tag then tells which field.
func (r *Reader) Where() (field string, offset int) { return r.field, r.at }

// Offset returns the number of bytes read.
func (r *Reader) Offset() int { return r.off }

// Len returns the number of bytes left.
func (r *Reader) Len() int { return len(r.buf) - r.off }

// Fail records an error at an offset unless one is recorded already, and ends
// the reading.
func (r *Reader) Fail(field string, offset int, err error) {
	if r.err == nil {
		r.err, r.field, r.at = err, field, offset
	}
	r.off = len(r.buf)
}

func (r *Reader) short(field string) { r.Fail(field, r.off, ErrShort) }

// Uint8 reads one byte.
func (r *Reader) Uint8(field string) uint8 {
	if r.err != nil || len(r.buf)-r.off < 1 {
		r.short(field)
		return 0
	}
	v := r.buf[r.off]
	r.off++
	return v
}

// Uint16 reads two bytes.
func (r *Reader) Uint16(field string) uint16 {
	if r.err != nil || len(r.buf)-r.off < 2 {
		r.short(field)
		return 0
	}
	v := binary.BigEndian.Uint16(r.buf[r.off:])
	r.off += 2
	return v
}

// Uint32 reads four bytes.
func (r *Reader) Uint32(field string) uint32 {
	if r.err != nil || len(r.buf)-r.off < 4 {
		r.short(field)
		return 0
	}
	v := binary.BigEndian.Uint32(r.buf[r.off:])
	r.off += 4
	return v
}

// Uint64 reads eight bytes.
func (r *Reader) Uint64(field string) uint64 {
	if r.err != nil || len(r.buf)-r.off < 8 {
		r.short(field)
		return 0
	}
	v := binary.BigEndian.Uint64(r.buf[r.off:])
	r.off += 8
	return v
}

// Fixed reads n bytes and returns a part of the copy of the body.
func (r *Reader) Fixed(field string, n int) []byte {
	if r.err != nil || len(r.buf)-r.off < n {
		r.short(field)
		return nil
	}
	b := r.part(r.off, r.off+n)
	r.off += n
	return b
}

// Next goes to the next tagged field. It returns false at the end of the body
// and after an error. A field that claims more bytes than are left is an
// error.
func (r *Reader) Next(w Width) bool {
	left := len(r.buf) - r.off
	if left == 0 || r.err != nil {
		return false
	}
	if left < 2*int(w) {
		r.tag = 0
		r.Fail("", r.off, ErrShort)
		return false
	}
	var n int
	switch w {
	case Narrow:
		r.tag, n = uint16(r.buf[r.off]), int(r.buf[r.off+1])
	case Long:
		tag, length := binary.BigEndian.Uint32(r.buf[r.off:]), binary.BigEndian.Uint32(r.buf[r.off+4:])
		if tag > 0xFFFF || length > uint32(w.Max()) {
			r.tag = 0
			r.Fail("", r.off, ErrTooLarge)
			return false
		}
		r.tag, n = uint16(tag), int(length)
	default:
		r.tag = binary.BigEndian.Uint16(r.buf[r.off:])
		n = int(binary.BigEndian.Uint16(r.buf[r.off+2:]))
	}
	if n > left-2*int(w) {
		r.Fail("", r.off, ErrShort)
		return false
	}
	r.val = r.off + 2*int(w)
	r.off = r.val + n
	return true
}

// Tag returns the tag of the current field.
func (r *Reader) Tag() uint16 { return r.tag }

// Data returns the data of the current field; the slice is a part of the body.
func (r *Reader) Data() []byte { return r.buf[r.val:r.off] }

// DataOffset returns the offset of the data of the current field.
func (r *Reader) DataOffset() int { return r.val }

// Value8 returns the current field as a number of one byte.
func (r *Reader) Value8() uint8 {
	if r.off-r.val != 1 {
		r.Fail("", r.val, ErrLength)
		return 0
	}
	return r.buf[r.val]
}

// Value16 returns the current field as a number of two bytes.
func (r *Reader) Value16() uint16 {
	if r.off-r.val != 2 {
		r.Fail("", r.val, ErrLength)
		return 0
	}
	return binary.BigEndian.Uint16(r.buf[r.val:])
}

// Value32 returns the current field as a number of four bytes.
func (r *Reader) Value32() uint32 {
	if r.off-r.val != 4 {
		r.Fail("", r.val, ErrLength)
		return 0
	}
	return binary.BigEndian.Uint32(r.buf[r.val:])
}

// Sized returns the data of the current field, which has to have n bytes; the
// slice is a part of the body. It returns nil after an error.
func (r *Reader) Sized(n int) []byte {
	if r.off-r.val != n {
		r.Fail("", r.val, ErrLength)
		return nil
	}
	return r.buf[r.val:r.off]
}

// Value64 returns the current field as a number of eight bytes.
func (r *Reader) Value64() uint64 {
	if r.off-r.val != 8 {
		r.Fail("", r.val, ErrLength)
		return 0
	}
	return binary.BigEndian.Uint64(r.buf[r.val:])
}

// Text returns the current field as text: up to the first NUL, or all of it
// when there is none.
func (r *Reader) Text() string { return r.TextFrom(r.val, r.off) }

// TextFrom returns the text that stands between two offsets of the body: up to
// the first NUL, or all of it when there is none.
func (r *Reader) TextFrom(from, to int) string {
	b := r.buf[from:to]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	if len(b) == 0 {
		return ""
	}
	if r.text == "" {
		r.text = string(r.buf)
	}
	return r.text[from : from+len(b)]
}

// Bytes returns the data of the current field as a part of a copy of the body;
// nil when the field is empty.
func (r *Reader) Bytes() []byte { return r.part(r.val, r.off) }

func (r *Reader) part(from, to int) []byte {
	if from == to {
		return nil
	}
	if r.raw == nil {
		r.raw = slices.Clone(r.buf)
	}
	return r.raw[from:to:to]
}

// HasNUL reports whether s holds a NUL, which would end it early on the wire.
func HasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// Body returns the body that is read.
func (r *Reader) Body() []byte { return r.buf }
