package proto

import (
	"slices"

	"github.com/connects-go/connects/internal/wire"
)

// width is the width of tags and lengths of tagged fields in all versions.
const width = wire.Long

// encoder appends one body. The first error sticks.
type encoder struct {
	b     []byte
	base  int // length before the body
	field string
	err   error
}

func newEncoder(dst []byte, _ Version) encoder { return encoder{b: dst, base: len(dst)} }

func (e *encoder) fail(field string, err error) {
	if e.err == nil {
		e.field, e.err = field, err
	}
}

func (e *encoder) u16(n uint16) { e.b = wire.AppendUint16(e.b, n) }
func (e *encoder) u32(n uint32) { e.b = wire.AppendUint32(e.b, n) }
func (e *encoder) u64(n uint64) { e.b = wire.AppendUint64(e.b, n) }
func (e *encoder) floats()      {}

func (e *encoder) boolean(b bool) {
	var n uint16
	if b {
		n = 1
	}
	e.u16(n)
}

// count returns the length of a list, which has to fit its count field.
func (e *encoder) count(field string, count uint16, length int) uint16 {
	if length == 0 {
		return count
	}
	if length > 0xFFFF {
		e.fail(field, ErrTooLong)
	}
	return uint16(length)
}

func (e *encoder) f32(tag Tag, _ string, n uint32) {
	e.b = wire.AppendTag(e.b, width, uint16(tag), 4)
	e.u32(n)
}

func (e *encoder) f64(tag Tag, _ string, n uint64) {
	e.b = wire.AppendTag(e.b, width, uint16(tag), 8)
	e.u64(n)
}

// text writes s and its NUL; limit counts the NUL.
func (e *encoder) text(tag Tag, field string, limit int, s string) {
	switch {
	case len(s) >= limit:
		e.fail(field, ErrTooLong)
	case wire.HasNUL(s):
		e.fail(field, ErrNUL)
	default:
		e.b = wire.AppendTag(e.b, width, uint16(tag), len(s)+1)
		e.b = append(append(e.b, s...), 0)
	}
}

func (e *encoder) bytes(tag Tag, field string, limit int, b []byte) {
	if len(b) > limit {
		e.fail(field, ErrTooLong)
		return
	}
	e.b = wire.AppendTag(e.b, width, uint16(tag), len(b))
	e.b = append(e.b, b...)
}

// end writes the fields that the message does not define.
func (e *encoder) end(t MessageType, f *Floating) ([]byte, error) {
	for i := range f.Extra {
		x := &f.Extra[i]
		e.b = wire.AppendTag(e.b, width, uint16(x.Tag), len(x.Data))
		e.b = append(e.b, x.Data...)
	}
	if e.err != nil {
		return e.b[:e.base], &EncodeError{Message: t.String(), Field: e.field, Err: e.err}
	}
	return e.b, nil
}

// decoder reads one body.
type decoder struct {
	wire.Reader
	seen uint64 // fields seen, list members aside
}

func newDecoder(body []byte, _ Version) decoder { return decoder{Reader: wire.NewReader(body)} }

func (d *decoder) next() bool                { return d.Next(width) }
func (d *decoder) boolean(field string) bool { return d.Uint16(field) != 0 }

// once reports whether the field comes for the first time; a second one goes to Extra.
func (d *decoder) once(f *Floating, rank int) bool {
	if d.seen>>rank&1 != 0 {
		d.extra(f)
		return false
	}
	d.seen |= 1 << rank
	return true
}

func (d *decoder) extra(f *Floating) {
	f.Extra = append(f.Extra, Field{Tag: Tag(d.Tag()), Data: d.Bytes()})
}

// listState is where a list of several fields stands while it is read.
type listState struct {
	seen    Bits // members of the current entry that have come
	started bool
}

// starts notes that a member has come and reports whether it opens an entry.
func (d *decoder) starts(st *listState, _ int, member uint, opener bool, _, _ int) bool {
	fresh := !st.started || opener || st.seen>>member&1 != 0
	if fresh {
		st.started, st.seen = true, 0
	}
	st.seen |= 1 << member
	return fresh
}

// room returns how many entries to make room for: what the count says, bounded by
// what the bytes that are left can hold.
func (d *decoder) room(count, least int) int {
	head := 2 * int(width)
	return max(1, min(count, (d.Len()+len(d.Data())+head)/(least+head)+1))
}

// end closes the reading and gives an error its place.
func (d *decoder) end(t MessageType, _ *Floating, table []floating) error {
	err := d.Err()
	if err == nil {
		return nil
	}
	field, at := d.Where()
	if field == "" {
		field = "Tag"
		for _, f := range table {
			if f.tag == Tag(d.Tag()) {
				field = f.name
			}
		}
	}
	return &DecodeError{Message: t.String(), Field: field, Offset: at, Err: err}
}

// AppendMessage appends header and body of m and returns the extended slice. On
// error, an *EncodeError, it returns dst as it was.
func AppendMessage(dst []byte, m Message) ([]byte, error) {
	start := len(dst)
	out, err := m.AppendTo(wire.AppendHeader(dst, 0, uint32(m.Type())), CurrentVersion)
	if err != nil {
		return dst, err
	}
	wire.AppendHeader(out[start:start], uint32(len(out)-start-wire.HeaderSize), uint32(m.Type()))
	return out, nil
}

// DecodeMessage returns the message of a type with the fields of a body, given
// without header; it keeps no part of body. A type that is not known gives a *Raw,
// never an error. The error is a *DecodeError.
func DecodeMessage(t MessageType, body []byte) (Message, error) {
	m := NewMessage(t)
	if err := m.DecodeFrom(body, CurrentVersion); err != nil {
		return nil, err
	}
	return m, nil
}

// Raw is a message whose number this package does not know, kept as it came.
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

// VisitFields visits the body as one secret field of bytes.
func (m *Raw) VisitFields(_ Version, f func(FieldValue) bool) {
	f(FieldValue{Name: "Body", Kind: KindBytes, Bytes: m.Body, Secret: true})
}

// MapText does nothing: where text stands in the body is not known.
func (m *Raw) MapText(func(string) string) {}

// String returns the message in one line.
func (m *Raw) String() string { return Text(m) }
