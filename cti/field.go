package cti

import "encoding/binary"

// Field is a floating field that is kept as it is: one that the message does
// not define, that the session's version does not have, or that came twice.
type Field struct {
	Tag  Tag    // number of the tag
	Data []byte // the bytes after tag and length; nil when there are none
}

// Bits names fields of one message or list entry. Bit n is the n-th floating
// field in the order of the specification. Use Mark to set bits by tag.
type Bits uint64

// Presence tells apart what a value alone cannot: a field that is on the wire
// with an empty or zero value, and one that is not on the wire.
//
// An optional field is written when it is not empty or zero. Present names
// the optional fields that are written even so, for example a CallVariable1 of
// SET_CALL_DATA_REQ that is to be cleared.
//
// A required field, and a number in an entry of a list, is always written.
// Absent names those that are left out. Only decoding sets it.
//
// Both are zero in a message that was decoded from bytes where everything was
// as the specification asks for.
type Presence struct {
	Present Bits
	Absent  Bits
}

// Floating is the part that every message with a public layout has besides its
// own fields.
type Floating struct {
	Presence
	// Extra holds the fields that the message does not define, in wire order.
	// AppendTo writes them after the others.
	Extra []Field
	// Order holds the tags in wire order when that was not the order of the
	// specification, and is nil when it was. AppendTo keeps the order as long as
	// the message has the same fields as when it was decoded.
	Order []Tag
}

func (f *Floating) rest() *Floating { return f }

// floating describes a floating field for Mark and for errors.
type floating struct {
	tag    Tag
	name   string
	member bool // belongs to a list of the message
}

// mark sets the Present bits of the given tags and reports whether all of them
// belong to fields of their own.
func (p *Presence) mark(table []floating, tags []Tag) bool {
	all := true
	for _, t := range tags {
		found := false
		for i, f := range table {
			if f.tag == t && !f.member {
				p.Present |= 1 << i
				found = true
			}
		}
		all = all && found
	}
	return all
}

// NamedVar is an expanded call context (ECC) variable: type NAMEDVAR. A name
// has at most 32 bytes, a value at most 210.
type NamedVar struct {
	Name  string
	Value string
}

// NamedArray is one element of an expanded call context (ECC) array: type
// NAMEDARRAY. A name has at most 32 bytes, a value at most 210.
type NamedArray struct {
	Index uint8 // from 0
	Name  string
	Value string
}

// TaskID is the id of a task: type TASKID. TaskGroupHigh and TaskGroupLow are
// the 64-bit id of the task group, which stays the same while a customer's
// interaction moves from task to task; with the sequence number it is unique
// per termination record.
type TaskID struct {
	TaskGroupHigh  int32
	TaskGroupLow   int32
	SequenceNumber int32
}

// Group returns the id of the task group.
func (t TaskID) Group() uint64 {
	return uint64(uint32(t.TaskGroupHigh))<<32 | uint64(uint32(t.TaskGroupLow))
}

// TaskIDSize is the number of bytes of a TaskID.
const TaskIDSize = 12

// ParseTaskID reads a task id of TaskIDSize bytes, as it stands in the bodies of
// ARM messages; false when b has another length.
func ParseTaskID(b []byte) (TaskID, bool) {
	if len(b) != TaskIDSize {
		return TaskID{}, false
	}
	number := func(at int) int32 { return int32(binary.BigEndian.Uint32(b[at:])) }
	return TaskID{number(0), number(4), number(8)}, true
}

// AppendTo appends the TaskIDSize bytes of the id.
func (t TaskID) AppendTo(dst []byte) []byte {
	for _, n := range [...]int32{t.TaskGroupHigh, t.TaskGroupLow, t.SequenceNumber} {
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	}
	return dst
}

// Kind says which member of a FieldValue holds the value.
type Kind uint8

// The kinds of values.
const (
	KindNumber     Kind = iota + 1 // Number: CHAR, UCHAR, SHORT, USHORT, INT, UINT
	KindBool                       // Number, 0 or 1: BOOL
	KindTime                       // Number, seconds since 1970-01-01 UTC: TIME
	KindText                       // Text: STRING
	KindBytes                      // Bytes: UNSPEC
	KindNamedVar                   // Var without index: NAMEDVAR
	KindNamedArray                 // Var: NAMEDARRAY
	KindTaskID                     // Task: TASKID
)

// FieldValue is one field of a message as VisitFields shows it.
type FieldValue struct {
	Name  string // name in the specification
	Kind  Kind
	Group string // group of constants of a number, else ""; see ConstantName

	Number int64
	Text   string
	Bytes  []byte
	Var    NamedArray
	Task   TaskID

	// List says that the field belongs to a list and may come again; Entry is
	// then the index of the entry, of the record for a list within a record.
	List  bool
	Entry int
	// Secret marks passwords. Traces and logs show no value of them.
	Secret bool
}

// visitor calls a function for fields until it returns false.
type visitor struct {
	f     func(FieldValue) bool
	stop  bool
	list  bool
	entry int
}

func (w *visitor) put(v FieldValue) {
	if w.stop {
		return
	}
	v.List, v.Entry = w.list, w.entry
	w.stop = !w.f(v)
}

func (w *visitor) at(entry int) { w.list, w.entry = true, entry }

func (w *visitor) done() { w.list, w.entry = false, 0 }

func (w *visitor) number(name, group string, n int64) {
	w.put(FieldValue{Name: name, Kind: KindNumber, Group: group, Number: n})
}

func (w *visitor) boolean(name string, b bool) {
	v := FieldValue{Name: name, Kind: KindBool}
	if b {
		v.Number = 1
	}
	w.put(v)
}

func (w *visitor) time(name string, t uint32) {
	w.put(FieldValue{Name: name, Kind: KindTime, Number: int64(t)})
}

func (w *visitor) text(name, s string) { w.put(FieldValue{Name: name, Kind: KindText, Text: s}) }

func (w *visitor) secretText(name, s string) {
	w.put(FieldValue{Name: name, Kind: KindText, Text: s, Secret: true})
}

func (w *visitor) bytes(name string, b []byte) {
	w.put(FieldValue{Name: name, Kind: KindBytes, Bytes: b})
}

// fixedBytes shows a field of n bytes, filled with zeros.
func (w *visitor) fixedBytes(name string, b []byte, n int) {
	if len(b) < n {
		b = append(b[:len(b):len(b)], make([]byte, n-len(b))...)
	}
	w.bytes(name, b)
}

func (w *visitor) secretBytes(name string, b []byte) {
	w.put(FieldValue{Name: name, Kind: KindBytes, Bytes: b, Secret: true})
}

func (w *visitor) namedVar(name string, v NamedVar) {
	w.put(FieldValue{Name: name, Kind: KindNamedVar, Var: NamedArray{Name: v.Name, Value: v.Value}})
}

func (w *visitor) namedArray(name string, v NamedArray) {
	w.put(FieldValue{Name: name, Kind: KindNamedArray, Var: v})
}

func visitBody(body []byte, f func(FieldValue) bool) {
	f(FieldValue{Name: "Body", Kind: KindBytes, Bytes: body})
}

func mapText(s *string, f func(string) string) {
	if *s != "" {
		*s = f(*s)
	}
}

// bodyInvoke reads the invoke id of a message whose layout is not public.
// Assumed: it is the first field, as in every message with a public layout.
func bodyInvoke(body []byte) uint32 {
	if len(body) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(body)
}

func setBodyInvoke(body []byte, id uint32) []byte {
	for len(body) < 4 {
		body = append(body, 0)
	}
	binary.BigEndian.PutUint32(body, id)
	return body
}
