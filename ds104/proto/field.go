package proto

import "strconv"

// Field is a tagged field that the message does not define, kept as it is.
type Field struct {
	Tag  Tag
	Data []byte
}

// Bits names fields of one message or list entry, in the order of the table.
type Bits uint64

// Presence tells apart a field that is on the wire with an empty or zero value and
// one that is not there. Present names optional fields that are written even when
// empty; Absent names required ones that were missing in what was decoded.
type Presence struct {
	Present Bits
	Absent  Bits
}

// Floating is the part that every message has besides its own fields. Extra holds
// the fields that the message does not define; they are written after the others.
type Floating struct {
	Presence
	Extra []Field
}

// floating describes a tagged field for Mark and for errors.
type floating struct {
	tag    Tag
	name   string
	member bool // belongs to a list of the message
}

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

// Kind says which member of a FieldValue holds the value.
type Kind uint8

// The kinds of values.
const (
	KindNumber Kind = iota + 1 // Number
	KindBool                   // Number, 0 or 1
	KindText                   // Text
	KindBytes                  // Bytes
)

// FieldValue is one field of a message as VisitFields shows it.
type FieldValue struct {
	Name   string
	Kind   Kind
	Group  string // group of constants of a number, else ""
	Number int64
	Text   string
	Bytes  []byte
	// List says that the field belongs to entry number Entry of a list.
	List  bool
	Entry int
	// Secret marks tokens and values of entries: String shows nothing of them.
	Secret bool
}

// String returns the value for people.
func (f FieldValue) String() string {
	switch {
	case f.Secret:
		return "****"
	case f.Kind == KindText:
		return strconv.Quote(f.Text)
	case f.Kind == KindBytes:
		return strconv.Quote(string(f.Bytes))
	case f.Kind == KindBool:
		return strconv.FormatBool(f.Number != 0)
	}
	if f.Group != "" {
		if s := ConstantName(f.Group, f.Number); s != "" {
			return s
		}
	}
	return strconv.FormatInt(f.Number, 10)
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
func (w *visitor) done()        { w.list, w.entry = false, 0 }

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

func (w *visitor) text(name, s string) { w.put(FieldValue{Name: name, Kind: KindText, Text: s}) }

func (w *visitor) bytes(name string, b []byte) {
	w.put(FieldValue{Name: name, Kind: KindBytes, Bytes: b})
}

func (w *visitor) secretBytes(name string, b []byte) {
	w.put(FieldValue{Name: name, Kind: KindBytes, Bytes: b, Secret: true})
}

func mapText(s *string, f func(string) string) {
	if *s != "" {
		*s = f(*s)
	}
}
