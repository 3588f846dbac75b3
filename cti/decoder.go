package cti

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/connects-go/connects/internal/wire"
)

// extraRank orders the fields that a message does not define after its own.
const extraRank = 1 << 10

// decoder reads one body. Generated code names the primitives after the types
// of the specification.
type decoder struct {
	wire.Reader
	v      Version
	w      wire.Width
	start  int    // offset of the floating part, -1 before it
	last   int    // rank of the last floating field
	seen   uint64 // ranks of the fields seen, list members aside
	order  bool   // fields came in another order than the specification's
	packed bool   // a field held several elements
}

func newDecoder(body []byte, v Version) decoder {
	return decoder{Reader: wire.NewReader(body), v: v, w: v.width(), start: -1}
}

// next goes to the next floating field.
func (d *decoder) next() bool {
	if d.start < 0 {
		d.start = d.Offset()
	}
	return d.Next(d.w)
}

func (d *decoder) rank(n int) {
	if n < d.last {
		d.order = true
	}
	d.last = n
}

// once reports whether the field comes for the first time; a second one goes
// to Extra.
func (d *decoder) once(f *Floating, rank int) bool {
	if d.seen>>rank&1 != 0 {
		d.extra(f)
		return false
	}
	d.seen |= 1 << rank
	d.rank(rank)
	return true
}

func (d *decoder) extra(f *Floating) {
	d.rank(extraRank)
	f.Extra = append(f.Extra, Field{Tag: Tag(d.Tag()), Data: d.Bytes()})
}

// listState is where a list of several fields stands while it is read.
type listState struct {
	seen    Bits // members of the current entry that have come
	started bool
	starter uint // member that began the first entry

	packed   bool // the last entries come from packed fields
	packBase int  // the first of them
	packSeen Bits // members that filled them
}

// starts notes that a member has come and reports whether it opens an entry: the
// first one, one for a member that the entry has already, or one because the
// member is the opener of its list. lo and hi are the ranks of the list.
func (d *decoder) starts(st *listState, rank int, member uint, opener bool, lo, hi int) bool {
	fresh := !st.started || opener || st.seen>>member&1 != 0
	if fresh {
		if d.last >= lo && d.last <= hi {
			d.last = lo - 1
		}
		if !st.started {
			st.starter = member
		}
		st.started, st.seen, st.packed = true, 0, false
	}
	st.seen |= 1 << member
	d.rank(rank)
	return fresh
}

// elements returns how many elements of a size the current field holds.
func (d *decoder) elements(size int) int {
	n := len(d.Data())
	if n <= size || n%size != 0 {
		return 1
	}
	d.packed = true
	return n / size
}

// column reports whether a field of one element continues the columns that a
// packed field has begun.
func (st *listState) column(member uint) bool {
	return st.packed && st.packSeen>>member&1 == 0
}

// columns returns the entry at which the elements of a packed field begin: beside
// those of the packed field before it, beside the last entry if that lacks the
// member, or after all have entries.
func (d *decoder) columns(st *listState, member uint, have int) int {
	switch {
	case st.column(member):
	case !st.packed && st.started && have > 0 && st.seen>>member&1 == 0:
		st.packBase, st.packSeen = have-1, st.seen
	default:
		st.packBase, st.packSeen = have, 0
	}
	st.packed = true
	st.packSeen |= 1 << member
	st.started, st.seen = true, ^Bits(0)
	return st.packBase
}

// room returns how many entries to make room for: what the count says, bounded
// by what the bytes that are left can hold.
func (d *decoder) room(count, least int) int {
	fit := (d.Len()+len(d.Data())+2*int(d.w))/(least+2*int(d.w)) + 1
	return max(1, min(count, fit))
}

func (d *decoder) boolean(field string) bool { return d.Uint16(field) != 0 }

func (d *decoder) valueBool() bool { return d.Value16() != 0 }

func (d *decoder) valueNamedVar() NamedVar {
	name, value := d.named(d.DataOffset())
	return NamedVar{Name: name, Value: value}
}

func (d *decoder) valueNamedArray() NamedArray {
	b := d.Data()
	if len(b) == 0 {
		d.Fail("", d.DataOffset(), wire.ErrLength)
		return NamedArray{}
	}
	name, value := d.named(d.DataOffset() + 1)
	return NamedArray{Index: b[0], Name: name, Value: value}
}

// named reads name and value, each closed by a NUL or by the end of the field.
func (d *decoder) named(from int) (name, value string) {
	to := d.Offset()
	b := d.Data()[from-d.DataOffset():]
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return d.TextFrom(from, to), ""
	}
	return d.TextFrom(from, from+i), d.TextFrom(from+i+1, to)
}

// end closes the reading: it gives the error its place, or the message its
// order of fields.
func (d *decoder) end(t MessageType, f *Floating, table []floating) error {
	if err := d.Err(); err != nil {
		field, at := d.Where()
		if field == "" {
			field = d.fieldName(table)
		}
		return &DecodeError{Message: t.String(), Field: field, Offset: at, Err: fromWire(err)}
	}
	if d.order && !d.packed {
		f.Order = d.tags()
	}
	return nil
}

func (d *decoder) fieldName(table []floating) string {
	tag := Tag(d.Tag())
	if tag == 0 { // not even tag and length were whole
		return "Tag"
	}
	for _, f := range table {
		if f.tag == tag {
			return f.name
		}
	}
	return tag.String()
}

// tags returns the tags of the floating part in wire order.
func (d *decoder) tags() []Tag {
	all := d.Reader.Body()
	r := wire.NewReader(all[d.start:])
	n := 0
	for r.Next(d.w) {
		n++
	}
	tags := slices.Grow([]Tag(nil), n)
	r = wire.NewReader(all[d.start:])
	for r.Next(d.w) {
		tags = append(tags, Tag(r.Tag()))
	}
	return tags
}

// at16 returns element i of a field that holds several numbers of two bytes.
func (d *decoder) at16(i int) uint16 {
	b := d.Data()
	if len(b) < 2*i+2 || len(b)%2 != 0 {
		d.Fail("", d.DataOffset(), wire.ErrLength)
		return 0
	}
	return binary.BigEndian.Uint16(b[2*i:])
}

// at32 returns element i of a field that holds several numbers of four bytes.
func (d *decoder) at32(i int) uint32 {
	b := d.Data()
	if len(b) < 4*i+4 || len(b)%4 != 0 {
		d.Fail("", d.DataOffset(), wire.ErrLength)
		return 0
	}
	return binary.BigEndian.Uint32(b[4*i:])
}

// fixedBytes reads n bytes; nil stands for zeros.
func (d *decoder) fixedBytes(field string, n int) []byte {
	b := d.Fixed(field, n)
	if len(bytes.Trim(b, "\x00")) == 0 {
		return nil
	}
	return b
}
