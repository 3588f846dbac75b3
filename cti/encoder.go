package cti

import (
	"cmp"
	"slices"

	"github.com/connects-go/connects/internal/wire"
)

// encoder appends one body. The first error sticks.
type encoder struct {
	b     []byte
	base  int // length before the body
	start int // offset of the floating part
	v     Version
	w     wire.Width
	field string
	err   error
}

func newEncoder(dst []byte, v Version) encoder {
	return encoder{b: dst, base: len(dst), v: v, w: v.width()}
}

func (e *encoder) fail(field string, err error) {
	if e.err == nil {
		e.field, e.err = field, err
	}
}

func (e *encoder) u8(n uint8)   { e.b = append(e.b, n) }
func (e *encoder) u16(n uint16) { e.b = wire.AppendUint16(e.b, n) }
func (e *encoder) u32(n uint32) { e.b = wire.AppendUint32(e.b, n) }

func (e *encoder) boolean(b bool) {
	var n uint16
	if b {
		n = 1
	}
	e.u16(n)
}

// narrow returns n as a number of two bytes.
func (e *encoder) narrow(field string, n uint32) uint16 {
	if n > 0xFFFF {
		e.fail(field, ErrRange)
	}
	return uint16(n)
}

// count returns the number to write in a count field: the length of the list,
// or the given count when the list is empty.
func (e *encoder) count(field string, count uint16, length int) uint16 {
	if length == 0 {
		return count
	}
	if length > 0xFFFF {
		e.fail(field, ErrTooLong)
	}
	return uint16(length)
}

// fixedBytes writes a field of n bytes, filled with zeros.
func (e *encoder) fixedBytes(field string, b []byte, n int) {
	if len(b) > n {
		e.fail(field, ErrTooLong)
		b = b[:n]
	}
	e.b = append(e.b, b...)
	for range n - len(b) {
		e.b = append(e.b, 0)
	}
}

// floats marks the beginning of the floating part.
func (e *encoder) floats() { e.start = len(e.b) }

// tag writes tag and length and reports whether the data may follow.
func (e *encoder) tag(tag Tag, n int, field string) bool {
	if int(tag) > e.w.Max() {
		e.fail(field, ErrRange)
		return false
	}
	if n > e.w.Max() {
		e.fail(field, ErrTooLong)
		return false
	}
	e.b = wire.AppendTag(e.b, e.w, uint16(tag), n)
	return true
}

func (e *encoder) f8(tag Tag, field string, n uint8) {
	if e.tag(tag, 1, field) {
		e.u8(n)
	}
}

func (e *encoder) f16(tag Tag, field string, n uint16) {
	if e.tag(tag, 2, field) {
		e.u16(n)
	}
}

func (e *encoder) f32(tag Tag, field string, n uint32) {
	if e.tag(tag, 4, field) {
		e.u32(n)
	}
}

func (e *encoder) fbool(tag Tag, field string, b bool) {
	if e.tag(tag, 2, field) {
		e.boolean(b)
	}
}

// text writes s and its NUL; limit counts the NUL.
func (e *encoder) text(tag Tag, field string, limit int, s string) {
	if len(s) >= limit {
		e.fail(field, ErrTooLong)
		return
	}
	if wire.HasNUL(s) {
		e.fail(field, ErrNUL)
		return
	}
	if e.tag(tag, len(s)+1, field) {
		e.b = append(append(e.b, s...), 0)
	}
}

func (e *encoder) bytes(tag Tag, field string, limit int, b []byte) {
	if len(b) > limit {
		e.fail(field, ErrTooLong)
		return
	}
	if e.tag(tag, len(b), field) {
		e.b = append(e.b, b...)
	}
}

// Limits of ECC variables in bytes, without the NUL. The guides allow fields of
// 251 and 252 bytes although the parts add up to less: what is read may have any
// length, what is written keeps to the parts.
const (
	maxECCName  = 32
	maxECCValue = 210
)

func (e *encoder) named(field, name, value string) bool {
	switch {
	case len(name) > maxECCName || len(value) > maxECCValue:
		e.fail(field, ErrTooLong)
	case wire.HasNUL(name) || wire.HasNUL(value):
		e.fail(field, ErrNUL)
	default:
		return true
	}
	return false
}

func (e *encoder) namedVar(tag Tag, field string, v NamedVar) {
	if e.named(field, v.Name, v.Value) && e.tag(tag, len(v.Name)+len(v.Value)+2, field) {
		e.b = append(append(e.b, v.Name...), 0)
		e.b = append(append(e.b, v.Value...), 0)
	}
}

func (e *encoder) namedArray(tag Tag, field string, v NamedArray) {
	if e.named(field, v.Name, v.Value) && e.tag(tag, len(v.Name)+len(v.Value)+3, field) {
		e.b = append(e.b, v.Index)
		e.b = append(append(e.b, v.Name...), 0)
		e.b = append(append(e.b, v.Value...), 0)
	}
}

// end writes the fields that the message does not define and brings all fields
// into the order they had when the message was decoded.
func (e *encoder) end(t MessageType, f *Floating) ([]byte, error) {
	for i := range f.Extra {
		x := &f.Extra[i]
		if e.tag(x.Tag, len(x.Data), "Extra") {
			e.b = append(e.b, x.Data...)
		}
	}
	if e.err != nil {
		return e.b[:e.base], &EncodeError{Message: t.String(), Field: e.field, Err: e.err}
	}
	if len(f.Order) > 0 {
		e.reorder(f.Order)
	}
	return e.b, nil
}

// segment is one floating field in the bytes of the encoder.
type segment struct {
	tag      Tag
	at       int // position among the fields
	from, to int
}

// reorder sorts the floating fields as order says, if it names the same fields.
// Fields with the same tag keep their sequence.
func (e *encoder) reorder(order []Tag) {
	segs := make([]segment, 0, len(order))
	r := wire.NewReader(e.b[e.start:])
	for from := 0; r.Next(e.w); from = r.Offset() {
		segs = append(segs, segment{Tag(r.Tag()), len(segs), from, r.Offset()})
	}
	if len(segs) != len(order) {
		return
	}
	want := make([]segment, len(order))
	for i, t := range order {
		want[i] = segment{tag: t, at: i}
	}
	byTag := func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.at, b.at))
	}
	slices.SortFunc(segs, byTag)
	slices.SortFunc(want, byTag)
	for i := range want {
		if want[i].tag != segs[i].tag {
			return
		}
		segs[i].at = want[i].at
	}
	slices.SortFunc(segs, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
	end := len(e.b)
	for _, s := range segs {
		e.b = append(e.b, e.b[e.start+s.from:e.start+s.to]...)
	}
	copy(e.b[e.start:end], e.b[end:])
	e.b = e.b[:end]
}
